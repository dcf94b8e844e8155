//! Nodes: their labels read as the NVIDIA stack, the clouds and the autoscalers write them.

use super::ConvertError;
use crate::kubernetes::{
    quantity::{Quantity, QuantityError},
    raw::{node::RawNode, pod::Quantities},
};
use plimsoll_fleet::{
    Bytes, Name, Node, catalogue, mig,
    node::{Gpu, MigConfig, Offer, Purchase, Sharing, Taint},
    resource::{self, Unit, Vendor},
    selector::Labels,
};
use std::collections::BTreeSet;

/// Most GPUs believed of one node. The largest sold have 16; a label that says more is a slip or an attack.
const GPUS_MAX: u32 = 256;

/// Most replicas believed of one GPU. MPS allows 48; time slices have no limit of their own.
const REPLICAS_MAX: u32 = 1000;

/// Labels that count the physical accelerators of an instance, whatever a device plugin makes of them.
const COUNT_HINTS: &[&str] =
    &["cloud.google.com/gke-accelerator-count", "karpenter.k8s.aws/instance-gpu-count", "karpenter.k8s.aws/instance-accelerator-count"];

/// Labels that name the product, best first.
const PRODUCTS: &[&str] = &[
    "nvidia.com/gpu.product",
    "amd.com/gpu.product-name",
    "beta.amd.com/gpu.product-name",
    "cloud.google.com/gke-tpu-accelerator",
    "cloud.google.com/gke-accelerator",
    "karpenter.k8s.aws/instance-gpu-name",
    "karpenter.k8s.aws/instance-accelerator-name",
];

/// Labels that name the pool, best first. The instance type is none: unlike pools may share it.
const POOLS: &[&str] = &[
    "plimsoll.dev/pool",
    "karpenter.sh/nodepool",
    "karpenter.sh/provisioner-name",
    "eks.amazonaws.com/nodegroup",
    "alpha.eksctl.io/nodegroup-name",
    "cloud.google.com/gke-nodepool",
    "kubernetes.azure.com/agentpool",
    "agentpool",
];

/// Annotations that forbid an autoscaler to remove the node.
const KEEPS: &[&str] =
    &["karpenter.sh/do-not-disrupt", "karpenter.sh/do-not-consolidate", "cluster-autoscaler.kubernetes.io/scale-down-disabled"];

/// Converts a node.
///
/// # Errors
/// A quantity that makes no sense, or no name.
pub fn node(raw: &RawNode) -> Result<Node, ConvertError> {
    let (meta, labels) = (&raw.metadata, &raw.metadata.labels);
    if meta.name.is_empty() {
        return Err(ConvertError::Nameless);
    }
    let offers = offers(&raw.status.allocatable, &raw.status.capacity)?;
    let label = |keys: &[&str]| keys.iter().find_map(|key| labels.get(*key)).filter(|value| !value.is_empty()).cloned();
    let product = label(PRODUCTS);
    let vendor = offers.iter().filter_map(|offer| resource::vendor(&offer.resource)).min().or_else(|| vendor_of_labels(labels));
    let sharing = if vendor == Some(Vendor::Nvidia) { sharing(labels, &offers, product.as_deref()) } else { Sharing::Whole };
    let gpus = vendor.map_or(0, |vendor| physical(vendor, labels, &offers, &sharing, product.as_deref())).min(GPUS_MAX);

    let allocatable = |name: &str| raw.status.allocatable.get(name).map(|text| &*text.0);
    Ok(Node {
        name: meta.name.clone(),
        labels: labels.clone(),
        taints: taints(raw),
        unschedulable: raw.spec.unschedulable,
        ready: raw.status.conditions.iter().any(|condition| &*condition.kind == "Ready" && &*condition.status == "True"),
        created: meta.creation_timestamp,
        cpu: allocatable("cpu").map_or(Ok(Default::default()), Quantity::cpu).map_err(|source| at("cpu", source))?,
        memory: allocatable("memory").map_or(Ok(Default::default()), Quantity::bytes).map_err(|source| at("memory", source))?,
        max_pods: allocatable("pods").map_or(Ok(0), Quantity::count).map_err(|source| at("pods", source))?,
        offers,
        gpus: vec![Gpu::default(); gpus as usize],
        vendor: vendor.filter(|_| gpus > 0),
        gpu_memory: if gpus > 0 { memory(labels, &sharing, product.as_deref()) } else { None },
        gpu_product: product.filter(|_| gpus > 0).map(|product| catalogue::normalise_product(&product).base.into()),
        sharing: if gpus > 0 { sharing } else { Sharing::Whole },
        instance_type: label(&["node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"]),
        cloud: raw.spec.provider_id.as_deref().and_then(cloud),
        region: label(&["topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"]),
        zone: label(&["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"]),
        purchase: purchase(labels),
        pool: label(POOLS),
        keep: KEEPS
            .iter()
            .find(|key| meta.annotations.get(**key).is_some_and(|value| &**value == "true"))
            .map(|key| format!("{key}=true").into()),
        mig_config: labels
            .get("nvidia.com/mig.config")
            .map(|wanted| MigConfig { wanted: wanted.clone(), state: labels.get("nvidia.com/mig.config.state").cloned() }),
    })
}

