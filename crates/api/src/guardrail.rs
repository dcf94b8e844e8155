//! `Guardrail`: which rules hold where, in which mode, and who is exempt.

use crate::{ApiError, Metadata, defaults::Defaults, named, pattern::LENGTH_MAX};
use plimsoll_fleet::{Class, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What happens when a rule is broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The rule is not judged.
    #[default]
    Off,
    /// It is counted and reported; who submits hears nothing.
    Audit,
    /// Who submits gets a warning.
    Warn,
    /// It is refused.
    Enforce,
}

impl Mode {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Audit => "audit",
            Self::Warn => "warn",
            Self::Enforce => "enforce",
        }
    }
}

/// Rules over GPU workloads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Guardrail {
    /// The API version.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// Its metadata.
    pub metadata: Metadata,
    /// The rules, and whom they are for.
    pub spec: GuardrailSpec,
}

/// The rules, and whom they are for. A guardrail covers what all of its selectors let in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GuardrailSpec {
    /// The namespaces; absent: all.
    #[serde(default)]
    pub namespaces: Namespaces,
    /// Classes of workloads (online, batch, training, dev); empty: all.
    #[serde(default)]
    pub classes: Vec<ClassName>,
    /// Teams by name, `*` for any characters; empty: all.
    #[serde(default)]
    pub teams: Vec<String>,
    /// Pools by name, of which a workload asks for one; empty: all, and workloads that ask for none.
    #[serde(default)]
    pub pools: Vec<String>,
    /// Where several guardrails name a rule for one object, those of the greatest precedence count; all of them, if they are equal.
    #[serde(default)]
    pub precedence: i32,
    /// The mode of every rule that `rules` does not name, and of those that say none.
    #[serde(default)]
    pub mode: Mode,
    /// Rules with their own mode and parameters.
    #[serde(default)]
    pub rules: Vec<RuleSetting>,
    /// Rules of your own.
    #[serde(default)]
    pub custom_rules: Vec<CustomRule>,
    /// Who need not follow which rule, why, and until when.
    #[serde(default)]
    pub exemptions: Vec<Exemption>,
    /// What is added to objects where it is absent; absent: nothing is.
    #[serde(default)]
    pub defaults: Defaults,
}

impl GuardrailSpec {
    /// The mode of a rule that is there and says `own`.
    #[must_use]
    pub fn mode_of(&self, own: Option<Mode>) -> Mode {
        own.unwrap_or(if self.mode == Mode::Off { Mode::Warn } else { self.mode })
    }
}

/// Namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Namespaces {
    /// Names, `*` for any characters; empty: all.
    #[serde(default)]
    pub names: Vec<String>,
    /// Names that are left out.
    #[serde(default)]
    pub except: Vec<String>,
    /// Labels that the namespace must have.
    #[serde(default)]
    pub match_labels: BTreeMap<String, String>,
}

/// A class of workloads, as the label `plimsoll.dev/class` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClassName {
    /// Latency matters.
    Online,
    /// Offline scoring.
    Batch,
    /// Long, ganged, checkpointed.
    Training,
    /// Notebooks and the like.
    Dev,
}

impl From<ClassName> for Class {
    fn from(name: ClassName) -> Self {
        match name {
            ClassName::Online => Self::Online,
            ClassName::Batch => Self::Batch,
            ClassName::Training => Self::Training,
            ClassName::Dev => Self::Dev,
        }
    }
}

/// A rule with its mode and parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleSetting {
    /// The rule's name (`plimsoll explain` lists them).
    pub name: String,
    /// Its mode; absent: that of the guardrail, or warn where that is off.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Its parameters by name: a number, true or false, or a list of texts (`plimsoll explain NAME` tells them).
    #[serde(default)]
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub parameters: BTreeMap<String, Value>,
}

/// A rule of your own: an expression that is true of what is fine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomRule {
    /// Its name: lower case letters, digits and '-', and none that a rule of the program has.
    pub name: String,
    /// Its mode; absent: that of the guardrail, or warn where that is off.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// The objects that it is about; absent: all that ask for GPUs.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// An expression (CEL) that is true of an object that is fine (`plimsoll explain custom-rules` tells what it can see).
    pub expression: String,
    /// What is wrong where it is false, in a sentence.
    #[serde(default)]
    pub message: Option<String>,
    /// An expression that makes the message; where it makes none, `message` counts.
    #[serde(default)]
    pub message_expression: Option<String>,
    /// What follows where the expression has no result, because a field is missing or a number is none: ignore (the rule is not
    /// judged, and that is said) or fail (it is broken).
    #[serde(default)]
    pub failure_policy: FailurePolicy,
    /// Why it matters, in a sentence.
    #[serde(default)]
    pub why: Option<String>,
    /// How it is mended, in a sentence.
    #[serde(default)]
    pub fix: Option<String>,
}

/// What follows where an expression has no result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FailurePolicy {
    /// The rule is not judged.
    #[default]
    Ignore,
    /// It is broken.
    Fail,
}

/// The objects that a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    /// Their kinds, such as Deployment; empty: all.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Only those that ask for GPUs.
    #[serde(default = "yes")]
    pub gpus: bool,
}

impl Default for Match {
    fn default() -> Self {
        Self { kinds: Vec::new(), gpus: true }
    }
}

fn yes() -> bool {
    true
}

