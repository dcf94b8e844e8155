//! Without Prometheus: reads the DCGM exporters, and the engines that can be found, through the API server for a while.
//!
//! Each round's bodies are one moment. DCGM measures every 30 s, so a shorter interval reads the same sample again: it
//! makes more samples of the same time, never more time.

use crate::{
    Progress, Step,
    dcgm::{
        accumulate::{Accumulator, Point, Reading},
        exposition::{self, Line},
        labels::Convention,
        names::{self, Unit},
    },
    engines::Engines,
};
use futures::{AsyncReadExt, StreamExt};
use k8s_openapi::api::core::v1::Pod as ApiPod;
use kube::{Api, Client, api::ListParams};
use plimsoll_fleet::{
    Fleet, NodeId, Pod, PodId, Seconds, Shape, Timestamp, Unseen, UnseenKind, Window, evidence::MetricsSource, pod::Phase,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Bodies read at once.
const CONCURRENCY: usize = 32;
/// One body of a node with 16 GPUs in 7 slices each is some 3 MB.
const BODY_MAX: usize = 16 << 20;
/// One body takes at most this long; the API server gives up on a proxied request later than that.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);
/// More pods are not read.
const TARGETS_MAX: usize = 20_000;
/// The exporter's default port.
const EXPORTER_PORT: u16 = 9_400;
/// A shorter interval than this only loads the API server.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// Pods of one page.
const PAGE: u32 = 500;

/// The exporters could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ScrapeError {
    /// No pod of the fleet is a DCGM exporter.
    #[error(
        "no DCGM exporter pod was found (labels app=nvidia-dcgm-exporter, app.kubernetes.io/name=dcgm-exporter): install the GPU operator or dcgm-exporter"
    )]
    NoExporters,
    /// None of the exporters answered.
    #[error("none of the {exporters} DCGM exporter pods could be read through the API server (the first: {first}): allow `get pods/proxy`")]
    NothingRead {
        /// How many there are.
        exporters: usize,
        /// The pod and why it could not be read.
        first: String,
    },
    /// The clock stands before 1970.
    #[error("this machine's clock stands before 1970: set it")]
    Clock,
}

/// What a pod is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// The GPUs of its node.
    Exporter(NodeId),
    /// An inference engine.
    Engine,
}

/// A pod to be read.
#[derive(Debug, Clone)]
struct Target {
    pod: PodId,
    what: What,
    /// `namespace/name`.
    name: String,
    /// The proxy's path.
    path: String,
}

/// Reads all exporters every `interval` for `duration` and fills the evidence of `fleet`.
///
/// # Errors
/// There is no exporter, or none can be read. Exporters that fail in part are an [`Unseen`] that names their node.
pub async fn scrape(
    client: Client,
    fleet: &mut Fleet,
    duration: Duration,
    interval: Duration,
    progress: &Progress<'_>,
) -> Result<(), ScrapeError> {
    let interval = interval.max(INTERVAL_MIN);
    let targets = targets(&client, fleet).await;
    let exporters = targets.iter().filter(|target| target.what != What::Engine).count();
    if exporters == 0 {
        return Err(ScrapeError::NoExporters);
    }
    let rounds = (duration.as_secs_f64() / interval.as_secs_f64()).floor().max(0.0) as u64 + 1;
    let begun = Instant::now();
    let start = now()?;
    let window = Window { start, end: start.plus(Seconds(duration.as_secs() + interval.as_secs() + 60)) };
    let mut accumulator = Accumulator::new(fleet);
    let mut engines = Engines::new(window);
    let mut percent: BTreeSet<NodeId> = BTreeSet::new();
    let mut failures: BTreeMap<usize, (u64, String)> = BTreeMap::new();
    for round in 0..rounds {
        tokio::time::sleep_until((begun + interval * u32::try_from(round).unwrap_or(u32::MAX)).into()).await;
        // One moment for all bodies of a round: that is what makes it one sample of the fleet.
        let at = now()?.0;
        let client = &client;
        let mut bodies = futures::stream::iter(targets.iter().enumerate())
            .map(|(index, target)| async move { (index, body(client, &target.path).await) })
            .buffered(CONCURRENCY);
        while let Some((index, read)) = bodies.next().await {
            let target = &targets[index];
            match read {
                Err(why) => failures.entry(index).or_insert((0, why)).0 += 1,
                Ok(body) => match target.what {
                    What::Exporter(node) => take_exporter(&mut accumulator, &body, node, at, window, &mut percent),
                    What::Engine => {
                        exposition::read(&body, |line| {
                            if let Line::Sample { name, labels, value } = line {
                                engines.take(name, &labels, &[Point { at, value }], window, Some(target.pod), accumulator.directory());
                            }
                        });
                    }
                },
            }
        }
        drop(bodies);
        accumulator.settle();
        engines.settle(accumulator.directory());
        progress(Step { stage: "rounds of the DCGM exporters", done: round + 1, total: Some(rounds) });
    }
    let dead = failures.iter().filter(|(index, (count, _))| *count == rounds && targets[**index].what != What::Engine).count();
    if dead == exporters {
        let first = failures.iter().find(|(index, _)| targets[**index].what != What::Engine);
        let first = first.map_or(String::new(), |(index, (_, why))| format!("{}: {why}", targets[*index].name));
        return Err(ScrapeError::NothingRead { exporters, first });
    }
    let (usage, dropped) = engines.finish(accumulator.directory());
    accumulator.drop_more(dropped);
    accumulator.finish(fleet);
    fleet.evidence.engines = usage;
    fleet.evidence.source = MetricsSource::Scrape;
    fleet.evidence.step = Seconds(interval.as_secs());
    for query in plimsoll_fleet::Metric::ALL {
        if fleet.evidence.devices.iter().any(|usage| usage.metrics.get(query).is_some()) {
            fleet.evidence.queries.insert(query, format!("GET /metrics of {exporters} exporters, {rounds} times").into());
        }
    }
    tell(fleet, &targets, &failures, rounds, &percent, duration);
    Ok(())
}

