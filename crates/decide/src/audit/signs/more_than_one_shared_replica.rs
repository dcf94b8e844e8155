//! `more-than-one-shared-replica`: two replicas of a shared GPU are not two GPUs.

use super::{Sign, fix};
use crate::audit::{
    finding::{Confidence, Finding, Fix, Waste},
    view::{Judged, View},
};
use plimsoll_fleet::{PodId, holding, node::Sharing, resource::Unit};

pub(super) static SIGN: Sign = Sign {
    name: "more-than-one-shared-replica",
    title: "A pod asks for several replicas of a shared GPU and gets no more compute for it",
    threshold: None,
    explain: "\
On a node whose GPUs are time-sliced or shared by MPS, nvidia.com/gpu (or nvidia.com/gpu.shared)
counts replicas. Asking for two does not give twice the compute or memory: both may be the same
physical GPU, and the second only keeps others out. NVIDIA recommends failRequestsGreaterThanOne
for that reason; MPS refuses such pods by default.

Seen: bound pods whose ask for a shared resource is above 1, on nodes that share their GPUs.

Mend: ask for 1; or for a whole GPU on a pool that does not share. Set
failRequestsGreaterThanOne: true in the device plugin's config so that nobody falls in again.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    view.holders()
        .filter_map(|(holder, pods)| {
            let wrong: Vec<(PodId, u32)> = pods.iter().filter_map(|&pod| Some((pod, asked(view, pod)?))).collect();
            let &(first, count) = wrong.first()?;
            let shape = view.shape(first);
            let resource = shape.asks.first().map(|ask| ask.resource.clone())?;
            let waste = wrong.iter().filter_map(|&(pod, count)| extra(view, pod, count)).collect();
            let judged = Judged {
                says: format!("asks for {count} replicas of a shared GPU: they may be one and the same GPU"),
                waste,
                confidence: Confidence::High,
                evidence: vec![view.read("Pod.spec.containers[].resources.limits", format!("{count} of a shared GPU"))],
                fix: Fix {
                    says: "Ask for 1 replica, or for a whole GPU of a pool that does not share.".to_owned(),
                    action: fix::limits(view, holder, shape, &resource, &resource, 1),
                },
            };
            Some(view.on_holder(&SIGN, holder, judged))
        })
        .collect()
}

/// How many replicas a pod asked for, if more than one.
fn asked(view: &View<'_>, pod: PodId) -> Option<u32> {
    let node = view.fleet.node(view.pod(pod))?;
    let shared = matches!(node.sharing, Sharing::TimeSliced { replicas } | Sharing::Mps { replicas } if replicas > 1);
    let asks = view.shape(pod).asks.iter();
    asks.filter(|ask| shared && matches!(plimsoll_fleet::resource::unit(&ask.resource), Some(Unit::Gpu | Unit::SharedGpu)))
        .map(|ask| ask.count)
        .find(|&count| count > 1)
}

/// All replicas but the first.
fn extra(view: &View<'_>, pod: PodId, count: u32) -> Option<Waste> {
    let node = view.pod(pod).node?;
    let held = holding::held(view.fleet, view.pod(pod));
    let gpus = plimsoll_fleet::MilliGpu(held.0 * u64::from(count - 1) / u64::from(count));
    Some(Waste { node, pod: Some(pod), gpus })
}
