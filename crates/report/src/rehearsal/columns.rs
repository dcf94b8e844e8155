//! The figures by which runs are compared: what each is called, how it is written, and which way is better.

use super::names::Names;
use crate::words;
use plimsoll_fleet::Money;
use plimsoll_simulate::rehearsal::{Figures, Rehearsal};

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Count,
    /// A share, 0 to 1.
    Share,
    Seconds,
    GpuHours,
    Dollars,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    More,
    Less,
    /// It is no merit.
    Neither,
}

/// A figure of a run.
pub(super) struct Column {
    /// What it belongs to.
    pub(super) group: &'static str,
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    pub(super) better: Better,
    pub(super) value: fn(&Figures) -> Option<f64>,
    /// How it is said in a sentence where all runs have it alike, with `#` for the figure; none: it always has its column.
    alike: Option<&'static str>,
}

const fn column(
    group: &'static str,
    name: &'static str,
    unit: Unit,
    better: Better,
    value: fn(&Figures) -> Option<f64>,
    alike: Option<&'static str>,
) -> Column {
    Column { group, name, unit, better, value, alike }
}

pub(super) const COLUMNS: [Column; 17] = [
    column("jobs", "came", Unit::Count, Better::Neither, |of| Some(of.jobs as f64), Some("# jobs came")),
    column("jobs", "ended", Unit::Count, Better::More, |of| Some(of.ended as f64), None),
    column("jobs", "running", Unit::Count, Better::Neither, |of| Some(of.running as f64), Some("# running at the end")),
    column("jobs", "waiting", Unit::Count, Better::Less, |of| Some(of.waiting as f64), None),
    column("jobs", "refused", Unit::Count, Better::Less, |of| Some(of.refused as f64), Some("# refused")),
    column("GPUs allocated, %", "mean", Unit::Share, Better::More, |of| of.allocation, None),
    column("GPUs allocated, %", "peak", Unit::Share, Better::More, |of| of.allocation_peak, None),
    column("GPUs allocated, %", "bound", Unit::Share, Better::Neither, |of| of.allocation_bound, None),
    column("GPUs, %", "fragmented", Unit::Share, Better::Less, |of| of.fragmentation, None),
    column("wait", "mean", Unit::Seconds, Better::Less, |of| (of.wait.count > 0).then_some(of.wait.mean), None),
    column("wait", "p99", Unit::Seconds, Better::Less, |of| (of.wait.count > 0).then_some(of.wait.p99), None),
    column("completion", "mean", Unit::Seconds, Better::Less, |of| (of.completion.count > 0).then_some(of.completion.mean), None),
    column("all jobs", "done in", Unit::Seconds, Better::Less, |of| (of.ended > 0).then_some(of.makespan as f64), Some("done in #")),
    column(
        "all jobs",
        "bound",
        Unit::Seconds,
        Better::Neither,
        |of| of.makespan_bound.map(|bound| bound as f64),
        Some("no order can be done before #"),
    ),
    column("evictions", "number", Unit::Count, Better::Less, |of| Some(of.evictions as f64), Some("# evictions")),
    column("evictions", "GPU-h lost", Unit::GpuHours, Better::Less, |of| Some(of.lost_gpu_hours), Some("# GPU-hours lost")),
    column("fleet", "cost", Unit::Dollars, Better::Less, |of| of.cost, Some("the fleet cost #")),
];

impl Column {
    /// A figure for a cell: without the unit where the head has it.
    pub(super) fn write(&self, value: Option<f64>) -> String {
        let Some(value) = value.filter(|value| value.is_finite()) else { return "–".to_owned() };
        match self.unit {
            Unit::Count => words::count(value as i128),
            Unit::Share => format!("{:.2}", value * 100.0),
            Unit::Seconds => words::brief(value),
            Unit::GpuHours => gpu_hours(value),
            Unit::Dollars => dollars(value),
        }
    }

