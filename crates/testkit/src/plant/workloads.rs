//! Workloads and what stands around them: autoscalers, services, budgets.

use super::pods;
use plimsoll_fleet::{
    Fleet, Shape, Workload,
    fleet::Budget,
    workload::{Amount, Autoscaler, Rollout},
};
use serde_json::{Value, json};

/// The object of `workload`. Kinds that are not known here get the template under `spec.template`.
#[must_use]
pub fn object(fleet: &Fleet, workload: &Workload) -> Value {
    let shape = workload.template.map(|shape| &fleet.shapes[shape.index()]);
    let mut template = shape.map_or_else(|| json!({}), pods::template);
    let labels = selector_labels(shape, workload);
    template["metadata"]["labels"] = json!(labels);
    let mut out = json!({
        "apiVersion": workload.api_version,
        "kind": workload.kind,
        "metadata": {
            "name": workload.name,
            "namespace": workload.namespace,
            "labels": workload.labels,
            "annotations": workload.annotations,
        },
        "spec": spec(workload, template, &labels),
    });
    for raw in &workload.raw {
        set(&mut out, &format!("{}[\"{}\"]", raw.path, raw.resource), json!(raw.quantity));
    }
    out
}

/// Labels that tell the workload's pods: those of its shape, or one that names it where the shape has none.
pub(super) fn selector_labels(shape: Option<&Shape>, workload: &Workload) -> plimsoll_fleet::selector::Labels {
    match shape {
        Some(shape) if !shape.labels.is_empty() => shape.labels.clone(),
        _ => [("app".into(), workload.name.clone())].into(),
    }
}

fn spec(workload: &Workload, mut template: Value, labels: &plimsoll_fleet::selector::Labels) -> Value {
    let replicas = workload.replicas.unwrap_or(1);
    let selector = json!({ "matchLabels": labels });
    match &*workload.kind {
        "Deployment" => {
            json!({"replicas": replicas, "selector": selector, "template": template, "strategy": strategy(workload.rollout)})
        }
        "ReplicaSet" => json!({"replicas": replicas, "selector": selector, "template": template}),
        "StatefulSet" => json!({
            "replicas": replicas,
            "selector": selector,
            "template": template,
            "serviceName": workload.name,
            "podManagementPolicy": "Parallel",
        }),
        "DaemonSet" => json!({"selector": selector, "template": template}),
        "Job" => {
            template["spec"]["restartPolicy"] = "Never".into();
            job(workload, template)
        }
        "CronJob" => {
            template["spec"]["restartPolicy"] = "Never".into();
            let schedule = workload.run.as_ref().and_then(|run| run.schedule.as_deref()).unwrap_or("0 3 * * *");
            let suspended = workload.run.as_ref().is_some_and(|run| run.suspended);
            json!({"schedule": schedule, "suspend": suspended, "jobTemplate": {"spec": job(workload, template)}})
        }
        "JobSet" => json!({"replicatedJobs": [{"name": "workers", "replicas": 1, "template": {"spec": job(workload, template)}}]}),
        "LeaderWorkerSet" => json!({"replicas": 1, "leaderWorkerTemplate": {"size": replicas, "workerTemplate": template}}),
        "RayCluster" => json!({"workerGroupSpecs": [{"groupName": "workers", "replicas": replicas, "template": template}]}),
        "PyTorchJob" => json!({"pytorchReplicaSpecs": {"Worker": {"replicas": replicas, "template": template}}}),
        "InferenceService" => {
            let mut predictor = template["spec"].take();
            predictor["minReplicas"] = replicas.into();
            json!({ "predictor": predictor })
        }
        "TrainJob" => json!({"trainer": {"numNodes": replicas}, "template": template}),
        _ => json!({ "template": template }),
    }
}

fn strategy(rollout: Option<Rollout>) -> Value {
    let amount = |amount: Amount| match amount {
        Amount::Count(count) => json!(count),
        Amount::Percent(percent) => json!(format!("{percent}%")),
    };
    match rollout {
        None => json!({}),
        Some(Rollout::Recreate) => json!({"type": "Recreate"}),
        Some(Rollout::Rolling { max_surge, max_unavailable }) => json!({
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": amount(max_surge), "maxUnavailable": amount(max_unavailable)},
        }),
    }
}

