//! Guardrails in a cluster: the chart that runs the webhook there.
//!
//! - `chart`: what the chart renders, without a cluster
//! - `faults`: what goes wrong in a cluster, under load (`load`), with the webhook's own processes in the chart's pods (`container`)
//! - `installed`: the chart on a real API server: it is taken, comes up, has its rights and no others, outlives an upgrade
#![allow(clippy::unwrap_used)]

mod chart;
mod container;
mod faults;
mod helm;
mod installed;
mod load;
