//! The forms of a report, as people and machines see them.
#![allow(clippy::unwrap_used)]

mod check;
mod document;
mod example;
mod forms;
mod page;
mod rehearsal;
mod rehearsed;
mod sample;
