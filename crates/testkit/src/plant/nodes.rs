//! GPU nodes that exist only in the API, with what the clouds, GPU Feature Discovery and the device plugin write on a real one.

use crate::cluster::NO_KUBELET;
use plimsoll_fleet::{
    Bytes, MilliCpu, Name, Node,
    node::{Effect, Gpu, MigConfig, Offer, Purchase, Sharing, Taint},
    resource::{self, Unit, Vendor},
};
use serde_json::{Map, Value, json};

/// An instance type: cloud, GPU product, GPUs, MiB of one GPU, vCPUs, GiB of memory. The figures are the clouds' own.
type Instance = (&'static str, &'static str, &'static str, u16, u64, u64, u64);

#[rustfmt::skip]
const INSTANCES: [Instance; 15] = [
    ("p5.48xlarge", "aws", "NVIDIA-H100-80GB-HBM3", 8, 81_559, 192, 2048),
    ("p4d.24xlarge", "aws", "NVIDIA-A100-SXM4-40GB", 8, 40_960, 96, 1152),
    ("p4de.24xlarge", "aws", "NVIDIA-A100-SXM4-80GB", 8, 81_920, 96, 1152),
    ("g4dn.xlarge", "aws", "Tesla-T4", 1, 15_360, 4, 16),
    ("g4dn.12xlarge", "aws", "Tesla-T4", 4, 15_360, 48, 192),
    ("g5.xlarge", "aws", "NVIDIA-A10G", 1, 23_028, 4, 16),
    ("g5.12xlarge", "aws", "NVIDIA-A10G", 4, 23_028, 48, 192),
    ("g6.xlarge", "aws", "NVIDIA-L4", 1, 23_034, 4, 16),
    ("g6.12xlarge", "aws", "NVIDIA-L4", 4, 23_034, 48, 192),
    ("g6e.xlarge", "aws", "NVIDIA-L40S", 1, 46_068, 4, 32),
    ("m6i.4xlarge", "aws", "", 0, 0, 16, 64),
    ("a2-highgpu-1g", "gcp", "NVIDIA-A100-SXM4-40GB", 1, 40_960, 12, 85),
    ("a3-highgpu-8g", "gcp", "NVIDIA-H100-80GB-HBM3", 8, 81_559, 208, 1872),
    ("n2-standard-16", "gcp", "", 0, 0, 16, 64),
    ("Standard_NC24ads_A100_v4", "azure", "NVIDIA-A100-80GB-PCIe", 1, 81_920, 24, 220),
];

/// The taint that keeps pods without GPUs away, as the clouds set it.
#[must_use]
pub fn gpu_taint() -> Taint {
    Taint { key: "nvidia.com/gpu".into(), value: "present".into(), effect: Effect::NoSchedule }
}

/// A ready on-demand node of an instance type, its GPUs given out whole and its taint set (where it has GPUs), in the pool named
/// like the instance type.
///
/// # Panics
/// The instance type is not in this file's table.
#[must_use]
pub fn node(name: &str, instance_type: &str) -> Node {
    let found = INSTANCES.into_iter().find(|(known, ..)| *known == instance_type);
    let Some((_, cloud, product, gpus, mib, cpus, gib)) = found else { panic!("no instance type {instance_type} in the table") };
    let (region, zone) = match cloud {
        "aws" => ("us-east-1", "us-east-1a"),
        "gcp" => ("us-central1", "us-central1-a"),
        _ => ("eastus", "eastus-1"),
    };
    let count = u32::from(gpus);
    Node {
        name: name.into(),
        ready: true,
        cpu: MilliCpu(cpus * 1000),
        memory: Bytes::from_mib(gib * 1024),
        max_pods: 110,
        taints: (gpus > 0).then(gpu_taint).into_iter().collect(),
        offers: (gpus > 0).then(|| offer("nvidia.com/gpu", count)).into_iter().collect(),
        gpus: vec![Gpu::default(); gpus.into()],
        vendor: (gpus > 0).then_some(Vendor::Nvidia),
        gpu_product: (gpus > 0).then(|| product.into()),
        gpu_memory: (gpus > 0).then(|| Bytes::from_mib(mib)),
        instance_type: Some(instance_type.into()),
        cloud: Some(cloud.into()),
        region: Some(region.into()),
        zone: Some(zone.into()),
        purchase: Purchase::OnDemand,
        pool: Some(instance_type.to_ascii_lowercase().replace(['.', '_'], "-").into()),
        ..Node::default()
    }
}

/// `node` with its GPUs cut into time slices.
#[must_use]
pub fn time_sliced(node: Node, replicas: u32) -> Node {
    let offers = vec![offer("nvidia.com/gpu", node.gpus.len() as u32 * replicas)];
    Node { sharing: Sharing::TimeSliced { replicas }, offers, ..node }
}

/// `node` with its GPUs shared by MPS.
#[must_use]
pub fn mps(node: Node, replicas: u32) -> Node {
    Node { sharing: Sharing::Mps { replicas }, ..time_sliced(node, replicas) }
}

/// `node` in the MIG mixed strategy; `slices` are the counts of each profile on every one of its GPUs.
#[must_use]
pub fn mig_mixed(node: Node, slices: &[(&str, u32)]) -> Node {
    let gpus = node.gpus.len() as u32;
    let offers = slices.iter().map(|(profile, count)| offer(&resource::mig_resource(profile), count * gpus)).collect();
    let mig_config = Some(MigConfig { wanted: "plimsoll-mixed".into(), state: Some("success".into()) });
    Node { sharing: Sharing::MigMixed, offers, mig_config, ..node }
}

/// `node` in the MIG single strategy: each of its GPUs is `count` slices of `profile`, and each of those is a `nvidia.com/gpu`.
#[must_use]
pub fn mig_single(node: Node, profile: &str, count: u32) -> Node {
    let offers = vec![offer("nvidia.com/gpu", node.gpus.len() as u32 * count)];
    let mig_config = Some(MigConfig { wanted: format!("all-{}", profile.replace('+', ".")).into(), state: Some("success".into()) });
    Node { sharing: Sharing::MigSingle { profile: profile.into() }, offers, mig_config, ..node }
}

fn offer(resource: &str, count: u32) -> Offer {
    Offer { resource: resource.into(), count, capacity: count, dra: false }
}

/// The Node object. kwok makes it Ready, unless [`Node::ready`] is false: then nobody does.
///
/// A label of [`Node::labels`] wins over the one that would be written here. Devices that only DRA publishes are not in the
/// node's status: see [`resource_slice`].
#[must_use]
pub fn object(node: &Node) -> Value {
    let mut labels: Map<String, Value> = Map::new();
    let mut label = |name: &str, value: &str| labels.insert(name.to_owned(), value.into());
    label("kubernetes.io/hostname", &node.name);
    label("kubernetes.io/os", "linux");
    label("kubernetes.io/arch", "amd64");
    for (name, value) in [
        ("node.kubernetes.io/instance-type", &node.instance_type),
        ("topology.kubernetes.io/region", &node.region),
        ("topology.kubernetes.io/zone", &node.zone),
    ] {
        if let Some(value) = value {
            label(name, value);
        }
    }
    for (name, value) in purchase_labels(node).into_iter().chain(pool_label(node)).chain(nvidia_labels(node)) {
        label(&name, &value);
    }
    for (name, value) in &node.labels {
        label(name, value);
    }
    let mut annotations = Map::new();
    if !node.ready {
        annotations.insert(NO_KUBELET.to_owned(), "true".into());
    }
    if let Some((key, value)) = node.keep.as_deref().and_then(|keep| keep.split_once('=')) {
        annotations.insert(key.to_owned(), value.into());
    }
    let resources = |count: fn(&Offer) -> u32| {
        let mut all = json!({
            "cpu": format!("{}m", node.cpu.0),
            "memory": node.memory.0.to_string(),
            "pods": node.max_pods.to_string(),
            "ephemeral-storage": "500Gi",
        });
        for offer in node.offers.iter().filter(|offer| !offer.dra) {
            all[&*offer.resource] = count(offer).to_string().into();
        }
        all
    };
    let taints: Vec<Value> =
        node.taints.iter().map(|taint| json!({"key": taint.key, "value": taint.value, "effect": taint.effect})).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": labels, "annotations": annotations},
        "spec": {"providerID": provider_id(node), "taints": taints, "unschedulable": node.unschedulable},
        "status": {"capacity": resources(|offer| offer.capacity), "allocatable": resources(|offer| offer.count)},
    })
}

