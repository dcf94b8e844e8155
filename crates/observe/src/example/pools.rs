//! The example's nodes: pools as a cloud and the NVIDIA stack make and label them.

use super::load::Board;
use plimsoll_fleet::{
    Bytes, MilliCpu, Name, Node, Timestamp,
    node::{Effect, Gpu, MigConfig, Offer, Purchase, Sharing, Slice, Taint},
    resource::{self, Vendor},
    selector::Labels,
};

/// A pool.
pub(super) struct Pool {
    pub name: &'static str,
    pub nodes: usize,
    pub instance: Option<&'static str>,
    pub vcpu: u64,
    pub memory_gib: u64,
    pub gpus: usize,
    /// `nvidia.com/gpu.product` without suffix, and `nvidia.com/gpu.memory` in MiB (facts: gpus, section 1).
    pub product: &'static str,
    pub gpu_mib: u64,
    pub sharing: Sharing,
    pub spot: bool,
    pub tainted: bool,
    pub vendor: Vendor,
    pub board: Board,
}

const fn board(idle_watts: f64, most_watts: f64) -> Board {
    Board { idle_watts, most_watts }
}

const BASE: Pool = Pool {
    name: "",
    nodes: 0,
    instance: None,
    vcpu: 0,
    memory_gib: 0,
    gpus: 0,
    product: "",
    gpu_mib: 0,
    sharing: Sharing::Whole,
    spot: false,
    tainted: true,
    vendor: Vendor::Nvidia,
    board: board(30.0, 150.0),
};

/// Slices of one A100-80GB under the MIG manager's layout `all-balanced` (facts: nvidia-stack, section 3).
pub(super) const BALANCED: [&str; 4] = ["1g.10gb", "1g.10gb", "2g.20gb", "3g.40gb"];

/// All pools. Sizes are those of the instance types (facts: prices); the on-premises nodes are DGX A100s.
pub(super) fn all() -> Vec<Pool> {
    vec![
        Pool {
            name: "h100",
            nodes: 8,
            instance: Some("p5.48xlarge"),
            vcpu: 192,
            memory_gib: 2_048,
            gpus: 8,
            product: "NVIDIA-H100-80GB-HBM3",
            gpu_mib: 81_559,
            board: board(70.0, 700.0),
            ..BASE
        },
        Pool {
            name: "a100",
            nodes: 6,
            instance: Some("p4d.24xlarge"),
            vcpu: 96,
            memory_gib: 1_152,
            gpus: 8,
            product: "NVIDIA-A100-SXM4-40GB",
            gpu_mib: 40_960,
            board: board(50.0, 400.0),
            ..BASE
        },
        Pool {
            name: "a100-mig",
            nodes: 2,
            instance: Some("p4de.24xlarge"),
            vcpu: 96,
            memory_gib: 1_152,
            gpus: 8,
            product: "NVIDIA-A100-SXM4-80GB",
            gpu_mib: 81_920,
            sharing: Sharing::MigMixed,
            board: board(55.0, 400.0),
            ..BASE
        },
        Pool {
            name: "a100-mig-single",
            nodes: 1,
            instance: Some("p4de.24xlarge"),
            vcpu: 96,
            memory_gib: 1_152,
            gpus: 8,
            product: "NVIDIA-A100-SXM4-80GB",
            gpu_mib: 81_920,
            sharing: Sharing::MigInvalid,
            board: board(55.0, 400.0),
            ..BASE
        },
        Pool {
            name: "l40s",
            nodes: 10,
            instance: Some("g6e.12xlarge"),
            vcpu: 48,
            memory_gib: 384,
            gpus: 4,
            product: "NVIDIA-L40S",
            gpu_mib: 46_068,
            board: board(35.0, 350.0),
            ..BASE
        },
        Pool {
            name: "a10g",
            nodes: 26,
            instance: Some("g5.2xlarge"),
            vcpu: 8,
            memory_gib: 32,
            gpus: 1,
            product: "NVIDIA-A10G",
            gpu_mib: 23_028,
            ..BASE
        },
        Pool {
            name: "a10g-spot",
            nodes: 12,
            instance: Some("g5.xlarge"),
            vcpu: 4,
            memory_gib: 16,
            gpus: 1,
            product: "NVIDIA-A10G",
            gpu_mib: 23_028,
            spot: true,
            ..BASE
        },
        Pool {
            name: "t4-shared",
            nodes: 4,
            instance: Some("g4dn.12xlarge"),
            vcpu: 48,
            memory_gib: 192,
            gpus: 4,
            product: "Tesla-T4",
            gpu_mib: 15_360,
            sharing: Sharing::TimeSliced { replicas: 4 },
            board: board(12.0, 70.0),
            ..BASE
        },
        Pool {
            name: "onprem",
            nodes: 4,
            vcpu: 256,
            memory_gib: 1_024,
            gpus: 8,
            product: "NVIDIA-A100-SXM4-40GB",
            gpu_mib: 40_960,
            board: board(50.0, 400.0),
            ..BASE
        },
        Pool {
            name: "mi300x",
            nodes: 1,
            vcpu: 192,
            memory_gib: 2_048,
            gpus: 8,
            product: "AMD-Instinct-MI300X",
            gpu_mib: 196_592,
            vendor: Vendor::Amd,
            ..BASE
        },
        Pool { name: "cpu", nodes: 6, instance: Some("m7i.4xlarge"), vcpu: 16, memory_gib: 64, tainted: false, ..BASE },
    ]
}

