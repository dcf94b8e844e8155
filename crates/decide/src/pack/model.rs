//! The fleet as a packing problem: hosts with room, kinds of pods with needs, and what of it may move.
//!
//! Everything is in an order that names give (hosts by name, pods by name within their host), so that the order in
//! which a source lists things changes nothing.

use super::{
    Pinned, Rules,
    classes::classes,
    kinds::{Kinds, need},
    movable::Movable,
    topology::{Tag, Topology},
};
use plimsoll_fleet::{
    Fleet, MilliGpu, Name, Node, NodeId, Pod, PodId,
    holding::{held_on, unit_size},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A host: an index into [`Model::hosts`].
pub(super) type HostId = u32;
/// A kind of pod: an index into [`Model::kinds`].
pub(super) type KindId = u32;
/// A class of alike hosts: an index into [`Model::classes`].
pub(super) type ClassId = u32;
/// A pod that may move, or that waits: an index into [`Model::items`].
pub(super) type ItemId = u32;

/// What a pod takes of a host beside one place for a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Need {
    pub cpu: i64,
    pub memory: i64,
    /// Units by accelerator resource, in order of the resource.
    pub devices: Vec<(u16, i64)>,
    /// Thousandths of physical devices, where the host gives them out by DRA: there several names may reach one device.
    pub physical: i64,
}

/// Pods that differ in nothing that matters here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Kind {
    pub need: Need,
    /// The classes of hosts that let it in, ascending.
    pub allowed: Vec<ClassId>,
    /// What it brings to its host.
    pub carries: Vec<Tag>,
    /// What must not be on its host.
    pub avoids: Vec<Tag>,
}

/// Accelerators of one resource on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Devices {
    pub resource: u16,
    pub free: i64,
    /// How much of a physical GPU one unit is.
    pub unit: MilliGpu,
}

/// What a host can still take. Below zero: more is on it than it offers (an allocatable count that shrank).
#[derive(Debug, Clone, Default)]
pub(super) struct Room {
    pub cpu: i64,
    pub memory: i64,
    pub pods: i64,
    pub devices: Vec<Devices>,
    pub physical: Option<i64>,
    pub tags: BTreeMap<Tag, u32>,
}

impl Room {
    /// Free units of `resource`; none: the host does not offer it.
    pub fn of(&self, resource: u16) -> Option<i64> {
        self.devices.iter().find(|devices| devices.resource == resource).map(|devices| devices.free)
    }

    /// Would a pod of `kind` find room? As the scheduler does, what is not asked for is not looked at.
    pub fn fits(&self, kind: &Kind) -> bool {
        let need = &kind.need;
        let enough = |need: i64, free: i64| need == 0 || need <= free;
        self.pods >= 1
            && enough(need.cpu, self.cpu)
            && enough(need.memory, self.memory)
            && need.devices.iter().all(|&(resource, count)| self.of(resource).is_some_and(|free| count <= free))
            && self.physical.is_none_or(|free| enough(need.physical, free))
            && kind.avoids.iter().all(|tag| !self.tags.contains_key(tag))
    }

    /// Takes a pod in.
    pub fn take(&mut self, need: &Need, carries: &[Tag]) {
        self.change(need, -1);
        for &tag in carries {
            *self.tags.entry(tag).or_default() += 1;
        }
    }

    /// Lets a pod go.
    pub fn give_back(&mut self, need: &Need, carries: &[Tag]) {
        self.change(need, 1);
        for tag in carries {
            if let Some(count) = self.tags.get_mut(tag) {
                *count -= 1;
                if *count == 0 {
                    self.tags.remove(tag);
                }
            }
        }
    }

    fn change(&mut self, need: &Need, sign: i64) {
        self.pods += sign;
        self.cpu = self.cpu.saturating_add(sign * need.cpu);
        self.memory = self.memory.saturating_add(sign * need.memory);
        for &(resource, count) in &need.devices {
            match self.devices.iter_mut().find(|devices| devices.resource == resource) {
                Some(devices) => devices.free = devices.free.saturating_add(sign * count),
                // The pod holds something that its node does not offer (any more): nobody else can use that either.
                None => self.devices.push(Devices { resource, free: sign * count, unit: MilliGpu::ONE }),
            }
        }
        if let Some(free) = &mut self.physical {
            *free = free.saturating_add(sign * need.physical);
        }
    }

    /// Free accelerators, in thousandths of a physical GPU.
    pub fn free_gpus(&self) -> u64 {
        self.devices.iter().map(|devices| devices.free.max(0) as u64 * devices.unit.0).sum()
    }
}

