//! Pods: containers of every role, what they ask for, where they may go.

use super::draw::Draw;
use serde_json::{Map, Value, json};

/// What a pod is drawn for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wish {
    /// Its kind is checked by the API server: what that would refuse is drawn seldom.
    pub checked: bool,
    /// Pods that end: no probes as a rule.
    pub ends: bool,
    /// A kind without `restartPolicy: Always`.
    pub restart: Option<&'static str>,
}

const IMAGES: [&str; 16] = [
    "vllm/vllm-openai:v0.19.0",
    "vllm/vllm-openai",
    "ghcr.io/acme/trainer:v2",
    "ghcr.io/acme/trainer:latest",
    "registry.local:5000/acme/server",
    "registry.local:5000/acme/server:1.2",
    "busybox",
    "busybox:1.36",
    "quay.io/jupyter/pytorch-notebook:2026",
    "localhost/a:v1",
    "nvcr.io/nvidia/tritonserver:26.01-py3",
    "registry/protein:1",
    "ghcr.io/acme/tei:1",
    "a@sha256:0000000000000000000000000000000000000000000000000000000000000000",
    "ghcr.io/acme/x:v1@sha256:1111111111111111111111111111111111111111111111111111111111111111",
    "nvcr.io/nvidia/pytorch:26.01-py3",
];

const DEVICES: [&str; 14] = [
    "nvidia.com/gpu",
    "nvidia.com/gpu",
    "nvidia.com/gpu",
    "nvidia.com/gpu",
    "nvidia.com/gpu",
    "nvidia.com/gpu.shared",
    "nvidia.com/mig-1g.10gb",
    "nvidia.com/mig-3g.40gb",
    "amd.com/gpu",
    "google.com/tpu",
    "aws.amazon.com/neuron",
    "aws.amazon.com/neuroncore",
    "deviceclass.resource.kubernetes.io/gpu.nvidia.com",
    "deviceclass.resource.kubernetes.io/rdma",
];

/// A template of pods: metadata and spec.
pub(super) fn template(draw: &mut Draw, wish: Wish, app: &str) -> Value {
    let mut labels = labels(draw, 25);
    labels.insert("app".to_owned(), json!(app));
    json!({"metadata": {"labels": labels, "annotations": annotations(draw, 15)}, "spec": spec(draw, wish)})
}

/// Labels that rules look at, each with that chance.
pub(super) fn labels(draw: &mut Draw, percent: usize) -> Map<String, Value> {
    let mut labels = Map::new();
    let mut maybe = |key: &str, values: &[&str], draw: &mut Draw| {
        if draw.percent(percent) {
            labels.insert(key.to_owned(), json!(draw.one(values)));
        }
    };
    maybe("plimsoll.dev/team", &["search", "vision", "core", ""], draw);
    maybe("team", &["search", "vision", "nobody"], draw);
    maybe("owner", &["ann", "search"], draw);
    maybe("cost-centre", &["42", ""], draw);
    maybe("cost-center", &["43"], draw);
    maybe("plimsoll.dev/class", &["online", "batch", "training", "dev", "inference", "online", "training"], draw);
    maybe("environment", &["prod", "Staging", "qa"], draw);
    if draw.percent(4) {
        labels.insert("plimsoll.dev/pool".to_owned(), json!(draw.one(&["l4", "h100", "none"])));
    }
    labels
}

/// Annotations that rules look at, and one that they must not.
pub(super) fn annotations(draw: &mut Draw, percent: usize) -> Map<String, Value> {
    let mut annotations = Map::new();
    let mut maybe = |key: &str, values: &[&str], draw: &mut Draw| {
        if draw.percent(percent) {
            annotations.insert(key.to_owned(), json!(draw.one(values)));
        }
    };
    maybe("plimsoll.dev/idle-timeout", &["4h", "30m", "1d", "3d", "90min", "soon", "h", "0s", "12", "86400s"], draw);
    maybe("plimsoll.dev/load-time", &["10m", "600s", "1h", "slow", "2min"], draw);
    maybe("plimsoll.dev/reason", &["the model does not fit", " ", ""], draw);
    maybe("example.com/note", &["it's a 'quote' \\ and\nanother line"], draw);
    // Nothing makes a device of a need here.
    if draw.percent(3) {
        let (key, value) = draw.one(&[("gpu-memory", "12Gi"), ("gpu-memory", "a lot"), ("gpu-compute", "30%")]);
        annotations.insert(format!("plimsoll.dev/{key}"), json!(value));
    }
    if draw.percent(1) {
        annotations.insert("plimsoll.dev/idle-timeout".to_owned(), json!("9".repeat(300)));
    }
    annotations
}

