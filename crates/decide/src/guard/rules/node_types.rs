//! `node-types`: which machines a GPU workload may ask for.

use super::{About, Case, Found, Rule, gpu_models::REASON};
use crate::guard::{mend, parameter::names};
use plimsoll_api::{Mode, pattern};
use plimsoll_fleet::written::Path;
use serde_json::json;

/// Node labels that name the machine type.
pub(in crate::guard) const LABELS: [&str; 2] = ["node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"];

pub(super) static RULE: Rule = Rule {
    name: "node-types",
    title: "Only allowed machine types are asked for, the big ones with a reason",
    why: "A machine type that nobody planned for is bought at its list price, or is not there at all",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[
        names("allowed", &[], "machine types, '*' for any characters; empty: all"),
        names("with-reason", &[], "machine types that need the annotation plimsoll.dev/reason"),
    ],
    check: None,
    explain: "\
Judged: the machine types that a pod is held to by nodeSelector or by every term of its required
node affinity (node.kubernetes.io/instance-type). A pod that names none is not judged. Unless the
parameters are set it has nothing to say.

Mend: another type, or the annotation plimsoll.dev/reason.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    let (allowed, with_reason) = (case.values.names("allowed"), case.values.names("with-reason"));
    let has_reason = case.said(REASON).is_some_and(|reason| !reason.trim().is_empty());
    for (template, _) in case.asking() {
        let path = || template.spec().key("nodeSelector");
        for kind in LABELS.iter().filter_map(|label| template.held_to(label)).flatten() {
            if !allowed.is_empty() && !pattern::any(allowed, kind) {
                let fix = mend::says(format!("Choose one of: {}.", allowed.join(", ")));
                found.breach(path(), format!("the machine type {kind} is not allowed here"), fix);
            } else if !has_reason && pattern::any(with_reason, kind) {
                let lines = json!({ REASON: "WHY NO SMALLER MACHINE DOES" });
                let fix = mend::at(&Path::of("metadata.annotations"), lines, "Say why it must be that one.");
                found.breach(path(), format!("the machine type {kind} needs a reason, and none is given"), fix);
            }
        }
    }
}
