//! Pods and gangs on a small cluster with zones, taints, shared GPUs and rules, checked by counting anew after each step.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::pack::policy::Named;
use plimsoll_fleet::{
    node::{Effect, Gpu, Offer, Sharing, Taint},
    pod::{Affinity, Ask, Spread, Toleration},
    selector::{Operator, Requirement, Selector},
};
use proptest::prelude::*;

const ZONE: &str = "topology.kubernetes.io/zone";

fn node(at: u32) -> Node {
    let shared = at % 5 == 4;
    let gpus = if shared { 2 } else { 8 };
    let zone = ["a", "b", "c"][at as usize % 3];
    let name: Name = format!("node-{at}").into();
    Node {
        labels: [(ZONE, zone), ("kubernetes.io/hostname", &*name)].into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
        taints: if at.is_multiple_of(4) {
            vec![Taint { key: "team".into(), value: "x".into(), effect: Effect::NoSchedule }]
        } else {
            Vec::new()
        },
        ready: true,
        cpu: MilliCpu(64_000),
        memory: Bytes(256 << 30),
        max_pods: 20,
        offers: vec![Offer { resource: "nvidia.com/gpu".into(), count: 8, capacity: 8, dra: false }],
        gpus: vec![Gpu::default(); gpus],
        sharing: if shared { Sharing::TimeSliced { replicas: 4 } } else { Sharing::Whole },
        name,
        ..Node::default()
    }
}

fn nodes() -> Vec<Node> {
    (0..12).map(node).collect()
}

fn app(name: &str) -> Selector {
    Selector(vec![Requirement { key: "app".into(), operator: Operator::In, values: vec![name.into()] }])
}

fn shape(name: &str, gpus: u32) -> Shape {
    Shape {
        labels: [("app".into(), name.into())].into(),
        cpu: MilliCpu(4_000),
        memory: Bytes(8 << 30),
        asks: if gpus > 0 { vec![Ask { resource: "nvidia.com/gpu".into(), count: gpus, dra: false }] } else { Vec::new() },
        tolerations: if gpus.is_multiple_of(2) { vec![Toleration { key: None, value: None, effect: None }] } else { Vec::new() },
        ..Shape::default()
    }
}

/// One pod a node; one zone for all; evenly over zones; beside the pods of another; a host port; plain ones.
fn shapes() -> Vec<Shape> {
    let by = |topology: &str, name: &str| Affinity { topology: topology.into(), pods: app(name), namespaces: Vec::new() };
    vec![
        Shape { apart: vec![by("kubernetes.io/hostname", "alone")], ..shape("alone", 1) },
        Shape { near: vec![by(ZONE, "herd")], ..shape("herd", 2) },
        Shape { spread: vec![Spread { topology: ZONE.into(), pods: app("even"), max_skew: 1 }], ..shape("even", 1) },
        Shape { near: vec![by("kubernetes.io/hostname", "herd")], ..shape("friend", 0) },
        Shape { host_ports: vec![8080], ..shape("port", 0) },
        shape("plain", 4),
        shape("one", 1),
    ]
}

fn site(nodes: &[Node], shapes: &[Shape]) -> Site {
    let wants: Vec<Want<'_>> = shapes.iter().map(|shape| Want { namespace: "ns".into(), shape, expected: 10 }).collect();
    Site::new(nodes, &wants, &[ZONE.into()], Parting::Fixed)
}

/// Everything that must hold of what is placed, by counting over the pods and nothing else.
fn check(nodes: &[Node], shapes: &[Shape], seats: &[Seat]) {
    let label = |seat: &Seat| &*shapes[seat.want as usize].labels["app"];
    let zone = |seat: &Seat| &*nodes[seat.place.node as usize].labels[ZONE];
    for (at, node) in (0..).zip(nodes) {
        let here: Vec<&Seat> = seats.iter().filter(|seat| seat.place.node == at).collect();
        assert!(here.len() <= node.max_pods as usize);
        assert!(here.iter().map(|seat| shapes[seat.want as usize].cpu.0).sum::<u64>() <= node.cpu.0);
        let asked: u32 = here.iter().flat_map(|seat| &shapes[seat.want as usize].asks).map(|ask| ask.count).sum();
        assert!(asked <= node.offers[0].count, "{asked} of {}", node.name);
        assert!(here.iter().all(|seat| shapes[seat.want as usize].may_go(node)));
        let count = |name: &str| here.iter().filter(|seat| label(seat) == name).count();
        assert!(count("alone") <= 1 && count("port") <= 1);
    }
    let zones = |name: &str| -> Vec<usize> {
        ["a", "b", "c"].map(|of| seats.iter().filter(|seat| label(seat) == name && zone(seat) == of).count()).into()
    };
    assert!(zones("herd").iter().filter(|count| **count > 0).count() <= 1, "the herd is in one zone");
}

