//! What the parts of the page share: widths for the browser, code to copy, tables that stand beside pictures.

use crate::{chart::px, words};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A width in per cent of `whole`, for layout only.
pub(super) fn width(part: f64, whole: f64) -> String {
    let share = if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 0.0 };
    format!("width:{}%", px(share * 100.0))
}

/// Code that can be copied.
pub(super) fn code(text: &str) -> Markup {
    let lines: Vec<String> = text.trim_end().lines().map(words::clean).collect();
    html! {
        @if !lines.is_empty() {
            div.copy { button type="button" { "copy" } pre { (lines.join("\n")) } }
        }
    }
}

/// The figures of a picture as a table, folded. Columns after the first `texts` are numbers.
pub(crate) fn figures(title: &str, header: &[&str], texts: usize, rows: &[Vec<String>]) -> Markup {
    html! {
        details.figures {
            summary { (title) }
            div.scroll {
                table {
                    thead { tr { @for (at, name) in header.iter().enumerate() { th.number[at >= texts] scope="col" { (name) } } } }
                    tbody {
                        @for row in rows { tr { @for (at, cell) in row.iter().enumerate() { td.number[at >= texts] { (cell) } } } }
                    }
                }
            }
        }
    }
}

/// A page that fetches nothing: title, what `policy` lets it do, its styles, its body.
pub(crate) fn document(title: &str, policy: &str, styles: &[&str], body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content="Plimsoll";
                title { (title) }
                style { @for style in styles { (PreEscaped(style)) } }
            }
            body { (body) }
        }
    };
    page.into_string()
}
