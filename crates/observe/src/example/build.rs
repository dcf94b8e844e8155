//! Puts applications onto the example's nodes, and collects what their GPUs did.

use super::{
    AT, WINDOW,
    chance::Chance,
    load::{Load, Meter, SAMPLES, STEP, Sample},
    past::{self, Room},
    pools::{self, Pool},
};
use plimsoll_fleet::{
    Attribution, Bytes, Class, DeviceUsage, EngineUsage, Evidence, Fleet, History, Life, Metric, MilliCpu, Name, Node, NodeId, Pod, PodId,
    PodUsage, Seconds, Shape, SketchBuilder, Timestamp, Window, Workload, WorkloadId,
    course::Grid,
    evidence::{Dialect, Engine, Hour, MetricsSource, SliceId},
    fleet::{Namespace, Origin, ShapeTable},
    history,
    node::Sharing,
    pod::{Ask, Container, Phase, Probes, Toleration},
    resource::{self, Unit},
    workload::{Amount, Autoscaler, Rollout, Run},
};
use std::collections::BTreeMap;

/// An application: a workload, its pods' shape and what they do.
#[derive(Clone)]
pub(super) struct App {
    pub workload: Workload,
    pub shape: Shape,
    pub load: Load,
    /// How long its pods have been running.
    pub age: Seconds,
    /// Its inference engine's KV cache in use in the busiest hour, and requests served at once then.
    pub vllm: Option<Vllm>,
}

/// What a vLLM server says of itself.
#[derive(Clone, Copy)]
pub(super) struct Vllm {
    pub model: &'static str,
    /// Share of the KV cache in use in the busiest hour.
    pub kv: f64,
    /// Requests at once in the busiest hour.
    pub requests: f64,
    /// Tokens that the cache holds.
    pub tokens: u64,
}

pub(super) const ALL_PROBES: Probes = Probes { startup: true, readiness: true, liveness: true };
pub(super) const DAYS: fn(u64) -> Seconds = |days| Seconds(days * 86_400);

impl App {
    /// A workload of `kind`, whose pods ask for `count` of `resource` each.
    pub(super) fn new(kind: &str, path: &str, image: &str, (resource, count): (&str, u32)) -> Self {
        let (namespace, name) = path.split_once('/').unwrap_or(("default", path));
        let asks = if count == 0 { Vec::new() } else { vec![Ask { resource: resource.into(), count, dra: false }] };
        let api_version = match kind {
            "Job" | "CronJob" => "batch/v1",
            "PyTorchJob" | "Notebook" => "kubeflow.org/v1",
            "RayCluster" => "ray.io/v1",
            _ => "apps/v1",
        };
        let ends = matches!(kind, "Job" | "CronJob" | "PyTorchJob");
        let container = Container { name: name.into(), image: image.into(), asks: asks.clone(), ..Container::default() };
        Self {
            workload: Workload {
                api_version: api_version.into(),
                kind: kind.into(),
                namespace: namespace.into(),
                name: name.into(),
                labels: [("app.kubernetes.io/name".into(), name.into())].into_iter().collect(),
                rollout: (kind == "Deployment")
                    .then_some(Rollout::Rolling { max_surge: Amount::Count(0), max_unavailable: Amount::Count(1) }),
                run: ends.then(|| Run {
                    deadline: Some(DAYS(3)),
                    backoff_limit: Some(3),
                    ttl: Some(DAYS(1)),
                    parallelism: Some(1),
                    ..Run::default()
                }),
                ..Workload::default()
            },
            shape: Shape {
                labels: [("app.kubernetes.io/name".into(), name.into())].into_iter().collect(),
                asks,
                containers: vec![container],
                tolerations: ["nvidia.com/gpu", "amd.com/gpu"]
                    .into_iter()
                    .filter(|key| resource.starts_with(key.split('/').next().unwrap_or(key)))
                    .map(|key| Toleration { key: Some(key.into()), value: None, effect: None })
                    .collect(),
                ..Shape::default()
            },
            load: Load::none(0.5),
            age: DAYS(30),
            vllm: None,
        }
    }

