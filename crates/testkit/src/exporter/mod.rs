//! Exporters that play what GPUs and engines do, as Prometheus reads them.
//!
//! An exporter is a [`Page`]: a function from a moment to what the exporter says then. The same page is served over HTTP
//! ([`Served`]) and written as history ([`crate::prometheus`]), so that past and present cannot contradict each other.
//!
//! - [`load`]: what the hardware does over time
//! - [`dcgm`]: the DCGM exporter of a node, in both dialects
//! - [`kube_state`]: what kube-state-metrics says of pods
//! - [`vllm`]: the metrics of a vLLM server

pub mod dcgm;
pub mod kube_state;
pub mod load;
mod serve;
pub mod vllm;

pub use load::{Load, Wave};
pub use serve::Served;

use plimsoll_fleet::Timestamp;
use std::{fmt::Write as _, sync::Arc};

/// What an exporter says at a moment.
pub type Page = Arc<dyn Fn(Timestamp) -> Vec<Family> + Send + Sync>;

/// A metric with its series.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// The text of its HELP line.
    pub help: String,
    /// The word of its TYPE line: `gauge`, `counter`, `histogram`.
    pub kind: &'static str,
    /// Is it back-filled as history? Only what somebody will ask for is worth the bytes.
    pub history: bool,
    /// Its series.
    pub samples: Vec<Sample>,
}

/// One series at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What follows the family's name: `_bucket`, `_sum`, `_count` of a histogram, else empty.
    pub suffix: &'static str,
    /// Its labels, in the order in which the exporter writes them.
    pub labels: Vec<(&'static str, String)>,
    /// Its value.
    pub value: f64,
}

/// A page that always says the same: for what does not change (kube-state-metrics of a cluster at rest) and for bad input.
#[must_use]
pub fn constant(families: Vec<Family>) -> Page {
    Arc::new(move |_| families.clone())
}

/// The page at a moment as Prometheus text, version 0.0.4.
#[must_use]
pub fn text(page: &Page, at: Timestamp) -> String {
    let mut out = String::new();
    for family in page(at) {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# HELP {} {}\n# TYPE {} {}", family.name, family.help, family.name, family.kind);
        for sample in &family.samples {
            let labels: Vec<String> = sample.labels.iter().map(|(name, value)| label(name, value)).collect();
            let _ = writeln!(out, "{}{}{{{}}} {}", family.name, sample.suffix, labels.join(","), sample.value);
        }
    }
    out
}

/// A label as the text format writes it.
pub(crate) fn label(name: &str, value: &str) -> String {
    format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
