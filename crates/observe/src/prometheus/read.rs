//! Reads a fleet's evidence from a metrics store: first what is there, then range by range.
//!
//! Requests run a few at once, and their answers are taken in the order in which they were planned, so the evidence does
//! not depend on which answer comes first. An answer becomes sketches before the next is taken.

use super::{
    Endpoint, PrometheusError, PrometheusOptions, QueryError, answer, lives,
    plan::{self, Range},
    queries,
    survey::Survey,
};
use crate::{
    Progress, Step,
    dcgm::{
        accumulate::{Accumulator, Reading},
        labels::Convention,
    },
    engines::Engines,
    lives::Lives,
};
use futures::StreamExt;
use plimsoll_fleet::{
    Fleet, Metric, Seconds, Timestamp, Unseen, UnseenKind,
    evidence::{Engine, MetricsSource},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU32, Ordering},
};

/// After so many failed requests a metric is given up.
const FAILURES_MAX: u32 = 3;
/// After so many failed requests, and none that was answered, the store is given up.
const HOPELESS_AFTER: u32 = 6;
/// A request that is too much is halved this often, at most.
const HALVINGS_MAX: u32 = 4;
/// Who waits is asked for at most this often: only its mean over an hour is kept.
const WAITING_STEP: u64 = 300;
/// Evidence shorter than this part of what was asked for is said to be short.
const SHORT_BELOW: f64 = 0.9;

/// What a query is about.
#[derive(Debug, Clone, Copy)]
enum About {
    Gauge(Metric),
    Engine(Engine),
    Waiting,
    WaitingSeen,
    Life(lives::Ask),
}

/// A query, asked for every stretch of time.
#[derive(Debug)]
struct Subject {
    about: About,
    /// For each group of hosts.
    queries: Vec<String>,
    /// The query without groups, for people.
    name: String,
    failures: AtomicU32,
}

/// One request.
#[derive(Debug, Clone, Copy)]
struct Task {
    subject: usize,
    shard: usize,
    range: Range,
    ends_batch: bool,
    ends_chunk: bool,
}

