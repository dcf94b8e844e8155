//! How many replicas the demand on an online workload needs: what `no-autoscaling` and `replicas-beyond-demand` share.

use crate::audit::{finding::Fact, view::View};
use plimsoll_fleet::{Metric, PodId, Seconds, Sketch};

/// A replica is full at this share of its busiest resource (facts: algorithms section 5, pooling at 70 %).
const FULL: f64 = 0.7;

/// What replicas did under the demand of the window.
#[derive(Debug)]
pub(super) struct Demand {
    /// Replicas whose work was seen.
    pub seen: u32,
    /// Replicas that the 95th percentile of the load would fill.
    pub needed: u32,
    /// Load at its 95th percentile, in replicas.
    pub peak: f64,
    /// Load at its median, in replicas.
    pub usual: f64,
    /// Stretch of evidence.
    pub span: Seconds,
    /// The facts.
    pub evidence: Vec<Fact>,
}

/// The load of `pods`: of each the busiest of compute and KV cache. The sum of each replica's 95th percentile is taken as
/// the 95th percentile of the sum: with a balanced load they rise together, else it is too high and errs to the safe side.
pub(super) fn demand(view: &View<'_>, pods: &[PodId]) -> Option<Demand> {
    let mut demand = Demand { seen: 0, needed: 0, peak: 0.0, usual: 0.0, span: Seconds(u64::MAX), evidence: Vec::new() };
    for &pod in pods {
        let (metric, compute) = load(view, pod)?;
        let cache: Vec<&Sketch> = view.engines_of(pod).filter_map(|engine| engine.kv_used.as_ref()).collect();
        let most = |quantile: f64| cache.iter().map(|sketch| sketch.quantile(quantile)).fold(compute.quantile(quantile), f64::max).min(1.0);
        demand.seen += 1;
        demand.peak += most(0.95);
        demand.usual += most(0.5);
        demand.span = demand.span.min(view.span(&compute, view.usage_of(pod).count()));
        if demand.evidence.is_empty() {
            demand.evidence = facts(view, metric, &compute, &cache);
        }
    }
    demand.needed = (demand.peak / FULL).ceil().max(1.0) as u32;
    (demand.seen > 0).then_some(demand)
}

/// The busiest, by mean, of SM, tensor and DRAM activity. For what is not collected engine activity stands in, their upper
/// bound: less seen must never look like less load. None: not even that was seen.
fn load(view: &View<'_>, pod: PodId) -> Option<(Metric, Sketch)> {
    let mean = |metric| view.mean(pod, metric).filter(|_| view.sees_all(pod, metric)).map(|(mean, _)| (metric, mean));
    let bounded = |metric| mean(metric).or_else(|| mean(Metric::EngineActive));
    let known = [bounded(Metric::SmActive)?, bounded(Metric::DramActive)?];
    let (metric, _) = known.into_iter().chain(mean(Metric::TensorActive)).max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some((metric, view.seen(pod, metric)?))
}

fn facts(view: &View<'_>, metric: Metric, compute: &Sketch, cache: &[&Sketch]) -> Vec<Fact> {
    let percent =
        |sketch: &Sketch| format!("median {:.0} %, p95 {:.0} % of a replica", sketch.quantile(0.5) * 100.0, sketch.quantile(0.95) * 100.0);
    let mut facts = vec![view.measured(metric, compute, percent(compute))];
    if let Some(cache) = cache.first() {
        facts.push(Fact {
            query: view.fleet.evidence.engine_queries.values().next().map_or_else(|| "KV cache use".to_owned(), ToString::to_string),
            window: view.fleet.evidence.window,
            samples: Some(cache.count().into()),
            value: format!("KV cache: {}", percent(cache)),
        });
    }
    facts
}