/// The node number `index` of a pool.
pub(super) fn node(pool: &Pool, index: usize, created: Timestamp) -> Node {
    let cloud = pool.instance.is_some();
    let name = format!("{}-{index}", pool.name);
    let zone = ["us-east-1a", "us-east-1b"][index % 2];
    let mut node = Node {
        labels: labels(pool, &name, zone),
        ready: true,
        created: Some(created),
        cpu: allocatable_cpu(pool.vcpu),
        memory: Bytes::from_mib(pool.memory_gib * 1_024 * 97 / 100 - 1_574),
        max_pods: 110,
        vendor: (pool.gpus > 0).then_some(pool.vendor),
        gpu_product: (pool.gpus > 0).then(|| pool.product.into()),
        gpu_memory: (pool.gpus > 0).then(|| Bytes::from_mib(pool.gpu_mib)),
        gpus: (0..pool.gpus).map(|gpu| device(pool, &name, gpu)).collect(),
        sharing: pool.sharing.clone(),
        instance_type: pool.instance.map(Name::from),
        cloud: cloud.then(|| "aws".into()),
        region: cloud.then(|| "us-east-1".into()),
        zone: cloud.then(|| zone.into()),
        purchase: match (cloud, pool.spot) {
            (true, true) => Purchase::Spot,
            (true, false) => Purchase::OnDemand,
            (false, _) => Purchase::Unknown,
        },
        pool: Some(pool.name.into()),
        offers: offers(pool),
        ..Node::default()
    };
    if pool.gpus > 0 && pool.tainted {
        let key = if pool.vendor == Vendor::Amd { "amd.com/gpu" } else { "nvidia.com/gpu" };
        node.taints.push(Taint { key: key.into(), value: "true".into(), effect: Effect::NoSchedule });
    }
    node.mig_config = match pool.sharing {
        Sharing::MigMixed => Some(MigConfig { wanted: "all-balanced".into(), state: Some("success".into()) }),
        Sharing::MigInvalid => Some(MigConfig { wanted: "all-3g.39gb".into(), state: Some("failed".into()) }),
        _ => None,
    };
    node.name = name.into();
    node
}

/// What the kubelet of a managed node leaves of `vcpu` cores (the reserve that EKS and GKE take: 6 % of the first core,
/// 1 % of the second, 0.5 % of the next two, 0.25 % of the rest).
fn allocatable_cpu(vcpu: u64) -> MilliCpu {
    let reserved = 60 + 10 + 10 + vcpu.saturating_sub(4) * 5 / 2;
    MilliCpu(vcpu * 1_000 - reserved)
}

