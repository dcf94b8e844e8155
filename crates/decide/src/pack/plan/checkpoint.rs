//! What an annotation `plimsoll.dev/checkpoint…` says of the work that an eviction would lose.
//!
//! The value says it, whatever follows in the key:
//!
//! | value | means |
//! |---|---|
//! | `2026-11-23T08:40:00Z` (RFC 3339) | the last checkpoint is of this moment |
//! | `30m`, `1h30m`, `2h` (`s`, `m`, `h`, `d`, `w`) | one is written so often: at most so much is lost |
//! | `false` | there is none |
//! | anything else (`true`, a path) | there are checkpoints; how often is not told |

use plimsoll_fleet::{Seconds, Timestamp, selector::Labels};

/// Annotations with this prefix speak of checkpoints.
pub(in crate::pack) const PREFIX: &str = "plimsoll.dev/checkpoint";

/// A value longer than this is no time.
const LONGEST: usize = 64;

/// How work is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Saved {
    /// Last at this moment.
    At(Timestamp),
    /// So often.
    Every(Seconds),
    /// It is not told how often.
    Somehow,
}

/// What the annotations say: of several the one that tells most (the latest moment, the shortest interval); none: no checkpoints.
pub(super) fn saved(annotations: &[&Labels]) -> Option<Saved> {
    let all = annotations.iter().flat_map(|annotations| annotations.iter());
    let values = all.filter(|(key, value)| key.starts_with(PREFIX) && &***value != "false").map(|(_, value)| read(value));
    values.min_by_key(|saved| match *saved {
        Saved::At(moment) => (0, -i128::from(moment.0)),
        Saved::Every(interval) => (1, i128::from(interval.0)),
        Saved::Somehow => (2, 0),
    })
}

fn read(value: &str) -> Saved {
    let value = value.trim();
    if value.len() > LONGEST {
        return Saved::Somehow;
    }
    if let Ok(moment) = value.parse::<jiff::Timestamp>() {
        return Saved::At(Timestamp(moment.as_second()));
    }
    Seconds::written(value).filter(|every| every.0 > 0).map_or(Saved::Somehow, Saved::Every)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(&str, &str)]) -> Option<Saved> {
        saved(&[&values.iter().map(|(key, value)| (format!("{PREFIX}{key}").as_str().into(), (*value).into())).collect()])
    }

    #[test]
    fn the_forms_of_a_checkpoint() {
        assert_eq!(of(&[("", "2026-11-23T08:40:00Z")]), Some(Saved::At(Timestamp(1_795_423_200))));
        assert_eq!(of(&[("-last", "2026-11-23T09:40:00+01:00")]), Some(Saved::At(Timestamp(1_795_423_200))));
        assert_eq!(of(&[("-every", "1h30m")]), Some(Saved::Every(Seconds(5_400))));
        assert_eq!(of(&[("", "true")]), Some(Saved::Somehow));
        assert_eq!(of(&[("", "s3://models/run-7")]), Some(Saved::Somehow));
        assert_eq!(of(&[("", "false")]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn of_several_the_one_that_tells_most() {
        let last = "2026-11-23T08:40:00Z";
        assert_eq!(of(&[("", "true"), ("-every", "30m"), ("-last", last)]), Some(Saved::At(Timestamp(1_795_423_200))));
        assert_eq!(of(&[("-a", "30m"), ("-b", "10m"), ("-c", "false")]), Some(Saved::Every(Seconds(600))));
    }

    #[test]
    fn what_is_no_time_is_no_time() {
        for wrong in ["", "30", "m", "30m5", "-30m", "99999999999999999999h", "0s", "30 m", "30м", &"1s".repeat(40)] {
            assert_eq!(read(wrong), Saved::Somehow, "{wrong}");
        }
    }
}
