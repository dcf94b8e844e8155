//! From what was accumulated to a fleet's evidence, its GPUs' UUIDs and slices, and what could not be seen.

use super::{
    accumulate::{Accumulator, Board, Device},
    hours::Hours,
    names,
};
use plimsoll_fleet::Timestamp;
use plimsoll_fleet::{
    Bytes, DeviceUsage, Fleet, Metric, Name, NodeId, PodUsage, Unseen, UnseenKind, Window,
    evidence::{Dialect, Metrics},
    node::Slice,
    resource::Vendor,
};
use std::collections::BTreeMap;

/// A slice that was not seen in the last of the window is one of an older layout. Prometheus looks back five minutes.
const CURRENT_SECONDS: i64 = 600;

/// A board that says it is in a node: its number, itself, its index there.
type Claimant<'a> = (u32, &'a Board, Option<u16>);

impl Accumulator {
    /// Writes all that was taken into `fleet`: the evidence, the UUIDs of its GPUs, their slices, memory that was not
    /// known, and what could not be seen. The source, the step and the queries are the reader's to fill in.
    pub fn finish(mut self, fleet: &mut Fleet) {
        self.settle();
        self.close_hours();
        let slots = self.place(fleet);
        self.learn_slices(fleet, &slots);
        self.learn_memory(fleet, &slots);

        let evidence = &mut fleet.evidence;
        evidence.window = self.seen.map(|(start, end)| Window { start: Timestamp(start), end: Timestamp(end) });
        evidence.dialects = self.dialects.iter().copied().collect();
        evidence.dropped = self.dropped;
        evidence.not_understood = self.not_understood.iter().cloned().collect();
        evidence.hours = std::mem::take::<Hours>(&mut self.hours).finish();

        let grid = self.grid();
        let usage = |device: &Device| {
            let (node, gpu) = slots[device.board as usize]?;
            Some(DeviceUsage { node, gpu, slice: device.slice.clone(), metrics: device.gauges.finish(grid) })
        };
        evidence.devices = self.devices.iter().filter_map(usage).filter(|usage| !usage.metrics.is_empty()).collect();
        evidence.devices.sort_by(|a, b| (a.node, a.gpu, &a.slice).cmp(&(b.node, b.gpu, &b.slice)));

        let pods = std::mem::take(&mut self.pods).into_iter().map(|((pod, device, attribution), gauges)| {
            let device = &self.devices[device as usize];
            let bound = self.directory.node_of(pod);
            let gpu = slots[device.board as usize].filter(|(node, _)| Some(*node) == bound).map(|(_, gpu)| gpu);
            PodUsage { pod, gpu, slice: device.slice.clone(), attribution, metrics: gauges.finish(grid) }
        });
        evidence.pods = pods.filter(|usage| !usage.metrics.is_empty()).collect();
        evidence.pods.sort_by(|a, b| (a.pod, a.gpu, &a.slice, a.attribution).cmp(&(b.pod, b.gpu, &b.slice, b.attribution)));

        let has_course = evidence.devices.iter().any(|usage| usage.metrics.course.is_some());
        evidence.courses = grid.filter(|_| has_course || evidence.pods.iter().any(|usage| usage.metrics.course.is_some()));

        self.tell_unseen(fleet, &slots);
    }

