//! `whole-gpu-requests`: devices come whole, and what is requested is what is given.

use super::{About, Case, Found, Rule};
use crate::guard::mend;
use plimsoll_api::Mode;
use plimsoll_fleet::written::{Container, Role};
use serde_json::json;

pub(super) static RULE: Rule = Rule {
    name: "whole-gpu-requests",
    title: "GPUs are asked for in whole numbers, requests equal limits, shares one at a time",
    why: "Kubernetes refuses the pods of such an object one by one, long after the object itself was let in",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[],
    check: None,
    explain: "\
Judged: every container, init containers and ephemeral ones too, of every template.

Devices come whole: 0.5 of nvidia.com/gpu is no half GPU but an error. Ask for a part by the name
of a part: a MIG slice (nvidia.com/mig-1g.10gb: 1) or a share (nvidia.com/gpu.shared: 1). Two
shares give no more compute than one, and may be of the same GPU: never ask for more than one. A
limit must be set, and a request, where there is one, must equal it. An ephemeral container can
have no resources at all.

Mend: the limit alone, as a whole number; Kubernetes fills in the request.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    for (template, _) in case.asking() {
        for container in &template.containers {
            judge_container(container, found);
        }
    }
}

fn judge_container(container: &Container, found: &mut Found) {
    let name = &container.name;
    for (resource, quantity) in container.asks() {
        let limit = container.limits.get(resource);
        let path = container.resources_path(if limit.is_some() { "limits" } else { "requests" }).key(resource);
        let text = &quantity.text;
        let certain = |side: &str, count: u64, says: &str| mend::certain(&container.resources_path(side).key(resource), json!(count), says);
        let set = |count: u64, says: &str| mend::at(&container.resources_path("limits").key(resource), json!(count), says);
        if container.role == Role::Ephemeral {
            let fix = mend::says("Leave its resources out: it sees the pod's devices only through the other containers.");
            found.breach(path, format!("the ephemeral container {name} asks for {resource}"), fix);
            continue;
        }
        let Some(whole) = quantity.whole() else {
            let part = "For a part of a GPU ask for a MIG slice (nvidia.com/mig-1g.10gb: 1) or a share (nvidia.com/gpu.shared: 1).";
            let lines = if &**resource == "nvidia.com/gpu" {
                json!({ "limits": { "nvidia.com/gpu.shared": 1 } })
            } else {
                json!({ "limits": { (&**resource): 1 } })
            };
            let fix = mend::at(&container.path.key(container.resources_key), lines, part);
            found.breach(path, format!("the container {name} asks for {text} of {resource}, and devices come whole"), fix);
            continue;
        };
        match (container.requests.get(resource), limit) {
            (Some(_), None) => {
                found.breach(
                    path,
                    format!("the container {name} requests {resource} without a limit"),
                    certain("limits", whole, "Give the limit; the request follows."),
                );
            }
            (Some(request), Some(_)) if request.nanos != quantity.nanos => {
                let says =
                    format!("the container {name} requests {} of {resource}, and its limit is {text}: they must be equal", request.text);
                found.breach(path, says, certain("requests", whole, "Let the request be the limit, or leave it out: then it follows."));
            }
            _ if &**resource == "nvidia.com/gpu.shared" && whole > 1 => {
                let fix = set(1, "Ask for one share; for more compute ask for a whole GPU or a larger slice.");
                found.breach(path, format!("the container {name} asks for {whole} shares, which give no more than one"), fix);
            }
            _ => {}
        }
    }
}
