//! The planted cluster: nodes, workloads that each show one sign, healthy ones beside them, and what an audit must find.
//!
//! A workload is named for the sign that it shows. Whatever a workload shows beside that is true of it, and stands in
//! [`EXPECTED`] with its reason. Loads leave no doubt: what is busy fills the memory too, so that no smaller device would do.

use plimsoll_fleet::{
    Bytes, Fleet, MilliCpu, NodeId, Seconds, Shape, ShapeId, Timestamp, Workload, WorkloadId,
    evidence::Dialect,
    fleet::Namespace,
    node::{Effect, Gpu, Node, Offer, Purchase, Sharing, Taint},
    pod::{Ask, Container, Exit, Phase, Pod, Probes, Toleration},
    resource::Vendor,
    workload::{Amount, Autoscaler, RawQuantity, Rollout, Run},
};
use plimsoll_testkit::{
    exporter::{Load, Wave},
    plant::nodes::{self, node},
};
use std::collections::BTreeMap;

/// The example Deployment of every GPU tutorial, as it stands there.
pub const TUTORIAL: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: tutorial}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: inference, namespace: tutorial}
spec:
  replicas: 2
  selector: {matchLabels: {app: inference}}
  template:
    metadata: {labels: {app: inference}}
    spec:
      nodeSelector: {node-type: gpu}
      tolerations: [{key: gpu, operator: Equal, value: 'true', effect: NoSchedule}]
      containers:
        - name: model
          image: example.com/model:latest
          resources: {limits: {nvidia.com/gpu: 1}}
";

/// A pod that was planted a moment ago: nothing has run on it, and it is too early to say anything.
pub const YOUNG: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: healthy-young, namespace: ml}
spec:
  activeDeadlineSeconds: 86400
  ttlSecondsAfterFinished: 86400
  template:
    metadata: {labels: {app: healthy-young}}
    spec:
      restartPolicy: Never
      nodeSelector: {pool: trouble}
      tolerations: [{key: nvidia.com/gpu, operator: Exists}]
      containers:
        - name: main
          image: example.com/young:1
          resources: {limits: {nvidia.com/gpu: 1}}
";

/// Sign, subject, and why it is true where the name does not say it.
pub const EXPECTED: &[(&str, &str, &str)] = &[
    ("blind-spot", "Job ml/blind-spot", ""),
    ("blind-spot", "Node amd", "metrics of AMD devices are not read"),
    ("blind-spot", "Node no-exporter", ""),
    ("cpu-pod-on-gpu-node", "Deployment web/cpu-pod-on-gpu-node", ""),
    ("cpu-starved-gpu", "Job ml/cpu-starved-gpu", ""),
    ("empty-gpu-node", "Node blocked", "the pod that blocks its removal holds no GPU"),
    ("empty-gpu-node", "Node empty", ""),
    ("forgotten-notebook", "Notebook dev/forgotten-notebook", ""),
    ("fractional-request", "RayCluster ml/fractional-request", ""),
    ("held-by-crash-loop", "Deployment ml/held-by-crash-loop", ""),
    ("held-while-starting", "Deployment ml/held-while-starting", ""),
    ("idle-gpu", "Job ml/idle-gpu", ""),
    ("idle-gpu", "Job ml/one-of-two-idle-gpus", ""),
    ("low-compute", "Job ml/low-compute", ""),
    ("memory-full-compute-idle", "Job ml/memory-full-compute-idle", ""),
    ("memory-starved-gpu", "Job ml/memory-starved-gpu", ""),
    ("mig-invalid", "Node mig-invalid", ""),
    ("mig-layout-mismatch", "Node mig", ""),
    ("misleading-utilisation", "Job ml/misleading-utilisation", ""),
    ("missing-probes", "Deployment tutorial/inference", "it has none"),
    ("missing-probes", "Deployment web/missing-probes", ""),
    ("missing-toleration-or-selector", "Job ml/missing-selector", ""),
    ("missing-toleration-or-selector", "Job ml/missing-toleration", ""),
    ("more-than-one-shared-replica", "StatefulSet dev/more-than-one-shared-replica", ""),
    ("no-autoscaling", "Deployment tutorial/inference", "two replicas at all hours, busy for eight hours of a day"),
    ("no-autoscaling", "Deployment web/no-autoscaling", ""),
    ("no-cleanup", "Job ml/no-cleanup", ""),
    ("no-deadline", "Job ml/no-deadline", ""),
    ("no-owner", "Deployment tutorial/inference", "nobody's name is on it, nor on its namespace"),
    ("oversized-memory-reservation", "Deployment web/oversized-memory-reservation", ""),
    ("pending-beside-free", "Job ml/pending-beside-free", ""),
    ("replicas-beyond-demand", "Deployment web/replicas-beyond-demand", ""),
    ("rolling-update-deadlock", "Deployment tutorial/inference", "the default strategy surges by one, and its two nodes are full"),
    ("rolling-update-deadlock", "Deployment web/rolling-update-deadlock", ""),
    ("scale-down-blocker", "Deployment web/scale-down-blocker", ""),
    ("single-replica-online", "Deployment web/single-replica-online", ""),
    ("stranded-gpu", "Node stranded", ""),
    ("time-slice-in-production", "Deployment web/time-slice-in-production", ""),
    ("untainted-gpu-node", "Node untainted", ""),
    ("whole-gpu-for-a-slice", "Deployment ml/whole-gpu-for-a-slice", ""),
    ("wrong-gpu-model", "Deployment ml/wrong-gpu-model", ""),
];

