#![allow(clippy::unwrap_used)]

use super::{verify::Terms, *};
use plimsoll_fleet::{
    Bytes, MilliCpu, Node, Pod, Shape, ShapeId, Workload, WorkloadId,
    fleet::Budget,
    node::{Effect, Gpu, Offer, Taint},
    pod::{Affinity, Ask, Phase, Spread, Toleration},
    selector::{Operator, Requirement, Selector},
};
use proptest::prelude::*;

const GPU: &str = "nvidia.com/gpu";
const MIG: &str = "nvidia.com/mig-1g.10gb";
const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";

pub(super) fn node(name: &str, gpus: u32, cpu: u64) -> Node {
    Node {
        name: name.into(),
        labels: [(HOST, name), (ZONE, "z1"), ("model", "a")].map(|(key, value)| (key.into(), value.into())).into(),
        ready: true,
        cpu: MilliCpu(cpu * 1000),
        memory: Bytes(64 << 30),
        max_pods: 110,
        offers: if gpus > 0 { vec![Offer { resource: GPU.into(), count: gpus, capacity: gpus, dra: false }] } else { vec![] },
        gpus: vec![Gpu::default(); gpus as usize],
        ..Node::default()
    }
}

pub(super) fn shape(gpus: u32, cpu: u64) -> Shape {
    Shape {
        labels: [("app".into(), format!("g{gpus}c{cpu}").as_str().into())].into(),
        cpu: MilliCpu(cpu * 1000),
        memory: Bytes(1 << 30),
        asks: if gpus > 0 { vec![Ask { resource: GPU.into(), count: gpus, dra: false }] } else { vec![] },
        ..Shape::default()
    }
}

/// The pods are (shape, node), all of one Deployment that is workload 0.
pub(super) fn fleet(nodes: Vec<Node>, shapes: Vec<Shape>, pods: &[(u32, Option<u32>)]) -> Fleet {
    let pods = pods.iter().enumerate().map(|(index, &(shape, node))| Pod {
        namespace: "ml".into(),
        name: format!("p{index:03}").as_str().into(),
        shape: ShapeId(shape),
        workload: Some(WorkloadId(0)),
        node: node.map(NodeId),
        phase: if node.is_some() { Phase::Running } else { Phase::Pending },
        ..Pod::default()
    });
    let owner = |kind: &str, name: &str| Workload { kind: kind.into(), namespace: "ml".into(), name: name.into(), ..Workload::default() };
    let workloads = vec![owner("Deployment", "serve"), owner("PyTorchJob", "run"), owner("Pod", "bare")];
    Fleet { nodes, shapes, pods: pods.collect(), workloads, ..Fleet::default() }
}

fn pack(fleet: &Fleet) -> Packing {
    pack_with(fleet, &[])
}

fn pack_with(fleet: &Fleet, headroom: &[(&str, u32)]) -> Packing {
    fleet.check().unwrap();
    let headroom = headroom.iter().map(|(pool, gpus)| ((*pool).to_owned(), *gpus)).collect();
    let price = |node: NodeId| Some(MoneyPerHour::from_units(fleet.nodes[node.index()].gpus.len() as f64));
    let packing = consolidate(fleet, &PackOptions { headroom: &headroom, move_training: false, price: &price });
    verify(fleet, &packing).unwrap();
    packing
}

fn counts(packing: &Packing) -> (u32, u32, u32) {
    (packing.nodes_now, packing.nodes_needed, packing.lower_bound)
}

pub(super) fn three() -> Vec<Node> {
    vec![node("n0", 8, 64), node("n1", 8, 64), node("n2", 8, 64)]
}

#[test]
fn a_fleet_without_nodes_needs_none() {
    assert_eq!(counts(&pack(&Fleet::default())), (0, 0, 0));
}

#[test]
fn half_full_nodes_are_joined_and_empty_ones_go() {
    let packing = pack(&fleet(three(), vec![shape(4, 8)], &[(0, Some(0)), (0, Some(2))]));
    assert_eq!(counts(&packing), (3, 1, 1));
    assert_eq!(packing.moves.len(), 1);
}