fn provider_id(node: &Node) -> Option<String> {
    let zone = node.zone.as_deref().unwrap_or("zone");
    Some(match node.cloud.as_deref()? {
        "aws" => format!("aws:///{zone}/i-{}", node.name),
        "gcp" => format!("gce://project/{zone}/{}", node.name),
        "azure" => format!("azure:///subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/{}", node.name),
        other => format!("{other}://{}", node.name),
    })
}

/// How the managed node groups of each cloud (elsewhere Karpenter) say how a node is bought.
fn purchase_labels(node: &Node) -> Option<(String, String)> {
    let (name, value) = match (node.cloud.as_deref(), node.purchase) {
        (_, Purchase::Unknown) | (Some("gcp" | "azure"), Purchase::OnDemand) => return None,
        (Some("aws"), Purchase::OnDemand) => ("eks.amazonaws.com/capacityType", "ON_DEMAND"),
        (Some("aws"), Purchase::Spot) => ("eks.amazonaws.com/capacityType", "SPOT"),
        (Some("aws"), Purchase::Committed) => ("eks.amazonaws.com/capacityType", "CAPACITY_BLOCK"),
        (Some("gcp"), Purchase::Spot) => ("cloud.google.com/gke-spot", "true"),
        (Some("gcp"), Purchase::Committed) => ("cloud.google.com/reservation-name", "reserved"),
        (Some("azure"), Purchase::Spot) => ("kubernetes.azure.com/scalesetpriority", "spot"),
        (_, Purchase::OnDemand) => ("karpenter.sh/capacity-type", "on-demand"),
        (_, Purchase::Spot) => ("karpenter.sh/capacity-type", "spot"),
        (_, Purchase::Committed) => ("karpenter.sh/capacity-type", "reserved"),
    };
    Some((name.to_owned(), value.to_owned()))
}

