//! `peak-hours` in CEL. The clock is the object's creationTimestamp, which the API server sets before policies are asked.

use super::{Scope, Told, Values};
use crate::guard::{export::text::double, mend};

pub(super) static TOLD: Told = Told {
    rule: "peak-hours",
    found,
    mend: "Submit it suspended, through a queue, or later",
    but: "a change of an object that is there already is not judged: a policy has no clock but the moment of creation",
};

/// As CEL counts them.
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

fn found(values: &Values, _: &Scope<'_>) -> Option<String> {
    let (from, to, gpus) = (values.number("from"), values.number("to"), values.count("gpus"));
    // The day before too, for hours that reach over midnight.
    let days = |shift: usize| {
        let days =
            values.names("days").iter().filter_map(|day| DAYS.iter().position(|is| is == day)).map(|at| ((at + shift) % 7).to_string());
        format!("[{}]", days.collect::<Vec<_>>().join(", "))
    };
    let hour = "(double(t.getHours()) + double(t.getMinutes()) / 60.0 + double(t.getSeconds()) / 3600.0)";
    let is_day = |shift: usize| format!("t.getDayOfWeek() in {}", days(shift));
    let (begins, ends) = (format!("{hour} >= {}", double(from)), format!("{hour} < {}", double(to)));
    let is_peak = if from <= to {
        format!("{begins} && {ends} && {}", is_day(0))
    } else {
        format!("{begins} && {} || {ends} && {}", is_day(0), is_day(1))
    };
    Some(format!(
        "variables.class != 'training' || variables.owned || variables.kind == 'CronJob' || variables.suspended || variables.devices <= {gpus} ? [] :\n\
         variables.now.filter(t, {is_peak}).map(t, ['training on ' + string(variables.devices) + ' GPUs may not start between {} and {} o\\'clock (UTC)'])",
        mend::plain(from),
        mend::plain(to),
    ))
}