/// Fills the evidence of `fleet` from `store`.
///
/// # Errors
/// The store does not answer, refuses, or answers with what is not Prometheus' API. What is missing only in part is an
/// [`Unseen`] of the fleet instead.
pub async fn read(
    fleet: &mut Fleet,
    store: &Endpoint,
    options: &PrometheusOptions,
    progress: &Progress<'_>,
) -> Result<(), PrometheusError> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |source: QueryError| PrometheusError::Query { address: store.name().to_owned(), what, source }
    };
    let (end, step) = (options.end.unwrap_or(fleet.at), options.step());
    let asked = plan::plan(end, options.window, step, 1, 0).window;
    progress(Step { stage: "which metrics there are", done: 0, total: None });
    let survey = Survey::take(fleet, store, asked, progress).await.map_err(failed("which metrics there are"))?;
    let plan = plan::plan(end, options.window, step, survey.series, survey.hosts.len());
    let matchers = plan::matchers(&survey.host_label, &survey.hosts, plan.shards);

    let mut accumulator = Accumulator::new(fleet);
    accumulator.expect(asked.window());
    for name in &survey.there {
        accumulator.meet(name);
    }
    let mut engines = Engines::new(asked.window());
    let mut lives = Lives::new();
    let ratio = survey.ratio(store, &plan.chunks).await;
    let mut warnings: BTreeSet<String> = BTreeSet::new();
    let mut unseen = ratio.unseen.clone();
    let reading = |bounds: Range| Reading { node: None, convention: Convention::default(), ratio: ratio.unit, bounds: bounds.window() };
    survey.read_memory(fleet, store, asked, &mut accumulator, &reading(asked)).await;

    let engine_queries = queries::engines(&survey.there);
    for query in engine_queries.iter().filter(|query| query.is_static) {
        match moment(store, &query.query, asked.end).await {
            Ok(body) => {
                let read = answer::series(&body, &mut |name, labels, points| {
                    engines.take(name, labels, points, asked.window(), None, accumulator.directory());
                });
                warnings.extend(read.unwrap_or_default());
            }
            Err(error) => unseen.push(partial(&query.query, &error, 1, 1)),
        }
    }

    let subjects = subjects(&survey, &engine_queries, &matchers);
    let tasks = tasks(&subjects, &plan);
    let requests_of = |subject: usize| tasks.iter().filter(|task| task.subject == subject).count();
    let requests: Vec<usize> = (0..subjects.len()).map(requests_of).collect();
    let total = tasks.len() as u64;
    let mut answers = futures::stream::iter(tasks.into_iter().enumerate().map(|(index, task)| {
        let subject = &subjects[task.subject];
        async move {
            if subject.failures.load(Ordering::Relaxed) >= FAILURES_MAX {
                return (index, task, None);
            }
            (index, task, Some(range(store, &subject.queries[task.shard], task.range).await))
        }
    }))
    .buffered(options.concurrency.max(1));

    let (mut answered, mut first_errors) = (0_u64, BTreeMap::<usize, QueryError>::new());
    let mut failures = 0;
    while let Some((index, task, answer)) = answers.next().await {
        let subject = &subjects[task.subject];
        let fed = match answer {
            None => Ok(()),
            Some(Err(error)) => Err(error),
            Some(Ok(bodies)) => bodies.iter().try_for_each(|(bounds, body)| {
                let bounds = *bounds;
                let told = match subject.about {
                    About::Gauge(_) => answer::series(body, &mut |name, labels, points| {
                        let name = if name.is_empty() { subject.name.as_str() } else { name };
                        let reading = Reading { ratio: ratio.unit_of(labels), convention: survey.convention_of(labels), ..reading(bounds) };
                        accumulator.take(name, labels, points, &reading);
                    }),
                    About::Engine(_) => answer::series(body, &mut |name, labels, points| {
                        engines.take(name, labels, points, bounds.window(), None, accumulator.directory());
                    }),
                    About::Waiting => answer::series(body, &mut |_, labels, points| {
                        let resource = labels.iter().find(|(name, _)| name == "resource").map_or("", |(_, value)| value.as_ref());
                        let gpus = queries::gpus_of(resource);
                        for point in points.iter().filter(|point| (bounds.start..=bounds.end).contains(&point.at)) {
                            accumulator.take_waiting(point.at, point.value * gpus);
                        }
                    }),
                    About::WaitingSeen => answer::series(body, &mut |_, _, points| {
                        for point in points.iter().filter(|point| (bounds.start..=bounds.end).contains(&point.at)) {
                            accumulator.take_waiting_seen(point.at);
                        }
                    }),
                    About::Life(ask) => answer::series(body, &mut |_, labels, points| lives::take(ask, labels, points, &mut lives)),
                }?;
                warnings.extend(told);
                answered += 1;
                Ok(())
            }),
        };
        if let Err(error) = fed {
            subject.failures.fetch_add(1, Ordering::Relaxed);
            failures += 1;
            tracing::warn!(query = %subject.name, %error, "a part of the metrics could not be read");
            if answered == 0 && failures >= HOPELESS_AFTER {
                return Err(failed(&subject.name)(error));
            }
            first_errors.entry(task.subject).or_insert(error);
        }
        if task.ends_batch {
            accumulator.settle();
            engines.settle(accumulator.directory());
        }
        if task.ends_chunk {
            accumulator.close_hours();
        }
        progress(Step { stage: "metrics", done: index as u64 + 1, total: Some(total) });
    }
    drop(answers);
    if answered == 0
        && let Some((subject, error)) = first_errors.pop_first()
    {
        return Err(failed(&subjects[subject].name)(error));
    }

    for (subject, error) in &first_errors {
        let count = subjects[*subject].failures.load(Ordering::Relaxed);
        unseen.push(partial(&subjects[*subject].name, error, count, requests[*subject]));
    }
    if !warnings.is_empty() {
        let list: Vec<&str> = warnings.iter().map(String::as_str).take(5).collect();
        unseen.push(Unseen {
            kind: UnseenKind::Partial,
            subject: "warnings of the metrics store".into(),
            why: list.join("; ").chars().take(500).collect::<String>().into(),
            remedy: "the store answered in part only: see to its unreachable stores, then run this again".into(),
        });
    }
    let (usage, dropped) = engines.finish(accumulator.directory());
    accumulator.drop_more(dropped);
    accumulator.finish(fleet);
    match survey.kube_state {
        Some(_) => lives.finish(fleet, asked.window(), Seconds(lives::STEP.max(step.0))),
        None => unseen.extend(no_past(fleet)),
    }
    let evidence = &mut fleet.evidence;
    evidence.engines = usage;
    evidence.source = MetricsSource::Prometheus(store.name().into());
    evidence.step = step;
    for subject in &subjects {
        match subject.about {
            About::Gauge(metric) => drop(evidence.queries.insert(metric, subject.name.as_str().into())),
            About::Engine(engine) => {
                let known = evidence.engine_queries.remove(&engine);
                let all = known.map_or_else(|| subject.name.clone(), |known| format!("{known}; {}", subject.name));
                evidence.engine_queries.insert(engine, all.into());
            }
            About::Waiting | About::WaitingSeen | About::Life(_) => {}
        }
    }
    unseen.extend(short(fleet, options.window));
    fleet.unseen.append(&mut unseen);
    Ok(())
}

