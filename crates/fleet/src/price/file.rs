//! The user's price file.

use crate::{MoneyPerHour, Name, node::Purchase};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
};

/// The dearest node-hour that is taken for a price and not for a slip: some thousand times the dearest of the list.
const PRICE_MAX: f64 = 1_000_000.0;

/// What a row of the file prices.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Node(Name),
    Pool(Name),
    InstanceType(Name),
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(out, "node {name}"),
            Self::Pool(name) => write!(out, "pool {name}"),
            Self::InstanceType(name) => write!(out, "instance type {name}"),
        }
    }
}

/// What narrows a row; none: all.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scope {
    pub purchase: Option<Purchase>,
    pub region: Option<Name>,
}

/// A price, and the line that gave it.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub per_hour: MoneyPerHour,
    pub file: Name,
    pub line: u64,
}

/// A file, read.
pub(super) struct File {
    pub currency: Name,
    pub rules: Vec<(Subject, Scope, Rule)>,
}

/// What is wrong with a price file.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// There is no row.
    #[error(
        "{file}: no prices in it; the first line names the columns (instance_type,price_per_hour,currency), each further line is a price"
    )]
    Empty {
        /// The file.
        file: String,
    },
    /// A line is not CSV, or has more or fewer fields than the header.
    #[error("{file}: cannot be read as CSV with as many fields on each line as in the header")]
    Malformed {
        /// The file.
        file: String,
        /// What the reader says; it names the line.
        #[source]
        source: csv::Error,
    },
    /// A column that has no meaning here.
    #[error("{file}, line {line}: the column `{column}` is not known; columns are {}", COLUMNS.join(", "))]
    UnknownColumn {
        /// The file.
        file: String,
        /// The header's line.
        line: u64,
        /// The column.
        column: String,
    },
    /// A column stands twice.
    #[error("{file}, line {line}: the column `{column}` stands twice; remove one")]
    RepeatedColumn {
        /// The file.
        file: String,
        /// The header's line.
        line: u64,
        /// The column.
        column: String,
    },
    /// A column that is needed is not there.
    #[error("{file}, line {line}: the header lacks {column}")]
    MissingColumn {
        /// The file.
        file: String,
        /// The header's line.
        line: u64,
        /// What is lacking.
        column: &'static str,
    },
    /// A row names none, or several, of instance type, pool and node.
    #[error("{file}, line {line}: a row sets exactly one of instance_type, pool and node; this one sets {set}")]
    Subject {
        /// The file.
        file: String,
        /// The line.
        line: u64,
        /// What it sets.
        set: String,
    },
    /// A value that its column cannot have.
    #[error("{file}, line {line}, column {column}: `{value}` {remedy}")]
    Value {
        /// The file.
        file: String,
        /// The line.
        line: u64,
        /// The column.
        column: &'static str,
        /// The value.
        value: String,
        /// What is wrong, and what would be right.
        remedy: &'static str,
    },
    /// Two rows price the same.
    #[error("{file}, line {line}: {subject} has a price on line {first} already, for the same purchase and region; remove one")]
    Duplicate {
        /// The file.
        file: String,
        /// The line.
        line: u64,
        /// What is priced.
        subject: String,
        /// The line with the first price.
        first: u64,
    },
    /// Two currencies in one book.
    #[error("{file}, line {line}, column currency: `{value}` after `{first}`; all prices of an audit are in one currency: convert them")]
    MixedCurrencies {
        /// The file.
        file: String,
        /// The line.
        line: u64,
        /// The currency.
        value: String,
        /// The currency met first.
        first: String,
    },
}

/// Every column with a meaning; the last eight are those that the bundled list has more, and only inform.
const COLUMNS: [&str; 16] = [
    "instance_type",
    "pool",
    "node",
    "purchase",
    "region",
    "price_per_hour",
    "usd_per_hour",
    "currency",
    "provider",
    "gpu_model",
    "gpus",
    "vcpu",
    "memory_gib",
    "as_of",
    "source",
    "confidence",
];

/// Reads a file whose prices are to be in `currency`, where a file before has set one.
pub(super) fn read(file: &str, text: &str, currency: Option<&str>) -> Result<File, PriceError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let malformed = |source| PriceError::Malformed { file: file.to_owned(), source };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).has_headers(false).from_reader(text.as_bytes());
    let mut records = reader.records();
    let empty = || PriceError::Empty { file: file.to_owned() };
    let header = Header::read(file, text, &records.next().ok_or_else(empty)?.map_err(malformed)?)?;

    let mut currency: Option<Name> = currency.map(Name::from);
    let mut first: BTreeMap<(Subject, Scope), u64> = BTreeMap::new();
    let mut rules = Vec::new();
    for record in records {
        let record = record.map_err(malformed)?;
        let row = Row { file, line: line(text, &record), header: &header, record: &record };
        let own = row.currency()?;
        match &currency {
            Some(before) if **before != *own => {
                return Err(PriceError::MixedCurrencies {
                    file: file.to_owned(),
                    line: row.line,
                    value: own.to_owned(),
                    first: before.to_string(),
                });
            }
            Some(_) => {}
            None => currency = Some(own.into()),
        }
        let (subject, scope) = (row.subject()?, row.scope()?);
        match first.entry((subject.clone(), scope.clone())) {
            Entry::Occupied(met) => {
                return Err(PriceError::Duplicate {
                    file: file.to_owned(),
                    line: row.line,
                    subject: subject.to_string(),
                    first: *met.get(),
                });
            }
            Entry::Vacant(free) => free.insert(row.line),
        };
        rules.push((subject, scope, Rule { per_hour: row.price()?, file: file.into(), line: row.line }));
    }
    match currency {
        Some(currency) if !rules.is_empty() => Ok(File { currency, rules }),
        _ => Err(empty()),
    }
}

