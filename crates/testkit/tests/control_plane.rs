//! Everything of the testkit at work, once: what no audit on it could tell apart from a mistake of its own.
#![allow(clippy::unwrap_used)]

use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{self as api, Pod};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use plimsoll_fleet::{
    Bytes, Fleet, MilliCpu, Node, Seconds, Shape, ShapeId, Workload, WorkloadId,
    evidence::Dialect,
    node::Offer,
    pod::{Ask, Exit, Phase, Toleration},
    workload::{Autoscaler, RawQuantity},
};
use plimsoll_testkit::{
    Cluster, Prometheus,
    cluster::Options,
    exporter::{
        Load, Served, Wave,
        dcgm::{Dcgm, devices},
        kube_state,
        vllm::Vllm,
    },
    netns,
    plant::{
        dcgm_exporter,
        fleet::{plant, settled},
        nodes::{self, node},
    },
    prometheus::{self, Target},
};
use serde_json::{Value, json};
use std::net::SocketAddrV4;

/// The example Deployment of every GPU tutorial.
const TUTORIAL: &str = "
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
---
apiVersion: v1
kind: Namespace
metadata: {name: tutorial}
";

fn gpu_shape(app: &str, resource: &str) -> Shape {
    Shape {
        labels: [("app".into(), app.into())].into(),
        cpu: MilliCpu(1000),
        memory: Bytes::from_mib(1024),
        asks: vec![Ask { resource: resource.into(), count: 1, dra: false }],
        tolerations: vec![Toleration { key: Some("nvidia.com/gpu".into()), value: None, effect: None }],
        ..Shape::default()
    }
}

/// Four GPU nodes (whole, MIG, whole, DRA), a Deployment with an autoscaler, one that crashes, a RayCluster with a pod of its own
/// and a fraction that no API has checked, a pod with a claim.
fn planted() -> Fleet {
    let workload = |api: &str, kind: &str, name: &str, shape| Workload {
        api_version: api.into(),
        kind: kind.into(),
        namespace: "ml".into(),
        name: name.into(),
        replicas: Some(2),
        template: Some(ShapeId(shape)),
        ..Workload::default()
    };
    let mut tutorial = node("tutorial-1", "g5.12xlarge");
    tutorial.taints =
        vec![plimsoll_fleet::node::Taint { key: "gpu".into(), value: "true".into(), effect: plimsoll_fleet::node::Effect::NoSchedule }];
    tutorial.labels.insert("node-type".into(), "gpu".into());
    let raw = RawQuantity {
        path: "spec.workerGroupSpecs[0].template.spec.containers[0].resources.limits".into(),
        resource: "nvidia.com/gpu".into(),
        quantity: "0.5".into(),
    };
    let pod = plimsoll_fleet::Pod {
        name: "ray-worker-0".into(),
        namespace: "ml".into(),
        shape: ShapeId(1),
        workload: Some(WorkloadId(1)),
        phase: Phase::Running,
        ..plimsoll_fleet::Pod::default()
    };
    let crashing = plimsoll_fleet::Pod {
        name: "crash".into(),
        namespace: "ml".into(),
        shape: ShapeId(2),
        workload: Some(WorkloadId(2)),
        waiting: Some("CrashLoopBackOff".into()),
        restarts: 41,
        last_exit: Some(Exit { reason: "OOMKilled".into(), code: 137 }),
        ..plimsoll_fleet::Pod::default()
    };
    let mut claiming = gpu_shape("claiming", "gpu.nvidia.com");
    claiming.asks[0].dra = true;
    let granted =
        plimsoll_fleet::Pod { name: "claiming".into(), namespace: "ml".into(), shape: ShapeId(3), ..plimsoll_fleet::Pod::default() };
    Fleet {
        nodes: vec![
            node("a100-1", "p4d.24xlarge"),
            nodes::mig_mixed(node("mig-1", "a2-highgpu-1g"), &[("1g.5gb", 3), ("2g.10gb", 2)]),
            tutorial,
            Node {
                offers: vec![Offer { resource: "gpu.nvidia.com".into(), count: 1, capacity: 1, dra: true }],
                ..node("dra-1", "g6.xlarge")
            },
        ],
        shapes: vec![
            gpu_shape("llm", "nvidia.com/gpu"),
            gpu_shape("ray", "nvidia.com/mig-1g.5gb"),
            gpu_shape("crash", "nvidia.com/gpu"),
            claiming,
        ],
        workloads: vec![
            Workload {
                exposed: true,
                autoscaler: Some(Autoscaler {
                    kind: "HorizontalPodAutoscaler".into(),
                    name: "llm".into(),
                    min: 2,
                    max: 4,
                    metrics: vec!["cpu".into()],
                }),
                ..workload("apps/v1", "Deployment", "llm", 0)
            },
            Workload { raw: vec![raw], ..workload("ray.io/v1", "RayCluster", "ray", 1) },
            Workload { replicas: Some(1), ..workload("apps/v1", "Deployment", "crash", 2) },
        ],
        pods: vec![pod, crashing, granted],
        ..Fleet::default()
    }
}

