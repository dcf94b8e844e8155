//! A run over time, kept small: means over equal stretches, which double when there are too many.

use super::outcome::Moment;

/// Stretches at most.
const BINS_MAX: usize = 512;

/// What is true of the fleet from one event to the next, in thousandths of GPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Now {
    pub gpus: u64,
    pub allocated: u64,
    pub waiting: u64,
    pub fragmented: u64,
    pub nodes: u64,
}

/// Sums over a stretch: a figure times seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    seconds: u64,
    gpus: u128,
    allocated: u128,
    waiting: u128,
    fragmented: u128,
    nodes: u128,
    used: u128,
}

impl Bin {
    fn add(&mut self, now: Now, seconds: u64) {
        let times = |figure: u64| u128::from(figure) * u128::from(seconds);
        self.seconds += seconds;
        self.gpus += times(now.gpus);
        self.allocated += times(now.allocated);
        self.waiting += times(now.waiting);
        self.fragmented += times(now.fragmented);
        self.nodes += times(now.nodes);
    }

    fn join(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.gpus += other.gpus;
        self.allocated += other.allocated;
        self.waiting += other.waiting;
        self.fragmented += other.fragmented;
        self.nodes += other.nodes;
        self.used += other.used;
    }
}

/// The course of a run.
#[derive(Debug)]
pub(super) struct Course {
    width: u64,
    bins: Vec<Bin>,
    at: u64,
    used: bool,
}

impl Course {
    pub fn new() -> Self {
        Self { width: 1, bins: Vec::new(), at: 0, used: false }
    }

    /// Time goes on to `to`; until then everything was as `now` says.
    pub fn advance(&mut self, now: Now, to: u64) {
        while self.at < to {
            let bin = self.bin(self.at);
            let end = to.min((bin as u64 + 1).saturating_mul(self.width));
            self.bins[bin].add(now, end - self.at);
            self.at = end;
        }
    }

    /// From `from` to `to`, `milli` thousandths of GPUs were at work.
    pub fn add_used(&mut self, mut from: u64, to: u64, milli: u64) {
        self.used = true;
        while from < to {
            let bin = self.bin(from);
            let end = to.min((bin as u64 + 1).saturating_mul(self.width));
            self.bins[bin].used += u128::from(milli) * u128::from(end - from);
            from = end;
        }
    }

    /// The stretch that holds the second `at`, made if need be.
    fn bin(&mut self, at: u64) -> usize {
        while at / self.width >= BINS_MAX as u64 {
            let halves: Vec<Bin> = std::mem::take(&mut self.bins);
            self.bins = halves
                .chunks(2)
                .map(|pair| {
                    let mut bin = pair[0];
                    pair[1..].iter().for_each(|other| bin.join(*other));
                    bin
                })
                .collect();
            self.width *= 2;
        }
        let bin = (at / self.width) as usize;
        if self.bins.len() <= bin {
            self.bins.resize(bin + 1, Bin::default());
        }
        bin
    }

    /// Sums over all: GPU-seconds there were, allocated, wasted in fragments, and used, in thousandths.
    pub fn totals(&self) -> Totals {
        let sum = |of: fn(&Bin) -> u128| self.bins.iter().map(of).sum::<u128>() as f64 / 1000.0;
        Totals {
            gpus: sum(|bin| bin.gpus),
            allocated: sum(|bin| bin.allocated),
            fragmented: sum(|bin| bin.fragmented),
            used: self.used.then(|| sum(|bin| bin.used)),
        }
    }

    /// The stretches, for a picture.
    pub fn moments(&self) -> Vec<Moment> {
        let seen = (0..).zip(&self.bins).filter(|(_, bin)| bin.seconds > 0);
        seen.map(|(at, bin)| {
            let mean = |sum: u128| sum as f64 / bin.seconds as f64;
            Moment {
                at: at * self.width,
                gpus: mean(bin.gpus) / 1000.0,
                allocated: mean(bin.allocated) / 1000.0,
                used: self.used.then(|| mean(bin.used) / 1000.0),
                waiting: mean(bin.waiting) / 1000.0,
                fragmented: mean(bin.fragmented) / 1000.0,
                nodes: mean(bin.nodes),
            }
        })
        .collect()
    }
}

/// GPU-seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Totals {
    pub gpus: f64,
    pub allocated: f64,
    pub fragmented: f64,
    pub used: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However the stretches double, nothing is lost.
        #[test]
        fn sums_are_kept(steps in prop::collection::vec((0_u64..100_000, 0_u64..10_000, 0_u64..10_000), 1..60)) {
            let mut course = Course::new();
            let (mut at, mut allocated, mut used) = (0, 0_u128, 0_u128);
            for (seconds, milli, busy) in steps {
                course.advance(Now { allocated: milli, ..Now::default() }, at + seconds);
                course.add_used(at, at + seconds, busy);
                allocated += u128::from(milli) * u128::from(seconds);
                used += u128::from(busy) * u128::from(seconds);
                at += seconds;
            }
            prop_assert_eq!(course.totals().allocated, allocated as f64 / 1000.0);
            prop_assert_eq!(course.totals().used, Some(used as f64 / 1000.0));
            prop_assert!(course.moments().len() <= BINS_MAX);
        }
    }
}
