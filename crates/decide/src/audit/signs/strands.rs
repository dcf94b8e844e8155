//! Free GPUs that nobody can use where they are.
//!
//! A strand is a node with free GPUs that none of the pods that this fleet typically has (or that wait) would fit on. What
//! is in the way decides which sign tells it, so that each strand has exactly one:
//!
//! - CPU (or memory), and a workload with GPUs on the node asks for much more of it than its GPUs' share, so much that
//!   without the excess a pod would fit: `cpu-starved-gpu` (or `memory-starved-gpu`), on that workload;
//! - CPU, memory or the number of pods otherwise, or fragments (every usual pod asks for more GPUs than are left here):
//!   `stranded-gpu`, on the node.
//!
//! Nodes that are wholly empty are not strands (`empty-gpu-node` has them), nor shared GPUs (a free replica is no free
//! GPU), nor fragments of MIG layouts (`mig-layout-mismatch`).

use crate::audit::{
    room::units,
    settings::LEAST_EVIDENCE,
    view::{Holder, View},
};
use plimsoll_fleet::{MilliGpu, Name, Node, NodeId, PodId, Shape, ShapeId, node::Sharing};
use std::collections::{BTreeMap, BTreeSet};

/// What keeps the free GPUs of a node from use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Too little CPU is left.
    Cpu,
    /// Too little memory is left.
    Memory,
    /// The node has as many pods as it takes.
    Pods,
    /// Every usual pod asks for more GPUs than are left.
    Fragments {
        /// The least that any asks for.
        least: u32,
    },
}

/// Free GPUs of a node that nobody can use there.
#[derive(Debug, Clone)]
pub struct Strand {
    /// The node.
    pub node: NodeId,
    /// How much of its GPUs is kept from use.
    pub gpus: MilliGpu,
    /// What is in the way.
    pub why: Why,
    /// The usual pod that came nearest to fitting.
    pub shape: ShapeId,
    /// The workload with GPUs there whose requests do it; none: no single one does.
    pub hog: Option<Holder>,
}

/// A shape is usual in a pool if at least this share of the pool's GPU pods has it. A rare small pod must not hide that
/// nothing else fits.
const USUAL: f64 = 0.05;

/// Nodes of one pool are alike; without a pool, those of one product.
fn pool_of(node: &Node) -> Option<&Name> {
    node.pool.as_ref().or(node.gpu_product.as_ref())
}

/// All strands, in order of node name.
pub(in crate::audit) fn strands(view: &View<'_>) -> Vec<Strand> {
    let usual = usual_shapes(view);
    let waiting: BTreeSet<ShapeId> =
        view.fleet.pods.iter().filter(|pod| pod.waits() && view.fleet.shape(pod).wants_gpus()).map(|pod| pod.shape).collect();
    let mut strands: Vec<Strand> = view
        .fleet
        .nodes()
        .filter(|(_, node)| node.has_gpus() && node.takes_pods())
        .filter(|(_, node)| !matches!(node.sharing, Sharing::TimeSliced { .. } | Sharing::Mps { .. } | Sharing::MigInvalid))
        .filter(|(_, node)| node.created.is_none_or(|created| view.fleet.at.since(created) >= LEAST_EVIDENCE))
        .filter_map(|(id, node)| {
            let room = view.room(id);
            if room.gpus.is_zero() || view.pods_on(id).iter().all(|pod| view.held[pod.index()].is_zero()) {
                return None;
            }
            let of_pool = usual.get(&pool_of(node)).map_or(&[][..], Vec::as_slice);
            if of_pool.iter().chain(&waiting).any(|&shape| {
                let shape = &view.fleet.shapes[shape.index()];
                room.fits(shape) && shape.may_go(node)
            }) {
                return None;
            }
            strand(view, id, of_pool)
        })
        .collect();
    strands.sort_by(|a, b| view.node(a.node).name.cmp(&view.node(b.node).name));
    strands
}

