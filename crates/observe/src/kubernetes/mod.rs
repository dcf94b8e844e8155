//! The live source: from an API server to a `Fleet` without metrics.
//!
//! - [`connect()`]: to the API server, as kubectl goes
//! - [`read()`]: its lists, page by page, to a fleet; [`READS`] says which
//! - [`held()`]: what it holds, as whole objects, for the rules
//! - [`from_objects`]: the same from objects at hand
//! - `raw`: the parts of objects that are decoded; `convert`: from those to the nouns, pure; `collect`: the fleet of them
//!
//! Only GET requests are made. Secrets, environment values and arguments are not even decoded. Nothing in here decides.

mod collect;
mod connect;
pub mod convert;
mod error;
mod events;
mod held;
mod list;
mod manifests;
mod owners;
pub mod quantity;
pub mod raw;
mod read;
pub mod reads;
#[cfg(test)]
mod tests;

pub use connect::{ConnectOptions, Connection, connect};
pub use error::ObserveError;
pub use held::{Held, held};
pub use manifests::{from_objects, objects};
pub use read::read;
pub use reads::READS;
