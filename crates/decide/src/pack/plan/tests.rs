#![allow(clippy::unwrap_used)]

use super::*;
use crate::pack::tests::{any_fleet, fleet, like, node, shape, three};
use plimsoll_fleet::{Timestamp, WorkloadId, fleet::Budget, selector::Selector};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_000_000);

fn plan_with(fleet: &Fleet, move_training: bool, horizon: Seconds, nodes_at_once: Option<u32>) -> Repack {
    fleet.check().unwrap();
    let price = |node: NodeId| Some(MoneyPerHour::from_units(fleet.nodes[node.index()].gpus.len() as f64));
    let plan = repack(fleet, &RepackOptions { headroom: &BTreeMap::new(), move_training, price: &price, horizon, nodes_at_once });
    verify_repack(fleet, &plan).unwrap();
    plan
}

fn plan(fleet: &Fleet) -> Repack {
    plan_with(fleet, false, HORIZON, None)
}

fn waves(plan: &Repack) -> Vec<usize> {
    plan.waves.iter().map(|wave| wave.steps.len()).collect()
}

/// Six nodes of 8 GPUs, one pod of 1 GPU on each: five move, all to the sixth.
fn scattered() -> Fleet {
    let nodes = (0..6).map(|index| node(&format!("n{index}"), 8, 64)).collect();
    let mut fleet = fleet(nodes, vec![shape(1, 1)], &[0, 1, 2, 3, 4, 5].map(|node| (0, Some(node))));
    fleet.at = NOW;
    fleet
}

#[test]
fn no_wave_takes_more_of_a_budget_than_it_allows() {
    let mut fleet = scattered();
    fleet.budgets.push(Budget { namespace: "ml".into(), name: "pdb".into(), selector: Selector::default(), allowed: 2 });
    let of = plan_with(&fleet, false, HORIZON, Some(6));
    assert_eq!(of.packing.nodes_needed, 1);
    assert_eq!(waves(&of), [2, 2, 1]);
    // The check sees what the planner must not do.
    let mut wrong = of.clone();
    let second = wrong.waves.remove(1);
    wrong.waves[0].steps.extend(second.steps);
    wrong.waves[0].empty.extend(second.empty);
    assert!(matches!(verify_waves(&fleet, &wrong.waves, wrong.packing.rules), Err(Broken::Budget { evicted: 4, allowed: 2, .. })));
}

#[test]
fn without_a_budget_a_quarter_of_a_workload_moves_at_once_and_few_nodes_are_emptied_together() {
    let fleet = scattered();
    assert_eq!(waves(&plan_with(&fleet, false, HORIZON, Some(6))), [1; 5], "a quarter of six, rounded down");
    let mut twenty = fleet.clone();
    for index in 0..14 {
        twenty.nodes.push(node(&format!("m{index:02}"), 1, 64));
        twenty.pods.push(plimsoll_fleet::Pod {
            name: format!("q{index:02}").as_str().into(),
            node: Some(NodeId(6 + index)),
            ..fleet.pods[0].clone()
        });
    }
    let of = plan_with(&twenty, false, HORIZON, Some(2));
    assert!(of.waves.iter().all(|wave| wave.steps.iter().map(|step| step.pod.from).collect::<BTreeSet<_>>().len() <= 2));
}

#[test]
fn a_pod_that_two_budgets_cover_cannot_be_evicted() {
    let mut fleet = fleet(three(), vec![shape(1, 1)], &[(0, Some(0)), (0, Some(1))]);
    for name in ["a", "b"] {
        fleet.budgets.push(Budget { namespace: "ml".into(), name: name.into(), selector: like("g1c1"), allowed: 1 });
    }
    let of = plan(&fleet);
    assert_eq!(of.packing.nodes_needed, 2);
    assert!(
        of.packing
            .kept
            .iter()
            .all(|(_, why)| matches!(why, KeptReason::Pod { why: crate::pack::Pinned::Budgets(name), .. } if &**name == "a"))
    );
}

/// A run to its end that began ten hours ago, on a node of 8 GPUs, beside a node with room for it.
fn training(checkpoint: Option<&str>) -> Fleet {
    let mut fleet = fleet(vec![node("n0", 8, 64), node("n1", 8, 64)], vec![shape(4, 1), shape(4, 2)], &[(0, Some(0)), (1, Some(1))]);
    fleet.at = NOW;
    fleet.pods[0].workload = Some(WorkloadId(1));
    fleet.pods[0].started = Some(NOW.minus(Seconds(36_000)));
    // The other one stays, so that only this question is asked.
    fleet.pods[1].keep = Some("keep=true".into());
    if let Some(checkpoint) = checkpoint {
        fleet.workloads[1].annotations.insert("plimsoll.dev/checkpoint".into(), checkpoint.into());
    }
    fleet
}

