//! The part of kube-state-metrics that tells which pods there are and were: what they ask for, on which node, since when.

use super::{Family, Page, Sample};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Time};
use std::{collections::BTreeSet, sync::Arc};

/// Phases as kube-state-metrics lists them, one series each.
const PHASES: [&str; 5] = ["Pending", "Succeeded", "Failed", "Unknown", "Running"];

/// What kube-state-metrics says of `pods`, which are there since they were made, in the phase that they are in now; and of pods
/// that are `gone`: each from its creation to its `deletionTimestamp`, bound from its condition `PodScheduled` on.
#[must_use]
pub fn page(pods: Vec<Pod>, gone: Vec<Pod>) -> Page {
    Arc::new(move |at| {
        let born = |pod: &&Pod| since(pod).is_none_or(|since| since <= at.0);
        let there = |pod: &&Pod| seconds(pod.metadata.deletion_timestamp.as_ref()).is_some_and(|gone| at.0 < gone);
        let alive: Vec<Past<'_>> = pods.iter().chain(gone.iter().filter(there)).filter(born).map(|pod| Past { pod, at: at.0 }).collect();
        let of_each = |samples: &dyn Fn(&Past<'_>) -> Vec<Sample>| alive.iter().flat_map(samples).collect();
        let time = |when: fn(&Past<'_>) -> Option<i64>| {
            let sample = |past: &Past<'_>| Some(past.sample(Vec::new(), when(past).filter(|when| *when <= past.at)? as f64));
            alive.iter().filter_map(sample).collect::<Vec<Sample>>()
        };
        vec![
            // Nobody asks how phases changed, and they are five series a pod.
            Family { history: false, ..family("kube_pod_status_phase", "The pods current phase.", of_each(&phases)) },
            family("kube_pod_container_resource_requests", "The number of requested request resource by a container.", of_each(&requests)),
            family("kube_pod_created", "Unix creation timestamp", time(|past| since(past.pod))),
            family("kube_pod_status_scheduled_time", "Unix timestamp when pod moved into scheduled status", time(|past| past.scheduled())),
            family("kube_pod_start_time", "Start time in unix timestamp for a pod.", time(|past| past.taken())),
            family("kube_pod_completion_time", "Completion time in unix timestamp for a pod.", time(|past| past.ended())),
            family("kube_pod_owner", "Information about the Pod's owner.", of_each(&owner)),
            family("kube_node_info", "Information about a cluster node.", nodes(&alive)),
        ]
    })
}

fn family(name: &str, help: &str, samples: Vec<Sample>) -> Family {
    Family { name: name.to_owned(), help: help.to_owned(), kind: "gauge", history: true, samples }
}

fn seconds(time: Option<&Time>) -> Option<i64> {
    Some(time?.0.as_second())
}

fn since(pod: &Pod) -> Option<i64> {
    seconds(pod.metadata.creation_timestamp.as_ref())
}

/// A pod at a moment.
struct Past<'p> {
    pod: &'p Pod,
    at: i64,
}

impl Past<'_> {
    fn sample(&self, own: Vec<(&'static str, String)>, value: f64) -> Sample {
        let meta = &self.pod.metadata;
        let names = [("namespace", &meta.namespace), ("pod", &meta.name), ("uid", &meta.uid)];
        let labels = names.map(|(name, value)| (name, value.clone().unwrap_or_default())).into_iter().chain(own).collect();
        Sample { suffix: "", labels, value }
    }

    fn scheduled(&self) -> Option<i64> {
        let conditions = self.pod.status.as_ref()?.conditions.as_ref()?;
        let scheduled = conditions.iter().find(|condition| condition.type_ == "PodScheduled" && condition.status == "True")?;
        seconds(scheduled.last_transition_time.as_ref())
    }

    fn taken(&self) -> Option<i64> {
        seconds(self.pod.status.as_ref()?.start_time.as_ref())
    }

    fn ended(&self) -> Option<i64> {
        let statuses = self.pod.status.as_ref()?.container_statuses.as_ref()?;
        let ends = statuses.iter().map(|status| seconds(status.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref()));
        // As kube-state-metrics: when the last of them ended, if all have.
        ends.collect::<Option<Vec<i64>>>()?.into_iter().max()
    }

    /// The node; of a pod that is gone from the moment on at which it was bound.
    fn node(&self) -> String {
        let is_gone = self.pod.metadata.deletion_timestamp.is_some();
        let is_bound = !is_gone || self.scheduled().is_none_or(|scheduled| scheduled <= self.at);
        self.pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).filter(|_| is_bound).unwrap_or_default()
    }
}

fn phases(past: &Past<'_>) -> Vec<Sample> {
    let now = past.pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending");
    let phase = |phase: &&str| past.sample(vec![("phase", (*phase).to_owned())], f64::from(u8::from(*phase == now)));
    PHASES.iter().map(phase).collect()
}

/// Requests; the names of extended resources are written with underscores.
fn requests(past: &Past<'_>) -> Vec<Sample> {
    let mut samples = Vec::new();
    for container in past.pod.spec.iter().flat_map(|spec| &spec.containers) {
        for (resource, quantity) in container.resources.iter().flat_map(|resources| resources.requests.iter().flatten()) {
            let unit = match resource.as_str() {
                "cpu" => "core",
                "memory" => "byte",
                _ => "integer",
            };
            let Some(value) = number(&quantity.0) else { continue };
            let own = vec![
                ("container", container.name.clone()),
                ("node", past.node()),
                ("resource", resource.replace(['.', '/', '-'], "_")),
                ("unit", unit.to_owned()),
            ];
            samples.push(past.sample(own, value));
        }
    }
    samples
}

/// A quantity with the suffixes that pods use.
fn number(quantity: &str) -> Option<f64> {
    let suffixes = [("m", 1e-3), ("Ki", 1_024.0), ("Mi", 1_048_576.0), ("Gi", 1_073_741_824.0), ("", 1.0)];
    suffixes.iter().find_map(|(suffix, factor)| Some(quantity.strip_suffix(suffix)?.parse::<f64>().ok()? * factor))
}

fn owner(past: &Past<'_>) -> Vec<Sample> {
    let owners = past.pod.metadata.owner_references.iter().flatten();
    let labels = |kind: &str, name: &str, controls: bool| {
        vec![("owner_kind", kind.to_owned()), ("owner_name", name.to_owned()), ("owner_is_controller", controls.to_string())]
    };
    owners.map(|owner| past.sample(labels(&owner.kind, &owner.name, owner.controller == Some(true)), 1.0)).collect()
}

/// The nodes that carry pods; kube-state-metrics would tell all.
fn nodes(alive: &[Past<'_>]) -> Vec<Sample> {
    let names: BTreeSet<String> = alive.iter().map(Past::node).filter(|node| !node.is_empty()).collect();
    names.into_iter().map(|node| Sample { suffix: "", labels: vec![("node", node)], value: 1.0 }).collect()
}
