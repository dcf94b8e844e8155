//! What a store has of this fleet, before anything large is asked: names, labels, hosts, how many series, and units.

use super::{
    Endpoint, QueryError, answer,
    plan::Range,
    queries::{self, Moved},
    read::{moment, range},
};
use crate::{
    Progress, Step,
    dcgm::{
        accumulate::{Accumulator, Reading},
        labels::{Convention, Pairs, identify},
        names::{self, RatioRule, Unit},
    },
};
use plimsoll_fleet::{Fleet, Unseen, UnseenKind, resource::Vendor};
use std::collections::BTreeSet;

/// More hosts than this are not told apart.
const HOSTS_MAX: usize = 200_000;

/// What is there.
#[derive(Debug)]
pub(super) struct Survey {
    /// The names of metrics.
    pub(super) there: BTreeSet<String>,
    /// How the holder of a device is written, where its job does not tell.
    convention: Convention,
    /// The jobs whose exporters' labels were moved aside. Empty: not told.
    exported: BTreeSet<String>,
    /// The label that parts the GPU series by host.
    pub(super) host_label: String,
    /// Its values.
    pub(super) hosts: Vec<String>,
    /// Series of one metric, about.
    pub(super) series: u64,
    /// GPU requests of kube-state-metrics are there; which of its labels are `exported_…`.
    pub(super) kube_state: Option<Moved>,
}

impl Survey {
    /// Asks for all that is not large. Only the question for names must be answered.
    pub(super) async fn take(fleet: &Fleet, store: &Endpoint, window: Range, progress: &Progress<'_>) -> Result<Self, QueryError> {
        let there = names_there(store, window).await?;
        progress(Step { stage: "which metrics there are", done: 1, total: Some(2) });
        let gpus: usize = fleet.nodes.iter().map(|node| node.gpus.len()).sum();
        let mut survey = Self {
            there,
            convention: Convention::default(),
            exported: BTreeSet::new(),
            host_label: "instance".to_owned(),
            hosts: Vec::new(),
            series: gpus as u64,
            kube_state: None,
        };
        // All series of one exporter have the same labels, so one metric tells them; the first that is there.
        if let Some(names) = queries::gauges(&survey.there).into_values().next() {
            let selector = queries::select(&names, "");
            let labels = list(store, "/api/v1/labels", &selector, window).await.unwrap_or_default();
            let has = |label: &str| labels.iter().any(|known| known == label);
            if has("exported_pod") || has("exported_namespace") {
                survey.convention = Convention::Exported;
                // Whether labels are honoured is set job by job.
                let moved = queries::select(&names, "exported_pod!=\"\"");
                survey.exported = list(store, "/api/v1/label/job/values", &moved, window).await.unwrap_or_default().into_iter().collect();
            }
            // Both spellings in one window are an upgrade: neither covers it alone.
            match (has("Hostname"), has("hostname")) {
                (true, false) => survey.host_label = "Hostname".to_owned(),
                (false, true) => survey.host_label = "hostname".to_owned(),
                _ => {}
            }
            let values = format!("/api/v1/label/{}/values", survey.host_label);
            survey.hosts = list(store, &values, &selector, window).await.unwrap_or_default();
            survey.hosts.truncate(HOSTS_MAX);
            if let Ok(body) = moment(store, &format!("count({selector})"), window.end).await {
                let counted = answer::series(&body, &mut |_, _, points| {
                    let count = points.last().map_or(0.0, |point| point.value);
                    if count.is_finite() && count > 0.0 {
                        survey.series = survey.series.max(count as u64);
                    }
                });
                drop(counted);
            }
        }
        if survey.there.contains("kube_pod_container_resource_requests") && survey.there.contains("kube_node_info") {
            let labels = list(store, "/api/v1/labels", queries::REQUESTS, window).await.unwrap_or_default();
            survey.kube_state = Some(Moved::among(&labels));
        }
        Ok(survey)
    }

    /// How the holder of a device is written in a series with `labels`.
    pub(super) fn convention_of(&self, labels: &Pairs<'_>) -> Convention {
        let job = labels.iter().find(|(name, _)| name == "job").map(|(_, job)| job.as_ref());
        match job {
            Some(job) if !self.exported.is_empty() && !self.exported.contains(job) => Convention::Honoured,
            _ => self.convention,
        }
    }