#[test]
fn two_pods_of_five_gpus_never_share_a_node_and_the_bound_knows() {
    let packing = pack(&fleet(three(), vec![shape(5, 8)], &[(0, Some(0)), (0, Some(1)), (0, Some(2))]));
    assert_eq!(counts(&packing), (3, 3, 3));
    assert!(packing.bound_how.contains("programme"), "{}", packing.bound_how);
    assert!(packing.kept.iter().all(|(_, why)| matches!(why, KeptReason::NoRoom { .. })));
}

#[test]
fn what_may_not_move_keeps_its_node_and_says_why() {
    let mut fleet = fleet(three(), vec![shape(1, 1)], &[(0, Some(0)), (0, Some(1)), (0, Some(2))]);
    fleet.pods[0].workload = None;
    fleet.pods[1].workload = Some(WorkloadId(1));
    fleet.nodes[2].keep = Some("do-not-disrupt=true".into());
    let packing = pack(&fleet);
    assert_eq!(counts(&packing), (3, 3, 3));
    let why: Vec<&KeptReason> = packing.kept.iter().map(|(_, why)| why).collect();
    assert_eq!(why[0], &KeptReason::Pod { pod: PodId(0), why: Pinned::NoController });
    assert_eq!(why[1], &KeptReason::Pod { pod: PodId(1), why: Pinned::Training });
    assert_eq!(why[2], &KeptReason::Annotated("do-not-disrupt=true".into()));
}

#[test]
fn a_budget_without_allowance_pins_and_one_with_it_does_not() {
    let mut fleet = fleet(three(), vec![shape(1, 1)], &[(0, Some(0)), (0, Some(1)), (0, Some(2))]);
    fleet.budgets.push(Budget { namespace: "ml".into(), name: "pdb".into(), selector: Selector::default(), allowed: 1 });
    assert_eq!(pack(&fleet).nodes_needed, 1);
    fleet.budgets[0].allowed = 0;
    let packing = pack(&fleet);
    assert_eq!(counts(&packing), (3, 3, 3));
    assert!(matches!(&packing.kept[0].1, KeptReason::Pod { why: Pinned::Budget(name), .. } if &**name == "pdb"));
}

#[test]
fn a_waiting_pod_that_fits_keeps_its_room_and_one_that_does_not_holds_nothing_up() {
    let shapes = vec![shape(4, 8), shape(16, 8)];
    let packing = pack(&fleet(three(), shapes.clone(), &[(0, Some(0)), (0, Some(1)), (0, None), (1, None)]));
    assert_eq!(counts(&packing), (3, 2, 2));
    assert_eq!(packing.reserved.len(), 1);
    assert_eq!(counts(&pack(&fleet(three(), shapes, &[(0, Some(0)), (0, Some(1)), (1, None)]))), (3, 1, 1));
}

#[test]
fn headroom_is_kept_free_by_pool() {
    let fleet = fleet(three(), vec![shape(4, 8)], &[(0, Some(0)), (0, Some(2))]);
    assert_eq!(pack_with(&fleet, &[("*", 4)]).nodes_needed, 2);
    let packing = pack_with(&fleet, &[("*", 16)]);
    assert_eq!(counts(&packing), (3, 3, 1));
    assert!(packing.kept.iter().any(|(_, why)| *why == KeptReason::Headroom));
}

#[test]
fn what_comes_with_the_node_and_what_is_being_deleted_moves_nowhere() {
    let mut fleet = fleet(three(), vec![shape(0, 1), shape(8, 8)], &[(0, Some(0)), (1, Some(1)), (1, Some(2))]);
    fleet.pods[0].of_node = true;
    fleet.pods[1].deleting = true;
    let packing = pack(&fleet);
    assert_eq!(counts(&packing), (3, 1, 1));
    assert!(packing.moves.is_empty());
}

