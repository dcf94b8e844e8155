//! Custom kinds: whatever they are, a pod template in them is a list `containers`, and what they ask for stands under `resources`.
//!
//! No API has checked these objects, so nothing in them is an error: what cannot be understood is left out, and quantities of
//! accelerators are kept as they were written for whoever judges them.

use super::{
    ConvertError,
    dra::Claims,
    shape,
    workload::{WorkloadDraft, named, rollout, seconds},
};
use crate::kubernetes::raw::{
    Meta,
    pod::{PodSpec, Template},
    workload::Strategy,
};
use plimsoll_fleet::{
    Shape, Timestamp, resource,
    workload::{Amount, Autoscaler, RawQuantity, Run},
};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use std::fmt;

/// How deep a template may lie. A RayCluster's container is at depth 6, a JobSet's at 9.
const DEPTH_MAX: usize = 24;

/// Most quantities kept of one object: enough for every container of a wide gang to show what is wrong with it.
const QUANTITIES_MAX: usize = 64;

/// Keys whose values are never decoded: what they hold is nobody's business, or only long.
const SKIPPED: &[&str] = &[
    "env",
    "envFrom",
    "args",
    "command",
    "volumes",
    "volumeMounts",
    "data",
    "stringData",
    "runtimeEnvYAML",
    "entrypoint",
    "securityContext",
    "managedFields",
    "openAPIV3Schema",
];

/// A custom object, without what is never decoded.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Custom {
    /// Its metadata.
    pub metadata: Meta,
    /// What is wanted.
    pub spec: Pruned,
    /// What is.
    pub status: Pruned,
}

/// JSON without the keys that are never decoded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pruned(pub Value);

impl<'de> Deserialize<'de> for Pruned {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Pruner).map(Pruned)
    }
}

/// Builds a [`Value`]; the depth is bounded by serde_json's own limit of 128.
struct Pruner;

impl<'de> Visitor<'de> for Pruner {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Pruned(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if SKIPPED.contains(&key.as_str()) {
                map.next_value::<IgnoredAny>()?;
            } else {
                let Pruned(value) = map.next_value()?;
                kept.insert(key, value);
            }
        }
        Ok(Value::Object(kept))
    }
}

/// Converts an object of a custom kind.
///
/// # Errors
/// It has no name.
pub fn custom(api_version: &str, kind: &str, raw: &Custom, claims: &Claims) -> Result<WorkloadDraft, ConvertError> {
    let mut workload = named(api_version, kind, &raw.metadata)?;
    let spec = &raw.spec.0;
    let mut found = Found::default();
    walk(spec, "spec", 0, &mut found);

    workload.raw = found.quantities;
    workload.replicas = replicas(kind, spec);
    workload.autoscaler = own_autoscaler(api_version, kind, &raw.metadata, spec);
    workload.run = ends(kind).then(|| run(spec, &raw.status.0));
    if kind == "Rollout" {
        let strategy = Strategy { kind: None, rolling_update: part(&spec["strategy"]["canary"]) };
        workload.rollout = Some(rollout(Some(&strategy), Amount::Percent(25), Amount::Percent(25)));
    }
    // The template that asks for most; the first of equals.
    let shapes = found.templates.into_iter().filter_map(|template| {
        let raw: Template = serde_json::from_value(template).ok()?;
        shape::shape(&raw.metadata, &raw.spec, &workload.namespace, claims, false).ok()
    });
    let most = |shape: &Shape| shape.asks.iter().map(|ask| u64::from(ask.count)).sum::<u64>();
    let template = shapes.reduce(|best, next| if most(&next) > most(&best) { next } else { best });
    Ok(WorkloadDraft { workload, template })
}

fn part<T: Default + for<'de> Deserialize<'de>>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

#[derive(Debug, Default)]
struct Found {
    templates: Vec<Value>,
    quantities: Vec<RawQuantity>,
}

