#![allow(clippy::unwrap_used)]

use super::*;
use crate::pack::{
    plan::{cost::Costs, tests::any_budgeted, verify_defragment},
    tests::{fleet, node, shape, three},
    verify::{Replay, Terms, may_move},
};
use plimsoll_fleet::{Seconds, Timestamp, WorkloadId, fleet::Budget, selector::Selector};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn room_for(fleet: &Fleet, pod: u32) -> Result<Defragment, NothingToDo> {
    fleet.check().unwrap();
    let plan = defragment(fleet, PodId(pod), &DefragmentOptions { move_training: false, price: &|_| None });
    if let Ok(plan) = &plan {
        verify_defragment(fleet, plan).unwrap();
    }
    plan
}

fn moves(plan: &Defragment) -> Vec<(u32, u32, u32)> {
    plan.waves.iter().flat_map(|wave| &wave.steps).map(|step| (step.pod.pod.0, step.pod.from.0, step.pod.to.0)).collect()
}

#[test]
fn one_pod_makes_room() {
    // 8 GPUs are asked for; 6, 7 and 1 of 8 are taken.
    let shapes = vec![shape(6, 1), shape(7, 1), shape(1, 1), shape(8, 1)];
    let plan = room_for(&fleet(three(), shapes, &[(0, Some(0)), (1, Some(1)), (2, Some(2)), (3, None)]), 3).unwrap();
    assert_eq!((plan.node, plan.fewest), (Some(NodeId(2)), true));
    assert_eq!(moves(&plan), [(2, 2, 1)], "to the fullest that has room");
    assert_eq!((plan.waves[0].cordon.clone(), plan.waves[0].empty.len()), (vec![NodeId(2)], 0));
    assert!(plan.proof.starts_with("No plan has fewer moves"), "{}", plan.proof);
}

#[test]
fn of_equally_few_moves_the_cheapest() {
    let shapes = vec![shape(4, 1), shape(4, 2), shape(5, 1)];
    let mut fleet = fleet(three(), shapes, &[(0, Some(0)), (0, Some(1)), (1, Some(2)), (2, None)]);
    fleet.at = Timestamp(1_000_000);
    // A run to its end that saved its work long ago: dear. Who starts at once is cheap.
    fleet.pods[0].workload = Some(WorkloadId(1));
    fleet.pods[0].started = Some(Timestamp(0));
    fleet.workloads[1].annotations.insert("plimsoll.dev/checkpoint".into(), "5h".into());
    let starts =
        |pod: &mut Pod, ready| (pod.scheduled, pod.started, pod.ready) = (Some(Timestamp(0)), Some(Timestamp(1)), Some(Timestamp(ready)));
    starts(&mut fleet.pods[1], 3_000);
    starts(&mut fleet.pods[2], 10);
    fleet.workloads.push(plimsoll_fleet::Workload {
        kind: "Deployment".into(),
        namespace: "ml".into(),
        name: "fast".into(),
        ..Default::default()
    });
    fleet.pods[2].workload = Some(WorkloadId(3));
    let plan = room_for(&fleet, 3).unwrap();
    assert_eq!(moves(&plan)[0].0, 2);
    assert!(plan.cost.gpu_hours.unwrap().0 < 0.02);
}

#[test]
fn a_pod_steps_out_of_the_way_of_another() {
    // 4 are asked for. Free: 1, 1, 4 by a label that keeps the large ones out.
    let mut nodes = three();
    nodes[2].labels.insert("model".into(), "b".into());
    let mut shapes = vec![shape(3, 1), shape(4, 1), shape(2, 1), shape(4, 2), shape(1, 1)];
    for shape in [0, 1, 3] {
        shapes[shape].node_selector.insert("model".into(), "a".into());
    }
    // n0: 3 + 4, n1: 4 (kept) + 2 + 1 (kept), n2: 4 (kept).
    let mut fleet = fleet(nodes, shapes, &[(0, Some(0)), (1, Some(0)), (1, Some(1)), (2, Some(1)), (4, Some(1)), (1, Some(2)), (3, None)]);
    for pod in [1, 2, 4, 5] {
        fleet.pods[pod].keep = Some("keep=true".into());
    }
    let plan = room_for(&fleet, 6).unwrap();
    assert_eq!(moves(&plan), [(3, 1, 2), (0, 0, 1)], "2 leaves n1, so that 3 can take its place and 4 fit on n0");
    assert!(plan.fewest);
    assert_eq!(plan.waves.len(), 2, "nobody counts on room that is not free yet");
}

