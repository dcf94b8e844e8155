//! A fleet as a file: `fleet.tar.zst`, for bug reports, for air-gapped sites, for CI.
//!
//! The archive is a tar of JSON Lines, one part a list of the [`Fleet`](plimsoll_fleet::Fleet), compressed with zstd. `manifest.json` comes first
//! and says the format, how many lines and bytes each part has and its SHA-256. [`write()`] makes one, [`read`] takes one from
//! anybody: what an archive says is not believed until it has been counted, bounded and checked. Nothing is ever unpacked to disk.
//!
//! With [`WriteOptions::hash_names`] every name becomes a salted hash; the same name becomes the same hash, so an audit
//! of the hashed fleet finds the same things (the head of `hash.rs` says what stays readable, and why).

mod error;
mod hash;
mod names;
mod possible;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use error::SnapshotError;
pub use hash::hash_names;
pub use read::{read, read_file};
pub use write::{WriteOptions, write, write_file};

use plimsoll_fleet::{Timestamp, Window, fleet::Origin, history::LIVES_MAX};
use serde::{Deserialize, Serialize};

/// The format that this version writes, and the newest that it reads. Raised when an older Plimsoll would misread the archive.
/// Format 2 has the lives of pods; in an archive of format 1 there are none.
pub const FORMAT: u32 = 2;

const MANIFEST: &str = "manifest.json";

/// What `manifest.json` says of every other file in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    /// The version of Plimsoll that wrote it.
    plimsoll: String,
    #[serde(default)]
    names_hashed: bool,
    parts: Vec<PartEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PartEntry {
    file: String,
    lines: u64,
    bytes: u64,
    sha256: String,
}

/// `cluster.json`: what a fleet has once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Cluster {
    at: Timestamp,
    origin: Origin,
    /// The stretch of the history.
    #[serde(default)]
    recorded: Option<Window>,
}

/// A file of the archive beside the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Cluster,
    Nodes,
    Shapes,
    Pods,
    Workloads,
    Namespaces,
    Budgets,
    Unseen,
    Evidence,
    Devices,
    Usage,
    Engines,
    History,
}

impl Part {
    const ALL: [Self; 13] = [
        Self::Cluster,
        Self::Nodes,
        Self::Shapes,
        Self::Pods,
        Self::Workloads,
        Self::Namespaces,
        Self::Budgets,
        Self::Unseen,
        Self::Evidence,
        Self::Devices,
        Self::Usage,
        Self::Engines,
        Self::History,
    ];

    fn file(self) -> &'static str {
        match self {
            Self::Cluster => "cluster.json",
            Self::Nodes => "nodes.jsonl",
            Self::Shapes => "shapes.jsonl",
            Self::Pods => "pods.jsonl",
            Self::Workloads => "workloads.jsonl",
            Self::Namespaces => "namespaces.jsonl",
            Self::Budgets => "budgets.jsonl",
            Self::Unseen => "unseen.jsonl",
            Self::Evidence => "evidence.json",
            Self::Devices => "devices.jsonl",
            Self::Usage => "usage.jsonl",
            Self::Engines => "engines.jsonl",
            Self::History => "history.jsonl",
        }
    }

    fn of_file(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.file() == name)
    }

    /// Is it in archives of `format`?
    fn is_in(self, format: u32) -> bool {
        self != Self::History || format >= 2
    }

    /// The most lines it may have: ten times what Plimsoll is built for (10,000 nodes, 80,000 GPUs of up to seven slices, 200,000 pods).
    fn lines_max(self) -> u64 {
        match self {
            Self::Cluster | Self::Evidence => 1,
            Self::Nodes | Self::Namespaces | Self::Budgets | Self::Unseen | Self::Engines => 100_000,
            Self::History => LIVES_MAX as u64,
            Self::Shapes | Self::Workloads | Self::Pods => 2_000_000,
            Self::Devices | Self::Usage => 6_000_000,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
