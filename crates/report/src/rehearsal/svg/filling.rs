//! Allocation against arrivals: how far each policy fills the fleet as more and more is asked of it.

use super::{
    lines::{Axis, Chart, Guide, Line},
    picture::{Figures, Key, Picture},
};
use crate::{
    chart::{axis_number, ticks, ticks_between},
    rehearsal::names::Names,
};
use plimsoll_simulate::rehearsal::{Filling, Rehearsal, Run};

/// Lines drawn: more are a cloud.
const LINES: usize = 40;
/// Lines whose points have a word on hover.
const TOLD: usize = 12;

fn points(run: &Run) -> impl Iterator<Item = &Filling> {
    run.filling.iter().filter(|filling| filling.arrived.is_finite() && filling.allocated.is_finite())
}

/// What was allocated when so much had been asked for.
fn at(run: &Run, arrived: f64) -> Option<f64> {
    let reaches = points(run).map(|filling| filling.arrived).fold(f64::NEG_INFINITY, f64::max);
    if reaches + 1e-6 < arrived {
        return None;
    }
    points(run).take_while(|filling| filling.arrived <= arrived + 1e-6).last().map(|filling| filling.allocated)
}

pub(super) fn picture(rehearsal: &Rehearsal, names: &Names) -> Option<Picture> {
    let drawn: Vec<usize> = names.drawn(LINES).into_iter().filter(|&run| points(&rehearsal.runs[run]).next().is_some()).collect();
    let all = || drawn.iter().flat_map(|&run| points(&rehearsal.runs[run]));
    let most = all().map(|filling| filling.arrived).fold(f64::NEG_INFINITY, f64::max);
    if drawn.is_empty() {
        return None;
    }
    let highest = all().map(|filling| filling.allocated).fold(100.0, f64::max);
    let bounds = bounds(rehearsal, &drawn);
    let whole = Chart {
        x: reaching(axis("GPUs asked for so far, % of the fleet's", ticks(most)), 0.0, most),
        y: axis("GPUs allocated, % of the fleet's", ticks(highest)),
        height: 380.0,
        lines: lines(rehearsal, names, &drawn, |_| true),
        guides: Vec::new(),
    };
    let mut charts = vec![("", whole)];
    // Near the top the policies part; far above what the fleet holds there is no such top.
    let from = (most * 0.9).min(90.0);
    if drawn.len() > 1 && (50.0..=400.0).contains(&most) {
        let inside = |filling: &Filling| filling.arrived >= from;
        let ends = all().filter(|filling| inside(filling)).map(|filling| filling.allocated);
        let (low, high) =
            ends.chain(bounds.iter().copied()).fold((f64::INFINITY, 0.0), |(low, high), y| (f64::min(low, y), f64::max(high, y)));
        let top = Chart {
            x: reaching(axis("GPUs asked for so far, % of the fleet's", ticks_between(from, most, 6)), from, most),
            y: axis("GPUs allocated, % of the fleet's", ticks_between(low, high, 6)),
            height: 380.0,
            lines: lines(rehearsal, names, &drawn, inside),
            guides: Vec::new(),
        };
        charts[0].0 = "From the first arrival on";
        charts.push(("The top, enlarged", top));
    }
    for (_, chart) in &mut charts {
        guides(chart, &bounds);
    }
    let mut legend = charts[0].1.legend();
    legend.push((Key::Line("guide"), "all that is asked for is allocated".to_owned()));
    if !bounds.is_empty() {
        legend.push((Key::Line("bound"), "bound: no policy can allocate more".to_owned()));
    }
    Some(Picture {
        file: "filling",
        title: "Allocation against arrivals",
        note: "The higher a line, the more of the fleet could be used before the rest was of no use to those who waited.".to_owned(),
        legend,
        figures: figures(rehearsal, names, &drawn, &charts[0].1.x.ticks),
        panels: charts.iter().map(|(caption, chart)| chart.panel(caption)).collect(),
    })
}

