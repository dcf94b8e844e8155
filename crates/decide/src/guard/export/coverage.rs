//! For whom a rule holds: the guardrails that cover the object, the greatest precedence of them, and who is exempt.

use super::{
    object::Variable,
    text::{all_of, any, any_of, quoted},
};
use crate::guard::{Policy, policy::Compiled};
use plimsoll_api::guardrail::Exemption;
use plimsoll_fleet::{Class, Timestamp};

/// What a policy calls each guardrail, in the policy's order.
pub(super) fn names(policy: &Policy) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (at, guardrail) in policy.guardrails.iter().enumerate() {
        let plain: String =
            guardrail.name.as_deref().unwrap_or("all").chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let name = format!("covered_by_{plain}");
        names.push(if names.contains(&name) { format!("{name}_{at}") } else { name });
    }
    names
}

/// Whether each guardrail covers the object.
pub(super) fn variables(policy: &Policy) -> Vec<Variable> {
    names(policy).into_iter().zip(&policy.guardrails).map(|(name, guardrail)| Variable { name, expression: covers(guardrail) }).collect()
}

fn covers(guardrail: &Compiled) -> String {
    let spec = &guardrail.spec;
    let mut tests = Vec::new();
    if !spec.namespaces.names.is_empty() {
        tests.push(any(&spec.namespaces.names, "variables.space"));
    }
    if !spec.namespaces.except.is_empty() {
        tests.push(format!("!({})", any(&spec.namespaces.except, "variables.space")));
    }
    for (key, value) in &spec.namespaces.match_labels {
        tests.push(format!("variables.space_labels[?{}] == optional.of({})", quoted(key), quoted(value)));
    }
    if !spec.classes.is_empty() {
        let classes: Vec<&str> = spec.classes.iter().map(|&class| Class::from(class).name()).collect();
        tests.push(any(&classes, "variables.class"));
    }
    if !spec.teams.is_empty() {
        tests.push(format!("variables.owner.exists(o, {})", any(&spec.teams, "o")));
    }
    if !spec.pools.is_empty() {
        tests.push(format!("variables.pools.exists(o, {})", any(&spec.pools, "o")));
    }
    all_of(&tests)
}

/// Does the rule hold for the object by this guardrail: does it cover it, and none of greater precedence that names the rule?
pub(super) fn holds(policy: &Policy, guardrail: usize, rule: usize) -> String {
    holds_but(policy, &[guardrail], |other| other.entries.get(rule).is_some_and(Option::is_some))
}

/// The same of a rule of a user's own, of this guardrail or named by it. All of the guardrails must cover the object; the last of them
/// says so.
pub(super) fn holds_of_own(policy: &Policy, guardrails: &[usize], rule: &str) -> String {
    holds_but(policy, guardrails, |other| {
        other.own.iter().any(|own| *own.name == *rule) || other.of_others.iter().any(|(named, _)| named == rule)
    })
}

fn holds_but(policy: &Policy, guardrails: &[usize], names_it: impl Fn(&Compiled) -> bool) -> String {
    let names = names(policy);
    let precedence = guardrails.last().map(|&at| policy.guardrails[at].spec.precedence);
    let overruling = policy.guardrails.iter().zip(&names).filter(|(other, _)| Some(other.spec.precedence) > precedence && names_it(other));
    let overruled: Vec<String> = overruling.map(|(_, name)| format!("variables.{name}")).collect();
    let mut tests: Vec<String> = guardrails.iter().map(|&at| format!("variables.{}", names[at])).collect();
    if !overruled.is_empty() {
        tests.push(format!("!({})", any_of(&overruled)));
    }
    all_of(&tests)
}

/// What becomes of the exemptions of a guardrail that hold at a moment.
pub(super) fn ends(guardrail: &Compiled, today: Timestamp) -> impl Iterator<Item = String> {
    guardrail.spec.exemptions.iter().filter_map(move |exemption| {
        let end = exemption.end().filter(|end| today < *end)?;
        Some(format!(
            "the end of the exemption '{}': what is made from {} on is judged, while changes of what was exempt stay so until policies are exported anew",
            exemption.reason,
            moment(end)
        ))
    })
}

/// Is the object exempt from a rule by none of the exemptions that hold at a moment? None: there is no such exemption.
pub(super) fn is_not_exempt(policy: &Policy, rule: &str, today: Timestamp) -> Option<String> {
    let tests: Vec<String> = exemptions(policy, rule, today).into_iter().map(is_exempt).collect();
    (!tests.is_empty()).then(|| format!("!({})", any_of(&tests)))
}

/// The exemptions from a rule that hold at a moment, of whichever guardrail.
fn exemptions<'a>(policy: &'a Policy, rule: &str, today: Timestamp) -> Vec<(&'a Exemption, Timestamp)> {
    let all = policy.guardrails.iter().flat_map(|guardrail| &guardrail.spec.exemptions);
    let of_rule = all.filter(|exemption| exemption.rules.iter().any(|name| name == "*" || name == rule));
    of_rule.filter_map(|exemption| Some((exemption, exemption.end()?))).filter(|(_, end)| today < *end).collect()
}

/// Is the object exempt by this exemption? It ends by the moment of the object's creation: policies have no other clock.
fn is_exempt((exemption, end): (&Exemption, Timestamp)) -> String {
    let mut tests = Vec::new();
    if let Some(kind) = &exemption.kind {
        tests.push(format!("variables.kind == {}", quoted(kind)));
    }
    if let Some(namespace) = &exemption.namespace {
        tests.push(any(std::slice::from_ref(namespace), "variables.space"));
    }
    if let Some(name) = &exemption.name {
        tests.push(any(std::slice::from_ref(name), "variables.name"));
    }
    tests.push(format!("!variables.now.exists(t, t >= timestamp({}))", quoted(&moment(end))));
    all_of(&tests)
}

/// A moment as people and CEL read it.
pub(super) fn moment(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.0).map_or_else(|_| "9999-12-31T23:59:59Z".to_owned(), |at| at.to_string())
}
