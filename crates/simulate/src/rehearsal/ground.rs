//! The nodes of a rehearsal: those of a fleet, others like them, other layouts of their GPUs.

use plimsoll_decide::pack::mig::{NameError, layout_named};
use plimsoll_fleet::{
    Bytes, Fleet, MilliCpu, Name, Node, catalogue,
    mig::{self, Board},
    node::{Gpu, Offer, Sharing, Slice},
    price::listed,
    resource::{Vendor, mig_resource},
};
use std::collections::BTreeMap;

/// Pods of a node that says nothing else: the kubelet's default.
pub const PODS_MAX: u32 = 110;
/// Nodes added at once at most.
pub const ADDED_MAX: u32 = 100_000;

/// Why nodes cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroundError {
    /// Nobody knows the instance type.
    #[error("no node of the fleet and no price list has the instance type `{kind}`; near it: {}", near.join(", "))]
    UnknownType {
        /// The type.
        kind: String,
        /// Types whose names begin alike.
        near: Vec<String>,
    },
    /// A layout that the boards cannot have.
    #[error("{0}")]
    Layout(#[from] NameError),
    /// No GPU can be parted.
    #[error("no GPU of {of} can be parted by MIG, so none can be laid out as `{layout}`")]
    NoBoard {
        /// Of which nodes.
        of: String,
        /// The layout.
        layout: String,
    },
}

/// The GPU nodes of a fleet, with what pods without GPUs take of them taken away, in an order that does not come from their names:
/// nodes that differ in anything else come by that, and those that do not are interchangeable.
#[must_use]
pub fn gpu_nodes(fleet: &Fleet) -> Vec<Node> {
    let mut nodes: Vec<Node> = fleet.nodes.clone();
    for pod in fleet.pods.iter().filter(|pod| pod.holds() && !fleet.shape(pod).wants_gpus()) {
        if let Some(at) = pod.node {
            let (node, shape) = (&mut nodes[at.index()], fleet.shape(pod));
            node.cpu = node.cpu.less(shape.cpu);
            node.memory = node.memory.less(shape.memory);
            node.max_pods = node.max_pods.saturating_sub(1);
        }
    }
    nodes.retain(|node| node.has_gpus() || !node.offers.is_empty());
    let mut shared: BTreeMap<(&Name, &Name), u32> = BTreeMap::new();
    for (key, value) in nodes.iter().flat_map(|node| &node.labels) {
        *shared.entry((key, value)).or_default() += 1;
    }
    let labels = |node: &Node| -> Vec<(Name, Name)> {
        node.labels.iter().filter(|label| shared[label] > 1).map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let mut keyed: Vec<_> = nodes
        .iter()
        .map(|node| {
            ((node.pool.clone(), labels(node), node.taints.clone(), node.cpu, node.memory, node.max_pods), node.name.clone(), node.clone())
        })
        .collect();
    keyed.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    keyed.into_iter().map(|(_, _, node)| node).collect()
}

/// `count` more nodes of an instance type: like one of `nodes` that has it, else as a price list describes it.
///
/// # Errors
/// [`GroundError::UnknownType`].
pub fn more(nodes: &[Node], count: u32, kind: &str, prefix: &str) -> Result<Vec<Node>, GroundError> {
    let like = nodes.iter().find(|node| node.instance_type.as_deref() == Some(kind)).map(|node| emptied(node.clone()));
    let like = like.or_else(|| listed_node(kind)).ok_or_else(|| {
        let known = nodes.iter().filter_map(|node| node.instance_type.as_deref()).chain(listed().iter().map(|price| &*price.instance_type));
        let stem: String = kind.chars().take(2).collect();
        let mut near: Vec<String> = known.filter(|known| known.starts_with(&stem)).map(ToOwned::to_owned).collect();
        near.sort_unstable();
        near.dedup();
        near.truncate(8);
        GroundError::UnknownType { kind: kind.chars().take(64).collect(), near }
    })?;
    let node = |at: u32| {
        let name: Name = format!("{prefix}-{kind}-{at}").into();
        let mut node = like.clone();
        node.labels.insert("kubernetes.io/hostname".into(), name.clone());
        node.name = name;
        node
    };
    Ok((0..count.min(ADDED_MAX)).map(node).collect())
}

/// A node as it would join: ready, with all that it has.
fn emptied(mut node: Node) -> Node {
    node.unschedulable = false;
    node.ready = true;
    node.created = None;
    node.keep = None;
    for offer in &mut node.offers {
        offer.count = offer.capacity;
    }
    for gpu in &mut node.gpus {
        gpu.uuid = None;
    }
    node
}

fn listed_node(kind: &str) -> Option<Node> {
    let price = listed().iter().find(|price| price.instance_type == kind)?;
    let gpus = price.gpus as u32;
    let model = catalogue::find(&price.gpu_model, None);
    let product: Option<Name> = model.and_then(|model| model.labels.value.first()).map(|label| label.as_str().into());
    let product = product.unwrap_or_else(|| price.gpu_model.as_str().into());
    let labels = [("node.kubernetes.io/instance-type", kind.into()), ("nvidia.com/gpu.product", product.clone())];
    (gpus > 0).then(|| Node {
        labels: labels.into_iter().map(|(key, value)| (key.into(), value)).collect(),
        ready: true,
        cpu: MilliCpu(u64::from(price.vcpu) * 1000),
        memory: Bytes(u64::from(price.memory_gib) << 30),
        max_pods: PODS_MAX,
        offers: vec![Offer { resource: "nvidia.com/gpu".into(), count: gpus, capacity: gpus, dra: false }],
        gpus: vec![Gpu::default(); gpus as usize],
        vendor: Some(Vendor::Nvidia),
        gpu_memory: model.and_then(|model| model.memory()),
        gpu_product: Some(product),
        instance_type: Some(kind.into()),
        cloud: Some(price.provider.as_str().into()),
        region: Some(price.region.as_str().into()),
        purchase: plimsoll_fleet::node::Purchase::OnDemand,
        pool: Some(format!("added-{kind}").into()),
        ..Node::default()
    })
}

/// Lays out every GPU of `nodes` that can be parted as `layout` says (`open`: with no instances yet); tells how many nodes were.
///
/// # Errors
/// [`GroundError`]: the boards know no such layout, or there is none that can be parted.
pub fn lay_out<'n>(nodes: impl Iterator<Item = &'n mut Node>, layout: &str, of: &str) -> Result<usize, GroundError> {
    let mut laid = 0;
    for node in nodes {
        let Some(board) = node.gpu_product.as_deref().and_then(|product| mig::board(product, node.gpu_memory)) else { continue };
        let placements = if layout == OPEN { Vec::new() } else { layout_named(&board, layout)? };
        let gpus = node.gpus.len().max(1) as u32;
        let name = |slot: usize| -> Name { board.table.slots[slot].name_on(board.table.grid, board.memory).to_string().into() };
        let mut counts: BTreeMap<Name, u32> = BTreeMap::new();
        for placement in &placements {
            *counts.entry(mig_resource(&name(placement.slot))).or_default() += gpus;
        }
        node.offers = offers(&board, counts, layout, gpus);
        let slices: Vec<Slice> = placements
            .iter()
            .map(|placement| Slice { profile: name(placement.slot), start: Some(placement.start), instance: None })
            .collect();
        node.gpus = vec![Gpu { uuid: None, slices }; gpus as usize];
        node.sharing = Sharing::MigMixed;
        laid += 1;
    }
    if laid == 0 {
        return Err(GroundError::NoBoard { of: of.to_owned(), layout: layout.chars().take(64).collect() });
    }
    Ok(laid)
}