    /// Gives each board its place among its node's GPUs: by UUID where DRA told it, else by index. Of two boards that say
    /// they are in one place the one seen last is there, and the other was taken out.
    fn place(&self, fleet: &mut Fleet) -> Vec<Option<(NodeId, u16)>> {
        let mut slots = vec![None; self.boards.len()];
        let mut by_node: BTreeMap<NodeId, Vec<Claimant<'_>>> = BTreeMap::new();
        for (index, board) in self.boards.iter().enumerate() {
            if let Some((_, _, node, gpu)) = board.place {
                by_node.entry(node).or_default().push((index as u32, board, gpu));
            }
        }
        for (id, mut boards) in by_node {
            let Some(node) = fleet.nodes.get_mut(id.index()) else { continue };
            boards.sort_by(|a, b| b.1.last_seen.cmp(&a.1.last_seen).then_with(|| a.1.uuid.cmp(&b.1.uuid)).then(a.2.cmp(&b.2)));
            let mut taken = vec![false; node.gpus.len()];
            for (index, board, _) in &boards {
                if let Some(slot) = board.uuid.as_ref().and_then(|uuid| node.gpus.iter().position(|gpu| gpu.uuid.as_ref() == Some(uuid))) {
                    taken[slot] = true;
                    slots[*index as usize] = Some((id, slot as u16));
                }
            }
            for (index, board, gpu) in boards {
                let alone = (node.gpus.len() == 1).then_some(0);
                let Some(slot) = gpu.or(alone).map(usize::from) else { continue };
                let free = taken.get(slot) == Some(&false) && node.gpus[slot].uuid.is_none();
                if slots[index as usize].is_none() && free {
                    taken[slot] = true;
                    node.gpus[slot].uuid.clone_from(&board.uuid);
                    slots[index as usize] = Some((id, slot as u16));
                }
            }
        }
        slots
    }

    /// Slices that exist now, from their rows. Where DRA has told the slices, only their instance ids are added.
    fn learn_slices(&self, fleet: &mut Fleet, slots: &[Option<(NodeId, u16)>]) {
        let Some((_, last)) = self.seen else { return };
        let mut current: Vec<_> = self
            .devices
            .iter()
            .filter(|device| device.last_seen >= last - CURRENT_SECONDS)
            .filter_map(|device| Some((slots[device.board as usize]?, device.slice.as_ref()?)))
            .collect();
        current.sort();
        let mut known_before = BTreeMap::new();
        for ((node, gpu), slice) in current {
            let slices = &mut fleet.nodes[node.index()].gpus[usize::from(gpu)].slices;
            let told = *known_before.entry((node, gpu)).or_insert(!slices.is_empty());
            let nameless = slices.iter_mut().find(|known| known.profile == slice.profile && known.instance.is_none());
            match nameless {
                Some(known) => known.instance = Some(slice.instance),
                None if !told => slices.push(Slice { profile: slice.profile.clone(), start: None, instance: Some(slice.instance) }),
                None => {}
            }
        }
    }

    /// A node's GPU memory, where its labels did not tell: the capacity, else free and used and reserved together.
    fn learn_memory(&self, fleet: &mut Fleet, slots: &[Option<(NodeId, u16)>]) {
        let mut told: Vec<_> = slots.iter().zip(&self.boards).filter_map(|(slot, board)| Some(((*slot)?, board))).collect();
        told.sort_by_key(|(slot, _)| *slot);
        for ((node, _), board) in told {
            let [capacity, free, reserved, used] = board.memory;
            let sum = || Some(free? + reserved? + used?);
            let memory = &mut fleet.nodes[node.index()].gpu_memory;
            if memory.is_none() {
                *memory = capacity.or_else(sum).filter(|bytes| *bytes > 0.0).map(|bytes| Bytes(bytes as u64));
            }
        }
    }

