//! Fleets of any size, for benchmarks: 8 GPUs and 20 pods a node (200,000 on 10,000), 30 days of five-minute samples behind every sketch.

use super::{AT, chance::Chance};
use plimsoll_fleet::{
    Attribution, Bytes, DeviceUsage, Evidence, Fleet, Metric, Metrics, MilliCpu, Name, Node, NodeId, Pod, PodId, PodUsage, Seconds, Shape,
    ShapeId, Sketch, SketchBuilder, Window, Workload, WorkloadId,
    evidence::{Dialect, Hour, MetricsSource},
    fleet::{Namespace, Origin},
    history,
    node::{Effect, Gpu, Offer, Purchase, Taint},
    pod::{Ask, Container, Phase, Probes, Toleration},
    resource::Vendor,
};

const DAYS: u64 = 30;
/// A series is put together from so many parts of equal length, drawn from a stock: a stretch of days under one load each.
const PARTS: usize = 3;
const STOCK: usize = 48;
const GPUS: u32 = 8;
/// Pods a node without GPUs, and one more on every other node: with those on GPUs just above 20.
const CPU_PODS: u32 = 13;
/// Kinds of pod: a cluster has thousands of pods and a hundred kinds of pod.
const KINDS: u32 = 100;
const SPACES: u32 = 60;

const METRICS: [Metric; 6] =
    [Metric::GpuUtil, Metric::EngineActive, Metric::SmActive, Metric::TensorActive, Metric::DramActive, Metric::MemoryUsed];

/// A model: product, memory in MiB, instance type, vCPU, memory in GiB.
const MODELS: [(&str, u64, &str, u64, u64); 4] = [
    ("NVIDIA-H100-80GB-HBM3", 81_559, "p5.48xlarge", 192, 2_048),
    ("NVIDIA-A100-SXM4-40GB", 40_960, "p4d.24xlarge", 96, 1_152),
    ("NVIDIA-A100-SXM4-80GB", 81_920, "p4de.24xlarge", 96, 1_152),
    ("NVIDIA-L40S", 46_068, "g6e.48xlarge", 192, 1_536),
];

/// A fleet of `nodes` nodes, the same for one `seed`. Ten thousand take seconds and some 500 MiB.
#[must_use]
pub fn large(nodes: u32, seed: u64) -> Fleet {
    let mut chance = Chance::new(seed, "large");
    let stock = Stock::new(seed);
    let spaces: Vec<Name> = (0..SPACES).map(|space| format!("team-{space}").into()).collect();
    let mut fleet = Fleet {
        at: AT,
        origin: Origin { source: "example".into(), cluster: Some(format!("large-{nodes}").into()), version: None },
        shapes: (0..KINDS).map(|kind| shape(kind, &spaces)).collect(),
        namespaces: spaces.iter().map(namespace).collect(),
        ..Fleet::default()
    };
    let window = Window { start: AT.minus(Seconds(DAYS * 86_400)), end: AT };
    fleet.evidence = Evidence {
        window: Some(window),
        step: Seconds(300),
        source: MetricsSource::Example,
        dialects: vec![Dialect::Classic],
        ..Evidence::default()
    };
    // One workload in each namespace for each kind that lives there, and more of them as the fleet grows.
    let workloads = KINDS * nodes.div_ceil(200).max(1);
    fleet.workloads = (0..workloads).map(|id| workload(id, &spaces)).collect();

    let profiles: Vec<Node> = MODELS.iter().map(|model| profile(*model)).collect();
    for index in 0..nodes {
        let node = NodeId(index);
        fleet.nodes.push(named(&profiles[index as usize % profiles.len()], index));
        for gpu in 0..GPUS as u16 {
            let metrics = stock.metrics(&mut chance);
            if chance.share() < 0.85 {
                // Kinds 0 to 39 ask for a GPU.
                let pod = add_pod(&mut fleet, &mut chance, Some(node), 0, 40);
                let usage = PodUsage { pod, gpu: Some(gpu), slice: None, attribution: Attribution::Measured, metrics: metrics.clone() };
                fleet.evidence.pods.push(usage);
            } else if chance.share() < 0.03 {
                add_pod(&mut fleet, &mut chance, None, 0, 40);
            }
            fleet.evidence.devices.push(DeviceUsage { node, gpu, slice: None, metrics });
        }
        for _ in 0..CPU_PODS + index % 2 {
            add_pod(&mut fleet, &mut chance, Some(node), 40, 60);
        }
    }
    let gpus = f64::from(nodes * GPUS);
    fleet.evidence.hours = (0..DAYS * 24)
        .map(|hour| {
            let start = window.start.plus(Seconds(hour * 3_600));
            let wave = 1.0 + 0.4 * (start.hour_of_week() as f64 / 24.0 * std::f64::consts::TAU).sin();
            Hour {
                start,
                seen: gpus,
                held: 0.85 * gpus,
                busy: 0.22 * gpus * wave,
                useful: Some(0.12 * gpus * wave),
                waiting: Some(0.01 * gpus),
            }
        })
        .collect();
    fleet.history.lives = history::living(&fleet);
    fleet
}

