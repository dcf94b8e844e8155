//! Why a snapshot could not be written or read.

use super::FORMAT;
use plimsoll_fleet::fleet::Dangling;
use std::{io, path::PathBuf};

/// Why a snapshot could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file could not be opened.
    #[error("cannot open the snapshot {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The snapshot at a path could not be read.
    #[error("cannot read the snapshot {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<SnapshotError>,
    },
    /// The snapshot could not be written to its path. Nothing is left there that was not there before.
    #[error("cannot write the snapshot {}: check the folder, its permissions and the free space", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The snapshot could not be written.
    #[error("cannot write the snapshot")]
    Write(#[source] io::Error),
    /// A value of the fleet could not be written as JSON.
    #[error("cannot write {file} line {line}")]
    Encode {
        /// The file in the archive.
        file: &'static str,
        /// Its line, from 1.
        line: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The fleet to be written refers to what it does not have.
    #[error("cannot write a snapshot of an inconsistent fleet")]
    Inconsistent(#[source] Dangling),
    /// It does not begin with a manifest.
    #[error("this is not a Plimsoll snapshot: it does not begin with manifest.json; make one with `plimsoll snapshot -o fleet.tar.zst`")]
    NotASnapshot {
        /// Why, where reading told more.
        #[source]
        source: Option<io::Error>,
    },
    /// Compression or archive are damaged, or end too early.
    #[error("the archive is damaged or cut short in {file}; copy it again, or take a new one with `plimsoll snapshot`")]
    Damaged {
        /// The file in the archive.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of the archive does not have the content that the manifest promises.
    #[error("{file} has {found} where the manifest promises {promised}: the archive was changed or damaged; take a new snapshot")]
    Mismatch {
        /// The file in the archive.
        file: String,
        /// What it has.
        found: String,
        /// What was promised.
        promised: String,
    },
    /// The archive was written by a newer Plimsoll, in a format that this one does not know.
    #[error(
        "the snapshot has format {format} of plimsoll {by}, and this is plimsoll {} which reads up to format {FORMAT}: use plimsoll {by} or later",
        env!("CARGO_PKG_VERSION")
    )]
    TooNew {
        /// Its format.
        format: u32,
        /// The version that wrote it.
        by: String,
    },
    /// The archive has a format that never was.
    #[error("the snapshot has format {format}, which no plimsoll wrote; take a new one with `plimsoll snapshot`")]
    NoSuchFormat {
        /// Its format.
        format: u32,
    },
    /// The archive holds something that a snapshot does not have: another file, a path that leads out, a link, a second copy.
    #[error("the archive holds `{member}`, {what}: a snapshot holds only its own files, each once; do not trust this archive")]
    Member {
        /// Its name, made printable.
        member: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A file of the archive is missing.
    #[error("{file} is missing in the {place}; take a new snapshot")]
    Missing {
        /// The file.
        file: &'static str,
        /// `manifest` or `archive`.
        place: &'static str,
    },
    /// More than a fleet can have: a decompression bomb, or not a snapshot of this world.
    #[error("{file} has more than {most} {unit}, the most that is read; do not trust this archive")]
    TooMuch {
        /// The file.
        file: String,
        /// The bound.
        most: u64,
        /// Of what.
        unit: &'static str,
    },
    /// A line is not what it should be.
    #[error("{file} line {line} is not understood; take a new snapshot with this version of plimsoll")]
    Line {
        /// The file.
        file: &'static str,
        /// Its line, from 1.
        line: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The files do not fit together.
    #[error("the snapshot is inconsistent; take a new one")]
    Dangling(#[source] Dangling),
}