fn any_policy() -> impl Strategy<Value = Named> {
    prop::sample::select(Named::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rules_hold_whatever_comes_and_goes(policy in any_policy(), steps in prop::collection::vec((0_u32..7, any::<bool>(), any::<u64>()), 1..120)) {
        let (nodes, shapes) = (nodes(), shapes());
        let site = site(&nodes, &shapes);
        let mut placement = site.placement(policy);
        let mut seats: Vec<Seat> = Vec::new();
        for (want, leave, draw) in steps {
            let even = |seats: &[Seat]| -> Vec<usize> {
                ["a", "b", "c"].map(|zone| seats.iter().filter(|seat| seat.want == 2 && &*nodes[seat.place.node as usize].labels[ZONE] == zone).count()).into()
            };
            if leave && !seats.is_empty() {
                // Friends stay only while their herd does: as in a cluster, a rule is looked at when a pod comes.
                placement.give_back(seats.swap_remove(draw as usize % seats.len()));
            } else if let Some(seat) = placement.place(want, draw) {
                if want == 3 {
                    prop_assert!(seats.iter().any(|other| other.want == 1 && other.place.node == seat.place.node));
                }
                if want == 2 {
                    let before = even(&seats);
                    let zone = ["a", "b", "c"].iter().position(|zone| **zone == *nodes[seat.place.node as usize].labels[ZONE]).unwrap();
                    prop_assert!(before[zone] < before.iter().min().unwrap() + 1);
                }
                seats.push(seat);
            }
            check(&nodes, &shapes, &seats);
        }
        for seat in seats.drain(..) {
            placement.give_back(seat);
        }
        prop_assert_eq!(placement.allocated_milli(), 0);
        let fresh = site.placement(policy);
        prop_assert_eq!(placement.fragmented_milli(), fresh.fragmented_milli());
        prop_assert!((0..site.nodes()).all(|node| placement.state(node) == fresh.state(node)));
    }

    /// A gang comes whole or not at all, and where it asks to be together it is.
    #[test]
    fn gangs_are_all_or_nothing(policy in any_policy(), gangs in prop::collection::vec((1_u32..6, 0_u32..4, any::<bool>(), any::<bool>()), 1..20)) {
        let (nodes, shapes) = (nodes(), shapes());
        let site = site(&nodes, &shapes);
        let mut placement = site.placement(policy);
        let mut seats: Vec<Seat> = Vec::new();
        for (large, small, together, inner) in gangs {
            let within: Option<Name> = Some(ZONE.into());
            let part = Group { pods: vec![(5, large)], within: within.clone(), groups: Vec::new() };
            let group = if inner {
                Group { pods: vec![(6, small)], within: within.filter(|_| together), groups: vec![part.clone(), part] }
            } else {
                Group { pods: vec![(5, large), (6, small)], within: within.filter(|_| together), groups: Vec::new() }
            };
            let before = (placement.allocated_milli(), placement.fragmented_milli());
            match placement.place_group(&group, 1) {
                Some(new) => {
                    let zones = |want: u32| -> Vec<&str> {
                        let mut zones: Vec<&str> = new.iter().filter(|seat| seat.want == want).map(|seat| &*nodes[seat.place.node as usize].labels[ZONE]).collect();
                        zones.sort_unstable();
                        zones.dedup();
                        zones
                    };
                    prop_assert_eq!(new.len() as u32, (large * if inner { 2 } else { 1 }) + small);
                    if together {
                        let both: std::collections::BTreeSet<&str> = zones(5).into_iter().chain(zones(6)).collect();
                        prop_assert!(both.len() <= 1);
                    }
                    if inner {
                        prop_assert!(zones(5).len() <= 2);
                    }
                    seats.extend(new);
                }
                None => prop_assert_eq!(before, (placement.allocated_milli(), placement.fragmented_milli())),
            }
            check(&nodes, &shapes, &seats);
        }
    }
}

/// The same pod takes a whole GPU on one node and a quarter on another, and the quarter is tried first.
#[test]
fn a_gpu_is_what_the_node_says() {
    let (nodes, shapes) = (nodes(), shapes());
    let site = site(&nodes, &shapes);
    let mut placement = site.placement(Named::Plimsoll);
    let seat = placement.place(6, 0).unwrap();
    assert!(matches!(nodes[seat.place.node as usize].sharing, Sharing::TimeSliced { .. }));
    assert_eq!(placement.allocated_milli(), 250);
}

#[test]
fn what_fits_nowhere_is_told_with_the_most_that_there_is() {
    let nodes = nodes();
    let why = |shape: &Shape| misfit(&nodes, shape, Parting::Fixed).map(|why| why.to_string());
    assert_eq!(why(&shape("one", 1)), None);
    assert_eq!(why(&shape("big", 9)).unwrap(), "it asks for 9 GPUs; the most on a node that lets it in is 8");
    assert_eq!(
        why(&Shape { cpu: MilliCpu(65_000), ..shape("cpu", 1) }).unwrap(),
        "it asks for 65 CPUs; the most on a node that lets it in is 64"
    );
    let elsewhere = Shape { node_selector: [(ZONE.into(), "z".into())].into(), ..shape("zone", 1) };
    assert_eq!(why(&elsewhere).unwrap(), "no node lets it in: its selector, affinity or tolerations match none of 12 nodes");
    let tpu = Shape { asks: vec![Ask { resource: "google.com/tpu".into(), count: 4, dra: false }], ..shape("tpu", 0) };
    assert_eq!(why(&tpu).unwrap(), "no node that lets it in offers 4 google.com/tpu in a way that can be counted");
}

fn h100s(layout: &str) -> Node {
    let mut node = Node {
        gpu_product: Some("NVIDIA-H100-80GB-HBM3".into()),
        gpu_memory: Some(Bytes::from_mib(81_559)),
        sharing: Sharing::MigMixed,
        offers: Vec::new(),
        taints: Vec::new(),
        gpus: vec![Gpu::default(); 4],
        ..node(1)
    };
    let board = plimsoll_fleet::mig::board("NVIDIA-H100-80GB-HBM3", node.gpu_memory).unwrap();
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for placement in crate::pack::mig::layout_named(&board, layout).unwrap() {
        *counts.entry(board.table.slots[placement.slot].name_on(8, board.memory).to_string()).or_default() += 4;
    }
    let offer = |(name, count): (String, u32)| Offer {
        resource: plimsoll_fleet::resource::mig_resource(&name),
        count,
        capacity: count,
        dra: false,
    };
    node.offers = counts.into_iter().map(offer).collect();
    node
}

/// A fixed layout gives what stands there and no more; an open GPU gives whatever its slices can make.
#[test]
fn instances_are_those_that_stand_there_unless_they_are_made_at_need() {
    let nodes = [h100s("all-balanced")];
    let slice = |profile: &str| Shape {
        asks: vec![Ask { resource: format!("nvidia.com/mig-{profile}").into(), count: 1, dra: false }],
        ..Shape::default()
    };
    let shapes = [slice("1g.10gb"), slice("2g.20gb"), slice("3g.40gb"), slice("7g.80gb"), slice("4g.40gb")];
    let wants: Vec<Want<'_>> = shapes.iter().map(|shape| Want { namespace: "ns".into(), shape, expected: 1 }).collect();
    let placed = |parting, want: u32| {
        let site = Site::new(&nodes, &wants, &[], parting);
        let mut placement = site.placement(Named::Plimsoll);
        (0..40).map_while(|_| site.can_hold(want).then(|| placement.place(want, 0)).flatten()).count()
    };
    assert_eq!((0..5).map(|want| placed(Parting::Fixed, want)).collect::<Vec<_>>(), [8, 4, 4, 0, 0]);
    assert_eq!((0..5).map(|want| placed(Parting::Open, want)).collect::<Vec<_>>(), [20, 12, 8, 4, 4]);
}
