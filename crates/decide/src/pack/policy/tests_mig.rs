//! What must hold of every policy where GPUs are in MIG mode.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::pack::mig::{Grid, Start, layout_named};
use plimsoll_fleet::{
    Bytes, MilliCpu,
    mig::{Placement, Table, board},
};
use proptest::prelude::*;
use state::FULL;
use std::collections::BTreeMap;

const H100: &str = "NVIDIA-H100-80GB-HBM3";
const A30: &str = "NVIDIA-A30";

fn grid(product: &str) -> Grid {
    Grid::of(board(product, None).unwrap().table).unwrap()
}

fn kinds() -> Vec<NodeKind> {
    let node =
        |model: &str, gpus, mig| NodeKind { model: model.into(), cpu: MilliCpu(64_000), memory: Bytes(1 << 40), gpus, pods: 50, mig };
    let (h100, a30) = (grid(H100), grid(A30));
    let balanced = h100.geometry().fixed(&layout_named(&board(H100, None).unwrap(), "all-balanced").unwrap()).unwrap();
    let open = |grid: Grid, gpus: usize| Some(Mig { grid, rooms: vec![grid.geometry().empty(); gpus].into() });
    vec![
        node("open", 2, open(h100, 2)),
        node("half", 4, open(h100, 2)),
        node("fixed", 2, Some(Mig { grid: h100, rooms: vec![balanced; 2].into() })),
        node("other grid", 2, open(a30, 2)),
        node("whole", 2, None),
    ]
}

/// By slot of the common grid: 0 is 1g, 1 is 1g with media extensions, 3 is 2g, 4 is 3g, 6 is 7g.
fn pods() -> Vec<PodKind> {
    let pod = |gpus| PodKind { cpu: MilliCpu(2_000), memory: Bytes(1 << 30), gpus, wording: "".into(), allowed: [true; 5].into() };
    let slices = |product: &str, slot, count| Gpus::Slices(Slices { grid: grid(product), slot, count });
    vec![
        pod(slices(H100, 0, 1)),
        pod(slices(H100, 1, 1)),
        pod(slices(H100, 3, 1)),
        pod(slices(H100, 4, 1)),
        pod(slices(H100, 6, 1)),
        pod(slices(H100, 0, 3)),
        pod(slices(A30, 0, 1)),
        pod(slices(A30, 2, 2)),
        pod(Gpus::Share(300)),
        pod(Gpus::Whole(1)),
        pod(Gpus::None),
        pod(slices(H100, 0, 200)),
    ]
}

fn mix() -> Mix {
    Mix::new(pods().into_iter().zip([30, 1, 10, 10, 2, 3, 10, 3, 10, 10, 5, 1]).collect())
}

const NODES: u32 = 10;

fn placer(policy: Named) -> Placer {
    let kinds = kinds();
    let spots: Vec<Spot> = (0..NODES).map(|at| Spot { kind: (at % 5) as u16, rank: (at * 7) % NODES }).collect();
    Placer::new(&kinds, &spots, &pods(), policy.policy(Supply { kinds: &kinds, counts: &[2; 5] }, &mix()))
}

/// What stands on each GPU on which instances are made, and how many of each kind are in use where they are fixed.
#[derive(Default)]
struct Real {
    made: BTreeMap<(u32, u8), Vec<Placement>>,
    fixed: BTreeMap<(u32, u8), Vec<usize>>,
}

impl Real {
    fn change(&mut self, pod: &PodKind, place: &Place, put: bool) {
        let Gpus::Slices(slices) = pod.gpus else { return };
        for slice in place.slices.iter().flatten() {
            let slot = usize::from(slices.slot);
            match slice.start {
                Start::At(start) => {
                    let layout = self.made.entry((place.node, slice.device)).or_default();
                    let placement = Placement { start, slot };
                    if put { layout.push(placement) } else { layout.retain(|other| *other != placement) }
                }
                Start::Fixed => {
                    let used = self.fixed.entry((place.node, slice.device)).or_default();
                    if put {
                        used.push(slot);
                    } else {
                        let at = used.iter().position(|other| *other == slot).unwrap();
                        used.swap_remove(at);
                    }
                }
            }
        }
    }

