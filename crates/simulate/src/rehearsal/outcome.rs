//! What a rehearsal gave: figures, courses over time, and the picture of the nodes, one set a run.
//!
//! Everything is a plain value in base units, so that whoever draws or writes it computes nothing.

use schemars::JsonSchema;
use serde::Serialize;

/// The result of a rehearsal: the same fleet and the same work under one or several policies.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Rehearsal {
    /// What was rehearsed, as its file or the command line calls it.
    pub name: String,
    /// The fleet in words: `1,213 nodes, 6,212 GPUs (openb)`.
    pub fleet: String,
    /// The work in words: `68,510 jobs of philly`.
    pub work: String,
    /// What differs from the fleet as it was seen: nodes added or removed, layouts, in words. Empty: nothing.
    pub changes: Vec<String>,
    /// What could not be taken over and was left out or assumed, in words.
    pub assumed: Vec<String>,
    /// The horizon, seconds from the first moment; none: until everything has ended.
    pub horizon: Option<u64>,
    /// When the first moment was, as RFC 3339; none: the work has no calendar.
    pub began: Option<String>,
    /// One run for each policy, order and seed, in the order asked for.
    pub runs: Vec<Run>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Run {
    /// The placement policy.
    pub policy: String,
    /// The order in which waiting jobs are tried.
    pub order: String,
    /// The seed.
    pub seed: u64,
    /// The figures.
    pub figures: Figures,
    /// Waits and completions by the GPUs that a job asks for, smallest first.
    pub sizes: Vec<Size>,
    /// The fleet over time, oldest first; at most some 500 moments, each a mean over the stretch up to the next one.
    pub course: Vec<Moment>,
    /// Allocation against arrivals: GPUs asked for so far against GPUs allocated then, both in percent of the fleet's GPUs as it began.
    pub filling: Vec<Filling>,
    /// The GPU nodes at the moment when most was allocated, by pool and name.
    pub grid: Grid,
    /// Jobs that never could be placed, by reason.
    pub refused: Vec<Refusal>,
}

/// The figures of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Figures {
    /// Jobs that came.
    pub jobs: u64,
    /// Of these, ended.
    pub ended: u64,
    /// Still running at the horizon.
    pub running: u64,
    /// Still waiting at the horizon.
    pub waiting: u64,
    /// Could not be placed on the fleet even if it were empty.
    pub refused: u64,
    /// Evictions: a node left, or a more important job came.
    pub evictions: u64,
    /// GPU-hours that the fleet had.
    pub gpu_hours: f64,
    /// GPU-hours that pods held.
    pub allocated_gpu_hours: f64,
    /// GPU-hours of recorded use; none: the work has no recorded series.
    pub used_gpu_hours: Option<f64>,
    /// GPU-hours held while images were pulled, models loaded and caches warmed.
    pub starting_gpu_hours: f64,
    /// GPU-hours of work that evictions threw away.
    pub lost_gpu_hours: f64,
    /// Allocated of all GPU-hours, 0 to 1; none: the fleet had none.
    pub allocation: Option<f64>,
    /// The most that was allocated at one moment, 0 to 1 of the GPUs then.
    pub allocation_peak: Option<f64>,
    /// Free GPUs that the expected mix of pods could not use, mean over time, 0 to 1 of all GPUs; none: the fleet had none.
    pub fragmentation: Option<f64>,
    /// No policy can allocate more, 0 to 1; none: no bound is computed for this kind of work.
    pub allocation_bound: Option<f64>,
    /// Seconds from arrival to placement, of all jobs that were placed.
    pub wait: Spread,
    /// Seconds from arrival to end, of all jobs that ended.
    pub completion: Spread,
    /// Seconds from the first arrival to the last end.
    pub makespan: u64,
    /// No order can end everything sooner: the larger of all work over all GPUs, and the longest job from its arrival; none: the fleet changes.
    pub makespan_bound: Option<u64>,
    /// GPU nodes, most at one moment.
    pub nodes_peak: u64,
    /// What the fleet cost over the horizon, in dollars; none: not all nodes are priced.
    pub cost: Option<f64>,
    /// Events handled.
    pub events: u64,
}

/// How a figure spreads over jobs. All zero where there is no job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct Spread {
    /// Jobs counted.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 95 of 100 are at most this.
    pub p95: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// The greatest.
    pub most: f64,
}

/// Jobs of one size.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Size {
    /// In words: `part of a GPU`, `1 GPU`, `2-4 GPUs`, `5-8 GPUs`, `more than 8 GPUs`, `no GPU`.
    pub size: String,
    /// Seconds from arrival to placement.
    pub wait: Spread,
    /// Seconds from arrival to end.
    pub completion: Spread,
}

/// A stretch of time. Figures are means over it, in GPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct Moment {
    /// Its beginning, seconds from the first moment.
    pub at: u64,
    /// GPUs that there were.
    pub gpus: f64,
    /// GPUs that pods held.
    pub allocated: f64,
    /// GPUs at work by the recorded series; none: none is recorded.
    pub used: Option<f64>,
    /// GPUs that waiting pods asked for.
    pub waiting: f64,
    /// Free GPUs that the expected mix of pods could not use.
    pub fragmented: f64,
    /// GPU nodes.
    pub nodes: f64,
}

/// Asked for and allocated, in percent of the GPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct Filling {
    /// Asked for so far, of all that came.
    pub arrived: f64,
    /// Allocated at that moment.
    pub allocated: f64,
}

/// The GPU nodes at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Grid {
    /// Seconds from the first moment.
    pub at: u64,
    /// The nodes.
    pub nodes: Vec<GridNode>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct GridNode {
    /// Its name.
    pub name: String,
    /// Its pool; empty: none.
    pub pool: String,
    /// Its GPU model.
    pub model: String,
    /// Allocated thousandths, GPU by GPU.
    pub gpus: Vec<u16>,
    /// Free GPUs on it that the expected mix could not use, thousandths.
    pub fragmented: u32,
}

/// Jobs that fit nowhere.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Refusal {
    /// Why, naming what is asked and the most that there is.
    pub why: String,
    /// How many jobs.
    pub jobs: u64,
    /// One of them, by name.
    pub example: String,
}
