//! Pod specs from shapes.

use plimsoll_fleet::{
    Shape,
    pod::{Affinity, Ask, Container, Role},
    selector::{Requirement, Selector},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The image of a container that names none.
const IMAGE: &str = "registry.example.com/team/app:1.0";

/// The pod template of `shape`: what stands under `template` of a workload.
#[must_use]
pub fn template(shape: &Shape) -> Value {
    json!({"metadata": {"labels": shape.labels, "annotations": shape.annotations}, "spec": spec(shape)})
}

/// The pod spec of `shape`. DRA requests name the claim templates of [`claim_templates`].
#[must_use]
pub fn spec(shape: &Shape) -> Value {
    let whole = [Container {
        name: "main".into(),
        cpu: Some(shape.cpu).filter(|cpu| !cpu.is_zero()),
        memory: Some(shape.memory).filter(|memory| !memory.is_zero()),
        asks: shape.asks.clone(),
        ..Container::default()
    }];
    let all = if shape.containers.is_empty() { &whole[..] } else { &shape.containers };
    let of = |roles: &[Role]| all.iter().filter(|one| roles.contains(&one.role)).map(container).collect::<Vec<_>>();
    let mut spec = json!({"containers": of(&[Role::Main]), "initContainers": of(&[Role::Init, Role::Sidecar])});
    let mut set = |name: &str, value: Value| {
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty);
        if !empty {
            spec[name] = value;
        }
    };
    set("nodeSelector", json!(shape.node_selector));
    set("tolerations", shape.tolerations.iter().map(toleration).collect());
    set("affinity", affinity(shape));
    let spread = shape.spread.iter().map(|spread| {
        json!({
            "topologyKey": spread.topology,
            "maxSkew": spread.max_skew,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": selector(&spread.pods),
        })
    });
    set("topologySpreadConstraints", spread.collect());
    set("priorityClassName", json!(shape.priority_class));
    set("schedulerName", json!(shape.scheduler));
    set("activeDeadlineSeconds", json!(shape.deadline));
    let claims = claims(shape).into_iter().map(claim_name);
    set("resourceClaims", claims.map(|name| json!({"name": name, "resourceClaimTemplateName": name})).collect());
    if let (Some(first), false) = (spec["containers"].get_mut(0), shape.host_ports.is_empty()) {
        let ports = shape.host_ports.iter().map(|port| json!({"containerPort": port, "hostPort": port}));
        first["ports"] = ports.collect();
    }
    spec
}

/// The ResourceClaimTemplates that a pod of `shape` needs in `namespace`.
#[must_use]
pub fn claim_templates(shape: &Shape, namespace: &str) -> Vec<Value> {
    claims(shape)
        .into_iter()
        .map(|ask| {
            let request = json!({"deviceClassName": ask.resource, "allocationMode": "ExactCount", "count": ask.count});
            json!({
                "apiVersion": "resource.k8s.io/v1",
                "kind": "ResourceClaimTemplate",
                "metadata": {"name": claim_name(ask), "namespace": namespace},
                "spec": {"spec": {"devices": {"requests": [{"name": "devices", "exactly": request}]}}},
            })
        })
        .collect()
}

/// The DRA requests of the containers, alike ones once: those containers share the claim.
fn claims(shape: &Shape) -> BTreeSet<&Ask> {
    let of_containers = shape.containers.iter().flat_map(|one| dra(&one.asks));
    let of_pod = dra(&shape.asks).filter(|_| shape.containers.is_empty());
    of_containers.chain(of_pod).collect()
}

fn dra(asks: &[Ask]) -> impl Iterator<Item = &Ask> {
    asks.iter().filter(|ask| ask.dra)
}

fn claim_name(ask: &Ask) -> String {
    format!("{}-{}", ask.resource.replace(['.', '/'], "-"), ask.count)
}

fn container(one: &Container) -> Value {
    let mut requests = Map::new();
    let mut limits = Map::new();
    if let Some(cpu) = one.cpu {
        requests.insert("cpu".into(), format!("{}m", cpu.0).into());
    }
    if let Some(memory) = one.memory {
        requests.insert("memory".into(), memory.0.to_string().into());
    }
    for ask in one.asks.iter().filter(|ask| !ask.dra) {
        // A device's request is its limit; the API fills in the one from the other.
        limits.insert(ask.resource.to_string(), ask.count.to_string().into());
    }
    let claims: Vec<Value> = dra(&one.asks).map(|ask| json!({"name": claim_name(ask)})).collect();
    let image = if one.image.is_empty() { IMAGE } else { &*one.image };
    let mut out = json!({"name": one.name, "image": image, "resources": {"requests": requests, "limits": limits}});
    if !claims.is_empty() {
        out["resources"]["claims"] = claims.into();
    }
    if one.role == Role::Sidecar {
        out["restartPolicy"] = "Always".into();
    }
    if one.serves {
        out["ports"] = json!([{"containerPort": 8000}]);
    }
    let probes = [("startupProbe", one.probes.startup), ("readinessProbe", one.probes.readiness), ("livenessProbe", one.probes.liveness)];
    for (name, _) in probes.into_iter().filter(|(_, there)| *there) {
        out[name] = json!({"httpGet": {"path": "/health", "port": 8000}});
    }
    out
}

fn toleration(one: &plimsoll_fleet::pod::Toleration) -> Value {
    let operator = if one.value.is_some() { "Equal" } else { "Exists" };
    let mut out = json!({ "operator": operator });
    for (name, value) in [("key", json!(one.key)), ("value", json!(one.value)), ("effect", json!(one.effect))] {
        if !value.is_null() {
            out[name] = value;
        }
    }
    out
}

fn affinity(shape: &Shape) -> Value {
    let mut out = json!({});
    if !shape.node_terms.is_empty() {
        let terms: Vec<Value> = shape
            .node_terms
            .iter()
            .map(|term| json!({"matchExpressions": requirements(&term.labels), "matchFields": requirements(&term.names)}))
            .collect();
        out["nodeAffinity"] = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
    }
    for (name, terms) in [("podAffinity", &shape.near), ("podAntiAffinity", &shape.apart)] {
        if !terms.is_empty() {
            let terms: Vec<Value> = terms
                .iter()
                .map(|term: &Affinity| {
                    json!({"topologyKey": term.topology, "labelSelector": selector(&term.pods), "namespaces": term.namespaces})
                })
                .collect();
            out[name] = json!({"requiredDuringSchedulingIgnoredDuringExecution": terms});
        }
    }
    out
}

/// A label selector as the API writes it.
#[must_use]
pub fn selector(selector: &Selector) -> Value {
    json!({"matchExpressions": requirements(&selector.0)})
}

fn requirements(all: &[Requirement]) -> Vec<Value> {
    all.iter().map(|one| json!({"key": one.key, "operator": one.operator, "values": one.values})).collect()
}