    /// The unit of `GPU_UTIL_RATIO`, exporter by exporter: its description and its neighbours say, a value above 1 overrules
    /// them. Those values are looked for by the store itself, in the same stretches as all else, and are few or none.
    pub(super) async fn ratio(&self, store: &Endpoint, chunks: &[Range]) -> Ratio {
        let mut ratio = Ratio { unit: Unit::Base, percent: BTreeSet::new(), unseen: Vec::new() };
        if !self.there.contains(names::AMBIGUOUS) {
            return ratio;
        }
        let helps =
            store.ask("/api/v1/metadata", &[("metric", names::AMBIGUOUS)]).await.map(|body| answer::helps(&body)).unwrap_or_default();
        let (unit, rule) = names::decide_ratio(helps.iter().map(String::as_str), self.there.iter().map(String::as_str));
        ratio.unit = if unit == Unit::PercentOrRatio { Unit::Base } else { unit };
        let tell = |why: String| Unseen {
            kind: UnseenKind::NotUnderstood,
            subject: names::AMBIGUOUS.into(),
            why: why.into(),
            remedy: "nothing else in the figures hangs on it; upgrade the exporter to 4.9 (DCGM 4.7), where it is a ratio".into(),
        };
        if ratio.unit != Unit::Percent {
            let query = format!("{} > 1 <= 100", names::AMBIGUOUS);
            for chunk in chunks {
                let Ok(bodies) = range(store, &query, *chunk).await else {
                    ratio
                        .unseen
                        .push(tell("whether it is a ratio or a percentage could not be checked; it was read as a ratio".to_owned()));
                    break;
                };
                for (_, body) in bodies {
                    let read = answer::series(&body, &mut |_, labels, points| {
                        if !points.is_empty() {
                            ratio.percent.extend(exporters(labels).into_iter().flatten().map(str::to_owned));
                        }
                    });
                    drop(read);
                }
            }
        }
        if !ratio.percent.is_empty() {
            ratio.unseen.push(tell(
                "its values exceed 1 on some exporters although it is called a ratio: there it was read as a percentage".to_owned(),
            ));
        } else if rule == RatioRule::Assumed {
            ratio.unseen.push(tell("its name does not tell its unit and no value exceeds 1: it was read as a ratio".to_owned()));
        }
        ratio
    }

    /// Learns the memory of boards that no node label tells, from one moment.
    pub(super) async fn read_memory(
        &self,
        fleet: &Fleet,
        store: &Endpoint,
        window: Range,
        accumulator: &mut Accumulator,
        reading: &Reading,
    ) {
        let unknown = fleet
            .nodes
            .iter()
            .any(|node| node.has_gpus() && node.gpu_memory.is_none() && node.vendor.is_none_or(|vendor| vendor == Vendor::Nvidia));
        let names = queries::memory(&self.there);
        if !unknown || names.is_empty() {
            return;
        }
        let Ok(body) = moment(store, &queries::select(&names, ""), window.end).await else { return };
        // What is not known stays unknown, and is a blind spot of its own.
        let read = answer::series(&body, &mut |name, labels, points| {
            if let Some(point) = points.last() {
                let reading = Reading { convention: self.convention_of(labels), ..*reading };
                accumulator.take_memory(name, labels, *point, &reading);
            }
        });
        drop(read);
    }
}

/// How `GPU_UTIL_RATIO` is read.
#[derive(Debug)]
pub(super) struct Ratio {
    /// Where nothing speaks against it.
    pub(super) unit: Unit,
    /// Hosts, addresses and UUIDs of the exporters that write percent.
    percent: BTreeSet<String>,
    /// What has to be said about it.
    pub(super) unseen: Vec<Unseen>,
}

impl Ratio {
    /// The unit in a series with `labels`.
    pub(super) fn unit_of(&self, labels: &Pairs<'_>) -> Unit {
        if !self.percent.is_empty() && exporters(labels).into_iter().flatten().any(|name| self.percent.contains(name)) {
            return Unit::Percent;
        }
        self.unit
    }
}

/// All that names the exporter of a series.
fn exporters<'a>(labels: &'a Pairs<'a>) -> [Option<&'a str>; 3] {
    let identity = identify(labels, Convention::default());
    [identity.host, identity.instance, identity.uuid]
}

async fn names_there(store: &Endpoint, window: Range) -> Result<BTreeSet<String>, QueryError> {
    let (start, end) = (window.start.to_string(), window.end.to_string());
    let mut form: Vec<(&str, &str)> = queries::WANTED.iter().map(|wanted| ("match[]", *wanted)).collect();
    form.extend([("start", start.as_str()), ("end", end.as_str())]);
    let listed = store.ask("/api/v1/label/__name__/values", &form).await.and_then(|body| answer::names(&body));
    let error = match listed {
        Ok(names) => return Ok(names.into_iter().collect()),
        Err(error) if is_final(&error) => return Err(error),
        Err(error) => error,
    };
    // A store that does not list values by a matcher still counts series.
    let mut names = BTreeSet::new();
    for wanted in queries::WANTED {
        let Ok(body) = moment(store, &format!("count by (__name__) ({wanted})"), window.end).await else { return Err(error) };
        let read = answer::series(&body, &mut |name, _, _| {
            names.insert(name.to_owned());
        });
        if read.is_err() {
            return Err(error);
        }
    }
    Ok(names)
}

/// Would another question end in the same way?
fn is_final(error: &QueryError) -> bool {
    !matches!(
        error,
        QueryError::NotPrometheus(_) | QueryError::Refused { .. } | QueryError::Status { status: 400 | 404 | 405 | 422 | 501, .. }
    )
}

async fn list(store: &Endpoint, path: &str, selector: &str, window: Range) -> Result<Vec<String>, QueryError> {
    let (start, end) = (window.start.to_string(), window.end.to_string());
    let body = store.ask(path, &[("match[]", selector), ("start", &start), ("end", &end)]).await?;
    answer::names(&body)
}
