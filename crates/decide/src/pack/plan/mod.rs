//! A packing as people carry it out: in waves, with what each move costs, and only what is worth it.
//!
//! [`repack`] empties nodes, [`mod@crate::pack::defragment`] makes room for one pod. Both give [`Wave`]s that respect every
//! disruption budget at each moment; [`verify_repack`] checks that without sharing code with the planner.
//!
//! - [`cost`]: what moving a pod costs; `checkpoint`: the work that it would lose.
//! - `waves`: which moves go together; [`commands`]: the words for `kubectl`.
//! - `verify`: the check.
//!
//! Nothing in here touches a cluster: a plan is a value, and a person (or a controller) carries it out.

mod checkpoint;
pub mod commands;
pub mod cost;
#[cfg(test)]
pub(in crate::pack) mod tests;
mod verify;
pub(in crate::pack) mod waves;

pub use cost::{Cost, Known};
pub use verify::{Broken, verify_defragment, verify_repack, verify_waves};

use super::{KeptReason, Move, PackOptions, Packing, Rules, consolidated, model::Model};
use crate::audit;
use cost::Costs;
use plimsoll_fleet::{Fleet, GpuHours, MilliGpu, Money, MoneyPerHour, NodeId, Pod, PodId, Seconds, holding::held, pod::Granted};
use std::collections::{BTreeMap, BTreeSet};

pub(super) use checkpoint::PREFIX as CHECKPOINT_PREFIX;

/// How far ahead a saving counts unless told otherwise: a day. What the fleet looks like after that is not known.
pub const HORIZON: Seconds = Seconds::DAY;

/// A move with its cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Which pod, from where to where.
    pub pod: Move,
    /// What it costs.
    pub cost: Cost,
    /// The same in money, at the price of the node that it leaves; none: the price or the cost is not known.
    pub money: Option<Money>,
}

/// Moves that are made together: the next wave begins when all of these pods are ready again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wave {
    /// Nodes to close for new pods before the first eviction of the wave.
    pub cordon: Vec<NodeId>,
    /// The moves.
    pub steps: Vec<Step>,
    /// Of the nodes that go, those that are empty after the wave.
    pub empty: Vec<NodeId>,
}

/// What a user may set of a repacking.
pub struct RepackOptions<'a> {
    /// Whole GPUs to keep free on purpose, by pool (`*`: every pool that is not named).
    pub headroom: &'a BTreeMap<String, u32>,
    /// Running training may move, too.
    pub move_training: bool,
    /// What a node costs, where that is known.
    pub price: &'a dyn Fn(NodeId) -> Option<MoneyPerHour>,
    /// A node is emptied only if it saves more until then than its moves cost.
    pub horizon: Seconds,
    /// How many nodes are emptied at once; none: a tenth of the accelerator nodes, as Karpenter's default budget.
    pub nodes_at_once: Option<u32>,
}

/// A node that could be worth emptying to somebody, but not until the horizon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NotWorth {
    /// The node.
    pub node: NodeId,
    /// Pods that would have to move.
    pub pods: u32,
    /// What it would save until the horizon.
    pub saves: GpuHours,
    /// What its moves would cost; none: not known, because the work lost of a pod is not.
    pub costs: Option<GpuHours>,
}

/// A fleet in few figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Accelerator nodes.
    pub nodes: u32,
    /// Their physical GPUs.
    pub gpus: MilliGpu,
    /// GPUs that pods hold.
    pub held: MilliGpu,
    /// GPUs that are free and that nobody can use where they are, as the audit counts them.
    pub stranded: MilliGpu,
}

/// What all moves of a plan cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Total {
    /// GPU-hours that stand still; none: of some move it is not known.
    pub gpu_hours: Option<GpuHours>,
    /// The same in money; none: of some move the price or the cost is not known.
    pub money: Option<Money>,
    /// Moves whose lengths are assumed, at least in part.
    pub assumed: u32,
}

