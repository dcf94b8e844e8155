//! `Pool`: nodes managed alike, as far as a rule must know them.

use crate::{ApiError, Metadata, guardrail::check_patterns, named, pattern::LENGTH_MAX};
use plimsoll_fleet::written::is_accelerator;
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
    /// The model of its GPUs, as the node label nvidia.com/gpu.product has it; absent: the one of nodeLabels.
    #[serde(default)]
    pub model: Option<String>,
    /// What its nodes offer to pods; empty: whole GPUs, where they are not shared, else not said.
    #[serde(default)]
    pub devices: Vec<PoolDevice>,
}

/// A kind of device that the nodes of a pool offer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolDevice {
    /// The resource that a pod asks for: nvidia.com/gpu, nvidia.com/gpu.shared, nvidia.com/mig-1g.10gb.
    pub resource: String,
    /// Over how many pods one is shared; absent: not at all. Each is then counted on to have its part of memory and compute.
    #[serde(default)]
    pub replicas: Option<u32>,
    /// Memory of one that a pod can count on, GiB; absent: by the model and the MIG profile, parted by replicas.
    #[serde(default, rename = "memoryGiB")]
    pub memory_gib: Option<f64>,
    /// Compute of one that a pod can count on, percent of a board; absent: by the model and the MIG profile, parted by replicas.
    #[serde(default)]
    pub compute: Option<f64>,
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
        check_patterns(&keys).or_else(|why| wrong("taints", &why))?;
        if self.spec.model.as_deref().is_some_and(|model| model.is_empty() || model.len() > LENGTH_MAX) {
            return wrong("model", "write it as the label nvidia.com/gpu.product of its nodes has it, or leave it out");
        }
        if self.spec.devices.len() > DEVICES_MAX {
            return wrong("devices", &format!("it has more than {DEVICES_MAX}: no node offers so many kinds"));
        }
        for (at, device) in self.spec.devices.iter().enumerate() {
            let field = format!("devices[{at}]");
            device.check().or_else(|why| wrong(&field, &why))?;
            if self.spec.devices[..at].iter().any(|other| other.resource == device.resource) {
                return wrong(&field, &format!("{} is there twice; leave one out", device.resource));
            }
        }
        Ok(())
    }

    /// The model of its GPUs, as its nodes are labelled; none: not said.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.spec.model.as_deref().or_else(|| self.spec.node_labels.get(PRODUCT_LABEL).map(String::as_str))
    }
}

/// The node label with the model of the GPUs.
pub const PRODUCT_LABEL: &str = "nvidia.com/gpu.product";

/// Most kinds of devices of a pool. The MIG table with the most profiles has some 20.
const DEVICES_MAX: usize = 100;

/// Most pods that share one device. MPS serves at most 48 clients, and time slicing of more helps nobody.
const REPLICAS_MAX: u32 = 100;

impl PoolDevice {
    fn check(&self) -> Result<(), String> {
        if !is_accelerator(&self.resource) || self.resource.len() > LENGTH_MAX {
            return Err(format!("'{}' is no resource of an accelerator, such as nvidia.com/mig-1g.10gb", self.resource));
        }
        if self.replicas.is_some_and(|replicas| replicas == 0 || replicas > REPLICAS_MAX) {
            return Err(format!("replicas: it must be from 1 to {REPLICAS_MAX}"));
        }
        if self.memory_gib.is_some_and(|memory| !memory.is_finite() || memory <= 0.0 || memory > 1e6) {
            return Err("memoryGiB: it must be above zero".to_owned());
        }
        if self.compute.is_some_and(|compute| !compute.is_finite() || compute <= 0.0 || compute > 100.0) {
            return Err("compute: it must be above 0 and at most 100, a percentage of a board".to_owned());
        }
        Ok(())
    }
}
