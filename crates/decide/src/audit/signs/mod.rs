//! Waste signs: a file each. To add one, write its file, name it in [`ALL`], and plant it in the example fleet.
//!
//! Signs about use are exclusive where they contradict each other ([`diagnosis`]), and so are those about free GPUs that
//! cannot be used ([`strands`]); the others stand for themselves. Shared by all: `fix` (commands that mend) and `words` (how
//! figures read).

mod demand;
pub mod diagnosis;
mod fix;
pub(in crate::audit) mod need;
mod starved;
pub mod strands;
mod words;

mod blind_spot;
mod cpu_pod_on_gpu_node;
mod cpu_starved_gpu;
mod empty_gpu_node;
mod forgotten_notebook;
mod fractional_request;
mod held_by_crash_loop;
mod held_while_starting;
mod idle_gpu;
mod low_compute;
mod memory_full_compute_idle;
mod memory_starved_gpu;
mod mig_invalid;
mod mig_layout_mismatch;
mod misleading_utilisation;
mod missing_probes;
mod missing_toleration_or_selector;
mod more_than_one_shared_replica;
mod no_autoscaling;
mod no_cleanup;
mod no_deadline;
mod no_owner;
mod oversized_memory_reservation;
mod pending_beside_free;
mod replicas_beyond_demand;
mod rolling_update_deadlock;
mod scale_down_blocker;
mod single_replica_online;
mod stranded_gpu;
mod time_slice_in_production;
mod untainted_gpu_node;
mod whole_gpu_for_a_slice;
mod wrong_gpu_model;

#[cfg(test)]
mod tests;

use super::{finding::Finding, view::View};

/// A number that a user may set.
#[derive(Debug, Clone, Copy)]
pub struct Threshold {
    /// Where it stands unless set.
    pub default: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What it means.
    pub says: &'static str,
}

/// A waste sign.
#[derive(Debug)]
pub struct Sign {
    /// Its stable name.
    pub name: &'static str,
    /// What it means, in a line.
    pub title: &'static str,
    /// Its number, if it has one.
    pub threshold: Option<Threshold>,
    /// The long form, for `plimsoll explain NAME`: what it means, how it is seen, when it is wrong, how to mend it.
    pub explain: &'static str,
    /// Looks for it.
    pub find: fn(&View<'_>) -> Vec<Finding>,
}

/// Every sign, in order of name.
pub static ALL: &[&Sign] = &[
    &blind_spot::SIGN,
    &cpu_pod_on_gpu_node::SIGN,
    &cpu_starved_gpu::SIGN,
    &empty_gpu_node::SIGN,
    &forgotten_notebook::SIGN,
    &fractional_request::SIGN,
    &held_by_crash_loop::SIGN,
    &held_while_starting::SIGN,
    &idle_gpu::SIGN,
    &low_compute::SIGN,
    &memory_full_compute_idle::SIGN,
    &memory_starved_gpu::SIGN,
    &mig_invalid::SIGN,
    &mig_layout_mismatch::SIGN,
    &misleading_utilisation::SIGN,
    &missing_probes::SIGN,
    &missing_toleration_or_selector::SIGN,
    &more_than_one_shared_replica::SIGN,
    &no_autoscaling::SIGN,
    &no_cleanup::SIGN,
    &no_deadline::SIGN,
    &no_owner::SIGN,
    &oversized_memory_reservation::SIGN,
    &pending_beside_free::SIGN,
    &replicas_beyond_demand::SIGN,
    &rolling_update_deadlock::SIGN,
    &scale_down_blocker::SIGN,
    &single_replica_online::SIGN,
    &stranded_gpu::SIGN,
    &time_slice_in_production::SIGN,
    &untainted_gpu_node::SIGN,
    &whole_gpu_for_a_slice::SIGN,
    &wrong_gpu_model::SIGN,
];

/// Signs that a node's own object tells: all that is left where pods could not be listed.
pub const NEED_NO_PODS: [&str; 2] = ["mig-invalid", "untainted-gpu-node"];

/// The sign of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Sign> {
    ALL.iter().copied().find(|sign| sign.name == name)
}
