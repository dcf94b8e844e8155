//! What must hold of every policy, and of ours.

#![allow(clippy::unwrap_used)]

use super::*;
use plimsoll_fleet::{Bytes, MilliCpu};
use proptest::prelude::*;
use state::FULL;

fn node(model: &str, cpu: u64, gpus: u8) -> NodeKind {
    NodeKind { model: model.into(), cpu: MilliCpu(cpu), memory: Bytes::from_mib(cpu * 4), gpus, pods: 110, mig: None }
}

fn pod(cpu: u64, gpus: Gpus, allowed: &[bool]) -> PodKind {
    PodKind { cpu: MilliCpu(cpu), memory: Bytes::from_mib(cpu * 2), gpus, wording: "".into(), allowed: allowed.into() }
}

fn kinds() -> Vec<NodeKind> {
    vec![node("A", 96_000, 8), node("B", 64_000, 4), node("C", 16_000, 1)]
}

fn pods() -> Vec<PodKind> {
    let all = [true; 3];
    vec![
        pod(4_000, Gpus::None, &all),
        pod(4_000, Gpus::Share(250), &all),
        pod(3_000, Gpus::Share(810), &all),
        pod(11_000, Gpus::Whole(1), &all),
        pod(12_000, Gpus::Share(470), &[false, true, false]),
        pod(90_000, Gpus::Whole(8), &all),
        pod(30_000, Gpus::Whole(2), &all),
    ]
}

fn mix() -> Mix {
    Mix::new(pods().into_iter().zip([20, 30, 40, 50, 10, 2, 3]).collect())
}

fn spots() -> Vec<Spot> {
    (0..20).map(|at| Spot { kind: [0, 0, 1, 2][at as usize % 4], rank: (at * 7) % 20 }).collect()
}

fn placer(policy: Named, spots: &[Spot]) -> Placer {
    let kinds = kinds();
    let counts: Vec<u32> = (0..3).map(|kind| spots.iter().filter(|spot| spot.kind == kind).count() as u32).collect();
    Placer::new(&kinds, spots, &pods(), policy.policy(Supply { kinds: &kinds, counts: &counts }, &mix()))
}

/// What a run comes to, told without the names of nodes: how the GPUs of each kind of node are filled.
fn filled(placer: &Placer, nodes: u32) -> Vec<(u16, MilliCpu, [Device; DEVICES_MAX])> {
    let mut filled: Vec<_> = (0..nodes).map(|node| placer.state(node)).map(|state| (state.kind, state.cpu, state.profile())).collect();
    filled.sort_unstable();
    filled
}

