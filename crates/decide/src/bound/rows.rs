//! What one node of a class can hold at most, as inequalities over how many pods of each group are on it.
//!
//! A row is scaled so that its limit is 1: the sum over groups of coefficient times pods is at most 1 for a node (or, for
//! nodes that stay, for all of them together).

use super::{Nodes, Problem};
use std::collections::BTreeMap;

/// Pods that have the same nodes to go to and the same need, but for the sizes of fine grain.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// How many.
    pub count: u64,
    /// By resource, the least that one of them takes.
    pub least: Vec<u64>,
    /// By size, what they take together.
    pub total: Vec<u128>,
    /// The nodes that may hold them.
    pub nodes: Vec<u32>,
}

/// What the pods of a group share: nodes, need but for sizes, and how many would fit on the largest node by size.
type Key<'p> = (&'p [u32], &'p [u64], Vec<u64>);

/// Steps of a size within which pods are grouped: as many as this on the largest node count as a kind of their own.
const SIZE_STEPS: u64 = 8;

/// Groups the demands.
pub(super) fn groups(problem: &Problem) -> Vec<Group> {
    let mut groups: BTreeMap<Key<'_>, Group> = BTreeMap::new();
    for demand in &problem.demands {
        let (sizes, others) = demand.need.split_at(problem.sizes);
        let steps = sizes.iter().enumerate().map(|(size, &need)| {
            let most = demand.nodes.iter().map(|&on| &problem.nodes[on as usize]).filter(|nodes| !nodes.stay).map(|nodes| nodes.room[size]);
            // How many would fit on the largest node.
            most.max().unwrap_or(0).checked_div(need).unwrap_or(u64::MAX).min(SIZE_STEPS)
        });
        let group = groups.entry((&demand.nodes, others, steps.collect())).or_insert_with(|| Group {
            count: 0,
            least: demand.need.clone(),
            total: vec![0; problem.sizes],
            nodes: demand.nodes.clone(),
        });
        group.count = group.count.saturating_add(demand.count);
        for (least, need) in group.least.iter_mut().zip(&demand.need) {
            *least = (*least).min(*need);
        }
        for (total, need) in group.total.iter_mut().zip(sizes) {
            *total += u128::from(*need) * u128::from(demand.count);
        }
    }
    groups.into_values().collect()
}

/// One inequality.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// The resource that it speaks of, where it is the plain sum of it.
    pub volume_of: Option<usize>,
    /// By group (index), the coefficient; groups that are not named have none.
    pub of: Vec<(usize, f64)>,
}

/// The rows of `nodes`, for the groups that they may hold.
pub(super) fn rows(nodes: &Nodes, held: &[(usize, &Group)]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (resource, &room) in nodes.room.iter().enumerate() {
        let needs: Vec<(usize, u64)> =
            held.iter().map(|(id, group)| (*id, group.least[resource])).filter(|(_, need)| *need > 0 && *need <= room).collect();
        if needs.is_empty() {
            continue;
        }
        let mut row = |volume_of, value: &dyn Fn(u64) -> f64| {
            let of: Vec<(usize, f64)> = needs.iter().map(|&(id, need)| (id, value(need))).filter(|(_, value)| *value > 0.0).collect();
            if !of.is_empty() {
                rows.push(Row { volume_of, of });
            }
        };
        row(Some(resource), &|need| need as f64 / room as f64);
        // On the room of several nodes together nothing is known of what shares a node.
        if nodes.stay {
            continue;
        }
        let largest = needs.iter().map(|(_, need)| *need).max().unwrap_or(0);
        if u128::from(largest) * 5 <= u128::from(room) {
            // All are small: the functions below would say no more than the sum.
            continue;
        }
        for k in 1..=4 {
            row(None, &|need| rounded(need, room, k));
        }
        let mut thresholds: Vec<u64> =
            needs.iter().flat_map(|&(_, need)| [need, room - need + 1]).filter(|&t| t > 0 && t <= room / 2).collect();
        thresholds.sort_unstable();
        thresholds.dedup();
        thresholds.truncate(4);
        for threshold in thresholds {
            row(None, &|need| large_or_small(need, room, threshold));
        }
    }
    rows
}

/// The dual-feasible function u^(k) of Fekete and Schepers ("New classes of fast lower bounds for bin packing problems",
/// Mathematical Programming 91, 2001): values of items that share a bin sum to at most 1.
fn rounded(need: u64, room: u64, k: u64) -> f64 {
    let (need, room, k) = (u128::from(need), u128::from(room), u128::from(k));
    if (need * (k + 1)).is_multiple_of(room) { need as f64 / room as f64 } else { (need * (k + 1) / room) as f64 / k as f64 }
}

/// The dual-feasible function behind the bound L2 of Martello and Toth (Discrete Applied Mathematics 28, 1990): what leaves
/// less than `threshold` counts as a whole bin, what is smaller than it counts as nothing.
fn large_or_small(need: u64, room: u64, threshold: u64) -> f64 {
    if need > room - threshold {
        1.0
    } else if need >= threshold {
        need as f64 / room as f64
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every multiset of items that fits a bin has values that sum to at most 1: all of them are tried.
    #[test]
    fn what_fits_a_bin_is_worth_at_most_one() {
        fn worst(left: u64, largest: u64, value: &dyn Fn(u64) -> f64) -> f64 {
            (1..=largest.min(left)).map(|need| value(need) + worst(left - need, need, value)).fold(0.0, f64::max)
        }
        for room in 1..=16 {
            for k in 1..=4 {
                let most = worst(room, room, &|need| rounded(need, room, k));
                assert!(most <= 1.0 + 1e-9, "u({k}) on {room}: {most}");
            }
            for threshold in 1..=room / 2 {
                let most = worst(room, room, &|need| large_or_small(need, room, threshold));
                assert!(most <= 1.0 + 1e-9, "threshold {threshold} on {room}: {most}");
            }
        }
    }
}