fn subjects(survey: &Survey, engine_queries: &[queries::EngineQuery], matchers: &[String]) -> Vec<Subject> {
    let subject = |about, name: String, queries| Subject { about, queries, name, failures: AtomicU32::new(0) };
    let mut subjects: Vec<Subject> = queries::gauges(&survey.there)
        .into_iter()
        .map(|(metric, names)| {
            let by_hosts = matchers.iter().map(|matcher| queries::select(&names, matcher)).collect();
            subject(About::Gauge(metric), queries::select(&names, ""), by_hosts)
        })
        .collect();
    for query in engine_queries.iter().filter(|query| !query.is_static) {
        subjects.push(subject(About::Engine(query.engine), query.query.clone(), vec![query.query.clone()]));
    }
    if let Some(moved) = &survey.kube_state {
        let waiting = queries::waiting(moved);
        subjects.push(subject(About::Waiting, waiting.clone(), vec![waiting]));
        subjects.push(subject(About::WaitingSeen, queries::WAITING_SEEN.to_owned(), vec![queries::WAITING_SEEN.to_owned()]));
        let lives = lives::questions(&survey.there, moved).into_iter();
        subjects.extend(lives.map(|(ask, query)| subject(About::Life(ask), query.clone(), vec![query])));
    }
    subjects
}

/// Stretch by stretch, metric by metric: so the devices of a stretch's hours can be folded when it ends. The lives of pods come last.
fn tasks(subjects: &[Subject], plan: &plan::Plan) -> Vec<Task> {
    let mut tasks = Vec::new();
    let is_life = |subject: &Subject| matches!(subject.about, About::Life(_));
    let sampled = subjects.iter().position(is_life).unwrap_or(subjects.len());
    for chunk in &plan.chunks {
        for (index, subject) in subjects[..sampled].iter().enumerate() {
            let range = match subject.about {
                About::Waiting | About::WaitingSeen => Range { step: chunk.step * WAITING_STEP.div_ceil(chunk.step).max(1), ..*chunk },
                _ => *chunk,
            };
            let shards = subject.queries.len();
            tasks.extend((0..shards).map(|shard| Task {
                subject: index,
                shard,
                range,
                ends_batch: shard + 1 == shards,
                ends_chunk: shard + 1 == shards && index + 1 == sampled,
            }));
        }
    }
    for range in lives::chunks(plan.window) {
        let ask = |subject| Task { subject, shard: 0, range, ends_batch: false, ends_chunk: false };
        tasks.extend((sampled..subjects.len()).map(ask));
    }
    tasks
}

