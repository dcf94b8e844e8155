//! Waste signs: a file each. To add one, write its file, name it in [`ALL`], and plant it in the example fleet.
//!
//! Signs about use are exclusive where they contradict each other ([`diagnosis`]); the others stand for themselves.

mod empty_gpu_node;
mod idle_gpu;

use super::{finding::Finding, view::View};

/// A number that a user may set.
#[derive(Debug, Clone, Copy)]
pub struct Threshold {
    /// Where it stands unless set.
    pub default: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What it means.
    pub says: &'static str,
}

/// A waste sign.
#[derive(Debug)]
pub struct Sign {
    /// Its stable name.
    pub name: &'static str,
    /// What it means, in a line.
    pub title: &'static str,
    /// Its number, if it has one.
    pub threshold: Option<Threshold>,
    /// The long form, for `plimsoll explain NAME`: what it means, how it is seen, when it is wrong, how to mend it.
    pub explain: &'static str,
    /// Looks for it.
    pub find: fn(&View<'_>) -> Vec<Finding>,
}

/// Every sign, in order of name.
pub static ALL: &[&Sign] = &[&empty_gpu_node::SIGN, &idle_gpu::SIGN];

/// The sign of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Sign> {
    ALL.iter().copied().find(|sign| sign.name == name)
}
