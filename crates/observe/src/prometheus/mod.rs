//! Prometheus and what speaks its HTTP API (Thanos, Mimir, VictoriaMetrics): find it, and read a fleet's evidence from it.
//!
//! [`find()`] gives an [`Endpoint`], by address or through the API server; [`read()`] asks it for ranges, in chunks, with few
//! requests at once, and feeds the answers to [`crate::dcgm::accumulate`] as they are parsed; what kube-state-metrics tells of
//! pods that came and went becomes the fleet's history. Nothing here evaluates PromQL,
//! and nothing is written.

pub mod answer;
mod endpoint;
mod error;
mod find;
mod lives;
mod plan;
mod queries;
mod read;
mod survey;
#[cfg(test)]
mod tests;

pub use endpoint::Endpoint;
pub use error::{PrometheusError, QueryError};
pub use find::find;
pub use read::read;

use plimsoll_fleet::{Seconds, Timestamp};
use std::{path::PathBuf, time::Duration};

/// Where Prometheus is, how it lets us in, and what is asked of it.
#[derive(Debug, Clone)]
pub struct PrometheusOptions {
    /// Its address, with the path before `/api/v1`; none: it is looked for in the cluster.
    pub url: Option<url::Url>,
    /// A bearer token.
    pub token: Option<String>,
    /// A file with a bearer token, read anew for each request: tokens of service accounts change.
    pub token_file: Option<PathBuf>,
    /// Name and password for basic authentication. Those in the address work too.
    pub basic: Option<(String, String)>,
    /// A client certificate and its key, PEM files.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Certificates of authorities to trust beside the system's, a PEM file.
    pub ca: Option<PathBuf>,
    /// Do not check the server's certificate.
    pub insecure: bool,
    /// More headers, for example `X-Scope-OrgID` of a tenant.
    pub headers: Vec<(String, String)>,
    /// How far to look back.
    pub window: Seconds,
    /// Time between samples; none: 60 s up to 8 days, 300 s above. DCGM measures every 30 s.
    pub step: Option<Seconds>,
    /// Where the window ends; none: when the fleet was seen.
    pub end: Option<Timestamp>,
    /// Requests at once.
    pub concurrency: usize,
    /// How long one request may take.
    pub timeout: Duration,
    /// How often a request that failed for a while is tried again.
    pub retries: u32,
    /// How long to wait before the first new try; each further wait is twice as long.
    pub backoff: Duration,
}

impl Default for PrometheusOptions {
    fn default() -> Self {
        Self {
            url: None,
            token: None,
            token_file: None,
            basic: None,
            identity: None,
            ca: None,
            insecure: false,
            headers: Vec::new(),
            window: Seconds(7 * Seconds::DAY.0),
            step: None,
            end: None,
            concurrency: 4,
            timeout: Duration::from_secs(120),
            retries: 4,
            backoff: Duration::from_millis(500),
        }
    }
}

impl PrometheusOptions {
    /// The step that is asked for.
    #[must_use]
    pub fn step(&self) -> Seconds {
        let by_window = if self.window.0 <= 8 * Seconds::DAY.0 { 60 } else { 300 };
        Seconds(self.step.map_or(by_window, |step| step.0).max(1))
    }
}
