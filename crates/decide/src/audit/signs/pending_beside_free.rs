//! `pending-beside-free`: pods wait, and as many GPUs as they ask for lie free, in pieces.

use super::{Sign, Threshold, fix, stranded_gpu, words};
use crate::audit::{
    finding::{Confidence, Finding, Fix, Waste},
    room::Lack,
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{MilliGpu, NodeId, PodId, Seconds, Shape, ShapeId, holding, node::Sharing, pod::Ask};
use std::collections::BTreeMap;

pub(super) static SIGN: Sign = Sign {
    name: "pending-beside-free",
    title: "Pods wait for GPUs while as many lie free in pieces",
    threshold: Some(Threshold { default: 10.0, unit: "minutes", says: "pods that wait for less are left to the scheduler" }),
    explain: "\
Pods wait for GPUs, and on the nodes that they may go to as many GPUs are free as one of them
asks for. But no single node has them all, or the one that has lacks CPU, memory or a place for
a pod.

Seen by: pods without a node, their requests, node selectors, affinity and tolerations; and what
is free on each node that takes pods. Pods that a scheduling gate holds are left out, and pods
that would fit somewhere now: those wait for something else (a quota, a gang, the next
scheduling round). No metric is used.

What it costs: the free GPUs that one waiting pod could use, as long as it waits.

When it is wrong: rules that are not counted here (pod affinity, topology spread, host ports,
volumes in one zone) may keep a pod off a node where there is room.

To mend it: move the small pods that hold the last GPUs of a node to holes elsewhere (the
command names them for the node that needs the fewest), keep small and large pods apart by
pools, or let the scheduler pack (NodeResourcesFit with MostAllocated for nvidia.com/gpu), so
that it happens less.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    let patience = Seconds((view.threshold(&SIGN).max(0.0) * 60.0) as u64);
    let mut waiting = BTreeMap::<(Holder, ShapeId), Vec<PodId>>::new();
    for (id, pod) in view.fleet.pods() {
        let long = pod.created.is_none_or(|created| view.fleet.at.since(created) >= patience);
        if pod.waits() && pod.gates.is_empty() && long && view.shape(id).wants_gpus() {
            waiting.entry((view.holder(id), pod.shape)).or_default().push(id);
        }
    }
    let mut by_shape = BTreeMap::<ShapeId, Option<Pieces>>::new();
    let mut best = BTreeMap::<Holder, (Vec<PodId>, ShapeId)>::new();
    for ((holder, shape), pods) in waiting {
        if by_shape.entry(shape).or_insert_with(|| pieces(view, shape)).is_none() {
            continue;
        }
        // One finding a holder: on the shape of which most pods wait.
        let of = |shape: ShapeId| &view.fleet.shapes[shape.index()];
        let better = best
            .get(&holder)
            .is_none_or(|(known, known_shape)| pods.len().cmp(&known.len()).then_with(|| of(*known_shape).cmp(of(shape))).is_gt());
        if better {
            best.insert(holder, (pods, shape));
        }
    }
    best.into_iter()
        .filter_map(|(holder, (pods, shape))| {
            let pieces = by_shape.get(&shape)?.as_ref()?;
            Some(view.on_holder(&SIGN, holder, judge(view, &pods, &view.fleet.shapes[shape.index()], pieces)))
        })
        .collect()
}

/// Free GPUs in pieces: nodes with free units, the most first, then by name.
struct Pieces {
    nodes: Vec<(NodeId, u32)>,
    /// What is in the way on the node with the most.
    lack: Lack,
}

/// The pieces for pods of a shape, if together they are enough and no node takes such a pod now.
fn pieces(view: &View<'_>, shape: ShapeId) -> Option<Pieces> {
    let shape = &view.fleet.shapes[shape.index()];
    let [ask] = &shape.asks[..] else { return None };
    let mut nodes = Vec::new();
    for (id, node) in view.fleet.nodes().filter(|(_, node)| node.has_gpus() && node.takes_pods()) {
        let free = view.room(id).units_of(&ask.resource);
        // Replicas of shared GPUs are given out one by one: several are not more of a GPU.
        if free == 0 || matches!(node.sharing, Sharing::TimeSliced { .. } | Sharing::Mps { .. }) || !shape.may_go(node) {
            continue;
        }
        if view.room(id).fits(shape) {
            return None;
        }
        nodes.push((id, free));
    }
    if nodes.iter().map(|&(_, free)| free).fold(0, u32::saturating_add) < ask.count.max(1) {
        return None;
    }
    nodes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| view.node(a.0).name.cmp(&view.node(b.0).name)));
    let lack = view.room(nodes[0].0).lacks(shape);
    Some(Pieces { nodes, lack })
}

