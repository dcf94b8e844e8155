//! The comparison on the command line: what was rehearsed, the figures run by run, waits by size, what could not be placed,
//! and what was changed and assumed. One run alone is told in full.
//!
//! - `comparison`: the figures of several runs, a line a run.
//! - `single`: the figures of one run.

mod comparison;
mod single;

pub(super) use self::{comparison::says as notes, single::lines as single_lines};
use super::{columns::Comparison, name, names::Names, subject};
use crate::{
    terminal::{
        LEAST_WIDTH, MOST_WIDTH,
        paper::{Ink, Paper, Piece},
    },
    words::{self, clean},
};
use plimsoll_simulate::rehearsal::{Refusal, Rehearsal, Spread};

/// Runs whose waits are listed; `--format csv` has them all.
const WAITS: usize = 12;
/// Refusals listed of a run.
const REFUSALS: usize = 8;
/// Changes and assumptions listed.
const TEXTS: usize = 12;

/// The rehearsal as tables, `width` columns wide (80 at least), coloured or not. It ends with a line break.
#[must_use]
pub fn terminal(rehearsal: &Rehearsal, width: usize, color: bool) -> String {
    let mut paper = Paper::new(width.clamp(LEAST_WIDTH, MOST_WIDTH), color);
    let names = Names::of(rehearsal);
    paper.line([(Ink::Strong, format!("Rehearsal: {}", words::shorten(&name(rehearsal), 60)))]);
    paper.text(0, Ink::Quiet, &subject(rehearsal));
    texts(&mut paper, "Changed", &rehearsal.changes);
    match rehearsal.runs.as_slice() {
        [] => {
            paper.gap();
            paper.text(0, Ink::Warn, "No run was made.");
        }
        [run] => single::draw(&mut paper, run),
        _ => comparison::draw(&mut paper, &Comparison::of(rehearsal, &names), &names, rehearsal),
    }
    waits(&mut paper, rehearsal, &names);
    refusals(&mut paper, rehearsal, &names);
    texts(&mut paper, "Assumed", &rehearsal.assumed);
    paper.finish()
}

fn texts(paper: &mut Paper, heading: &str, texts: &[String]) {
    if texts.is_empty() {
        return;
    }
    paper.heading(heading);
    for text in texts.iter().take(TEXTS) {
        paper.hung(&[(Ink::Warn, "· ".to_owned())], Ink::Plain, &clean(text));
    }
    more(paper, texts.len(), TEXTS);
}

fn more(paper: &mut Paper, all: usize, shown: usize) {
    let more = all.saturating_sub(shown) as u64;
    if more > 0 {
        paper.text(2, Ink::Quiet, &format!("and {} more: --format json has them all", words::count(more)));
    }
}

/// Mean, median and tail of a spread; nothing where no job counts.
fn spread(of: &Spread) -> [String; 5] {
    let figure = |seconds| if of.count == 0 { "–".to_owned() } else { words::brief(seconds) };
    [figure(of.mean), figure(of.p50), figure(of.p95), figure(of.p99), figure(of.most)]
}

/// The sizes of some runs in the order in which they first come: each run has them smallest first.
pub(super) fn sizes<'a>(rehearsal: &'a Rehearsal, runs: &[usize]) -> Vec<&'a str> {
    let mut sizes: Vec<&str> = Vec::new();
    for size in runs.iter().flat_map(|&run| &rehearsal.runs[run].sizes) {
        if !sizes.contains(&&*size.size) {
            sizes.push(&size.size);
        }
    }
    sizes
}

/// Waits by size: of one run a line a size, of several a line a size and run.
fn waits(paper: &mut Paper, rehearsal: &Rehearsal, names: &Names) {
    let drawn = names.drawn(WAITS);
    let several = rehearsal.runs.len() > 1;
    let sizes = sizes(rehearsal, &drawn);
    if sizes.is_empty() {
        return;
    }
    paper.heading("Waits by the GPUs that a job asks for");
    const LABEL: usize = 24;
    const CELL: usize = 7;
    let cells = |cells: &[String]| cells.iter().map(|cell| format!("  {cell:>CELL$}")).collect::<String>();
    let head = ["jobs", "mean", "median", "p95", "p99", "most"].map(str::to_owned);
    let wide = paper.width >= 100;
    let completion = |text: String| if wide { format!("  {text:>16}") } else { String::new() };
    paper.line([(Ink::Quiet, format!("{:LABEL$}{}{}", "", cells(&head), completion("mean to the end".to_owned())))]);
    for size in sizes {
        let mut lines: Vec<(String, String)> = Vec::new();
        for &at in &drawn {
            let Some(of) = rehearsal.runs[at].sizes.iter().find(|of| of.size == size) else { continue };
            let jobs = words::count(of.wait.count);
            let figures: Vec<String> = [jobs].into_iter().chain(spread(&of.wait)).collect();
            let end = completion(spread(&of.completion)[0].clone());
            lines.push((words::shorten(&names.runs[at], LABEL - 2), format!("{}{end}", cells(&figures))));
        }
        let size = words::shorten(&clean(size), LABEL);
        if several {
            paper.line([(Ink::Strong, size)]);
            for (run, figures) in lines {
                paper.line([(Ink::Plain, format!("  {run:width$}{figures}", width = LABEL - 2))]);
            }
        } else {
            for (_, figures) in lines {
                paper.line([(Ink::Plain, format!("{size:LABEL$}{figures}"))]);
            }
        }
    }
    if drawn.len() < rehearsal.runs.len() {
        paper.text(0, Ink::Quiet, "One run of each policy and order is listed: --format json has them all.");
    }
}

/// Runs that refused alike, together.
pub(super) fn alike<'a>(rehearsal: &'a Rehearsal, names: &Names) -> Vec<(Vec<String>, &'a [Refusal])> {
    let mut alike: Vec<(Vec<String>, &[Refusal])> = Vec::new();
    for (run, name) in rehearsal.runs.iter().zip(&names.runs) {
        match alike.iter_mut().find(|(_, refused)| *refused == run.refused) {
            Some((runs, _)) => runs.push(name.clone()),
            None => alike.push((vec![name.clone()], &run.refused)),
        }
    }
    alike.retain(|(_, refused)| !refused.is_empty());
    alike
}

/// Whose refusals they are; empty: those of all runs.
pub(super) fn whose(runs: &[String], all: usize) -> String {
    if runs.len() == all { String::new() } else { runs.join("; ") }
}

fn refusals(paper: &mut Paper, rehearsal: &Rehearsal, names: &Names) {
    let groups = alike(rehearsal, names);
    if groups.is_empty() {
        return;
    }
    paper.heading("Could not be placed, even on the empty fleet");
    for (runs, refused) in groups {
        let whose = whose(&runs, rehearsal.runs.len());
        if !whose.is_empty() {
            paper.text(0, Ink::Quiet, &format!("{whose}:"));
        }
        for refusal in refused.iter().take(REFUSALS) {
            let head: [Piece; 3] =
                [(Ink::Warn, "· ".to_owned()), (Ink::Strong, words::plural(refusal.jobs, "job")), (Ink::Plain, ": ".to_owned())];
            let example = words::shorten(&clean(&refusal.example), 60);
            paper.hung(&head, Ink::Plain, &clean(&refusal.why));
            if !example.trim().is_empty() {
                paper.text(2, Ink::Quiet, &format!("for example {example}"));
            }
        }
        more(paper, refused.len(), REFUSALS);
    }
}
