//! Commands that mend: for exactly the object at hand, safe to paste into a shell, correct for its kind.

pub(super) use crate::shell::quote;

use crate::audit::{
    finding::Fix,
    view::{Holder, View},
};
use plimsoll_fleet::{
    PodId, Shape, Workload,
    pod::{Container, Role},
    workload::Autoscaler,
};
use serde_json::{Value, json};

/// What kubectl calls a kind: `deployment`, `pytorchjob.kubeflow.org`.
fn resource(api_version: &str, kind: &str) -> String {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let kind = kind.to_ascii_lowercase();
    if matches!(group, "" | "apps" | "batch" | "autoscaling") { kind } else { format!("{kind}.{group}") }
}

/// The workload behind a holder; none: a pod that nobody owns.
pub(super) fn workload<'a>(view: &View<'a>, holder: Holder) -> Option<&'a Workload> {
    match holder {
        Holder::Workload(id) => Some(&view.fleet.workloads[id.index()]),
        Holder::Pod(_) => None,
    }
}

/// `kubectl VERB KIND NAME -n NAMESPACE REST`.
pub(super) fn kubectl(view: &View<'_>, holder: Holder, verb: &str, rest: &str) -> String {
    let (resource, namespace, name) = match holder {
        Holder::Workload(id) => {
            let workload = &view.fleet.workloads[id.index()];
            (resource(&workload.api_version, &workload.kind), &workload.namespace, &workload.name)
        }
        Holder::Pod(id) => ("pod".to_owned(), &view.pod(id).namespace, &view.pod(id).name),
    };
    let space = if rest.is_empty() { "" } else { " " };
    format!("kubectl {verb} {} {} -n {}{space}{rest}", quote(&resource), quote(name), quote(namespace))
}

/// A JSON merge patch of the holder's object. It works for every kind; lists are replaced as a whole.
pub(super) fn merge(view: &View<'_>, holder: Holder, patch: &Value) -> String {
    kubectl(view, holder, "patch", &format!("--type=merge -p {}", quote(&patch.to_string())))
}

/// Sets one field of the holder's object, named by its path: `spec.runPolicy.ttlSecondsAfterFinished`.
pub(super) fn set(view: &View<'_>, holder: Holder, path: &str, value: Value) -> String {
    let path: Vec<&str> = path.split('.').collect();
    merge(view, holder, &nested(&path, value))
}

/// Fetches the object, where the API does not let it be changed or its layout is not known.
pub(super) fn manifest(view: &View<'_>, holder: Holder) -> String {
    let name = view.subject(holder).name;
    kubectl(view, holder, "get", &format!("-o yaml > {}", quote(&format!("{name}.yaml"))))
}

/// Where a kind keeps the spec of its pods, if its pods are all alike and the API lets it be changed.
fn template_path(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" | "Rollout" | "Notebook" | "Service" => {
            &["spec", "template", "spec"]
        }
        "CronJob" => &["spec", "jobTemplate", "spec", "template", "spec"],
        "LeaderWorkerSet" => &["spec", "leaderWorkerTemplate", "workerTemplate", "spec"],
        "InferenceService" => &["spec", "predictor"],
        _ => return None,
    })
}

/// Kinds whose lists kubectl merges by name (strategic merge), so that a patch may name one container.
fn merges_by_name(workload: &Workload) -> bool {
    matches!(&*workload.kind, "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" | "CronJob")
        && matches!(&*workload.api_version, "apps/v1" | "batch/v1" | "v1" | "")
}

fn nested(path: &[&str], inner: Value) -> Value {
    path.iter().rev().fold(inner, |value, key| json!({ *key: value }))
}

/// Patches the spec of the holder's pods by merging `spec` into it; else fetches the manifest to change.
pub(super) fn template(view: &View<'_>, holder: Holder, spec: Value) -> String {
    match workload(view, holder).and_then(|workload| template_path(&workload.kind)) {
        Some(path) => merge(view, holder, &nested(path, spec)),
        None => manifest(view, holder),
    }
}

/// Merges `change` into the named container of the holder's pods; else fetches the manifest to change.
pub(super) fn container(view: &View<'_>, holder: Holder, name: &str, mut change: Value) -> String {
    let Some(workload) = workload(view, holder).filter(|workload| merges_by_name(workload)) else { return manifest(view, holder) };
    let Some(path) = template_path(&workload.kind) else { return manifest(view, holder) };
    change["name"] = json!(name);
    let patch = nested(path, json!({ "containers": [change] }));
    kubectl(view, holder, "patch", &format!("-p {}", quote(&patch.to_string())))
}

