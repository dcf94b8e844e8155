//! Runs of small fleets, counted anew from outside.

#![allow(clippy::unwrap_used)]

use super::*;
use plimsoll_decide::pack::site::Group;
use plimsoll_fleet::{
    MilliCpu, Name, Node, Shape,
    node::{Gpu, Offer},
    pod::Ask,
};
use proptest::prelude::*;

const RACK: &str = "rack";

fn nodes(count: u32) -> Vec<Node> {
    let node = |at: u32| Node {
        name: format!("node-{at}").into(),
        labels: [(RACK.into(), format!("r{}", at / 2).into())].into(),
        ready: true,
        cpu: MilliCpu(32_000),
        max_pods: 20,
        offers: vec![Offer { resource: "nvidia.com/gpu".into(), count: 4, capacity: 4, dra: false }],
        gpus: vec![Gpu::default(); 4],
        gpu_product: Some("H100".into()),
        ..Node::default()
    };
    (0..count).map(node).collect()
}

fn pods() -> Vec<(Name, Shape)> {
    let shape = |gpus| Shape {
        cpu: MilliCpu(2_000),
        asks: if gpus == 0 { Vec::new() } else { vec![Ask { resource: "nvidia.com/gpu".into(), count: gpus, dra: false }] },
        ..Shape::default()
    };
    [0, 1, 2, 4, 5].map(|gpus| ("ns".into(), shape(gpus))).into()
}

fn job(name: &str, arrives: u64, lasts: Option<u64>, pods: &[(u32, u32)]) -> Job {
    Job { name: name.into(), arrives, lasts, pods: Group { pods: pods.to_vec(), ..Group::default() }, ..Job::default() }
}

fn run_of(ground: Ground, jobs: Vec<Job>, order: Order) -> Run {
    let ways = Ways { policies: vec![Named::Plimsoll], orders: vec![order], seeds: vec![1] };
    let work = Work { name: "jobs".into(), pods: pods(), jobs, ..Work::default() };
    rehearse("test", ground, work, &ways, &|_, _| {}).runs.remove(0)
}

fn ground(count: u32) -> Ground {
    Ground { nodes: nodes(count), ..Ground::default() }
}

#[test]
fn a_job_waits_for_room_and_nobody_passes_it_unless_they_may() {
    let jobs = || vec![job("a", 0, Some(100), &[(2, 1)]), job("b", 10, Some(100), &[(3, 1)]), job("c", 20, Some(30), &[(1, 1)])];
    let fifo = run_of(ground(1), jobs(), Order::Fifo);
    // b waits for a until 100, c for b until 200.
    assert_eq!((fifo.figures.wait.mean, fifo.figures.makespan), ((0.0 + 90.0 + 180.0) / 3.0, 230));
    let backfill = run_of(ground(1), jobs(), Order::Backfill);
    assert_eq!((backfill.figures.wait.mean, backfill.figures.makespan), ((0.0 + 90.0 + 0.0) / 3.0, 200));
    // 2 GPUs for 100 s, 4 for 100 s, 1 for 30 s.
    assert_eq!(backfill.figures.allocated_gpu_hours * 3600.0, 200.0 + 400.0 + 30.0);
    assert_eq!(fifo.figures.events, 9);
}

#[test]
fn a_node_that_leaves_throws_away_what_was_not_checkpointed() {
    let mut jobs = vec![job("saved", 0, Some(1_000), &[(3, 1)]), job("lost", 0, Some(1_000), &[(3, 1)])];
    (jobs[0].checkpoint, jobs[0].starting) = (Some(100), 50);
    let changes = (0..2)
        .map(|node| Change { at: 600, node, joins: false })
        .chain((0..2).map(|node| Change { at: 700, node: 2 + node, joins: true }))
        .collect();
    let run = run_of(Ground { changes, ..ground(4) }, jobs, Order::Fifo);
    // 550 s of work done, 500 of it saved; 600 s done and none saved. Both start again at 700.
    assert_eq!(run.figures.evictions, 2);
    assert_eq!(run.figures.lost_gpu_hours * 3600.0, 4.0 * (50.0 + 600.0));
    assert_eq!(run.figures.completion.most, 700.0 + 1_000.0);
    assert_eq!(run.figures.completion.p50, 700.0 + 50.0 + 500.0);
    assert_eq!(run.figures.starting_gpu_hours * 3600.0, 4.0 * (50.0 + 50.0));
}

#[test]
fn an_autoscaled_pool_grows_after_its_delay_and_shrinks_when_idle() {
    let pools = vec![Pool { nodes: vec![1, 2, 3], least: 0, delay: 60, idle: 100 }];
    let jobs = (0..4).map(|at| job(&format!("j{at}"), 0, Some(300), &[(3, 1)])).collect();
    let run = run_of(Ground { pools, horizon: Some(1_000), ..ground(4) }, jobs, Order::Backfill);
    assert_eq!((run.figures.wait.most, run.figures.nodes_peak, run.figures.ended), (60.0, 4, 4));
    // One node always; three from 60 until 300 s later they end and 100 s later they go.
    assert_eq!(run.figures.gpu_hours * 3600.0, 4.0 * (1_000.0 + 3.0 * 400.0));
}

