//! MIG: which instances should stand on which GPUs?
//!
//! - `demand`: the boards that there are, and the instances that are wanted.
//! - `plan`: the fewest GPUs, or the cheapest, for a demand, with the proof; `integer` is the search behind it.
//! - `change`: the steps from today's layouts to what is wanted, with the fewest instances in use disturbed.
//! - `online`: where the next instance should go, when nobody knows what comes after it.
//! - `geometry`: what can still come to a GPU, tabled, for decisions that must be fast.
//! - `named`: the layouts that mig-parted knows by name, on a board.
//!
//! Where an instance can stand at all is for [`plimsoll_fleet::mig::Table`] to say; nothing in here knows a profile by heart,
//! talks to a GPU or drains a node.

mod change;
mod demand;
pub(crate) mod geometry;
mod integer;
mod named;
pub(crate) mod online;
mod plan;
#[cfg(test)]
mod tests;

pub use change::{Change, ChangeError, Goes, Step, Today, change};
pub use demand::{DemandError, Offer, Stock, Wanted};
pub use geometry::{Geometry, Grid, Next, Room, Start};
pub use named::{NameError, layout_named, layout_names, layout_of};
pub use online::{Online, OnlineWeights};
pub use plan::{Bound, Group, Plan, Proof, plan};
