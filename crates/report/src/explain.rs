//! The long form of a waste sign, and of a rule.

use crate::words;
use plimsoll_decide::{
    audit::signs::{self, Sign},
    guard::{
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

/// Every sign and every rule in a line: its name and what it means.
#[must_use]
pub fn list() -> String {
    let signs: Vec<(&str, &str)> = signs::ALL.iter().map(|sign| (sign.name, sign.title)).collect();
    let rules: Vec<(&str, &str)> = rules::ALL.iter().map(|rule| (rule.name, rule.title)).collect();
    let width = signs.iter().chain(&rules).map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = |all: &[(&str, &str)]| all.iter().map(|(name, title)| format!("{name:width$}  {title}\n")).collect::<String>();
    format!(
        "Waste signs, for a cluster (plimsoll audit):\n\n{}\nRules, for manifests (plimsoll check):\n\n{}",
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