/// A node.
#[derive(Debug, Clone)]
pub(super) struct Host {
    pub node: NodeId,
    /// It has accelerators: it counts.
    pub gpu: bool,
    /// Its class; none: it takes no pods (cordoned, not ready), what is there may stay.
    pub class: Option<ClassId>,
    /// What all of its pods leave free.
    pub room: Room,
    /// Its pods that may move, by name.
    pub items: Vec<ItemId>,
    /// A pod that must stay, the first by name, and why.
    pub pinned: Option<(PodId, Pinned)>,
    /// Emptying it is not worth it: it stays.
    pub not_worth: bool,
    /// What its movable pods take in sum, by resource: the bound needs the room without them.
    pub movable: Room,
    /// Index of its pool.
    pub pool: u32,
}

impl Host {
    /// It stays whatever is moved.
    pub fn stays(&self, fleet: &Fleet) -> bool {
        self.pinned.is_some() || self.not_worth || fleet.nodes[self.node.index()].keep.is_some()
    }
}

/// A pod that may move (`from` is its host) or that waits for a node (no `from`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub pod: PodId,
    pub kind: KindId,
    pub from: Option<HostId>,
}

/// Hosts that every kind treats alike: the same labels as far as any pod asks for them, the same taints.
#[derive(Debug, Clone)]
pub(super) struct Class {
    /// They have accelerators.
    pub gpu: bool,
    /// They stay whatever is moved, so that filling them costs nothing.
    pub stays: bool,
    pub hosts: Vec<HostId>,
}

/// The packing problem of a fleet.
#[derive(Debug)]
pub(super) struct Model<'a> {
    pub fleet: &'a Fleet,
    pub hosts: Vec<Host>,
    pub classes: Vec<Class>,
    pub kinds: Vec<Kind>,
    pub items: Vec<Item>,
    /// The pods that wait, most important first, then oldest.
    pub waiting: Vec<ItemId>,
    /// How many resources there are.
    pub resources: usize,
    /// How many pools there are.
    pub pools: usize,
}

/// Is it a node whose number counts here?
pub(super) fn is_gpu_node(node: &Node) -> bool {
    node.has_gpus() || !node.offers.is_empty()
}

impl<'a> Model<'a> {
    /// Reads the problem off the fleet.
    pub fn new(fleet: &'a Fleet, rules: Rules) -> Self {
        Self::with(fleet, rules, &vec![false; fleet.nodes.len()])
    }

    /// The same, where by `not_worth` (in the order of the fleet's nodes) some nodes stay because emptying them is not worth it.
    pub fn with(fleet: &'a Fleet, rules: Rules, not_worth: &[bool]) -> Self {
        let (order, place) = hosts_by_name(fleet);
        let resources = resources(fleet);
        let mut pods_at: Vec<Vec<PodId>> = vec![Vec::new(); fleet.nodes.len()];
        let mut waiting = Vec::new();
        for (id, pod) in fleet.pods() {
            match pod.node {
                Some(node) if pod.holds() => pods_at[place[node.index()] as usize].push(id),
                _ if pod.waits() => waiting.push(id),
                _ => {}
            }
        }
        for pods in &mut pods_at {
            pods.sort_unstable_by_key(|pod| key_of(fleet, *pod));
        }
        waiting.sort_unstable_by_key(|&id| {
            let pod = &fleet.pods[id.index()];
            (std::cmp::Reverse(fleet.shape(pod).priority), pod.created, key_of(fleet, id))
        });

        let topology = Topology::new(fleet);
        let mut movable = Movable::new(fleet, rules);
        let pins: Vec<Option<(PodId, Pinned)>> = pods_at
            .iter()
            .map(|pods| {
                pods.iter().find_map(|&id| {
                    let pod = &fleet.pods[id.index()];
                    if comes_with_node(pod) {
                        return None;
                    }
                    let family = (pod.namespace.clone(), pod.shape);
                    movable.pinned(id).or_else(|| topology.pinned(fleet, pod, &family)).map(|why| (id, why))
                })
            })
            .collect();

        let (classes, class_of) = classes(fleet, &order, &pins, not_worth, &topology);
        let pools = pools(fleet);
        let mut hosts: Vec<Host> = order
            .iter()
            .enumerate()
            .map(|(rank, &id)| {
                let node = &fleet.nodes[id.index()];
                Host {
                    node: id,
                    gpu: is_gpu_node(node),
                    class: class_of[rank],
                    room: room(node, &resources),
                    items: Vec::new(),
                    pinned: pins[rank].clone(),
                    not_worth: not_worth[id.index()],
                    movable: Room::default(),
                    pool: pools[&node.pool],
                }
            })
            .collect();

        let mut kinds = Kinds::new(fleet, &resources, &classes, &order, &topology);
        let mut items = Vec::new();
        for (rank, pods) in pods_at.iter().enumerate() {
            let node = &fleet.nodes[order[rank].index()];
            for &id in pods {
                let pod = &fleet.pods[id.index()];
                let family = (pod.namespace.clone(), pod.shape);
                let host = &mut hosts[rank];
                let moves =
                    host.gpu && !comes_with_node(pod) && movable.pinned(id).is_none() && topology.pinned(fleet, pod, &family).is_none();
                if moves {
                    let kind = kinds.of(&family, Some(node));
                    let (need, carries) = (&kinds.list[kind as usize].need, &kinds.list[kind as usize].carries);
                    host.room.take(need, carries);
                    host.movable.take(need, &[]);
                    host.items.push(items.len() as ItemId);
                    items.push(Item { pod: id, kind, from: Some(rank as HostId) });
                } else {
                    let mut need = need(fleet.shape(pod), &resources);
                    if host.room.physical.is_some() {
                        need.physical = need.physical.max(held_on(fleet, pod, node).0 as i64);
                    }
                    host.room.take(&need, topology.tags(&family).0);
                }
            }
        }
        let waiting = waiting
            .into_iter()
            .map(|id| {
                let pod = &fleet.pods[id.index()];
                let kind = kinds.of(&(pod.namespace.clone(), pod.shape), None);
                items.push(Item { pod: id, kind, from: None });
                items.len() as ItemId - 1
            })
            .collect();
        let kinds = kinds.list;
        Self { fleet, hosts, classes, kinds, items, waiting, resources: resources.len(), pools: pools.len() }
    }

