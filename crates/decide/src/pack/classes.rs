//! Classes of hosts: those that every pod treats alike, by what any pod looks at.

use super::{
    Pinned,
    model::{Class, ClassId, HostId, is_gpu_node},
    topology::Topology,
};
use plimsoll_fleet::{Fleet, Name, Node, NodeId, PodId, Shape, node::Taint, selector::Operator};
use std::collections::{BTreeMap, BTreeSet};

/// What of a node any pod looks at: two nodes with the same view are let in by the same pods.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct View {
    gpu: bool,
    stays: bool,
    seen: Seen,
}

/// What pods see of a node: two nodes with the same are let in by the same of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    labels: Vec<Option<Name>>,
    name: Option<Name>,
    taints: Vec<Taint>,
}

/// What pods look at: the keys of labels, with the values that somebody names, and the names of nodes.
pub(super) struct Looks<'s> {
    /// `None`: every value matters (an order is asked for, or it is a domain).
    keys: BTreeMap<&'s Name, Option<BTreeSet<&'s Name>>>,
    names: BTreeSet<&'s Name>,
    /// Any value that nobody names is one value: there, and not one of those that are named.
    other: Name,
}

impl<'s> Looks<'s> {
    /// What pods of these shapes look at.
    pub fn of(shapes: impl IntoIterator<Item = &'s Shape>) -> Self {
        let mut keys: BTreeMap<&Name, Option<BTreeSet<&Name>>> = BTreeMap::new();
        let mut names: BTreeSet<&Name> = BTreeSet::new();
        for shape in shapes {
            for (key, value) in &shape.node_selector {
                if let Some(values) = keys.entry(key).or_insert_with(|| Some(BTreeSet::new())) {
                    values.insert(value);
                }
            }
            for term in &shape.node_terms {
                for requirement in &term.labels {
                    let values = keys.entry(&requirement.key).or_insert_with(|| Some(BTreeSet::new()));
                    match (requirement.operator, values) {
                        (Operator::Gt | Operator::Lt, values) => *values = None,
                        (_, Some(values)) => values.extend(&requirement.values),
                        (_, None) => {}
                    }
                }
                names.extend(term.names.iter().flat_map(|requirement| &requirement.values));
            }
        }
        Self { keys, names, other: "\u{0}".into() }
    }

    /// Every value of the label `key` matters, too.
    pub fn also_at(&mut self, key: &'s Name) {
        self.keys.insert(key, None);
    }

    /// What they see of `node`.
    pub fn at(&self, node: &Node) -> Seen {
        let seen = |(key, named): (&&Name, &Option<BTreeSet<&Name>>)| {
            let value = node.labels.get(*key)?;
            Some(match named {
                Some(named) if !named.contains(value) => self.other.clone(),
                _ => value.clone(),
            })
        };
        let mut taints = node.taints.clone();
        taints.sort_unstable();
        Seen { labels: self.keys.iter().map(seen).collect(), name: self.names.contains(&node.name).then(|| node.name.clone()), taints }
    }
}

/// Sorts the hosts that take pods into classes, and tells the class of each.
pub(super) fn classes(
    fleet: &Fleet,
    order: &[NodeId],
    pins: &[Option<(PodId, Pinned)>],
    not_worth: &[bool],
    topology: &Topology,
) -> (Vec<Class>, Vec<Option<ClassId>>) {
    let mut looks = Looks::of(&fleet.shapes);
    for key in topology.anchor_keys() {
        looks.also_at(key);
    }
    let mut by_view: BTreeMap<View, Vec<HostId>> = BTreeMap::new();
    for (rank, id) in order.iter().enumerate() {
        let node = &fleet.nodes[id.index()];
        if !node.takes_pods() {
            continue;
        }
        let stays = pins[rank].is_some() || not_worth[id.index()] || node.keep.is_some();
        let view = View { gpu: is_gpu_node(node), stays, seen: looks.at(node) };
        by_view.entry(view).or_default().push(rank as HostId);
    }
    let mut class_of = vec![None; order.len()];
    let classes = by_view
        .into_iter()
        .enumerate()
        .map(|(id, (view, hosts))| {
            for &host in &hosts {
                class_of[host as usize] = Some(id as ClassId);
            }
            Class { gpu: view.gpu, stays: view.stays, hosts }
        })
        .collect();
    (classes, class_of)
}
