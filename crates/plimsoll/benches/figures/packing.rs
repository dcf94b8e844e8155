//! How long a packing with its bound takes, how near to the bound it comes; the same as a plan in waves; and room for one pod.
//!
//! The fleets are made from a seed: nodes of 4 and 8 GPUs of three models, a tenth without GPUs, twenty pods a node. They
//! were filled the way a cluster is after months of comings and goings: pods of all sizes anywhere they fit, at a given load.

use super::Numbers;
use plimsoll_decide::pack::{
    PackOptions, consolidate,
    defragment::{DefragmentOptions, defragment, with_pod},
    plan::{HORIZON, RepackOptions, repack, verify_defragment, verify_repack},
    verify,
};
use plimsoll_fleet::{
    Bytes, Fleet, MilliCpu, MoneyPerHour, Node, NodeId, Pod, Shape, ShapeId, Workload, WorkloadId,
    fleet::Budget,
    node::{Effect, Gpu, Offer, Taint},
    pod::{Affinity, Ask, Phase, Toleration},
    selector::{Operator, Requirement, Selector},
};
use std::{collections::BTreeMap, time::Instant};

const GPU: &str = "nvidia.com/gpu";
const MODELS: [&str; 3] = ["NVIDIA-A100-SXM4-80GB", "NVIDIA-H100-80GB-HBM3", "NVIDIA-L40S"];
const TEAMS: u64 = 40;

fn node(index: u32, numbers: &mut Numbers) -> Node {
    let model = numbers.below(3) as usize;
    let gpus: u32 = if index % 10 == 9 {
        0
    } else if numbers.below(4) == 0 {
        4
    } else {
        8
    };
    let name = format!("node-{index:05}");
    let mut node = Node {
        labels: [("kubernetes.io/hostname", &*name), ("topology.kubernetes.io/zone", ["a", "b", "c"][index as usize % 3])]
            .map(|(key, value)| (key.into(), value.into()))
            .into(),
        name: name.as_str().into(),
        ready: true,
        cpu: MilliCpu(if gpus == 4 { 96_000 } else { 192_000 }),
        memory: Bytes(if gpus == 4 { 512 << 30 } else { 2_048 << 30 }),
        max_pods: 110,
        pool: Some(MODELS[model].into()),
        ..Node::default()
    };
    if gpus > 0 {
        node.labels.insert("nvidia.com/gpu.product".into(), MODELS[model].into());
        node.taints.push(Taint { key: GPU.into(), value: "".into(), effect: Effect::NoSchedule });
        node.offers.push(Offer { resource: GPU.into(), count: gpus, capacity: gpus, dra: false });
        node.gpus = vec![Gpu::default(); gpus as usize];
    }
    node
}

fn shapes(numbers: &mut Numbers, sizes: &[u32]) -> Vec<Shape> {
    let mut shapes = Vec::new();
    for team in 0..TEAMS {
        for kind in 0..6 {
            let app = format!("team-{team}-{kind}");
            // Of six kinds three ask for GPUs.
            let gpus = if kind < 3 { sizes[numbers.below(sizes.len() as u64) as usize] } else { 0 };
            let mut shape = Shape {
                labels: [("app".into(), app.as_str().into())].into(),
                cpu: MilliCpu(if gpus > 0 { u64::from(gpus) * (4_000 + 1_000 * numbers.below(20)) } else { 100 + 100 * numbers.below(20) }),
                memory: Bytes((if gpus > 0 { u64::from(gpus) * (16 + 8 * numbers.below(16)) } else { 1 + numbers.below(8) }) << 30),
                tolerations: vec![Toleration { key: Some(GPU.into()), value: None, effect: None }],
                ..Shape::default()
            };
            if gpus > 0 {
                shape.asks.push(Ask { resource: GPU.into(), count: gpus, dra: false });
                if numbers.below(3) == 0 {
                    shape.node_selector.insert("nvidia.com/gpu.product".into(), MODELS[numbers.below(3) as usize].into());
                }
                if numbers.below(10) == 0 {
                    let own = Selector(vec![Requirement { key: "app".into(), operator: Operator::In, values: vec![app.as_str().into()] }]);
                    shape.apart.push(Affinity { topology: "kubernetes.io/hostname".into(), pods: own, namespaces: vec![] });
                }
            }
            shapes.push(shape);
        }
    }
    shapes
}

