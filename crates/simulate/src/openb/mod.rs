//! The placement experiment of "Beware of Fragmentation" (USENIX ATC'23) on Alibaba's trace openb.
//!
//! Pods of a list arrive one at a time, in an order that inflates the list to 130 % of the cluster's GPUs. Each is put where the
//! policy says, or dropped where it fits nowhere; none departs. What counts is how much of the GPUs is allocated when so and so
//! many have been asked for.
//!
//! - `read`: node list, pod list and orders, from the text of their files. What is wrong is refused with file, line and value.
//! - `replay`: one run.
//! - `bound`: what no policy can reach.
//! - `sweep`: many runs side by side, and their figures as text.

mod bound;
mod read;
mod replay;
mod sweep;

pub use bound::bound;
pub use read::{Cluster, Order, Workload, parse_orders};
pub use replay::{Cells, LAST, Outcome, replay, replay_with};
pub use sweep::{Experiment, sweep, to_csv, to_table};
