//! A picture: its title, its legend, and panels that all have one width. As a file they stand under each other; on the page
//! they flow beside each other.

use crate::chart::{mark, px};
use crate::words;
use maud::{Markup, PreEscaped, html};

/// The width of every panel. At 400 pixels a text of 14 is drawn with 9 to 10 pixels.
pub(in crate::rehearsal) const WIDTH: f64 = 600.0;

/// Classes of the pictures. Colours are Okabe and Ito's, as on the page; no variables, which programs other than browsers do not know.
pub(in crate::rehearsal) const STYLE: &str = include_str!("style.css");

/// Colours of lines; `.s0` to `.s6` of the style.
const COLOURS: usize = 7;
/// Past the colours, lines are dashed.
const DASHES: [&str; 4] = ["", "7 3", "2 3", "9 3 2 3"];

/// What a legend's key looks like.
#[derive(Debug, Clone)]
pub(in crate::rehearsal) enum Key {
    /// A square of the class.
    Area(&'static str),
    /// A line of the class.
    Line(&'static str),
    /// The line and mark of the series.
    Series(usize),
}

/// One drawing.
#[derive(Debug)]
pub(in crate::rehearsal) struct Panel {
    /// What it is of; empty: the picture's title says it.
    pub(in crate::rehearsal) caption: String,
    pub(in crate::rehearsal) height: f64,
    pub(in crate::rehearsal) body: Markup,
}

/// The figures behind a picture.
#[derive(Debug)]
pub(in crate::rehearsal) struct Figures {
    pub(in crate::rehearsal) header: Vec<String>,
    /// Columns of text before those of numbers.
    pub(in crate::rehearsal) texts: usize,
    pub(in crate::rehearsal) rows: Vec<Vec<String>>,
}

/// A picture of a rehearsal.
#[derive(Debug)]
pub(in crate::rehearsal) struct Picture {
    /// Its file's name, without the extension.
    pub(in crate::rehearsal) file: &'static str,
    pub(in crate::rehearsal) title: &'static str,
    /// How to read it.
    pub(in crate::rehearsal) note: String,
    pub(in crate::rehearsal) legend: Vec<(Key, String)>,
    pub(in crate::rehearsal) panels: Vec<Panel>,
    pub(in crate::rehearsal) figures: Figures,
}

/// The class of a series.
pub(super) fn colour(series: usize) -> String {
    format!("s{}", series % COLOURS)
}

/// The dashes of a series.
pub(super) fn dashes(series: usize) -> &'static str {
    DASHES[(series / COLOURS) % DASHES.len()]
}

/// Text that is about so wide, in the units of the picture. Letters of the usual fonts are a little over half as wide as high.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * 0.58
}

impl Key {
    /// Drawn around a middle, 20 wide.
    fn draw(&self, x: f64, y: f64) -> Markup {
        let (left, right) = (px(x - 10.0), px(x + 10.0));
        match self {
            Self::Area(class) => html! { rect class=(class) x=(px(x - 6.5)) y=(px(y - 6.5)) width="13" height="13" rx="2" {} },
            Self::Line(class) => html! { path class=(class) d={ "M" (left) " " (px(y)) "H" (right) } {} },
            Self::Series(series) => html! {
                path class={ "line " (colour(*series)) } stroke-dasharray=[Some(dashes(*series)).filter(|dashes| !dashes.is_empty())] d={ "M" (left) " " (px(y)) "H" (right) } {}
                path class={ "mark " (colour(*series)) } d=(mark(*series, x, y, 4.5)) {}
            },
        }
    }

    /// For the page: a drawing of its own.
    pub(in crate::rehearsal) fn inline(&self) -> Markup {
        html! { svg.picture width="22" height="14" viewBox="0 0 22 14" aria-hidden="true" { (self.draw(11.0, 7.0)) } }
    }
}

impl Panel {
    /// For the page: a drawing of its own.
    pub(in crate::rehearsal) fn inline(&self, label: &str) -> Markup {
        html! { svg.picture viewBox={ "0 0 " (px(WIDTH)) " " (px(self.height)) } role="img" aria-label=(label) { (self.body) } }
    }
}

/// The text of a picture's head is smaller than a caption.
const NOTE: f64 = 14.0;
const LINE: f64 = 18.0;
const ROW: f64 = 22.0;

impl Picture {
    /// The picture as a file of its own.
    pub(super) fn document(&self, of: &str) -> String {
        let mut y = 30.0;
        let fits = (WIDTH - 24.0) / (NOTE * 0.57);
        let of = words::shorten(of, fits as usize);
        let notes: Vec<String> = [of.clone()].into_iter().chain(words::wrap(&self.note, fits as usize)).collect();
        let head = html! {
            text.title x="12" y=(px(y - 2.0)) { (self.title) }
            @for (line, note) in notes.iter().enumerate() { text.name[line == 0] x="12" y=(px(y + LINE * (line as f64 + 1.0) + 2.0)) { (note) } }
        };
        y += LINE * notes.len() as f64 + 8.0;
        let legend = self.legend_at(&mut y);
        let mut panels = Vec::new();
        for panel in &self.panels {
            let top = y;
            y += if panel.caption.is_empty() { 0.0 } else { 24.0 };
            panels.push(html! {
                @if !panel.caption.is_empty() { text.caption x="12" y=(px(top + 17.0)) { (panel.caption) } }
                g transform={ "translate(0 " (px(y)) ")" } { (panel.body) }
            });
            y += panel.height + 10.0;
        }
        let height = px(y);
        let svg = html! {
            svg.picture xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (px(WIDTH)) " " (height) } width=(px(WIDTH)) height=(height) role="img" aria-labelledby="title" style="max-width:100%;height:auto" {
                title id="title" { (self.title) ": " (of) }
                desc { (self.note) }
                style { (PreEscaped(STYLE)) }
                rect.paper width="100%" height="100%" {}
                (head) (legend)
                @for panel in &panels { (panel) }
            }
        };
        let mut text = svg.into_string();
        text.push('\n');
        text
    }

    /// The legend in as many rows as it needs; `y` is moved below it.
    fn legend_at(&self, y: &mut f64) -> Markup {
        if self.legend.is_empty() {
            return html! {};
        }
        let mut x = 12.0;
        *y += ROW / 2.0;
        let mut places = Vec::new();
        for (key, text) in &self.legend {
            let text = words::shorten(text, 70);
            let width = 28.0 + text_width(&text, NOTE) + 16.0;
            if x > 12.0 && x + width > WIDTH {
                x = 12.0;
                *y += ROW;
            }
            places.push((key, text, x, *y));
            x += width;
        }
        *y += ROW / 2.0 + 8.0;
        html! {
            @for (key, text, x, y) in &places {
                (key.draw(x + 10.0, *y))
                text x=(px(x + 26.0)) y=(px(y + 4.5)) { (text) }
            }
        }
    }
}
