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
        (Some(Unit::Milli), _) => MilliGpu(1),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Name, NodeId, Shape, ShapeId,
        node::Offer,
        pod::{Granted, Phase},
    };

    const A100: &str = "NVIDIA-A100-SXM4-80GB";

    fn node(sharing: Sharing) -> Node {
        Node { name: "n".into(), gpu_product: Some(A100.into()), sharing, ..Node::default() }
    }

    /// What a pod that asks for `count` of `resource` holds on `node`.
    fn holds(node: Node, resource: &str, count: u32, granted: &[Option<&str>]) -> MilliGpu {
        let grant = |profile: &Option<&str>| Granted {
            class: "gpu".into(),
            device: "gpu-0".into(),
            gpu: Some(0),
            profile: profile.map(Name::from),
        };
        let ask = Ask { resource: resource.into(), count, dra: resource.ends_with(".nvidia.com") };
        let pod = Pod {
            shape: ShapeId(0),
            node: Some(NodeId(0)),
            phase: Phase::Running,
            granted: granted.iter().map(grant).collect(),
            ..Pod::default()
        };
        let shape = Shape { asks: vec![ask], ..Shape::default() };
        let fleet = Fleet { nodes: vec![node], shapes: vec![shape], pods: vec![pod], ..Fleet::default() };
        held(&fleet, &fleet.pods[0])
    }

    #[test]
    fn a_whole_gpu_is_a_whole_gpu() {
        assert_eq!(holds(node(Sharing::Whole), "nvidia.com/gpu", 2, &[]), MilliGpu(2000));
        // Another vendor's device is whole, whatever the node's GPUs do.
        assert_eq!(holds(node(Sharing::TimeSliced { replicas: 4 }), "amd.com/gpu", 1, &[]), MilliGpu(1000));
    }

    #[test]
    fn a_replica_is_its_part_under_either_name() {
        for sharing in [Sharing::TimeSliced { replicas: 4 }, Sharing::Mps { replicas: 4 }] {
            for resource in ["nvidia.com/gpu", "nvidia.com/gpu.shared"] {
                assert_eq!(holds(node(sharing.clone()), resource, 1, &[]), MilliGpu(250));
            }
        }
        // A node that lies about its replicas divides by nothing.
        assert_eq!(holds(node(Sharing::TimeSliced { replicas: 0 }), "nvidia.com/gpu", 1, &[]), MilliGpu(1000));
    }

    #[test]
    fn a_slice_is_its_memory_slices_under_either_strategy() {
        let single = node(Sharing::MigSingle { profile: "3g.40gb".into() });
        assert_eq!(holds(single, "nvidia.com/gpu", 2, &[]), MilliGpu(1000));
        for (resource, size) in [
            ("nvidia.com/mig-1g.10gb", 125),
            ("nvidia.com/mig-1g.10gb.me", 125),
            ("nvidia.com/mig-1g.20gb", 250),
            ("nvidia.com/mig-7g.80gb", 1000),
        ] {
            assert_eq!(holds(node(Sharing::MigMixed), resource, 1, &[]), MilliGpu(size), "{resource}");
        }
        // A slice of an A30 is a quarter.
        let a30 = Node { gpu_product: Some("NVIDIA-A30".into()), ..node(Sharing::MigMixed) };
        assert_eq!(holds(a30, "nvidia.com/mig-1g.6gb", 3, &[]), MilliGpu(750));
    }

    #[test]
    fn a_grant_tells_what_a_claim_was_given() {
        assert_eq!(holds(node(Sharing::Whole), "mig.nvidia.com", 2, &[Some("2g.20gb"), Some("1g.10gb")]), MilliGpu(375));
        assert_eq!(holds(node(Sharing::Whole), "gpu.nvidia.com", 1, &[None]), MilliGpu(1000));
    }

    #[test]
    fn an_ask_that_a_grant_serves_is_not_counted_twice() {
        let offer = |dra| Offer { resource: "nvidia.com/gpu".into(), count: 8, capacity: 8, dra };
        let served = Node { offers: vec![offer(true)], ..node(Sharing::Whole) };
        assert_eq!(holds(served.clone(), "nvidia.com/gpu", 1, &[None]), MilliGpu(1000));
        // Without a grant to be seen, the ask is all that is known.
        assert_eq!(holds(served, "nvidia.com/gpu", 1, &[]), MilliGpu(1000));
        // A device plugin serves the ask: a claim's device comes on top.
        let plugin = Node { offers: vec![offer(false)], ..node(Sharing::Whole) };
        assert_eq!(holds(plugin, "nvidia.com/gpu", 1, &[None]), MilliGpu(2000));
    }

    #[test]
    fn a_pod_that_ended_holds_nothing() {
        let pod = Pod { node: Some(NodeId(0)), phase: Phase::Succeeded, ..Pod::default() };
        let shape = Shape { asks: vec![Ask { resource: "nvidia.com/gpu".into(), count: 1, dra: false }], ..Shape::default() };
        let fleet = Fleet { nodes: vec![node(Sharing::Whole)], shapes: vec![shape], pods: vec![pod], ..Fleet::default() };
        assert_eq!(held(&fleet, &fleet.pods[0]), MilliGpu::ZERO);
    }
}
