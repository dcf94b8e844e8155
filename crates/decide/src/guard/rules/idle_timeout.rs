//! `idle-timeout`: development work says when it may be put to sleep.

use super::{About, Case, Found, Rule};
use crate::guard::{mend, parameter::number};
use plimsoll_api::Mode;
use plimsoll_fleet::{Class, written::Path};
use serde_json::json;

/// The annotation with the time after which an idle workload may be stopped.
pub(in crate::guard) const IDLE: &str = "plimsoll.dev/idle-timeout";

pub(super) static RULE: Rule = Rule {
    name: "idle-timeout",
    title: "Development workloads say after which idle time they may be stopped",
    why: "A notebook holds its GPU over nights and weekends unless something may stop it",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[number("most", 12.0, "hours", "the longest idle time allowed")],
    check: None,
    explain: "\
Judged: workloads of class dev. They need the annotation plimsoll.dev/idle-timeout (4h, 30m, 1d)
on the object or on its pods, and no longer than most. It states what its owner agrees to, for
whatever stops idle workloads in the cluster: a notebook culler, a nightly job, the waste sign
forgotten-notebook.

Mend: the annotation that is shown.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    if !case.is(Class::Dev) || case.object.templates.is_empty() {
        return;
    }
    let most = case.values.number("most");
    let path = || Path::of("metadata.annotations");
    let suggested = if most >= 4.0 { "4h".to_owned() } else { format!("{}m", ((most * 60.0) as u64).max(1)) };
    let says = match case.said(IDLE) {
        None => format!("it has no annotation {IDLE}"),
        Some(text) => match mend::seconds(text) {
            None => format!("the annotation {IDLE} is '{text}', which is no time such as 4h or 30m"),
            Some(seconds) if seconds as f64 > most * 3_600.0 => {
                format!("it may be idle for {text}, and {} h are allowed", mend::plain(most))
            }
            Some(_) => return,
        },
    };
    found.breach(path().key(IDLE), says, mend::at(&path(), json!({ IDLE: suggested }), "Say after which idle time it may be stopped."));
}
