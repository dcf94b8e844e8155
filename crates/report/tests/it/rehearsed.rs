//! Rehearsals made by hand: four policies on a fleet like openb's, and what is at the edge.

use plimsoll_simulate::rehearsal::{Figures, Filling, Grid, GridNode, Moment, Refusal, Rehearsal, Run, Size, Spread};

const DAY: u64 = 86_400;
const HORIZON: u64 = 7 * DAY;

/// A number from 0 to 1 that looks like chance and is always the same.
fn chance(seed: u64) -> f64 {
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (seed >> 7).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed.wrapping_mul(0x94d0_49bb_1331_11eb) >> 40) as f64 / (1_u64 << 24) as f64
}

fn spread(count: u64, mean: f64) -> Spread {
    Spread { count, mean, p50: mean * 0.2, p95: mean * 4.0, p99: mean * 9.0, p999: mean * 16.0, most: mean * 21.0 }
}

fn size(name: &str, count: u64, wait: f64, run: f64) -> Size {
    Size { size: name.to_owned(), wait: spread(count, wait), completion: spread(count - count / 50, wait + run) }
}

/// Nodes of 1, 2, 4 and 8 GPUs in three pools.
pub fn grid(nodes: usize, full: f64, seed: u64) -> Grid {
    let pools = [("online", "NVIDIA-T4", 2), ("shared", "NVIDIA-A10", 8), ("training", "NVIDIA-V100", 4)];
    let node = |at: usize| {
        let (pool, model, gpus) = pools[at * pools.len() / nodes];
        let held = |gpu: u64| match chance(seed * 31 + at as u64 * 8 + gpu) {
            share if share < full - 0.1 => 1_000,
            share if share < full => (share * 1_000.0) as u16,
            _ => 0,
        };
        let gpus: Vec<u16> = (0..gpus).map(held).collect();
        let free: u32 = gpus.iter().map(|&held| 1_000 - u32::from(held)).sum();
        let lost = chance(seed + 77 * at as u64) < 0.4;
        GridNode {
            name: format!("node-{at:04}"),
            pool: pool.to_owned(),
            model: model.to_owned(),
            gpus,
            fragmented: if lost { free } else { 0 },
        }
    };
    Grid { at: 3 * DAY + 7_200, nodes: (0..nodes).map(node).collect() }
}

/// A week in which more comes by day than by night.
fn course(moments: u64, full: f64, lost: f64, seed: u64) -> Vec<Moment> {
    (0..moments)
        .map(|step| {
            let at = HORIZON * step / moments;
            let day = (at as f64 / DAY as f64 * std::f64::consts::TAU).sin();
            let noise = chance(seed * 1_000 + step) - 0.5;
            let grown = (at as f64 / DAY as f64).min(1.0);
            let gpus = 6_212.0;
            let allocated = gpus * (full * grown + 0.04 * day * grown + 0.015 * noise).clamp(0.0, 1.0);
            Moment {
                at,
                gpus,
                allocated,
                used: Some(allocated * (0.55 + 0.1 * day)),
                waiting: (2_400.0 * day * grown + 900.0 * (1.0 - full) * 10.0 * grown).max(0.0),
                fragmented: gpus * (lost * grown + 0.01 * day * grown + 0.006 * noise).max(0.0),
                nodes: 1_213.0,
            }
        })
        .collect()
}

/// One to one until near the top, then bent.
fn filling(points: u32, to: f64, top: f64) -> Vec<Filling> {
    (0..=points)
        .map(|step| {
            let arrived = to * f64::from(step) / f64::from(points);
            let bend = 6.0;
            // A smooth least of what is asked for and the top.
            let allocated = -bend * ((-arrived / bend).exp() + (-top / bend).exp()).ln();
            Filling { arrived, allocated: allocated.clamp(0.0, 100.0) }
        })
        .collect()
}

