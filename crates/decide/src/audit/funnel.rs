//! The funnel: GPUs paid for → allocated → in use → usefully in use; and what could not be seen as its own part.

use super::{view::View, work};
use plimsoll_fleet::{MilliGpu, Money, NodeId, Ratio};
use serde::{Deserialize, Serialize};

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
    /// Held by pods now; none: pods could not be listed.
    pub allocated: Option<Part>,
    /// At work: what is allocated × the share of time that something ran there (engine activity, else `GPU_UTIL`), of what was seen.
    pub in_use: Part,
    /// Usefully at work: × the busiest of SM, tensor and DRAM activity, of what was seen.
    pub useful: Part,
    /// Allocated (or, where pods could not be listed, perhaps allocated), but whether in use could not be seen.
    pub unseen: Part,
    /// In use, but whether usefully could not be seen (no SM, tensor or DRAM activity collected).
    pub useful_unseen: Part,
}

/// Adds up the funnel.
#[must_use]
pub fn funnel(view: &View<'_>) -> Funnel {
    let mut sums = [Adder::default(); 6];
    for (id, node) in view.fleet.nodes().filter(|(_, node)| node.has_gpus()) {
        for (sum, gpus) in sums.iter_mut().zip(parts(view, id, MilliGpu::whole(node.gpus.len() as u32))) {
            sum.add(view, id, gpus);
        }
    }
    let [paid, allocated, in_use, useful, unseen, useful_unseen] = sums.map(Adder::part);
    if !view.pods_seen {
        return Funnel { paid, unseen: paid, ..Funnel::default() };
    }
    Funnel { paid, allocated: Some(allocated), in_use, useful, unseen, useful_unseen }
}

/// The parts of one node, in the order of [`Funnel`]'s fields.
fn parts(view: &View<'_>, node: NodeId, all: MilliGpu) -> [f64; 6] {
    let shared = work::of_shared_devices(view, node);
    let held: MilliGpu = view.pods_on(node).iter().map(|pod| view.held[pod.index()]).sum();
    // Shares can be asked for beyond the GPUs that exist; the funnel never counts more than there are.
    let scale = if held > all { all.gpus() / held.gpus() } else { 1.0 };
    let (mut in_use, mut useful, mut unseen, mut useful_unseen) = (0.0, 0.0, 0.0, 0.0);
    for &pod in view.pods_on(node) {
        let gpus = view.held[pod.index()].gpus() * scale;
        let work = work::of_pod(view, pod, shared);
        match work.in_use() {
            None => unseen += gpus,
            Some(share) => {
                in_use += gpus * share;
                match work.useful {
                    Some(share) => useful += gpus * share,
                    None => useful_unseen += gpus * share,
                }
            }
        }
    }
    [all.gpus(), held.min(all).gpus(), in_use, useful, unseen, useful_unseen]
}

#[derive(Debug, Clone, Copy, Default)]
struct Adder {
    gpus: f64,
    money: Money,
    /// Some of the GPUs have a price.
    priced: bool,
    /// Some node has a price: no GPUs then cost nothing.
    prices: bool,
}

impl Adder {
    fn add(&mut self, view: &View<'_>, node: NodeId, gpus: f64) {
        self.gpus += gpus;
        if let Ok(price) = &view.prices[node.index()] {
            let month = price.per_hour.over_month().units();
            self.money += Money::from_units(month * Ratio::of(gpus, view.node(node).gpus.len() as f64).get());
            self.priced |= gpus > 0.0;
            self.prices = true;
        }
    }

    fn part(self) -> Part {
        Part { gpus: self.gpus, cost_month: (self.priced || (self.prices && self.gpus <= 0.0)).then_some(self.money) }
    }
}
