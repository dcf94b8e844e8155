//! Two replicas behind a balancer, under load, while rules, certificates, the Lease and a clock change: no pod is refused that the rules allow, none
//! is let in that a rule at enforce refuses. How long nobody answered is printed. (Replicas and API servers that end and die:
//! `tests/guardrails/faults.rs`.)

use crate::{
    replica::{Clock, Replica},
    webhook::define,
};
use anyhow::{Context as _, ensure};
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Pod, Secret},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use plimsoll_operate::certificate::{Life, Made};
use plimsoll_testkit::{Cluster, cluster::Options, ports};
use serde_json::json;
use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

const RULES: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: load}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: load}
spec: {namespaces: {names: [load]}, rules: [{name: gpus-per-pod, mode: enforce, parameters: {most: 2}}]}
";

/// What the two ask for: one that the rules always allow, one that they never do.
const GOOD: u64 = 1;
const BAD: u64 = 5;

/// Sends connections to replicas that are ready, in turn, as a Service does.
struct Balancer {
    port: u16,
    replicas: Arc<Mutex<Vec<(u16, u16)>>>,
    _tasks: JoinSet<()>,
}

impl Balancer {
    async fn start() -> anyhow::Result<Self> {
        let port = ports::take()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number)).await?;
        let replicas: Arc<Mutex<Vec<(u16, u16)>>> = Arc::default();
        let ready: Arc<Mutex<Vec<u16>>> = Arc::default();
        let mut tasks = JoinSet::new();
        let number = port.number;
        tasks.spawn({
            let (replicas, ready) = (replicas.clone(), ready.clone());
            async move {
                let _port = port;
                loop {
                    let all = replicas.lock().unwrap().clone();
                    let mut found = Vec::new();
                    for (listen, metrics) in all {
                        let answer = reqwest::get(format!("http://127.0.0.1:{metrics}/readyz")).await;
                        found.extend(answer.is_ok_and(|answer| answer.status().is_success()).then_some(listen));
                    }
                    *ready.lock().unwrap() = found;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        });
        tasks.spawn(async move {
            let next = AtomicUsize::new(0);
            while let Ok((mut from, _)) = listener.accept().await {
                let ready = ready.lock().unwrap().clone();
                let Some(&to) = ready.get(next.fetch_add(1, Ordering::Relaxed) % ready.len().max(1)) else { continue };
                tokio::spawn(async move {
                    if let Ok(mut to) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await {
                        drop(copy_bidirectional(&mut from, &mut to).await);
                    }
                });
            }
        });
        Ok(Self { port: number, replicas, _tasks: tasks })
    }

    fn set(&self, replicas: &[&Replica]) {
        *self.replicas.lock().unwrap() = replicas.iter().map(|replica| replica.ports()).collect();
    }
}

/// What has come of the tries of a stretch of time.
#[derive(Debug, Default)]
struct Seen {
    good_in: u64,
    good_refused: Vec<String>,
    bad_in: u64,
    bad_refused: u64,
    unanswered: Vec<String>,
    /// The longest time without an answer.
    silence: Duration,
}

/// Pods that are tried all the time.
struct Load {
    seen: Arc<Mutex<(Seen, Instant)>>,
    stop: Arc<AtomicBool>,
    workers: JoinSet<()>,
}

