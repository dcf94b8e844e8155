//! The sums. Money adds up: no GPU is counted twice, no sum is more than the bill, and what has no price is said.

use super::{finding::Finding, view::View};
use crate::pack;
use plimsoll_fleet::{MilliGpu, Money, MoneyPerHour, Name, NodeId, PodId, price::Unpriced};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A node whose price is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnpricedNode {
    /// Its name.
    pub name: Name,
    /// Why.
    pub why: Unpriced,
}

/// The sums of an audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// ISO 4217.
    pub currency: String,
    /// All GPU nodes whose price is known, a month; none: no price is known.
    pub bill_month: Option<Money>,
    /// The sum of what the signs call wasted, no GPU counted twice, a month; none: no price is known.
    pub theoretical_saving_month: Option<Money>,
    /// The nodes that can go, a month; none: no price of any of them is known though some can go.
    pub realisable_saving_month: Option<Money>,
    /// GPUs that the signs call wasted, none counted twice.
    pub theoretical_gpus: MilliGpu,
    /// GPU nodes without a price, in order of name.
    pub unpriced_nodes: Vec<UnpricedNode>,
}

/// A node that can go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Going {
    /// Its place in the fleet.
    pub node: NodeId,
    /// Its name.
    pub name: Name,
    /// What it costs a month; none: unknown.
    pub per_month: Option<Money>,
}

/// What can really be got back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packing {
    /// GPU nodes now.
    pub nodes_now: u32,
    /// GPU nodes after today's pods are packed, with today's constraints.
    pub nodes_needed: u32,
    /// No packing needs fewer: proven.
    pub nodes_lower_bound: u32,
    /// How the bound was proven.
    pub bound_how: String,
    /// The nodes that can go, dearest first.
    pub nodes_that_can_go: Vec<Going>,
    /// Pods to move before they can.
    pub moves: u32,
    /// Why the others stay: reason, and how many nodes it holds.
    pub kept: BTreeMap<String, u32>,
}

/// Names and prices what the packing found.
#[must_use]
pub fn packing(view: &View<'_>, packing: &pack::Packing) -> Packing {
    let mut going: Vec<Going> = packing
        .nodes_that_can_go
        .iter()
        .map(|&node| Going {
            node,
            name: view.node(node).name.clone(),
            per_month: view.prices[node.index()].as_ref().ok().map(|price| price.per_hour.over_month()),
        })
        .collect();
    going.sort_by(|a, b| b.per_month.cmp(&a.per_month).then_with(|| a.name.cmp(&b.name)));
    let mut kept = BTreeMap::new();
    for (_, reason) in &packing.kept {
        *kept.entry(reason.kind().to_owned()).or_insert(0) += 1;
    }
    Packing {
        nodes_now: packing.nodes_now,
        nodes_needed: packing.nodes_needed,
        nodes_lower_bound: packing.lower_bound,
        bound_how: packing.bound_how.clone(),
        nodes_that_can_go: going,
        moves: packing.moves.len() as u32,
        kept,
    }
}

/// Where pods could not be listed: no node can be said to go, and nothing is proven.
#[must_use]
pub fn unpacked(view: &View<'_>) -> Packing {
    let now = view.fleet.nodes.iter().filter(|node| node.has_gpus()).count() as u32;
    Packing {
        nodes_now: now,
        nodes_needed: now,
        nodes_lower_bound: 0,
        bound_how: "none: pods could not be listed".to_owned(),
        nodes_that_can_go: Vec::new(),
        moves: 0,
        kept: BTreeMap::from([("its pods could not be listed".to_owned(), now)]),
    }
}

