//! The programs and their flags.

use super::{Cluster, ENDS, NO_KUBELET, Options, PATIENCE};
use crate::{
    certificates::{Authority, Leaf},
    ports,
    process::Process,
    programs::Programs,
    word::say,
};
use anyhow::{Context as _, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use k8s_openapi::api::core::v1::ServiceAccount;
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    sync::Mutex,
    time::{Duration, Instant},
};

/// Everything is recorded, at the level that names the request but not its body.
const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n";

/// The same with the objects of kinds that make pods.
const AUDIT_POLICY_WITH_OBJECTS: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n\
    - {level: RequestResponse, verbs: [create, update, patch], resources: [{group: '', resources: [pods]}, {group: apps}, {group: batch}]}\n\
    - {level: Metadata}\n";

/// The stages of kwok that make nodes ready and keep them so, start bound pods, end jobs and finish deletions.
const STAGES: [&str; 5] = [
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
];

/// How often a start is tried: a port may have been taken in the moment between its choice and its use.
const TRIES: u32 = 3;

impl Cluster {
    /// Starts a cluster; `None`, after saying why, where its programs cannot be had.
    ///
    /// # Errors
    /// A program cannot be built or does not start, with the end of its log.
    pub async fn start(options: Options) -> anyhow::Result<Option<Self>> {
        let Some(programs) = Programs::ready().await? else { return Ok(None) };
        let mut tries = 1;
        loop {
            match Self::start_once(&programs, &options).await {
                Ok(cluster) => return Ok(Some(cluster)),
                Err(error) if tries < TRIES && format!("{error:#}").contains("address already in use") => tries += 1,
                Err(error) => return Err(error.context("the cluster does not start")),
            }
        }
    }

    async fn start_once(programs: &Programs, options: &Options) -> anyhow::Result<Self> {
        let begun = Instant::now();
        // Another part of the process may have installed it already: that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::Builder::new().prefix("plimsoll-cluster-").tempdir().context("cannot create a folder for the cluster")?;
        let path = folder.path().to_owned();
        let ports = (0..5).map(|_| ports::take()).collect::<anyhow::Result<Vec<_>>>()?;
        let [etcd, peer, api, controllers, scheduler] = [0, 1, 2, 3, 4].map(|place| ports[place].number);
        let etcd = format!("http://127.0.0.1:{etcd}");
        let server = format!("https://127.0.0.1:{api}");
        let authority = Authority::new()?;
        write_certificates(&path, &authority)?;
        let policy = if options.objects_in_audit { AUDIT_POLICY_WITH_OBJECTS } else { AUDIT_POLICY };
        write(&path, "audit-policy.yaml", policy)?;
        for (user, name, group) in [
            ("admin", "admin", Some("system:masters")),
            ("controllers", "system:kube-controller-manager", None),
            ("scheduler", "system:kube-scheduler", None),
        ] {
            let leaf = authority.leaf(name, group, &[])?;
            write(&path, &format!("{user}.kubeconfig"), &kubeconfig(&server, &authority, &certificate_user(&leaf)))?;
        }

        let mut processes = vec![start_etcd(programs, &path, &etcd, peer)?];
        // etcd's own client API is plain HTTP on loopback; the scheduler's certificate is of its own making.
        let http = reqwest::Client::builder().danger_accept_invalid_certs(true).build().context("cannot make an HTTP client")?;
        healthy(&http, &format!("{etcd}/health"), &mut processes).await?;
        processes.insert(0, start_api_server(programs, &path, &etcd, api)?);
        healthy(&http, &format!("{server}/readyz"), &mut processes).await?;
        processes.insert(0, start_controllers(programs, &path, controllers)?);
        processes.insert(0, start_scheduler(programs, &path, scheduler)?);
        processes.insert(0, start_kwok(programs, &path, options)?);
        healthy(&http, &format!("https://127.0.0.1:{controllers}/healthz"), &mut processes).await?;
        healthy(&http, &format!("https://127.0.0.1:{scheduler}/readyz"), &mut processes).await?;

        let cluster = Self {
            processes: Mutex::new(processes),
            client: client(&path.join("admin.kubeconfig")).await?,
            http,
            etcd,
            server,
            authority,
            kinds: Mutex::default(),
            programs: programs.clone(),
            kubectl: programs.kubernetes("kubectl"),
            folder: Some(folder),
            path,
            _ports: ports,
        };
        // Bare pods of the default namespace are refused before it.
        let accounts: kube::Api<ServiceAccount> = kube::Api::namespaced(cluster.client(), "default");
        cluster.wait_for("the default service account", async || Ok(accounts.get_opt("default").await?)).await?;
        say(&format!("a cluster is ready after {:.1} s", begun.elapsed().as_secs_f64()));
        Ok(cluster)
    }
}

