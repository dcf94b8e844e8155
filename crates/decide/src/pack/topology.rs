//! What pods ask of each other's places: affinity, anti-affinity, spread, host ports.
//!
//! Anti-affinity by host name and host ports are kept exactly, by tags: a pod carries some and avoids some. Everything
//! else is kept by a careful rule: whoever asks for it, and whoever it is asked of, stays in the domain (the value of
//! that topology label) that it is in, so that no count of any domain changes. A pod that waits is counted nowhere yet: what it
//! asks for binds nobody, as in Kubernetes.

use super::Pinned;
use plimsoll_fleet::{
    Fleet, Name, Node, NodeId, Pod, ShapeId,
    selector::{Labels, Requirement, Selector},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Something on a host that others may have to avoid.
pub(super) type Tag = u32;

/// The label that names a node.
pub(super) const HOSTNAME: &str = "kubernetes.io/hostname";

/// Labels that differ between pods of one workload, which a shape does not keep. A requirement on one of them is
/// left out of a selector: it then selects more, which can only keep more pods where they are.
const POD_KEYS: [&str; 9] = [
    "pod-template-hash",
    "controller-revision-hash",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "apps.kubernetes.io/pod-index",
    "statefulset.kubernetes.io/pod-name",
    "leaderworkerset.sigs.k8s.io/worker-index",
    "jobset.sigs.k8s.io/job-index",
];

/// The selector without what shapes cannot answer.
pub(super) fn without_pod_keys(selector: &Selector) -> Selector {
    let kept = |requirement: &&Requirement| !POD_KEYS.contains(&&*requirement.key);
    Selector(selector.0.iter().filter(kept).cloned().collect())
}

/// What pods of one namespace and shape have in common.
pub(super) type Family = (Name, ShapeId);

/// By namespace the shapes of its pods, and whether a pod of the shape is on a node (else all of them wait).
type Families<'f> = BTreeMap<&'f Name, BTreeMap<ShapeId, bool>>;

/// A topology key with more values than this is taken for a name of single nodes: what is tied to it stays.
const DOMAINS_MAX: usize = 64;

/// A term, as it stands in the shapes of one namespace.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Term {
    topology: Name,
    selector: Selector,
    namespaces: Vec<Name>,
    /// Anti-affinity by host name.
    by_host: bool,
}

#[derive(Debug, Default)]
struct Ties {
    anchors: BTreeSet<Name>,
    carries: BTreeSet<Tag>,
    avoids: BTreeSet<Tag>,
}

/// What the families of pods (those of one namespace and shape) ask of each other.
#[derive(Debug)]
pub(super) struct Topology {
    anchors: HashMap<Family, Vec<Name>>,
    tags: HashMap<Family, (Vec<Tag>, Vec<Tag>)>,
    /// The anchors that are domains of several nodes; the others tie a pod to its node.
    domains: BTreeSet<Name>,
    /// Families whose spread does not hold today: a pod of theirs that is evicted may not be let in where it was.
    broken: HashMap<Family, Name>,
}

impl Topology {
    pub fn new(fleet: &Fleet) -> Self {
        let mut families = Families::new();
        for pod in fleet.pods.iter().filter(|pod| pod.holds() || pod.waits()) {
            *families.entry(&pod.namespace).or_default().entry(pod.shape).or_default() |= pod.holds();
        }
        let mut ties: BTreeMap<Family, Ties> = BTreeMap::new();
        let mut terms: BTreeMap<Term, Vec<Family>> = BTreeMap::new();
        for (&namespace, shapes) in &families {
            for (&id, &holds) in shapes {
                let shape = &fleet.shapes[id.index()];
                let family = || (namespace.clone(), id);
                for &port in &shape.host_ports {
                    let ties = ties.entry(family()).or_default();
                    ties.carries.insert(port.into());
                    ties.avoids.insert(port.into());
                }
                let own = || vec![namespace.clone()];
                let affinities = shape.near.iter().map(|term| (term, false)).chain(shape.apart.iter().map(|term| (term, true)));
                for (affinity, apart) in affinities {
                    let namespaces = if affinity.namespaces.is_empty() { own() } else { affinity.namespaces.clone() };
                    let term = Term {
                        topology: affinity.topology.clone(),
                        selector: without_pod_keys(&affinity.pods),
                        namespaces,
                        by_host: apart && &*affinity.topology == HOSTNAME,
                    };
                    // Its tags say where it finds room; an anchor would only tie others to their domains.
                    if !(holds || term.by_host) {
                        continue;
                    }
                    terms.entry(term).or_default().push(family());
                }
                for spread in shape.spread.iter().filter(|_| holds) {
                    let term = Term {
                        topology: spread.topology.clone(),
                        selector: without_pod_keys(&spread.pods),
                        namespaces: own(),
                        by_host: false,
                    };
                    terms.entry(term).or_default().push(family());
                }
            }
        }
        // Tags of terms come after those of ports.
        for (number, (term, owners)) in (0..).zip(&terms) {
            let owner_tag = Tag::from(u16::MAX) + 1 + 2 * number;
            let selected_tag = owner_tag + 1;
            let selected =
                term.namespaces.iter().filter_map(|namespace| families.get_key_value(namespace)).flat_map(|(&namespace, shapes)| {
                    let selects = |id: &&ShapeId| term.selector.selects(&fleet.shapes[id.index()].labels as &Labels);
                    shapes.keys().filter(selects).map(move |&id| (namespace.clone(), id))
                });
            for family in selected {
                let ties = ties.entry(family).or_default();
                if term.by_host {
                    ties.carries.insert(selected_tag);
                    ties.avoids.insert(owner_tag);
                } else {
                    ties.anchors.insert(term.topology.clone());
                }
            }
            for family in owners {
                let ties = ties.entry(family.clone()).or_default();
                if term.by_host {
                    ties.carries.insert(owner_tag);
                    ties.avoids.insert(selected_tag);
                } else {
                    ties.anchors.insert(term.topology.clone());
                }
            }
        }
        let keys: BTreeSet<Name> = ties.values().flat_map(|ties| ties.anchors.iter().cloned()).collect();
        let domains = keys.into_iter().filter(|key| is_domain(fleet, key)).collect();
        let mut anchors = HashMap::new();
        let mut tags = HashMap::new();
        for (family, ties) in ties {
            if !ties.anchors.is_empty() {
                anchors.insert(family.clone(), ties.anchors.into_iter().collect());
            }
            if !ties.carries.is_empty() || !ties.avoids.is_empty() {
                tags.insert(family, (ties.carries.into_iter().collect(), ties.avoids.into_iter().collect()));
            }
        }
        let broken = broken(fleet, &families);
        Self { anchors, tags, domains, broken }
    }

