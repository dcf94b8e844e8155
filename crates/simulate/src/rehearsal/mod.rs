//! A fleet over time: jobs arrive, wait, start, run, are evicted and end, nodes come and go, under one policy or several side by side.
//!
//! - [`mod@file`]: how a rehearsal is written down. [`ground`]: the nodes. [`work`]: the jobs. [`mod@stage`]: both, from a file.
//! - `scene`: a fleet and its work, made ready once.
//! - `engine`: one run, event by event. `waiting` is its queue, `course` and `spread` its figures.
//! - `outcome`: what a rehearsal gives.
//!
//! A run is a function of its scene, policy, order and seed: the same give the same bytes.

mod course;
mod engine;
pub mod file;
pub mod ground;
mod outcome;
mod scene;
mod spread;
pub mod stage;
#[cfg(test)]
mod tests;
mod waiting;
pub mod work;

pub use outcome::{Figures, Filling, Grid, GridNode, Moment, Refusal, Rehearsal, Run, Size, Spread};
pub use scene::{Change, Ground, Pool};
pub use work::{Job, Use, Work};

use crate::parallel::parallel;
use plimsoll_decide::{pack::policy::Named, queue::Order};
use scene::Scene;
use std::sync::atomic::{AtomicU64, Ordering};

/// How the same work is run: one run for each combination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ways {
    /// The placement policies.
    pub policies: Vec<Named>,
    /// The orders in which waiting jobs are tried.
    pub orders: Vec<Order>,
    /// The seeds, for what is left to chance.
    pub seeds: Vec<u64>,
}

/// A job that fits nowhere, even if everything were empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the job `{job}`{} fits nowhere: {why}; leave such jobs out with skip-misfits", line.map_or_else(String::new, |line| format!(" (line {line})")))]
pub struct JobMisfit {
    /// The job.
    pub job: String,
    /// Its line in the file of jobs; none: it comes from no file.
    pub line: Option<u64>,
    /// Why.
    pub why: String,
}

/// Rehearses the work on the ground in all ways, as many at once as the machine has cores. `done` is told how many jobs of how many have
/// come, over all runs. Jobs that fit nowhere are listed in the result.
#[must_use]
pub fn rehearse(name: &str, ground: Ground, work: Work, ways: &Ways, done: &(dyn Fn(u64, u64) + Sync)) -> Rehearsal {
    run_all(name, Scene::new(ground, work), ways, done)
}

/// The same, where every job must fit somewhere.
///
/// # Errors
/// The first that does not.
pub fn rehearse_all(name: &str, ground: Ground, work: Work, ways: &Ways, done: &(dyn Fn(u64, u64) + Sync)) -> Result<Rehearsal, JobMisfit> {
    let scene = Scene::new(ground, work);
    for (job, kind) in scene.work.jobs.iter().zip(&scene.kind_of) {
        if let Some(why) = &scene.kinds[*kind as usize].misfit {
            return Err(JobMisfit { job: job.name.to_string(), line: job.line, why: why.clone() });
        }
    }
    Ok(run_all(name, scene, ways, done))
}

fn run_all(name: &str, scene: Scene, ways: &Ways, done: &(dyn Fn(u64, u64) + Sync)) -> Rehearsal {
    let fleet = in_words(&scene);
    let runs: Vec<(Named, Order, u64)> = ways
        .policies
        .iter()
        .flat_map(|policy| ways.orders.iter().flat_map(move |order| ways.seeds.iter().map(move |seed| (*policy, *order, *seed))))
        .collect();
    let all = scene.work.jobs.len() as u64 * runs.len() as u64;
    let come = AtomicU64::new(0);
    let tick = |jobs: u64| done(come.fetch_add(jobs, Ordering::Relaxed) + jobs, all);
    let runs = parallel(runs.len(), &|at| {
        let (policy, order, seed) = runs[at];
        engine::run(&scene, policy, order, seed, &tick)
    });
    Rehearsal {
        name: name.to_owned(),
        fleet,
        work: scene.work.name.clone(),
        changes: Vec::new(),
        assumed: scene.work.assumed.clone(),
        horizon: scene.horizon,
        began: scene.work.began.and_then(|at| jiff::Timestamp::from_second(at.0).ok()).map(|at| at.to_string()),
        runs,
    }
}

/// How many nodes and GPUs.
fn in_words(scene: &Scene) -> String {
    format!("{} nodes, {} GPUs", scene.nodes.len(), scene.gpus.iter().sum::<u64>())
}
