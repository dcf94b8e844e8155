//! Cost by team, and unmet demand beside idle capacity.

use super::parts::{figures, width};
use crate::{
    by::By,
    words::{self, clean},
};
use maud::{Markup, html};
use plimsoll_decide::audit::{Audit, picture::Unmet, views::Row};

/// Bars drawn; the table has more.
const BARS: usize = 16;
/// Rows in the table beside.
const ROWS: usize = 200;

/// Cost by team with the wasted part in it; in GPUs where no price is known.
pub(super) fn teams(audit: &Audit) -> Markup {
    let rows = &audit.views.team;
    if rows.is_empty() {
        return html! {};
    }
    let priced = rows.iter().any(|row| row.cost_month.is_some());
    let length = |row: &Row| if priced { row.cost_month.map(|cost| cost.units()) } else { Some(row.gpus.gpus()) };
    let wasted = |row: &Row| if priced { row.wasted_month.map(|cost| cost.units()) } else { Some(row.wasted.gpus()) };
    let most = rows.iter().filter_map(length).fold(0.0, f64::max);
    let figure = |row: &Row| match (priced, row.cost_month) {
        (true, cost) => words::money_or_unknown(cost, &audit.money.currency),
        (false, _) => format!("{} GPUs", words::gpus(row.gpus.gpus())),
    };
    let of_it = |row: &Row| {
        if priced {
            words::money_or_unknown(row.wasted_month, &audit.money.currency)
        } else {
            format!("{} GPUs", words::gpus(row.wasted.gpus()))
        }
    };
    html! {
        section {
            h2 { @if priced { "Cost by team" } @else { "GPUs by team" } }
            p.note {
                @if priced { "A month, with the part that the signs call wasted, no GPU counted twice. What nobody holds is a line of its own, so that the lines add up to the bill." }
                @else { "No price is known, so the bars are GPUs, with those that the signs call wasted." }
            }
            div.legend { span { i.key.k-held {} @if priced { "cost" } @else { "GPUs" } } span { i.key.k-wasted {} "of it wasted" } }
            div.bars {
                @for row in rows.iter().take(BARS) {
                    @let title = format!("{}: {}, of it wasted {}", By::Team.key(row), figure(row), of_it(row));
                    div.row {
                    div.name { (By::Team.key(row)) }
                    div.stack title=(title) {
                        @if let Some(length) = length(row) { i.k-held style=(width(length, most)) {} }
                        @if let Some(wasted) = wasted(row).filter(|wasted| *wasted > 0.0) { i.k-wasted style=(width(wasted, most)) {} }
                    }
                    div.number title=(title) { (figure(row)) }
                    }
                }
            }
            @if rows.len() > BARS { p.note { "and " (words::count((rows.len() - BARS) as u64)) " more in the views below." } }
            (figures(
                "The figures: cost by team",
                &["team", "GPUs", "a month", "of it wasted", "wasted GPUs"],
                1,
                &rows.iter().take(ROWS).map(|row| vec![
                    By::Team.key(row),
                    words::gpus(row.gpus.gpus()),
                    words::money_or_unknown(row.cost_month, &audit.money.currency),
                    words::money_or_unknown(row.wasted_month, &audit.money.currency),
                    words::gpus(row.wasted.gpus()),
                ]).collect::<Vec<_>>(),
            ))
        }
    }
}

/// What waits, beside what lies free, of each resource.
pub(super) fn unmet(audit: &Audit) -> Markup {
    let rows = &audit.picture.unmet;
    if rows.is_empty() {
        return html! {};
    }
    // A unit of one resource is not that of another: each has its own scale.
    let bar = |row: &Unmet, class: &str, count: u32, title: String| {
        let most = f64::from(row.waiting.max(row.free));
        let class = if count == 0 { "none" } else { class };
        html! { i class=(class) style=(width(f64::from(count), most)) title=(title) {} }
    };
    html! {
        section {
            h2 { "Unmet demand beside idle capacity" }
            p.note { "Units of each resource that waiting pods ask for, and units that lie free. Both at once means that what is free has the wrong size, place or room. Each resource has its own scale." }
            div.legend { span { i.key.k-waiting {} "waiting" } span { i.key.k-free {} "free" } }
            div.bars {
                @for row in rows.iter().take(BARS) {
                    @let name = clean(&row.resource);
                    div.row {
                    div.name.mono { (name) }
                    div.pair {
                        (bar(row, "k-waiting", row.waiting, format!("{name}: {} waiting, for {}", words::count(row.waiting), words::plural(row.pods, "pod"))))
                        (bar(row, "k-free", row.free, format!("{name}: {} free", words::count(row.free))))
                    }
                    div.number { (words::count(row.waiting)) " waiting · " (words::count(row.free)) " free" }
                    }
                }
            }
            (figures(
                "The figures: demand and capacity",
                &["resource", "waiting", "in pods", "free"],
                1,
                &rows.iter().take(ROWS).map(|row| vec![clean(&row.resource), words::count(row.waiting), words::count(row.pods), words::count(row.free)]).collect::<Vec<_>>(),
            ))
        }
    }
}
