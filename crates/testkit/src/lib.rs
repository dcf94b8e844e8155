//! For tests: a real control plane, GPU nodes that exist only in the API, exporters that play a fleet, a real Prometheus.
//!
//! Nothing in here is a mock: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok are built from the pinned
//! Go modules in `control-plane/`, Prometheus is the system's. Only what would need hardware is played: the kubelets (by kwok)
//! and what the GPUs' exporters say ([`exporter`]).
//!
//! It must not become a dependency of the product. Where a program cannot be had, functions give `None` after saying why, and
//! the test ends there; with `PLIMSOLL_NO_SKIP` set that is a failure instead.
//!
//! Start with [`cluster::Cluster::start`]; `tests/control_plane.rs` shows all of it at work.

pub mod cluster;
pub mod corpus;
pub mod exporter;
pub mod netns;
pub mod plant;
pub mod ports;
pub mod process;
pub mod programs;
pub mod prometheus;

mod certificates;
mod word;

pub use cluster::Cluster;
pub use prometheus::Prometheus;
pub use word::{say, skip, skip_without};
