//! `plimsoll webhook`: guardrails at the API server.

use crate::cli::parse_time;
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use plimsoll_observe::kubernetes::{self, ConnectOptions};
use plimsoll_operate::{
    certificate::{Keeper, Life, Own},
    webhook::{self, FailurePolicy, Metrics, Options, Reached, Recorder, Registration},
};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use url::Url;

pub const AFTER: &str = "\
Answers the API server's admission reviews at POST /validate and POST /mutate, by the Guardrail, Team and Pool objects of the \
cluster. In a cluster the chart runs it (charts/plimsoll); outside of one it is reached by --url, for development:

  plimsoll webhook --kubeconfig ~/.kube/config \\
      --register --url https://10.0.0.7:8443

Its certificate is its own: made, kept in a Secret, renewed, and told to the API server. It ends at SIGTERM, once all that was \
asked is answered. On --metrics are /metrics, /healthz and /readyz.";

/// Where the service account's namespace stands in a pod.
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Arguments of `webhook`.
#[derive(Debug, Args)]
pub struct WebhookArgs {
    /// The kubeconfig file; in a pod, its service account is enough [env: KUBECONFIG]
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    kubeconfig: Option<PathBuf>,

    /// The context in it
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    context: Option<String>,

    /// The namespace of its Secret and its Lease, which it is never asked about; without it, that of its service account, or plimsoll
    #[arg(long, short, value_name = "NAME", help_heading = "Cluster")]
    namespace: Option<String>,

    /// Where reviews are answered, with TLS
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8443", help_heading = "Server")]
    listen: SocketAddr,

    /// Where metrics and probes are, without TLS
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8080", help_heading = "Server")]
    metrics: SocketAddr,

    /// How long it goes on taking connections once it was told to end
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time, help_heading = "Server")]
    drain: plimsoll_fleet::Seconds,

    /// Threads that answer; without it, one a core, two at least
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Server")]
    threads: Option<u16>,

    /// The Service by which the API server reaches it
    #[arg(long, value_name = "NAME", default_value = "plimsoll-webhook", help_heading = "Registration")]
    service: String,

    /// The address by which the API server reaches it, instead of a Service
    #[arg(long, value_name = "URL", help_heading = "Registration")]
    url: Option<Url>,

    /// The name of the webhook configurations whose CA bundle it keeps
    #[arg(long, value_name = "NAME", default_value = "plimsoll", help_heading = "Registration")]
    configuration: String,

    /// Make the webhook configurations itself
    #[arg(long, help_heading = "Registration")]
    register: bool,

    /// What the API server does with GPU workloads while no replica answers
    #[arg(long, value_enum, default_value_t = Failure::Ignore, requires = "register", help_heading = "Registration")]
    failure_policy: Failure,

    /// A namespace that no rule shall reach, beside its own, kube-system and kube-node-lease; may be repeated
    #[arg(long, value_name = "NAME", help_heading = "Registration")]
    except_namespace: Vec<String>,

    /// How often what the cluster holds is checked again: what came in while no replica answered, and what is older than its rule
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_time, help_heading = "Server")]
    recheck: plimsoll_fleet::Seconds,

    /// Its certificate (PEM), which somebody else renews, as cert-manager does; the CA bundle is then somebody else's too
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "Certificate")]
    certificate: Option<PathBuf>,

    /// The certificate's key (PEM)
    #[arg(long, value_name = "FILE", requires = "certificate", help_heading = "Certificate")]
    key: Option<PathBuf>,

    /// How long its own certificates hold; they are renewed when a third is left
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = parse_time, help_heading = "Certificate")]
    certificate_life: plimsoll_fleet::Seconds,

    /// Where decisions are recorded, a JSON line each; - is the standard output (plimsoll check --against-history reads them)
    #[arg(long, value_name = "FILE", default_value = "-", help_heading = "Log")]
    record: PathBuf,

    /// The form of the log, which goes to the standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Json, help_heading = "Log")]
    log_format: LogFormat,
}

/// What happens while no replica answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Failure {
    /// They come in unjudged; the re-check finds what breaks rules
    Ignore,
    /// They are refused
    Fail,
}

/// Forms of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// A JSON object a line
    Json,
    /// For people
    Text,
}