    /// A Deployment that serves, as it should be: probes, a Service.
    pub(super) fn serving(path: &str, image: &str, ask: (&str, u32)) -> Self {
        let mut app = Self::new("Deployment", path, image, ask);
        app.workload.exposed = true;
        let container = &mut app.shape.containers[0];
        (container.probes, container.serves) = (ALL_PROBES, true);
        app
    }

    /// CPU cores and GiB of memory a pod.
    pub(super) fn sized(mut self, cores: u64, gib: u64) -> Self {
        (self.shape.cpu, self.shape.memory) = (MilliCpu(cores * 1_000), Bytes(gib << 30));
        (self.shape.containers[0].cpu, self.shape.containers[0].memory) = (Some(self.shape.cpu), Some(self.shape.memory));
        self
    }

    pub(super) fn doing(mut self, load: Load) -> Self {
        self.load = load;
        self
    }

    pub(super) fn since(mut self, age: Seconds) -> Self {
        self.age = age;
        self
    }

    pub(super) fn of_class(mut self, class: Class) -> Self {
        self.workload.labels.insert("plimsoll.dev/class".into(), class.name().into());
        self
    }

    pub(super) fn on_pool(self, pool: &str) -> Self {
        self.selecting(if pool == "onprem" { "node-pool" } else { "karpenter.sh/nodepool" }, pool)
    }

    pub(super) fn selecting(mut self, key: &str, value: &str) -> Self {
        self.shape.node_selector.insert(key.into(), value.into());
        self
    }

    /// Scaled on its queue by KEDA.
    pub(super) fn scaled(mut self, min: u32, max: u32, metric: &str) -> Self {
        self.workload.autoscaler =
            Some(Autoscaler { kind: "ScaledObject".into(), name: self.workload.name.clone(), min, max, metrics: vec![metric.into()] });
        self
    }

    pub(super) fn engine(mut self, vllm: Vllm) -> Self {
        self.vllm = Some(vllm);
        self
    }

    pub(super) fn change(mut self, change: impl FnOnce(&mut Workload)) -> Self {
        change(&mut self.workload);
        self
    }
}

/// Who holds a device, from when on.
#[derive(Clone)]
struct Tenant {
    pod: PodId,
    since: Timestamp,
    load: Load,
}

/// A GPU or a slice of one.
struct Device {
    node: NodeId,
    gpu: u16,
    slice: Option<SliceId>,
    /// Resource units that are left: 1, or the replicas of a shared GPU.
    left: u32,
    resource: Name,
    tenants: Vec<Tenant>,
    /// Who held it before, and is gone: since when, until when, doing what.
    past: Vec<(Timestamp, Timestamp, Load)>,
}

pub(super) struct Build {
    seed: u64,
    names: Chance,
    pools: Vec<(Pool, usize)>,
    nodes: Vec<Node>,
    devices: Vec<Device>,
    shapes: ShapeTable,
    pods: Vec<Pod>,
    workloads: Vec<Workload>,
    namespaces: Vec<Namespace>,
    engines: Vec<(PodId, Vllm, Load)>,
    /// Nodes whose exporter does not report.
    pub dark: Vec<String>,
}

impl Build {
    pub(super) fn new(seed: u64) -> Self {
        let mut build = Self {
            seed,
            names: Chance::new(seed, "names"),
            pools: Vec::new(),
            nodes: Vec::new(),
            devices: Vec::new(),
            shapes: ShapeTable::default(),
            pods: Vec::new(),
            workloads: Vec::new(),
            namespaces: Vec::new(),
            engines: Vec::new(),
            dark: Vec::new(),
        };
        for pool in pools::all() {
            let first = build.nodes.len();
            for index in 0..pool.nodes {
                let created = AT.minus(DAYS(90 + 7 * index as u64));
                build.nodes.push(pools::node(&pool, index, created));
            }
            build.pools.push((pool, first));
        }
        for node in 0..build.nodes.len() {
            build.add_devices(NodeId(node as u32));
        }
        build
    }