/// Sets the fewest replicas that the holder's autoscaler keeps.
pub(super) fn floor(workload: &Workload, autoscaler: &Autoscaler, replicas: u32) -> String {
    let (field, group) =
        if &*autoscaler.kind == "ScaledObject" { ("minReplicaCount", "keda.sh/v1alpha1") } else { ("minReplicas", "autoscaling/v2") };
    let patch = json!({ "spec": { field: replicas } }).to_string();
    let kind = resource(group, &autoscaler.kind);
    format!(
        "kubectl patch {} {} -n {} --type=merge -p {}",
        quote(&kind),
        quote(&autoscaler.name),
        quote(&workload.namespace),
        quote(&patch)
    )
}

/// Can the pod template of the holder be patched in place?
pub(super) fn is_patchable(view: &View<'_>, holder: Holder) -> bool {
    workload(view, holder).is_some_and(|workload| template_path(&workload.kind).is_some())
}

/// The main container that asks for accelerators, and its place among the main containers.
pub(super) fn asking(shape: &Shape) -> Option<(usize, &Container)> {
    shape.containers.iter().filter(|container| container.role == Role::Main).enumerate().find(|(_, container)| !container.asks.is_empty())
}

/// Sets what the asking container gets of accelerators: nothing of `old`, `count` of `new`.
pub(super) fn limits(view: &View<'_>, holder: Holder, shape: &Shape, old: &str, new: &str, count: u32) -> String {
    let (Some(workload), Some((place, container))) = (workload(view, holder), asking(shape)) else { return manifest(view, holder) };
    let Some(path) = template_path(&workload.kind) else { return manifest(view, holder) };
    if merges_by_name(workload) {
        let mut amounts = serde_json::Map::new();
        if old != new {
            amounts.insert(old.to_owned(), Value::Null);
        }
        amounts.insert(new.to_owned(), json!(count.to_string()));
        let container = json!({ "name": &*container.name, "resources": { "limits": amounts, "requests": amounts } });
        let patch = nested(path, json!({ "containers": [container] }));
        kubectl(view, holder, "patch", &format!("-p {}", quote(&patch.to_string())))
    } else if &*workload.kind == "InferenceService" {
        manifest(view, holder)
    } else {
        let escape = |name: &str| name.replace('~', "~0").replace('/', "~1");
        let at = format!("/{}/containers/{place}/resources/limits", path.join("/"));
        let mut steps = vec![json!({ "op": "add", "path": format!("{at}/{}", escape(new)), "value": count.to_string() })];
        if old != new {
            steps.push(json!({ "op": "remove", "path": format!("{at}/{}", escape(old)) }));
        }
        kubectl(view, holder, "patch", &format!("--type=json -p {}", quote(&Value::Array(steps).to_string())))
    }
}

/// Lowers (or sets) what the asking container requests, `cpu=8,memory=64Gi`; else fetches the manifest to change.
pub(super) fn requests(view: &View<'_>, holder: Holder, shape: &Shape, requests: &[(&str, String)]) -> String {
    let (Some(workload), Some((place, container))) = (workload(view, holder), asking(shape)) else { return manifest(view, holder) };
    let Some(path) = template_path(&workload.kind).filter(|_| &*workload.kind != "InferenceService") else { return manifest(view, holder) };
    if merges_by_name(workload) {
        let amounts: Vec<String> = requests.iter().map(|(resource, amount)| format!("{resource}={amount}")).collect();
        kubectl(view, holder, "set resources", &format!("-c {} --requests={}", quote(&container.name), amounts.join(",")))
    } else {
        let at = format!("/{}/containers/{place}/resources/requests", path.join("/"));
        let set = |(resource, amount): &(&str, String)| json!({ "op": "add", "path": format!("{at}/{resource}"), "value": amount });
        let steps: Vec<Value> = requests.iter().map(set).collect();
        kubectl(view, holder, "patch", &format!("--type=json -p {}", quote(&Value::Array(steps).to_string())))
    }
}

/// Adds an argument to the asking container; else fetches the manifest to change.
pub(super) fn argument(view: &View<'_>, holder: Holder, shape: &Shape, argument: &str) -> String {
    let (Some(workload), Some((place, _))) = (workload(view, holder), asking(shape)) else { return manifest(view, holder) };
    let Some(path) = template_path(&workload.kind).filter(|_| &*workload.kind != "InferenceService") else { return manifest(view, holder) };
    let steps = json!([{ "op": "add", "path": format!("/{}/containers/{place}/args/-", path.join("/")), "value": argument }]);
    kubectl(view, holder, "patch", &format!("--type=json -p {}", quote(&steps.to_string())))
}

