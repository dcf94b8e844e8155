//! What is free on a node, as the scheduler counts it.

use super::view::View;
use plimsoll_fleet::{Bytes, MilliCpu, MilliGpu, Name, Node, NodeId, Shape, holding, pod::Ask};

/// What is free on a node.
#[derive(Debug, Clone, Default)]
pub struct Room<'a> {
    /// CPU.
    pub cpu: MilliCpu,
    /// Memory.
    pub memory: Bytes,
    /// How many more pods it takes.
    pub pods: u32,
    /// Units of each accelerator resource.
    pub units: Vec<(&'a Name, u32)>,
    /// Physical GPUs that nobody holds and that pods could ask for.
    pub gpus: MilliGpu,
}

/// What a pod lacks on a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lack {
    /// CPU.
    pub cpu: bool,
    /// Memory.
    pub memory: bool,
    /// A place among the pods.
    pub pods: bool,
    /// Accelerators.
    pub gpus: bool,
}

impl Room<'_> {
    /// Free units of a resource.
    #[must_use]
    pub fn units_of(&self, resource: &str) -> u32 {
        self.units.iter().filter(|(name, _)| &***name == resource).map(|&(_, free)| free).fold(0, u32::saturating_add)
    }

    /// What a pod of `shape` lacks here; none of it: it fits, by what is counted.
    #[must_use]
    pub fn lacks(&self, shape: &Shape) -> Lack {
        Lack {
            cpu: shape.cpu > self.cpu,
            memory: shape.memory > self.memory,
            pods: self.pods == 0,
            gpus: shape.asks.iter().any(|ask| ask.count > self.units_of(&ask.resource)),
        }
    }

    /// Does a pod of `shape` fit, by what is counted?
    #[must_use]
    pub fn fits(&self, shape: &Shape) -> bool {
        self.lacks(shape) == Lack::default()
    }
}

/// What is free on every node, by its place.
pub(super) fn rooms<'a>(view: &View<'a>) -> Vec<Room<'a>> {
    view.fleet.nodes().map(|(id, _)| of(view, id)).collect()
}

fn of<'a>(view: &View<'a>, id: NodeId) -> Room<'a> {
    let node = view.node(id);
    let mut room = Room { cpu: node.cpu, memory: node.memory, pods: node.max_pods, units: Vec::new(), gpus: MilliGpu::ZERO };
    for offer in &node.offers {
        match room.units.iter_mut().find(|(name, _)| **name == offer.resource) {
            Some((_, free)) => *free = free.saturating_add(offer.count),
            None => room.units.push((&offer.resource, offer.count)),
        }
    }
    let mut held = MilliGpu::ZERO;
    for &pod in view.pods_on(id) {
        let shape = view.shape(pod);
        room.cpu = room.cpu.less(shape.cpu);
        room.memory = room.memory.less(shape.memory);
        room.pods = room.pods.saturating_sub(1);
        held += view.held[pod.index()];
        for ask in &shape.asks {
            if let Some((_, free)) = room.units.iter_mut().find(|(name, _)| **name == ask.resource) {
                *free = free.saturating_sub(ask.count);
            }
        }
    }
    let askable: MilliGpu = room.units.iter().map(|&(name, free)| units(name, free, node)).sum();
    room.gpus = MilliGpu::whole(node.gpus.len() as u32).less(held).min(askable);
    room
}

/// `count` units of a resource of `node`, in GPUs.
pub(super) fn units(resource: &Name, count: u32, node: &Node) -> MilliGpu {
    let one = holding::unit_size(&Ask { resource: resource.clone(), count: 1, dra: false }, node);
    MilliGpu(one.0.saturating_mul(count.into()))
}

/// Units of `resource` that are free on `node`.
#[must_use]
pub fn free_units(view: &View<'_>, node: NodeId, resource: &str) -> u32 {
    view.room(node).units_of(resource)
}

/// Could one more pod of `shape` be placed on `node` now: labels, taints, accelerators, CPU, memory and pod count?
/// Pod affinity and spread are not looked at.
#[must_use]
pub fn fits(view: &View<'_>, shape: &Shape, node: NodeId) -> bool {
    let here: &Node = view.node(node);
    here.takes_pods() && view.room(node).fits(shape) && shape.may_go(here)
}
