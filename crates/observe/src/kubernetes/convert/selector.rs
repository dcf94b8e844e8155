//! Selectors, and the labels that differ from pod to pod.

use crate::kubernetes::raw::pod::{LabelSelector, NodeSelectorTerm, RawRequirement};
use plimsoll_fleet::{
    Name,
    selector::{Labels, NodeTerm, Operator, Requirement, Selector},
};

/// Labels that differ between the pods of one workload, or between its revisions and runs: pods that are alike otherwise
/// share a shape. Sources: Kubernetes well-known labels; the constants of JobSet, LeaderWorkerSet, Kubeflow, KubeRay, Run:ai.
const OF_ONE_POD: &[&str] = &[
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "pod-template-hash",
    "pod-template-generation",
    // Kubernetes 1.35 and later write the node's own onto each pod when it is bound.
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "rollouts-pod-template-hash",
    "controller-revision-hash",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "job-name",
    "batch.kubernetes.io/job-name",
    "batch.kubernetes.io/job-completion-index",
    "jobset.sigs.k8s.io/job-index",
    "jobset.sigs.k8s.io/job-key",
    "jobset.sigs.k8s.io/job-global-index",
    "jobset.sigs.k8s.io/job-group-index",
    "jobset.sigs.k8s.io/restart-attempt",
    "jobset.sigs.k8s.io/jobset-uid",
    "leaderworkerset.sigs.k8s.io/group-index",
    "leaderworkerset.sigs.k8s.io/group-key",
    "leaderworkerset.sigs.k8s.io/worker-index",
    "leaderworkerset.sigs.k8s.io/subgroup-index",
    "leaderworkerset.sigs.k8s.io/subgroup-key",
    "leaderworkerset.sigs.k8s.io/template-revision-hash",
    "training.kubeflow.org/replica-index",
    "ray.io/replica-index",
    "ray.io/worker-group-replica-index",
    "ray.io/replica-host-index",
    "runai/pod-index",
    "run.ai/top-owner-uid",
    "runai-gpu-group",
];

/// Is `key` a label that differs from pod to pod?
#[must_use]
pub fn of_one_pod(key: &str) -> bool {
    OF_ONE_POD.contains(&key)
}

/// The labels that pods of a workload have in common.
#[must_use]
pub fn common_labels(labels: &Labels) -> Labels {
    labels.iter().filter(|(key, _)| !of_one_pod(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn requirement(raw: &RawRequirement) -> Requirement {
    Requirement { key: raw.key.clone(), operator: raw.operator, values: raw.values.clone() }
}

/// A label selector over the labels that shapes keep: a requirement on a label of one pod or one revision
/// (the API server adds such for `matchLabelKeys`) is left out with the label.
#[must_use]
pub fn selector(raw: &LabelSelector) -> Selector {
    let mut all: Vec<Requirement> = equal(&raw.match_labels).chain(raw.match_expressions.iter().map(requirement)).collect();
    all.retain(|requirement| !of_one_pod(&requirement.key));
    all.sort();
    Selector(all)
}

/// A selector that asks for these labels.
pub(crate) fn equal(labels: &Labels) -> impl Iterator<Item = Requirement> {
    labels.iter().map(|(key, value)| Requirement { key: key.clone(), operator: Operator::In, values: vec![value.clone()] })
}

/// A selector that selects nothing: what an absent label selector means in an affinity or a budget.
#[must_use]
pub fn nothing() -> Selector {
    let key: Name = "plimsoll.dev/nothing".into();
    Selector(vec![Requirement { key, operator: Operator::In, values: Vec::new() }])
}

/// A term of a node affinity.
#[must_use]
pub fn node_term(raw: &NodeSelectorTerm) -> NodeTerm {
    NodeTerm {
        labels: raw.match_expressions.iter().map(requirement).collect(),
        names: raw.match_fields.iter().filter(|field| &*field.key == "metadata.name").map(requirement).collect(),
    }
}