fn pool_label(node: &Node) -> Option<(String, String)> {
    let name = match node.cloud.as_deref() {
        Some("aws") => "eks.amazonaws.com/nodegroup",
        Some("gcp") => "cloud.google.com/gke-nodepool",
        Some("azure") => "kubernetes.azure.com/agentpool",
        _ => "karpenter.sh/nodepool",
    };
    Some((name.to_owned(), node.pool.as_deref()?.to_owned()))
}

/// What GPU Feature Discovery, the operator and the MIG manager write.
fn nvidia_labels(node: &Node) -> Vec<(String, String)> {
    let (Some(Vendor::Nvidia), Some(product)) = (node.vendor, node.gpu_product.as_deref()) else { return Vec::new() };
    let mut labels: Vec<(String, String)> = Vec::new();
    let mut label = |name: &str, value: String| labels.push((name.to_owned(), value));
    label("feature.node.kubernetes.io/pci-10de.present", "true".into());
    label("nvidia.com/gpu.present", "true".into());
    for client in ["container-toolkit", "dcgm", "dcgm-exporter", "device-plugin", "driver", "gpu-feature-discovery", "operator-validator"] {
        label(&format!("nvidia.com/gpu.deploy.{client}"), "true".into());
    }
    if let Some(config) = &node.mig_config {
        label("nvidia.com/mig.config", config.wanted.to_string());
        if let Some(state) = &config.state {
            label("nvidia.com/mig.config.state", state.to_string());
        }
    }
    // Devices that DRA publishes have no device plugin, and so no GPU Feature Discovery.
    if node.offers.iter().any(|offer| offer.dra) {
        return labels;
    }
    let gpus = node.gpus.len() as u32;
    let mib = node.gpu_memory.map_or(0, Bytes::mib);
    let renamed = node.offers.iter().any(|offer| matches!(resource::unit(&offer.resource), Some(Unit::SharedGpu)));
    let shared_name = if renamed { product.to_owned() } else { format!("{product}-SHARED") };
    let plugin = node.offered("nvidia.com/gpu");
    // Product, count, MiB, replicas, sharing, MIG strategy.
    let (name, count, mib, replicas, sharing, strategy) = match &node.sharing {
        Sharing::Whole => (product.to_owned(), gpus, mib, 1, "none", "none"),
        Sharing::TimeSliced { replicas } => (shared_name, gpus, mib, *replicas, "time-slicing", "none"),
        Sharing::Mps { replicas } => (shared_name, gpus, mib, *replicas, "mps", "none"),
        Sharing::MigSingle { profile } => (format!("{product}-MIG-{profile}"), plugin, slice_mib(profile), 1, "none", "single"),
        Sharing::MigMixed => (product.to_owned(), gpus, mib, 0, "none", "mixed"),
        Sharing::MigInvalid => (format!("{product}-MIG-INVALID"), 0, 0, 0, "none", "single"),
    };
    label("nvidia.com/gpu.product", name);
    label("nvidia.com/gpu.count", count.to_string());
    label("nvidia.com/gpu.memory", mib.to_string());
    label("nvidia.com/gpu.replicas", replicas.to_string());
    label("nvidia.com/gpu.sharing-strategy", sharing.into());
    label("nvidia.com/gpu.machine", node.instance_type.as_deref().unwrap_or("Unknown").to_owned());
    label("nvidia.com/mig.strategy", strategy.into());
    label("nvidia.com/mps.capable", matches!(node.sharing, Sharing::Mps { .. }).to_string());
    let (family, compute) = family(product);
    let (major, minor) = compute.split_once('.').unwrap_or((compute, "0"));
    label("nvidia.com/mig.capable", mig_capable(product).to_string());
    label("nvidia.com/gpu.family", family.into());
    label("nvidia.com/gpu.compute.major", major.into());
    label("nvidia.com/gpu.compute.minor", minor.into());
    label("nvidia.com/cuda.driver-version.full", "570.133.20".into());
    label("nvidia.com/cuda.driver.major", "570".into());
    label("nvidia.com/cuda.runtime.major", "12".into());
    if node.sharing == Sharing::MigMixed {
        for offer in &node.offers {
            let Some(Unit::Mig(name)) = resource::unit(&offer.resource) else { continue };
            let profile = resource::mig_profile(name);
            let slices: String = profile.chars().take_while(char::is_ascii_digit).collect();
            for (what, value) in [
                ("count", offer.count.to_string()),
                ("memory", slice_mib(&profile).to_string()),
                ("product", format!("{product}-MIG-{}", profile.replace('+', "."))),
                ("replicas", "1".to_owned()),
                ("sharing-strategy", "none".to_owned()),
                ("slices.ci", slices.clone()),
                ("slices.gi", slices),
            ] {
                label(&format!("{}.{what}", offer.resource), value);
            }
        }
    }
    labels
}

