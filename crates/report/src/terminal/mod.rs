//! The table of the command line: the funnel first, then the money, the worst signs, the three next steps, and what
//! could not be seen.
//!
//! - `paper`: lines, styles and bars of a given width.
//! - `funnel`, `findings`, `view`: a section each.

mod findings;
mod funnel;
pub(crate) mod paper;
mod view;

use crate::{
    by::By,
    words::{self, clean},
};
pub(crate) use findings::{about, is_new, team};
use paper::{Ink, Paper};
use plimsoll_decide::audit::{Audit, baseline::Comparison, blind::BlindSpot, money};

/// The width unless told otherwise.
pub const WIDTH: usize = 100;
/// Narrower than this nothing is readable: the table is drawn this wide.
pub(crate) const LEAST_WIDTH: usize = 80;
/// Lines longer than this are not readable either.
pub(crate) const MOST_WIDTH: usize = 160;

/// How the table is drawn.
#[derive(Debug, Clone)]
pub struct TableOptions<'a> {
    /// Columns of the terminal.
    pub width: usize,
    /// With colours. Off when the output is no terminal.
    pub colour: bool,
    /// A view to show.
    pub by: Option<By>,
    /// Query, window, samples and value under each finding, and the fix in full.
    pub show_evidence: bool,
    /// Findings (and rows of a view) to show at most; `usize::MAX` shows all, however alike.
    pub limit: usize,
    /// This audit beside an earlier one.
    pub comparison: Option<&'a Comparison>,
}

impl Default for TableOptions<'_> {
    fn default() -> Self {
        Self { width: WIDTH, colour: false, by: None, show_evidence: false, limit: 15, comparison: None }
    }
}

/// The audit as a table. It ends with a line break.
#[must_use]
pub fn table(audit: &Audit, options: &TableOptions<'_>) -> String {
    let mut paper = Paper::new(options.width.clamp(LEAST_WIDTH, MOST_WIDTH), options.colour);
    title(&mut paper, audit);
    funnel::draw(&mut paper, audit);
    sums(&mut paper, audit);
    if let Some(comparison) = options.comparison {
        let says = since(comparison, &audit.money.currency);
        paper.hung(&[(Ink::Strong, format!("{:12} ", "Since then"))], Ink::Plain, &says);
    }
    if let Some(by) = options.by {
        view::draw(&mut paper, audit, by, options.limit);
    }
    findings::draw(&mut paper, audit, options);
    next_steps(&mut paper, audit);
    blind_spots(&mut paper, audit);
    paper.finish()
}

fn title(paper: &mut Paper, audit: &Audit) {
    let cluster = audit.origin.cluster.as_deref().unwrap_or(&audit.origin.source);
    let cluster = clean(cluster);
    let name = if cluster.is_empty() { "this cluster".to_owned() } else { words::shorten(&cluster, 40) };
    let counts = &audit.counts;
    paper.line([(Ink::Strong, format!("Where the GPU money goes: {name}"))]);
    paper.text(
        0,
        Ink::Quiet,
        &format!(
            "{} on {} of {} · {} · {}",
            words::plural(counts.gpus, "GPU"),
            words::count(counts.gpu_nodes),
            words::plural(counts.nodes, "node"),
            words::plural(counts.workloads, "GPU workload"),
            words::window(audit.window),
        ),
    );
    paper.gap();
}

/// Bill, theoretical and realisable saving, each with what it rests on.
fn sums(paper: &mut Paper, audit: &Audit) {
    let money = &audit.money;
    let currency = &money.currency;
    let figure = |amount| words::money_or_unknown(amount, currency);
    let rows = [
        ("Bill", Ink::Strong, figure(money.bill_month), bill_note(money)),
        ("Theoretical", Ink::Plain, figure(money.theoretical_saving_month), theoretical_note(money)),
        ("Realisable", Ink::Good, figure(money.realisable_saving_month), packing_note(&audit.packing)),
    ];
    let width = rows.iter().map(|row| row.2.chars().count()).max().unwrap_or(0);
    for (name, ink, figure, note) in rows {
        paper.hung(
            &[(Ink::Plain, format!("{name:13}")), (ink, format!("{figure:>width$}")), (Ink::Plain, "   ".to_owned())],
            Ink::Quiet,
            &note,
        );
    }
}

/// What the theoretical saving is.
pub(crate) fn theoretical_note(money: &money::Sums) -> String {
    format!("a month if every sign were mended: {} GPUs, none counted twice", words::gpus(money.theoretical_gpus.gpus()))
}

