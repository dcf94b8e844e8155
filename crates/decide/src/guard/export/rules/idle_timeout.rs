//! `idle-timeout` in CEL.

use super::{Scope, Told, Values};
use crate::guard::{
    export::{
        object::{IS_TIME, SECONDS, said},
        text::double,
    },
    mend,
    rules::idle_timeout::IDLE,
};

pub(super) static TOLD: Told = Told {
    rule: "idle-timeout",
    found,
    mend: "Say in the annotation plimsoll.dev/idle-timeout after which idle time it may be stopped, such as 4h",
    but: "",
};

fn found(values: &Values, _: &Scope<'_>) -> Option<String> {
    let most = values.number("most");
    Some(format!(
        "variables.class != 'dev' || size(variables.templates) == 0 ? [] :\n\
         [{said}].map(l, size(l) == 0 ? ['it has no annotation {IDLE}'] : [l[0]].map(s, \
         !{IS_TIME} ? ['the annotation {IDLE} is no time such as 4h or 30m'] \
         : double({SECONDS}) > {seconds} ? ['it may be idle for ' + s + ', and {hours} h are allowed'] : [])[0]).filter(l, size(l) > 0)",
        said = said(IDLE),
        seconds = double(most * 3_600.0),
        hours = mend::plain(most),
    ))
}