/// Memory of a slice in MiB, from the rounded GB of its name. (A real label is a little below: 4864 for `1g.5gb`.)
fn slice_mib(profile: &str) -> u64 {
    let gigabytes = profile.split('.').find_map(|part| part.split("gb").next()?.parse::<u64>().ok());
    gigabytes.unwrap_or_default() * 1024
}

/// Architecture and compute capability, by the product's name.
fn family(product: &str) -> (&'static str, &'static str) {
    const FAMILIES: [(&str, &str, &str); 13] = [
        ("V100", "volta", "7.0"),
        ("T4", "turing", "7.5"),
        ("A100", "ampere", "8.0"),
        ("A30", "ampere", "8.0"),
        ("A10", "ampere", "8.6"),
        ("L40", "ada-lovelace", "8.9"),
        ("L4", "ada-lovelace", "8.9"),
        ("H100", "hopper", "9.0"),
        ("H200", "hopper", "9.0"),
        ("GH200", "hopper", "9.0"),
        ("B200", "blackwell", "10.0"),
        ("B300", "blackwell", "10.3"),
        ("RTX-PRO-6000", "blackwell", "12.0"),
    ];
    FAMILIES.into_iter().find(|(part, ..)| product.contains(part)).map_or(("undefined", "0.0"), |(_, family, compute)| (family, compute))
}