#[test]
fn a_pod_without_accelerators_leaves_for_a_node_without_them() {
    let nodes = vec![node("cpu", 0, 64), node("n1", 8, 64)];
    let packing = pack(&fleet(nodes, vec![shape(0, 4)], &[(0, Some(1))]));
    assert_eq!(counts(&packing), (1, 0, 0));
    assert_eq!(packing.moves, [Move { pod: PodId(0), from: NodeId(1), to: NodeId(0) }]);
}

pub(super) fn like(app: &str) -> Selector {
    Selector(vec![Requirement { key: "app".into(), operator: Operator::In, values: vec![app.into()] }])
}

#[test]
fn anti_affinity_by_host_is_kept_exactly() {
    let mut apart = shape(1, 1);
    apart.apart.push(Affinity { topology: HOST.into(), pods: like("g1c1"), namespaces: vec![] });
    let packing = pack(&fleet(three(), vec![apart, shape(2, 1)], &[(0, Some(0)), (0, Some(1)), (1, Some(2))]));
    assert_eq!(packing.nodes_needed, 2);
}

#[test]
fn nobody_moves_next_to_a_pod_that_wants_to_be_apart_from_them() {
    let mut alone = shape(1, 1);
    alone.apart.push(Affinity { topology: HOST.into(), pods: like("g2c1"), namespaces: vec![] });
    let mut fleet = fleet(three(), vec![alone, shape(2, 1)], &[(0, Some(0)), (1, Some(1)), (1, Some(2))]);
    assert_eq!(pack(&fleet).nodes_needed, 2);
    // It stays, and so does one other.
    fleet.pods[0].keep = Some("safe-to-evict=false".into());
    assert_eq!(pack(&fleet).nodes_needed, 2);
}

#[test]
fn what_is_spread_over_zones_stays_in_its_zone() {
    let mut spread = shape(1, 1);
    spread.spread.push(Spread { topology: ZONE.into(), pods: like("g1c1"), max_skew: 1 });
    let mut nodes = three();
    nodes.push(node("n3", 8, 64));
    for node in &mut nodes[2..] {
        node.labels.insert(ZONE.into(), "z2".into());
    }
    let packing = pack(&fleet(nodes.clone(), vec![spread.clone()], &[(0, Some(0)), (0, Some(1)), (0, Some(2)), (0, Some(3))]));
    assert_eq!(packing.nodes_needed, 2);
    assert_eq!(packing.moves.len(), 2);
    // With two in one zone and none in the other an evicted pod would not be let in where it was.
    let packing = pack(&fleet(nodes, vec![spread], &[(0, Some(0)), (0, Some(1))]));
    assert_eq!(counts(&packing), (4, 2, 2));
    assert!(packing.moves.is_empty());
}

/// On a node that is not ready in z0 runs a pod with a host port; one that waits, and fits in z1 only, wants the two spread over the
/// zones. That wish binds nobody yet: the bound was once 2 here, above the optimum.
#[test]
fn what_a_waiting_pod_wants_of_the_places_of_others_ties_nobody() {
    let mut nodes = vec![node("n0", 4, 13), node("n1", 4, 11)];
    nodes[0].labels.insert(ZONE.into(), "z0".into());
    nodes[0].ready = false;
    let mut ported = shape(1, 4);
    ported.host_ports.push(80);
    let mut spread = shape(1, 4);
    spread.spread.push(Spread { topology: ZONE.into(), pods: like("g1c4"), max_skew: 1 });
    let mut fleet = fleet(nodes, vec![ported, spread], &[(0, Some(0)), (1, None)]);
    let packing = pack(&fleet);
    assert_eq!(counts(&packing), (2, 1, 1));
    assert_eq!(packing.reserved, [Reservation { pod: PodId(1), node: NodeId(1) }]);
    // The same wish of a pod that runs does.
    fleet.pods[1].node = Some(NodeId(1));
    fleet.pods[1].phase = Phase::Running;
    assert_eq!(counts(&pack(&fleet)), (2, 2, 2));
}