/// A client for a kubeconfig file.
///
/// # Errors
/// The file cannot be read or used.
pub(super) async fn client(kubeconfig: &Path) -> anyhow::Result<kube::Client> {
    let subject = || format!("cannot use {}", kubeconfig.display());
    let file = kube::config::Kubeconfig::read_from(kubeconfig).with_context(subject)?;
    let config = kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default()).await.with_context(subject)?;
    kube::Client::try_from(config).with_context(subject)
}

/// A kubeconfig for `user`, the part of the file that says who asks. (JSON is YAML.)
pub(super) fn kubeconfig(server: &str, authority: &Authority, user: &Value) -> String {
    let authority = BASE64_STANDARD.encode(authority.certificate());
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "testkit",
        "clusters": [{"name": "testkit", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "testkit", "context": {"cluster": "testkit", "user": "user"}}],
    })
    .to_string()
}

/// The user of a kubeconfig who shows a certificate.
pub(super) fn certificate_user(leaf: &Leaf) -> Value {
    json!({
        "client-certificate-data": BASE64_STANDARD.encode(&leaf.certificate),
        "client-key-data": BASE64_STANDARD.encode(&leaf.key),
    })
}

/// Writes a file of the cluster's folder.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn write_certificates(folder: &Path, authority: &Authority) -> anyhow::Result<()> {
    let server = authority.leaf("kube-apiserver", None, &["127.0.0.1", "10.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc"])?;
    let accounts = rcgen::KeyPair::generate().context("cannot make the key of the service accounts")?;
    write(folder, "ca.crt", &authority.certificate())?;
    write(folder, "ca.key", &authority.key())?;
    write(folder, "apiserver.crt", &server.certificate)?;
    write(folder, "apiserver.key", &server.key)?;
    write(folder, "accounts.key", &accounts.serialize_pem())?;
    write(folder, "accounts.pub", &accounts.public_key_pem())?;
    Ok(())
}

/// Waits until `url` answers with success.
pub(super) async fn healthy(http: &reqwest::Client, url: &str, processes: &mut [Process]) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        if let Ok(answer) = http.get(url).send().await
            && answer.status().is_success()
        {
            return Ok(());
        }
        for process in processes.iter_mut() {
            process.check()?;
        }
        let words = || processes.first().map(Process::last_words).unwrap_or_default();
        ensure!(start.elapsed() < PATIENCE, "{url} does not answer after {} s. {}", PATIENCE.as_secs(), words());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Flags as they are written on a command line, one word each.
fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn start_etcd(programs: &Programs, folder: &Path, client: &str, peer: u16) -> anyhow::Result<Process> {
    let peer = format!("http://127.0.0.1:{peer}");
    let flags = words(&format!(
        "--name default --data-dir etcd --listen-client-urls {client} --advertise-client-urls {client} --listen-peer-urls {peer}
         --initial-advertise-peer-urls {peer} --initial-cluster default={peer} --quota-backend-bytes 4294967296
         --log-level warn --unsafe-no-fsync=true"
    ));
    Process::start("etcd", &programs.etcd(), folder, &flags)
}

