//! Where does the GPU money go?
//!
//! [`audit`] looks at a fleet through every waste sign ([`signs::ALL`]) and adds up what it saw: the [`funnel`], the
//! money (counting no GPU twice), views by owner, and the three next steps. It holds no report: it gives figures.
//!
//! Start with [`audit`], then [`view::View`] (what a sign sees) and any file of `signs/`.

pub mod baseline;
pub mod blind;
pub mod finding;
pub mod funnel;
pub mod money;
pub mod next_steps;
pub mod picture;
pub mod room;
pub mod settings;
pub mod signs;
pub mod view;
pub mod views;
pub mod work;

use crate::pack;
use finding::{Confidence, Finding};
use plimsoll_fleet::{Bytes, Fleet, MilliGpu, NodeId, PodId, Timestamp, Window, fleet::Origin, price::PriceBook};
use serde::{Deserialize, Serialize};
use settings::Settings;
use signs::Sign;
use std::{
    panic,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};
use view::View;

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Nodes, with and without GPUs.
    pub nodes: u32,
    /// Nodes with GPUs (or other accelerators).
    pub gpu_nodes: u32,
    /// Physical GPUs.
    pub gpus: u32,
    /// Pods that have not ended.
    pub pods: u32,
    /// Pods that ask for GPUs and have not ended.
    pub gpu_pods: u32,
    /// Workloads with such pods.
    pub workloads: u32,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// When the fleet was seen.
    pub at: Timestamp,
    /// Where.
    pub origin: Origin,
    /// The stretch that the metrics cover; none: there were none.
    pub window: Option<Window>,
    /// How much there is.
    pub counts: Counts,
    /// From paid for to usefully in use.
    pub funnel: funnel::Funnel,
    /// The sums.
    pub money: money::Sums,
    /// What can really be got back.
    pub packing: money::Packing,
    /// What was found: dearest first, then the surest, then by sign and subject. Accepted ones and those with too little evidence come last.
    pub findings: Vec<Finding>,
    /// What could not be seen.
    pub blind_spots: Vec<blind::BlindSpot>,
    /// What to do on Monday: three at most.
    pub next_steps: Vec<next_steps::Step>,
    /// The same figures by owner, namespace, workload, model and pool.
    pub views: views::Views,
    /// The figures behind the pictures.
    pub picture: picture::Picture,
}

impl Audit {
    /// The findings that are verdicts and that nobody has accepted.
    pub fn open(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.accepted.is_none() && finding.confidence > Confidence::TooLittle)
    }
}

/// GPUs that are free and that nobody can use where they are, as `stranded-gpu` and the signs of starved GPUs count them.
#[must_use]
pub fn stranded(fleet: &Fleet) -> MilliGpu {
    let settings = Settings::default();
    View::new(fleet, &PriceBook::list(), &settings).strands().iter().map(|strand| strand.gpus).sum()
}

/// What a pod that holds one whole GPU was shown to need of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GpuNeed {
    /// The pod.
    pub pod: PodId,
    /// Memory: the greatest seen and 15 % on top.
    pub memory: Bytes,
    /// The part of the SMs: the 95th percentile.
    pub compute: f64,
    /// The part of the memory bandwidth: the 95th percentile.
    pub bandwidth: f64,
}

/// What pods that hold one whole GPU each were shown to need, as the sign `whole-gpu-for-a-slice` sees it: not training, not idle, not
/// servers that fill the memory whatever they need.
#[must_use]
pub fn gpu_needs(fleet: &Fleet) -> Vec<GpuNeed> {
    let settings = Settings::default();
    let view = View::new(fleet, &PriceBook::list(), &settings);
    let needs = signs::need::of_fleet(&view);
    needs.into_iter().map(|(pod, need)| GpuNeed { pod, memory: need.memory, compute: need.compute, bandwidth: need.bandwidth }).collect()
}