/// GPU pods are of `sizes`. With `pinned`, some of the work is training and some budgets allow no eviction.
fn fleet(nodes: u32, load: u64, sizes: &[u32], pinned: bool) -> Fleet {
    let mut numbers = Numbers(42);
    let nodes: Vec<Node> = (0..nodes).map(|index| node(index, &mut numbers)).collect();
    let shapes = shapes(&mut numbers, sizes);
    let workloads: Vec<Workload> = (0..shapes.len())
        .map(|shape| Workload {
            kind: if pinned && shape % 17 == 0 { "PyTorchJob" } else { "Deployment" }.into(),
            namespace: format!("team-{}", shape / 6).as_str().into(),
            name: format!("work-{shape}").as_str().into(),
            ..Workload::default()
        })
        .collect();
    let mut pods = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let wanted = node.gpus.len() as u64 * load / 100;
        let (mut gpus, mut cpu, mut on, mut tries) = (0_u64, node.cpu.0, Vec::new(), 0);
        while on.len() < 20 && tries < 200 {
            tries += 1;
            let id = numbers.below(shapes.len() as u64) as u32;
            let shape = &shapes[id as usize];
            let asks: u64 = shape.asks.iter().map(|ask| u64::from(ask.count)).sum();
            // A spread around the wanted load, as real nodes have it.
            let most = (wanted + numbers.below(4)).saturating_sub(numbers.below(4)).min(node.gpus.len() as u64);
            let twice = !shape.apart.is_empty() && on.contains(&id);
            if asks > 0 && gpus + asks > most || shape.cpu.0 > cpu || twice || !shape.may_go(node) {
                continue;
            }
            gpus += asks;
            cpu -= shape.cpu.0;
            on.push(id);
        }
        for (place, shape) in on.into_iter().enumerate() {
            pods.push(Pod {
                namespace: workloads[shape as usize].namespace.clone(),
                name: format!("pod-{index:05}-{place:02}").as_str().into(),
                shape: ShapeId(shape),
                workload: Some(WorkloadId(shape)),
                node: Some(NodeId(index as u32)),
                phase: Phase::Running,
                of_node: place % 20 >= 15 && !shapes[shape as usize].wants_gpus(),
                ..Pod::default()
            });
        }
    }
    let budgets = (0..if pinned { TEAMS / 8 } else { 0 }).map(|team| Budget { name: "all".into(), ..budget(team * 8, 1, 0) }).collect();
    Fleet { nodes, shapes, pods, workloads, budgets, ..Fleet::default() }
}

/// Measures and prints.
pub fn run() -> anyhow::Result<()> {
    println!(
        "packing with its bound, one thread (target: 1,000 nodes in 2 s); fleets filled at random to a load, mostly small or only large GPU pods"
    );
    println!(
        "{:>6} {:>5} {:>5} {:>6} {:>7} {:>6} {:>6} | {:>8} | {:>6} {:>6} {:>6} {:>6} | how",
        "nodes", "load", "mix", "pinned", "pods", "gpus", "held", "wall ms", "now", "needed", "bound", "moves"
    );
    let headroom = BTreeMap::new();
    let runs: [(u32, u64, &str, bool); 9] = [
        (1_000, 40, "small", true),
        (1_000, 40, "small", false),
        (1_000, 60, "small", false),
        (1_000, 85, "small", false),
        (1_000, 60, "large", false),
        (1_000, 85, "large", false),
        (3_000, 60, "small", false),
        (10_000, 60, "small", true),
        (10_000, 60, "large", false),
    ];
    for (nodes, load, mix, pinned) in runs {
        let fleet = fleet(nodes, load, sizes(mix), pinned);
        let gpus: usize = fleet.nodes.iter().map(|node| node.gpus.len()).sum();
        let held: u32 = fleet.pods.iter().flat_map(|pod| &fleet.shape(pod).asks).map(|ask| ask.count).sum();
        let price = |node: NodeId| Some(MoneyPerHour::from_units(fleet.nodes[node.index()].gpus.len() as f64));
        let options = PackOptions { headroom: &headroom, move_training: false, price: &price };
        let start = Instant::now();
        let packing = consolidate(&fleet, &options);
        let wall = start.elapsed();
        verify(&fleet, &packing).expect("a plan is feasible");
        println!(
            "{nodes:>6} {load:>4}% {mix:>5} {pinned:>6} {:>7} {gpus:>6} {held:>6} | {:>8} | {:>6} {:>6} {:>6} {:>6} | {}",
            fleet.pods.len(),
            wall.as_millis(),
            packing.nodes_now,
            packing.nodes_needed,
            packing.lower_bound,
            packing.moves.len(),
            packing.bound_how
        );
    }
    Ok(())
}