/// Asks for a moment.
pub(super) async fn moment(store: &Endpoint, query: &str, at: i64) -> Result<Vec<u8>, QueryError> {
    store.ask("/api/v1/query", &[("query", query), ("time", &at.to_string())]).await
}

/// Asks for a range, in halves where it is too much. Each answer comes with the stretch that it was asked for.
pub(super) async fn range(store: &Endpoint, query: &str, whole: Range) -> Result<Vec<(Range, Vec<u8>)>, QueryError> {
    let mut answers = Vec::new();
    // The earlier half is on top.
    let mut open = vec![(whole, 0)];
    while let Some((range, depth)) = open.pop() {
        let (start, end, step) = (range.start.to_string(), range.end.to_string(), range.step.to_string());
        let timeout = format!("{}s", store.timeout().as_secs().max(1));
        let form = [("query", query), ("start", &start), ("end", &end), ("step", &step), ("timeout", &timeout)];
        match store.ask("/api/v1/query_range", &form).await {
            Ok(body) => answers.push((range, body)),
            Err(error) => match range.halves() {
                Some([earlier, later]) if error.is_too_much() && depth < HALVINGS_MAX => {
                    open.extend([(later, depth + 1), (earlier, depth + 1)]);
                }
                _ => return Err(error),
            },
        }
    }
    Ok(answers)
}

fn partial(query: &str, error: &QueryError, failed: u32, of: usize) -> Unseen {
    let given_up = if failed >= FAILURES_MAX { ", then it was given up" } else { "" };
    Unseen {
        kind: UnseenKind::Partial,
        subject: query.into(),
        why: format!("{failed} of {of} requests failed{given_up}: {error}").into(),
        remedy: error.remedy().into(),
    }
}

/// Without kube-state-metrics nobody tells which pods came and went.
fn no_past(fleet: &Fleet) -> Option<Unseen> {
    fleet.nodes.iter().any(|node| node.has_gpus()).then(|| Unseen {
        kind: UnseenKind::MetricAbsent,
        subject: "kube_pod_container_resource_requests".into(),
        why:
            "kube-state-metrics is not in the store, or no pod asked for GPUs: who waited when, and which pods came and went, is not known"
                .into(),
        remedy: "install kube-state-metrics (kube-prometheus-stack: kubeStateMetrics.enabled=true) and let Prometheus scrape it".into(),
    })
}

/// Does the evidence cover much less than was asked for?
fn short(fleet: &Fleet, asked: Seconds) -> Option<Unseen> {
    let window = fleet.evidence.window?;
    let covered = window.length().0 + fleet.evidence.step.0;
    if covered as f64 >= asked.0 as f64 * SHORT_BELOW {
        return None;
    }
    let text = |seconds: u64| {
        if seconds >= 172_800 { format!("{:.1} days", seconds as f64 / 86_400.0) } else { format!("{:.1} hours", seconds as f64 / 3_600.0) }
    };
    let day = |at: Timestamp| jiff::Timestamp::from_second(at.0).map_or_else(|_| at.0.to_string(), |at| at.to_string());
    Some(Unseen {
        kind: UnseenKind::ShortEvidence,
        subject: "window".into(),
        why: format!(
            "the metrics cover {} of the {} asked for: {} to {}",
            text(covered),
            text(asked.0),
            day(window.start),
            day(window.end)
        )
        .into(),
        remedy: "keep metrics for longer (--storage.tsdb.retention.time), or name a store that does; until then read the figures with care"
            .into(),
    })
}
