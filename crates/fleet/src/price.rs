//! What a node costs an hour, and how that is known.
//!
//! Two sources, never mixed up: the clouds' public on-demand list prices (`data/prices.csv`, dated, one region a cloud) and
//! the user's own file ([`PriceBook::with_file`]), which wins. A price that neither has is unknown, and the reason is told.
//!
//! - `list`: the bundled list.
//! - `file`: the user's file.

mod file;
mod list;

pub use file::PriceError;
pub use list::{ListPrice, listed};

use crate::{MoneyPerHour, Name, Node, node::Purchase};
use file::{Rule, Scope, Subject};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The currency of the list.
const LIST_CURRENCY: &str = "USD";

/// How a price is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PriceSource {
    /// The clouds' public on-demand list prices, as bundled.
    List {
        /// The day of the list.
        as_of: Name,
        /// The region that the list is of. The node may be in another one, where the price differs.
        region: Name,
    },
    /// The user's own file.
    User {
        /// Which line of it decided, for people: `instance type p5.48xlarge (prices.csv line 3)`.
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Unpriced {
    /// The node does not say its instance type.
    #[error("the node has no instance type; give a price for its pool or the node itself in a price file")]
    NoInstanceType,
    /// No list has the instance type.
    #[error("no list has a price for the instance type {0}; give one in a price file")]
    NotListed(Name),
    /// It is bought as spot capacity: the list has on-demand prices only.
    #[error("it is spot capacity and the list has on-demand prices only; give the spot price in a price file (purchase = spot)")]
    Spot,
    /// It is bought under a commitment: the list has on-demand prices only.
    #[error(
        "it is bought under a commitment and the list has on-demand prices only; give its price in a price file (purchase = committed)"
    )]
    Committed,
    /// The user's file is in another currency than the list, and has no price for the node.
    #[error("the price file is in {0} and has no price for the node; list prices (USD) are not mixed in")]
    OtherCurrency(Name),
}

/// Prices by instance type, pool and node. The user's own win over the list.
#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    /// None: no file, the list alone.
    currency: Option<Name>,
    rules: BTreeMap<Subject, BTreeMap<Scope, Rule>>,
}

impl PriceBook {
    /// The bundled list prices.
    #[must_use]
    pub fn list() -> Self {
        Self::default()
    }

    /// The currency of every price in the book (ISO 4217).
    #[must_use]
    pub fn currency(&self) -> &str {
        self.currency.as_deref().unwrap_or(LIST_CURRENCY)
    }

    /// The book with the prices of a user's file, which win over the list (and over files given before).
    ///
    /// The file is CSV with a header. Each row names exactly one of `instance_type`, `pool` and `node`, and its price:
    /// `price_per_hour` with `currency`, or `usd_per_hour`, the column of the bundled list, so that a list in its columns
    /// works too. Optional `purchase` (`on-demand`, `spot`, `committed`) and `region` narrow a row; without a `purchase` a
    /// `price_per_hour` holds however the node is bought, a `usd_per_hour` for on-demand nodes only. The order of columns
    /// and rows does not matter; lines beginning with `#` are comments. One book has one currency: where it is not USD the
    /// list is left out.
    ///
    /// # Errors
    /// The first thing wrong with the file, by line and column.
    pub fn with_file(mut self, name: &str, text: &str) -> Result<Self, PriceError> {
        let file = file::read(name, text, self.currency.as_deref())?;
        self.currency = Some(file.currency);
        for (subject, scope, rule) in file.rules {
            self.rules.entry(subject).or_default().insert(scope, rule);
        }
        Ok(self)
    }

