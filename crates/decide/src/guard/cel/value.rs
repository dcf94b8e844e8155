//! Values while an expression runs. What the object holds is looked at where it stands; only what is made anew is owned.

use super::run::Stop;
use kube_cel::cel;
use serde_json::Value as Json;
use std::{cmp::Ordering, collections::BTreeMap, rc::Rc, sync::Arc};

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Text(&'a str),
    Made(Rc<str>),
    /// A list of the object.
    Items(&'a [Json]),
    /// A map of the object.
    Entries(&'a serde_json::Map<String, Json>),
    List(Rc<Vec<Value<'a>>>),
    Map(Rc<BTreeMap<Key, Value<'a>>>),
    /// What only Kubernetes' functions know: a quantity.
    Other(cel::Value),
}

/// A key of a map that an expression makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Bool(bool),
    Int(i64),
    Text(Rc<str>),
}

impl<'a> From<&'a Json> for Value<'a> {
    fn from(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(truth) => Self::Bool(*truth),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Self::Int(number),
                (None, Some(number)) => Self::UInt(number),
                (None, None) => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::Text(text),
            Json::Array(items) => Self::Items(items),
            Json::Object(entries) => Self::Entries(entries),
        }
    }
}

impl<'a> Value<'a> {
    /// Its text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Made(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, for an error.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth",
            Self::Int(_) | Self::UInt(_) | Self::Double(_) => "a number",
            Self::Text(_) | Self::Made(_) => "a text",
            Self::Items(_) | Self::List(_) => "a list",
            Self::Entries(_) | Self::Map(_) => "a map",
            Self::Other(_) => "a quantity",
        }
    }

    /// Elements of a list, or keys of a map in their order; none: neither.
    pub(super) fn elements(&self) -> Option<Vec<Value<'a>>> {
        Some(match self {
            Self::Items(items) => items.iter().map(Value::from).collect(),
            Self::List(items) => items.to_vec(),
            Self::Entries(entries) => entries.keys().map(|key| Value::Text(key)).collect(),
            Self::Map(entries) => entries.keys().map(Key::value).collect(),
            _ => return None,
        })
    }

    /// How many elements or entries it has; none: neither list nor map.
    pub(super) fn len(&self) -> Option<usize> {
        Some(match self {
            Self::Items(items) => items.len(),
            Self::List(items) => items.len(),
            Self::Entries(entries) => entries.len(),
            Self::Map(entries) => entries.len(),
            _ => return None,
        })
    }

    /// Values in it, itself with them, and the bytes of their texts.
    pub(super) fn weight(&self) -> (u64, u64) {
        fn of_json(json: &Json) -> (u64, u64) {
            match json {
                Json::String(text) => (1, text.len() as u64),
                Json::Array(items) => items.iter().map(of_json).fold((1, 0), sum),
                Json::Object(entries) => entries.iter().map(|(key, value)| sum(of_json(value), (0, key.len() as u64))).fold((1, 0), sum),
                Json::Null | Json::Bool(_) | Json::Number(_) => (1, 0),
            }
        }
        fn sum(a: (u64, u64), b: (u64, u64)) -> (u64, u64) {
            (a.0 + b.0, a.1 + b.1)
        }
        match self {
            Self::Text(text) => (1, text.len() as u64),
            Self::Made(text) => (1, text.len() as u64),
            Self::Items(items) => items.iter().map(of_json).fold((1, 0), sum),
            Self::Entries(entries) => entries.iter().map(|(key, value)| sum(of_json(value), (0, key.len() as u64))).fold((1, 0), sum),
            Self::List(items) => items.iter().map(Value::weight).fold((1, 0), sum),
            Self::Map(entries) => entries.iter().map(|(key, value)| sum(value.weight(), key.value().weight())).fold((1, 0), sum),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::UInt(_) | Self::Double(_) | Self::Other(_) => (1, 0),
        }
    }

    /// As Kubernetes' functions take it: a copy.
    pub(super) fn cel(&self) -> cel::Value {
        match self {
            Self::Null => cel::Value::Null,
            Self::Bool(truth) => cel::Value::Bool(*truth),
            Self::Int(number) => cel::Value::Int(*number),
            Self::UInt(number) => cel::Value::UInt(*number),
            Self::Double(number) => cel::Value::Float(*number),
            Self::Text(text) => cel::Value::String(Arc::new((*text).to_owned())),
            Self::Made(text) => cel::Value::String(Arc::new(text.to_string())),
            Self::Items(items) => cel::Value::List(Arc::new(items.iter().map(|item| Value::from(item).cel()).collect())),
            Self::List(items) => cel::Value::List(Arc::new(items.iter().map(Value::cel).collect())),
            Self::Entries(entries) => {
                let map: std::collections::HashMap<String, cel::Value> =
                    entries.iter().map(|(key, value)| (key.clone(), Value::from(value).cel())).collect();
                cel::Value::Map(map.into())
            }
            Self::Map(entries) => {
                let map: std::collections::HashMap<cel::objects::Key, cel::Value> =
                    entries.iter().map(|(key, value)| (key.cel(), value.cel())).collect();
                cel::Value::Map(map.into())
            }
            Self::Other(value) => value.clone(),
        }
    }

    /// From what Kubernetes' functions give.
    pub(super) fn of_cel(value: cel::Value) -> Result<Value<'a>, Stop> {
        Ok(match value {
            cel::Value::Null => Self::Null,
            cel::Value::Bool(truth) => Self::Bool(truth),
            cel::Value::Int(number) => Self::Int(number),
            cel::Value::UInt(number) => Self::UInt(number),
            cel::Value::Float(number) => Self::Double(number),
            cel::Value::String(text) => Self::Made(text.as_str().into()),
            cel::Value::List(items) => Self::List(Rc::new(items.iter().map(|item| Value::of_cel(item.clone())).collect::<Result<_, _>>()?)),
            other @ cel::Value::Opaque(_) => Self::Other(other),
            other => return Err(Stop::new(format!("{} can be used no further", other.type_of()))),
        })
    }

    /// Its value, if it is a truth, a number or a text; else something of its kind.
    pub(super) fn json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(truth) => Json::Bool(*truth),
            Self::Int(number) => (*number).into(),
            Self::UInt(number) => (*number).into(),
            Self::Double(number) => serde_json::Number::from_f64(*number).map_or(Json::Number(0.into()), Json::Number),
            Self::Text(text) => Json::String((*text).to_owned()),
            Self::Made(text) => Json::String(text.to_string()),
            Self::Items(_) | Self::List(_) => Json::Array(Vec::new()),
            Self::Entries(_) | Self::Map(_) | Self::Other(_) => Json::Object(serde_json::Map::new()),
        }
    }

    /// As a key of a map.
    pub(super) fn key(&self) -> Option<Key> {
        match self {
            Self::Bool(truth) => Some(Key::Bool(*truth)),
            Self::Int(number) => Some(Key::Int(*number)),
            Self::UInt(number) => i64::try_from(*number).ok().map(Key::Int),
            _ => self.text().map(|text| Key::Text(text.into())),
        }
    }

    /// The order of two numbers, texts or truths; none: they have none.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            _ => match (self.text(), other.text()) {
                (Some(a), Some(b)) => Some(a.cmp(b)),
                (None, None) => self.order_of_numbers(other),
                _ => None,
            },
        }
    }

    /// Numbers of different types are compared by value, as CEL says since its version 0.20.
    pub(super) fn order_of_numbers(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::UInt(a), Self::UInt(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::UInt(b)) => Some(u64::try_from(*a).map_or(Ordering::Less, |a| a.cmp(b))),
            (Self::UInt(a), Self::Int(b)) => Some(u64::try_from(*b).map_or(Ordering::Greater, |b| a.cmp(&b))),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            (Self::Int(a), Self::Double(b)) => (*a as f64).partial_cmp(b),
            (Self::UInt(a), Self::Double(b)) => (*a as f64).partial_cmp(b),
            (Self::Double(a), Self::Int(b)) => a.partial_cmp(&(*b as f64)),
            (Self::Double(a), Self::UInt(b)) => a.partial_cmp(&(*b as f64)),
            _ => None,
        }
    }
}

impl Key {
    /// As a value.
    pub(super) fn value<'a>(&self) -> Value<'a> {
        match self {
            Self::Bool(truth) => Value::Bool(*truth),
            Self::Int(number) => Value::Int(*number),
            Self::Text(text) => Value::Made(text.clone()),
        }
    }

    fn cel(&self) -> cel::objects::Key {
        match self {
            Self::Bool(truth) => cel::objects::Key::Bool(*truth),
            Self::Int(number) => cel::objects::Key::Int(*number),
            Self::Text(text) => cel::objects::Key::String(Arc::new(text.to_string())),
        }
    }
}
