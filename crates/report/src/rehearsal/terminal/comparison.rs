//! Several runs, a line each, in as many blocks as the width needs. Under a run stands its difference to the first policy at the same seed.

use crate::{
    rehearsal::{columns::Comparison, names::Names},
    terminal::paper::{Ink, Paper, Piece},
    words,
};
use plimsoll_simulate::rehearsal::Rehearsal;

/// Runs listed; `--format csv` has them all.
const RUNS: usize = 60;
/// Between columns.
const GAP: usize = 2;
/// What stands before a difference.
const DIFFERENCE: &str = "  difference";
const LABEL_MOST: usize = 28;

/// Columns that stand under one head.
struct Group {
    title: &'static str,
    /// Where they stand in the comparison, and how wide each is.
    columns: Vec<(usize, usize)>,
}

impl Group {
    fn width(&self) -> usize {
        self.columns.iter().map(|column| GAP + column.1).sum()
    }
}

pub(super) fn draw(paper: &mut Paper, comparison: &Comparison, names: &Names, rehearsal: &Rehearsal) {
    let differs = comparison.rows.iter().flatten().any(|cell| cell.difference.is_some());
    let least = if differs { DIFFERENCE.len() } else { 0 };
    let longest = names.runs.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let label = longest.clamp(least, LABEL_MOST).max(8);
    for block in blocks(groups(comparison), paper.width - label) {
        paper.gap();
        head(paper, comparison, &block, label);
        for (row, name) in comparison.rows.iter().zip(&names.runs).take(RUNS) {
            let mut pieces: Vec<Piece> = vec![(Ink::Strong, format!("{:label$}", words::shorten(name, label)))];
            for &(column, width) in block.iter().flat_map(|group| &group.columns) {
                let cell = &row[column];
                let (ink, mark) = if cell.best { (Ink::Good, '*') } else { (Ink::Plain, ' ') };
                let text = format!("{}{mark}", cell.text);
                pieces.push((ink, format!("{}{text:>width$}", " ".repeat(GAP))));
            }
            paper.line(pieces);
            if row.iter().any(|cell| cell.difference.is_some()) {
                let cells = block.iter().flat_map(|group| &group.columns).map(|&(column, width)| {
                    format!("{}{:>width$}", " ".repeat(GAP), format!("{} ", row[column].difference.as_deref().unwrap_or_default()))
                });
                paper.line([(Ink::Quiet, format!("{DIFFERENCE:label$}{}", cells.collect::<String>()))]);
            }
        }
    }
    notes(paper, comparison, names, rehearsal);
}

fn groups(comparison: &Comparison) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (at, column) in comparison.columns.iter().enumerate() {
        let cells = comparison.rows.iter().map(|row| {
            let difference = row[at].difference.as_deref().map_or(0, |text| text.chars().count());
            row[at].text.chars().count().max(difference) + 1
        });
        let width = cells.max().unwrap_or(0).max(column.name.chars().count() + 1);
        match groups.last_mut().filter(|group| group.title == column.group) {
            Some(group) => group.columns.push((at, width)),
            None => groups.push(Group { title: column.group, columns: vec![(at, width)] }),
        }
    }
    for group in &mut groups {
        // A head longer than its columns widens the first of them.
        let missing = (group.title.chars().count() + GAP + 1).saturating_sub(group.width());
        group.columns[0].1 += missing;
    }
    groups
}

/// Groups into blocks that fit; a group is never torn.
fn blocks(groups: Vec<Group>, width: usize) -> Vec<Vec<Group>> {
    let mut blocks: Vec<Vec<Group>> = Vec::new();
    let mut left = 0;
    for group in groups {
        let need = group.width();
        if need > left || blocks.is_empty() {
            blocks.push(Vec::new());
            left = width;
        }
        left = left.saturating_sub(need);
        if let Some(block) = blocks.last_mut() {
            block.push(group);
        }
    }
    blocks
}

fn head(paper: &mut Paper, comparison: &Comparison, block: &[Group], label: usize) {
    let over: String = block
        .iter()
        .map(|group| {
            // The last place of a column is the mark's.
            let width = group.width() - GAP - 1;
            let rest = width.saturating_sub(group.title.chars().count() + 1);
            let line = if rest > 0 { format!("{} {}", group.title, "─".repeat(rest)) } else { group.title.to_owned() };
            format!("{}{line} ", " ".repeat(GAP))
        })
        .collect();
    paper.line([(Ink::Quiet, format!("{:label$}{over}", ""))]);
    let under: String = block
        .iter()
        .flat_map(|group| &group.columns)
        .map(|&(column, width)| format!("{}{:>width$}", " ".repeat(GAP), format!("{} ", comparison.columns[column].name)))
        .collect();
    paper.line([(Ink::Quiet, format!("{:label$}{under}", ""))]);
}

fn notes(paper: &mut Paper, comparison: &Comparison, names: &Names, rehearsal: &Rehearsal) {
    paper.gap();
    for note in says(comparison, names, rehearsal) {
        paper.text(0, Ink::Quiet, &note);
    }
    let more = comparison.rows.len().saturating_sub(RUNS) as u64;
    if more > 0 {
        paper.text(0, Ink::Quiet, &format!("and {} more: --format csv has them all", words::count(more)));
    }
}

/// What a reader must know to read the comparison right.
pub(in crate::rehearsal) fn says(comparison: &Comparison, names: &Names, rehearsal: &Rehearsal) -> Vec<String> {
    let mut notes = Vec::new();
    if comparison.rows.iter().flatten().any(|cell| cell.best) {
        let seed = if rehearsal.runs.iter().any(|run| run.seed != rehearsal.runs[0].seed) { " among the runs of a seed" } else { "" };
        notes.push(format!("* the best of its column{seed}."));
    }
    if comparison.rows.iter().flatten().any(|cell| cell.difference.is_some()) {
        notes.push(format!("Differences are to {} at the same seed; those of shares are in points.", names.kinds[0].name));
    }
    let placed = |at: usize| rehearsal.runs[at].figures.wait.count;
    if (1..rehearsal.runs.len()).any(|at| placed(at) != placed(0)) {
        notes.push(
            "Waits are those of the jobs that were placed: a run that leaves more of them waiting can look better than it is.".to_owned(),
        );
    }
    if !comparison.same.is_empty() {
        notes.push(format!("The same in every run: {}.", comparison.same.join(", ")));
    }
    if !comparison.unknown.is_empty() {
        notes.push(format!("Not known in any run: {}.", comparison.unknown.join("; ")));
    }
    notes
}