fn at(resource: &str, source: QuantityError) -> ConvertError {
    ConvertError::Quantity { place: format!("allocatable {resource}"), source }
}

/// The accelerators that a device plugin registered. What is left in capacity from an earlier MIG layout stays visible there,
/// with nothing allocatable.
fn offers(allocatable: &Quantities, capacity: &Quantities) -> Result<Vec<Offer>, ConvertError> {
    let names: BTreeSet<&Name> = allocatable.keys().chain(capacity.keys()).filter(|name| resource::unit(name).is_some()).collect();
    let mut offers = Vec::new();
    for name in names {
        let read = |quantities: &Quantities| {
            quantities.get(name).map_or(Ok(0), |text| Quantity::count(&text.0)).map_err(|source| at(name, source))
        };
        let (count, capacity) = (read(allocatable)?, read(capacity)?);
        if count > 0 || capacity > 0 {
            offers.push(Offer { resource: name.clone(), count, capacity, dra: false });
        }
    }
    Ok(offers)
}

fn taints(raw: &RawNode) -> Vec<Taint> {
    // The cordon's own taint is kept in `unschedulable`.
    let kept = raw.spec.taints.iter().filter(|taint| &*taint.key != "node.kubernetes.io/unschedulable");
    kept.map(|taint| Taint { key: taint.key.clone(), value: taint.value.clone(), effect: taint.effect }).collect()
}

fn vendor_of_labels(labels: &Labels) -> Option<Vendor> {
    let has = |key: &str| labels.contains_key(key);
    if has("nvidia.com/gpu.product") || labels.get("nvidia.com/gpu.present").is_some_and(|value| &**value == "true") {
        return Some(Vendor::Nvidia);
    }
    if has("cloud.google.com/gke-tpu-accelerator") {
        return Some(Vendor::Google);
    }
    has("cloud.google.com/gke-accelerator").then_some(Vendor::Nvidia)
}

fn number(labels: &Labels, key: &str) -> Option<u32> {
    labels.get(key)?.trim().parse().ok()
}

/// How the GPUs are given out. `nvidia.com/gpu.replicas` is replicas per GPU (1: not shared, 0: does not apply), whatever the
/// README of GPU Feature Discovery says.
fn sharing(labels: &Labels, offers: &[Offer], product: Option<&str>) -> Sharing {
    let value = |key: &str| labels.get(key).map(|value| &**value);
    let named = product.map(catalogue::normalise_product);
    if let Some(named) = &named {
        if named.invalid {
            return Sharing::MigInvalid;
        }
        if let Some(profile) = &named.profile {
            return Sharing::MigSingle { profile: profile.as_str().into() };
        }
    }
    if let Some(profile) = value("cloud.google.com/gke-gpu-partition-size").filter(|profile| !profile.is_empty()) {
        return Sharing::MigSingle { profile: profile.into() };
    }
    let slices = offers.iter().any(|offer| offer.count > 0 && matches!(resource::unit(&offer.resource), Some(Unit::Mig(_))));
    let cut_up = value("nvidia.com/mig.strategy") == Some("mixed") && value("nvidia.com/gpu.replicas") == Some("0");
    if slices || cut_up {
        return Sharing::MigMixed;
    }
    let replicas = [number(labels, "nvidia.com/gpu.replicas"), number(labels, "cloud.google.com/gke-max-shared-clients-per-gpu")]
        .into_iter()
        .flatten()
        .chain(replicas_by_count(labels, offers, product))
        .find(|&replicas| replicas > 1);
    let strategy = value("nvidia.com/gpu.sharing-strategy").or_else(|| value("cloud.google.com/gke-gpu-sharing-strategy"));
    match (replicas.map(|replicas| replicas.min(REPLICAS_MAX)), strategy) {
        (Some(replicas), Some("mps")) => Sharing::Mps { replicas },
        (Some(replicas), _) => Sharing::TimeSliced { replicas },
        (None, _) => Sharing::Whole,
    }
}

/// Where the label with the replicas is missing, but the node says that it shares: what it has, over its GPUs.
fn replicas_by_count(labels: &Labels, offers: &[Offer], product: Option<&str>) -> Option<u32> {
    let says_so = product.is_some_and(|product| catalogue::normalise_product(product).shared);
    let shared = |offer: &&Offer| match resource::unit(&offer.resource) {
        Some(Unit::SharedGpu) => true,
        Some(Unit::Gpu) => says_so,
        _ => false,
    };
    let shares = offers.iter().filter(shared).map(|offer| offer.capacity).max()?;
    let gpus = number(labels, "nvidia.com/gpu.count").filter(|&gpus| gpus > 0)?;
    (shares % gpus == 0).then(|| shares / gpus)
}

