//! Paid for → allocated → in use → usefully in use, and what could not be seen as its own part.

use super::paper::{Ink, Paper, bar};
use crate::words;
use plimsoll_decide::audit::{Audit, funnel::Part};

const NAME: usize = 17;

/// The stages with their names, then what could not be seen with the reason.
pub(crate) fn stages(audit: &Audit) -> [(&'static str, Part); 4] {
    let funnel = &audit.funnel;
    [("Paid for", funnel.paid), ("Allocated", funnel.allocated), ("In use", funnel.in_use), ("Usefully in use", funnel.useful)]
}

/// What could not be seen, part by part; empty parts are left out.
pub(crate) fn unseen(audit: &Audit) -> Vec<(&'static str, Part, &'static str)> {
    let funnel = &audit.funnel;
    [
        ("Not seen", funnel.unseen, "allocated, but no metrics say whether in use"),
        ("Use not judged", funnel.useful_unseen, "in use, but no SM, tensor or DRAM activity"),
    ]
    .into_iter()
    .filter(|part| part.1.gpus > 0.0)
    .collect()
}

pub(super) fn draw(paper: &mut Paper, audit: &Audit) {
    let currency = &audit.money.currency;
    let money = |part: Part| words::money_or_unknown(part.cost_month, currency);
    let (stages, unseen) = (stages(audit), unseen(audit));
    let all = || stages.iter().map(|stage| stage.1).chain(unseen.iter().map(|part| part.1));
    let gpus = all().map(|part| words::gpus_in_column(part.gpus).chars().count()).max().unwrap_or(0).max(6);
    let cost = all().map(|part| money(part).chars().count()).max().unwrap_or(0).max(7);
    let share = 6;
    let cells = paper.width - NAME - gpus - cost - share - 6;
    let whole = audit.funnel.paid.gpus;
    paper.line([(Ink::Quiet, format!("{:NAME$}{:cells$}  {:>gpus$}  {:>cost$}  {:>share$}", "", "", "GPUs  ", "a month", "of all"))]);
    let mut row = |name: &str, ink: Ink, bar: String, part: Part| {
        let blank = " ".repeat(cells.saturating_sub(bar.chars().count()));
        let of_all = if whole > 0.0 { words::percent(part.gpus / whole) } else { String::new() };
        paper.line([
            (Ink::Plain, format!("{name:NAME$}")),
            (ink, bar),
            (Ink::Plain, format!("{blank}  {:>gpus$}  {:>cost$}  {of_all:>share$}", words::gpus_in_column(part.gpus), money(part))),
        ]);
    };
    for (name, part) in stages {
        let ink = if name == "Usefully in use" { Ink::Good } else { Ink::Plain };
        row(name, ink, bar(part.gpus, whole, cells), part);
    }
    for (name, part, _) in &unseen {
        let length = bar(part.gpus, whole, cells).chars().count();
        row(name, Ink::Warn, "░".repeat(length), *part);
    }
    for (name, _, why) in unseen {
        paper.text(NAME, Ink::Quiet, &format!("{name}: {why}."));
    }
    paper.gap();
}
