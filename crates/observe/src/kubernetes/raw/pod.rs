//! Pods and pod templates.

use super::{Meta, Text, is_there, moment, or_default};
use plimsoll_fleet::{Name, Timestamp, selector::Labels};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Quantities by resource.
pub type Quantities = BTreeMap<Name, Text>;

/// A pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawPod {
    /// Its metadata.
    pub metadata: Meta,
    /// What is wanted.
    pub spec: PodSpec,
    /// What is.
    #[serde(deserialize_with = "or_default")]
    pub status: PodStatus,
}

/// A pod template.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Template {
    /// Labels and annotations of its pods.
    #[serde(deserialize_with = "or_default")]
    pub metadata: Meta,
    /// What its pods want.
    pub spec: PodSpec,
}

/// What a pod wants.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// The node it is bound to.
    pub node_name: Option<Name>,
    /// Its containers.
    #[serde(deserialize_with = "or_default")]
    pub containers: Vec<RawContainer>,
    /// Its init containers, sidecars among them.
    #[serde(deserialize_with = "or_default")]
    pub init_containers: Vec<RawContainer>,
    /// What its runtime class adds.
    #[serde(deserialize_with = "or_default")]
    pub overhead: Quantities,
    /// Requests of the pod as a whole (CPU, memory, huge pages only).
    #[serde(deserialize_with = "or_default")]
    pub resources: Resources,
    /// DRA claims.
    #[serde(deserialize_with = "or_default")]
    pub resource_claims: Vec<PodClaim>,
    /// Node labels it needs.
    #[serde(deserialize_with = "or_default")]
    pub node_selector: Labels,
    /// Affinities.
    #[serde(deserialize_with = "or_default")]
    pub affinity: RawAffinity,
    /// Tolerations.
    #[serde(deserialize_with = "or_default")]
    pub tolerations: Vec<RawToleration>,
    /// Topology spread.
    #[serde(deserialize_with = "or_default")]
    pub topology_spread_constraints: Vec<RawSpread>,
    /// Its priority, resolved.
    pub priority: Option<i32>,
    /// Its priority class.
    pub priority_class_name: Option<Name>,
    /// Its scheduler.
    pub scheduler_name: Option<Name>,
    /// How long it may run, seconds.
    pub active_deadline_seconds: Option<i64>,
    /// Gates that hold it.
    #[serde(deserialize_with = "or_default")]
    pub scheduling_gates: Vec<Named>,
    /// It uses the node's network.
    #[serde(deserialize_with = "or_default")]
    pub host_network: bool,
}

/// Something of which only the name is read.
#[derive(Debug, Clone, Deserialize)]
pub struct Named {
    /// The name.
    pub name: Name,
}

/// A container.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RawContainer {
    /// Its name.
    #[serde(deserialize_with = "or_default")]
    pub name: Name,
    /// Its image reference.
    #[serde(deserialize_with = "or_default")]
    pub image: Name,
    /// What it asks for.
    #[serde(deserialize_with = "or_default")]
    pub resources: Resources,
    /// It has a startup probe.
    #[serde(deserialize_with = "is_there")]
    pub startup_probe: bool,
    /// It has a readiness probe.
    #[serde(deserialize_with = "is_there")]
    pub readiness_probe: bool,
    /// It has a liveness probe.
    #[serde(deserialize_with = "is_there")]
    pub liveness_probe: bool,
    /// Its ports.
    #[serde(deserialize_with = "or_default")]
    pub ports: Vec<Port>,
    /// `Always` makes an init container a sidecar.
    pub restart_policy: Option<Name>,
}

/// Requests and limits.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Requested.
    #[serde(deserialize_with = "or_default")]
    pub requests: Quantities,
    /// At most.
    #[serde(deserialize_with = "or_default")]
    pub limits: Quantities,
}

impl Resources {
    /// What is requested of `resource`; the limit where only that is given, as the API server fills it in.
    #[must_use]
    pub fn requested(&self, resource: &str) -> Option<&str> {
        self.requests.get(resource).or_else(|| self.limits.get(resource)).map(|text| text.0.as_str())
    }
}

/// A port of a container.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Port {
    /// The port of the node that it takes.
    pub host_port: Option<u16>,
    /// The container's port.
    pub container_port: Option<u16>,
}

/// A DRA claim as a pod names it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodClaim {
    /// The pod's own name for it.
    pub name: Name,
    /// A ResourceClaim that exists.
    #[serde(default)]
    pub resource_claim_name: Option<Name>,
    /// A template from which one is made for the pod.
    #[serde(default)]
    pub resource_claim_template_name: Option<Name>,
}

/// Affinities; only those that are required are read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RawAffinity {
    /// To nodes.
    #[serde(deserialize_with = "or_default")]
    pub node_affinity: NodeAffinity,
    /// To pods.
    #[serde(deserialize_with = "or_default")]
    pub pod_affinity: PodAffinity,
    /// Away from pods.
    #[serde(deserialize_with = "or_default")]
    pub pod_anti_affinity: PodAffinity,
}

/// Node affinity.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NodeAffinity {
    /// What is required.
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution", deserialize_with = "or_default")]
    pub required: NodeSelector,
}