/// The usual shapes of GPU pods by pool, the most usual first.
fn usual_shapes<'v>(view: &View<'v>) -> BTreeMap<Option<&'v Name>, Vec<ShapeId>> {
    let mut counts = BTreeMap::<Option<&Name>, BTreeMap<ShapeId, usize>>::new();
    for (id, node) in view.fleet.nodes().filter(|(_, node)| node.has_gpus()) {
        let of_pool = counts.entry(pool_of(node)).or_default();
        for &pod in view.pods_on(id).iter().filter(|pod| !view.held[pod.index()].is_zero()) {
            *of_pool.entry(view.pod(pod).shape).or_default() += 1;
        }
    }
    let usual = |of_pool: BTreeMap<ShapeId, usize>| {
        let all: usize = of_pool.values().sum();
        let mut usual: Vec<(ShapeId, usize)> = of_pool.into_iter().filter(|&(_, n)| n as f64 >= USUAL * all as f64).collect();
        let shape = |id: ShapeId| &view.fleet.shapes[id.index()];
        usual.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| shape(a.0).cmp(shape(b.0))));
        usual.into_iter().map(|(shape, _)| shape).collect()
    };
    counts.into_iter().map(|(pool, of_pool)| (pool, usual(of_pool))).collect()
}

/// What is in the way of the most usual pod for which there are GPUs enough, or of all of them.
fn strand(view: &View<'_>, id: NodeId, usual: &[ShapeId]) -> Option<Strand> {
    let (node, room) = (view.node(id), view.room(id));
    let shape_of = |shape: ShapeId| &view.fleet.shapes[shape.index()];
    if let Some(&blocked) = usual.iter().find(|&&shape| !room.lacks(shape_of(shape)).gpus) {
        let (shape, lack) = (shape_of(blocked), room.lacks(shape_of(blocked)));
        let times = shape.asks.iter().map(|ask| room.units_of(&ask.resource) / ask.count.max(1)).min().unwrap_or(0);
        let one: MilliGpu = shape.asks.iter().map(|ask| units(&ask.resource, ask.count, node)).sum();
        let gpus = MilliGpu(one.0.saturating_mul(times.into())).min(room.gpus);
        let (why, hog) = if lack.cpu {
            (
                Why::Cpu,
                hog(view, id, |shape| shape.cpu.0, node.cpu.0, shape.cpu.less(room.cpu).0, view.threshold(&super::cpu_starved_gpu::SIGN)),
            )
        } else if lack.memory {
            let missing = shape.memory.less(room.memory).0;
            (Why::Memory, hog(view, id, |shape| shape.memory.0, node.memory.0, missing, view.threshold(&super::memory_starved_gpu::SIGN)))
        } else if lack.pods {
            (Why::Pods, None)
        } else {
            return None;
        };
        return Some(Strand { node: id, gpus, why, shape: blocked, hog });
    }
    if node.sharing != Sharing::Whole {
        return None;
    }
    let ask = |shape: ShapeId| shape_of(shape).asks.iter().map(|ask| ask.count).max().unwrap_or(0);
    let smallest = usual.iter().copied().min_by(|&a, &b| ask(a).cmp(&ask(b)).then_with(|| shape_of(a).cmp(shape_of(b))))?;
    Some(Strand { node: id, gpus: room.gpus, why: Why::Fragments { least: ask(smallest) }, shape: smallest, hog: None })
}

/// The workload on the node that asks for the most beyond its GPUs' share of the node's CPU or memory (`all`), if each of its GPUs asks
/// for at least `times` that share, and all such excess together is what is `missing`.
fn hog(view: &View<'_>, id: NodeId, ask: impl Fn(&Shape) -> u64, all: u64, missing: u64, times: f64) -> Option<Holder> {
    let share = all as f64 / view.node(id).gpus.len().max(1) as f64;
    let mut excess = BTreeMap::<Holder, f64>::new();
    for &pod in view.pods_on(id) {
        let fair = share * view.held[pod.index()].gpus();
        let asked = ask(view.shape(pod)) as f64;
        if fair > 0.0 && asked >= times * fair {
            *excess.entry(view.holder(pod)).or_default() += asked - fair;
        }
    }
    if excess.values().sum::<f64>() < missing as f64 {
        return None;
    }
    let name = |holder: Holder| view.subject(holder);
    excess.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| name(b.0).cmp(&name(a.0)))).map(|(holder, _)| holder)
}

/// Who takes the most of something on a node, dearest first: holders with what their pods there ask for.
pub(super) fn takers(view: &View<'_>, id: NodeId, ask: impl Fn(PodId) -> u64) -> Vec<(Holder, u64)> {
    let mut by = BTreeMap::<Holder, u64>::new();
    for &pod in view.pods_on(id).iter().filter(|&&pod| !view.pod(pod).of_node) {
        *by.entry(view.holder(pod)).or_default() += ask(pod);
    }
    let mut takers: Vec<(Holder, u64)> = by.into_iter().filter(|(_, asked)| *asked > 0).collect();
    takers.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| view.subject(a.0).cmp(&view.subject(b.0))));
    takers
}
