//! The order of the moves: a pod moves when its target has room now, on top of everything that has not moved yet.

use super::{
    model::{HostId, ItemId, KindId, Model},
    state::State,
};
use std::collections::BTreeMap;

/// The moves that lead from today to `end`, in an order that works; none where each of some moves waits for another.
///
/// Pods of one kind are interchangeable: as many as can stay where they are.
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

    let mut rooms: Vec<_> = model.hosts.iter().map(|host| host.room.clone()).collect();
    let mut moves = Vec::with_capacity(left);
    let mut look: Vec<HostId> = waiting.keys().rev().copied().collect();
    while let Some(to) = look.pop() {
        let Some(items) = waiting.get_mut(&to) else { continue };
        items.retain(|&(item, from)| {
            let kind = model.kind(item);
            let room = &mut rooms[to as usize];
            if !room.fits(kind) {
                return true;
            }
            room.take(&kind.need, &kind.carries);
            rooms[from as usize].give_back(&kind.need, &kind.carries);
            moves.push((item, from, to));
            look.push(from);
            false
        });
    }
    (moves.len() == left).then_some(moves)
}
