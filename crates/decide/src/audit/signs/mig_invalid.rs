//! `mig-invalid`: a node whose MIG layout gives nothing to pods.

use super::{Sign, fix};
use crate::audit::{
    finding::{Confidence, Finding, Fix, Waste},
    view::{Judged, View},
};
use plimsoll_fleet::{MilliGpu, Node, NodeId, node::Sharing};

pub(super) static SIGN: Sign = Sign {
    name: "mig-invalid",
    title: "A node's MIG layout is broken: its GPUs are paid for and offered to nobody",
    threshold: None,
    explain: "\
With the single MIG strategy all GPUs of a node must have MIG on and the same slices. A layout
that is empty, mixed or partly enabled makes GPU Feature Discovery write the product label
MIG-INVALID with a count of 0: the node offers no GPU at all. The MIG manager may also have given
up: nvidia.com/mig.config.state says failed.

Seen: the product label ends in -MIG-INVALID, or the state label is failed while the node offers
no accelerator.

Mend: empty the node (the MIG manager does not drain it), set nvidia.com/mig.config to a layout
that the board can hold, wait for state success, and look at the node's allocatable. If it fails
again, read the log of the nvidia-mig-manager pod on that node; a GPU reset or a reboot may be due.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    view.fleet.nodes().filter_map(|(id, node)| Some(judge(view, id, node, wrong(node)?))).collect()
}

fn wrong(node: &Node) -> Option<&'static str> {
    let failed = node.mig_config.as_ref().is_some_and(|config| config.state.as_deref() == Some("failed"));
    let offers_nothing = node.offers.iter().all(|offer| offer.count == 0);
    if node.sharing == Sharing::MigInvalid {
        Some("its MIG layout is invalid for the single strategy")
    } else if failed && offers_nothing && node.has_gpus() {
        Some("the MIG manager failed to set its layout")
    } else {
        None
    }
}

fn judge(view: &View<'_>, id: NodeId, node: &Node, wrong: &str) -> Finding {
    let all = MilliGpu::whole(node.gpus.len() as u32);
    let gpus = match node.gpus.len() {
        0 => "its GPUs are".to_owned(),
        1 => "its GPU is".to_owned(),
        n => format!("its {n} GPUs are"),
    };
    let wanted = node.mig_config.as_ref().map_or("all-disabled", |config| &*config.wanted);
    let judged = Judged {
        says: format!("{wrong}: {gpus} offered to nobody"),
        waste: if all.is_zero() { Vec::new() } else { vec![Waste { node: id, pod: None, gpus: all }] },
        confidence: Confidence::High,
        evidence: vec![view.read(
            "Node.metadata.labels[nvidia.com/gpu.product, nvidia.com/mig.config.state]",
            match &node.mig_config {
                Some(config) => format!("wanted {}, state {}", config.wanted, config.state.as_deref().unwrap_or("not written")),
                None => "MIG-INVALID".to_owned(),
            },
        )],
        fix: Fix {
            says: "Empty the node and set a layout that its board can hold.".to_owned(),
            action: format!(
                "kubectl drain {name} --ignore-daemonsets && kubectl label node {name} --overwrite nvidia.com/mig.config={}",
                fix::quote(wanted),
                name = fix::quote(&node.name),
            ),
        },
    };
    view.on_node(&SIGN, id, judged)
}
