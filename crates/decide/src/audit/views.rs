//! The same figures by team, namespace, workload, GPU model and pool.

use super::{
    finding::Finding,
    money::{self, Wasted},
    view::{Holder, View},
    work,
};
use plimsoll_fleet::{MilliGpu, Money, MoneyPerHour, Name, NodeId, PodId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whose line it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Key {
    /// That of a team, namespace, workload, model or pool.
    Named(Name),
    /// Held by somebody whom nothing names: no team label, no model label, no pool label.
    Unnamed,
    /// GPUs that nobody holds.
    Free,
}

/// A line of a view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Whose.
    pub key: Key,
    /// Its GPUs: held ones, or (by model, by pool) all.
    pub gpus: MilliGpu,
    /// Those of them that pods hold.
    pub held: MilliGpu,
    /// What its GPUs cost a month, of those with a price; none: no price is known.
    pub cost_month: Option<Money>,
    /// GPUs at work on average, of those seen; none: not seen.
    pub busy: Option<f64>,
    /// Held GPUs whose work was seen.
    pub seen: MilliGpu,
    /// GPUs that the signs call wasted, none counted twice.
    pub wasted: MilliGpu,
    /// What these cost a month; none: no price is known.
    pub wasted_month: Option<Money>,
    /// Open findings.
    pub findings: u32,
}

/// Views. In each, the costs of all lines add up to the bill.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Views {
    /// By team.
    pub team: Vec<Row>,
    /// By namespace.
    pub namespace: Vec<Row>,
    /// By workload (`ml/chat`).
    pub workload: Vec<Row>,
    /// By GPU model.
    pub gpu_model: Vec<Row>,
    /// By pool.
    pub pool: Vec<Row>,
}

/// Adds up the views, dearest line first.
#[must_use]
pub fn views(view: &View<'_>, findings: &[Finding]) -> Views {
    let wasted = money::wasted(view, findings);
    let parts: Vec<Part> = view.fleet.nodes().filter(|(_, node)| node.has_gpus()).flat_map(|(id, _)| parts_of(view, id, &wasted)).collect();
    let by_holder = |key: &dyn Fn(Holder) -> Key, of_finding: &dyn Fn(&Finding) -> Option<Key>| {
        rows(&parts, findings, &|part| part.pod.map_or(Key::Free, |pod| key(view.holder(pod))), of_finding)
    };
    let named = |name: Option<Name>| name.map_or(Key::Unnamed, Key::Named);
    let node_of = |finding: &Finding| finding.waste.first().map(|waste| waste.node);
    let model = |node: NodeId| named(view.node(node).gpu_product.clone());
    let pool = |node: NodeId| named(view.node(node).pool.clone());
    let workload = |finding: &Finding| Some(format!("{}/{}", finding.subject.namespace.as_ref()?, finding.subject.name));
    Views {
        team: by_holder(&|holder| named(view.team(holder)), &|finding| {
            finding.subject.namespace.as_ref().map(|_| named(finding.team.clone()))
        }),
        namespace: by_holder(&|holder| named(view.subject(holder).namespace), &|finding| finding.subject.namespace.clone().map(Key::Named)),
        workload: by_holder(
            &|holder| {
                let subject = view.subject(holder);
                Key::Named(format!("{}/{}", subject.namespace.as_deref().unwrap_or(""), subject.name).into())
            },
            &|finding| workload(finding).map(|name| Key::Named(name.into())),
        ),
        gpu_model: rows(&parts, findings, &|part| model(part.node), &|finding| node_of(finding).map(model)),
        pool: rows(&parts, findings, &|part| pool(part.node), &|finding| node_of(finding).map(pool)),
    }
}

/// What one pod holds of a node, or what nobody holds of it.
struct Part {
    node: NodeId,
    pod: Option<PodId>,
    gpus: MilliGpu,
    cost: Option<Money>,
    busy: Option<f64>,
    wasted: MilliGpu,
    wasted_cost: Option<Money>,
}

fn parts_of(view: &View<'_>, node: NodeId, wasted: &Wasted) -> Vec<Part> {
    let all = MilliGpu::whole(view.node(node).gpus.len() as u32);
    let shared = work::of_shared_devices(view, node);
    let mut holds: Vec<(Option<PodId>, MilliGpu)> =
        view.pods_on(node).iter().map(|&pod| (Some(pod), view.held[pod.index()])).filter(|(_, gpus)| !gpus.is_zero()).collect();
    let held: MilliGpu = holds.iter().map(|(_, gpus)| *gpus).sum();
    if held < all {
        holds.push((None, all.less(held)));
    }
    let weights: Vec<u64> = holds.iter().map(|(_, gpus)| gpus.0).collect();
    let month = view.prices[node.index()].as_ref().ok().map(|price| price.per_hour.over_month());
    let costs = month.map(|month| money::split(month, &weights));
    holds
        .into_iter()
        .enumerate()
        .map(|(at, (pod, gpus))| {
            let in_use = pod.and_then(|pod| work::of_pod(view, pod, shared).in_use());
            let wasted = wasted.get(&(node, pod)).copied().unwrap_or_default();
            Part {
                node,
                pod,
                gpus,
                cost: costs.as_ref().map(|costs| costs[at]),
                busy: in_use.map(|share| share * gpus.gpus()),
                wasted,
                wasted_cost: view.price_of(node, wasted).map(MoneyPerHour::over_month),
            }
        })
        .collect()
}

fn rows(parts: &[Part], findings: &[Finding], key: &dyn Fn(&Part) -> Key, of_finding: &dyn Fn(&Finding) -> Option<Key>) -> Vec<Row> {
    let mut rows = BTreeMap::<Key, Row>::new();
    fn row(rows: &mut BTreeMap<Key, Row>, key: Key) -> &mut Row {
        rows.entry(key.clone()).or_insert_with(|| Row {
            key,
            gpus: MilliGpu::ZERO,
            held: MilliGpu::ZERO,
            cost_month: None,
            busy: None,
            seen: MilliGpu::ZERO,
            wasted: MilliGpu::ZERO,
            wasted_month: None,
            findings: 0,
        })
    }
    for part in parts {
        let row = row(&mut rows, key(part));
        row.gpus += part.gpus;
        row.wasted += part.wasted;
        add(&mut row.cost_month, part.cost);
        add(&mut row.wasted_month, part.wasted_cost);
        if part.pod.is_some() {
            row.held += part.gpus;
        }
        if let Some(busy) = part.busy {
            row.busy = Some(row.busy.unwrap_or(0.0) + busy);
            row.seen += part.gpus;
        }
    }
    for key in findings.iter().filter(|finding| finding.accepted.is_none()).filter_map(of_finding) {
        row(&mut rows, key).findings += 1;
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.sort_by(|a, b| (b.cost_month, b.gpus).cmp(&(a.cost_month, a.gpus)).then_with(|| a.key.cmp(&b.key)));
    rows
}

fn add(sum: &mut Option<Money>, part: Option<Money>) {
    if let Some(part) = part {
        *sum = Some(sum.unwrap_or_default() + part);
    }
}