/// GPU nodes that have no price on the list: spot, on-premises.
pub const UNPRICED: [&str; 2] = ["amd", "spot"];

/// How old the nodes and pods are made: older than any window.
pub const AGE_DAYS: f64 = 9.0;

/// What an inference engine of a planted workload says of its KV cache, by the workload's name.
pub const ENGINES: [(&str, f64); 2] = [("healthy-vllm", 0.8), ("oversized-memory-reservation", 0.1)];

/// The planted nodes, each in a pool of its own name (but `pieces`), with the dialect of its exporter; none: no exporter.
fn all_nodes() -> Vec<(Node, Option<Dialect>)> {
    use Dialect::{BaseUnits, Classic};
    let mig = nodes::mig_mixed(node("mig", "a2-highgpu-1g"), &[("1g.5gb", 3), ("2g.10gb", 2)]);
    let broken = Node { sharing: Sharing::MigInvalid, offers: vec![], ..node("mig-invalid", "Standard_NC24ads_A100_v4") };
    let mut dark = node("no-exporter", "g4dn.xlarge");
    dark.labels.insert("nvidia.com/gpu.deploy.dcgm-exporter".into(), "false".into());
    let mut all = vec![
        (node("train", "p5.48xlarge"), Some(BaseUnits)),
        (node("serve", "p4d.24xlarge"), Some(Classic)),
        (node("lab", "p4de.24xlarge"), Some(BaseUnits)),
        (nodes::time_sliced(node("shared", "g4dn.12xlarge"), 4), Some(Classic)),
        (mig, Some(BaseUnits)),
        (broken, Some(Classic)),
        (Node { taints: vec![], ..node("untainted", "g5.xlarge") }, Some(Classic)),
        (node("empty", "g6.12xlarge"), Some(Classic)),
        (amd(), None),
        (dark, None),
        (Node { purchase: Purchase::Spot, ..node("spot", "g6.xlarge") }, Some(BaseUnits)),
        (node("cpu-starved", "g5.12xlarge"), Some(Classic)),
        (node("memory-starved", "g6.12xlarge"), Some(BaseUnits)),
        (node("stranded", "g5.12xlarge"), Some(Classic)),
        (node("pieces-1", "g4dn.12xlarge"), Some(Classic)),
        (node("pieces-2", "g4dn.12xlarge"), Some(BaseUnits)),
        (node("beyond", "g4dn.12xlarge"), Some(Classic)),
        (node("online", "g4dn.12xlarge"), Some(BaseUnits)),
        (node("tight", "g4dn.12xlarge"), Some(Classic)),
        (node("trouble", "g4dn.12xlarge"), Some(Classic)),
        (node("small-need", "g5.12xlarge"), Some(BaseUnits)),
        (node("blocked", "g6.xlarge"), Some(Classic)),
        (dra(node("dra", "g6.xlarge")), Some(BaseUnits)),
        (tutorial("tutorial-1"), Some(Classic)),
        (tutorial("tutorial-2"), Some(BaseUnits)),
        (node("cpu-1", "m6i.4xlarge"), None),
        (node("cpu-2", "m6i.4xlarge"), None),
    ];
    for (node, _) in &mut all {
        let pool = node.name.trim_end_matches(|c: char| c == '-' || c.is_ascii_digit()).to_owned();
        node.labels.insert("pool".into(), pool.as_str().into());
        node.labels.insert("half".into(), node.name.clone());
        node.pool = Some(pool.into());
    }
    all
}

