//! `missing-probes`: a model server that gets requests before it can answer, or is killed while it loads.

use super::{Sign, fix};
use crate::audit::{
    finding::{Confidence, Finding, Fix},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{
    Class, Shape,
    pod::{Container, Role},
};
use serde_json::{Value, json};

pub(super) static SIGN: Sign = Sign {
    name: "missing-probes",
    title: "A GPU server has no readiness probe, or a liveness probe that can kill it while it loads",
    threshold: None,
    explain: "\
A model server needs minutes to load its weights. Without a readiness probe it counts as ready
at once: requests fail, a rollout takes the old replica away too early, and an autoscaler
believes in capacity that is not there. With a liveness probe but no startup probe the kubelet
may kill it while it still loads, and it holds its GPUs through every attempt.

Seen: the probes of the containers that ask for accelerators, in workloads of class online.
Batch, training and dev workloads need none and are left out.

Mend: a readiness probe on the server's health path; a startup probe on the same path whose
failureThreshold x periodSeconds is longer than the slowest load you have seen; a liveness
probe only beside a startup probe.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    view.fleet
        .workloads()
        .filter_map(|(id, workload)| {
            let holder = Holder::Workload(id);
            let shape = crate::class::shape_of(view.fleet, workload, view.pods_of(id).first().copied())?;
            let serves = shape.wants_gpus() && view.class(holder).class == Class::Online;
            let (container, lack) = servers(shape).find_map(|container| Some((container, lack(container)?))).filter(|_| serves)?;
            let judged = Judged {
                says: format!("container {} {lack}", container.name),
                waste: Vec::new(),
                confidence: if view.class(holder).inferred { Confidence::Medium } else { Confidence::High },
                evidence: vec![view.read(
                    format!("{}…containers[{}]", workload.kind, container.name),
                    format!(
                        "readinessProbe {}, startupProbe {}, livenessProbe {}",
                        set(container.probes.readiness),
                        set(container.probes.startup),
                        set(container.probes.liveness)
                    ),
                )],
                fix: Fix {
                    says: "Add a readiness and a startup probe on its own health path and port; the budget (here 15 min) must be longer \
                           than its slowest load."
                        .to_owned(),
                    action: fix::container(view, holder, &container.name, probes(&container.image)),
                },
            };
            Some(view.on_holder(&SIGN, holder, judged))
        })
        .collect()
}

/// The containers that hold the GPUs; all main ones where a ResourceClaim of the pod gives them.
fn servers(shape: &Shape) -> impl Iterator<Item = &Container> {
    let by_container = shape.containers.iter().any(|container| !container.asks.is_empty());
    shape.containers.iter().filter(move |container| container.role == Role::Main && (!by_container || !container.asks.is_empty()))
}

fn lack(container: &Container) -> Option<&'static str> {
    let probes = container.probes;
    if !probes.readiness && !probes.startup && !probes.liveness {
        Some("has no probe at all: it counts as ready before its model is loaded")
    } else if !probes.readiness {
        Some("has no readiness probe: it gets requests before it can answer")
    } else if probes.liveness && !probes.startup {
        Some("has a liveness probe but no startup probe: a slow load is killed and begins again")
    } else {
        None
    }
}

/// Probes on the health path of the server that the image names; else on the usual one.
/// Paths and ports: the engines' own documentation (vLLM, SGLang, Triton, TGI and TEI, Ollama).
fn probes(image: &str) -> Value {
    let image = image.to_ascii_lowercase();
    let known = [
        ("sglang", "/health", 30_000),
        ("triton", "/v2/health/ready", 8_000),
        ("text-generation-inference", "/health", 80),
        ("text-embeddings-inference", "/health", 80),
        ("ollama", "/", 11_434),
    ];
    let (_, path, port) = known.into_iter().find(|(name, ..)| image.contains(name)).unwrap_or(("vllm", "/health", 8_000));
    let probe = |failures: u32| json!({ "httpGet": { "path": path, "port": port }, "periodSeconds": 10, "failureThreshold": failures });
    json!({ "startupProbe": probe(90), "readinessProbe": probe(3) })
}

fn set(probe: bool) -> &'static str {
    if probe { "set" } else { "not set" }
}
