//! Tries weights of our policy on orders of its own making.
//! `cargo run --release -p plimsoll-simulate --example tune -- DIR`
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use plimsoll_decide::pack::policy::Named;
use plimsoll_simulate::openb::{Cluster, Workload, parse_orders, replay};
use std::{fs, path::Path, time::Instant};

fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let dir = Path::new(&dir);
    let cluster = Cluster::parse(&fs::read_to_string(dir.join("openb_node_list_gpu_node.csv")).unwrap(), "nodes").unwrap();
    for list in ["default", "gpuspec33"] {
        let workload = Workload::parse(&fs::read_to_string(dir.join(format!("openb_pod_list_{list}.csv"))).unwrap(), list, &cluster).unwrap();
        let orders = parse_orders(&fs::read_to_string(dir.join(format!("orders/{list}.txt"))).unwrap(), list, &cluster, &workload).unwrap();
        for policy in Named::ALL {
            let start = Instant::now();
            let cells = replay(&cluster, &workload, &orders[0], policy);
            println!("{list} {policy} {:?} {:?}", [80, 90, 95, 100, 130].map(|x| cells.at(x).unwrap()), start.elapsed());
        }
        let start = Instant::now();
        println!("bound {} {:?}", plimsoll_simulate::openb::bound(&cluster, &workload, &orders[0], 100), start.elapsed());
    }
}
