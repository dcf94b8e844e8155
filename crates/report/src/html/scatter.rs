//! Compute against memory: a mark a workload, its area by GPUs, its shape and colour by class.

use super::parts::figures;
use crate::{
    chart::{mark as outline, px},
    words::{self, clean},
};
use maud::{Markup, html};
use plimsoll_decide::audit::{Audit, picture::Point};
use plimsoll_fleet::Class;

const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 58.0;
const TOP: f64 = 12.0;
const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 44.0;
/// Marks drawn and listed, the greatest first: more are a cloud.
const MARKS: usize = 1_000;
/// Radius of the greatest mark.
const RADIUS: f64 = 24.0;

const CLASSES: [(Option<Class>, &str, &str); 5] = [
    (Some(Class::Online), "d-online", "online"),
    (Some(Class::Batch), "d-batch", "batch"),
    (Some(Class::Training), "d-training", "training"),
    (Some(Class::Dev), "d-dev", "dev"),
    (None, "d-other", "class unknown"),
];

fn x(compute: f64) -> f64 {
    LEFT + compute.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
}

fn y(memory: f64) -> f64 {
    TOP + (1.0 - memory.clamp(0.0, 1.0)) * (HEIGHT - TOP - BOTTOM)
}

pub(super) fn section(audit: &Audit) -> Markup {
    let mut points: Vec<&Point> = audit.picture.scatter.iter().collect();
    if points.is_empty() {
        return html! {};
    }
    // The greatest first, so that small marks lie on top.
    points.sort_by(|a, b| b.gpus.total_cmp(&a.gpus).then_with(|| a.name.cmp(&b.name)));
    let all = points.len();
    points.truncate(MARKS);
    let most = points.first().map_or(1.0, |point| point.gpus);
    let only_ran = points.iter().any(|point| !point.useful);
    let shares = [0.0, 0.25, 0.5, 0.75, 1.0];
    html! {
        section {
            h2 { "Compute against memory" }
            p.note {
                "Each mark is a workload, its area the GPUs that it holds. Top left: memory is full and compute idle, which is mended by sharing or by a smaller "
                "reservation. Bottom left: both are idle, which is mended by scaling down."
                @if only_ran { " Hollow marks: only that something ran is known, not whether it was useful." }
                @if all > MARKS { " The greatest " (words::count(MARKS as u64)) " of " (words::count(all as u64)) " are drawn." }
            }
            div.legend {
                @for (class, style, name) in CLASSES {
                    @if points.iter().any(|point| point.class == class) {
                        span { svg width="14" height="14" viewBox="-7 -7 14 14" aria-hidden="true" { path class={ "dot " (style) } d=(shape(class, 0.0, 0.0, 5.5)) {} } (name) }
                    }
                }
            }
            div.chart {
                svg viewBox={ "0 0 " (px(WIDTH)) " " (px(HEIGHT)) } role="img" aria-label="Compute against memory by workload" {
                    @for share in shares {
                        line.rule x1=(px(LEFT)) x2=(px(WIDTH - RIGHT)) y1=(px(y(share))) y2=(px(y(share))) {}
                        line.rule y1=(px(TOP)) y2=(px(HEIGHT - BOTTOM)) x1=(px(x(share))) x2=(px(x(share))) {}
                        text x=(px(LEFT - 8.0)) y=(px(y(share) + 4.0)) text-anchor="end" { (words::percent(share)) }
                        text x=(px(x(share))) y=(px(HEIGHT - BOTTOM + 17.0)) text-anchor=(if share < 1.0 { "middle" } else { "end" }) { (words::percent(share)) }
                    }
                    text x=(px((LEFT + WIDTH) / 2.0)) y=(px(HEIGHT - 6.0)) text-anchor="middle" { "compute: mean share of time at work" }
                    text transform={ "translate(13 " (px(HEIGHT / 2.0 - 14.0)) ") rotate(-90)" } text-anchor="middle" { "memory held: 95th percentile" }
                    text.corner x=(px(LEFT + 9.0)) y=(px(TOP + 17.0)) { "memory full, compute idle" }
                    text.corner x=(px(LEFT + 9.0)) y=(px(HEIGHT - BOTTOM - 9.0)) { "both idle" }
                    text.corner x=(px(WIDTH - RIGHT - 9.0)) y=(px(TOP + 17.0)) text-anchor="end" { "both in use" }
                    @for point in &points { (mark(point, most)) }
                }
            }
            (table(&points))
        }
    }
}

fn mark(point: &Point, most: f64) -> Markup {
    let radius = (RADIUS * (point.gpus / most.max(1e-9)).max(0.0).sqrt()).max(3.0);
    let style = CLASSES.iter().find(|class| class.0 == point.class).map_or("d-other", |class| class.1);
    html! {
        path class={ "dot " (style) (if point.useful { "" } else { " ran" }) } d=(shape(point.class, x(point.compute), y(point.memory), radius)) {
            title {
                (clean(&point.name)) ": " (words::gpus(point.gpus)) " GPUs, compute " (words::percent(point.compute)) " ("
                (kind(point)) "), memory " (words::percent(point.memory)) ", " (class(point))
            }
        }
    }
}

fn kind(point: &Point) -> &'static str {
    if point.useful { "useful" } else { "something ran" }
}

fn class(point: &Point) -> &'static str {
    point.class.map_or("class unknown", Class::name)
}

/// Each class has its own shape, too.
fn shape(class: Option<Class>, x: f64, y: f64, r: f64) -> String {
    let place = CLASSES.iter().position(|known| known.0 == class).unwrap_or(CLASSES.len() - 1);
    outline(place, x, y, r)
}

fn table(points: &[&Point]) -> Markup {
    let rows: Vec<Vec<String>> = points
        .iter()
        .map(|point| {
            vec![
                clean(&point.name),
                class(point).to_owned(),
                kind(point).to_owned(),
                words::gpus(point.gpus),
                words::percent(point.compute),
                words::percent(point.memory),
            ]
        })
        .collect();
    figures("The figures: compute and memory by workload", &["workload", "class", "compute says", "GPUs", "compute", "memory"], 3, &rows)
}
