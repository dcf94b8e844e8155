//! What the DCGM exporter says, in either of its dialects, and how it becomes evidence.
//!
//! Pure: nothing in here reads a clock, a file or a socket. [`exposition`] reads a body, [`names`] and [`labels`] say what
//! a series is, [`accumulate`] joins series to the devices and pods of a fleet and sketches them. Start with
//! [`accumulate::Accumulator`]; `prometheus` and `scrape` feed it.

pub mod accumulate;
pub(crate) mod directory;
pub mod exposition;
mod finish;
mod hours;
pub mod labels;
pub mod names;
#[cfg(test)]
mod tests;