pub fn run(policy: &str, seed: u64, full: f64, lost: f64, wait: f64) -> Run {
    let jobs = 68_510;
    let waiting = (wait / 30.0) as u64;
    let placed = jobs - waiting - 12;
    let hours = 6_212.0 * 168.0;
    Run {
        policy: policy.to_owned(),
        order: "fifo".to_owned(),
        seed,
        figures: Figures {
            jobs,
            ended: placed - 340,
            running: 340,
            waiting,
            refused: 12,
            evictions: 22 + (wait / 900.0) as u64,
            gpu_hours: hours,
            allocated_gpu_hours: hours * full,
            used_gpu_hours: Some(hours * full * 0.55),
            starting_gpu_hours: 2_410.5,
            lost_gpu_hours: 41.25 + wait / 80.0,
            allocation: Some(full),
            allocation_peak: Some(full + 0.031),
            fragmentation: Some(lost),
            allocation_bound: Some(0.969),
            wait: spread(placed, wait),
            completion: spread(placed - 340, wait + 15_400.0),
            makespan: HORIZON + 3 * 3_600,
            makespan_bound: None,
            nodes_peak: 1_213,
            cost: Some(1_412_300.5),
            events: 412_904,
        },
        sizes: vec![
            size("part of a GPU", 21_000, wait * 0.3, 5_000.0),
            size("1 GPU", 38_000, wait * 0.5, 11_000.0),
            size("2-4 GPUs", 6_400, wait * 1.4, 24_000.0),
            size("5-8 GPUs", 2_300, wait * 4.0, 61_000.0),
            size("more than 8 GPUs", 300, wait * 11.0, 180_000.0),
        ],
        course: course(168, full, lost, seed),
        filling: filling(400, 130.0, 100.0 * (full + 0.04)),
        grid: grid(48, full, seed),
        refused: vec![Refusal {
            why: "asks for 16 GPUs on one node; the largest node has 8".to_owned(),
            jobs: 12,
            example: "vc-research/application_1506638472019_13212".to_owned(),
        }],
    }
}

/// Four policies at one seed.
pub fn four() -> Rehearsal {
    Rehearsal {
        name: "openb, a week under four policies".to_owned(),
        fleet: "1,213 nodes, 6,212 GPUs (openb)".to_owned(),
        work: "68,510 jobs of philly".to_owned(),
        changes: vec!["4 nodes p5.48xlarge added: 32 GPUs".to_owned()],
        assumed: vec![
            "213 jobs have no end on record: they run for the median length of their size".to_owned(),
            "pulling an image takes 90 s, the mean of those seen".to_owned(),
        ],
        horizon: Some(HORIZON),
        began: Some("2026-11-16T00:00:00Z".to_owned()),
        runs: vec![
            run("best-fit", 42, 0.884, 0.071, 9_400.0),
            run("fgd", 42, 0.902, 0.052, 6_100.0),
            run("gpu-packing", 42, 0.893, 0.061, 7_900.0),
            run("plimsoll", 42, 0.912, 0.043, 4_300.0),
        ],
    }
}

/// One run, without a calendar, prices, recorded use or a bound.
pub fn one() -> Rehearsal {
    let mut rehearsal = four();
    rehearsal.runs.truncate(1);
    let run = &mut rehearsal.runs[0];
    (run.figures.cost, run.figures.used_gpu_hours, run.figures.allocation_bound) = (None, None, None);
    run.figures.makespan_bound = Some(5 * DAY);
    run.course.iter_mut().for_each(|moment| moment.used = None);
    (rehearsal.horizon, rehearsal.began) = (None, None);
    rehearsal
}

/// Two policies in two orders at three seeds: more runs than a page has room for.
pub fn seeds() -> Rehearsal {
    let mut rehearsal = four();
    rehearsal.runs = Vec::new();
    for (order, better) in [("fifo", 0.0), ("backfill", 0.01)] {
        for (policy, full) in [("fgd", 0.90), ("plimsoll", 0.91)] {
            for seed in [42, 43, 44] {
                let mut run = run(policy, seed, full + better + seed as f64 / 50_000.0, 0.06 - better, 6_000.0 + seed as f64);
                run.order = order.to_owned();
                rehearsal.runs.push(run);
            }
        }
    }
    rehearsal
}

