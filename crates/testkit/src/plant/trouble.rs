//! Pods that do not simply run: their status is said by the test, because kwok leaves them alone ([`NO_KUBELET`]).

use super::workloads::selector_labels;
use crate::{Cluster, cluster::NO_KUBELET};
use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use plimsoll_fleet::{Fleet, WorkloadId};
use serde_json::{Value, json};

/// The status of a pod whose containers run.
#[must_use]
pub fn running(pod: &Pod) -> Value {
    let now = now();
    let state = json!({"ready": true, "started": true, "restartCount": 0, "state": {"running": {"startedAt": now}}});
    status(pod, "Running", true, &state)
}

/// The status of a pod whose containers crash again and again: `reason` is `Error` or `OOMKilled`, with the exit code.
#[must_use]
pub fn crash_looping(pod: &Pod, restarts: u32, reason: &str, code: i32) -> Value {
    let now = now();
    let ended = json!({"exitCode": code, "reason": reason, "startedAt": now, "finishedAt": now});
    let waiting = json!({"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"});
    let state = json!({
        "ready": false,
        "started": false,
        "restartCount": restarts,
        "state": {"waiting": waiting},
        "lastState": {"terminated": ended},
    });
    status(pod, "Running", false, &state)
}

/// The status of a pod that is bound and has not started: `reason` is `ContainerCreating`, `ImagePullBackOff`, ….
#[must_use]
pub fn waiting(pod: &Pod, reason: &str) -> Value {
    let state = json!({"ready": false, "started": false, "restartCount": 0, "state": {"waiting": {"reason": reason}}});
    status(pod, "Pending", false, &state)
}

/// Gives `pod` a status.
///
/// # Errors
/// The API server refuses it.
pub async fn set_status(cluster: &Cluster, pod: &Pod, status: Value) -> anyhow::Result<()> {
    let name = pod.metadata.name.as_deref().context("a pod has a name")?;
    let namespace = pod.metadata.namespace.as_deref().context("a pod has a namespace")?;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    let patch = Patch::Merge(json!({ "status": status }));
    pods.patch_status(name, &PatchParams::default(), &patch).await.with_context(|| format!("the status of pod {namespace}/{name}"))?;
    Ok(())
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn status(pod: &Pod, phase: &str, ready: bool, state: &Value) -> Value {
    let now = now();
    let ready = if ready { "True" } else { "False" };
    let conditions: Vec<Value> = [("PodScheduled", "True"), ("Initialized", "True"), ("ContainersReady", ready), ("Ready", ready)]
        .into_iter()
        .map(|(kind, status)| json!({"type": kind, "status": status, "lastTransitionTime": now}))
        .collect();
    let containers: Vec<Value> = pod
        .spec
        .iter()
        .flat_map(|spec| &spec.containers)
        .map(|container| {
            let mut out = state.clone();
            out["name"] = json!(container.name);
            out["image"] = json!(container.image);
            out["imageID"] = json!("");
            out
        })
        .collect();
    json!({"phase": phase, "conditions": conditions, "containerStatuses": containers, "startTime": now})
}

/// Does any pod of the workload wait for something else than a node? Then the test plays the kubelet of all of its pods.
pub(super) fn troubled(fleet: &Fleet, id: WorkloadId) -> bool {
    fleet.pods.iter().any(|pod| pod.workload == Some(id) && pod.waiting.is_some())
}

/// Has `template` (an object with metadata) left alone by kwok.
pub(super) fn leave_alone(template: &mut Value) {
    if !template["metadata"]["annotations"].is_object() {
        template["metadata"]["annotations"] = json!({});
    }
    template["metadata"]["annotations"][NO_KUBELET] = "true".into();
}

/// The status that the fleet says for one of its pods.
pub(super) fn told(of: &plimsoll_fleet::Pod, pod: &Pod) -> Value {
    match (of.waiting.as_deref(), &of.last_exit) {
        (None, _) => running(pod),
        (Some("CrashLoopBackOff"), exit) => {
            let (reason, code) = exit.as_ref().map_or(("Error", 1), |exit| (&*exit.reason, exit.code));
            crash_looping(pod, of.restarts, reason, code)
        }
        (Some(reason), _) => waiting(pod, reason),
    }
}

/// Gives the pods that a controller made for a troubled workload the statuses of the fleet's pods, the troubled ones first.
pub(super) async fn play(cluster: &Cluster, fleet: &Fleet, id: WorkloadId) -> anyhow::Result<()> {
    let workload = &fleet.workloads[id.index()];
    let labels = selector_labels(workload.template.map(|shape| &fleet.shapes[shape.index()]), workload);
    let selector: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &workload.namespace);
    let mut made = pods.list(&ListParams::default().labels(&selector.join(","))).await?.items;
    made.retain(|pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()));
    made.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    let mut told_of: Vec<&plimsoll_fleet::Pod> = fleet.pods.iter().filter(|pod| pod.workload == Some(id)).collect();
    told_of.sort_by_key(|pod| (pod.waiting.is_none(), &pod.name));
    for (place, pod) in made.iter().enumerate() {
        let status = told_of.get(place).map_or_else(|| running(pod), |of| told(of, pod));
        set_status(cluster, pod, status).await?;
    }
    Ok(())
}
