//! Rules of a user's own: the expression stays as it is, and what it can see are variables of the policy.

use super::{
    Asks, Group, LeftOut, OnError, Ready, Variable, coverage,
    kinds::KINDS,
    seen,
    text::{all_of, list, quoted},
};
use crate::guard::{
    Policy,
    own::{MESSAGE_MAX, Own},
};
use plimsoll_api::Mode;
use plimsoll_fleet::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What no policy sees, whatever these rules.
const BEYOND: &str = "containers that are put into a running pod (pods/ephemeralcontainers), by rules of your own: image-registries, image-tags and whole-gpu-requests judge them";

/// The groups of a policy's own rules: of one guardrail, in one mode, with one answer to an expression that has no result.
pub(super) fn groups(policy: &Policy, today: Timestamp, left_out: &mut BTreeSet<LeftOut>) -> Vec<Group> {
    let mut groups: BTreeMap<(String, Mode, bool), Vec<Ready>> = BTreeMap::new();
    for holding in holding(policy) {
        let own = holding.own;
        let mut leave = |whole: bool, why: String| {
            left_out.insert(LeftOut { rule: Some(own.name.to_string()), guardrail: Some(holding.owner.to_owned()), whole, why });
        };
        for kind in own.kinds.iter().filter(|kind| !KINDS.iter().any(|known| known.kinds.iter().any(|(name, _)| name == *kind))) {
            leave(false, format!("policies are not asked about the kind {kind}, which is not in Plimsoll's table"));
        }
        for (name, but) in seen::BUT {
            if own.expression.looks_at(name) {
                leave(false, but.to_owned());
            }
        }
        match ready(policy, &holding, today) {
            Ok(ready) => groups.entry((holding.label, holding.mode, own.fails)).or_default().push(ready),
            Err(why) => leave(true, why),
        }
    }
    if !groups.is_empty() {
        left_out.insert(LeftOut::of_all(None, BEYOND));
    }
    let group = |((guardrail, mode, fails), rules)| Group {
        guardrail: Some(guardrail),
        mode,
        on_error: if fails { OnError::Fail } else { OnError::Ignore },
        about: Asks::Objects,
        end: if fails { ".own-or-fail" } else { ".own" },
        rules,
    };
    groups.into_iter().map(group).collect()
}

/// A rule as a guardrail has it, or names it.
struct Holding<'a> {
    own: &'a Own,
    /// The guardrail that has it.
    owner: &'a str,
    mode: Mode,
    /// What its policy is called by.
    label: String,
    /// The guardrails that must cover an object; the last of them sets the mode.
    guardrails: Vec<usize>,
}

/// As [`Policy::own`] has it, for all objects at once.
fn holding(policy: &Policy) -> Vec<Holding<'_>> {
    let mut all = Vec::new();
    for (at, guardrail) in policy.guardrails.iter().enumerate() {
        let Some(owner) = guardrail.name.as_deref() else { continue };
        for own in &guardrail.own {
            all.push(Holding { own, owner, mode: own.mode, label: owner.to_owned(), guardrails: vec![at] });
            for (other_at, other) in policy.guardrails.iter().enumerate() {
                let has_its_own = other.own.iter().any(|of_other| of_other.name == own.name);
                let mode = other.of_others.iter().find(|(name, _)| **name == *own.name).map(|(_, mode)| *mode);
                if let (Some(name), Some(mode), false) = (other.name.as_deref(), mode, has_its_own) {
                    all.push(Holding { own, owner, mode, label: format!("{name}.{owner}"), guardrails: vec![at, other_at] });
                }
            }
        }
    }
    all.retain(|holding| holding.mode != Mode::Off);
    all
}

fn ready(policy: &Policy, holding: &Holding<'_>, today: Timestamp) -> Result<Ready, String> {
    let own = holding.own;
    let mut tests = vec![coverage::holds_of_own(policy, &holding.guardrails, &own.name)];
    if !own.kinds.is_empty() {
        tests.push(format!("variables.kind in {}", list(&own.kinds)));
    }
    if own.gpus {
        tests.push("variables.wants_gpus".to_owned());
    }
    tests.extend(coverage::is_not_exempt(policy, &own.name, today));
    let variable = Variable { name: format!("asked_of_{}", own.name.replace('-', "_")), expression: all_of(&tests) };
    let expression = own.expression.written(seen::name)?;
    let message_expression = own.message_expression.as_ref().map(|expression| expression.written(seen::name)).transpose()?;
    // A message of several lines is none.
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (begin, end) = (format!("{}: ", own.name), plain(&format!(". {}. {}", own.why, own.fix)));
    let message = format!("{begin}{}{end}", plain(&own.message()));
    Ok(Ready {
        rule: own.name.to_string(),
        expression: format!("!variables.{} || ({expression})", variable.name),
        // As `guard::own`: without the dot at its end, and none if it is empty or fills a screen.
        message_expression: message_expression.map(|expression| {
            format!(
                "[dyn({expression})].map(s, type(s) == string ? string(s).trim() : '')\
                 .map(s, s.contains('\\n') || size(s) > {MESSAGE_MAX} ? '' : s.find('^(.*[^.])?'))\n\
                 .map(s, s == '' ? {} : {} + s + {})[0]",
                quoted(&message),
                quoted(&begin),
                quoted(&end)
            )
        }),
        message,
        variable,
    })
}