/// A pod's specification.
pub(super) fn spec(draw: &mut Draw, wish: Wish) -> Value {
    // Most objects of a cluster that has this looked at ask for accelerators.
    let asks = draw.percent(82);
    let claims: Vec<&str> = if draw.percent(8) { vec![draw.one(&["gpus", "nic", "big-gpu"])] } else { Vec::new() };
    let mut spec = Map::new();
    let count = 1 + draw.below(3) * usize::from(draw.percent(30));
    let at = draw.below(count);
    let main: Vec<Value> =
        (0..count).map(|number| container(draw, wish, &format!("c{number}"), asks && number == at, &claims, true)).collect();
    spec.insert("containers".to_owned(), json!(main));
    if draw.percent(22) {
        let count = 1 + draw.below(4);
        let init = (0..count).map(|number| {
            let devices = asks && draw.percent(35);
            let stays = draw.percent(35);
            let mut one = container(draw, wish, &format!("i{number}"), devices, &[], stays);
            if stays {
                one["restartPolicy"] = json!("Always");
            }
            one
        });
        spec.insert("initContainers".to_owned(), init.collect());
    }
    if !wish.checked && draw.percent(4) {
        let devices = draw.percent(50);
        let one = container(draw, Wish { ends: true, ..wish }, "debug", devices, &[], false);
        spec.insert("ephemeralContainers".to_owned(), json!([one]));
    }
    if !claims.is_empty() {
        let source = draw.one(&["resourceClaimTemplateName", "resourceClaimName"]);
        let of = draw.one(&["one-gpu", "four", "rdma", "mig-slice"]);
        spec.insert("resourceClaims".to_owned(), claims.iter().map(|name| json!({"name": name, (source): of})).collect());
    }
    if let Some(restart) = wish.restart {
        spec.insert("restartPolicy".to_owned(), json!(restart));
    }
    placement(draw, &mut spec);
    if draw.percent(35) {
        spec.insert("priorityClassName".to_owned(), json!(draw.one(&["serving", "batch-low", "serving", "system-node-critical"])));
    }
    if draw.percent(12) {
        spec.insert("activeDeadlineSeconds".to_owned(), json!(draw.one(&[600, 86_400, 2_000_000])));
    }
    Value::Object(spec)
}

