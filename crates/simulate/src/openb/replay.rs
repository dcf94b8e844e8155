//! One run: pods arrive in order, and go where the policy says.

use super::read::{Cluster, Order, Workload};
use crate::chance::draw;
use plimsoll_decide::pack::policy::{Named, Placer, Policy};
use serde::Serialize;

/// The last column of the published tables: arrivals of 130 % of the GPUs.
pub const LAST: u32 = 130;

/// What was allocated, by how much had been asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cells {
    /// By arrived GPUs in percent, sum and count of what was allocated then, in hundredths of a percent.
    sums: Vec<(u64, u64)>,
}

/// A figure of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The list of pods.
    pub workload: String,
    /// The seed of the order.
    pub seed: u64,
    /// The policy.
    pub policy: String,
    /// GPUs asked for so far, in percent of all.
    pub arrived: u32,
    /// GPUs allocated then, in percent of all, two decimals: the mean over the arrivals that round to `arrived`. None: none did.
    pub allocated: Option<f64>,
    /// What no policy can exceed, in percent; none where none is computed.
    pub bound: Option<f64>,
}

impl Cells {
    /// What was allocated when `arrived` percent had been asked for, in percent, rounded to two decimals.
    #[must_use]
    pub fn at(&self, arrived: u32) -> Option<f64> {
        let &(sum, count) = self.sums.get(arrived as usize)?;
        (count > 0).then(|| (sum as f64 / count as f64).round() / 100.0)
    }
}

/// Replays `order` with a policy.
#[must_use]
pub fn replay(cluster: &Cluster, workload: &Workload, order: &Order, policy: Named) -> Cells {
    replay_with(cluster, workload, order, policy.policy(cluster.supply(), &workload.mix()))
}

/// Replays `order` with a policy that the caller made.
#[must_use]
pub fn replay_with(cluster: &Cluster, workload: &Workload, order: &Order, policy: Box<dyn Policy>) -> Cells {
    let mut placer = Placer::new(&cluster.kinds, &cluster.spots(order), &workload.kinds, policy);
    let total = placer.total_milli().max(1);
    let mut cells = Cells { sums: vec![(0, 0); LAST as usize + 1] };
    let mut arrived = 0;
    for (event, &pod) in (0_u64..).zip(&order.arrivals) {
        let kind = workload.pods[pod as usize] as usize;
        arrived += workload.kinds[kind].gpus.milli();
        if let Some(place) = placer.choose(kind, draw(order.seed, event)) {
            placer.take(kind, place);
        }
        if let Some((sum, count)) = cells.sums.get_mut(to_even(arrived * 100, total) as usize) {
            *sum += rounded(placer.allocated_milli() * 10_000, total);
            *count += 1;
        }
    }
    cells
}

/// Rounded to the nearest whole number, halves up.
fn rounded(part: u64, whole: u64) -> u64 {
    (part + whole / 2) / whole
}

/// Rounded to the nearest whole number, halves to the even one, as the authors' analysis does.
pub(super) fn to_even(part: u64, whole: u64) -> u64 {
    let up = rounded(part, whole);
    if (2 * part + whole).is_multiple_of(2 * whole) && up % 2 == 1 { up - 1 } else { up }
}