#[test]
fn what_fits_nowhere_is_refused_with_the_reason() {
    let mut jobs = vec![job("huge", 0, Some(1), &[(4, 1)]), job("many", 0, Some(1), &[(3, 3)]), job("after", 0, Some(1), &[(1, 1)])];
    jobs[2].after = vec![0];
    let run = run_of(ground(2), jobs, Order::Fifo);
    let why: Vec<&str> = run.refused.iter().map(|refusal| &*refusal.why).collect();
    assert_eq!(
        why,
        [
            "all its pods ask for 12 GPUs; the fleet has 8",
            "it asks for 5 GPUs; the most on a node that lets it in is 4",
            "it comes after a job that fits nowhere"
        ]
    );
    assert_eq!((run.figures.refused, run.figures.ended, run.figures.jobs), (3, 0, 3));
}

#[test]
fn a_gang_is_together_and_a_follower_comes_after() {
    let mut jobs = vec![job("gang", 0, Some(100), &[(3, 2)]), job("next", 5, Some(10), &[(1, 1)])];
    jobs[0].pods.within = Some(RACK.into());
    jobs[1].after = vec![0];
    let run = run_of(ground(4), jobs, Order::Fifo);
    let racks: Vec<&str> = run.grid.nodes.iter().filter(|node| node.gpus[0] == 1000).map(|node| &*node.name).collect();
    assert!(racks == ["node-0", "node-1"] || racks == ["node-2", "node-3"], "{racks:?}");
    assert_eq!((run.figures.makespan, run.figures.wait.most, run.figures.completion.most), (110, 0.0, 100.0));
}

#[test]
fn recorded_use_is_added_up_where_it_was() {
    let mut jobs = vec![job("a", 0, Some(400), &[(3, 1)])];
    jobs[0].used = Some(std::sync::Arc::new(Use { width: 100, bins: vec![Some(500), None, Some(1000)] }));
    let run = run_of(ground(1), jobs, Order::Fifo);
    // Half, unknown, all, and from the beginning again.
    assert_eq!(run.figures.used_gpu_hours.unwrap() * 3600.0, 4.0 * (50.0 + 100.0 + 50.0));
}

fn any_job() -> impl Strategy<Value = Job> {
    let pods = prop::collection::vec((0_u32..5, 1_u32..3), 1..3);
    (0_u64..500, prop::option::weighted(0.9, 0_u64..300), pods, 0_i32..3, 0_u64..20, prop::option::of(1_u64..50), any::<bool>()).prop_map(
        |(arrives, lasts, pods, priority, starting, checkpoint, together)| Job {
            pods: Group { pods, within: together.then(|| RACK.into()), groups: Vec::new() },
            priority,
            starting,
            checkpoint,
            ..job("job", arrives, lasts, &[])
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens: nobody is lost, nothing is given twice, hours add up, the same seed gives the same bytes, and no policy beats the bound.
    #[test]
    fn accounts_are_true(
        mut jobs in prop::collection::vec(any_job(), 1..60),
        followers in prop::collection::vec((0_usize..60, 0_u32..60), 0..6),
        changes in prop::collection::vec((0_u64..600, 0_u32..6, any::<bool>()), 0..4),
        scaled in any::<bool>(),
        horizon in prop::option::of(100_u64..1_000),
        policy in prop::sample::select(Named::ALL.to_vec()),
        order in prop::sample::select(Order::ALL.to_vec()),
        seed in any::<u64>(),
    ) {
        jobs.sort_by_key(|job| job.arrives);
        for (job, before) in followers {
            if job < jobs.len() && (before as usize) < job && !jobs[job].after.contains(&before) {
                jobs[job].after.push(before);
            }
        }
        let mut changes: Vec<Change> = changes.into_iter().map(|(at, node, joins)| Change { at, node, joins }).collect();
        changes.dedup_by_key(|change| change.node);
        let pools = if scaled { vec![Pool { nodes: vec![6, 7], least: 0, delay: 10, idle: 20 }] } else { Vec::new() };
        let ground = || Ground { changes: changes.clone(), pools: pools.clone(), horizon, ..ground(8) };
        let work = || Work { name: "jobs".into(), pods: pods(), jobs: jobs.clone(), ..Work::default() };
        let ways = Ways { policies: vec![policy], orders: vec![order], seeds: vec![seed] };
        let result = rehearse("test", ground(), work(), &ways, &|_, _| {});
        let figures = &result.runs[0].figures;
        prop_assert_eq!(figures.jobs, figures.ended + figures.running + figures.waiting + figures.refused);
        prop_assert!(horizon.is_some() || figures.jobs == jobs.len() as u64);
        prop_assert!(figures.allocated_gpu_hours <= figures.gpu_hours + 1e-9 || !changes.is_empty() || scaled);
        prop_assert!(figures.allocation_peak.unwrap_or(0.0) <= figures.allocation_bound.unwrap_or(f64::INFINITY) + 1e-9);
        for node in &result.runs[0].grid.nodes {
            prop_assert!(node.gpus.iter().all(|milli| *milli <= 1000));
        }
        let again = rehearse("test", ground(), work(), &ways, &|_, _| {});
        prop_assert_eq!(serde_json::to_string(&result).unwrap(), serde_json::to_string(&again).unwrap());
        if horizon.is_none() && changes.is_empty() && !scaled {
            prop_assert!(figures.makespan >= figures.makespan_bound.unwrap_or(0) || figures.running > 0 || figures.refused > 0);
            let asked: f64 = jobs.iter().filter_map(|job| {
                let gpus: u32 = job.pods.pods.iter().map(|(want, count)| [0, 1, 2, 4, 5][*want as usize] * count).sum();
                Some((job.lasts? + job.starting) as f64 * f64::from(gpus))
            }).sum();
            if figures.ended == figures.jobs {
                prop_assert!((figures.allocated_gpu_hours * 3600.0 - asked).abs() < 1e-6 * asked.max(1.0));
            }
        }
    }
}
