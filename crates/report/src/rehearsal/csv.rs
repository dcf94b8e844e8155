//! For a spreadsheet: a line a run, or a line a moment. What is unknown is an empty cell.

use crate::csv::{text, written};
use plimsoll_simulate::rehearsal::{Moment, Rehearsal, Run, Spread};

const RUNS: [&str; 36] = [
    "policy",
    "order",
    "seed",
    "jobs",
    "ended",
    "running",
    "waiting",
    "refused",
    "evictions",
    "gpu_hours",
    "allocated_gpu_hours",
    "used_gpu_hours",
    "starting_gpu_hours",
    "lost_gpu_hours",
    "allocation",
    "allocation_peak",
    "allocation_bound",
    "fragmentation",
    "wait_count",
    "wait_mean_s",
    "wait_p50_s",
    "wait_p95_s",
    "wait_p99_s",
    "wait_p999_s",
    "wait_most_s",
    "completion_count",
    "completion_mean_s",
    "completion_p50_s",
    "completion_p95_s",
    "completion_p99_s",
    "completion_most_s",
    "makespan_s",
    "makespan_bound_s",
    "nodes_peak",
    "cost_usd",
    "events",
];

const MOMENTS: [&str; 10] = ["policy", "order", "seed", "at_s", "gpus", "allocated", "used", "waiting", "fragmented", "nodes"];

fn maybe<T: ToString>(figure: Option<T>) -> String {
    figure.map_or_else(String::new, |figure| figure.to_string())
}

/// All runs, a line each, in base units: seconds, GPU-hours, shares from 0 to 1, dollars.
#[must_use]
pub fn csv(rehearsal: &Rehearsal) -> String {
    written(RUNS, rehearsal.runs.iter().map(run))
}

fn run(run: &Run) -> [String; 36] {
    let of = &run.figures;
    // Waits and completions that no job had are no zeros.
    let spread = |spread: &Spread, figure: fn(&Spread) -> f64| maybe((spread.count > 0).then(|| figure(spread)));
    [
        text(&run.policy),
        text(&run.order),
        run.seed.to_string(),
        of.jobs.to_string(),
        of.ended.to_string(),
        of.running.to_string(),
        of.waiting.to_string(),
        of.refused.to_string(),
        of.evictions.to_string(),
        of.gpu_hours.to_string(),
        of.allocated_gpu_hours.to_string(),
        maybe(of.used_gpu_hours),
        of.starting_gpu_hours.to_string(),
        of.lost_gpu_hours.to_string(),
        maybe(of.allocation),
        maybe(of.allocation_peak),
        maybe(of.allocation_bound),
        maybe(of.fragmentation),
        of.wait.count.to_string(),
        spread(&of.wait, |wait| wait.mean),
        spread(&of.wait, |wait| wait.p50),
        spread(&of.wait, |wait| wait.p95),
        spread(&of.wait, |wait| wait.p99),
        spread(&of.wait, |wait| wait.p999),
        spread(&of.wait, |wait| wait.most),
        of.completion.count.to_string(),
        spread(&of.completion, |completion| completion.mean),
        spread(&of.completion, |completion| completion.p50),
        spread(&of.completion, |completion| completion.p95),
        spread(&of.completion, |completion| completion.p99),
        spread(&of.completion, |completion| completion.most),
        of.makespan.to_string(),
        maybe(of.makespan_bound),
        of.nodes_peak.to_string(),
        maybe(of.cost.map(|cost| format!("{cost:.2}"))),
        of.events.to_string(),
    ]
}

/// The fleet over time, a line a run and moment, in GPUs; `at_s` is in seconds from the first moment.
#[must_use]
pub fn course_csv(rehearsal: &Rehearsal) -> String {
    let moments = rehearsal.runs.iter().flat_map(|run| run.course.iter().map(move |moment| at(run, moment)));
    written(MOMENTS, moments)
}

fn at(run: &Run, moment: &Moment) -> [String; 10] {
    [
        text(&run.policy),
        text(&run.order),
        run.seed.to_string(),
        moment.at.to_string(),
        moment.gpus.to_string(),
        moment.allocated.to_string(),
        maybe(moment.used),
        moment.waiting.to_string(),
        moment.fragmented.to_string(),
        moment.nodes.to_string(),
    ]
}
