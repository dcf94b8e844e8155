//! Work made up from a few numbers: jobs that come by chance, as often and for as long as is said.

use super::{Job, Pods, Work};
use crate::chance::Stream;
use plimsoll_decide::pack::site::Group;
use plimsoll_fleet::{Name, Shape};

/// Jobs of one sort.
#[derive(Debug, Clone, PartialEq)]
pub struct Sort {
    /// What they are called.
    pub name: Name,
    /// Seconds between arrivals, in the mean.
    pub every: f64,
    /// Seconds that a job works, in the mean; none: it stays.
    pub lasts: Option<f64>,
    /// All work equally long; else exponentially distributed, as run times are where nobody knows better.
    pub steady: bool,
    /// They come with the day: twice as often at 14:00 as in the mean, hardly at 2:00.
    pub daily: bool,
    /// The pods of one job.
    pub pods: Vec<(Shape, u32)>,
    /// All of them on nodes with one value of this label.
    pub within: Option<Name>,
    /// More comes first.
    pub priority: i32,
    /// Seconds of starting.
    pub starting: u64,
    /// Seconds between checkpoints.
    pub checkpoint: Option<u64>,
}

/// Jobs made at most: a rehearsal of more is a mistake in its file.
pub const JOBS_MAX: usize = 2_000_000;
const DAY: f64 = 86_400.0;
/// The busiest hour.
const PEAK: f64 = 14.0 / 24.0;

/// The jobs of these sorts until the horizon, the same for the same seed. At most [`JOBS_MAX`] of all.
#[must_use]
pub fn synthetic(sorts: &[Sort], horizon: u64, seed: u64) -> Work {
    let mut pods = Pods::default();
    let mut jobs = Vec::new();
    for (at, sort) in (0_u64..).zip(sorts) {
        let group = Group {
            pods: sort.pods.iter().map(|(shape, count)| (pods.place("synthetic".into(), shape.clone()), *count)).collect(),
            within: sort.within.clone(),
            groups: Vec::new(),
        };
        // A stream for each sort, so that one more sort changes nothing of the others.
        let mut chance = Stream::new(seed.wrapping_add(at.wrapping_mul(0x9e37_79b9)));
        let mut time = 0.0;
        for number in 0.. {
            // By thinning (Lewis and Shedler, 1979): drawn at the highest rate, and kept as often as the rate is below it.
            let rate = if sort.daily { 2.0 } else { 1.0 };
            loop {
                time += chance.exponential(sort.every.max(1e-3) / rate);
                let now = 1.0 + (std::f64::consts::TAU * (time / DAY - PEAK)).cos();
                if !sort.daily || chance.part() * rate < now {
                    break;
                }
            }
            let lasts = sort.lasts.map(|mean| if sort.steady { mean } else { chance.exponential(mean) });
            if time >= horizon as f64 || jobs.len() >= JOBS_MAX {
                break;
            }
            jobs.push(Job {
                name: format!("{}-{number}", sort.name).into(),
                arrives: time as u64,
                lasts: lasts.map(|lasts| lasts.round().max(1.0) as u64),
                pods: group.clone(),
                priority: sort.priority,
                starting: sort.starting,
                checkpoint: sort.checkpoint,
                ..Job::default()
            });
        }
    }
    jobs.sort_by_key(|job| job.arrives);
    Work { name: format!("{} synthetic jobs", jobs.len()), pods: pods.into_list(), jobs, ..Work::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(daily: bool) -> Sort {
        Sort {
            name: "a".into(),
            every: 60.0,
            lasts: Some(600.0),
            steady: false,
            daily,
            pods: vec![(Shape::default(), 1)],
            within: None,
            priority: 0,
            starting: 0,
            checkpoint: None,
        }
    }

    /// Two weeks of one a minute: as many as there should be within four standard deviations, and by day twice as many as in the mean.
    #[test]
    fn jobs_come_as_often_as_is_said() {
        let weeks = 14 * 86_400;
        for daily in [false, true] {
            let jobs = synthetic(&[sort(daily)], weeks, 7).jobs;
            assert!(jobs.len().abs_diff(20_160) < 4 * 142, "{}", jobs.len());
            let mean = jobs.iter().filter_map(|job| job.lasts).sum::<u64>() as f64 / jobs.len() as f64;
            assert!((mean - 600.0).abs() < 600.0 * 4.0 / 142.0, "{mean}");
            let at_peak =
                jobs.iter().filter(|job| (50_400 - 1_800..50_400 + 1_800).contains(&(job.arrives % 86_400))).count() as f64 / 14.0;
            assert!((at_peak / 60.0 - if daily { 2.0 } else { 1.0 }).abs() < 0.2, "{at_peak}");
        }
        let again = synthetic(&[sort(true)], weeks, 7);
        assert_eq!(again.jobs.len(), synthetic(&[sort(true)], weeks, 7).jobs.len());
        assert_ne!(again.jobs[0].arrives, synthetic(&[sort(true)], weeks, 8).jobs[0].arrives);
    }
}
