//! From the arguments to a fleet.

use crate::{
    cli::{ClusterArgs, MetricsArgs},
    printer::Printer,
    progress::Bars,
};
use anyhow::{Context as _, anyhow, bail};
use plimsoll_fleet::{Fleet, price::PriceBook};
use plimsoll_observe::{
    example,
    kubernetes::{self, ConnectOptions, ObserveError},
    prometheus::{self, PrometheusOptions},
    scrape, snapshot, trace,
};
use std::{path::Path, time::Duration};

/// DCGM measures every 30 s: asking more often gives the same sample again.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(30);

/// A user's price file is small: this is some hundred thousand lines.
const LARGEST_PRICES: u64 = 16 << 20;

/// Reads what the arguments name: the example, a snapshot, a trace or a live cluster.
pub fn fleet(
    cluster_args: &ClusterArgs,
    snapshot_file: Option<&Path>,
    trace_dir: Option<&Path>,
    example_wanted: bool,
    printer: &Printer,
) -> anyhow::Result<Fleet> {
    if example_wanted {
        Ok(example::fleet(example::SEED))
    } else if let Some(path) = snapshot_file {
        Ok(snapshot::read_file(path)?)
    } else if let Some(dir) = trace_dir {
        Ok(trace::read(dir, None)?)
    } else {
        cluster(cluster_args, printer).map_err(|error| match error.downcast_ref() {
            Some(ObserveError::NoCluster) => anyhow!("{error}, or go without a cluster: --snapshot FILE, --trace DIR, --example"),
            _ => error,
        })
    }
}

/// The bundled list prices, with the user's own where a file is named.
pub fn prices(path: Option<&Path>) -> anyhow::Result<PriceBook> {
    let list = PriceBook::list();
    let Some(path) = path else { return Ok(list) };
    let text = read_text(path, LARGEST_PRICES, "a price file")?;
    Ok(list.with_file(&path.display().to_string(), &text)?)
}

/// Reads a live cluster: its objects, then the metrics of its GPUs.
pub fn cluster(args: &ClusterArgs, printer: &Printer) -> anyhow::Result<Fleet> {
    let metrics = options(&args.metrics)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the threads that read a cluster")?;
    let bars = Bars::new(*printer);
    let fleet = runtime.block_on(read(args, &metrics, &bars, printer));
    bars.clear();
    fleet
}

async fn read(args: &ClusterArgs, options: &PrometheusOptions, bars: &Bars, printer: &Printer) -> anyhow::Result<Fleet> {
    let connect = ConnectOptions { kubeconfig: args.kubeconfig.clone(), context: args.context.clone() };
    let connection = kubernetes::connect(&connect).await?;
    let progress = |step: plimsoll_observe::Step<'_>| bars.show(step);
    let mut fleet = kubernetes::read(&connection.client, connection.cluster.as_deref(), &progress).await?;
    if args.metrics.no_metrics {
        return Ok(fleet);
    }
    if let Some(length) = args.metrics.scrape {
        let length = Duration::from_secs(length.0);
        scrape::scrape(connection.client, &mut fleet, length, SCRAPE_INTERVAL.min(length / 2), &progress).await?;
        return Ok(fleet);
    }
    let named = options.url.is_some();
    let read = async {
        let store = prometheus::find(options, Some(&connection.client)).await?;
        prometheus::read(&mut fleet, &store, options, &progress).await
    };
    match read.await {
        Ok(()) => Ok(fleet),
        // What the user named must work; what was only looked for may be absent, and the audit says what it could not see.
        Err(error) if named => Err(error.into()),
        Err(error) => {
            bars.clear();
            printer.warn(&format!("no metrics: {error}"));
            Ok(fleet)
        }
    }
}

fn options(args: &MetricsArgs) -> anyhow::Result<PrometheusOptions> {
    let from_environment = || std::env::var("PROMETHEUS_URL").ok().filter(|url| !url.is_empty());
    let url = args.prometheus.clone().or_else(from_environment).map(|url| {
        let whole = if url.contains("://") { url.clone() } else { format!("http://{url}") };
        whole.parse::<url::Url>().with_context(|| format!("'{url}' is not an address such as http://prometheus.monitoring:9090"))
    });
    let basic = match (&args.prometheus_user, &args.prometheus_password) {
        (Some(user), Some(password)) => Some((user.clone(), password.clone())),
        (Some(_), None) => bail!("--prometheus-user needs the password in PROMETHEUS_PASSWORD"),
        (None, _) => None,
    };
    Ok(PrometheusOptions {
        url: url.transpose()?,
        token: args.prometheus_token.clone(),
        token_file: args.prometheus_token_file.clone(),
        basic,
        identity: args.prometheus_cert.clone().zip(args.prometheus_key.clone()),
        ca: args.prometheus_ca.clone(),
        headers: args.prometheus_header.clone(),
        window: args.window,
        step: args.step,
        ..PrometheusOptions::default()
    })
}

/// Reads a text file of at most `largest` bytes that the user named.
pub fn read_text(path: &Path, largest: u64, what: &str) -> anyhow::Result<String> {
    let place = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {place}"))?.len();
    if size > largest {
        bail!("{place} has {size} bytes: more than {what} may have ({largest})");
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read {place}"))
}