fn kind_of(workload: u32) -> u32 {
    workload % KINDS
}

fn add_pod(fleet: &mut Fleet, chance: &mut Chance, node: Option<NodeId>, first_kind: u32, kinds: u32) -> PodId {
    let id = PodId(fleet.pods.len() as u32);
    let kind = first_kind + chance.below(kinds as usize) as u32;
    let workload = WorkloadId(kind + KINDS * chance.below(fleet.workloads.len() / KINDS as usize) as u32);
    let owner = &mut fleet.workloads[workload.index()];
    owner.replicas = Some(owner.replicas.unwrap_or(0) + 1);
    let since = AT.minus(Seconds(86_400 * (1 + chance.below(60) as u64)));
    let bound = node.map(|_| since);
    let name = format!("{}-{}-{}", owner.name, chance.letters(9), chance.letters(5)).into();
    fleet.pods.push(Pod {
        namespace: owner.namespace.clone(),
        name,
        shape: ShapeId(kind),
        workload: Some(workload),
        node,
        phase: if node.is_some() { Phase::Running } else { Phase::Pending },
        created: Some(since),
        scheduled: bound,
        started: bound,
        ready: bound,
        unschedulable: node.is_none().then(|| "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.".into()),
        ..Pod::default()
    });
    id
}

fn shape(kind: u32, spaces: &[Name]) -> Shape {
    let wants = kind < 40;
    let asks = if wants { vec![Ask { resource: "nvidia.com/gpu".into(), count: 1, dra: false }] } else { Vec::new() };
    let (cpu, memory) = if wants { (MilliCpu(4_000 + 100 * u64::from(kind)), Bytes(32 << 30)) } else { (MilliCpu(250), Bytes(1 << 30)) };
    let app: Name = format!("kind-{kind}").into();
    Shape {
        labels: [("app", app.clone()), ("team", spaces[kind as usize % spaces.len()].clone())]
            .map(|(key, value)| (key.into(), value))
            .into(),
        cpu,
        memory,
        asks: asks.clone(),
        containers: vec![Container {
            name: app.clone(),
            image: format!("registry.northwind.example/{app}:1.{kind}").into(),
            cpu: Some(cpu),
            memory: Some(memory),
            asks,
            probes: Probes { startup: true, readiness: true, liveness: kind.is_multiple_of(2) },
            serves: kind.is_multiple_of(3),
            ..Container::default()
        }],
        tolerations: vec![Toleration { key: Some("nvidia.com/gpu".into()), value: None, effect: None }],
        ..Shape::default()
    }
}

fn workload(id: u32, spaces: &[Name]) -> Workload {
    let kind = kind_of(id);
    Workload {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        namespace: spaces[id as usize % spaces.len()].clone(),
        name: format!("kind-{kind}-{id}").into(),
        labels: [("app".into(), format!("kind-{kind}").into())].into(),
        created: Some(AT.minus(Seconds(200 * 86_400))),
        template: Some(ShapeId(kind)),
        exposed: kind.is_multiple_of(3),
        ..Workload::default()
    }
}

fn namespace(name: &Name) -> Namespace {
    Namespace { name: name.clone(), labels: [("plimsoll.dev/team".into(), name.clone())].into(), ..Namespace::default() }
}

