//! This audit beside an earlier one, and findings that the user has accepted.

use super::{
    Audit,
    finding::{Acceptance, Finding},
};
use plimsoll_fleet::{Money, Seconds, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Does an acceptance cover `finding` at the moment `at`?
#[must_use]
pub fn accepts(acceptance: &Acceptance, finding: &Finding, at: Timestamp) -> bool {
    let names_it = *acceptance.sign == *finding.sign || *acceptance.sign == *finding.fingerprint();
    let subject = acceptance.subject.as_ref().is_none_or(|subject| *subject == finding.subject.to_string());
    names_it && subject && at < acceptance.expires
}

/// A finding of an earlier audit, as its document keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its fingerprint.
    pub fingerprint: String,
    /// The sign.
    pub sign: String,
    /// The subject as people write it.
    pub subject: String,
    /// What it cost a month; none: unknown.
    pub cost_month: Option<Money>,
}

/// An earlier audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// When its fleet was seen.
    pub at: Timestamp,
    /// What it found.
    pub findings: Vec<Known>,
}

/// This audit beside an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// When the earlier fleet was seen.
    pub since: Timestamp,
    /// Fingerprints that were not there.
    pub new: BTreeSet<String>,
    /// Fingerprints that are there still.
    pub unchanged: BTreeSet<String>,
    /// What is there no more.
    pub mended: Vec<Known>,
    /// What the unchanged ones have cost meanwhile, at today's rate; none: no cost of any of them is known.
    pub cost_meanwhile: Option<Money>,
}

/// Compares by fingerprint. Findings with too little evidence and accepted ones are left out: they are no verdicts.
#[must_use]
pub fn compare(audit: &Audit, before: &Baseline) -> Comparison {
    let now: BTreeMap<String, &Finding> = audit.open().map(|finding| (finding.fingerprint(), finding)).collect();
    let then: BTreeSet<&String> = before.findings.iter().map(|known| &known.fingerprint).collect();
    let unchanged: BTreeSet<String> = now.keys().filter(|fingerprint| then.contains(fingerprint)).cloned().collect();
    let Seconds(elapsed) = audit.at.since(before.at);
    let months = elapsed as f64 / 3_600.0 / plimsoll_fleet::units::HOURS_PER_MONTH;
    let monthly = unchanged.iter().filter_map(|fingerprint| now[fingerprint].cost_month).reduce(|a, b| a + b);
    let mut mended: Vec<Known> = before.findings.iter().filter(|known| !now.contains_key(&known.fingerprint)).cloned().collect();
    mended.sort_by(|a, b| (&a.sign, &a.subject).cmp(&(&b.sign, &b.subject)));
    Comparison {
        since: before.at,
        new: now.keys().filter(|fingerprint| !then.contains(fingerprint)).cloned().collect(),
        unchanged,
        mended,
        cost_meanwhile: monthly.map(|monthly| Money::from_units(monthly.units() * months)),
    }
}
