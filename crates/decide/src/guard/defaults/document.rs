//! An object as JSON, and the patch that has made it so.

use plimsoll_fleet::written::{Path, Step};
use serde_json::{Map, Value, json};

/// The value at `path`; none: there is none, or it is null.
pub(super) fn at<'a>(object: &'a Value, path: &Path) -> Option<&'a Value> {
    path.0.iter().try_fold(object, child).filter(|value| !value.is_null())
}

fn child<'a>(value: &'a Value, step: &Step) -> Option<&'a Value> {
    match step {
        Step::Key(key) => value.get(&**key),
        Step::Item(index, _) => value.get(*index as usize),
    }
}

/// The object with what was added so far.
#[derive(Debug)]
pub(super) struct Document {
    object: Value,
    patch: Vec<Value>,
}

impl Document {
    /// Nothing is added yet.
    pub fn new(object: &Value) -> Self {
        Self { object: object.clone(), patch: Vec::new() }
    }

    /// The value at `path`.
    pub fn get(&self, path: &Path) -> Option<&Value> {
        at(&self.object, path)
    }

    /// The patch: applied to the object that it was made for, it gives the object with what was added.
    pub fn into_patch(self) -> Vec<Value> {
        self.patch
    }

    /// Adds `value` at `path`, with the maps that lead to it. False: there is a value already, or no way to it, and nothing is done.
    pub fn add(&mut self, path: &Path, value: Value) -> bool {
        self.get(path).is_none() && self.put(path, value)
    }

    /// Adds `value` to the end of the list at `path`, which is made where it is absent. False: there is something else.
    pub fn push(&mut self, path: &Path, value: Value) -> bool {
        match self.get(path) {
            None => self.add(path, json!([value])),
            Some(Value::Array(_)) => {
                let Some(Value::Array(list)) = walk(&mut self.object, &path.0) else { return false };
                list.push(value.clone());
                self.patch.push(json!({ "op": "add", "path": format!("{}/-", pointer(&path.0)), "value": value }));
                true
            }
            Some(_) => false,
        }
    }

    /// Sets the value at `path`, whatever is there.
    pub fn put(&mut self, path: &Path, value: Value) -> bool {
        // The first step that leads nowhere is where the patch begins; all above it is there.
        let is_there = |end: &usize| path.0.get(..*end).is_some_and(|steps| at(&self.object, &Path(steps.to_vec())).is_some());
        let Some(end) = (0..path.0.len()).rev().find(|end| *end == 0 || is_there(end)) else { return false };
        let (above, below) = path.0.split_at(end);
        let Some((Step::Key(key), below)) = below.split_first() else { return false };
        let Some(value) = below.iter().rev().try_fold(value, |inner, step| match step {
            Step::Key(key) => Some(Value::Object(Map::from_iter([(key.to_string(), inner)]))),
            Step::Item(..) => None,
        }) else {
            return false;
        };
        let Some(Value::Object(map)) = walk(&mut self.object, above) else { return false };
        map.insert(key.to_string(), value.clone());
        self.patch.push(json!({ "op": "add", "path": format!("{}/{}", pointer(above), escaped(key)), "value": value }));
        true
    }
}

fn walk<'a>(object: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    steps.iter().try_fold(object, |value, step| match step {
        Step::Key(key) => value.get_mut(&**key),
        Step::Item(index, _) => value.get_mut(*index as usize),
    })
}

/// A JSON Pointer (RFC 6901).
pub(super) fn pointer(steps: &[Step]) -> String {
    let part = |step: &Step| match step {
        Step::Key(key) => format!("/{}", escaped(key)),
        Step::Item(index, _) => format!("/{index}"),
    };
    steps.iter().map(part).collect()
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_that_are_absent_are_made_and_what_is_there_stays() {
        let mut document = Document::new(&json!({ "spec": { "containers": [{ "name": "a", "resources": null }], "nodeSelector": "x" } }));
        let limits = Path::of("spec.containers").item(0, Some("a".into())).key("resources").key("limits");
        assert!(document.add(&limits.key("nvidia.com/mig-1g.10gb"), json!("1")));
        assert!(!document.add(&limits.key("nvidia.com/mig-1g.10gb"), json!("2")), "it is there");
        assert!(document.add(&limits.key("a~b"), json!("1")));
        assert!(!document.add(&Path::of("spec.nodeSelector.pool"), json!("l4")), "no way through a text");
        assert!(!document.add(&Path::of("spec.containers").item(1, None).key("x"), json!(1)), "no such element");
        assert!(document.push(&Path::of("spec.tolerations"), json!(1)) && document.push(&Path::of("spec.tolerations"), json!(2)));
        assert!(!document.push(&Path::of("spec.nodeSelector"), json!(1)));
        assert_eq!(
            Value::Array(document.into_patch()),
            json!([
                { "op": "add", "path": "/spec/containers/0/resources", "value": { "limits": { "nvidia.com/mig-1g.10gb": "1" } } },
                { "op": "add", "path": "/spec/containers/0/resources/limits/a~0b", "value": "1" },
                { "op": "add", "path": "/spec/tolerations", "value": [1] },
                { "op": "add", "path": "/spec/tolerations/-", "value": 2 },
            ])
        );
    }
}
