//! Nodes.

use super::{
    Meta, or_default,
    pod::{Condition, Quantities},
};
use plimsoll_fleet::Name;
use serde::Deserialize;

/// A node.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawNode {
    /// Its metadata.
    pub metadata: Meta,
    /// What is wanted.
    #[serde(deserialize_with = "or_default")]
    pub spec: NodeSpec,
    /// What is.
    #[serde(deserialize_with = "or_default")]
    pub status: NodeStatus,
}

/// What a node should be.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NodeSpec {
    /// The cloud's name for it: `aws:///us-east-1a/i-0b49`.
    #[serde(rename = "providerID")]
    pub provider_id: Option<Name>,
    /// Cordoned.
    #[serde(deserialize_with = "or_default")]
    pub unschedulable: bool,
    /// Its taints.
    #[serde(deserialize_with = "or_default")]
    pub taints: Vec<RawTaint>,
}

/// A taint.
#[derive(Debug, Clone, Deserialize)]
pub struct RawTaint {
    /// Its key.
    pub key: Name,
    /// Its value.
    #[serde(default, deserialize_with = "or_default")]
    pub value: Name,
    /// What it does.
    pub effect: plimsoll_fleet::node::Effect,
}

/// What a node is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// What pods can have.
    #[serde(deserialize_with = "or_default")]
    pub allocatable: Quantities,
    /// What it has, in working order or not.
    #[serde(deserialize_with = "or_default")]
    pub capacity: Quantities,
    /// Its conditions.
    #[serde(deserialize_with = "or_default")]
    pub conditions: Vec<Condition>,
}