#[test]
fn devices_behind_dra_are_counted_once_whatever_name_they_are_asked_by() {
    let class = "gpu.nvidia.com";
    let mut nodes = vec![node("n0", 4, 64), node("n1", 4, 64)];
    for node in &mut nodes {
        node.offers = [GPU, class].map(|name| Offer { resource: name.into(), count: 4, capacity: 4, dra: true }).into();
    }
    let mut claims = shape(2, 1);
    claims.asks[0] = Ask { resource: class.into(), count: 2, dra: true };
    assert_eq!(pack(&fleet(nodes.clone(), vec![claims.clone(), shape(2, 1)], &[(0, Some(0)), (1, Some(1))])).nodes_needed, 1);
    // Each name alone would have room for all of it.
    assert_eq!(pack(&fleet(nodes, vec![claims, shape(3, 1)], &[(0, Some(0)), (1, Some(1))])).nodes_needed, 2);
}

#[test]
fn a_pod_that_must_step_aside_goes_by_way_of_a_node_that_goes() {
    // 5 + 3 and 4 + 2 + 2 fill two nodes; as they lie, no node can be emptied, and neither of two pods can go first.
    let shapes = vec![shape(5, 1), shape(4, 1), shape(3, 1), shape(2, 1)];
    let packing = pack(&fleet(three(), shapes, &[(1, Some(0)), (2, Some(0)), (0, Some(1)), (3, Some(1)), (3, Some(2))]));
    assert_eq!(counts(&packing), (3, 2, 2));
    let pods: std::collections::BTreeSet<PodId> = packing.moves.iter().map(|step| step.pod).collect();
    assert_eq!(pods.len() + 1, packing.moves.len(), "one pod moves twice");
}

#[test]
fn the_check_sees_what_a_plan_must_not_do() {
    let fleet = fleet(three(), vec![shape(5, 8)], &[(0, Some(0)), (0, Some(1)), (0, Some(2))]);
    let good = pack(&fleet);
    let overfull = Packing { moves: vec![Move { pod: PodId(0), from: NodeId(0), to: NodeId(1) }], ..good.clone() };
    assert!(matches!(verify(&fleet, &overfull), Err(Violation::DoesNotFit { .. })));
    let mut left = good.clone();
    left.nodes_that_can_go.push(left.kept.remove(0).0);
    (left.nodes_needed, left.lower_bound) = (2, 2);
    assert!(matches!(verify(&fleet, &left), Err(Violation::LeftBehind { .. })));
    assert!(matches!(verify(&fleet, &Packing { nodes_needed: 2, ..good }), Err(Violation::Count { .. })));
}

/// The fewest accelerator nodes with which everything could still run, by trying everything. The order of the moves is
/// not asked for, so it may be below what any plan reaches, never above.
fn optimum(fleet: &Fleet, packing: &Packing) -> u32 {
    let gpu: Vec<usize> = (0..fleet.nodes.len()).filter(|&node| model::is_gpu_node(&fleet.nodes[node])).collect();
    let terms = Terms::new(fleet);
    let mut most = 0;
    for subset in 0_u32..1 << gpu.len() {
        let gone: Vec<bool> = (0..fleet.nodes.len())
            .map(|node| gpu.iter().position(|&other| other == node).is_some_and(|at| subset >> at & 1 == 1))
            .collect();
        if subset.count_ones() <= most || (0..gone.len()).any(|node| gone[node] && fleet.nodes[node].keep.is_some()) {
            continue;
        }
        let mut place: Vec<Option<usize>> = fleet.pods.iter().map(|pod| pod.node.filter(|_| pod.holds()).map(NodeId::index)).collect();
        let mut to_place: Vec<usize> = packing.reserved.iter().map(|reserved| reserved.pod.index()).collect();
        for (id, pod) in fleet.pods() {
            let on_gpu = place[id.index()].is_some_and(|node| gpu.contains(&node));
            if on_gpu && !pod.of_node && !pod.deleting && verify::may_move(fleet, packing.rules, id).is_ok() {
                to_place.push(id.index());
            }
        }
        // What cannot move keeps its node.
        let stuck = fleet.pods().any(|(id, pod)| {
            place[id.index()].is_some_and(|node| gone[node]) && !pod.of_node && !pod.deleting && !to_place.contains(&id.index())
        });
        if !stuck && search(fleet, &terms, &gone, &to_place, &mut place) {
            most = subset.count_ones();
        }
    }
    gpu.len() as u32 - most
}

