//! Our policy: put a pod where what it takes away is least missed.
//!
//! A node's state has a potential, in thousandths of a GPU: how much of what is free there is lost, or will be. A pod goes where the
//! potential rises least. Four parts make it up:
//!
//! - what no filling, however lucky, could use (`fill`): the difference of free GPUs and the worth of the best pods that fit;
//! - what is left after a few fixed sequences of expected pods, first come first served (`waste`);
//! - what the next pod cannot use (`mix`): the fragments of FGD, those of MIG instances on their GPU once more;
//! - room for pods with several GPUs, where nodes with such room are getting few for the pods that are still to come.
//!
//! To that comes a price for GPUs that pods ask for which may not go elsewhere, paid by all pods that take them. It falls when the
//! nodes are nearly full: then a GPU left idle for somebody who may come is worth less than one in use.
//!
//! Points are cut to a coarse bucket, because finer differences are noise; among equals the best fit wins, as CPU and GPUs left go
//! half and half; after that the tightest GPU, least memory, then the order of states. Names and the order of nodes play no part.
//!
//! The weights were tuned on random orders and mixes that are none of those on which figures are reported (`examples/tune.rs` of the
//! simulator). They lie in a flat region: halving or doubling one changes openb's `default` by less than 0.05 points.

use super::{
    Load, Mix, Points, Policy, Supply, Ties,
    fill::Fill,
    mix::Fragments,
    state::{Gpus, PodKind, State},
    waste::Waste,
};
use crate::pack::mig::{Grid, online};

/// How much each part of the policy counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// Weight of what no filling could use.
    pub fill: f64,
    /// Weight of what is left after sequences of pods.
    pub waste: f64,
    /// Weight of what the next pod cannot use.
    pub fragments: f64,
    /// Weight of what the next MIG instance cannot use of a GPU in MIG mode, beside the fragments: there a small instance in the wrong
    /// place keeps a large one out at once.
    pub slices: f64,
    /// Thousandths of a GPU that a node is worth more for each kind of pod with several GPUs that it has room for, while nodes with
    /// such room are few.
    pub hold: f64,
    /// Weight of the price of scarce GPUs.
    pub price: f64,
    /// The same when the nodes are nearly full.
    pub price_full: f64,
    /// Allocated thousandths of the GPUs from which on they are nearly full.
    pub full_permille: u64,
    /// Points that differ by less count as equal, in thousandths of a GPU.
    pub bucket: f64,
    /// Sequences of pods.
    pub sequences: usize,
    /// Pods of a sequence.
    pub length: usize,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            fill: 1.0,
            waste: 0.25,
            fragments: 1.0 / 16.0,
            slices: 1.0,
            hold: 190.0,
            price: 0.375,
            price_full: 1.0 / 16.0,
            full_permille: 900,
            bucket: 2.5,
            sequences: 8,
            length: 60,
        }
    }
}

pub(super) struct Plimsoll {
    fill: Fill,
    waste: Waste,
    fragments: Fragments,
    /// By kind of node and room of a GPU in MIG mode, what the next instance cannot use.
    rooms: Vec<Vec<f64>>,
    large: Vec<Large>,
    prices: Vec<f64>,
    weights: Weights,
    /// Thousandths of GPUs that the mix asks for.
    expected_milli: f64,
    full: bool,
}

/// A kind of pod that asks for several GPUs.
struct Large {
    pod: PodKind,
    /// How many pods the mix has that ask for no fewer GPUs than this kind.
    rivals: f64,
    /// Nodes with room for it are hardly more than the rivals that are still expected.
    scarce: bool,
}

/// Nodes that were scarce are so until they are this many times what is needed: so that points do not flicker.
const RELEASE: f64 = 1.15;
/// Best fit among equals, as a whole number below this.
const FIT_MAX: f64 = (1 << 20) as f64;
/// CPU and GPUs that count alike in it: those of a large node.
const FIT_CPU: f64 = 128_000.0;
const FIT_GPU: f64 = 8_000.0;

impl Plimsoll {
    pub fn new(supply: Supply<'_>, mix: &Mix, weights: Weights) -> Self {
        Self {
            fill: Fill::new(supply.kinds, mix),
            waste: Waste::new(mix, weights.sequences, weights.length),
            fragments: Fragments::new(supply.kinds, mix),
            rooms: rooms(supply, mix),
            large: large(mix),
            prices: prices(supply, mix),
            weights,
            expected_milli: mix.pods.iter().map(|(pod, count)| (pod.gpus.milli() * count) as f64).sum(),
            full: false,
        }
    }

    /// What the next MIG instance cannot use of the node's GPUs in MIG mode.
    fn unused_slices(&self, state: &State) -> f64 {
        let Some(rooms) = self.rooms.get(usize::from(state.kind)) else { return 0.0 };
        state.gpus().iter().filter_map(|device| rooms.get(usize::from(device.room()?.0))).sum()
    }

    fn potential(&mut self, state: &State) -> f64 {
        let weights = &self.weights;
        let unusable = f64::from(state.free_milli()) - f64::from(self.fill.of(state));
        let fragments = self.fragments.of(state) as f64 / self.fragments.all.max(1) as f64;
        let slices = match state.grid {
            None => 0.0,
            Some(_) => self.unused_slices(state),
        };
        let held = self.large.iter().filter(|large| large.scarce && state.fits(&large.pod)).count();
        weights.fill * unusable + weights.fragments * fragments + weights.slices * slices - weights.hold * held as f64
            + weights.waste * f64::from(self.waste.of(state))
    }
}

