//! For tests: small fleets made in a few lines, and the same fleet in another order.

#![allow(clippy::unwrap_used)]

use crate::audit::{finding::Finding, settings::Settings, signs, view::View};
use plimsoll_fleet::{
    Attribution, Bytes, Fleet, Metric, Metrics, MilliCpu, Node, NodeId, Pod, PodId, PodUsage, Seconds, Shape, ShapeId, Sketch, Timestamp,
    Window, Workload, WorkloadId,
    evidence::{Engine, EngineUsage, MetricsSource},
    node::{Effect, Gpu, Offer, Taint},
    pod::{Ask, Container, Phase, Probes, Toleration},
    price::PriceBook,
    resource::Vendor,
};

/// The moment at which every test fleet is seen: a Monday, 00:00 UTC.
pub(crate) const NOW: Timestamp = Timestamp(1_795_392_000);
/// One sample each five minutes.
pub(crate) const STEP: Seconds = Seconds(300);
/// `nvidia.com/gpu`.
pub(crate) const GPU: &str = "nvidia.com/gpu";

/// Seven days.
pub(crate) fn week() -> Window {
    Window { start: NOW.minus(Seconds(7 * 86_400)), end: NOW }
}

/// So many hours before [`NOW`].
pub(crate) fn hours_ago(hours: u64) -> Timestamp {
    NOW.minus(Seconds(hours * 3_600))
}

/// A GPU node in good order, tainted `nvidia.com/gpu:NoSchedule` as it should be: 8 vCPU and 64 GiB for each GPU, in the pool `pool-PRODUCT`.
pub(crate) fn node(name: &str, product: &str, memory_mib: u64, gpus: u32) -> Node {
    Node {
        name: name.into(),
        labels: [("nvidia.com/gpu.present", "true"), ("nvidia.com/gpu.product", product), ("kubernetes.io/hostname", name)]
            .map(|(key, value)| (key.into(), value.into()))
            .into(),
        taints: vec![Taint { key: GPU.into(), value: "".into(), effect: Effect::NoSchedule }],
        ready: true,
        created: Some(hours_ago(24 * 60)),
        cpu: MilliCpu(u64::from(gpus) * 8_000),
        memory: Bytes((u64::from(gpus) * 64) << 30),
        max_pods: 110,
        offers: vec![Offer { resource: GPU.into(), count: gpus, capacity: gpus, dra: false }],
        gpus: vec![Gpu::default(); gpus as usize],
        vendor: Some(Vendor::Nvidia),
        gpu_product: Some(product.into()),
        gpu_memory: Some(Bytes::from_mib(memory_mib)),
        pool: Some(format!("pool-{product}").into()),
        ..Node::default()
    }
}

/// Eight H100 of 80 GB.
pub(crate) fn h100(name: &str) -> Node {
    node(name, "NVIDIA-H100-80GB-HBM3", 81_559, 8)
}

/// A node without GPUs: 32 vCPU, 128 GiB.
pub(crate) fn cpu_node(name: &str) -> Node {
    Node {
        name: name.into(),
        ready: true,
        created: Some(hours_ago(24 * 60)),
        cpu: MilliCpu(32_000),
        memory: Bytes(128 << 30),
        max_pods: 110,
        ..Node::default()
    }
}

/// A pod shape that asks for `gpus` and, for each, 4 vCPU and 16 GiB; it tolerates the taint of GPU nodes, is probed and serves.
pub(crate) fn shape(gpus: u32) -> Shape {
    let (cpu, memory) = (MilliCpu(u64::from(gpus.max(1)) * 4_000), Bytes((u64::from(gpus.max(1)) * 16) << 30));
    let asks = if gpus == 0 { Vec::new() } else { vec![Ask { resource: GPU.into(), count: gpus, dra: false }] };
    Shape {
        cpu,
        memory,
        asks: asks.clone(),
        containers: vec![Container {
            name: "main".into(),
            image: "registry.example/app:1".into(),
            cpu: Some(cpu),
            memory: Some(memory),
            asks,
            probes: Probes { startup: true, readiness: true, liveness: true },
            serves: true,
            ..Container::default()
        }],
        tolerations: vec![Toleration { key: Some(GPU.into()), value: None, effect: None }],
        ..Shape::default()
    }
}

