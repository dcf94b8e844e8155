//! Joins series to the devices and pods of a fleet, and sketches them as they arrive.
//!
//! Series come in batches: all series of one metric over a stretch of time, or all bodies of one round of scraping. Only
//! within a batch can it be seen that two series are about the same device at the same moment: copies of a time-sliced
//! GPU, a device's own row beside the rows of its pods, a device that two exporters report. [`Accumulator::settle`]
//! resolves that, sketches the batch and lets it go, so memory grows with the fleet and not with the window.
//!
//! Device history is joined on the UUID (and the GPU instance id), because a new pod or a new exporter is a new series.

use super::{
    directory::{Directory, Sureness},
    hours::{Hours, Moment, Part},
    labels::{Convention, Identity, Pairs, identify},
    names::{self, Known, Role, Unit},
};
use plimsoll_fleet::{
    Attribution, CourseBuilder, Fleet, Metric, Name, NodeId, PodId, Sketch, SketchBuilder, Timestamp, Window,
    course::Grid,
    evidence::{Dialect, Dropped, Metrics, SliceId},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

/// A device counts as at work from this activity on.
const ACTIVE_FROM: f64 = 0.01;
/// More names that are not understood are not kept: the list is for people.
const NOT_UNDERSTOOD_MAX: usize = 100;

/// One sample of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When, in seconds since 1970.
    pub at: i64,
    /// The value as the source wrote it.
    pub value: f64,
}

/// What the reader of a series knows beside its labels.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// The node of the exporter that was read directly.
    pub node: Option<NodeId>,
    /// How the holder is written.
    pub convention: Convention,
    /// The unit of `DCGM_FI_DEV_GPU_UTIL_RATIO` here.
    pub ratio: Unit,
    /// What was asked for, both ends included; samples outside are dropped and counted.
    pub bounds: Window,
}

/// Sketches of one device, or of one pod on it, in the making.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    by_metric: Vec<(Metric, SketchBuilder)>,
    last_active: Option<i64>,
    course: CourseBuilder,
}

impl Gauges {
    fn add(&mut self, metric: Metric, moments: impl Iterator<Item = (i64, f64)> + Clone) {
        if CourseBuilder::wants(metric) {
            self.course.add(metric, moments.clone());
        }
        let at = self.by_metric.iter().position(|(known, _)| *known == metric).unwrap_or_else(|| {
            self.by_metric.push((metric, SketchBuilder::new()));
            self.by_metric.len() - 1
        });
        let builder = &mut self.by_metric[at].1;
        for (at, value) in moments {
            builder.add(value);
            if metric.is_ratio() && value >= ACTIVE_FROM {
                self.last_active = self.last_active.max(Some(at));
            }
        }
    }

    /// Forgets `metric`.
    fn forget(&mut self, metric: Metric) {
        self.by_metric.retain(|(known, _)| *known != metric);
        self.course.forget(metric);
    }

    pub(super) fn finish(&self, grid: Option<Grid>) -> Metrics {
        let by_metric: BTreeMap<Metric, Sketch> =
            self.by_metric.iter().filter_map(|(metric, builder)| Some((*metric, builder.finish()?))).collect();
        let course = grid.and_then(|grid| self.course.finish(grid));
        Metrics { by_metric, last_active: self.last_active.map(Timestamp), course }
    }
}

/// A physical GPU, by its UUID.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) uuid: Option<Name>,
    /// The newest word on where it is: when, how sure, the node, the index there.
    pub(super) place: Option<(i64, Sureness, NodeId, Option<u16>)>,
    pub(super) last_seen: i64,
    /// The host label, for people, where no node was found.
    pub(super) host: Option<Name>,
    /// Capacity, free, reserved and used framebuffer, bytes.
    pub(super) memory: [Option<f64>; 4],
}

/// A GPU or a slice of it.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) board: u32,
    pub(super) slice: Option<SliceId>,
    pub(super) last_seen: i64,
    pub(super) gauges: Gauges,
}

/// Whom a row names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Nobody,
    /// A pod that is not in the fleet (any more).
    Gone,
    Pod(PodId),
}

/// A series of the batch at hand.
#[derive(Debug, Clone, Copy)]
struct Row {
    device: u32,
    metric: Metric,
    holder: Holder,
    /// The pod's name and the share, hashed: rows of one claim are the same thing said twice.
    claim: u64,
    share: bool,
    per_process: bool,
    /// The pod holds an unknown part of the device.
    part: bool,
    /// Strictly in order of time.
    ordered: bool,
    start: usize,
    end: usize,
}

