//! The figures behind the pictures.

use super::{
    view::{Holder, View},
    work::{self, Work},
};
use plimsoll_fleet::{Class, DeviceUsage, Metric, MilliGpu, Name, NodeId, evidence::Hour, holding};
use serde::{Deserialize, Serialize};
use std::{cmp::Ordering, collections::BTreeMap};

/// What a GPU does, for a cell of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cell {
    /// Nobody holds it.
    Free,
    /// Held; the mean share of time at work.
    Held {
        /// Usefully at work if that is known, else at work; 0 to 1.
        busy: f64,
    },
    /// Held; what it does is not seen.
    Dark,
}

/// A node of the grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GridNode {
    /// Its name.
    pub name: Name,
    /// Its pool.
    pub pool: Option<Name>,
    /// Its GPU model.
    pub model: Option<Name>,
    /// One cell a GPU.
    pub cells: Vec<Cell>,
}

/// A point of the compute-against-memory scatter: a workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// `ml/chat`.
    pub name: String,
    /// Its class.
    pub class: Option<Class>,
    /// GPUs that it holds.
    pub gpus: f64,
    /// Mean compute: usefully at work if that is known, else at work; 0 to 1.
    pub compute: f64,
    /// Whether it is useful work (SM, tensor or DRAM activity) or only that something ran.
    pub useful: bool,
    /// 95th percentile of framebuffer held over the device's memory, the mean over its devices; 0 to 1.
    pub memory: f64,
}

/// Demand that waits, beside capacity that lies free, of one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unmet {
    /// The resource.
    pub resource: Name,
    /// Units that pending pods ask for.
    pub waiting: u32,
    /// Pods that wait.
    pub pods: u32,
    /// Units free on nodes that take pods.
    pub free: u32,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// The fleet, in order of pool, model and name.
    pub grid: Vec<GridNode>,
    /// Use over time.
    pub hours: Vec<Hour>,
    /// Mean GPUs at work by hour of the week (UTC, Monday 00:00 first); none: that hour was not seen.
    pub week: Vec<Option<f64>>,
    /// Compute against memory.
    pub scatter: Vec<Point>,
    /// Demand beside capacity, most waiting first.
    pub unmet: Vec<Unmet>,
}

/// Collects them.
#[must_use]
pub fn picture(view: &View<'_>) -> Picture {
    let mut grid: Vec<GridNode> = view.fleet.nodes().filter(|(_, node)| node.has_gpus()).map(|(id, _)| grid_node(view, id)).collect();
    grid.sort_by(|a, b| (&a.pool, &a.model).cmp(&(&b.pool, &b.model)).then_with(|| by_number(&a.name, &b.name)));
    Picture {
        grid,
        hours: view.fleet.evidence.hours.clone(),
        week: week(&view.fleet.evidence.hours),
        scatter: scatter(view),
        unmet: unmet(view),
    }
}

/// As people count: `node-2` before `node-10`. Names that differ only in leading zeros are told apart as text.
fn by_number(a: &str, b: &str) -> Ordering {
    let parts = |name: &str| -> Vec<(bool, usize, String)> {
        let mut parts = Vec::<(bool, usize, String)>::new();
        for c in name.chars() {
            let digit = c.is_ascii_digit();
            match parts.last_mut() {
                Some((number, _, text)) if *number == digit => text.push(c),
                _ => parts.push((digit, 0, c.to_string())),
            }
        }
        for (number, length, text) in &mut parts {
            if *number {
                *text = text.trim_start_matches('0').to_owned();
                *length = text.len();
            }
        }
        parts
    };
    parts(a).cmp(&parts(b)).then_with(|| a.cmp(b))
}

fn grid_node(view: &View<'_>, id: NodeId) -> GridNode {
    let node = view.node(id);
    let mut busy: Vec<Option<f64>> = vec![None; node.gpus.len()];
    for usage in view.devices_of(id) {
        if let Some(share) = busy_of(usage) {
            let weight = usage.slice.as_ref().map_or(1.0, |slice| holding::slice_size(&slice.profile, node).gpus());
            let cell = &mut busy[usize::from(usage.gpu)];
            *cell = Some(cell.unwrap_or(0.0) + share * weight);
        }
    }
    if !view.pods_seen {
        return GridNode {
            name: node.name.clone(),
            pool: node.pool.clone(),
            model: node.gpu_product.clone(),
            cells: vec![Cell::Dark; busy.len()],
        };
    }
    let mut held = vec![false; node.gpus.len()];
    let mut total = MilliGpu::ZERO;
    for &pod in view.pods_on(id) {
        total += view.held[pod.index()];
        let granted = view.pod(pod).granted.iter().filter_map(|granted| granted.gpu);
        for gpu in view.usage_of(pod).filter_map(|usage| usage.gpu).chain(granted) {
            if let Some(cell) = held.get_mut(usize::from(gpu)) {
                *cell = true;
            }
        }
    }
    // The device plugin does not tell which GPU a pod got. What the metrics did not name is given to the busiest of the rest.
    let want = (total.gpus().ceil() as usize).min(held.len());
    let mut rest: Vec<usize> = (0..held.len()).filter(|&gpu| !held[gpu]).collect();
    rest.sort_by(|&a, &b| busy[b].unwrap_or(0.0).total_cmp(&busy[a].unwrap_or(0.0)).then(a.cmp(&b)));
    let missing = want.saturating_sub(held.iter().filter(|&&held| held).count());
    for gpu in rest.into_iter().take(missing) {
        held[gpu] = true;
    }
    let cells = held.into_iter().zip(busy).map(|(held, busy)| match (held, busy) {
        (false, _) => Cell::Free,
        (true, Some(busy)) => Cell::Held { busy: busy.clamp(0.0, 1.0) },
        (true, None) => Cell::Dark,
    });
    GridNode { name: node.name.clone(), pool: node.pool.clone(), model: node.gpu_product.clone(), cells: cells.collect() }
}

