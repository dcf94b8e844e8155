//! `empty-gpu-node`: a node with GPUs and no pod that uses one.

use super::{Sign, Threshold};
use crate::audit::{
    finding::{Confidence, Finding, Fix, Waste},
    view::{Judged, View},
};
use plimsoll_fleet::{MilliGpu, Seconds};

pub(super) static SIGN: Sign = Sign {
    name: "empty-gpu-node",
    title: "A GPU node on which no pod holds a GPU",
    threshold: Some(Threshold { default: 1.0, unit: "hours", says: "younger nodes are still filling up" }),
    explain: "placeholder",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    let young = Seconds((view.threshold(&SIGN) * 3_600.0) as u64);
    view.fleet
        .nodes()
        .filter(|(id, node)| node.has_gpus() && view.pods_on(*id).iter().all(|pod| view.held[pod.index()].is_zero()))
        .filter(|(_, node)| node.created.is_none_or(|created| view.fleet.at.since(created) >= young))
        .map(|(id, node)| {
            let all = MilliGpu::whole(node.gpus.len() as u32);
            let judged = Judged {
                says: format!("no pod holds any of its {} GPUs", node.gpus.len()),
                waste: vec![Waste { node: id, pod: None, gpus: all }],
                confidence: Confidence::High,
                evidence: vec![view.read("Pod.spec.nodeName", "no bound pod asks for a GPU")],
                fix: Fix { says: "give it back, or let the autoscaler".into(), action: format!("kubectl drain {}", node.name) },
            };
            view.on_node(&SIGN, id, judged)
        })
        .collect()
}
