//! Pods, and the shapes that alike pods share.

use crate::{
    Bytes, MilliCpu, Name, NodeId, Seconds, ShapeId, Timestamp, WorkloadId,
    node::{Effect, Taint},
    selector::{Labels, NodeTerm, Selector},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A toleration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Toleration {
    /// The taint's key; none tolerates every key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Name>,
    /// The taint's value; none: any value (operator Exists).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Name>,
    /// The effect; none: all effects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
}

impl Toleration {
    /// Does it cover `taint`?
    #[must_use]
    pub fn covers(&self, taint: &Taint) -> bool {
        self.key.as_ref().is_none_or(|key| *key == taint.key)
            && self.value.as_ref().is_none_or(|value| *value == taint.value)
            && self.effect.is_none_or(|effect| effect == taint.effect)
    }
}

/// What a pod asks of accelerators.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ask {
    /// The resource's name, or the DeviceClass of a DRA request.
    pub resource: Name,
    /// How many.
    pub count: u32,
    /// Asked through a ResourceClaim.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dra: bool,
}

/// Which probes a container has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Probes {
    /// A startup probe.
    #[serde(default)]
    pub startup: bool,
    /// A readiness probe.
    #[serde(default)]
    pub readiness: bool,
    /// A liveness probe.
    #[serde(default)]
    pub liveness: bool,
}

/// What a container is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// An ordinary one.
    #[default]
    Main,
    /// An init container that ends before the others start.
    Init,
    /// An init container that stays (restartPolicy Always).
    Sidecar,
}

/// A container of a shape. Its environment, arguments and mounts are never read.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Container {
    /// Its name.
    pub name: Name,
    /// Its image reference.
    #[serde(default)]
    pub image: Name,
    /// What it is for.
    #[serde(default)]
    pub role: Role,
    /// CPU requested; none: not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<MilliCpu>,
    /// Memory requested; none: not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Accelerators.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<Ask>,
    /// Its probes.
    #[serde(default)]
    pub probes: Probes,
    /// It declares ports: it probably serves.
    #[serde(default)]
    pub serves: bool,
}

/// A required pod affinity or anti-affinity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Affinity {
    /// The node label that says what "near" is.
    pub topology: Name,
    /// The pods meant.
    pub pods: Selector,
    /// The namespaces that they are in; empty: the pod's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<Name>,
}

/// A topology spread constraint with `DoNotSchedule`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Spread {
    /// The node label that makes the domains.
    pub topology: Name,
    /// The pods counted.
    pub pods: Selector,
    /// The greatest difference allowed.
    pub max_skew: u32,
}

/// All that alike pods have in common: what they ask for and where they may go. A fleet has many pods and few shapes.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Shape {
    /// Labels, without those that differ from pod to pod of one workload (ordinal, index, hash, uid).
    #[serde(default)]
    pub labels: Labels,
    /// CPU of the whole pod as the scheduler counts it (init containers and overhead included).
    #[serde(default)]
    pub cpu: MilliCpu,
    /// Memory of the whole pod as the scheduler counts it.
    #[serde(default)]
    pub memory: Bytes,
    /// Accelerators of the whole pod as the scheduler counts them, by resource, in order of name.
    #[serde(default)]
    pub asks: Vec<Ask>,
    /// Its containers.
    #[serde(default)]
    pub containers: Vec<Container>,
    /// `nodeSelector`.
    #[serde(default)]
    pub node_selector: Labels,
    /// Required node affinity: alternatives. Empty: none required.
    #[serde(default)]
    pub node_terms: Vec<NodeTerm>,
    /// Tolerations.
    #[serde(default)]
    pub tolerations: Vec<Toleration>,
    /// Required pod affinity.
    #[serde(default)]
    pub near: Vec<Affinity>,
    /// Required pod anti-affinity.
    #[serde(default)]
    pub apart: Vec<Affinity>,
    /// Hard topology spread.
    #[serde(default)]
    pub spread: Vec<Spread>,
    /// Host ports that it takes.
    #[serde(default)]
    pub host_ports: Vec<u16>,
    /// Its priority.
    #[serde(default)]
    pub priority: i32,
    /// Its priority class.
    #[serde(default)]
    pub priority_class: Option<Name>,
    /// The scheduler that places it.
    #[serde(default)]
    pub scheduler: Option<Name>,
    /// `activeDeadlineSeconds` of the pod itself.
    #[serde(default)]
    pub deadline: Option<Seconds>,
    /// Annotations that matter to a decision (`plimsoll.dev/*`, safe-to-evict, do-not-disrupt, shares of other schedulers).
    #[serde(default)]
    pub annotations: BTreeMap<Name, Name>,
}

