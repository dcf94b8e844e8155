//! A fleet over time: jobs arrive, wait, start, run, are evicted and end, nodes come and go, under one policy or several side by side.
//!
//! - `outcome`: what a rehearsal gives.

mod outcome;

pub use outcome::{Figures, Filling, Grid, GridNode, Moment, Refusal, Rehearsal, Run, Size, Spread};
