//! Rules on pods, and reviews over TLS: a server of one thread in a process of its own, and a client that keeps its connections, as
//! the API server does.

use crate::{Numbers, kib, load::Load};
use anyhow::Context as _;
use plimsoll_decide::guard::{self, Policy, Siblings, State, Submitted};
use plimsoll_fleet::Timestamp;
use plimsoll_observe::manifest;
use plimsoll_operate::{
    certificate::{Life, Made, Served},
    webhook::{Metrics, Recorder, World, serve_alone},
};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The word by which this program is the server: the folder with the certificate follows, and perhaps [`TELLS`].
pub const SERVER: &str = "--webhook-server";

/// The server tells of reviews what the program does: a line of each decision to the standard output, and one of each refusal to the log.
const TELLS: &str = "--tells";

/// Objects that are asked about, over and over.
const OBJECTS: usize = 1_000;

/// Reviews at once where the server is to be kept busy, as of an API server that many clients use.
const AT_ONCE: usize = 16;

/// Reviews a second where waits are measured: what is asked for.
const RATE: u32 = 5_000;

/// How often waits are measured: what else the machine does is in the one and not in the other.
const RUNS: usize = 3;

/// Connections that may be used there.
const CONNECTIONS: usize = 64;

/// Every built-in rule, refusing.
fn built_in() -> anyhow::Result<Policy> {
    policy_of(json!([]))
}

/// Those, and four of a user's own.
fn policy() -> anyhow::Result<Policy> {
    policy_of(json!([
        { "name": "own-registry", "mode": "enforce", "message": "an image is not from our registry",
          "expression": "pods.all(p, p.containers.all(c, c.image.startsWith('ghcr.io/acme/')))" },
        { "name": "few-gpus", "mode": "enforce", "message": "it asks for many GPUs", "expression": "devices <= 16 && class in ['online', 'batch']" },
        { "name": "an-app", "mode": "enforce", "message": "it has no label app", "expression": "has(object.metadata.labels) && 'app' in object.metadata.labels" },
        { "name": "memory", "mode": "enforce", "message": "a container asks for no memory",
          "expression": "containers.all(c, c.devices == 0 || 'memory' in c.requests)" }]))
}

fn policy_of(custom_rules: Value) -> anyhow::Result<Policy> {
    let guardrail = json!({ "apiVersion": "plimsoll.dev/v1alpha1", "kind": "Guardrail", "metadata": { "name": "all" }, "spec": {
        "mode": "enforce",
        "customRules": custom_rules,
        "exemptions": [{ "rules": ["*"], "namespace": "kube-*", "reason": "the cluster's own", "expires": "2099-01-01" }] } });
    let team = json!({ "apiVersion": "plimsoll.dev/v1alpha1", "kind": "Team", "metadata": { "name": "search" },
        "spec": { "namespaces": ["search*"], "models": ["NVIDIA-*"] } });
    let pool = json!({ "apiVersion": "plimsoll.dev/v1alpha1", "kind": "Pool", "metadata": { "name": "h100" },
        "spec": { "nodeLabels": { "pool": "h100" }, "gpusPerNode": 8, "cpusPerNode": 96.0, "memoryGiBPerNode": 1024.0 } });
    let read = [guardrail, team, pool].iter().map(|object| Ok(plimsoll_api::read(object)?)).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Policy::new(read.into_iter().flatten().collect())?)
}

/// An object as a cluster gets them: most of them pods and Deployments of some kilobytes, half of them good.
fn object(numbers: &mut Numbers) -> Value {
    let at = numbers.below(1_000_000);
    let is_good = numbers.below(2) == 0;
    let gpus = 1 + numbers.below(8);
    let env: Vec<Value> =
        (0..numbers.below(20)).map(|at| json!({ "name": format!("SETTING_{at}"), "value": "some value of some length" })).collect();
    let probe =
        |failures: u64| json!({ "httpGet": { "path": "/health", "port": 8000 }, "periodSeconds": 10, "failureThreshold": failures });
    let mut server = json!({ "name": "server", "image": if is_good { "ghcr.io/acme/vllm:v0.19.1" } else { "vllm/vllm-openai:latest" },
        "args": ["--model", "meta-llama/Llama-3.3-70B-Instruct", "--tensor-parallel-size", "8", "--gpu-memory-utilization", "0.92"], "env": env,
        "ports": [{ "containerPort": 8000 }],
        "resources": { "requests": { "cpu": "8", "memory": "64Gi" }, "limits": { "cpu": "8", "memory": "64Gi", "nvidia.com/gpu": gpus } },
        "volumeMounts": [{ "name": "cache", "mountPath": "/root/.cache" }, { "name": "shm", "mountPath": "/dev/shm" }] });
    if is_good {
        server["startupProbe"] = probe(90);
        server["readinessProbe"] = probe(3);
        server["livenessProbe"] = probe(3);
    }
    let labels =
        json!({ "app": format!("llm-{at}"), "plimsoll.dev/team": "search", "cost-centre": "4711", "plimsoll.dev/class": "online" });
    let sidecar = json!({ "name": "metrics", "image": "ghcr.io/acme/exporter:1.4", "resources": { "requests": { "cpu": "100m", "memory": "128Mi" },
        "limits": { "cpu": "100m", "memory": "128Mi" } } });
    let spec = json!({ "containers": [server, sidecar], "nodeSelector": { "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "pool": "h100" },
        "tolerations": [{ "key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule" }],
        "volumes": [{ "name": "cache", "emptyDir": {} }, { "name": "shm", "emptyDir": { "medium": "Memory" } }],
        "topologySpreadConstraints": [{ "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway" }] });
    let metadata = json!({ "name": format!("llm-{at}"), "namespace": "search", "labels": labels.clone() });
    if numbers.below(3) == 0 {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": { "replicas": 2,
            "selector": { "matchLabels": { "app": format!("llm-{at}") } }, "template": { "metadata": { "labels": labels }, "spec": spec } } })
    } else {
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec })
    }
}