    fn add_devices(&mut self, id: NodeId) {
        let node = &self.nodes[id.index()];
        let resource: Name = if node.gpu_product.as_deref().is_some_and(|product| product.starts_with("AMD")) {
            "amd.com/gpu".into()
        } else {
            "nvidia.com/gpu".into()
        };
        let left = if let Sharing::TimeSliced { replicas } = node.sharing { replicas } else { 1 };
        for (gpu, device) in (0..).zip(&node.gpus) {
            let whole = device.slices.is_empty().then(|| (None, resource.clone()));
            let slices = device.slices.iter().map(|slice| {
                let id = SliceId { instance: slice.instance.unwrap_or_default(), profile: slice.profile.clone() };
                (Some(id), resource::mig_resource(&slice.profile))
            });
            for (slice, resource) in whole.into_iter().chain(slices) {
                let left = if node.sharing == Sharing::MigInvalid { 0 } else { left };
                self.devices.push(Device { node: id, gpu, slice, left, resource, tenants: Vec::new(), past: Vec::new() });
            }
        }
    }

    /// A namespace; `team` is who owns it, where it says so.
    pub(super) fn namespace(&mut self, name: &str, team: Option<&str>, environment: Option<&str>) {
        let own = [("kubernetes.io/metadata.name", Some(name)), ("plimsoll.dev/team", team), ("environment", environment)];
        let labels = own.into_iter().filter_map(|(key, value)| Some((key.into(), value?.into()))).collect();
        self.namespaces.push(Namespace { name: name.into(), labels, annotations: BTreeMap::new() });
    }

    pub(super) fn node_id(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().position(|node| &*node.name == name).map(|index| NodeId(index as u32))
    }

    pub(super) fn change_node(&mut self, name: &str, change: impl FnOnce(&mut Node)) {
        if let Some(id) = self.node_id(name) {
            change(&mut self.nodes[id.index()]);
        }
    }

    /// Adds the workload and its running pods: so many on each of the nodes that `places` names. Returns the pods.
    pub(super) fn run(&mut self, app: &App, places: &[(&str, usize)]) -> Vec<PodId> {
        let total: usize = places.iter().map(|place| place.1).sum();
        let workload = self.add_workload(app, total);
        let mut pods = Vec::new();
        for &(place, count) in places {
            for _ in 0..count {
                let node = self.node_id(place);
                pods.push(self.add_pod(app, workload, node));
            }
        }
        pods
    }

    /// Adds `count` pods of a workload that wait, for the reason that the scheduler gives.
    pub(super) fn wait(&mut self, app: &App, count: usize, message: &str) {
        let workload = self.add_workload(app, count);
        for _ in 0..count {
            let pod = self.add_pod(app, workload, None);
            self.pods[pod.index()].unschedulable = Some(message.into());
        }
    }

    /// More pods of a workload that is there already, waiting.
    pub(super) fn wait_more(&mut self, app: &App, of: PodId, count: usize, message: &str) {
        if let Some(workload) = self.pods[of.index()].workload {
            if let Some(replicas) = &mut self.workloads[workload.index()].replicas {
                *replicas += count as u32;
            }
            for _ in 0..count {
                let pod = self.add_pod(app, workload, None);
                self.pods[pod.index()].unschedulable = Some(message.into());
            }
        }
    }

    pub(super) fn change_pods(&mut self, pods: &[PodId], change: impl Fn(&mut Pod)) {
        pods.iter().for_each(|pod| change(&mut self.pods[pod.index()]));
    }

