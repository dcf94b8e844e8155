//! How large things may be: from these the cost of an expression is bounded before it runs.
//!
//! Kubernetes bounds its own expressions alike (`apiextensions/apiserver/schema/cel/compilation.go`): each list and text has a largest
//! size, a pass over a list costs its body as many times as the list is long, and passes in each other multiply. There the sizes come
//! from a schema; an object of any kind has none, so here they are limits of the object, and of a larger one a rule is not judged.

use serde_json::Value;

/// Longest expression, bytes. Kubernetes' own longest in its API types has some 400.
pub const TEXT_MAX: usize = 4_096;
/// How deep brackets may stand in each other, and the parts of an expression.
pub const DEPTH_MAX: usize = 32;
/// Longest pattern of `matches` and `find`, bytes.
pub const PATTERN_MAX: usize = 512;

/// Most values in an object. Without what is never read, a pod has some 200, and a Ray cluster of twenty groups some 4,000.
pub const VALUES_MAX: u64 = 16_384;
/// Most bytes of texts in an object: what Kubernetes allows annotations alone (`TotalAnnotationSizeLimitB`, 256 KiB), as only they are
/// long.
pub const BYTES_MAX: u64 = 256 << 10;
/// Longest list or map of an object. Kubernetes itself bounds few lists; a pod of 200 containers has never been seen.
pub const LIST_MAX: u64 = 200;

/// Most steps that an expression may take for the largest object. A step takes some 50 to 130 ns, so this is a tenth of a second: what
/// Kubernetes lets one of its own take at worst (`PerCallLimit`). The usual expression takes some tens of steps.
pub const COST_MAX: u64 = 1_000_000;
/// Most steps that all expressions of a guardrail may take together.
pub const COST_OF_ALL_MAX: u64 = 4 * COST_MAX;

/// Says what of `object` is larger than a rule of a user's own may look at; none: nothing.
pub(crate) fn exceeded(object: &Value) -> Option<String> {
    fn walk(value: &Value, values: &mut u64, bytes: &mut u64, longest: &mut u64) {
        *values += 1;
        match value {
            Value::String(text) => *bytes += text.len() as u64,
            Value::Array(items) => {
                *longest = (*longest).max(items.len() as u64);
                items.iter().for_each(|item| walk(item, values, bytes, longest));
            }
            Value::Object(entries) => {
                *longest = (*longest).max(entries.len() as u64);
                for (key, value) in entries {
                    *bytes += key.len() as u64;
                    walk(value, values, bytes, longest);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let (mut values, mut bytes, mut longest) = (0, 0, 0);
    walk(object, &mut values, &mut bytes, &mut longest);
    if values > VALUES_MAX {
        Some(format!("it has {values} values, and of more than {VALUES_MAX} no rule of a user's own is judged"))
    } else if bytes > BYTES_MAX {
        Some(format!("it has {bytes} bytes of text, and of more than {BYTES_MAX} no rule of a user's own is judged"))
    } else if longest > LIST_MAX {
        Some(format!("a list in it has {longest} entries, and of more than {LIST_MAX} no rule of a user's own is judged"))
    } else {
        None
    }
}