    /// The kind of an item.
    pub fn kind(&self, item: ItemId) -> &Kind {
        &self.kinds[self.items[item as usize].kind as usize]
    }

    /// How much of physical GPUs a pod of `kind` takes of `host`.
    pub fn size_on(&self, kind: &Kind, host: HostId) -> u64 {
        let devices = &self.hosts[host as usize].room.devices;
        kind.need
            .devices
            .iter()
            .map(|&(resource, count)| {
                let unit = devices.iter().find(|devices| devices.resource == resource).map_or(MilliGpu::ONE, |devices| devices.unit);
                count as u64 * unit.0
            })
            .sum()
    }
}

/// Does the pod need no new place when its node goes? Those of the node itself, and those that are being deleted.
pub(super) fn comes_with_node(pod: &Pod) -> bool {
    pod.of_node || pod.deleting
}

fn key_of(fleet: &Fleet, pod: PodId) -> (&str, &str) {
    let pod = &fleet.pods[pod.index()];
    (&pod.namespace, &pod.name)
}

/// The nodes in order of their names, and the place of each in that order.
fn hosts_by_name(fleet: &Fleet) -> (Vec<NodeId>, Vec<HostId>) {
    let mut order: Vec<NodeId> = fleet.nodes().map(|(id, _)| id).collect();
    order.sort_unstable_by_key(|id| (&*fleet.nodes[id.index()].name, *id));
    let mut place = vec![0; order.len()];
    for (rank, id) in order.iter().enumerate() {
        place[id.index()] = rank as HostId;
    }
    (order, place)
}

fn resources(fleet: &Fleet) -> HashMap<Name, u16> {
    let offered = fleet.nodes.iter().flat_map(|node| node.offers.iter().map(|offer| &offer.resource));
    let asked = fleet.shapes.iter().flat_map(|shape| shape.asks.iter().map(|ask| &ask.resource));
    let names: BTreeSet<&Name> = offered.chain(asked).collect();
    // More names than a u16 holds is no cluster: the rest share the last number, which can only make a plan more careful.
    names.into_iter().enumerate().map(|(index, name)| (name.clone(), index.min(usize::from(u16::MAX)) as u16)).collect()
}

fn pools(fleet: &Fleet) -> BTreeMap<Option<Name>, u32> {
    let names: BTreeSet<Option<Name>> = fleet.nodes.iter().map(|node| node.pool.clone()).collect();
    names.into_iter().zip(0..).collect()
}

/// A quantity as the sums here hold it.
pub(super) fn amount(value: u64) -> i64 {
    // A quarter of the range: sums of a few of them cannot overflow.
    value.min(i64::MAX as u64 / 4) as i64
}

fn room(node: &Node, resources: &HashMap<Name, u16>) -> Room {
    let mut devices: Vec<Devices> = Vec::new();
    for offer in &node.offers {
        let resource = resources[&offer.resource];
        let ask = plimsoll_fleet::pod::Ask { resource: offer.resource.clone(), count: 1, dra: offer.dra };
        match devices.iter_mut().find(|devices| devices.resource == resource) {
            Some(devices) => devices.free += i64::from(offer.count),
            None => devices.push(Devices { resource, free: offer.count.into(), unit: unit_size(&ask, node) }),
        }
    }
    let physical = node.offers.iter().any(|offer| offer.dra).then(|| amount(node.gpus.len() as u64 * 1000));
    Room { cpu: amount(node.cpu.0), memory: amount(node.memory.0), pods: node.max_pods.into(), devices, physical, tags: BTreeMap::new() }
}