    pub(super) fn add_workload(&mut self, app: &App, pods: usize) -> WorkloadId {
        let template = self.shapes.place(app.shape.clone());
        let counted = matches!(&*app.workload.kind, "Deployment" | "StatefulSet" | "RayCluster");
        let id = WorkloadId(self.workloads.len() as u32);
        self.workloads.push(Workload {
            created: Some(AT.minus(app.age).minus(DAYS(20))),
            replicas: counted.then_some(pods as u32),
            template: Some(template),
            ..app.workload.clone()
        });
        id
    }

    fn add_pod(&mut self, app: &App, workload: WorkloadId, node: Option<NodeId>) -> PodId {
        let id = PodId(self.pods.len() as u32);
        let name: Name = match &*app.workload.kind {
            "StatefulSet" | "Notebook" => {
                format!("{}-{}", app.workload.name, self.pods.iter().filter(|pod| pod.workload == Some(workload)).count()).into()
            }
            "Deployment" => format!("{}-{}-{}", app.workload.name, self.names.letters(9), self.names.letters(5)).into(),
            _ => format!("{}-{}", app.workload.name, self.names.letters(5)).into(),
        };
        let scheduled = AT.minus(app.age);
        let started = scheduled.plus(Seconds(90));
        let mut pod = Pod {
            namespace: app.workload.namespace.clone(),
            name,
            shape: self.shapes.place(app.shape.clone()),
            workload: Some(workload),
            node,
            created: Some(scheduled.minus(Seconds(5))),
            ..Pod::default()
        };
        if let Some(node) = node {
            pod.phase = Phase::Running;
            (pod.scheduled, pod.started) = (Some(scheduled), Some(started));
            pod.ready = Some(started.plus(Seconds(120)));
            pod.image_pull = Some(Seconds(40));
            for ask in app.shape.asks.iter().filter(|ask| resource::unit(&ask.resource).is_some()) {
                self.give(id, node, ask, started, app.load);
            }
            if let Some(vllm) = app.vllm {
                self.engines.push((id, vllm, app.load));
            }
        }
        self.pods.push(pod);
        id
    }

    /// Gives the first free devices of the node. The example's own places always have room; its test counts.
    fn give(&mut self, pod: PodId, node: NodeId, ask: &Ask, since: Timestamp, load: Load) {
        let shared = matches!(self.nodes[node.index()].sharing, Sharing::TimeSliced { .. });
        let mut wanted = ask.count;
        while wanted > 0 {
            let free = self.devices.iter_mut().filter(|device| device.node == node && device.resource == ask.resource && device.left > 0);
            // The device plugin spreads replicas: the GPU with most of them left comes first.
            let Some(device) = free.min_by_key(|device| (std::cmp::Reverse(device.left), device.gpu)) else { return };
            device.left -= 1;
            wanted -= 1;
            if !(shared && device.tenants.iter().any(|tenant| tenant.pod == pod)) {
                device.tenants.push(Tenant { pod, since, load });
            }
        }
    }

    /// Adds what every node carries: the agents of Kubernetes and of the GPU operator.
    pub(super) fn agents(&mut self) {
        let agents = [("kube-system/kube-proxy", false), ("kube-system/aws-node", false), ("gpu-operator/nvidia-dcgm-exporter", true)];
        for (path, gpus_only) in agents {
            let mut app = App::new("DaemonSet", path, "registry.k8s.io/agent:v1.37.2", ("", 0)).sized(0, 0);
            app.shape.cpu = MilliCpu(100);
            app.shape.memory = Bytes::from_mib(128);
            app.shape.tolerations = vec![Toleration { key: None, value: None, effect: None }];
            let names: Vec<Name> = self
                .nodes
                .iter()
                .filter(|node| !gpus_only || node.has_gpus() && !self.dark.iter().any(|dark| **dark == *node.name))
                .map(|node| node.name.clone())
                .collect();
            let places: Vec<(&str, usize)> = names.iter().map(|name| (&**name, 1)).collect();
            let pods = self.run(&app, &places);
            self.change_pods(&pods, |pod| pod.of_node = true);
        }
    }

