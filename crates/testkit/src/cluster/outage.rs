//! The API server gone, and back.

use super::{Cluster, start};
use anyhow::Context as _;
use std::time::Duration;

impl Cluster {
    /// Kills the API server, waits for `gone`, and starts it again: at the same address, with the same store. Returns
    /// once it is ready.
    ///
    /// # Errors
    /// It does not start again.
    pub async fn outage(&self, gone: Duration) -> anyhow::Result<()> {
        let port = self.server.rsplit(':').next().and_then(|port| port.parse().ok()).context("the API server has a port")?;
        self.processes.lock().expect("no holder of this lock panics").retain(|process| process.name() != "kube-apiserver");
        tokio::time::sleep(gone).await;
        let mut started = vec![start::start_api_server(&self.programs, &self.path, &self.etcd, port)?];
        start::healthy(&self.http, &format!("{}/readyz", self.server), &mut started).await?;
        let mut processes = self.processes.lock().expect("no holder of this lock panics");
        // Before etcd, which is the last to go.
        let at = processes.len().saturating_sub(1);
        processes.splice(at..at, started);
        Ok(())
    }
}
