//! MIG: which instances should stand on which GPUs?
//!
//! - `demand`: the boards that there are, and the instances that are wanted.
//! - `plan`: the fewest GPUs, or the cheapest, for a demand, with the proof; `integer` is the search behind it.
//! - `named`: the layouts that mig-parted knows by name, on a board.
//!
//! Where an instance can stand at all is for [`plimsoll_fleet::mig::Table`] to say; nothing in here knows a profile by heart,
//! talks to a GPU or drains a node.

mod demand;
mod integer;
mod named;
mod plan;
#[cfg(test)]
mod tests;

pub use demand::{DemandError, Offer, Stock, Wanted};
pub use named::{NameError, layout_named, layout_names, layout_of};
pub use plan::{Bound, Group, Plan, Proof, plan};
