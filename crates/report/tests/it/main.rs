//! The forms of a report, as people and machines see them.
#![allow(clippy::unwrap_used)]

mod document;
mod forms;
mod page;
mod sample;