/// Plans with waves, costs and bounds; fleets with budgets that allow a tenth of a team's pods.
pub fn repacking() -> anyhow::Result<()> {
    println!("repacking with waves, costs and bound, one thread (target: 5,000 nodes in 5 s, within 2 % of the bound)");
    println!(
        "{:>6} {:>5} {:>5} {:>6} {:>8} | {:>8} | {:>6} {:>6} {:>6} {:>7} {:>6} {:>6} {:>10}",
        "nodes", "load", "mix", "pinned", "pods", "wall ms", "now", "after", "bound", "gap", "moves", "waves", "GPU-hours"
    );
    let headroom = BTreeMap::new();
    for (load, mix, pinned) in
        [(40, "small", true), (60, "small", false), (60, "small", true), (85, "small", false), (60, "large", true), (85, "large", false)]
    {
        let mut fleet = fleet(5_000, load, sizes(mix), pinned);
        if pinned {
            // Other apps than those that allow none.
            fleet.budgets.extend((0..TEAMS).flat_map(|team| [0, 2].map(|kind| budget(team, kind, 10))));
        }
        let price = |node: NodeId| Some(MoneyPerHour::from_units(fleet.nodes[node.index()].gpus.len() as f64));
        let options = RepackOptions { headroom: &headroom, move_training: pinned, price: &price, horizon: HORIZON, nodes_at_once: None };
        let start = Instant::now();
        let plan = repack(&fleet, &options);
        let wall = start.elapsed();
        verify_repack(&fleet, &plan).expect("a plan is feasible, wave by wave");
        let packing = &plan.packing;
        println!(
            "{:>6} {load:>4}% {mix:>5} {pinned:>6} {:>8} | {:>8} | {:>6} {:>6} {:>6} {:>5.2} % {:>6} {:>6} {:>10}",
            fleet.nodes.len(),
            fleet.pods.len(),
            wall.as_millis(),
            packing.nodes_now,
            packing.nodes_needed,
            packing.lower_bound,
            100.0 * f64::from(packing.nodes_needed - packing.lower_bound) / f64::from(packing.lower_bound.max(1)),
            packing.moves.len(),
            plan.waves.len(),
            plan.cost.gpu_hours.map_or_else(|| "unknown".to_owned(), |hours| format!("{:.0}", hours.0)),
        );
    }
    Ok(())
}

/// Room for one pod on full fleets.
pub fn making_room() -> anyhow::Result<()> {
    println!("room for one pod that fits nowhere, by the fewest moves, one thread");
    println!("{:>6} {:>5} {:>5} {:>5} | {:>8} | {:>6} {:>6}", "nodes", "load", "mix", "asks", "wall ms", "moves", "fewest");
    for (load, mix, asks) in [(95, "small", 8), (95, "large", 8), (110, "small", 8), (110, "large", 8), (130, "large", 8)] {
        let mut fleet = fleet(5_000, load, sizes(mix), false);
        let mut shape = Shape {
            labels: [("app".into(), "new".into())].into(),
            cpu: MilliCpu(u64::from(asks) * 8_000),
            memory: Bytes(u64::from(asks) * (64 << 30)),
            tolerations: vec![Toleration { key: Some(GPU.into()), value: None, effect: None }],
            ..Shape::default()
        };
        shape.asks.push(Ask { resource: GPU.into(), count: asks, dra: false });
        shape.node_selector.insert("nvidia.com/gpu.product".into(), MODELS[1].into());
        fleet.shapes.push(shape);
        let (fleet, pod) = with_pod(&fleet, "team-0", "new", ShapeId(fleet.shapes.len() as u32 - 1));
        let start = Instant::now();
        let plan = defragment(&fleet, pod, &DefragmentOptions { move_training: false, price: &|_| None }).expect("it waits");
        let wall = start.elapsed();
        verify_defragment(&fleet, &plan).expect("a plan is feasible, wave by wave");
        let moves: usize = plan.waves.iter().map(|wave| wave.steps.len()).sum();
        let moves = plan.node.map_or_else(|| "none".to_owned(), |_| moves.to_string());
        println!("{:>6} {load:>4}% {mix:>5} {asks:>5} | {:>8} | {moves:>6} {:>6}", fleet.nodes.len(), wall.as_millis(), plan.fewest);
    }
    Ok(())
}

/// GPUs that pods ask for: mostly single ones, or none of them, pods that leave holes.
fn sizes(mix: &str) -> &'static [u32] {
    if mix == "small" { &[1, 1, 1, 2, 2, 3, 4, 5, 8] } else { &[2, 3, 3, 4, 5, 5, 6, 8] }
}

/// A budget over the pods of one app of a team.
fn budget(team: u64, kind: u64, allowed: u32) -> Budget {
    let app = format!("team-{team}-{kind}");
    Budget {
        namespace: format!("team-{team}").as_str().into(),
        name: app.as_str().into(),
        selector: Selector(vec![Requirement { key: "app".into(), operator: Operator::In, values: vec![app.as_str().into()] }]),
        allowed,
    }
}
