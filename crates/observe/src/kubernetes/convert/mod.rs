//! From the parts of Kubernetes objects that are read to the nouns of a fleet. Pure: nothing in here does I/O or reads a clock.

pub mod dra;
pub mod node;
pub mod pod;
mod requests;
pub mod selector;
pub mod shape;
pub mod template;
pub mod workload;

use super::quantity::QuantityError;
use plimsoll_fleet::Name;

/// Why an object could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// A quantity that makes no sense.
    #[error("{place}: {source}")]
    Quantity {
        /// Where it stands: `container main, nvidia.com/gpu`.
        place: String,
        /// What is wrong with it.
        source: QuantityError,
    },
    /// The object has no name.
    #[error("it has no name")]
    Nameless,
}

/// Cuts a sentence from the cluster to a length that a report can bear.
pub(crate) fn cut(text: &Name, characters: usize) -> Name {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.clone(),
    }
}