/// A fleet in the making. The fields are open: what the helpers do not make, a test writes itself.
pub(crate) struct Builder {
    /// The fleet so far.
    pub(crate) fleet: Fleet,
}

impl Builder {
    /// An empty fleet with a week of metrics.
    pub(crate) fn new() -> Self {
        let mut fleet = Fleet { at: NOW, ..Fleet::default() };
        fleet.evidence.window = Some(week());
        fleet.evidence.step = STEP;
        fleet.evidence.source = MetricsSource::Example;
        Self { fleet }
    }

    /// Adds a node.
    pub(crate) fn node(&mut self, node: Node) -> NodeId {
        self.fleet.nodes.push(node);
        NodeId(self.fleet.nodes.len() as u32 - 1)
    }

    /// The place of a shape.
    pub(crate) fn shape(&mut self, shape: Shape) -> ShapeId {
        let known = self.fleet.shapes.iter().position(|known| *known == shape);
        ShapeId(known.unwrap_or_else(|| {
            self.fleet.shapes.push(shape);
            self.fleet.shapes.len() - 1
        }) as u32)
    }

    /// Adds a workload in the namespace `ml`, without replicas or template.
    pub(crate) fn workload(&mut self, kind: &str, name: &str) -> WorkloadId {
        let api_version = match kind {
            "Job" | "CronJob" => "batch/v1",
            "Pod" => "v1",
            "Notebook" => "kubeflow.org/v1",
            _ => "apps/v1",
        };
        self.fleet.workloads.push(Workload {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: "ml".into(),
            name: name.into(),
            created: Some(hours_ago(24 * 30)),
            ..Workload::default()
        });
        WorkloadId(self.fleet.workloads.len() as u32 - 1)
    }

    /// The workload, to change it.
    pub(crate) fn edit(&mut self, workload: WorkloadId) -> &mut Workload {
        &mut self.fleet.workloads[workload.index()]
    }

    /// The pod, to change it.
    pub(crate) fn pod_mut(&mut self, pod: PodId) -> &mut Pod {
        &mut self.fleet.pods[pod.index()]
    }

    /// Adds a pod of the workload in the namespace `ml`: on a node it has run and been ready for 20 days; without a node it has waited for a day.
    /// The workload's replicas are counted up and its template set.
    pub(crate) fn pod(&mut self, workload: Option<WorkloadId>, node: Option<NodeId>, shape: Shape) -> PodId {
        let shape = self.shape(shape);
        let id = PodId(self.fleet.pods.len() as u32);
        let bound = |at| node.map(|_| at);
        let owner = workload.map_or("bare", |workload| &*self.fleet.workloads[workload.index()].name);
        self.fleet.pods.push(Pod {
            namespace: "ml".into(),
            name: format!("{owner}-{:05}", id.0).into(),
            shape,
            workload,
            node,
            phase: if node.is_some() { Phase::Running } else { Phase::Pending },
            created: Some(if node.is_some() { hours_ago(480) } else { hours_ago(24) }),
            scheduled: bound(hours_ago(480)),
            started: bound(hours_ago(480)),
            ready: bound(hours_ago(480)),
            ..Pod::default()
        });
        if let Some(workload) = workload {
            let workload = self.edit(workload);
            workload.replicas = Some(workload.replicas.unwrap_or(0) + 1);
            workload.template = Some(shape);
        }
        id
    }

    /// Adds what was seen of each of the pod's GPUs: constant series of a week, the same on every GPU. Memory is in bytes.
    pub(crate) fn seen(&mut self, pod: PodId, figures: &[(Metric, f64)]) {
        let gpus: u32 = self.fleet.shapes[self.fleet.pods[pod.index()].shape.index()].asks.iter().map(|ask| ask.count).sum();
        for gpu in 0..gpus {
            self.seen_on(pod, gpu as u16, figures);
        }
    }

    /// Adds what was seen of one of the pod's GPUs.
    pub(crate) fn seen_on(&mut self, pod: PodId, gpu: u16, figures: &[(Metric, f64)]) {
        let by_metric = figures.iter().map(|&(metric, value)| (metric, steady(value, 2_016))).collect();
        let active = figures.iter().any(|&(metric, value)| metric.is_ratio() && value >= 0.01);
        let metrics = Metrics { by_metric, last_active: active.then_some(NOW), course: None };
        self.fleet.evidence.pods.push(PodUsage { pod, gpu: Some(gpu), slice: None, attribution: Attribution::Measured, metrics });
    }

