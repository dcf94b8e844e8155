//! Use over time, and by hour of the week.

use super::parts::figures;
use crate::{
    chart::{px, ticks},
    words,
};
use maud::{Markup, html};
use plimsoll_decide::audit::Audit;
use plimsoll_fleet::evidence::Hour;

const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 44.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 26.0;
const HOUR: i64 = 3_600;
/// Hours that are drawn and listed: a quarter of a year.
const HOURS: usize = 2_208;

/// From hours and GPUs to the drawing.
struct Scale {
    first: i64,
    last: i64,
    most: f64,
}

impl Scale {
    fn x(&self, second: i64) -> f64 {
        let span = (self.last - self.first).max(HOUR) as f64;
        LEFT + (second - self.first) as f64 / span * (WIDTH - LEFT)
    }

    fn y(&self, gpus: f64) -> f64 {
        TOP + (1.0 - (gpus / self.most).clamp(0.0, 1.0)) * (HEIGHT - TOP - BOTTOM)
    }
}

pub(super) fn over_time(audit: &Audit) -> Markup {
    let all = &audit.picture.hours;
    let hours = &all[all.len().saturating_sub(HOURS)..];
    let (Some(first), Some(last)) = (hours.first(), hours.last()) else { return html! {} };
    let most = hours.iter().flat_map(|hour| [hour.seen, hour.held, hour.busy, hour.waiting.unwrap_or(0.0)]).fold(0.0, f64::max);
    let ticks = ticks(most);
    let scale = Scale { first: first.start.0, last: last.start.0 + HOUR, most: ticks.last().copied().unwrap_or(1.0) };
    let waiting = hours.iter().any(|hour| hour.waiting.is_some());
    let useful = hours.iter().any(|hour| hour.useful.is_some());
    html! {
        section {
            h2 { "Use over time" }
            p.note { "GPUs, a mean an hour. The gap between held and busy is held and idle; a break in a line was not seen." }
            div.legend {
                span { i.line-key style="border-color:var(--quiet);border-top-style:dashed" {} "GPUs with metrics" }
                span { i.key.k-held {} "held" } span { i.key.k-busy {} "busy" }
                @if useful { span { i.key.k-useful {} "usefully busy" } }
                @if waiting { span { i.line-key style="border-color:var(--waiting)" {} "asked for by waiting pods" } }
            }
            div.chart {
                svg viewBox={ "0 0 " (px(WIDTH)) " " (px(HEIGHT)) } role="img" aria-label="GPUs held, busy and usefully busy by hour" {
                    @for tick in &ticks {
                        line.rule x1=(px(LEFT)) x2=(px(WIDTH)) y1=(px(scale.y(*tick))) y2=(px(scale.y(*tick))) {}
                        text x=(px(LEFT - 8.0)) y=(px(scale.y(*tick) + 4.0)) text-anchor="end" { (words::gpus(*tick)) }
                    }
                    @for run in runs(hours, |hour| Some(hour.held)) { path.a-held d=(area(&run, &scale)) {} }
                    @for run in runs(hours, |hour| Some(hour.busy)) { path.a-busy d=(area(&run, &scale)) {} }
                    @for run in runs(hours, |hour| hour.useful) { path.a-useful d=(area(&run, &scale)) {} }
                    @for run in runs(hours, |hour| Some(hour.seen)) { path.l-seen d=(line(&run, &scale)) {} }
                    @for run in runs(hours, |hour| hour.waiting) { path.l-waiting d=(line(&run, &scale)) {} }
                    (days(&scale))
                    @for hour in hours {
                        rect.hit x=(px(scale.x(hour.start.0))) y=(px(TOP)) width=(px(scale.x(scale.first + HOUR) - LEFT)) height=(px(HEIGHT - TOP - BOTTOM)) {
                            title { (says(hour)) }
                        }
                    }
                }
            }
            (table(hours))
        }
    }
}

fn maybe(gpus: Option<f64>) -> String {
    gpus.map_or_else(|| words::UNKNOWN.to_owned(), words::gpus)
}

fn says(hour: &Hour) -> String {
    let waiting = hour.waiting.map_or_else(String::new, |gpus| format!(", {} waited for", words::gpus(gpus)));
    format!(
        "{}: {} held, {} busy, {} usefully busy, of {} GPUs with metrics{waiting}",
        words::moment(hour.start),
        words::gpus(hour.held),
        words::gpus(hour.busy),
        maybe(hour.useful),
        words::gpus(hour.seen),
    )
}