    /// The price of `node`.
    ///
    /// The user's price for the node wins over that for its pool, that over its instance type, and all over the list; of one
    /// subject the row that names the purchase wins, then the one that names the region. List prices are on-demand prices:
    /// they apply where the labels say on-demand, and where they say nothing of the purchase ([`Purchase::Unknown`]). The list
    /// has one region a cloud, named in the [`PriceSource`], and prices nodes of other regions too. A node that says it is
    /// of another cloud than the listed instance type is not priced by it.
    ///
    /// # Errors
    /// Why there is none. An unknown price is unknown, never a guess.
    pub fn price(&self, node: &Node) -> Result<NodePrice, Unpriced> {
        let subjects = [
            Some(Subject::Node(node.name.clone())),
            node.pool.clone().map(Subject::Pool),
            node.instance_type.clone().map(Subject::InstanceType),
        ];
        for subject in subjects.into_iter().flatten() {
            if let Some(rule) = self.rules.get(&subject).and_then(|rules| best(rules, node)) {
                let line = format!("{subject} ({} line {})", rule.file, rule.line).into();
                return Ok(NodePrice { per_hour: rule.per_hour, source: PriceSource::User { line } });
            }
        }
        let instance_type = node.instance_type.as_ref().ok_or(Unpriced::NoInstanceType)?;
        match node.purchase {
            Purchase::Spot => return Err(Unpriced::Spot),
            Purchase::Committed => return Err(Unpriced::Committed),
            Purchase::OnDemand | Purchase::Unknown => {}
        }
        let row = list::of(instance_type, node.cloud.as_deref(), node.region.as_deref());
        let row = row.ok_or_else(|| Unpriced::NotListed(instance_type.clone()))?;
        if self.currency() != LIST_CURRENCY {
            return Err(Unpriced::OtherCurrency(self.currency().into()));
        }
        let source = PriceSource::List { as_of: row.as_of.as_str().into(), region: row.region.as_str().into() };
        Ok(NodePrice { per_hour: row.per_hour, source })
    }
}

