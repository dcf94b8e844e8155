//! What the variables of an expression are for one object: those parts of them that are looked at.

use super::{Inputs, Looks, VARIABLES, limits};
use crate::guard::case::View;
use plimsoll_fleet::{
    Name,
    parts::Parts,
    selector::Labels,
    written::{Container, Quantity, Role, Template},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The variables of an object, each made when an expression first asks for it.
pub(in crate::guard) struct Lazy<'a> {
    view: &'a View<'a>,
    json: &'a dyn Fn(&Parts) -> Value,
    looks: &'a Looks,
    inputs: Inputs,
    made: [bool; VARIABLES.len()],
    too_large: Option<String>,
}

impl<'a> Lazy<'a> {
    /// Of the object of `view`, whose text `json` gives: the parts of them that `looks` says.
    pub(in crate::guard) fn new(view: &'a View<'a>, json: &'a dyn Fn(&Parts) -> Value, looks: &'a Looks) -> Self {
        Self { view, json, looks, inputs: Inputs::default(), made: Default::default(), too_large: None }
    }

    /// With those of `uses` in it.
    ///
    /// # Errors
    /// The object is larger than an expression may look at.
    pub(in crate::guard) fn of(&mut self, uses: impl Iterator<Item = usize>) -> Result<&Inputs, String> {
        for slot in uses {
            if self.made.get(slot).is_some_and(|made| !made) {
                self.made[slot] = true;
                let value = self.make(VARIABLES[slot].0, &self.looks[slot]);
                if let Some(exceeded) = value.as_ref().and_then(limits::exceeded) {
                    self.too_large = Some(exceeded);
                }
                self.inputs[slot] = value;
            }
        }
        match &self.too_large {
            Some(says) => Err(says.clone()),
            None => Ok(&self.inputs),
        }
    }

    fn make(&self, name: &str, parts: &Parts) -> Option<Value> {
        let view = self.view;
        let object = view.object;
        match name {
            "object" => Some((self.json)(parts)),
            "namespace" => Some(json!(&*object.namespace)),
            "namespaceLabels" => view.siblings.labels_of(&object.namespace).map(|all| labels(all, parts)),
            "pods" => Some(list(object.templates.iter(), parts, |template, parts| pods(view, template, parts))),
            "containers" => Some(list(object.templates.iter().flat_map(|template| &template.containers), parts, container)),
            "devices" => view.devices().map(Value::from),
            "class" => Some(json!(view.class.class.name())),
            "team" => Some(json!(view.owner.as_deref().unwrap_or_default())),
            _ => None,
        }
    }
}

/// A list: of its elements what is looked at.
fn list<T>(items: impl Iterator<Item = T>, parts: &Parts, make: impl Fn(T, &Parts) -> Value) -> Value {
    match parts.of_each() {
        Some(parts) => items.map(|item| make(item, parts)).collect(),
        None => Value::Array(Vec::new()),
    }
}

/// A map in the making.
struct Entries<'a> {
    parts: &'a Parts,
    map: Map<String, Value>,
}

impl<'a> Entries<'a> {
    fn new(parts: &'a Parts) -> Self {
        Self { parts, map: Map::new() }
    }

    /// With this entry, if it is looked at. What is not known is not there, so that an expression that needs it is not judged.
    fn with(mut self, key: &str, make: impl FnOnce(&Parts) -> Option<Value>) -> Self {
        if let Some(value) = self.parts.of_key(key).and_then(make) {
            self.map.insert(key.to_owned(), value);
        }
        self
    }

    fn text<'t>(self, key: &str, text: impl FnOnce() -> &'t str) -> Self {
        self.with(key, |_| Some(text().into()))
    }
}

fn pods(view: &View<'_>, template: &Template, parts: &Parts) -> Value {
    Entries::new(parts)
        .with("path", |_| Some(template.path.to_string().into()))
        .with("labels", |parts| Some(labels(&template.labels, parts)))
        .with("annotations", |parts| Some(labels(&template.annotations, parts)))
        .with("nodeSelector", |parts| Some(labels(&template.node_selector, parts)))
        .text("priorityClassName", || template.priority_class.as_deref().unwrap_or_default())
        .with("containers", |parts| Some(list(template.containers.iter(), parts, container)))
        .with("count", |_| template.pods.map(Value::from))
        .with("devices", |_| view.asked(template).filter(|asked| !asked.unknown).map(|asked| asked.devices.into()))
        .map
        .into()
}

fn container(container: &Container, parts: &Parts) -> Value {
    let role = || match container.role {
        Role::Main => "main",
        Role::Init => "init",
        Role::Sidecar => "sidecar",
        Role::Ephemeral => "ephemeral",
    };
    Entries::new(parts)
        .text("name", || &container.name)
        .text("image", || container.image.as_deref().unwrap_or_default())
        .text("role", role)
        .with("devices", |_| Some(container.devices().into()))
        .with("requests", |parts| Some(quantities(&container.requests, parts)))
        .with("limits", |parts| Some(quantities(&container.limits, parts)))
        .map
        .into()
}

fn labels(labels: &Labels, parts: &Parts) -> Value {
    texts(labels.iter(), parts)
}

fn quantities(quantities: &BTreeMap<Name, Quantity>, parts: &Parts) -> Value {
    texts(quantities.iter().map(|(key, value)| (key, &value.text)), parts)
}

fn texts<'t>(entries: impl Iterator<Item = (&'t Name, &'t Name)>, parts: &Parts) -> Value {
    // One by one: a map that is collected is sorted first, which takes longer than the few entries that there are.
    let mut map = Map::new();
    for (key, value) in entries.filter(|(key, _)| parts.of_key(key).is_some()) {
        map.insert(key.to_string(), Value::from(&**value));
    }
    map.into()
}
