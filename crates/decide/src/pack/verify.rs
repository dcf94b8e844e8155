//! Checks a plan against the fleet, move by move. It shares no code with the planner, so that a mistake there is seen here.

use super::{Move, Packing, Rules};
use crate::class;
use plimsoll_fleet::{
    Class, Fleet, Name, Node, NodeId, Pod, PodId, Shape,
    holding::held_on,
    pod::{Affinity, Phase},
    resource::{self, Unit},
    selector::Selector,
};
use std::collections::{BTreeMap, BTreeSet};

/// What a plan breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The counts do not belong together.
    #[error("of {now} nodes {gone} go, but {needed} are said to be needed, with a bound of {bound}")]
    Count {
        /// Accelerator nodes in the fleet.
        now: u32,
        /// Nodes that go.
        gone: u32,
        /// Nodes said to be needed.
        needed: u32,
        /// The bound.
        bound: u32,
    },
    /// A node goes that may not.
    #[error("node {node} may not go: {why}")]
    MayNotGo {
        /// The node.
        node: Name,
        /// Why.
        why: &'static str,
    },
    /// A pod is moved that must stay, or from where it is not.
    #[error("pod {pod} may not be moved: {why}")]
    MayNotMove {
        /// The pod, as `namespace/name`.
        pod: String,
        /// Why.
        why: &'static str,
    },
    /// A pod would not be let in, or finds no room.
    #[error("pod {pod} cannot go to node {node}: {why}")]
    DoesNotFit {
        /// The pod, as `namespace/name`.
        pod: String,
        /// The node.
        node: Name,
        /// Why.
        why: &'static str,
    },
    /// A pod is left on a node that goes.
    #[error("pod {pod} is still on node {node}, which goes")]
    LeftBehind {
        /// The pod, as `namespace/name`.
        pod: String,
        /// The node.
        node: Name,
    },
}

/// Is every step of the plan possible, and is nothing left on the nodes that go?
///
/// # Errors
/// The first [`Violation`].
pub fn verify(fleet: &Fleet, packing: &Packing) -> Result<(), Violation> {
    counts(fleet, packing)?;
    let mut replay = Replay::new(fleet);
    let terms = Terms::new(fleet);
    for &Move { pod, from, to } in &packing.moves {
        may_move(fleet, packing.rules, pod)?;
        let refuse = |why| Err(Violation::MayNotMove { pod: name(fleet, pod), why });
        if replay.place[pod.index()] != Some(from) || from == to {
            return refuse("it is not where the move begins");
        }
        if !terms.allow(fleet, pod, from, to) {
            return refuse("a rule on the places of pods counts it in another domain");
        }
        replay.fits(pod, to)?;
        replay.take_off(pod, from);
        replay.put(pod, to);
    }
    for reserved in &packing.reserved {
        replay.fits(reserved.pod, reserved.node)?;
        replay.put(reserved.pod, reserved.node);
    }
    for &node in &packing.nodes_that_can_go {
        let left = replay.pods[node.index()].iter().find(|pod| {
            let pod = &fleet.pods[pod.index()];
            !pod.of_node && !pod.deleting
        });
        if let Some(&pod) = left {
            return Err(Violation::LeftBehind { pod: name(fleet, pod), node: fleet.nodes[node.index()].name.clone() });
        }
    }
    Ok(())
}

fn counts(fleet: &Fleet, packing: &Packing) -> Result<(), Violation> {
    let counted = |node: &Node| node.has_gpus() || !node.offers.is_empty();
    let now = fleet.nodes.iter().filter(|node| counted(node)).count() as u32;
    let gone: BTreeSet<NodeId> = packing.nodes_that_can_go.iter().copied().collect();
    let stay: BTreeSet<NodeId> = packing.kept.iter().map(|(node, _)| *node).collect();
    for node in &gone {
        let node = &fleet.nodes[node.index()];
        let refuse = |why| Err(Violation::MayNotGo { node: node.name.clone(), why });
        if node.keep.is_some() {
            return refuse("an annotation forbids it");
        }
        if !counted(node) {
            return refuse("it has no accelerators and is not counted");
        }
    }
    let each_once = gone.len() == packing.nodes_that_can_go.len()
        && stay.len() == packing.kept.len()
        && gone.is_disjoint(&stay)
        && gone.len() + stay.len() == now as usize;
    let adds_up = packing.nodes_now == now && packing.nodes_needed + gone.len() as u32 == now;
    if each_once && adds_up && packing.lower_bound <= packing.nodes_needed {
        return Ok(());
    }
    Err(Violation::Count { now, gone: gone.len() as u32, needed: packing.nodes_needed, bound: packing.lower_bound })
}

pub(super) fn name(fleet: &Fleet, pod: PodId) -> String {
    let pod = &fleet.pods[pod.index()];
    format!("{}/{}", pod.namespace, pod.name)
}

