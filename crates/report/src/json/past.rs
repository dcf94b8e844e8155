//! What `--baseline` reads of an earlier document. It reads only what it compares, so that documents with more fields
//! stay readable.

use super::SCHEMA_VERSION;
use plimsoll_decide::audit::finding::Subject;
use plimsoll_fleet::{Money, Timestamp};
use serde::Deserialize;

/// A finding of an earlier audit.
#[derive(Debug, Clone, PartialEq)]
pub struct PastFinding {
    /// Its fingerprint.
    pub fingerprint: String,
    /// The sign.
    pub sign: String,
    /// On what.
    pub subject: Subject,
    /// What it cost a month; none: unknown, or not a matter of money.
    pub cost_month: Option<Money>,
}

/// An earlier audit, as far as it is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// When the fleet was seen.
    pub at: Timestamp,
    /// The currency of its money.
    pub currency: String,
    /// What was found, without what was accepted or had too little evidence.
    pub findings: Vec<PastFinding>,
}

/// Why a text is no earlier audit.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// It is not JSON, or not this document.
    #[error("this is no audit document: make one with `plimsoll audit --format json`")]
    Parse(#[source] serde_json::Error),
    /// It is a document of another version.
    #[error(
        "this audit document has version {found:?}, and only version {SCHEMA_VERSION:?} can be compared: make a new one with `plimsoll audit --format json`"
    )]
    Version {
        /// The version that it says.
        found: String,
    },
    /// Its moment cannot be read.
    #[error("the moment {found:?} in the field `at` of this audit document cannot be read")]
    Moment {
        /// What stands there.
        found: String,
        /// Why it cannot be read.
        #[source]
        source: jiff::Error,
    },
}

#[derive(Deserialize)]
struct Version {
    schema_version: String,
}

#[derive(Deserialize)]
struct Document {
    at: String,
    money: Currency,
    signs: Vec<Sign>,
}

#[derive(Deserialize)]
struct Currency {
    currency: String,
}

#[derive(Deserialize)]
struct Sign {
    fingerprint: String,
    sign: String,
    subject: Subject,
    cost_month: Option<f64>,
    confidence: String,
    #[serde(default)]
    accepted: Option<serde::de::IgnoredAny>,
}

/// Reads the text of an earlier document.
///
/// # Errors
/// Where it is no audit document, or one of another version.
pub fn past(text: &str) -> Result<Past, PastError> {
    let Version { schema_version } = serde_json::from_str(text).map_err(PastError::Parse)?;
    if schema_version != SCHEMA_VERSION {
        return Err(PastError::Version { found: schema_version });
    }
    let document: Document = serde_json::from_str(text).map_err(PastError::Parse)?;
    let at: jiff::Timestamp = document.at.parse().map_err(|source| PastError::Moment { found: document.at.clone(), source })?;
    let counts = |sign: &Sign| sign.accepted.is_none() && sign.confidence != "too-little";
    let findings = document
        .signs
        .into_iter()
        .filter(counts)
        .map(|sign| PastFinding {
            fingerprint: sign.fingerprint,
            sign: sign.sign,
            subject: sign.subject,
            cost_month: sign.cost_month.map(Money::from_units),
        })
        .collect();
    Ok(Past { at: Timestamp(at.as_second()), currency: document.money.currency, findings })
}
