//! From the arguments to a fleet.

use crate::{
    cli::{ClusterArgs, MetricsArgs},
    printer::Printer,
    progress::Bars,
};
use anyhow::{Context as _, bail};
use plimsoll_fleet::Fleet;
use plimsoll_observe::{
    kubernetes::{self, ConnectOptions},
    prometheus::{self, PrometheusOptions},
    scrape,
};
use std::{path::Path, time::Duration};

/// DCGM measures every 30 s: asking more often gives the same sample again.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(30);

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