/// A plan to run the same on fewer nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Repack {
    /// What goes and what stays; its moves are those of the waves, in their order.
    pub packing: Packing,
    /// The moves, wave by wave.
    pub waves: Vec<Wave>,
    /// Nodes that stay because emptying them costs more than it saves until the horizon, by name.
    pub not_worth: Vec<NotWorth>,
    /// Until when savings count.
    pub horizon: Seconds,
    /// What nobody can beat, even if moves cost nothing. [`Packing::lower_bound`] counts the nodes that are not worth it as staying.
    pub bound_at_any_cost: u32,
    /// What all moves cost, once.
    pub cost: Total,
    /// What the nodes that go save in a month.
    pub saves_month: GpuHours,
    /// The same in money, of those with a price; none: some go, and none of them has a price.
    pub saves_money_month: Option<Money>,
    /// Nodes that go and have no price.
    pub unpriced: u32,
    /// The fleet now.
    pub before: Figures,
    /// The fleet when all waves are done and the nodes that go are gone.
    pub after: Figures,
}

/// Plans which nodes can go, in waves that people can follow.
///
/// Of the plans that it finds it takes the one that saves the most GPU-hours until the horizon, all moves paid. The result does not
/// depend on the order in which the fleet lists its nodes and pods.
#[must_use]
pub fn repack(fleet: &Fleet, options: &RepackOptions<'_>) -> Repack {
    let costs = Costs::new(fleet);
    let by_node = by_node(fleet, &costs);
    let saves: Vec<u64> = fleet.nodes.iter().map(|node| saving(node.gpus.len(), options.horizon)).collect();
    let mut stays: Vec<bool> = vec![false; fleet.nodes.len()];
    for (node, of) in &by_node {
        stays[node.index()] = of.cost.is_none_or(|cost| cost >= saves[node.index()]);
    }
    let rules = Rules { move_training: options.move_training };
    let pack_options = PackOptions { headroom: options.headroom, move_training: options.move_training, price: options.price };
    let model = Model::with(fleet, rules, &stays);
    let net = |gone: &[NodeId], moves: &[(PodId, NodeId)]| -> i64 {
        let saved: u64 = gone.iter().map(|node| saves[node.index()]).fold(0, u64::saturating_add);
        // A cost that is not known is no plan's to pay: far above any saving.
        let paid = moves.iter().map(|(pod, _)| costs.of(*pod).milli_seconds().unwrap_or(u64::MAX / 8)).fold(0, u64::saturating_add);
        (saved.min(i64::MAX as u64) as i64).saturating_sub(paid.min(i64::MAX as u64) as i64)
    };
    let mut packing = consolidated(&model, &pack_options, rules, Some(&net));
    let mut bound_at_any_cost = packing.lower_bound;
    if stays.contains(&true) {
        // A plan under more rules is a plan under fewer: what no plan at all can beat, this one cannot beat either.
        let at_any_cost = super::bound_of(&Model::new(fleet, rules), &packing.reserved);
        bound_at_any_cost = at_any_cost.nodes;
        if at_any_cost.nodes > packing.lower_bound {
            (packing.lower_bound, packing.bound_how) = (at_any_cost.nodes, at_any_cost.how);
        }
    }

    let nodes_at_once = options.nodes_at_once.map_or(packing.nodes_now as usize / 10, |nodes| nodes as usize);
    let waves = waves::cut(&model, &costs, &packing.moves, &packing.nodes_that_can_go, nodes_at_once, options.price);
    packing.moves = waves.iter().flat_map(|wave| wave.steps.iter().map(|step| step.pod)).collect();

    let kept_for_cost = packing.kept.iter().filter(|(_, why)| *why == KeptReason::NotWorth).map(|(node, _)| *node);
    let not_worth = kept_for_cost
        .map(|node| NotWorth { node, pods: by_node[&node].pods, saves: hours(saves[node.index()]), costs: by_node[&node].cost.map(hours) })
        .collect();
    let gone = &packing.nodes_that_can_go;
    let gpus = |node: &NodeId| fleet.nodes[node.index()].gpus.len() as u32;
    let priced: Vec<MoneyPerHour> = gone.iter().filter_map(|&node| (options.price)(node)).collect();
    Repack {
        not_worth,
        horizon: options.horizon,
        bound_at_any_cost,
        cost: total(&waves),
        saves_month: GpuHours::month_of(MilliGpu::whole(gone.iter().map(gpus).sum())),
        saves_money_month: (gone.is_empty() || !priced.is_empty()).then(|| priced.iter().map(|price| price.over_month()).sum()),
        unpriced: (gone.len() - priced.len()) as u32,
        before: figures(&moved(fleet, &[], &[])),
        after: figures(&moved(fleet, &packing.moves, gone)),
        waves,
        packing,
    }
}