/// How many physical devices there are: what a label counts, else what the resources come to.
fn physical(vendor: Vendor, labels: &Labels, offers: &[Offer], sharing: &Sharing, product: Option<&str>) -> u32 {
    let of = |unit: fn(&Unit<'_>) -> bool| {
        let fitting = offers.iter().filter(|offer| resource::unit(&offer.resource).as_ref().is_some_and(unit));
        fitting.map(|offer| offer.capacity.max(offer.count)).fold(0, u32::saturating_add)
    };
    let hint = || COUNT_HINTS.iter().find_map(|key| number(labels, key)).filter(|&count| count > 0);
    if vendor != Vendor::Nvidia {
        // AWS Neuron registers the same devices under two names.
        return offers
            .iter()
            .filter(|offer| resource::vendor(&offer.resource) == Some(vendor))
            .map(|offer| offer.capacity.max(offer.count))
            .max()
            .or_else(hint)
            .unwrap_or_default();
    }
    let counted = number(labels, "nvidia.com/gpu.count").filter(|&count| count > 0);
    let units = of(|unit| matches!(unit, Unit::Gpu | Unit::SharedGpu));
    match sharing {
        Sharing::Whole => counted.or_else(hint).unwrap_or(units),
        Sharing::TimeSliced { replicas } | Sharing::Mps { replicas } => {
            counted.or_else(hint).unwrap_or_else(|| units.div_ceil((*replicas).max(1)))
        }
        // The label counts slices here.
        Sharing::MigSingle { profile } => hint().unwrap_or_else(|| counted.unwrap_or(units).div_ceil(most_of_one_gpu(profile, product))),
        Sharing::MigMixed => counted.or_else(hint).unwrap_or_else(|| least_for_slices(offers).max(1)),
        Sharing::MigInvalid => hint().or(counted).unwrap_or(1),
    }
}

/// Most slices of a profile that one GPU holds; by its compute slices where the board is not known.
fn most_of_one_gpu(profile: &str, product: Option<&str>) -> u32 {
    let known = product.and_then(|product| {
        let profiles = mig::profiles_of(product, catalogue::board_memory(product, None));
        profiles.into_iter().find(|known| known.name == profile).map(|known| u32::from(known.max))
    });
    let compute: u32 = profile.split_once('g').and_then(|(slices, _)| slices.parse().ok()).unwrap_or(7);
    known.unwrap_or(7 / compute.clamp(1, 7)).max(1)
}

fn least_for_slices(offers: &[Offer]) -> u32 {
    let compute = offers.iter().filter_map(|offer| match resource::unit(&offer.resource)? {
        Unit::Mig(profile) => Some(offer.count.saturating_mul(profile.split_once('g')?.0.parse().ok()?)),
        _ => None,
    });
    compute.fold(0, u32::saturating_add).div_ceil(7)
}

/// Memory of one physical GPU. Under the single strategy the label tells a slice's; the catalogue knows the board's.
fn memory(labels: &Labels, sharing: &Sharing, product: Option<&str>) -> Option<Bytes> {
    let mib = |key: &str| number(labels, key).filter(|&mib| mib > 0).map(|mib| Bytes::from_mib(mib.into()));
    let slices = matches!(sharing, Sharing::MigSingle { .. } | Sharing::MigInvalid);
    let reported = mib("nvidia.com/gpu.memory").filter(|_| !slices);
    let known = product.map_or(reported, |product| catalogue::board_memory(product, reported));
    known.or_else(|| mib("karpenter.k8s.aws/instance-gpu-memory"))
}

/// The cloud, from the scheme of the provider id.
fn cloud(provider_id: &str) -> Option<Name> {
    let (scheme, _) = provider_id.split_once("://")?;
    Some(match scheme {
        "gce" => "gcp".into(),
        other => other.into(),
    })
}

/// How the node is bought, where a label says so.
fn purchase(labels: &Labels) -> Purchase {
    let is = |key: &str, wanted: &str| labels.get(key).is_some_and(|value| value.eq_ignore_ascii_case(wanted));
    let has = |key: &str| labels.get(key).is_some_and(|value| !value.is_empty());
    let spot = is("karpenter.sh/capacity-type", "spot")
        || is("eks.amazonaws.com/capacityType", "SPOT")
        || is("cloud.google.com/gke-spot", "true")
        || is("cloud.google.com/gke-preemptible", "true")
        || is("cloud.google.com/gke-provisioning", "spot")
        || is("kubernetes.azure.com/scalesetpriority", "spot")
        || is("node.kubernetes.io/lifecycle", "spot");
    let committed = is("karpenter.sh/capacity-type", "reserved")
        || is("eks.amazonaws.com/capacityType", "CAPACITY_BLOCK")
        || has("karpenter.k8s.aws/capacity-reservation-id")
        || has("cloud.google.com/reservation-name")
        || has("eks.amazonaws.com/capacity-reservation-id");
    let on_demand = is("karpenter.sh/capacity-type", "on-demand")
        || is("eks.amazonaws.com/capacityType", "ON_DEMAND")
        || is("cloud.google.com/gke-provisioning", "standard")
        || is("node.kubernetes.io/lifecycle", "on-demand")
        || is("kubernetes.azure.com/scalesetpriority", "regular");
    match (spot, committed, on_demand) {
        (true, ..) => Purchase::Spot,
        (_, true, _) => Purchase::Committed,
        (.., true) => Purchase::OnDemand,
        _ => Purchase::Unknown,
    }
}
