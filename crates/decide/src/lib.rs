//! Decisions: a module a question, each a pure function of a [`plimsoll_fleet::Fleet`].
//!
//! - [`audit`]: where does the GPU money go? Waste signs, the funnel, what can be got back.
//! - [`bound`]: what can no plan beat? The proofs that decisions share.
//! - [`class`]: what kind of work is a workload?
//! - [`guard`]: may this in, and in what shape?
//! - [`nearest`]: what name did somebody mean?
//! - [`pack`]: on how few nodes would it fit?
//! - [`queue`]: whose turn is it?
//! - [`team`]: whose is it?
//!
//! Nothing in here does I/O, is async, reads a clock or draws a random number. A decision is a value that can be
//! printed, compared, stored and replayed.

pub mod audit;
pub mod bound;
pub mod class;
pub mod guard;
pub mod nearest;
pub mod pack;
pub mod queue;
mod shell;
pub mod team;
#[cfg(test)]
pub(crate) mod testing;