/// Adds a toleration to the pods of the holder; `has` tells whether they have any, which decides what a JSON patch must say.
pub(super) fn tolerate(view: &View<'_>, holder: Holder, has: bool, toleration: &Value) -> String {
    let Some(path) = workload(view, holder).and_then(|workload| template_path(&workload.kind)) else { return manifest(view, holder) };
    let at = format!("/{}/tolerations", path.join("/"));
    let step = if has {
        json!({ "op": "add", "path": format!("{at}/-"), "value": toleration })
    } else {
        json!({ "op": "add", "path": at, "value": [toleration] })
    };
    kubectl(view, holder, "patch", &format!("--type=json -p {}", quote(&Value::Array(vec![step]).to_string())))
}

/// Stops the holder so that its GPUs come free, in the way that its kind has for that and that can be undone.
pub(super) fn stop(view: &View<'_>, holder: Holder) -> Fix {
    let Some(workload) = workload(view, holder) else {
        return Fix { says: "Delete the pod; nothing will make it again.".into(), action: kubectl(view, holder, "delete", "") };
    };
    let suspend = |path: &[&str]| merge(view, holder, &nested(path, json!({ "suspend": true })));
    let to_zero = |says: &str| (says.to_owned(), kubectl(view, holder, "scale", "--replicas=0"));
    let (says, action) = match &*workload.kind {
        "Pod" => ("Delete the pod; nothing will make it again.".to_owned(), kubectl(view, holder, "delete", "")),
        "Notebook" => (
            "Stop the notebook; its volume stays, and its owner starts it again with one click.".to_owned(),
            kubectl(view, holder, "annotate", "kubeflow-resource-stopped=true"),
        ),
        "Job" | "JobSet" | "TrainJob" | "RayJob" | "RayCluster" => {
            ("Suspend it: its pods go, the object stays and can be resumed.".to_owned(), suspend(&["spec"]))
        }
        "PyTorchJob" | "TFJob" | "MPIJob" | "XGBoostJob" | "PaddleJob" | "JAXJob" => {
            ("Suspend it: its pods go, the object stays and can be resumed.".to_owned(), suspend(&["spec", "runPolicy"]))
        }
        "CronJob" => ("Suspend the schedule, and delete the job that runs now if it is stuck.".to_owned(), suspend(&["spec"])),
        "InferenceService" => (
            "Let it scale to zero; it starts again with the next request.".to_owned(),
            merge(view, holder, &json!({ "spec": { "predictor": { "minReplicas": 0 } } })),
        ),
        "Service" => (
            "Let it scale to zero; it starts again with the next request.".to_owned(),
            merge(
                view,
                holder,
                &json!({ "spec": { "template": { "metadata": { "annotations": { "autoscaling.knative.dev/min-scale": "0" } } } } }),
            ),
        ),
        "DaemonSet" => (
            "Keep it off these nodes, or delete it.".to_owned(),
            template(view, holder, json!({ "nodeSelector": { "plimsoll.dev/run-here": "true" } })),
        ),
        _ if workload.autoscaler.is_some() => {
            to_zero("Scale it to zero (its autoscaler rests while the replicas are zero), or end it if nobody misses it.")
        }
        _ => to_zero("Scale it to zero, or end it if nobody misses it."),
    };
    Fix { says, action }
}

/// Gives back what `pods` of the holder hold and the others need not: fewer replicas, or all of it stopped.
pub(super) fn release(view: &View<'_>, holder: Holder, pods: &[PodId], all: usize) -> Fix {
    let scales = |workload: &Workload| matches!(&*workload.kind, "Deployment" | "ReplicaSet" | "Rollout" | "StatefulSet");
    match workload(view, holder) {
        Some(workload) if pods.len() < all && scales(workload) => {
            let fewer = all - pods.len();
            match &workload.autoscaler {
                Some(autoscaler) if &*autoscaler.kind == "HorizontalPodAutoscaler" && autoscaler.min as usize > fewer => Fix {
                    says: format!("Let its autoscaler go down to {fewer}: {} of {all} replicas would do.", fewer),
                    action: floor(workload, autoscaler, fewer as u32),
                },
                _ => Fix {
                    says: format!("Scale it from {all} to {fewer}."),
                    action: kubectl(view, holder, "scale", &format!("--replicas={fewer}")),
                },
            }
        }
        _ => stop(view, holder),
    }
}
