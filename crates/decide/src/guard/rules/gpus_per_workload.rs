//! `gpus-per-workload`: no workload takes the cluster for itself.

use super::{About, Case, Found, Rule};
use crate::guard::{mend, parameter::number};
use plimsoll_api::Mode;
use plimsoll_fleet::written::Path;

pub(super) static RULE: Rule = Rule {
    name: "gpus-per-workload",
    title: "All pods of a workload together ask for no more GPUs than allowed",
    why: "One object with many replicas can take what all teams share before anybody has looked at it",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[number("most", 64.0, "devices", "devices that all pods of a workload may hold at once")],
    check: None,
    explain: "\
Judged: devices of a pod times the pods that there may be at once, over all templates: replicas,
a Job's parallelism (never more than its completions), the groups of a JobSet, LeaderWorkerSet,
Ray cluster or Kubeflow job; the most that its autoscaler allows, where that is beside it. A
DaemonSet has as many pods as there are nodes: of it, and of kinds that are not known, the sum
is not judged.

Mend: fewer replicas, or an exemption with a reason and an end for the one big run.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    if case.object.templates.is_empty() {
        return;
    }
    let most = case.values.count("most");
    let path = if case.object.replicas.is_some() { Path::of("spec.replicas") } else { Path::of("spec") };
    match case.devices() {
        None => found.unjudged(path, "how many pods it makes is not told by the object"),
        Some(devices) if devices > most => {
            let fix = mend::says(format!("Ask for {most} at most in all, or ask for an exemption that ends."));
            found.breach(path, format!("its pods together ask for {devices} GPUs, and {most} are allowed"), fix);
        }
        Some(_) => {}
    }
}