#[test]
fn the_age_of_the_checkpoint_decides_whether_a_move_is_worth_it() {
    // A node of 8 GPUs saves 8 GPU-hours in an hour; 4 GPUs with their start of 250 s and an hour lost cost 4.3.
    let hour = Seconds::HOUR;
    let fresh = training(Some("1970-01-12T13:16:40Z"));
    let of = plan_with(&fresh, false, hour, None);
    assert_eq!(of.packing.nodes_needed, 1);
    let cost = of.waves[0].steps[0].cost;
    assert_eq!((cost.lost, cost.lost_assumed, cost.known), (Some(Seconds(1_800)), false, Known::Assumed));
    assert!((of.cost.gpu_hours.unwrap().0 - 4.0 * (1_800.0 + 250.0) / 3_600.0).abs() < 1e-9);
    assert_eq!(of.cost.money, Some(Money::from_units(4.0 * 2_050.0 / 3_600.0)));
    assert_eq!(plan_with(&training(Some("true")), false, hour, None).waves[0].steps[0].cost.lost, Some(hour));
    // Without a checkpoint it stays, unless it may move; and then its ten hours are lost.
    assert!(matches!(plan(&training(None)).packing.kept[0].1, KeptReason::Pod { why: crate::pack::Pinned::Training, .. }));
    let dear = plan_with(&training(None), true, Seconds(4 * 3_600), None);
    assert_eq!(dear.packing.nodes_needed, 2);
    assert_eq!(dear.not_worth.len(), 1);
    assert_eq!(dear.not_worth[0].saves, GpuHours(32.0));
    assert!(dear.not_worth[0].costs.unwrap().0 > 40.0);
    assert_eq!((dear.packing.lower_bound, dear.bound_at_any_cost), (2, 1));
    assert_eq!(plan_with(&training(None), true, Seconds::DAY, None).packing.nodes_needed, 1);
    // What is not known is not nothing.
    let mut unknown = training(None);
    unknown.pods[0].started = None;
    let of = plan_with(&unknown, true, Seconds::DAY, None);
    assert_eq!(of.not_worth[0].costs, None);
}

#[test]
fn a_start_takes_what_such_pods_took_here() {
    let mut fleet = scattered();
    for (pod, (cold, warm)) in fleet.pods.iter_mut().zip([(60, 300), (60, 300), (90, 400), (10, 200), (60, 90_000), (60, 300)]) {
        (pod.scheduled, pod.started, pod.ready) = (Some(Timestamp(0)), Some(Timestamp(cold)), Some(Timestamp(cold + warm)));
    }
    fleet.pods[3].restarts = 1;
    fleet.pods[3].image_pull = Some(Seconds(55));
    let cost = plan(&fleet).waves[0].steps[0].cost;
    // Who became ready a day after the start became ready again.
    assert_eq!((cost.cold_start, cost.restart, cost.known), (Seconds(60), Seconds(300), Known::Workload));
}

#[test]
fn a_run_on_several_pods_starts_again_as_a_whole_and_is_paid_once_a_wave() {
    let mut fleet = fleet(three(), vec![shape(2, 1)], &[(0, Some(0)), (0, Some(0)), (0, Some(1)), (0, Some(2))]);
    fleet.at = NOW;
    for pod in &mut fleet.pods {
        pod.workload = Some(WorkloadId(1));
        pod.started = Some(NOW.minus(Seconds(60)));
    }
    let of = plan_with(&fleet, true, HORIZON, Some(3));
    assert_eq!(of.packing.nodes_needed, 1);
    let costs: Vec<(Option<PodId>, u32)> = of.waves[0].steps.iter().map(|step| (step.cost.with, step.cost.pods)).collect();
    assert_eq!(costs[0], (None, 4));
    assert!(costs[1..].iter().all(|cost| cost.0.is_some()));
    assert!((of.cost.gpu_hours.unwrap().0 - of.waves.len() as f64 * 8.0 * 310.0 / 3_600.0).abs() < 1e-9);
}

#[test]
fn figures_before_and_after() {
    let of = plan(&fleet(three(), vec![shape(4, 8)], &[(0, Some(0)), (0, Some(2))]));
    assert_eq!((of.before.nodes, of.before.gpus, of.before.held), (3, MilliGpu::whole(24), MilliGpu::whole(8)));
    assert_eq!((of.after.nodes, of.after.gpus, of.after.held), (1, MilliGpu::whole(8), MilliGpu::whole(8)));
    assert_eq!((of.saves_month, of.saves_money_month, of.unpriced), (GpuHours(16.0 * 730.0), Some(Money::from_units(16.0 * 730.0)), 0));
    let nothing = plan(&Fleet::default());
    assert_eq!((nothing.before, nothing.waves.len(), nothing.cost.gpu_hours), (Figures::default(), 0, Some(GpuHours(0.0))));
}

