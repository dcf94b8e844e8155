//! What the webhook decided, as it wrote it down: one [`Record`] a line.
//!
//! Records come out of a file or of the webhook's own log, where other lines stand between them: those are passed over. A record
//! holds its object without what is never decoded (see [`crate::manifest`]), when it is written and when it is read.

use crate::{
    lines::{LINE_MAX, Lines, Text},
    manifest::{self, Document, Node},
};
use plimsoll_fleet::{Timestamp, selector::Labels};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use std::io::{self, BufRead};

/// The form that a record has. Another one gets another name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// The first.
    #[default]
    #[serde(rename = "decision/v1")]
    V1,
}

/// A decision of the webhook about an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// What it is. It comes first, so that a record is known among other lines.
    pub plimsoll: Form,
    /// When it was decided.
    #[serde(serialize_with = "write_moment", deserialize_with = "read_moment")]
    pub at: Timestamp,
    /// The request's own name.
    pub uid: String,
    /// `CREATE` or `UPDATE`.
    pub operation: String,
    /// The object's namespace; empty: it has none.
    #[serde(default)]
    pub namespace: String,
    /// The labels of the namespace; none: they were not known.
    #[serde(default)]
    pub namespace_labels: Option<Labels>,
    /// Who asked.
    #[serde(default)]
    pub user: String,
    /// Nothing was to come of it.
    #[serde(default)]
    pub dry_run: bool,
    /// The controller of an object that was judged before asked for it: it was not judged.
    #[serde(default)]
    pub by_controller: bool,
    /// It was let in.
    pub allowed: bool,
    /// The rules that it broke.
    #[serde(default)]
    pub breaches: Vec<Broken>,
    /// Something was filled in.
    #[serde(default)]
    pub patched: bool,
    /// The object.
    #[serde(deserialize_with = "read_object")]
    pub object: Node,
}

/// A rule that an object broke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// The rule.
    pub rule: String,
    /// `audit`, `warn` or `enforce`.
    pub mode: String,
    /// Where in the object.
    pub path: String,
    /// What was said.
    pub message: String,
}

impl Record {
    /// Its object, as rules want it.
    #[must_use]
    pub fn document(&self) -> Document {
        Document { node: self.object.clone() }
    }
}

/// How every record begins.
const BEGINS: &str = "{\"plimsoll\":\"decision/";

/// A line that is a record, or was meant to be one.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A record.
    Record(Box<Record>),
    /// It begins as a record and is none that this program can read: cut off, or of a later form.
    Broken {
        /// Its line, from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
}

/// Reads records, a line at a time; lines that are no records are passed over.
#[derive(Debug)]
pub struct Records<R> {
    lines: Lines<R>,
    failed: bool,
}

impl<R: BufRead> Records<R> {
    /// Of `from`, from here to its end.
    pub fn new(from: R) -> Self {
        Self { lines: Lines::new(from), failed: false }
    }

    fn read(&mut self) -> io::Result<Option<Entry>> {
        while let Some((line, text)) = self.lines.next()? {
            match text {
                Text::TooLong => return Ok(Some(Entry::Broken { line, why: format!("it is longer than {LINE_MAX} bytes") })),
                Text::Whole(bytes) => {
                    if let Some(entry) = entry(line, bytes) {
                        return Ok(Some(entry));
                    }
                }
            }
        }
        Ok(None)
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.read();
        self.failed = next.is_err();
        next.transpose()
    }
}

/// What a line is; none: no record, nor meant to be one. A log's own beginning of a line (`--prefix`, `--timestamps`) may stand
/// before it.
pub(crate) fn entry(line: u64, bytes: &[u8]) -> Option<Entry> {
    let text = std::str::from_utf8(bytes).ok()?;
    let start = text.find(BEGINS)?;
    // In the middle of another line's JSON it is a text in it, and escaped: then it is not found, or was written by somebody else.
    let record = &text[start..];
    Some(match serde_json::from_str::<Record>(record.trim_end()) {
        Ok(record) => Entry::Record(Box::new(record)),
        Err(error) => Entry::Broken { line, why: error.to_string() },
    })
}