/// By kind of node with GPUs in MIG mode and by room, the thousandths that the instances expected there have no place for.
fn rooms(supply: Supply<'_>, mix: &Mix) -> Vec<Vec<f64>> {
    let of = |kind: usize, grid: Grid| {
        let here = mix.pods.iter().filter(|(pod, _)| pod.allowed.get(kind) == Some(&true));
        let expected = here.filter_map(|(pod, count)| match pod.gpus {
            Gpus::Slices(slices) if slices.grid == grid => Some((slices.slot, *count)),
            _ => None,
        });
        online::fragments(grid, &expected.collect::<Vec<_>>())
    };
    supply.kinds.iter().enumerate().map(|(kind, node)| node.mig.as_ref().map_or_else(Vec::new, |mig| of(kind, mig.grid))).collect()
}

fn large(mix: &Mix) -> Vec<Large> {
    let several: Vec<&(PodKind, u64)> = mix.pods.iter().filter(|(pod, _)| matches!(pod.gpus, Gpus::Whole(2..))).collect();
    let rivals = |gpus: Gpus| several.iter().filter(|(pod, _)| pod.gpus >= gpus).map(|(_, count)| *count as f64).sum();
    several.iter().map(|(pod, _)| Large { pod: pod.clone(), rivals: rivals(pod.gpus), scarce: false }).collect()
}

/// By kind of node, the part of its GPUs that pods ask for which cannot go everywhere: each such pod weighs on every GPU that it may
/// go to by what it asks for over all of these.
fn prices(supply: Supply<'_>, mix: &Mix) -> Vec<f64> {
    let gpus: Vec<u64> = supply.kinds.iter().zip(supply.counts).map(|(kind, count)| u64::from(kind.gpus) * u64::from(*count)).collect();
    let mut prices = vec![0.0; supply.kinds.len()];
    for (pod, count) in &mix.pods {
        let may: Vec<usize> = (0..gpus.len()).filter(|kind| pod.allowed.get(*kind) == Some(&true)).collect();
        let everywhere = gpus.iter().enumerate().all(|(kind, gpus)| *gpus == 0 || may.contains(&kind));
        let room: u64 = may.iter().map(|kind| gpus[*kind]).sum();
        if everywhere || room == 0 {
            continue;
        }
        let weight = (pod.gpus.milli() * count) as f64 / (room * 1000) as f64;
        may.iter().for_each(|kind| prices[*kind] += weight);
    }
    prices
}

impl Policy for Plimsoll {
    fn points(&mut self, state: &State, pod: &PodKind) -> Points {
        let before = self.potential(state);
        let price = if self.full { self.weights.price_full } else { self.weights.price };
        // Pods without GPUs pay nothing: if they did, they would crowd the nodes that nobody is pinned to.
        let toll = price * self.prices.get(usize::from(state.kind)).copied().unwrap_or(0.0) * pod.gpus.milli() as f64;
        let mut best: Option<(i64, u16, u8)> = None;
        for device in state.choices(pod) {
            let free = state.milli_of(state.free[usize::from(device)]);
            let rise = self.potential(&state.with(pod, device)) - before;
            let bucket = (-rise / self.weights.bucket).floor() as i64 - (toll / self.weights.bucket).floor() as i64;
            if best.is_none_or(|(most, tightest, _)| bucket > most || (bucket == most && free < tightest)) {
                best = Some((bucket, free, device));
            }
        }
        let Some((bucket, _, device)) = best else { return Points::default() };
        let cpu_left = state.cpu.less(pod.cpu).0 as f64 / FIT_CPU;
        let gpu_left = u64::from(state.free_milli()).saturating_sub(pod.gpus.milli()) as f64 / FIT_GPU;
        let fit = FIT_MAX - 1.0 - ((cpu_left + gpu_left) / 4.0 * FIT_MAX).min(FIT_MAX - 1.0);
        let high = bucket.clamp(-(1 << 30), 1 << 30) + (1 << 31);
        Points { value: (high as u64) << 20 | fit as u64, device }
    }

    fn ties(&self) -> Ties {
        Ties::State
    }

    fn watched(&self) -> Vec<PodKind> {
        self.large.iter().map(|large| large.pod.clone()).collect()
    }

    fn load_changed(&mut self, load: Load<'_>) -> bool {
        let full = load.allocated_milli * 1000 >= self.weights.full_permille * load.total_milli;
        let mut changed = full != self.full;
        self.full = full;
        // What is expected until the nodes are full.
        let left = load.total_milli.saturating_sub(load.allocated_milli) as f64 / self.expected_milli.max(1.0);
        for (large, &hosts) in self.large.iter_mut().zip(load.hosts) {
            let expected = large.rivals * left;
            // Twice the spread of a Poisson count above its mean.
            let needed = expected + 2.0 * expected.sqrt();
            let scarce = f64::from(hosts) <= needed * if large.scarce { RELEASE } else { 1.0 };
            changed |= scarce != large.scarce;
            large.scarce = scarce;
        }
        changed
    }
}
