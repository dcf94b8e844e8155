//! Figures of the placement policies: how long a decision takes, what a sweep takes, and what the policies reach on openb with the
//! published figures beside.
//!
//! `PLIMSOLL_TRACES=… cargo bench -p plimsoll-simulate --bench policies [-- latency|sweep]`
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use plimsoll_decide::pack::policy::{Named, Placer};
use plimsoll_simulate::openb::{Cells, Cluster, Order, Workload, bound, parse_orders, replay};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

const LISTS: [&str; 9] = ["default", "cpu050", "cpu100", "gpushare40", "gpushare60", "gpuspec10", "gpuspec33", "multigpu20", "multigpu30"];
const SWEEP: [Named; 7] =
    [Named::Random, Named::BestFit, Named::DotProduct, Named::GpuPacking, Named::GpuClustering, Named::Fgd, Named::Plimsoll];
const COLUMNS: [u32; 4] = [80, 95, 100, 130];
/// Published means of FGD over ten seeds at 100 and 130 % (USENIX ATC'23), the best figures known before.
const PUBLISHED: [(&str, f64, f64); 9] = [
    ("default", 95.23, 95.39),
    ("cpu050", 95.00, 95.21),
    ("cpu100", 95.21, 95.35),
    ("gpushare40", 93.96, 94.15),
    ("gpushare60", 91.25, 91.40),
    ("gpuspec10", 94.66, 94.95),
    ("gpuspec33", 87.84, 94.55),
    ("multigpu20", 95.53, 95.65),
    ("multigpu30", 96.36, 96.46),
];

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let dir = std::env::var_os("PLIMSOLL_TRACES").map_or(root, PathBuf::from).join("openb");
    if !dir.is_dir() {
        println!("skipped: there is no {}; set PLIMSOLL_TRACES to the folder of traces", dir.display());
        return;
    }
    let text = |file: String| (fs::read_to_string(dir.join(&file)).unwrap(), file);
    let (nodes, file) = text("openb_node_list_gpu_node.csv".to_owned());
    let cluster = Cluster::parse(&nodes, &file).unwrap();
    let lists: BTreeMap<&str, (Workload, Vec<Order>)> = LISTS
        .into_iter()
        .map(|list| {
            let (pods, file) = text(format!("openb_pod_list_{list}.csv"));
            let workload = Workload::parse(&pods, &file, &cluster).unwrap();
            let (orders, file) = text(format!("orders/{list}.txt"));
            let orders = parse_orders(&orders, &file, &cluster, &workload).unwrap();
            (list, (workload, orders))
        })
        .collect();
    // cargo bench adds flags of its own.
    let asked: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wants = |what: &str| asked.is_empty() || asked.iter().any(|arg| arg == what);
    if wants("latency") {
        for copies in [1, 8, 82] {
            latency(&cluster, &lists["default"].0, &lists["default"].1[0], copies);
        }
    }
    if wants("sweep") {
        sweep(&cluster, &lists);
    }
}

/// Fills `copies` of the cluster, each arrival as often, and times every decision with its placement.
fn latency(cluster: &Cluster, workload: &Workload, order: &Order, copies: u32) {
    let large = Cluster {
        nodes: (0..copies).flat_map(|_| cluster.nodes.iter().copied()).collect(),
        counts: cluster.counts.iter().map(|count| count * copies).collect(),
        ..cluster.clone()
    };
    let ranks = (0..copies).flat_map(|copy| order.ranks.iter().map(move |rank| rank * copies + copy)).collect();
    let spots = large.spots(&Order { ranks, ..order.clone() });
    for policy in [Named::BestFit, Named::Fgd, Named::Plimsoll] {
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
            "{:>7} nodes {:>9}  {policy:<10} median {:>6.1} us  p90 {:>6.1}  p99 {:>7.1}  mean {:>6.1}  {} states at the end",
            large.nodes.len(),
            times.len(),
            part(500),
            part(900),
            part(990),
            whole.as_micros() as f64 / times.len() as f64,
            placer.stacks()
        );
    }
}

fn sweep(cluster: &Cluster, lists: &BTreeMap<&str, (Workload, Vec<Order>)>) {
    let runs: Vec<(&str, usize, Named)> = LISTS
        .into_iter()
        .flat_map(|list| SWEEP.into_iter().flat_map(move |policy| (0..5).map(move |order| (list, order, policy))))
        .collect();
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let mut cells: BTreeMap<(&str, Named, usize), Cells> = BTreeMap::new();
    std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            while let Some(&(list, order, policy)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let (workload, orders) = &lists[list];
                done.push(((list, policy, order), replay(cluster, workload, &orders[order], policy)));
            }
            done
        };
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.into_iter().for_each(|worker| cells.extend(worker.join().unwrap()));
    });
    println!("sweep of {} runs on 2 threads: {:.1} s", runs.len(), start.elapsed().as_secs_f64());
    println!("{:<11} {:<15} {}", "", "", COLUMNS.map(|column| format!("{column:>7} %")).join(" "));
    for (list, at_100, at_130) in PUBLISHED {
        for policy in SWEEP {
            let means = COLUMNS.map(|column| {
                let sum: f64 = (0..5).map(|order| cells[&(list, policy, order)].at(column).unwrap()).sum();
                format!("{:>9.2}", sum / 5.0)
            });
            println!("{list:<11} {:<15} {}", policy.name(), means.join(" "));
        }
        println!("{list:<11} {:<15} {:>29.2} {at_130:>9.2}", "FGD, published", at_100);
        let start = Instant::now();
        let (workload, orders) = &lists[list];
        let bounds: f64 = orders.iter().map(|order| bound(cluster, workload, order, 100).unwrap()).sum();
        println!("{list:<11} {:<15} {:>29.2}   in {:.2} s each", "pattern bound", bounds / 5.0, start.elapsed().as_secs_f64() / 5.0);
    }
}
