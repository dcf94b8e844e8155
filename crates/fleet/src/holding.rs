//! What a pod holds of physical GPUs: the arithmetic between a claim and a device.

use crate::{
    Fleet, MilliGpu, Node, Pod,
    node::Sharing,
    pod::Ask,
    resource::{self, Unit},
};

/// The part of a physical GPU that one unit of `ask` takes on `node`.
///
/// A replica of a shared GPU is 1 / replicas; a MIG slice is its memory slices over the grid (`facts`: MIG on the grid of
/// 8, A30 of 4, RTX PRO 6000 of 12); everything else is a whole device.
#[must_use]
pub fn unit_size(ask: &Ask, node: &Node) -> MilliGpu {
    match (resource::unit(&ask.resource), &node.sharing) {
        (Some(Unit::Gpu | Unit::SharedGpu), Sharing::TimeSliced { replicas } | Sharing::Mps { replicas }) => {
            MilliGpu(1000 / u64::from((*replicas).max(1)))
        }
        (Some(Unit::Gpu), Sharing::MigSingle { profile }) => slice_size(profile, node),
        (Some(Unit::Mig(profile)), _) => slice_size(&resource::mig_profile(profile), node),
        _ => MilliGpu::ONE,
    }
}

/// The part of a GPU of `node` that a slice of `profile` takes.
#[must_use]
pub fn slice_size(profile: &str, node: &Node) -> MilliGpu {
    crate::mig::share(profile, node.gpu_product.as_deref(), node.gpu_memory)
}

/// The part of `node`'s physical GPUs that `pod` holds, when bound there.
#[must_use]
pub fn held_on(fleet: &Fleet, pod: &Pod, node: &Node) -> MilliGpu {
    let granted: MilliGpu =
        pod.granted.iter().map(|granted| granted.profile.as_deref().map_or(MilliGpu::ONE, |profile| slice_size(profile, node))).sum();
    let asked: MilliGpu = fleet
        .shape(pod)
        .asks
        .iter()
        .filter(|ask| !ask.dra && (pod.granted.is_empty() || !served_by_dra(node, ask)))
        .map(|ask| MilliGpu(unit_size(ask, node).0 * u64::from(ask.count)))
        .sum();
    granted + asked
}

/// A DeviceClass can serve `nvidia.com/gpu`: then the grants tell what was given, and the ask is not counted again.
fn served_by_dra(node: &Node, ask: &Ask) -> bool {
    node.offers.iter().any(|offer| offer.dra && offer.resource == ask.resource)
}

/// The part of its node's physical GPUs that `pod` holds now; nothing where it is not bound or has ended.
#[must_use]
pub fn held(fleet: &Fleet, pod: &Pod) -> MilliGpu {
    match fleet.node(pod) {
        Some(node) if pod.holds() => held_on(fleet, pod, node),
        _ => MilliGpu::ZERO,
    }
}
