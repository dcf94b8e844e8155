//! A fleet over time, driven by the very decisions that run in the cluster.
//!
//! - [`openb`]: the placement experiment of ATC'23 on the openb trace, replayed to the published digit.
//! - [`rehearsal`]: a fleet over time, job by job.
//!
//! Nothing in here decides, does I/O or reads a clock: a replay is a function of the text of its files and of its seed.

mod chance;
pub mod openb;
mod parallel;
pub mod rehearsal;
mod table;

pub use table::ReadError;
