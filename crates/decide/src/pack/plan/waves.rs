//! Cuts moves that have room one after the other into waves: all pods of a wave are evicted together, and the next wave
//! begins when all of them are ready again.
//!
//! Within a wave, in whatever order its evictions happen:
//! - no disruption budget loses more pods than it allows at once; of a workload without a budget at most a quarter of its
//!   pods, at least one (the default `maxUnavailable` of a Deployment; training that starts again as a whole is one piece);
//! - each target has room for all that come without counting on any that leave in the same wave;
//! - pods leave no more of the nodes that go than asked for; nodes that are partly empty come first.

use super::{
    Step, Wave,
    cost::{Cost, Costs, money},
};
use crate::pack::{
    Move,
    model::{Kind, Model, Room},
    topology::without_pod_keys,
};
use plimsoll_fleet::{Fleet, Money, MoneyPerHour, NodeId, PodId, ShapeId, WorkloadId, selector::Selector};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Of pods that no budget covers, this part of a workload may be away at once.
const AWAY_PART: u32 = 4;

/// What limits the pods of a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Limit {
    Budget(usize),
    Workload(WorkloadId),
}

/// The limits on each pod, and how many each lets go at once.
struct Limits<'f> {
    fleet: &'f Fleet,
    budgets: HashMap<&'f str, Vec<(usize, Selector)>>,
    covering: HashMap<(&'f str, ShapeId), Vec<usize>>,
    replicas: HashMap<WorkloadId, u32>,
}

impl<'f> Limits<'f> {
    fn new(fleet: &'f Fleet) -> Self {
        let mut budgets: HashMap<&str, Vec<(usize, Selector)>> = HashMap::new();
        for (id, budget) in fleet.budgets.iter().enumerate() {
            budgets.entry(&*budget.namespace).or_default().push((id, without_pod_keys(&budget.selector)));
        }
        let mut replicas: HashMap<WorkloadId, u32> = HashMap::new();
        for workload in fleet.pods.iter().filter(|pod| pod.holds()).filter_map(|pod| pod.workload) {
            *replicas.entry(workload).or_default() += 1;
        }
        Self { fleet, budgets, covering: HashMap::new(), replicas }
    }

    /// The limits on a pod, each with how many it lets go at once.
    fn of(&mut self, id: PodId, costs: &Costs<'_>) -> Vec<(Limit, u32)> {
        let pod = &self.fleet.pods[id.index()];
        let covering = self.covering.entry((&*pod.namespace, pod.shape)).or_insert_with(|| {
            let labels = &self.fleet.shape(pod).labels;
            let all = self.budgets.get(&*pod.namespace).into_iter().flatten();
            all.filter(|(_, selector)| selector.selects(labels)).map(|(id, _)| *id).collect()
        });
        if !covering.is_empty() {
            return covering.iter().map(|&id| (Limit::Budget(id), self.fleet.budgets[id].allowed)).collect();
        }
        match pod.workload {
            Some(workload) if costs.gang(id).is_none() => {
                let replicas = self.replicas.get(&workload).copied().unwrap_or(1);
                vec![(Limit::Workload(workload), (replicas / AWAY_PART).max(1))]
            }
            _ => Vec::new(),
        }
    }
}

/// A move that is not in a wave yet.
struct Open {
    step: Move,
    limits: Vec<(Limit, u32)>,
    /// So many of the first moves away from its target must be done in earlier waves: without them it has no room, if all that
    /// come before it are there.
    after: usize,
    /// The earlier move of the same pod.
    again: Option<usize>,
    /// Its place among the moves away from its node.
    place: usize,
}

/// A node with moves away from it that are in no wave yet.
struct Source {
    goes: bool,
    begun: bool,
    moves: Vec<usize>,
}

/// For each of `moves`, how many of the first moves away from its target it needs. As long as it waits for those, it may come before
/// or after all others: what is on its target then is never more than what was counted here.
fn needed(model: &Model<'_>, moves: &[Move]) -> Vec<usize> {
    let kinds: HashMap<PodId, &Kind> = (0..).zip(&model.items).map(|(id, item)| (item.pod, model.kind(id))).collect();
    // By node, its room with all that came and without those of the moves away that are counted on; and all moves away so far.
    let mut nodes: HashMap<NodeId, (Room, usize, Vec<&Kind>)> =
        model.hosts.iter().map(|host| (host.node, (host.room.clone(), 0, Vec::new()))).collect();
    moves
        .iter()
        .map(|step| {
            let kind = kinds[&step.pod];
            let (room, needed, away) = nodes.get_mut(&step.to).expect("moves are between the model's hosts");
            while !room.fits(kind) && *needed < away.len() {
                room.give_back(&away[*needed].need, &away[*needed].carries);
                *needed += 1;
            }
            room.take(&kind.need, &kind.carries);
            let needed = *needed;
            nodes.get_mut(&step.from).expect("moves are between the model's hosts").2.push(kind);
            needed
        })
        .collect()
}