fn walk(value: &Value, path: &str, depth: usize, found: &mut Found) {
    if depth > DEPTH_MAX {
        return;
    }
    match value {
        Value::Object(map) => {
            if map.get("containers").is_some_and(Value::is_array) {
                found.templates.extend(lenient(map).map(|spec| serde_json::json!({ "spec": spec })));
            } else if let Some(spec) =
                map.get("spec").and_then(Value::as_object).filter(|spec| spec.get("containers").is_some_and(Value::is_array))
            {
                let metadata = map.get("metadata").filter(|metadata| metadata.is_object()).cloned().unwrap_or(Value::Object(Map::new()));
                found.templates.extend(lenient(spec).map(|spec| serde_json::json!({ "metadata": metadata, "spec": spec })));
                quantities_below(&map["spec"], &format!("{path}.spec"), depth + 1, found);
                return;
            }
            for (key, inner) in map {
                let path = format!("{path}.{key}");
                if matches!(key.as_str(), "resources" | "resourcesPerNode") {
                    quantities(inner, &path, found);
                } else {
                    walk(inner, &path, depth + 1, found);
                }
            }
        }
        Value::Array(values) => {
            for (index, inner) in values.iter().enumerate() {
                walk(inner, &format!("{path}[{index}]"), depth + 1, found);
            }
        }
        _ => {}
    }
}

/// Below a template that is taken already: quantities only.
fn quantities_below(value: &Value, path: &str, depth: usize, found: &mut Found) {
    let taken = found.templates.len();
    walk(value, path, depth, found);
    found.templates.truncate(taken);
}

fn quantities(value: &Value, path: &str, found: &mut Found) {
    for side in ["requests", "limits"] {
        let Some(map) = value.get(side).and_then(Value::as_object) else { continue };
        for (name, quantity) in map {
            let text = match quantity {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => continue,
            };
            if resource::unit(name).is_some() && found.quantities.len() < QUANTITIES_MAX {
                found.quantities.push(RawQuantity {
                    path: format!("{path}.{side}").into(),
                    resource: name.as_str().into(),
                    quantity: super::cut(&text.into(), 64),
                });
            }
        }
    }
}

/// A pod specification whose quantities that make no sense are left out, so that the rest of it can be read;
/// none where that is not enough.
fn lenient(spec: &Map<String, Value>) -> Option<Value> {
    let mut spec = spec.clone();
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            for side in ["requests", "limits"] {
                if let Some(map) =
                    container.get_mut("resources").and_then(|resources| resources.get_mut(side)).and_then(Value::as_object_mut)
                {
                    map.retain(|name, quantity| makes_sense(name, quantity));
                }
            }
        }
    }
    let spec = Value::Object(spec);
    PodSpec::deserialize(&spec).is_ok().then_some(spec)
}

fn makes_sense(name: &str, quantity: &Value) -> bool {
    use crate::kubernetes::quantity::Quantity;
    let text = match quantity {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return false,
    };
    match name {
        "cpu" => Quantity::cpu(&text).is_ok(),
        "memory" => Quantity::bytes(&text).is_ok(),
        _ => Quantity::count(&text).is_ok(),
    }
}

/// What scales a kind that brings its own scaler: Knative always does, a RayCluster where it is told to.
fn own_autoscaler(api_version: &str, kind: &str, meta: &Meta, spec: &Value) -> Option<Autoscaler> {
    let named = |kind: &str, min, max, metric: &str| Autoscaler {
        kind: kind.into(),
        name: meta.name.clone(),
        min,
        max,
        metrics: vec![metric.into()],
    };
    let knative = api_version.starts_with("serving.knative.dev/") && matches!(kind, "Service" | "Revision");
    if knative {
        let of_template = &spec["template"]["metadata"]["annotations"];
        let said = |name: &str| {
            let key = format!("autoscaling.knative.dev/{name}");
            of_template[&key].as_str().map(str::to_owned).or_else(|| meta.annotations.get(key.as_str()).map(ToString::to_string))
        };
        let number =
            |new: &str, old: &str| said(new).or_else(|| said(old)).and_then(|text| text.parse().ok()).filter(|&count: &u32| count > 0);
        let metric = said("metric").unwrap_or_else(|| "concurrency".to_owned());
        // No upper bound is Knative's default.
        return Some(named(
            "KnativePodAutoscaler",
            number("min-scale", "minScale").unwrap_or(0),
            number("max-scale", "maxScale").unwrap_or(u32::MAX),
            &metric,
        ));
    }
    if kind == "RayCluster" && spec["enableInTreeAutoscaling"] == true {
        let groups = spec["workerGroupSpecs"].as_array().into_iter().flatten();
        let sum = |name: &str| {
            let total = groups.clone().filter_map(|group| group[name].as_u64()).fold(0, u64::saturating_add);
            u32::try_from(total).unwrap_or(u32::MAX)
        };
        return Some(named("RayAutoscaler", sum("minReplicas"), sum("maxReplicas"), "logical resources"));
    }
    None
}

