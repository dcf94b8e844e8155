//! What it costs to move a pod: its GPUs stand still from the eviction until it has caught up again.
//!
//! cost = GPUs × (cold start + restart + work lost since the last checkpoint)
//!
//! - cold start: from its new node to its first container's start (image, volumes, sandbox); restart: from there to ready
//!   (weights, compilation). Both are what pods of the workload took here, in the middle; else pods of its class; else assumed.
//! - work lost: only of what runs to an end or trains, see `checkpoint`. Not more than it has run.
//! - Training whose work is on several pods starts again as a whole when one of them is evicted: all of its GPUs count.

use super::checkpoint::{Saved, saved};
use crate::class;
use plimsoll_fleet::{
    Class, Fleet, GpuHours, MilliGpu, Money, MoneyPerHour, NodeId, PodId, Seconds, Shape, ShapeId, Timestamp, Workload, WorkloadId,
    holding::held, pod::Phase,
};
use std::collections::{BTreeMap, HashMap};

/// The pull of an image of a few GB to a node that has none of it, where the fleet shows none: 2 min 9 s plain
/// (containerd/stargz-snapshotter issue 2172).
pub const COLD_START_ASSUMED: Seconds = Seconds(130);
/// From start to ready where the fleet shows none. With the pull it makes 250 s: users of vLLM report 187 to 263 s for both
/// (vllm-project/vllm issue 28655).
pub const RESTART_ASSUMED: Seconds = Seconds(120);
/// Work lost where there are checkpoints and nothing says how often: an hour.
pub const LOST_ASSUMED: Seconds = Seconds::HOUR;

/// A pod that became ready later than this after its start did so again, not for the first time: that tells no start.
const START_MOST: Seconds = Seconds::HOUR;

/// Where the lengths of a start come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// Pods of the same workload showed both.
    #[default]
    Workload,
    /// At least one is what pods of the same class took.
    Class,
    /// At least one is assumed: [`COLD_START_ASSUMED`], [`RESTART_ASSUMED`].
    Assumed,
}

impl Known {
    /// As documents have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Workload => "workload",
            Self::Class => "class",
            Self::Assumed => "assumed",
        }
    }
}

/// What it costs to move a pod once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// The GPUs that stand still meanwhile: the pod's own, or those of all pods that start again with it.
    pub gpus: MilliGpu,
    /// How many pods start again.
    pub pods: u32,
    /// From its new node to the start of its first container.
    pub cold_start: Seconds,
    /// From there until it is ready.
    pub restart: Seconds,
    /// Where both come from.
    pub known: Known,
    /// The work to be done again; none: not known.
    pub lost: Option<Seconds>,
    /// How often it saves its work is not told: [`LOST_ASSUMED`].
    pub lost_assumed: bool,
    /// It starts again with another pod of its run, in the same wave: that one's cost counts it, this one's is nothing.
    pub with: Option<PodId>,
}

impl Cost {
    /// In GPU-hours; none: not known, because the work lost is not.
    #[must_use]
    pub fn gpu_hours(&self) -> Option<GpuHours> {
        self.milli_seconds().map(|all| GpuHours(all as f64 / 3_600_000.0))
    }

    /// Is any part of it assumed?
    #[must_use]
    pub fn is_assumed(&self) -> bool {
        self.known == Known::Assumed || self.lost_assumed
    }

    /// In thousandths of a GPU for seconds, exactly.
    pub(in crate::pack) fn milli_seconds(&self) -> Option<u64> {
        if self.gpus.is_zero() || self.with.is_some() {
            return Some(0);
        }
        let seconds = self.cold_start.0.saturating_add(self.restart.0).saturating_add(self.lost?.0);
        Some(self.gpus.0.saturating_mul(seconds))
    }

    /// In money, where the pod's node of `gpus` GPUs costs `price`.
    #[must_use]
    pub fn money(&self, price: MoneyPerHour, gpus: usize) -> Option<Money> {
        Some(price.over_hours(self.gpu_hours()?.0 / gpus.max(1) as f64))
    }
}

/// Knows what it costs to move any pod of a fleet.
#[derive(Debug)]
pub(in crate::pack) struct Costs<'f> {
    fleet: &'f Fleet,
    starts: HashMap<WorkloadId, Starts>,
    by_class: BTreeMap<Class, Starts>,
    class_of: HashMap<(WorkloadId, ShapeId), Class>,
    /// Training on several pods: their number and GPUs.
    gangs: HashMap<WorkloadId, (u32, MilliGpu)>,
}

/// Middle lengths of the two parts of a start.
#[derive(Debug, Clone, Copy, Default)]
struct Starts {
    cold_start: Option<Seconds>,
    restart: Option<Seconds>,
}

/// All that were seen, before the middle is taken.
#[derive(Default)]
struct Samples {
    cold_start: Vec<Seconds>,
    restart: Vec<Seconds>,
}

impl Samples {
    fn middle(mut self) -> Starts {
        let middle = |all: &mut Vec<Seconds>| {
            all.sort_unstable();
            // Of two middles the longer: a cost is not to be made small.
            all.get(all.len() / 2).copied()
        };
        Starts { cold_start: middle(&mut self.cold_start), restart: middle(&mut self.restart) }
    }
}

