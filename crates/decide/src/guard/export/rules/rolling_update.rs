//! `rolling-update` in CEL.

use super::{Scope, Told, Values};

pub(super) static TOLD: Told =
    Told { rule: "rolling-update", found, mend: "Let one replica go before the next comes: maxSurge 0 and maxUnavailable 1", but: "" };

fn found(values: &Values, _: &Scope<'_>) -> Option<String> {
    // 25 % each, by default, of a Deployment and of an Argo Rollout.
    let amount = |field: &str| {
        format!(
            "[string(variables.self.?spec.?strategy.?rollingUpdate.?{field}.orValue('25%')), string(variables.self.?spec.?strategy.?canary.?{field}.orValue('25%'))]\
             [variables.kind == 'Rollout' ? 1 : 0]"
        )
    };
    let of_replicas = |field: &str, round: u64| {
        format!(
            "[{}].map(a, a.matches('^[0-9]{{1,9}}%?$') ? a : '25%').map(a, a.endsWith('%') \
             ? (int(a.substring(0, size(a) - 1)) * variables.replicas + {round}) / 100 : int(a))[0]",
            amount(field)
        )
    };
    (!values.flag("spare")).then(|| {
        format!(
            "!(variables.kind in ['Deployment', 'Rollout']) || variables.replicas < 1 || variables.self.?spec.?strategy.?type.orValue('') == 'Recreate' ? [] :\n\
             {unavailable} > 0 ? [] : [{surge}].filter(n, n > 0).map(n, ['a rollout of its ' + string(variables.replicas) + ' replicas needs ' \
             + string(n) + ' more before one may go (maxUnavailable comes to 0)'])",
            unavailable = of_replicas("maxUnavailable", 0),
            surge = of_replicas("maxSurge", 99),
        )
    })
}
