//! What who submits is told.

use super::review::Answer;
use plimsoll_api::Mode;
use plimsoll_decide::guard::{Breach, Judgement};
use std::fmt::Write as _;

/// Most broken rules that one answer tells of.
const TOLD_MAX: usize = 10;

/// Longest warning, bytes. The API server cuts all of them once they are 4 KiB together (`pkg/endpoints/handlers/rest.go`).
const WARNING_MAX: usize = 400;

/// Longest refusal, bytes.
const REFUSAL_MAX: usize = 8 << 10;

/// The answer to what the rules say.
pub(super) fn answer(judgement: &Judgement) -> Answer {
    let of = |mode: Mode| judgement.breaches.iter().filter(move |breach| breach.mode == mode).take(TOLD_MAX);
    let refused: Vec<&Breach> = of(Mode::Enforce).collect();
    let mut audit = Vec::new();
    for (key, mode) in [("refused", Mode::Enforce), ("warned", Mode::Warn), ("found", Mode::Audit)] {
        let rules: Vec<String> = of(mode).map(|breach| format!("{}: {}", breach.rule, breach.says)).collect();
        if !rules.is_empty() {
            audit.push((key, cut(rules.join("; "), 1_000)));
        }
    }
    if !judgement.exempt.is_empty() {
        let rules = judgement.exempt.iter().take(TOLD_MAX).map(|exempt| format!("{}: {}", exempt.breach.rule, exempt.reason));
        audit.push(("exempt", cut(rules.collect::<Vec<_>>().join("; "), 1_000)));
    }
    Answer {
        refusal: (!refused.is_empty()).then(|| refusal(&refused)),
        warnings: of(Mode::Warn).map(warning).collect(),
        patch: Vec::new(),
        audit,
    }
}

fn warning(breach: &Breach) -> String {
    cut(format!("plimsoll {}: {} {}", breach.rule, breach.message(), breach.fix.says), WARNING_MAX)
}

/// What is wrong, why, and the lines that mend it.
fn refusal(breaches: &[&Breach]) -> String {
    let mut text = match breaches {
        [_] => "a rule is broken.".to_owned(),
        _ => format!("{} rules are broken.", breaches.len()),
    };
    for breach in breaches {
        let guardrail = breach.guardrail.as_deref().map(|name| format!(" (Guardrail {name})")).unwrap_or_default();
        let _ = write!(text, "\n\n{}{guardrail}: {}\n{}", breach.rule, breach.message(), breach.fix.says);
        if let Some(lines) = breach.fix.lines.as_ref().and_then(|lines| serde_saphyr::to_string(lines).ok()) {
            for line in lines.trim_end().lines() {
                let _ = write!(text, "\n    {line}");
            }
        }
        let _ = write!(text, "\n(at {}; plimsoll explain {})", breach.path, breach.rule);
    }
    cut(text, REFUSAL_MAX)
}

/// At most so many bytes.
pub(super) fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most - 3).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
