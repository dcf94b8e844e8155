//! What `cpu-starved-gpu` and `memory-starved-gpu` share: a workload whose requests keep free GPUs from use.

use super::{
    Sign, fix, stranded_gpu,
    strands::{Strand, Why},
    words,
};
use crate::audit::{
    finding::{Confidence, Finding, Fix, Waste},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{MilliGpu, PodId, Shape};
use std::collections::BTreeMap;

/// What is in the way.
#[derive(Clone, Copy)]
pub(super) struct Scarce {
    /// As requests name it: `cpu`, `memory`.
    pub(super) resource: &'static str,
    /// The reason of the strands that this is about.
    pub(super) why: Why,
    /// What a shape asks for of it.
    pub(super) ask: fn(&Shape) -> u64,
    /// For people: `8 CPU cores`.
    pub(super) amount: fn(u64) -> String,
    /// As a request writes it.
    pub(super) quantity: fn(u64) -> String,
}

/// The findings: the strands by the workload that causes them.
pub(super) fn find(view: &View<'_>, sign: &Sign, scarce: Scarce) -> Vec<Finding> {
    let mut by_hog = BTreeMap::<Holder, Vec<&Strand>>::new();
    for strand in view.strands().iter().filter(|strand| strand.why == scarce.why) {
        if let Some(hog) = strand.hog {
            by_hog.entry(hog).or_default().push(strand);
        }
    }
    by_hog.into_iter().filter_map(|(holder, strands)| Some(view.on_holder(sign, holder, judge(view, holder, &strands, scarce)?))).collect()
}

fn judge(view: &View<'_>, holder: Holder, strands: &[&Strand], scarce: Scarce) -> Option<Judged> {
    // The pod with the greatest request on these nodes stands for all.
    let pod = strands
        .iter()
        .flat_map(|strand| view.pods_on(strand.node))
        .copied()
        .filter(|&pod| view.holder(pod) == holder && !view.held[pod.index()].is_zero())
        .max_by(|&a, &b| {
            per_gpu(view, a, scarce).total_cmp(&per_gpu(view, b, scarce)).then_with(|| view.pod(b).name.cmp(&view.pod(a).name))
        })?;
    let node = view.node(view.pod(pod).node?);
    let all = if scarce.resource == "cpu" { node.cpu.0 } else { node.memory.0 };
    let fair = all as f64 / node.gpus.len().max(1) as f64;
    let gpus: MilliGpu = strands.iter().map(|strand| strand.gpus).sum();
    let names: Vec<&str> = strands.iter().map(|strand| &*view.node(strand.node).name).collect();
    let per_gpu = per_gpu(view, pod, scarce);
    let shape = view.shape(pod);
    let fair_pod = (fair * view.held[pod.index()].gpus()) as u64;
    Some(Judged {
        says: format!(
            "it asks for {} a GPU, {} times the share of a GPU on its {}: {} there cannot be used",
            (scarce.amount)(per_gpu as u64),
            words::trim((per_gpu / fair * 10.0).round() / 10.0),
            match strands.len() {
                1 => "node".to_owned(),
                n => words::count(n, "node"),
            },
            words::gpus(gpus),
        ),
        waste: strands.iter().map(|strand| Waste { node: strand.node, pod: None, gpus: strand.gpus }).collect(),
        confidence: Confidence::High,
        evidence: vec![
            view.read(
                format!("Pod.spec.containers[].resources.requests.{}", scarce.resource),
                format!("{} for {}", (scarce.amount)((scarce.ask)(shape)), stranded_gpu::ask(shape)),
            ),
            view.read(
                format!("Node.status.allocatable.{}", scarce.resource),
                format!(
                    "{} for {} on {}",
                    (scarce.amount)(all),
                    words::gpus(MilliGpu::whole(node.gpus.len() as u32)),
                    words::list(&names, 5)
                ),
            ),
        ],
        fix: Fix {
            says: format!(
                "Ask for {} at most (the share of its GPUs), if its use allows, or move it to nodes with more {} a GPU.",
                (scarce.amount)(fair_pod),
                scarce.resource
            ),
            action: fix::requests(view, holder, shape, &[(scarce.resource, (scarce.quantity)(fair_pod))]),
        },
    })
}

fn per_gpu(view: &View<'_>, pod: PodId, scarce: Scarce) -> f64 {
    (scarce.ask)(view.shape(pod)) as f64 / view.held[pod.index()].gpus().max(f64::MIN_POSITIVE)
}
