//! Room for one pod that waits: the fewest moves after which it fits on some node.
//!
//! [`defragment`] looks for the smallest set of pods to move off a node so that the pod fits there and each of them finds
//! room elsewhere; of equally small ones for the cheapest. What it has searched is part of the answer:
//!
//! - plans of one and of two moves: all of them, also those where a pod on another node steps out of the way of a moved one;
//! - plans of three and more moves, up to [`MOVES_MAX`]: those that move pods off one node only. So a plan of at most three moves
//!   has the fewest, and of a longer one that is not said.
//!
//! `search` finds the moves, `why` tells of nodes where nothing helps. Moves are cut into waves as those of a repacking are.
//!
//! Nothing in here keeps headroom: making room for somebody is what headroom is for.

mod search;
#[cfg(test)]
mod tests;
mod why;

pub use search::MOVES_MAX;
pub use why::NoPlace;

use super::{
    Move, Rules,
    model::Model,
    plan::{Total, Wave, cost::Costs, total, waves},
    topology::HOSTNAME,
};
use plimsoll_fleet::{Fleet, MoneyPerHour, Name, NodeId, Pod, PodId, ShapeId, pod::Phase};
use search::{Found, Search};
use std::collections::BTreeMap;

/// What a user may set.
pub struct DefragmentOptions<'a> {
    /// Running training may move, too.
    pub move_training: bool,
    /// What a node costs, where that is known.
    pub price: &'a dyn Fn(NodeId) -> Option<MoneyPerHour>,
}

/// Why there is nothing to look for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NothingToDo {
    /// It has a node.
    #[error("pod {pod} is on node {node} already: only a pod that waits for a node needs room")]
    Bound {
        /// The pod, as `namespace/name`.
        pod: String,
        /// Its node.
        node: Name,
    },
    /// It waits for no node.
    #[error("pod {pod} waits for no node: it has ended or is being deleted")]
    Over {
        /// The pod, as `namespace/name`.
        pod: String,
    },
    /// No node has as much, even if it were empty.
    #[error(
        "pod {pod} is larger than any node that lets it in: it asks for {asked} of {resource}, and the largest, {node}, has {largest}; \
         ask for less, or add a larger node"
    )]
    TooLarge {
        /// The pod, as `namespace/name`.
        pod: String,
        /// The resource.
        resource: Name,
        /// What it asks for, with its unit.
        asked: String,
        /// What the largest node has, with its unit.
        largest: String,
        /// That node.
        node: Name,
    },
}

/// Where a pod gets room, and by which moves.
#[derive(Debug, Clone, PartialEq)]
pub struct Defragment {
    /// The pod.
    pub pod: PodId,
    /// The node where it fits when all waves are done; none: nothing that was searched helps.
    pub node: Option<NodeId>,
    /// The moves, wave by wave; none where it fits as things are.
    pub waves: Vec<Wave>,
    /// What all moves cost, once.
    pub cost: Total,
    /// No plan has fewer moves.
    pub fewest: bool,
    /// What was searched, and what that proves, for people.
    pub proof: String,
    /// Where nothing helps: why, and on how many nodes.
    pub nowhere: BTreeMap<NoPlace, u32>,
    /// Pods that wait, come before this one, and would fit in its room.
    pub rivals: u32,
    /// It asks for a place by other pods (affinity, spread) beyond its own node: the scheduler looks at that, the plan does not.
    pub unchecked: bool,
    /// What was allowed to move.
    pub rules: Rules,
}

/// The fleet with one more pod that waits: of a shape that the fleet has, in a namespace. For the question whether a pod would fit.
#[must_use]
pub fn with_pod(fleet: &Fleet, namespace: &str, name: &str, shape: ShapeId) -> (Fleet, PodId) {
    let mut fleet = fleet.clone();
    let id = PodId(fleet.pods.len() as u32);
    let created = Some(fleet.at);
    fleet.pods.push(Pod { namespace: namespace.into(), name: name.into(), shape, phase: Phase::Pending, created, ..Pod::default() });
    (fleet, id)
}

