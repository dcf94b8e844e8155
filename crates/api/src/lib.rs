//! The kinds that a user writes (group `plimsoll.dev`), their validation and their CRDs.
//!
//! - [`guardrail`]: which rules hold where, in which mode, and who is exempt
//! - [`defaults`]: what a guardrail adds where it is absent
//! - [`team`]: who owns namespaces, and how much they may use
//! - [`pool`]: nodes managed alike, as far as a rule must know them
//! - [`crd`]: the CustomResourceDefinitions, as `deploy/crds` has them
//!
//! Nothing in here decides: what a rule is, and which parameters it has, is known to `plimsoll-decide`. Nothing does I/O or knows
//! a Kubernetes type.

pub mod crd;
pub mod defaults;
pub mod guardrail;
mod meta;
pub mod pattern;
pub mod pool;
pub mod team;

pub use defaults::Defaults;
pub use guardrail::{Guardrail, Mode};
pub use meta::Metadata;
pub use pool::Pool;
pub use team::Team;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The API group.
pub const GROUP: &str = "plimsoll.dev";
/// The API version that is served.
pub const VERSION: &str = "v1alpha1";

/// An object of one of the kinds.
#[derive(Debug, Clone, PartialEq)]
pub enum Resource {
    /// Rules.
    Guardrail(Guardrail),
    /// A team.
    Team(Team),
    /// A pool.
    Pool(Pool),
}

/// Why an object of ours cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// Another version of the API.
    #[error("{kind} {name}: the version {version} is not known. Write apiVersion: {GROUP}/{VERSION}")]
    Version {
        /// The kind.
        kind: String,
        /// Its name.
        name: String,
        /// What it says.
        version: String,
    },
    /// A kind that the group does not have.
    #[error("{GROUP} has no kind {kind}. It has Guardrail, Team and Pool")]
    Kind {
        /// What it says.
        kind: String,
    },
    /// A field that is not known, missing, or of another type.
    #[error("{kind} {name}: {why}")]
    Shape {
        /// The kind.
        kind: String,
        /// Its name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A value that makes no sense.
    #[error("{kind} {name}, {field}: {why}")]
    Field {
        /// The kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Where.
        field: String,
        /// What is wrong, and the remedy.
        why: String,
    },
}

/// Reads and validates an object of ours; none: it is of another group.
///
/// # Errors
/// [`ApiError`].
pub fn read(object: &Value) -> Result<Option<Resource>, ApiError> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (api_version, kind, name) = (text(&object["apiVersion"]), text(&object["kind"]), text(&object["metadata"]["name"]));
    let Some((GROUP, version)) = api_version.split_once('/') else { return Ok(None) };
    if version != VERSION {
        return Err(ApiError::Version { kind, name, version: version.to_owned() });
    }
    let resource = match kind.as_str() {
        "Guardrail" => Resource::Guardrail(parse(object, &kind, &name)?),
        "Team" => Resource::Team(parse(object, &kind, &name)?),
        "Pool" => Resource::Pool(parse(object, &kind, &name)?),
        _ => return Err(ApiError::Kind { kind }),
    };
    match &resource {
        Resource::Guardrail(guardrail) => guardrail.validate()?,
        Resource::Team(team) => team.validate()?,
        Resource::Pool(pool) => pool.validate()?,
    }
    Ok(Some(resource))
}

fn parse<T: DeserializeOwned>(object: &Value, kind: &str, name: &str) -> Result<T, ApiError> {
    T::deserialize(object).map_err(|error| {
        let mut why = error.to_string();
        if why.contains("boolean `false`") {
            // kubectl reads it so, too.
            why.push_str(". In YAML a bare off is the boolean false: write 'off', in quotes");
        }
        ApiError::Shape { kind: kind.to_owned(), name: name.to_owned(), why }
    })
}

/// A name that is longer than Kubernetes allows, empty, or has other characters, is refused.
fn named(kind: &'static str, metadata: &Metadata) -> Result<(), ApiError> {
    let name = &metadata.name;
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if name.is_empty() || name.len() > 253 || !name.chars().all(good) {
        let why = "it must have 1 to 253 lower case letters, digits, '-' or '.'".to_owned();
        return Err(ApiError::Field { kind, name: name.clone(), field: "metadata.name".to_owned(), why });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
