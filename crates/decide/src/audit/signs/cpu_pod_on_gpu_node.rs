//! `cpu-pod-on-gpu-node`: pods that need no GPU live where GPUs are.

use super::{Sign, Threshold, fix, stranded_gpu::cores, words};
use crate::audit::{
    finding::{Confidence, Finding, Fix},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{Bytes, MilliCpu, Node, NodeId, PodId};
use serde_json::json;
use std::collections::BTreeMap;

pub(super) static SIGN: Sign = Sign {
    name: "cpu-pod-on-gpu-node",
    title: "Pods without GPU live on GPU nodes",
    threshold: Some(Threshold { default: 0.05, unit: "ratio", says: "share of the node's CPU or memory from which on such a pod matters" }),
    explain: "\
Pods that ask for no GPU run on GPU nodes and take a share of their CPU or memory that matters.
GPU pods need CPU and memory beside their GPU; when these are gone, the GPUs left are stranded.
Such pods also keep an autoscaler from removing a node whose GPUs nobody uses.

Seen by: the requests of pods on GPU nodes. Pods of DaemonSets and static pods come with the
node and are left out, and so are pods that ask for less than the threshold of both. No metric
is used.

What it costs: nothing by itself. What it causes is counted by stranded-gpu and empty-gpu-node.

When it is wrong: a cluster that has GPU nodes only, or pods that belong beside the GPU pods (a
preprocessor on the same node by pod affinity).

To mend it: keep them away by a node affinity, or, better for all of them at once, taint the GPU
nodes (see untainted-gpu-node). If they tolerate the taint, take the toleration away: a
toleration without key tolerates everything.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    let threshold = view.threshold(&SIGN);
    let mut by_holder = BTreeMap::<Holder, Vec<(PodId, NodeId)>>::new();
    for (id, node) in view.fleet.nodes().filter(|(_, node)| node.has_gpus()) {
        for &pod in view.pods_on(id) {
            let shape = view.shape(pod);
            if view.held[pod.index()].is_zero()
                && !view.pod(pod).of_node
                && !shape.wants_gpus()
                && matters(node, shape.cpu, shape.memory, threshold)
            {
                by_holder.entry(view.holder(pod)).or_default().push((pod, id));
            }
        }
    }
    let elsewhere = view.fleet.nodes.iter().any(|node| !node.has_gpus() && node.takes_pods());
    by_holder.into_iter().map(|(holder, pods)| view.on_holder(&SIGN, holder, judge(view, holder, &pods, elsewhere))).collect()
}

fn matters(node: &Node, cpu: MilliCpu, memory: Bytes, threshold: f64) -> bool {
    let over = |asked: u64, all: u64| all > 0 && asked as f64 >= threshold * all as f64;
    over(cpu.0, node.cpu.0) || over(memory.0, node.memory.0)
}

fn judge(view: &View<'_>, holder: Holder, pods: &[(PodId, NodeId)], elsewhere: bool) -> Judged {
    let cpu: MilliCpu = pods.iter().map(|&(pod, _)| view.shape(pod).cpu).sum();
    let memory: Bytes = pods.iter().map(|&(pod, _)| view.shape(pod).memory).sum();
    let mut nodes: Vec<NodeId> = pods.iter().map(|&(_, node)| node).collect();
    nodes.sort_by(|a, b| view.node(*a).name.cmp(&view.node(*b).name));
    nodes.dedup();
    let names: Vec<&str> = nodes.iter().map(|&node| &*view.node(node).name).collect();
    Judged {
        says: format!(
            "{} without GPU {} {} CPU cores and {} of memory on {}",
            words::count(pods.len(), "pod"),
            words::verb(pods.len(), "takes", "take"),
            cores(cpu),
            words::gib(memory.0 as f64),
            words::count(nodes.len(), "GPU node"),
        ),
        waste: Vec::new(),
        confidence: if elsewhere { Confidence::High } else { Confidence::Low },
        evidence: vec![view.read("Pod.spec.containers[].resources.requests, Pod.spec.nodeName", format!("on {}", words::list(&names, 5)))],
        fix: send_away(view, holder, &nodes),
    }
}

/// Keeps the pods of a holder off GPU nodes.
pub(super) fn send_away(view: &View<'_>, holder: Holder, nodes: &[NodeId]) -> Fix {
    let known = ["nvidia.com/gpu.present", "nvidia.com/gpu.product", "cloud.google.com/gke-accelerator", "amd.com/gpu.product-name"];
    let label = known.into_iter().find(|label| nodes.iter().all(|&node| view.node(node).labels.contains_key(*label)));
    let shape = match holder {
        Holder::Workload(id) => view.fleet.workloads[id.index()].template.map(|shape| &view.fleet.shapes[shape.index()]),
        Holder::Pod(pod) => Some(view.shape(pod)),
    };
    // A merge patch would replace terms that are there already.
    let free_of_terms = shape.is_some_and(|shape| shape.node_terms.is_empty());
    match label.filter(|_| free_of_terms && fix::is_patchable(view, holder)) {
        Some(label) => {
            let terms = json!([{ "matchExpressions": [{ "key": label, "operator": "DoesNotExist" }] }]);
            let spec = json!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } } } });
            Fix { says: "Keep it off GPU nodes by a node affinity.".into(), action: fix::template(view, holder, spec) }
        }
        None => Fix {
            says: "Keep it off GPU nodes: add a node affinity to its manifest, or taint the GPU nodes.".into(),
            action: fix::manifest(view, holder),
        },
    }
}
