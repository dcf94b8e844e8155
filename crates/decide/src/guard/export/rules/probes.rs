//! `probes` in CEL.

use super::{Scope, Told, Values};
use crate::guard::{
    export::object::{IS_TIME, SECONDS, SERVERS, said},
    rules::probes::LOAD_TIME,
};

pub(super) static TOLD: Told = Told {
    rule: "probes",
    found,
    mend: "Give it a readiness probe, and a startup probe whose budget is longer than its slowest load, on its own health path",
    but: "",
};

fn found(values: &Values, _: &Scope<'_>) -> Option<String> {
    let number =
        |field: &str, otherwise: u64| format!("[int(c.is.startupProbe.?{field}.orValue({otherwise}))].map(n, n > 0 ? n : {otherwise})[0]");
    let budget = format!("({} + {} * {})", number("initialDelaySeconds", 0), number("periodSeconds", 10), number("failureThreshold", 3));
    let name = "'the container ' + string(c.name)";
    Some(format!(
        "variables.class != 'online' ? [] : [{said}].map(l, [l[?0].orValue('')].map(s, {IS_TIME} ? {SECONDS} : {least})[0])\n\
         .map(least, variables.asking.map(p, {SERVERS}.filter(c, c.is.?image.orValue('') != '').map(c, \
         (has(c.is.readinessProbe) ? [] : [{name} + ' has no readiness probe']) \
         + (!has(c.is.startupProbe) ? [{name} + ' has no startup probe'] : {budget} < least \
         ? ['the startup budget of ' + {name} + ' is ' + string({budget}) + ' s, and its load needs ' + string(least) + ' s'] : [])\
         ).filter(l, size(l) > 0).map(l, l.join(', and '))))[0].filter(l, size(l) > 0)",
        said = said(LOAD_TIME),
        least = values.count("startup-least"),
    ))
}
