//! Guardrails as policies that a cluster judges by itself, without Plimsoll in it.
//!
//! - [`export`]: a policy to documents, and to what they leave out
//! - `rules`: what each rule says, in CEL, a file a rule; `object`: the object as they see it; `kinds`: where pods stand
//! - `own`: rules of a user's own, whose expressions stay what they are; `seen`: what such a rule can see
//! - `coverage`: for whom a rule holds; `admits`: which requests are asked about
//! - `admission`: ValidatingAdmissionPolicy; `kyverno`: ValidatingPolicy; `mutation`: defaults, in both of their forms
//!
//! The documents say what [`super::judge`] says of one object alone, without anything beside it: the same objects are let in and
//! refused. What they cannot say is listed, never left out in silence.

mod admission;
mod admits;
mod coverage;
mod kinds;
mod kyverno;
mod mutation;
mod object;
mod own;
mod rules;
mod seen;
pub(in crate::guard) mod text;

use super::{
    Policy,
    rules::{ALL, About},
};
use object::Variable;
use plimsoll_api::{Mode, Pool, Team};
use plimsoll_fleet::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Forms of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `admissionregistration.k8s.io/v1` ValidatingAdmissionPolicy with its binding: the API server judges.
    ValidatingAdmissionPolicy,
    /// `policies.kyverno.io/v1` ValidatingPolicy: Kyverno judges.
    Kyverno,
    /// `admissionregistration.k8s.io/v1` MutatingAdmissionPolicy with its binding: the API server adds the defaults.
    MutatingAdmissionPolicy,
    /// `policies.kyverno.io/v1` MutatingPolicy: Kyverno adds the defaults.
    KyvernoMutating,
}

/// What follows where an object cannot be judged: it is too large for the bounds of CEL, or not as its kind should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// It is as if the rules were broken.
    Fail,
    /// It is let in.
    Ignore,
}

/// What is exported.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exported {
    /// The documents, ready to be applied.
    pub documents: Vec<Value>,
    /// What they leave out.
    pub left_out: Vec<LeftOut>,
}

/// What the documents leave out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// The rule; none: it concerns all of them.
    pub rule: Option<String>,
    /// The guardrail; none: it concerns all of them.
    pub guardrail: Option<String>,
    /// All of the rule, not a part of what it judges.
    pub whole: bool,
    /// What, and why.
    pub why: String,
}

impl LeftOut {
    /// What concerns all rules, of this guardrail or of all.
    fn of_all(guardrail: Option<&str>, why: impl Into<String>) -> Self {
        Self { rule: None, guardrail: guardrail.map(str::to_owned), whole: false, why: why.into() }
    }
}

/// What rules know beside the object and their parameters.
pub(in crate::guard) struct Scope<'a> {
    teams: &'a [Team],
    pools: &'a [Pool],
}

/// A rule as one guardrail sets it, ready to be put in a document.
#[derive(Debug, Clone)]
struct Ready {
    rule: String,
    /// Its own variable, which its expression asks for.
    variable: Variable,
    /// True of an object that is fine.
    expression: String,
    message: String,
    message_expression: Option<String>,
}

impl Ready {
    /// As both forms have it.
    fn validation(&self) -> Value {
        let mut validation = json!({ "expression": self.expression, "message": self.message });
        if let Some(expression) = &self.message_expression {
            validation["messageExpression"] = json!(expression);
        }
        validation
    }

    /// All that asks for variables.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let texts = [Some(&self.variable.expression), Some(&self.expression), self.message_expression.as_ref()];
        texts.into_iter().flatten().map(String::as_str)
    }
}

/// Which requests a policy is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// Objects that are made or changed.
    Objects,
    /// Containers that are put into a running pod. The pod was judged when it was made: only what is new is judged.
    Debugging,
}

/// The rules of one guardrail in one mode.
struct Group {
    guardrail: Option<String>,
    mode: Mode,
    /// What follows where one of them has no result.
    on_error: OnError,
    /// What tells it from other groups of the guardrail in that mode; empty: nothing.
    end: &'static str,
    about: Asks,
    rules: Vec<Ready>,
}

/// A policy as documents. Exemptions that are over at `today`'s moment are left out.
#[must_use]
pub fn export(policy: &Policy, form: Form, on_error: OnError, today: Timestamp) -> Exported {
    if matches!(form, Form::MutatingAdmissionPolicy | Form::KyvernoMutating) {
        return mutation::export(policy, form == Form::KyvernoMutating);
    }
    let scope = Scope { teams: &policy.teams, pools: &policy.pools };
    let mut shared = object::variables(&scope);
    shared.extend(seen::variables());
    shared.extend(coverage::variables(policy));
    let mut left_out = BTreeSet::new();
    let mut groups = groups(policy, &scope, on_error, today, &mut left_out);
    groups.extend(own::groups(policy, today, &mut left_out));
    let debugging = object::of_debugging(&shared);
    let of_group = |group: &Group| if group.about == Asks::Debugging { debugging.as_slice() } else { shared.as_slice() };
    let documents: Vec<Value> = match form {
        Form::ValidatingAdmissionPolicy => groups.iter().flat_map(|group| admission::documents(group, of_group(group))).collect(),
        _ => groups.iter().flat_map(|group| kyverno::documents(group, of_group(group))).collect(),
    };
    if !documents.is_empty() {
        left_out.extend(BEYOND.map(|why| LeftOut::of_all(None, why)));
    }
    Exported { documents, left_out: left_out.into_iter().collect() }
}

