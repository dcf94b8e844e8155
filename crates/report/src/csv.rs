//! A line a finding, for a spreadsheet. What is unknown is an empty cell.

use crate::{terminal, words};
use plimsoll_decide::audit::{Audit, baseline::Comparison, finding::Finding};

const HEADER: [&str; 19] = [
    "sign",
    "fingerprint",
    "kind",
    "namespace",
    "name",
    "team",
    "class",
    "class_inferred",
    "gpus",
    "gpu_hours_month",
    "cost_month",
    "currency",
    "confidence",
    "says",
    "fix",
    "action",
    "evidence",
    "accepted",
    "new",
];

/// All findings, in the audit's order.
#[must_use]
pub fn findings(audit: &Audit, comparison: Option<&Comparison>) -> String {
    written(HEADER, audit.findings.iter().map(|finding| record(finding, &audit.money.currency, comparison)))
}

/// A header and its records as text.
pub(crate) fn written<const N: usize>(header: [&str; N], mut records: impl Iterator<Item = [String; N]>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer.write_record(header).and_then(|()| records.try_for_each(|record| writer.write_record(record)));
    written.expect("every record has as many fields as the header, and memory takes them all");
    let bytes = writer.into_inner().expect("memory takes all that is flushed");
    String::from_utf8(bytes).expect("text goes in, so text comes out")
}

fn record(finding: &Finding, currency: &str, comparison: Option<&Comparison>) -> [String; 19] {
    let evidence: Vec<String> = finding.evidence.iter().map(|fact| format!("{}: {}", fact.query, fact.value)).collect();
    let accepted = finding.accepted.as_ref();
    [
        text(&finding.sign),
        finding.fingerprint(),
        text(&finding.subject.kind),
        text(finding.subject.namespace.as_deref().unwrap_or_default()),
        text(&finding.subject.name),
        text(finding.team.as_deref().unwrap_or_default()),
        finding.class.map_or("", |class| class.name()).to_owned(),
        if finding.class.is_some() { finding.class_inferred.to_string() } else { String::new() },
        finding.gpus.map_or_else(String::new, |gpus| gpus.gpus().to_string()),
        finding.gpu_hours_month.map_or_else(String::new, |hours| format!("{:.1}", hours.0)),
        finding.cost_month.map_or_else(String::new, |cost| format!("{:.2}", cost.units())),
        text(currency),
        finding.confidence.name().to_owned(),
        text(&finding.says),
        text(&finding.fix.says),
        text(&finding.fix.action),
        text(&evidence.join("; ")),
        accepted.map_or_else(String::new, |accepted| text(&format!("{} (until {})", accepted.reason, words::day(accepted.expires)))),
        comparison.map_or_else(String::new, |_| terminal::is_new(finding, comparison).to_string()),
    ]
}

/// A text that no spreadsheet takes for a formula (OWASP, "CSV Injection": a leading `=`, `+`, `-`, `@`, tab or return).
pub(crate) fn text(text: &str) -> String {
    let start = text.trim_start_matches([' ', '"', '\'']).chars().next();
    let formula = start.is_some_and(|c| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'));
    if formula { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_a_formula() {
        for hostile in ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\"=1"] {
            assert!(text(hostile).starts_with('\''), "{hostile:?}");
        }
        assert_eq!(text("ml/chat"), "ml/chat");
    }
}
