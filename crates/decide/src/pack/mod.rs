//! What can really be got back: today's pods, with today's constraints, on fewer nodes.
//!
//! [`consolidate`] gives a plan that is feasible at every step: which accelerator nodes can go, which pods move in
//! which order, why every other node stays, and beside it the [`crate::bound`] that no plan can beat. [`verify`] checks
//! a plan against the fleet without sharing any code with the planner.
//!
//! - `model`: the fleet as hosts with room and kinds of pods with needs, out of `kinds` and `classes`; `movable` and `topology` say what must stay.
//! - `state`: a packing while it is changed, with an index that finds the fullest host that fits.
//! - [`plan`]: a packing as people carry it out: in waves, with costs, and only what is worth it.
//! - [`mod@defragment`]: room for one pod that waits, by the fewest moves.
//! - `evacuate` empties node after node; `repack` packs anew; `order` puts the moves in an order that works.
//! - [`mig`]: which instances should stand on which GPUs?
//! - [`policy`]: where should a pod go that has just come? [`site`]: the same for the nodes and pods of a real cluster, and for gangs.
//! - `proof` hands the problem to the bound.
//!
//! Nothing in here looks into the future, writes a MIG layout to a GPU or starts a node.

mod classes;
pub mod defragment;
mod evacuate;
mod kinds;
pub mod mig;
mod model;
mod movable;
mod order;
pub mod plan;
pub mod policy;
mod proof;
mod repack;
pub mod site;
mod state;
#[cfg(test)]
mod tests;
mod topology;
mod verify;

pub use verify::{Violation, verify};

use crate::bound;
use evacuate::{Blocked, Order};
use model::{HostId, Model};
use plimsoll_fleet::{Fleet, MoneyPerHour, Name, NodeId, PodId};
use state::State;
use std::collections::{BTreeMap, BTreeSet};

/// Past this many movable pods only one order of the nodes is tried: each costs up to half a second at 200,000 pods.
const THOROUGH_PODS_MAX: usize = 60_000;

/// What a user may set of a packing.
pub struct PackOptions<'a> {
    /// Whole GPUs to keep free on purpose, by pool (`*`: every pool that is not named).
    pub headroom: &'a BTreeMap<String, u32>,
    /// Running training may move, too. Without a checkpoint (annotation `plimsoll.dev/checkpoint…`) that costs its work so far.
    pub move_training: bool,
    /// What a node costs, where that is known.
    pub price: &'a dyn Fn(NodeId) -> Option<MoneyPerHour>,
}

/// What may be moved at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    /// Running training may move, too.
    pub move_training: bool,
}

/// A pod to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The pod.
    pub pod: PodId,
    /// From where.
    pub from: NodeId,
    /// To where.
    pub to: NodeId,
}

/// Room that is kept for a pod that waits for a node and fits today: by room, labels, taints, host ports and anti-affinity by
/// host name. Its affinity to other pods and its spread over domains are not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// The pod.
    pub pod: PodId,
    /// Where it would fit when all moves are done.
    pub node: NodeId,
}

/// Why a pod must stay on its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pinned {
    /// Nobody would make it again.
    NoController,
    /// An annotation or its local storage says so.
    Annotated(Name),
    /// This PodDisruptionBudget allows no eviction now.
    Budget(Name),
    /// This PodDisruptionBudget covers it, and so does another: the API server refuses to evict such a pod.
    Budgets(Name),
    /// It would lose its work: training, or another run to an end, without a word on checkpoints.
    Training,
    /// It, or another pod's rule on it, asks for a place by this node label, and only its own node surely meets that.
    Topology(Name),
    /// Its DRA devices (slices, or more than the claims count) cannot be found elsewhere by counts.
    Devices,
}

/// Why a node stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptReason {
    /// An annotation on the node forbids its removal (`key=value`).
    Annotated(Name),
    /// It holds a pod that must stay.
    Pod {
        /// The first such pod, by namespace and name.
        pod: PodId,
        /// Why it must stay.
        why: Pinned,
    },
    /// A pod of it fits nowhere else.
    NoRoom {
        /// The pod.
        pod: PodId,
    },
    /// A pod that waits fits here and nowhere else.
    Waiting {
        /// The pod.
        pod: PodId,
    },
    /// It is kept free on purpose.
    Headroom,
    /// Emptying it costs more than it saves until the horizon.
    NotWorth,
}

