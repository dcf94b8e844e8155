//! Why a pod gets no room.

use super::NothingToDo;
use crate::pack::model::{ItemId, Model, is_gpu_node};
use plimsoll_fleet::{Bytes, Fleet, Name, Node, PodId};
use std::{collections::BTreeMap, fmt};

/// Why nothing that was searched makes room on a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoPlace {
    /// It takes no pods: cordoned, or not ready.
    Closed,
    /// Labels, affinity or taints keep the pod out.
    KeptOut,
    /// Even empty it would have too little of this.
    TooSmall(Name),
    /// Pods that must stay hold too much; the first of them stays for this reason.
    Held(&'static str),
    /// What would have to move finds no room elsewhere, or it is too many.
    NoRoomElsewhere,
}

impl fmt::Display for NoPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => out.write_str("cordoned or not ready"),
            Self::KeptOut => out.write_str("labels, affinity or taints keep it out"),
            Self::TooSmall(resource) => write!(out, "too little {resource} even when empty"),
            Self::Held(why) => write!(out, "pods that must stay hold too much ({why})"),
            Self::NoRoomElsewhere => write!(out, "what would have to move finds no room elsewhere within {} moves", super::MOVES_MAX),
        }
    }
}

/// Of every node that could count, why it does not help; nodes without accelerators are left out for a pod that asks for some.
pub(super) fn nowhere(model: &Model<'_>, item: ItemId) -> BTreeMap<NoPlace, u32> {
    let fleet = model.fleet;
    let (pod, kind) = (model.items[item as usize].pod, model.kind(item));
    let shape = fleet.shape(&fleet.pods[pod.index()]);
    let mut nowhere = BTreeMap::new();
    for host in model.hosts.iter().filter(|host| host.gpu || !shape.wants_gpus()) {
        let node = &fleet.nodes[host.node.index()];
        let mut emptied = host.room.clone();
        for &item in &host.items {
            let kind = model.kind(item);
            emptied.give_back(&kind.need, &kind.carries);
        }
        let why = match host.class {
            None => NoPlace::Closed,
            Some(class) if kind.allowed.binary_search(&class).is_err() => NoPlace::KeptOut,
            Some(_) => match asks(fleet, pod).into_iter().find(|ask| ask.need > (ask.room)(node)) {
                Some(ask) => NoPlace::TooSmall(ask.resource),
                None if emptied.fits(kind) => NoPlace::NoRoomElsewhere,
                None => NoPlace::Held(held(host.pinned.as_ref())),
            },
        };
        *nowhere.entry(why).or_insert(0) += 1;
    }
    nowhere
}

fn held(pinned: Option<&(PodId, crate::pack::Pinned)>) -> &'static str {
    pinned.map_or("they come with the node", |(pod, why)| crate::pack::KeptReason::Pod { pod: *pod, why: why.clone() }.kind())
}

/// What a pod asks for of one resource.
struct Asked<'f> {
    resource: Name,
    need: u64,
    room: Box<dyn Fn(&Node) -> u64 + 'f>,
    says: fn(u64) -> String,
}

fn asks(fleet: &Fleet, pod: PodId) -> Vec<Asked<'_>> {
    let shape = fleet.shape(&fleet.pods[pod.index()]);
    let mut all: BTreeMap<&Name, u64> = BTreeMap::new();
    for ask in &shape.asks {
        *all.entry(&ask.resource).or_default() += u64::from(ask.count);
    }
    let devices = all.into_iter().map(|(resource, need)| Asked {
        resource: resource.clone(),
        need,
        room: Box::new(|node| node.offered(resource).into()),
        says: |count| count.to_string(),
    });
    let cpu = Asked { resource: "cpu".into(), need: shape.cpu.0, room: Box::new(|node| node.cpu.0), says: |cpu| format!("{}m", cpu) };
    let memory = Asked {
        resource: "memory".into(),
        need: shape.memory.0,
        room: Box::new(|node| node.memory.0),
        says: |bytes| format!("{:.1} GiB", Bytes(bytes).gib()),
    };
    devices.chain([cpu, memory]).collect()
}

/// A resource of which no node that lets the pod in has as much as it asks for. None where no node lets it in at all: that is
/// another reason.
pub(super) fn too_large(fleet: &Fleet, pod: PodId) -> Option<NothingToDo> {
    let of = &fleet.pods[pod.index()];
    let shape = fleet.shape(of);
    let lets_in = || fleet.nodes.iter().filter(|node| (is_gpu_node(node) || !shape.wants_gpus()) && shape.may_go(node));
    for ask in asks(fleet, pod) {
        // Of equally large ones the first by name.
        let largest = lets_in().max_by(|a, b| (ask.room)(a).cmp(&(ask.room)(b)).then_with(|| b.name.cmp(&a.name)))?;
        let has = (ask.room)(largest);
        if ask.need > has {
            return Some(NothingToDo::TooLarge {
                pod: format!("{}/{}", of.namespace, of.name),
                resource: ask.resource,
                asked: (ask.says)(ask.need),
                largest: (ask.says)(has),
                node: largest.name.clone(),
            });
        }
    }
    None
}