/// The line on which `record` stands. The reader's position is before the comments and empty lines that it has skipped.
fn line(text: &str, record: &csv::StringRecord) -> u64 {
    let Some(position) = record.position() else { return 0 };
    let rest = usize::try_from(position.byte()).ok().and_then(|byte| text.get(byte..)).unwrap_or("");
    let skipped = rest.lines().take_while(|line| line.is_empty() || line.starts_with('#')).count();
    position.line() + skipped as u64
}

/// Where each column stands.
struct Header {
    at: BTreeMap<&'static str, usize>,
    /// The column of the price.
    price: &'static str,
}

impl Header {
    fn read(file: &str, text: &str, record: &csv::StringRecord) -> Result<Self, PriceError> {
        let (file, line) = (file.to_owned(), line(text, record));
        let mut at = BTreeMap::new();
        for (index, column) in record.iter().enumerate() {
            let Some(known) = COLUMNS.iter().find(|known| **known == column) else {
                return Err(PriceError::UnknownColumn { file, line, column: column.chars().take(64).collect() });
            };
            if at.insert(*known, index).is_some() {
                return Err(PriceError::RepeatedColumn { file, line, column: column.to_owned() });
            }
        }
        let missing = |column| Err(PriceError::MissingColumn { file: file.clone(), line, column });
        if !["instance_type", "pool", "node"].iter().any(|subject| at.contains_key(subject)) {
            return missing("a column that says what is priced: instance_type, pool or node");
        }
        let price = match (at.contains_key("price_per_hour"), at.contains_key("usd_per_hour")) {
            (true, false) if at.contains_key("currency") => "price_per_hour",
            (true, false) => return missing("the column currency, which goes with price_per_hour (USD, EUR, …)"),
            (false, true) => "usd_per_hour",
            _ => return missing("exactly one price column: price_per_hour, or usd_per_hour"),
        };
        Ok(Self { at, price })
    }
}

struct Row<'a> {
    file: &'a str,
    line: u64,
    header: &'a Header,
    record: &'a csv::StringRecord,
}

impl<'a> Row<'a> {
    /// The value in `column`; none: no such column, or nothing in it.
    fn get(&self, column: &'static str) -> Option<&'a str> {
        self.record.get(*self.header.at.get(column)?).filter(|value| !value.is_empty())
    }

    fn wrong(&self, column: &'static str, remedy: &'static str) -> PriceError {
        let value = self.get(column).unwrap_or("").chars().take(64).collect();
        PriceError::Value { file: self.file.to_owned(), line: self.line, column, value, remedy }
    }

    fn currency(&self) -> Result<&'a str, PriceError> {
        let dollars = self.header.price == "usd_per_hour";
        match self.get("currency") {
            None if dollars => Ok("USD"),
            Some(code) if dollars && code != "USD" => {
                Err(self.wrong("currency", "contradicts the column usd_per_hour; name that price_per_hour"))
            }
            Some(code) if code.len() == 3 && code.bytes().all(|letter| letter.is_ascii_uppercase()) => Ok(code),
            _ => Err(self.wrong("currency", "is not a currency; write its three letters (USD, EUR)")),
        }
    }

    fn subject(&self) -> Result<Subject, PriceError> {
        let named = |column, kind: fn(Name) -> Subject| self.get(column).map(|name| (column, kind(name.into())));
        let all = [named("instance_type", Subject::InstanceType), named("pool", Subject::Pool), named("node", Subject::Node)];
        let mut set: Vec<_> = all.into_iter().flatten().collect();
        match (set.pop(), set.is_empty()) {
            (Some((_, subject)), true) => Ok(subject),
            (last, _) => {
                let columns: Vec<_> = set.into_iter().chain(last).map(|(column, _)| column).collect();
                let set = if columns.is_empty() { "none".to_owned() } else { columns.join(" and ") };
                Err(PriceError::Subject { file: self.file.to_owned(), line: self.line, set })
            }
        }
    }

    fn scope(&self) -> Result<Scope, PriceError> {
        let purchase = match self.get("purchase") {
            // A price in the list's own column is an on-demand price, as those of the list are.
            None => (self.header.price == "usd_per_hour").then_some(Purchase::OnDemand),
            Some("on-demand") => Some(Purchase::OnDemand),
            Some("spot") => Some(Purchase::Spot),
            Some("committed") => Some(Purchase::Committed),
            Some(_) => return Err(self.wrong("purchase", "is no way to buy a node; write on-demand, spot or committed, or leave it empty")),
        };
        Ok(Scope { purchase, region: self.get("region").map(Name::from) })
    }

