//! What of a node's free GPUs would be left in the end, if the expected pods went on arriving.
//!
//! A few sequences of pods are drawn from the mix once, always the same; what they leave of a copy of the node, first come
//! first served, is the estimate. The same sequences for every node, so that states are compared under equal luck.

use super::{
    DEVICES_MAX, Mix,
    placer::{SCATTER, StateHasher, scatter},
    state::{Device, FULL, Gpus, State},
};
use std::{collections::HashMap, hash::BuildHasherDefault};

/// Estimates that are kept at most: past it all are forgotten, and made anew as they are needed.
const MEMO_MAX: usize = 1 << 20;

struct Arrival {
    cpu: u64,
    gpus: Gpus,
    /// Index into `allowed`.
    kind: u32,
    /// The least CPU, and the least of GPUs, that it or any later one of its sequence asks for that asks for GPUs at all.
    least_cpu: u64,
    least_milli: u64,
}

pub(super) struct Waste {
    sequences: Vec<Vec<Arrival>>,
    allowed: Vec<Box<[bool]>>,
    memo: HashMap<State, u32, BuildHasherDefault<StateHasher>>,
}

impl Waste {
    pub fn new(mix: &Mix, sequences: usize, length: usize) -> Self {
        let all: u64 = mix.pods.iter().map(|(_, count)| count).sum();
        let draws = (sequences * length) as u64;
        // Each kind as often as its part of the mix says, to within one, in an order that mixes well.
        let mut sum = 0;
        let mut arrivals: Vec<(u64, Arrival)> = Vec::with_capacity(sequences * length);
        for (kind, (pod, count)) in (0..).zip(&mix.pods) {
            let upto = |sum: u64| (u128::from(2 * sum) * u128::from(draws) / u128::from(2 * all.max(1))) as u64;
            let (from, to) = (upto(sum), upto(sum + count));
            sum += count;
            let arrival = || Arrival { cpu: pod.cpu.0, gpus: pod.gpus, kind, least_cpu: u64::MAX, least_milli: u64::MAX };
            arrivals.extend((from..to).map(|at| (scatter((at + 1).wrapping_mul(SCATTER)), arrival())));
        }
        arrivals.sort_unstable_by_key(|(order, _)| *order);
        let mut sequences: Vec<Vec<Arrival>> = Vec::new();
        for (at, (_, arrival)) in arrivals.into_iter().enumerate() {
            match sequences.get_mut(at / length) {
                Some(sequence) => sequence.push(arrival),
                None => sequences.push(vec![arrival]),
            }
        }
        for sequence in &mut sequences {
            let mut least = (u64::MAX, u64::MAX);
            for arrival in sequence.iter_mut().rev() {
                if arrival.gpus != Gpus::None {
                    least = (least.0.min(arrival.cpu), least.1.min(arrival.gpus.milli()));
                }
                (arrival.least_cpu, arrival.least_milli) = least;
            }
        }
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
    let (mut cpu, mut all) = (state.cpu.0, state.free);
    // The GPUs are in order: those with nothing free come first.
    let used = all.iter().filter(|free| **free == Device::default()).count();
    let mut total = state.free_milli();
    for arrival in sequence {
        if cpu < arrival.least_cpu || u64::from(total) < arrival.least_milli {
            break;
        }
        if arrival.cpu > cpu || !allowed[arrival.kind as usize].get(usize::from(state.kind)).copied().unwrap_or(false) {
            continue;
        }
        let free = &mut all[used..];
        match arrival.gpus {
            Gpus::None => {}
            Gpus::Share(milli) => {
                let mut tightest = (u16::MAX, DEVICES_MAX);
                for (device, &room) in free.iter().enumerate() {
                    if room.milli() >= milli && room.milli() < tightest.0 {
                        tightest = (room.milli(), device);
                    }
                }
                if tightest.1 == DEVICES_MAX {
                    continue;
                }
                free[tightest.1] = Device::of_milli(tightest.0 - milli);
                total -= u32::from(milli);
            }
            Gpus::Whole(count) => {
                let whole = Device::of_milli(FULL);
                if free.iter().filter(|free| **free == whole).count() < usize::from(count) {
                    continue;
                }
                free.iter_mut().filter(|free| **free == whole).take(count.into()).for_each(|free| *free = Device::default());
                total -= u32::from(count) * u32::from(FULL);
            }
            Gpus::Slices(slices) => {
                let mut then = State { free: all, ..*state };
                if !then.take_slices(slices, None, |_| ()) {
                    continue;
                }
                all = then.free;
                total = then.free_milli();
            }
        }
        cpu -= arrival.cpu;
    }
    total
}
