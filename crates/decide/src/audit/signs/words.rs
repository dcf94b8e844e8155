//! How figures read in sentences and facts, the same in every sign.

use crate::audit::{finding::Fact, view::View};
use plimsoll_fleet::{Metric, MilliGpu, PodId, Seconds};

/// `1 GPU`, `8 GPUs`, `0.25 of a GPU`.
pub(super) fn gpus(amount: MilliGpu) -> String {
    match amount.0 {
        1_000 => "1 GPU".to_owned(),
        part if part < 1_000 => format!("{} of a GPU", trim(amount.gpus())),
        _ => format!("{} GPUs", trim(amount.gpus())),
    }
}

/// `1 pod`, `3 pods`.
pub(super) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `hold` of several, `holds` of one.
pub(super) fn verb<'a>(number: usize, one: &'a str, several: &'a str) -> &'a str {
    if number == 1 { one } else { several }
}

/// `2.5 %`, with as many decimals as tell something.
pub(super) fn percent(ratio: f64) -> String {
    match ratio * 100.0 {
        share if share != 0.0 && share < 10.0 => format!("{share:.1} %"),
        share => format!("{share:.0} %"),
    }
}

/// `45 min`, `6 h`, `7 days`.
pub(super) fn time(length: Seconds) -> String {
    match length.0 {
        seconds if seconds < 2 * 3_600 => format!("{} min", seconds / 60),
        seconds if seconds < 48 * 3_600 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", trim((seconds as f64 / 8_640.0).round() / 10.0)),
    }
}

/// `24.0 GiB` as `24 GiB`, `0.50` as `0.5`.
pub(super) fn trim(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Gibibytes, to one decimal.
pub(super) fn gib(bytes: f64) -> String {
    let gib = bytes / f64::from(1 << 30);
    if gib >= 10.0 { format!("{gib:.0} GiB") } else { format!("{gib:.1} GiB") }
}

/// The first few of `names`, and how many more there are.
pub(super) fn list<S: AsRef<str>>(names: &[S], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Which figure of a metric a fact gives.
#[derive(Clone, Copy)]
pub(super) enum Figure {
    /// The mean over all samples of all pods.
    Mean,
    /// The greatest 99th percentile of any device.
    P99,
    /// The greatest 95th percentile of any device.
    P95,
    /// The greatest sample of any device.
    Peak,
}

/// The figure of a metric over several pods, and its samples; none: not seen.
pub(super) fn figure(view: &View<'_>, pods: &[PodId], metric: Metric, which: Figure) -> Option<(f64, u64)> {
    let means = || pods.iter().filter_map(|&pod| view.mean(pod, metric));
    let samples: u64 = means().map(|(_, samples)| samples).sum();
    let greatest = |q: f64| pods.iter().filter_map(|&pod| view.greatest(pod, metric, q)).fold(0.0, f64::max);
    let value = match which {
        Figure::Mean => means().map(|(mean, samples)| mean * samples as f64).sum::<f64>() / samples.max(1) as f64,
        Figure::P99 => greatest(0.99),
        Figure::P95 => greatest(0.95),
        Figure::Peak => greatest(1.0),
    };
    (samples > 0).then_some((value, samples))
}

/// The facts that several pods' metrics tell, one a metric that was seen.
pub(super) fn facts(view: &View<'_>, pods: &[PodId], wanted: &[(Metric, Figure)]) -> Vec<Fact> {
    wanted
        .iter()
        .filter_map(|&(metric, which)| {
            let (value, samples) = figure(view, pods, metric, which)?;
            let number = match metric {
                Metric::MemoryUsed => gib(value),
                Metric::Power => format!("{value:.0} W"),
                _ => percent(value),
            };
            let how = match which {
                Figure::Mean => "mean",
                Figure::P99 => "p99",
                Figure::P95 => "p95",
                Figure::Peak => "peak",
            };
            let value = format!("{how} {number} over {}", count(pods.len(), "pod"));
            Some(Fact { query: view.query(metric), window: view.fleet.evidence.window, samples: Some(samples), value })
        })
        .collect()
}

/// The stretch that the metrics cover, for a sentence: `7 days`.
pub(super) fn window(view: &View<'_>) -> String {
    view.fleet.evidence.window.map_or_else(|| "no time at all".to_owned(), |window| time(window.length()))
}