pub(super) fn may_move(fleet: &Fleet, rules: Rules, id: PodId) -> Result<(), Violation> {
    let pod = &fleet.pods[id.index()];
    let shape = fleet.shape(pod);
    let refuse = |why| Err(Violation::MayNotMove { pod: name(fleet, id), why });
    if !pod.holds() || pod.of_node || pod.deleting {
        return refuse("it comes and goes with its node, or is not there");
    }
    let Some(owner) = fleet.workload(pod).filter(|owner| &*owner.kind != "Pod") else {
        return refuse("nobody would make it again");
    };
    if pod.keep.is_some() {
        return refuse("an annotation or its storage forbids it");
    }
    let covers = |selector: &Selector| selector.selects(&shape.labels);
    let mut budgets = fleet.budgets.iter().filter(|budget| budget.namespace == pod.namespace && covers(&budget.selector));
    match (budgets.next(), budgets.next()) {
        (Some(budget), None) if budget.allowed == 0 => return refuse("a disruption budget allows no eviction"),
        (Some(_), Some(_)) => return refuse("several disruption budgets cover it"),
        _ => {}
    }
    if !spreads_hold(fleet, pod, shape) {
        return refuse("its spread does not hold today, so it may not be let in again where it was");
    }
    let known = class::of(owner, Some(shape));
    let run = known.class == Class::Training || known.inferred && (owner.run.is_some() || matches!(&*owner.kind, "Job" | "CronJob"));
    let saved = shape
        .annotations
        .iter()
        .chain(&owner.annotations)
        .any(|(key, value)| key.starts_with("plimsoll.dev/checkpoint") && &**value != "false");
    if run && pod.phase != Phase::Pending && !saved && !rules.move_training {
        return refuse("it would lose its work");
    }
    Ok(())
}

/// Are the pods that the spreads of `pod` count within the greatest difference, over the domains that it may go to?
fn spreads_hold(fleet: &Fleet, pod: &Pod, shape: &Shape) -> bool {
    shape.spread.iter().all(|spread| {
        let bare = Shape { node_selector: shape.node_selector.clone(), node_terms: shape.node_terms.clone(), ..Shape::default() };
        let mut counts: BTreeMap<&Name, u32> = BTreeMap::new();
        for node in &fleet.nodes {
            let untainted = Node { name: node.name.clone(), labels: node.labels.clone(), ..Node::default() };
            if let Some(domain) = node.labels.get(&spread.topology).filter(|_| bare.may_go(&untainted)) {
                counts.entry(domain).or_default();
            }
        }
        for other in fleet.pods.iter().filter(|other| other.holds() && other.namespace == pod.namespace) {
            let domain = fleet.node(other).and_then(|node| node.labels.get(&spread.topology));
            if let Some(count) = domain.and_then(|domain| counts.get_mut(domain))
                && spread.pods.selects(&fleet.shape(other).labels)
            {
                *count += 1;
            }
        }
        let (least, most) = (counts.values().min(), counts.values().max());
        least.zip(most).is_none_or(|(least, most)| most - least <= spread.max_skew)
    })
}

/// The rules on the places of pods that are not about single hosts.
pub(super) struct Terms<'f> {
    /// By namespace of the pods meant: topology, selector, and the shapes and namespace that ask for it.
    meant: BTreeMap<&'f str, BTreeSet<(&'f str, &'f Selector)>>,
}

const HOSTNAME: &str = "kubernetes.io/hostname";

impl<'f> Terms<'f> {
    pub(super) fn new(fleet: &'f Fleet) -> Self {
        let mut meant: BTreeMap<&str, BTreeSet<(&str, &Selector)>> = BTreeMap::new();
        for pod in fleet.pods.iter().filter(|pod| pod.holds()) {
            let shape = fleet.shape(pod);
            for term in shape.near.iter().chain(shape.apart.iter().filter(|term| &*term.topology != HOSTNAME)) {
                for namespace in namespaces(term, &pod.namespace) {
                    meant.entry(namespace).or_default().insert((&*term.topology, &term.pods));
                }
            }
            for spread in &shape.spread {
                meant.entry(&*pod.namespace).or_default().insert((&*spread.topology, &spread.pods));
            }
        }
        Self { meant }
    }

    /// Does the pod, wherever a rule counts it, stay in its domain?
    pub(super) fn allow(&self, fleet: &Fleet, id: PodId, from: NodeId, to: NodeId) -> bool {
        let pod = &fleet.pods[id.index()];
        let shape = fleet.shape(pod);
        let same = |topology: &str| {
            let value = |node: NodeId| fleet.nodes[node.index()].labels.get(topology);
            value(from).is_some() && value(from) == value(to)
        };
        let own = shape
            .near
            .iter()
            .chain(shape.apart.iter().filter(|term| &*term.topology != HOSTNAME))
            .map(|term| &term.topology)
            .chain(shape.spread.iter().map(|spread| &spread.topology));
        let counted = self.meant.get(&*pod.namespace).into_iter().flatten();
        own.into_iter().all(|topology| same(topology))
            && counted.filter(|(_, selector)| selector.selects(&shape.labels)).all(|(topology, _)| same(topology))
    }
}

