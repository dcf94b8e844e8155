//! What no policy can reach.

use super::{
    read::{Cluster, Order, Workload},
    replay::to_even,
};
use plimsoll_decide::{
    bound::pattern::{Bins, Items, most_packed},
    pack::policy::Gpus,
};
use std::collections::BTreeMap;

/// A figure is a mean over the arrivals that round to the same percent; this many parts of them are bounded each by its last arrival.
const PARTS: usize = 8;

/// The most that the figure at `arrived` percent of arrivals could be, in percent of the GPUs, rounded up to two decimals: the pattern
/// bound over single GPUs, for the pods that have come until then. CPU, memory and nodes are left out. None: nothing arrives there.
#[must_use]
pub fn bound(cluster: &Cluster, workload: &Workload, order: &Order, arrived: u32) -> Option<f64> {
    let total = cluster.total_milli().max(1);
    let mut models: BTreeMap<&str, u64> = BTreeMap::new();
    for &node in &cluster.nodes {
        let kind = &cluster.kinds[usize::from(node)];
        *models.entry(&kind.model).or_default() += u64::from(kind.gpus);
    }
    let bins: Vec<Bins> = models.values().map(|&count| Bins { count, size: 1000 }).collect();
    let kinds: Vec<usize> = order.arrivals.iter().map(|pod| workload.pods[*pod as usize] as usize).collect();
    // The arrivals whose sums round to `arrived`.
    let mut sum = 0;
    let (mut first, mut last) = (kinds.len(), 0);
    for (event, kind) in kinds.iter().enumerate() {
        sum += workload.kinds[*kind].gpus.milli();
        if to_even(sum * 100, total) == u64::from(arrived) {
            first = first.min(event);
            last = event + 1;
        }
    }
    let events = last.checked_sub(first).filter(|events| *events > 0)?;
    let parts = PARTS.min(events);
    let mut mean = 0.0;
    for part in 0..parts {
        let (from, to) = (first + events * part / parts, first + events * (part + 1) / parts);
        let items = items(cluster, workload, &models, &kinds[..to]);
        mean += most_packed(&bins, &items) * (to - from) as f64 / events as f64;
    }
    Some((mean / total as f64 * 10_000.0 - 1e-6).ceil() / 100.0)
}

/// What of the GPUs pods of these kinds ask for, and of which models.
fn items(cluster: &Cluster, workload: &Workload, models: &BTreeMap<&str, u64>, arrivals: &[usize]) -> Vec<Items> {
    let mut counts = vec![0_u64; workload.kinds.len()];
    arrivals.iter().for_each(|kind| counts[*kind] += 1);
    let mut items: BTreeMap<(u16, Vec<usize>), u64> = BTreeMap::new();
    for (pod, count) in workload.kinds.iter().zip(counts) {
        let (size, each) = match pod.gpus {
            Gpus::None => continue,
            Gpus::Share(milli) => (milli, 1),
            Gpus::Whole(gpus) => (1000, u64::from(gpus)),
            Gpus::Slices(slices) => (slices.grid.milli(slices.slot), slices.count.into()),
        };
        let may = |model: &str| cluster.kinds.iter().zip(&pod.allowed).any(|(kind, allowed)| *allowed && &*kind.model == model);
        let bins = (0..).zip(models.keys()).filter(|(_, model)| may(model)).map(|(bin, _)| bin).collect();
        *items.entry((size, bins)).or_default() += count * each;
    }
    items.into_iter().map(|((size, bins), count)| Items { size, count, bins }).collect()
}
