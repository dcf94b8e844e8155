//! From the outside to a [`plimsoll_fleet::Fleet`].
//!
//! Every source gives the same thing: one consistent fleet, and a list of what it could not see. What comes from outside is
//! not trusted: it is bounded, checked, and refused with a message that names the thing and the remedy. Nothing here decides.
//!
//! Start with [`kubernetes`], which gives a live fleet without evidence of use; the metrics sources fill that in. [`manifest`]
//! stands apart: it reads objects that no cluster has yet, for the rules. So do [`decisions`], what
//! was decided of such objects, and [`history`], what was submitted before.

pub mod dcgm;
pub mod decisions;
mod engines;
pub mod example;
pub mod history;
pub mod kubernetes;
mod lines;
mod lives;
pub mod manifest;
pub mod prometheus;
pub mod scrape;
pub mod snapshot;
pub mod trace;

/// One moment of a long reading, for whoever shows progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    /// What is being read: `pods`, `sm activity`.
    pub stage: &'a str,
    /// How many of its things are done.
    pub done: u64,
    /// How many there are; none: not known yet.
    pub total: Option<u64>,
}

/// Whoever shows progress. It is called from several tasks at once, and must not block.
pub type Progress<'a> = dyn Fn(Step<'_>) + Send + Sync + 'a;

/// rustls wants its cryptography named once in a process; whoever opens a connection calls this first. An earlier choice stands.
pub(crate) fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
