//! `stranded-gpu`: free GPUs that nobody can use where they are.

use super::{
    Sign, fix,
    strands::{self, Strand, Why},
    words,
};
use crate::audit::{
    finding::{Confidence, Finding, Fix, Waste},
    room,
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{MilliCpu, NodeId, PodId, Shape, ShapeId};
use std::collections::BTreeMap;

pub(super) static SIGN: Sign = Sign {
    name: "stranded-gpu",
    title: "Free GPUs that no pod can use, because something else on the node is in the way",
    threshold: None,
    explain: "\
A node has free GPUs, and none of the pods that its pool usually runs, nor any that waits, fits
there: CPU, memory or the number of pods is used up, or every usual pod asks for more GPUs than
are left (eight, and three are free).

Seen by: requests and allocatable, as the scheduler counts them. Usual is a shape that at least
one in twenty GPU pods of the pool has. No metric is used.

Told elsewhere, so that each GPU has one sign: wholly empty nodes (empty-gpu-node); nodes where
GPU pods themselves ask for far more CPU or memory than their GPUs' share, so much that it
explains the lack (cpu-starved-gpu, memory-starved-gpu, on that workload); free slices of the
wrong size (mig-layout-mismatch). Shared GPUs are left out: a free replica is no free GPU.

When it is wrong: a pool whose usual pods are about to change, or small pods that come seldom
and would fit.

To mend it: move the pods without GPUs away (see cpu-pod-on-gpu-node), lower requests that
nobody uses, or drain the node so that its small pods fill holes elsewhere and it becomes whole
again.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    let mut places = Places::default();
    view.strands()
        .iter()
        .filter(|strand| strand.hog.is_none())
        .map(|strand| view.on_node(&SIGN, strand.node, judge(view, &mut places, strand)))
        .collect()
}

fn judge(view: &View<'_>, places: &mut Places, strand: &Strand) -> Judged {
    let (node, room) = (view.node(strand.node), view.room(strand.node));
    let shape = &view.fleet.shapes[strand.shape.index()];
    let free = words::gpus(strand.gpus);
    let asks = ask(shape);
    let takers = |ask: &dyn Fn(&Shape) -> u64| strands::takers(view, strand.node, |pod| ask(view.shape(pod)));
    let (says, value, taken) = match strand.why {
        Why::Cpu => {
            let (left, all, want) = (cores(room.cpu), cores(node.cpu), cores(shape.cpu));
            let says =
                format!("{free} lie free, but only {left} of its {all} CPU cores are left and the usual pod ({asks}) asks for {want}");
            (says, format!("{left} of {all} cores left"), takers(&|shape| shape.cpu.0))
        }
        Why::Memory => {
            let (left, all, want) = (words::gib(room.memory.0 as f64), words::gib(node.memory.0 as f64), words::gib(shape.memory.0 as f64));
            let says =
                format!("{free} lie free, but only {left} of its {all} of memory is left and the usual pod ({asks}) asks for {want}");
            (says, format!("{left} of {all} left"), takers(&|shape| shape.memory.0))
        }
        Why::Pods => {
            let says = format!("{free} lie free, but the node has as many pods as it takes ({})", node.max_pods);
            (says, format!("{} of {} pods", view.pods_on(strand.node).len(), node.max_pods), takers(&|_| 1))
        }
        Why::Fragments { least } => {
            let says = format!("{free} lie free, but the usual pods of its pool ask for {least} or more");
            (says, format!("{free} free, the least ask is {least}"), takers(&|shape| u64::from(shape.wants_gpus())))
        }
    };
    let who = taken.first().map_or_else(String::new, |(holder, _)| match strand.why {
        Why::Fragments { .. } => format!("; {} is in the way", view.subject(*holder)),
        _ => format!("; {} takes the most", view.subject(*holder)),
    });
    Judged {
        says: says + &who,
        waste: vec![Waste { node: strand.node, pod: None, gpus: strand.gpus }],
        confidence: Confidence::Medium,
        evidence: vec![
            view.read("Node.status.allocatable less Pod.spec.containers[].resources.requests", value),
            view.read("Pod.spec.containers[].resources", format!("usual in this pool: {asks}")),
        ],
        fix: mend(view, places, strand, taken.first().map(|(holder, _)| *holder)),
    }
}

fn mend(view: &View<'_>, places: &mut Places, strand: &Strand, taker: Option<Holder>) -> Fix {
    let without_gpu = |holder: &Holder| pods_there(view, strand.node, *holder).all(|pod| view.held[pod.index()].is_zero());
    match taker.filter(|_| !matches!(strand.why, Why::Fragments { .. })).filter(without_gpu) {
        Some(holder) => super::cpu_pod_on_gpu_node::send_away(view, holder, &[strand.node]),
        _ => {
            let name = fix::quote(&view.node(strand.node).name);
            if places.elsewhere(view, strand.node) {
                return Fix {
                    says: "Drain it once: its pods fill holes elsewhere, and the node is whole again.".into(),
                    action: format!("kubectl drain {name} --ignore-daemonsets --delete-emptydir-data && kubectl uncordon {name}"),
                };
            }
            Fix {
                says: "Let work that asks for fewer GPUs fill it, or have its pods ask for a number that leaves no rest.".into(),
                action: format!("kubectl describe node {name}"),
            }
        }
    }
}

/// Nodes with room for a pod of a shape, up to two of them: enough to know whether there is another one. Looked up once a shape, because a
/// great fleet has many strands and few shapes.
#[derive(Default)]
struct Places(BTreeMap<ShapeId, [Option<NodeId>; 2]>);

impl Places {
    /// Would each GPU pod of the node find room on some other node, one by one?
    fn elsewhere(&mut self, view: &View<'_>, node: NodeId) -> bool {
        let mut pods = view.pods_on(node).iter().filter(|pod| !view.held[pod.index()].is_zero());
        pods.all(|&pod| {
            let shape = view.pod(pod).shape;
            let places = self.0.entry(shape).or_insert_with(|| {
                let shape = &view.fleet.shapes[shape.index()];
                let mut fitting = view.fleet.nodes().map(|(id, _)| id).filter(|&id| room::fits(view, shape, id));
                [fitting.next(), fitting.next()]
            });
            places.iter().flatten().any(|&place| place != node)
        })
    }
}

fn pods_there<'v>(view: &'v View<'_>, node: NodeId, holder: Holder) -> impl Iterator<Item = PodId> + 'v {
    view.pods_on(node).iter().copied().filter(move |&pod| view.holder(pod) == holder)
}

/// What a shape asks of accelerators: `1 nvidia.com/gpu`.
pub(super) fn ask(shape: &Shape) -> String {
    let asks: Vec<String> = shape.asks.iter().map(|ask| format!("{} {}", ask.count, ask.resource)).collect();
    asks.join(", ")
}

/// Cores, for people.
pub(super) fn cores(cpu: MilliCpu) -> String {
    words::trim(cpu.0 as f64 / 1000.0)
}