impl KeptReason {
    /// The reason in a few words, the same for all nodes that it keeps.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Annotated(_) => "an annotation on the node forbids its removal",
            Self::Pod { why, .. } => match why {
                Pinned::NoController => "a pod has no controller that would make it again",
                Pinned::Annotated(_) => "a pod may not be evicted, by annotation or local storage",
                Pinned::Budget(_) => "a disruption budget allows no eviction now",
                Pinned::Budgets(_) => "several disruption budgets cover a pod: it cannot be evicted",
                Pinned::Training => "training or another run would lose its work",
                Pinned::Topology(_) => "affinity or spread ties a pod to this node",
                Pinned::Devices => "a pod's DRA devices cannot be found elsewhere by counts",
            },
            Self::NoRoom { .. } => "its pods fit nowhere else",
            Self::Waiting { .. } => "a waiting pod fits nowhere else",
            Self::Headroom => "kept free as headroom",
            Self::NotWorth => "emptying it costs more than it saves until the horizon",
        }
    }
}

/// A packing: what can go, how, and the proof of what cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packing {
    /// Accelerator nodes now. Nodes without accelerators are never counted here.
    pub nodes_now: u32,
    /// Accelerator nodes that are left when those that can go are gone.
    pub nodes_needed: u32,
    /// No packing under the same rules needs fewer.
    pub lower_bound: u32,
    /// How the bound was proven, for people.
    pub bound_how: String,
    /// Accelerator nodes that can go, by name.
    pub nodes_that_can_go: Vec<NodeId>,
    /// Moves; in this order each pod has room when its turn comes.
    pub moves: Vec<Move>,
    /// Room kept for waiting pods that fit today; those that fit nowhere hold nothing up.
    pub reserved: Vec<Reservation>,
    /// Why each of the other accelerator nodes stays, by name.
    pub kept: Vec<(NodeId, KeptReason)>,
    /// What was allowed to move.
    pub rules: Rules,
}

/// Finds nodes that can go, and proves how many must stay.
///
/// Fewest nodes first, then most money, then fewest moves: a move is paid once, a node every hour. The result does not depend on the order in which the fleet
/// lists its nodes and pods.
#[must_use]
pub fn consolidate(fleet: &Fleet, options: &PackOptions<'_>) -> Packing {
    let rules = Rules { move_training: options.move_training };
    consolidated(&Model::new(fleet, rules), options, rules, None)
}

/// What nodes and moves are worth together, the more the better: the nodes that go, and each move's pod and where it comes from.
type Value<'a> = &'a dyn Fn(&[NodeId], &[(PodId, NodeId)]) -> i64;

/// The best of several ways to pack: by `value` where it is given, else by the number of nodes that go.
fn consolidated(model: &Model<'_>, options: &PackOptions<'_>, rules: Rules, value: Option<Value<'_>>) -> Packing {
    let fleet = model.fleet;
    let mut start = State::new(model, headroom(model, options.headroom));
    let waiting = start.place_waiting();
    let bound = bound::nodes_needed(&proof::problem(model, &waiting));

    let worth = worth(model, options.price);
    let enough = |plan: &Plan| plan.gone.len() as u32 + bound.nodes >= model.hosts.iter().filter(|host| host.gpu).count() as u32;
    let thorough = model.items.len() <= THOROUGH_PODS_MAX;
    let mut best: Option<Plan> = None;
    for (anew, order) in [(false, Order::Load), (false, Order::Worth), (true, Order::Load), (true, Order::Worth)] {
        if best.as_ref().is_some_and(enough) || order == Order::Worth && !thorough {
            continue;
        }
        let Some(mut state) = (if anew { repack::repack(&start, &worth, order) } else { Some(start.clone()) }) else { continue };
        let blocked = evacuate::evacuate(&mut state, &worth, order);
        better(&mut best, Plan::of(&start, &state, blocked, &worth, value));
    }
    let packing = best.map_or_else(Packing::default, |plan| plan.packing(model, bound, rules));
    // The check is linear, but it is a second plan's worth of work: debug builds do it where that is not felt.
    debug_assert!(fleet.pods.len() > 5_000 || verify(fleet, &packing) == Ok(()), "{:?}", verify(fleet, &packing));
    packing
}

/// The bound alone, with room for the waiting pods that a plan keeps room for.
fn bound_of(model: &Model<'_>, reserved: &[Reservation]) -> bound::Bound {
    let reserved: BTreeSet<PodId> = reserved.iter().map(|reserved| reserved.pod).collect();
    let waiting = model.waiting.iter().copied().filter(|&item| reserved.contains(&model.items[item as usize].pod));
    bound::nodes_needed(&proof::problem(model, &waiting.collect::<Vec<_>>()))
}

/// What going is worth, host by host, and whether that is money.
struct Worth {
    /// The price where it is known, else what its GPUs cost elsewhere in the fleet; only for choosing.
    by_host: Vec<f64>,
    /// The price where it is known, else nothing.
    money: Vec<i64>,
}

