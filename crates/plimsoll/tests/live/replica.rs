//! A replica of the webhook, outside of the cluster that it serves.

use anyhow::{Context as _, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use plimsoll_testkit::{
    Cluster,
    ports::{self, Port},
    process::Process,
};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long anything of it may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// The namespace of its Secret and its Lease.
pub const NAMESPACE: &str = "plimsoll";

/// A clock of a process that can jump: libfaketime answers for the machine's. Durations are measured by the machine's own.
pub struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    /// One that is right; none: libfaketime is not there, which is said.
    pub fn new(folder: &Path) -> anyhow::Result<Option<Self>> {
        let known = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map(|of| PathBuf::from(format!("/usr/lib/{of}/faketime/libfaketime.so.1")));
        let Some(library) = known.into_iter().find(|path| path.exists()) else {
            plimsoll_testkit::skip_without("libfaketime is not there: no clock jumps");
            return Ok(None);
        };
        let clock = Self { library, offset: folder.join("clock") };
        clock.jump("+0")?;
        Ok(Some(clock))
    }

    /// From now on it is so much ahead of the machine's: `+1h`, `-100d`.
    pub fn jump(&self, offset: &str) -> anyhow::Result<()> {
        let next = self.offset.with_extension("next");
        std::fs::write(&next, offset)?;
        Ok(std::fs::rename(next, &self.offset)?)
    }

    fn environment(&self) -> [String; 4] {
        [
            format!("LD_PRELOAD={}", self.library.display()),
            format!("FAKETIME_TIMESTAMP_FILE={}", self.offset.display()),
            "FAKETIME_NO_CACHE=1".to_owned(),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
        ]
    }
}

/// A running replica.
pub struct Replica {
    process: Process,
    folder: PathBuf,
    name: &'static str,
    listen: Port,
    metrics: Port,
}

impl Replica {
    /// Starts one and waits until it is ready.
    pub async fn start(cluster: &Cluster, name: &'static str, arguments: &[&str]) -> anyhow::Result<Self> {
        Self::behind(cluster, name, None, arguments).await
    }

    /// Starts one that the API server reaches by another port than its own, and waits until it is ready.
    pub async fn behind(cluster: &Cluster, name: &'static str, port: Option<u16>, arguments: &[&str]) -> anyhow::Result<Self> {
        Self::with_clock(cluster, name, port, arguments, None).await
    }

    /// Starts one like that by a clock of its own.
    pub async fn with_clock(
        cluster: &Cluster,
        name: &'static str,
        port: Option<u16>,
        arguments: &[&str],
        clock: Option<&Clock>,
    ) -> anyhow::Result<Self> {
        cluster.apply_yaml(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}")).await?;
        let folder = cluster.folder().join("webhook").join(name);
        std::fs::create_dir_all(&folder)?;
        let (listen, metrics) = (ports::take()?, ports::take()?);
        let mut all = vec![
            "webhook".to_owned(),
            "--kubeconfig".to_owned(),
            cluster.kubeconfig().display().to_string(),
            "--namespace".to_owned(),
            NAMESPACE.to_owned(),
            "--listen".to_owned(),
            format!("127.0.0.1:{}", listen.number),
            "--metrics".to_owned(),
            format!("127.0.0.1:{}", metrics.number),
            "--url".to_owned(),
            format!("https://127.0.0.1:{}", port.unwrap_or(listen.number)),
            "--record".to_owned(),
            folder.join("record.jsonl").display().to_string(),
            "--drain".to_owned(),
            "1s".to_owned(),
        ];
        all.extend(arguments.iter().map(ToString::to_string));
        let program = env!("CARGO_BIN_EXE_plimsoll");
        let process = match clock {
            None => Process::start("webhook", Path::new(program), &folder, &all)?,
            Some(clock) => {
                let all: Vec<String> = clock.environment().into_iter().chain([program.to_owned()]).chain(all).collect();
                Process::start("webhook", Path::new("/usr/bin/env"), &folder, &all)?
            }
        };
        let mut replica = Self { process, folder, name, listen, metrics };
        let start = Instant::now();
        while replica.get("/readyz").await.is_err() {
            replica.process.check()?;
            ensure!(start.elapsed() < PATIENCE, "the replica {name} does not become ready. {}", replica.process.last_words());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(replica)
    }

    /// A page of its side door.
    pub async fn get(&self, path: &str) -> anyhow::Result<String> {
        let answer = reqwest::get(format!("http://127.0.0.1:{}{path}", self.metrics.number)).await?;
        let (is_good, text) = (answer.status().is_success(), answer.text().await?);
        ensure!(is_good, "{text}");
        Ok(text)
    }

    /// Waits until the API server asks it: the configuration is there, and whom to trust is known.
    pub async fn asked(&self, cluster: &Cluster) -> anyhow::Result<()> {
        let api: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
        let before = self.reviews().await?;
        cluster
            .wait_for("the API server to ask the webhook", async || {
                let pod = serde_json::json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "probe", "namespace": "default" },
                    "spec": { "containers": [{ "name": "a", "image": "a:v1" }] } });
                let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(cluster.client(), "default");
                let dry = PostParams { dry_run: true, ..PostParams::default() };
                drop(pods.create(&dry, &serde_json::from_value(pod)?).await);
                ensure!(api.get_opt("plimsoll").await?.is_some());
                Ok((self.reviews().await? > before).then_some(()))
            })
            .await
    }

    /// From now on the API server asks this replica, and not the one that registered itself, about what is in `namespace`.
    pub async fn takes_over(&self, cluster: &Cluster, namespace: &str) -> anyhow::Result<()> {
        let api: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
        let mut others = api.get("plimsoll").await?;
        let mut own = others.clone();
        own.metadata = ObjectMeta { name: Some(format!("plimsoll-{}", self.name)), ..ObjectMeta::default() };
        for webhook in own.webhooks.iter_mut().flatten() {
            webhook.client_config.url = Some(format!("https://127.0.0.1:{}/validate", self.listen.number));
            webhook.namespace_selector = Some(serde_json::from_value(serde_json::json!({ "matchExpressions": [
                { "key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace, "default"] }] }))?);
        }
        for webhook in others.webhooks.iter_mut().flatten() {
            webhook.namespace_selector = Some(serde_json::from_value(serde_json::json!({ "matchExpressions": [
                { "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [namespace, NAMESPACE] }] }))?);
        }
        api.create(&PostParams::default(), &own).await?;
        api.replace("plimsoll", &PostParams::default(), &others).await?;
        self.asked(cluster).await
    }

    /// What it has said of itself.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Its record of decisions.
    pub fn record(&self) -> PathBuf {
        self.folder.join("record.jsonl")
    }

    /// The ports of its reviews and of its side door.
    pub fn ports(&self) -> (u16, u16) {
        (self.listen.number, self.metrics.number)
    }

    /// Tells it to end, and waits for that.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let told = std::process::Command::new("kill").arg(self.process.id().to_string()).status().context("cannot run kill")?;
        ensure!(told.success());
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.ended()? {
                ensure!(status.success(), "it ended with {status}. {}", self.process.last_words());
                return Ok(());
            }
            ensure!(start.elapsed() < PATIENCE, "it does not end. {}", self.process.last_words());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn reviews(&self) -> anyhow::Result<u64> {
        let page = self.get("/metrics").await?;
        let counts = page.lines().filter(|line| line.starts_with("plimsoll_webhook_reviews_total{path=\"validate\""));
        Ok(counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
    }
}