#[tokio::test]
async fn a_fleet_is_planted_aged_scraped_and_recorded() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    assert_eq!(cluster.client().apiserver_version().await?.git_version, "v1.36.2");
    let fleet = planted();
    plant(&cluster, &fleet).await?;
    let mut tutorial = plimsoll_testkit::cluster::manifests(TUTORIAL)?;
    tutorial.reverse();
    cluster.apply(&tutorial).await?;
    cluster.apply(&dcgm_exporter()).await?;
    settled(&cluster).await?;

    // The pods run, on the nodes that have what they ask for.
    let pods: Api<Pod> = Api::all(cluster.client());
    let all = pods.list(&ListParams::default()).await?.items;
    let on = |node: &str, app: &str| {
        let is_on = |pod: &&Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(node);
        let is_of = |pod: &&Pod| pod.metadata.labels.as_ref().and_then(|labels| labels.get("app")).is_some_and(|label| label == app);
        let runs = |pod: &&Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
        all.iter().filter(is_on).filter(is_of).filter(runs).count()
    };
    assert_eq!((on("a100-1", "llm"), on("mig-1", "ray"), on("tutorial-1", "inference"), on("dra-1", "claiming")), (2, 1, 2, 1));
    assert_eq!(all.iter().filter(|pod| pod.metadata.namespace.as_deref() == Some("gpu-operator")).count(), 4);

    let crashed = all.iter().find(|pod| pod.metadata.name.as_ref().is_some_and(|name| name.starts_with("crash-")));
    let container = &crashed.and_then(|pod| pod.status.as_ref()?.container_statuses.as_ref()).context("the crashing pod has a status")?[0];
    assert_eq!(container.restart_count, 41);

    // Its times lie in the past, for whoever asks the API server.
    assert!(cluster.age("/registry/pods/", 14.0).await? >= 8);
    assert_eq!(cluster.age("/registry/minions/", 30.0).await?, 4);
    let now = Timestamp::now().as_second();
    let days = |seconds: i64| (now - seconds) as f64 / 86_400.0;
    for pod in pods.list(&ListParams::default()).await?.items {
        let status = pod.status.as_ref().context("a pod has a status")?;
        let started = status.start_time.as_ref().context("a running pod has started")?.0.as_second();
        assert!((days(started) - 14.0).abs() < 0.1, "{:?} started {} days ago", pod.metadata.name, days(started));
    }
    let nodes: Api<api::Node> = Api::all(cluster.client());
    let created = nodes.get("a100-1").await?.metadata.creation_timestamp.context("a node was created")?.0.as_second();
    assert!((days(created) - 30.0).abs() < 0.1);

    // Prometheus knows two days of it, and scrapes the present under the same labels.
    let load = |pod: &Pod, _: usize| match pod.metadata.namespace.as_deref() {
        Some("ml") => Load::training(0.8),
        _ => Load::idle(),
    };
    let mut served = Vec::new();
    let mut targets = Vec::new();
    for (node, dialect) in fleet.nodes.iter().zip([Dialect::Classic, Dialect::BaseUnits, Dialect::Classic]) {
        let page = Dcgm::new(&node.name, devices(node, &all, load), dialect).page();
        let exporter = Served::start(page.clone())?;
        targets.push(Target::dcgm(&exporter, &page, "gpu-operator", &format!("nvidia-dcgm-exporter-{}", node.name)));
        served.push(exporter);
    }
    let engine = Vllm {
        model: "llama".into(),
        running: Wave::Daily { low: 1.0, high: 9.0, peak_hour: 14.0 },
        waiting: Wave::ZERO,
        kv_used: Wave::Constant(0.3),
        block_tokens: 16,
        blocks: 20_000,
        requests_per_s: 2.0,
        preemptions_per_s: 0.0,
        first_token_s: 0.2,
        latency_s: 4.0,
        since: plimsoll_fleet::Timestamp(now - 14 * 86_400),
    }
    .page();
    let exporter = Served::start(engine.clone())?;
    targets.push(Target::pod(&exporter, &engine, "vllm", "ml", "llm-0", "main"));
    served.push(exporter);
    let state = kube_state::page(pods.list(&ListParams::default()).await?.items, Vec::new());
    let exporter = Served::start(state.clone())?;
    targets.push(Target::pod(&exporter, &state, "kube-state-metrics", "monitoring", "kube-state-metrics-0", "kube-state-metrics"));
    served.push(exporter);
    let options = prometheus::Options { history: Seconds(2 * 86_400), scrape: Seconds(1), ..prometheus::Options::default() };
    let Some(prometheus) = Prometheus::start(options, &targets).await? else { return Ok(()) };
    let busy = query(&prometheus, "count(avg_over_time(DCGM_FI_DEV_GPU_UTIL{exported_pod=~\"llm-.*\"}[2d] offset 1m) == 80)").await?;
    assert_eq!(busy, Some(2.0), "the two GPUs of the Deployment");
    let asked = query(&prometheus, "sum(kube_pod_container_resource_requests{resource=\"nvidia_com_gpu\"} offset 1d)").await?;
    assert_eq!(asked, Some(5.0), "two of the LLM, one that crashes, two of the tutorial");
    // The whole past and the present are one series: nothing but its labels tells them apart.
    let long = "count(DCGM_FI_DEV_GPU_UTIL{exported_pod=~\"llm-.*\"} and (DCGM_FI_DEV_GPU_UTIL offset 1d))";
    cluster.wait_for("the first scrape", async || Ok(query(&prometheus, long).await?.filter(|count| *count == 2.0))).await?;
    let used =
        query(&prometheus, "max(DCGM_FI_DEV_FB_USED_BYTES{GPU_I_PROFILE=\"1g.5gb\",exported_pod=\"ray-worker-0\"} offset 1h)").await?;
    assert_eq!(used, Some(4096.0 * f64::from(1 << 20)), "80 % of 5 GiB");
    let served_requests = query(&prometheus, "round(increase(vllm:request_success_total[1d] offset 1h) / 3600)").await?;
    assert_eq!(served_requests, Some(48.0), "two requests a second");

    // A user with few rights: what was allowed, what was refused, and both recorded.
    let reader = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules: [{apiGroups: [''], resources: [nodes], verbs: [get, list]}]
