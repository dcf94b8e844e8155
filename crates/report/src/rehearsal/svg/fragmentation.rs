//! Fragmentation over time: free GPUs that the expected mix of pods could not use, of all GPUs.

use super::{
    clock::{Clock, end},
    lines::{Axis, Chart, Line},
    picture::{Figures, Picture},
};
use crate::{
    chart::{axis_number, ticks},
    rehearsal::names::Names,
    words,
};
use plimsoll_simulate::rehearsal::{Moment, Rehearsal};

/// Lines drawn: more are a cloud.
const LINES: usize = 24;
/// Rows of the table.
const ROWS: usize = 24;

/// In percent of the GPUs then; none: there were none.
fn share(moment: &Moment) -> Option<f64> {
    Some(moment.fragmented / moment.gpus * 100.0).filter(|share| moment.gpus > 0.0 && share.is_finite())
}

pub(super) fn picture(rehearsal: &Rehearsal, names: &Names) -> Option<Picture> {
    let clock = Clock::of(rehearsal)?;
    let drawn = names.drawn(LINES);
    let most = drawn.iter().flat_map(|&run| &rehearsal.runs[run].course).filter_map(share).fold(0.0, f64::max);
    let lines: Vec<Line> = drawn.iter().filter_map(|&run| line(rehearsal, names, run, &clock)).collect();
    if lines.is_empty() {
        return None;
    }
    let marks = ticks(most);
    let chart = Chart {
        x: Axis { title: clock.title(), low: clock.first as f64, high: clock.last as f64, ticks: clock.ticks(6) },
        y: Axis {
            title: "fragmented, % of the GPUs",
            low: 0.0,
            high: marks.last().copied().unwrap_or(1.0),
            ticks: marks.iter().map(|&tick| (tick, if most < 2.0 { format!("{tick}") } else { axis_number(tick) })).collect(),
        },
        height: 340.0,
        lines,
        guides: Vec::new(),
    };
    Some(Picture {
        file: "fragmentation",
        title: "Fragmentation over time",
        note: "Free GPUs that the expected mix of pods could not use. The lower a line, the better.".to_owned(),
        legend: chart.legend(),
        panels: vec![chart.panel("")],
        figures: figures(rehearsal, names, &drawn, &clock),
    })
}

fn line(rehearsal: &Rehearsal, names: &Names, place: usize, clock: &Clock) -> Option<Line> {
    let run = &rehearsal.runs[place];
    let kind = names.kind[place];
    let mut parts: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    let ends = run.course.iter().skip(1).map(|moment| moment.at).chain([end(&run.course, rehearsal.horizon)]);
    for (moment, until) in run.course.iter().zip(ends) {
        let Some(share) = share(moment) else {
            parts.push(Vec::new());
            continue;
        };
        // A mean holds for its whole stretch.
        if let Some(part) = parts.last_mut() {
            part.extend([(moment.at as f64, share), (until as f64, share)]);
        }
    }
    parts.retain(|part| !part.is_empty());
    let mean = run.figures.fragmentation.map_or_else(|| words::UNKNOWN.to_owned(), |share| format!("{:.2} %", share * 100.0));
    let step = run.course.len().div_ceil(12).max(1);
    let points = run.course.iter().step_by(step).filter_map(|moment| {
        let share = share(moment)?;
        Some((moment.at as f64, share, format!("{}, {}: {share:.2} % fragmented", names.runs[place], clock.says(moment.at))))
    });
    (!parts.is_empty()).then(|| Line {
        series: kind,
        name: if names.kinds[kind].runs[0] == place { names.kinds[kind].name.clone() } else { String::new() },
        says: format!("{}: {mean} on the mean", names.runs[place]),
        points: points.collect(),
        parts,
    })
}

fn figures(rehearsal: &Rehearsal, names: &Names, drawn: &[usize], clock: &Clock) -> Figures {
    let header = ["moment".to_owned()].into_iter().chain(drawn.iter().map(|&run| names.runs[run].clone())).collect();
    let span = clock.last - clock.first;
    let rows = (0..ROWS as u64).map(|row| {
        let at = clock.first + (u128::from(span) * u128::from(row) / ROWS as u128) as u64;
        let figure = |&run: &usize| {
            let course = &rehearsal.runs[run].course;
            let before = course.partition_point(|moment| moment.at <= at);
            before.checked_sub(1).and_then(|at| share(&course[at])).map_or_else(|| "–".to_owned(), |share| format!("{share:.2}"))
        };
        [clock.says(at)].into_iter().chain(drawn.iter().map(figure)).collect()
    });
    Figures { header, texts: 1, rows: rows.collect() }
}
