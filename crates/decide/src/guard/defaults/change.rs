//! One addition: to the object, and to what rules see of it.

use super::{Added, What, document::Document};
use plimsoll_fleet::{
    Name, Seconds,
    pod::Toleration,
    written::{Path, Probe, Quantity, Written},
};
use serde_json::{Value, json};

/// What is added, and where. Templates and containers are named by their index.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    /// A label of the object.
    ObjectLabel(&'static str, Name),
    /// A label of a template's pods.
    PodLabel(usize, &'static str, Name),
    /// A node label that pods select.
    Selector(usize, Name, Name),
    /// A toleration, as it is written.
    Toleration(usize, Toleration, Value),
    /// One device of a resource as the limit of a container.
    Device(usize, usize, Name),
    /// A probe of a container, as it is written.
    Probe(usize, usize, ProbeOf, Probe, Value),
    /// A field beside the deadline of work that ends.
    Run(RunField, u64),
    /// The same of the job that makes a template's pods.
    Job(usize, RunField, u64),
    /// A RayJob's cluster goes with it.
    ShutDown,
}

/// Which probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProbeOf {
    Startup,
    Readiness,
}

/// Which field of work that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunField {
    Deadline,
    Retries,
    CleanUp,
}

impl RunField {
    fn name(self) -> &'static str {
        match self {
            Self::Deadline => "activeDeadlineSeconds",
            Self::Retries => "backoffLimit",
            Self::CleanUp => "ttlSecondsAfterFinished",
        }
    }
}

/// A change with its reason.
#[derive(Debug)]
pub(super) struct Edit {
    pub what: What,
    pub guardrail: String,
    pub why: String,
    pub change: Change,
}

impl Edit {
    pub fn new(what: What, guardrail: &str, change: Change, why: impl Into<String>) -> Self {
        Self { what, guardrail: guardrail.to_owned(), why: why.into(), change }
    }

    /// Makes the change; none: something is there already, or there is no place for it, and nothing is changed.
    pub fn make(self, document: &mut Document, object: &mut Written) -> Option<Added> {
        let path = self.change.path(object)?;
        let is_made = match self.change.value() {
            (value, false) => document.add(&path, value),
            (value, true) => document.push(&path, value),
        };
        if !is_made {
            return None;
        }
        self.change.write(object);
        Some(Added { default: self.what, at: path.to_string(), by: self.guardrail, why: self.why })
    }
}

impl Change {
    fn path(&self, object: &Written) -> Option<Path> {
        let template = |index: &usize| object.templates.get(*index);
        Some(match self {
            Self::ObjectLabel(key, _) => Path::of("metadata.labels").key(key),
            Self::PodLabel(at, key, _) => template(at)?.path.key("metadata").key("labels").key(key),
            Self::Selector(at, key, _) => template(at)?.spec().key("nodeSelector").key(key),
            Self::Toleration(at, ..) => template(at)?.spec().key("tolerations"),
            Self::Device(at, container, resource) => template(at)?.containers.get(*container)?.resources_path("limits").key(resource),
            Self::Probe(at, container, of, ..) => {
                let key = if *of == ProbeOf::Startup { "startupProbe" } else { "readinessProbe" };
                template(at)?.containers.get(*container)?.path.key(key)
            }
            Self::Run(field, _) => object.run_path.key(field.name()),
            Self::Job(at, field, _) => template(at)?.job.as_ref()?.path.key(field.name()),
            Self::ShutDown => object.run_path.key("shutdownAfterJobFinishes"),
        })
    }

    /// What is added, and whether it is an element of a list. A quantity is a text, as API servers write it.
    fn value(&self) -> (Value, bool) {
        match self {
            Self::ObjectLabel(_, value) | Self::PodLabel(_, _, value) | Self::Selector(_, _, value) => (json!(value), false),
            Self::Toleration(_, _, value) => (value.clone(), true),
            Self::Device(..) => (json!("1"), false),
            Self::Probe(.., value) => (value.clone(), false),
            Self::Run(_, number) | Self::Job(_, _, number) => (json!(number), false),
            Self::ShutDown => (json!(true), false),
        }
    }

    /// As the reader of manifests will see it.
    fn write(self, object: &mut Written) {
        match self {
            Self::ObjectLabel(key, value) => {
                // A pod is its own template.
                for template in object.templates.iter_mut().filter(|template| template.path == Path::default()) {
                    template.labels.insert(key.into(), value.clone());
                }
                object.labels.insert(key.into(), value);
            }
            Self::PodLabel(at, key, value) => {
                if let Some(template) = object.templates.get_mut(at) {
                    template.labels.insert(key.into(), value);
                }
            }
            Self::Selector(at, key, value) => {
                if let Some(template) = object.templates.get_mut(at) {
                    template.node_selector.insert(key, value);
                }
            }
            Self::Toleration(at, toleration, _) => {
                if let Some(template) = object.templates.get_mut(at) {
                    template.tolerations.push(toleration);
                }
            }
            Self::Device(at, container, resource) => {
                if let Some(container) = object.templates.get_mut(at).and_then(|template| template.containers.get_mut(container)) {
                    container.limits.insert(resource, Quantity { text: "1".into(), nanos: Some(1_000_000_000) });
                }
            }
            Self::Probe(at, container, of, probe, _) => {
                if let Some(container) = object.templates.get_mut(at).and_then(|template| template.containers.get_mut(container)) {
                    match of {
                        ProbeOf::Startup => container.startup = Some(probe),
                        ProbeOf::Readiness => container.readiness = Some(probe),
                    }
                }
            }
            Self::Job(at, field, number) => {
                if let Some(job) = object.templates.get_mut(at).and_then(|template| template.job.as_mut()) {
                    match field {
                        RunField::Deadline => job.deadline = Some(Seconds(number)),
                        RunField::Retries => job.backoff_limit = u32::try_from(number).ok(),
                        // Its JobSet has that.
                        RunField::CleanUp => {}
                    }
                }
            }
            Self::Run(field, number) => {
                let run = object.run.get_or_insert_default();
                match field {
                    RunField::Deadline => run.deadline = Some(Seconds(number)),
                    RunField::Retries => run.backoff_limit = u32::try_from(number).ok(),
                    RunField::CleanUp => run.ttl = Some(Seconds(number)),
                }
            }
            Self::ShutDown => {}
        }
    }
}
