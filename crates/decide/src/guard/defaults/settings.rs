//! Which guardrail asks for which default.

use crate::guard::{Policy, case::View};
use plimsoll_api::{Defaults, defaults::Deadlines};

/// What is asked for, and by which guardrail.
#[derive(Debug, Default)]
pub(super) struct Settings<'a> {
    pub class_label: Option<&'a str>,
    pub toleration: Option<&'a str>,
    pub selector: Option<&'a str>,
    pub probes: Option<&'a str>,
    pub translate: Option<&'a str>,
    pub deadlines: Option<(&'a str, Deadlines)>,
    /// The pools of workloads that name none: more than one where guardrails of one precedence do not agree.
    pub pools: Vec<&'a str>,
}

impl<'a> Settings<'a> {
    /// Those that hold for an object: of each default, what the guardrails of the greatest precedence say that name it.
    pub fn of(policy: &'a Policy, view: &View<'_>) -> Self {
        let all = policy.defaults(view);
        let flag = |named: fn(&Defaults) -> Option<bool>| {
            let saying = greatest(&all, named);
            saying.into_iter().find(|(_, is_on)| *is_on).map(|(guardrail, _)| guardrail)
        };
        let mut pools: Vec<&str> = greatest(&all, |defaults| defaults.pool.as_deref()).into_iter().map(|(_, pool)| pool).collect();
        pools.sort_unstable();
        pools.dedup();
        Self {
            class_label: flag(|defaults| defaults.class_label),
            toleration: flag(|defaults| defaults.toleration),
            selector: flag(|defaults| defaults.selector),
            probes: flag(|defaults| defaults.probes),
            translate: flag(|defaults| defaults.translate),
            deadlines: greatest(&all, |defaults| defaults.deadlines).into_iter().find(|(_, deadlines)| !deadlines.disabled),
            pools,
        }
    }
}

/// What the guardrails of the greatest precedence say, of those that say something.
fn greatest<'a, T>(all: &[(&'a str, i32, &'a Defaults)], says: fn(&'a Defaults) -> Option<T>) -> Vec<(&'a str, T)> {
    let saying = || all.iter().filter_map(|(guardrail, precedence, defaults)| Some((*guardrail, *precedence, says(defaults)?)));
    let most = saying().map(|(_, precedence, _)| precedence).max();
    saying().filter(|(_, precedence, _)| Some(*precedence) == most).map(|(guardrail, _, said)| (guardrail, said)).collect()
}
