//! Fragmentation gradient descent, as published and as its authors' simulator has it: hkust-adsl/kubernetes-scheduler-simulator
//! `pkg/utils/frag.go`, `plugin/fgd_score.go`. Points are integers from 0 to 100, and ties, of which there are many, go by rank.
//!
//! Where fragments do not change, the points are 50, or 49 where the sums of the authors' floating-point numbers came out a hair
//! lower after than before. Published figures hang on that hair, so there, and only there, it is computed as they did.

use super::{
    Mix, Points, Policy, Supply, Ties,
    mix::Fragments,
    state::{Device, FULL, Gpus, PodKind, Slices, State},
};

pub(super) struct Fgd {
    fragments: Fragments,
    typical: Vec<Typical>,
}

/// A typical pod as the authors' sum has it.
struct Typical {
    part: f64,
    cpu: u64,
    count: usize,
    milli: u16,
    slices: Option<Slices>,
    allowed: Box<[bool]>,
}

impl Typical {
    /// What is free on GPUs that it cannot use, where it fits on the node.
    fn unused(&self, state: &State) -> u32 {
        let unused = |free: &Device| match self.slices {
            None => free.milli() < self.milli,
            Some(slices) => !state.has_room(*free, slices),
        };
        state.gpus().iter().filter(|free| unused(free)).map(|free| u32::from(state.milli_of(*free))).sum()
    }
}

impl Fgd {
    pub fn new(supply: Supply<'_>, mix: &Mix) -> Self {
        let all: u64 = mix.pods.iter().map(|(_, count)| count).sum();
        let kept: u64 = mix.typical().map(|(_, count)| count).sum();
        let typical = mix
            .typical()
            .map(|(pod, count)| {
                let (count_gpus, milli, slices) = match pod.gpus {
                    Gpus::None => (0, 0, None),
                    Gpus::Share(milli) => (1, milli, None),
                    Gpus::Whole(count) => (count.into(), FULL, None),
                    Gpus::Slices(slices) => (slices.count.into(), 0, Some(slices)),
                };
                let part = count as f64 / all as f64 / (kept as f64 / all as f64);
                Typical { part, cpu: pod.cpu.0, count: count_gpus, milli, slices, allowed: pod.allowed.clone() }
            })
            .collect();
        Self { fragments: Fragments::new(supply.kinds, mix), typical }
    }

    /// The fall of the mean fragments, squashed to an integer.
    fn squash(&self, before: u64, after: u64, states: (&State, &State)) -> u64 {
        let fall = if before == after {
            self.sum(states.0) - self.sum(states.1)
        } else {
            (before as f64 - after as f64) / self.fragments.all.max(1) as f64
        };
        (100.0 / (1.0 + (-fall / 1000.0).exp())) as u64
    }

    /// The mean fragments, added up in the authors' order: by why they are fragments, within that by popularity.
    fn sum(&self, state: &State) -> f64 {
        let total: u32 = state.free_milli();
        let [mut lack_both, mut lack_gpu, mut lack_cpu, mut cpu_only, mut cpu_only_lack, mut elsewhere] = [0.0; 6];
        for pod in &self.typical {
            let cpu = state.cpu.0 >= pod.cpu;
            let all = pod.part * f64::from(total);
            if pod.count == 0 {
                *(if cpu { &mut cpu_only } else { &mut cpu_only_lack }) += all;
            } else if !pod.allowed.get(usize::from(state.kind)).copied().unwrap_or(false) {
                elsewhere += all;
            } else {
                let fits = match pod.slices {
                    None => state.gpus().iter().filter(|free| free.milli() >= pod.milli).count() >= pod.count,
                    Some(slices) => state.has_slices(slices),
                };
                match (fits, cpu) {
                    (true, true) => lack_gpu += pod.part * f64::from(pod.unused(state)),
                    (true, false) => lack_cpu += all,
                    (false, true) => lack_gpu += all,
                    (false, false) => lack_both += all,
                }
            }
        }
        lack_both + lack_gpu + lack_cpu + cpu_only + cpu_only_lack + elsewhere
    }
}

impl Policy for Fgd {
    fn points(&mut self, state: &State, pod: &PodKind) -> Points {
        let before = self.fragments.of(state);
        let value = |device: u8| {
            let after = state.with(pod, device);
            self.squash(before, self.fragments.of(&after), (state, &after))
        };
        let mut best: Option<Points> = None;
        // A GPU as free as an earlier one gives the same points, and the first wins.
        for device in state.choices(pod) {
            let value = value(device);
            if best.is_none_or(|best| value > best.value) {
                best = Some(Points { value, device });
            }
        }
        best.unwrap_or_default()
    }

    fn ties(&self) -> Ties {
        Ties::Rank
    }
}
