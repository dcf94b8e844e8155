//! What no plan can beat: proofs that the decisions share.
//!
//! [`nodes_needed`] proves how many nodes must stay for what must run. It knows classes of alike nodes and of alike pods
//! only, no fleet. A bound here may leave a rule out (then it is lower than it could be), it never adds one.
//!
//! - `rows`: what a node of a class can hold at most, as inequalities (room, and dual-feasible functions of it).
//! - [`cover`]: how little it costs to meet a demand with bins that are filled by patterns: GPUs with MIG layouts.
//! - [`pattern`]: how much of alike bins can be filled: GPUs by shares.
//! - `prices`: the proof: prices on the rows that no use of a node can earn more than 1 with.
//!
//! Nothing in here looks for a plan.

pub mod cover;
pub mod pattern;
mod prices;
mod rows;

use std::{collections::BTreeMap, fmt};

/// Alike nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes {
    /// How many there are.
    pub count: u32,
    /// They stay whatever is moved: all of them count, and their room costs nothing.
    pub stay: bool,
    /// By resource, what the pods of a [`Problem`] can take: of one node at most, or of all together where they stay.
    pub room: Vec<u64>,
}

/// Alike pods that must run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// How many there are.
    pub count: u64,
    /// By resource, what one takes.
    pub need: Vec<u64>,
    /// The nodes that may hold them: indices into [`Problem::nodes`], ascending.
    pub nodes: Vec<u32>,
}

/// Pods that must run, and the nodes that they may run on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problem {
    /// The nodes, by class.
    pub nodes: Vec<Nodes>,
    /// The pods, by class.
    pub demands: Vec<Demand>,
    /// How many of the resources, from the first, are sizes of fine grain (CPU, memory): pods that differ in nothing
    /// else are counted together.
    pub sizes: usize,
}

/// What a bound rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// Only the nodes that stay whatever is moved.
    Stay,
    /// The sum of what is needed of one resource, on the nodes with most of it.
    Volume,
    /// A linear programme over classes of nodes and pods, with what cannot share a node.
    Programme,
}

/// How many nodes must stay, proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// No plan needs fewer.
    pub nodes: u32,
    /// How that was proven, for people.
    pub how: String,
}

impl fmt::Display for Proof {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Stay => "the nodes that must stay have room for all the rest",
            Self::Volume => "the sum of what is asked for, by resource, on the largest nodes that may hold it",
            Self::Programme => "a linear programme over classes of nodes and pods, with the pods that cannot share a node",
        })
    }
}

/// The least number of nodes that can hold all of the problem's pods.
#[must_use]
pub fn nodes_needed(problem: &Problem) -> Bound {
    let stay: u32 = problem.nodes.iter().filter(|nodes| nodes.stay).map(|nodes| nodes.count).sum();
    let mut more = 0;
    let mut proof = Proof::Stay;
    // Parts that share no node are rounded up each by itself.
    for part in parts(problem) {
        let (nodes, how) = prices::nodes(&part);
        more += nodes;
        if nodes > 0 {
            proof = proof.max(how);
        }
    }
    let how = match (stay, more) {
        (0, _) => proof.to_string(),
        (_, 0) => format!("{stay} nodes must stay whatever is moved"),
        _ => format!("{stay} nodes must stay whatever is moved; {more} more by {proof}"),
    };
    Bound { nodes: stay + more, how }
}

/// Splits a problem into parts that share no node, and leaves out demands that fit no node (their room today tells nothing).
fn parts(problem: &Problem) -> Vec<Problem> {
    let mut parent: Vec<usize> = (0..problem.nodes.len()).collect();
    fn root(parent: &mut [usize], mut of: usize) -> usize {
        while parent[of] != of {
            parent[of] = parent[parent[of]];
            of = parent[of];
        }
        of
    }
    let fits = |demand: &Demand, on: u32| {
        let room = &problem.nodes[on as usize].room;
        demand.need.iter().zip(room).all(|(need, room)| need <= room)
    };
    let demands: Vec<Demand> = problem
        .demands
        .iter()
        .map(|demand| {
            let nodes = demand.nodes.iter().copied().filter(|&on| fits(demand, on)).collect();
            Demand { nodes, ..demand.clone() }
        })
        .filter(|demand| !demand.nodes.is_empty() && demand.count > 0)
        .collect();
    for demand in &demands {
        let first = root(&mut parent, demand.nodes[0] as usize);
        for &on in &demand.nodes[1..] {
            let other = root(&mut parent, on as usize);
            parent[other] = first;
        }
    }
    let mut parts: BTreeMap<usize, Problem> = BTreeMap::new();
    let mut place = vec![0_u32; problem.nodes.len()];
    for (id, nodes) in problem.nodes.iter().enumerate() {
        let part = parts.entry(root(&mut parent, id)).or_insert_with(|| Problem { sizes: problem.sizes, ..Problem::default() });
        place[id] = part.nodes.len() as u32;
        part.nodes.push(nodes.clone());
    }
    for mut demand in demands {
        let part = root(&mut parent, demand.nodes[0] as usize);
        for on in &mut demand.nodes {
            *on = place[*on as usize];
        }
        if let Some(part) = parts.get_mut(&part) {
            part.demands.push(demand);
        }
    }
    parts.into_values().filter(|part| !part.demands.is_empty()).collect()
}