fn mig_capable(product: &str) -> bool {
    ["A100", "A30", "H100", "H200", "GH200", "B200", "B300", "RTX-PRO-6000"].iter().any(|part| product.contains(part))
}

/// The ResourceSlice in which the DRA driver publishes the whole GPUs of `node`.
#[must_use]
pub fn resource_slice(node: &Node) -> Value {
    let mib = node.gpu_memory.map_or(0, Bytes::mib);
    let name: Option<Name> = node.gpu_product.clone();
    let devices: Vec<Value> = (0..node.gpus.len() as u16)
        .map(|gpu| {
            json!({
                "name": format!("gpu-{gpu}"),
                "attributes": {
                    "type": {"string": "gpu"},
                    "uuid": {"string": crate::exporter::dcgm::uuid(&node.name, gpu)},
                    "productName": {"string": name.as_deref().unwrap_or_default().replace('-', " ")},
                    "brand": {"string": "Nvidia"},
                },
                "capacity": {"memory": {"value": format!("{mib}Mi")}},
            })
        })
        .collect();
    json!({
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": format!("{}-gpu.nvidia.com", node.name)},
        "spec": {
            "driver": "gpu.nvidia.com",
            "nodeName": node.name,
            "pool": {"name": node.name, "generation": 1, "resourceSliceCount": 1},
            "devices": devices,
        },
    })
}

/// The DeviceClass of the DRA driver's whole GPUs. `extended`: it serves `nvidia.com/gpu` too, as the driver's own chart sets it.
#[must_use]
pub fn device_class(extended: bool) -> Value {
    let mut class = json!({
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": "gpu.nvidia.com"},
        "spec": {"selectors": [{"cel": {"expression": "device.driver == 'gpu.nvidia.com'"}}]},
    });
    if extended {
        class["spec"]["extendedResourceName"] = "nvidia.com/gpu".into();
    }
    class
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(node: &Node, name: &str) -> Value {
        object(node)["metadata"]["labels"][name].clone()
    }

    /// Shares on a node are gpu.count × gpu.replicas, but in MIG mode, where replicas is 0 (GFD's code, not its README).
    #[test]
    fn labels_follow_the_code_of_gpu_feature_discovery() {
        let whole = node("n", "p4d.24xlarge");
        assert_eq!(label(&whole, "nvidia.com/gpu.product"), "NVIDIA-A100-SXM4-40GB");
        let sliced = time_sliced(whole.clone(), 4);
        assert_eq!(label(&sliced, "nvidia.com/gpu.product"), "NVIDIA-A100-SXM4-40GB-SHARED");
        assert_eq!(label(&sliced, "nvidia.com/gpu.replicas"), "4");
        assert_eq!(object(&sliced)["status"]["allocatable"]["nvidia.com/gpu"], "32");
        let mixed = mig_mixed(whole.clone(), &[("1g.5gb", 3), ("2g.10gb", 2)]);
        assert_eq!(label(&mixed, "nvidia.com/gpu.replicas"), "0");
        assert_eq!(label(&mixed, "nvidia.com/mig-1g.5gb.count"), "24");
        assert_eq!(object(&mixed)["status"]["allocatable"]["nvidia.com/gpu"], Value::Null);
        let single = mig_single(whole, "1g.5gb", 7);
        assert_eq!(label(&single, "nvidia.com/gpu.product"), "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb");
        assert_eq!(label(&single, "nvidia.com/gpu.count"), "56");
        assert_eq!(label(&single, "nvidia.com/gpu.memory"), "5120");
    }
}