/// A node of a rack of one's own: no cloud, no instance type, no price.
fn amd() -> Node {
    let product = ("amd.com/gpu.product-name".into(), "AMD_Instinct_MI300X_OAM".into());
    Node {
        name: "amd".into(),
        ready: true,
        labels: [product].into(),
        cpu: MilliCpu(96_000),
        memory: Bytes::from_mib(1024 * 1024),
        max_pods: 110,
        taints: vec![Taint { key: "amd.com/gpu".into(), value: "present".into(), effect: Effect::NoSchedule }],
        offers: vec![Offer { resource: "amd.com/gpu".into(), count: 8, capacity: 8, dra: false }],
        gpus: vec![Gpu::default(); 8],
        vendor: Some(Vendor::Amd),
        ..Node::default()
    }
}

/// Its GPUs are published by the DRA driver, and a DeviceClass serves them as `nvidia.com/gpu`: its allocatable shows none.
fn dra(mut node: Node) -> Node {
    for offer in &mut node.offers {
        offer.dra = true;
    }
    node
}

fn tutorial(name: &str) -> Node {
    let mut node = node(name, "g4dn.xlarge");
    node.taints = vec![Taint { key: "gpu".into(), value: "true".into(), effect: Effect::NoSchedule }];
    node.labels.insert("node-type".into(), "gpu".into());
    node
}