/// Alternatives.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelector {
    /// One of these must hold.
    #[serde(deserialize_with = "or_default")]
    pub node_selector_terms: Vec<NodeSelectorTerm>,
}

/// Requirements on a node that hold together.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelectorTerm {
    /// On its labels.
    #[serde(deserialize_with = "or_default")]
    pub match_expressions: Vec<RawRequirement>,
    /// On its fields.
    #[serde(deserialize_with = "or_default")]
    pub match_fields: Vec<RawRequirement>,
}

/// A requirement on a label or a field.
#[derive(Debug, Clone, Deserialize)]
pub struct RawRequirement {
    /// The key.
    pub key: Name,
    /// How it compares.
    pub operator: plimsoll_fleet::selector::Operator,
    /// With what.
    #[serde(default, deserialize_with = "or_default")]
    pub values: Vec<Name>,
}

/// Affinity to pods.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PodAffinity {
    /// What is required.
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution", deserialize_with = "or_default")]
    pub required: Vec<PodAffinityTerm>,
}

/// Pods, and what near is.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodAffinityTerm {
    /// The pods.
    #[serde(default)]
    pub label_selector: Option<LabelSelector>,
    /// Their namespaces.
    #[serde(default, deserialize_with = "or_default")]
    pub namespaces: Vec<Name>,
    /// The label that says what near is.
    pub topology_key: Name,
}

/// A label selector.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels that must be there.
    #[serde(deserialize_with = "or_default")]
    pub match_labels: Labels,
    /// Requirements.
    #[serde(deserialize_with = "or_default")]
    pub match_expressions: Vec<RawRequirement>,
}

/// A toleration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawToleration {
    /// The key; none or empty: every key.
    pub key: Option<Name>,
    /// `Equal` where none is given.
    pub operator: Option<Name>,
    /// The value.
    pub value: Option<Name>,
    /// The effect; none: all.
    pub effect: Option<Name>,
    /// How long it is tolerated (`NoExecute`), seconds; none: for ever.
    #[serde(rename = "tolerationSeconds")]
    pub seconds: Option<i64>,
}

/// A topology spread constraint.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawSpread {
    /// The greatest difference.
    pub max_skew: u32,
    /// The label that makes the domains.
    pub topology_key: Name,
    /// `DoNotSchedule` or `ScheduleAnyway`.
    pub when_unsatisfiable: Name,
    /// The pods counted.
    #[serde(default)]
    pub label_selector: Option<LabelSelector>,
}

/// What a pod is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// Its phase.
    pub phase: Option<Name>,
    /// Its conditions.
    #[serde(deserialize_with = "or_default")]
    pub conditions: Vec<Condition>,
    /// Its containers.
    #[serde(deserialize_with = "or_default")]
    pub container_statuses: Vec<ContainerStatus>,
    /// Its init containers.
    #[serde(deserialize_with = "or_default")]
    pub init_container_statuses: Vec<ContainerStatus>,
    /// The claims made for it.
    #[serde(deserialize_with = "or_default")]
    pub resource_claim_statuses: Vec<ClaimStatus>,
    /// The claim made for its extended resources that DRA serves.
    pub extended_resource_claim_status: Option<ExtendedClaim>,
}

/// A condition.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// Which one.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub kind: Name,
    /// `True`, `False`, `Unknown`.
    #[serde(deserialize_with = "or_default")]
    pub status: Name,
    /// A word.
    pub reason: Option<Name>,
    /// A sentence.
    pub message: Option<Name>,
    /// Since when.
    #[serde(deserialize_with = "moment")]
    pub last_transition_time: Option<Timestamp>,
}

/// A container's state.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// Restarts.
    #[serde(deserialize_with = "or_default")]
    pub restart_count: u32,
    /// Now.
    #[serde(deserialize_with = "or_default")]
    pub state: ContainerState,
    /// Before.
    #[serde(deserialize_with = "or_default")]
    pub last_state: ContainerState,
}

/// One of three.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ContainerState {
    /// It waits.
    pub waiting: Option<Waiting>,
    /// It runs.
    pub running: Option<Running>,
    /// It ended.
    pub terminated: Option<Terminated>,
}

/// Why a container waits.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Waiting {
    /// A word.
    pub reason: Option<Name>,
}

/// A running container.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Running {
    /// Since when.
    #[serde(deserialize_with = "moment")]
    pub started_at: Option<Timestamp>,
}

/// An ended container.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Terminated {
    /// A word.
    pub reason: Option<Name>,
    /// The exit code.
    #[serde(deserialize_with = "or_default")]
    pub exit_code: i32,
    /// From when.
    #[serde(deserialize_with = "moment")]
    pub started_at: Option<Timestamp>,
    /// Till when.
    #[serde(deserialize_with = "moment")]
    pub finished_at: Option<Timestamp>,
}

/// Which ResourceClaim was made for a pod's claim.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimStatus {
    /// The pod's own name for it.
    pub name: Name,
    /// The ResourceClaim.
    #[serde(default)]
    pub resource_claim_name: Option<Name>,
}

/// The ResourceClaim that stands for extended resources.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtendedClaim {
    /// The ResourceClaim.
    pub resource_claim_name: Name,
}