/// Finds room for `pod` by the fewest moves, then by the cheapest. The result does not depend on the order in which the fleet lists
/// its nodes and pods.
///
/// # Errors
/// Why there is nothing to look for.
pub fn defragment(fleet: &Fleet, pod: PodId, options: &DefragmentOptions<'_>) -> Result<Defragment, NothingToDo> {
    let of = &fleet.pods[pod.index()];
    let shape = fleet.shape(of);
    let name = || format!("{}/{}", of.namespace, of.name);
    if let Some(node) = fleet.node(of).filter(|_| of.holds()) {
        return Err(NothingToDo::Bound { pod: name(), node: node.name.clone() });
    }
    if !of.waits() {
        return Err(NothingToDo::Over { pod: name() });
    }
    why::too_large(fleet, pod).map_or(Ok(()), Err)?;

    let rules = Rules { move_training: options.move_training };
    let model = Model::new(fleet, rules);
    let costs = Costs::new(fleet);
    let Some(item) = model.waiting.iter().copied().find(|&item| model.items[item as usize].pod == pod) else {
        return Err(NothingToDo::Over { pod: name() });
    };
    let mut search = Search::new(&model, item, &costs);
    let found = search.run();
    let proof = proof(found.as_ref(), search.cut_short);
    let fewest =
        found.as_ref().is_some_and(|found| found.moves.len() <= search::PROVEN_MAX && (!search.cut_short || found.moves.len() <= 1));
    let mut answer = Defragment {
        pod,
        node: None,
        waves: Vec::new(),
        cost: Total::default(),
        fewest,
        proof,
        nowhere: BTreeMap::new(),
        rivals: 0,
        unchecked: !shape.near.is_empty() || !shape.spread.is_empty() || shape.apart.iter().any(|term| &*term.topology != HOSTNAME),
        rules,
    };
    match found {
        Some(found) => {
            let node = |host: u32| model.hosts[host as usize].node;
            let target = node(found.host);
            let moves: Vec<Move> = found
                .moves
                .iter()
                .map(|&(item, from, to)| Move { pod: model.items[item as usize].pod, from: node(from), to: node(to) })
                .collect();
            if !moves.is_empty() {
                answer.waves = waves::cut(&model, &costs, &moves, &[target], usize::MAX, options.price);
                // It is closed while pods leave it, and not given up.
                answer.waves.iter_mut().for_each(|wave| wave.empty.clear());
            }
            answer.node = Some(target);
            answer.rivals = search.rivals(&found);
        }
        None => answer.nowhere = why::nowhere(&model, item),
    }
    answer.cost = total(&answer.waves);
    Ok(answer)
}

/// What was searched, and what that proves.
fn proof(found: Option<&Found>, cut_short: bool) -> String {
    let scope = "Pods that must stay, and pods on nodes without accelerators, are taken to stay; where affinity or spread counts a pod, it stays in \
                 its domain.";
    let short = "There are too many sets of pods to try all of them: plans with fewer moves are not excluded.";
    match found.map(|found| found.moves.len()) {
        Some(0) => "It fits as things are: nothing has to move.".to_owned(),
        Some(1) => "No plan has fewer moves: as things are it fits nowhere.".to_owned(),
        Some(_) if cut_short => format!("{short} {scope}"),
        Some(2) => format!("No plan has fewer moves: every single move was tried, and none makes room. {scope}"),
        Some(3) => format!("No plan has fewer moves: every plan of one or two moves was tried, and none makes room. {scope}"),
        Some(moves) => {
            let between = if moves == 4 { "3".to_owned() } else { format!("3 to {}", moves - 1) };
            format!(
                "No plan of one or two moves makes room, and none of up to {} that moves pods off one node only: all of them were \
                 tried. Plans of {between} moves that also move pods between other nodes are not excluded. {scope}",
                moves - 1
            )
        }
        None if cut_short => format!("Nothing was found, but there are too many sets of pods to try all of them. {scope}"),
        None => format!(
            "No plan of one or two moves makes room, and none of up to {MOVES_MAX} that moves pods off one node only: all of them were \
             tried. {scope}"
        ),
    }
}