/// A workload to plant.
struct Work {
    kind: &'static str,
    namespace: &'static str,
    name: &'static str,
    /// Label and value of the nodes that it goes to.
    on: (&'static str, &'static str),
    replicas: u32,
    /// Resource and count; a count of zero asks for nothing.
    ask: (&'static str, u32),
    cpu: u64,
    gib: u64,
    class: Option<&'static str>,
    image: &'static str,
    probes: bool,
    scaled: bool,
    tolerates: bool,
    rollout: Option<Rollout>,
    run: Option<Run>,
    annotations: &'static [(&'static str, &'static str)],
    /// On its devices, in turn; the last stands for the rest.
    loads: Vec<Load>,
}

const GPU: &str = "nvidia.com/gpu";
const BUSY: f64 = 0.9;
const SAFE: Option<Rollout> = Some(Rollout::Rolling { max_surge: Amount::Count(0), max_unavailable: Amount::Count(1) });
const DEFAULT: Option<Rollout> = Some(Rollout::Rolling { max_surge: Amount::Percent(25), max_unavailable: Amount::Percent(25) });
const MONTH: Option<Seconds> = Some(Seconds(30 * 86_400));

/// A busy batch job on one whole GPU that lacks nothing.
fn job(name: &'static str, pool: &'static str) -> Work {
    Work {
        kind: "Job",
        namespace: "ml",
        name,
        on: ("pool", pool),
        replicas: 1,
        ask: (GPU, 1),
        cpu: 1,
        gib: 2,
        class: None,
        image: "",
        probes: false,
        scaled: false,
        tolerates: true,
        rollout: None,
        run: Some(Run { deadline: MONTH, ttl: MONTH, ..Run::default() }),
        annotations: &[],
        loads: vec![Load::training(BUSY)],
    }
}

/// A Deployment of batch workers.
fn workers(name: &'static str, pool: &'static str) -> Work {
    Work { kind: "Deployment", class: Some("batch"), rollout: SAFE, run: None, ..job(name, pool) }
}

/// A busy online service of two replicas that lacks nothing.
fn service(name: &'static str, pool: &'static str) -> Work {
    Work { kind: "Deployment", namespace: "web", replicas: 2, probes: true, scaled: true, rollout: SAFE, run: None, ..job(name, pool) }
}

/// A web server without GPU.
fn web(name: &'static str, pool: &'static str) -> Work {
    Work { ask: (GPU, 0), class: None, ..service(name, pool) }
}

fn load(busy: Wave, sm: f64, tensor: f64, dram: f64, memory: f64) -> Vec<Load> {
    vec![Load::following(busy, sm, tensor, dram, memory)]
}

#[rustfmt::skip]
fn all_work(now: Timestamp) -> Vec<Work> {
    let always = Wave::Constant;
    // Eight hours of work a day: the median is nothing, the peak is everything.
    let by_day = Wave::Pulse { level: BUSY, period: 86_400, busy: 8 * 3_600 };
    let last_week = Wave::Until { level: 0.5, end: now.minus(Seconds(4 * 86_400)) };
    vec![
        // Healthy: nothing may be said of them.
        Work { ask: (GPU, 8), cpu: 64, gib: 512, ..job("healthy-training", "train") },
        Work { image: "vllm/vllm-openai:v0.19", ..service("healthy-vllm", "serve") },
        Work { class: Some("online"), loads: load(always(BUSY), 0.12, 0.05, 0.75, 0.9), ..service("healthy-decode", "serve") },
        Work { loads: vec![Load::idle()], annotations: &[("plimsoll.dev/headroom", "true")], kind: "StatefulSet", rollout: None, ..workers("healthy-headroom", "lab") },
        Work { namespace: "dev", class: Some("dev"), replicas: 6, loads: load(always(0.2), 0.5, 0.1, 0.3, 0.15), ..workers("healthy-dev", "shared") },
        Work { ask: ("nvidia.com/mig-1g.5gb", 1), replicas: 3, ..workers("healthy-mig", "mig") },
        job("healthy-spot", "spot"),
        job("healthy-dra", "dra"),
        job("healthy-dark", "no-exporter"),
        job("healthy-untainted", "untainted"),
        Work { ask: ("amd.com/gpu", 8), ..job("healthy-amd", "amd") },
        Work { run: Some(Run { deadline: MONTH, ttl: MONTH, parallelism: Some(3), ..Run::default() }), on: ("half", "pieces-1"), ..job("healthy-piece-1", "") },
        Work { run: Some(Run { deadline: MONTH, ttl: MONTH, parallelism: Some(3), ..Run::default() }), on: ("half", "pieces-2"), ..job("healthy-piece-2", "") },
        Work { run: Some(Run { deadline: MONTH, ttl: MONTH, parallelism: Some(2), ..Run::default() }), cpu: 5, ..job("healthy-beside-cpu", "cpu-starved") },
        Work { run: Some(Run { deadline: MONTH, ttl: MONTH, parallelism: Some(2), ..Run::default() }), gib: 18, ..job("healthy-beside-memory", "memory-starved") },
        web("healthy-web", "cpu"),
        Work { replicas: 1, kind: "StatefulSet", rollout: None, ..web("healthy-database", "cpu") },

        // A whole GPU held for nothing, or for little.
        Work { loads: vec![Load::idle()], ..job("idle-gpu", "lab") },
        Work { loads: vec![Load::training(BUSY), Load::idle()], ask: (GPU, 2), ..job("one-of-two-idle-gpus", "lab") },
        Work { loads: vec![Load::parked(0.8)], ..job("memory-full-compute-idle", "lab") },
        Work { loads: load(always(0.4), 0.3, 0.1, 0.25, 0.85), ..job("low-compute", "lab") },
        Work { loads: load(always(1.0), 0.04, 0.0, 0.01, 0.85), ..job("misleading-utilisation", "lab") },
        Work { loads: load(always(0.6), 0.5, 0.2, 0.5, 0.1), ..workers("whole-gpu-for-a-slice", "serve") },
        Work { loads: load(always(0.5), 0.5, 0.2, 0.5, 0.55), ..workers("wrong-gpu-model", "small-need") },
        Work { image: "vllm/vllm-openai:v0.19", ..service("oversized-memory-reservation", "serve") },
        Work { kind: "Notebook", namespace: "dev", class: None, run: None, loads: load(last_week, 0.5, 0.1, 0.3, 0.3), image: "quay.io/jupyter/pytorch-notebook:2026", ..job("forgotten-notebook", "lab") },
        job("blind-spot", "serve"),

        // Held, and not yet or no more at work.
        Work { loads: vec![Load::idle()], ..workers("held-by-crash-loop", "trouble") },
        Work { loads: vec![Load::idle()], ..workers("held-while-starting", "trouble") },

        // Free GPUs that nobody can use.
        Work { cpu: 36, ..job("cpu-starved-gpu", "cpu-starved") },
        Work { gib: 150, ..job("memory-starved-gpu", "memory-starved") },
        Work { ask: (GPU, 3), ..job("asks-for-three", "stranded") },
        Work { ask: (GPU, 2), ..job("pending-beside-free", "pieces") },
        Work { ask: ("nvidia.com/mig-3g.20gb", 1), ..job("asks-for-another-slice", "mig") },
        Work { tolerates: false, ..job("missing-toleration", "empty") },
        Work { on: ("nvidia.com/gpu.product", "NVIDIA-H100-SXM5-80GB"), ..job("missing-selector", "") },

        // Online services that lack something.
        Work { probes: false, ..service("missing-probes", "online") },
        Work { scaled: false, loads: load(by_day, 0.85, 0.45, 0.5, 0.8), ..service("no-autoscaling", "online") },
        Work { replicas: 1, scaled: false, ..service("single-replica-online", "trouble") },
        Work { replicas: 4, loads: load(always(0.5), 0.3, 0.1, 0.5, 0.8), ..service("replicas-beyond-demand", "beyond") },
        Work { ask: (GPU, 2), rollout: DEFAULT, ..service("rolling-update-deadlock", "tight") },
        service("time-slice-in-production", "shared"),

        // Jobs, templates, neighbours.
        Work { run: Some(Run { ttl: MONTH, ..Run::default() }), ..job("no-deadline", "small-need") },
        Work { run: Some(Run { deadline: MONTH, ..Run::default() }), ..job("no-cleanup", "small-need") },
        Work { kind: "RayCluster", run: None, ..job("fractional-request", "train") },
        Work { namespace: "dev", kind: "StatefulSet", class: Some("dev"), run: None, ask: (GPU, 2), loads: load(always(0.2), 0.5, 0.1, 0.3, 0.15), ..job("more-than-one-shared-replica", "shared") },
        web("cpu-pod-on-gpu-node", "untainted"),
        Work { cpu: 0, gib: 0, annotations: &[("cluster-autoscaler.kubernetes.io/safe-to-evict", "false")], replicas: 1, ..web("scale-down-blocker", "blocked") },
    ]
}

/// The planted cluster.
pub struct Planted {
    /// Nodes, workloads and the pods that no controller makes.
    pub fleet: Fleet,
    /// The dialect of each node's exporter; none: it has none.
    pub dialects: Vec<Option<Dialect>>,
    loads: BTreeMap<&'static str, Vec<Load>>,
}

impl Planted {
    /// As it is planted at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self::of(all_nodes(), all_work(now))
    }

