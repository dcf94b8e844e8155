//! What a node costs an hour, and how that is known.

use crate::{MoneyPerHour, Name, Node};
use serde::{Deserialize, Serialize};

/// How a price is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PriceSource {
    /// The clouds' public on-demand list prices, as bundled.
    List {
        /// The day of the list.
        as_of: Name,
        /// The region that the list is of.
        region: Name,
    },
    /// The user's own file.
    User {
        /// Which line of it decided, for people: `instance type p5.48xlarge (line 3)`.
        line: Name,
    },
}

/// The price of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePrice {
    /// For an hour of the whole node.
    pub per_hour: MoneyPerHour,
    /// How it is known.
    pub source: PriceSource,
}

/// Why a node has no price.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unpriced {
    /// The node does not say its instance type.
    NoInstanceType,
    /// No list has the instance type.
    NotListed(Name),
    /// It is bought as spot capacity: the list has on-demand prices only.
    Spot,
    /// It is bought under a commitment: the list has on-demand prices only.
    Committed,
}

/// Prices by instance type, pool and node. The user's own win over the list.
#[derive(Debug, Clone, Default)]
pub struct PriceBook {}

impl PriceBook {
    /// The bundled list prices.
    #[must_use]
    pub fn list() -> Self {
        Self {}
    }

    /// The currency of every price in the book (ISO 4217).
    #[must_use]
    pub fn currency(&self) -> &str {
        "USD"
    }

    /// The price of `node`.
    ///
    /// # Errors
    /// Why there is none. An unknown price is unknown, never a guess.
    pub fn price(&self, node: &Node) -> Result<NodePrice, Unpriced> {
        let _ = node;
        Err(Unpriced::NoInstanceType)
    }
}