    /// The fleet.
    pub(super) fn finish(mut self) -> Fleet {
        let shapes = std::mem::take(&mut self.shapes).into_shapes();
        let mut gone = self.fill_the_past(&shapes);
        let mut hours = vec![[0.0_f64; 4]; SAMPLES / 12];
        let mut devices = Vec::new();
        let mut usages = Vec::new();
        for (index, device) in self.devices.iter().enumerate() {
            if !self.is_dark(device.node) {
                let mut chance = ["device", "past of device"].map(|stream| Chance::new(self.seed, &format!("{stream} {index}")));
                self.meter(device, &mut chance, &mut hours, &mut devices, &mut usages);
            }
        }
        let engines = self.engines.iter().map(|engine| self.engine(engine)).collect();
        let waiting = self.waiting(&shapes);
        let hours = (0..).zip(&hours).map(|(hour, sums)| {
            let [seen, held, busy, useful] = sums.map(|sum| sum / 12.0);
            let start = WINDOW.start.plus(Seconds(hour * 3_600));
            Hour { start, seen, held, busy, useful: Some(useful), waiting: Some(waiting[hour as usize]) }
        });
        usages.sort_by_key(|usage: &PodUsage| (usage.pod, usage.gpu, usage.slice.clone()));
        let mut fleet = Fleet {
            at: AT,
            origin: Origin { source: "example".into(), cluster: Some("northwind".into()), version: Some("v1.37.2".into()) },
            evidence: Evidence {
                window: Some(WINDOW),
                step: STEP,
                source: MetricsSource::Example,
                dialects: vec![Dialect::Classic],
                queries: queries(),
                engine_queries: BTreeMap::from([(
                    Engine::Vllm,
                    "vllm:kv_cache_usage_perc, vllm:num_requests_running, vllm:num_requests_waiting".into(),
                )]),
                courses: Some(Grid::over(WINDOW)),
                devices,
                pods: usages,
                engines,
                hours: hours.collect(),
                ..Evidence::default()
            },
            nodes: self.nodes,
            shapes,
            pods: self.pods,
            workloads: self.workloads,
            namespaces: self.namespaces,
            ..Fleet::default()
        };
        gone.extend(history::living(&fleet));
        fleet.history = History { recorded: Some(WINDOW), lives: gone };
        fleet.history.sort();
        fleet
    }

    /// Lets jobs that are gone hold the whole GPUs that stood free until their tenants of now came, and gives their lives.
    fn fill_the_past(&mut self, shapes: &[Shape]) -> Vec<Life> {
        let mut rooms: BTreeMap<(NodeId, Timestamp), (Room, Vec<usize>)> = BTreeMap::new();
        for (index, device) in self.devices.iter().enumerate() {
            let [tenant] = &device.tenants[..] else { continue };
            let (node, pod) = (&self.nodes[device.node.index()], &self.pods[tenant.pod.index()]);
            let shape = &shapes[pod.shape.index()];
            let whole = device.slice.is_none() && node.sharing == Sharing::Whole && &*device.resource == "nvidia.com/gpu";
            let Some(since) = pod.created.filter(|since| whole && !self.is_dark(device.node) && *since > WINDOW.start) else { continue };
            let gpus: u64 = shape.asks.iter().map(|ask| u64::from(ask.count)).sum();
            let room = || Room {
                namespace: pod.namespace.clone(),
                node: node.name.clone(),
                gpus: 0,
                until: since,
                cpu: MilliCpu(shape.cpu.0 / gpus.max(1)),
                memory: Bytes(shape.memory.0 / gpus.max(1)),
                memory_gib: tenant.load.memory_gib.max(8.0),
            };
            let (room, devices) = rooms.entry((device.node, since)).or_insert_with(|| (room(), Vec::new()));
            room.gpus += 1;
            devices.push(index);
        }
        let mut lives = Vec::new();
        for ((node, since), (room, devices)) in rooms {
            let mut chance = Chance::new(self.seed, &format!("past of {} until {}", self.nodes[node.index()].name, since.0));
            for job in past::jobs(&room, WINDOW, &mut chance) {
                if let (Some(started), Some(ended)) = (job.life.started, job.life.ended) {
                    devices[job.gpus].iter().for_each(|&device| self.devices[device].past.push((started, ended, job.load)));
                }
                lives.push(job.life);
            }
        }
        lives
    }

