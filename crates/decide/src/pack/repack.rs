//! Packs anew: every pod that may move is taken in hand, largest first, and nodes are opened only as they are needed.

use super::{
    Worth,
    evacuate::Order,
    model::{HostId, ItemId},
    state::State,
};
use std::cmp::Reverse;

/// A packing from nothing, on top of what stays anyway; none where a pod finds no place that way.
pub(super) fn repack<'m>(start: &State<'m>, worth: &Worth, order: Order) -> Option<State<'m>> {
    let model = start.model();
    let free = start.free();
    let mut state = start.clone();
    let mut loose: Vec<(u64, ItemId)> = Vec::new();
    let mut closed: Vec<(f64, Reverse<u64>, HostId)> = Vec::new();
    for (id, host) in (0..).zip(&model.hosts).filter(|(_, host)| host.gpu && !host.stays(model.fleet)) {
        state.open(id, false);
        let mut load = 0;
        for item in state.items(id).to_vec() {
            let size = model.size_on(model.kind(item), id);
            load += size;
            loose.push((size, item));
            state.take_off(item);
        }
        let gpus = model.fleet.nodes[host.node.index()].gpus.len().max(1) as f64;
        let rank = match order {
            Order::Worth => worth.by_host[id as usize] / gpus,
            Order::Load => -gpus,
        };
        // Of alike hosts the fullest comes first: most of its pods can then stay.
        closed.push((rank, Reverse(load), id));
    }
    closed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
    loose.sort_unstable_by_key(|&(size, item)| {
        let need = &model.kind(item).need;
        (Reverse(size), Reverse(need.cpu), Reverse(need.memory), model.items[item as usize].kind, item)
    });
    for (size, item) in loose {
        let kind = model.kind(item);
        // What asks for no accelerators comes last, and stays where it was if that node is needed.
        let home = model.items[item as usize].from.filter(|&home| size == 0 && !state.is_gone(home) && state.fits(kind, home));
        let host = match home.or_else(|| state.find(kind, None)) {
            Some(host) => host,
            None => {
                let suits = |host: HostId| {
                    model.hosts[host as usize].class.is_some_and(|class| kind.allowed.binary_search(&class).is_ok())
                        && state.fits(kind, host)
                };
                let at = closed.iter().position(|&(_, _, host)| suits(host))?;
                let host = closed.remove(at).2;
                state.open(host, true);
                host
            }
        };
        state.put(item, host);
    }
    while !state.has_headroom(&free) {
        let (_, _, host) = (!closed.is_empty()).then(|| closed.remove(0))?;
        state.open(host, true);
    }
    Some(state)
}