fn judge(view: &View<'_>, pods: &[PodId], shape: &Shape, pieces: &Pieces) -> Judged {
    let ask = &shape.asks[0];
    let free = pieces.nodes.iter().map(|&(_, free)| free).fold(0, u32::saturating_add);
    let (most, _) = pieces.nodes[0];
    let way = match pieces.lack {
        Lack { gpus: true, .. } => format!("at most {} on one", pieces.nodes[0].1),
        Lack { cpu: true, .. } => format!("but {} has too little CPU left", view.node(most).name),
        Lack { memory: true, .. } => format!("but {} has too little memory left", view.node(most).name),
        _ => format!("but {} takes no more pods", view.node(most).name),
    };
    let since = pods.iter().filter_map(|&pod| view.pod(pod).created).min();
    let long = since.map_or_else(String::new, |since| format!(" for up to {}", words::time(view.fleet.at.since(since))));
    let names: Vec<String> = pieces.nodes.iter().map(|&(node, free)| format!("{} ({free} free)", view.node(node).name)).collect();
    Judged {
        says: format!(
            "{} {} for {} each{long}; {free} such {} free on {} that {} may go to, {way}",
            words::count(pods.len(), "pod"),
            words::verb(pods.len(), "waits", "wait"),
            stranded_gpu::ask(shape),
            words::verb(free as usize, "lies", "lie"),
            words::count(pieces.nodes.len(), "node"),
            words::verb(pods.len(), "it", "they"),
        ),
        waste: claim(view, ask, &pieces.nodes),
        confidence: Confidence::High,
        evidence: vec![
            view.read("Node.status.allocatable less Pod.spec.containers[].resources", words::list(&names, 5)),
            view.read(
                "Pod.status.conditions[PodScheduled].message",
                pods.iter().find_map(|&pod| view.pod(pod).unschedulable.as_deref()).unwrap_or("none"),
            ),
        ],
        fix: mend(view, shape, pieces),
    }
}

/// The free GPUs that one waiting pod could use.
fn claim(view: &View<'_>, ask: &Ask, nodes: &[(NodeId, u32)]) -> Vec<Waste> {
    let mut open = ask.count;
    let mut waste = Vec::new();
    for &(node, free) in nodes {
        let units = free.min(open);
        open -= units;
        let one = holding::unit_size(&Ask { count: 1, ..ask.clone() }, view.node(node));
        let gpus = MilliGpu(one.0 * u64::from(units)).min(view.room(node).gpus);
        if !gpus.is_zero() {
            waste.push(Waste { node, pod: None, gpus });
        }
    }
    waste
}

/// Makes room on the node where the fewest GPUs have to move.
fn mend(view: &View<'_>, shape: &Shape, pieces: &Pieces) -> Fix {
    let ask = &shape.asks[0];
    let free = pieces.nodes.iter().map(|&(_, free)| free).fold(0, u32::saturating_add);
    let plan = pieces.nodes.iter().filter(|_| pieces.lack.gpus).filter_map(|&(node, here)| {
        let moved = movable(view, node, &ask.resource, ask.count.saturating_sub(here))?;
        let units = moved.iter().map(|&pod| units(view.shape(pod), &ask.resource)).fold(0, u32::saturating_add);
        (units <= free - here).then_some((units, node, moved))
    });
    match plan.min_by(|a, b| a.0.cmp(&b.0).then_with(|| view.node(a.1).name.cmp(&view.node(b.1).name))) {
        Some((_, node, moved)) => {
            let name = &view.node(node).name;
            let deletes: Vec<String> = moved
                .iter()
                .map(|&pod| format!("kubectl delete pod {} -n {}", fix::quote(&view.pod(pod).name), fix::quote(&view.pod(pod).namespace)))
                .collect();
            Fix {
                says: format!(
                    "Move {} from {name} to the free GPUs elsewhere, and one of the waiting pods fits there.",
                    words::count(moved.len(), "small pod")
                ),
                action: format!("kubectl cordon {0} && {1} && kubectl uncordon {0}", fix::quote(name), deletes.join(" && ")),
            }
        }
        None => {
            let name = fix::quote(&view.node(pieces.nodes[0].0).name);
            Fix {
                says: "See what takes the room on the node with the most free GPUs, and move it or lower what it asks for.".into(),
                action: format!("kubectl describe node {name}"),
            }
        }
    }
}

fn units(shape: &Shape, resource: &str) -> u32 {
    shape.asks.iter().filter(|ask| &*ask.resource == resource).map(|ask| ask.count).fold(0, u32::saturating_add)
}

/// The smallest pods of a node that make `wanted` units free when they go, if pods that may be moved are enough.
fn movable(view: &View<'_>, node: NodeId, resource: &str, wanted: u32) -> Option<Vec<PodId>> {
    let mut pods: Vec<(u32, PodId)> = view
        .pods_on(node)
        .iter()
        .copied()
        .filter(|&pod| {
            view.pod(pod).workload.is_some() && view.pod(pod).keep.is_none() && !view.pod(pod).of_node && !view.pod(pod).deleting
        })
        .map(|pod| (units(view.shape(pod), resource), pod))
        .filter(|(units, _)| *units > 0)
        .collect();
    pods.sort_by(|a, b| {
        a.0.cmp(&b.0).then_with(|| (&view.pod(a.1).namespace, &view.pod(a.1).name).cmp(&(&view.pod(b.1).namespace, &view.pod(b.1).name)))
    });
    let mut open = wanted;
    let mut moved = Vec::new();
    for (units, pod) in pods {
        if open == 0 {
            break;
        }
        open = open.saturating_sub(units);
        moved.push(pod);
    }
    (open == 0 && !moved.is_empty()).then_some(moved)
}