/// Takes series, gives evidence. See the module.
#[derive(Debug)]
pub struct Accumulator {
    pub(super) directory: Directory,
    pub(super) boards: Vec<Board>,
    by_uuid: HashMap<Name, u32>,
    by_slot: HashMap<(NodeId, u16), u32>,
    pub(super) devices: Vec<Device>,
    by_slice: HashMap<(u32, Option<u32>), u32>,
    pub(super) pods: HashMap<(PodId, u32, Attribution), Gauges>,
    pub(super) hours: Hours,
    /// The bins of the courses; none: the window is not known yet.
    grid: Option<Grid>,
    rows: Vec<Row>,
    points: Vec<Point>,
    pub(super) dropped: Dropped,
    pub(super) dialects: BTreeSet<Dialect>,
    pub(super) not_understood: BTreeSet<Name>,
    /// First and last sample that was used.
    pub(super) seen: Option<(i64, i64)>,
    /// Did any series name a pod?
    pub(super) names_pods: bool,
    /// Series of a GPU that neither a UUID nor a place identifies.
    pub(super) nameless: u64,
    shapes_of_nodes: Vec<(Option<Name>, Option<plimsoll_fleet::Bytes>)>,
}

impl Accumulator {
    /// For the nodes and pods of `fleet`.
    #[must_use]
    pub fn new(fleet: &Fleet) -> Self {
        Self {
            directory: Directory::new(fleet),
            boards: Vec::new(),
            by_uuid: HashMap::new(),
            by_slot: HashMap::new(),
            devices: Vec::new(),
            by_slice: HashMap::new(),
            pods: HashMap::new(),
            hours: Hours::default(),
            grid: None,
            rows: Vec::new(),
            points: Vec::new(),
            dropped: Dropped::default(),
            dialects: BTreeSet::new(),
            not_understood: BTreeSet::new(),
            seen: None,
            names_pods: false,
            nameless: 0,
            shapes_of_nodes: fleet.nodes.iter().map(|node| (node.gpu_product.clone(), node.gpu_memory)).collect(),
        }
    }

    /// The window that will be read. With it the courses of the devices are written as their hours close; without it they
    /// wait for the end, so whoever reads long windows says it.
    pub fn expect(&mut self, window: Window) {
        self.grid = Some(Grid::over(window));
    }

    /// The bins of the courses: of the window that was expected, else of what was seen.
    pub(super) fn grid(&self) -> Option<Grid> {
        let seen = || self.seen.map(|(start, end)| Grid::over(Window { start: Timestamp(start), end: Timestamp(end) }));
        self.grid.or_else(seen)
    }

    /// What is known of a metric's name. Unknown names that look like DCGM's are remembered for the report.
    pub fn meet(&mut self, name: &str) -> Option<Known> {
        if !name.starts_with(names::PREFIX) {
            return None;
        }
        let known = names::known(name);
        match known {
            Some(known) => self.dialects.extend(known.dialect),
            None if self.not_understood.len() < NOT_UNDERSTOOD_MAX => {
                self.not_understood.insert(name.into());
            }
            None => {}
        }
        known
    }

