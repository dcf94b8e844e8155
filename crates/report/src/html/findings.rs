//! The worst signs. The first ones are open to see, the rest folded; each unfolds to its evidence and its fix.

use super::parts::code;
use crate::{
    terminal,
    words::{self, clean},
};
use maud::{Markup, html};
use plimsoll_decide::audit::{
    Audit,
    baseline::Comparison,
    finding::{Confidence, Finding},
    signs,
};
use std::collections::BTreeSet;

/// Findings that are seen without unfolding.
const OPEN: usize = 12;
/// Findings on the page: each takes about 2 KiB, and a page should open at once.
const MOST: usize = 600;

pub(super) fn section(audit: &Audit, comparison: Option<&Comparison>) -> Markup {
    let all: Vec<&Finding> = audit.findings.iter().take(MOST).collect();
    let open = audit.open().count() as u64;
    let (first, rest) = all.split_at(all.len().min(OPEN));
    let each = |findings: &[&Finding]| html! { @for finding in findings { (row(finding, &audit.money.currency, comparison)) } };
    html! {
        section.long {
            h2 { "The worst signs" }
            @if audit.findings.is_empty() {
                p.note {
                    @if audit.blind_spots.is_empty() { "Nothing was found." } @else { "Nothing was found in what could be seen." }
                }
            } @else {
                p.note { (words::plural(open, "finding")) ", the dearest first. Open one for its evidence and its fix." }
                (filters(&all))
                div.panel.findings {
                    div.finding-row.finding-head {
                        span { "sign" } span { "on" } span { "team" } span.number { "GPUs" } span.number { "a month" } span { "sure" }
                    }
                    (each(first))
                    @if !rest.is_empty() {
                        details.rest { summary { "The other " (words::count(rest.len() as u64)) } (each(rest)) }
                    }
                }
                @if audit.findings.len() > MOST {
                    p.note { "and " (words::count((audit.findings.len() - MOST) as u64)) " more: " code { "plimsoll audit --format json" } " has them all." }
                }
            }
        }
    }
}

fn filters(findings: &[&Finding]) -> Markup {
    let teams: BTreeSet<String> = findings.iter().map(|finding| terminal::team(finding)).collect();
    let signs: BTreeSet<&str> = findings.iter().map(|finding| &*finding.sign).collect();
    html! {
        div.filters {
            select id="filter-team" aria-label="team" { option value="" { "every team" } @for team in teams { option value=(team) { (team) } } }
            select id="filter-sign" aria-label="sign" { option value="" { "every sign" } @for sign in signs { option value=(sign) { (sign) } } }
            input id="filter-text" type="search" placeholder="find a name" aria-label="find a name";
            span.quiet id="filter-count" {}
        }
    }
}

fn row(finding: &Finding, currency: &str, comparison: Option<&Comparison>) -> Markup {
    let sign = signs::named(&finding.sign);
    let team = terminal::team(finding);
    let name = match &finding.subject.namespace {
        Some(namespace) => format!("{}/{}", clean(namespace), clean(&finding.subject.name)),
        None => clean(&finding.subject.name),
    };
    let cost = match (finding.cost_month, finding.gpus) {
        (Some(cost), _) => words::money(cost, currency),
        (None, Some(_)) => words::UNKNOWN.to_owned(),
        (None, None) => "–".to_owned(),
    };
    let sure = match finding.confidence {
        Confidence::TooLittle => "too little",
        other => other.name(),
    };
    let unsure = match finding.confidence {
        Confidence::High => "",
        Confidence::Medium => "sure-medium",
        Confidence::Low | Confidence::TooLittle => "sure-low",
    };
    html! {
        details.finding data-team=(team) data-sign=(finding.sign) {
            summary.finding-row {
                span.sign title=(sign.map_or("", |sign| sign.title)) { (finding.sign) }
                span.subject { span.kind { (clean(&finding.subject.kind)) " " } (name)
                    @if terminal::is_new(finding, comparison) { " " span.tag { "new" } }
                    @if finding.accepted.is_some() { " " span.quiet { "(accepted)" } }
                }
                span.team { (team) }
                span.number.gpus.known[finding.gpus.is_some()] { (finding.gpus.map_or_else(|| "–".to_owned(), |gpus| words::gpus(gpus.gpus()))) }
                span.number.cost { (cost) }
                span class={ "sure " (unsure) } title="how sure the finding is" { (sure) }
                span.says { (clean(&finding.says)) }
            }
            div.more { (more(finding)) }
        }
    }
}

/// Evidence, fix, and how the finding is known.
fn more(finding: &Finding) -> Markup {
    html! {
        @if let Some(sign) = signs::named(&finding.sign) { p.quiet { (sign.title) ". " code { "plimsoll explain " (sign.name) } } }
        p.quiet {
            @if let Some(class) = finding.class { "Class " (class.name()) @if finding.class_inferred { ", inferred" } ". " }
            "Fingerprint " code { (finding.fingerprint()) } "."
        }
        @if let Some(accepted) = &finding.accepted {
            p { "Accepted until " (words::day(accepted.expires)) ": " (clean(&accepted.reason)) ". It is in no sum." }
        }
        @if finding.confidence == Confidence::TooLittle { p { "There is too little evidence for a verdict. It is in no sum." } }
        h3 { "Evidence" }
        div.scroll {
            table.facts {
                thead { tr { th scope="col" { "query or field" } th scope="col" { "seen over" } th scope="col" { "said" } } }
                tbody {
                    @for fact in &finding.evidence {
                        tr { td.mono { (clean(&fact.query)) } td { (terminal::about(fact)) } td { (clean(&fact.value)) } }
                    }
                }
            }
        }
        h3 { "Fix" }
        p style="margin:0" { (clean(&finding.fix.says)) }
        (code(&finding.fix.action))
    }
}
