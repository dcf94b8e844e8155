//! `scale-down-blocker`: a pod or a mark that keeps a GPU node from going away.

use super::{Sign, fix};
use crate::audit::{
    blind::some_of,
    finding::{Confidence, Finding, Fix, Waste},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{MilliGpu, NodeId, PodId};
use std::collections::{BTreeMap, HashSet};

pub(super) static SIGN: Sign = Sign {
    name: "scale-down-blocker",
    title: "A pod or an annotation keeps a GPU node alive on which no GPU is held",
    threshold: None,
    explain: "\
An autoscaler removes a node that is not needed, unless something on it may not be moved: a pod
that nobody would make again, a pod marked safe-to-evict=false or karpenter.sh/do-not-disrupt, a
disruption budget that allows no eviction; or a mark on the node itself. A small CPU pod can hold a
node of eight GPUs that way.

Seen: nodes whose GPUs nobody holds, with such a pod or mark. Pods of DaemonSets do not block.

Mend: give the pod an owner or let it move; loosen the budget; take the mark away; and keep pods
without GPUs off GPU nodes with a taint.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    let stuck = stuck_pods(view);
    let mut blocked = BTreeMap::<Holder, Vec<(NodeId, PodId, String)>>::new();
    let mut findings = Vec::new();
    for (id, node) in view.fleet.nodes().filter(|(_, node)| node.has_gpus()) {
        if view.pods_on(id).iter().any(|pod| !view.held[pod.index()].is_zero()) {
            continue;
        }
        if let Some(mark) = &node.keep {
            let judged = Judged {
                says: format!("nobody holds its GPUs, and {mark} keeps an autoscaler from removing it"),
                waste: whole(view, &[id]),
                confidence: Confidence::High,
                evidence: vec![view.read("Node.metadata.annotations", mark.as_ref())],
                fix: Fix {
                    says: "Take the mark away.".to_owned(),
                    action: format!(
                        "kubectl annotate node {} {}-",
                        fix::quote(&node.name),
                        fix::quote(mark.split('=').next().unwrap_or(mark))
                    ),
                },
            };
            findings.push(view.on_node(&SIGN, id, judged));
        }
        for &pod in view.pods_on(id) {
            if let Some(why) = why_stuck(view, pod, &stuck) {
                blocked.entry(view.holder(pod)).or_default().push((id, pod, why));
            }
        }
    }
    findings.extend(blocked.into_iter().map(|(holder, places)| judge(view, holder, &places)));
    findings
}

fn judge(view: &View<'_>, holder: Holder, places: &[(NodeId, PodId, String)]) -> Finding {
    let mut nodes: Vec<NodeId> = places.iter().map(|(node, ..)| *node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let names = some_of(nodes.iter().map(|&node| &*view.node(node).name));
    let (_, pod, why) = &places[0];
    let judged = Judged {
        says: format!("keeps {names} from going, where nobody holds a GPU: {why}"),
        waste: whole(view, &nodes),
        confidence: Confidence::High,
        evidence: vec![view.read(format!("Pod/{}/{}", view.pod(*pod).namespace, view.pod(*pod).name), why.as_str())],
        fix: Fix {
            says: "Let it run on a node without GPUs, and let it be moved.".to_owned(),
            action: fix::kubectl(view, holder, "edit", ""),
        },
    };
    view.on_holder(&SIGN, holder, judged)
}

fn whole(view: &View<'_>, nodes: &[NodeId]) -> Vec<Waste> {
    nodes.iter().map(|&node| Waste { node, pod: None, gpus: MilliGpu::whole(view.node(node).gpus.len() as u32) }).collect()
}

/// Pods that a disruption budget protects without allowing one eviction.
fn stuck_pods(view: &View<'_>) -> HashSet<PodId> {
    let tight: Vec<_> = view.fleet.budgets.iter().filter(|budget| budget.allowed == 0).collect();
    if tight.is_empty() {
        return HashSet::new();
    }
    let covered = |id: PodId| {
        let pod = view.pod(id);
        tight.iter().any(|budget| budget.namespace == pod.namespace && budget.selector.selects(&view.shape(id).labels))
    };
    view.fleet.pods().map(|(id, _)| id).filter(|&id| covered(id)).collect()
}

fn why_stuck(view: &View<'_>, id: PodId, stuck: &HashSet<PodId>) -> Option<String> {
    let pod = view.pod(id);
    if pod.of_node || pod.deleting {
        return None;
    }
    if let Some(keep) = &pod.keep {
        Some(format!("pod {} is marked {keep}", pod.name))
    } else if pod.workload.is_none() {
        Some(format!("pod {} has no owner that would make it again", pod.name))
    } else if stuck.contains(&id) {
        Some(format!("a disruption budget allows no eviction of pod {}", pod.name))
    } else {
        None
    }
}
