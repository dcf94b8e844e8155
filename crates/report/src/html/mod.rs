//! One self-contained page: no script, style, font or picture from elsewhere. Every bar and cell says its figure on
//! hover and in a table beside it; the page says the same without its script.
//!
//! - `summary`: the funnel, the money, the next steps, the blind spots.
//! - `findings`: the worst signs, with evidence and fix.
//! - `grid`: the fleet, GPU by GPU.
//! - `time`: use over time and by hour of the week.
//! - `bars`: cost by team, and unmet demand beside idle capacity.
//! - `scatter`: compute against memory.
//! - `tabs`: the figures by team, namespace, workload, GPU model and pool.
//! - `parts`: what they share.

mod bars;
mod findings;
mod grid;
pub(crate) mod parts;
mod scatter;
mod summary;
mod tabs;
mod time;

use crate::words;
use maud::{PreEscaped, html};
use parts::document;
use plimsoll_decide::audit::{Audit, baseline::Comparison};

/// The style of every page.
pub(crate) const STYLE: &str = include_str!("style.css");

/// Nothing may be fetched; the page's own style and script are inline.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; form-action 'none'; base-uri 'none'";

/// The audit as a page.
#[must_use]
pub fn page(audit: &Audit, comparison: Option<&Comparison>) -> String {
    let title = format!("Where the GPU money goes: {}", summary::cluster(audit));
    let body = html! {
        main {
            (summary::header(audit))
            (summary::money(audit, comparison))
            (summary::next_steps(audit))
            (findings::section(audit, comparison))
            (bars::teams(audit))
            (grid::section(audit))
            (time::over_time(audit))
            (time::by_hour_of_week(audit))
            (bars::unmet(audit))
            (scatter::section(audit))
            (tabs::section(audit))
            (summary::blind_spots(audit))
            footer {
                "Made by Plimsoll from what was seen at " (words::moment(audit.at)) ". Money is for an average month of 730 hours, at the "
                "prices known. What is unknown is said to be unknown and is in no sum. "
                code { "plimsoll audit --format json" } " has every figure with its query, window and samples."
            }
        }
        script { (PreEscaped(include_str!("script.js"))) }
    };
    document(&title, POLICY, &[STYLE], &body)
}
