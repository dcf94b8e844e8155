//! Time as a fleet knows it: seconds since 1970, without a calendar and without a clock.

use serde::{Deserialize, Serialize};

/// A moment, in seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A length of time in whole seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub u64);

impl Seconds {
    /// One hour.
    pub const HOUR: Self = Self(3_600);
    /// One day.
    pub const DAY: Self = Self(86_400);

    /// A length as people write it: numbers, each with its unit, such as `90s` or `1h30m` (units s, m, h, d, w). None: it is no such text,
    /// or longer than can be counted.
    #[must_use]
    pub fn written(text: &str) -> Option<Self> {
        let (mut all, mut number, mut units) = (0_u64, None::<u64>, 0);
        for c in text.chars() {
            if let Some(digit) = c.to_digit(10) {
                number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit.into())?);
                continue;
            }
            let unit = match c {
                's' => 1,
                'm' => 60,
                'h' => 3_600,
                'd' => 86_400,
                'w' => 604_800,
                _ => return None,
            };
            all = all.checked_add(number.take()?.checked_mul(unit)?)?;
            units += 1;
        }
        (number.is_none() && units > 0).then_some(Self(all))
    }

    /// In hours.
    #[must_use]
    pub fn hours(self) -> f64 {
        self.0 as f64 / 3_600.0
    }
}

impl Timestamp {
    /// How long ago `earlier` was; zero where it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Seconds {
        Seconds(self.0.saturating_sub(earlier.0).max(0) as u64)
    }

    /// The moment `before` earlier.
    #[must_use]
    pub fn minus(self, before: Seconds) -> Self {
        Self(self.0.saturating_sub_unsigned(before.0))
    }

    /// The moment `after` later.
    #[must_use]
    pub fn plus(self, after: Seconds) -> Self {
        Self(self.0.saturating_add_unsigned(after.0))
    }

    /// The hour of the week in UTC, 0 to 167; 0 is Monday 00:00. (1970-01-01 was a Thursday.)
    #[must_use]
    pub fn hour_of_week(self) -> usize {
        (self.0.div_euclid(3_600) + 3 * 24).rem_euclid(168) as usize
    }
}

/// A stretch of time: from `start` to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Where it begins.
    pub start: Timestamp,
    /// Where it ends.
    pub end: Timestamp,
}

impl Window {
    /// Its length.
    #[must_use]
    pub fn length(self) -> Seconds {
        self.end.since(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("1h30m", 5_400), ("4w", 2_419_200), ("0s", 0), ("1d1d", 172_800)] {
            assert_eq!(Seconds::written(text), Some(Seconds(seconds)), "{text}");
        }
        for text in ["", "5", "m", "-1s", "1y", "1h5", " 1h", "1.5h", "99999999999999999999s", "18446744073709551615w", "1hé"] {
            assert_eq!(Seconds::written(text), None, "{text}");
        }
    }

    #[test]
    fn the_week_begins_on_monday() {
        // 2026-11-23 was a Monday.
        assert_eq!(Timestamp(1_795_392_000).hour_of_week(), 0);
        assert_eq!(Timestamp(1_795_392_000 - 1).hour_of_week(), 167);
    }
}