fn namespaces<'f>(term: &'f Affinity, own: &'f Name) -> impl Iterator<Item = &'f str> {
    let own = term.namespaces.is_empty().then_some(&**own);
    term.namespaces.iter().map(|namespace| &**namespace).chain(own)
}

/// Where everything is, while the moves are gone through.
pub(super) struct Replay<'f> {
    fleet: &'f Fleet,
    pub(super) place: Vec<Option<NodeId>>,
    pub(super) pods: Vec<Vec<PodId>>,
}

impl<'f> Replay<'f> {
    pub(super) fn new(fleet: &'f Fleet) -> Self {
        let mut place = vec![None; fleet.pods.len()];
        let mut pods = vec![Vec::new(); fleet.nodes.len()];
        for (id, pod) in fleet.pods().filter(|(_, pod)| pod.holds()) {
            if let Some(node) = pod.node {
                place[id.index()] = Some(node);
                pods[node.index()].push(id);
            }
        }
        Self { fleet, place, pods }
    }

    pub(super) fn put(&mut self, pod: PodId, node: NodeId) {
        self.place[pod.index()] = Some(node);
        self.pods[node.index()].push(pod);
    }

    pub(super) fn take_off(&mut self, pod: PodId, node: NodeId) {
        self.place[pod.index()] = None;
        self.pods[node.index()].retain(|other| *other != pod);
    }

    /// Would the scheduler put the pod on the node as things are?
    pub(super) fn fits(&self, id: PodId, on: NodeId) -> Result<(), Violation> {
        let node = &self.fleet.nodes[on.index()];
        let pod = &self.fleet.pods[id.index()];
        let shape = self.fleet.shape(pod);
        let refuse = |why| Err(Violation::DoesNotFit { pod: name(self.fleet, id), node: node.name.clone(), why });
        if !node.ready || node.unschedulable {
            return refuse("the node takes no pods");
        }
        if !shape.may_go(node) {
            return refuse("labels, affinity or taints keep it out");
        }
        let others = || {
            self.pods[on.index()].iter().map(|other| {
                let other = &self.fleet.pods[other.index()];
                (other, self.fleet.shape(other))
            })
        };
        let short = |need: u64, used: u128, room: u64| need > 0 && used + u128::from(need) > u128::from(room);
        let sum = |of: &dyn Fn(&Shape) -> u64| others().map(|(_, shape)| u128::from(of(shape))).sum::<u128>();
        if short(1, others().count() as u128, node.max_pods.into()) {
            return refuse("the node has its number of pods");
        }
        if short(shape.cpu.0, sum(&|shape| shape.cpu.0), node.cpu.0) {
            return refuse("too little CPU is free");
        }
        if short(shape.memory.0, sum(&|shape| shape.memory.0), node.memory.0) {
            return refuse("too little memory is free");
        }
        let asked = |shape: &Shape, resource: &str| {
            shape.asks.iter().filter(|ask| &*ask.resource == resource).map(|ask| u64::from(ask.count)).sum()
        };
        for ask in &shape.asks {
            let used = sum(&|shape| asked(shape, &ask.resource));
            if short(asked(shape, &ask.resource), used, node.offered(&ask.resource).into()) {
                return refuse("too few accelerators are free");
            }
        }
        if node.offers.iter().any(|offer| offer.dra) {
            let whole = |shape: &Shape| -> u64 {
                let asks = shape.asks.iter().filter(|ask| !matches!(resource::unit(&ask.resource), Some(Unit::Mig(_))));
                asks.map(|ask| u64::from(ask.count) * 1000).sum()
            };
            // What it was given is known of a pod that was here from the start; of one that comes, what it asks for.
            let given = |pod: &Pod| if pod.node == Some(on) { held_on(self.fleet, pod, node).0 } else { 0 };
            let used = others().map(|(pod, shape)| u128::from(whole(shape).max(given(pod)))).sum();
            if short(whole(shape), used, node.gpus.len() as u64 * 1000) {
                return refuse("too few physical devices are free");
            }
        }
        if others().any(|(_, other)| other.host_ports.iter().any(|port| shape.host_ports.contains(port))) {
            return refuse("a host port is taken");
        }
        let repels = |(one, shape): (&Pod, &Shape), (other, met): (&Pod, &Shape)| {
            shape.apart.iter().filter(|term| &*term.topology == HOSTNAME).any(|term| {
                namespaces(term, &one.namespace).any(|namespace| namespace == &*other.namespace) && term.pods.selects(&met.labels)
            })
        };
        if others().any(|other| repels((pod, shape), other) || repels(other, (pod, shape))) {
            return refuse("anti-affinity keeps it off a pod there");
        }
        Ok(())
    }
}
