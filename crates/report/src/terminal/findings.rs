//! The worst findings, sign by sign: the dearest sign first, alike ones together.

use super::{
    TableOptions,
    paper::{Ink, Paper},
};
use crate::words::{self, clean, shorten};
use plimsoll_decide::audit::{
    Audit,
    baseline::Comparison,
    finding::{Confidence, Fact, Finding},
    signs,
};

/// Findings shown of one sign, so that one common sign does not hide the others.
const OF_A_SIGN: usize = 3;

/// Findings of one sign, in the audit's order.
pub(crate) struct Group<'a> {
    pub(crate) sign: &'a str,
    pub(crate) title: &'static str,
    pub(crate) findings: Vec<&'a Finding>,
}

/// The open findings with enough evidence, grouped by sign in the order in which the signs first come.
pub(crate) fn groups(audit: &Audit) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places = std::collections::BTreeMap::new();
    for finding in audit.open() {
        let place = *places.entry(&*finding.sign).or_insert_with(|| {
            let title = signs::named(&finding.sign).map_or("", |sign| sign.title);
            groups.push(Group { sign: &finding.sign, title, findings: Vec::new() });
            groups.len() - 1
        });
        groups[place].findings.push(finding);
    }
    groups
}

/// Was it not there in the baseline?
pub(crate) fn is_new(finding: &Finding, comparison: Option<&Comparison>) -> bool {
    comparison.is_some_and(|comparison| comparison.new.contains(&finding.fingerprint()))
}

/// Whose it is; a node is nobody's in particular.
pub(crate) fn team(finding: &Finding) -> String {
    match (&finding.team, finding.class) {
        (Some(team), _) => clean(team),
        (None, Some(_)) => "no team".to_owned(),
        (None, None) => "–".to_owned(),
    }
}

/// Columns right of the subject.
const TEAM: usize = 14;
const GPUS: usize = 7;
const COST: usize = 11;
const SURE: usize = 6;

pub(super) fn draw(paper: &mut Paper, audit: &Audit, options: &TableOptions<'_>) {
    let groups = groups(audit);
    if groups.is_empty() {
        paper.heading("No waste signs");
        let why = if audit.blind_spots.is_empty() { "Nothing was found." } else { "Nothing was found in what could be seen." };
        paper.text(0, Ink::Quiet, why);
    } else {
        paper.heading("The worst signs");
        let subject = paper.width - TEAM - GPUS - COST - SURE - 10;
        paper.line([(
            Ink::Quiet,
            format!("  {:subject$}  {:TEAM$}  {:>GPUS$}  {:>COST$}  {:SURE$}", "", "team", "GPUs  ", "a month", "sure"),
        )]);
        let mut left = options.limit;
        let mut shown_signs = 0;
        for group in &groups {
            if left == 0 {
                break;
            }
            let of_a_sign = if groups.len() == 1 || options.limit == usize::MAX { left } else { left.min(OF_A_SIGN) };
            let shown = of_a_sign.min(group.findings.len());
            draw_group(paper, audit, group, shown, subject, options);
            left -= shown;
            shown_signs += 1;
        }
        let more: Vec<String> = groups
            .iter()
            .skip(shown_signs)
            .map(|group| format!("{} ({})", group.sign, words::count(group.findings.len() as u64)))
            .collect();
        if !more.is_empty() {
            paper.hung(&[(Ink::Quiet, "Also found: ".to_owned())], Ink::Quiet, &more.join(", "));
        }
    }
    aside(paper, audit);
}

