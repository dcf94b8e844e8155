//! Dynamic resource allocation: `resource.k8s.io` v1, and v1beta2 and v1beta1, which differ from it only in where some fields stand.

use super::{Meta, or_default};
use plimsoll_fleet::Name;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A ResourceSlice: devices that a driver publishes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawResourceSlice {
    /// Its metadata.
    pub metadata: Meta,
    /// The devices.
    #[serde(deserialize_with = "or_default")]
    pub spec: SliceSpec,
}

/// The devices of a slice.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SliceSpec {
    /// The driver.
    #[serde(deserialize_with = "or_default")]
    pub driver: Name,
    /// The pool.
    #[serde(deserialize_with = "or_default")]
    pub pool: Pool,
    /// The node that they are in; none: they are not in one node.
    pub node_name: Option<Name>,
    /// The devices.
    #[serde(deserialize_with = "or_default")]
    pub devices: Vec<Device>,
}

/// A pool of devices. Only the slices of its newest generation count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Pool {
    /// Its name.
    #[serde(deserialize_with = "or_default")]
    pub name: Name,
    /// Its generation.
    #[serde(deserialize_with = "or_default")]
    pub generation: i64,
}

/// A device.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Device {
    /// Its name.
    #[serde(deserialize_with = "or_default")]
    pub name: Name,
    /// Its attributes.
    #[serde(deserialize_with = "or_default")]
    pub attributes: BTreeMap<Name, Attribute>,
    /// Its capacities.
    #[serde(deserialize_with = "or_default")]
    pub capacity: BTreeMap<Name, Capacity>,
    /// Where v1beta1 has the two.
    pub basic: Option<Basic>,
}

/// Attributes and capacities, as v1beta1 wraps them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Basic {
    /// Its attributes.
    #[serde(deserialize_with = "or_default")]
    pub attributes: BTreeMap<Name, Attribute>,
    /// Its capacities.
    #[serde(deserialize_with = "or_default")]
    pub capacity: BTreeMap<Name, Capacity>,
}

impl Device {
    /// A text attribute, by its name with or without the driver's domain.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&Name> {
        let own = self.attributes.iter();
        let basic = self.basic.iter().flat_map(|basic| basic.attributes.iter());
        own.chain(basic).find(|(key, _)| last_part(key) == name).and_then(|(_, attribute)| attribute.string.as_ref())
    }

    /// A capacity, as written.
    #[must_use]
    pub fn capacity(&self, name: &str) -> Option<&str> {
        let own = self.capacity.iter();
        let basic = self.basic.iter().flat_map(|basic| basic.capacity.iter());
        own.chain(basic).find(|(key, _)| last_part(key) == name).and_then(|(_, capacity)| capacity.value.as_deref())
    }
}

fn last_part(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

/// An attribute; only text is read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Attribute {
    /// Its text.
    pub string: Option<Name>,
}

/// A capacity.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Capacity {
    /// The quantity.
    pub value: Option<Name>,
}

/// A ResourceClaim, or the one in a ResourceClaimTemplate.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawClaim {
    /// Its metadata.
    pub metadata: Meta,
    /// What is asked for.
    #[serde(deserialize_with = "or_default")]
    pub spec: ClaimSpec,
    /// What was given.
    #[serde(deserialize_with = "or_default")]
    pub status: GivenStatus,
}

/// A ResourceClaimTemplate.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawClaimTemplate {
    /// Its metadata.
    pub metadata: Meta,
    /// The claim it makes.
    #[serde(deserialize_with = "or_default")]
    pub spec: ClaimTemplateSpec,
}

/// The claim that a template makes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ClaimTemplateSpec {
    /// What is asked for.
    #[serde(deserialize_with = "or_default")]
    pub spec: ClaimSpec,
}

/// What a claim asks for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ClaimSpec {
    /// Devices.
    #[serde(deserialize_with = "or_default")]
    pub devices: Requests,
}

/// Requests for devices.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Requests {
    /// One by one.
    #[serde(deserialize_with = "or_default")]
    pub requests: Vec<Request>,
}

/// One request: exactly one kind, or the first available of several.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    /// Its name.
    #[serde(deserialize_with = "or_default")]
    pub name: Name,
    /// One kind.
    pub exactly: Option<Exact>,
    /// Alternatives, best first.
    #[serde(deserialize_with = "or_default")]
    pub first_available: Vec<Exact>,
    /// Where v1beta1 has the one kind.
    #[serde(flatten)]
    pub flat: Exact,
}

impl Request {
    /// What it asks for, best first.
    pub fn alternatives(&self) -> impl Iterator<Item = &Exact> {
        let flat = self.flat.device_class_name.is_some().then_some(&self.flat);
        self.exactly.iter().chain(&self.first_available).chain(flat)
    }
}

/// A number of devices of a class.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Exact {
    /// The alternative's name.
    #[serde(rename = "name")]
    pub alternative: Option<Name>,
    /// The class.
    pub device_class_name: Option<Name>,
    /// How many; one where it does not say.
    pub count: Option<u32>,
    /// It only looks, and takes nothing.
    pub admin_access: Option<bool>,
}

/// What a claim was given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GivenStatus {
    /// The devices; none: not allocated.
    pub allocation: Option<Allocation>,
    /// Who uses it.
    #[serde(deserialize_with = "or_default")]
    pub reserved_for: Vec<Consumer>,
}

/// Who uses a claim.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Consumer {
    /// `pods`.
    #[serde(deserialize_with = "or_default")]
    pub resource: Name,
    /// Its name.
    #[serde(deserialize_with = "or_default")]
    pub name: Name,
}

/// Devices given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Allocation {
    /// By request.
    #[serde(deserialize_with = "or_default")]
    pub devices: Results,
}

/// Devices given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Results {
    /// One by one.
    #[serde(deserialize_with = "or_default")]
    pub results: Vec<Given>,
}

/// One device given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Given {
    /// The request; `request/alternative` where there were several.
    #[serde(deserialize_with = "or_default")]
    pub request: Name,
    /// The driver.
    #[serde(deserialize_with = "or_default")]
    pub driver: Name,
    /// The pool.
    #[serde(deserialize_with = "or_default")]
    pub pool: Name,
    /// The device.
    #[serde(deserialize_with = "or_default")]
    pub device: Name,
    /// It only looks.
    pub admin_access: Option<bool>,
}

/// A DeviceClass.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawDeviceClass {
    /// Its metadata.
    pub metadata: Meta,
    /// What it stands for.
    #[serde(deserialize_with = "or_default")]
    pub spec: DeviceClassSpec,
}

/// What a DeviceClass stands for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeviceClassSpec {
    /// Which devices.
    #[serde(deserialize_with = "or_default")]
    pub selectors: Vec<ClassSelector>,
    /// The extended resource that it serves.
    pub extended_resource_name: Option<Name>,
}

/// A selector of devices.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ClassSelector {
    /// In CEL.
    pub cel: Option<Cel>,
}

/// A CEL expression.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Cel {
    /// The expression.
    #[serde(deserialize_with = "or_default")]
    pub expression: Name,
}
