//! Checks a plan wave by wave. It shares no code with the planner, so that a mistake there is seen here.

use super::{Repack, Wave, saving};
use crate::pack::{
    Move, Rules,
    defragment::Defragment,
    verify::{Replay, Terms, Violation, may_move, name, verify},
};
use plimsoll_fleet::{Fleet, Name, NodeId, PodId};
use std::collections::{BTreeMap, BTreeSet};

/// What a plan in waves breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The packing itself is not feasible.
    #[error("the packing does not hold")]
    Packing(#[source] Violation),
    /// The waves make other moves than the packing.
    #[error("the waves make other moves than the packing, or empty other nodes")]
    Other,
    /// A move of a wave is not possible.
    #[error("wave {wave}")]
    Step {
        /// The wave, from 1.
        wave: usize,
        /// What it breaks.
        #[source]
        what: Violation,
    },
    /// A pod moves twice in one wave.
    #[error("wave {wave} moves pod {pod} twice")]
    Twice {
        /// The wave, from 1.
        wave: usize,
        /// The pod, as `namespace/name`.
        pod: String,
    },
    /// More pods of a budget leave at once than it allows.
    #[error("wave {wave} evicts {evicted} pods of the disruption budget {budget}, which allows {allowed}")]
    Budget {
        /// The wave, from 1.
        wave: usize,
        /// The budget.
        budget: Name,
        /// Its pods that the wave evicts.
        evicted: u32,
        /// How many it allows.
        allowed: u32,
    },
    /// A pod goes to a node that is closed.
    #[error("wave {wave} moves pod {pod} to node {node}, which is cordoned")]
    Closed {
        /// The wave, from 1.
        wave: usize,
        /// The pod, as `namespace/name`.
        pod: String,
        /// The node.
        node: Name,
    },
    /// A node is called empty and is not.
    #[error("node {node} is not empty after wave {wave}")]
    NotEmpty {
        /// The wave, from 1.
        wave: usize,
        /// The node.
        node: Name,
    },
    /// Emptying a node costs more than it saves.
    #[error("emptying node {node} is not worth it")]
    NotWorth {
        /// The node.
        node: Name,
    },
}

/// Is a repacking feasible wave by wave, and worth it?
///
/// # Errors
/// The first thing that it breaks.
pub fn verify_repack(fleet: &Fleet, plan: &Repack) -> Result<(), Broken> {
    verify(fleet, &plan.packing).map_err(Broken::Packing)?;
    verify_waves(fleet, &plan.waves, plan.packing.rules)?;
    let moves: Vec<Move> = plan.waves.iter().flat_map(|wave| wave.steps.iter().map(|step| step.pod)).collect();
    let gone: BTreeSet<NodeId> = plan.packing.nodes_that_can_go.iter().copied().collect();
    let emptied: Vec<NodeId> = plan.waves.iter().flat_map(|wave| wave.empty.iter().copied()).collect();
    if moves != plan.packing.moves || emptied.len() != gone.len() || emptied.iter().any(|node| !gone.contains(node)) {
        return Err(Broken::Other);
    }
    for &node in &gone {
        let own = plan.waves.iter().flat_map(|wave| &wave.steps).filter(|step| {
            let at = fleet.pods[step.pod.pod.index()].node;
            step.pod.from == node && at == Some(node)
        });
        let cost = own.map(|step| step.cost.milli_seconds()).try_fold(0_u64, |sum, cost| sum.checked_add(cost?));
        let saves = saving(fleet.nodes[node.index()].gpus.len(), plan.horizon);
        if cost.is_none_or(|cost| cost > 0 && cost >= saves) {
            return Err(Broken::NotWorth { node: fleet.nodes[node.index()].name.clone() });
        }
    }
    Ok(())
}

/// Is each wave possible, whatever the order of the evictions in it?
///
/// # Errors
/// The first thing that one breaks.
pub fn verify_waves(fleet: &Fleet, waves: &[Wave], rules: Rules) -> Result<(), Broken> {
    walk(fleet, waves, rules).map(drop)
}

/// Is each wave possible, and does the pod then fit where it is said to?
///
/// # Errors
/// The first thing that it breaks.
pub fn verify_defragment(fleet: &Fleet, plan: &Defragment) -> Result<(), Broken> {
    let replay = walk(fleet, &plan.waves, plan.rules)?;
    let Some(node) = plan.node else { return Ok(()) };
    replay.fits(plan.pod, node).map_err(|what| Broken::Step { wave: plan.waves.len(), what })
}

/// Goes through the waves.
fn walk<'f>(fleet: &'f Fleet, waves: &[Wave], rules: Rules) -> Result<Replay<'f>, Broken> {
    let mut replay = Replay::new(fleet);
    let terms = Terms::new(fleet);
    let mut closed: BTreeSet<NodeId> = BTreeSet::new();
    for (wave, of) in (1..).zip(waves) {
        let step = |what| Broken::Step { wave, what };
        closed.extend(&of.cordon);
        let mut away: BTreeSet<PodId> = BTreeSet::new();
        let mut evicted: BTreeMap<usize, u32> = BTreeMap::new();
        for &Move { pod, from, to } in of.steps.iter().map(|step| &step.pod) {
            may_move(fleet, rules, pod).map_err(step)?;
            if !away.insert(pod) {
                return Err(Broken::Twice { wave, pod: name(fleet, pod) });
            }
            if closed.contains(&to) {
                return Err(Broken::Closed { wave, pod: name(fleet, pod), node: fleet.nodes[to.index()].name.clone() });
            }
            let refuse = |why| Err(step(Violation::MayNotMove { pod: name(fleet, pod), why }));
            if replay.place[pod.index()] != Some(from) || from == to {
                return refuse("it is not where the move begins");
            }
            if !terms.allow(fleet, pod, from, to) {
                return refuse("a rule on the places of pods counts it in another domain");
            }
            let of = &fleet.pods[pod.index()];
            for (id, budget) in fleet.budgets.iter().enumerate() {
                if budget.namespace == of.namespace && budget.selector.selects(&fleet.shape(of).labels) {
                    *evicted.entry(id).or_default() += 1;
                }
            }
            // Its old place stays taken until the wave is done: nobody may count on it.
            replay.fits(pod, to).map_err(step)?;
            replay.pods[to.index()].push(pod);
            replay.place[pod.index()] = Some(to);
        }
        for (id, evicted) in evicted {
            let budget = &fleet.budgets[id];
            if evicted > budget.allowed {
                return Err(Broken::Budget { wave, budget: budget.name.clone(), evicted, allowed: budget.allowed });
            }
        }
        for step in &of.steps {
            replay.pods[step.pod.from.index()].retain(|pod| *pod != step.pod.pod);
        }
        for &node in &of.empty {
            let stays = |pod: &&PodId| {
                let pod = &fleet.pods[pod.index()];
                !pod.of_node && !pod.deleting
            };
            if replay.pods[node.index()].iter().any(|pod| stays(&pod)) {
                return Err(Broken::NotEmpty { wave, node: fleet.nodes[node.index()].name.clone() });
            }
        }
    }
    Ok(replay)
}
