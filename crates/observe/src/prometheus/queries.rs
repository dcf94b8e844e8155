//! What is asked, from the names that the store has.

use crate::{dcgm::names, engines};
use plimsoll_fleet::{
    Metric,
    evidence::Engine,
    resource::{self, MIG_PREFIX},
};
use std::collections::{BTreeMap, BTreeSet};

/// Names of all that could be read, for the question which of them are there.
pub(super) const WANTED: [&str; 7] = [
    "{__name__=~\"DCGM_FI_.+\"}",
    "{__name__=~\"(vllm|sglang)[:_].+\"}",
    "{__name__=~\"(nv_trt_llm|trtllm|tgi)_.+\"}",
    "{__name__=~\"nv_inference_(pending_request_count|request_success)\"}",
    "kube_pod_container_resource_requests{resource=~\"nvidia_com_.+|amd_com_gpu\"}",
    "kube_node_info",
    "{__name__=~\"kube_pod_(created|status_scheduled_time|start_time|container_state_started|completion_time|owner)\"}",
];

/// The GPU requests of kube-state-metrics.
pub(super) const REQUESTS: &str = "kube_pod_container_resource_requests{resource=~\"nvidia_com_(gpu|mig_.+)|amd_com_gpu\"}";

/// Is kube-state-metrics there at a moment? (Nobody waiting has no series.)
pub(super) const WAITING_SEEN: &str = "group(kube_node_info)";

/// The query for some names: a plain selector, or one over alternatives. `matcher` narrows it to some hosts.
pub(super) fn select(names: &[String], matcher: &str) -> String {
    match names {
        [name] if matcher.is_empty() => name.clone(),
        [name] => format!("{name}{{{matcher}}}"),
        names if matcher.is_empty() => format!("{{__name__=~\"{}\"}}", names.join("|")),
        names => format!("{{__name__=~\"{}\",{matcher}}}", names.join("|")),
    }
}

/// The names that are there, by metric.
pub(super) fn gauges(there: &BTreeSet<String>) -> BTreeMap<Metric, Vec<String>> {
    let mut gauges: BTreeMap<Metric, Vec<String>> = BTreeMap::new();
    for known in names::READ {
        if let names::Role::Gauge(metric) = known.role
            && there.contains(known.name)
        {
            gauges.entry(metric).or_default().push(known.name.to_owned());
        }
    }
    gauges
}

/// The names that are there of the parts of a framebuffer.
pub(super) fn memory(there: &BTreeSet<String>) -> Vec<String> {
    let is_part = |known: &&names::Known| matches!(known.role, names::Role::Memory(_) | names::Role::Gauge(Metric::MemoryUsed));
    names::READ.iter().filter(is_part).filter(|known| there.contains(known.name)).map(|known| known.name.to_owned()).collect()
}

/// What is asked of one engine at once, so that an old and a new name for one thing are seen side by side.
#[derive(Debug)]
pub(super) struct EngineQuery {
    pub(super) engine: Engine,
    pub(super) query: String,
    /// Its last value is enough.
    pub(super) is_static: bool,
}

/// The queries for the engine metrics that are there.
pub(super) fn engines(there: &BTreeSet<String>) -> Vec<EngineQuery> {
    let mut by_kind: BTreeMap<(Engine, engines::Kind), Vec<String>> = BTreeMap::new();
    for known in engines::READ {
        let spelled = [known.name.to_owned(), known.name.replace(':', "_")];
        let bare = spelled.clone().map(|name| name.trim_end_matches("_total").to_owned());
        let mut names: Vec<String> = spelled.into_iter().chain(bare).filter(|name| there.contains(name)).collect();
        names.sort();
        names.dedup();
        let only = known.only.map_or(String::new(), |(label, value)| format!("{label}=\"{value}\""));
        let list = by_kind.entry((known.engine, known.kind)).or_default();
        if only.is_empty() { list.extend(names) } else { list.extend(names.iter().map(|name| format!("{name}{{{only}}}"))) }
    }
    let query = |((engine, kind), names): ((Engine, engines::Kind), Vec<String>)| {
        let query = if names.iter().any(|name| name.contains('{')) { names.join(" or ") } else { select(&names, "") };
        EngineQuery { engine, query, is_static: kind.is_static() }
    };
    by_kind.into_iter().filter(|(_, names)| !names.is_empty()).map(query).collect()
}

/// The labels of kube-state-metrics that the store has moved aside, because the target has labels of the same name and its own
/// win. Which those are hangs on the target: a Service's has no `node`.
#[derive(Debug, Clone, Default)]
pub(super) struct Moved(BTreeSet<String>);

