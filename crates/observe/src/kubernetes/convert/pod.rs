//! Pods.

use super::{ConvertError, cut, dra::Claims, shape};
use crate::kubernetes::raw::{
    OwnerReference,
    pod::{Condition, ContainerStatus, PodStatus, RawPod, Terminated},
};
use plimsoll_fleet::{
    Name, Pod, Shape, Timestamp,
    pod::{Exit, Phase},
};

/// A pod whose references to other things are still by name.
#[derive(Debug, Clone, PartialEq)]
pub struct PodDraft {
    /// The pod, without shape, node, workload and grants.
    pub pod: Pod,
    /// Its shape.
    pub shape: Shape,
    /// The node it is bound to.
    pub node: Option<Name>,
    /// The owner that controls it.
    pub owner: Option<OwnerReference>,
    /// Its ResourceClaims.
    pub claims: Vec<Name>,
}

/// Annotations that forbid an eviction, with the value that does. A volume on the node is not taken for a reason: `emptyDir`
/// is meant to be lost, and what a `hostPath` holds cannot be known.
const KEEPS: &[(&str, &str)] = &[
    ("karpenter.sh/do-not-disrupt", "true"),
    ("karpenter.sh/do-not-evict", "true"),
    ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"),
];

/// Longest sentence of the scheduler that is kept, characters. Its list of reasons grows with the kinds of nodes.
const SENTENCE_MAX: usize = 400;

/// Converts a pod.
///
/// # Errors
/// A quantity that makes no sense, or no name.
pub fn pod(raw: &RawPod, claims: &Claims) -> Result<PodDraft, ConvertError> {
    let (meta, spec, status) = (&raw.metadata, &raw.spec, &raw.status);
    if meta.name.is_empty() {
        return Err(ConvertError::Nameless);
    }
    let owner = meta.controller().cloned();
    let of_node = owner.as_ref().is_some_and(|owner| matches!(&*owner.kind, "DaemonSet" | "Node"))
        || meta.annotations.contains_key("kubernetes.io/config.mirror");
    let condition = |kind: &str| status.conditions.iter().find(|condition| &*condition.kind == kind);
    let since = |kind: &str| condition(kind).filter(|condition| &*condition.status == "True").and_then(|c| c.last_transition_time);
    let statuses = || status.init_container_statuses.iter().chain(&status.container_statuses);

    let pod = Pod {
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        phase: phase(status.phase.as_deref()),
        created: meta.creation_timestamp,
        scheduled: since("PodScheduled"),
        started: status.container_statuses.iter().filter_map(started).min(),
        ended: ended(status),
        ready: since("Ready"),
        deleting: meta.deletion_timestamp.is_some(),
        restarts: statuses().map(|container| container.restart_count).fold(0, u32::saturating_add),
        waiting: waiting(&status.init_container_statuses, &status.container_statuses),
        last_exit: last_exit(statuses()),
        unschedulable: condition("PodScheduled").and_then(unschedulable),
        gates: spec.scheduling_gates.iter().map(|gate| gate.name.clone()).collect(),
        keep: KEEPS
            .iter()
            .find(|(key, value)| meta.annotations.get(*key).is_some_and(|have| &**have == *value))
            .map(|(key, value)| format!("{key}={value}").into()),
        of_node,
        ..Pod::default()
    };
    Ok(PodDraft {
        pod,
        shape: shape::shape(meta, spec, &meta.namespace, claims, of_node)?,
        node: spec.node_name.clone().filter(|node| !node.is_empty()),
        owner,
        claims: claim_names(raw),
    })
}

fn phase(text: Option<&str>) -> Phase {
    match text {
        Some("Running") => Phase::Running,
        Some("Succeeded") => Phase::Succeeded,
        Some("Failed") => Phase::Failed,
        Some("Unknown") => Phase::Unknown,
        _ => Phase::Pending,
    }
}

fn unschedulable(scheduled: &Condition) -> Option<Name> {
    let refused = &*scheduled.status == "False" && scheduled.reason.as_deref() == Some("Unschedulable");
    scheduled.message.as_ref().filter(|_| refused).map(|message| cut(message, SENTENCE_MAX))
}

fn started(container: &ContainerStatus) -> Option<Timestamp> {
    let running = container.state.running.as_ref().and_then(|running| running.started_at);
    let ended = || last_end(container).and_then(|ended| ended.started_at);
    running.or_else(ended)
}

/// When the last of its containers ended, of a pod that has ended itself.
fn ended(status: &PodStatus) -> Option<Timestamp> {
    let is_over = matches!(phase(status.phase.as_deref()), Phase::Succeeded | Phase::Failed);
    let ends = || status.container_statuses.iter().filter_map(|container| container.state.terminated.as_ref()?.finished_at);
    if is_over { ends().max() } else { None }
}

fn last_end(container: &ContainerStatus) -> Option<&Terminated> {
    container.state.terminated.as_ref().or(container.last_state.terminated.as_ref())
}

/// The first reason that says something: `PodInitializing` only says that an init container is not done.
fn waiting(init: &[ContainerStatus], main: &[ContainerStatus]) -> Option<Name> {
    let mut reasons = init.iter().chain(main).filter_map(|container| container.state.waiting.as_ref()?.reason.clone());
    let first = reasons.next()?;
    if &*first != "PodInitializing" { Some(first) } else { reasons.find(|reason| &**reason != "PodInitializing").or(Some(first)) }
}

fn last_exit<'a>(statuses: impl Iterator<Item = &'a ContainerStatus>) -> Option<Exit> {
    // An init container that ended well is not news.
    let ends = statuses.filter_map(last_end).filter(|end| end.exit_code != 0 || end.reason.as_deref() != Some("Completed"));
    let end = ends.max_by_key(|end| end.finished_at)?;
    Some(Exit { reason: end.reason.clone().unwrap_or_else(|| "Error".into()), code: end.exit_code })
}

/// The ResourceClaims of a pod: named, made from a template, or made for its extended resources.
fn claim_names(raw: &RawPod) -> Vec<Name> {
    let named = raw.spec.resource_claims.iter().filter_map(|claim| claim.resource_claim_name.clone());
    let made = raw.status.resource_claim_statuses.iter().filter_map(|claim| claim.resource_claim_name.clone());
    let extended = raw.status.extended_resource_claim_status.iter().map(|claim| claim.resource_claim_name.clone());
    let mut names: Vec<Name> = named.chain(made).chain(extended).collect();
    names.sort();
    names.dedup();
    names
}
