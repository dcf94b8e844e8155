//! MIG: which instances should stand on which GPUs?
//!
//! - `named`: the layouts that mig-parted knows by name, on a board.
//!
//! Where an instance can stand at all is for [`plimsoll_fleet::mig::Table`] to say; nothing in here knows a profile by heart,
//! talks to a GPU or drains a node.

mod named;

pub use named::{NameError, layout_named, layout_names};
