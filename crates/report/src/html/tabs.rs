//! The figures by team, namespace, workload, GPU model and pool, a tab each. The tabs need no script.

use super::parts::width;
use crate::{by::By, words};
use maud::{Markup, html};
use plimsoll_decide::audit::{Audit, views::Row};

/// Rows of a tab; the document has them all.
const ROWS: usize = 100;

pub(super) fn section(audit: &Audit) -> Markup {
    html! {
        @if By::ALL.iter().any(|by| !by.rows(&audit.views).is_empty()) {
            section.long {
                h2 { "Told apart" }
                p.note { "The same figures by owner and by place. In each view the lines add up to the whole." }
                div.panel.tabs {
                    @for (at, by) in By::ALL.iter().enumerate() {
                        input type="radio" name="by" id={ "by-" (at) } checked[at == 0];
                        label for={ "by-" (at) } { "by " (by.title()) }
                    }
                    @for (at, by) in By::ALL.iter().enumerate() { div class={ "tab tab-" (at) } { (table(audit, *by)) } }
                }
            }
        }
    }
}

fn table(audit: &Audit, by: By) -> Markup {
    let rows = by.rows(&audit.views);
    let money = |amount| words::money_or_unknown(amount, &audit.money.currency);
    let most = rows.iter().map(|row| row.gpus.gpus()).fold(0.0, f64::max);
    html! {
        @if rows.is_empty() { p.note { "Nothing to tell apart." } }
        @else {
            div.scroll {
                table.wide {
                    thead { tr {
                        th scope="col" { (by.title()) } th scope="col" {}
                        @for name in ["GPUs", "at work", "wasted", "cost a month", "wasted a month", "findings"] { th.number scope="col" { (name) } }
                    } }
                    tbody {
                        @for row in rows.iter().take(ROWS) {
                            tr {
                                td { (by.key(row)) }
                                td { span.mini title={ (words::gpus(row.gpus.gpus())) " GPUs" } { i.k-busy style=(width(row.gpus.gpus(), most)) {} } }
                                td.number { (words::gpus(row.gpus.gpus())) }
                                td.number { (busy(row)) }
                                td.number { (words::gpus(row.wasted.gpus())) }
                                td.number { (money(row.cost_month)) }
                                td.number { (money(row.wasted_month)) }
                                td.number { (words::count(row.findings)) }
                            }
                        }
                    }
                }
            }
            @if rows.len() > ROWS { p.note { "and " (words::count((rows.len() - ROWS) as u64)) " more in " code { "plimsoll audit --format json" } "." } }
        }
    }
}

fn busy(row: &Row) -> String {
    match row.busy {
        Some(busy) => words::gpus(busy),
        None if row.held.is_zero() => "–".to_owned(),
        None => words::UNKNOWN.to_owned(),
    }
}