    /// Takes a series of the batch at hand. `points` are in order of time; where they are not, that is put right.
    pub fn take(&mut self, name: &str, labels: &Pairs<'_>, points: &[Point], reading: &Reading) {
        let Some(known) = self.meet(name) else { return };
        let Role::Gauge(metric) = known.role else { return };
        let unit = if known.unit == Unit::PercentOrRatio { reading.ratio } else { known.unit };
        let mut identity = identify(labels, reading.convention);
        self.settle_holder(&mut identity);
        // GPU_UTIL is not defined for slices.
        if metric == Metric::GpuUtil && (identity.slice.is_some() || identity.slice_unknown) {
            return;
        }
        let (start, mut ordered) = (self.points.len(), true);
        let bounds = reading.bounds.start.0..=reading.bounds.end.0;
        for point in points {
            if !bounds.contains(&point.at) {
                self.dropped.out_of_window += 1;
                continue;
            }
            if let Some(value) = names::clean(known, unit, point.value, &mut self.dropped) {
                ordered &= self.points[start..].last().is_none_or(|last| last.at < point.at);
                self.points.push(Point { at: point.at, value });
            }
        }
        let end = self.points.len();
        let Some(last) = self.points[start..end].iter().map(|point| point.at).max() else { return };

        let node = reading.node.or_else(|| self.directory.node(&identity));
        let pod = identity.holder.and_then(|holder| self.directory.pod(holder));
        let pod = pod.filter(|pod| self.directory.node_of(*pod).is_some_and(|bound| node.is_none_or(|node| node == bound)));
        let place = match (node, pod.and_then(|pod| self.directory.node_of(pod))) {
            (Some(node), _) => Some((Sureness::Target, node)),
            (None, Some(node)) => Some((Sureness::Holder, node)),
            (None, None) => None,
        };
        let Some(device) = self.device(&identity, place, last) else {
            self.nameless += 1;
            self.points.truncate(start);
            return;
        };
        self.names_pods |= identity.holder.is_some();
        let holder = match (identity.holder, pod) {
            (None, _) => Holder::Nobody,
            (Some(_), None) => Holder::Gone,
            (Some(_), Some(pod)) => Holder::Pod(pod),
        };
        let mut claim = DefaultHasher::new();
        identity.holder.map(|holder| (holder.namespace, holder.name)).hash(&mut claim);
        identity.vgpu.hash(&mut claim);
        let share = identity.vgpu.is_some();
        // The exporter maps processes to pods for these two old names only (4.8.2, `transformation/const.go`).
        let per_process = share && matches!(known.name, "DCGM_FI_DEV_GPU_UTIL" | "DCGM_FI_DEV_FB_USED") && identity.holder.is_some();
        let part = identity.slice_unknown;
        self.rows.push(Row { device, metric, holder, claim: claim.finish(), share, per_process, part, ordered, start, end });
    }

    /// Takes a part of a GPU's framebuffer at one moment, to learn the memory of the board. Slices are passed over.
    pub fn take_memory(&mut self, name: &str, labels: &Pairs<'_>, point: Point, reading: &Reading) {
        let Some(known) = self.meet(name) else { return };
        let slot = match known.role {
            Role::Memory(names::Part::Capacity) => 0,
            Role::Memory(names::Part::Free) => 1,
            Role::Memory(names::Part::Reserved) => 2,
            Role::Gauge(Metric::MemoryUsed) => 3,
            _ => return,
        };
        let mut identity = identify(labels, reading.convention);
        self.settle_holder(&mut identity);
        if identity.slice.is_some() || identity.slice_unknown || (slot == 3 && identity.vgpu.is_some()) {
            return;
        }
        let mut dropped = Dropped::default();
        let Some(value) = names::clean(known, known.unit, point.value, &mut dropped) else { return };
        let place = reading.node.or_else(|| self.directory.node(&identity)).map(|node| (Sureness::Target, node));
        if let Some(board) = self.board(&identity, place, point.at) {
            self.boards[board as usize].memory[slot] = Some(value);
        }
    }

    /// A pod that came with its node and holds nothing is the exporter, whatever label it stands in.
    fn settle_holder(&self, identity: &mut Identity<'_>) {
        if let Some(holder) = identity.holder.filter(|holder| self.directory.serves_node(*holder)) {
            identity.exporter = identity.exporter.or(Some(holder));
            identity.holder = None;
        }
    }

    fn board(&mut self, identity: &Identity<'_>, place: Option<(Sureness, NodeId)>, at: i64) -> Option<u32> {
        let next = self.boards.len() as u32;
        let board = match (identity.uuid, place, identity.gpu) {
            (Some(uuid), ..) => match self.by_uuid.get(uuid) {
                Some(board) => *board,
                None => *self.by_uuid.entry(uuid.into()).or_insert(next),
            },
            (None, Some((_, node)), Some(gpu)) => *self.by_slot.entry((node, gpu)).or_insert(next),
            _ => return None,
        };
        if board == next {
            let uuid = identity.uuid.map(Name::from);
            self.boards.push(Board { uuid, place: None, last_seen: i64::MIN, host: None, memory: [None; 4] });
        }
        let known = &mut self.boards[board as usize];
        known.last_seen = known.last_seen.max(at);
        if known.host.is_none() {
            known.host = identity.host.or(identity.instance).map(Name::from);
        }
        if let Some((sureness, node)) = place {
            let order = |(at, sureness, node, gpu): (i64, Sureness, NodeId, Option<u16>)| {
                (at, sureness, std::cmp::Reverse(node), gpu.is_some(), std::cmp::Reverse(gpu))
            };
            let newer = (at, sureness, node, identity.gpu);
            if known.place.is_none_or(|known| order(known) < order(newer)) {
                known.place = Some(newer);
            }
        }
        Some(board)
    }