/// Audits `fleet`.
///
/// The same fleet gives the same audit: nothing depends on the order of nodes or pods, on a clock or on chance.
#[must_use]
pub fn audit(fleet: &Fleet, prices: &PriceBook, settings: &Settings) -> Audit {
    let view = View::new(fleet, prices, settings);
    let Looked { mut findings, packing, funnel, picture } = look(&view);
    for finding in &mut findings {
        finding.accepted = settings.accepted.iter().find(|accepted| baseline::accepts(accepted, finding, fleet.at)).cloned();
    }
    findings.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.sign.cmp(&b.sign)).then_with(|| a.subject.cmp(&b.subject)));
    let sums = money::sums(&view, prices.currency(), &findings, &packing);
    let blind_spots = blind::spots(&view);
    Audit {
        at: fleet.at,
        origin: fleet.origin.clone(),
        window: fleet.evidence.window,
        counts: counts(&view),
        funnel,
        next_steps: next_steps::steps(&findings, &packing, &blind_spots),
        views: if view.pods_seen { views::views(&view, &findings) } else { views::Views::default() },
        picture,
        money: sums,
        packing,
        findings,
        blind_spots,
    }
}

/// What does not hang on other results.
struct Looked {
    findings: Vec<Finding>,
    packing: money::Packing,
    funnel: funnel::Funnel,
    picture: picture::Picture,
}

/// Looks by two threads: one at the signs, the other at all else and then at what signs are left.
///
/// Nothing depends on which thread does what: a sign's findings stay together and in order, and the caller sorts by sign.
fn look(view: &View<'_>) -> Looked {
    let settings = view.settings;
    let counts = |sign: &&&Sign| !settings.off.contains(sign.name) && (view.pods_seen || signs::NEED_NO_PODS.contains(&sign.name));
    let signs: Vec<&Sign> = signs::ALL.iter().filter(counts).copied().collect();
    let next = AtomicUsize::new(0);
    let find = || {
        let mut findings = Vec::new();
        while let Some(sign) = signs.get(next.fetch_add(1, Ordering::Relaxed)) {
            findings.extend((sign.find)(view));
        }
        findings
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let (packing, picture, funnel) = (pack(view), picture::picture(view), funnel::funnel(view));
            Looked { findings: find(), packing, funnel, picture }
        });
        let mut findings = find();
        let mut looked = other.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
        looked.findings.append(&mut findings);
        looked
    })
}

fn pack(view: &View<'_>) -> money::Packing {
    if !view.pods_seen {
        return money::unpacked(view);
    }
    let price = |node: NodeId| Some(view.prices[node.index()].as_ref().ok()?.per_hour);
    let options = pack::PackOptions { headroom: &view.settings.headroom, move_training: false, price: &price };
    money::packing(view, &pack::consolidate(view.fleet, &options))
}

/// Open findings before accepted ones, verdicts before hints, dear before cheap, sure before unsure.
fn rank(finding: &Finding) -> impl Ord {
    let cost = finding.cost_month.map_or(0, |cost| cost.0);
    let gpus = finding.gpus.map_or(0, |gpus| gpus.0);
    use std::cmp::Reverse;
    (finding.accepted.is_some(), finding.confidence == Confidence::TooLittle, Reverse(cost), Reverse(gpus), Reverse(finding.confidence))
}

fn counts(view: &View<'_>) -> Counts {
    let fleet = view.fleet;
    let live = || fleet.pods.iter().filter(|pod| pod.holds() || pod.waits());
    let gpu_pods = || live().filter(|pod| fleet.shape(pod).wants_gpus());
    let workloads: std::collections::BTreeSet<_> = gpu_pods().filter_map(|pod| pod.workload).collect();
    let bare = gpu_pods().filter(|pod| pod.workload.is_none()).count();
    Counts {
        nodes: fleet.nodes.len() as u32,
        gpu_nodes: fleet.nodes.iter().filter(|node| node.has_gpus()).count() as u32,
        gpus: fleet.nodes.iter().map(|node| node.gpus.len() as u32).sum(),
        pods: live().count() as u32,
        gpu_pods: gpu_pods().count() as u32,
        workloads: (workloads.len() + bare) as u32,
    }
}
