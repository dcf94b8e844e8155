//! `peak-hours`: big training waits until the day's rush is over.

use super::{About, Case, Found, Rule};
use crate::guard::{
    mend,
    parameter::{Values, names, number},
};
use plimsoll_api::Mode;
use plimsoll_fleet::{Class, written::Path};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

pub(super) static RULE: Rule = Rule {
    name: "peak-hours",
    title: "Big training does not start in peak hours",
    why: "A large run that starts in peak hours takes the GPUs that online work grows into",
    about: About::Gpus,
    mode: Mode::Audit,
    parameters: &[
        number("gpus", 8.0, "devices", "training that asks for more than so many is big"),
        number("from", 8.0, "hour of the day, UTC", "when peak hours begin"),
        number("to", 20.0, "hour of the day, UTC", "when they end; before `from`: on the next day"),
        names("days", &["mon", "tue", "wed", "thu", "fri"], "the days on which they begin"),
    ],
    check: Some(check),
    explain: "\
Judged: workloads of class training that ask for more devices than gpus, at the moment of their
submission. Suspended ones (a queue starts them) and CronJobs are let in. Times are UTC. Without
a moment, as in plimsoll check without --at, the rule is not judged.

Mend: submit it suspended, through a queue, or later.",
    judge,
};

fn check(values: &Values) -> Result<(), String> {
    if let Some(day) = values.names("days").iter().find(|day| !DAYS.contains(&day.as_str())) {
        return Err(format!("days: '{day}' is not one of {}", DAYS.join(", ")));
    }
    for name in ["from", "to"] {
        if values.number(name) > 24.0 {
            return Err(format!("{name}: {} is no hour of a day", values.number(name)));
        }
    }
    Ok(())
}

fn judge(case: &Case<'_>, found: &mut Found) {
    let run = case.object.run.as_ref();
    let later = run.is_some_and(|run| run.suspended || run.schedule.is_some());
    if !case.is(Class::Training) || later || case.object.owned {
        return;
    }
    let path = Path::of("spec");
    let Some(devices) = case.devices() else { return found.unjudged(path, "how many pods it makes is not told by the object") };
    if devices <= case.values.count("gpus") {
        return;
    }
    let Some(at) = case.state.at else { return found.unjudged(path, "the moment of submission is not known; give one with --at") };
    if is_peak(at.0, case.values) {
        let (from, to) = (mend::plain(case.values.number("from")), mend::plain(case.values.number("to")));
        let says = format!("training on {devices} GPUs may not start between {from} and {to} o'clock (UTC)");
        found.breach(path, says, mend::says("Submit it suspended, through a queue, or later."));
    }
}

/// Is the second, counted from 1970, in peak hours? 1 January 1970 was a Thursday.
fn is_peak(second: i64, values: &Values) -> bool {
    let (from, to) = (values.number("from"), values.number("to"));
    let hour = second.rem_euclid(86_400) as f64 / 3_600.0;
    let is_day = |second: i64| values.names("days").iter().any(|day| DAYS[((second.div_euclid(86_400) + 3).rem_euclid(7)) as usize] == day);
    if from <= to {
        hour >= from && hour < to && is_day(second)
    } else {
        hour >= from && is_day(second) || hour < to && is_day(second - 86_400)
    }
}
