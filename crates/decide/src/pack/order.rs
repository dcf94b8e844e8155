//! The order of the moves: a pod moves when its target has room now, on top of everything that has not moved yet.

use super::{
    model::{HostId, ItemId, Kind, KindId, Model, Room},
    state::State,
};
use std::collections::{BTreeMap, BTreeSet};

/// The moves that lead from today to `end`, in an order that works; none where each of some moves waits for another.
///
/// Pods of one kind are interchangeable: as many as can stay where they are. A pod may move twice, by way of a node that goes.
pub(super) fn order(model: &Model<'_>, end: &State<'_>) -> Option<Vec<(ItemId, HostId, HostId)>> {
    let mut leaving: BTreeMap<(KindId, HostId), Vec<ItemId>> = BTreeMap::new();
    let mut coming: BTreeMap<(KindId, HostId), u32> = BTreeMap::new();
    for (id, item) in (0..).zip(&model.items) {
        let (Some(from), Some(to)) = (item.from, end.place_of(id)) else { continue };
        if from != to {
            leaving.entry((item.kind, from)).or_default().push(id);
            *coming.entry((item.kind, to)).or_default() += 1;
        }
    }
    for (place, items) in &mut leaving {
        if let Some(count) = coming.get_mut(place) {
            let both = items.len().min(*count as usize);
            items.truncate(items.len() - both);
            *count -= both as u32;
        }
    }
    let mut waiting: BTreeMap<HostId, Vec<(ItemId, HostId)>> = BTreeMap::new();
    let mut targets = coming.into_iter().flat_map(|((kind, to), count)| std::iter::repeat_n((kind, to), count as usize));
    let mut left = 0_usize;
    for ((kind, from), items) in leaving {
        for item in items {
            // Both sides are in order of the kind, and each kind leaves as often as it comes.
            let (of, to) = targets.next()?;
            debug_assert_eq!(of, kind, "as many pods of a kind come as leave");
            waiting.entry(to).or_default().push((item, from));
            left += 1;
        }
    }

    let mut rooms: Vec<Room> = model.hosts.iter().map(|host| host.room.clone()).collect();
    let mut moves = Vec::with_capacity(left);
    let mut look: Vec<HostId> = waiting.keys().rev().copied().collect();
    // Where a pod may wait for its turn: nodes that go are empty at the end anyway.
    let parking = end.gone();
    let mut parked = BTreeSet::new();
    loop {
        while let Some(to) = look.pop() {
            let Some(items) = waiting.get_mut(&to) else { continue };
            items.retain(|&(item, from)| {
                let kind = model.kind(item);
                if !rooms[to as usize].fits(kind) {
                    return true;
                }
                shift(&mut rooms, kind, from, to);
                moves.push((item, from, to));
                left -= 1;
                look.push(from);
                false
            });
        }
        if left == 0 {
            return Some(moves);
        }
        // Each waits for another. One of them steps aside, each at most once, and the others can go on.
        let (waits, from, to) = waiting.values_mut().flatten().find_map(|(item, from)| {
            let kind = model.kind(*item);
            let suits = |host: &&HostId| {
                let class = model.hosts[**host as usize].class;
                **host != *from
                    && class.is_some_and(|class| kind.allowed.binary_search(&class).is_ok())
                    && rooms[**host as usize].fits(kind)
            };
            let aside = (!parked.contains(item)).then(|| parking.iter().find(suits)).flatten()?;
            Some((*item, std::mem::replace(from, *aside), *aside))
        })?;
        parked.insert(waits);
        shift(&mut rooms, model.kind(waits), from, to);
        moves.push((waits, from, to));
        look.push(from);
    }
}

fn shift(rooms: &mut [Room], kind: &Kind, from: HostId, to: HostId) {
    rooms[to as usize].take(&kind.need, &kind.carries);
    rooms[from as usize].give_back(&kind.need, &kind.carries);
}
