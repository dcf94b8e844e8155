//! A real Prometheus that scrapes exporters and already knows their past.
//!
//! The history is written as OpenMetrics, made into blocks by promtool, and carries the very labels that scraping gives: the
//! target's (`job`, `instance`, …), and `exported_…` where the exporter's own collide with them and are not honoured.

use crate::{
    exporter::{Page, Served, label},
    ports::{self, Port},
    process::Process,
    word::{say, skip_without},
};
use anyhow::{Context as _, bail, ensure};
use plimsoll_fleet::{Seconds, Timestamp};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufWriter, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// How long Prometheus may take to be ready.
const PATIENCE: Duration = Duration::from_secs(300);

/// An exporter as Prometheus sees it.
#[derive(Clone)]
pub struct Target {
    /// Where it is scraped.
    pub address: SocketAddr,
    /// What it says, for the history.
    pub page: Page,
    /// The job that it belongs to.
    pub job: String,
    /// The target's labels, beside `job` and `instance`.
    pub labels: BTreeMap<String, String>,
    /// Do its own labels win over the target's? None: as [`Options::honor_labels`] says. Its job then has a name of its own.
    pub honor_labels: Option<bool>,
}

impl Target {
    /// The DCGM exporter of a pod, with the labels that its chart's ServiceMonitor gives.
    #[must_use]
    pub fn dcgm(served: &Served, page: &Page, namespace: &str, pod: &str) -> Self {
        let labels = [
            ("namespace", namespace),
            ("pod", pod),
            ("container", "nvidia-dcgm-exporter"),
            ("service", "nvidia-dcgm-exporter"),
            ("endpoint", "gpu-metrics"),
        ];
        Self::new(served, page, "nvidia-dcgm-exporter", &labels)
    }

    /// An exporter that is a pod of its own, as a PodMonitor sees it.
    #[must_use]
    pub fn pod(served: &Served, page: &Page, job: &str, namespace: &str, pod: &str, container: &str) -> Self {
        Self::new(served, page, job, &[("namespace", namespace), ("pod", pod), ("container", container)])
    }

    fn new(served: &Served, page: &Page, job: &str, labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { address: served.address(), page: page.clone(), job: job.to_owned(), labels, honor_labels: None }
    }

    /// The same target in a job that honours its labels (or does not), whatever the others do.
    #[must_use]
    pub fn honoring(self, honor_labels: bool) -> Self {
        let plain = self.job.trim_end_matches("-honored").trim_end_matches("-renamed");
        let job = format!("{plain}-{}", if honor_labels { "honored" } else { "renamed" });
        Self { job, honor_labels: Some(honor_labels), ..self }
    }

