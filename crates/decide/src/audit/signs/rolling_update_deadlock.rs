//! `rolling-update-deadlock`: the next rollout waits for a GPU that only the old pod can free.

use super::{Sign, fix};
use crate::audit::{
    finding::{Confidence, Finding, Fix},
    room,
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{Shape, Workload, workload::Rollout};
use serde_json::json;

pub(super) static SIGN: Sign = Sign {
    name: "rolling-update-deadlock",
    title: "A rolling update needs a spare GPU that is not there: the next rollout will hang",
    threshold: None,
    explain: "\
A Deployment of one to three replicas with the default strategy (25 % surge, 25 % unavailable)
may have one pod too many and none missing. The new pod needs a GPU before an old one may go. If
no GPU is free where it may run, the new pod waits for the old and the old for the new, for ever;
the progress deadline only sets a condition.

Seen: a rolling strategy whose maxUnavailable comes to 0 for today's replicas, pods that ask for
accelerators, and no node with room for one more such pod (labels, taints, accelerators, CPU,
memory). Where an autoscaler could add a node the confidence is lower.

Mend: maxSurge 0 with maxUnavailable 1 (capacity of one replica less during the rollout), or
strategy Recreate where an outage is allowed, or keep one fitting GPU free on purpose (headroom).",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    view.fleet
        .workloads()
        .filter_map(|(id, workload)| {
            let replicas = workload.replicas.filter(|&replicas| replicas > 0)?;
            let Some(Rollout::Rolling { max_surge, max_unavailable }) = workload.rollout else { return None };
            let shape = crate::class::shape_of(view.fleet, workload, view.pods_of(id).first().copied())?;
            let (surge, unavailable) = (max_surge.rounded_up(replicas), max_unavailable.rounded_down(replicas));
            let held_up = shape.wants_gpus() && unavailable == 0 && surge > 0 && !has_room(view, shape);
            held_up.then(|| judge(view, Holder::Workload(id), workload, shape, (replicas, surge)))
        })
        .collect()
}

fn has_room(view: &View<'_>, shape: &Shape) -> bool {
    view.fleet.nodes().any(|(id, node)| node.has_gpus() && room::fits(view, shape, id))
}

fn judge(view: &View<'_>, holder: Holder, workload: &Workload, shape: &Shape, (replicas, surge): (u32, u32)) -> Finding {
    let asks: Vec<String> = shape.asks.iter().map(|ask| format!("{} × {}", ask.count, ask.resource)).collect();
    let grows = view.fleet.nodes.iter().any(|node| shape.may_go(node) && grows(node));
    let judged = Judged {
        says: format!(
            "a rollout of its {replicas} replicas needs {surge} pod more ({}) before one may go, and no node has room for it",
            asks.join(", ")
        ),
        waste: Vec::new(),
        confidence: if grows { Confidence::Medium } else { Confidence::High },
        evidence: vec![
            view.read(format!("{}.spec.strategy", workload.kind), format!("maxSurge {surge}, maxUnavailable 0 of {replicas}")),
            view.read("Node.status.allocatable", "no node that it may go to has room for one more"),
        ],
        fix: Fix {
            says: "Let one replica go before the next comes.".to_owned(),
            action: fix::merge(
                view,
                holder,
                &json!({ "spec": { "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 1 } } } }),
            ),
        },
    };
    view.on_holder(&SIGN, holder, judged)
}

/// Does an autoscaler make such nodes? (Labels of Karpenter, EKS, GKE and AKS node groups.)
fn grows(node: &plimsoll_fleet::Node) -> bool {
    ["karpenter.sh/nodepool", "eks.amazonaws.com/nodegroup", "cloud.google.com/gke-nodepool", "kubernetes.azure.com/agentpool"]
        .iter()
        .any(|label| node.labels.contains_key(*label))
}