/// Cuts `moves`, which have room one after the other, into waves in which pods leave at most `nodes_at_once` of the nodes that `go`.
pub(in crate::pack) fn cut(
    model: &Model<'_>,
    costs: &Costs<'_>,
    moves: &[Move],
    go: &[NodeId],
    nodes_at_once: usize,
    price: &dyn Fn(NodeId) -> Option<MoneyPerHour>,
) -> Vec<Wave> {
    let fleet = model.fleet;
    let mut limits = Limits::new(fleet);
    let mut away: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut last_of: HashMap<PodId, usize> = HashMap::new();
    let open: Vec<Open> = moves
        .iter()
        .zip(needed(model, moves))
        .enumerate()
        .map(|(at, (&step, after))| {
            let place = away.entry(step.from).or_default();
            *place += 1;
            let again = last_of.insert(step.pod, at);
            Open { step, limits: limits.of(step.pod, costs), after, again, place: *place - 1 }
        })
        .collect();
    // By node, its moves in their order; the nodes in the order of their first moves.
    let mut by_node: Vec<Source> = Vec::new();
    let mut place_of: HashMap<NodeId, usize> = HashMap::new();
    let going: BTreeSet<NodeId> = go.iter().copied().collect();
    for (at, one) in open.iter().enumerate() {
        let place = *place_of.entry(one.step.from).or_insert_with(|| {
            by_node.push(Source { goes: going.contains(&one.step.from), begun: false, moves: Vec::new() });
            by_node.len() - 1
        });
        by_node[place].moves.push(at);
    }

    let mut left: Vec<bool> = vec![true; open.len()];
    // Of the moves away from a node those that are done, and how many of the first are.
    let mut done: HashMap<NodeId, (BTreeSet<usize>, usize)> = HashMap::new();
    let mut waves: Vec<Vec<usize>> = Vec::new();
    while !by_node.is_empty() {
        let mut used: BTreeMap<Limit, u32> = BTreeMap::new();
        let mut wave = Vec::new();
        let mut emptying = 0;
        // The nodes that go and are partly empty come first: each stands half used until it is gone.
        by_node.sort_by_key(|source| !(source.goes && source.begun));
        for source in &mut by_node {
            if source.goes && emptying >= nodes_at_once.max(1) {
                continue;
            }
            let before = wave.len();
            for &at in &source.moves {
                let one = &open[at];
                let room = one.after <= done.get(&one.step.to).map_or(0, |done| done.1);
                let there = one.again.is_none_or(|earlier| !left[earlier]);
                let allowed = one.limits.iter().all(|(limit, most)| used.get(limit).copied().unwrap_or(0) < *most);
                if room && there && allowed {
                    for (limit, _) in &one.limits {
                        *used.entry(*limit).or_default() += 1;
                    }
                    wave.push(at);
                }
            }
            if source.goes && wave.len() > before {
                source.begun = true;
                emptying += 1;
            }
        }
        // Of the moves that are left the first has room and is allowed, so that there is always one.
        debug_assert!(!wave.is_empty(), "the moves had room one after the other");
        if wave.is_empty() {
            wave.extend(left.iter().position(|left| *left));
        }
        for &at in &wave {
            left[at] = false;
            let (all, first) = done.entry(open[at].step.from).or_default();
            all.insert(open[at].place);
            while all.remove(first) {
                *first += 1;
            }
        }
        by_node.retain_mut(|source| {
            source.moves.retain(|at| left[*at]);
            !source.moves.is_empty()
        });
        waves.push(wave);
    }
    told(costs, moves, go, waves, &|cost, node| money(fleet, cost, node, price))
}

/// The waves with their costs, and with what is cordoned before and empty after each.
fn told(
    costs: &Costs<'_>,
    moves: &[Move],
    go: &[NodeId],
    waves: Vec<Vec<usize>>,
    money: &dyn Fn(&Cost, NodeId) -> Option<Money>,
) -> Vec<Wave> {
    let mut first_closed: BTreeMap<NodeId, usize> = go.iter().map(|&node| (node, 0)).collect();
    let mut last_left: BTreeMap<NodeId, usize> = first_closed.clone();
    for (number, wave) in waves.iter().enumerate() {
        for &at in wave {
            if let Some(closed) = first_closed.get_mut(&moves[at].to) {
                *closed = (*closed).max(number + 1);
            }
            if let Some(left) = last_left.get_mut(&moves[at].from) {
                *left = number;
            }
        }
    }
    let count = if go.is_empty() { waves.len() } else { waves.len().max(1) };
    let mut told: Vec<Wave> = (0..count).map(|_| Wave::default()).collect();
    for &node in go {
        told[first_closed[&node]].cordon.push(node);
        told[last_left[&node]].empty.push(node);
    }
    for (wave, into) in waves.iter().zip(&mut told) {
        let mut counted: BTreeMap<WorkloadId, PodId> = BTreeMap::new();
        for &at in wave {
            let mut cost = costs.of(moves[at].pod);
            if let Some((run, _)) = costs.gang(moves[at].pod) {
                match counted.get(&run) {
                    Some(&with) => cost = Cost { with: Some(with), ..cost },
                    None => {
                        counted.insert(run, moves[at].pod);
                    }
                }
            }
            into.steps.push(Step { pod: moves[at], cost, money: money(&cost, moves[at].from) });
        }
    }
    told
}
