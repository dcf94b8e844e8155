//! Workloads: what stands at the top of a pod's owners.

use crate::{Name, Seconds, ShapeId, Timestamp, selector::Labels};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a workload is, for every decision about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Inference, embeddings, vector search: latency matters.
    Online,
    /// Offline scoring.
    Batch,
    /// Long, ganged, checkpointed.
    Training,
    /// Notebooks and the like.
    Dev,
}

impl Class {
    /// As the label `plimsoll.dev/class` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Batch => "batch",
            Self::Training => "training",
            Self::Dev => "dev",
        }
    }

    /// From the label's value.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Online, Self::Batch, Self::Training, Self::Dev].into_iter().find(|class| class.name() == name)
    }
}

/// A number of pods, or a share of the replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Amount {
    /// So many.
    Count(u32),
    /// So many of a hundred.
    Percent(u32),
}

impl Amount {
    /// Of `replicas`, rounded up (as `maxSurge` is).
    #[must_use]
    pub fn rounded_up(self, replicas: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => (u64::from(percent) * u64::from(replicas)).div_ceil(100) as u32,
        }
    }

    /// Of `replicas`, rounded down (as `maxUnavailable` is).
    #[must_use]
    pub fn rounded_down(self, replicas: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => (u64::from(percent) * u64::from(replicas) / 100) as u32,
        }
    }
}

/// How a workload replaces its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rollout {
    /// All at once, after the old ones are gone.
    Recreate,
    /// Bit by bit. The API server has filled in the defaults (25 % each).
    Rolling {
        /// Pods above the replicas.
        max_surge: Amount,
        /// Pods that may be missing.
        max_unavailable: Amount,
    },
}

/// What scales a workload.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Autoscaler {
    /// `HorizontalPodAutoscaler`, `ScaledObject`, …
    pub kind: Name,
    /// Its name.
    pub name: Name,
    /// Least replicas.
    pub min: u32,
    /// Most replicas.
    pub max: u32,
    /// The names of what it looks at: `cpu`, `vllm:num_requests_waiting`.
    #[serde(default)]
    pub metrics: Vec<Name>,
}

/// What only work that ends has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Run {
    /// `activeDeadlineSeconds`.
    #[serde(default)]
    pub deadline: Option<Seconds>,
    /// `backoffLimit`.
    #[serde(default)]
    pub backoff_limit: Option<u32>,
    /// `ttlSecondsAfterFinished`.
    #[serde(default)]
    pub ttl: Option<Seconds>,
    /// Pods at once.
    #[serde(default)]
    pub parallelism: Option<u32>,
    /// Held by `suspend`.
    #[serde(default)]
    pub suspended: bool,
    /// When it ended; none: it has not.
    #[serde(default)]
    pub finished: Option<Timestamp>,
    /// A CronJob's schedule.
    #[serde(default)]
    pub schedule: Option<Name>,
}

/// A quantity in a template that no API has checked: custom kinds take any text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RawQuantity {
    /// Where it stands: `spec.replicatedJobs[0].template.spec.template.spec.containers[0].resources.limits`.
    pub path: Name,
    /// The resource.
    pub resource: Name,
    /// The quantity as written.
    pub quantity: Name,
}

/// A workload: the object at the top of a pod's owners, or a pod that nobody owns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Its API version: `apps/v1`.
    #[serde(default)]
    pub api_version: Name,
    /// Its kind: `Deployment`.
    pub kind: Name,
    /// Its namespace.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// Its labels.
    #[serde(default)]
    pub labels: Labels,
    /// Its annotations that matter to a decision.
    #[serde(default)]
    pub annotations: BTreeMap<Name, Name>,
    /// When it was made.
    #[serde(default)]
    pub created: Option<Timestamp>,
    /// Pods wanted.
    #[serde(default)]
    pub replicas: Option<u32>,
    /// The shape of the pods that its template makes now; none: the template was not read.
    #[serde(default)]
    pub template: Option<ShapeId>,
    /// How it replaces its pods.
    #[serde(default)]
    pub rollout: Option<Rollout>,
    /// What scales it.
    #[serde(default)]
    pub autoscaler: Option<Autoscaler>,
    /// For work that ends.
    #[serde(default)]
    pub run: Option<Run>,
    /// Quantities of accelerators in its template that no API has checked.
    #[serde(default)]
    pub raw: Vec<RawQuantity>,
    /// A Service or route sends requests to its pods.
    #[serde(default)]
    pub exposed: bool,
    /// The object itself could not be read (no permission, or gone): only the owner reference is known.
    #[serde(default)]
    pub unread: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// maxSurge rounds up and maxUnavailable down: with 1 to 3 replicas the defaults are 1 and 0, the deadlock of GPU rollouts.
    #[test]
    fn the_defaults_of_a_small_deployment_are_surge_one_unavailable_none() {
        for replicas in 1..=3 {
            assert_eq!(Amount::Percent(25).rounded_up(replicas), 1);
            assert_eq!(Amount::Percent(25).rounded_down(replicas), 0);
        }
    }
}