    /// The labels whose value a pod of `family` must keep when it moves.
    pub fn anchors(&self, family: &Family) -> &[Name] {
        self.anchors.get(family).map_or(&[], Vec::as_slice)
    }

    /// All labels that some pod must keep and that several nodes may share.
    pub fn anchor_keys(&self) -> impl Iterator<Item = &Name> {
        self.domains.iter()
    }

    /// What pods of `family` carry, and what they avoid.
    pub fn tags(&self, family: &Family) -> (&[Tag], &[Tag]) {
        self.tags.get(family).map_or((&[], &[]), |(carries, avoids)| (carries, avoids))
    }

    /// Is the pod tied to its very node?
    pub fn pinned(&self, fleet: &Fleet, pod: &Pod, family: &Family) -> Option<Pinned> {
        if self.anchors.is_empty() {
            return None;
        }
        if let Some(key) = self.broken.get(family) {
            return Some(Pinned::Topology(key.clone()));
        }
        let node = fleet.node(pod)?;
        self.anchors(family)
            .iter()
            .find(|key| !self.domains.contains(*key) || !node.labels.contains_key(*key))
            .map(|key| Pinned::Topology(key.clone()))
    }
}

/// The families with a spread over its greatest difference today.
fn broken(fleet: &Fleet, families: &Families<'_>) -> HashMap<Family, Name> {
    if fleet.shapes.iter().all(|shape| shape.spread.is_empty()) {
        return HashMap::new();
    }
    let mut pods: HashMap<(&str, ShapeId), BTreeMap<NodeId, u32>> = HashMap::new();
    for pod in fleet.pods.iter().filter(|pod| pod.holds()) {
        if let Some(node) = pod.node {
            *pods.entry((&*pod.namespace, pod.shape)).or_default().entry(node).or_default() += 1;
        }
    }
    let mut broken = HashMap::new();
    for (&namespace, shapes) in families {
        for &id in shapes.keys() {
            let shape = &fleet.shapes[id.index()];
            for spread in &shape.spread {
                // As the scheduler does by default: nodes that the pod's own selector excludes are no domains, tainted ones are.
                let eligible = |node: &&Node| {
                    let selected = shape.node_selector.iter().all(|(key, value)| node.labels.get(key) == Some(value));
                    selected && (shape.node_terms.is_empty() || shape.node_terms.iter().any(|term| term.accepts(&node.name, &node.labels)))
                };
                let domain = |node: &Node| node.labels.get(&spread.topology).cloned();
                let mut counts: BTreeMap<Name, u32> =
                    fleet.nodes.iter().filter(eligible).filter_map(|node| Some((domain(node)?, 0))).collect();
                let selector = without_pod_keys(&spread.pods);
                for &other in shapes.keys().filter(|other| selector.selects(&fleet.shapes[other.index()].labels)) {
                    for (node, count) in pods.get(&(&**namespace, other)).into_iter().flatten() {
                        if let Some(sum) = domain(&fleet.nodes[node.index()]).and_then(|domain| counts.get_mut(&domain)) {
                            *sum += count;
                        }
                    }
                }
                let (least, most) = (counts.values().min(), counts.values().max());
                if least.zip(most).is_some_and(|(least, most)| most - least > spread.max_skew) {
                    broken.insert((namespace.clone(), id), spread.topology.clone());
                }
            }
        }
    }
    broken
}

/// Is `key` a domain of several nodes, as far as the fleet shows?
fn is_domain(fleet: &Fleet, key: &str) -> bool {
    let values: BTreeSet<&Name> = fleet.nodes.iter().filter_map(|node| node.labels.get(key)).collect();
    !values.is_empty() && values.len() <= DOMAINS_MAX && key != HOSTNAME
}