fn now() -> Result<Timestamp, ScrapeError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| ScrapeError::Clock)?;
    Ok(Timestamp(since.as_secs() as i64))
}

/// Feeds the body of a node's exporter. `percent` holds the nodes whose `GPU_UTIL_RATIO` was seen above 1.
fn take_exporter(accumulator: &mut Accumulator, body: &[u8], node: NodeId, at: i64, bounds: Window, percent: &mut BTreeSet<NodeId>) {
    let (mut helps, mut there) = (Vec::new(), BTreeSet::new());
    let mut exceeds = false;
    exposition::read(body, |line| match line {
        Line::Help { name: names::AMBIGUOUS, text } => helps.push(text),
        Line::Sample { name, value, .. } => {
            there.insert(name);
            exceeds |= name == names::AMBIGUOUS && value > 1.0 && value <= 100.0;
        }
        Line::Help { .. } => {}
    });
    let (unit, _) = names::decide_ratio(helps, there);
    if unit != Unit::Percent && exceeds && percent.insert(node) {
        // What was read of it as a ratio before was wrong.
        accumulator.forget_gpu_util(node);
    }
    let ratio = if percent.contains(&node) || unit == Unit::Percent { Unit::Percent } else { Unit::Base };
    let reading = Reading { node: Some(node), convention: Convention::Honoured, ratio, bounds };
    exposition::read(body, |line| {
        if let Line::Sample { name, labels, value } = line {
            let point = Point { at, value };
            accumulator.take(name, &labels, &[point], &reading);
            accumulator.take_memory(name, &labels, point, &reading);
        }
    });
}

async fn body(client: &Client, path: &str) -> Result<Vec<u8>, String> {
    let read = async {
        let request = http::Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
        let stream = client.request_stream(request).await.map_err(|error| match error {
            kube::Error::Api(status) => format!("status {}: {}", status.code, status.message),
            other => other.to_string(),
        })?;
        let mut body = Vec::new();
        let mut limited = std::pin::pin!(stream.take(BODY_MAX as u64 + 1));
        limited.read_to_end(&mut body).await.map_err(|error| error.to_string())?;
        if body.len() > BODY_MAX { Err(format!("its body is larger than {BODY_MAX} bytes")) } else { Ok(body) }
    };
    tokio::time::timeout(BODY_TIMEOUT, read).await.unwrap_or_else(|_| Err(format!("no answer within {} s", BODY_TIMEOUT.as_secs())))
}

