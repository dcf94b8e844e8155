//! One run, in full.

use crate::{
    rehearsal::columns::{dollars, gpu_hours},
    terminal::paper::{Ink, Paper, bar},
    words::{self, clean},
};
use plimsoll_simulate::rehearsal::{Figures, Run, Spread};

const NAME: usize = 17;

pub(super) fn draw(paper: &mut Paper, run: &Run) {
    paper.gap();
    let order = if run.order.is_empty() { String::new() } else { format!(", order {}", clean(&run.order)) };
    paper.text(0, Ink::Strong, &format!("Policy {}{order}, seed {}", clean(&run.policy), run.seed));
    paper.gap();
    hours(paper, &run.figures);
    paper.gap();
    for (name, text) in lines(&run.figures) {
        paper.hung(&[(Ink::Strong, format!("{name:NAME$}"))], Ink::Plain, &text);
    }
}

/// GPU-hours as bars: what there was, what was held, what was used.
fn hours(paper: &mut Paper, of: &Figures) {
    let parts = [
        ("GPU-hours", Ink::Plain, Some(of.gpu_hours)),
        ("Allocated", Ink::Good, Some(of.allocated_gpu_hours)),
        ("Used", Ink::Good, of.used_gpu_hours),
        ("Starting up", Ink::Warn, Some(of.starting_gpu_hours)),
        ("Lost", Ink::Warn, Some(of.lost_gpu_hours)),
    ];
    let figure = |hours: Option<f64>| hours.map_or_else(|| "not recorded".to_owned(), gpu_hours);
    let width = parts.iter().map(|part| figure(part.2).chars().count()).max().unwrap_or(0);
    let cells = paper.width - NAME - width - 10;
    for (name, ink, hours) in parts {
        let bar = bar(hours.unwrap_or(0.0), of.gpu_hours, cells);
        let blank = " ".repeat(cells.saturating_sub(bar.chars().count()));
        let share = hours.filter(|_| of.gpu_hours > 0.0).map_or_else(String::new, |hours| words::percent(hours / of.gpu_hours));
        paper.line([
            (Ink::Plain, format!("{name:NAME$}")),
            (ink, bar),
            (Ink::Plain, format!("{blank}  {:>width$}  {share:>6}", figure(hours))),
        ]);
    }
}

/// The figures of a run as lines of text, for the page too.
pub(in crate::rehearsal) fn lines(of: &Figures) -> Vec<(&'static str, String)> {
    let share = |share: Option<f64>| share.map_or_else(|| words::UNKNOWN.to_owned(), |share| format!("{:.2} %", share * 100.0));
    let bound = of.allocation_bound.map_or_else(
        || "no bound is computed for this kind of work".to_owned(),
        |bound| format!("no policy can allocate more than {:.2} %", bound * 100.0),
    );
    let makespan =
        of.makespan_bound.map_or_else(String::new, |bound| format!("; no order can do it sooner than {}", words::brief(bound as f64)));
    vec![
        (
            "Jobs",
            format!(
                "{} came: {} ended, {} running, {} waiting, {} refused",
                words::count(of.jobs),
                words::count(of.ended),
                words::count(of.running),
                words::count(of.waiting),
                words::count(of.refused),
            ),
        ),
        ("Allocated", format!("{} on the mean, {} at the peak; {bound}", share(of.allocation), share(of.allocation_peak))),
        ("Fragmented", format!("{} of the GPUs on the mean: free, but of no use to the expected mix of pods", share(of.fragmentation))),
        ("Wait", spread(&of.wait, "no job was placed")),
        ("To the end", spread(&of.completion, "no job ended")),
        ("Done in", format!("{}{makespan}", words::brief(of.makespan as f64))),
        ("Evictions", format!("{}, with {} GPU-hours of work lost", words::count(of.evictions), gpu_hours(of.lost_gpu_hours))),
        ("Nodes", format!("{} at most", words::plural(of.nodes_peak, "GPU node"))),
        ("Cost", of.cost.map_or_else(|| "unknown: not all nodes are priced".to_owned(), dollars)),
        ("Events", words::count(of.events)),
    ]
}

fn spread(of: &Spread, none: &str) -> String {
    if of.count == 0 {
        return none.to_owned();
    }
    let brief = words::brief;
    format!(
        "mean {}, median {}, p95 {}, p99 {}, p99.9 {}, most {} ({})",
        brief(of.mean),
        brief(of.p50),
        brief(of.p95),
        brief(of.p99),
        brief(of.p999),
        brief(of.most),
        words::plural(of.count, "job"),
    )
}
