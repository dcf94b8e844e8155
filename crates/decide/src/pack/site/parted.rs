//! GPUs in MIG mode: which instances stand on each, as far as a node tells.

use crate::pack::{
    mig::Grid,
    policy::{DEVICES_MAX, Gpus, Mig, Slices},
};
use plimsoll_fleet::{
    Node,
    mig::{Board, Profile, board},
    node::Sharing,
    resource::{self, Unit},
};
use std::cmp::Reverse;

/// The node's GPUs in MIG mode; none: it has none, or its board is not known. `open`: instances are made where they are needed, else those
/// that stand there are all that there are.
pub(super) fn mig(node: &Node, open: bool) -> Option<Mig> {
    if !matches!(node.sharing, Sharing::MigSingle { .. } | Sharing::MigMixed) {
        return None;
    }
    let board = board(node.gpu_product.as_deref()?, node.gpu_memory)?;
    let grid = Grid::of(board.table)?;
    let physical = node.gpus.len().min(DEVICES_MAX);
    // Under the mixed strategy GPUs beside those in MIG mode are offered whole.
    let whole = if node.sharing == Sharing::MigMixed { node.offered("nvidia.com/gpu") as usize } else { 0 };
    let parted = physical.saturating_sub(whole);
    if open {
        return Some(Mig { grid, rooms: vec![grid.geometry().empty(); parted].into() });
    }
    let layouts = told(node, &board, parted).unwrap_or_else(|| spread(node, &board, parted));
    let rooms = layouts.iter().map(|slots| {
        let layout = board.table.fit(&[], slots).unwrap_or_default();
        grid.geometry().fixed(&layout)
    });
    Some(Mig { grid, rooms: rooms.collect::<Option<Vec<_>>>()?.into() })
}

/// The instances on each GPU, where the node tells them GPU by GPU.
fn told(node: &Node, board: &Board, parted: usize) -> Option<Vec<Vec<usize>>> {
    let gpus: Vec<_> = node.gpus.iter().filter(|gpu| !gpu.slices.is_empty()).take(parted).collect();
    if gpus.len() < parted || gpus.is_empty() {
        return None;
    }
    let slot = |profile: &str| board.table.slot_named(&Profile::parse(profile).ok()?, board.memory);
    gpus.into_iter().map(|gpu| gpu.slices.iter().map(|slice| slot(&slice.profile)).collect()).collect()
}

/// The instances that the node offers, spread evenly over its GPUs, as managers lay out all GPUs of a node alike.
fn spread(node: &Node, board: &Board, parted: usize) -> Vec<Vec<usize>> {
    let slot = |profile: &str| board.table.slot_named(&Profile::parse(profile).ok()?, board.memory);
    let mut counts: Vec<(usize, usize)> = node
        .offers
        .iter()
        .filter_map(|offer| match (resource::unit(&offer.resource)?, &node.sharing) {
            (Unit::Mig(profile), _) => Some((slot(&resource::mig_profile(profile))?, offer.count as usize)),
            (Unit::Gpu, Sharing::MigSingle { profile }) => Some((slot(profile)?, offer.count as usize)),
            _ => None,
        })
        .collect();
    counts.sort_by_key(|(slot, _)| (Reverse(board.table.slots[*slot].size), *slot));
    let mut layouts: Vec<Vec<usize>> = Vec::new();
    for gpu in 0..parted {
        let mut layout = Vec::new();
        for (slot, left) in &mut counts {
            for _ in 0..left.div_ceil(parted - gpu) {
                layout.push(*slot);
                if board.table.fit(&[], &layout).is_none() {
                    layout.pop();
                    break;
                }
                *left -= 1;
            }
        }
        layouts.push(layout);
    }
    layouts
}

/// So many instances of a profile on the node; none: its board is not known, or has no such profile.
pub(super) fn slices(profile: &str, count: u32, node: &Node) -> Option<Gpus> {
    let board = board(node.gpu_product.as_deref()?, node.gpu_memory)?;
    let slot = board.table.slot_named(&Profile::parse(profile).ok()?, board.memory)?;
    Some(Gpus::Slices(Slices { grid: Grid::of(board.table)?, slot: u8::try_from(slot).ok()?, count: u8::try_from(count).ok()? }))
}