/// Is it a DCGM exporter?
fn is_exporter(shape: &Shape) -> bool {
    let label = |key: &str| shape.labels.get(key).map(|value| &**value);
    matches!(label("app"), Some("nvidia-dcgm-exporter" | "dcgm-exporter"))
        || label("app.kubernetes.io/name") == Some("dcgm-exporter")
        || shape.containers.iter().any(|container| container.image.contains("dcgm-exporter"))
}

/// The port on which an engine of this image reports, where nothing else says.
fn engine_port(shape: &Shape) -> Option<u16> {
    // Ports: the engines' defaults (facts of the field; TGI serves its metrics where it serves).
    const PORTS: [(&str, u16); 6] = [
        ("vllm", 8_000),
        ("sglang", 30_000),
        ("tritonserver", 8_002),
        ("tensorrt-llm", 8_000),
        ("trtllm", 8_000),
        ("text-generation-inference", 80),
    ];
    let image_has = |part: &str| shape.containers.iter().any(|container| container.image.contains(part));
    PORTS.iter().find(|(part, _)| image_has(part)).map(|(_, port)| *port)
}

/// What a pod of the API says about where its metrics are.
#[derive(Debug, Default)]
struct Told {
    port: Option<u16>,
    path: Option<String>,
}

fn told(pod: &ApiPod, is_exporter: bool) -> Told {
    let annotation = |key: &str| pod.metadata.annotations.as_ref().and_then(|annotations| annotations.get(key));
    let containers = || pod.spec.iter().flat_map(|spec| &spec.containers);
    let ports: Vec<_> = containers().flat_map(|container| container.ports.iter().flatten()).collect();
    let named = ports.iter().find(|port| port.name.as_deref() == Some("metrics"));
    let usual = ports.iter().find(|port| is_exporter && port.container_port == i32::from(EXPORTER_PORT));
    let by_port = named.or(usual).and_then(|port| u16::try_from(port.container_port).ok());
    let by_annotation = annotation("prometheus.io/port").and_then(|port| port.parse().ok());
    let path = annotation("prometheus.io/path").filter(|path| {
        // It becomes a part of our own request: nothing but a plain path.
        path.starts_with('/') && !path.contains("..") && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte))
    });
    // An exporter's declared port is surer than an annotation; an engine's declared ports are mostly those it serves on.
    let port = if is_exporter { by_port.or(by_annotation) } else { by_annotation.or(by_port) };
    Told { port, path: path.cloned() }
}

/// The pods to read: exporters first. Ports are looked up in the namespaces that hold such pods; where that is not
/// allowed, the defaults are tried.
async fn targets(client: &Client, fleet: &Fleet) -> Vec<Target> {
    let mut wanted: Vec<(PodId, &Pod, What, u16)> = Vec::new();
    for (id, pod) in fleet.pods() {
        let shape = fleet.shape(pod);
        let Some(node) = pod.node.filter(|_| pod.phase == Phase::Running) else { continue };
        if is_exporter(shape) {
            wanted.push((id, pod, What::Exporter(node), EXPORTER_PORT));
        } else if let Some(port) = engine_port(shape).filter(|_| shape.wants_gpus()) {
            wanted.push((id, pod, What::Engine, port));
        }
    }
    wanted.sort_by_key(|(_, pod, what, _)| (*what == What::Engine, pod.namespace.clone(), pod.name.clone()));
    wanted.truncate(TARGETS_MAX);
    let namespaces: BTreeSet<&str> = wanted.iter().map(|(_, pod, ..)| &*pod.namespace).collect();
    let names: BTreeMap<(&str, &str), bool> =
        wanted.iter().map(|(_, pod, what, _)| ((&*pod.namespace, &*pod.name), *what != What::Engine)).collect();
    let mut told_by: BTreeMap<(String, String), Told> = BTreeMap::new();
    for namespace in namespaces {
        let mut page = ListParams::default().limit(PAGE);
        while let Ok(list) = Api::<ApiPod>::namespaced(client.clone(), namespace).list(&page).await {
            for pod in &list.items {
                let name = pod.metadata.name.as_deref().unwrap_or("");
                if let Some(is_exporter) = names.get(&(namespace, name)) {
                    told_by.insert((namespace.to_owned(), name.to_owned()), told(pod, *is_exporter));
                }
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => break,
            }
        }
    }
    let target = |(pod_id, pod, what, default): (PodId, &Pod, What, u16)| {
        let told = told_by.remove(&(pod.namespace.to_string(), pod.name.to_string())).unwrap_or_default();
        let port = told.port.unwrap_or(default);
        let tail = told.path.unwrap_or_else(|| "/metrics".to_owned());
        let path = format!("/api/v1/namespaces/{}/pods/{}:{port}/proxy{tail}", pod.namespace, pod.name);
        Target { pod: pod_id, what, name: format!("{}/{}", pod.namespace, pod.name), path }
    };
    wanted.into_iter().map(target).collect()
}

