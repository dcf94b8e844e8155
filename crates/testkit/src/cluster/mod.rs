//! A cluster: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok, on loopback, for one test.
//!
//! - `start`: the programs and their flags
//! - `objects`: putting objects in
//! - `outage`: the API server gone, and back
//! - `past`: making objects older than they are
//! - [`access`]: users with few rights
//! - [`audit`]: who asked for what

pub mod access;
pub mod audit;
mod objects;
mod outage;
mod past;
mod start;

pub use audit::AuditEvent;
pub use objects::manifests;

use crate::{certificates::Authority, ports::Port, process::Process, programs::Programs, word::say};
use anyhow::{Context as _, bail};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

/// How long anything may take before a test gives up. Machines are shared: a start of three seconds took a hundred under load.
const PATIENCE: Duration = Duration::from_secs(300);

/// A pod or node with this annotation is left alone by kwok: the test says its status itself.
pub const NO_KUBELET: &str = "testkit.plimsoll.dev/no-kubelet";

/// The pods of a Job that carry this annotation end well at once. Others run on, as training does.
pub const ENDS: &str = "testkit.plimsoll.dev/ends";

/// How a cluster is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// More kwok stages (`kind: Stage`), each the text of a YAML file: what the kubelets play beyond starting, ending and deleting.
    pub stages: Vec<String>,
    /// The audit log has the objects that were asked for and that came of it, where they are of a kind that makes pods.
    pub objects_in_audit: bool,
}

/// A running cluster. All of it is killed and its folder removed when this is dropped (`PLIMSOLL_KEEP` set: the folder stays).
pub struct Cluster {
    /// Newest first, so that they are dropped in an order that leaves no noise: a vector drops from its front.
    processes: Mutex<Vec<Process>>,
    client: kube::Client,
    http: reqwest::Client,
    etcd: String,
    server: String,
    authority: Authority,
    kinds: Mutex<BTreeMap<String, (kube::core::ApiResource, bool)>>,
    programs: Programs,
    kubectl: PathBuf,
    folder: Option<tempfile::TempDir>,
    path: PathBuf,
    _ports: Vec<Port>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Cluster").field("server", &self.server).field("folder", &self.path).finish_non_exhaustive()
    }
}

impl Cluster {
    /// A client that may do everything.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// The kubeconfig of a user who may do everything.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.path.join("admin.kubeconfig")
    }

    /// The folder with the cluster's state and logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.path
    }

    /// The API server's address.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The kubectl program of the cluster's version.
    #[must_use]
    pub fn kubectl(&self) -> &Path {
        &self.kubectl
    }

    /// Asks `question` until it gives an answer.
    ///
    /// # Errors
    /// A program of the cluster ended, or five minutes went by: with the last error that `question` gave.
    pub async fn wait_for<T>(&self, what: &str, mut question: impl AsyncFnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
        let start = Instant::now();
        loop {
            let answer = question().await;
            match answer {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) if start.elapsed() > PATIENCE => bail!("waited {} s for {what} in vain", PATIENCE.as_secs()),
                Err(error) if start.elapsed() > PATIENCE => {
                    return Err(error.context(format!("waited {} s for {what} in vain", PATIENCE.as_secs())));
                }
                Ok(None) | Err(_) => {}
            }
            for process in self.processes.lock().expect("no holder of this lock panics").iter_mut() {
                process.check().with_context(|| format!("while waiting for {what}"))?;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Ok(mut processes) = self.processes.lock() {
            processes.clear();
        }
        if std::env::var_os("PLIMSOLL_KEEP").is_some()
            && let Some(folder) = self.folder.take()
        {
            say(&format!("the cluster's folder is kept: {}", folder.keep().display()));
        }
    }
}