    /// Adds what a vLLM engine in the pod said: requests over the week, and the greatest share of its KV cache in use.
    pub(crate) fn engine(&mut self, pod: PodId, requests: f64, kv_used: f64) {
        self.fleet.evidence.engines.push(EngineUsage {
            pod,
            engine: Engine::Vllm,
            model: Some("llama".into()),
            running: Some(steady(if requests > 0.0 { 1.0 } else { 0.0 }, 2_016)),
            waiting: Some(steady(0.0, 2_016)),
            kv_used: Some(steady(kv_used, 2_016)),
            kv_tokens: Some(400_000),
            preemptions: Some(0.0),
            requests: Some(requests),
        });
    }

    /// The fleet, checked.
    pub(crate) fn build(self) -> Fleet {
        self.fleet.check().unwrap();
        self.fleet
    }
}

/// A series that is always the same.
pub(crate) fn steady(value: f64, samples: usize) -> Sketch {
    Sketch::of(std::iter::repeat_n(value, samples)).unwrap()
}

/// What one sign finds in a fleet, with settings as they come and the bundled prices.
pub(crate) fn findings(fleet: &Fleet, sign: &str) -> Vec<Finding> {
    findings_with(fleet, sign, &Settings::default())
}

/// What one sign finds in a fleet.
pub(crate) fn findings_with(fleet: &Fleet, sign: &str, settings: &Settings) -> Vec<Finding> {
    let view = View::new(fleet, &PriceBook::list(), settings);
    let mut found = (signs::named(sign).unwrap().find)(&view);
    found.sort_by(|a, b| a.subject.cmp(&b.subject));
    found
}

/// The subjects on which a sign finds something with a verdict, as people write them.
pub(crate) fn subjects(fleet: &Fleet, sign: &str) -> Vec<String> {
    let certain = |finding: &Finding| finding.confidence > crate::audit::finding::Confidence::TooLittle;
    findings(fleet, sign).into_iter().filter(certain).map(|finding| finding.subject.to_string()).collect()
}

/// The same fleet with its lists in another order: turned by `by` places and reversed.
pub(crate) fn reordered(fleet: &Fleet, by: usize) -> Fleet {
    let mut turned = fleet.clone();
    let place = |len: usize, old: usize| if len == 0 { 0 } else { len - 1 - (old + by) % len };
    fn put<T: Clone>(list: &[T], place: impl Fn(usize, usize) -> usize) -> Vec<T> {
        let mut out = list.to_vec();
        for (old, item) in list.iter().enumerate() {
            out[place(list.len(), old)] = item.clone();
        }
        out
    }
    turned.nodes = put(&fleet.nodes, place);
    turned.shapes = put(&fleet.shapes, place);
    turned.pods = put(&fleet.pods, place);
    turned.workloads = put(&fleet.workloads, place);
    turned.evidence.pods = put(&fleet.evidence.pods, place);
    turned.evidence.engines = put(&fleet.evidence.engines, place);
    turned.evidence.devices = put(&fleet.evidence.devices, place);
    let node = |id: NodeId| NodeId(place(fleet.nodes.len(), id.index()) as u32);
    let pod = |id: PodId| PodId(place(fleet.pods.len(), id.index()) as u32);
    let shape = |id: ShapeId| ShapeId(place(fleet.shapes.len(), id.index()) as u32);
    let workload = |id: WorkloadId| WorkloadId(place(fleet.workloads.len(), id.index()) as u32);
    for each in &mut turned.pods {
        each.node = each.node.map(node);
        each.shape = shape(each.shape);
        each.workload = each.workload.map(workload);
    }
    for each in &mut turned.workloads {
        each.template = each.template.map(shape);
    }
    for each in &mut turned.evidence.pods {
        each.pod = pod(each.pod);
    }
    for each in &mut turned.evidence.engines {
        each.pod = pod(each.pod);
    }
    for each in &mut turned.evidence.devices {
        each.node = node(each.node);
    }
    turned
}
