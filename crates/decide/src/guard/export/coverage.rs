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
    let names = names(policy);
    let own = policy.guardrails[guardrail].spec.precedence;
    let overruling = policy
        .guardrails
        .iter()
        .zip(&names)
        .filter(|(other, _)| other.spec.precedence > own && other.entries.get(rule).is_some_and(Option::is_some));
    let overruled: Vec<String> = overruling.map(|(_, name)| format!("variables.{name}")).collect();
    let mut tests = vec![format!("variables.{}", names[guardrail])];
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

/// The exemptions from a rule that hold at a moment, of whichever guardrail.
pub(super) fn exemptions<'a>(policy: &'a Policy, rule: &str, today: Timestamp) -> Vec<(&'a Exemption, Timestamp)> {
    let all = policy.guardrails.iter().flat_map(|guardrail| &guardrail.spec.exemptions);
    let of_rule = all.filter(|exemption| exemption.rules.iter().any(|name| name == "*" || name == rule));
    of_rule.filter_map(|exemption| Some((exemption, exemption.end()?))).filter(|(_, end)| today < *end).collect()
}

/// Is the object exempt by this exemption? It ends by the moment of the object's creation: policies have no other clock.
pub(super) fn is_exempt((exemption, end): (&Exemption, Timestamp)) -> String {
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
