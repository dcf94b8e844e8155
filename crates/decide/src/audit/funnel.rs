//! The funnel: GPUs paid for → allocated → in use → usefully in use; and what could not be seen as its own part.

use super::view::View;
use plimsoll_fleet::{Metric, MilliGpu, Money, NodeId, Ratio, evidence::Attribution, holding};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// GPUs, and what they cost a month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// GPUs, time-weighted where it says so.
    pub gpus: f64,
    /// Their cost a month, of those whose price is known; none: no price is known.
    pub cost_month: Option<Money>,
}

/// The funnel. Each part is within the one before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Funnel {
    /// All physical GPUs.
    pub paid: Part,
    /// Held by pods now.
    pub allocated: Part,
    /// At work: what is allocated × the share of time that something ran there (engine activity, else `GPU_UTIL`), of what was seen.
    pub in_use: Part,
    /// Usefully at work: × the busiest of SM, tensor and DRAM activity, of what was seen.
    pub useful: Part,
    /// Allocated, but whether in use could not be seen.
    pub unseen: Part,
    /// In use, but whether usefully could not be seen (no SM, tensor or DRAM activity collected).
    pub useful_unseen: Part,
}

/// Adds up the funnel.
#[must_use]
pub fn funnel(view: &View<'_>) -> Funnel {
    let mut sums = [Adder::default(); 6];
    for (id, node) in view.fleet.nodes() {
        if !node.has_gpus() {
            continue;
        }
        let all = MilliGpu::whole(node.gpus.len() as u32);
        let held: MilliGpu = view.pods_on(id).iter().map(|pod| view.held[pod.index()]).sum();
        let held = held.min(all);
        let work = work_of(view, id, held);
        let parts = [all.gpus(), held.gpus(), work.in_use, work.useful, work.unseen, work.useful_unseen];
        for (sum, gpus) in sums.iter_mut().zip(parts) {
            sum.add(view, id, gpus);
        }
    }
    let [paid, allocated, in_use, useful, unseen, useful_unseen] = sums.map(|sum| sum.part());
    Funnel { paid, allocated, in_use, useful, unseen, useful_unseen }
}

/// What the allocated GPUs of a node did, in GPUs.
#[derive(Debug, Clone, Copy, Default)]
struct Work {
    in_use: f64,
    useful: f64,
    unseen: f64,
    useful_unseen: f64,
}

/// By what was seen pod by pod where it is the pod's own, and by device for devices that pods share.
fn work_of(view: &View<'_>, node: NodeId, held: MilliGpu) -> Work {
    let mut work = Work::default();
    let mut shared = MilliGpu::ZERO;
    for &pod in view.pods_on(node) {
        let holds = view.held[pod.index()];
        if holds.is_zero() {
            continue;
        }
        if view.usage_of(pod).any(|usage| usage.attribution == Attribution::DeviceCopy) {
            shared += holds;
            continue;
        }
        let running = view.running(pod).map(|(_, sketch)| sketch.mean().min(1.0));
        let useful = view.useful(pod).map(|(_, sketch)| sketch.mean().min(1.0));
        add(&mut work, holds.gpus(), running, useful);
    }
    if !shared.is_zero() {
        let devices: Vec<_> = view.devices_of(node).filter(|usage| usage.slice.is_none()).collect();
        let mean = |metric: Metric| {
            let means: Vec<f64> = devices.iter().filter_map(|usage| Some(usage.metrics.get(metric)?.mean().min(1.0))).collect();
            (!means.is_empty()).then(|| means.iter().sum::<f64>() / means.len() as f64)
        };
        let running = mean(Metric::EngineActive).or_else(|| mean(Metric::GpuUtil));
        let useful = [Metric::SmActive, Metric::TensorActive, Metric::DramActive].into_iter().filter_map(mean).max_by(f64::total_cmp);
        add(&mut work, shared.gpus(), running, useful);
    }
    // Shares can be asked for beyond the GPUs that exist; the funnel never counts more than there are.
    let total = work.in_use.max(0.0) + work.unseen;
    if total > held.gpus() && total > 0.0 {
        let scale = held.gpus() / total;
        work = Work {
            in_use: work.in_use * scale,
            useful: work.useful * scale,
            unseen: work.unseen * scale,
            useful_unseen: work.useful_unseen * scale,
        };
    }
    work
}

fn add(work: &mut Work, gpus: f64, running: Option<f64>, useful: Option<f64>) {
    match (running, useful) {
        (None, None) => work.unseen += gpus,
        (running, useful) => {
            let in_use = gpus * running.unwrap_or(0.0).max(useful.unwrap_or(0.0));
            work.in_use += in_use;
            match useful {
                Some(useful) => work.useful += gpus * useful,
                None => work.useful_unseen += in_use,
            }
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Adder {
    gpus: f64,
    money: Money,
    priced: bool,
}

impl Adder {
    fn add(&mut self, view: &View<'_>, node: NodeId, gpus: f64) {
        self.gpus += gpus;
        if let Ok(price) = &view.prices[node.index()] {
            let all = view.node(node).gpus.len() as f64;
            self.money += price.per_hour.part(Ratio::of(gpus, all)).over_month();
            self.priced = true;
        }
    }

    fn part(self) -> Part {
        Part { gpus: self.gpus, cost_month: self.priced.then_some(self.money) }
    }
}

/// GPUs offered, held and free by resource on a node: `(offered, held)` in units of the resource.
#[must_use]
pub fn by_resource(view: &View<'_>, node: NodeId) -> BTreeMap<plimsoll_fleet::Name, (u32, u32)> {
    let mut by = BTreeMap::new();
    for offer in &view.node(node).offers {
        by.entry(offer.resource.clone()).or_insert((0, 0)).0 += offer.count;
    }
    for &pod in view.pods_on(node) {
        for ask in &view.shape(pod).asks {
            by.entry(ask.resource.clone()).or_insert((0, 0)).1 += ask.count;
        }
    }
    by
}

/// The part of a node's GPUs that nobody holds.
#[must_use]
pub fn free_of(view: &View<'_>, node: NodeId) -> MilliGpu {
    let held: MilliGpu = view.pods_on(node).iter().map(|pod| view.held[pod.index()]).sum();
    MilliGpu::whole(view.node(node).gpus.len() as u32).less(held)
}

/// How much of a GPU of `node` one unit of `resource` is.
#[must_use]
pub fn unit_of(view: &View<'_>, node: NodeId, resource: &plimsoll_fleet::Name) -> MilliGpu {
    holding::unit_size(&plimsoll_fleet::pod::Ask { resource: resource.clone(), count: 1, dra: false }, view.node(node))
}