impl Moved {
    /// From the names of labels that the series have.
    pub(super) fn among(labels: &[String]) -> Self {
        Self(labels.iter().filter_map(|label| label.strip_prefix("exported_")).map(str::to_owned).collect())
    }

    /// What the store calls one of kube-state-metrics' own labels.
    pub(super) fn name(&self, label: &str) -> String {
        if self.0.contains(label) { format!("exported_{label}") } else { label.to_owned() }
    }
}

/// GPUs that pods without a node ask for, by resource.
pub(super) fn waiting(moved: &Moved) -> String {
    let [namespace, pod, container, node] = ["namespace", "pod", "container", "node"].map(|label| moved.name(label));
    let requests = REQUESTS.trim_end_matches('}');
    format!("sum by (resource) (max by ({namespace}, {pod}, {container}, resource) ({requests},{node}=\"\"}}))")
}

/// The resource that kube-state-metrics calls `name`, which puts an underscore in place of every sign (`nvidia_com_mig_1g_10gb`);
/// none: it is no accelerator.
pub(super) fn resource_of(name: &str) -> Option<String> {
    const NAMES: [&str; 8] = [
        "nvidia.com/gpu",
        "nvidia.com/gpu.shared",
        "amd.com/gpu",
        "google.com/tpu",
        "habana.ai/gaudi",
        "gpu.intel.com/i915",
        "gpu.intel.com/xe",
        "aws.amazon.com/neuron",
    ];
    let sanitised = |resource: &&&str| resource.chars().map(|sign| if sign.is_ascii_alphanumeric() { sign } else { '_' }).eq(name.chars());
    let plain = || NAMES.iter().find(sanitised).map(|resource| (*resource).to_owned());
    let profile = name.strip_prefix("nvidia_com_mig_").filter(|profile| !profile.is_empty());
    profile.map(|profile| format!("{MIG_PREFIX}{}", profile.replace('_', "."))).or_else(plain)
}

/// The GPUs that one unit of a resource is, by its name in kube-state-metrics.
pub(super) fn gpus_of(resource: &str) -> f64 {
    match resource_of(resource).as_deref().and_then(resource::unit) {
        Some(resource::Unit::Mig(profile)) => plimsoll_fleet::mig::share(&resource::mig_profile(profile), None, None).gpus(),
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn one_name_is_selected_plainly_and_both_dialects_together() {
        let gauges =
            gauges(&there(&["DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_USED_BYTES", "DCGM_FI_PROF_SM_ACTIVE", "DCGM_FI_DEV_SM_CLOCK"]));
        assert_eq!(gauges.len(), 2);
        assert_eq!(select(&gauges[&Metric::SmActive], ""), "DCGM_FI_PROF_SM_ACTIVE");
        assert_eq!(select(&gauges[&Metric::SmActive], "Hostname=\"n\""), "DCGM_FI_PROF_SM_ACTIVE{Hostname=\"n\"}");
        assert_eq!(select(&gauges[&Metric::MemoryUsed], ""), "{__name__=~\"DCGM_FI_DEV_FB_USED|DCGM_FI_DEV_FB_USED_BYTES\"}");
    }

    #[test]
    fn engines_are_asked_for_what_they_have() {
        let queries = engines(&there(&["vllm_kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "nv_trt_llm_request_metrics"]));
        let texts: Vec<_> = queries.iter().map(|query| query.query.as_str()).collect();
        assert_eq!(
            texts,
            [
                "{__name__=~\"vllm_kv_cache_usage_perc|vllm:gpu_cache_usage_perc\"}",
                "nv_trt_llm_request_metrics{request_type=\"scheduled\"}",
                "nv_trt_llm_request_metrics{request_type=\"waiting\"}",
            ]
        );
    }

    #[test]
    fn a_waiting_slice_is_a_part_of_a_gpu() {
        assert_eq!(resource_of("gpu_intel_com_i915").as_deref(), Some("gpu.intel.com/i915"));
        assert_eq!(resource_of("cpu"), None);
        assert_eq!(gpus_of("nvidia_com_gpu"), 1.0);
        assert_eq!(gpus_of("nvidia_com_mig_1g_10gb"), 0.125);
        assert!(waiting(&Moved::default()).contains("by (namespace, pod, container, resource)"));
        // The chart's ServiceMonitor, without and with a node among the target's labels.
        let mut labels = ["exported_namespace", "exported_pod", "exported_container", "pod", "node"].map(str::to_owned).to_vec();
        assert!(waiting(&Moved::among(&labels)).contains(",node=\"\""));
        labels.push("exported_node".to_owned());
        assert!(waiting(&Moved::among(&labels)).contains("exported_node=\"\""));
    }
}
