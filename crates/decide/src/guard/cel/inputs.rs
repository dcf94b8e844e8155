//! What the variables of an expression are for one object.

use super::{Inputs, VARIABLES, limits};
use crate::guard::case::View;
use plimsoll_fleet::{
    selector::Labels,
    written::{Container, Quantity, Role, Template},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The variables of an object, each made when an expression first asks for it.
pub(in crate::guard) struct Lazy<'a> {
    view: &'a View<'a>,
    json: &'a dyn Fn() -> Value,
    inputs: Inputs,
    made: [bool; VARIABLES.len()],
    too_large: Option<String>,
}

impl<'a> Lazy<'a> {
    /// Of the object of `view`, whose whole text `json` gives.
    pub(in crate::guard) fn new(view: &'a View<'a>, json: &'a dyn Fn() -> Value) -> Self {
        Self { view, json, inputs: Inputs::default(), made: Default::default(), too_large: None }
    }

    /// With those of `uses` in it.
    ///
    /// # Errors
    /// The object is larger than an expression may look at.
    pub(in crate::guard) fn of(&mut self, uses: impl Iterator<Item = usize>) -> Result<&Inputs, String> {
        for slot in uses {
            if self.made.get(slot).is_some_and(|made| !made) {
                self.made[slot] = true;
                let value = self.make(VARIABLES[slot].0);
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

    fn make(&self, name: &str) -> Option<Value> {
        let view = self.view;
        let object = view.object;
        match name {
            "object" => Some((self.json)()),
            "namespace" => Some(json!(&*object.namespace)),
            "namespaceLabels" => view.siblings.labels_of(&object.namespace).map(labels),
            "pods" => Some(object.templates.iter().map(|template| pods(view, template)).collect()),
            "containers" => Some(object.templates.iter().flat_map(|template| &template.containers).map(container).collect()),
            "devices" => view.devices().map(Value::from),
            "class" => Some(json!(view.class.class.name())),
            "team" => Some(json!(view.owner.as_deref().unwrap_or_default())),
            _ => None,
        }
    }
}

fn pods(view: &View<'_>, template: &Template) -> Value {
    let mut pods = json!({
        "path": template.path.to_string(),
        "labels": labels(&template.labels),
        "annotations": labels(&template.annotations),
        "nodeSelector": labels(&template.node_selector),
        "priorityClassName": template.priority_class.as_deref().unwrap_or_default(),
        "containers": template.containers.iter().map(container).collect::<Value>(),
    });
    // What is not known is not there, so that an expression that needs it is not judged.
    if let Some(count) = template.pods {
        pods["count"] = count.into();
    }
    if let Some(asked) = view.asked(template).filter(|asked| !asked.unknown) {
        pods["devices"] = asked.devices.into();
    }
    pods
}

fn container(container: &Container) -> Value {
    let role = match container.role {
        Role::Main => "main",
        Role::Init => "init",
        Role::Sidecar => "sidecar",
        Role::Ephemeral => "ephemeral",
    };
    json!({
        "name": &*container.name,
        "image": container.image.as_deref().unwrap_or_default(),
        "role": role,
        "devices": container.devices(),
        "requests": quantities(&container.requests),
        "limits": quantities(&container.limits),
    })
}

fn labels(labels: &Labels) -> Value {
    Value::Object(labels.iter().map(|(key, value)| (key.to_string(), json!(&**value))).collect::<Map<_, _>>())
}

fn quantities(quantities: &BTreeMap<plimsoll_fleet::Name, Quantity>) -> Value {
    Value::Object(quantities.iter().map(|(key, value)| (key.to_string(), json!(&*value.text))).collect::<Map<_, _>>())
}
