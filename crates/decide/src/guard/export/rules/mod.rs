//! What each rule says, in CEL: a file a rule, named as the rule's own file. The two are read side by side and held together by a
//! test that judges the same objects by both.
//!
//! `found` is a list of lists of texts, each of which is wrong about the object; an empty one says that the rule is kept. The
//! variables are those of `export::object`: `p` is a pod of a template, `c` a container of it.

mod cpu_and_memory_per_gpu;
mod gpu_models;
mod gpu_namespaces;
mod gpu_nodes_for_gpu_pods;
mod gpus_per_pod;
mod gpus_per_workload;
mod idle_timeout;
mod image_registries;
mod image_tags;
mod job_limits;
mod need_met;
mod no_time_slicing_online;
mod node_types;
mod peak_hours;
mod priority_class;
mod probes;
mod required_labels;
mod resource_bounds;
mod rolling_update;
mod spread;
mod team_gpus;
pub(super) mod toleration_and_selector;
mod whole_gpu_requests;

use super::Scope;
use crate::guard::parameter::Values;

/// A rule in CEL.
pub(in super::super) struct Told {
    /// The rule.
    pub rule: &'static str,
    /// What is wrong; none: as it is set, the rule has nothing to say.
    pub found: fn(&Values, &Scope<'_>) -> Option<String>,
    /// How it is mended, in a sentence.
    pub mend: &'static str,
    /// What the rule says beyond that, and why CEL cannot; empty: nothing.
    pub but: &'static str,
}

/// The rules that CEL can say.
pub(super) static TOLD: &[&Told] = &[
    &cpu_and_memory_per_gpu::TOLD,
    &gpu_models::TOLD,
    &gpu_namespaces::TOLD,
    &gpu_nodes_for_gpu_pods::TOLD,
    &gpus_per_pod::TOLD,
    &gpus_per_workload::TOLD,
    &idle_timeout::TOLD,
    &image_registries::TOLD,
    &image_tags::TOLD,
    &job_limits::TOLD,
    &need_met::TOLD,
    &no_time_slicing_online::TOLD,
    &node_types::TOLD,
    &peak_hours::TOLD,
    &priority_class::TOLD,
    &probes::TOLD,
    &required_labels::TOLD,
    &resource_bounds::TOLD,
    &rolling_update::TOLD,
    &spread::TOLD,
    &team_gpus::TOLD,
    &toleration_and_selector::TOLD,
    &whole_gpu_requests::TOLD,
];

/// Those that look at each container by itself, so that they judge one that is put into a running pod too.
pub(super) const OF_DEBUGGING: [&str; 3] = ["image-registries", "image-tags", "whole-gpu-requests"];

/// The rules that CEL cannot say, with the reason.
pub(super) static UNTOLD: &[(&str, &str)] = &[
    ("budget-left", "what a team has spent is no part of an object: it needs the webhook"),
    (
        "disruption-budget",
        "the PodDisruptionBudget is another object, and a policy sees one at a time: it needs the webhook or plimsoll check",
    ),
    ("image-size", "the sizes of images are known to the nodes: it needs the webhook"),
];

/// The containers that ask, with what `test` finds wrong: a text for each `c`, for each pod that asks for accelerators.
fn of_containers(test: &str, says: &str) -> String {
    format!("variables.asking.map(p, p.containers.filter(c, {test}).map(c, {says})).filter(l, size(l) > 0)")
}

/// One text, where `test` holds.
fn if_so(test: &str, says: &str) -> String {
    format!("({test}) ? [[{says}]] : []")
}

/// `4h` and its like: hours as seconds, as the rules round them.
fn seconds(hours: f64) -> u64 {
    (hours * 3_600.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::rules;

    #[test]
    fn every_rule_is_told_or_has_a_reason() {
        let told = TOLD.iter().map(|told| told.rule).chain(UNTOLD.iter().map(|(rule, _)| *rule));
        let mut told: Vec<&str> = told.collect();
        told.sort_unstable();
        assert_eq!(told, rules::ALL.iter().map(|rule| rule.name).collect::<Vec<_>>());
    }
}
