//! What of a node's free GPUs would be left in the end, if the expected pods went on arriving.
//!
//! A few sequences of pods are drawn from the mix once, always the same; what they leave of a copy of the node, first come
//! first served, is the estimate. The same sequences for every node, so that states are compared under equal luck.

use super::{
    DEVICES_MAX, Mix,
    placer::StateHasher,
    state::{FULL, Gpus, State},
};
use std::{collections::HashMap, hash::BuildHasherDefault};

/// Estimates that are kept at most: past it all are forgotten, and made anew as they are needed.
const MEMO_MAX: usize = 1 << 20;

struct Arrival {
    cpu: u64,
    gpus: Gpus,
    /// Index into `allowed`.
    kind: u32,
}

pub(super) struct Waste {
    sequences: Vec<Vec<Arrival>>,
    allowed: Vec<Box<[bool]>>,
    memo: HashMap<State, u32, BuildHasherDefault<StateHasher>>,
}

impl Waste {
    pub fn new(mix: &Mix, sequences: usize, length: usize) -> Self {
        let all: u64 = mix.pods.iter().map(|(_, count)| count).sum();
        let mut draw = 0_u64;
        let mut next = || {
            draw += 1;
            let at = (u128::from(super::placer::scatter(draw.wrapping_mul(super::placer::SCATTER))) * u128::from(all) >> 64) as u64;
            let mut sum = 0;
            let kind = mix.pods.iter().position(|(_, count)| {
                sum += count;
                at < sum
            });
            let kind = kind.unwrap_or(0);
            Arrival { cpu: mix.pods[kind].0.cpu.0, gpus: mix.pods[kind].0.gpus, kind: kind as u32 }
        };
        let sequences = if all == 0 { Vec::new() } else { (0..sequences).map(|_| (0..length).map(|_| next()).collect()).collect() };
        Self { sequences, allowed: mix.pods.iter().map(|(pod, _)| pod.allowed.clone()).collect(), memo: HashMap::default() }
    }

    /// Thousandths of GPUs that would be left of a node in `state`, the mean over the sequences.
    pub fn of(&mut self, state: &State) -> u32 {
        let mut key = *state;
        key.free = state.profile();
        if let Some(&waste) = self.memo.get(&key) {
            return waste;
        }
        let left: u32 = self.sequences.iter().map(|sequence| left(sequence, &self.allowed, &key)).sum();
        let waste = left / (self.sequences.len() as u32).max(1);
        if self.memo.len() >= MEMO_MAX {
            self.memo.clear();
        }
        self.memo.insert(key, waste);
        waste
    }
}

fn left(sequence: &[Arrival], allowed: &[Box<[bool]>], state: &State) -> u32 {
    let (mut cpu, mut free) = (state.cpu.0, state.free);
    let mut total = state.free_milli();
    for arrival in sequence {
        if total == 0 {
            break;
        }
        if arrival.cpu > cpu || !allowed[arrival.kind as usize].get(usize::from(state.kind)).copied().unwrap_or(false) {
            continue;
        }
        match arrival.gpus {
            Gpus::None => {}
            Gpus::Share(milli) => {
                let mut tightest = (u16::MAX, DEVICES_MAX);
                for (device, &free) in free.iter().enumerate() {
                    if free >= milli && free < tightest.0 {
                        tightest = (free, device);
                    }
                }
                if tightest.1 == DEVICES_MAX {
                    continue;
                }
                free[tightest.1] -= milli;
                total -= u32::from(milli);
            }
            Gpus::Whole(count) => {
                if free.iter().filter(|free| **free == FULL).count() < usize::from(count) {
                    continue;
                }
                free.iter_mut().filter(|free| **free == FULL).take(count.into()).for_each(|free| *free = 0);
                total -= u32::from(count) * u32::from(FULL);
            }
        }
        cpu -= arrival.cpu;
    }
    total
}
