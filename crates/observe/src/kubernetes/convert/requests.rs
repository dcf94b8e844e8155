//! What a pod asks for, as the scheduler counts it.
//!
//! Source: `k8s.io/component-helpers/resource/helpers.go`, `PodRequests`: ordinary containers and sidecars are summed; an init
//! container runs beside the sidecars started before it; the larger of the two counts. Requests of the pod as a whole replace
//! the sum for CPU and memory. The overhead of the runtime class is added last.

use super::ConvertError;
use crate::kubernetes::{
    quantity::{Quantity, QuantityError},
    raw::pod::{PodSpec, RawContainer},
};
use plimsoll_fleet::{Bytes, MilliCpu, Name, pod::Ask, resource};
use std::collections::BTreeSet;

/// Prefix of the extended resource that every DeviceClass serves without being told (Kubernetes 1.35 and later).
const CLASS_PREFIX: &str = "deviceclass.resource.kubernetes.io/";

/// The ask for `count` of `resource`, if that is an accelerator.
fn ask(resource: &str, count: u32) -> Option<Ask> {
    match resource.strip_prefix(CLASS_PREFIX) {
        Some(class) if !class.is_empty() => Some(Ask { resource: class.into(), count, dra: true }),
        _ => resource::unit(resource).map(|_| Ask { resource: resource.into(), count, dra: false }),
    }
}

pub(super) fn is_sidecar(container: &RawContainer) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// Reads one quantity of one container.
pub(super) fn of_container<T>(
    container: &RawContainer,
    resource: &str,
    read: impl Fn(&str) -> Result<T, QuantityError>,
) -> Result<Option<T>, ConvertError> {
    let Some(text) = container.resources.requested(resource) else { return Ok(None) };
    read(text).map(Some).map_err(|source| ConvertError::Quantity { place: format!("container {}, {resource}", container.name), source })
}

/// The scheduler's sum of one resource over the containers of a pod.
fn total(spec: &PodSpec, resource: &str, read: impl Fn(&str) -> Result<u64, QuantityError>) -> Result<u64, ConvertError> {
    let of = |container: &RawContainer| of_container(container, resource, &read).map(Option::unwrap_or_default);
    let (mut sidecars, mut starting) = (0_u64, 0_u64);
    for container in &spec.init_containers {
        let own = of(container)?;
        if is_sidecar(container) {
            sidecars = sidecars.saturating_add(own);
            starting = starting.max(sidecars);
        } else {
            starting = starting.max(sidecars.saturating_add(own));
        }
    }
    let mut running = sidecars;
    for container in &spec.containers {
        running = running.saturating_add(of(container)?);
    }
    Ok(running.max(starting))
}

/// One resource of the pod as a whole: its own request where it has one, and the overhead.
fn of_pod(spec: &PodSpec, resource: &str, read: impl Fn(&str) -> Result<u64, QuantityError>) -> Result<u64, ConvertError> {
    let place = |what: &str| format!("the pod's {what}, {resource}");
    let sum = total(spec, resource, &read)?;
    let own = match (spec.resources.requests.get(resource), spec.resources.limits.get(resource)) {
        (Some(text), _) => Some(text),
        (None, Some(text)) if sum == 0 => Some(text),
        _ => None,
    };
    let sum = match own {
        Some(text) => read(&text.0).map_err(|source| ConvertError::Quantity { place: place("resources"), source })?,
        None => sum,
    };
    let overhead = match spec.overhead.get(resource) {
        Some(text) => read(&text.0).map_err(|source| ConvertError::Quantity { place: place("overhead"), source })?,
        None => 0,
    };
    Ok(sum.saturating_add(overhead))
}

pub(super) fn cpu(spec: &PodSpec) -> Result<MilliCpu, ConvertError> {
    of_pod(spec, "cpu", |text| Quantity::cpu(text).map(|cpu| cpu.0)).map(MilliCpu)
}

pub(super) fn memory(spec: &PodSpec) -> Result<Bytes, ConvertError> {
    of_pod(spec, "memory", |text| Quantity::bytes(text).map(|bytes| bytes.0)).map(Bytes)
}

/// The accelerators that one container asks for.
pub(super) fn asks_of_container(container: &RawContainer) -> Result<Vec<Ask>, ConvertError> {
    let mut asks = Vec::new();
    for resource in named([container]) {
        if let Some(count) = of_container(container, &resource, Quantity::count)?.filter(|&count| count > 0) {
            asks.extend(ask(&resource, count));
        }
    }
    Ok(asks)
}

/// The accelerators that the pod asks for, without those of its DRA claims.
pub(super) fn asks(spec: &PodSpec) -> Result<Vec<Ask>, ConvertError> {
    let mut asks = Vec::new();
    for resource in named(spec.containers.iter().chain(&spec.init_containers)) {
        let count = total(spec, &resource, |text| Quantity::count(text).map(u64::from))?;
        if count > 0 {
            asks.extend(ask(&resource, u32::try_from(count).unwrap_or(u32::MAX)));
        }
    }
    Ok(asks)
}

/// The accelerators named by any of the containers, in order of name.
fn named<'a>(containers: impl IntoIterator<Item = &'a RawContainer>) -> BTreeSet<Name> {
    containers
        .into_iter()
        .flat_map(|container| container.resources.requests.keys().chain(container.resources.limits.keys()))
        .filter(|resource| ask(resource, 1).is_some())
        .cloned()
        .collect()
}
