//! An object as its author wrote it: what a rule judges before a cluster has it.
//!
//! A manifest or an admission request, of any kind that makes pods. Only what rules look at is kept: no environment value,
//! argument, secret or volume has a field here. Nothing is filled in but where the API's own default decides what happens
//! (replicas, probes' periods), and what cannot be understood is kept as it was written.

use crate::{
    Name, Seconds,
    pod::Toleration,
    resource::{self, Unit},
    selector::{Labels, NodeTerm, Operator, Requirement, Selector},
    workload::{Rollout, Run},
};
use std::{collections::BTreeMap, fmt};

/// Keys whose values are never read, wherever they stand: they can hold secrets, and no decision needs them. `env` is another: it is
/// read where it is one word, a label, and never where it is a list.
pub const NEVER_READ: &[&str] = &[
    "envFrom",
    "args",
    "command",
    "volumes",
    "data",
    "stringData",
    "binaryData",
    "runtimeEnvYAML",
    "managedFields",
    // The annotation in which kubectl keeps the whole object once more, as text.
    "kubectl.kubernetes.io/last-applied-configuration",
];

/// A step of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The value of a key.
    Key(Name),
    /// An element of a list, and its `name` where it has one.
    Item(u32, Option<Name>),
}

/// Where something stands in an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// The path of these keys, with dots between them: `spec.template.spec`.
    #[must_use]
    pub fn of(keys: &str) -> Self {
        Self(keys.split('.').filter(|key| !key.is_empty()).map(|key| Step::Key(key.into())).collect())
    }

    /// The value of `key` in it.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.into()))
    }

    /// The element at `index` of it.
    #[must_use]
    pub fn item(&self, index: usize, name: Option<Name>) -> Self {
        self.with(Step::Item(u32::try_from(index).unwrap_or(u32::MAX), name))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = Vec::with_capacity(self.0.len() + 2);
        steps.extend_from_slice(&self.0);
        steps.push(step);
        Self(steps)
    }
}

/// As people write it: `spec.containers[server].resources.limits["nvidia.com/gpu"]`.
impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if key.contains(['.', '/', '"', ' ']) => write!(out, "[{key:?}]")?,
                Step::Key(key) => write!(out, "{}{key}", if at > 0 { "." } else { "" })?,
                Step::Item(index, None) => write!(out, "[{index}]")?,
                Step::Item(_, Some(name)) => write!(out, "[{name}]")?,
            }
        }
        Ok(())
    }
}

/// A quantity as written, and its value where it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity {
    /// As written.
    pub text: Name,
    /// In billionths; none: it is no quantity.
    pub nanos: Option<i128>,
}

/// Billionths in one.
const NANOS: i128 = 1_000_000_000;

impl Quantity {
    /// As a whole number of zero or more; none: it is none.
    #[must_use]
    pub fn whole(&self) -> Option<u64> {
        self.nanos.filter(|nanos| *nanos >= 0 && nanos % NANOS == 0).and_then(|nanos| u64::try_from(nanos / NANOS).ok())
    }

    /// So many devices are kept for it: rounded up; one where it cannot be told.
    #[must_use]
    pub fn devices(&self) -> u64 {
        self.nanos.map_or(1, |nanos| u64::try_from(nanos.max(0) / NANOS + i128::from(nanos.max(0) % NANOS != 0)).unwrap_or(u64::MAX))
    }

    /// As a number, for comparisons with limits.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        self.nanos.map(|nanos| nanos as f64 / NANOS as f64)
    }
}

/// What a container is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// An ordinary one.
    #[default]
    Main,
    /// An init container that ends before the others start.
    Init,
    /// An init container that stays (restartPolicy Always).
    Sidecar,
    /// An ephemeral one, put into a running pod to look for a fault.
    Ephemeral,
}

/// A probe's numbers, the API's defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// `initialDelaySeconds`.
    pub delay_s: u64,
    /// `periodSeconds`.
    pub period_s: u64,
    /// `failureThreshold`.
    pub failures: u64,
}