/// As many runs, moments and nodes as must fit into a picture.
pub fn great() -> Rehearsal {
    let mut rehearsal = four();
    rehearsal.runs = (0..10_u64)
        .map(|at| {
            let mut run = run(&format!("policy-{at}"), 42, 0.86 + at as f64 * 0.005, 0.08 - at as f64 * 0.004, 9_000.0 - 500.0 * at as f64);
            run.course = course(500, 0.86 + at as f64 * 0.005, 0.08, at + 1);
            run.filling = filling(500, 130.0, 90.0 + at as f64 * 0.5);
            run.grid = grid(1_213, 0.9, at + 1);
            run
        })
        .collect();
    rehearsal
}

/// What a picture or a table must survive.
pub fn edges() -> Vec<(&'static str, Rehearsal)> {
    let mut none = four();
    none.runs.clear();
    let mut moment = one();
    moment.runs[0].course.truncate(1);
    moment.runs[0].filling.truncate(1);
    let mut nothing = four();
    for run in &mut nothing.runs {
        *run = Run {
            policy: run.policy.clone(),
            order: String::new(),
            seed: 1,
            figures: Figures::default(),
            sizes: vec![],
            course: vec![Moment::default(); 3],
            filling: vec![Filling::default(); 2],
            grid: Grid::default(),
            refused: vec![],
        };
    }
    let mut huge = four();
    for run in &mut huge.runs {
        run.figures = Figures {
            jobs: u64::MAX,
            gpu_hours: 1e300,
            allocation: Some(1e12),
            cost: Some(1e300),
            wait: spread(u64::MAX, 1e300),
            makespan: u64::MAX,
            ..run.figures.clone()
        };
        run.course = vec![
            Moment { at: 0, gpus: 1e300, allocated: 1e299, used: Some(f64::INFINITY), waiting: f64::NAN, fragmented: 1e300, nodes: 1e18 },
            Moment { at: u64::MAX, gpus: 1e300, ..Moment::default() },
        ];
        run.filling = vec![Filling { arrived: 1e300, allocated: 1e300 }, Filling { arrived: f64::NAN, allocated: -1.0 }];
        run.grid.nodes[0].gpus = vec![u16::MAX; 600];
        run.grid.nodes[0].fragmented = u32::MAX;
    }
    huge.began = Some("yesterday".to_owned());
    let evil = "<script>alert(1)</script>&\"'\u{1b}[31m\u{202e}=1+1\n".repeat(20);
    let mut hostile = four();
    hostile.name = evil.clone();
    hostile.fleet = evil.clone();
    hostile.work = evil.clone();
    hostile.changes = vec![evil.clone()];
    hostile.assumed = vec![evil.clone(); 40];
    for (at, run) in hostile.runs.iter_mut().enumerate() {
        run.policy = format!("={evil}{at}");
        run.order = evil.clone();
        run.sizes[0].size = evil.clone();
        run.refused = vec![Refusal { why: evil.clone(), jobs: 1, example: evil.clone() }; 30];
        for node in &mut run.grid.nodes {
            (node.name, node.pool, node.model) = (evil.clone(), format!("{evil}{}", node.pool), evil.clone());
        }
    }
    let mut pools = four();
    pools.runs[0].grid = grid(300, 0.9, 5);
    for (at, node) in pools.runs[0].grid.nodes.iter_mut().enumerate() {
        node.pool = format!("pool-{at}");
    }
    vec![
        ("none", none),
        ("moment", moment),
        ("nothing", nothing),
        ("huge", huge),
        ("hostile", hostile),
        ("pools", pools),
        ("one", one()),
        ("seeds", seeds()),
    ]
}
