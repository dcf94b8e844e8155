//! The simulator: Philly's jobs on a pooled cluster, in each order of the queue, one run at a time on one core.

use crate::traces;
use plimsoll_decide::{pack::policy::Named, queue::Order};
use plimsoll_fleet::{
    Node,
    node::{Gpu, Offer},
};
use plimsoll_simulate::rehearsal::{Ground, Ways, rehearse, work::philly};
use std::time::Instant;

const FILE: &str = "jobs_2017-10_2017-11.csv";
const GPUS_A_NODE: u32 = 8;
const RUNS: usize = 3;
/// Mean completion in seconds, without preemption, with exact run times, as an independent simulator gave it, which chose nodes in its own way:
/// by GPUs, in the order of [`Order::ALL`].
const ELSEWHERE: [(u32, [f64; 4]); 3] = [
    (576, [107_253.0, 18_859.0, 15_051.0, 14_160.0]),
    (512, [312_368.0, 33_929.0, 17_909.0, 16_460.0]),
    (480, [461_879.0, 66_409.0, 20_966.0, 17_870.0]),
];

/// Measures and prints.
pub fn run() -> anyhow::Result<()> {
    println!(
        "events: 68,510 jobs of Philly on nodes of 8 GPUs, until all have ended, one core (target: 1,000,000 events/s); least of {RUNS} runs with the making of the scene"
    );
    println!(
        "completion and wait: means in seconds; elsewhere: an independent simulator, which chooses nodes in its own way; no peer publishes events/s"
    );
    let Some(folder) = traces::folder("philly") else { return Ok(()) };
    let text = traces::read(&folder, FILE)?;
    let start = Instant::now();
    let work = philly(&text, FILE, GPUS_A_NODE, None)?;
    println!("{}, read in {:.2} s", work.name, start.elapsed().as_secs_f64());
    println!(
        "{:>5} {:<9} {:<11} {:>8} {:>7} {:>9} | {:>10} {:>10} {:>7} | {:>9} | {:>10} {:>10}",
        "gpus", "policy", "order", "events", "s", "events/s", "completion", "elsewhere", "ratio", "wait", "makespan", "bound"
    );
    for (gpus, elsewhere) in ELSEWHERE {
        let orders = Order::ALL.into_iter().zip(elsewhere.map(Some)).map(|(order, elsewhere)| (Named::BestFit, order, elsewhere));
        for (policy, order, elsewhere) in orders.chain([(Named::Plimsoll, Order::Backfill, None)]) {
            let ways = Ways { policies: vec![policy], orders: vec![order], seeds: vec![1] };
            let (mut least, mut run) = (f64::INFINITY, None);
            for _ in 0..RUNS {
                let ground = Ground { nodes: nodes(gpus / GPUS_A_NODE), ..Ground::default() };
                let work = work.clone();
                let start = Instant::now();
                let rehearsal = rehearse("philly", ground, work, &ways, &|_, _| {});
                least = least.min(start.elapsed().as_secs_f64());
                run = rehearsal.runs.into_iter().next();
            }
            let Some(run) = run else { continue };
            let figures = &run.figures;
            println!(
                "{gpus:>5} {:<9} {:<11} {:>8} {least:>7.3} {:>9.0} | {:>10.0} {:>10} {:>7} | {:>9.0} | {:>10} {:>10}",
                run.policy,
                run.order,
                figures.events,
                figures.events as f64 / least,
                figures.completion.mean,
                elsewhere.map_or_else(|| "-".to_owned(), |elsewhere| format!("{elsewhere:.0}")),
                elsewhere.map_or_else(|| "-".to_owned(), |elsewhere| format!("{:.3}", figures.completion.mean / elsewhere)),
                figures.wait.mean,
                figures.makespan,
                figures.makespan_bound.map_or_else(|| "-".to_owned(), |bound| bound.to_string())
            );
        }
    }
    Ok(())
}

fn nodes(count: u32) -> Vec<Node> {
    let node = |at| Node {
        name: format!("node-{at:03}").into(),
        ready: true,
        max_pods: 110,
        offers: vec![Offer { resource: "nvidia.com/gpu".into(), count: GPUS_A_NODE, capacity: GPUS_A_NODE, dra: false }],
        gpus: vec![Gpu::default(); GPUS_A_NODE as usize],
        ..Node::default()
    };
    (0..count).map(node).collect()
}
