//! What all kinds have in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An object's metadata, as far as it is ours to read; the API server keeps the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its generation: it grows with each change of the specification.
    #[serde(default)]
    pub generation: Option<i64>,
}