";
    let kubeconfig = cluster.user("reader", reader).await?;
    let kubectl =
        |arguments: &[&str]| std::process::Command::new(cluster.kubectl()).arg("--kubeconfig").arg(&kubeconfig).args(arguments).output();
    assert!(kubectl(&["get", "nodes"])?.status.success());
    assert!(!kubectl(&["get", "pods", "-A"])?.status.success());
    let asked: Vec<_> = cluster.audit_log()?.into_iter().filter(|event| event.user == "reader" && !event.resource.is_empty()).collect();
    assert!(asked.iter().any(|event| event.resource == "nodes" && event.verb == "list" && event.code == 200));
    assert!(asked.iter().any(|event| event.resource == "pods" && event.code == 403));
    assert!(asked.iter().all(plimsoll_testkit::cluster::AuditEvent::reads));
    assert!(cluster.audit_log()?.iter().any(|event| !event.reads() && event.resource == "nodes"), "what the test itself wrote");
    Ok(())
}

/// The value of an instant query that gives at most one.
async fn query(prometheus: &Prometheus, query: &str) -> anyhow::Result<Option<f64>> {
    let url = reqwest::Url::parse_with_params(&format!("{}/api/v1/query", prometheus.url()), [("query", query)])?;
    let answer: Value = reqwest::get(url).await?.json().await?;
    let text = answer["data"]["result"][0]["value"][1].as_str();
    anyhow::ensure!(answer["status"] == "success", "{answer}");
    Ok(text.map(str::parse).transpose()?)
}

/// The way of `--scrape`: the API server proxies to an exporter at the address of a pod.
#[tokio::test]
async fn the_api_server_proxies_to_a_pod() -> anyhow::Result<()> {
    if !netns::inside("the_api_server_proxies_to_a_pod").await? {
        return Ok(());
    }
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    let node = node("t4-1", "g4dn.xlarge");
    plant(&cluster, &Fleet { nodes: vec![node.clone()], ..Fleet::default() }).await?;
    cluster.apply(&dcgm_exporter()).await?;
    settled(&cluster).await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), "gpu-operator");
    let pod = pods.list(&ListParams::default()).await?.items.pop().context("the exporter's pod")?.metadata.name.unwrap();
    let _served = Served::start_at(
        Dcgm::new(&node.name, devices(&node, &[], |_, _| Load::idle()), Dialect::Classic).page(),
        SocketAddrV4::new(netns::ADDRESS, 9400),
    )?;
    let status = json!({"status": {"podIP": netns::ADDRESS, "podIPs": [{"ip": netns::ADDRESS}]}});
    pods.patch_status(&pod, &PatchParams::default(), &Patch::Merge(status)).await?;
    let path = format!("/api/v1/namespaces/gpu-operator/pods/{pod}:9400/proxy/metrics");
    let body = cluster.client().request_text(http::Request::get(path).body(Vec::new())?).await?;
    assert!(body.contains("DCGM_FI_DEV_GPU_UTIL{gpu=\"0\""), "{body}");
    Ok(())
}