    fn device(&mut self, identity: &Identity<'_>, place: Option<(Sureness, NodeId)>, at: i64) -> Option<u32> {
        let board = self.board(identity, place, at)?;
        let next = self.devices.len() as u32;
        let device = *self.by_slice.entry((board, identity.slice.map(|slice| slice.0))).or_insert(next);
        if device == next {
            let slice = identity.slice.map(|(instance, profile)| SliceId { instance, profile: profile.into() });
            self.devices.push(Device { board, slice, last_seen: i64::MIN, gauges: Gauges::default() });
        }
        let known = &mut self.devices[device as usize];
        // An instance id is given again after a new layout: the newest profile is the true one.
        if let (Some(known_slice), Some((_, profile))) = (&mut known.slice, identity.slice)
            && (at > known.last_seen || (at == known.last_seen && *profile < *known_slice.profile))
            && *known_slice.profile != *profile
        {
            known_slice.profile = profile.into();
        }
        known.last_seen = known.last_seen.max(at);
        Some(device)
    }

    /// The batch is whole: resolves what is said twice, and sketches it.
    pub fn settle(&mut self) {
        let mut rows = std::mem::take(&mut self.rows);
        let points = std::mem::take(&mut self.points);
        rows.sort_by_key(|row| (row.device, row.metric, row.claim));
        for group in rows.chunk_by(|a, b| (a.device, a.metric) == (b.device, b.metric)) {
            match group {
                [row] if row.ordered && !row.per_process => self.settle_alone(row, &points[row.start..row.end]),
                _ => self.settle_together(group, &points),
            }
        }
        // The batch's room is kept for the next one.
        rows.clear();
        self.rows = rows;
        self.points = points;
        self.points.clear();
    }

    /// The common case: one series about one device.
    fn settle_alone(&mut self, row: &Row, points: &[Point]) {
        let held = row.holder != Holder::Nobody;
        let moments: Vec<Moment> = points.iter().map(|point| Moment { at: point.at, value: point.value, held }).collect();
        self.record_device(row.device, row.metric, &moments);
        if let Holder::Pod(pod) = row.holder {
            let since = self.directory.since(pod).0;
            let attribution = self.attribution(row, pod, 1);
            let own = points.iter().filter(|point| point.at >= since).map(|point| (point.at, point.value));
            self.record_pod(row, pod, attribution, own);
        }
    }

    /// Several series about one device, or one that says a moment twice.
    fn settle_together(&mut self, group: &[Row], points: &[Point]) {
        let mut said: Vec<(Point, &Row)> =
            group.iter().flat_map(|row| points[row.start..row.end].iter().map(move |point| (*point, row))).collect();
        // A device's own row first, then copies, then processes; of two that say the same thing, the greater value first.
        said.sort_by(|(a, of_a), (b, of_b)| {
            (a.at, of_a.per_process, of_a.share)
                .cmp(&(b.at, of_b.per_process, of_b.share))
                .then(b.value.total_cmp(&a.value))
                .then(of_a.claim.cmp(&of_b.claim))
        });
        let mut moments: Vec<Moment> = Vec::new();
        let mut own: BTreeMap<(PodId, Attribution), Vec<(i64, f64)>> = BTreeMap::new();
        let mut claims: Vec<(u64, Point, &Row)> = Vec::new();
        for at_once in said.chunk_by(|a, b| a.0.at == b.0.at) {
            claims.clear();
            for (point, row) in at_once {
                if claims.iter().any(|(claim, _, of)| *claim == row.claim && of.per_process == row.per_process) {
                    self.dropped.duplicate += 1;
                } else {
                    claims.push((row.claim, *point, row));
                }
            }
            let of_device = match claims[0] {
                (_, point, row) if !row.per_process => Some(point.value),
                // Without the device's own row, what its processes hold adds up; when they ran does not.
                (_, _, row) if row.metric == Metric::MemoryUsed => Some(claims.iter().map(|(_, point, _)| point.value).sum()),
                _ => None,
            };
            let held = claims.iter().any(|(_, _, row)| row.holder != Holder::Nobody);
            if let Some(value) = of_device {
                moments.push(Moment { at: at_once[0].0.at, value, held });
            }
            let holders = claims.iter().filter(|(_, _, row)| row.holder != Holder::Nobody).count();
            for (_, point, row) in &claims {
                if let Holder::Pod(pod) = row.holder
                    && point.at >= self.directory.since(pod).0
                {
                    own.entry((pod, self.attribution(row, pod, holders))).or_default().push((point.at, point.value));
                }
            }
        }
        self.record_device(group[0].device, group[0].metric, &moments);
        for ((pod, attribution), moments) in own {
            self.record_pod(&group[0], pod, attribution, moments.into_iter());
        }
    }