fn review(object: &Value, uid: usize) -> Vec<u8> {
    let (group, kind) = if object["kind"] == "Pod" { ("", "Pod") } else { ("apps", "Deployment") };
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": { "uid": format!("{uid:08x}-0000-4000-8000-000000000000"),
        "kind": { "group": group, "version": "v1", "kind": kind },
        "resource": { "group": group, "version": "v1", "resource": format!("{}s", kind.to_lowercase()) },
        "name": object["metadata"]["name"], "namespace": "search", "operation": "CREATE", "userInfo": { "username": "alice", "groups": ["system:authenticated"] },
        "object": object, "oldObject": null, "dryRun": false, "options": { "apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions" } } })
    .to_string()
    .into_bytes()
}

/// The rules alone.
pub fn rules() -> anyhow::Result<()> {
    let (all, siblings, state) = (policy()?, Siblings::new(true), State::default());
    let mut numbers = Numbers(1);
    let objects: Vec<_> = (0..OBJECTS)
        .map(|_| manifest::read(&object(&mut numbers).to_string()).0.remove(0))
        .filter_map(|document| Some((document.written()?, document.node)))
        .collect();
    let now = Timestamp(1_800_000_000);
    println!("the rules on {} pods and Deployments, from the object as it was read to all texts of what is broken", objects.len());
    for (name, policy) in [("26 rules", built_in()?), ("30 rules, 4 of them a user's own", all)] {
        let mut micros = Vec::new();
        let mut breaches = 0;
        for _ in 0..50 {
            for (written, node) in &objects {
                let start = Instant::now();
                let submitted = Submitted { written, json: &|parts| node.json_of(parts) };
                let judgement = guard::judge(&policy, &submitted, &siblings, &state, now);
                let took = start.elapsed().as_secs_f64() * 1e6;
                micros.push((judgement.breaches.is_empty(), took));
                breaches += judgement.breaches.len();
            }
        }
        let print = |what: &str, of: &dyn Fn(&bool) -> bool| {
            let mut micros: Vec<f64> = micros.iter().filter(|(is_good, _)| of(is_good)).map(|(_, took)| *took).collect();
            micros.sort_by(f64::total_cmp);
            let at = |share: f64| micros.get(((micros.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(f64::NAN);
            println!("    {what}: median {:.1} us, p99 {:.1} us", at(0.5), at(0.99));
        };
        println!("  {name}; {:.1} are broken in the middle (asked: 20 us a pod)", breaches as f64 / micros.len() as f64);
        print("all objects", &|_| true);
        print("those that keep them", &|is_good| *is_good);
        print("those that break some", &|is_good| !is_good);
    }
    Ok(())
}

/// This program as the server: one thread answers, so on one core at most.
pub fn server(folder: &Path, words: &[String]) -> anyhow::Result<()> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).with_context(|| name.to_owned());
    let served = Arc::new(Served::default());
    served.set(&read("tls.crt")?, &read("tls.key")?)?;
    let world = Arc::new(World::default());
    world.set_policy(policy()?);
    let recorder = if words.iter().any(|word| word == TELLS) {
        tracing_subscriber::fmt().json().flatten_event(true).with_writer(std::io::stderr).with_target(false).init();
        Some(Recorder::to_output(Arc::new(Metrics::default()))?)
    } else {
        None
    };
    runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        std::fs::write(folder.join("port.part"), listener.local_addr()?.port().to_string())?;
        std::fs::rename(folder.join("port.part"), folder.join("port"))?;
        Ok(serve_alone(listener, world, served, recorder, std::future::pending()).await?)
    })
}

