//! `no-time-slicing-online`: what must be fast shares no GPU in turns.

use super::{About, Case, Found, Rule};
use crate::guard::mend;
use plimsoll_api::{Mode, pool::PoolSharing};
use plimsoll_fleet::{
    Class,
    written::{Path, Template},
};
use serde_json::json;

pub(super) static RULE: Rule = Rule {
    name: "no-time-slicing-online",
    title: "Online workloads in production use no time-sliced GPU",
    why: "Time slicing isolates neither memory nor time nor faults: any neighbour can make it slow, or end it",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[],
    check: None,
    explain: "\
Judged: workloads of class online that ask for nvidia.com/gpu.shared, that select time-sliced
nodes (nvidia.com/gpu.sharing-strategy, a product label that ends in -SHARED, GKE's time-sharing
label, a Pool whose sharing is time-slicing), or whose ResourceClaim asks for TimeSlicing. A
share on a pool, or on nodes, that are known to use MPS is let in.

Not wrong: objects and namespaces labelled environment (env, stage, plimsoll.dev/environment)
dev, development, test, testing, staging, qa or sandbox are left out.

Mend: a MIG slice, an MPS share with a memory limit, or a smaller whole board.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    if !case.is(Class::Online) || case.is_no_production() {
        return;
    }
    let fix = |path: &Path| {
        let lines = json!({ "limits": { "nvidia.com/mig-1g.10gb": 1 } });
        mend::at(path, lines, "Ask for a MIG slice, an MPS share or a smaller whole board.")
    };
    let in_pool = |sharing: PoolSharing| case.pools.iter().any(|pool| pool.spec.sharing == sharing);
    for (template, _) in case.asking() {
        let spec = template.spec();
        let is_mps = in_pool(PoolSharing::Mps) || strategy(template).is_some_and(|strategy| strategy == "mps");
        let share =
            template.containers.iter().find(|container| container.asks().any(|(resource, _)| &**resource == "nvidia.com/gpu.shared"));
        if let Some(reason) = sliced_nodes(template).or_else(|| in_pool(PoolSharing::TimeSlicing).then_some("the pool that it asks for")) {
            let path = case.servers(template).first().map_or_else(|| spec.clone(), |container| container.path.key(container.resources_key));
            found.breach(spec.key("nodeSelector"), format!("{reason} gives GPUs in time slices"), fix(&path));
        } else if let Some(container) = share.filter(|_| !is_mps) {
            let says = format!("the container {} asks for nvidia.com/gpu.shared, a GPU in time slices", container.name);
            found.breach(
                container.resources_path("limits").key("nvidia.com/gpu.shared"),
                says,
                fix(&container.path.key(container.resources_key)),
            );
        } else if case.claims(template).any(|claim| claim.time_slices) {
            let fix = mend::says("Leave sharing out of the claim's configuration, or ask for a MIG device.");
            found.breach(spec.key("resourceClaims"), "its ResourceClaim asks for time slicing".to_owned(), fix);
        }
    }
}

fn strategy(template: &Template) -> Option<&str> {
    template.node_selector.get("nvidia.com/gpu.sharing-strategy").map(|name| &**name)
}

fn sliced_nodes(template: &Template) -> Option<&'static str> {
    let held = |label: &str, is: fn(&str) -> bool| {
        template.held_to(label).is_some_and(|values| !values.is_empty() && values.iter().all(|value| is(value)))
    };
    if held("nvidia.com/gpu.sharing-strategy", |value| value == "time-slicing") {
        Some("the sharing strategy that it selects")
    } else if held("nvidia.com/gpu.product", |value| value.ends_with("-SHARED")) && strategy(template) != Some("mps") {
        Some("the product that it selects")
    } else if held("cloud.google.com/gke-gpu-sharing-strategy", |value| value == "time-sharing") {
        Some("the sharing strategy that it selects")
    } else {
        None
    }
}
