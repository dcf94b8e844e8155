//! The long form of a waste sign, and of a rule.

use crate::words;
use plimsoll_decide::{
    audit::signs::{self, Sign},
    guard::{
        cel,
        parameter::{Kind, Parameter},
        rules::{self, Rule},
    },
};

/// All that there is to say of `sign`, for `plimsoll explain NAME`.
#[must_use]
pub fn explain(sign: &Sign) -> String {
    let threshold = match sign.threshold {
        Some(threshold) => format!("Threshold: {}; {}.", quantity(threshold.default, threshold.unit), threshold.says),
        None => "It has no threshold: it is so or it is not.".to_owned(),
    };
    long(sign.name, &[sign.title, &threshold], sign.explain)
}

/// All that there is to say of `rule`, for `plimsoll explain NAME`.
#[must_use]
pub fn explain_rule(rule: &Rule) -> String {
    let mode = format!("A rule for objects before a cluster has them. Without a guardrail its mode is {}.", rule.mode.name());
    let mut out = long(rule.name, &[rule.title, &format!("{}.", rule.why), &mode], rule.explain);
    out.push_str(if rule.parameters.is_empty() { "\nIt has no parameters.\n" } else { "\nParameters:\n" });
    for parameter in rule.parameters {
        let says = format!("{}. Unless set: {}.", parameter.says, default(parameter));
        out.push_str(&format!("  {}\n", parameter.name));
        words::wrap(&says, 94).into_iter().for_each(|line| out.push_str(&format!("      {line}\n")));
    }
    out
}

fn default(parameter: &Parameter) -> String {
    match parameter.kind {
        Kind::Number { default, unit } => format!("{default} {unit}"),
        Kind::Names([]) => "none".to_owned(),
        Kind::Names(names) => names.join(", "),
        Kind::Flag(flag) => flag.to_string(),
    }
}

fn long(name: &str, heads: &[&str], explain: &str) -> String {
    let mut out = format!("{name}\n");
    for paragraph in heads.iter().copied().chain(explain.trim().split("\n\n")) {
        out.push_str(&paragraph_of(paragraph));
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// Text that was broken by hand stays as it is; the rest is broken at 100 columns.
fn paragraph_of(paragraph: &str) -> String {
    let fits = paragraph.lines().all(|line| line.chars().count() <= 100);
    let lines: Vec<String> = if fits {
        paragraph.lines().map(str::to_owned).collect()
    } else {
        paragraph.lines().flat_map(|line| words::wrap(line, 100)).collect()
    };
    lines.join("\n") + "\n"
}

fn quantity(value: f64, unit: &str) -> String {
    match unit {
        "ratio" => words::percent(value),
        unit => format!("{value} {unit}"),
    }
}

/// The name under which rules of a user's own are told of.
pub const CUSTOM: &str = "custom-rules";

/// What there is to say of something that is neither a sign nor a rule; none: there is nothing of that name.
#[must_use]
pub fn topic(name: &str) -> Option<String> {
    if name != CUSTOM {
        return None;
    }
    let width = cel::VARIABLES.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let variables: String = cel::VARIABLES
        .iter()
        .flat_map(|(name, says)| {
            let lines = words::wrap(says, 96 - width).into_iter().enumerate();
            lines.map(move |(at, line)| format!("  {:width$}  {line}\n", if at == 0 { *name } else { "" }))
        })
        .collect();
    let limits = format!(
        "An expression has at most {} bytes. What it may cost for the largest object is bounded before it runs, as Kubernetes bounds its \
         own: each pass over a list multiplies what is inside of it, and more than {} steps are refused. An object may have {} values, \
         {} bytes of text and lists of {}; of a larger one rules of your own are not judged, and that is said.",
        cel::limits::TEXT_MAX,
        words::count(cel::limits::COST_MAX),
        words::count(cel::limits::VALUES_MAX),
        words::count(cel::limits::BYTES_MAX),
        cel::limits::LIST_MAX,
    );
    let mut out = long(CUSTOM, &["Rules of your own, in a Guardrail's spec.customRules"], &CUSTOM_EXPLAIN.replace("VARIABLES", &variables));
    out.push('\n');
    out.push_str(&paragraph_of(&limits));
    Some(out)
}

const CUSTOM_EXPLAIN: &str = "\
A rule of your own is an expression in CEL, the language of the admission policies of Kubernetes. It
is true of what is fine. It has a mode, and is exempted from and reported, like every other rule.

  customRules:
  - name: production-images
    mode: warn
    match: {kinds: [Deployment], gpus: true}   # unless set: every kind, if it asks for GPUs
    expression: pods.all(p, p.containers.all(c, c.image.startsWith('registry.example/')))
    message: an image is not from our registry
    why: Only those images are scanned
    fix: Push the image to registry.example first.

messageExpression makes a message of the object. failurePolicy says what follows where an expression
has no result, because a field is missing or a number is none: ignore, the default, says that the
rule was not judged; fail takes it for broken. Ask for what may be missing with has(object.spec.x).

It can see:

VARIABLES
It can use Kubernetes' functions for texts (startsWith, endsWith, contains, matches, find, split,
join, replace, substring, lowerAscii), lists (all, exists, exists_one, filter, map, size, sum, min,
max, distinct), sets, quantities (quantity('1500m').isLessThan(quantity('2'))) and math. The pattern
of matches is a text that stands there. What may hold secrets is never read, and cannot be judged:
env, envFrom, args, command, volumes, data and the like.";

/// Every sign and every rule in a line: its name and what it means.
#[must_use]
pub fn list() -> String {
    let signs: Vec<(&str, &str)> = signs::ALL.iter().map(|sign| (sign.name, sign.title)).collect();
    let rules: Vec<(&str, &str)> = rules::ALL.iter().map(|rule| (rule.name, rule.title)).collect();
    let width = signs.iter().chain(&rules).map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = |all: &[(&str, &str)]| all.iter().map(|(name, title)| format!("{name:width$}  {title}\n")).collect::<String>();
    format!(
        "Waste signs, for a cluster (plimsoll audit):\n\n{}\nRules, for manifests (plimsoll check):\n\n{}\n{CUSTOM:width$}  Rules of your own\n",
        lines(&signs),
        lines(&rules)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_explains_itself_within_100_columns() {
        for sign in signs::ALL {
            let text = explain(sign);
            assert!(text.starts_with(sign.name), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
            assert!(list().contains(sign.title));
        }
    }

    #[test]
    fn rules_of_a_users_own_are_explained_within_100_columns() {
        let text = topic(CUSTOM).unwrap_or_default();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(cel::VARIABLES.iter().all(|(name, _)| text.contains(name)), "{text}");
        assert!(topic("probes").is_none() && rules::named(CUSTOM).is_none() && list().contains(CUSTOM));
    }

    #[test]
    fn every_rule_explains_itself_within_100_columns_and_has_a_name_of_its_own() {
        for rule in rules::ALL {
            let text = explain_rule(rule);
            assert!(text.starts_with(rule.name), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
            assert!(text.contains("Judged: ") && text.contains("Mend: "), "{text}");
            assert!(rule.parameters.iter().all(|parameter| text.contains(parameter.name)), "{text}");
            assert!(list().contains(rule.title) && signs::named(rule.name).is_none(), "{}", rule.name);
        }
    }
}