/// What no policy sees, whatever the rules.
const BEYOND: [&str; 3] = [
    "kinds that are not in Plimsoll's table, and SeldonDeployment, whose pods stand in lists of lists: plimsoll check and the webhook look for pods in them",
    "changes that leave spec as it is, and those of the subresource scale: they are not judged again",
    "how many devices a ResourceClaim gives that a pod names: a policy sees one object at a time, so such a pod counts as one that asks for GPUs if the names of its claims say so",
];

fn groups(policy: &Policy, scope: &Scope<'_>, on_error: OnError, today: Timestamp, left_out: &mut BTreeSet<LeftOut>) -> Vec<Group> {
    let mut groups = Vec::new();
    for (at, guardrail) in policy.guardrails.iter().enumerate() {
        left_out.extend(coverage::ends(guardrail, today).map(|why| LeftOut::of_all(guardrail.name.as_deref(), why)));
        for mode in [Mode::Enforce, Mode::Warn, Mode::Audit] {
            let mut ready = Vec::new();
            for (index, rule) in ALL.iter().enumerate() {
                let Some((is, values)) = guardrail.entries.get(index).and_then(Option::as_ref) else { continue };
                if *is != mode {
                    continue;
                }
                let mut leave = |whole: bool, why: String| {
                    left_out.insert(LeftOut { rule: Some(rule.name.to_owned()), guardrail: guardrail.name.clone(), whole, why });
                };
                let Some(told) = rules::TOLD.iter().find(|told| told.rule == rule.name) else {
                    let why =
                        rules::UNTOLD.iter().find(|(name, _)| *name == rule.name).map_or("it has not been put in CEL", |(_, why)| *why);
                    leave(true, why.to_owned());
                    continue;
                };
                let Some(found) = (told.found)(values, scope) else { continue };
                if !told.but.is_empty() {
                    leave(false, told.but.to_owned());
                }
                let mut tests = vec![coverage::holds(policy, at, index)];
                if rule.about == About::Gpus {
                    tests.push("variables.wants_gpus".to_owned());
                }
                tests.extend(coverage::is_not_exempt(policy, rule.name, today));
                ready.push(make_ready(rule.name, rule.title, rule.why, told.mend, &text::all_of(&tests), &found));
            }
            if !ready.is_empty() {
                let debugging: Vec<Ready> = ready.iter().filter(|ready| rules::OF_DEBUGGING.contains(&&*ready.rule)).cloned().collect();
                groups.push(Group { guardrail: guardrail.name.clone(), mode, on_error, end: "", about: Asks::Objects, rules: ready });
                if !debugging.is_empty() {
                    let (guardrail, rules) = (guardrail.name.clone(), debugging);
                    groups.push(Group { guardrail, mode, on_error, end: ".debugging", about: Asks::Debugging, rules });
                }
            }
        }
    }
    groups
}

fn make_ready(rule: &'static str, title: &str, why: &str, mend: &str, holds: &str, found: &str) -> Ready {
    let name = format!("found_{}", rule.replace('-', "_"));
    let rest = text::quoted(&format!(". {why}. {mend}."));
    Ready {
        rule: rule.to_owned(),
        expression: format!("size(variables.{name}) == 0"),
        message: format!("{rule}: {title}. {why}. {mend}."),
        message_expression: Some(format!(
            "size(variables.{name}) == 0 ? '' : {} + string(variables.{name}[0][0])\n\
             + (variables.{name}.map(l, size(l)).sum() > 1 ? ' (and ' + string(variables.{name}.map(l, size(l)).sum() - 1) + ' more)' : '')\n\
             + {rest}",
            text::quoted(&format!("{rule}: "))
        )),
        variable: Variable { expression: format!("!({holds}) ? [] : (\n{found}\n)"), name },
    }
}

/// Those of `shared` that the texts ask for, and that those ask for in turn; in their order.
fn needed(shared: &[Variable], texts: &[&str]) -> Vec<Variable> {
    let asks = |text: &str, name: &str| {
        let word = format!("variables.{name}");
        text.match_indices(&word)
            .any(|(at, _)| !text[at + word.len()..].starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_'))
    };
    let mut kept: Vec<Variable> = Vec::new();
    for variable in shared.iter().rev() {
        let is_asked =
            texts.iter().any(|text| asks(text, &variable.name)) || kept.iter().any(|later| asks(&later.expression, &variable.name));
        if is_asked {
            kept.push(variable.clone());
        }
    }
    kept.reverse();
    kept
}

/// The name of a document: of the guardrail, the mode, and what else there is to say.
fn document_name(group: &Group, rule: Option<&str>) -> String {
    let guardrail = group.guardrail.as_deref().unwrap_or("defaults");
    // Rules of a user's own have other names than the others.
    let end = match (rule, group.about) {
        (None, _) => group.end.to_owned(),
        (Some(rule), Asks::Objects) => format!(".{rule}"),
        (Some(rule), Asks::Debugging) => format!("{}.{rule}", group.end),
    };
    format!("plimsoll-{guardrail}-{}{end}", group.mode.name())
}
