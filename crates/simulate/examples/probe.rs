#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]
use plimsoll_decide::pack::policy::*;
use plimsoll_simulate::openb::*;
use std::{collections::BTreeMap, fs, path::Path};
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let dir = Path::new(&args[0]);
    let cluster = Cluster::parse(&fs::read_to_string(dir.join("openb_node_list_gpu_node.csv")).unwrap(), "nodes").unwrap();
    let list = &args[1];
    let workload = Workload::parse(&fs::read_to_string(dir.join(format!("openb_pod_list_{list}.csv"))).unwrap(), list, &cluster).unwrap();
    let mut s = 12345u64;
    let mut rnd = move |n: usize| { s ^= s << 13; s ^= s >> 7; s ^= s << 17; (s % n as u64) as usize };
    let mut a: Vec<usize> = (0..workload.pods.len()).collect();
    for i in (1..a.len()).rev() { let j = rnd(i + 1); a.swap(i, j); }
    let order = Order { seed: 1, arrivals: vec![], ranks: (0..1213).collect() };
    for policy in [Named::Fgd, Named::Plimsoll] {
        let mut p = Placer::new(&cluster.kinds, &cluster.spots(&order), &workload.kinds, policy.policy(cluster.supply(), &workload.mix()));
        let mut refused: BTreeMap<String, (u32, f64)> = BTreeMap::new();
        let mut arr = 0u64;
        for (n, &i) in a.iter().enumerate() {
            let k = workload.pods[i] as usize;
            arr += workload.kinds[k].gpus.milli();
            match p.choose(k, n as u64) { Some(pl) => p.take(k, pl), None => {
                let e = refused.entry(format!("{:?} cpu {}", workload.kinds[k].gpus, workload.kinds[k].cpu.0)).or_default(); e.0 += 1; if e.1 == 0.0 { e.1 = arr as f64 / 62120.0; } } }
        }
        println!("== {policy} arrived {} allocated {}", arr as f64 / 62120.0, p.allocated_milli() as f64 / 62120.0);
        let mut r: Vec<_> = refused.into_iter().collect(); r.sort_by_key(|x| std::cmp::Reverse(x.1.0));
        println!("refused {:?}", &r[..r.len().min(14)]);
        let (mut full, mut by) = (BTreeMap::<String, u32>::new(), BTreeMap::<u16, (u32, u32)>::new());
        let mut cpu_by = [0u64; 8];
        for n in 0..1213 { let st = p.state(n); let kind = &cluster.kinds[st.kind as usize];
            for &g in st.gpus() { if g == 1000 { *full.entry(format!("{} {}c", kind.model, (st.cpu.0 / 2000) * 2)).or_default() += 1; } else if g > 0 { let e = by.entry(g / 50 * 50).or_default(); e.0 += 1; e.1 += u32::from(g); } }
            cpu_by[0] += st.cpu.0;
        }
        println!("whole free: {} {:?}", full.values().sum::<u32>(), full);
        println!("holes: {} {:?}  cpu left {}", by.values().map(|x| x.1).sum::<u32>(), by, cpu_by[0]);
    }
}