fn search(fleet: &Fleet, terms: &Terms<'_>, gone: &[bool], to_place: &[usize], place: &mut Vec<Option<usize>>) -> bool {
    let Some((&pod, rest)) = to_place.split_first() else { return ends_well(fleet, gone, place) };
    let before = place[pod];
    let home = fleet.pods[pod].node.filter(|_| fleet.pods[pod].holds());
    for node in (0..fleet.nodes.len()).filter(|&node| !gone[node]) {
        let stays = before == Some(node);
        let on = &fleet.nodes[node];
        let lets_in = || on.takes_pods() && fleet.shape(&fleet.pods[pod]).may_go(on);
        let allowed = || home.is_none_or(|home| terms.allow(fleet, PodId(pod as u32), home, NodeId(node as u32)));
        if !(stays || lets_in() && allowed()) {
            continue;
        }
        place[pod] = Some(node);
        if search(fleet, terms, gone, rest, place) {
            return true;
        }
    }
    place[pod] = before;
    false
}

fn asked(shape: &Shape, resource: &str) -> u64 {
    shape.asks.iter().filter(|ask| &*ask.resource == resource).map(|ask| u64::from(ask.count)).sum()
}

/// Has every pod that came to a node room there at the end?
fn ends_well(fleet: &Fleet, gone: &[bool], place: &[Option<usize>]) -> bool {
    (0..fleet.nodes.len()).filter(|&node| !gone[node]).all(|node| {
        let on = &fleet.nodes[node];
        let here: Vec<usize> = (0..place.len()).filter(|&pod| place[pod] == Some(node)).collect();
        let shape = |pod: usize| fleet.shape(&fleet.pods[pod]);
        let came = here.iter().filter(|&&pod| fleet.pods[pod].node != Some(NodeId(node as u32)));
        came.into_iter().all(|&pod| {
            let fits =
                |of: &dyn Fn(&Shape) -> u64, room: u64| of(shape(pod)) == 0 || here.iter().map(|&pod| of(shape(pod))).sum::<u64>() <= room;
            let ports = |other: usize| other != pod && shape(other).host_ports.iter().any(|port| shape(pod).host_ports.contains(port));
            fits(&|shape| shape.cpu.0, on.cpu.0)
                && fits(&|shape| shape.memory.0, on.memory.0)
                && [GPU, MIG].into_iter().all(|resource| fits(&|shape| asked(shape, resource), on.offered(resource).into()))
                && here.len() <= on.max_pods as usize
                && !here.iter().any(|&other| ports(other))
        })
    })
}

prop_compose! {
    fn any_node()(gpus in prop_oneof![Just(0_u32), Just(4), Just(8), Just(8)], cpu in 8..33_u64, pods in 2..7_u32, zone in 0..2, model in 0..2,
                  odds in 0..100) -> Node {
        let mut node = node("", gpus, cpu);
        node.max_pods = pods;
        node.labels.insert(ZONE.into(), format!("z{zone}").as_str().into());
        node.labels.insert("model".into(), if model == 0 { "a" } else { "b" }.into());
        node.keep = (odds < 5).then(|| "keep=true".into());
        node.unschedulable = (5..12).contains(&odds);
        node.ready = !(12..16).contains(&odds);
        if (50..70).contains(&odds) && gpus > 0 {
            node.offers.push(Offer { resource: MIG.into(), count: 3, capacity: 3, dra: false });
        }
        if (16..30).contains(&odds) {
            node.taints.push(Taint { key: GPU.into(), value: "".into(), effect: Effect::NoSchedule });
        }
        node
    }
}