impl Probe {
    /// How long it may fail from the container's start until it counts, seconds.
    #[must_use]
    pub fn budget_s(self) -> u64 {
        self.delay_s.saturating_add(self.period_s.saturating_mul(self.failures))
    }
}

/// A container as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// Where it stands.
    pub path: Path,
    /// Its name.
    pub name: Name,
    /// Its image; none: its kind chooses one, or it is missing.
    pub image: Option<Name>,
    /// What it is for.
    pub role: Role,
    /// Where its requests and limits stand, below it: `resources`, or `resourcesPerNode` of a TrainJob.
    pub resources_key: &'static str,
    /// `resources.requests`.
    pub requests: BTreeMap<Name, Quantity>,
    /// `resources.limits`.
    pub limits: BTreeMap<Name, Quantity>,
    /// The pod's DRA claims that it uses.
    pub claims: Vec<Name>,
    /// Its startup probe.
    pub startup: Option<Probe>,
    /// Its readiness probe.
    pub readiness: Option<Probe>,
    /// Its liveness probe.
    pub liveness: Option<Probe>,
    /// The first port that it declares, if any: it probably serves.
    pub port: Option<u16>,
}

impl Container {
    /// The accelerators that it asks for by resource: the limit where there is one, as it is what the kubelet gives.
    pub fn asks(&self) -> impl Iterator<Item = (&Name, &Quantity)> {
        let only_requested = self.requests.iter().filter(|(name, _)| !self.limits.contains_key(*name));
        self.limits.iter().chain(only_requested).filter(|(name, _)| is_accelerator(name))
    }

    /// Devices that it asks for by resource: whole GPUs, slices and shares count as one each.
    #[must_use]
    pub fn devices(&self) -> u64 {
        self.asks().map(|(_, quantity)| quantity.devices()).fold(0, u64::saturating_add)
    }

    /// Where its `requests` or `limits` stand.
    #[must_use]
    pub fn resources_path(&self, side: &str) -> Path {
        self.path.key(self.resources_key).key(side)
    }
}

/// Prefix of the extended resource that every DeviceClass serves without being told (Kubernetes 1.35 and later).
pub const CLASS_PREFIX: &str = "deviceclass.resource.kubernetes.io/";

/// Is one unit of this resource an accelerator, or a part of one?
#[must_use]
pub fn is_accelerator(resource: &str) -> bool {
    resource::unit(resource).is_some_and(|unit| unit != Unit::Milli) || resource.strip_prefix(CLASS_PREFIX).is_some_and(is_gpu_class)
}

/// Does a DeviceClass of this name give accelerators? By its words: `gpu.nvidia.com`, `mig.nvidia.com`, `gpu.amd.com`,
/// `tpu.google.com`, and site names such as `big-gpu`. Network and ComputeDomain classes do not.
#[must_use]
pub fn is_gpu_class(class: &str) -> bool {
    const WORDS: [&str; 7] = ["gpu", "gpus", "mig", "tpu", "gaudi", "neuron", "accelerator"];
    class.to_ascii_lowercase().split(|c: char| !c.is_ascii_alphabetic()).any(|word| WORDS.contains(&word))
}

/// Where a pod's DRA claim comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimSource {
    /// A ResourceClaim that stands.
    Claim(Name),
    /// One made of a ResourceClaimTemplate for each pod.
    Template(Name),
}

/// A DRA claim as a pod names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodClaim {
    /// The pod's own name for it.
    pub name: Name,
    /// Where it comes from; none: it does not say.
    pub source: Option<ClaimSource>,
}

/// Devices that a ResourceClaim asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRequest {
    /// Where it stands.
    pub path: Path,
    /// The request's name.
    pub name: Name,
    /// The classes that would do, best first.
    pub classes: Vec<Name>,
    /// The most that any of the alternatives takes; none: all that there are.
    pub count: Option<u64>,
}

impl DeviceRequest {
    /// Accelerators that it takes; none: it takes none, or all.
    #[must_use]
    pub fn gpus(&self) -> Option<u64> {
        if self.wants_gpus() { self.count } else { Some(0) }
    }

