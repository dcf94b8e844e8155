//! The parts of Kubernetes objects that are read, and no other part.
//!
//! Environment variables, arguments, volumes and the bodies of probes have no field in here, and of annotations only those
//! that a decision needs are kept: what is never decoded can never leak. Decoding is lenient where the API is (absent, `null`
//! and empty mean the same) and strict where a guess would be needed.

pub mod dra;
pub mod node;
pub mod pod;
pub mod workload;

use plimsoll_fleet::{Name, Timestamp, annotation, selector::Labels};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use std::{collections::BTreeMap, fmt};

/// Absent, `null` and empty alike.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// A field that is only asked whether it is there.
pub(crate) fn is_there<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(from)?.is_some())
}

/// A moment as RFC 3339.
pub(crate) fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
    let moment: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
    Ok(Some(Timestamp(moment.as_second())))
}

/// An object's metadata.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// Its name.
    #[serde(deserialize_with = "or_default")]
    pub name: Name,
    /// Its namespace; empty for a cluster's own.
    #[serde(deserialize_with = "or_default")]
    pub namespace: Name,
    /// Its labels.
    #[serde(deserialize_with = "or_default")]
    pub labels: Labels,
    /// Those of its annotations that a decision needs.
    #[serde(deserialize_with = "wanted_annotations")]
    pub annotations: BTreeMap<Name, Name>,
    /// When it was made.
    #[serde(deserialize_with = "moment")]
    pub creation_timestamp: Option<Timestamp>,
    /// When its deletion was asked for.
    #[serde(deserialize_with = "moment")]
    pub deletion_timestamp: Option<Timestamp>,
    /// Who owns it.
    #[serde(deserialize_with = "or_default")]
    pub owner_references: Vec<OwnerReference>,
}

impl Meta {
    /// The owner that controls it, if any.
    #[must_use]
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller == Some(true))
    }
}

/// A reference to an owner.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    /// Its API version.
    pub api_version: Name,
    /// Its kind.
    pub kind: Name,
    /// Its name.
    pub name: Name,
    /// Does it control the object?
    #[serde(default)]
    pub controller: Option<bool>,
}

/// An object of which only the metadata is read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Bare {
    /// Its metadata.
    pub metadata: Meta,
}

/// What kind of object a manifest holds.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeMeta {
    /// `apps/v1`.
    #[serde(default, deserialize_with = "or_default")]
    pub api_version: Name,
    /// `Deployment`.
    #[serde(default, deserialize_with = "or_default")]
    pub kind: Name,
}

/// A scalar as it was written: quantities and ports come as text or as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl Visitor<'_> for Scalar {
            type Value = Text;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("text or a number")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
        }
        from.deserialize_any(Scalar)
    }
}

/// Decodes only the annotations that are wanted: `last-applied-configuration` holds environment values and stays out.
fn wanted_annotations<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Name, Name>, D::Error> {
    struct Wanted;
    impl<'de> Visitor<'de> for Wanted {
        type Value = BTreeMap<Name, Name>;
        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("annotations")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut kept = BTreeMap::new();
            while let Some(key) = map.next_key::<String>()? {
                if !annotation::is_read(&key) {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                let value: Name = map.next_value()?;
                if value.len() <= annotation::LENGTH_MAX {
                    kept.insert(key.into(), value);
                }
            }
            Ok(kept)
        }
    }
    from.deserialize_any(Wanted)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_applied_is_never_kept() {
        let meta: Meta = serde_json::from_str(
            r#"{"name":"a","labels":null,"creationTimestamp":null,"annotations":{
                "kubectl.kubernetes.io/last-applied-configuration":"{\"env\":\"SECRET\"}","example.com/team":"vision","plimsoll.dev/class":"online"}}"#,
        )
        .unwrap();
        assert_eq!(meta.annotations.len(), 2);
        assert!(!format!("{meta:?}").contains("SECRET"));
    }
}