/// A node of a model, without what is its own.
fn profile((product, mib, instance, vcpu, gib): (&str, u64, &str, u64, u64)) -> Node {
    let gpus = GPUS.to_string();
    let labels = [
        ("kubernetes.io/arch", "amd64"),
        ("kubernetes.io/os", "linux"),
        ("node.kubernetes.io/instance-type", instance),
        ("topology.kubernetes.io/region", "us-east-1"),
        ("karpenter.sh/nodepool", instance),
        ("karpenter.sh/capacity-type", "on-demand"),
        ("nvidia.com/gpu.present", "true"),
        ("nvidia.com/gpu.product", product),
        ("nvidia.com/gpu.count", &gpus),
        ("nvidia.com/gpu.replicas", "1"),
    ];
    Node {
        labels: labels.map(|(key, value)| (key.into(), value.into())).into(),
        taints: vec![Taint { key: "nvidia.com/gpu".into(), value: "true".into(), effect: Effect::NoSchedule }],
        ready: true,
        created: Some(AT.minus(Seconds(100 * 86_400))),
        cpu: MilliCpu(vcpu * 990),
        memory: Bytes((gib << 30) / 100 * 97),
        max_pods: 110,
        offers: vec![Offer { resource: "nvidia.com/gpu".into(), count: GPUS, capacity: GPUS, dra: false }],
        vendor: Some(Vendor::Nvidia),
        gpu_product: Some(product.into()),
        gpu_memory: Some(Bytes::from_mib(mib)),
        instance_type: Some(instance.into()),
        cloud: Some("aws".into()),
        region: Some("us-east-1".into()),
        zone: Some("us-east-1a".into()),
        purchase: Purchase::OnDemand,
        pool: Some(instance.into()),
        ..Node::default()
    }
}

fn named(profile: &Node, index: u32) -> Node {
    let name: Name = format!("ip-10-{}-{}-{}.ec2.internal", index >> 16, (index >> 8) & 255, index & 255).into();
    let mut node = Node { name: name.clone(), ..profile.clone() };
    node.labels.insert("kubernetes.io/hostname".into(), name.clone());
    node.gpus = (0..GPUS).map(|gpu| Gpu { uuid: Some(format!("GPU-{index:08x}-{gpu}").into()), slices: Vec::new() }).collect();
    node
}

/// Sketches of stretches of ten days, by metric: putting three together costs far less than 8,640 samples.
struct Stock {
    by_metric: Vec<Vec<Sketch>>,
}

impl Stock {
    fn new(seed: u64) -> Self {
        let samples = DAYS as usize * 288 / PARTS;
        let of = |metric: Metric| {
            let mut chance = Chance::new(seed, &format!("stock {metric:?}"));
            (0..STOCK)
                .filter_map(|part| {
                    // Half of all stretches see little work, as real fleets do.
                    let busiest = if part % 2 == 0 { 0.08 } else { 0.3 + 0.6 * chance.share() };
                    let idle = if part % 2 == 0 { 0.67 } else { 0.1 };
                    Sketch::of((0..samples).map(|_| {
                        let level = if chance.share() < idle { 0.0 } else { (busiest * (1.0 + 0.15 * chance.normal())).clamp(0.0, 1.0) };
                        match metric {
                            Metric::MemoryUsed => (8.0 + 30.0 * busiest) * f64::from(1 << 30),
                            Metric::SmActive => 0.7 * level,
                            Metric::TensorActive => 0.3 * level,
                            Metric::DramActive => 0.5 * level,
                            _ => level,
                        }
                    }))
                })
                .collect()
        };
        Self { by_metric: METRICS.into_iter().map(of).collect() }
    }

    fn metrics(&self, chance: &mut Chance) -> Metrics {
        let parts: [usize; PARTS] = std::array::from_fn(|_| chance.below(STOCK));
        let together = |sketches: &Vec<Sketch>| {
            let mut builder = SketchBuilder::new();
            parts.iter().for_each(|&part| builder.merge(&sketches[part]));
            builder.finish()
        };
        let by_metric = METRICS.into_iter().zip(&self.by_metric).filter_map(|(metric, stock)| Some((metric, together(stock)?)));
        Metrics { by_metric: by_metric.collect(), last_active: Some(AT.minus(Seconds(chance.below(40 * 86_400) as u64))), course: None }
    }
}
