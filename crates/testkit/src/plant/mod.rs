//! Planting a fleet: from the nouns to API objects, and into a cluster.
//!
//! - [`nodes`]: GPU nodes that exist only in the API, as the NVIDIA stack and the clouds label them
//! - [`pods`]: pod specs from shapes
//! - [`workloads`]: workloads, autoscalers, budgets
//! - [`trouble`]: pods that crash or wait
//! - [`fleet`]: a whole fleet, in order

pub mod fleet;
pub mod nodes;
pub mod pods;
pub mod trouble;
pub mod workloads;

use serde_json::Value;

/// The kinds of other projects that tests know, as small CustomResourceDefinitions of our own.
///
/// # Panics
/// Never: they are part of this crate, and a test reads them.
#[must_use]
pub fn kinds() -> Vec<Value> {
    [
        include_str!("../../crds/jobset.yaml"),
        include_str!("../../crds/leaderworkerset.yaml"),
        include_str!("../../crds/raycluster.yaml"),
        include_str!("../../crds/pytorchjob.yaml"),
        include_str!("../../crds/trainjob.yaml"),
        include_str!("../../crds/notebook.yaml"),
        include_str!("../../crds/inferenceservice.yaml"),
        include_str!("../../crds/scaledobject.yaml"),
    ]
    .map(|text| serde_saphyr::from_str(text).expect("the definitions of this crate are YAML"))
    .to_vec()
}

/// The DCGM exporter as its chart installs it: namespace `gpu-operator`, a DaemonSet on every GPU node, port 9400. kwok runs its
/// pods; what they say is [`crate::exporter`]'s.
///
/// # Panics
/// Never: it is part of this crate.
#[must_use]
pub fn dcgm_exporter() -> Vec<Value> {
    crate::cluster::manifests(include_str!("dcgm-exporter.yaml")).expect("the manifests of this crate are YAML")
}