fn any_policy() -> impl Strategy<Value = Named> {
    prop::sample::select(Named::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever comes and goes, a place is found exactly where there is room, nothing is given twice, and what is given back is free.
    #[test]
    fn never_more_than_there_is(policy in any_policy(), steps in prop::collection::vec((0_usize..7, any::<bool>(), any::<u64>()), 1..300)) {
        let spots = spots();
        let pods = pods();
        let mut placer = placer(policy, &spots);
        let mut placed: Vec<(usize, Place)> = Vec::new();
        for (kind, leave, draw) in steps {
            if leave && !placed.is_empty() {
                let (kind, place) = placed.swap_remove(draw as usize % placed.len());
                placer.give_back(kind, place);
                continue;
            }
            let has_room = (0..spots.len() as u32).any(|node| {
                let state = placer.state(node);
                state.fits(&pods[kind]) && state.memory >= pods[kind].memory
            });
            let place = placer.choose(kind, draw);
            prop_assert_eq!(place.is_some(), has_room);
            if let Some(place) = place {
                placer.take(kind, place);
                placed.push((kind, place));
            }
        }
        let kinds = kinds();
        for (node, spot) in (0..).zip(&spots) {
            let kind = &kinds[usize::from(spot.kind)];
            let mut taken = [0_u64; DEVICES_MAX];
            let (mut cpu, mut memory) = (0, 0);
            for (pod, place) in placed.iter().filter(|(_, place)| place.node == node) {
                let pod = &pods[*pod];
                prop_assert!(pod.allowed[usize::from(spot.kind)]);
                cpu += pod.cpu.0;
                memory += pod.memory.0;
                let (each, count) = match pod.gpus {
                    Gpus::None => (0, 0),
                    Gpus::Share(milli) => (milli.into(), 1),
                    Gpus::Whole(count) => (u64::from(FULL), u32::from(count)),
                    Gpus::Slices(_) => unreachable!("none of these pods asks for instances"),
                };
                prop_assert_eq!(place.devices.count_ones(), count);
                (0..DEVICES_MAX).filter(|device| place.devices & 1 << device != 0).for_each(|device| taken[device] += each);
            }
            let state = placer.state(node);
            prop_assert!(cpu <= kind.cpu.0 && memory <= kind.memory.0);
            prop_assert_eq!(state.cpu.0, kind.cpu.0 - cpu);
            for (taken, free) in taken.iter().zip(state.gpus()) {
                prop_assert_eq!(u64::from(free.milli()), u64::from(FULL) - taken);
            }
        }
        let sum: u64 = placed.iter().map(|(pod, _)| pods[*pod].gpus.milli()).sum();
        prop_assert_eq!(placer.allocated_milli(), sum);
    }

    /// Ours does not know which node is which: listed in any order, with any ranks, they are filled alike.
    #[test]
    fn ours_knows_no_names(order in Just((0..20_usize).collect::<Vec<_>>()).prop_shuffle(), arrivals in prop::collection::vec(0_usize..7, 1..200)) {
        let one = spots();
        let other: Vec<Spot> = order.iter().map(|&at| Spot { rank: at as u32, ..one[at] }).collect();
        let run = |spots: &[Spot]| {
            let mut placer = placer(Named::Plimsoll, spots);
            for &kind in &arrivals {
                if let Some(place) = placer.choose(kind, 0) {
                    placer.take(kind, place);
                }
            }
            filled(&placer, spots.len() as u32)
        };
        prop_assert_eq!(run(&one), run(&other));
    }

    /// The tabled fragments are those of the definition.
    #[test]
    fn fragments_are_as_defined(kind in 0_u16..3, cpu in 0_u64..100_000, free in prop::collection::vec(0_u16..=1000, 8)) {
        let (kinds, mix) = (kinds(), mix());
        let mut state = kinds[usize::from(kind)].empty(kind);
        state.cpu = MilliCpu(cpu);
        let gpus = usize::from(state.devices);
        // Rounded, so that whole GPUs are among them.
        state.free[..gpus].iter_mut().zip(free).for_each(|(gpu, free)| *gpu = Device::of_milli(free.div_ceil(250) * 250));
        let total = u64::from(state.free_milli());
        let defined: u64 = mix
            .typical()
            .map(|(pod, count)| {
                let small = |milli: u16| state.gpus().iter().map(|free| free.milli()).filter(|free| *free < milli).map(u64::from).sum::<u64>();
                count * match pod.gpus {
                    Gpus::Share(milli) if state.fits(pod) => small(milli),
                    Gpus::Whole(_) if state.fits(pod) => small(FULL),
                    _ => total,
                }
            })
            .sum();
        prop_assert_eq!(mix::Fragments::new(&kinds, &mix).of(&state), defined);
    }
}

#[test]
fn a_share_leaves_room_for_those_that_may_not_go_elsewhere() {
    let kinds = vec![node("common", 64_000, 4), node("rare", 64_000, 4)];
    let (anywhere, pinned) = (pod(8_000, Gpus::Whole(1), &[true, true]), pod(8_000, Gpus::Whole(1), &[false, true]));
    let mix = Mix::new(vec![(anywhere.clone(), 40), (pinned.clone(), 40)]);
    let counts = [10, 10];
    let spots: Vec<Spot> = (0..20).map(|at| Spot { kind: at / 10, rank: at.into() }).collect();
    let pods = [anywhere, pinned];
    let mut ours = Placer::new(&kinds, &spots, &pods, Named::Plimsoll.policy(Supply { kinds: &kinds, counts: &counts }, &mix));
    // All that may go anywhere come first: they fill the common nodes, and all of the pinned ones still fit.
    for kind in std::iter::repeat_n(0, 40).chain(std::iter::repeat_n(1, 40)) {
        let place = ours.choose(kind, 0).unwrap();
        ours.take(kind, place);
    }
    assert_eq!(ours.allocated_milli(), ours.total_milli());
}

#[test]
fn a_pod_that_opens_a_gpu_is_worth_all_of_it_and_one_that_fits_beside_is_worth_nothing() {
    use crate::bound::pattern::{Items, worths};
    let items = [(810, 1000), (160, 10), (1000, 500)].map(|(size, count)| Items { size, count, bins: vec![0] });
    let worths = worths(1000, &items);
    assert!((worths[0] - 1000.0).abs() < 1e-6 && worths[1].abs() < 1e-6 && (worths[2] - 1000.0).abs() < 1e-6, "{worths:?}");
}

#[test]
fn names_go_there_and_back() {
    for policy in Named::ALL {
        assert_eq!(policy.name().parse(), Ok(policy));
    }
    let unknown = "first-fit".parse::<Named>().unwrap_err().to_string();
    assert!(unknown.contains("first-fit") && unknown.contains("plimsoll"), "{unknown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// A closed node takes nothing, keeps what it has, and counts for nothing; opened again, everything is as if it had never been closed.
    #[test]
    fn closed_nodes_take_nothing(policy in any_policy(), steps in prop::collection::vec((0_usize..7, 0_u32..20, any::<u64>()), 1..150)) {
        let spots = spots();
        let mut placer = placer(policy, &spots);
        let all = placer.total_milli();
        let mut closed = [false; 20];
        for (kind, node, draw) in steps {
            if draw % 3 == 0 {
                closed[node as usize] = !closed[node as usize];
                if closed[node as usize] { placer.close(node) } else { placer.open(node) }
            }
            let admit = |at: u32| at % 2 == node % 2;
            if let Some(place) = placer.choose_where(kind, draw, &admit) {
                prop_assert!(admit(place.node) && placer.fits(kind, place.node) && !closed[place.node as usize]);
                placer.take(kind, place);
            } else {
                prop_assert!((0..20).filter(|at| admit(*at)).all(|at| !placer.fits(kind, at)));
            }
        }
        (0..20).for_each(|node| placer.open(node));
        prop_assert_eq!(placer.total_milli(), all);
        prop_assert_eq!((0..20).map(|node| u64::from(placer.state(node).free_milli())).sum::<u64>() + placer.allocated_milli(), all);
    }
}