fn worth(model: &Model<'_>, price: &dyn Fn(NodeId) -> Option<MoneyPerHour>) -> Worth {
    let prices: Vec<Option<i64>> = model.hosts.iter().map(|host| price(host.node).map(|price| price.0.max(0))).collect();
    let gpus = |host: &model::Host| model.fleet.nodes[host.node.index()].gpus.len().max(1) as f64;
    let priced = || model.hosts.iter().zip(&prices).filter_map(|(host, price)| Some((gpus(host), (*price)? as f64)).filter(|_| host.gpu));
    let all: f64 = priced().map(|(gpus, _)| gpus).sum();
    let per_gpu = if all > 0.0 { priced().map(|(_, price)| price).sum::<f64>() / all } else { 1.0 };
    let by_host = model.hosts.iter().zip(&prices).map(|(host, price)| price.map_or(per_gpu * gpus(host), |price| price as f64)).collect();
    Worth { by_host, money: prices.into_iter().map(Option::unwrap_or_default).collect() }
}

/// GPUs to keep free, in thousandths, by the model's pools.
fn headroom(model: &Model<'_>, wanted: &BTreeMap<String, u32>) -> Vec<u64> {
    let mut by_pool = vec![0; model.pools];
    for host in &model.hosts {
        let pool = model.fleet.nodes[host.node.index()].pool.as_deref();
        let gpus = pool.and_then(|pool| wanted.get(pool)).or_else(|| wanted.get("*")).copied().unwrap_or(0);
        by_pool[host.pool as usize] = u64::from(gpus) * 1000;
    }
    by_pool
}

/// One way to pack, with its moves in order.
struct Plan {
    gone: Vec<HostId>,
    value: i64,
    money: i64,
    moves: Vec<(model::ItemId, HostId, HostId)>,
    reserved: Vec<(model::ItemId, HostId)>,
    blocked: BTreeMap<HostId, Blocked>,
}

impl Plan {
    /// None where no order of the moves was found.
    fn of(start: &State<'_>, end: &State<'_>, blocked: BTreeMap<HostId, Blocked>, worth: &Worth, value: Option<Value<'_>>) -> Option<Self> {
        let model = start.model();
        let moves = order::order(model, end)?;
        let gone = end.gone();
        let node = |host: HostId| model.hosts[host as usize].node;
        let value = value.map_or(gone.len() as i64, |value| {
            let gone: Vec<NodeId> = gone.iter().map(|&host| node(host)).collect();
            let moves: Vec<(PodId, NodeId)> = moves.iter().map(|&(item, from, _)| (model.items[item as usize].pod, node(from))).collect();
            value(&gone, &moves)
        });
        let money = gone.iter().map(|&host| worth.money[host as usize]).fold(0, i64::saturating_add);
        Some(Self { value, money, gone, moves, reserved: end.reserved(), blocked })
    }

    fn packing(self, model: &Model<'_>, bound: bound::Bound, rules: Rules) -> Packing {
        let node = |host: HostId| model.hosts[host as usize].node;
        let pod = |item: model::ItemId| model.items[item as usize].pod;
        let gpu_hosts = || (0..).zip(&model.hosts).filter(|(_, host)| host.gpu);
        let kept = gpu_hosts().filter(|(id, _)| self.gone.binary_search(id).is_err()).map(|(id, host)| {
            let why = match (&model.fleet.nodes[host.node.index()].keep, &host.pinned, self.blocked.get(&id)) {
                (Some(why), _, _) => KeptReason::Annotated(why.clone()),
                (None, Some((pod, why)), _) => KeptReason::Pod { pod: *pod, why: why.clone() },
                (None, None, _) if host.not_worth => KeptReason::NotWorth,
                (None, None, Some(&Blocked::By(item))) if model.items[item as usize].from.is_none() => {
                    KeptReason::Waiting { pod: pod(item) }
                }
                (None, None, Some(&Blocked::By(item))) => KeptReason::NoRoom { pod: pod(item) },
                (None, None, Some(Blocked::Headroom) | None) => KeptReason::Headroom,
            };
            (host.node, why)
        });
        let kept: Vec<_> = kept.collect();
        let nodes_now = gpu_hosts().count() as u32;
        Packing {
            nodes_now,
            nodes_needed: nodes_now - self.gone.len() as u32,
            lower_bound: bound.nodes,
            bound_how: bound.how,
            nodes_that_can_go: self.gone.iter().map(|&host| node(host)).collect(),
            moves: self.moves.iter().map(|&(item, from, to)| Move { pod: pod(item), from: node(from), to: node(to) }).collect(),
            reserved: self.reserved.iter().map(|&(item, host)| Reservation { pod: pod(item), node: node(host) }).collect(),
            kept,
            rules,
        }
    }
}

/// Keeps the better of two plans; of equals the first.
fn better(best: &mut Option<Plan>, next: Option<Plan>) {
    let Some(next) = next else { return };
    let merit = |plan: &Plan| (plan.value, plan.money, std::cmp::Reverse(plan.moves.len()));
    if best.as_ref().is_none_or(|best| merit(&next) > merit(best)) {
        *best = Some(next);
    }
}
