//! `rolling-update`: a rollout does not wait for a GPU that only it can free.

use super::{About, Case, Found, Rule};
use crate::guard::{mend, parameter::flag};
use plimsoll_api::Mode;
use plimsoll_fleet::{workload::Rollout, written::Path};
use serde_json::json;

pub(super) static RULE: Rule = Rule {
    name: "rolling-update",
    title: "A rolling update frees a GPU before it asks for one",
    why: "The new pod waits for a GPU that only the old one can free, and the old one waits for the new: for ever",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[flag("spare", false, "GPUs are kept free for rollouts: nothing is judged")],
    check: None,
    explain: "\
Judged: Deployments and Argo Rollouts of one or more replicas with a rolling update whose
maxUnavailable comes to 0 (rounded down) and whose maxSurge does not. The default, 25 % each, does
so for one to three replicas. Set spare where fitting GPUs are kept free on purpose; the waste
sign rolling-update-deadlock tells of a live cluster whether there are any.

Mend: maxSurge 0 and maxUnavailable 1, with capacity for one replica less during the rollout; or
strategy Recreate where an outage is allowed.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    let object = case.object;
    let Some(Rollout::Rolling { max_surge, max_unavailable }) = object.rollout else { return };
    let Some(replicas) = object.replicas.filter(|&replicas| replicas > 0 && !case.values.flag("spare")) else { return };
    let (surge, unavailable) = (max_surge.rounded_up(replicas), max_unavailable.rounded_down(replicas));
    if unavailable > 0 || surge == 0 {
        return;
    }
    let is_argo = &*object.kind == "Rollout";
    let amounts = json!({ "maxSurge": 0, "maxUnavailable": 1 });
    let lines = if is_argo { json!({ "canary": amounts }) } else { json!({ "type": "RollingUpdate", "rollingUpdate": amounts }) };
    let says = format!("a rollout of its {replicas} replicas needs {surge} more before one may go (maxSurge {surge}, maxUnavailable 0)");
    let path = Path::of("spec.strategy");
    let fix = mend::at(&path, lines, "Let one replica go before the next comes.");
    found.breach(path, says, fix);
}