/// The most specific rule that holds for `node`.
fn best<'a>(rules: &'a BTreeMap<Scope, Rule>, node: &Node) -> Option<&'a Rule> {
    let purchase = if node.purchase == Purchase::Unknown { Purchase::OnDemand } else { node.purchase };
    let holds = |scope: &Scope| {
        scope.purchase.is_none_or(|of| of == purchase) && scope.region.as_ref().is_none_or(|of| Some(of) == node.region.as_ref())
    };
    let specific = |scope: &Scope| (scope.purchase.is_some(), scope.region.is_some());
    rules.iter().filter(|(scope, _)| holds(scope)).max_by_key(|(scope, _)| specific(scope)).map(|(_, rule)| rule)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn node(instance_type: &str) -> Node {
        Node { name: "n1".into(), pool: Some("a".into()), instance_type: Some(instance_type.into()), ..Node::default() }
    }

    fn units(book: &PriceBook, node: &Node) -> Option<f64> {
        book.price(node).ok().map(|price| price.per_hour.units())
    }

    #[test]
    fn a_listed_type_has_the_price_of_the_list_and_says_which() {
        let book = PriceBook::list();
        let p5 = Node { region: Some("eu-west-1".into()), cloud: Some("aws".into()), ..node("p5.48xlarge") };
        let price = book.price(&p5).unwrap();
        assert_eq!(price.per_hour, MoneyPerHour::from_units(55.04));
        assert_eq!(price.source, PriceSource::List { as_of: "2026-07-20".into(), region: "us-east-1".into() });
        assert_eq!(units(&book, &node("Standard_NV6ads_A10_v5")), Some(0.454));
    }

    #[test]
    fn what_is_not_known_has_a_reason() {
        let book = PriceBook::list();
        assert_eq!(book.price(&Node::default()), Err(Unpriced::NoInstanceType));
        assert_eq!(book.price(&node("x1.huge")), Err(Unpriced::NotListed("x1.huge".into())));
        for (purchase, why) in [(Purchase::Spot, Unpriced::Spot), (Purchase::Committed, Unpriced::Committed)] {
            assert_eq!(book.price(&Node { purchase, ..node("p5.48xlarge") }), Err(why));
        }
        // A private cloud may name its flavours as AWS does.
        let private = Node { cloud: Some("openstack".into()), ..node("p5.48xlarge") };
        assert_eq!(book.price(&private), Err(Unpriced::NotListed("p5.48xlarge".into())));
    }

    #[test]
    fn the_users_prices_win_the_most_specific_first() {
        let text = "price_per_hour,node,pool,instance_type,currency,purchase,region\n\
            30,,,p5.48xlarge,USD,,\n\
            20,,,p5.48xlarge,USD,spot,\n\
            10,,,p5.48xlarge,USD,spot,eu-west-1\n\
            # the pool is under a contract\n\
            40,,b,,USD,,\n\
            50,n2,,,USD,,\n";
        let book = PriceBook::list().with_file("prices.csv", text).unwrap();
        let p5 = node("p5.48xlarge");
        assert_eq!(units(&book, &p5), Some(30.0));
        assert_eq!(units(&book, &Node { purchase: Purchase::Committed, ..p5.clone() }), Some(30.0));
        let spot = Node { purchase: Purchase::Spot, ..p5.clone() };
        assert_eq!(units(&book, &spot), Some(20.0));
        assert_eq!(units(&book, &Node { region: Some("eu-west-1".into()), ..spot }), Some(10.0));
        let pooled = Node { pool: Some("b".into()), ..p5.clone() };
        assert_eq!(units(&book, &pooled), Some(40.0));
        assert_eq!(units(&book, &Node { name: "n2".into(), ..pooled }), Some(50.0));
        // What the file does not name keeps its list price.
        assert_eq!(units(&book, &node("g6.xlarge")), Some(0.8048));
        let source = book.price(&p5).unwrap().source;
        assert_eq!(source, PriceSource::User { line: "instance type p5.48xlarge (prices.csv line 2)".into() });
    }

    #[test]
    fn another_currency_leaves_the_list_out() {
        let book = PriceBook::list().with_file("eur.csv", "pool,price_per_hour,currency\na,12.5,EUR\n").unwrap();
        assert_eq!(book.currency(), "EUR");
        assert_eq!(units(&book, &node("p5.48xlarge")), Some(12.5));
        let other = Node { pool: None, ..node("p5.48xlarge") };
        assert_eq!(book.price(&other), Err(Unpriced::OtherCurrency("EUR".into())));
        assert!(matches!(book.with_file("usd.csv", "pool,price_per_hour,currency\nb,1,USD\n"), Err(PriceError::MixedCurrencies { .. })));
    }

    /// A list in the bundled list's own columns is a price file of on-demand prices.
    #[test]
    fn the_bundled_list_is_itself_a_price_file() {
        let book = PriceBook::list().with_file("ours.csv", include_str!("../data/prices.csv")).unwrap();
        for row in listed() {
            let row_node = Node { region: Some(row.region.as_str().into()), ..node(&row.instance_type) };
            let price = book.price(&row_node).unwrap();
            assert_eq!(price.per_hour, row.per_hour);
            assert!(matches!(price.source, PriceSource::User { .. }));
            assert_eq!(book.price(&Node { purchase: Purchase::Spot, ..row_node }), Err(Unpriced::Spot));
        }
    }

    proptest! {
        /// No file gives a negative price, and the order of its rows does not matter.
        #[test]
        fn prices_are_never_negative(prices in proptest::collection::vec(-5.0..1e3_f64, 1..6), text in "[a-z_,\n0-9.-]{0,80}") {
            let rows: Vec<String> = prices.iter().enumerate().map(|(pool, price)| format!("{pool},{price},USD")).collect();
            let file = |rows: &[String]| PriceBook::list().with_file("f", &format!("pool,price_per_hour,currency\n{}\n", rows.join("\n")));
            let turned: Vec<String> = rows.iter().rev().cloned().collect();
            match (file(&rows), file(&turned)) {
                (Ok(book), Ok(other)) => {
                    for pool in 0..prices.len() {
                        let pooled = Node { pool: Some(pool.to_string().into()), ..Node::default() };
                        prop_assert!(book.price(&pooled).unwrap().per_hour >= MoneyPerHour::ZERO);
                        prop_assert_eq!(units(&book, &pooled), units(&other, &pooled));
                    }
                }
                (Err(_), Err(_)) => prop_assert!(prices.iter().any(|price| *price < 0.0)),
                _ => prop_assert!(false, "the order of rows decided"),
            }
            let _ = PriceBook::list().with_file("f", &text);
        }
    }
}
