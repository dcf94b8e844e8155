//! `gpu-namespaces`: GPUs only where somebody has allowed them.

use super::{About, Case, Found, Rule};
use crate::guard::{mend, parameter::names};
use plimsoll_api::{Mode, pattern};
use plimsoll_fleet::written::Path;

pub(super) static RULE: Rule = Rule {
    name: "gpu-namespaces",
    title: "GPUs are asked for only in namespaces that may have them",
    why: "GPUs in a namespace that nobody has agreed on are GPUs that nobody pays for or looks after",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[names("allowed", &[], "namespaces that may ask for GPUs, '*' for any characters; empty: those of the Team objects")],
    check: None,
    explain: "\
Judged: the namespace of whatever asks for an accelerator, a DRA claim too. Without a list the
namespaces of the Team objects count; where there is neither list nor team, all may.

Mend: submit it in one of them, or have the namespace added to a team or to the list.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    let allowed = case.values.names("allowed");
    if allowed.is_empty() && case.teams.is_empty() {
        return;
    }
    let path = Path::of("metadata.namespace");
    let namespace = &case.object.namespace;
    if namespace.is_empty() {
        return found.unjudged(path, "the object names no namespace; give it, or check with --namespace");
    }
    let of_a_team = allowed.is_empty() && case.teams.iter().any(|team| team.owns(namespace));
    if of_a_team || pattern::any(allowed, namespace) {
        return;
    }
    let fix = if allowed.is_empty() {
        mend::says("Have the namespace added to a Team (spec.namespaces), or use one of a team's.")
    } else {
        mend::says(format!("Use one of: {}; or have this one added.", allowed.join(", ")))
    };
    found.breach(path, format!("the namespace {namespace} may not ask for GPUs"), fix);
}
