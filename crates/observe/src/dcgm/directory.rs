//! Who is who: from the names in labels to the nodes and pods of a fleet.

use super::labels::{Identity, PodName};
use plimsoll_fleet::{Fleet, Name, NodeId, PodId, Timestamp, node::Sharing};
use std::collections::HashMap;

/// What the join of series to pods needs to know of a pod.
#[derive(Debug, Clone, Copy)]
struct PodFacts {
    node: Option<NodeId>,
    since: Timestamp,
    /// It came with its node and holds no device: an exporter, not a holder.
    serves_node: bool,
}

/// Nodes and pods by name.
#[derive(Debug)]
pub(crate) struct Directory {
    nodes: HashMap<Name, NodeId>,
    /// By the first part of a dotted name, where only one node has it.
    short_nodes: HashMap<Name, Option<NodeId>>,
    shared: Vec<bool>,
    pods: HashMap<Name, HashMap<Name, PodId>>,
    /// The node of a pod that came with its node, by the pod's name alone, where only one has it.
    node_pods: HashMap<Name, Option<NodeId>>,
    facts: Vec<PodFacts>,
}

/// How a node was found; the surer way is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sureness {
    /// The pod that holds the device is there.
    Holder,
    /// The exporter or its target says so.
    Target,
}

impl Directory {
    pub(crate) fn new(fleet: &Fleet) -> Self {
        let mut nodes = HashMap::with_capacity(fleet.nodes.len());
        let mut short_nodes: HashMap<Name, Option<NodeId>> = HashMap::new();
        for (id, node) in fleet.nodes() {
            nodes.insert(node.name.clone(), id);
            if let Some((short, _)) = node.name.split_once('.') {
                short_nodes.entry(short.into()).and_modify(|known| *known = None).or_insert(Some(id));
            }
            if let Some(host) = node.labels.get("kubernetes.io/hostname") {
                nodes.entry(host.clone()).or_insert(id);
            }
        }
        let mut pods: HashMap<Name, HashMap<Name, PodId>> = HashMap::new();
        let mut node_pods: HashMap<Name, Option<NodeId>> = HashMap::new();
        let mut facts = Vec::with_capacity(fleet.pods.len());
        for (id, pod) in fleet.pods() {
            pods.entry(pod.namespace.clone()).or_default().insert(pod.name.clone(), id);
            let serves_node = pod.of_node && !fleet.shape(pod).wants_gpus();
            if serves_node {
                node_pods.entry(pod.name.clone()).and_modify(|known| *known = None).or_insert(pod.node);
            }
            facts.push(PodFacts { node: pod.node, since: pod.created.unwrap_or(Timestamp(i64::MIN)), serves_node });
        }
        let shared = fleet.nodes.iter().map(|node| matches!(node.sharing, Sharing::TimeSliced { .. } | Sharing::Mps { .. })).collect();
        Self { nodes, short_nodes, shared, pods, node_pods, facts }
    }

    pub(crate) fn pod(&self, pod: PodName<'_>) -> Option<PodId> {
        self.pods.get(pod.namespace)?.get(pod.name).copied()
    }

    fn facts(&self, pod: PodId) -> Option<PodFacts> {
        self.facts.get(pod.index()).copied()
    }

    pub(crate) fn node_of(&self, pod: PodId) -> Option<NodeId> {
        self.facts(pod)?.node
    }

    /// Samples before this are of an earlier pod of the same name.
    pub(crate) fn since(&self, pod: PodId) -> Timestamp {
        self.facts(pod).map_or(Timestamp(i64::MAX), |facts| facts.since)
    }

    /// Came it with its node, without a device of its own?
    pub(crate) fn serves_node(&self, pod: PodName<'_>) -> bool {
        self.pod(pod).and_then(|pod| self.facts(pod)).is_some_and(|facts| facts.serves_node)
    }

    /// Are the GPUs of `node` given out in time slices or through MPS?
    pub(crate) fn shares(&self, node: NodeId) -> bool {
        self.shared.get(node.index()).copied().unwrap_or(false)
    }

    fn by_node_name(&self, name: &str) -> Option<NodeId> {
        let short = || self.short_nodes.get(name).copied().flatten();
        let without_domain = || self.nodes.get(name.split_once('.')?.0).copied();
        self.nodes.get(name).copied().or_else(short).or_else(without_domain)
    }

    /// The node that a series is about, as its target says. `host` can be the exporter pod's name, so it comes after the
    /// target's own labels.
    pub(crate) fn node(&self, identity: &Identity<'_>) -> Option<NodeId> {
        let named = identity.node.and_then(|node| self.by_node_name(node));
        let exporter = || self.node_of(self.pod(identity.exporter?)?);
        let host = || identity.host.and_then(|host| self.by_node_name(host).or_else(|| self.node_pods.get(host).copied().flatten()));
        let instance = || identity.instance.and_then(|instance| self.by_node_name(instance));
        named.or_else(exporter).or_else(host).or_else(instance)
    }
}
