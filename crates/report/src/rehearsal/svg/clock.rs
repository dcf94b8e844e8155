//! An axis of time: by the calendar where the work has one, else from the first moment on.

use crate::{chart::axis_number, words};
use plimsoll_fleet::{Seconds, Timestamp};
use plimsoll_simulate::rehearsal::{Moment, Rehearsal};

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;
/// Distances between marks that people read as round.
const STEPS: [u64; 25] = [
    1,
    2,
    5,
    10,
    15,
    30,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    5 * DAY,
    10 * DAY,
    20 * DAY,
    50 * DAY,
    100 * DAY,
    200 * DAY,
];

/// From seconds to marks and words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began: Option<i64>,
    /// The first and the last second drawn.
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Clock {
    /// Over the courses of all runs; none: no run has one.
    pub(super) fn of(rehearsal: &Rehearsal) -> Option<Self> {
        let courses = || rehearsal.runs.iter().map(|run| run.course.as_slice()).filter(|course| !course.is_empty());
        let first = courses().map(|course| course[0].at).min()?;
        let last = courses().map(|course| end(course, rehearsal.horizon)).max()?.max(first.saturating_add(1));
        let began = rehearsal.began.as_deref().and_then(words::from_rfc3339).map(|began| began.0);
        Some(Self { began, first, last })
    }

    /// What the axis is called.
    pub(super) fn title(&self) -> &'static str {
        if self.began.is_some() { "time (UTC)" } else { "time from the first moment" }
    }

    /// Marks, at most `most` and some, with what they are called.
    pub(super) fn ticks(&self, most: u64) -> Vec<(f64, String)> {
        let span = self.last - self.first;
        let step = STEPS.into_iter().find(|step| span / step <= most).unwrap_or_else(|| {
            let rough = (span / most.max(1)) as f64 / DAY as f64;
            let power = 10_f64.powf(rough.log10().floor()).max(1.0);
            ((rough / power).ceil() * power) as u64 * DAY
        });
        // By the calendar, marks stand at its hours and days.
        let shift = self.began.map_or(0, |began| began.rem_euclid(step as i64) as u64);
        let mut at = (self.first.saturating_add(shift)).div_ceil(step).saturating_mul(step).saturating_sub(shift);
        let mut ticks = Vec::new();
        while at <= self.last && ticks.len() <= 2 * most as usize {
            ticks.push((at as f64, self.name(at, step, span)));
            let Some(next) = at.checked_add(step) else { break };
            at = next;
        }
        ticks
    }

    fn name(&self, at: u64, step: u64, span: u64) -> String {
        let Some(began) = self.began else {
            return match step {
                step if step < MINUTE => format!("{} s", words::count(at)),
                step if step < HOUR => format!("{} min", words::count(at / MINUTE)),
                step if step < DAY => format!("{} h", words::count(at / HOUR)),
                _ => format!("{} d", axis_number((at / DAY) as f64)),
            };
        };
        let moment = Timestamp(began.saturating_add_unsigned(at));
        if span > 300 * DAY {
            words::axis_month(moment)
        } else if step >= DAY || moment.0.rem_euclid(DAY as i64) == 0 {
            words::axis_day(moment)
        } else {
            words::axis_hour(moment)
        }
    }

    /// A moment in words, for a tooltip.
    pub(super) fn says(&self, at: u64) -> String {
        match self.began {
            Some(began) => words::moment(Timestamp(began.saturating_add_unsigned(at))),
            None => format!("after {}", words::duration(Seconds(at))),
        }
    }
}

/// When the last moment of a course ends: at the horizon, or as long after its beginning as the one before took.
pub(super) fn end(course: &[Moment], horizon: Option<u64>) -> u64 {
    let Some(last) = course.last() else { return 0 };
    let before = course.len().checked_sub(2).map_or(0, |at| last.at.saturating_sub(course[at].at));
    horizon.filter(|&horizon| horizon > last.at).unwrap_or(last.at.saturating_add(before.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(began: Option<i64>, first: u64, last: u64) -> Vec<String> {
        Clock { began, first, last }.ticks(6).into_iter().map(|tick| tick.1).collect()
    }

    #[test]
    fn without_a_calendar_marks_are_round_lengths() {
        assert_eq!(names(None, 0, 40), ["0 s", "10 s", "20 s", "30 s", "40 s"]);
        assert_eq!(names(None, 0, 7 * DAY), ["0 d", "2 d", "4 d", "6 d"]);
        assert_eq!(names(None, 0, 5 * HOUR), ["0 h", "1 h", "2 h", "3 h", "4 h", "5 h"]);
    }

    #[test]
    fn by_the_calendar_marks_stand_at_days_and_hours() {
        // 2026-11-23 22:00 UTC.
        let began = Some(1_795_392_000 + 22 * 3_600);
        assert_eq!(names(began, 0, 12 * HOUR), ["22:00", "24 Nov", "02:00", "04:00", "06:00", "08:00", "10:00"]);
        assert_eq!(names(began, 0, 4 * DAY), ["24 Nov", "25 Nov", "26 Nov", "27 Nov"]);
    }

    #[test]
    fn any_span_has_few_marks() {
        for began in [None, Some(0), Some(i64::MAX)] {
            for last in [1, 7, 86_399, 1 << 40, u64::MAX] {
                let ticks = Clock { began, first: 0, last }.ticks(6);
                assert!((1..=13).contains(&ticks.len()), "{began:?} {last}: {ticks:?}");
            }
        }
    }
}