    fn is_dark(&self, node: NodeId) -> bool {
        let node = &self.nodes[node.index()];
        self.dark.iter().any(|dark| **dark == *node.name)
            || node.offers.iter().any(|offer| matches!(resource::unit(&offer.resource), Some(Unit::Device(_))))
    }

    fn meter(
        &self,
        device: &Device,
        [chance, of_past]: &mut [Chance; 2],
        hours: &mut [[f64; 4]],
        devices: &mut Vec<DeviceUsage>,
        usages: &mut Vec<PodUsage>,
    ) {
        let sharers = self.devices.iter().filter(|other| other.node == device.node && other.gpu == device.gpu).count() as f64;
        let board = self.pools.iter().rev().find(|(_, first)| *first <= device.node.index()).map(|(pool, _)| pool.board);
        let Some(board) = board else { return };
        let mut whole = Meter::default();
        // A tenant that was there all the time, alone, saw what the device saw.
        let alone = matches!(&device.tenants[..], [tenant] if tenant.since <= WINDOW.start);
        let mut own: Vec<Meter> = device.tenants.iter().filter(|_| !alone).map(|_| Meter::default()).collect();
        for step in 0..SAMPLES {
            let at = WINDOW.start.plus(Seconds(step as u64 * STEP.0));
            let here: Vec<usize> = (0..device.tenants.len()).filter(|&tenant| device.tenants[tenant].since <= at).collect();
            // A shared GPU does what all of its tenants do together, up to what it can.
            let load = here.iter().map(|&tenant| device.tenants[tenant].load).reduce(together);
            let gone = device.past.iter().find(|(since, until, _)| (*since..*until).contains(&at)).map(|(.., load)| load);
            // The past has chances of its own: what is now does not depend on it.
            let sample = match load {
                Some(load) => Sample::new(Some(&load), at, AT, board, chance),
                None => Sample::new(gone, at, AT, board, of_past),
            };
            whole.take(&sample, at);
            // DCGM gives every sharer a copy of the device's figures.
            if !alone {
                here.iter().for_each(|&tenant| own[tenant].take(&sample, at));
            }
            let hour = &mut hours[step / 12];
            let held = if here.is_empty() && gone.is_none() { 0.0 } else { 1.0 };
            for (sum, value) in hour.iter_mut().zip([1.0, held, sample.engine(), sample.useful()]) {
                *sum += value / sharers;
            }
        }
        let is_slice = device.slice.is_some();
        let metrics = whole.finish(is_slice, Grid::over(WINDOW));
        devices.push(DeviceUsage { node: device.node, gpu: device.gpu, slice: device.slice.clone(), metrics: metrics.clone() });
        let shared = matches!(self.nodes[device.node.index()].sharing, Sharing::TimeSliced { .. });
        for (index, tenant) in device.tenants.iter().enumerate() {
            usages.push(PodUsage {
                pod: tenant.pod,
                gpu: Some(device.gpu),
                slice: device.slice.clone(),
                attribution: if shared { Attribution::DeviceCopy } else { Attribution::Measured },
                metrics: own.get(index).map_or_else(|| metrics.clone(), |meter| meter.finish(is_slice, Grid::over(WINDOW))),
            });
        }
    }

