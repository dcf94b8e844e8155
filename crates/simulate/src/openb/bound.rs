//! What no policy can reach.

use super::read::{Cluster, Order, Workload};
use plimsoll_decide::{
    bound::pattern::{Bins, Items, most_packed},
    pack::policy::Gpus,
};
use std::collections::BTreeMap;

/// The most that any placement could allocate of the pods that arrive until `arrived` percent of the GPUs have been asked for,
/// in percent of the GPUs, rounded up to two decimals: the pattern bound over single GPUs. CPU, memory and nodes are left out.
#[must_use]
pub fn bound(cluster: &Cluster, workload: &Workload, order: &Order, arrived: u32) -> f64 {
    let total = cluster.total_milli().max(1);
    let mut models: BTreeMap<&str, u64> = BTreeMap::new();
    for &node in &cluster.nodes {
        let kind = &cluster.kinds[usize::from(node)];
        *models.entry(&kind.model).or_default() += u64::from(kind.gpus);
    }
    let mut counts = vec![0_u64; workload.kinds.len()];
    let mut sum = 0;
    for &pod in &order.arrivals {
        let kind = workload.pods[pod as usize] as usize;
        sum += workload.kinds[kind].gpus.milli();
        // The last arrival that still rounds to `arrived` is in.
        if sum * 200 >= (2 * u64::from(arrived) + 1) * total {
            break;
        }
        counts[kind] += 1;
    }
    let mut items: BTreeMap<(u16, Vec<usize>), u64> = BTreeMap::new();
    for (pod, count) in workload.kinds.iter().zip(counts) {
        let (size, each) = match pod.gpus {
            Gpus::None => continue,
            Gpus::Share(milli) => (milli, 1),
            Gpus::Whole(gpus) => (1000, u64::from(gpus)),
        };
        let may = |model: &str| cluster.kinds.iter().zip(&pod.allowed).any(|(kind, allowed)| *allowed && &*kind.model == model);
        let bins = (0..).zip(models.keys()).filter(|(_, model)| may(model)).map(|(bin, _)| bin).collect();
        *items.entry((size, bins)).or_default() += count * each;
    }
    let bins: Vec<Bins> = models.values().map(|&count| Bins { count, size: 1000 }).collect();
    let items: Vec<Items> = items.into_iter().map(|((size, bins), count)| Items { size, count, bins }).collect();
    (most_packed(&bins, &items) / total as f64 * 10_000.0 - 1e-6).ceil() / 100.0
}
