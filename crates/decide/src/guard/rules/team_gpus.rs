//! `team-gpus`: a team stays within what it was given.

use super::{About, Case, Found, Rule};
use crate::guard::{demand::is_suspended, mend};
use plimsoll_api::Mode;
use plimsoll_fleet::written::Path;

pub(super) static RULE: Rule = Rule {
    name: "team-gpus",
    title: "A team's workloads together hold no more GPUs than the team may",
    why: "What one team takes beyond its share another one waits for",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[],
    check: None,
    explain: "\
Judged: the devices of the workload, with what its team uses already, against spec.limits.gpus
of the Team object. Whole GPUs, slices and shares count as one each. What a team uses is known
in a cluster only: without one, only a workload that alone is more than the team may have is
found. A suspended workload holds nothing: it is judged when it is resumed. A DaemonSet, which has
as many pods as there are nodes, is not judged itself; what it holds in a cluster counts for its
team, as its status tells (desiredNumberScheduled).

Mend: fewer GPUs, wait until some are free, or have the limit raised.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    let Some((team, limit)) = case.team.and_then(|team| Some((team, team.spec.limits.gpus?))) else { return };
    if case.object.owned || case.object.templates.is_empty() || is_suspended(case.object) {
        return;
    }
    let (path, name) = (Path::of("spec"), &team.metadata.name);
    let Some(devices) = case.devices() else { return found.unjudged(path, "how many pods it makes is not told by the object") };
    let used = case.state.used.get(name.as_str()).map(|used| used.gpus.saturating_sub(case.state.own_gpus));
    let fix = || mend::says(format!("Ask for fewer, wait until some are free, or have the limit of the team {name} raised."));
    if devices > limit {
        found.breach(path, format!("it asks for {devices} GPUs, and the team {name} may have {limit} in all"), fix());
    } else if let Some(used) = used {
        if used.saturating_add(devices) > limit {
            found.breach(path, format!("it asks for {devices} GPUs, and the team {name} has {used} of its {limit} in use"), fix());
        }
    } else {
        found.unjudged(path, format!("what the team {name} uses is known to a cluster only"));
    }
}
