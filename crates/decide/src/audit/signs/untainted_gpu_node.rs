//! `untainted-gpu-node`: nothing keeps other pods off the GPU nodes.

use super::{Sign, fix, words};
use crate::audit::{
    finding::{Confidence, Finding, Fix, Subject},
    view::{Judged, View},
};
use plimsoll_fleet::{
    Name, Node,
    node::{Effect, Taint},
};
use std::collections::BTreeMap;

pub(super) static SIGN: Sign = Sign {
    name: "untainted-gpu-node",
    title: "GPU nodes without a taint: any pod may land there",
    threshold: None,
    explain: "\
GPU nodes carry no taint, so the scheduler puts any pod there: web servers, databases, cron
jobs. They take the CPU and memory that GPU pods need, and they keep nodes from being scaled
down.

Seen by: Node.spec.taints. A taint with NoSchedule or NoExecute counts; PreferNoSchedule keeps
nothing out, and the taints that Kubernetes sets itself (node.kubernetes.io/...) come and go.
One finding a pool (or the node, where it is a single one). No metric is used.

What it costs: nothing by itself; see cpu-pod-on-gpu-node and stranded-gpu for what comes of it.

When it is wrong: a cluster with GPU nodes only is not flagged, because its system pods have
nowhere else to go. A pool that is guarded by an admission policy instead of a taint may be
fine: accept the finding.

To mend it: first give the GPU workloads the toleration (the admission plugin
ExtendedResourceToleration adds it by itself for a taint whose key is the resource's name), then
taint the pool where it is defined, so that new nodes have the taint too. NoSchedule moves
nobody that runs already.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    if !view.fleet.nodes.iter().any(|node| !node.has_gpus() && node.takes_pods()) {
        return Vec::new();
    }
    let mut pools = BTreeMap::<Option<&Name>, (Vec<&Node>, usize)>::new();
    for node in view.fleet.nodes.iter().filter(|node| node.has_gpus()) {
        let (open, all) = pools.entry(node.pool.as_ref()).or_default();
        *all += 1;
        if !node.taints.iter().any(keeps_out) {
            open.push(node);
        }
    }
    pools.into_iter().filter(|(_, (open, _))| !open.is_empty()).map(|(pool, (open, all))| judge(view, pool, open, all)).collect()
}

fn keeps_out(taint: &Taint) -> bool {
    taint.effect != Effect::PreferNoSchedule && !is_passing(taint)
}

/// Kubernetes itself sets it and takes it away.
pub(super) fn is_passing(taint: &Taint) -> bool {
    taint.key.starts_with("node.kubernetes.io/") || &*taint.key == "node.cloudprovider.kubernetes.io/uninitialized"
}

fn judge(view: &View<'_>, pool: Option<&Name>, mut open: Vec<&Node>, all: usize) -> Finding {
    open.sort_by(|a, b| a.name.cmp(&b.name));
    let names: Vec<&str> = open.iter().map(|node| &*node.name).collect();
    let subject = match (pool, &open[..]) {
        (_, [node]) => Subject { kind: "Node".into(), namespace: None, name: node.name.clone() },
        (Some(pool), _) => Subject { kind: "NodePool".into(), namespace: None, name: pool.clone() },
        (None, _) => Subject { kind: "NodePool".into(), namespace: None, name: "(no pool)".into() },
    };
    let has_none = words::verb(open.len(), "has", "have");
    let judged = Judged {
        says: format!("{} of {all} GPU nodes {has_none} no taint that keeps other pods away", open.len()),
        waste: Vec::new(),
        confidence: Confidence::High,
        evidence: vec![view.read("Node.spec.taints", format!("none with NoSchedule or NoExecute on {}", words::list(&names, 10)))],
        fix: Fix {
            says: "Taint the pool, after its GPU workloads have the toleration.".into(),
            action: format!("kubectl taint nodes {} nvidia.com/gpu=present:NoSchedule", chosen(view, pool, &open)),
        },
    };
    view.finding(&SIGN, subject, None, None, judged)
}

/// The nodes by a label that all of the pool carry and no other node, else by name.
fn chosen(view: &View<'_>, pool: Option<&Name>, open: &[&Node]) -> String {
    let of_pool = |label: &Name| view.fleet.nodes.iter().all(|node| (node.labels.get(label) == pool) == (node.pool.as_ref() == pool));
    let label = pool.filter(|_| open.len() > 1).and_then(|pool| open[0].labels.iter().find(|(key, value)| *value == pool && of_pool(key)));
    match label {
        Some((key, value)) => format!("-l {} --overwrite", fix::quote(&format!("{key}={value}"))),
        None => open.iter().map(|node| fix::quote(&node.name)).collect::<Vec<_>>().join(" "),
    }
}
