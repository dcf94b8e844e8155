//! The webhook's containers: kwok plays the kubelet and says that they run, here their processes do.
//!
//! What runs is what the chart's Deployment says, with the rights of its service account. The Service's address is answered by
//! what plays kube-proxy: a connection goes to one of the replicas that say that they are ready.

use crate::helm::{NAME, NAMESPACE};
use anyhow::{Context as _, bail, ensure};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service};
use kube::Api;
use plimsoll_testkit::{Cluster, netns};
use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    task::JoinHandle,
};

/// A running container. It is killed when this is dropped.
pub struct Container {
    child: Child,
    https: SocketAddr,
    metrics: String,
    log: PathBuf,
    errors: PathBuf,
}

impl Container {
    /// Starts one on loopback; its ports are its own by `number`, in a network namespace that nobody else is in.
    pub async fn start(cluster: &Cluster, folder: &Path, number: u16) -> anyhow::Result<Self> {
        let deployments: Api<Deployment> = Api::namespaced(cluster.client(), NAMESPACE);
        let pod = deployments.get(NAME).await?.spec.template.spec.context("the Deployment has a pod")?;
        let account = pod.service_account_name.as_deref().context("the pod has a service account")?;
        let kubeconfig = cluster.service_account(NAMESPACE, account).await?;
        let arguments = pod.containers.into_iter().next().and_then(|container| container.args).context("the container has arguments")?;
        // Every start has a log of its own: a replica that comes back has the address of the one before.
        static STARTS: AtomicUsize = AtomicUsize::new(0);
        let start = STARTS.fetch_add(1, Ordering::Relaxed);
        let (log, errors) = (folder.join(format!("webhook-{start}.log")), folder.join(format!("webhook-{start}.errors")));
        let https = SocketAddr::from((Ipv4Addr::LOCALHOST, 8443 + number));
        let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080 + number));
        let child = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
            .args(arguments)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(["--listen", &https.to_string(), "--metrics", &metrics.to_string()])
            .env_remove("KUBECONFIG")
            .env("HOME", "/nonexistent")
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::create(&errors)?)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start plimsoll webhook")?;
        Ok(Self { child, https, metrics: format!("http://{metrics}"), log, errors })
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&mut self, cluster: &Cluster) -> anyhow::Result<()> {
        let url = format!("{}/readyz", self.metrics);
        let http = reqwest::Client::new();
        let answered = async || {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(Err(status)));
            }
            let answer = http.get(&url).send().await?;
            ensure!(answer.status().is_success(), "{}: {}", answer.status(), answer.text().await.unwrap_or_default());
            Ok(Some(Ok(())))
        };
        match cluster.wait_for("the webhook to be ready", answered).await.with_context(|| self.words())? {
            Ok(()) => Ok(()),
            Err(status) => bail!("the webhook ended: {status}\n{}", self.words()),
        }
    }

    /// What it wrote to its standard output.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last of what it said of itself.
    pub fn words(&self) -> String {
        let said = std::fs::read_to_string(&self.errors).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Tells it to end, as the kubelet does, and waits until it has.
    pub async fn end(&mut self) -> anyhow::Result<()> {
        let id = self.child.id().context("it still runs")?;
        let told = Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        ensure!(told.success(), "the webhook cannot be told to end");
        let status = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await.context("the webhook does not end")??;
        ensure!(status.success(), "the webhook ended: {status}\n{}", self.words());
        Ok(())
    }

    /// Kills it, as a machine that dies does.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("the webhook cannot be killed")
    }

    /// Has it ended by itself?
    pub fn ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }
}

/// How often a replica is asked whether it is ready. The chart asks every 2 s; the kubelet sees a container that has ended within one.
const PROBE: Duration = Duration::from_secs(1);

/// What answers at the Service's address.
pub struct Proxy {
    replicas: Arc<Mutex<Vec<(SocketAddr, String)>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Proxy {
    /// For the Service of the chart.
    pub async fn start(cluster: &Cluster) -> anyhow::Result<Self> {
        let services: Api<Service> = Api::namespaced(cluster.client(), NAMESPACE);
        let address = services.get(NAME).await?.spec.and_then(|spec| spec.cluster_ip).context("the Service has an address")?;
        let address = SocketAddrV4::new(address.parse()?, 443);
        netns::own(*address.ip())?;
        let listener = TcpListener::bind(address).await?;
        let replicas: Arc<Mutex<Vec<(SocketAddr, String)>>> = Arc::default();
        let ready: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
        let probes = tokio::spawn(probe(replicas.clone(), ready.clone()));
        let connections = tokio::spawn(async move {
            let mut next = 0_usize;
            while let Ok((mut from, _)) = listener.accept().await {
                next = next.wrapping_add(1);
                let replica = {
                    let ready = ready.lock().unwrap();
                    (!ready.is_empty()).then(|| ready[next % ready.len()])
                };
                let Some(replica) = replica else { continue };
                tokio::spawn(async move {
                    if let Ok(mut to) = TcpStream::connect(replica).await {
                        let _ = (from.set_nodelay(true), to.set_nodelay(true));
                        let _ = copy_bidirectional(&mut from, &mut to).await;
                    }
                });
            }
        });
        Ok(Self { replicas, tasks: vec![probes, connections] })
    }

    /// A replica, from the moment on that it says that it is ready.
    pub async fn add(&self, container: &Container) -> anyhow::Result<()> {
        self.replicas.lock().unwrap().push((container.https, container.metrics.clone()));
        // Asked twice since, whatever it said.
        tokio::time::sleep(PROBE * 2).await;
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn probe(replicas: Arc<Mutex<Vec<(SocketAddr, String)>>>, ready: Arc<Mutex<Vec<SocketAddr>>>) {
    let http = reqwest::Client::builder().timeout(PROBE).build().unwrap();
    loop {
        let asked: Vec<_> = replicas.lock().unwrap().clone();
        let mut answered = Vec::new();
        for (address, metrics) in asked {
            let is_ready = http.get(format!("{metrics}/readyz")).send().await.is_ok_and(|answer| answer.status().is_success());
            if is_ready && !answered.contains(&address) {
                answered.push(address);
            }
        }
        *ready.lock().unwrap() = answered;
        tokio::time::sleep(PROBE).await;
    }
}