fn tell(
    fleet: &mut Fleet,
    targets: &[Target],
    failures: &BTreeMap<usize, (u64, String)>,
    rounds: u64,
    percent: &BTreeSet<NodeId>,
    duration: Duration,
) {
    let mut unseen = Vec::new();
    for (index, (count, why)) in failures {
        let target = &targets[*index];
        let subject = match target.what {
            What::Exporter(node) => format!("node {}", fleet.nodes[node.index()].name),
            What::Engine => format!("pod {}", target.name),
        };
        let why = format!("{} did not answer in {count} of {rounds} rounds: {}", target.name, why.chars().take(200).collect::<String>());
        let remedy = match target.what {
            What::Exporter(_) => "look at the exporter pod's log and state, and allow `get pods/proxy`",
            What::Engine => "annotate the pod with prometheus.io/port if its metrics are elsewhere",
        };
        unseen.push(Unseen { kind: UnseenKind::Partial, subject: subject.into(), why: why.into(), remedy: remedy.into() });
    }
    if !percent.is_empty() {
        unseen.push(Unseen {
            kind: UnseenKind::NotUnderstood,
            subject: names::AMBIGUOUS.into(),
            why: format!("its values exceed 1 on {} nodes although it is called a ratio: there it was read as a percentage", percent.len())
                .into(),
            remedy: "upgrade the exporter to 4.9 (DCGM 4.7), where it is a ratio".into(),
        });
    }
    let seconds = duration.as_secs_f64();
    let long = if seconds < 120.0 { format!("{seconds:.0} s") } else { format!("{:.0} minutes", seconds / 60.0) };
    unseen.push(Unseen {
        kind: UnseenKind::ShortEvidence,
        subject: "window".into(),
        why: format!("the exporters were read directly for {long}: nothing is known of nights, weekends and quiet hours").into(),
        remedy: "have Prometheus scrape the exporters for a week and name it with --prometheus URL".into(),
    });
    fleet.unseen.append(&mut unseen);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::{Router, extract::Request, http::StatusCode, response::IntoResponse};
    use plimsoll_fleet::{
        Metric, Node, ShapeId,
        node::Gpu,
        pod::{Ask, Container},
        resource::Vendor,
    };

    fn fleet() -> Fleet {
        let node = |name: &str| Node { name: name.into(), gpus: vec![Gpu::default()], vendor: Some(Vendor::Nvidia), ..Node::default() };
        let asks = vec![Ask { resource: "nvidia.com/gpu".into(), count: 1, dra: false }];
        let image = |image: &str| vec![Container { image: image.into(), ..Container::default() }];
        let exporter = Shape { labels: [("app".into(), "nvidia-dcgm-exporter".into())].into(), ..Shape::default() };
        let engine = Shape { asks, containers: image("vllm/vllm-openai:v0.11"), ..Shape::default() };
        let pod = |namespace: &str, name: &str, shape, node| Pod {
            namespace: namespace.into(),
            name: name.into(),
            shape: ShapeId(shape),
            node: Some(NodeId(node)),
            phase: Phase::Running,
            created: Some(Timestamp(0)),
            of_node: shape == 0,
            ..Pod::default()
        };
        let nodes = ["a", "b", "c"].map(node).to_vec();
        let pods = vec![pod("gpu", "e-a", 0, 0), pod("gpu", "e-b", 0, 1), pod("gpu", "e-c", 0, 2), pod("ml", "llm", 1, 0)];
        Fleet { nodes, shapes: vec![exporter, engine], pods, ..Fleet::default() }
    }

    /// An API server with three exporters (one dead, one that writes percent under the new name) and an engine.
    async fn answer(request: Request) -> axum::response::Response {
        assert_eq!(request.method(), "GET");
        let body = match request.uri().path() {
            "/api/v1/namespaces/gpu/pods" => {
                let pod = |name: &str| {
                    format!(
                        r#"{{"metadata":{{"name":"{name}"}},"spec":{{"containers":[{{"name":"e","ports":[{{"name":"metrics","containerPort":9401}}]}}]}}}}"#
                    )
                };
                format!(r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{}},"items":[{}]}}"#, ["e-a", "e-b", "e-c"].map(pod).join(","))
            }
            "/api/v1/namespaces/ml/pods" => {
                let pod = r#"{"metadata":{"name":"llm","annotations":{"prometheus.io/port":"9000","prometheus.io/path":"/../secrets"}},"spec":{"containers":[]}}"#;
                format!(r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{}},"items":[{pod}]}}"#)
            }
            "/api/v1/namespaces/gpu/pods/e-a:9401/proxy/metrics" => concat!(
                "A title\n# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).\n",
                "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"GPU-a\",Hostname=\"e-a\",container=\"c\",namespace=\"ml\",pod=\"llm\"} 80\n",
                "DCGM_FI_DEV_FB_USED{gpu=\"0\",UUID=\"GPU-a\",Hostname=\"e-a\",namespace=\"ml\",pod=\"llm\"} 1000\n",
                "DCGM_FI_DEV_FB_FREE{gpu=\"0\",UUID=\"GPU-a\",Hostname=\"e-a\",namespace=\"ml\",pod=\"llm\"} 39000\n",
                "DCGM_FI_DEV_FB_RESERVED{gpu=\"0\",UUID=\"GPU-a\",Hostname=\"e-a\",namespace=\"ml\",pod=\"llm\"} 960\n",
            )
            .to_owned(),
            "/api/v1/namespaces/gpu/pods/e-b:9401/proxy/metrics" => {
                "DCGM_FI_DEV_GPU_UTIL_RATIO{gpu=\"0\",UUID=\"GPU-b\",hostname=\"e-b\"} 50\n".to_owned()
            }
            "/api/v1/namespaces/ml/pods/llm:9000/proxy/metrics" => "vllm:num_requests_running{engine=\"0\"} 4\n".to_owned(),
            _ => return (StatusCode::SERVICE_UNAVAILABLE, "no endpoints").into_response(),
        };
        body.into_response()
    }

    async fn client(app: Router) -> Client {
        crate::install_crypto();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Client::try_from(kube::Config::new(format!("http://{address}").parse().unwrap())).unwrap()
    }

    #[tokio::test]
    async fn exporters_and_engines_are_read_through_the_api_server_and_the_dead_are_named() {
        let mut fleet = fleet();
        let client = client(Router::new().fallback(answer)).await;
        scrape(client, &mut fleet, Duration::from_secs(1), Duration::from_secs(1), &|_| {}).await.unwrap();
        fleet.check().unwrap();
        let util = |index: usize| fleet.evidence.devices[index].metrics.get(Metric::GpuUtil).unwrap();
        assert_eq!((fleet.evidence.devices.len(), util(0).count(), util(0).max(), util(1).max()), (2, 2, 0.8, 0.5));
        assert_eq!(fleet.nodes[0].gpu_memory, Some(plimsoll_fleet::Bytes::from_mib(40_960)));
        assert_eq!((fleet.evidence.pods.len(), fleet.evidence.pods[0].pod), (1, PodId(3)));
        assert_eq!(fleet.evidence.engines[0].running.as_ref().unwrap().max(), 4.0);
        assert!(fleet.unseen.iter().any(|unseen| unseen.kind == UnseenKind::Partial && &*unseen.subject == "node c"), "{:?}", fleet.unseen);
        assert!(fleet.unseen.iter().any(|unseen| unseen.kind == UnseenKind::ShortEvidence));
        assert_eq!(fleet.evidence.source, MetricsSource::Scrape);
    }

    #[tokio::test]
    async fn no_exporter_and_none_that_answers_are_told_apart() {
        let dead = client(Router::new().fallback(async || StatusCode::FORBIDDEN)).await;
        let brief = Duration::from_millis(10);
        let error = scrape(dead.clone(), &mut fleet(), brief, brief, &|_| {}).await.unwrap_err();
        assert!(matches!(error, ScrapeError::NothingRead { exporters: 3, .. }) && error.to_string().contains("pods/proxy"), "{error}");
        let mut bare = fleet();
        bare.pods.truncate(0);
        assert!(matches!(scrape(dead, &mut bare, brief, brief, &|_| {}).await, Err(ScrapeError::NoExporters)));
    }
}