/// Kinds whose work ends.
fn ends(kind: &str) -> bool {
    kind.ends_with("Job") || kind == "JobSet"
}

/// What the kinds of work that ends say of it: JobSet and RayJob in `spec`, the Kubeflow jobs in `spec.runPolicy`.
fn run(spec: &Value, status: &Value) -> Run {
    let policy = &spec["runPolicy"];
    let number = |name: &str| spec[name].as_i64().or_else(|| policy[name].as_i64());
    let count = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
    // A RayJob keeps its cluster, and the GPUs, unless it is told to shut it down.
    let keeps = spec["shutdownAfterJobFinishes"].as_bool() == Some(false);
    Run {
        deadline: seconds(number("activeDeadlineSeconds")),
        backoff_limit: count(number("backoffLimit").or_else(|| spec["failurePolicy"]["maxRestarts"].as_i64())),
        ttl: seconds(number("ttlSecondsAfterFinished")).filter(|_| !keeps),
        parallelism: None,
        suspended: spec["suspend"].as_bool().or_else(|| policy["suspend"].as_bool()).unwrap_or_default(),
        finished: finished(status),
        schedule: None,
    }
}

fn finished(status: &Value) -> Option<Timestamp> {
    const ENDS: &[&str] = &["Completed", "Complete", "Succeeded", "Failed"];
    let moment = |value: &Value| value.as_str()?.parse::<jiff::Timestamp>().ok().map(|moment| Timestamp(moment.as_second()));
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let ended = conditions
        .filter(|condition| condition["status"] == "True" && condition["type"].as_str().is_some_and(|kind| ENDS.contains(&kind)))
        .find_map(|condition| moment(&condition["lastTransitionTime"]));
    moment(&status["completionTime"]).or_else(|| moment(&status["endTime"])).or(ended)
}

/// The pods that an object wants, where its kind is known to say so.
fn replicas(kind: &str, spec: &Value) -> Option<u32> {
    let number = |value: &Value, otherwise: u64| value.as_u64().unwrap_or(otherwise);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let count = match kind {
        "LeaderWorkerSet" => number(&spec["replicas"], 1).saturating_mul(number(&spec["leaderWorkerTemplate"]["size"], 1)),
        "JobSet" => list(&spec["replicatedJobs"])
            .iter()
            .map(|job| number(&job["replicas"], 1).saturating_mul(number(&job["template"]["spec"]["parallelism"], 1)))
            .fold(0, u64::saturating_add),
        "RayCluster" => list(&spec["workerGroupSpecs"])
            .iter()
            .map(|group| number(&group["replicas"], 0).saturating_mul(number(&group["numOfHosts"], 1)))
            .fold(1, u64::saturating_add),
        "Notebook" => 1,
        "Rollout" => number(&spec["replicas"], 1),
        _ => {
            // The Kubeflow jobs: `pytorchReplicaSpecs: {Master: {replicas: 1}, Worker: {replicas: 7}}`.
            let groups = spec.as_object()?.iter().find(|(key, _)| key.ends_with("ReplicaSpecs"))?.1;
            groups.as_object()?.values().map(|group| number(&group["replicas"], 1)).fold(0, u64::saturating_add)
        }
    };
    u32::try_from(count).ok()
}
