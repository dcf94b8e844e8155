//! What could not be seen, and how to light it.

use super::view::View;
use plimsoll_fleet::{NodeId, UnseenKind, evidence::MetricsSource, resource::Vendor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A blind spot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlindSpot {
    /// What kind.
    pub kind: UnseenKind,
    /// What it is about.
    pub subject: String,
    /// What cannot be seen and why, in a sentence.
    pub says: String,
    /// How to light it: a command or a setting.
    pub remedy: String,
    /// GPUs in the dark; none: it is not about certain GPUs.
    pub gpus: Option<f64>,
}

/// Why a node's devices were not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dark {
    /// Nothing at all was measured: there is no metrics store.
    NoMetrics,
    /// The store has metrics, but none of this node.
    NoExporter,
    /// Metrics of this vendor are not read.
    Vendor(Vendor),
}

/// Is a node with GPUs in the dark?
#[must_use]
pub fn dark(view: &View<'_>, node: NodeId) -> Option<Dark> {
    if !view.node(node).has_gpus() || view.devices_of(node).next().is_some() {
        return None;
    }
    // A trace names the pod, not the device.
    if view.pods_on(node).iter().any(|&pod| view.usage_of(pod).next().is_some()) {
        return None;
    }
    match view.node(node).vendor {
        Some(vendor) if vendor != Vendor::Nvidia => Some(Dark::Vendor(vendor)),
        _ if view.fleet.evidence.source == MetricsSource::None => Some(Dark::NoMetrics),
        _ => Some(Dark::NoExporter),
    }
}

impl Dark {
    /// What cannot be seen, of `nodes` nodes.
    #[must_use]
    pub fn says(self, nodes: usize) -> String {
        let nodes = if nodes == 1 { "1 GPU node".to_owned() } else { format!("{nodes} GPU nodes") };
        match self {
            Self::NoMetrics => format!("no GPU metrics of {nodes}: no Prometheus was read"),
            Self::NoExporter => format!("no GPU metrics of {nodes}: no DCGM exporter reports from there"),
            Self::Vendor(vendor) => {
                format!("the metrics of {} devices are not read ({nodes}): counted, placed and priced only", vendor.name())
            }
        }
    }

    /// How to light it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::NoMetrics => "plimsoll audit --prometheus URL, or --scrape 10m to read the DCGM exporters directly",
            Self::NoExporter => "run the DCGM exporter there (gpu-operator: dcgmExporter.enabled=true) and let Prometheus scrape it",
            Self::Vendor(Vendor::Amd) => {
                "install AMD's device-metrics-exporter; until Plimsoll reads it, judge these nodes by its own dashboard"
            }
            Self::Vendor(Vendor::Intel) => {
                "install Intel's xpumd with its Prometheus endpoint on; until Plimsoll reads it, judge these nodes by its own dashboard"
            }
            Self::Vendor(_) => "judge these nodes by the vendor's own monitor until Plimsoll reads it",
        }
    }

    fn kind(self) -> UnseenKind {
        match self {
            Self::NoMetrics | Self::NoExporter => UnseenKind::NoMetrics,
            Self::Vendor(_) => UnseenKind::Vendor,
        }
    }
}

/// All blind spots: GPUs in the dark first, most first; then what the sources met.
#[must_use]
pub fn spots(view: &View<'_>) -> Vec<BlindSpot> {
    let mut nodes = BTreeMap::<Dark, Vec<NodeId>>::new();
    for (id, _) in view.fleet.nodes() {
        if let Some(why) = dark(view, id) {
            nodes.entry(why).or_default().push(id);
        }
    }
    let mut spots: Vec<BlindSpot> = nodes
        .into_iter()
        .map(|(why, nodes)| BlindSpot {
            kind: why.kind(),
            subject: some_of(nodes.iter().map(|&node| &*view.node(node).name)),
            says: why.says(nodes.len()),
            remedy: why.remedy().to_owned(),
            gpus: Some(nodes.iter().map(|&node| view.node(node).gpus.len() as f64).sum()),
        })
        .collect();
    spots.sort_by(|a, b| b.gpus.partial_cmp(&a.gpus).unwrap_or(std::cmp::Ordering::Equal));
    let mut met: Vec<BlindSpot> = view
        .fleet
        .unseen
        .iter()
        .map(|unseen| BlindSpot {
            kind: unseen.kind,
            subject: unseen.subject.to_string(),
            says: unseen.why.to_string(),
            remedy: unseen.remedy.to_string(),
            gpus: None,
        })
        .collect();
    met.sort_by(|a, b| (a.kind, &a.subject, &a.says).cmp(&(b.kind, &b.subject, &b.says)));
    met.dedup();
    spots.extend(met);
    spots
}

/// The first names in order, and how many more.
#[must_use]
pub fn some_of<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(3);
    let first = names.into_iter().take(3).collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}