    fn tell_unseen(&self, fleet: &mut Fleet, slots: &[Option<(NodeId, u16)>]) {
        let tell = |fleet: &mut Fleet, kind, subject: Name, why: String, remedy: &str| {
            fleet.unseen.push(Unseen { kind, subject, why: why.into(), remedy: remedy.into() });
        };
        let dropped = self.dropped;
        if dropped.total() > 0 {
            let why = format!(
                "{} samples were not used: {} blank, {} not a number, {} negative, {} ratios above 1, {} said twice, {} outside of the window",
                dropped.total(),
                dropped.sentinel,
                dropped.not_finite,
                dropped.negative,
                dropped.above_one,
                dropped.duplicate,
                dropped.out_of_window
            );
            let remedy = "nothing to do if they are few; else look at the exporter's log and at how often it is scraped";
            tell(fleet, UnseenKind::Dropped, "DCGM samples".into(), why, remedy);
        }
        if !self.not_understood.is_empty() {
            let names: Vec<&str> = self.not_understood.iter().map(|name| &**name).collect();
            let why = format!("not understood: {}", names.join(", "));
            let remedy = "a newer Plimsoll may know them; nothing of them is in the figures";
            tell(fleet, UnseenKind::NotUnderstood, "DCGM metric names".into(), why, remedy);
        }
        let nvidia_gpus: usize =
            fleet.nodes.iter().filter(|node| node.vendor.is_none_or(|vendor| vendor == Vendor::Nvidia)).map(|node| node.gpus.len()).sum();
        if nvidia_gpus == 0 {
            return;
        }
        let seen: Vec<&Metrics> = fleet.evidence.devices.iter().map(|usage| &usage.metrics).collect();
        if seen.is_empty() {
            let remedy =
                "install the NVIDIA GPU operator or dcgm-exporter, and have Prometheus scrape it (chart value serviceMonitor.enabled=true)";
            tell(fleet, UnseenKind::NoMetrics, "GPUs".into(), "no DCGM metrics of this cluster's GPUs were found".to_owned(), remedy);
        } else {
            let absent: Vec<_> = absent_everywhere(&seen);
            let blind = seen.iter().filter(|metrics| metrics.useful().is_none()).count();
            if blind > 0 && blind < seen.len() {
                let why = format!("{blind} of {} devices with metrics have none of SM, tensor and DRAM activity", seen.len());
                let remedy = "give every exporter the same list of counters; profiling metrics need SYS_ADMIN and a data-centre GPU";
                tell(fleet, UnseenKind::Partial, "profiling metrics".into(), why, remedy);
            }
            let dialect = self.dialects.last().copied().unwrap_or(Dialect::Classic);
            for metric in absent {
                let line = names::counters_line(metric, dialect);
                let name = line.split(',').next().unwrap_or_default().into();
                let remedy =
                    format!("add this line to the exporter's list of counters (chart value customMetrics, or its ConfigMap): {line}");
                tell(fleet, UnseenKind::MetricAbsent, name, "no exporter sends it".to_owned(), &remedy);
            }
        }
        if !self.names_pods && !self.devices.is_empty() {
            let why = "no series names the pod that holds the GPU, so nothing can be attributed to a pod from metrics".to_owned();
            let remedy = "run the exporter with DCGM_EXPORTER_KUBERNETES=true and the kubelet's pod-resources socket mounted";
            tell(fleet, UnseenKind::Partial, "pod labels".into(), why, remedy);
        }
        let last = self.seen.map_or(i64::MAX, |(_, last)| last - CURRENT_SECONDS);
        let lost: Vec<&Board> = self
            .boards
            .iter()
            .zip(slots)
            .filter(|(board, slot)| slot.is_none() && board.last_seen >= last)
            .map(|(board, _)| board)
            .collect();
        if !lost.is_empty() || self.nameless > 0 {
            let mut hosts: Vec<&str> = lost.iter().filter_map(|board| board.host.as_deref()).collect();
            hosts.sort_unstable();
            hosts.dedup();
            hosts.truncate(5);
            let why = format!(
                "{} GPUs with metrics, and {} series without a UUID, are at no GPU of a node of this cluster (hosts: {})",
                lost.len(),
                self.nameless,
                if hosts.is_empty() { "not told".to_owned() } else { hosts.join(", ") }
            );
            let remedy =
                "if the store holds several clusters, name this one's (its own Prometheus); else give the scrape target a node label";
            tell(fleet, UnseenKind::Partial, "GPUs of unknown nodes".into(), why, remedy);
        }
    }
}

/// The metrics that decisions want, and that no device has. `GPU_UTIL` does not exist where all devices are slices, and is
/// not missed where engine activity is there.
fn absent_everywhere(seen: &[&Metrics]) -> Vec<Metric> {
    let has = |metric| seen.iter().any(|metrics| metrics.get(metric).is_some());
    [Metric::EngineActive, Metric::SmActive, Metric::TensorActive, Metric::DramActive, Metric::MemoryUsed]
        .into_iter()
        .filter(|metric| !has(*metric))
        .collect()
}
