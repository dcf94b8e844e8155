//! The file of accepted findings: what is known, why it stays, and until when.

use anyhow::{Context as _, bail};
use plimsoll_decide::audit::{finding::Acceptance, signs};
use plimsoll_fleet::Timestamp;
use serde::Deserialize;
use std::path::Path;

/// An entry of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    sign: String,
    subject: Option<String>,
    reason: String,
    expires: String,
}

/// A file of accepted findings is small: this is ten thousand of them.
const LARGEST: u64 = 2 << 20;

/// Reads it.
pub fn read(path: &Path) -> anyhow::Result<Vec<Acceptance>> {
    let place = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {place}"))?.len();
    if size > LARGEST {
        bail!("{place} has {size} bytes: more than a file of accepted findings may have ({LARGEST})");
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {place}"))?;
    let entries: Vec<Entry> =
        serde_saphyr::from_str(&text).with_context(|| format!("{place} is not a list of {{sign, subject, reason, expires}}"))?;
    entries.into_iter().enumerate().map(|(at, entry)| accept(entry).with_context(|| format!("{place}, entry {}", at + 1))).collect()
}

fn accept(entry: Entry) -> anyhow::Result<Acceptance> {
    let is_fingerprint = entry.sign.len() == 16 && entry.sign.bytes().all(|byte| byte.is_ascii_hexdigit());
    if signs::named(&entry.sign).is_none() && !is_fingerprint {
        bail!("{}", crate::cli::no_sign(&entry.sign));
    }
    if entry.reason.trim().is_empty() {
        bail!("an acceptance needs a reason");
    }
    Ok(Acceptance { sign: entry.sign.into(), subject: entry.subject, reason: entry.reason, expires: moment(&entry.expires)? })
}

/// A day (until its end, UTC) or a moment with its offset.
fn moment(text: &str) -> anyhow::Result<Timestamp> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp(moment.as_second()));
    }
    let day: jiff::civil::Date = text.parse().with_context(|| format!("expires: '{text}' is not a day such as 2027-03-31"))?;
    let end = day
        .tomorrow()
        .and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC))
        .with_context(|| format!("expires: '{text}' is out of range"))?;
    Ok(Timestamp(end.timestamp().as_second()))
}
