//! Alibaba cluster-trace-v2026-GenAI: duty cycle (percent) and GPU memory (bytes) of each pod of an inference fleet, every 57 s.
//!
//! The trace names containers by a hash of their address, and says nothing of nodes. Each becomes a pod that holds one
//! GPU of a node of its own, of unknown model, type and price. The duty cycle is the share of time that some kernel ran: `GPU_UTIL`.
//! Host memory and the times of model loads (`pod_memory_util.csv`, `*_update_latency.csv`) have no place in a fleet and are not read.

use super::{
    TraceError,
    table::{Column, Table},
};
use plimsoll_fleet::{
    Attribution, CourseBuilder, DeviceUsage, Evidence, Fleet, Metric, Metrics, Name, Node, NodeId, Pod, PodId, PodUsage, Seconds, Shape,
    SketchBuilder, Timestamp, Unseen, UnseenKind, Window,
    course::Grid,
    evidence::{Dropped, Hour, MetricsSource},
    fleet::{Namespace, Origin, ShapeTable},
    history,
    node::{Gpu, Offer},
    pod::{Ask, Phase},
    resource::Vendor,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::Path,
};

pub(super) const DUTY: &str = "pod_gpu_duty_cycle.csv";
const MEMORY: &str = "pod_gpu_memory_used_bytes.csv";
/// Activity at or above this counts as work, as everywhere (`Metrics::last_active`).
const ACTIVE: f64 = 0.01;

/// What the files say of one container.
#[derive(Default)]
struct Seen {
    duty: SketchBuilder,
    course: CourseBuilder,
    memory: SketchBuilder,
    first: Option<i64>,
    last_active: Option<Timestamp>,
}

pub(super) fn read(dir: &Path, name: &str, files: &[String]) -> Result<Fleet, TraceError> {
    let mut seen: BTreeMap<Name, Seen> = BTreeMap::new();
    let mut dropped = Dropped::default();
    let mut hours: BTreeMap<i64, (BTreeSet<i64>, u64, f64)> = BTreeMap::new();
    let mut moments = BTreeSet::new();
    let mut queries = BTreeMap::from([(Metric::GpuUtil, format!("{DUTY}: value / 100").into())]);

    each_sample(dir, DUTY, &mut dropped, &mut |container, at, value, dropped| {
        let duty = value / 100.0;
        if duty > 1.0 {
            dropped.above_one += 1;
            return;
        }
        let seen = seen.entry(container).or_default();
        seen.duty.add(duty);
        seen.course.add(Metric::GpuUtil, std::iter::once((at, duty)));
        seen.first = Some(seen.first.map_or(at, |first| first.min(at)));
        if duty >= ACTIVE {
            seen.last_active = seen.last_active.max(Some(Timestamp(at)));
        }
        moments.insert(at);
        let hour = hours.entry(at.div_euclid(3_600)).or_default();
        hour.0.insert(at);
        hour.1 += 1;
        hour.2 += duty;
    })?;
    if files.iter().any(|file| file == MEMORY) {
        queries.insert(Metric::MemoryUsed, format!("{MEMORY}: value").into());
        each_sample(dir, MEMORY, &mut dropped, &mut |container, at, value, _| {
            let seen = seen.entry(container).or_default();
            seen.memory.add(value);
            seen.first = Some(seen.first.map_or(at, |first| first.min(at)));
            moments.insert(at);
        })?;
    }
    let (Some(&start), Some(&end)) = (moments.first(), moments.last()) else {
        return Err(TraceError::Empty { path: dir.join(DUTY) });
    };
    let window = Window { start: Timestamp(start), end: Timestamp(end) };
    let grid = Grid::over(window);

    let mut shapes = ShapeTable::default();
    let shape = shapes.place(Shape { asks: vec![Ask { resource: "nvidia.com/gpu".into(), count: 1, dra: false }], ..Shape::default() });
    let namespace: Name = "genai2026".into();
    let mut fleet = Fleet {
        at: Timestamp(end),
        origin: Origin { source: "genai2026".into(), cluster: Some(name.into()), version: None },
        shapes: shapes.into_shapes(),
        namespaces: vec![Namespace { name: namespace.clone(), ..Namespace::default() }],
        evidence: Evidence {
            window: Some(window),
            courses: Some(grid),
            step: step(&moments),
            source: MetricsSource::Trace(name.into()),
            queries,
            hours: hours.into_iter().map(|(hour, (moments, samples, busy))| mean_hour(hour, moments.len(), samples, busy)).collect(),
            dropped,
            ..Evidence::default()
        },
        ..Fleet::default()
    };
    for (index, (container, seen)) in seen.into_iter().enumerate() {
        let (node, pod) = (NodeId(index as u32), PodId(index as u32));
        let since = seen.first.map(Timestamp);
        fleet.nodes.push(node_of_its_own(index));
        fleet.pods.push(Pod {
            namespace: namespace.clone(),
            name: container,
            shape,
            node: Some(node),
            phase: Phase::Running,
            created: since,
            scheduled: since,
            started: since,
            ready: since,
            ..Pod::default()
        });
        let sketches = [(Metric::GpuUtil, seen.duty.finish()), (Metric::MemoryUsed, seen.memory.finish())];
        let metrics = Metrics {
            by_metric: sketches.into_iter().filter_map(|(metric, sketch)| Some((metric, sketch?))).collect(),
            last_active: seen.last_active,
            course: seen.course.finish(grid),
        };
        fleet.evidence.devices.push(DeviceUsage { node, gpu: 0, slice: None, metrics: metrics.clone() });
        fleet.evidence.pods.push(PodUsage { pod, gpu: Some(0), slice: None, attribution: Attribution::Measured, metrics });
    }
    fleet.unseen = unseen(dropped);
    fleet.history.lives = history::living(&fleet);
    Ok(fleet)
}