    /// One node of it, with the workload of which one GPU is busy and the other idle.
    pub fn one_node(now: Timestamp) -> Self {
        let nodes = all_nodes().into_iter().filter(|(node, _)| &*node.name == "lab").collect();
        Self::of(nodes, all_work(now).into_iter().filter(|work| work.name == "one-of-two-idle-gpus").collect())
    }

    fn of(nodes: Vec<(Node, Option<Dialect>)>, work: Vec<Work>) -> Self {
        let (nodes, dialects): (Vec<Node>, Vec<_>) = nodes.into_iter().unzip();
        let mut fleet = Fleet { nodes, ..Fleet::default() };
        for (name, team) in [("ml", "research"), ("dev", "research"), ("web", "serving"), ("gpu-operator", "platform")] {
            let mut labels = BTreeMap::from([("team".into(), team.into())]);
            if name == "dev" {
                labels.insert("env".into(), "dev".into());
            }
            fleet.namespaces.push(Namespace { name: name.into(), labels, annotations: BTreeMap::new() });
        }
        let mut loads = BTreeMap::new();
        for work in work {
            plant(&mut fleet, &work);
            loads.insert(work.name, work.loads);
        }
        loads.insert("inference", load(Wave::Pulse { level: BUSY, period: 86_400, busy: 8 * 3_600 }, 0.85, 0.45, 0.5, 0.8));
        Self { fleet, dialects, loads }
    }

