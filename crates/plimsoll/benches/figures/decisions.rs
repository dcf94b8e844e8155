//! How long one placement takes: the choice of a node and GPU, and the change of the books, on clusters of growing size.
//!
//! Copies of openb's cluster are filled by its default list, each arrival as often as there are copies.

use crate::traces;
use anyhow::Context as _;
use plimsoll_decide::pack::policy::{Named, Placer};
use plimsoll_simulate::openb::{Cluster, Order, Workload};
use std::time::{Duration, Instant};

/// Copies of the cluster of 1,213 nodes, and the median that is asked for, in us.
const SIZES: [(u32, f64); 3] = [(1, 10.0), (8, 25.0), (82, 100.0)];
const POLICIES: [Named; 3] = [Named::BestFit, Named::Fgd, Named::Plimsoll];

/// Measures and prints.
pub fn run() -> anyhow::Result<()> {
    println!("decisions: one placement, one core; us. Growth must be clearly below linear");
    println!(
        "peers, with the API server: kube-scheduler 680 to 810 pods/s at 5,000 nodes, extended resources 180 (its CI thresholds, scheduler_perf);"
    );
    println!("  Gödel about 1,000 pods/s at 30,000 nodes; YuniKorn 204 pods/s at 2,000 nodes. 1,000 pods/s are 1,000 us a pod");
    let Some(openb) = traces::openb()? else { return Ok(()) };
    let default = openb.experiments.first().context("there is no list")?;
    let order = default.orders.first().context("there is no order")?;
    println!(
        "{:>7} {:>9}  {:<10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "nodes", "decisions", "policy", "median", "target", "p90", "p99", "mean", "states"
    );
    for (copies, target) in SIZES {
        for policy in POLICIES {
            measure(&openb.cluster, &default.workload, order, copies, policy, target);
        }
    }
    Ok(())
}

fn measure(cluster: &Cluster, workload: &Workload, order: &Order, copies: u32, policy: Named, target: f64) {
    let large = Cluster {
        nodes: (0..copies).flat_map(|_| cluster.nodes.iter().copied()).collect(),
        counts: cluster.counts.iter().map(|count| count * copies).collect(),
        ..cluster.clone()
    };
    let ranks = (0..copies).flat_map(|copy| order.ranks.iter().map(move |rank| rank * copies + copy)).collect();
    let spots = large.spots(&Order { ranks, ..order.clone() });
    let mut placer = Placer::new(&large.kinds, &spots, &workload.kinds, policy.policy(large.supply(), &workload.mix()));
    let mut times: Vec<Duration> = Vec::new();
    let whole = Instant::now();
    // Other copies walk through the order from elsewhere, or all nodes would be in step.
    let steps = order.arrivals.len();
    for at in 0..steps {
        for copy in 0..copies as usize {
            let pod = order.arrivals[(at + copy * 131) % steps];
            let kind = workload.pods[pod as usize] as usize;
            let start = Instant::now();
            if let Some(place) = placer.choose(kind, at as u64) {
                placer.take(kind, place);
            }
            times.push(start.elapsed());
        }
    }
    let whole = whole.elapsed();
    times.sort_unstable();
    let part = |permille: usize| times[times.len() * permille / 1000].as_nanos() as f64 / 1000.0;
    println!(
        "{:>7} {:>9}  {:<10} {:>8.1} {target:>8.0} {:>8.1} {:>8.1} {:>8.1} {:>8}",
        large.nodes.len(),
        times.len(),
        policy.name(),
        part(500),
        part(900),
        part(990),
        whole.as_micros() as f64 / times.len() as f64,
        placer.stacks()
    );
}
