//! Any object of a cluster, as far as rules look at it.

use kube::{
    Resource,
    api::{ApiResource, ObjectMeta},
    core::DynamicResourceScope,
};
use plimsoll_observe::manifest::{Node, Plain};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;

/// An object of any kind. Environment values, arguments and secrets are not decoded.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What the client library needs of its metadata: name, namespace, uid, resource version.
    pub metadata: ObjectMeta,
    /// The object.
    pub node: Node,
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Plain(node) = Plain::deserialize(from)?;
        let text = |key: &str| node.at("metadata").and_then(|metadata| metadata.get(key)?.text()).map(|text| text.to_string());
        let metadata = ObjectMeta {
            name: text("name"),
            namespace: text("namespace"),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            ..ObjectMeta::default()
        };
        Ok(Self { metadata, node })
    }
}

impl Resource for Seen {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }
    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }
    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }
    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }
    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
