//! Paid for → allocated → in use → usefully in use, and what could not be seen as its own part.

use super::paper::{Ink, Paper, bar};
use crate::{funnel, words};
use plimsoll_decide::audit::{Audit, funnel::Part};

const NAME: usize = 17;

pub(super) fn draw(paper: &mut Paper, audit: &Audit) {
    let money = |part: Option<Part>| words::money_or_unknown(part.and_then(|part| part.cost_month), &audit.money.currency);
    let gpus = |part: Option<Part>| part.map_or_else(|| words::UNKNOWN.to_owned(), |part| words::gpus_in_column(part.gpus));
    let (stages, unseen) = (funnel::stages(audit), funnel::unseen(audit));
    let all = || stages.iter().map(|stage| stage.1).chain(unseen.iter().map(|part| Some(part.1)));
    let gpus_width = all().map(|part| gpus(part).chars().count()).max().unwrap_or(0).max(6);
    let cost_width = all().map(|part| money(part).chars().count()).max().unwrap_or(0).max(7);
    let share_width = 6;
    let cells = paper.width - NAME - gpus_width - cost_width - share_width - 6;
    let whole = audit.funnel.paid.gpus;
    paper.line([(
        Ink::Quiet,
        format!("{:NAME$}{:cells$}  {:>gpus_width$}  {:>cost_width$}  {:>share_width$}", "", "", "GPUs  ", "a month", "of all"),
    )]);
    let mut row = |name: &str, ink: Ink, bar: String, part: Option<Part>| {
        let blank = " ".repeat(cells.saturating_sub(bar.chars().count()));
        let of_all = part.filter(|_| whole > 0.0).map_or_else(String::new, |part| words::percent(part.gpus / whole));
        paper.line([
            (Ink::Plain, format!("{name:NAME$}")),
            (ink, bar),
            (Ink::Plain, format!("{blank}  {:>gpus_width$}  {:>cost_width$}  {of_all:>share_width$}", gpus(part), money(part))),
        ]);
    };
    for (name, part) in stages {
        let ink = if name == "Usefully in use" { Ink::Good } else { Ink::Plain };
        row(name, ink, part.map_or_else(String::new, |part| bar(part.gpus, whole, cells)), part);
    }
    for (name, part, _) in &unseen {
        let length = bar(part.gpus, whole, cells).chars().count();
        row(name, Ink::Warn, "░".repeat(length), Some(*part));
    }
    for (name, _, why) in unseen {
        paper.text(NAME, Ink::Quiet, &format!("{name}: {why}."));
    }
    paper.gap();
}