/// What is new, mended and unchanged since the baseline.
pub(crate) fn since(comparison: &Comparison, currency: &str) -> String {
    let cost = comparison
        .cost_meanwhile
        .map_or_else(String::new, |cost| format!("; the unchanged ones have cost {} meanwhile", words::money(cost, currency)));
    format!(
        "{} new, {} mended, {} unchanged since {}{cost}",
        words::count(comparison.new.len() as u64),
        words::count(comparison.mended.len() as u64),
        words::count(comparison.unchanged.len() as u64),
        words::moment(comparison.since),
    )
}

/// What the bill covers.
pub(crate) fn bill_note(money: &money::Sums) -> String {
    let unpriced = money.unpriced_nodes.len();
    let Some(first) = money.unpriced_nodes.first() else {
        return if money.bill_month.is_some() { "a month for all GPU nodes" } else { "there are no GPU nodes" }.to_owned();
    };
    // The part before the semicolon is the reason, the rest the remedy.
    let why = words::unpriced(&first.why);
    let why = why.split(';').next().unwrap_or_default();
    let others = if money.unpriced_nodes.iter().any(|node| node.why != first.why) { ", and other reasons" } else { "" };
    match money.bill_month {
        None => format!("no GPU node has a known price: {why}{others} (--prices FILE gives them)"),
        Some(_) => format!(
            "a month, without {} of unknown price: {why}{others} (--prices FILE gives them)",
            words::plural(unpriced as u64, "node")
        ),
    }
}

/// What can go, of how many, beside the bound.
pub(crate) fn packing_note(packing: &money::Packing) -> String {
    let going = packing.nodes_that_can_go.len() as u64;
    if packing.nodes_now == 0 {
        return "there are no GPU nodes".to_owned();
    }
    let bound = if packing.nodes_needed == packing.nodes_lower_bound {
        "proven: no packing needs fewer".to_owned()
    } else {
        format!("no packing needs fewer than {}", words::count(packing.nodes_lower_bound))
    };
    let unpriced = packing.nodes_that_can_go.iter().filter(|going| going.per_month.is_none()).count() as u64;
    let without = match unpriced {
        0 => String::new(),
        all if all == going => "; their price is unknown".to_owned(),
        some => format!("; {} of them without a known price", words::count(some)),
    };
    let moves = match packing.moves {
        0 => String::new(),
        moves => format!(" after {}", words::plural(moves, "move")),
    };
    let kept: Vec<String> = packing.kept.iter().map(|(why, nodes)| format!("{} ({})", clean(why), words::count(*nodes))).collect();
    let kept = if going == 0 && !kept.is_empty() { format!(". They stay because {}", kept.join("; ")) } else { String::new() };
    format!(
        "a month: {} of {} can go{moves}{without}; {} needed, {bound}{kept}",
        words::count(going),
        words::plural(packing.nodes_now, "GPU node"),
        words::count(packing.nodes_needed),
    )
}

fn next_steps(paper: &mut Paper, audit: &Audit) {
    if audit.next_steps.is_empty() {
        return;
    }
    paper.heading("What to do next");
    for (number, step) in (1..).zip(&audit.next_steps) {
        let worth = step
            .worth_month
            .map_or_else(String::new, |worth| format!(" Worth up to {} a month.", words::money(worth, &audit.money.currency)));
        paper.hung(&[(Ink::Strong, format!("{number}. "))], Ink::Plain, &format!("{}{worth}", clean(&step.says)));
        if !step.command.is_empty() {
            paper.code(3, &step.command, 12);
        }
    }
}

/// What a blind spot is about, not longer than a line bears.
pub(crate) fn subject(spot: &BlindSpot) -> String {
    words::shorten(&clean(&spot.subject), 60)
}

fn blind_spots(paper: &mut Paper, audit: &Audit) {
    const SHOWN: usize = 6;
    if audit.blind_spots.is_empty() {
        return;
    }
    paper.heading("What could not be seen");
    for spot in audit.blind_spots.iter().take(SHOWN) {
        let dark = spot.gpus.map_or_else(String::new, |gpus| format!(" ({} GPUs in the dark)", words::gpus(gpus)));
        paper.hung(&[(Ink::Warn, "· ".to_owned())], Ink::Plain, &format!("{}: {}{dark}", subject(spot), clean(&spot.says)));
        paper.hung(&[(Ink::Plain, "  ".to_owned())], Ink::Quiet, &format!("to light it: {}", clean(&spot.remedy)));
    }
    let more = audit.blind_spots.len().saturating_sub(SHOWN) as u64;
    if more > 0 {
        paper.text(2, Ink::Quiet, &format!("and {} more: --format json has them all", words::count(more)));
    }
}