type EachSample<'a> = dyn FnMut(Name, i64, f64, &mut Dropped) + 'a;

fn each_sample(dir: &Path, file: &str, dropped: &mut Dropped, each: &mut EachSample<'_>) -> Result<(), TraceError> {
    let mut table = Table::open(dir.join(file))?;
    let (at, value, container) = (table.column("timestamp_anon")?, table.column("value")?, table.column("container_ip")?);
    let mut met: HashSet<(Name, i64)> = HashSet::new();
    let mut names: BTreeSet<Name> = BTreeSet::new();
    while table.next()? {
        let at = moment(&table, at)?;
        let value: f64 = table.value(value, "a number")?;
        let container = match names.get(table.text(container)) {
            Some(known) => known.clone(),
            None => {
                let new: Name = table.text(container).into();
                names.insert(new.clone());
                new
            }
        };
        if !value.is_finite() {
            dropped.not_finite += 1;
        } else if value < 0.0 {
            dropped.negative += 1;
        } else if !met.insert((container.clone(), at)) {
            dropped.duplicate += 1;
        } else {
            each(container, at, value, dropped);
        }
    }
    Ok(())
}

/// Seconds since 1970, which the trace writes with a fraction.
fn moment(table: &Table, column: Column) -> Result<i64, TraceError> {
    const EXPECTED: &str = "a time in seconds since 1970";
    let at: f64 = table.value(column, EXPECTED)?;
    // 2^40 s is the year 36812: any sum of two such still is a time.
    if (0.0..f64::from(1 << 20) * f64::from(1 << 20)).contains(&at) { Ok(at as i64) } else { Err(table.wrong(column, EXPECTED)) }
}

/// The most frequent distance between two moments.
fn step(moments: &BTreeSet<i64>) -> Seconds {
    let mut distances: BTreeMap<i64, usize> = BTreeMap::new();
    for (before, after) in moments.iter().zip(moments.iter().skip(1)) {
        *distances.entry(after - before).or_default() += 1;
    }
    Seconds(distances.into_iter().max_by_key(|&(distance, times)| (times, -distance)).map_or(0, |(distance, _)| distance as u64))
}

fn mean_hour(hour: i64, moments: usize, samples: u64, busy: f64) -> Hour {
    let gpus = samples as f64 / moments as f64;
    Hour { start: Timestamp(hour * 3_600), seen: gpus, held: gpus, busy: busy / moments as f64, useful: None, waiting: None }
}

fn node_of_its_own(index: usize) -> Node {
    Node {
        name: format!("unknown-node-{index}").into(),
        ready: true,
        max_pods: 1,
        offers: vec![Offer { resource: "nvidia.com/gpu".into(), count: 1, capacity: 1, dra: false }],
        gpus: vec![Gpu::default()],
        vendor: Some(Vendor::Nvidia),
        ..Node::default()
    }
}

fn unseen(dropped: Dropped) -> Vec<Unseen> {
    let absent = |subject: &str| Unseen {
        kind: UnseenKind::MetricAbsent,
        subject: subject.into(),
        why: "the genai2026 trace does not have it".into(),
        remedy: "in a cluster of yours, let the DCGM exporter send it".into(),
    };
    let mut unseen = vec![
        Unseen {
            kind: UnseenKind::Partial,
            subject: "nodes".into(),
            why: "the genai2026 trace does not say on which nodes its pods ran, nor on which GPUs: each pod was given a node with one GPU of \
                  unknown model and price"
                .into(),
            remedy: "read use and hours from this trace, and neither money nor placement".into(),
        },
        absent("SM activity"),
        absent("tensor activity"),
        absent("DRAM activity"),
    ];
    if dropped.total() > 0 {
        unseen.push(Unseen {
            kind: UnseenKind::Dropped,
            subject: "samples".into(),
            why: format!("{} samples of the trace could not be used", dropped.total()).into(),
            remedy: "look at the trace's files: values are percentages from 0 to 100 and bytes".into(),
        });
    }
    unseen
}
