//! `empty-gpu-node`: a node with GPUs and no pod that uses one.

use super::{Sign, Threshold, fix, words};
use crate::audit::{
    finding::{Confidence, Finding, Fix, Waste},
    view::{Judged, View},
};
use plimsoll_fleet::{MilliGpu, Name, Node, NodeId, Seconds, node::Sharing};
use std::collections::BTreeMap;

pub(super) static SIGN: Sign = Sign {
    name: "empty-gpu-node",
    title: "A GPU node on which no pod holds a GPU",
    threshold: Some(Threshold { default: 1.0, unit: "hours", says: "younger nodes are still filling up" }),
    explain: "\
A node with GPUs is up (and paid for), and no pod holds any of its GPUs.

Seen by: the pods bound to the node and what they ask for. No metric is used.

Not flagged: nodes younger than the threshold, and as many empty nodes as the headroom needs
that you have set for their pool (free GPUs of nodes in use count towards it first, unless they
are stranded). A cordoned node is flagged and said to be cordoned: it is paid for while it is
mended.

Why it is still there, most often: the pool has a minimum size, an autoscaler is forbidden to
remove the node (an annotation, a pod without controller, local storage: see
scale-down-blocker), small pods without GPUs live on it (see cpu-pod-on-gpu-node), or nobody
scales the pool at all.

When it is wrong: capacity that is reserved and paid for in any case. Set a price of your own
for that pool, or keep it as headroom on purpose.

To mend it: drain it and take it out of its pool, lower the pool's minimum, or let the
autoscaler consolidate; or give the GPUs to those who wait (see pending-beside-free).",
    find,
};

/// How long the node's GPUs have been measured: a node that was registered anew is older than its object.
fn measured(view: &View<'_>, node: NodeId) -> Seconds {
    let spans = view.devices_of(node).filter_map(|usage| usage.metrics.running()).map(|(_, sketch)| view.span(sketch, 1));
    spans.max().unwrap_or_default()
}

fn find(view: &View<'_>) -> Vec<Finding> {
    let young = Seconds((view.threshold(&SIGN).max(0.0) * 3_600.0) as u64);
    let mut empty: Vec<(NodeId, &Node)> = view
        .fleet
        .nodes()
        .filter(|(id, node)| {
            node.has_gpus() && node.sharing != Sharing::MigInvalid && view.pods_on(*id).iter().all(|pod| view.held[pod.index()].is_zero())
        })
        .filter(|(id, node)| node.created.is_none_or(|created| view.fleet.at.since(created).max(measured(view, *id)) >= young))
        .collect();
    empty.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    let mut headroom = open_headroom(view);
    empty
        .into_iter()
        .filter(|(_, node)| {
            let Some(open) = headroom.get_mut(&node.pool).filter(|open| !open.is_zero() && node.takes_pods()) else { return true };
            *open = open.less(MilliGpu::whole(node.gpus.len() as u32));
            false
        })
        .map(|(id, node)| view.on_node(&SIGN, id, judge(view, id, node)))
        .collect()
}

/// What the user wants kept free by pool, less what is free and of use on nodes that are not empty.
fn open_headroom(view: &View<'_>) -> BTreeMap<Option<Name>, MilliGpu> {
    let wanted = |pool: &Option<Name>| {
        let own = pool.as_ref().and_then(|pool| view.settings.headroom.get(&**pool));
        own.or_else(|| view.settings.headroom.get("*")).copied().unwrap_or(0)
    };
    if view.settings.headroom.is_empty() {
        return BTreeMap::new();
    }
    let mut open = BTreeMap::new();
    for (id, node) in view.fleet.nodes().filter(|(_, node)| node.has_gpus()) {
        let left = open.entry(node.pool.clone()).or_insert_with(|| MilliGpu::whole(wanted(&node.pool)));
        let in_use = view.pods_on(id).iter().any(|pod| !view.held[pod.index()].is_zero());
        if in_use && node.takes_pods() && view.strands().iter().all(|strand| strand.node != id) {
            *left = left.less(view.room(id).gpus);
        }
    }
    open
}

fn judge(view: &View<'_>, id: NodeId, node: &Node) -> Judged {
    let all = MilliGpu::whole(node.gpus.len() as u32);
    let others = view.pods_on(id).iter().filter(|&&pod| !view.pod(pod).of_node).count();
    let state = match (node.ready, node.unschedulable) {
        (false, _) => ", and it is not ready",
        (true, true) => ", and it is cordoned",
        (true, false) => "",
    };
    let since = node.created.map_or_else(String::new, |created| format!("; it is {} old", words::time(view.fleet.at.since(created))));
    let guests = match others {
        0 => String::new(),
        n => format!("; {} without GPU {} there", words::count(n, "pod"), words::verb(n, "lives", "live")),
    };
    Judged {
        says: format!("no pod holds {} {}{state}{guests}{since}", words::verb(node.gpus.len(), "its", "any of its"), words::gpus(all)),
        waste: vec![Waste { node: id, pod: None, gpus: all }],
        // Whether a broken or cordoned node is on its way out, the API does not tell.
        confidence: if node.takes_pods() && node.created.is_some() { Confidence::High } else { Confidence::Medium },
        evidence: vec![
            view.read("Pod.spec.nodeName, Pod.spec.containers[].resources", "no pod bound to it asks for a GPU"),
            view.read("Node.status.capacity", words::gpus(all)),
        ],
        fix: mend(node, others),
    }
}

fn mend(node: &Node, others: usize) -> Fix {
    let name = fix::quote(&node.name);
    if let Some(keep) = &node.keep {
        let key = keep.split('=').next().unwrap_or(keep);
        return Fix {
            says: format!("Its annotation {keep} forbids the autoscaler to remove it: take it away."),
            action: format!("kubectl annotate node {name} {}-", fix::quote(key)),
        };
    }
    if node.labels.contains_key("karpenter.sh/nodepool") {
        return Fix {
            says: "Delete the node: Karpenter drains it and ends the instance.".into(),
            action: format!("kubectl delete node {name}"),
        };
    }
    let pool = node.pool.as_ref().map_or_else(String::new, |pool| format!(" of {pool}"));
    let says = match others {
        0 => format!("Drain it and lower the size{pool} by one."),
        _ => format!("Move the pods without GPU to CPU nodes, then lower the size{pool} by one."),
    };
    Fix { says, action: format!("kubectl drain {name} --ignore-daemonsets --delete-emptydir-data") }
}
