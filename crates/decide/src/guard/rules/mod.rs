//! Rules: a file each. To add one, write its file, name it in [`ALL`], and give it refused and accepted examples
//! (`crates/plimsoll/tests/guard`).

mod budget_left;
mod cpu_and_memory_per_gpu;
mod disruption_budget;
pub(super) mod gpu_models;
mod gpu_namespaces;
mod gpu_nodes_for_gpu_pods;
mod gpus_per_pod;
mod gpus_per_workload;
pub(super) mod idle_timeout;
mod image_registries;
mod image_size;
mod image_tags;
pub(super) mod job_limits;
mod need_met;
mod no_time_slicing_online;
pub(super) mod node_types;
mod peak_hours;
mod priority_class;
pub(super) mod probes;
mod required_labels;
mod resource_bounds;
mod rolling_update;
mod spread;
mod team_gpus;
pub(super) mod toleration_and_selector;
mod whole_gpu_requests;

use super::{
    Case, Found,
    parameter::{Parameter, Values},
};
use plimsoll_api::Mode;

/// Which objects a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Those that ask for accelerators.
    Gpus,
    /// Those that do not, too.
    All,
}

/// Says what of a rule's parameters makes no sense, and what would.
pub type Check = fn(&Values) -> Result<(), String>;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its stable name.
    pub name: &'static str,
    /// What it asks for, in a line.
    pub title: &'static str,
    /// Why, in a sentence that a refusal can end with.
    pub why: &'static str,
    /// Which objects it is about.
    pub about: About,
    /// Its mode where no guardrail is given.
    pub mode: Mode,
    /// What a guardrail may set.
    pub parameters: &'static [Parameter],
    /// What of the parameters' values their kinds cannot say; none: nothing.
    pub check: Option<Check>,
    /// The long form, for `plimsoll explain NAME`: what it looks at, when it is right to be exempt, how to mend it.
    pub explain: &'static str,
    /// Judges.
    pub judge: fn(&Case<'_>, &mut Found),
}

/// Every rule, in order of name.
pub static ALL: &[&Rule] = &[
    &budget_left::RULE,
    &cpu_and_memory_per_gpu::RULE,
    &disruption_budget::RULE,
    &gpu_models::RULE,
    &gpu_namespaces::RULE,
    &gpu_nodes_for_gpu_pods::RULE,
    &gpus_per_pod::RULE,
    &gpus_per_workload::RULE,
    &idle_timeout::RULE,
    &image_registries::RULE,
    &image_size::RULE,
    &image_tags::RULE,
    &job_limits::RULE,
    &need_met::RULE,
    &no_time_slicing_online::RULE,
    &node_types::RULE,
    &peak_hours::RULE,
    &priority_class::RULE,
    &probes::RULE,
    &required_labels::RULE,
    &resource_bounds::RULE,
    &rolling_update::RULE,
    &spread::RULE,
    &team_gpus::RULE,
    &toleration_and_selector::RULE,
    &whole_gpu_requests::RULE,
];

/// The rule of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Rule> {
    ALL.iter().copied().find(|rule| rule.name == name)
}

/// A name that no rule has, with the nearest that one has.
#[must_use]
pub fn unknown(name: &str) -> String {
    let hint = near(name).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    format!("no rule is named '{name}'{hint} (plimsoll explain lists them)")
}

/// A name that no rule of this program has, where other guardrails that may have it are not at hand.
#[must_use]
pub fn elsewhere(name: &str) -> String {
    let hint = near(name).map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
    format!("it is none of this program's rules{hint}, and whether another Guardrail has it is not known here")
}

fn near(name: &str) -> Option<&'static str> {
    crate::nearest::nearest(name, ALL.iter().map(|rule| rule.name))
}