/// The sums over all findings that are neither accepted nor short of evidence.
#[must_use]
pub fn sums(view: &View<'_>, currency: &str, findings: &[Finding], packing: &Packing) -> Sums {
    let gpu_nodes = || view.fleet.nodes().filter(|(_, node)| node.has_gpus());
    let price = |node: NodeId| view.prices[node.index()].as_ref().ok().map(|price| price.per_hour);
    let bill: Option<MoneyPerHour> = gpu_nodes().filter_map(|(id, _)| price(id)).reduce(|a, b| a + b);
    let wasted = wasted(view, findings);
    let saving: Money = wasted.iter().filter_map(|(&(node, _), &gpus)| view.price_of(node, gpus)).map(MoneyPerHour::over_month).sum();
    let mut unpriced_nodes: Vec<UnpricedNode> = gpu_nodes()
        .filter_map(|(id, node)| Some(UnpricedNode { name: node.name.clone(), why: view.prices[id.index()].as_ref().err()?.clone() }))
        .collect();
    unpriced_nodes.sort_by(|a, b| a.name.cmp(&b.name));
    let going = &packing.nodes_that_can_go;
    let realisable = going.iter().filter_map(|going| going.per_month).reduce(|a, b| a + b);
    Sums {
        currency: currency.to_owned(),
        bill_month: bill.map(MoneyPerHour::over_month),
        theoretical_saving_month: bill.map(|_| saving),
        realisable_saving_month: if going.is_empty() { bill.map(|_| Money::ZERO) } else { realisable },
        theoretical_gpus: wasted.values().copied().sum(),
        unpriced_nodes,
    }
}

/// What a finding's holders waste: `(node, pod or nobody)` → GPUs.
pub type Wasted = BTreeMap<(NodeId, Option<PodId>), MilliGpu>;

/// What `findings` call wasted: the most that any sign says of each holder, and of a node never more than it has.
#[must_use]
pub fn wasted<'f>(view: &View<'_>, findings: impl IntoIterator<Item = &'f Finding>) -> Wasted {
    let mut most = Wasted::new();
    for waste in findings.into_iter().filter(|finding| finding.accepted.is_none()).flat_map(|finding| &finding.waste) {
        let entry = most.entry((waste.node, waste.pod)).or_default();
        *entry = (*entry).max(waste.gpus);
    }
    let mut left = BTreeMap::<NodeId, MilliGpu>::new();
    for ((node, _), gpus) in &mut most {
        let left = left.entry(*node).or_insert_with(|| MilliGpu::whole(view.node(*node).gpus.len() as u32));
        *gpus = (*gpus).min(*left);
        *left = left.less(*gpus);
    }
    most
}

/// Splits `total` by `weights` so that the parts add up to it exactly (largest remainder; ties go to the first).
/// Without any weight there is nothing to split and every part is zero.
#[must_use]
pub fn split(total: Money, weights: &[u64]) -> Vec<Money> {
    let sum: i128 = weights.iter().map(|&weight| i128::from(weight)).sum();
    if sum == 0 {
        return vec![Money::ZERO; weights.len()];
    }
    let exact = |weight: u64| i128::from(total.0) * i128::from(weight);
    let mut parts: Vec<Money> = weights.iter().map(|&weight| Money(exact(weight).div_euclid(sum) as i64)).collect();
    let given: i64 = parts.iter().map(|part| part.0).sum();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&at| (std::cmp::Reverse(exact(weights[at]).rem_euclid(sum)), at));
    for &at in order.iter().take((total.0 - given) as usize) {
        parts[at].0 += 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Truth rule 6: money adds up.
        #[test]
        fn the_parts_of_a_split_are_the_whole(total in 0_i64..1 << 50, weights in prop::collection::vec(0_u64..9_000, 1..40)) {
            prop_assume!(weights.iter().any(|&weight| weight > 0));
            let parts = split(Money(total), &weights);
            prop_assert_eq!(parts.iter().copied().sum::<Money>(), Money(total));
            for (part, weight) in parts.iter().zip(&weights) {
                prop_assert!(part.0 >= 0 && (*weight > 0 || part.0 == 0));
            }
        }
    }
}
