//! A week of samples read from a real Prometheus, beside a reader that only drains the very same answers.
//!
//! What is asked is learnt by a run through a proxy that writes down every request. Then Plimsoll reads directly, and the
//! drain asks the same again, with as many requests at once: it unpacks, parses and keeps nothing. So its wall time is the
//! server's share.

use crate::least_and_middle;
use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use plimsoll_fleet::{Bytes, Evidence, Fleet, PodId, Seconds, evidence::Dialect};
use plimsoll_observe::{
    Step, example,
    prometheus::{self, PrometheusOptions},
};
use plimsoll_testkit::{
    Prometheus,
    exporter::{
        Load, Wave, constant,
        dcgm::{Dcgm, Device, Holder},
    },
    prometheus::{Options, Target},
};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// As many nodes of eight GPUs as can be back-filled in about a minute.
const NODES: u32 = 8;
const HISTORY: Seconds = Seconds(7 * 86_400);
const STEP: Seconds = Seconds(60);
const RUNS: usize = 3;
/// The fleet of the target.
const TARGET_GPUS: f64 = 1_000.0;

/// Measures and prints.
pub fn run() -> anyhow::Result<()> {
    // A second call finds it installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Runtime::new()?.block_on(measure())
}

async fn measure() -> anyhow::Result<()> {
    let mut fleet = example::large(NODES, 42);
    let targets = targets(&fleet);
    fleet.evidence = Evidence::default();
    let start = Instant::now();
    let options = Options { history: HISTORY, step: STEP, scrape: Seconds(3_600), ..Options::default() };
    let Some(server) = Prometheus::start(options, &targets).await? else { return Ok(()) };
    let filled = start.elapsed().as_secs_f64();

    // The window ends where the history does: a full hour before now holds all of it.
    let end = jiff::Timestamp::now().as_second();
    let options = |url: &str| {
        let url = Some(url.parse()?);
        anyhow::Ok(PrometheusOptions {
            url,
            window: HISTORY,
            step: Some(STEP),
            end: Some(plimsoll_fleet::Timestamp(end)),
            ..Default::default()
        })
    };
    let direct = options(server.url())?;
    let (proxy, requests) = Proxy::start(server.url()).await?;
    let evidence = read(&fleet, &options(&proxy)?).await?.1;
    let requests = requests.all()?;
    let gpus = evidence.devices.len();
    let samples: u64 =
        evidence.devices.iter().flat_map(|usage| usage.metrics.by_metric.values()).map(|sketch| u64::from(sketch.count())).sum();
    let metrics = evidence.devices.first().map_or(0, |usage| usage.metrics.by_metric.len());

    let (mut ours, mut drained, mut plain, mut cpu) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut packed_bytes, mut plain_bytes) = (0, 0);
    for _ in 0..RUNS {
        let before = own_cpu();
        ours.push(read(&fleet, &direct).await?.0);
        cpu.push(own_cpu().saturating_sub(before));
        let (wall, bytes) = drain(server.url(), &requests, direct.concurrency, true).await?;
        drained.push(wall);
        packed_bytes = bytes;
        let (wall, bytes) = drain(server.url(), &requests, direct.concurrency, false).await?;
        plain.push(wall);
        plain_bytes = bytes;
    }
    let (ours, middle) = least_and_middle(ours);
    let ((drained, _), (plain, _), (cpu, _)) = (least_and_middle(drained), least_and_middle(plain), least_and_middle(cpu));
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "a real Prometheus with {gpus} GPUs x 7 days at 60 s, {metrics} metrics (back-filled in {filled:.0} s); {} requests, {} at once; {RUNS} runs",
        requests.len(),
        direct.concurrency
    );
    println!(
        "  read into sketches   {ours:>6.2} s least, {middle:.2} s middle: {:.2} M samples/s; own CPU {cpu:.2} s",
        samples as f64 / ours / 1e6
    );
    println!(
        "  drained, compressed  {drained:>6.2} s ({:.0} MiB): the server's share is {:.0} % of the wall time",
        mib(packed_bytes),
        100.0 * drained / ours
    );
    println!("  drained, plain       {plain:>6.2} s ({:.0} MiB)", mib(plain_bytes));
    println!(
        "  1,000 GPUs x 7 days at this rate (extrapolated): {:.0} s, of which the server {:.0} s",
        ours * TARGET_GPUS / gpus as f64,
        drained * TARGET_GPUS / gpus as f64
    );
    Ok(())
}

