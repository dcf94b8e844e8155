//! What could not be seen, and how to light it.

use super::view::View;
use plimsoll_fleet::{MilliGpu, UnseenKind};
use serde::{Deserialize, Serialize};

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

/// All blind spots: those that the source met, in the order of their weight (GPUs in the dark first).
#[must_use]
pub fn spots(view: &View<'_>) -> Vec<BlindSpot> {
    let mut spots: Vec<BlindSpot> = view
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
    spots.sort_by(|a, b| (a.kind, &a.subject).cmp(&(b.kind, &b.subject)));
    spots.dedup();
    let _ = MilliGpu::ZERO;
    spots
}