/// Node selector, affinity, tolerations, spread.
fn placement(draw: &mut Draw, spec: &mut Map<String, Value>) {
    const LABELS: [(&str, &[&str]); 8] = [
        ("nvidia.com/gpu.product", &["NVIDIA-L4", "NVIDIA-H100-80GB-HBM3", "NVIDIA-B200", "NVIDIA-A100-SXM4-40GB-SHARED"]),
        ("nvidia.com/gpu.sharing-strategy", &["time-slicing", "mps", "none"]),
        ("cloud.google.com/gke-accelerator", &["nvidia-l4", "nvidia-b200"]),
        ("cloud.google.com/gke-gpu-sharing-strategy", &["time-sharing", "mps"]),
        ("node.kubernetes.io/instance-type", &["p5.48xlarge", "g6.xlarge", "p6-b200.48xlarge"]),
        ("pool", &["l4", "h100", "cpu"]),
        ("nvidia.com/gpu.deploy.client", &["true"]),
        ("topology.kubernetes.io/zone", &["a", "b"]),
    ];
    if draw.percent(60) {
        let mut selector = Map::new();
        for _ in 0..=draw.below(2) {
            let (key, values) = draw.one(&LABELS);
            selector.insert(key.to_owned(), json!(draw.one(values)));
        }
        spec.insert("nodeSelector".to_owned(), selector.into());
    }
    let mut affinity = Map::new();
    if draw.percent(25) {
        let terms = (0..=draw.below(2)).map(|_| {
            let needs = (0..=draw.below(2)).map(|_| {
                let (key, values) = draw.one(&LABELS);
                match draw.below(8) {
                    0 => json!({"key": key, "operator": "Exists"}),
                    1 => json!({"key": key, "operator": "NotIn", "values": [draw.one(values)]}),
                    2 => json!({"key": "nvidia.com/gpu.memory", "operator": "Gt", "values": ["40000"]}),
                    _ => json!({"key": key, "operator": "In", "values": values.iter().take(1 + draw.below(2)).collect::<Vec<_>>()}),
                }
            });
            json!({"matchExpressions": needs.collect::<Vec<_>>()})
        });
        let required = json!({"nodeSelectorTerms": terms.collect::<Vec<_>>()});
        affinity.insert("nodeAffinity".to_owned(), json!({"requiredDuringSchedulingIgnoredDuringExecution": required}));
    }
    if draw.percent(15) {
        let term = json!({"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "x"}}});
        let away = json!({"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]});
        affinity.insert("podAntiAffinity".to_owned(), if draw.percent(20) { json!({}) } else { away });
    }
    if !affinity.is_empty() {
        spec.insert("affinity".to_owned(), affinity.into());
    }
    if draw.percent(65) {
        let tolerations = (0..=draw.below(2)).map(|_| match draw.below(10) {
            0 => json!({"operator": "Exists"}),
            1 => json!({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute"}),
            2 => json!({"key": "nvidia.com/gpu", "operator": "Equal", "value": "present", "effect": "NoSchedule"}),
            3 => json!({"key": "nvidia.com/gpu", "effect": "NoSchedule"}),
            4 => json!({"key": "amd.com/gpu", "operator": "Exists"}),
            5 => json!({"key": "dedicated", "value": "l4", "effect": "NoSchedule"}),
            6 => json!({"key": "google.com/tpu", "operator": "Exists", "effect": "NoSchedule"}),
            _ => json!({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}),
        });
        spec.insert("tolerations".to_owned(), tolerations.collect());
    }
    if draw.percent(15) {
        let constraint = json!({"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"app": "x"}}});
        spec.insert("topologySpreadConstraints".to_owned(), if draw.percent(15) { json!([]) } else { json!([constraint]) });
    }
}

fn container(draw: &mut Draw, wish: Wish, name: &str, asks: bool, claims: &[&str], stays: bool) -> Value {
    let mut one = Map::new();
    one.insert("name".to_owned(), json!(name));
    if wish.checked || draw.percent(93) {
        one.insert("image".to_owned(), json!(draw.one(&IMAGES)));
    }
    let (mut requests, mut limits) = (Map::new(), Map::new());
    if draw.percent(75) {
        requests.insert("cpu".to_owned(), json!(draw.one(&["500m", "2", "8", "24", "96", "1500m"])));
    }
    if draw.percent(75) {
        let memory = draw.one(&["512Mi", "8Gi", "64Gi", "256Gi", "1Ti", "3G"]);
        requests.insert("memory".to_owned(), json!(memory));
        if draw.percent(75) {
            limits.insert("memory".to_owned(), json!(if draw.percent(80) { memory } else { "2Ti" }));
        }
    }
    if draw.percent(15) {
        limits.insert("cpu".to_owned(), json!("128"));
    }
    if asks {
        for _ in 0..=usize::from(draw.percent(6)) {
            devices(draw, wish, &mut requests, &mut limits);
        }
    }
    let mut resources = json!({"requests": requests, "limits": limits});
    if !claims.is_empty() && draw.percent(70) {
        resources["claims"] = claims.iter().map(|name| json!({"name": name})).collect();
    }
    one.insert("resources".to_owned(), resources);
    if stays && draw.percent(if wish.ends { 6 } else { 50 }) {
        probes(draw, &mut one);
    }
    Value::Object(one)
}

/// Devices that the API server takes; of kinds that it does not look into, sometimes others.
fn devices(draw: &mut Draw, wish: Wish, requests: &mut Map<String, Value>, limits: &mut Map<String, Value>) {
    let resource = draw.one(&DEVICES).to_owned();
    let odd = draw.percent(if wish.checked { 2 } else { 20 });
    if odd {
        let value = match draw.below(7) {
            0 => json!(0.5),
            1 => json!("500m"),
            2 => json!("many"),
            3 => json!(0),
            4 => json!("1000m"),
            5 => json!("2k"),
            _ => json!("1"),
        };
        match draw.below(4) {
            0 => drop(requests.insert(resource, value)),
            1 => {
                requests.insert(resource.clone(), json!(1));
                limits.insert(resource, value);
            }
            _ => drop(limits.insert(resource, value)),
        }
        return;
    }
    let value = json!(draw.one(&[1, 1, 1, 1, 2, 2, 4, 8, 9, 16]));
    if draw.percent(25) {
        requests.insert(resource.clone(), value.clone());
    }
    limits.insert(resource, value);
}

fn probes(draw: &mut Draw, one: &mut Map<String, Value>) {
    let probe = |draw: &mut Draw| {
        let mut probe = json!({"tcpSocket": {"port": 8000}});
        if draw.percent(70) {
            probe["failureThreshold"] = json!(draw.one(&[3, 30, 60, 120, 400]));
        }
        if draw.percent(40) {
            probe["periodSeconds"] = json!(draw.one(&[1, 5, 10, 30]));
        }
        if draw.percent(20) {
            probe["initialDelaySeconds"] = json!(draw.one(&[0, 30, 600]));
        }
        probe
    };
    if draw.percent(80) {
        one.insert("readinessProbe".to_owned(), probe(draw));
    }
    if draw.percent(70) {
        one.insert("startupProbe".to_owned(), probe(draw));
    }
    if draw.percent(30) {
        one.insert("livenessProbe".to_owned(), probe(draw));
    }
    if draw.percent(50) {
        one.insert("ports".to_owned(), json!([{"containerPort": 8000}]));
    }
}
