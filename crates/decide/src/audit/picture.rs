//! The figures behind the pictures.

use super::view::View;
use plimsoll_fleet::{Class, Name, evidence::Hour};
use serde::{Deserialize, Serialize};

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
    /// Mean compute: the busiest of SM, tensor and DRAM activity, else engine activity, else `GPU_UTIL`; 0 to 1.
    pub compute: f64,
    /// Which of them it is.
    pub compute_metric: plimsoll_fleet::Metric,
    /// 95th percentile of framebuffer held over the device's memory; 0 to 1.
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
    /// Units free on ready nodes.
    pub free: u32,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// The fleet, pool by pool, node by node.
    pub grid: Vec<GridNode>,
    /// Use over time.
    pub hours: Vec<Hour>,
    /// Mean GPUs at work by hour of the week (UTC, Monday 00:00 first); none: that hour was not seen.
    pub week: Vec<Option<f64>>,
    /// Compute against memory.
    pub scatter: Vec<Point>,
    /// Demand beside capacity.
    pub unmet: Vec<Unmet>,
}

/// Collects them.
#[must_use]
pub fn picture(view: &View<'_>) -> Picture {
    let _ = view;
    Picture::default()
}