    /// The labels that a sample has once it is scraped (Prometheus `mutateSampleLabels`). An empty label is no label.
    fn scraped(&self, sample: &[(&'static str, String)], honor_labels: bool) -> BTreeMap<String, String> {
        let honor_labels = self.honor_labels.unwrap_or(honor_labels);
        let mut labels: BTreeMap<String, String> = sample.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let own = [("job".to_owned(), self.job.clone()), ("instance".to_owned(), self.address.to_string())];
        for (name, value) in self.labels.clone().into_iter().chain(own) {
            if honor_labels {
                labels.entry(name).or_insert(value);
            } else if let Some(exposed) = labels.insert(name.clone(), value).filter(|exposed| !exposed.is_empty()) {
                labels.insert(format!("exported_{name}"), exposed);
            }
        }
        labels.retain(|_, value| !value.is_empty());
        labels
    }
}

/// How a Prometheus is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Do the exporter's own labels win over the target's? The charts say no.
    pub honor_labels: bool,
    /// How far back its memory goes; zero: not at all.
    pub history: Seconds,
    /// Time between the samples of the history.
    pub step: Seconds,
    /// Time between scrapes.
    pub scrape: Seconds,
}

impl Default for Options {
    /// As the charts have it, with no history.
    fn default() -> Self {
        Self { honor_labels: false, history: Seconds(0), step: Seconds(300), scrape: Seconds(15) }
    }
}

/// A running Prometheus, killed and removed when this is dropped.
#[derive(Debug)]
pub struct Prometheus {
    _process: Process,
    url: String,
    _port: Port,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Starts one on `targets`; `None`, after saying why, where there is no Prometheus on PATH.
    ///
    /// # Errors
    /// The history cannot be written, or Prometheus does not start.
    pub async fn start(options: Options, targets: &[Target]) -> anyhow::Result<Option<Self>> {
        let begun = Instant::now();
        let (Some(program), Some(tool)) = (on_path("prometheus"), on_path("promtool")) else {
            skip_without("there is no prometheus with its promtool on PATH (Debian: apt-get install prometheus)");
            return Ok(None);
        };
        let folder = tempfile::Builder::new().prefix("plimsoll-prometheus-").tempdir().context("cannot create a folder for Prometheus")?;
        let path = folder.path().to_owned();
        std::fs::write(path.join("prometheus.yml"), configuration(options, targets)).context("cannot write prometheus.yml")?;
        if options.history.0 > 0 {
            let (targets, path) = (targets.to_vec(), path.clone());
            tokio::task::spawn_blocking(move || write_history(options, &targets, &path, &tool)).await??;
        }
        let port = ports::take()?;
        let url = format!("http://127.0.0.1:{}", port.number);
        // Back-filled blocks are older than the default retention would keep.
        let flags = [
            "--config.file=prometheus.yml".to_owned(),
            "--storage.tsdb.path=data".to_owned(),
            "--storage.tsdb.retention.time=400d".to_owned(),
            format!("--web.listen-address=127.0.0.1:{}", port.number),
        ];
        let mut process = Process::start("prometheus", &program, &path, &flags)?;
        let http = reqwest::Client::new();
        while !http.get(format!("{url}/-/ready")).send().await.is_ok_and(|answer| answer.status().is_success()) {
            process.check()?;
            ensure!(begun.elapsed() < PATIENCE, "Prometheus is not ready after {} s. {}", PATIENCE.as_secs(), process.last_words());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        say(&format!(
            "a Prometheus with {:.0} h of history is ready after {:.1} s",
            options.history.hours(),
            begun.elapsed().as_secs_f64()
        ));
        Ok(Some(Self { _process: process, url, _port: port, _folder: folder }))
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// prometheus.yml (JSON is YAML).
fn configuration(options: Options, targets: &[Target]) -> String {
    let jobs: BTreeSet<&str> = targets.iter().map(|target| target.job.as_str()).collect();
    let every = format!("{}s", options.scrape.0);
    let scrapes: Vec<_> = jobs
        .into_iter()
        .map(|job| {
            let own = targets.iter().filter(|target| target.job == job);
            let configs: Vec<_> =
                own.clone().map(|target| json!({"targets": [target.address.to_string()], "labels": target.labels})).collect();
            let honor_labels = own.clone().find_map(|target| target.honor_labels).unwrap_or(options.honor_labels);
            json!({"job_name": job, "honor_labels": honor_labels, "static_configs": configs})
        })
        .collect();
    json!({"global": {"scrape_interval": every, "scrape_timeout": every}, "scrape_configs": scrapes}).to_string()
}

/// A series: the name of its family, and its name and labels as they are written.
type Series = BTreeMap<(String, String), Vec<(i64, f64)>>;

fn write_history(options: Options, targets: &[Target], folder: &Path, tool: &Path) -> anyhow::Result<()> {
    let step = options.step.0.max(1) as i64;
    let now = jiff::Timestamp::now().as_second();
    let end = now.div_euclid(step) * step;
    let start = end - options.history.0 as i64;
    let mut series = Series::new();
    let mut kinds = BTreeMap::new();
    for target in targets {
        for at in (start..end).step_by(options.step.0.max(1) as usize) {
            for family in (target.page)(Timestamp(at)).into_iter().filter(|family| family.history) {
                for sample in family.samples {
                    let labels = target.scraped(&sample.labels, options.honor_labels);
                    let labels: Vec<String> = labels.iter().map(|(name, value)| label(name, value)).collect();
                    let name = format!("{}{}{{{}}}", family.name, sample.suffix, labels.join(","));
                    series.entry((family.name.clone(), name)).or_default().push((at, sample.value));
                }
                kinds.insert(family.name, family.kind);
            }
        }
    }
    if series.is_empty() {
        bail!("no target has anything to say in the past");
    }
    let path = folder.join("history.om");
    let mut out = BufWriter::new(File::create(&path).with_context(|| format!("cannot create {}", path.display()))?);
    let mut write = || -> std::io::Result<()> {
        let mut last = "";
        for ((family, name), samples) in &series {
            if family != last {
                // OpenMetrics names a counter's family without its suffix; types do not matter to the blocks.
                writeln!(out, "# TYPE {} {}", family.trim_end_matches("_total"), openmetrics_kind(family, kinds[family]))?;
                last = family;
            }
            for (at, value) in samples {
                writeln!(out, "{name} {value} {at}")?;
            }
        }
        writeln!(out, "# EOF")?;
        out.flush()
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    // promtool reads the whole file once for every block: few and long ones.
    let output = Command::new(tool)
        .args(["tsdb", "create-blocks-from", "--max-block-duration=500h", "openmetrics"])
        .arg(&path)
        .arg(folder.join("data"))
        .output()
        .context("cannot run promtool")?;
    ensure!(output.status.success(), "promtool takes no blocks from the history:\n{}", String::from_utf8_lossy(&output.stderr));
    std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
}

/// In OpenMetrics a counter's samples must end in `_total`; DCGM's old counters do not.
fn openmetrics_kind(family: &str, kind: &'static str) -> &'static str {
    if kind == "counter" && !family.ends_with("_total") { "unknown" } else { kind }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporter::constant;

    fn labels(honor_labels: bool, pod: &str) -> Vec<String> {
        let target = Target {
            address: ([127, 0, 0, 1], 9400).into(),
            page: constant(vec![]),
            job: "dcgm".into(),
            honor_labels: None,
            labels: BTreeMap::from([("pod".into(), "exporter-1".into())]),
        };
        let labels = target.scraped(&[("gpu", "0".into()), ("pod", pod.into())], honor_labels);
        labels.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn colliding_labels_are_moved_aside_or_honoured() {
        assert_eq!(labels(false, "p"), ["exported_pod=p", "gpu=0", "instance=127.0.0.1:9400", "job=dcgm", "pod=exporter-1"]);
        assert_eq!(labels(false, ""), ["gpu=0", "instance=127.0.0.1:9400", "job=dcgm", "pod=exporter-1"]);
        assert_eq!(labels(true, "p"), ["gpu=0", "instance=127.0.0.1:9400", "job=dcgm", "pod=p"]);
        assert_eq!(labels(true, ""), ["gpu=0", "instance=127.0.0.1:9400", "job=dcgm"]);
    }
}