pub(super) fn start_api_server(programs: &Programs, folder: &Path, etcd: &str, port: u16) -> anyhow::Result<Process> {
    // Stored as JSON, so that `age` can reach into objects. No endpoint reconciler: it would refuse a loopback address.
    // Anonymous requests are for the readiness probes alone; RBAC gives them nothing else.
    let flags = words(&format!(
        "--etcd-servers={etcd} --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port={port}
         --endpoint-reconciler-type=none --tls-cert-file=apiserver.crt --tls-private-key-file=apiserver.key --client-ca-file=ca.crt
         --service-account-key-file=accounts.pub --service-account-signing-key-file=accounts.key
         --service-account-issuer=https://kubernetes.default.svc --authorization-mode=Node,RBAC
         --service-cluster-ip-range=10.0.0.0/16 --allow-privileged --anonymous-auth=true
         --storage-media-type=application/json --audit-policy-file=audit-policy.yaml --audit-log-path=audit.log --v=1"
    ));
    Process::start("kube-apiserver", &programs.kubernetes("kube-apiserver"), folder, &flags)
}

fn start_controllers(programs: &Programs, folder: &Path, port: u16) -> anyhow::Result<Process> {
    // Without accounts of their own its controllers are forbidden. The limits on requests would be what a test measures.
    let flags = words(&format!(
        "--kubeconfig=controllers.kubeconfig --authentication-kubeconfig=controllers.kubeconfig
         --authorization-kubeconfig=controllers.kubeconfig --bind-address=127.0.0.1 --secure-port={port} --leader-elect=false
         --service-account-private-key-file=accounts.key --root-ca-file=ca.crt --cluster-signing-cert-file=ca.crt
         --cluster-signing-key-file=ca.key --use-service-account-credentials=true --kube-api-qps=1000 --kube-api-burst=2000
         --node-monitor-grace-period=24h --v=1"
    ));
    Process::start("kube-controller-manager", &programs.kubernetes("kube-controller-manager"), folder, &flags)
}

fn start_scheduler(programs: &Programs, folder: &Path, port: u16) -> anyhow::Result<Process> {
    let flags = words(&format!(
        "--kubeconfig=scheduler.kubeconfig --authentication-kubeconfig=scheduler.kubeconfig
         --authorization-kubeconfig=scheduler.kubeconfig --bind-address=127.0.0.1 --secure-port={port} --leader-elect=false
         --kube-api-qps=1000 --kube-api-burst=2000 --v=1"
    ));
    Process::start("kube-scheduler", &programs.kubernetes("kube-scheduler"), folder, &flags)
}

fn start_kwok(programs: &Programs, folder: &Path, options: &Options) -> anyhow::Result<Process> {
    let mut flags = words("--kubeconfig=admin.kubeconfig --manage-all-nodes=true --node-lease-duration-seconds=40");
    for stage in STAGES {
        let path = programs.stage(stage);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = format!("stage-{}", stage.replace('/', "-"));
        write(folder, &name, &unless_told(&text).with_context(|| format!("cannot read {} as YAML", path.display()))?)?;
        flags.push(format!("--config={name}"));
    }
    for (place, stage) in options.stages.iter().enumerate() {
        let name = format!("stage-own-{place}.yaml");
        write(folder, &name, stage)?;
        flags.push(format!("--config={name}"));
    }
    Process::start("kwok", &programs.kwok(), folder, &flags)
}

/// The stage, for all but the objects that carry [`NO_KUBELET`] (deletions are finished for every pod); a Job's pods end only
/// where they carry [`ENDS`].
fn unless_told(stage: &str) -> anyhow::Result<String> {
    let mut stage: Value = serde_saphyr::from_str(stage)?;
    let name = stage["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let annotated = |name: &str, operator: &str| json!({"key": format!(".metadata.annotations[\"{name}\"]"), "operator": operator});
    if let Some(expressions) = stage["spec"]["selector"]["matchExpressions"].as_array_mut() {
        if name != "pod-delete" {
            expressions.push(annotated(NO_KUBELET, "DoesNotExist"));
        }
        if name == "pod-complete" {
            expressions.push(annotated(ENDS, "Exists"));
        }
    }
    Ok(stage.to_string())
}