prop_compose! {
    fn any_shape()(gpus in 0..6_u32, cpu in 0..12_u64, odds in 0..100, tolerates in any::<bool>()) -> Shape {
        let mut shape = shape(gpus, cpu);
        let app = shape.labels.values().next().unwrap().clone();
        match odds {
            0..15 => { shape.node_selector.insert("model".into(), "a".into()); }
            15..25 => shape.host_ports.push(80),
            25..35 => shape.apart.push(Affinity { topology: HOST.into(), pods: like(&app), namespaces: vec![] }),
            35..42 => shape.spread.push(Spread { topology: ZONE.into(), pods: like(&app), max_skew: 1 }),
            46..60 => shape.asks = vec![Ask { resource: MIG.into(), count: 1 + gpus / 4, dra: false }],
            42..46 => shape.near.push(Affinity { topology: ZONE.into(), pods: like(&app), namespaces: vec![] }),
            _ => {}
        }
        if tolerates {
            shape.tolerations.push(Toleration { key: None, value: None, effect: None });
        }
        shape
    }
}

prop_compose! {
    pub(super) fn any_fleet()(nodes in prop::collection::vec(any_node(), 1..5), shapes in prop::collection::vec(any_shape(), 1..4))
                  (pods in prop::collection::vec((0..shapes.len() as u32, 0..nodes.len() as u32 + 1, 0..100), 0..7),
                   nodes in Just(nodes), shapes in Just(shapes)) -> Fleet {
        let mut nodes = nodes;
        for (index, node) in nodes.iter_mut().enumerate() {
            node.name = format!("n{index}").as_str().into();
            node.labels.insert(HOST.into(), node.name.clone());
        }
        let places: Vec<(u32, Option<u32>)> =
            pods.iter().map(|&(shape, node, _)| (shape, (node < nodes.len() as u32).then_some(node))).collect();
        let mut fleet = fleet(nodes, shapes, &places);
        for (pod, (_, _, odds)) in fleet.pods.iter_mut().zip(pods) {
            match odds {
                0..5 => pod.workload = None,
                5..8 => pod.workload = Some(WorkloadId(1)),
                8..11 => pod.keep = Some("safe-to-evict=false".into()),
                11..16 => pod.of_node = pod.node.is_some(),
                16..19 => pod.deleting = true,
                _ => {}
            }
        }
        fleet
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_bound_is_below_the_optimum_and_the_plan_above_it(fleet in any_fleet()) {
        let packing = pack(&fleet);
        let optimum = optimum(&fleet, &packing);
        prop_assert!(packing.lower_bound <= optimum, "bound {} above the optimum {optimum}", packing.lower_bound);
        prop_assert!(optimum <= packing.nodes_needed, "plan {} below the optimum {optimum}", packing.nodes_needed);
        prop_assert!(packing.nodes_needed <= packing.nodes_now);
    }

    #[test]
    fn the_order_of_nodes_and_pods_changes_nothing(fleet in any_fleet(), by in 0..5_usize) {
        let mut turned = fleet.clone();
        let count = fleet.nodes.len();
        turned.nodes.rotate_left(by % count);
        turned.pods.reverse();
        for pod in &mut turned.pods {
            pod.node = pod.node.map(|node| NodeId(((node.index() + count - by % count) % count) as u32));
        }
        let names = |fleet: &Fleet, packing: &Packing| -> Vec<String> {
            let gone = packing.nodes_that_can_go.iter().map(|node| fleet.nodes[node.index()].name.to_string());
            let moves = packing.moves.iter().map(|step| format!("{}>{}", fleet.pods[step.pod.index()].name, fleet.nodes[step.to.index()].name));
            gone.chain(moves).collect()
        };
        let (one, other) = (pack(&fleet), pack(&turned));
        prop_assert_eq!(counts(&one), counts(&other));
        prop_assert_eq!(names(&fleet, &one), names(&turned, &other));
    }
}
