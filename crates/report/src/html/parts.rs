//! What the parts of the page share: numbers for the browser, code to copy, tables that stand beside pictures.

use crate::words;
use maud::{Markup, html};

/// A coordinate or a length, to a tenth.
pub(super) fn px(number: f64) -> String {
    let tenths = (number * 10.0).round() / 10.0;
    format!("{}", if tenths == 0.0 { 0.0 } else { tenths })
}

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
pub(super) fn figures(title: &str, header: &[&str], texts: usize, rows: &[Vec<String>]) -> Markup {
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

/// Numbers for an axis from 0 to at least `most`: 1, 2 or 5 times a power of ten apart, some five of them.
pub(super) fn ticks(most: f64) -> Vec<f64> {
    if !most.is_finite() || most <= 0.0 {
        return vec![0.0, 1.0];
    }
    let raw = most / 5.0;
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= raw * 0.999).unwrap_or(power * 10.0);
    let last = (most / step - 1e-9).ceil() as u32;
    (0..=last.min(20)).map(|tick| f64::from(tick) * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_round_numbers_and_reaches_the_most() {
        assert_eq!(ticks(136.0), [0.0, 50.0, 100.0, 150.0]);
        assert_eq!(ticks(5.0), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(ticks(0.0), [0.0, 1.0]);
        for most in [0.3, 1.0, 7.0, 99.0, 80_000.0] {
            let ticks = ticks(most);
            assert!(ticks.last().copied().unwrap_or(0.0) >= most && (3..=11).contains(&ticks.len()), "{most}: {ticks:?}");
        }
    }
}
