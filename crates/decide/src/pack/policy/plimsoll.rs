//! Our policy.

use super::{
    Mix, Points, Policy, Supply, Ties,
    mix::Fragments,
    state::{Gpus, PodKind, State},
    waste::Waste,
};

/// How much each part of the policy counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// By allocated thousandths of the GPUs, from there on: what counts how much.
    pub steps: Vec<Step>,
    /// Sequences that the waste is estimated from.
    pub sequences: usize,
    /// Pods of a sequence.
    pub length: usize,
}

/// What counts how much from a load on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Allocated thousandths of the GPUs.
    pub from_permille: u32,
    /// Weight of the fragments.
    pub fragments: f64,
    /// Weight of the waste in the end.
    pub waste: f64,
    /// Weight of the scarcity price.
    pub price: f64,
    /// Points that differ by less count as equal, in thousandths of a GPU.
    pub bucket: f64,
    /// Of equal points, weight of the CPU left against the GPUs left.
    pub cpu: f64,
}

impl Default for Weights {
    fn default() -> Self {
        let low = Step { from_permille: 0, fragments: 1.0, waste: 0.0, price: 1.0, bucket: 40.0, cpu: 0.5 };
        Self { steps: vec![low, Step { from_permille: 850, waste: 1.0, ..low }], sequences: 8, length: 60 }
    }
}

pub(super) struct Plimsoll {
    fragments: Fragments,
    waste: Waste,
    prices: Vec<f64>,
    weights: Weights,
    step: usize,
}

/// Best fit among equals, as a part of this.
const LEFT_MAX: f64 = (1 << 20) as f64;
const SCALE_CPU: f64 = 128_000.0;
const SCALE_GPU: f64 = 8_000.0;

impl Plimsoll {
    pub fn new(supply: Supply<'_>, mix: &Mix, weights: Weights) -> Self {
        Self {
            fragments: Fragments::new(supply.kinds, mix),
            waste: Waste::new(mix, weights.sequences, weights.length),
            prices: prices(supply, mix),
            weights,
            step: 0,
        }
    }

    fn potential(&mut self, state: &State, step: Step) -> f64 {
        let mut potential = 0.0;
        if step.fragments != 0.0 {
            potential += step.fragments * self.fragments.of(state) as f64 / self.fragments.all.max(1) as f64;
        }
        if step.waste != 0.0 {
            potential += step.waste * f64::from(self.waste.of(state));
        }
        potential
    }
}

/// By kind of node, the part of it that pods ask for which cannot go everywhere.
///
/// A pod that is pinned to some kinds weighs on each of them by its GPUs over all GPUs that it may go to.
fn prices(supply: Supply<'_>, mix: &Mix) -> Vec<f64> {
    let gpus: Vec<u64> = supply.kinds.iter().zip(supply.counts).map(|(kind, count)| u64::from(kind.gpus) * u64::from(*count)).collect();
    let mut prices = vec![0.0; supply.kinds.len()];
    for (pod, count) in &mix.pods {
        let may: Vec<usize> = (0..gpus.len()).filter(|kind| pod.allowed.get(*kind) == Some(&true)).collect();
        let all = gpus.iter().enumerate().all(|(kind, gpus)| *gpus == 0 || may.contains(&kind));
        let room: u64 = may.iter().map(|kind| gpus[*kind]).sum();
        if all || room == 0 {
            continue;
        }
        let weight = (pod.gpus.milli() * count) as f64 / (room * 1000) as f64;
        may.iter().for_each(|kind| prices[*kind] += weight);
    }
    prices
}

impl Policy for Plimsoll {
    fn points(&mut self, state: &State, pod: &PodKind) -> Points {
        let step = self.weights.steps[self.step];
        let before = self.potential(state, step);
        let toll = match pod.gpus {
            Gpus::None => 0.0,
            _ => (step.price * self.prices[usize::from(state.kind)] * pod.gpus.milli() as f64 / step.bucket).floor(),
        };
        let left = step.cpu * state.cpu.less(pod.cpu).0 as f64 / SCALE_CPU
            + (1.0 - step.cpu) * u64::from(state.free_milli()).saturating_sub(pod.gpus.milli()) as f64 / SCALE_GPU;
        let fit = LEFT_MAX - 1.0 - (left / 2.0 * LEFT_MAX).min(LEFT_MAX - 1.0);
        let mut best: Option<(i64, u16, u8)> = None;
        let devices = if matches!(pod.gpus, Gpus::Share(_)) { state.devices } else { 1 };
        for device in 0..devices {
            let free = state.free[usize::from(device)];
            if let Gpus::Share(milli) = pod.gpus
                && (free < milli || state.gpus()[..usize::from(device)].contains(&free))
            {
                continue;
            }
            let fall = before - self.potential(&state.with(pod, device), step);
            let bucket = ((fall / step.bucket).floor() - toll) as i64;
            if best.is_none_or(|(most, tightest, _)| bucket > most || (bucket == most && free < tightest)) {
                best = Some((bucket, free, device));
            }
        }
        let Some((bucket, _, device)) = best else { return Points::default() };
        let high = bucket.clamp(-(1 << 30), 1 << 30) + (1 << 31);
        Points { value: (high as u64) << 20 | fit as u64, device }
    }

    fn ties(&self) -> Ties {
        Ties::State
    }

    fn load_changed(&mut self, allocated_permille: u32) -> bool {
        let step = self.weights.steps.iter().rposition(|step| step.from_permille <= allocated_permille).unwrap_or(0);
        let changed = step != self.step;
        self.step = step;
        changed
    }
}
