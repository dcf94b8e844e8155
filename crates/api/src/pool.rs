//! `Pool`: nodes managed alike, as far as a rule must know them.

use crate::{ApiError, Metadata, guardrail::check_patterns, named};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A pool of nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// The API version.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// Its metadata.
    pub metadata: Metadata,
    /// Its nodes.
    pub spec: PoolSpec,
}

/// The nodes of a pool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolSpec {
    /// Labels that all of its nodes have: who asks for all of them asks for the pool.
    pub node_labels: BTreeMap<String, String>,
    /// Taints that keep others out of it.
    #[serde(default)]
    pub taints: Vec<PoolTaint>,
    /// How its GPUs are shared.
    #[serde(default)]
    pub sharing: PoolSharing,
    /// GPUs of a node; absent: not said.
    #[serde(default)]
    pub gpus_per_node: Option<u32>,
    /// CPUs of a node that pods may have; absent: not said.
    #[serde(default)]
    pub cpus_per_node: Option<f64>,
    /// Memory of a node that pods may have, GiB; absent: not said.
    #[serde(default, rename = "memoryGiBPerNode")]
    pub memory_gib_per_node: Option<f64>,
}

/// A taint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolTaint {
    /// Its key.
    pub key: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
    /// Its effect.
    pub effect: TaintEffect,
}

/// What a taint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// Keeps out who does not tolerate it.
    NoSchedule,
    /// Keeps out who does not tolerate it, where there is room elsewhere.
    PreferNoSchedule,
    /// Drives out who does not tolerate it.
    NoExecute,
}

/// How a pool's GPUs are shared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PoolSharing {
    /// Each GPU to one pod.
    #[default]
    None,
    /// In turns, with no isolation.
    TimeSlicing,
    /// At once, with limits on memory.
    Mps,
    /// In slices that the hardware keeps apart.
    Mig,
}

impl Pool {
    /// What the schema cannot say.
    ///
    /// # Errors
    /// [`ApiError::Field`].
    pub fn validate(&self) -> Result<(), ApiError> {
        named("Pool", &self.metadata)?;
        let wrong = |field: &str, why: &str| {
            let (name, field, why) = (self.metadata.name.clone(), format!("spec.{field}"), why.to_owned());
            Err(ApiError::Field { kind: "Pool", name, field, why })
        };
        if self.spec.node_labels.is_empty() {
            return wrong("nodeLabels", "without labels every node would be in it: give those that only its nodes have");
        }
        if self.spec.gpus_per_node == Some(0) {
            return wrong("gpusPerNode", "a pool of nodes without GPUs needs no word here; leave it out");
        }
        let good = |number: Option<f64>| number.is_none_or(|number| number.is_finite() && number > 0.0);
        if !good(self.spec.cpus_per_node) || !good(self.spec.memory_gib_per_node) {
            return wrong("cpusPerNode, memoryGiBPerNode", "they must be above zero");
        }
        let keys: Vec<String> = self.spec.taints.iter().map(|taint| taint.key.clone()).collect();
        check_patterns(&keys).or_else(|why| wrong("taints", &why))
    }
}
