//! `blind-spot`: GPUs or pods that no metrics tell of.

use super::Sign;
use crate::audit::{
    blind,
    finding::{Confidence, Finding, Fix, Subject},
    view::{Judged, View},
};
use plimsoll_fleet::{NodeId, PodId, Seconds};

pub(super) static SIGN: Sign = Sign {
    name: "blind-spot",
    title: "GPU nodes or pods without metrics: whether they are wasted cannot be seen",
    threshold: None,
    explain: "\
What is not measured is unknown, never idle. A node without a DCGM exporter, a store without
series of it, a vendor whose metrics are not read, or a pod that no series names: all of them hide
waste, and none of them is proof of it.

Seen: GPU nodes without any device series in the window; pods that have held GPUs for more than an
hour and that no series names, on nodes whose other series do name their pods.

Mend: run the DCGM exporter on every GPU node (gpu-operator does), let Prometheus scrape it, and
turn on its Kubernetes mapping (DCGM_EXPORTER_KUBERNETES=true). Without Prometheus:
plimsoll audit --scrape 10m.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    let dark: Vec<(NodeId, blind::Dark)> = view.fleet.nodes().filter_map(|(id, _)| Some((id, blind::dark(view, id)?))).collect();
    let nowhere = dark.iter().filter(|(_, why)| *why == blind::Dark::NoMetrics).count();
    let mut findings: Vec<Finding> = dark
        .iter()
        .filter(|(_, why)| *why != blind::Dark::NoMetrics)
        .map(|&(node, why)| view.on_node(&SIGN, node, judged(view, why.says(1), why.remedy())))
        .collect();
    if nowhere > 0 {
        let name = view.fleet.origin.cluster.clone().unwrap_or_else(|| "cluster".into());
        let subject = Subject { kind: "Cluster".into(), namespace: None, name };
        let why = blind::Dark::NoMetrics;
        findings.push(view.finding(&SIGN, subject, None, None, judged(view, why.says(nowhere), why.remedy())));
    }
    findings.extend(view.holders().filter_map(|(holder, pods)| {
        let unnamed = pods.iter().filter(|&&pod| unnamed(view, pod)).count();
        (unnamed > 0).then(|| {
            let pods = if unnamed == 1 {
                "1 of its pods holds GPUs that no".to_owned()
            } else {
                format!("{unnamed} of its pods hold GPUs that no")
            };
            let remedy =
                "turn on the exporter's Kubernetes mapping: DCGM_EXPORTER_KUBERNETES=true, and mount the kubelet's pod-resources socket";
            view.on_holder(
                &SIGN,
                holder,
                judged(view, format!("{pods} series names, though other series of the node name their pods"), remedy),
            )
        })
    }));
    findings
}

/// A pod that holds GPUs, on a node whose series name pods, that no series names.
fn unnamed(view: &View<'_>, pod: PodId) -> bool {
    let Some(node) = view.pod(pod).node else { return false };
    let old = view.pod(pod).started.is_some_and(|started| view.fleet.at.since(started) > Seconds::HOUR);
    let others_named = || view.pods_on(node).iter().any(|&other| view.usage_of(other).next().is_some());
    old && view.usage_of(pod).next().is_none() && others_named()
}

fn judged(view: &View<'_>, says: String, remedy: &str) -> Judged {
    Judged {
        evidence: vec![view.read("DCGM_FI_*", "no series")],
        says,
        waste: Vec::new(),
        confidence: Confidence::High,
        fix: Fix { says: remedy.to_owned(), action: String::new() },
    }
}