/// Runs it until it is told to end.
pub fn run(args: &WebhookArgs, verbose: u8) -> anyhow::Result<()> {
    start_log(args.log_format, verbose);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    builder.worker_threads(args.threads.map_or(cores.max(2), usize::from)).enable_all();
    let runtime = builder.build().context("cannot start the threads that answer")?;
    runtime.block_on(async {
        let stop = stop()?;
        let options = options(args)?;
        let cluster = ConnectOptions { kubeconfig: args.kubeconfig.clone(), context: args.context.clone() };
        let client = tokio::select! {
            connected = connected(&cluster) => connected?,
            () = stop.clone().wait() => return Ok(()),
        };
        Ok(webhook::run(client, options, stop.wait()).await?)
    })
}

/// An API server that does not answer yet is waited for: the whole cluster may be starting.
async fn connected(cluster: &ConnectOptions) -> anyhow::Result<kube::Client> {
    loop {
        match kubernetes::connect(cluster).await {
            Ok(connection) => return Ok(connection.client),
            Err(error @ kubernetes::ObserveError::Unreachable { .. }) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(%error, cause, "tried again in a moment");
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn options(args: &WebhookArgs) -> anyhow::Result<Options> {
    let namespace = match &args.namespace {
        Some(namespace) => namespace.clone(),
        None => std::fs::read_to_string(OWN_NAMESPACE).map(|text| text.trim().to_owned()).unwrap_or_else(|_| "plimsoll".to_owned()),
    };
    let (reached, hosts) = match &args.url {
        Some(url) => by_url(url)?,
        None => {
            let (service, space) = (&args.service, &namespace);
            let hosts = [format!("{service}.{space}.svc"), format!("{service}.{space}.svc.cluster.local"), format!("{service}.{space}")];
            (Reached::Service(service.clone()), hosts.to_vec())
        }
    };
    let keeper = match (&args.certificate, &args.key) {
        (Some(certificate), Some(key)) => Keeper::Files { certificate: certificate.clone(), key: key.clone() },
        _ => {
            let leaf = Duration::from_secs(args.certificate_life.0);
            let life = Life { leaf, authority: Life::default().authority.max(leaf * 4) };
            Keeper::Own(Own { namespace: namespace.clone(), hosts, life, configuration: args.configuration.clone() })
        }
    };
    let failure_policy = match args.failure_policy {
        Failure::Ignore => FailurePolicy::Ignore,
        Failure::Fail => FailurePolicy::Fail,
    };
    let registration = args.register.then(|| Registration {
        name: args.configuration.clone(),
        namespace: namespace.clone(),
        reached,
        failure_policy,
        except: args.except_namespace.clone(),
    });
    let meters = Arc::new(Metrics::default());
    let recorder =
        if args.record == Path::new("-") { Recorder::to_output(meters.clone()) } else { Recorder::to_file(&args.record, meters.clone()) };
    let recorder = recorder.with_context(|| format!("decisions cannot be recorded to {}", args.record.display()))?;
    Ok(Options {
        listen: args.listen,
        metrics: args.metrics,
        namespace,
        keeper,
        registration,
        recorder: Some(recorder),
        meters,
        except: args.except_namespace.clone(),
        recheck: Duration::from_secs(args.recheck.0),
        drain: Duration::from_secs(args.drain.0),
    })
}

fn by_url(url: &Url) -> anyhow::Result<(Reached, Vec<String>)> {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    if url.scheme() != "https" || host.is_empty() {
        bail!("--url {url}: the API server asks by https only; write https://ADDRESS:PORT");
    }
    Ok((Reached::Url(url.to_string()), vec![host]))
}

fn start_log(format: LogFormat, verbose: u8) {
    let level = match verbose {
        0 => "warn,plimsoll_operate=info,plimsoll=info",
        1 => "info,plimsoll_operate=debug,plimsoll=debug",
        _ => "debug",
    };
    let builder = tracing_subscriber::fmt().with_env_filter(level).with_writer(std::io::stderr).with_target(false);
    match format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
        LogFormat::Text => builder.with_ansi(false).init(),
    }
}

/// That the program was told to end, by SIGTERM or Ctrl-C.
#[derive(Clone)]
struct Stop(tokio::sync::watch::Receiver<bool>);

impl Stop {
    async fn wait(mut self) {
        // The sender is never dropped before it has spoken.
        drop(self.0.wait_for(|told| *told).await);
    }
}

fn stop() -> anyhow::Result<Stop> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let (tell, told) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        let _ = tell.send(true);
        std::future::pending::<()>().await;
    });
    Ok(Stop(told))
}
