//! The fleet over time, a panel a run: GPUs, allocated and used below, those that waiting pods asked for above, each on one scale
//! for all runs.

use super::{
    clock::{Clock, end},
    pen::Pen,
    picture::{Figures, Key, Panel, Picture, WIDTH},
};
use crate::{
    chart::{axis_number, px, ticks_between},
    rehearsal::names::Names,
    words,
};
use maud::{Markup, html};
use plimsoll_simulate::rehearsal::{Moment, Rehearsal, Run};

/// Panels drawn.
const PANELS: usize = 12;
/// Stretches with a word on hover, and rows of the table, a run.
const TOLD: usize = 24;
const LEFT: f64 = 74.0;
const RIGHT: f64 = WIDTH - 26.0;
const HEIGHT: f64 = 220.0;
/// The band of what waits, and that of the GPUs.
const WAITING: (f64, f64) = (16.0, 58.0);
const GPUS: (f64, f64) = (74.0, 178.0);

/// What all panels have in common.
struct Scale {
    clock: Clock,
    gpus: f64,
    waiting: f64,
}

impl Scale {
    fn x(&self, at: u64) -> f64 {
        let span = (self.clock.last - self.clock.first) as f64;
        LEFT + (at.clamp(self.clock.first, self.clock.last) - self.clock.first) as f64 / span * (RIGHT - LEFT)
    }

    fn y(band: (f64, f64), value: f64, most: f64) -> f64 {
        let share = if most > 0.0 && value.is_finite() { (value / most).clamp(0.0, 1.0) } else { 0.0 };
        band.1 - share * (band.1 - band.0)
    }
}

pub(super) fn picture(rehearsal: &Rehearsal, names: &Names) -> Option<Picture> {
    let clock = Clock::of(rehearsal)?;
    let drawn: Vec<usize> = names.drawn(PANELS).into_iter().filter(|&run| !rehearsal.runs[run].course.is_empty()).collect();
    let moments = || drawn.iter().flat_map(|&run| &rehearsal.runs[run].course);
    let most = |figure: fn(&Moment) -> f64| moments().map(figure).filter(|figure| figure.is_finite()).fold(0.0, f64::max);
    let gpus = most(|moment| moment.gpus.max(moment.allocated));
    let waiting = most(|moment| moment.waiting);
    let scale = Scale { clock, gpus: top(gpus, 4), waiting: top(waiting, 2) };
    let used = moments().any(|moment| moment.used.is_some());
    let mut legend = vec![(Key::Area("allocated"), "allocated".to_owned())];
    if used {
        legend.push((Key::Area("used"), "used, as recorded".to_owned()));
    }
    legend.extend([
        (Key::Line("there"), "GPUs that there were".to_owned()),
        (Key::Area("waiting"), "asked for by waiting pods, on a scale of its own".to_owned()),
    ]);
    let left_out = rehearsal.runs.len().saturating_sub(drawn.len()) as u64;
    let left_out = if left_out > 0 { format!(" {} not drawn.", words::plural(left_out, "further run")) } else { String::new() };
    Some(Picture {
        file: "timeline",
        title: "The fleet over time",
        note: format!("GPUs, means over each stretch; the scales are the same for every run.{left_out}"),
        legend,
        panels: drawn.iter().map(|&run| panel(&rehearsal.runs[run], &names.runs[run], &scale, rehearsal.horizon)).collect(),
        figures: figures(rehearsal, names, &drawn, &clock),
    })
}

/// The top of an axis that holds `most`.
fn top(most: f64, number: u32) -> f64 {
    if most > 0.0 { ticks_between(0.0, most, number).last().copied().unwrap_or(most) } else { 1.0 }
}

/// A figure with the moments at which it is known, as steps, closed on the ground.
fn area(run: &Run, scale: &Scale, horizon: Option<u64>, band: (f64, f64), most: f64, figure: impl Fn(&Moment) -> Option<f64>) -> String {
    let mut pen = Pen::default();
    let mut part: Vec<(f64, f64)> = Vec::new();
    let mut flush = |part: &mut Vec<(f64, f64)>| {
        if let (Some(&first), Some(&last)) = (part.first(), part.last()) {
            let start = (first.0, band.1);
            pen.draw(&[&[start], part.as_slice(), &[(last.0, band.1)]].concat());
            pen.close(start.0, start.1);
            part.clear();
        }
    };
    for (moment, until) in run.course.iter().zip(ends(run, horizon)) {
        match figure(moment) {
            Some(value) => {
                let y = Scale::y(band, value, most);
                part.extend([(scale.x(moment.at), y), (scale.x(until), y)]);
            }
            None => flush(&mut part),
        }
    }
    flush(&mut part);
    pen.finish()
}

fn ends(run: &Run, horizon: Option<u64>) -> impl Iterator<Item = u64> {
    run.course.iter().skip(1).map(|moment| moment.at).chain([end(&run.course, horizon)])
}

