//! Lines over two axes, with their names at their ends.

use super::{
    pen::{Pen, simplify},
    picture::{Key, Panel, WIDTH, colour, dashes, text_width},
};
use crate::{
    chart::{mark, px, spread},
    words,
};
use maud::{Markup, html};

const LEFT: f64 = 58.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 46.0;
/// From one name to the next at the lines' ends.
const APART: f64 = 17.0;
/// Characters of a name at a line's end.
const NAME: usize = 18;

/// Marks of an axis with their words.
pub(super) struct Axis {
    pub(super) title: &'static str,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

/// A line.
pub(super) struct Line {
    pub(super) series: usize,
    /// What stands at its end; empty: it is one of many alike, and is drawn thin.
    pub(super) name: String,
    /// On hover.
    pub(super) says: String,
    /// Stretches without a gap.
    pub(super) parts: Vec<Vec<(f64, f64)>>,
    /// Points with a word on hover.
    pub(super) points: Vec<(f64, f64, String)>,
}

/// A straight line that all others are measured by.
pub(super) struct Guide {
    pub(super) class: &'static str,
    /// What stands above its right end; empty: the legend has it.
    pub(super) name: String,
    pub(super) from: (f64, f64),
    pub(super) to: (f64, f64),
}

/// A chart of lines.
pub(super) struct Chart {
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) height: f64,
    pub(super) lines: Vec<Line>,
    pub(super) guides: Vec<Guide>,
}

impl Axis {
    fn share(&self, value: f64) -> f64 {
        let span = self.high - self.low;
        if span > 0.0 && value.is_finite() { ((value - self.low) / span).clamp(0.0, 1.0) } else { 0.0 }
    }
}

impl Chart {
    /// Do the names fit at the ends?
    pub(super) fn has_names(&self) -> bool {
        let names = self.lines.iter().filter(|line| !line.name.is_empty()).count();
        names as f64 * APART <= self.height - TOP - BOTTOM
    }

    /// The legend: what is not named in the drawing.
    pub(super) fn legend(&self) -> Vec<(Key, String)> {
        if self.has_names() {
            return Vec::new();
        }
        self.lines.iter().filter(|line| !line.name.is_empty()).map(|line| (Key::Series(line.series), line.name.clone())).collect()
    }

    fn right(&self) -> f64 {
        if !self.has_names() {
            return WIDTH - 14.0;
        }
        let longest = self.lines.iter().map(|line| text_width(&words::shorten(&line.name, NAME), 14.0)).fold(0.0, f64::max);
        WIDTH - 34.0 - longest
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (self.right() - LEFT)
    }

    fn y(&self, value: f64) -> f64 {
        TOP + (1.0 - self.y.share(value)) * (self.height - TOP - BOTTOM)
    }

    pub(super) fn panel(&self, caption: &str) -> Panel {
        let body = html! {
            (self.grid())
            @for guide in &self.guides {
                path class=(guide.class) d={ "M" (px(self.x(guide.from.0))) " " (px(self.y(guide.from.1))) "L" (px(self.x(guide.to.0))) " " (px(self.y(guide.to.1))) } {}
            }
            @for line in self.lines.iter().filter(|line| line.name.is_empty()) { (self.line(line)) }
            @for line in self.lines.iter().filter(|line| !line.name.is_empty()) { (self.line(line)) }
            (self.guide_names())
            @for line in &self.lines {
                @for (x, y, says) in &line.points { circle.hit cx=(px(self.x(*x))) cy=(px(self.y(*y))) r="6" { title { (says) } } }
            }
            (self.ends())
        };
        Panel { caption: caption.to_owned(), height: self.height, body }
    }

    fn grid(&self) -> Markup {
        let (right, base) = (self.right(), self.height - BOTTOM);
        let middle = px((TOP + base) / 2.0);
        html! {
            @for (value, name) in &self.y.ticks {
                path.rule d={ "M" (px(LEFT)) " " (px(self.y(*value))) "H" (px(right)) } {}
                text x=(px(LEFT - 7.0)) y=(px(self.y(*value) + 4.5)) text-anchor="end" { (name) }
            }
            path.base d={ "M" (px(LEFT)) " " (px(base)) "H" (px(right)) } {}
            @for (value, name) in &self.x.ticks {
                path.base d={ "M" (px(self.x(*value))) " " (px(base)) "v5" } {}
                text x=(px(self.x(*value))) y=(px(base + 19.0)) text-anchor="middle" { (name) }
            }
            text x=(px((LEFT + right) / 2.0)) y=(px(self.height - 8.0)) text-anchor="middle" { (self.x.title) }
            text transform={ "translate(14 " (middle) ") rotate(-90)" } text-anchor="middle" { (self.y.title) }
        }
    }

    fn line(&self, line: &Line) -> Markup {
        let mut pen = Pen::default();
        for part in &line.parts {
            let points: Vec<(f64, f64)> = part.iter().map(|&(x, y)| (self.x(x), self.y(y))).collect();
            pen.draw(&simplify(&points, 0.25));
        }
        let thin = if line.name.is_empty() { " thin" } else { "" };
        html! {
            path class={ "line " (colour(line.series)) (thin) } stroke-dasharray=[Some(dashes(line.series)).filter(|dashes| !dashes.is_empty())] d=(pen.finish()) {
                title { (line.says) }
            }
        }
    }

    /// Names of the lines to measure by, at their right ends, above them.
    fn guide_names(&self) -> Markup {
        html! {
            @for guide in self.guides.iter().filter(|guide| !guide.name.is_empty()) {
                text.name x=(px(self.x(guide.to.0) - 4.0)) y=(px(self.y(guide.to.1) - 5.0)) text-anchor="end" { (guide.name) }
            }
        }
    }

    /// A mark at each line's end, and its name where there is room for all.
    fn ends(&self) -> Markup {
        let named: Vec<(&Line, (f64, f64))> = self
            .lines
            .iter()
            .filter(|line| !line.name.is_empty())
            .filter_map(|line| line.parts.last()?.last().map(|&(x, y)| (line, (self.x(x), self.y(y)))))
            .collect();
        let wanted: Vec<f64> = named.iter().map(|(_, end)| end.1).collect();
        let places = spread(&wanted, APART, TOP, self.height - BOTTOM);
        let beside = self.right() + 20.0;
        html! {
            @for ((line, (x, y)), place) in named.iter().zip(places) {
                path class={ "mark " (colour(line.series)) } d=(mark(line.series, *x, *y, 4.5)) { title { (line.says) } }
                @if self.has_names() {
                    path.lead d={ "M" (px(x + 6.0)) " " (px(*y)) "L" (px(beside - 3.0)) " " (px(place)) } {}
                    text.name x=(px(beside)) y=(px(place + 4.5)) { (words::shorten(&line.name, NAME)) title { (line.says) } }
                }
            }
        }
    }
}
