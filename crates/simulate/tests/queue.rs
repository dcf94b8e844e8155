//! The orders of the queue on Philly's jobs, against figures that another implementation gave.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use plimsoll_decide::{pack::policy::Named, queue::Order};
use plimsoll_fleet::{
    Node,
    node::{Gpu, Offer},
};
use plimsoll_simulate::rehearsal::{Ground, Ways, rehearse, work::philly};
use std::{fs, path::PathBuf};

fn nodes(count: u32) -> Vec<Node> {
    let node = |at| Node {
        name: format!("node-{at:03}").into(),
        ready: true,
        max_pods: 110,
        offers: vec![Offer { resource: "nvidia.com/gpu".into(), count: 8, capacity: 8, dra: false }],
        gpus: vec![Gpu::default(); 8],
        ..Node::default()
    };
    (0..count).map(node).collect()
}

/// Mean completion, in seconds, of Philly's jobs pooled on nodes of 8 GPUs, without preemption, with exact run times, as an independent simulator gave
/// them: by GPUs; first come first served, shortest first, least work first. It chose nodes in its own way, which moves the first by a tenth.
const ELSEWHERE: [(u32, [(Order, f64); 3]); 3] = [
    (576, [(Order::Fifo, 107_253.0), (Order::Shortest, 15_051.0), (Order::LeastWork, 14_160.0)]),
    (512, [(Order::Fifo, 312_368.0), (Order::Shortest, 17_909.0), (Order::LeastWork, 16_460.0)]),
    (480, [(Order::Fifo, 461_879.0), (Order::Shortest, 20_966.0), (Order::LeastWork, 17_870.0)]),
];

#[test]
fn philly_waits_as_long_as_it_did_elsewhere() {
    let folder = std::env::var_os("PLIMSOLL_TRACES").map_or_else(|| PathBuf::from("../../../shared/traces"), PathBuf::from);
    let Ok(text) = fs::read_to_string(folder.join("philly/jobs_2017-10_2017-11.csv")) else {
        println!("skipped: there is no trace philly in {}", folder.display());
        return;
    };
    for (gpus, figures) in ELSEWHERE {
        let work = philly(&text, "jobs.csv", 8, None).unwrap();
        assert_eq!(work.jobs.len(), 68_510);
        let ground = Ground { nodes: nodes(gpus / 8), ..Ground::default() };
        let ways = Ways { policies: vec![Named::BestFit], orders: figures.map(|(order, _)| order).to_vec(), seeds: vec![1] };
        let result = rehearse("philly", ground, work, &ways, &|_, _| {});
        for (run, (order, elsewhere)) in result.runs.iter().zip(figures) {
            let here = run.figures.completion.mean;
            println!("{gpus} GPUs, {order}: {here:.0} s, elsewhere {elsewhere:.0} s");
            assert!((here / elsewhere - 1.0).abs() < 0.10, "{gpus} GPUs, {order}: {here:.0} s, elsewhere {elsewhere:.0} s");
            assert_eq!((run.figures.ended, run.figures.refused), (68_510, 0));
            assert!(run.figures.makespan >= run.figures.makespan_bound.unwrap());
            // 690,877 GPU-hours of work, whatever the order.
            assert!((run.figures.allocated_gpu_hours - 690_877.0).abs() < 1.0);
        }
    }
}