    /// Does it ask for accelerators?
    #[must_use]
    pub fn wants_gpus(&self) -> bool {
        self.classes.iter().any(|class| is_gpu_class(class))
    }
}

/// Keys that hold one container where there is no list of them: KServe's servers (`pkg/apis/serving/v1beta1/predictor.go`), and
/// Argo Workflows' `container` and `script`.
pub const CONTAINER_KEYS: [&str; 16] = [
    "model",
    "sklearn",
    "xgboost",
    "tensorflow",
    "pytorch",
    "triton",
    "onnx",
    "huggingface",
    "pmml",
    "lightgbm",
    "paddle",
    "mlflow",
    "feast",
    "art",
    "container",
    "script",
];

/// A pod, or a template of pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    /// Where it stands: the object that has `metadata` and `spec`; or the pod spec itself where [`Template::bare`].
    pub path: Path,
    /// The pod spec stands at [`Template::path`] itself, without metadata beside it (KServe).
    pub bare: bool,
    /// How many pods of it there may be at once; none: as many as there are nodes, or not told.
    pub pods: Option<u64>,
    /// Labels of its pods.
    pub labels: Labels,
    /// Annotations of its pods that matter.
    pub annotations: BTreeMap<Name, Name>,
    /// Its containers, of every role, in the order written.
    pub containers: Vec<Container>,
    /// Its DRA claims.
    pub claims: Vec<PodClaim>,
    /// `nodeSelector`.
    pub node_selector: Labels,
    /// Required node affinity: alternatives.
    pub node_terms: Vec<NodeTerm>,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
    /// It asks to be spread: topology spread constraints, or affinity away from its like.
    pub spread: bool,
    /// Its priority class.
    pub priority_class: Option<Name>,
    /// `activeDeadlineSeconds` of the pod itself.
    pub deadline_s: Option<u64>,
    /// The Job that makes its pods, where that is a template in the object too (JobSet).
    pub job: Option<Job>,
}

/// A Job as a template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Job {
    /// Where its specification stands.
    pub path: Path,
    /// Its name in the object.
    pub name: Name,
    /// `activeDeadlineSeconds`.
    pub deadline: Option<Seconds>,
    /// `backoffLimit`.
    pub backoff_limit: Option<u32>,
}

impl Template {
    /// Where the pod's specification stands.
    #[must_use]
    pub fn spec(&self) -> Path {
        if self.bare { self.path.clone() } else { self.path.key("spec") }
    }

    /// Devices of a pod by resource, as the scheduler counts: sidecars and main containers together, or the greatest init
    /// container with the sidecars before it, whichever is more.
    #[must_use]
    pub fn devices(&self) -> u64 {
        let (mut sidecars, mut starting, mut running) = (0_u64, 0_u64, 0_u64);
        for container in &self.containers {
            let own = container.devices();
            match container.role {
                Role::Sidecar => {
                    sidecars = sidecars.saturating_add(own);
                    starting = starting.max(sidecars);
                }
                Role::Init => starting = starting.max(sidecars.saturating_add(own)),
                Role::Main | Role::Ephemeral => running = running.saturating_add(own),
            }
        }
        starting.max(running.saturating_add(sidecars))
    }

    /// Values of a node label that it may go to, where it is held to some: by its selector, or by every term of its affinity.
    /// None: any.
    #[must_use]
    pub fn held_to(&self, label: &str) -> Option<Vec<&Name>> {
        if let Some(value) = self.node_selector.get(label) {
            return Some(vec![value]);
        }
        let of_term = |term: &NodeTerm| -> Option<Vec<usize>> {
            let found: Vec<usize> = term
                .labels
                .iter()
                .enumerate()
                .filter(|(_, need)| &*need.key == label && need.operator == Operator::In)
                .map(|at| at.0)
                .collect();
            (!found.is_empty()).then_some(found)
        };
        if self.node_terms.is_empty() || self.node_terms.iter().any(|term| of_term(term).is_none()) {
            return None;
        }
        let values =
            self.node_terms.iter().flat_map(|term| term.labels.iter()).filter(|need| &*need.key == label && need.operator == Operator::In);
        let mut values: Vec<&Name> = values.flat_map(|need| &need.values).collect();
        values.sort();
        values.dedup();
        Some(values)
    }