fn axis(title: &'static str, ticks: Vec<f64>) -> Axis {
    let (low, high) = (ticks.first().copied().unwrap_or(0.0), ticks.last().copied().unwrap_or(1.0));
    let name = |tick: f64| if high - low < 5.0 { format!("{tick:.1}") } else { axis_number(tick) };
    Axis { title, low, high, ticks: ticks.into_iter().map(|tick| (tick, name(tick))).collect() }
}

/// The axis from where the lines begin to where they end.
fn reaching(mut axis: Axis, low: f64, high: f64) -> Axis {
    if low < high {
        axis.ticks.retain(|tick| (low..=high).contains(&tick.0));
        (axis.low, axis.high) = (low, high);
    }
    axis
}

/// The bounds of the runs in percent, each once.
fn bounds(rehearsal: &Rehearsal, drawn: &[usize]) -> Vec<f64> {
    let mut bounds: Vec<f64> = drawn
        .iter()
        .filter_map(|&run| rehearsal.runs[run].figures.allocation_bound)
        .filter(|bound| bound.is_finite())
        .map(|bound| bound * 100.0)
        .collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup_by(|a, b| (*a - *b).abs() < 0.005);
    // Of many, the ones that hold all others between them.
    if bounds.len() > 2 {
        bounds = vec![bounds[0], bounds[bounds.len() - 1]];
    }
    bounds
}

fn guides(chart: &mut Chart, bounds: &[f64]) {
    let (low, high) = (chart.x.low.max(chart.y.low), chart.x.high.min(chart.y.high));
    if low < high {
        chart.guides.push(Guide { class: "guide", name: String::new(), from: (low, low), to: (high, high) });
    }
    for bound in bounds.iter().filter(|bound| (chart.y.low..=chart.y.high).contains(bound)) {
        chart.guides.push(Guide {
            class: "bound",
            name: format!("bound {bound:.2} %"),
            from: (chart.x.low, *bound),
            to: (chart.x.high, *bound),
        });
    }
}

fn lines(rehearsal: &Rehearsal, names: &Names, drawn: &[usize], inside: impl Fn(&Filling) -> bool) -> Vec<Line> {
    drawn
        .iter()
        .filter_map(|&place| {
            let run = &rehearsal.runs[place];
            let kind = names.kind[place];
            let part: Vec<(f64, f64)> =
                points(run).filter(|filling| inside(filling)).map(|filling| (filling.arrived, filling.allocated)).collect();
            let &(end, allocated) = part.last()?;
            // Of the seeds of a policy, the first one carries the name.
            let name = if names.kinds[kind].runs[0] == place { names.kinds[kind].name.clone() } else { String::new() };
            let told = |tick: u32| {
                let arrived = f64::from(tick) * 10.0;
                let allocated = at(run, arrived).filter(|_| part[0].0 <= arrived)?;
                Some((arrived, allocated, format!("{}: {allocated:.2} % allocated when {arrived} % had been asked for", names.runs[place])))
            };
            let points = if drawn.len() <= TOLD { (1..=20).filter_map(told).collect() } else { Vec::new() };
            Some(Line {
                series: kind,
                name,
                says: format!("{}: {allocated:.2} % allocated when {end:.0} % had been asked for", names.runs[place]),
                parts: vec![part],
                points,
            })
        })
        .collect()
}

fn figures(rehearsal: &Rehearsal, names: &Names, drawn: &[usize], ticks: &[(f64, String)]) -> Figures {
    let mut header = vec!["run".to_owned()];
    header.extend(ticks.iter().skip(1).map(|tick| format!("at {} %", tick.1)));
    header.push("at the end".to_owned());
    let rows = drawn.iter().map(|&place| {
        let run = &rehearsal.runs[place];
        let figure = |allocated: Option<f64>| allocated.map_or_else(|| "–".to_owned(), |allocated| format!("{allocated:.2}"));
        let inner = ticks.iter().skip(1).map(|tick| figure(at(run, tick.0)));
        let last = figure(points(run).last().map(|filling| filling.allocated));
        [names.runs[place].clone()].into_iter().chain(inner).chain([last]).collect()
    });
    Figures { header, texts: 1, rows: rows.collect() }
}