impl Load {
    fn start(cluster: &Cluster) -> Self {
        let (seen, stop) = (Arc::new(Mutex::new((Seen::default(), Instant::now()))), Arc::new(AtomicBool::new(false)));
        let mut workers = JoinSet::new();
        for gpus in [GOOD, BAD, GOOD, BAD] {
            let (pods, seen, stop) = (Api::<Pod>::namespaced(cluster.client(), "load"), seen.clone(), stop.clone());
            workers.spawn(async move {
                let pod: Pod = serde_json::from_value(json!({ "metadata": { "name": "try" }, "spec": { "containers": [{ "name": "main",
                    "image": "a:v1", "resources": { "limits": { "nvidia.com/gpu": gpus } } }] } }))
                .unwrap();
                let dry = PostParams { dry_run: true, ..PostParams::default() };
                while !stop.load(Ordering::Relaxed) {
                    let tried = tokio::time::timeout(Duration::from_secs(30), pods.create(&dry, &pod)).await;
                    seen.lock().unwrap().count(gpus, tried);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
        }
        Self { seen, stop, workers }
    }

    /// What has been seen since the last time, told and judged.
    fn judged(&self, what: &str) -> anyhow::Result<Seen> {
        let mut now = self.seen.lock().unwrap();
        now.0.silence = now.0.silence.max(now.1.elapsed());
        let seen = std::mem::take(&mut now.0);
        drop(now);
        println!(
            "{what}: {} let in, {} refused, {} without an answer; longest silence {:.2} s",
            seen.good_in,
            seen.bad_refused,
            seen.unanswered.len(),
            seen.silence.as_secs_f64()
        );
        ensure!(seen.good_refused.is_empty(), "{what}: refused, though the rules allow it: {:?}", seen.good_refused.first());
        ensure!(seen.bad_in == 0, "{what}: {} were let in that the rules refuse", seen.bad_in);
        Ok(seen)
    }

    async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while self.workers.join_next().await.is_some() {}
    }
}

trait Count {
    fn count(&mut self, gpus: u64, tried: Result<Result<Pod, kube::Error>, tokio::time::error::Elapsed>);
}

impl Count for (Seen, Instant) {
    fn count(&mut self, gpus: u64, tried: Result<Result<Pod, kube::Error>, tokio::time::error::Elapsed>) {
        let seen = &mut self.0;
        match (gpus, tried) {
            (GOOD, Ok(Ok(_))) => seen.good_in += 1,
            (_, Ok(Ok(_))) => seen.bad_in += 1,
            (BAD, Ok(Err(kube::Error::Api(status)))) if status.message.contains("denied the request") => seen.bad_refused += 1,
            (_, Ok(Err(kube::Error::Api(status)))) if status.message.contains("denied the request") => {
                seen.good_refused.push(status.message.clone());
            }
            (_, other) => {
                seen.unanswered.push(
                    other.map_or_else(|_| "too late".to_owned(), |other| other.map_or_else(|error| error.to_string(), |_| String::new())),
                );
                return;
            }
        }
        seen.silence = seen.silence.max(self.1.elapsed());
        self.1 = Instant::now();
    }
}

async fn pause(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_under_load_let_nothing_wrong_through() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    define(&cluster).await?;
    cluster.apply_yaml(RULES).await?;
    let balancer = Balancer::start().await?;
    let port = Some(balancer.port);
    let arguments = ["--register", "--failure-policy", "fail", "--certificate-life", "60s"];
    let first = Replica::behind(&cluster, "a", port, &arguments).await?;
    balancer.set(&[&first]);
    first.asked(&cluster).await?;
    let second = Replica::behind(&cluster, "b", port, &arguments[3..]).await?;
    balancer.set(&[&first, &second]);
    let load = Load::start(&cluster);
    pause(3).await;
    let calm = load.judged("nothing wrong")?;
    ensure!(calm.good_in > 0 && calm.bad_refused > 0 && calm.unanswered.is_empty(), "{:?}", calm.unanswered.first());

    rules_change(&cluster, &load).await?;
    certificate_is_renewed(&cluster, &first, &load).await?;
    lease_is_lost(&cluster, &load).await?;

    certificate_has_ended(&cluster, &load).await?;

    load.end().await;
    first.stop().await?;
    second.stop().await
}

/// The clock of the replica that leads jumps. By an hour nobody notices. By a hundred days it believes that its certificate has ended, and
/// makes one that nobody else takes to have begun: what it then asks the API server to trust must not outlast its error.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_lets_nothing_wrong_through() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    let Some(clock) = Clock::new(cluster.folder())? else { return Ok(()) };
    define(&cluster).await?;
    cluster.apply_yaml(RULES).await?;
    let balancer = Balancer::start().await?;
    let port = Some(balancer.port);
    let first = Replica::with_clock(&cluster, "a", port, &["--register", "--failure-policy", "fail"], Some(&clock)).await?;
    balancer.set(&[&first]);
    first.asked(&cluster).await?;
    let second = Replica::behind(&cluster, "b", port, &[]).await?;
    balancer.set(&[&first, &second]);
    let load = Load::start(&cluster);
    for (offset, what) in [("+1h", "a clock an hour ahead"), ("-30m", "half an hour behind"), ("+0", "right again")] {
        clock.jump(offset)?;
        pause(4).await;
        let seen = load.judged(what)?;
        ensure!(seen.good_in > 0 && seen.bad_refused > 0 && seen.unanswered.is_empty(), "{what}: {:?}", seen.unanswered.first());
    }
    let mut shown = ends(&first).await?;
    for (offset, what) in [("+100d", "a clock a hundred days ahead"), ("-1d", "a clock a day behind")] {
        clock.jump(offset)?;
        cluster.wait_for("a certificate by that clock", async || Ok((ends(&first).await? != shown).then_some(()))).await?;
        shown = ends(&first).await?;
        pause(4).await;
        load.judged(what)?;
        clock.jump("+0")?;
        pause(12).await;
        load.judged(&format!("{what}, and right again"))?;
        println!("{shown}; then {}", ends(&first).await?);
        shown = ends(&first).await?;
        pause(4).await;
        let well = load.judged("a while later")?;
        ensure!(well.good_in > 0 && well.bad_refused > 0 && well.unanswered.is_empty(), "{what}: {:?}", well.unanswered.first());
    }
    load.end().await;
    first.stop().await?;
    second.stop().await
}

/// The limit goes to and fro; what is under or over it either way is never mistaken.
async fn rules_change(cluster: &Cluster, load: &Load) -> anyhow::Result<()> {
    for at in 0..20 {
        cluster.apply_yaml(&RULES.replace("most: 2", if at % 2 == 0 { "most: 4" } else { "most: 2" })).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let changed = load.judged("rules changed 20 times")?;
    ensure!(changed.unanswered.is_empty(), "{:?}", changed.unanswered.first());
    Ok(())
}

async fn ends(replica: &Replica) -> anyhow::Result<String> {
    let page = replica.get("/metrics").await?;
    let line = page.lines().find(|line| line.starts_with("plimsoll_webhook_certificate_end_time_seconds ")).context("the metric")?;
    Ok(line.to_owned())
}

/// Certificates of a minute: a new one is made while the old one still holds.
async fn certificate_is_renewed(cluster: &Cluster, replica: &Replica, load: &Load) -> anyhow::Result<()> {
    let before = ends(replica).await?;
    cluster.wait_for("a new certificate", async || Ok((ends(replica).await? != before).then_some(()))).await?;
    pause(2).await;
    let renewed = load.judged("the certificate renewed")?;
    ensure!(renewed.unanswered.is_empty(), "{:?}", renewed.unanswered.first());
    Ok(())
}

/// Somebody deletes the Lease, and another holds it for a while: reviews do not need it.
async fn lease_is_lost(cluster: &Cluster, load: &Load) -> anyhow::Result<()> {
    let leases: Api<Lease> = Api::namespaced(cluster.client(), crate::replica::NAMESPACE);
    leases.delete("plimsoll-webhook", &DeleteParams::default()).await?;
    pause(1).await;
    let stranger = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "plimsoll-webhook" },
        "spec": { "holderIdentity": "stranger", "leaseDurationSeconds": 15 } });
    leases.patch("plimsoll-webhook", &PatchParams::apply("stranger").force(), &Patch::Apply(stranger)).await?;
    pause(4).await;
    let lost = load.judged("the Lease lost")?;
    ensure!(lost.unanswered.is_empty(), "{:?}", lost.unanswered.first());
    cluster
        .wait_for("a replica to take the Lease over", async || {
            let holder = leases.get("plimsoll-webhook").await?.spec.and_then(|spec| spec.holder_identity);
            Ok(holder.filter(|holder| holder != "stranger").map(drop))
        })
        .await
}

