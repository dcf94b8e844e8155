//! The lines that mend an object, as a part of it: what `kubectl apply` or an editor needs to see where they go.

use super::Fix;
use plimsoll_fleet::written::{Path, Step};
use serde_json::{Map, Value};

/// Words only.
pub(super) fn says(says: impl Into<String>) -> Fix {
    Fix { says: says.into(), ..Fix::default() }
}

/// Words, and `value` at `path`.
pub(super) fn at(path: &Path, value: Value, says: impl Into<String>) -> Fix {
    Fix { says: says.into(), lines: Some(nested(path, value)), certain: None }
}

/// Words, and `value` at `path`: the one right answer.
pub(super) fn certain(path: &Path, value: Value, says: impl Into<String>) -> Fix {
    Fix { certain: Some((path.clone(), value.clone())), ..at(path, value, says) }
}

/// Words, and an object of its own.
pub(super) fn object(object: Value, says: impl Into<String>) -> Fix {
    Fix { says: says.into(), lines: Some(object), certain: None }
}

/// `value` as it stands at `path` of an object. An element of a list is known by its name.
fn nested(path: &Path, value: Value) -> Value {
    path.0.iter().rev().fold(value, |inner, step| match (step, inner) {
        (Step::Key(key), inner) => Map::from_iter([(key.to_string(), inner)]).into(),
        (Step::Item(_, Some(name)), Value::Object(mut map)) => {
            map.insert("name".to_owned(), Value::from(&**name));
            Value::Array(vec![map.into()])
        }
        (Step::Item(..), inner) => Value::Array(vec![inner]),
    })
}

/// `4h`, `30m`, `90s`, `2d` in seconds; none: it is no such time.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let each = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(each)
}

/// A number without a fraction that says nothing: `8`, `2.5`.
pub(super) fn plain(number: f64) -> String {
    let tenths = (number * 10.0).round() / 10.0;
    format!("{tenths}")
}
