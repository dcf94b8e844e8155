//! `whole-gpu-for-a-slice`: a whole GPU is held by what would fit a part of it.

use super::{
    Sign, fix,
    need::{self, Need},
    words::{self, Figure},
};
use crate::audit::{
    finding::{Confidence, Finding, Fix},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{Bytes, Metric, MilliGpu, Node, PodId, Ratio, catalogue, mig, resource};

pub(super) static SIGN: Sign = Sign {
    name: "whole-gpu-for-a-slice",
    title: "A whole GPU is held by work that fits a MIG slice or a share",
    threshold: None,
    explain: "\
A pod holds one whole GPU, and its memory and compute would fit a part of it: a MIG slice where
the board has MIG, else one of two to four equal shares.

Seen by: the greatest memory held (FB_USED) and 15 % on top, the 95th percentile of SM activity
(engine activity, its upper bound, where SM activity is not collected) against the slice's SMs,
and the 95th percentile of DRAM activity against the slice's part of the memory. All three are
needed. The profile's name is computed from the board's memory; a driver may print it otherwise.

Not judged: training and pods with several GPUs (they talk to each other over NVLink, which
slices do not have), servers that fill the memory whatever they need (vLLM, SGLang, TGI,
TensorFlow: see oversized-memory-reservation), idle pods, and workloads of which one pod would
not fit or was not seen.

What it costs: the part of the GPU that the slice leaves. It comes back only when others use the
rest.

When it is wrong: latency that needs the whole GPU for a moment (the p95 hides a burst), or a
driver feature that slices lack (graphics, NVLink, some profilers).

To mend it: ask for the slice, on nodes that are cut that way (label nvidia.com/mig.config).
Where there is no MIG use MPS, which splits memory and SMs; time slices isolate nothing.",
    find,
};

/// More shares of one GPU than that get into each other's way.
const MOST_SHARES: u32 = 4;

/// A part of a GPU.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Slice { profile: String, share: MilliGpu, memory: Option<Bytes> },
    Share { of: u32 },
}

impl Part {
    fn size(&self) -> MilliGpu {
        match self {
            Self::Slice { share, .. } => *share,
            Self::Share { of } => MilliGpu(1000_u64.div_ceil(u64::from(*of))),
        }
    }
}

fn find(view: &View<'_>) -> Vec<Finding> {
    view.holders().filter_map(|(holder, pods)| judge(view, holder, pods)).collect()
}

fn judge(view: &View<'_>, holder: Holder, pods: &[PodId]) -> Option<Finding> {
    let parts = need::of_all(view, holder, pods, |needs| smallest(view, needs))?;
    let confidence = parts.iter().map(|(_, _, confidence)| *confidence).min()?;
    let (greatest, need, _) = parts.iter().max_by_key(|(part, ..)| part.size())?;
    let node = view.node(need.node);
    let board = node.gpu_product.as_deref().unwrap_or("GPU");
    let name = match greatest {
        Part::Slice { profile, memory, .. } => match memory {
            Some(memory) => format!("a {profile} slice ({} of memory)", words::gib(memory.0 as f64)),
            None => format!("a {profile} slice"),
        },
        Part::Share { of } => format!("1/{of} of it"),
    };
    let judged = Judged {
        says: format!(
            "{} {} a whole {board}{}; the busiest needs {} of memory (15 % margin in it), {} of the SMs and {} of the bandwidth (p95): {name} would do",
            words::count(pods.len(), "pod"),
            words::verb(pods.len(), "holds", "hold"),
            words::verb(pods.len(), "", " each"),
            words::gib(need.memory.0 as f64),
            words::percent(need.compute),
            words::percent(need.bandwidth),
        ),
        waste: view.part_of(pods, |pod| {
            let at = pods.iter().position(|&each| each == pod);
            at.map_or(Ratio::ZERO, |at| Ratio::of(parts[at].0.size().gpus(), 1.0).rest())
        }),
        confidence,
        evidence: words::facts(
            view,
            pods,
            &[(Metric::MemoryUsed, Figure::Peak), (need.metric, Figure::P95), (Metric::DramActive, Figure::P95)],
        ),
        fix: mend(view, holder, pods, greatest, node),
    };
    Some(view.on_holder(&SIGN, holder, judged))
}

/// The smallest part that is enough by the surest of the pod's figures; by the first of them (SM activity, if it was seen) it must be.
fn smallest(view: &View<'_>, needs: &[Need]) -> Option<(Part, Need, Confidence)> {
    let fit = |need: &Need| {
        let (part, most) = part(view.node(need.node), need)?;
        Some((part, *need, need.confidence.min(most)))
    };
    let (first, others) = needs.split_first()?;
    let first = fit(first)?;
    // Of equals the first: its part is the smaller one.
    Some(others.iter().filter_map(fit).fold(first, |best, each| if each.2 > best.2 { each } else { best }))
}

/// The smallest part that is enough, and how sure that can be at most.
fn part(node: &Node, need: &Need) -> Option<(Part, Confidence)> {
    let (product, memory) = (node.gpu_product.as_deref()?, node.gpu_memory?);
    let model = catalogue::find(product, Some(memory))?;
    if model.mig.is_some() {
        // A slice has its memory slices' part of the bandwidth.
        let wanted = need.memory.max(Bytes((need.bandwidth * memory.0 as f64) as u64));
        let profile = mig::smallest_fitting(product, Some(memory), wanted, Ratio::of(need.compute, 1.0))?;
        return Some((Part::Slice { profile: profile.name, share: profile.share, memory: profile.memory }, Confidence::High));
    }
    let busiest = need.compute.max(need.bandwidth);
    let by_use = if busiest > 0.0 { (1.0 / busiest) as u32 } else { MOST_SHARES };
    let by_memory = (memory.0 / need.memory.0.max(1)).min(u64::from(MOST_SHARES)) as u32;
    let of = by_use.min(by_memory).min(MOST_SHARES);
    (of >= 2).then_some((Part::Share { of }, Confidence::Medium))
}

fn mend(view: &View<'_>, holder: Holder, pods: &[PodId], part: &Part, node: &Node) -> Fix {
    let shape = view.shape(pods[0]);
    let old = shape.asks.first().map_or("nvidia.com/gpu", |ask| &*ask.resource);
    match part {
        Part::Slice { profile, .. } => {
            let new = resource::mig_resource(profile);
            let there = view.fleet.nodes.iter().any(|node| node.offered(&new) > 0);
            let says = if there {
                format!("Ask for one {new} instead of the GPU; nodes of this cluster offer it.")
            } else {
                format!("Cut a node of {} into {profile} slices (nvidia.com/mig.config), then ask for one {new}.", pool(node))
            };
            Fix { says, action: fix::limits(view, holder, shape, old, &new, 1) }
        }
        Part::Share { of } => Fix {
            says: format!(
                "Give {of} such pods one GPU by MPS (replicas: {of} in the device plugin's sharing.mps of {}), then ask for a share.",
                pool(node)
            ),
            action: fix::limits(view, holder, shape, old, "nvidia.com/gpu.shared", 1),
        },
    }
}

fn pool(node: &Node) -> String {
    node.pool.as_ref().map_or_else(|| "its pool".to_owned(), |pool| format!("pool {pool}"))
}