    /// A difference for a cell: `+1.20`, `-35 min`, `=`.
    fn write_difference(&self, difference: f64) -> String {
        let text = self.write(Some(difference.abs()));
        if text == self.write(Some(0.0)) {
            return "=".to_owned();
        }
        format!("{}{text}", if difference < 0.0 { '-' } else { '+' })
    }
}

/// GPU-hours: `1,234,567`, `12.5`.
pub(super) fn gpu_hours(hours: f64) -> String {
    if hours.abs() >= 99.95 { words::count(hours.round() as i128) } else { words::gpus(hours) }
}

/// Money in dollars.
pub(super) fn dollars(amount: f64) -> String {
    if amount.is_finite() { words::money(Money::from_units(amount), "USD") } else { words::UNKNOWN.to_owned() }
}

/// A cell of the comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: String,
    /// None of the same seed is better, and one is worse.
    pub(super) best: bool,
    /// Against the run that it is measured against.
    pub(super) difference: Option<String>,
}

/// The comparison: the columns that say something, run by run.
pub(super) struct Comparison {
    pub(super) columns: Vec<&'static Column>,
    /// Run by run, a cell a column.
    pub(super) rows: Vec<Vec<Cell>>,
    /// What every run has alike, beside the main figures.
    pub(super) same: Vec<String>,
    /// What is unknown in every run.
    pub(super) unknown: Vec<&'static str>,
}

impl Comparison {
    pub(super) fn of(rehearsal: &Rehearsal, names: &Names) -> Self {
        let mut comparison =
            Self { columns: Vec::new(), rows: vec![Vec::new(); rehearsal.runs.len()], same: Vec::new(), unknown: Vec::new() };
        for column in &COLUMNS {
            let values: Vec<Option<f64>> = rehearsal.runs.iter().map(|run| (column.value)(&run.figures)).collect();
            if values.iter().all(Option::is_none) {
                comparison.unknown.push(absent(column));
                continue;
            }
            // A column that tells no run from another says less than the room that it takes.
            if let Some(words) = column.alike.filter(|_| values.iter().all(|value| *value == values[0])) {
                comparison.same.push(words.replace('#', &column.write(values[0])));
                continue;
            }
            comparison.columns.push(column);
            for (at, row) in comparison.rows.iter_mut().enumerate() {
                let difference = names
                    .beside(rehearsal, at)
                    .filter(|_| column.name != "bound" && column.name != "came")
                    .and_then(|beside| Some(column.write_difference(values[at]? - values[beside]?)));
                row.push(Cell { text: column.write(values[at]), best: is_best(rehearsal, column, &values, at), difference });
            }
        }
        comparison.unknown.retain(|why| !why.is_empty());
        comparison
    }
}

/// What to say where no run has the figure; empty: nothing.
fn absent(column: &Column) -> &'static str {
    match (column.group, column.name) {
        ("GPUs allocated, %", "mean") => "allocation: the fleet had no GPU",
        ("GPUs allocated, %", "bound") => "bound on allocation: none is computed for this kind of work",
        ("wait", "mean") => "waits: no job was placed",
        ("completion", "mean") => "completions: no job ended",
        ("fleet", "cost") => "cost: not all nodes are priced",
        _ => "",
    }
}

/// Is no run of the same seed better, as far as is written? Where all are alike, none is best.
fn is_best(rehearsal: &Rehearsal, column: &Column, values: &[Option<f64>], at: usize) -> bool {
    let sign = match column.better {
        Better::More => 1.0,
        Better::Less => -1.0,
        Better::Neither => return false,
    };
    let Some(value) = values[at] else { return false };
    let peers = || rehearsal.runs.iter().zip(values).filter(|(run, _)| run.seed == rehearsal.runs[at].seed).filter_map(|(_, value)| *value);
    let text = column.write(Some(value));
    let written = |peer: f64| column.write(Some(peer));
    peers().all(|peer| peer * sign <= value * sign || written(peer) == text) && peers().any(|peer| written(peer) != text)
}