/// The exporters of the fleet's nodes: every GPU held by the pod that the fleet's own evidence names, with a load of its own.
/// Only their past is read: nobody listens at their addresses.
fn targets(fleet: &Fleet) -> Vec<Target> {
    let holders: HashMap<_, PodId> =
        fleet.evidence.pods.iter().filter_map(|usage| Some(((fleet.pods[usage.pod.index()].node?, usage.gpu?), usage.pod))).collect();
    fleet
        .nodes()
        .map(|(id, node)| {
            let devices = (0_u16..).zip(&node.gpus).map(|(gpu, board)| {
                let turn = f64::from(id.0 * 8 + u32::from(gpu));
                let wave = Wave::Daily { low: 0.02 * (turn % 5.0), high: 0.3 + 0.07 * (turn % 9.0), peak_hour: turn % 24.0 };
                let holder = holders.get(&(id, gpu)).map(|pod| &fleet.pods[pod.index()]).map(|pod| Holder {
                    namespace: pod.namespace.to_string(),
                    pod: pod.name.to_string(),
                    container: "main".to_owned(),
                    load: Load::following(wave, 0.7, 0.3, 0.5, 0.6),
                    from: None,
                    until: None,
                });
                Device {
                    gpu,
                    uuid: board.uuid.as_deref().unwrap_or_default().to_owned(),
                    model: "NVIDIA H100 80GB HBM3".to_owned(),
                    memory: node.gpu_memory.unwrap_or(Bytes(80 << 30)),
                    slice: None,
                    holders: holder.into_iter().collect(),
                }
            });
            let exporter = Dcgm { sm_active: true, ..Dcgm::new(&node.name, devices.collect(), Dialect::Classic) };
            let labels =
                [("namespace", "gpu-operator"), ("pod", &*format!("dcgm-exporter-{}", id.0)), ("container", "nvidia-dcgm-exporter")];
            Target {
                address: SocketAddr::from(([127, 0, 0, 1], 1)),
                page: if node.has_gpus() { exporter.page() } else { constant(Vec::new()) },
                job: "nvidia-dcgm-exporter".to_owned(),
                honor_labels: None,
                labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            }
        })
        .collect()
}

async fn read(fleet: &Fleet, options: &PrometheusOptions) -> anyhow::Result<(Duration, Evidence)> {
    let mut fleet = fleet.clone();
    let start = Instant::now();
    let store = prometheus::find(options, None).await?;
    prometheus::read(&mut fleet, &store, options, &|_: Step<'_>| {}).await?;
    Ok((start.elapsed(), fleet.evidence))
}

/// CPU time of this process, all threads. The kernel counts in hundredths of a second (`proc(5)`: fields 14 and 15).
fn own_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    Duration::from_millis(after.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10)
}

/// A request as the proxy saw it.
#[derive(Debug, Clone)]
struct Request {
    is_post: bool,
    path: String,
    body: String,
}

/// Asks all of `requests` and lets the answers go as they come: wall time, and bytes of the answers.
async fn drain(url: &str, requests: &[Request], at_once: usize, compressed: bool) -> anyhow::Result<(Duration, u64)> {
    let client = reqwest::Client::builder().no_gzip().build()?;
    let start = Instant::now();
    let bytes = futures::stream::iter(requests)
        .map(|request| {
            let url = format!("{url}{}", request.path);
            let asked = if request.is_post { client.post(url) } else { client.get(url) };
            let asked = asked
                .header("content-type", "application/x-www-form-urlencoded")
                .header("accept-encoding", if compressed { "gzip" } else { "identity" })
                .body(request.body.clone());
            async move {
                let mut answer = asked.send().await?;
                ensure!(answer.status().is_success(), "the drain was answered {}", answer.status());
                let mut bytes = 0;
                while let Some(chunk) = answer.chunk().await? {
                    bytes += chunk.len() as u64;
                }
                Ok(bytes)
            }
        })
        .buffer_unordered(at_once)
        .try_fold(0, |sum, bytes| async move { anyhow::Ok(sum + bytes) })
        .await?;
    Ok((start.elapsed(), bytes))
}

/// What one connection has received so far.
type Connection = Arc<Mutex<Vec<u8>>>;

/// Passes everything on, and keeps what the client said.
struct Proxy {
    connections: Arc<Mutex<Vec<Connection>>>,
}

impl Proxy {
    /// Starts one before `url`: gives its own address.
    async fn start(url: &str) -> anyhow::Result<(String, Self)> {
        let server = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let own = format!("http://{}", listener.local_addr()?);
        let proxy = Self { connections: Arc::default() };
        let connections = Arc::clone(&proxy.connections);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let said = Arc::new(Mutex::new(Vec::new()));
                connections.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&said));
                tokio::spawn(pass(client, server.clone(), said));
            }
        });
        Ok((own, proxy))
    }

    /// Every request that was made.
    fn all(&self) -> anyhow::Result<Vec<Request>> {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let mut requests = Vec::new();
        for said in &*connections {
            let said = said.lock().unwrap_or_else(PoisonError::into_inner);
            let mut rest = std::str::from_utf8(&said).context("a request is no text")?;
            while let Some((head, after)) = rest.split_once("\r\n\r\n") {
                let length =
                    head.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
                let length: usize = length.map_or(Ok(0), |(_, length)| length.trim().parse())?;
                let (body, next) = after.split_at_checked(length).context("a request is cut short")?;
                let mut words = head.split(' ');
                let (method, path) = words.next().zip(words.next()).context("a request has no path")?;
                requests.push(Request { is_post: method == "POST", path: path.to_owned(), body: body.to_owned() });
                rest = next;
            }
        }
        Ok(requests)
    }
}

async fn pass(client: TcpStream, server: String, said: Arc<Mutex<Vec<u8>>>) -> std::io::Result<()> {
    let server = TcpStream::connect(server).await?;
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (client.into_split(), server.into_split());
    let answers = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut buffer = vec![0; 64 << 10];
    loop {
        let got = from_client.read(&mut buffer).await?;
        if got == 0 {
            break;
        }
        said.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..got]);
        to_server.write_all(&buffer[..got]).await?;
    }
    to_server.shutdown().await?;
    answers.await.map_err(std::io::Error::other)?.map(drop)
}
