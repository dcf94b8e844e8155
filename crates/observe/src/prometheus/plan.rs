//! How a window is cut into requests that the store can answer and that stay small here.
//!
//! Time is cut at full hours, so that every hour of the fleet is whole within one chunk; the ends of a chunk are
//! included in a range query, so a chunk ends one step before the next begins and no sample is asked for twice.

use plimsoll_fleet::{Seconds, Timestamp, Window};

/// Prometheus refuses more points of one series in one answer.
pub(super) const POINTS_MAX: u64 = 11_000;
/// Samples of one answer: at some 25 bytes a sample about 8 MB of JSON.
const SAMPLES_MAX: u64 = 300_000;
/// Hosts in one request: a regular expression of this many names stays below what servers take.
const HOSTS_MAX: usize = 400;
const HOUR: u64 = 3_600;

/// A stretch of the time grid, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) step: u64,
}

impl Range {
    /// Moments in it.
    pub(super) fn points(self) -> u64 {
        (self.end - self.start) as u64 / self.step + 1
    }

    /// Its halves, if it has two moments.
    pub(super) fn halves(self) -> Option<[Self; 2]> {
        let first = self.points() / 2;
        let middle = self.start.saturating_add_unsigned(first * self.step);
        (first > 0).then(|| [Self { end: middle.saturating_sub_unsigned(self.step), ..self }, Self { start: middle, ..self }])
    }

    pub(super) fn window(self) -> Window {
        Window { start: Timestamp(self.start), end: Timestamp(self.end) }
    }
}

/// The requests for one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// The whole grid.
    pub(super) window: Range,
    /// Stretches of time, oldest first, without overlap.
    pub(super) chunks: Vec<Range>,
    /// Into how many groups of hosts each stretch is cut.
    pub(super) shards: usize,
}

/// A plan for `series` series over `window` before `end`, from a store that knows `hosts` hosts.
pub(super) fn plan(end: Timestamp, window: Seconds, step: Seconds, series: u64, hosts: usize) -> Plan {
    let step = step.0.max(1);
    let end = end.0 - end.0.rem_euclid(step as i64);
    // The first moment of a window is left out: seven days of minutes are 10,080 samples, not one more.
    let whole = Range { start: end.saturating_sub_unsigned((window.0 / step).saturating_sub(1) * step), end, step };
    let series = series.max(1);
    let per_hour = (HOUR / step).max(1);
    let hours = (SAMPLES_MAX / (series * per_hour)).clamp(1, (POINTS_MAX * step / HOUR).max(1));
    let length = (hours * HOUR).max(step.div_ceil(HOUR) * HOUR) as i64;
    let mut chunks = Vec::new();
    let mut start = whole.start;
    while start <= end {
        let next = (start.div_euclid(length) + 1) * length;
        let last = next - 1 - (next - 1).rem_euclid(step as i64);
        // Both ends lie on the grid, as multiples of the step.
        chunks.push(Range { start, end: last.min(end), step });
        start = last + step as i64;
    }
    let samples = series * per_hour * hours;
    let shards = if samples > SAMPLES_MAX || hosts > HOSTS_MAX && samples > SAMPLES_MAX / 2 {
        (samples.div_ceil(SAMPLES_MAX) as usize).max(hosts.div_ceil(HOSTS_MAX)).min(hosts.max(1))
    } else {
        1
    };
    Plan { window: whole, chunks, shards }
}

/// Label matchers that part the hosts into `shards` groups, and one for series without a host. One empty matcher: no parting.
pub(super) fn matchers(label: &str, hosts: &[String], shards: usize) -> Vec<String> {
    if shards <= 1 || hosts.is_empty() {
        return vec![String::new()];
    }
    let mut hosts: Vec<&str> = hosts.iter().map(String::as_str).filter(|host| !host.is_empty()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let group = |group: &[&str]| format!("{label}=~\"{}\"", group.iter().map(|host| escape(host)).collect::<Vec<_>>().join("|"));
    let mut matchers: Vec<String> = hosts.chunks(hosts.len().div_ceil(shards).max(1)).map(group).collect();
    matchers.push(format!("{label}=\"\""));
    matchers
}

/// A literal within a regular expression within a PromQL string.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\\\\\"),
            '\n' => escaped.push_str("\\n"),
            '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => {
                escaped.push_str("\\\\");
                escaped.push(letter);
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_week_of_a_small_fleet_is_few_requests_and_of_a_large_one_many_small_ones() {
        let week = Seconds(7 * 86_400);
        let small = plan(Timestamp(1_795_392_030), week, Seconds(60), 8, 1);
        assert_eq!((small.window.points(), small.shards), (10_080, 1));
        assert!(small.chunks.len() <= 2);
        let large = plan(Timestamp(1_795_392_030), week, Seconds(60), 80_000, 10_000);
        assert!(large.shards >= 16 && large.chunks.iter().all(|chunk| chunk.points() <= 60));
    }

    #[test]
    fn matchers_are_literal() {
        let hosts = ["b.x".to_owned(), "a\"|".to_owned()];
        assert_eq!(matchers("Hostname", &hosts, 1), [""]);
        assert_eq!(matchers("Hostname", &hosts, 2), ["Hostname=~\"a\\\"\\\\|\"", "Hostname=~\"b\\\\.x\"", "Hostname=\"\""]);
    }

    proptest! {
        #[test]
        fn every_moment_is_asked_for_once_and_hours_are_whole(
            end in 1_000_000_000_i64..2_000_000_000, window in 60_u64..2_700_000, step in prop::sample::select(vec![15_u64, 30, 60, 300, 900, 3_600]),
            series in 1_u64..100_000, hosts in 0_usize..3_000
        ) {
            let plan = plan(Timestamp(end), Seconds(window), Seconds(step), series, hosts);
            let mut next = plan.window.start;
            for chunk in &plan.chunks {
                prop_assert_eq!(chunk.start, next);
                prop_assert!(chunk.end >= chunk.start && chunk.points() <= POINTS_MAX);
                prop_assert_eq!((chunk.end - chunk.start) % step as i64, 0);
                next = chunk.end + step as i64;
                prop_assert!(next > plan.window.end || next.div_euclid(3_600) > chunk.end.div_euclid(3_600));
            }
            prop_assert_eq!(next, plan.window.end + step as i64);
        }

        #[test]
        fn halves_make_the_whole(start in 0_i64..1_000, points in 1_u64..50, step in 1_u64..100) {
            let range = Range { start, end: start + ((points - 1) * step) as i64, step };
            match range.halves() {
                None => prop_assert_eq!(points, 1),
                Some([a, b]) => {
                    prop_assert_eq!((a.start, b.end, a.points() + b.points()), (range.start, range.end, points));
                    prop_assert_eq!(a.end + step as i64, b.start);
                }
            }
        }
    }
}
