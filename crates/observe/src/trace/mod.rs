//! Public traces that describe a fleet: what ran, or asked to run, in somebody's cluster.
//!
//! | files in the folder | trace | what becomes of it |
//! |---|---|---|
//! | `openb_node_list_*.csv`, `openb_pod_list_*.csv` | Alibaba cluster-trace-gpu-v2023 | nodes and pods, no metrics |
//! | `pod_gpu_duty_cycle.csv` | Alibaba cluster-trace-v2026-GenAI | pods with metrics, no nodes |
//!
//! What a trace does not say is not made up in silence: it stands in [`Fleet::unseen`].

mod genai;
mod openb;
mod table;
#[cfg(test)]
mod tests;

use plimsoll_fleet::Fleet;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Why a trace could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The folder or a file of it could not be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No trace is known that has these files.
    #[error("{} holds no trace of a fleet: there is neither openb_node_list_*.csv (with openb_pod_list_*.csv) nor pod_gpu_duty_cycle.csv in it", dir.display())]
    UnknownKind {
        /// The folder.
        dir: PathBuf,
    },
    /// There are several lists of pods, or none with the name that was asked for.
    #[error("{} has {}; choose one of them by name", dir.display(), list_or_none(have))]
    Workload {
        /// The folder.
        dir: PathBuf,
        /// The names that can be chosen.
        have: Vec<String>,
    },
    /// A file is larger than any trace.
    #[error("{} has {bytes} bytes; at most {most} are read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The bound.
        most: u64,
    },
    /// A file lacks a column.
    #[error("{} has no column `{column}`; its first line must name the columns", path.display())]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// A line is not CSV, or is too short.
    #[error("{} line {line} is not a line of the table", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Why.
        #[source]
        source: csv::Error,
    },
    /// A value is not what its column holds.
    #[error("{} line {line}: column `{column}` has `{value}`, which is not {expected}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column.
        column: &'static str,
        /// The value, cut short where it is long.
        value: String,
        /// What the column holds.
        expected: &'static str,
    },
    /// A file has no lines.
    #[error("{} has no lines below its first: nothing is left to audit", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

fn list_or_none(have: &[String]) -> String {
    if have.is_empty() { "no list of pods (openb_pod_list_*.csv)".to_owned() } else { format!("the pod lists {}", have.join(", ")) }
}

/// Reads the trace in `dir`; its kind is seen from its files. Where a trace has several lists of pods, `workload` chooses one
/// by name (`gpushare40`), else it is `default` or the only one.
///
/// # Errors
/// What is missing or wrong, in which file, line and column.
pub fn read(dir: &Path, workload: Option<&str>) -> Result<Fleet, TraceError> {
    let io = |source| TraceError::Io { path: dir.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        files.extend(entry.map_err(io)?.file_name().into_string());
    }
    files.sort_unstable();
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(nodes) = files.iter().find(|file| file.starts_with("openb_node_list") && file.ends_with(".csv")) {
        openb::read(dir, &name, nodes, &files, workload)
    } else if files.iter().any(|file| file == genai::DUTY) {
        genai::read(dir, &name, &files)
    } else {
        Err(TraceError::UnknownKind { dir: dir.to_owned() })
    }
}
