//! For a pull request: the summary, the worst findings as a table, the rest folded away.

use crate::{
    funnel, terminal,
    words::{self, clean},
};
use plimsoll_decide::audit::{Audit, baseline::Comparison, finding::Finding, funnel::Part};
use std::fmt::Write as _;

/// Findings in the open table; the others are folded.
const OPEN: usize = 10;
/// Findings in the folded table: comments of forges hold 65,536 characters.
const FOLDED: usize = 100;

/// The audit as Markdown.
#[must_use]
pub fn report(audit: &Audit, comparison: Option<&Comparison>) -> String {
    let mut out = String::new();
    let _ = write_report(&mut out, audit, comparison);
    out
}

fn write_report(out: &mut String, audit: &Audit, comparison: Option<&Comparison>) -> std::fmt::Result {
    let currency = &audit.money.currency;
    let money = |amount| words::money_or_unknown(amount, currency);
    let cluster = audit.origin.cluster.as_deref().unwrap_or(&audit.origin.source);
    writeln!(out, "## Where the GPU money goes: {}\n", escape(cluster))?;
    writeln!(
        out,
        "{} on {}, {} · {} · seen {}\n",
        words::plural(audit.counts.gpus, "GPU"),
        words::plural(audit.counts.gpu_nodes, "node"),
        words::plural(audit.counts.workloads, "workload"),
        words::window(audit.window),
        words::moment(audit.at),
    )?;
    writeln!(out, "| | GPUs | a month |\n|---|---:|---:|")?;
    let gpus = |part: Option<Part>| part.map_or_else(|| words::UNKNOWN.to_owned(), |part| words::gpus(part.gpus));
    let row = |out: &mut String, name: &str, part: Option<Part>| {
        writeln!(out, "| {name} | {} | {} |", gpus(part), money(part.and_then(|part| part.cost_month)))
    };
    for (name, part) in funnel::stages(audit) {
        row(out, name, part)?;
    }
    for (name, part, why) in funnel::unseen(audit) {
        row(out, &format!("*{name}: {why}*"), Some(part))?;
    }
    writeln!(out)?;
    writeln!(out, "- **Bill** {} {}", money(audit.money.bill_month), escape(&terminal::bill_note(&audit.money)))?;
    writeln!(out, "- **Theoretical** {} {}", money(audit.money.theoretical_saving_month), terminal::theoretical_note(&audit.money))?;
    writeln!(out, "- **Realisable** {} {}", money(audit.money.realisable_saving_month), escape(&terminal::packing_note(&audit.packing)))?;
    if let Some(comparison) = comparison {
        writeln!(out, "- **Since then** {}", terminal::since(comparison, currency))?;
    }
    writeln!(out)?;

    let open: Vec<&Finding> = audit.open().collect();
    if open.is_empty() {
        writeln!(out, "No waste signs were found in what could be seen.\n")?;
    } else {
        writeln!(out, "### The worst of {}\n", words::plural(open.len() as u64, "finding"))?;
        table(out, &open[..open.len().min(OPEN)], currency, comparison)?;
    }
    if open.len() > OPEN {
        let rest = &open[OPEN..];
        writeln!(out, "<details><summary>The other {}</summary>\n", words::count(rest.len() as u64))?;
        table(out, &rest[..rest.len().min(FOLDED)], currency, comparison)?;
        if rest.len() > FOLDED {
            writeln!(out, "and {} more\n", words::count((rest.len() - FOLDED) as u64))?;
        }
        writeln!(out, "</details>\n")?;
    }
    next_steps(out, audit)?;
    blind_spots(out, audit)
}

fn table(out: &mut String, findings: &[&Finding], currency: &str, comparison: Option<&Comparison>) -> std::fmt::Result {
    writeln!(out, "| sign | on | team | GPUs | a month | sure | seen | fix |\n|---|---|---|---:|---:|---|---|---|")?;
    for finding in findings {
        let cost = match (finding.cost_month, finding.gpus) {
            (Some(cost), _) => words::money(cost, currency),
            (None, Some(_)) => words::UNKNOWN.to_owned(),
            (None, None) => "–".to_owned(),
        };
        writeln!(
            out,
            "| {}{} | {} | {} | {} | {cost} | {} | {} | {} |",
            if terminal::is_new(finding, comparison) { "**new** " } else { "" },
            escape(&finding.sign),
            escape(&finding.subject.to_string()),
            escape(&terminal::team(finding)),
            finding.gpus.map_or_else(|| "–".to_owned(), |gpus| words::gpus(gpus.gpus())),
            finding.confidence.name(),
            escape(&finding.says),
            escape(&finding.fix.says),
        )?;
    }
    writeln!(out)
}

fn next_steps(out: &mut String, audit: &Audit) -> std::fmt::Result {
    if audit.next_steps.is_empty() {
        return Ok(());
    }
    writeln!(out, "### What to do next\n")?;
    for (number, step) in (1..).zip(&audit.next_steps) {
        let worth = step
            .worth_month
            .map_or_else(String::new, |worth| format!(" Worth up to {} a month.", words::money(worth, &audit.money.currency)));
        writeln!(out, "{number}. {}{worth}", escape(&step.says))?;
        if !step.command.is_empty() {
            writeln!(out, "\n{}", code(&step.command, "   "))?;
        }
    }
    writeln!(out)
}

fn blind_spots(out: &mut String, audit: &Audit) -> std::fmt::Result {
    if audit.blind_spots.is_empty() {
        return Ok(());
    }
    writeln!(out, "<details><summary>What could not be seen ({})</summary>\n", words::count(audit.blind_spots.len() as u64))?;
    for spot in audit.blind_spots.iter().take(FOLDED) {
        let dark = spot.gpus.map_or_else(String::new, |gpus| format!(" ({} GPUs in the dark)", words::gpus(gpus)));
        writeln!(
            out,
            "- {}: {}{dark}. To light it: {}",
            escape(&spot.subject),
            escape(spot.says.trim_end_matches('.')),
            escape(&spot.remedy)
        )?;
    }
    writeln!(out, "\n</details>")
}

/// A fenced block that no content can leave: its fence is longer than any run of backticks in it.
fn code(text: &str, indent: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let lines = text.trim_end().lines().map(|line| format!("{indent}{}\n", clean(line)));
    format!("{indent}{fence}sh\n{}{indent}{fence}", lines.collect::<String>())
}

/// A text from outside, so that it is neither a table's border, nor Markdown, nor HTML, nor a mention.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '!' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_breaks_a_table_or_becomes_markup() {
        assert_eq!(escape("a|b<script>\n@all [x](y)"), "a\\|b&lt;script&gt; &#64;all \\[x\\](y)");
    }

    #[test]
    fn no_code_leaves_its_fence() {
        assert_eq!(code("a\n```\nb", ""), "````sh\na\n```\nb\n````");
    }
}