    fn engine(&self, (pod, vllm, load): &(PodId, Vllm, Load)) -> EngineUsage {
        let mut chance = Chance::new(self.seed, &format!("engine {}", pod.0));
        let since = self.pods[pod.index()].started.unwrap_or(AT);
        let (mut running, mut waiting, mut kv) = (SketchBuilder::new(), SketchBuilder::new(), SketchBuilder::new());
        let mut requests = 0.0;
        for step in 0..SAMPLES as u64 {
            let at = WINDOW.start.plus(Seconds(step * STEP.0));
            if at < since {
                continue;
            }
            let level = if load.engine == 0.0 { 0.0 } else { load.level(at, AT, &mut chance) };
            let at_once = (vllm.requests * level).round();
            running.add(at_once);
            waiting.add(if level > 0.97 { 1.0 } else { 0.0 });
            kv.add((vllm.kv * level).min(1.0));
            // A request takes some eight seconds from end to end.
            requests += at_once * STEP.0 as f64 / 8.0;
        }
        EngineUsage {
            pod: *pod,
            engine: Engine::Vllm,
            model: Some(vllm.model.into()),
            running: running.finish(),
            waiting: waiting.finish(),
            kv_used: kv.finish(),
            kv_tokens: Some(vllm.tokens),
            preemptions: Some(0.0),
            requests: Some(requests),
        }
    }

    /// GPUs that pods waited for, hour by hour: those that wait now since they were made, and mornings on which more wait.
    fn waiting(&self, shapes: &[Shape]) -> Vec<f64> {
        let mut chance = Chance::new(self.seed, "waiting");
        let asked = |pod: &Pod| -> f64 { shapes[pod.shape.index()].asks.iter().map(|ask| f64::from(ask.count)).sum() };
        (0..SAMPLES as u64 / 12)
            .map(|hour| {
                let at = WINDOW.start.plus(Seconds(hour * 3_600));
                let now: f64 = self.pods.iter().filter(|pod| pod.waits() && pod.created.is_some_and(|made| made <= at)).map(asked).sum();
                let morning = at.hour_of_week() < 120 && (8..12).contains(&(at.hour_of_week() % 24));
                now + if morning { (4.0 + 10.0 * chance.share()).round() } else { 0.0 }
            })
            .collect()
    }
}

/// The queries that would give the same of a cluster.
fn queries() -> BTreeMap<Metric, Name> {
    [
        (Metric::GpuUtil, "DCGM_FI_DEV_GPU_UTIL / 100"),
        (Metric::EngineActive, "DCGM_FI_PROF_GR_ENGINE_ACTIVE"),
        (Metric::SmActive, "DCGM_FI_PROF_SM_ACTIVE"),
        (Metric::TensorActive, "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"),
        (Metric::DramActive, "DCGM_FI_PROF_DRAM_ACTIVE"),
        (Metric::MemoryUsed, "DCGM_FI_DEV_FB_USED * 1048576"),
        (Metric::Power, "DCGM_FI_DEV_POWER_USAGE"),
    ]
    .into_iter()
    .map(|(metric, query)| (metric, query.into()))
    .collect()
}

/// What two tenants do to one device.
fn together(a: Load, b: Load) -> Load {
    let sum = |a: f64, b: f64| (a + b).min(1.0);
    Load {
        rhythm: a.rhythm,
        floor: a.floor.max(b.floor),
        engine: sum(a.engine, b.engine),
        util: sum(a.util, b.util),
        sm: sum(a.sm, b.sm),
        tensor: sum(a.tensor, b.tensor),
        dram: sum(a.dram, b.dram),
        memory_gib: a.memory_gib + b.memory_gib,
    }
}

/// The window of the example.
pub(super) const fn window(end: Timestamp) -> Window {
    Window { start: Timestamp(end.0 - SAMPLES as i64 * STEP.0 as i64), end }
}