fn device(pool: &Pool, node: &str, gpu: usize) -> Gpu {
    let slices = match pool.sharing {
        // Instance ids as the driver counts them on this layout: those of the smaller profiles come last.
        Sharing::MigMixed => BALANCED
            .iter()
            .zip([9, 10, 5, 2])
            .map(|(profile, id)| Slice { profile: (*profile).into(), start: None, instance: Some(id) })
            .collect(),
        _ => Vec::new(),
    };
    let vendor = if pool.vendor == Vendor::Nvidia { "GPU" } else { "AMD" };
    Gpu { uuid: Some(format!("{vendor}-{node}-{gpu}").into()), slices }
}

fn offers(pool: &Pool) -> Vec<Offer> {
    let gpus = pool.gpus as u32;
    let of = |resource: Name, count: u32| Offer { resource, count, capacity: count, dra: false };
    match (&pool.sharing, pool.vendor) {
        _ if gpus == 0 => Vec::new(),
        (_, Vendor::Amd) => vec![of("amd.com/gpu".into(), gpus)],
        (Sharing::MigMixed, _) => vec![
            of(resource::mig_resource("1g.10gb"), 2 * gpus),
            of(resource::mig_resource("2g.20gb"), gpus),
            of(resource::mig_resource("3g.40gb"), gpus),
        ],
        (Sharing::MigInvalid, _) => vec![of("nvidia.com/gpu".into(), 0)],
        (Sharing::TimeSliced { replicas }, _) => vec![of("nvidia.com/gpu".into(), gpus * replicas)],
        _ => vec![of("nvidia.com/gpu".into(), gpus)],
    }
}

fn labels(pool: &Pool, name: &str, zone: &str) -> Labels {
    let mut labels: Vec<(&str, String)> =
        vec![("kubernetes.io/hostname", name.into()), ("kubernetes.io/arch", "amd64".into()), ("kubernetes.io/os", "linux".into())];
    match pool.instance {
        Some(instance) => labels.extend([
            ("node.kubernetes.io/instance-type", instance.into()),
            ("topology.kubernetes.io/region", "us-east-1".into()),
            ("topology.kubernetes.io/zone", zone.into()),
            ("karpenter.sh/nodepool", pool.name.into()),
            ("karpenter.sh/capacity-type", if pool.spot { "spot" } else { "on-demand" }.into()),
        ]),
        None => labels.push(("node-pool", pool.name.into())),
    }
    if pool.gpus > 0 && pool.vendor == Vendor::Amd {
        labels.extend([("amd.com/gpu.product-name", pool.product.to_owned()), ("amd.com/gpu.vram", "192G".into())]);
    }
    if pool.gpus > 0 && pool.vendor == Vendor::Nvidia {
        let (suffix, count, replicas, strategy) = match pool.sharing {
            Sharing::TimeSliced { replicas } => ("-SHARED", pool.gpus, replicas, "time-slicing"),
            Sharing::MigInvalid => ("-MIG-INVALID", 0, 0, "none"),
            // GFD writes 0 replicas for a GPU in MIG mode (facts: nvidia-stack, section 2).
            Sharing::MigMixed => ("", pool.gpus, 0, "none"),
            _ => ("", pool.gpus, 1, "none"),
        };
        labels.extend([
            ("nvidia.com/gpu.present", "true".to_owned()),
            ("nvidia.com/gpu.product", format!("{}{suffix}", pool.product)),
            ("nvidia.com/gpu.count", count.to_string()),
            ("nvidia.com/gpu.replicas", replicas.to_string()),
            ("nvidia.com/gpu.memory", if count == 0 { "0".to_owned() } else { pool.gpu_mib.to_string() }),
            ("nvidia.com/gpu.sharing-strategy", strategy.to_owned()),
        ]);
        match pool.sharing {
            Sharing::MigMixed => labels.extend([
                ("nvidia.com/mig.strategy", "mixed".to_owned()),
                ("nvidia.com/mig.config", "all-balanced".to_owned()),
                ("nvidia.com/mig.config.state", "success".to_owned()),
            ]),
            Sharing::MigInvalid => labels.extend([
                ("nvidia.com/mig.strategy", "single".to_owned()),
                // A name of an old driver: this one calls the profile 3g.40gb (facts: gpus, section 2).
                ("nvidia.com/mig.config", "all-3g.39gb".to_owned()),
                ("nvidia.com/mig.config.state", "failed".to_owned()),
            ]),
            _ => {}
        }
    }
    labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
}