fn panel(run: &Run, name: &str, scale: &Scale, horizon: Option<u64>) -> Panel {
    let there: Vec<(f64, f64)> = run
        .course
        .iter()
        .zip(ends(run, horizon))
        .flat_map(|(moment, until)| {
            let y = Scale::y(GPUS, moment.gpus, scale.gpus);
            [(scale.x(moment.at), y), (scale.x(until), y)]
        })
        .collect();
    let mut pen = Pen::default();
    pen.draw(&there);
    let body = html! {
        (axes(scale))
        path.waiting d=(area(run, scale, horizon, WAITING, scale.waiting, |moment| Some(moment.waiting))) {}
        path.allocated d=(area(run, scale, horizon, GPUS, scale.gpus, |moment| Some(moment.allocated))) {}
        @if run.course.iter().any(|moment| moment.used.is_some()) {
            path.used d=(area(run, scale, horizon, GPUS, scale.gpus, |moment| moment.used)) {}
        }
        path.there d=(pen.finish()) {}
        (told(run, scale, horizon))
    };
    let mean = run.figures.allocation.map_or_else(String::new, |share| format!(": {:.1} % allocated on the mean", share * 100.0));
    Panel { caption: format!("{}{mean}", words::shorten(name, 30)), height: HEIGHT, body }
}

fn axes(scale: &Scale) -> Markup {
    let marks = ticks_between(0.0, scale.gpus, 4);
    html! {
        @for tick in &marks {
            @let y = Scale::y(GPUS, *tick, scale.gpus);
            path.rule d={ "M" (px(LEFT)) " " (px(y)) "H" (px(RIGHT)) } {}
            text x=(px(LEFT - 7.0)) y=(px(y + 4.5)) text-anchor="end" { (axis_number(*tick)) }
        }
        path.rule d={ "M" (px(LEFT)) " " (px(WAITING.0)) "H" (px(RIGHT)) } {}
        text x=(px(LEFT - 7.0)) y=(px(WAITING.0 + 4.5)) text-anchor="end" { (axis_number(scale.waiting)) }
        path.base d={ "M" (px(LEFT)) " " (px(WAITING.1)) "H" (px(RIGHT)) } {}
        path.base d={ "M" (px(LEFT)) " " (px(GPUS.1)) "H" (px(RIGHT)) } {}
        text transform={ "translate(14 " (px((WAITING.0 + WAITING.1) / 2.0)) ") rotate(-90)" } text-anchor="middle" { "waiting" }
        text transform={ "translate(14 " (px((GPUS.0 + GPUS.1) / 2.0)) ") rotate(-90)" } text-anchor="middle" { "GPUs" }
        @for (at, name) in scale.clock.ticks(8) {
            @let x = scale.x(at as u64);
            path.base d={ "M" (px(x)) " " (px(GPUS.1)) "v5" } {}
            text x=(px(x)) y=(px(GPUS.1 + 19.0)) text-anchor="middle" { (name) }
        }
        text x=(px((LEFT + RIGHT) / 2.0)) y=(px(HEIGHT - 6.0)) text-anchor="middle" { (scale.clock.title()) }
    }
}

/// Stretches that say their figures on hover.
fn told(run: &Run, scale: &Scale, horizon: Option<u64>) -> Markup {
    let step = run.course.len().div_ceil(TOLD).max(1);
    let last = scale.x(end(&run.course, horizon));
    html! {
        @for chunk in 0..run.course.len().div_ceil(step) {
            @let at = chunk * step;
            @let x = scale.x(run.course[at].at);
            @let until = run.course.get(at + step).map_or(last, |moment| scale.x(moment.at));
            rect.hit x=(px(x)) y=(px(WAITING.0)) width=(px((until - x).max(0.0))) height=(px(GPUS.1 - WAITING.0)) { title { (says(&run.course[at], &scale.clock)) } }
        }
    }
}

fn says(moment: &Moment, clock: &Clock) -> String {
    let used = moment.used.map_or_else(String::new, |used| format!(", {} used", words::gpus(used)));
    format!(
        "{}: {} of {} GPUs allocated{used}, {} waited for, {} fragmented, {} nodes",
        clock.says(moment.at),
        words::gpus(moment.allocated),
        words::gpus(moment.gpus),
        words::gpus(moment.waiting),
        words::gpus(moment.fragmented),
        words::gpus(moment.nodes),
    )
}

fn figures(rehearsal: &Rehearsal, names: &Names, drawn: &[usize], clock: &Clock) -> Figures {
    let header = ["run", "moment", "GPUs", "allocated", "used", "waited for", "fragmented", "nodes"].map(str::to_owned).to_vec();
    let mut rows = Vec::new();
    for &place in drawn {
        let course = &rehearsal.runs[place].course;
        for moment in course.iter().step_by(course.len().div_ceil(TOLD).max(1)) {
            rows.push(vec![
                names.runs[place].clone(),
                clock.says(moment.at),
                words::gpus(moment.gpus),
                words::gpus(moment.allocated),
                moment.used.map_or_else(|| "–".to_owned(), words::gpus),
                words::gpus(moment.waiting),
                words::gpus(moment.fragmented),
                words::gpus(moment.nodes),
            ]);
        }
    }
    Figures { header, texts: 2, rows }
}