#[test]
fn a_budget_is_never_asked_for_more_than_it_allows() {
    let mut shapes = vec![shape(2, 1), shape(8, 1), shape(4, 1)];
    shapes[0].labels.insert("app".into(), "small".into());
    let places = [(0, Some(0)), (0, Some(0)), (0, Some(0)), (2, Some(1)), (2, Some(2)), (1, None)];
    let mut fleet = fleet(three(), shapes, &places);
    for pod in [3, 4] {
        fleet.pods[pod].keep = Some("keep=true".into());
    }
    fleet.budgets.push(Budget { namespace: "ml".into(), name: "pdb".into(), selector: Selector::default(), allowed: 2 });
    let plan = room_for(&fleet, 5).unwrap();
    assert_eq!(plan.waves.iter().map(|wave| wave.steps.len()).collect::<Vec<_>>(), [2, 1]);
    assert!(plan.fewest, "{}", plan.proof);
    fleet.budgets[0].allowed = 0;
    let plan = room_for(&fleet, 5).unwrap();
    assert_eq!(plan.node, None);
    assert_eq!(
        plan.nowhere,
        [
            (NoPlace::Held("a disruption budget allows no eviction now"), 1),
            (NoPlace::Held("a pod may not be evicted, by annotation or local storage"), 2),
        ]
        .into()
    );
}

#[test]
fn why_nothing_helps() {
    let mut nodes = three();
    nodes[0].unschedulable = true;
    nodes[1].labels.insert("model".into(), "b".into());
    nodes.push(node("n3", 4, 64));
    nodes.push(node("n4", 8, 64));
    let mut large = shape(8, 1);
    large.node_selector.insert("model".into(), "a".into());
    let mut fleet = fleet(nodes, vec![shape(1, 1), large, shape(5, 1)], &[(2, Some(2)), (2, Some(4)), (1, None)]);
    fleet.pods[0].keep = Some("keep=true".into());
    fleet.pods.push(Pod {
        node: Some(NodeId(1)),
        shape: plimsoll_fleet::ShapeId(2),
        name: "x".into(),
        phase: Phase::Running,
        ..fleet.pods[0].clone()
    });
    let plan = room_for(&fleet, 2).unwrap();
    let expected = [
        (NoPlace::Closed, 1),
        (NoPlace::KeptOut, 1),
        (NoPlace::TooSmall("nvidia.com/gpu".into()), 1),
        (NoPlace::Held("a pod may not be evicted, by annotation or local storage"), 1),
        (NoPlace::NoRoomElsewhere, 1),
    ];
    assert_eq!(plan.nowhere, expected.into());
}

#[test]
fn what_needs_no_search_is_said() {
    let all = fleet(three(), vec![shape(1, 1), shape(9, 1), shape(1, 65)], &[(0, Some(0)), (0, None), (1, None), (2, None)]);
    assert_eq!(room_for(&all, 0), Err(NothingToDo::Bound { pod: "ml/p000".into(), node: "n0".into() }));
    assert_eq!((room_for(&all, 1).unwrap().node, room_for(&all, 1).unwrap().waves.len()), (Some(NodeId(0)), 0));
    let says = |pod| room_for(&all, pod).unwrap_err().to_string();
    assert!(says(2).contains("it asks for 9 of nvidia.com/gpu, and the largest, n0, has 8"), "{}", says(2));
    assert!(says(3).contains("it asks for 65000m of cpu, and the largest, n0, has 64000m"), "{}", says(3));
    let (with, pod) = with_pod(&all, "ml", "new", plimsoll_fleet::ShapeId(0));
    assert!(room_for(&with, pod.0).unwrap().node.is_some());
}

#[test]
fn who_comes_before_is_counted() {
    let mut fleet = fleet(vec![node("n0", 8, 64)], vec![shape(2, 1), shape(8, 1)], &[(0, None), (0, None), (0, None)]);
    fleet.shapes[1].priority = 10;
    fleet.pods[0].shape = plimsoll_fleet::ShapeId(1);
    assert_eq!(room_for(&fleet, 2).unwrap().rivals, 2);
}