/// A certificate that ended an hour ago stands in the Secret: nobody answers until the leader has made another, and then all do.
async fn certificate_has_ended(cluster: &Cluster, load: &Load) -> anyhow::Result<()> {
    let secrets: Api<Secret> = Api::namespaced(cluster.client(), crate::replica::NAMESPACE);
    let life = Life { authority: Duration::from_secs(1_800), leaf: Duration::from_secs(1_800) };
    let ended = Made::new(&["127.0.0.1".to_owned()], jiff::Timestamp::now().as_second() - 5_400, life)?;
    let data = json!({ "stringData": { "ca.crt": ended.bundle, "ca.key": ended.authority_key, "tls.crt": ended.certificate, "tls.key": ended.key } });
    secrets.patch("plimsoll-webhook-tls", &PatchParams::default(), &Patch::Merge(data)).await?;
    let written = secrets.get("plimsoll-webhook-tls").await?.data;
    cluster
        .wait_for("a certificate that holds", async || Ok((secrets.get("plimsoll-webhook-tls").await?.data != written).then_some(())))
        .await?;
    pause(8).await;
    load.judged("an ended certificate put in its place")?;
    pause(2).await;
    let mended = load.judged("once it was made anew")?;
    ensure!(mended.good_in > 0 && mended.bad_refused > 0 && mended.unanswered.is_empty(), "{:?}", mended.unanswered.first());
    Ok(())
}