/// Hours that follow each other with a known figure: `(second, GPUs)`.
fn runs(hours: &[Hour], figure: impl Fn(&Hour) -> Option<f64>) -> Vec<Vec<(i64, f64)>> {
    let mut runs: Vec<Vec<(i64, f64)>> = Vec::new();
    let mut end = None;
    for hour in hours {
        let Some(gpus) = figure(hour) else {
            end = None;
            continue;
        };
        if end != Some(hour.start.0) {
            runs.push(Vec::new());
        }
        if let Some(run) = runs.last_mut() {
            run.push((hour.start.0, gpus));
        }
        end = Some(hour.start.0 + HOUR);
    }
    runs
}

/// Steps: a mean holds for its whole hour.
fn line(run: &[(i64, f64)], scale: &Scale) -> String {
    let mut path = String::new();
    for (at, (start, gpus)) in run.iter().enumerate() {
        let verb = if at == 0 { "M" } else { "L" };
        let y = px(scale.y(*gpus));
        path.push_str(&format!("{verb}{} {y}L{} {y}", px(scale.x(*start)), px(scale.x(start + HOUR))));
    }
    path
}

fn area(run: &[(i64, f64)], scale: &Scale) -> String {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return String::new() };
    let ground = px(scale.y(0.0));
    format!("{}L{} {ground}L{} {ground}Z", line(run, scale), px(scale.x(last.0 + HOUR)), px(scale.x(first.0)))
}

/// Marks at midnight (UTC), as many as have room.
fn days(scale: &Scale) -> Markup {
    const DAY: i64 = 24 * HOUR;
    let days = (scale.last - scale.first) / DAY;
    let step = (days / 10 + 1) * DAY;
    let first = scale.first.div_euclid(DAY) * DAY + DAY;
    let marks = (0..).map(|at| first + at * step).take_while(|second| *second < scale.last).take(40);
    html! {
        @for second in marks {
            line.rule x1=(px(scale.x(second))) x2=(px(scale.x(second))) y1=(px(HEIGHT - BOTTOM)) y2=(px(HEIGHT - BOTTOM + 5.0)) {}
            text x=(px(scale.x(second).min(WIDTH - 40.0))) y=(px(HEIGHT - 6.0)) text-anchor="middle" { (words::axis_day(plimsoll_fleet::Timestamp(second))) }
        }
    }
}

fn table(hours: &[Hour]) -> Markup {
    let rows: Vec<Vec<String>> = hours
        .iter()
        .map(|hour| {
            vec![
                words::moment(hour.start),
                words::gpus(hour.seen),
                words::gpus(hour.held),
                words::gpus(hour.busy),
                maybe(hour.useful),
                maybe(hour.waiting),
            ]
        })
        .collect();
    figures("The figures: GPUs by hour", &["hour", "with metrics", "held", "busy", "usefully busy", "waited for"], 1, &rows)
}

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

pub(super) fn by_hour_of_week(audit: &Audit) -> Markup {
    let week = &audit.picture.week;
    let most = week.iter().flatten().copied().fold(0.0, f64::max);
    if week.len() != 168 || most <= 0.0 {
        return html! {};
    }
    let shade = |gpus: f64| ["h0", "h1", "h2", "h3", "h4"][((gpus / most * 5.0) as usize).min(4)];
    let rows: Vec<Vec<String>> = week
        .chunks(24)
        .zip(DAYS)
        .map(|(hours, day)| [day.to_owned()].into_iter().chain(hours.iter().map(|gpus| maybe(*gpus))).collect())
        .collect();
    let hours: Vec<String> = (0..24).map(|hour| format!("{hour:02}")).collect();
    let header: Vec<&str> = [""].into_iter().chain(hours.iter().map(String::as_str)).collect();
    html! {
        section {
            h2 { "Busy GPUs by hour of the week" }
            p.note { "Mean GPUs at work, UTC. Hours with few are room for batch work." }
            div.legend {
                span { i.key.h0 {} "few" } span { i.key.h1 {} } span { i.key.h2 {} } span { i.key.h3 {} } span { i.key.h4 {} "up to " (words::gpus(most)) }
                span { i.key.hatch {} "not seen" }
            }
            table.heat {
                tbody {
                    @for (day, gpus) in DAYS.iter().zip(week.chunks(24)) {
                        tr {
                            th scope="row" { (day[..3]) }
                            @for (hour, gpus) in gpus.iter().enumerate() {
                                @match gpus {
                                    Some(gpus) => td class=(shade(*gpus)) title={ (day) " " (hours[hour]) ":00: " (words::gpus(*gpus)) " GPUs at work" } {},
                                    None => td.hatch title={ (day) " " (hours[hour]) ":00: not seen" } {},
                                }
                            }
                        }
                    }
                    tr { th {} @for (hour, name) in hours.iter().enumerate() { th { @if hour % 3 == 0 { (name) } } } }
                }
            }
            (figures("The figures: GPUs at work by hour of the week", &header, 1, &rows))
        }
    }
}