/// Reviews over TLS.
pub fn run() -> anyhow::Result<()> {
    let mut numbers = Numbers(2);
    let bodies: Vec<Vec<u8>> = (0..OBJECTS).map(|uid| review(&object(&mut numbers), uid)).collect();
    println!(
        "reviews of pods and Deployments ({} bytes in the middle) over TLS 1.3 and HTTP/1.1 on loopback, as an API server asks a Service,",
        middle(&bodies)
    );
    println!("on connections that are kept; the server has one thread, the client another core; 30 rules");
    println!("  the server answers, and tells nothing besides");
    let (server, load) = Server::start(&bodies, false)?;
    waits(&server, &load)?;
    drop(server);
    println!("  it records each decision and logs each refusal too, as the program does (a second thread writes the records)");
    let (server, load) = Server::start(&bodies, true)?;
    waits(&server, &load)?;
    let mut sizes = vec![server.rss()?];
    for _ in 0..4 {
        runtime()?.block_on(load.busy(AT_ONCE, 500_000))?;
        sizes.push(server.rss()?);
    }
    let sizes: Vec<String> = sizes.iter().map(|kib| format!("{:.1}", *kib as f64 / 1_024.0)).collect();
    println!("    resident when warm, and after each half million of 2 million more: {} MiB (asked: flat, 64 at most)", sizes.join(", "));
    println!("  peer: Kyverno publishes 42.7 ms in the mean at 100 users with 17 rules (its own load test, another machine)");
    Ok(())
}

/// How many reviews a second, and how long each takes.
fn waits(server: &Server, load: &Arc<Load>) -> anyhow::Result<()> {
    let runtime = runtime()?;
    // Until the allocator and the connections are warm.
    runtime.block_on(load.busy(AT_ONCE, 20_000))?;
    let measured = |what: &str, count: usize, waits: &dyn Fn() -> anyhow::Result<Vec<f32>>| {
        let (start, cpu) = (Instant::now(), server.cpu()?);
        let waits = waits()?;
        let (rate, cpu) = (count as f64 / start.elapsed().as_secs_f64(), server.cpu()? - cpu);
        let each = cpu.as_secs_f64() * 1e6 / count as f64;
        println!("    {what}: {rate:.0} reviews/s; {}; {each:.0} us of a core each", percentiles(waits));
        anyhow::Ok(())
    };
    measured(&format!("kept busy by {AT_ONCE} at once (asked: 5,000/s)"), 200_000, &|| runtime.block_on(load.busy(AT_ONCE, 200_000)))?;
    let count = 30 * RATE as usize;
    let paced = || runtime.block_on(load.paced(CONNECTIONS, RATE, count));
    for _ in 0..RUNS {
        measured("one each 200 us, from when each was due (asked: p99 2 ms, p99.9 5 ms)", count, &paced)?;
    }
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn middle(bodies: &[Vec<u8>]) -> usize {
    let mut sizes: Vec<usize> = bodies.iter().map(Vec::len).collect();
    sizes.sort_unstable();
    sizes[sizes.len() / 2]
}

struct Server {
    child: Child,
    /// What it is started from.
    _folder: TempDir,
}

impl Server {
    /// The server, and who asks it about these.
    fn start(bodies: &[Vec<u8>], tells: bool) -> anyhow::Result<(Self, Arc<Load>)> {
        let folder = tempfile::tempdir()?;
        let now = jiff::Timestamp::now().as_second();
        let made = Made::new(&["127.0.0.1".to_owned()], now, Life::default())?;
        std::fs::write(folder.path().join("tls.crt"), &made.certificate)?;
        std::fs::write(folder.path().join("tls.key"), &made.key)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(SERVER).arg(folder.path()).stdin(Stdio::null());
        if tells {
            command.arg(TELLS).stdout(Stdio::null()).stderr(Stdio::null());
        }
        let mut child = command.spawn().context("cannot start the server")?;
        let (start, port) = (Instant::now(), folder.path().join("port"));
        loop {
            if let Ok(port) = std::fs::read_to_string(&port) {
                let load = Load::new(&made.bundle, port.parse()?, bodies)?;
                return Ok((Self { child, _folder: folder }, Arc::new(load)));
            }
            if start.elapsed() > Duration::from_secs(30) || child.try_wait()?.is_some() {
                drop(child.kill());
                anyhow::bail!("the server does not start");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Resident memory, KiB.
    fn rss(&self) -> anyhow::Result<u64> {
        kib(&std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?, "VmRSS:").context("no VmRSS")
    }

    /// Time that its threads have run on a core.
    fn cpu(&self) -> anyhow::Result<Duration> {
        let mut nanos = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            nanos += text.split(' ').next().context("no time")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn percentiles(mut waits: Vec<f32>) -> String {
    waits.sort_by(f32::total_cmp);
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize] * 1e3;
    format!("p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms", at(0.5), at(0.99), at(0.999))
}