fn draw_group(paper: &mut Paper, audit: &Audit, group: &Group<'_>, shown: usize, subject: usize, options: &TableOptions<'_>) {
    let found = group.findings.len();
    let number = if found > 1 { format!(" ({} found)", words::count(found as u64)) } else { String::new() };
    paper.hung(&[(Ink::Name, clean(group.sign)), (Ink::Plain, "  ".to_owned())], Ink::Plain, &format!("{}{number}", group.title));
    for finding in group.findings.iter().take(shown) {
        row(paper, finding, subject, &audit.money.currency);
        let new = if is_new(finding, options.comparison) { "New: " } else { "" };
        paper.text(4, Ink::Quiet, &format!("{new}{}", clean(&finding.says)));
        if options.show_evidence {
            facts(paper, finding);
        }
    }
    if found > shown {
        paper.text(2, Ink::Quiet, &format!("and {} more like it", words::count((found - shown) as u64)));
    }
}

fn row(paper: &mut Paper, finding: &Finding, width: usize, currency: &str) {
    let kind = format!("{} ", clean(&finding.subject.kind));
    let name = match &finding.subject.namespace {
        Some(namespace) => format!("{}/{}", clean(namespace), clean(&finding.subject.name)),
        None => clean(&finding.subject.name),
    };
    let kind = shorten(&kind, width / 2);
    let name = shorten(&name, width - kind.chars().count());
    let blank = " ".repeat(width - kind.chars().count() - name.chars().count());
    let team = team(finding);
    let gpus = finding.gpus.map_or_else(|| "–  ".to_owned(), |gpus| words::gpus_in_column(gpus.gpus()));
    // No GPUs are wasted: the sign is no matter of money. GPUs without a cost: the price is not known.
    let cost = match (finding.cost_month, finding.gpus) {
        (Some(cost), _) => words::money(cost, currency),
        (None, Some(_)) => words::UNKNOWN.to_owned(),
        (None, None) => "–".to_owned(),
    };
    paper.line([
        (Ink::Plain, format!("  {kind}")),
        (Ink::Strong, name),
        (Ink::Plain, format!("{blank}  {:TEAM$}  {gpus:>GPUS$}  {cost:>COST$}  ", shorten(&team, TEAM))),
        (if finding.confidence == Confidence::High { Ink::Plain } else { Ink::Warn }, finding.confidence.name().to_owned()),
    ]);
}

/// The facts behind a finding, and its fix in full.
fn facts(paper: &mut Paper, finding: &Finding) {
    for fact in &finding.evidence {
        paper.hung(&[(Ink::Plain, "    ".to_owned()), (Ink::Quiet, "seen  ".to_owned())], Ink::Plain, &clean(&fact.query));
        paper.text(10, Ink::Quiet, &format!("{}: {}", about(fact), clean(&fact.value)));
    }
    paper.hung(&[(Ink::Plain, "    ".to_owned()), (Ink::Quiet, "fix   ".to_owned())], Ink::Plain, &clean(&finding.fix.says));
    paper.code(10, &finding.fix.action, 40);
}

/// Over which stretch and how many samples.
pub(crate) fn about(fact: &Fact) -> String {
    let stretch = fact.window.map_or_else(|| "as it stands now".to_owned(), |window| words::duration(window.length()));
    match fact.samples {
        Some(samples) => format!("{stretch}, {}", words::plural(samples, "sample")),
        None => stretch,
    }
}

/// What is left out of every sum, and why.
fn aside(paper: &mut Paper, audit: &Audit) {
    let accepted = audit.findings.iter().filter(|finding| finding.accepted.is_some()).count() as u64;
    let short: Vec<&Finding> =
        audit.findings.iter().filter(|finding| finding.accepted.is_none() && finding.confidence == Confidence::TooLittle).collect();
    if !short.is_empty() {
        let names: Vec<String> = short
            .iter()
            .take(3)
            .map(|finding| format!("{} on {}", finding.sign, shorten(&clean(&finding.subject.to_string()), 40)))
            .collect();
        let more = if short.len() > 3 { ", …" } else { "" };
        let count = words::count(short.len() as u64);
        paper.text(0, Ink::Warn, &format!("Too little evidence for a verdict on {count}, in no sum: {}{more}", names.join(", ")));
    }
    if accepted > 0 {
        paper.text(0, Ink::Quiet, &format!("{} you have accepted, in no sum.", words::plural(accepted, "finding")));
    }
}
