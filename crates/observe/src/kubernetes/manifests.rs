//! A fleet from objects at hand: `kubectl get -o json`, manifests, tests.

use super::{
    collect::Collector,
    error::ObserveError,
    raw::TypeMeta,
    reads::{Form, Read},
};
use plimsoll_fleet::{Fleet, Timestamp, fleet::Origin};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// An object with what it is.
struct Object<'a> {
    read: &'static Read,
    api_version: String,
    json: &'a RawValue,
}

/// Makes a fleet of objects, lists among them. Kinds that are not read are passed over.
#[must_use]
pub fn from_objects(objects: &[Box<RawValue>], at: Timestamp, origin: Origin) -> Fleet {
    let mut known = Vec::new();
    for object in objects {
        expand(object, &mut known);
    }
    // DRA objects first, as from a live cluster; the order within a kind does not matter.
    known.sort_by_key(|object| match object.read.form {
        Form::DeviceClass | Form::ClaimTemplate | Form::Claim | Form::ResourceSlice => 0,
        _ => 1,
    });
    let mut collector = Collector::default();
    for object in known {
        collector.add(object.read, &object.api_version, object.json);
    }
    collector.finish(at, origin)
}

/// A list is its items. Items of a typed list (`PodList`) do not say what they are; the list does.
fn expand<'a>(object: &'a RawValue, known: &mut Vec<Object<'a>>) {
    #[derive(Deserialize)]
    struct List<'a> {
        #[serde(borrow, default)]
        items: Vec<&'a RawValue>,
    }
    let Ok(outer) = serde_json::from_str::<TypeMeta>(object.get()) else { return };
    let items = match outer.kind.strip_suffix("List") {
        Some(kind) => match serde_json::from_str::<List<'a>>(object.get()) {
            Ok(list) => list.items.into_iter().map(|item| (item, kind)).collect(),
            Err(_) => return,
        },
        None => vec![(object, &*outer.kind)],
    };
    for (json, kind) in items {
        let own = serde_json::from_str::<TypeMeta>(json.get()).ok().filter(|own| !own.kind.is_empty());
        let (api_version, kind) = own.as_ref().map_or((&*outer.api_version, kind), |own| (&*own.api_version, &*own.kind));
        if let Some(read) = Read::of(api_version, kind) {
            known.push(Object { read, api_version: api_version.to_owned(), json });
        }
    }
}

/// The objects of a text in JSON, or in YAML of one or several documents.
///
/// # Errors
/// [`ObserveError::Manifest`].
pub fn objects(text: &str) -> Result<Vec<Box<RawValue>>, ObserveError> {
    let wrong = |why: String| ObserveError::Manifest { why };
    if text.trim_start().starts_with('{') {
        return Ok(vec![serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?]);
    }
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| wrong(error.to_string()))?;
    let raw = documents.into_iter().filter(|document| !document.is_null()).map(|document| serde_json::value::to_raw_value(&document));
    raw.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))
}