fn job(workload: &Workload, template: Value) -> Value {
    let run = workload.run.clone().unwrap_or_default();
    let parallelism = run.parallelism.or(workload.replicas).unwrap_or(1);
    let mut out = json!({"parallelism": parallelism, "completions": parallelism, "suspend": run.suspended, "template": template});
    for (name, value) in [
        ("activeDeadlineSeconds", json!(run.deadline)),
        ("backoffLimit", json!(run.backoff_limit)),
        ("ttlSecondsAfterFinished", json!(run.ttl)),
    ] {
        if !value.is_null() {
            out[name] = value;
        }
    }
    out
}

/// The autoscaler of `workload`, if it has one: a HorizontalPodAutoscaler, or KEDA's ScaledObject.
#[must_use]
pub fn autoscaler(workload: &Workload) -> Option<Value> {
    let scaler: &Autoscaler = workload.autoscaler.as_ref()?;
    let target = json!({"apiVersion": workload.api_version, "kind": workload.kind, "name": workload.name});
    let metadata = json!({"name": scaler.name, "namespace": workload.namespace});
    if &*scaler.kind == "ScaledObject" {
        let triggers: Vec<Value> =
            scaler.metrics.iter().map(|metric| json!({"type": "prometheus", "metadata": {"query": metric, "threshold": "10"}})).collect();
        return Some(json!({
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": metadata,
            "spec": {"scaleTargetRef": target, "minReplicaCount": scaler.min, "maxReplicaCount": scaler.max, "triggers": triggers},
        }));
    }
    let metrics: Vec<Value> = scaler
        .metrics
        .iter()
        .map(|metric| match &**metric {
            "cpu" | "memory" => {
                json!({"type": "Resource", "resource": {"name": metric, "target": {"type": "Utilization", "averageUtilization": 80}}})
            }
            _ => json!({"type": "Pods", "pods": {"metric": {"name": metric}, "target": {"type": "AverageValue", "averageValue": "10"}}}),
        })
        .collect();
    Some(json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata,
        "spec": {"scaleTargetRef": target, "minReplicas": scaler.min, "maxReplicas": scaler.max, "metrics": metrics},
    }))
}

/// The Service that sends requests to the pods of `workload`, if it is exposed.
#[must_use]
pub fn service(fleet: &Fleet, workload: &Workload) -> Option<Value> {
    let shape = workload.template.map(|shape| &fleet.shapes[shape.index()]);
    workload.exposed.then(|| {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": workload.name, "namespace": workload.namespace},
            "spec": {"selector": selector_labels(shape, workload), "ports": [{"port": 80, "targetPort": 8000}]},
        })
    })
}

/// The PodDisruptionBudget: as many pods may be missing as [`Budget::allowed`] says.
#[must_use]
pub fn budget(budget: &Budget) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": budget.name, "namespace": budget.namespace},
        "spec": {"selector": pods::selector(&budget.selector), "maxUnavailable": budget.allowed},
    })
}

/// Sets what `path` names: `spec.template.containers[0].limits["nvidia.com/gpu"]`. Objects and places in lists are made as needed.
fn set(object: &mut Value, path: &str, value: Value) {
    let mut place = object;
    for step in path.split(['.', '[']).scan(String::new(), |quoted, part| Some(unquote(quoted, part))).flatten() {
        place = match step.trim_end_matches(']').parse::<usize>() {
            Ok(index) if step.ends_with(']') => {
                if !place.is_array() {
                    *place = json!([]);
                }
                let items = place.as_array_mut().expect("it has just been made an array");
                while items.len() <= index {
                    items.push(json!({}));
                }
                &mut items[index]
            }
            _ => {
                if !place.is_object() {
                    *place = json!({});
                }
                &mut place[step.as_str()]
            }
        };
    }
    *place = value;
}

/// Puts the parts of a quoted key together again: a key in quotes has dots of its own. None: the key goes on.
fn unquote(quoted: &mut String, part: &str) -> Option<String> {
    if quoted.is_empty() && !part.starts_with('"') {
        return Some(part.to_owned());
    }
    if !quoted.is_empty() {
        quoted.push('.');
    }
    quoted.push_str(part);
    quoted.ends_with("\"]").then(|| std::mem::take(quoted).trim_start_matches('"').trim_end_matches("\"]").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reaches_into_lists_and_quoted_keys() {
        let mut object = json!({"spec": {"jobs": [{"name": "a"}]}});
        set(&mut object, "spec.jobs[0].limits[\"nvidia.com/gpu\"]", json!("0.5"));
        assert_eq!(object, json!({"spec": {"jobs": [{"name": "a", "limits": {"nvidia.com/gpu": "0.5"}}]}}));
    }
}
