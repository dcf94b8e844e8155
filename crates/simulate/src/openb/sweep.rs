//! Many runs side by side, and their figures as text.

use super::{
    bound::bound,
    read::{Cluster, Order, Workload},
    replay::{Outcome, replay},
};
use crate::parallel::parallel;
use plimsoll_decide::pack::policy::Named;
use std::{
    fmt::Write as _,
    sync::atomic::{AtomicUsize, Ordering},
};

/// A list of pods with the orders to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experiment {
    /// The list's name.
    pub name: String,
    /// The list.
    pub workload: Workload,
    /// The orders.
    pub orders: Vec<Order>,
}

/// What the pattern bound can be computed for: above 100 % of the GPUs a bound may choose its pods, a policy may not.
const BOUND_LAST: u32 = 100;

/// Replays every order of every experiment with every policy, as many at once as the machine has cores, and tells the figures at `at`
/// percent of arrivals: by experiment, order, policy and arrivals, as they are given. `done` is told after each run: how many of how many.
#[must_use]
pub fn sweep(
    cluster: &Cluster,
    experiments: &[Experiment],
    policies: &[Named],
    at: &[u32],
    done: &(dyn Fn(usize, usize) + Sync),
) -> Vec<Outcome> {
    let orders: Vec<(&Experiment, &Order)> =
        experiments.iter().flat_map(|experiment| experiment.orders.iter().map(move |order| (experiment, order))).collect();
    // First the bounds, one a pair of order and arrivals, then the runs.
    let runs = orders.len() * policies.len();
    let bounds = parallel(orders.len() * at.len(), &|job| {
        let (experiment, order) = orders[job / at.len()];
        let at = at[job % at.len()];
        if at <= BOUND_LAST { bound(cluster, &experiment.workload, order, at) } else { None }
    });
    let finished = AtomicUsize::new(0);
    let cells = parallel(runs, &|job| {
        let (experiment, order) = orders[job / policies.len()];
        let cells = replay(cluster, &experiment.workload, order, policies[job % policies.len()]);
        done(finished.fetch_add(1, Ordering::Relaxed) + 1, runs);
        cells
    });
    let mut outcomes = Vec::with_capacity(runs * at.len());
    for (run, cells) in cells.iter().enumerate() {
        let (experiment, order) = orders[run / policies.len()];
        for (column, &arrived) in at.iter().enumerate() {
            outcomes.push(Outcome {
                workload: experiment.name.clone(),
                seed: order.seed,
                policy: policies[run % policies.len()].name().to_owned(),
                arrived,
                allocated: cells.at(arrived),
                bound: bounds[run / policies.len() * at.len() + column],
            });
        }
    }
    outcomes
}

fn figure(value: Option<f64>, none: &str) -> String {
    value.map_or_else(|| none.to_owned(), |value| format!("{value:.2}"))
}

/// As CSV, a line an outcome, with a line of column names; empty where there is no figure.
#[must_use]
pub fn to_csv(outcomes: &[Outcome]) -> String {
    let mut text = "workload,seed,policy,arrived,allocated,bound\n".to_owned();
    for outcome in outcomes {
        let (allocated, bound) = (figure(outcome.allocated, ""), figure(outcome.bound, ""));
        let Outcome { workload, seed, policy, arrived, .. } = outcome;
        // Names of lists come from file names: quoted where they hold what would end a field.
        let workload =
            if workload.contains([',', '"', '\n', '\r']) { format!("\"{}\"", workload.replace('"', "\"\"")) } else { workload.clone() };
        let _ = writeln!(text, "{workload},{seed},{policy},{arrived},{allocated},{bound}");
    }
    text
}

/// As a table for people: a line a workload, policy and arrivals, the mean over the seeds, the least and the most, and the bound.
#[must_use]
pub fn to_table(outcomes: &[Outcome]) -> String {
    let mut keys: Vec<(&str, &str, u32)> = Vec::new();
    for outcome in outcomes {
        let key = (outcome.workload.as_str(), outcome.policy.as_str(), outcome.arrived);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let wide = keys.iter().map(|(workload, _, _)| workload.chars().count()).max().unwrap_or(0).max(8);
    let mut text = format!(
        "{:<wide$}  {:<15}  {:>7}  {:>9}  {:>6}  {:>6}  {:>6}  seeds\n",
        "workload", "policy", "arrived", "allocated", "least", "most", "bound"
    );
    for (workload, policy, arrived) in keys {
        let of = || {
            outcomes
                .iter()
                .filter(|outcome| (outcome.workload.as_str(), outcome.policy.as_str(), outcome.arrived) == (workload, policy, arrived))
        };
        let values: Vec<f64> = of().filter_map(|outcome| outcome.allocated).collect();
        let bounds: Vec<f64> = of().filter_map(|outcome| outcome.bound).collect();
        let mean = |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        let (least, most) = (values.iter().copied().reduce(f64::min), values.iter().copied().reduce(f64::max));
        let _ = writeln!(
            text,
            "{workload:<wide$}  {policy:<15}  {arrived:>5} %  {:>7} %  {:>6}  {:>6}  {:>6}  {}",
            figure(mean(&values), "-"),
            figure(least, "-"),
            figure(most, "-"),
            figure(mean(&bounds), "-"),
            of().count()
        );
    }
    text
}