    /// What a pod of the workload labelled `app` does with its device number `ordinal`.
    pub fn load(&self, app: Option<&str>, ordinal: usize) -> Load {
        let loads = app.and_then(|app| self.loads.get(app));
        loads.and_then(|loads| loads.get(ordinal).or(loads.last())).copied().unwrap_or_else(Load::idle)
    }
}

fn plant(fleet: &mut Fleet, work: &Work) {
    let (shape, id) = (ShapeId(fleet.shapes.len() as u32), WorkloadId(fleet.workloads.len() as u32));
    let mut planted = Workload {
        api_version: match work.kind {
            "Job" => "batch/v1",
            "Notebook" => "kubeflow.org/v1",
            "RayCluster" => "ray.io/v1",
            _ => "apps/v1",
        }
        .into(),
        kind: work.kind.into(),
        namespace: work.namespace.into(),
        name: work.name.into(),
        labels: work.class.map(|class| ("plimsoll.dev/class".into(), class.into())).into_iter().collect(),
        replicas: Some(work.replicas),
        template: Some(shape),
        rollout: work.rollout,
        run: work.run.clone(),
        exposed: work.probes,
        ..Workload::default()
    };
    if work.scaled && work.ask.1 > 0 {
        planted.autoscaler = Some(Autoscaler {
            kind: "HorizontalPodAutoscaler".into(),
            name: work.name.into(),
            min: work.replicas,
            max: work.replicas + 2,
            metrics: vec!["vllm:num_requests_waiting".into()],
        });
    }
    if work.name == "fractional-request" {
        planted.raw.push(RawQuantity {
            path: "spec.workerGroupSpecs[0].template.spec.containers[0].resources.limits".into(),
            resource: GPU.into(),
            quantity: "0.5".into(),
        });
    }
    fleet.shapes.push(shape_of(work));
    fleet.workloads.push(planted);
    let pod =
        Pod { namespace: work.namespace.into(), name: format!("{}-0", work.name).into(), shape, workload: Some(id), ..Pod::default() };
    match work.name {
        "forgotten-notebook" => {
            let node = fleet.nodes.iter().position(|node| &*node.name == work.on.1).map(|at| NodeId(at as u32));
            fleet.pods.push(Pod { node, phase: Phase::Running, ..pod });
        }
        "held-by-crash-loop" => fleet.pods.push(Pod {
            waiting: Some("CrashLoopBackOff".into()),
            restarts: 41,
            last_exit: Some(Exit { reason: "OOMKilled".into(), code: 137 }),
            ..pod
        }),
        "held-while-starting" => fleet.pods.push(Pod { waiting: Some("ImagePullBackOff".into()), ..pod }),
        _ => {}
    }
}

fn shape_of(work: &Work) -> Shape {
    let asks = vec![Ask { resource: work.ask.0.into(), count: work.ask.1, dra: false }].into_iter().filter(|ask| ask.count > 0).collect();
    let vendor = work.ask.0.split('/').next().unwrap_or_default();
    let tolerate = |key: &str| Toleration { key: Some(key.into()), value: None, effect: None };
    Shape {
        labels: [("app".into(), work.name.into())].into(),
        containers: vec![Container {
            name: "main".into(),
            image: work.image.into(),
            cpu: Some(MilliCpu((work.cpu * 1000).max(50))),
            memory: Some(Bytes::from_mib((work.gib * 1024).max(64))),
            asks,
            probes: Probes { startup: work.probes, readiness: work.probes, liveness: work.probes },
            serves: work.probes,
            ..Container::default()
        }],
        node_selector: [(work.on.0.into(), work.on.1.into())].into(),
        tolerations: if work.tolerates { vec![tolerate(&format!("{vendor}/gpu"))] } else { vec![] },
        annotations: work.annotations.iter().map(|&(key, value)| (key.into(), value.into())).collect(),
        ..Shape::default()
    }
}