fn write_moment<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    let moment = jiff::Timestamp::from_second(at.0).map_err(serde::ser::Error::custom)?;
    to.collect_str(&moment)
}

fn read_moment<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
    let moment: jiff::Timestamp = text.parse().map_err(|_| de::Error::custom("at is no moment such as 2027-03-31T09:00:00Z"))?;
    Ok(Timestamp(moment.as_second()))
}

/// From its text, so that what is never decoded is not decoded here either.
fn read_object<'de, D: Deserializer<'de>>(from: D) -> Result<Node, D::Error> {
    let raw = Box::<RawValue>::deserialize(from)?;
    manifest::object(raw.get()).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"ml"},"spec":{"containers":[{"name":"main","env":[{"name":"TOKEN","value":"hunter2"}],"resources":{"limits":{"nvidia.com/gpu":"1"}}}]}}"#;

    fn record() -> Record {
        Record {
            plimsoll: Form::V1,
            at: Timestamp(1_795_600_000),
            uid: "0f".into(),
            operation: "CREATE".into(),
            namespace: "ml".into(),
            namespace_labels: Some(Labels::from([("team".into(), "search".into())])),
            user: "alice".into(),
            dry_run: false,
            by_controller: false,
            allowed: true,
            breaches: vec![Broken { rule: "probes".into(), mode: "warn".into(), path: "spec".into(), message: "No probe.".into() }],
            patched: false,
            object: manifest::object(POD).unwrap(),
        }
    }

    fn all(text: &[u8]) -> Vec<Entry> {
        Records::new(text).map(Result::unwrap).collect()
    }

    #[test]
    fn a_record_is_read_back_as_it_was_written_without_what_is_secret() {
        let line = serde_json::to_string(&record()).unwrap();
        assert!(line.starts_with(BEGINS) && line.contains(r#""at":"2026-11-25T"#), "{line}");
        assert!(!line.contains("hunter2") && line.contains("nvidia.com/gpu"));
        assert_eq!(all(line.as_bytes()), [Entry::Record(Box::new(record()))]);
        let by_hand = line.replace(r#""resources""#, r#""args":["hunter2"],"resources""#);
        assert_eq!(all(by_hand.as_bytes()), [Entry::Record(Box::new(record()))]);
        assert_eq!(record().document().written().unwrap().templates[0].devices(), 1);
    }

    #[test]
    fn other_lines_of_a_log_are_passed_over_and_a_record_that_is_cut_off_is_told() {
        let line = serde_json::to_string(&record()).unwrap();
        let log = format!(
            "2027-01-01T00:00:00Z INFO ready\n{{\"level\":\"info\"}}\n[pod/plimsoll-0/webhook] {line}\r\n\u{0}\n{}\n{line}",
            &line[..line.len() - 9]
        );
        let entries = all(log.as_bytes());
        assert_eq!(entries.len(), 3);
        assert!(matches!(&entries[1], Entry::Broken { line: 5, .. }), "{:?}", entries[1]);
        let later = line.replace("decision/v1", "decision/v2");
        assert!(matches!(&all(later.as_bytes())[..], [Entry::Broken { line: 1, why }] if why.contains("decision/v2")));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

        #[test]
        fn no_line_makes_it_panic(at in 0_usize..600, byte: u8, cut in 0_usize..600, noise in "\\PC{0,40}") {
            let mut line = serde_json::to_vec(&record()).unwrap();
            if let Some(place) = line.get_mut(at) {
                *place = byte;
            }
            line.truncate(cut.max(1));
            let text = [noise.as_bytes(), b"\n", &line].concat();
            prop_assert!(all(&text).len() <= 2);
        }
    }
}
