//! Empties node after node: all of its pods find room on the nodes that are left, or none is moved.

use super::{
    Worth,
    model::{HostId, ItemId},
    state::State,
};
use std::{cmp::Reverse, collections::BTreeMap};

/// How often all candidates are gone through: nodes that took pods in are looked at again with their new load.
const PASSES_MAX: usize = 4;

/// Which node is tried first. Empty nodes always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Most saved for each GPU that moves.
    Worth,
    /// Fewest GPUs to move.
    Load,
}

/// Why a node could not be emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocked {
    /// This pod of it found no room.
    By(ItemId),
    /// Too little would be left free.
    Headroom,
}

/// Empties what can be emptied. Tells of every other node that may go why it could not.
pub(super) fn evacuate(state: &mut State<'_>, worth: &Worth, order: Order) -> BTreeMap<HostId, Blocked> {
    let model = state.model();
    // A kind that fits nowhere, not even on its own host again, never will: room only shrinks from here on.
    let mut stuck = vec![false; model.kinds.len()];
    let mut blocked = BTreeMap::new();
    for _ in 0..PASSES_MAX {
        let mut emptied = false;
        for host in candidates(state, worth, order) {
            match empty(state, host, &mut stuck) {
                Ok(()) => {
                    blocked.remove(&host);
                    emptied = true;
                }
                Err(why) => {
                    blocked.insert(host, why);
                }
            }
        }
        if !emptied {
            break;
        }
    }
    blocked
}

/// The nodes that may go and have not, in the order to try them.
pub(super) fn candidates(state: &State<'_>, worth: &Worth, order: Order) -> Vec<HostId> {
    let model = state.model();
    let mut hosts: Vec<(bool, f64, u64, usize, HostId)> = (0..)
        .zip(&model.hosts)
        .filter(|(id, host)| host.gpu && !state.is_gone(*id) && !host.stays(model.fleet))
        .map(|(id, _)| {
            let items = state.items(id);
            let gpus: u64 = items.iter().map(|&item| model.size_on(model.kind(item), id)).sum();
            let worth = worth.by_host[id as usize];
            let rank = match order {
                Order::Worth => -worth / (gpus as f64 + 1.0),
                Order::Load => gpus as f64,
            };
            (!items.is_empty(), rank, gpus, items.len(), id)
        })
        .collect();
    hosts.sort_unstable_by(|a, b| {
        (a.0, a.1).partial_cmp(&(b.0, b.1)).unwrap_or(std::cmp::Ordering::Equal).then_with(|| (a.2, a.3, a.4).cmp(&(b.2, b.3, b.4)))
    });
    hosts.into_iter().map(|host| host.4).collect()
}

/// Empties one host, or changes nothing.
fn empty(state: &mut State<'_>, host: HostId, stuck: &mut [bool]) -> Result<(), Blocked> {
    let model = state.model();
    let mut items = state.items(host).to_vec();
    if let Some(&item) = items.iter().find(|&&item| stuck[model.items[item as usize].kind as usize]) {
        return Err(Blocked::By(item));
    }
    items.sort_by_key(|&item| {
        let kind = model.kind(item);
        (Reverse(model.size_on(kind, host)), Reverse(kind.need.cpu), Reverse(kind.need.memory), model.items[item as usize].kind)
    });
    let free = state.free();
    let mut moved: Vec<ItemId> = Vec::with_capacity(items.len());
    let mut why = None;
    for &item in &items {
        let kind = model.kind(item);
        let Some(target) = state.find(kind, Some(host)) else {
            why = Some(Blocked::By(item));
            break;
        };
        // The host keeps its own room in the books until all have left, so that a roll-back is exact.
        state.put(item, target);
        moved.push(item);
    }
    if why.is_none() {
        state.open(host, false);
        if state.has_headroom(&free) {
            state.forget(host);
            return Ok(());
        }
        state.open(host, true);
        why = Some(Blocked::Headroom);
    }
    for &item in moved.iter().rev() {
        state.undo(item, host);
    }
    if let Some(Blocked::By(item)) = why {
        let kind = model.kind(item);
        // With everything put back: a host of its kind may have been full only of this host's own pods.
        if state.find(kind, Some(host)).is_none() && !state.fits(kind, host) {
            stuck[model.items[item as usize].kind as usize] = true;
        }
    }
    Err(why.unwrap_or(Blocked::Headroom))
}
