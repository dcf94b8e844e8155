//! `resource-bounds`: every container beside a GPU is bounded.

use super::{About, Case, Found, Rule};
use crate::guard::{mend, parameter::flag};
use plimsoll_api::Mode;
use plimsoll_fleet::written::Role;
use serde_json::{Map, json};

pub(super) static RULE: Rule = Rule {
    name: "resource-bounds",
    title: "Every container of a GPU pod requests CPU and memory and has a memory limit",
    why: "A container without bounds can take the memory of a GPU node, and whoever else runs there is killed",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[flag("guaranteed", false, "the memory limit must equal the request: such pods are killed last")],
    check: None,
    explain: "\
Judged: main, init and sidecar containers of pods that ask for GPUs, not only the one with the
GPU. Each needs a CPU request, a memory request and a memory limit (a limit counts as the request
where there is none, as in Kubernetes). Ephemeral containers can have none. With guaranteed, the
memory limit must equal the request.

Mend: the lines that are shown, with figures that the container was seen to need.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    for (template, _) in case.asking() {
        for container in template.containers.iter().filter(|container| container.role != Role::Ephemeral) {
            let has = |resource: &str| container.requests.contains_key(resource) || container.limits.contains_key(resource);
            let (mut lacks, mut lines) = (Vec::new(), Map::new());
            let mut lack = |lacking: bool, what: &'static str, side: &str, resource: &str, value: &str| {
                if lacking {
                    lacks.push(what);
                    let side = lines.entry(side).or_insert_with(|| json!({}));
                    side[resource] = json!(value);
                }
            };
            lack(!has("cpu"), "a CPU request", "requests", "cpu", "4");
            lack(!has("memory"), "a memory request", "requests", "memory", "16Gi");
            let request = container.requests.get("memory");
            let value = request.map_or("16Gi", |request| &*request.text);
            lack(!container.limits.contains_key("memory"), "a memory limit", "limits", "memory", value);
            let path = container.path.key(container.resources_key);
            if !lacks.is_empty() {
                let fix = mend::at(&path, lines.into(), "Give them; put your own figures in.");
                found.breach(path, format!("the container {} lacks {}", container.name, lacks.join(", ")), fix);
            } else if let (true, Some(request), Some(limit)) = (case.values.flag("guaranteed"), request, container.limits.get("memory"))
                && request.nanos != limit.nanos
            {
                let fix = mend::at(&container.resources_path("requests").key("memory"), json!(&*limit.text), "Request what the limit is.");
                let says = format!("the container {} requests {} of memory, and its limit is {}", container.name, request.text, limit.text);
                found.breach(container.resources_path("requests").key("memory"), says, fix);
            }
        }
    }
}
