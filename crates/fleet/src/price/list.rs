//! The bundled list: public on-demand prices of GPU instance types, Linux, in USD.

use crate::MoneyPerHour;
use serde::{Deserialize, Deserializer};
use std::{collections::BTreeMap, sync::OnceLock};

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListPrice {
    /// The cloud: `aws`, `gcp`, `azure`.
    pub provider: String,
    /// The instance type.
    pub instance_type: String,
    /// Its GPU, a name that [`crate::catalogue::find`] knows.
    pub gpu_model: String,
    /// How many GPUs; a fraction where the type has a part of one.
    pub gpus: f64,
    /// Its vCPUs.
    pub vcpu: u32,
    /// Its memory, GiB.
    pub memory_gib: u32,
    /// Its price, USD for an hour.
    #[serde(rename = "usd_per_hour", deserialize_with = "usd")]
    pub per_hour: MoneyPerHour,
    /// The region of the price.
    pub region: String,
    /// The day of the price.
    pub as_of: String,
    /// Where it was read.
    pub source: String,
    /// How sure it is: `verified`, or `verified price; size believed`.
    pub confidence: String,
}

fn usd<'de, D: Deserializer<'de>>(from: D) -> Result<MoneyPerHour, D::Error> {
    f64::deserialize(from).map(MoneyPerHour::from_units)
}

/// Every row, in the order of the data file.
#[must_use]
pub fn listed() -> &'static [ListPrice] {
    static ALL: OnceLock<Vec<ListPrice>> = OnceLock::new();
    ALL.get_or_init(|| {
        let rows = csv::Reader::from_reader(include_str!("../../data/prices.csv").as_bytes()).into_deserialize();
        rows.collect::<Result<_, _>>().expect("bundled, and read by a test")
    })
}

/// The row for an instance type of `cloud`: that of `region`, else the first.
pub(super) fn of(instance_type: &str, cloud: Option<&str>, region: Option<&str>) -> Option<&'static ListPrice> {
    static BY_TYPE: OnceLock<BTreeMap<&'static str, Vec<&'static ListPrice>>> = OnceLock::new();
    let by_type = BY_TYPE.get_or_init(|| {
        let mut by_type: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in listed() {
            by_type.entry(row.instance_type.as_str()).or_default().push(row);
        }
        by_type
    });
    let rows = || by_type.get(instance_type).into_iter().flatten().filter(|row| cloud.is_none_or(|cloud| cloud == row.provider));
    rows().find(|row| Some(row.region.as_str()) == region).or_else(|| rows().next()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_is_sane() {
        assert_eq!(listed().len(), 99);
        let mut met = BTreeSet::new();
        for row in listed() {
            let name = &row.instance_type;
            assert!(met.insert((&row.provider, name, &row.region)), "{name} stands twice");
            assert!(["aws", "gcp", "azure"].contains(&row.provider.as_str()), "{name}");
            assert!((0.1..500.0).contains(&row.per_hour.units()) && row.gpus > 0.0 && row.gpus <= 16.0, "{name}");
            assert!(row.vcpu > 0 && row.memory_gib > 0 && !row.source.is_empty() && !row.confidence.is_empty(), "{name}");
            assert!(row.as_of.len() == 10 && row.as_of.starts_with("20"), "{name}: a day is YYYY-MM-DD");
            assert!(catalogue::find(&row.gpu_model, None).is_some(), "{name}: the catalogue lacks {}", row.gpu_model);
        }
    }
}