/// The layout that is none: instances are made where they are needed.
pub const OPEN: &str = "open";

/// What is offered: the instances; of an open layout as many of each as could be made.
fn offers(board: &Board, mut counts: BTreeMap<Name, u32>, layout: &str, gpus: u32) -> Vec<Offer> {
    if layout == OPEN {
        counts = board.profiles().into_iter().map(|profile| (mig_resource(&profile.name), u32::from(profile.max) * gpus)).collect();
    }
    counts.into_iter().map(|(resource, count)| Offer { resource, count, capacity: count, dra: false }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nodes_of_a_listed_type_are_as_the_list_says() {
        let nodes = more(&[], 2, "p5.48xlarge", "added").unwrap();
        assert_eq!((nodes.len(), nodes[0].gpus.len(), nodes[0].cpu, &*nodes[1].name), (2, 8, MilliCpu(192_000), "added-p5.48xlarge-1"));
        let mut nodes = nodes;
        assert_eq!(lay_out(nodes.iter_mut(), "all-balanced", "the nodes").unwrap(), 2);
        let offers: Vec<(&str, u32)> = nodes[0].offers.iter().map(|offer| (&*offer.resource, offer.count)).collect();
        assert_eq!(offers, [("nvidia.com/mig-1g.10gb", 16), ("nvidia.com/mig-2g.20gb", 8), ("nvidia.com/mig-3g.40gb", 8)]);
    }

    #[test]
    fn what_nobody_knows_is_refused_with_what_is_near() {
        let unknown = more(&[], 1, "p5.47xlarge", "added").unwrap_err().to_string();
        assert!(
            unknown.starts_with(
                "no node of the fleet and no price list has the instance type `p5.47xlarge`; near it: p5.48xlarge, p5.4xlarge"
            ),
            "{unknown}"
        );
        let mut nodes = more(&[], 1, "g4dn.xlarge", "added").unwrap();
        let none = lay_out(nodes.iter_mut(), "all-balanced", "the nodes that are added").unwrap_err().to_string();
        assert_eq!(none, "no GPU of the nodes that are added can be parted by MIG, so none can be laid out as `all-balanced`");
        let mut nodes = more(&[], 1, "p5.48xlarge", "added").unwrap();
        assert!(lay_out(nodes.iter_mut(), "all-9g.90gb", "the nodes").unwrap_err().to_string().contains("all-1g.10gb"));
    }
}
