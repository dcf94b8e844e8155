//! What the rules say of manifests, as people and pipelines read it: `plimsoll check`.
//!
//! - [`table()`]: for the terminal; [`json()`]: a list for programs, with a published schema
//! - [`history`]: what rules would have refused before
//! - [`sarif()`], [`junit()`], [`github()`]: for the pipelines that speak these
//!
//! What is printed here was decided in [`plimsoll_decide::guard`].

mod github;
pub mod history;
mod json;
mod junit;
mod sarif;
mod table;

pub use github::github;
pub use json::{json, schema};
pub use junit::junit;
pub use sarif::sarif;
pub use table::table;

use plimsoll_decide::guard::{Breach, Exempt, Fix, Subject};

/// Something that stands in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    /// The file as the user named it; `-` is the standard input.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What stands there.
    pub what: T,
}

/// What was checked, and what was found.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Objects read.
    pub objects: u64,
    /// Those that ask for accelerators, with their place.
    pub subjects: Vec<At<Subject>>,
    /// Broken rules, in order of file, line and rule.
    pub breaches: Vec<At<Breach>>,
    /// Broken rules that somebody is exempted from.
    pub exempt: Vec<At<Exempt>>,
    /// Broken rules that the baseline knows.
    pub known: u64,
    /// Rules that were not judged, and why.
    pub unjudged: Vec<At<String>>,
    /// What could not be read or judged at all.
    pub errors: Vec<At<String>>,
}

/// The lines of a fix as YAML; none: it has none.
fn yaml(fix: &Fix) -> Option<String> {
    serde_saphyr::to_string(fix.lines.as_ref()?).ok().map(|text| text.trim_end().to_owned())
}