/// What a node of so many GPUs saves until the horizon, in thousandths of a GPU for seconds. One whose devices are not known
/// counts as one.
fn saving(gpus: usize, horizon: Seconds) -> u64 {
    (gpus.max(1) as u64 * 1000).saturating_mul(horizon.0)
}

fn hours(milli_seconds: u64) -> GpuHours {
    GpuHours(milli_seconds as f64 / 3_600_000.0)
}

/// What emptying a node costs.
#[derive(Default)]
struct Emptying {
    pods: u32,
    /// In thousandths of a GPU for seconds; none: not known.
    cost: Option<u64>,
}

/// What emptying each node with pods would cost, if nothing else of a run that starts again as a whole moved in the same wave.
fn by_node(fleet: &Fleet, costs: &Costs<'_>) -> BTreeMap<NodeId, Emptying> {
    let mut by_node: BTreeMap<NodeId, Emptying> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (id, pod) in fleet.pods().filter(|(_, pod)| pod.holds() && !pod.of_node && !pod.deleting) {
        let Some(node) = pod.node else { continue };
        let of = by_node.entry(node).or_insert_with(|| Emptying { pods: 0, cost: Some(0) });
        of.pods += 1;
        let counted = costs.gang(id).is_some_and(|(run, _)| !seen.insert((node, run)));
        if !counted {
            of.cost = of.cost.zip(costs.of(id).milli_seconds()).map(|(sum, cost)| sum.saturating_add(cost));
        }
    }
    by_node
}

/// The sum over all moves.
pub(in crate::pack) fn total(waves: &[Wave]) -> Total {
    let steps = || waves.iter().flat_map(|wave| &wave.steps);
    Total {
        gpu_hours: steps().map(|step| step.cost.milli_seconds()).try_fold(0_u64, |sum, cost| Some(sum.saturating_add(cost?))).map(hours),
        money: steps().try_fold(Money::ZERO, |sum, step| Some(sum + step.money?)),
        assumed: steps().filter(|step| step.cost.is_assumed()).count() as u32,
    }
}

/// The figures of a fleet without evidence: nothing of it is looked at.
pub(in crate::pack) fn figures(fleet: &Fleet) -> Figures {
    let nodes = || fleet.nodes.iter().filter(|node| super::model::is_gpu_node(node));
    Figures {
        nodes: nodes().count() as u32,
        gpus: MilliGpu::whole(nodes().map(|node| node.gpus.len() as u32).sum()),
        held: fleet.pods.iter().map(|pod| held(fleet, pod)).sum(),
        stranded: audit::stranded(fleet),
    }
}

/// The fleet after the moves, without the nodes that go and without evidence.
pub(in crate::pack) fn moved(fleet: &Fleet, moves: &[Move], gone: &[NodeId]) -> Fleet {
    let gone: BTreeSet<NodeId> = gone.iter().copied().collect();
    let mut place: Vec<Option<NodeId>> = vec![None; fleet.nodes.len()];
    let mut nodes = Vec::with_capacity(fleet.nodes.len());
    for (id, node) in fleet.nodes().filter(|(id, _)| !gone.contains(id)) {
        place[id.index()] = Some(NodeId(nodes.len() as u32));
        nodes.push(node.clone());
    }
    let mut at: Vec<Option<NodeId>> = fleet.pods.iter().map(|pod| pod.node).collect();
    for step in moves {
        at[step.pod.index()] = Some(step.to);
    }
    let pods = fleet.pods.iter().zip(at).filter_map(|(pod, at)| {
        let node = match at {
            Some(node) => Some(place[node.index()]?),
            None => None,
        };
        // Which device it gets there is not known; that it gets as many is.
        let granted = pod.granted.iter().map(|granted| Granted { gpu: None, ..granted.clone() });
        Some(Pod { node, granted: granted.collect(), ..pod.clone() })
    });
    Fleet {
        at: fleet.at,
        origin: fleet.origin.clone(),
        nodes,
        shapes: fleet.shapes.clone(),
        pods: pods.collect(),
        workloads: fleet.workloads.clone(),
        namespaces: fleet.namespaces.clone(),
        ..Fleet::default()
    }
}
