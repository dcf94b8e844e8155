//! Measures weights of our policy on orders of its own making: never on those that the figures are reported on.
//!
//! `cargo run --release -p plimsoll-simulate --example tune -- DIR LISTS SEEDS TRIALS…`: lists as `default,gpuspec33*share` (see the
//! mixes below), seeds as `1001-1008`, a trial as the name of a policy or as `fill=1,waste=0.5`, weights that differ from our own.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use plimsoll_decide::pack::policy::{Gpus, Named, Weights, plimsoll_with};
use plimsoll_simulate::openb::{Cluster, Order, Workload, replay, replay_with};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use std::{fs, path::Path, sync::Mutex, time::Instant};

const COLUMNS: [u32; 7] = [70, 80, 90, 95, 100, 110, 130];

fn shuffle<T>(list: &mut [T], rng: &mut ChaCha8Rng) {
    for at in (1..list.len()).rev() {
        list.swap(at, (rng.next_u64() % (at as u64 + 1)) as usize);
    }
}

/// All pods of the list, and more of them until 130 % of the GPUs are asked for, in any order.
fn order(cluster: &Cluster, workload: &Workload, seed: u64) -> Order {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let milli = |pod: u32| workload.kinds[workload.pods[pod as usize] as usize].gpus.milli();
    let mut arrivals: Vec<u32> = (0..workload.pods.len() as u32).collect();
    let mut sum: u64 = arrivals.iter().map(|pod| milli(*pod)).sum();
    while sum * 10 < cluster.total_milli() * 13 {
        let pod = (rng.next_u64() % workload.pods.len() as u64) as u32;
        sum += milli(pod);
        arrivals.push(pod);
    }
    shuffle(&mut arrivals, &mut rng);
    let mut ranks: Vec<u32> = (0..cluster.nodes.len() as u32).collect();
    shuffle(&mut ranks, &mut rng);
    Order { seed, arrivals, ranks }
}

fn weights(text: &str) -> Weights {
    let mut weights = Weights::default();
    for (name, value) in text.split(',').filter_map(|part| part.split_once('=')) {
        let value: f64 = value.parse().unwrap();
        match name {
            "fill" => weights.fill = value,
            "waste" => weights.waste = value,
            "fragments" => weights.fragments = value,
            "hold" => weights.hold = value,
            "price" => weights.price = value,
            "price_full" => weights.price_full = value,
            "full_permille" => weights.full_permille = value as u64,
            "bucket" => weights.bucket = value,
            "sequences" => weights.sequences = value as usize,
            "length" => weights.length = value as usize,
            other => panic!("there is no weight {other}"),
        }
    }
    weights
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let dir = Path::new(&args[0]);
    let cluster = Cluster::parse(&fs::read_to_string(dir.join("openb_node_list_gpu_node.csv")).unwrap(), "nodes").unwrap();
    let (first, last) = args[2].split_once('-').unwrap();
    let seeds = first.parse::<u64>().unwrap()..=last.parse().unwrap();
    for list in args[1].split(',') {
        // A mix of our own: only shares, three times the pods without GPUs, or eight times those with several.
        let (list, own) = list.split_once('*').unwrap_or((list, ""));
        let mut workload =
            Workload::parse(&fs::read_to_string(dir.join(format!("openb_pod_list_{list}.csv"))).unwrap(), list, &cluster).unwrap();
        let copies = |pod: &u32| match (own, workload.kinds[*pod as usize].gpus) {
            ("share", Gpus::Whole(_)) => 0,
            ("cpu", Gpus::None) => 3,
            ("multi", Gpus::Whole(2..)) => 8,
            _ => 1,
        };
        let pods = workload.pods.iter().flat_map(|pod| std::iter::repeat_n(*pod, copies(pod))).collect();
        workload.pods = pods;
        let orders: Vec<Order> = seeds.clone().map(|seed| order(&cluster, &workload, seed)).collect();
        println!("{:>52} {COLUMNS:>7?}", format!("{list} {own}"));
        for trial in &args[3..] {
            let start = Instant::now();
            let next = Mutex::new(0);
            let sums = Mutex::new([0.0; COLUMNS.len()]);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        loop {
                            let at = {
                                let mut next = next.lock().unwrap();
                                *next += 1;
                                *next - 1
                            };
                            let Some(order) = orders.get(at) else { break };
                            let cells = match trial.parse::<Named>() {
                                Ok(named) => replay(&cluster, &workload, order, named),
                                Err(_) => replay_with(
                                    &cluster,
                                    &workload,
                                    order,
                                    plimsoll_with(cluster.supply(), &workload.mix(), weights(trial)),
                                ),
                            };
                            let mut sums = sums.lock().unwrap();
                            for (sum, column) in sums.iter_mut().zip(COLUMNS) {
                                *sum += cells.at(column).unwrap();
                            }
                        }
                    });
                }
            });
            let means = sums.into_inner().unwrap().map(|sum| format!("{:.2}", sum / orders.len() as f64));
            println!("{trial:>52} {} {:?}", means.join("  "), start.elapsed() / orders.len() as u32);
        }
    }
}
