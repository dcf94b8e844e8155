//! Progress on standard error, where a person sits there.

use crate::printer::Printer;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use plimsoll_observe::Step;
use std::{collections::HashMap, sync::Mutex, time::Duration};

/// Draws one line a stage.
pub struct Bars {
    all: Option<MultiProgress>,
    bars: Mutex<HashMap<String, ProgressBar>>,
}

impl Bars {
    /// Draws if `printer` may.
    pub fn new(printer: Printer) -> Self {
        Self { all: printer.draws().then(MultiProgress::new), bars: Mutex::default() }
    }

    /// Shows a step.
    pub fn show(&self, step: Step<'_>) {
        let Some(all) = &self.all else { return };
        let Ok(mut bars) = self.bars.lock() else { return };
        let bar = bars.entry(step.stage.to_owned()).or_insert_with(|| {
            let bar = all.add(ProgressBar::no_length());
            bar.set_style(style("{spinner} {msg} {human_pos}"));
            bar.set_message(format!("reading {}", step.stage));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if let Some(total) = step.total {
            if bar.length() != Some(total) {
                bar.set_length(total);
                bar.set_style(style("{spinner} {msg:32} {bar:24} {human_pos}/{human_len}"));
            }
            if step.done >= total {
                bar.finish_and_clear();
            }
        }
        bar.set_position(step.done);
    }

    /// Takes everything away.
    pub fn clear(&self) {
        if let Some(all) = &self.all {
            drop(all.clear());
        }
    }
}

/// A bar of its own for work that is counted; drawn where `printer` may.
pub fn counted(printer: Printer, template: &str) -> ProgressBar {
    let bar = if printer.draws() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    bar.set_style(style(template));
    bar
}

/// Shows how many of how many are done. Work that goes on on several threads may tell late.
pub fn show(bar: &ProgressBar, done: u64, all: u64) {
    bar.set_length(all);
    bar.set_position(done);
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
