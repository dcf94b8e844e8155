//! Which node, and which GPU of it, should a pod go to?
//!
//! A [`Policy`] gives points to one state of a node for one kind of pod; a [`Placer`] holds the nodes and finds the best of
//! them. What a policy sees has no names and no order in it: nodes are told apart by their state only, so a result cannot
//! depend on what nodes are called or in which order they were listed.
//!
//! Ties have one owner: [`Ties`] says for each policy how equal points are settled.
//!
//! - `state`: [`NodeKind`], [`PodKind`], [`State`]: what a policy looks at.
//! - `placer`: the nodes, stacked by equal state, with the points of each stack kept.
//! - `mix`: the pods that are expected, and what part of a node's free GPUs they could not use.
//! - `classic`: `random`, `best-fit`, `dot-product`, `gpu-packing`, `gpu-clustering`, `least-allocated`, `most-allocated`.
//! - `fgd`: fragmentation gradient descent, as published at USENIX ATC'23.
//! - `waste`, `fill`: what a node would waste in the end, and what it could hold at best.
//! - `plimsoll`: ours: the same gradient, what the node would waste in the end, and a price for scarce models.
//!
//! A GPU in MIG mode has a room ([`super::mig::Room`]) instead of free thousandths: instances have real starts there, or are those of a
//! fixed layout.
//!
//! Nothing in here reads a clock or draws a random number: where a policy wants chance, the caller hands it a number.

mod classic;
mod fgd;
mod fill;
mod mix;
mod placer;
mod plimsoll;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_mig;
mod waste;

pub use mix::{Fragmentation, Mix};
pub use placer::{Place, Placer, Spot};
pub use plimsoll::Weights;
pub use state::{DEVICES_MAX, Device, Gpus, Mig, NodeKind, PodKind, SLICES_MAX, Slice, Slices, State};

use std::{fmt, str::FromStr};

/// Points of a state for a kind of pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Points {
    /// More is better. Only their order counts.
    pub value: u64,
    /// The GPU for a share of one; for whole GPUs the first free ones are taken.
    pub device: u8,
}

/// How equal points are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// By the rank that the caller gave each node; the lowest wins. The published experiment does this.
    Rank,
    /// By the state: least free memory that suffices, then the order of states. Nodes that are still equal are equal in all.
    State,
    /// By a number that the caller draws for each decision, as kube-scheduler does.
    Draw,
}

/// A way to choose.
pub trait Policy {
    /// Points of a node in `state` for `pod`. Asked only where the pod fits.
    fn points(&mut self, state: &State, pod: &PodKind) -> Points;

    /// How equal points are settled.
    fn ties(&self) -> Ties;

    /// What of a state it looks at beside kind, CPU and GPUs. Less makes for fewer, larger stacks.
    fn looks_at(&self) -> Looks {
        Looks::default()
    }

    /// Kinds of pods for which the policy wants to know how many nodes have room.
    fn watched(&self) -> Vec<PodKind> {
        Vec::new()
    }

    /// Tells how full the nodes are. True: points given before no longer hold.
    fn load_changed(&mut self, _load: Load<'_>) -> bool {
        false
    }
}

/// How full the nodes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load<'a> {
    /// Thousandths of GPUs that are allocated.
    pub allocated_milli: u64,
    /// Thousandths of GPUs that there are.
    pub total_milli: u64,
    /// Nodes with room for each of the policy's watched kinds, memory and places for pods aside.
    pub hosts: &'a [u32],
}

/// What a policy looks at beside kind, CPU and GPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looks {
    /// Free memory.
    pub memory: bool,
    /// What kinds of GPU pods are there.
    pub company: bool,
}

/// The nodes that there are.
#[derive(Debug, Clone, Copy)]
pub struct Supply<'a> {
    /// The kinds of nodes.
    pub kinds: &'a [NodeKind],
    /// How many there are of each.
    pub counts: &'a [u32],
}

/// The policies by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Named {
    /// Any node that fits.
    Random,
    /// The least left over, CPU and GPU alike.
    BestFit,
    /// The best alignment of what is free with what is asked.
    DotProduct,
    /// Shared GPUs first, then used nodes, then empty ones.
    GpuPacking,
    /// Pods that ask alike together.
    GpuClustering,
    /// Fragmentation gradient descent.
    Fgd,
    /// kube-scheduler's NodeResourcesFit, LeastAllocated: its default.
    LeastAllocated,
    /// kube-scheduler's NodeResourcesFit, MostAllocated.
    MostAllocated,
    /// Ours.
    Plimsoll,
}

impl Named {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Random,
        Self::BestFit,
        Self::DotProduct,
        Self::GpuPacking,
        Self::GpuClustering,
        Self::Fgd,
        Self::LeastAllocated,
        Self::MostAllocated,
        Self::Plimsoll,
    ];

    /// Its name, as flags and documents have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::BestFit => "best-fit",
            Self::DotProduct => "dot-product",
            Self::GpuPacking => "gpu-packing",
            Self::GpuClustering => "gpu-clustering",
            Self::Fgd => "fgd",
            Self::LeastAllocated => "least-allocated",
            Self::MostAllocated => "most-allocated",
            Self::Plimsoll => "plimsoll",
        }
    }

    /// The policy, for nodes of these kinds and the pods that are expected.
    #[must_use]
    pub fn policy(self, supply: Supply<'_>, mix: &Mix) -> Box<dyn Policy> {
        let kinds = supply.kinds;
        match self {
            Self::Random => Box::new(classic::Random),
            Self::BestFit => Box::new(classic::BestFit),
            Self::DotProduct => Box::new(classic::DotProduct),
            Self::GpuPacking => Box::new(classic::GpuPacking),
            Self::GpuClustering => Box::new(classic::GpuClustering),
            Self::Fgd => Box::new(fgd::Fgd::new(supply, mix)),
            Self::LeastAllocated => Box::new(classic::Allocated::least(kinds)),
            Self::MostAllocated => Box::new(classic::Allocated::most(kinds)),
            Self::Plimsoll => Box::new(plimsoll::Plimsoll::new(supply, mix, Weights::default())),
        }
    }
}

/// Our policy with other weights than its own: for measuring what they do.
#[must_use]
pub fn plimsoll_with(supply: Supply<'_>, mix: &Mix, weights: Weights) -> Box<dyn Policy> {
    Box::new(plimsoll::Plimsoll::new(supply, mix, weights))
}

impl fmt::Display for Named {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// There is no policy of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no policy `{name}`; there are {}", Named::ALL.map(Named::name).join(", "))]
pub struct UnknownPolicy {
    /// The name.
    pub name: String,
}

impl FromStr for Named {
    type Err = UnknownPolicy;
    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        Self::ALL.into_iter().find(|policy| policy.name() == name).ok_or_else(|| UnknownPolicy { name: name.to_owned() })
    }
}
