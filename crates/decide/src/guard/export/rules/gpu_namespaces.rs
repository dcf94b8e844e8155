//! `gpu-namespaces` in CEL.

use super::{Scope, Told, Values, if_so};
use crate::guard::export::text::any;

pub(super) static TOLD: Told = Told {
    rule: "gpu-namespaces",
    found,
    mend: "Submit it in a namespace that may have GPUs, or have this one added to a Team or to the list",
    but: "",
};

fn found(values: &Values, scope: &Scope<'_>) -> Option<String> {
    let allowed = values.names("allowed");
    let of_teams: Vec<&String> = scope.teams.iter().flat_map(|team| &team.spec.namespaces).collect();
    let may = match (allowed.is_empty(), scope.teams.is_empty()) {
        (true, true) => return None,
        (true, false) => any(&of_teams, "variables.space"),
        (false, _) => any(allowed, "variables.space"),
    };
    let says = "'the namespace ' + variables.space + ' may not ask for GPUs'";
    Some(if_so(&format!("variables.space != '' && !({may})"), says))
}