    /// Whose figure it is, when `holders` are named on the device at the same moment.
    fn attribution(&self, row: &Row, pod: PodId, holders: usize) -> Attribution {
        let shared = self.directory.node_of(pod).is_some_and(|node| self.directory.shares(node));
        if row.per_process {
            Attribution::PerProcess
        } else if row.share || row.part || shared || holders > 1 {
            Attribution::DeviceCopy
        } else {
            Attribution::Measured
        }
    }

    fn record_device(&mut self, device: u32, metric: Metric, moments: &[Moment]) {
        let (Some(first), Some(last)) = (moments.first(), moments.last()) else { return };
        let (from, to) = self.seen.unwrap_or((first.at, last.at));
        self.seen = Some((from.min(first.at), to.max(last.at)));
        self.devices[device as usize].gauges.add(metric, moments.iter().map(|moment| (moment.at, moment.value)));
        self.hours.add(device, metric, moments);
    }

    fn record_pod(&mut self, row: &Row, pod: PodId, attribution: Attribution, moments: impl Iterator<Item = (i64, f64)> + Clone) {
        let mut moments = moments.peekable();
        if moments.peek().is_some() {
            self.pods.entry((pod, row.device, attribution)).or_default().add(row.metric, moments);
        }
    }

    /// All series of the hours so far have been taken and settled: their devices are folded into the fleet's sums, and into
    /// their courses.
    pub fn close_hours(&mut self) {
        if let Some(grid) = self.grid {
            let gauges = self.devices.iter_mut().map(|device| &mut device.gauges).chain(self.pods.values_mut());
            gauges.for_each(|gauges| gauges.course.close(grid));
        }
        let Self { hours, devices, boards, shapes_of_nodes, .. } = self;
        hours.close(|device| {
            let device = &devices[device as usize];
            let node = boards[device.board as usize].place.map(|(_, _, node, _)| node);
            let (product, memory) = node.and_then(|node| shapes_of_nodes.get(node.index()).cloned()).unwrap_or_default();
            let share = device.slice.as_ref().map(|slice| plimsoll_fleet::mig::share(&slice.profile, product.as_deref(), memory).gpus());
            Part { board: device.board, share }
        });
    }

    /// Forgets `GPU_UTIL` of the GPUs of `node`: it was read in the wrong unit.
    pub fn forget_gpu_util(&mut self, node: NodeId) {
        for (index, device) in self.devices.iter_mut().enumerate() {
            if self.boards[device.board as usize].place.is_some_and(|(_, _, place, _)| place == node) {
                device.gauges.forget(Metric::GpuUtil);
                self.hours.forget(index as u32, Metric::GpuUtil);
            }
        }
        for (_, gauges) in self.pods.iter_mut().filter(|((pod, ..), _)| self.directory.node_of(*pod) == Some(node)) {
            gauges.forget(Metric::GpuUtil);
        }
    }

    /// GPUs that pending pods asked for at a moment; several series of one moment add up.
    pub fn take_waiting(&mut self, at: i64, gpus: f64) {
        if gpus.is_finite() && gpus >= 0.0 {
            self.hours.add_waiting(at, gpus);
        }
    }

    /// At this moment the store could see who waits; a moment without [`Self::take_waiting`] is one without waiting pods.
    pub fn take_waiting_seen(&mut self, at: i64) {
        self.hours.add_waiting_seen(at);
    }

    /// Who is who in the fleet.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// What was not used so far.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Counts more that was not used.
    pub fn drop_more(&mut self, more: Dropped) {
        let all = &mut self.dropped;
        all.sentinel += more.sentinel;
        all.not_finite += more.not_finite;
        all.negative += more.negative;
        all.above_one += more.above_one;
        all.duplicate += more.duplicate;
        all.out_of_window += more.out_of_window;
    }
}
