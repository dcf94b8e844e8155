//! `gpus-per-pod`: no pod asks for more than a node has, or than anybody needs.

use super::{About, Case, Found, Rule};
use crate::guard::{mend, parameter::number};
use plimsoll_api::Mode;

pub(super) static RULE: Rule = Rule {
    name: "gpus-per-pod",
    title: "A pod asks for no more GPUs than allowed",
    why: "A pod runs on one node: what asks for more than a node has waits for ever, and keeps others waiting",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[number("most", 8.0, "devices", "devices that a pod may ask for")],
    check: None,
    explain: "\
Judged: each pod template, and each ResourceClaim and ResourceClaimTemplate. Devices are counted
as the scheduler does: main containers and sidecars together, or the greatest init container, and
the DRA claims of the pod. Whole GPUs, MIG slices and shares count as one device each. A claim
for all the devices of a node (allocationMode All) is over every limit.

Mend: fewer GPUs, or the work in several pods (a Job with parallelism, a JobSet, a
LeaderWorkerSet).",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    let most = case.values.count("most");
    let fix = || mend::says(format!("Ask for {most} at most, or split the work over several pods (JobSet, LeaderWorkerSet)."));
    for (template, asked) in case.asking() {
        if asked.devices > most {
            let at = case.servers(template).first().map_or_else(|| template.spec(), |container| container.resources_path("limits"));
            found.breach(at, format!("a pod asks for {} GPUs, and {most} are allowed", asked.devices), fix());
        }
    }
    for request in case.object.requests.iter().filter(|request| request.wants_gpus()) {
        match request.gpus() {
            None => found.breach(request.path.clone(), format!("the request {} asks for all devices of a node", request.name), fix()),
            Some(count) if count > most => {
                found.breach(
                    request.path.clone(),
                    format!("the request {} asks for {count} GPUs, and {most} are allowed", request.name),
                    fix(),
                );
            }
            Some(_) => {}
        }
    }
}