/// Who need not follow a rule, why, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exemption {
    /// The rules, by name; `*` is all.
    pub rules: Vec<String>,
    /// The namespace, `*` for any characters; absent: every one.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The kind; absent: every one.
    #[serde(default)]
    pub kind: Option<String>,
    /// The object's name, `*` for any characters; absent: every one.
    #[serde(default)]
    pub name: Option<String>,
    /// Why.
    pub reason: String,
    /// The last day (UTC) on which it holds, such as 2027-03-31.
    pub expires: String,
}

impl Exemption {
    /// The moment from which it holds no more; none: `expires` is no day.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        let day: jiff::civil::Date = self.expires.parse().ok()?;
        let end = day.tomorrow().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Timestamp(end.timestamp().as_second()))
    }
}

/// Most entries of each list.
const ENTRIES_MAX: usize = 1_000;

impl Guardrail {
    /// What the schema cannot say. Names and parameters of rules are checked where the rules are known.
    ///
    /// # Errors
    /// [`ApiError::Field`].
    pub fn validate(&self) -> Result<(), ApiError> {
        named("Guardrail", &self.metadata)?;
        let spec = &self.spec;
        let wrong = |field: String, why: String| ApiError::Field { kind: "Guardrail", name: self.metadata.name.clone(), field, why };
        let names = [
            ("namespaces.names", &spec.namespaces.names),
            ("namespaces.except", &spec.namespaces.except),
            ("teams", &spec.teams),
            ("pools", &spec.pools),
        ];
        for (field, names) in names {
            check_patterns(names).map_err(|why| wrong(format!("spec.{field}"), why))?;
        }
        if spec.rules.len() > ENTRIES_MAX || spec.exemptions.len() > ENTRIES_MAX {
            return Err(wrong("spec".to_owned(), format!("it has more than {ENTRIES_MAX} rules or exemptions: make several guardrails")));
        }
        for (at, rule) in spec.rules.iter().enumerate() {
            if spec.rules[..at].iter().any(|other| other.name == rule.name) {
                return Err(wrong(format!("spec.rules[{at}]"), format!("{} is there twice; leave one out", rule.name)));
            }
        }
        if spec.custom_rules.len() > CUSTOM_MAX {
            return Err(wrong("spec.customRules".to_owned(), format!("there are more than {CUSTOM_MAX}: make several guardrails")));
        }
        for (at, rule) in spec.custom_rules.iter().enumerate() {
            let is_twice = spec.custom_rules[..at].iter().any(|other| other.name == rule.name);
            check_custom(rule, is_twice).map_err(|why| wrong(format!("spec.customRules[{at}]"), why))?;
        }
        for (at, exemption) in spec.exemptions.iter().enumerate() {
            let wrong = |why: String| wrong(format!("spec.exemptions[{at}]"), why);
            if exemption.reason.trim().is_empty() {
                return Err(wrong("an exemption needs a reason".to_owned()));
            }
            if exemption.rules.is_empty() {
                return Err(wrong("it names no rule; write rules: [\"*\"] for all".to_owned()));
            }
            if exemption.end().is_none() {
                return Err(wrong(format!("expires: '{}' is not a day such as 2027-03-31", exemption.expires)));
            }
            let patterns: Vec<String> = exemption.namespace.iter().chain(&exemption.name).cloned().collect();
            check_patterns(&patterns).map_err(wrong)?;
        }
        spec.defaults.check().map_err(|(field, why)| wrong(format!("spec.defaults.{field}"), why))
    }
}

/// Most rules of a user's own in one guardrail.
const CUSTOM_MAX: usize = 50;

/// Longest sentence of such a rule, bytes.
const SENTENCE_MAX: usize = 1_024;

/// What of a rule of a user's own can be told without reading its expressions.
fn check_custom(rule: &CustomRule, is_twice: bool) -> Result<(), String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if rule.name.is_empty() || rule.name.len() > 63 || !rule.name.chars().all(good) {
        return Err(format!("the name '{}' must have 1 to 63 lower case letters, digits or '-'", rule.name));
    }
    if is_twice {
        return Err(format!("{} is there twice; leave one out", rule.name));
    }
    let says = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
    if !says(&rule.message) && !says(&rule.message_expression) {
        return Err(format!("{} has neither message nor messageExpression: who breaks it must be told what is wrong", rule.name));
    }
    let sentences = [("message", &rule.message), ("why", &rule.why), ("fix", &rule.fix)];
    match sentences.iter().find(|(_, text)| text.as_ref().is_some_and(|text| text.len() > SENTENCE_MAX)) {
        Some((field, _)) => Err(format!("{field} has more than {SENTENCE_MAX} bytes")),
        None => Ok(()),
    }
}

/// Patterns that are empty or too long match nothing, or cost too much.
pub(crate) fn check_patterns(patterns: &[String]) -> Result<(), String> {
    if patterns.len() > ENTRIES_MAX {
        return Err(format!("it has more than {ENTRIES_MAX} entries"));
    }
    match patterns.iter().find(|pattern| pattern.is_empty() || pattern.len() > LENGTH_MAX) {
        Some(pattern) if pattern.is_empty() => Err("an empty name matches nothing; write '*' for all".to_owned()),
        Some(_) => Err(format!("a name has more than {LENGTH_MAX} characters")),
        None => Ok(()),
    }
}
