//! This audit beside an earlier one, and findings that the user has accepted.

use super::finding::{Acceptance, Finding};
use plimsoll_fleet::Timestamp;

/// Does an acceptance cover `finding` at the moment `at`?
#[must_use]
pub fn accepts(acceptance: &Acceptance, finding: &Finding, at: Timestamp) -> bool {
    let names_it = *acceptance.sign == *finding.sign || *acceptance.sign == *finding.fingerprint();
    let subject = acceptance.subject.as_ref().is_none_or(|subject| *subject == finding.subject.to_string());
    names_it && subject && at < acceptance.expires
}
