//! The figures by team, namespace, workload, GPU model or pool.

use super::paper::{Ink, Paper};
use crate::{by::By, words};
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle, Width};
use plimsoll_decide::audit::{Audit, views::Row};

pub(super) fn draw(paper: &mut Paper, audit: &Audit, by: By, limit: usize) {
    let rows = by.rows(&audit.views);
    paper.heading(&format!("By {}", by.title()));
    if rows.is_empty() {
        paper.text(0, Ink::Quiet, "Nothing to tell apart.");
        return;
    }
    let mut table = Table::new();
    let style = TableStyle::new()
        .header_lines(ContentLineStyle::none())
        .header_separator(LineStyle::none().fill('─').junction('─'))
        .content_lines(ContentLineStyle::none());
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([by.title(), "GPUs", "at work", "wasted", "cost/month", "wasted/month", "signs"]);
    let key_width = paper.width.saturating_sub(66).max(14);
    for row in rows.iter().take(limit) {
        table.add_row(cells(row, by, key_width, &audit.money.currency));
    }
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((u16::from(at > 0), 0));
        if at > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        } else {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(14)));
        }
    }
    for line in table.lines() {
        paper.line([(Ink::Plain, line)]);
    }
    let more = rows.len().saturating_sub(limit) as u64;
    if more > 0 {
        paper.text(0, Ink::Quiet, &format!("and {} more: --format json has them all", words::count(more)));
    }
}

fn cells(row: &Row, by: By, width: usize, currency: &str) -> [String; 7] {
    let key = by.key(row);
    [
        words::shorten(&key, width),
        words::gpus_in_column(row.gpus.gpus()),
        row.busy.map_or_else(|| if row.held.is_zero() { "–".to_owned() } else { words::UNKNOWN.to_owned() }, words::gpus_in_column),
        words::gpus_in_column(row.wasted.gpus()),
        words::money_or_unknown(row.cost_month, currency),
        words::money_or_unknown(row.wasted_month, currency),
        words::count(row.findings),
    ]
}