impl<'f> Costs<'f> {
    pub fn new(fleet: &'f Fleet) -> Self {
        let mut by_workload: HashMap<WorkloadId, Samples> = HashMap::new();
        let mut by_class: BTreeMap<Class, Samples> = BTreeMap::new();
        let mut class_of: HashMap<(WorkloadId, ShapeId), Class> = HashMap::new();
        let mut gangs: HashMap<WorkloadId, (u32, MilliGpu)> = HashMap::new();
        for pod in fleet.pods.iter().filter(|pod| pod.holds() && !pod.of_node) {
            let Some(workload) = pod.workload else { continue };
            let class = *class_of
                .entry((workload, pod.shape))
                .or_insert_with(|| class::of(&fleet.workloads[workload.index()], Some(fleet.shape(pod))).class);
            let gpus = held(fleet, pod);
            if class == Class::Training && !gpus.is_zero() && !pod.deleting {
                let gang = gangs.entry(workload).or_default();
                *gang = (gang.0 + 1, gang.1 + gpus);
            }
            let between = |from: Option<Timestamp>, to: Option<Timestamp>| {
                let (from, to) = (from?, to?);
                (from <= to).then(|| to.since(from)).filter(|length| *length <= START_MOST)
            };
            let first = pod.restarts == 0;
            let cold_start = first.then(|| between(pod.scheduled, pod.started)).flatten().or(pod.image_pull);
            let restart = between(pod.started, pod.ready);
            for samples in [by_workload.entry(workload).or_default(), by_class.entry(class).or_default()] {
                samples.cold_start.extend(cold_start);
                samples.restart.extend(restart);
            }
        }
        gangs.retain(|_, (pods, _)| *pods > 1);
        Self {
            fleet,
            starts: by_workload.into_iter().map(|(id, samples)| (id, samples.middle())).collect(),
            by_class: by_class.into_iter().map(|(class, samples)| (class, samples.middle())).collect(),
            class_of,
            gangs,
        }
    }

    /// What it costs to move `id` once.
    pub fn of(&self, id: PodId) -> Cost {
        let pod = &self.fleet.pods[id.index()];
        let class = pod.workload.and_then(|workload| self.class_of.get(&(workload, pod.shape)).copied());
        let own = pod.workload.and_then(|workload| self.starts.get(&workload)).copied().unwrap_or_default();
        let of_class = class.and_then(|class| self.by_class.get(&class)).copied().unwrap_or_default();
        let known = |own: Option<Seconds>, of_class: Option<Seconds>, assumed: Seconds| match (own, of_class) {
            (Some(own), _) => (own, Known::Workload),
            (None, Some(of_class)) => (of_class, Known::Class),
            (None, None) => (assumed, Known::Assumed),
        };
        let cold_start = known(own.cold_start, of_class.cold_start, COLD_START_ASSUMED);
        let restart = known(own.restart, of_class.restart, RESTART_ASSUMED);
        let (lost, lost_assumed) = self.lost(id, class);
        let (pods, gpus) = self.gang(id).map_or_else(|| (1, held(self.fleet, pod)), |(_, gang)| gang);
        Cost {
            gpus,
            pods,
            cold_start: cold_start.0,
            restart: restart.0,
            known: cold_start.1.max(restart.1),
            lost,
            lost_assumed,
            with: None,
        }
    }

    /// The run that starts again as a whole with the pod: its pods and their GPUs.
    pub fn gang(&self, id: PodId) -> Option<(WorkloadId, (u32, MilliGpu))> {
        let workload = self.fleet.pods[id.index()].workload?;
        Some((workload, *self.gangs.get(&workload)?))
    }

    fn lost(&self, id: PodId, class: Option<Class>) -> (Option<Seconds>, bool) {
        let fleet = self.fleet;
        let pod = &fleet.pods[id.index()];
        let (shape, owner) = (fleet.shape(pod), fleet.workload(pod));
        let works = class == Some(Class::Training) || owner.is_some_and(runs_to_an_end);
        if !works || pod.phase == Phase::Pending {
            return (Some(Seconds(0)), false);
        }
        let ran = pod.started.or(pod.scheduled).or(pod.created).map(|start| fleet.at.since(start));
        let least = |length: Seconds| ran.map_or(length, |ran| ran.min(length));
        match saved(&annotations(shape, owner)) {
            Some(Saved::At(moment)) => (Some(least(fleet.at.since(moment))), false),
            Some(Saved::Every(interval)) => (Some(least(interval)), false),
            Some(Saved::Somehow) => (Some(least(LOST_ASSUMED)), true),
            None => (ran, false),
        }
    }
}

fn annotations<'f>(shape: &'f Shape, owner: Option<&'f Workload>) -> Vec<&'f BTreeMap<plimsoll_fleet::Name, plimsoll_fleet::Name>> {
    std::iter::once(&shape.annotations).chain(owner.map(|owner| &owner.annotations)).collect()
}

fn runs_to_an_end(owner: &Workload) -> bool {
    owner.run.is_some() || matches!(&*owner.kind, "Job" | "CronJob")
}

/// The price of what stands still is that of the pod's own node, GPU by GPU.
pub(in crate::pack) fn money(fleet: &Fleet, cost: &Cost, node: NodeId, price: &dyn Fn(NodeId) -> Option<MoneyPerHour>) -> Option<Money> {
    cost.money(price(node)?, fleet.nodes[node.index()].gpus.len())
}
