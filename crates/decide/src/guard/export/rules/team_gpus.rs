//! `team-gpus` in CEL, as far as one object tells.

use super::{Scope, Told, Values};
use crate::guard::export::text::{first_of, quoted};

pub(super) static TOLD: Told = Told {
    rule: "team-gpus",
    found,
    mend: "Ask for fewer, or have the limit of the team raised",
    but: "what the team uses already is known to the webhook only: here a workload is found that alone is more than its team may have",
};

fn found(_: &Values, scope: &Scope<'_>) -> Option<String> {
    let limited = || scope.teams.iter().filter_map(|team| Some((&team.metadata.name, team.spec.limits.gpus?)));
    let cases = limited().map(|(name, limit)| {
        let test = format!("{} in variables.team", quoted(name));
        let says = format!(
            "'it asks for ' + string(variables.devices) + {}",
            quoted(&format!(" GPUs, and the team {name} may have {limit} in all"))
        );
        (test, format!("(variables.devices > {limit} ? [[{says}]] : [])"))
    });
    let by_team = first_of(cases.collect::<Vec<_>>().into_iter(), "[]");
    limited()
        .next()
        .is_some()
        .then(|| format!("variables.owned || variables.suspended || size(variables.templates) == 0 ? [] : ({by_team})"))
}
