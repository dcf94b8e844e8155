//! `mig-layout-mismatch`: slices lie free while pods wait for another size.

use super::{Sign, fix};
use crate::audit::{
    finding::{Confidence, Finding, Fix, Waste},
    room,
    view::{Judged, View},
};
use plimsoll_fleet::{
    MilliGpu, Name, Node, NodeId, PodId, holding,
    node::Sharing,
    resource::{self, Unit},
};
use std::collections::BTreeMap;

pub(super) static SIGN: Sign = Sign {
    name: "mig-layout-mismatch",
    title: "MIG slices lie free while pods wait for slices of another size",
    threshold: None,
    explain: "\
A MIG layout is cut for a mix of sizes. When the mix changes, slices of one size lie free while pods
wait for another, though the same silicon could serve them.

Seen: pods that wait for a nvidia.com/mig-... resource, nodes that they may go to with free slices
of other sizes, and no free slice of theirs anywhere. The free slices of one node together have at
least the memory slices that the waiting profile needs.

Not proof: free slices lie on several GPUs and in certain places; whether the new slice can be cut
without moving a pod, the MIG manager's layout decides. It changes a whole node at once, and does
not drain it.

Mend: empty the node, set nvidia.com/mig.config to a layout with the sizes that wait, wait for
nvidia.com/mig.config.state=success.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    let mut waiting = BTreeMap::<Name, Vec<PodId>>::new();
    for (id, pod) in view.fleet.pods().filter(|(_, pod)| pod.waits()) {
        for ask in view.fleet.shape(pod).asks.iter().filter(|ask| matches!(resource::unit(&ask.resource), Some(Unit::Mig(_)))) {
            waiting.entry(ask.resource.clone()).or_default().push(id);
        }
    }
    waiting.retain(|wanted, pods| {
        !view.fleet.nodes().any(|(id, node)| room::free_units(view, id, wanted) > 0 && pods.iter().any(|&pod| view.shape(pod).may_go(node)))
    });
    let mixed = view.fleet.nodes().filter(|(_, node)| node.sharing == Sharing::MigMixed && node.takes_pods());
    mixed
        .filter_map(|(id, node)| {
            let free = free_slices(view, id, node);
            let total: MilliGpu = free.iter().map(|(resource, count)| size(resource, node, *count)).sum();
            let served = waiting
                .iter()
                .find(|(wanted, pods)| total >= size(wanted, node, 1) && pods.iter().any(|&pod| view.shape(pod).may_go(node)));
            served.map(|(wanted, pods)| judge(view, id, node, (wanted, pods.len()), (&free, total)))
        })
        .collect()
}

fn free_slices(view: &View<'_>, id: NodeId, node: &Node) -> Vec<(Name, u32)> {
    node.offers
        .iter()
        .filter(|offer| matches!(resource::unit(&offer.resource), Some(Unit::Mig(_))))
        .map(|offer| (offer.resource.clone(), room::free_units(view, id, &offer.resource)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn size(resource: &Name, node: &Node, count: u32) -> MilliGpu {
    match resource::unit(resource) {
        Some(Unit::Mig(profile)) => MilliGpu(holding::slice_size(&resource::mig_profile(profile), node).0 * u64::from(count)),
        _ => MilliGpu::ZERO,
    }
}

fn judge(view: &View<'_>, id: NodeId, node: &Node, (wanted, pods): (&Name, usize), (free, total): (&[(Name, u32)], MilliGpu)) -> Finding {
    let list: Vec<String> = free.iter().map(|(resource, count)| format!("{count} × {}", short(resource))).collect();
    let wait = if pods == 1 { "1 pod waits".to_owned() } else { format!("{pods} pods wait") };
    let judged = Judged {
        says: format!("{} lie free here while {wait} for {}", list.join(", "), short(wanted)),
        waste: vec![Waste { node: id, pod: None, gpus: total }],
        confidence: Confidence::High,
        evidence: vec![
            view.read("Node.status.allocatable", format!("free: {}", list.join(", "))),
            view.read("Pod.status.conditions[PodScheduled]", format!("{wait} for {wanted}")),
        ],
        fix: Fix {
            says: format!("Cut the node's GPUs anew, with {} in the layout.", short(wanted)),
            action: format!(
                "kubectl cordon {name} && kubectl label node {name} --overwrite nvidia.com/mig.config=all-balanced",
                name = fix::quote(&node.name)
            ),
        },
    };
    view.on_node(&SIGN, id, judged)
}

fn short(resource: &str) -> &str {
    resource.strip_prefix("nvidia.com/").unwrap_or(resource)
}