/// The fewest moves, by trying all of them, one after the other; none: more than `most`.
fn fewest(fleet: &Fleet, pod: PodId, rules: Rules, most: usize) -> Option<usize> {
    // As the plan does: what a waiting pod asks of the others' places holds, too.
    let mut all = fleet.clone();
    for pod in all.pods.iter_mut().filter(|pod| pod.waits()) {
        pod.node = Some(NodeId(0));
    }
    let terms = Terms::new(&all);
    let gpu = |node: NodeId| crate::pack::model::is_gpu_node(&fleet.nodes[node.index()]);
    let movable: Vec<PodId> = fleet
        .pods()
        .filter(|(id, of)| of.holds() && of.node.is_some_and(gpu) && may_move(fleet, rules, *id).is_ok())
        .map(|(id, _)| id)
        .collect();
    let mut level: BTreeSet<Vec<Option<NodeId>>> = BTreeSet::from([Replay::new(fleet).place]);
    for count in 0..=most {
        let mut next = BTreeSet::new();
        for place in level {
            let mut replay = Replay::new(fleet);
            replay.pods.iter_mut().for_each(Vec::clear);
            replay.place = place;
            for (id, at) in (0..).zip(replay.place.clone()) {
                if let Some(at) = at {
                    replay.pods[at.index()].push(PodId(id));
                }
            }
            if fleet.nodes().any(|(node, _)| replay.fits(pod, node).is_ok()) {
                return Some(count);
            }
            for &one in &movable {
                let Some(from) = replay.place[one.index()] else { continue };
                let home = fleet.pods[one.index()].node.unwrap();
                for (to, _) in fleet.nodes().filter(|(to, _)| *to != from) {
                    if (to == home || terms.allow(fleet, one, home, to)) && gpu(from) && replay.fits(one, to).is_ok() {
                        let mut place = replay.place.clone();
                        place[one.index()] = Some(to);
                        next.insert(place);
                    }
                }
            }
        }
        level = next;
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_fewest_moves_are_the_fewest(fleet in any_budgeted(), gpus in 1..9_u32, training in any::<bool>()) {
        let mut fleet = fleet;
        fleet.shapes.push(shape(gpus, 1));
        let (fleet, pod) = with_pod(&fleet, "ml", "zz", plimsoll_fleet::ShapeId(fleet.shapes.len() as u32 - 1));
        let Ok(plan) = defragment(&fleet, pod, &DefragmentOptions { move_training: training, price: &|_| None }) else { return Ok(()) };
        prop_assert_eq!(verify_defragment(&fleet, &plan), Ok(()));
        let fewest = fewest(&fleet, pod, plan.rules, 3);
        let found = plan.node.map(|_| moves(&plan).len());
        match (found, fewest) {
            (Some(found), Some(fewest)) => {
                prop_assert!(found >= fewest, "{} below the fewest, {}", found, fewest);
                prop_assert_eq!(plan.fewest, found <= 3);
                prop_assert!(!plan.fewest || found == fewest, "{} are called the fewest, {} are", found, fewest);
            }
            (Some(found), None) => prop_assert!(found > 3 && !plan.fewest),
            (None, fewest) => prop_assert!(fewest.is_none_or(|fewest| fewest > 2), "{:?}: {}", fewest, plan.proof),
        }
    }

    #[test]
    fn the_order_changes_no_answer(fleet in any_budgeted(), gpus in 1..9_u32, by in 0..5_usize) {
        let mut fleet = fleet;
        fleet.shapes.push(shape(gpus, 1));
        let (fleet, pod) = with_pod(&fleet, "ml", "zz", plimsoll_fleet::ShapeId(fleet.shapes.len() as u32 - 1));
        let mut turned = fleet.clone();
        let count = fleet.nodes.len();
        turned.nodes.rotate_left(by % count);
        turned.pods.reverse();
        for pod in &mut turned.pods {
            pod.node = pod.node.map(|node| NodeId(((node.index() + count - by % count) % count) as u32));
        }
        let told = |fleet: &Fleet, pod| defragment(fleet, pod, &DefragmentOptions { move_training: true, price: &|_| None }).map(|plan| {
            let node = |id: NodeId| fleet.nodes[id.index()].name.to_string();
            let moves: Vec<_> = moves(&plan).into_iter().map(|(pod, from, to)| (fleet.pods[pod as usize].name.to_string(), node(NodeId(from)), node(NodeId(to)))).collect();
            (plan.node.map(node), moves, plan.nowhere, plan.proof)
        });
        prop_assert_eq!(told(&fleet, pod), told(&turned, PodId(0)));
    }
}

/// A cost that is not known is more than any that is.
#[test]
fn what_costs_nobody_knows_how_much_moves_last() {
    let shapes = vec![shape(4, 1), shape(4, 2), shape(5, 1)];
    let mut fleet = fleet(vec![node("n0", 8, 64), node("n1", 8, 64)], shapes, &[(0, Some(0)), (1, Some(1)), (2, None)]);
    fleet.at = Timestamp(1_000);
    fleet.pods[0].workload = Some(WorkloadId(1));
    let plan = defragment(&fleet, PodId(2), &DefragmentOptions { move_training: true, price: &|_| None }).unwrap();
    assert_eq!(moves(&plan), [(1, 1, 0)]);
    assert_eq!(Costs::new(&fleet).of(PodId(0)).lost, None);
    assert_eq!(plan.waves[0].steps[0].cost.lost, Some(Seconds(0)));
}
