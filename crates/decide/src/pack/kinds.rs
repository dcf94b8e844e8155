//! Kinds of pods: those of many workloads that differ in nothing that a packing looks at.

use super::{
    model::{Class, ClassId, Kind, KindId, Need, amount},
    topology::{Family, Topology},
};
use plimsoll_fleet::{
    Fleet, Name, Node, NodeId, Shape, ShapeId,
    resource::{self, Unit},
};
use std::collections::{BTreeMap, HashMap};

/// The labels that tie a pod, with the values that its node has.
type Ties = Vec<(Name, Option<Name>)>;

/// Finds the kind of a pod; alike kinds of different workloads are one.
pub(super) struct Kinds<'m> {
    fleet: &'m Fleet,
    resources: &'m HashMap<Name, u16>,
    classes: &'m [Class],
    hosts: &'m [NodeId],
    topology: &'m Topology,
    pub list: Vec<Kind>,
    known: HashMap<Kind, KindId>,
    by_family: HashMap<(Family, Vec<Option<Name>>), KindId>,
    allowed: HashMap<(ShapeId, Ties), Vec<ClassId>>,
}

impl<'m> Kinds<'m> {
    pub fn new(
        fleet: &'m Fleet,
        resources: &'m HashMap<Name, u16>,
        classes: &'m [Class],
        hosts: &'m [NodeId],
        topology: &'m Topology,
    ) -> Self {
        Self {
            fleet,
            resources,
            classes,
            hosts,
            topology,
            list: Vec::new(),
            known: HashMap::new(),
            by_family: HashMap::new(),
            allowed: HashMap::new(),
        }
    }

    /// The kind of pods of `family` on `node`; what is tied to a domain stays in the one that it is in.
    pub fn of(&mut self, family: &Family, node: Option<&Node>) -> KindId {
        let keys = self.topology.anchors(family);
        let anchors: Vec<Option<Name>> = node.map_or_else(Vec::new, |node| keys.iter().map(|key| node.labels.get(key).cloned()).collect());
        let memo = (family.clone(), anchors);
        if let Some(&kind) = self.by_family.get(&memo) {
            return kind;
        }
        let shape = &self.fleet.shapes[family.1.index()];
        let tied: Ties = keys.iter().cloned().zip(memo.1.iter().cloned()).collect();
        let allowed = self
            .allowed
            .entry((family.1, tied))
            .or_insert_with_key(|(_, tied)| {
                let lets_in = |class: &Class| {
                    let node = &self.fleet.nodes[self.hosts[class.hosts[0] as usize].index()];
                    shape.may_go(node) && tied.iter().all(|(key, value)| node.labels.get(key) == value.as_ref())
                };
                (0..).zip(self.classes).filter(|(_, class)| lets_in(class)).map(|(id, _)| id).collect()
            })
            .clone();
        let (carries, avoids) = self.topology.tags(family);
        let kind = Kind { need: need(shape, self.resources), allowed, carries: carries.to_vec(), avoids: avoids.to_vec() };
        let id = match self.known.get(&kind) {
            Some(&id) => id,
            None => {
                let id = self.list.len() as KindId;
                self.list.push(kind.clone());
                self.known.insert(kind, id);
                id
            }
        };
        self.by_family.insert(memo, id);
        id
    }
}

/// Thousandths of physical devices that a pod of `shape` can take at most; MIG slices are counted by their own names.
pub(super) fn whole_devices(shape: &Shape) -> i64 {
    let whole = |resource: &str| !matches!(resource::unit(resource), Some(Unit::Mig(_)));
    shape.asks.iter().filter(|ask| whole(&ask.resource)).map(|ask| i64::from(ask.count) * 1000).fold(0, i64::saturating_add)
}

/// What a pod of `shape` takes of a host.
pub(super) fn need(shape: &Shape, resources: &HashMap<Name, u16>) -> Need {
    let mut devices: BTreeMap<u16, i64> = BTreeMap::new();
    for ask in shape.asks.iter().filter(|ask| ask.count > 0) {
        *devices.entry(resources[&ask.resource]).or_default() += i64::from(ask.count);
    }
    Need {
        cpu: amount(shape.cpu.0),
        memory: amount(shape.memory.0),
        devices: devices.into_iter().collect(),
        physical: whole_devices(shape),
    }
}
