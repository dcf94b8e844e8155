//! The part of kube-state-metrics that tells how many GPUs pods ask for, and whether they wait.

use super::{Family, Page, Sample};
use k8s_openapi::api::core::v1::Pod;
use plimsoll_fleet::Timestamp;
use std::sync::Arc;

/// Phases as kube-state-metrics lists them, one series each.
const PHASES: [&str; 5] = ["Pending", "Succeeded", "Failed", "Unknown", "Running"];

/// What kube-state-metrics says of `pods`: from their creation on, in the phase that they are in now.
#[must_use]
pub fn page(pods: Vec<Pod>) -> Page {
    Arc::new(move |at| {
        let born = |pod: &&Pod| pod.metadata.creation_timestamp.as_ref().is_none_or(|created| Timestamp(created.0.as_second()) <= at);
        let alive: Vec<&Pod> = pods.iter().filter(born).collect();
        vec![
            family("kube_pod_status_phase", "The pods current phase.", alive.iter().flat_map(|pod| phases(pod)).collect()),
            family(
                "kube_pod_container_resource_requests",
                "The number of requested request resource by a container.",
                alive.iter().flat_map(|pod| requests(pod)).collect(),
            ),
        ]
    })
}

fn family(name: &str, help: &str, samples: Vec<Sample>) -> Family {
    Family { name: name.to_owned(), help: help.to_owned(), kind: "gauge", history: true, samples }
}

fn identity(pod: &Pod) -> Vec<(&'static str, String)> {
    vec![
        ("namespace", pod.metadata.namespace.clone().unwrap_or_default()),
        ("pod", pod.metadata.name.clone().unwrap_or_default()),
        ("uid", pod.metadata.uid.clone().unwrap_or_default()),
    ]
}

fn phases(pod: &Pod) -> Vec<Sample> {
    let now = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending");
    let phase = |phase: &&str| {
        let labels = identity(pod).into_iter().chain([("phase", (*phase).to_owned())]).collect();
        Sample { suffix: "", labels, value: f64::from(u8::from(*phase == now)) }
    };
    PHASES.iter().map(phase).collect()
}

/// Requests of extended resources; their names are written with underscores.
fn requests(pod: &Pod) -> Vec<Sample> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let mut samples = Vec::new();
    for container in &spec.containers {
        for (resource, quantity) in container.resources.iter().flat_map(|resources| resources.requests.iter().flatten()) {
            let Some(value) = quantity.0.parse().ok().filter(|_| resource.contains('/')) else { continue };
            let own = [
                ("container", container.name.clone()),
                ("node", spec.node_name.clone().unwrap_or_default()),
                ("resource", resource.replace(['.', '/', '-'], "_")),
                ("unit", "integer".to_owned()),
            ];
            samples.push(Sample { suffix: "", labels: identity(pod).into_iter().chain(own).collect(), value });
        }
    }
    samples
}
