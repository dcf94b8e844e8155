//! What a user may set of an audit.

use super::finding::Acceptance;
use plimsoll_fleet::Seconds;
use std::collections::{BTreeMap, BTreeSet};

/// Settings of an audit. The defaults are those of every sign's own page (`plimsoll explain NAME`).
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Thresholds by the sign's name, where they differ from the sign's own.
    pub thresholds: BTreeMap<String, f64>,
    /// Signs not to look for.
    pub off: BTreeSet<String>,
    /// Labels that name a team, before those of [`crate::team::LABELS`].
    pub team_labels: Vec<String>,
    /// Findings that are known and accepted.
    pub accepted: Vec<Acceptance>,
    /// Whole GPUs to keep free on purpose, by pool (`*`: every pool). Headroom is not waste.
    pub headroom: BTreeMap<String, u32>,
}

/// Less than this much of a pod's or device's life seen: no verdict. A training job that waits for data looks idle for
/// minutes (facts: telemetry, algorithms section 6), and DCGM refreshes every 30 s: an hour is 120 samples at best.
pub const LEAST_EVIDENCE: Seconds = Seconds::HOUR;
/// A day sees the daily rhythm once.
pub const FAIR_EVIDENCE: Seconds = Seconds::DAY;
/// A week sees the weekly rhythm once.
pub const GOOD_EVIDENCE: Seconds = Seconds(6 * 86_400);
