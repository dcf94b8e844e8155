//! What is free on a node, as the scheduler counts it.

use super::view::View;
use plimsoll_fleet::{Bytes, MilliCpu, Node, NodeId, Shape};

/// Free on a node: allocatable less the requests of the pods bound to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// CPU.
    pub cpu: MilliCpu,
    /// Memory.
    pub memory: Bytes,
    /// Pods.
    pub pods: u32,
}

/// What is free on `node`.
#[must_use]
pub fn room(view: &View<'_>, node: NodeId) -> Room {
    let here = view.node(node);
    let shapes = || view.pods_on(node).iter().map(|&pod| view.shape(pod));
    Room {
        cpu: here.cpu.less(shapes().map(|shape| shape.cpu).sum()),
        memory: here.memory.less(shapes().map(|shape| shape.memory).sum()),
        pods: here.max_pods.saturating_sub(view.pods_on(node).len() as u32),
    }
}

/// Units of `resource` that are free on `node`.
#[must_use]
pub fn free_units(view: &View<'_>, node: NodeId, resource: &str) -> u32 {
    let asks = view.pods_on(node).iter().flat_map(|&pod| &view.shape(pod).asks);
    let held: u32 = asks.filter(|ask| &*ask.resource == resource).map(|ask| ask.count).sum();
    view.node(node).offered(resource).saturating_sub(held)
}

/// Could one more pod of `shape` be placed on `node` now: labels, taints, accelerators, CPU, memory and pod count?
/// Pod affinity and spread are not looked at.
#[must_use]
pub fn fits(view: &View<'_>, shape: &Shape, node: NodeId) -> bool {
    let here: &Node = view.node(node);
    let offered = shape.asks.iter().all(|ask| here.offered(&ask.resource) >= ask.count);
    if !offered || !here.takes_pods() || !shape.may_go(here) {
        return false;
    }
    let room = room(view, node);
    room.pods > 0
        && room.cpu >= shape.cpu
        && room.memory >= shape.memory
        && shape.asks.iter().all(|ask| free_units(view, node, &ask.resource) >= ask.count)
}
