//! Guardrails in a cluster: the chart that runs the webhook there.
//!
//! - `chart`: what the chart renders, without a cluster
//! - `page`: the commands of `docs/guardrails.md`, with the webhook's own process in the chart's pod (`container`)
//! - `faults`: what goes wrong in a cluster, under load (`load`)
//! - `installed`: the chart on a real API server: it is taken, comes up, has its rights and no others, outlives an upgrade
#![allow(clippy::unwrap_used)]

mod chart;
mod container;
mod faults;
mod helm;
mod installed;
mod load;
mod page;
