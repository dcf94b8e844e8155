//! `idle-gpu`: held, and nothing ran.

use super::{Sign, Threshold};
use crate::audit::{
    finding::{Finding, Fix},
    view::{Judged, View},
};

pub(super) static SIGN: Sign = Sign {
    name: "idle-gpu",
    title: "A GPU is held and nothing runs on it",
    threshold: Some(Threshold { default: 0.01, unit: "ratio", says: "at work for less than this share of the time, nothing ran" }),
    explain: "placeholder",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    let threshold = view.threshold(&SIGN);
    let mut findings = Vec::new();
    for (holder, pods) in view.holders() {
        let idle: Vec<_> = pods
            .iter()
            .filter_map(|&pod| Some((pod, view.running(pod)?)))
            .filter(|(_, (_, running))| running.quantile(0.99) < threshold)
            .collect();
        let Some((_, (metric, first))) = idle.first() else { continue };
        let held: Vec<_> = idle.iter().map(|(pod, _)| *pod).collect();
        let waste = view.all_of(&held);
        findings.push(view.on_holder(
            &SIGN,
            holder,
            Judged {
                says: format!("{} pods hold GPUs on which nothing ran", held.len()),
                waste,
                confidence: view.confidence(view.span(first, 1)),
                evidence: vec![view.measured(*metric, first, format!("p99 {:.1} %", first.quantile(0.99) * 100.0))],
                fix: Fix { says: "scale it down or end it".into(), action: format!("kubectl get {}", view.subject(holder)) },
            },
        ));
    }
    findings
}
