//! Label selectors and node selector terms, as the API means them.

use crate::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Labels by key.
pub type Labels = BTreeMap<Name, Name>;

/// How a requirement compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operator {
    /// The value is one of those given.
    In,
    /// The value is absent or none of those given.
    NotIn,
    /// The key is there.
    Exists,
    /// The key is not there.
    DoesNotExist,
    /// The value is an integer above the one given.
    Gt,
    /// The value is an integer below the one given.
    Lt,
}

/// One requirement on a label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Requirement {
    /// The label's key.
    pub key: Name,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Name>,
}

impl Requirement {
    /// Do `labels` meet it?
    #[must_use]
    pub fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let compared = |better: fn(i64, i64) -> bool| {
            let have = value.and_then(|value| value.parse().ok());
            let want = self.values.first().and_then(|value| value.parse().ok());
            have.zip(want).is_some_and(|(have, want)| better(have, want))
        };
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => compared(|have, want| have > want),
            Operator::Lt => compared(|have, want| have < want),
        }
    }
}

/// A label selector: all of its requirements hold. An empty one selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Selector(pub Vec<Requirement>);

impl Selector {
    /// Does it select what carries `labels`?
    #[must_use]
    pub fn selects(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| requirement.holds(labels))
    }
}

/// One term of a required node affinity: all requirements of a term hold; the terms themselves are alternatives.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeTerm {
    /// On the node's labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Requirement>,
    /// On the node's name (`matchFields` knows `metadata.name` only).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Requirement>,
}

impl NodeTerm {
    /// Does the term accept a node? A term without requirements accepts none (API: "null or empty term matches no objects").
    #[must_use]
    pub fn accepts(&self, name: &str, labels: &Labels) -> bool {
        if self.labels.is_empty() && self.names.is_empty() {
            return false;
        }
        self.labels.iter().all(|requirement| requirement.holds(labels))
            && self.names.iter().all(|requirement| {
                let is_one_of_them = requirement.values.iter().any(|value| &**value == name);
                match requirement.operator {
                    Operator::In => is_one_of_them,
                    Operator::NotIn => !is_one_of_them,
                    _ => false,
                }
            })
    }
}