    fn is_sound(&self, table: impl Fn(u32) -> &'static Table, layout: &[Placement]) -> bool {
        let fits = |used: &Vec<usize>| {
            (0..7).all(|slot| used.iter().filter(|other| **other == slot).count() <= layout.iter().filter(|of| of.slot == slot).count())
        };
        self.made.iter().all(|((node, _), layout)| table(*node).is_valid(layout)) && self.fixed.values().all(fits)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever comes and goes: instances never overlap and are valid by the table, a place is found exactly where there is one, nothing
    /// is given twice, and when all have left, all is as it was.
    #[test]
    fn instances_are_where_they_can_be(
        policy in prop::sample::select(Named::ALL.to_vec()),
        steps in prop::collection::vec((0_usize..12, any::<bool>(), any::<u64>()), 1..200),
    ) {
        let (kinds, pods) = (kinds(), pods());
        let layout = layout_named(&board(H100, None).unwrap(), "all-balanced").unwrap();
        let table = |node: u32| kinds[node as usize % 5].mig.as_ref().unwrap().grid.geometry().table;
        let mut placer = placer(policy);
        let mut placed: Vec<(usize, Place)> = Vec::new();
        let mut real = Real::default();
        for (kind, leave, draw) in steps {
            if leave && !placed.is_empty() {
                let (kind, place) = placed.swap_remove(draw as usize % placed.len());
                placer.give_back(kind, place);
                real.change(&pods[kind], &place, false);
                continue;
            }
            let has_room = (0..NODES).any(|node| placer.fits(kind, node));
            let place = placer.choose(kind, draw);
            prop_assert_eq!(place.is_some(), has_room);
            if let Some(place) = place {
                let (free, asked) = (placer.state(place.node).free_milli(), pods[kind].gpus.milli());
                placer.take(kind, place);
                prop_assert_eq!(u64::from(free) - asked, u64::from(placer.state(place.node).free_milli()));
                real.change(&pods[kind], &place, true);
                prop_assert!(real.is_sound(table, &layout));
                let wanted = match pods[kind].gpus { Gpus::Slices(slices) => usize::from(slices.count), _ => 0 };
                prop_assert_eq!(place.slices.iter().flatten().count(), wanted);
                placed.push((kind, place));
            }
        }
        let free: u64 = (0..NODES).map(|node| u64::from(placer.state(node).free_milli())).sum();
        prop_assert_eq!(free + placer.allocated_milli(), placer.total_milli());
        for (kind, place) in placed {
            placer.give_back(kind, place);
        }
        for node in 0..NODES {
            prop_assert_eq!(*placer.state(node), kinds[node as usize % 5].empty((node % 5) as u16));
        }
        prop_assert_eq!(placer.allocated_milli(), 0);
    }

    /// The tabled fragments are those of the definition.
    #[test]
    fn fragments_are_as_defined(kind in 0_u16..5, cpu in 0_u64..8, arrivals in prop::collection::vec(0_usize..12, 0..12)) {
        let (kinds, pods, mix) = (kinds(), pods(), mix());
        let mut state = kinds[usize::from(kind)].empty(kind);
        for pod in arrivals {
            if state.fits(&pods[pod]) {
                state = state.with(&pods[pod], state.tightest(&pods[pod]).unwrap_or(0));
            }
        }
        state.cpu = MilliCpu(cpu * 1_000);
        let total = u64::from(state.free_milli());
        let defined: u64 = mix
            .typical()
            .map(|(pod, count)| {
                let unused = |usable: &dyn Fn(Device) -> bool| {
                    state.gpus().iter().filter(|device| !usable(**device)).map(|device| u64::from(state.milli_of(*device))).sum::<u64>()
                };
                count * match pod.gpus {
                    _ if !state.fits(pod) => total,
                    Gpus::None => total,
                    Gpus::Share(milli) => unused(&|device| device.milli() >= milli),
                    Gpus::Whole(_) => unused(&|device| device.milli() == FULL),
                    Gpus::Slices(slices) => unused(&|device| {
                        device.room().is_some_and(|room| !slices.grid.geometry().next(room, slices.slot).is_empty())
                            && state.grid == Some(slices.grid)
                    }),
                }
            })
            .sum();
        prop_assert_eq!(mix::Fragments::new(&kinds, &mix).of(&state), defined);
    }

    #[test]
    fn the_same_pods_get_the_same_places(policy in prop::sample::select(Named::ALL.to_vec()), arrivals in prop::collection::vec(0_usize..12, 1..80)) {
        let run = || {
            let mut placer = placer(policy);
            let mut place = |kind: usize| {
                let place = placer.choose(kind, 7)?;
                placer.take(kind, place);
                Some(place)
            };
            arrivals.iter().map(|kind| place(*kind)).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }
}

/// A `1g` goes where it keeps no large instance out.
#[test]
fn ours_keeps_large_slots_open() {
    let mut placer = placer(Named::Plimsoll);
    let pods = pods();
    let whole = pods.iter().position(|pod| matches!(pod.gpus, Gpus::Slices(slices) if slices.slot == 6)).unwrap();
    for _ in 0..4 {
        let place = placer.choose(0, 0).unwrap();
        placer.take(0, place);
    }
    // Four GPUs are open for a 7g, and four small instances stand on fixed ones or on one of these.
    let left = (0..).map_while(|_| placer.choose(whole, 0).inspect(|place| placer.take(whole, *place))).count();
    assert!(left >= 7, "{left}");
}
