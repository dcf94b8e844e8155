//! The fleet by the hour: what each device did in an hour, folded into sums of the whole fleet.
//!
//! Devices are kept apart only until [`Hours::close`]; what stays is one entry an hour.

use plimsoll_fleet::{Metric, Timestamp, evidence::Hour};
use std::collections::{BTreeMap, HashMap};

const HOUR: i64 = 3_600;
/// Words of 64 bits for the seconds of an hour.
const WORDS: usize = HOUR as usize / 64 + 1;

/// The metrics that the hours are made of.
const KEPT: [Metric; 5] = [Metric::EngineActive, Metric::GpuUtil, Metric::SmActive, Metric::TensorActive, Metric::DramActive];

/// One metric of one device in one hour.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    samples: u32,
    sum: f64,
    held: u32,
}

impl Tally {
    fn mean(self) -> f64 {
        self.sum / f64::from(self.samples.max(1))
    }
}

/// A number of samples in whole billionths: such sums are the same in any order.
type Billionths = i64;

fn billionths(samples: f64) -> Billionths {
    (samples * 1e9).round() as Billionths
}

/// Of one device in one hour, in samples.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    seen: Billionths,
    held: Billionths,
    busy: Billionths,
    useful: Option<Billionths>,
}

impl Figures {
    /// Engine activity, else `GPU_UTIL`, says what ran; the busiest of the three others, by mean, whether it was useful.
    fn of(tallies: &[Tally; 5]) -> Option<Self> {
        let running = tallies[..2].iter().find(|tally| tally.samples > 0)?;
        let seen = f64::from(running.samples);
        let useful = tallies[2..].iter().filter(|tally| tally.samples > 0).map(|tally| tally.mean()).max_by(f64::total_cmp);
        Some(Self {
            seen: billionths(seen),
            held: billionths(f64::from(running.held)),
            busy: billionths(running.sum),
            useful: useful.map(|mean| billionths(mean * seen)),
        })
    }

    fn add_part(&mut self, other: Self, share: f64) {
        let part = |samples: Billionths| (samples as f64 * share).round() as Billionths;
        self.seen = self.seen.max(other.seen);
        self.held += part(other.held);
        self.busy += part(other.busy);
        if let Some(useful) = other.useful {
            *self.useful.get_or_insert(0) += part(useful);
        }
    }
}

/// The whole fleet in one hour, in samples.
#[derive(Debug)]
struct Sum {
    figures: Figures,
    /// The seconds of the hour at which anything was seen.
    moments: Box<[u64; WORDS]>,
}

/// What the hours need to know of a device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// The physical GPU.
    pub(super) board: u32,
    /// The share of the GPU that the device is; none: all of it.
    pub(super) share: Option<f64>,
}

/// The fleet by the hour, as it is being read.
#[derive(Debug, Default)]
pub(super) struct Hours {
    open: HashMap<(i64, u32), [Tally; 5]>,
    sums: BTreeMap<i64, Sum>,
    waiting: BTreeMap<i64, f64>,
    waiting_seen: BTreeMap<i64, u32>,
}

/// A resolved moment of a device: the value, and whether a pod held the device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: i64,
    pub(super) value: f64,
    pub(super) held: bool,
}

impl Hours {
    /// Takes moments of one device and metric, in order of time.
    pub(super) fn add(&mut self, device: u32, metric: Metric, moments: &[Moment]) {
        let Some(slot) = KEPT.iter().position(|kept| *kept == metric) else { return };
        for of_hour in moments.chunk_by(|a, b| a.at.div_euclid(HOUR) == b.at.div_euclid(HOUR)) {
            let hour = of_hour[0].at.div_euclid(HOUR);
            let tally = &mut self.open.entry((hour, device)).or_default()[slot];
            for moment in of_hour {
                tally.samples += 1;
                tally.sum += moment.value;
                tally.held += u32::from(moment.held);
            }
            if slot < 2 {
                let sum = self.sums.entry(hour).or_insert_with(|| Sum { figures: Figures::default(), moments: Box::new([0; WORDS]) });
                for moment in of_hour {
                    let second = moment.at.rem_euclid(HOUR) as usize;
                    sum.moments[second / 64] |= 1 << (second % 64);
                }
            }
        }
    }

    /// Forgets what was said of `metric` by `device` in the hours that are still open.
    pub(super) fn forget(&mut self, device: u32, metric: Metric) {
        let Some(slot) = KEPT.iter().position(|kept| *kept == metric) else { return };
        for (_, tallies) in self.open.iter_mut().filter(|((_, of), _)| *of == device) {
            tallies[slot] = Tally::default();
        }
    }

    /// Folds all devices into the fleet's sums: every series of the hours so far has been taken.
    pub(super) fn close(&mut self, part_of: impl Fn(u32) -> Part) {
        let mut boards: BTreeMap<(i64, u32), (Option<Figures>, Figures)> = BTreeMap::new();
        for ((hour, device), tallies) in self.open.drain() {
            let Some(figures) = Figures::of(&tallies) else { continue };
            let part = part_of(device);
            let (whole, parts) = boards.entry((hour, part.board)).or_default();
            match part.share {
                None => *whole = Some(figures),
                Some(share) => parts.add_part(figures, share),
            }
        }
        for ((hour, _), (whole, parts)) in boards {
            // Where a GPU reports beside its slices, its own row already holds theirs; only who held them is in the slices.
            let mut figures = whole.unwrap_or(parts);
            figures.held = figures.held.max(parts.held).min(figures.seen);
            figures.busy = figures.busy.min(figures.seen);
            if let Some(sum) = self.sums.get_mut(&hour) {
                sum.figures.seen += figures.seen;
                sum.figures.held += figures.held;
                sum.figures.busy += figures.busy;
                if let Some(useful) = figures.useful {
                    *sum.figures.useful.get_or_insert(0) += useful.min(figures.seen);
                }
            }
        }
    }

    /// GPUs that pending pods asked for at a moment. Several series of one moment add up.
    pub(super) fn add_waiting(&mut self, at: i64, gpus: f64) {
        *self.waiting.entry(at.div_euclid(HOUR)).or_default() += gpus;
    }

    /// At this moment it could be seen who waits.
    pub(super) fn add_waiting_seen(&mut self, at: i64) {
        *self.waiting_seen.entry(at.div_euclid(HOUR)).or_default() += 1;
    }

    /// The hours that were seen, oldest first.
    pub(super) fn finish(self) -> Vec<Hour> {
        let Self { sums, waiting, waiting_seen, .. } = self;
        let hour = |(hour, sum): (i64, Sum)| {
            let moments: u32 = sum.moments.iter().map(|word| word.count_ones()).sum();
            let mean = |total: Billionths| total as f64 / 1e9 / f64::from(moments.max(1));
            let waiting = waiting_seen.get(&hour).map(|seen| waiting.get(&hour).copied().unwrap_or(0.0) / f64::from(*seen));
            Hour {
                start: Timestamp(hour * HOUR),
                seen: mean(sum.figures.seen),
                held: mean(sum.figures.held),
                busy: mean(sum.figures.busy),
                useful: sum.figures.useful.map(mean),
                waiting,
            }
        };
        sums.into_iter().filter(|(_, sum)| sum.figures.seen > 0).map(hour).collect()
    }
}
