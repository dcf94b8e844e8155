//! What `--baseline` reads of an earlier document. It reads only what it compares, so that documents with more fields
//! stay readable.

use super::SCHEMA_VERSION;
use plimsoll_decide::audit::{
    baseline::{Baseline, Known},
    finding::Subject,
};
use plimsoll_fleet::{Money, Timestamp};
use serde::Deserialize;

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
    signs: Vec<Sign>,
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

/// Reads the text of an earlier document. What was accepted or had too little evidence then was no verdict: it is left out.
///
/// # Errors
/// Where it is no audit document, or one of another version.
pub fn baseline(text: &str) -> Result<Baseline, PastError> {
    let Version { schema_version } = serde_json::from_str(text).map_err(PastError::Parse)?;
    if schema_version != SCHEMA_VERSION {
        return Err(PastError::Version { found: schema_version });
    }
    let document: Document = serde_json::from_str(text).map_err(PastError::Parse)?;
    let at: jiff::Timestamp = document.at.parse().map_err(|source| PastError::Moment { found: document.at.clone(), source })?;
    let was_open = |sign: &Sign| sign.accepted.is_none() && sign.confidence != "too-little";
    let known = |sign: Sign| Known {
        fingerprint: sign.fingerprint,
        sign: sign.sign,
        subject: sign.subject.to_string(),
        cost_month: sign.cost_month.map(Money::from_units),
    };
    Ok(Baseline { at: Timestamp(at.as_second()), findings: document.signs.into_iter().filter(was_open).map(known).collect() })
}
