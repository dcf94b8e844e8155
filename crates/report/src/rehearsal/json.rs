//! The document with a published schema (`docs/schema/rehearsal.json`).

use plimsoll_simulate::rehearsal::Rehearsal;
use schemars::JsonSchema;
use serde::Serialize;

/// The version of the document. It changes when a field goes or changes its meaning; a new field leaves it.
pub const SCHEMA_VERSION: &str = "1";

/// A rehearsal by Plimsoll.
///
/// What is unknown is null, never 0. Lengths of time are in seconds, shares from 0 to 1, money in dollars.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "Plimsoll rehearsal")]
pub struct Document<'a> {
    /// The version of this document: it changes when a field goes or changes its meaning.
    #[schemars(extend("const" = "1"))]
    pub schema_version: &'static str,
    /// What was rehearsed, and what it gave.
    #[serde(flatten)]
    pub rehearsal: &'a Rehearsal,
}

/// The document of a rehearsal.
#[must_use]
pub fn document(rehearsal: &Rehearsal) -> Document<'_> {
    Document { schema_version: SCHEMA_VERSION, rehearsal }
}

/// The document as text, with a line break at its end.
#[must_use]
pub fn json(rehearsal: &Rehearsal) -> String {
    let mut text = serde_json::to_string_pretty(&document(rehearsal)).expect("its keys are strings and its numbers finite");
    text.push('\n');
    text
}

/// The schema of the document (JSON Schema 2020-12).
#[must_use]
pub fn schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<Document<'_>>().to_value()
}