prop_compose! {
    /// Any fleet, with budgets over some of its pods and ages.
    pub(in crate::pack) fn any_budgeted()(fleet in any_fleet(), budgets in prop::collection::vec((0..4_usize, 0..3_u32), 0..3),
                                          ages in prop::collection::vec(prop::option::of(0..200_000_u64), 8), saved in any::<bool>()) -> Fleet {
        let mut fleet = fleet;
        fleet.at = NOW;
        for (number, (which, allowed)) in budgets.into_iter().enumerate() {
            let selector = fleet.shapes.get(which).map_or_else(Selector::default, |shape| like(shape.labels.values().next().unwrap()));
            fleet.budgets.push(Budget { namespace: "ml".into(), name: format!("b{number}").as_str().into(), selector, allowed });
        }
        for (pod, age) in fleet.pods.iter_mut().zip(ages) {
            pod.started = age.map(|age| NOW.minus(Seconds(age)));
        }
        if saved {
            fleet.workloads[1].annotations.insert("plimsoll.dev/checkpoint".into(), "30m".into());
        }
        fleet
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_wave_holds_and_the_bounds_are_below(fleet in any_budgeted(), training in any::<bool>(), hours in 0..40_u64, at_once in 1..4_u32) {
        let of = plan_with(&fleet, training, Seconds(hours * 3_600), Some(at_once));
        prop_assert!(of.bound_at_any_cost <= of.packing.lower_bound, "{} {}", of.bound_at_any_cost, of.packing.lower_bound);
        prop_assert_eq!(of.after.nodes, of.packing.nodes_needed);
        prop_assert!(of.after.held <= of.before.held);
        prop_assert!(of.waves.iter().flat_map(|wave| &wave.steps).all(|step| fleet.pods[step.pod.pod.index()].keep.is_none()));
    }

    #[test]
    fn the_order_of_nodes_and_pods_changes_no_plan(fleet in any_budgeted(), by in 0..5_usize) {
        let mut turned = fleet.clone();
        let count = fleet.nodes.len();
        turned.nodes.rotate_left(by % count);
        turned.pods.reverse();
        turned.budgets.reverse();
        for pod in &mut turned.pods {
            pod.node = pod.node.map(|node| NodeId(((node.index() + count - by % count) % count) as u32));
        }
        let told = |fleet: &Fleet| -> Vec<String> {
            let node = |id: NodeId| fleet.nodes[id.index()].name.to_string();
            plan_with(fleet, true, HORIZON, None).waves.iter().map(|wave| {
                let steps: Vec<String> = wave.steps.iter()
                    .map(|step| format!("{}>{} {:?}", fleet.pods[step.pod.pod.index()].name, node(step.pod.to), step.cost.gpu_hours())).collect();
                let nodes = |list: &[NodeId]| list.iter().map(|&id| node(id)).collect::<Vec<_>>();
                format!("{:?} {:?} {:?}", nodes(&wave.cordon), steps, nodes(&wave.empty))
            }).collect()
        };
        prop_assert_eq!(told(&fleet), told(&turned));
    }
}

#[test]
fn a_wave_is_told_in_commands_that_are_safe_to_paste() {
    let mut fleet = scattered();
    fleet.nodes[5].name = "n5; rm -rf /".into();
    fleet.pods[0].name = "it's".into();
    fleet.budgets.push(Budget { namespace: "ml".into(), name: "pdb".into(), selector: Selector::default(), allowed: 5 });
    // A second pod that another wave takes: its node is not empty at once.
    fleet.pods.push(Pod { name: "p9".into(), ..fleet.pods[1].clone() });
    let of = plan_with(&fleet, false, HORIZON, Some(6));
    let told: Vec<String> = of.waves.iter().flat_map(|wave| commands::of_wave(&fleet, wave)).collect();
    assert!(told[0].starts_with("kubectl cordon n"), "{told:?}");
    assert!(told.iter().any(|line| line.contains("'n5; rm -rf /'")), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("kubectl drain n0 --ignore-daemonsets --delete-emptydir-data=false")), "{told:?}");
    assert!(told.iter().any(|line| line == "kubectl rollout status deployment/serve -n ml --timeout=30m"), "{told:?}");
}