fn busy_of(usage: &DeviceUsage) -> Option<f64> {
    usage.metrics.useful().or_else(|| usage.metrics.running()).map(|(_, sketch)| sketch.mean())
}

fn week(hours: &[Hour]) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0_u32); 168];
    for hour in hours {
        let (sum, count) = &mut sums[hour.start.hour_of_week()];
        *sum += hour.busy;
        *count += 1;
    }
    sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum / f64::from(count))).collect()
}

fn scatter(view: &View<'_>) -> Vec<Point> {
    let mut points: Vec<Point> = view
        .holders()
        .filter_map(|(holder, pods)| {
            let (mut weight, mut compute, mut useful) = (0.0, 0.0, true);
            let (mut memory, mut devices) = (0.0, 0_u32);
            for &pod in pods {
                let Work { running, useful: works } = work::of_pod(view, pod, Work::default());
                if let Some(share) = works.or(running) {
                    let gpus = view.held[pod.index()].gpus();
                    weight += gpus;
                    compute += share * gpus;
                    useful &= works.is_some();
                }
                let total = view.fleet.node(view.pod(pod)).and_then(|node| Some(node.gpu_memory?.0 as f64));
                for usage in view.usage_of(pod) {
                    if let (Some(used), Some(total)) = (usage.metrics.get(Metric::MemoryUsed), total) {
                        memory += (used.quantile(0.95) / total).min(1.0);
                        devices += 1;
                    }
                }
            }
            let subject = view.subject(holder);
            let class = matches!(holder, Holder::Workload(_)).then(|| view.class(holder).class);
            (weight > 0.0 && devices > 0).then(|| Point {
                name: format!("{}/{}", subject.namespace.as_deref().unwrap_or(""), subject.name),
                class,
                gpus: weight,
                compute: compute / weight,
                useful,
                memory: memory / f64::from(devices),
            })
        })
        .collect();
    points.sort_by(|a, b| b.gpus.total_cmp(&a.gpus).then_with(|| a.name.cmp(&b.name)));
    points
}

fn unmet(view: &View<'_>) -> Vec<Unmet> {
    let mut by = BTreeMap::<Name, Unmet>::new();
    let entry = |by: &mut BTreeMap<Name, Unmet>, resource: &Name, change: &dyn Fn(&mut Unmet)| {
        change(by.entry(resource.clone()).or_insert_with(|| Unmet { resource: resource.clone(), waiting: 0, pods: 0, free: 0 }));
    };
    for (id, node) in view.fleet.nodes().filter(|(_, node)| node.takes_pods()) {
        for offer in &node.offers {
            let asks = view.pods_on(id).iter().flat_map(|&pod| &view.shape(pod).asks);
            let held = asks.filter(|ask| ask.resource == offer.resource).map(|ask| ask.count).fold(0, u32::saturating_add);
            entry(&mut by, &offer.resource, &|unmet| unmet.free = unmet.free.saturating_add(offer.count.saturating_sub(held)));
        }
    }
    for pod in view.fleet.pods.iter().filter(|pod| pod.waits()) {
        for ask in &view.fleet.shape(pod).asks {
            entry(&mut by, &ask.resource, &|unmet| {
                unmet.waiting += ask.count;
                unmet.pods += 1;
            });
        }
    }
    let mut all: Vec<Unmet> = by.into_values().filter(|unmet| unmet.waiting > 0 || unmet.free > 0).collect();
    all.sort_by(|a, b| b.waiting.cmp(&a.waiting).then(b.free.cmp(&a.free)).then_with(|| a.resource.cmp(&b.resource)));
    all
}

#[cfg(test)]
mod tests {
    use super::by_number;

    #[test]
    fn nodes_stand_in_the_order_that_people_count_them() {
        let mut names = ["a10", "a2", "b1", "a02", "a1x", "a1"];
        names.sort_by(|a, b| by_number(a, b));
        assert_eq!(names, ["a1", "a1x", "a02", "a2", "a10", "b1"]);
    }
}
