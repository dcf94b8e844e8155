//! What can go wrong with a metrics store.

use std::{path::PathBuf, time::Duration};

/// Metrics could not be had from Prometheus at all. An audit can go on without them.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// The address cannot be one of Prometheus.
    #[error("{url} is not an address of Prometheus: give one such as http://prometheus.monitoring:9090 or https://host/prefix")]
    Address {
        /// What was given.
        url: String,
    },
    /// A file that is named in the options cannot be read.
    #[error("{what} for Prometheus could not be read from {}: check the path and its permissions", path.display())]
    File {
        /// What it should hold.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The settings for TLS or a header cannot be used.
    #[error("{what} for {address} cannot be used: {hint}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// Whose.
        address: String,
        /// What it should be.
        hint: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The Services of the cluster cannot be listed.
    #[error(
        "Prometheus could not be looked for, because Services cannot be listed: allow `list services`, or name it with --prometheus URL"
    )]
    Services {
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// There is no address and no cluster to look in, or nothing that answers in it.
    #[error("no Prometheus was found{}: name it with --prometheus URL or PROMETHEUS_URL, or use --scrape 10m", tried(looked_at))]
    NotFound {
        /// The Services that looked like one, and what they said.
        looked_at: Vec<String>,
    },
    /// The store was found and gave nothing.
    #[error("{address} gave no metrics ({what}); {}", source.remedy())]
    Query {
        /// Where it is, without credentials.
        address: String,
        /// What was asked.
        what: String,
        /// Why not.
        #[source]
        source: QueryError,
    },
}

fn tried(looked_at: &[String]) -> String {
    if looked_at.is_empty() { String::new() } else { format!(" (tried {})", looked_at.join("; ")) }
}

/// One request to a metrics store failed.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// No connection, or it broke.
    #[error("no connection")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// A status that is no success.
    #[error("status {status}{}{message}", if message.is_empty() { "" } else { ": " })]
    Status {
        /// The HTTP status.
        status: u16,
        /// What the body says, shortened.
        message: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// It answered with a web page: a login, most likely.
    #[error("the answer is a web page, not JSON: most likely a login page")]
    WebPage,
    /// The answer is not what the API promises.
    #[error("the answer is not one of Prometheus' API")]
    NotPrometheus(#[source] serde_json::Error),
    /// The API says that the query failed.
    #[error("refused ({kind}): {message}")]
    Refused {
        /// Prometheus' `errorType`.
        kind: String,
        /// Its `error`.
        message: String,
    },
    /// The answer is larger than we take.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The file with the token cannot be read.
    #[error("the token file {} cannot be read", path.display())]
    Token {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl QueryError {
    /// Can the same request succeed later?
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Timeout(_) => true,
            Self::Status { status, .. } => *status == 429 || *status == 408 || *status >= 500,
            _ => false,
        }
    }

    /// Can a smaller request succeed?
    #[must_use]
    pub fn is_too_much(&self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::Timeout(_) => true,
            Self::Refused { kind, .. } => matches!(kind.as_str(), "execution" | "timeout" | "canceled"),
            Self::Status { status, .. } => matches!(status, 413 | 422 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Connect(_) => "check the address, and that it can be reached from here (kubectl port-forward helps)",
            Self::Timeout(_) | Self::TooLarge { .. } => "ask for less: a shorter --window or a longer step",
            Self::Status { status: 401 | 403, .. } | Self::WebPage => {
                "give credentials: --prometheus-token-file, basic authentication or a client certificate"
            }
            Self::Status { status: 404, .. } | Self::NotPrometheus(_) => {
                "check the address: it must be what stands before /api/v1 (Mimir: /prometheus; VictoriaMetrics cluster: /select/0/prometheus)"
            }
            Self::Status { status: 400, .. } | Self::Refused { .. } => "a store with tenants needs its header, for example X-Scope-OrgID",
            Self::Status { .. } => "look at the store's own log",
            Self::Token { .. } => "check the path and its permissions",
        }
    }
}