    fn price(&self) -> Result<MoneyPerHour, PriceError> {
        let column = self.header.price;
        let number: f64 = self
            .get(column)
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| self.wrong(column, "is not a number; write it as 12.34"))?;
        if !number.is_finite() {
            Err(self.wrong(column, "is not a price; leave the row out where it is not known"))
        } else if number < 0.0 {
            Err(self.wrong(column, "is negative; a node costs 0 or more"))
        } else if number > PRICE_MAX {
            Err(self.wrong(column, "is more than a million for an hour; is it the price of an hour of one node?"))
        } else {
            Ok(MoneyPerHour::from_units(number))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Each mistake is named with its file, its line and what to do.
    #[test]
    fn a_mistake_is_named_with_its_place_and_its_remedy() {
        for (text, message) in [
            (
                "",
                "f.csv: no prices in it; the first line names the columns (instance_type,price_per_hour,currency), each further line is a price",
            ),
            (
                "pool,price_per_hour,currency\n",
                "f.csv: no prices in it; the first line names the columns (instance_type,price_per_hour,currency), each further line is a price",
            ),
            ("pool,price,currency\na,1,USD\n", "f.csv, line 1: the column `price` is not known; columns are "),
            ("pool,pool,price_per_hour,currency\na,a,1,USD\n", "f.csv, line 1: the column `pool` stands twice; remove one"),
            (
                "price_per_hour,currency\n1,USD\n",
                "f.csv, line 1: the header lacks a column that says what is priced: instance_type, pool or node",
            ),
            (
                "pool,price_per_hour\na,1\n",
                "f.csv, line 1: the header lacks the column currency, which goes with price_per_hour (USD, EUR, …)",
            ),
            ("pool,currency\na,USD\n", "f.csv, line 1: the header lacks exactly one price column: price_per_hour, or usd_per_hour"),
            ("pool,price_per_hour,currency\na,1\n", "f.csv: cannot be read as CSV with as many fields on each line as in the header"),
            (
                "pool,node,price_per_hour,currency\na,b,1,USD\n",
                "f.csv, line 2: a row sets exactly one of instance_type, pool and node; this one sets pool and node",
            ),
            (
                "pool,node,price_per_hour,currency\n,,1,USD\n",
                "f.csv, line 2: a row sets exactly one of instance_type, pool and node; this one sets none",
            ),
            (
                "pool,price_per_hour,currency\na,1,USD\n# b\n\nb,-1,USD\n",
                "f.csv, line 5, column price_per_hour: `-1` is negative; a node costs 0 or more",
            ),
            (
                "pool,price_per_hour,currency\na,NaN,USD\n",
                "f.csv, line 2, column price_per_hour: `NaN` is not a price; leave the row out where it is not known",
            ),
            (
                "pool,price_per_hour,currency\na,\"1,5\",USD\n",
                "f.csv, line 2, column price_per_hour: `1,5` is not a number; write it as 12.34",
            ),
            ("pool,price_per_hour,currency\na,,USD\n", "f.csv, line 2, column price_per_hour: `` is not a number; write it as 12.34"),
            (
                "pool,usd_per_hour\na,1e9\n",
                "f.csv, line 2, column usd_per_hour: `1e9` is more than a million for an hour; is it the price of an hour of one node?",
            ),
            (
                "pool,price_per_hour,currency\na,1,dollar\n",
                "f.csv, line 2, column currency: `dollar` is not a currency; write its three letters (USD, EUR)",
            ),
            (
                "pool,usd_per_hour,currency\na,1,EUR\n",
                "f.csv, line 2, column currency: `EUR` contradicts the column usd_per_hour; name that price_per_hour",
            ),
            (
                "pool,price_per_hour,currency\na,1,USD\nb,1,EUR\n",
                "f.csv, line 3, column currency: `EUR` after `USD`; all prices of an audit are in one currency: convert them",
            ),
            (
                "pool,price_per_hour,currency,purchase\na,1,USD,rented\n",
                "f.csv, line 2, column purchase: `rented` is no way to buy a node; write on-demand, spot or committed, or leave it empty",
            ),
            (
                "pool,price_per_hour,currency\na,1,USD\na,2,USD\n",
                "f.csv, line 3: pool a has a price on line 2 already, for the same purchase and region; remove one",
            ),
        ] {
            let error = read("f.csv", text, None).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.starts_with(message) && !message.is_empty(), "{text:?}\n gives {error:?}");
        }
    }

    #[test]
    fn a_mark_of_the_byte_order_and_blanks_do_no_harm() {
        let file = read("f.csv", "\u{feff} pool , price_per_hour,currency\r\n a b , 0 ,USD\r\n", None).unwrap();
        assert_eq!(file.rules[0].0, Subject::Pool("a b".into()));
        assert_eq!(file.rules[0].2.per_hour, MoneyPerHour::ZERO);
    }
}
