//! `budget-left`: who has spent the month's money starts nothing new.

use super::{About, Case, Found, Rule};
use crate::guard::{mend, parameter::number};
use plimsoll_api::Mode;
use plimsoll_fleet::written::Path;

pub(super) static RULE: Rule = Rule {
    name: "budget-left",
    title: "The team has budget left this month",
    why: "A budget that nothing stops is a wish",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[number("share", 100.0, "percent of the budget", "what may be spent before new work is held")],
    check: None,
    explain: "\
Judged: what the team has spent this calendar month against spec.budget of its Team object. What
is spent is known in a cluster only: without one the rule is not judged. A workload that runs
already and is only changed is not held.

Mend: wait for the next month, free what is idle (plimsoll audit --by team), or have the budget
raised.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    let Some((team, budget)) = case.team.and_then(|team| Some((team, team.spec.budget.as_ref()?))) else { return };
    if case.object.owned || case.state.own_gpus > 0 {
        return;
    }
    let (path, name) = (Path::of("metadata"), &team.metadata.name);
    let Some(spent) = case.state.used.get(name.as_str()).and_then(|used| used.spent_month) else {
        return found.unjudged(path, format!("what the team {name} has spent is known to a cluster only"));
    };
    let share = case.values.number("share") / 100.0;
    if spent >= budget.month * share {
        let currency = &budget.currency;
        let says = format!("the team {name} has spent {spent:.0} {currency} of its {:.0} {currency} this month", budget.month);
        found.breach(
            path,
            says,
            mend::says("Free what is idle (plimsoll audit --by team), wait for the next month, or have the budget raised."),
        );
    }
}