    /// Does it ask anything of a node label?
    #[must_use]
    pub fn names_label(&self, label: impl Fn(&str) -> bool) -> bool {
        let of = |need: &Requirement| label(&need.key);
        self.node_selector.keys().any(|key| label(key)) || self.node_terms.iter().any(|term| term.labels.iter().any(of))
    }
}

/// What an autoscaler scales, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scales {
    /// The kind of its target.
    pub kind: Name,
    /// The target's name.
    pub name: Name,
    /// The most replicas.
    pub max: u32,
}

/// An object as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// `apps/v1`.
    pub api_version: Name,
    /// `Deployment`.
    pub kind: Name,
    /// Its namespace; empty: not said.
    pub namespace: Name,
    /// Its name, or what its name will begin with.
    pub name: Name,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations that matter.
    pub annotations: BTreeMap<Name, Name>,
    /// An object of a kind that makes pods, as far as rules know them, controls it: that one is judged for what it says of both.
    pub owned: bool,
    /// Replicas wanted (1 where the API fills that in); none: it has none.
    pub replicas: Option<u32>,
    /// How it replaces its pods.
    pub rollout: Option<Rollout>,
    /// For work that ends.
    pub run: Option<Run>,
    /// Where the fields of [`Written::run`] stand: `spec`, or `spec.runPolicy`.
    pub run_path: Path,
    /// Its pods.
    pub templates: Vec<Template>,
    /// Devices asked for: a ResourceClaim or its template.
    pub requests: Vec<DeviceRequest>,
    /// The driver's own settings in a ResourceClaim ask for time slicing.
    pub claims_time_slices: bool,
    /// The pods that a PodDisruptionBudget is about.
    pub selects: Option<Selector>,
    /// What a HorizontalPodAutoscaler or ScaledObject scales.
    pub scales: Option<Scales>,
    /// What of it could not be understood, and where: it was not judged.
    pub not_understood: Vec<(Path, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(count: i128) -> Quantity {
        Quantity { text: count.to_string().into(), nanos: Some(count * NANOS) }
    }

    fn asking(role: Role, count: i128) -> Container {
        Container { role, limits: BTreeMap::from([("nvidia.com/gpu".into(), quantity(count))]), ..Container::default() }
    }

    /// Sidecars run beside both the init containers after them and the main ones.
    #[test]
    fn a_pods_devices_are_those_that_the_scheduler_counts() {
        let pod = |containers| Template { containers, ..Template::default() }.devices();
        assert_eq!(pod(vec![asking(Role::Init, 4), asking(Role::Main, 1), asking(Role::Main, 2)]), 4);
        assert_eq!(pod(vec![asking(Role::Sidecar, 1), asking(Role::Init, 2), asking(Role::Main, 1)]), 3);
        assert_eq!(pod(vec![asking(Role::Init, 2), asking(Role::Sidecar, 1), asking(Role::Main, 3)]), 4);
    }

    #[test]
    fn paths_read_as_people_write_them() {
        let path =
            Path::of("spec.template.spec.containers").item(0, Some("server".into())).key("resources").key("limits").key("nvidia.com/gpu");
        assert_eq!(path.to_string(), "spec.template.spec.containers[server].resources.limits[\"nvidia.com/gpu\"]");
    }

    #[test]
    fn classes_are_known_by_their_words() {
        for class in ["gpu.nvidia.com", "mig.nvidia.com", "big-gpu", "gpu.amd.com", "tpu.google.com"] {
            assert!(is_gpu_class(class), "{class}");
        }
        for class in ["compute-domain-daemon.nvidia.com", "rdma", "dra.net", "migration"] {
            assert!(!is_gpu_class(class), "{class}");
        }
        assert!(is_accelerator("deviceclass.resource.kubernetes.io/gpu.nvidia.com"));
        assert!(!is_accelerator(resource::MILLI));
    }
}