impl Shape {
    /// Does it ask for an accelerator?
    #[must_use]
    pub fn wants_gpus(&self) -> bool {
        !self.asks.is_empty()
    }

    /// Would the node's name, labels and taints let it in? (`PreferNoSchedule` does not keep anything out.)
    #[must_use]
    pub fn may_go(&self, node: &crate::Node) -> bool {
        self.node_selector.iter().all(|(key, value)| node.labels.get(key) == Some(value))
            && (self.node_terms.is_empty() || self.node_terms.iter().any(|term| term.accepts(&node.name, &node.labels)))
            && self.untolerated(&node.taints).next().is_none()
    }

    /// The taints that keep it out.
    pub fn untolerated<'a>(&'a self, taints: &'a [Taint]) -> impl Iterator<Item = &'a Taint> {
        taints
            .iter()
            .filter(|taint| taint.effect != Effect::PreferNoSchedule)
            .filter(|taint| !self.tolerations.iter().any(|toleration| toleration.covers(taint)))
    }
}

/// Where a pod is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Not all containers have started.
    #[default]
    Pending,
    /// Running.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// The kubelet does not answer.
    Unknown,
}

/// How a container last ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exit {
    /// `Error`, `OOMKilled`, `Completed`.
    pub reason: Name,
    /// The exit code.
    pub code: i32,
}

/// A device that a DRA claim gave to a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Granted {
    /// The DeviceClass asked for.
    pub class: Name,
    /// The driver's name for the device: `gpu-0`, `gpu-1-mig-2g47gb-14-2`.
    pub device: Name,
    /// Index into the node's GPUs; none: not found in the node's ResourceSlices.
    #[serde(default)]
    pub gpu: Option<u16>,
    /// The MIG profile of the device, where it is a slice.
    #[serde(default)]
    pub profile: Option<Name>,
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pod {
    /// Its namespace.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// Its shape.
    pub shape: ShapeId,
    /// The workload at the top of its owners; none: nobody owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadId>,
    /// The node that it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// Where it is in its life.
    pub phase: Phase,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When it was bound to its node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<Timestamp>,
    /// When the first of its main containers last started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When the last of its containers ended; none: it goes on, or nobody told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// When it last became ready; none: it is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Timestamp>,
    /// It is being deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleting: bool,
    /// Restarts of all its containers.
    #[serde(default)]
    pub restarts: u32,
    /// Why a container waits: `CrashLoopBackOff`, `ImagePullBackOff`, `ContainerCreating`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Name>,
    /// How a container last ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<Exit>,
    /// The scheduler's word on why it is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unschedulable: Option<Name>,
    /// Scheduling gates that hold it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Name>,
    /// How long its image took to pull, from its events; none: not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull: Option<Seconds>,
    /// Devices granted by DRA.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted: Vec<Granted>,
    /// Why it cannot be moved by an eviction (an annotation `key=value`, local storage); none: it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Name>,
    /// A static pod of the kubelet, or one of a DaemonSet: it comes with the node and does not count as load to move.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_node: bool,
}

impl Pod {
    /// Does it hold what it asked for? Bound and not ended; a pod that is being deleted holds until it is gone.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.node.is_some() && !matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }

    /// Does it wait for a node?
    #[must_use]
    pub fn waits(&self) -> bool {
        self.node.is_none() && self.phase == Phase::Pending && !self.deleting
    }
}
