#![allow(clippy::unwrap_used, clippy::print_stderr)]

use super::{
    accumulate::{Accumulator, Point, Reading},
    exposition,
    labels::Convention,
    names::Unit,
};
use plimsoll_fleet::{
    Attribution, Fleet, Metric, Node, NodeId, Pod, PodId, Shape, ShapeId, Timestamp, UnseenKind, Window,
    node::{Gpu, Sharing},
    pod::Ask,
    resource::Vendor,
};
use proptest::prelude::*;
use std::{borrow::Cow, path::PathBuf};

const DAY: Window = Window { start: Timestamp(0), end: Timestamp(86_400) };
const HONOURED: Reading = Reading { node: None, convention: Convention::Honoured, ratio: Unit::Base, bounds: DAY };

/// A node `n` with `gpus` GPUs and the pods `ns/a`, `ns/b`, … that each ask for one and were made at 0.
fn fleet(gpus: usize, sharing: Sharing, pods: &[&str]) -> Fleet {
    let node = Node { name: "n".into(), gpus: vec![Gpu::default(); gpus], sharing, vendor: Some(Vendor::Nvidia), ..Node::default() };
    let shape = Shape { asks: vec![Ask { resource: "nvidia.com/gpu".into(), count: 1, dra: false }], ..Shape::default() };
    let pod = |name: &&str| Pod {
        namespace: "ns".into(),
        name: (*name).into(),
        node: Some(NodeId(0)),
        shape: ShapeId(0),
        created: Some(Timestamp(0)),
        ..Pod::default()
    };
    Fleet { nodes: vec![node], shapes: vec![shape], pods: pods.iter().map(pod).collect(), ..Fleet::default() }
}

#[derive(Debug, Clone)]
struct Series {
    name: &'static str,
    labels: Vec<(&'static str, String)>,
    points: Vec<Point>,
}

fn series(name: &'static str, labels: &[(&'static str, &str)], values: &[f64]) -> Series {
    let points = values.iter().enumerate().map(|(at, value)| Point { at: at as i64 * 60, value: *value }).collect();
    Series { name, labels: labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(), points }
}

fn take(accumulator: &mut Accumulator, series: &Series, reading: &Reading) {
    let labels: Vec<(Cow<'_, str>, Cow<'_, str>)> =
        series.labels.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(value.as_str()))).collect();
    accumulator.take(series.name, &labels, &series.points, reading);
}

fn read(fleet: &Fleet, all: &[Series]) -> Fleet {
    let mut fleet = fleet.clone();
    let mut accumulator = Accumulator::new(&fleet);
    for series in all {
        take(&mut accumulator, series, &HONOURED);
    }
    accumulator.finish(&mut fleet);
    fleet.check().unwrap();
    fleet
}

const UTIL: &str = "DCGM_FI_DEV_GPU_UTIL";
const USED: &str = "DCGM_FI_DEV_FB_USED";
const ENGINE: &str = "DCGM_FI_PROF_GR_ENGINE_ACTIVE";

#[test]
fn a_whole_gpu_is_measured_for_the_pod_that_holds_it() {
    let labels = [("UUID", "GPU-1"), ("gpu", "0"), ("Hostname", "n"), ("namespace", "ns"), ("pod", "a")];
    let fleet = read(&fleet(1, Sharing::Whole, &["a"]), &[series(UTIL, &labels, &[50.0, 100.0]), series(USED, &labels, &[1024.0, 1024.0])]);
    let usage = &fleet.evidence.pods[0];
    assert_eq!((usage.pod, usage.gpu, usage.attribution), (PodId(0), Some(0), Attribution::Measured));
    assert_eq!(usage.metrics.get(Metric::GpuUtil).unwrap().mean(), 0.75);
    assert_eq!(usage.metrics.get(Metric::MemoryUsed).unwrap().max(), 1_073_741_824.0);
    assert_eq!(usage.metrics.last_active, Some(Timestamp(60)));
    assert_eq!(fleet.nodes[0].gpus[0].uuid.as_deref(), Some("GPU-1"));
    assert_eq!(fleet.evidence.window, Some(Window { start: Timestamp(0), end: Timestamp(60) }));
    let hour = fleet.evidence.hours[0];
    assert_eq!((hour.seen, hour.held, hour.busy, hour.useful, hour.waiting), (1.0, 1.0, 0.75, None, None));
    assert!(fleet.unseen.iter().any(|unseen| unseen.kind == UnseenKind::MetricAbsent && &*unseen.subject == "DCGM_FI_PROF_SM_ACTIVE"));
}

/// With virtual GPUs: activity is copied per pod, GPU_UTIL and FB_USED are per process, and the device's own row stays.
#[test]
fn shares_are_copies_or_per_process_and_the_device_counts_once() {
    let share = |pod, vgpu| [("UUID", "GPU-1"), ("gpu", "0"), ("Hostname", "n"), ("namespace", "ns"), ("pod", pod), ("vgpu", vgpu)];
    let device = [("UUID", "GPU-1"), ("gpu", "0"), ("Hostname", "n")];
    let fleet = read(
        &fleet(1, Sharing::TimeSliced { replicas: 2 }, &["a", "b"]),
        &[
            series(ENGINE, &share("a", "0"), &[0.5]),
            series(ENGINE, &share("b", "1"), &[0.5]),
            series(UTIL, &device, &[60.0]),
            series(UTIL, &share("a", "0"), &[60.0]),
            series(UTIL, &share("b", "1"), &[0.0]),
            series(USED, &device, &[3072.0]),
            series(USED, &share("a", "0"), &[1024.0]),
            series(USED, &share("b", "1"), &[2048.0]),
        ],
    );
    let gib =
        |usage: &plimsoll_fleet::Metrics| usage.get(Metric::MemoryUsed).map(|sketch| (sketch.count(), sketch.mean() / f64::from(1 << 30)));
    assert_eq!(fleet.evidence.devices.len(), 1);
    let metrics = &fleet.evidence.devices[0].metrics;
    assert_eq!((gib(metrics), metrics.get(Metric::EngineActive).unwrap().count()), (Some((1, 3.0)), 1));
    assert_eq!(fleet.evidence.dropped.total(), 0, "copies are expected, and not lost");
    let kinds: Vec<_> = fleet.evidence.pods.iter().map(|usage| (usage.pod.0, usage.attribution, gib(&usage.metrics))).collect();
    assert_eq!(
        kinds,
        [
            (0, Attribution::DeviceCopy, None),
            (0, Attribution::PerProcess, Some((1, 1.0))),
            (1, Attribution::DeviceCopy, None),
            (1, Attribution::PerProcess, Some((1, 2.0))),
        ]
    );
    assert_eq!(fleet.evidence.hours[0].busy, 0.5);
}

/// Without virtual GPUs one pod of a shared device wins the labels: its figure is still the device's.
#[test]
fn the_pod_that_wins_the_labels_of_a_shared_gpu_is_not_measured() {
    let labels = [("UUID", "GPU-1"), ("gpu", "0"), ("Hostname", "n"), ("namespace", "ns"), ("pod", "a")];
    let fleet = read(&fleet(1, Sharing::TimeSliced { replicas: 4 }, &["a"]), &[series(ENGINE, &labels, &[0.5])]);
    assert_eq!(fleet.evidence.pods[0].attribution, Attribution::DeviceCopy);
}

/// A pod of a StatefulSet comes back under its old name; what its predecessor did is the device's history only.
#[test]
fn earlier_pods_count_for_the_device_only() {
    let mut before = fleet(1, Sharing::Whole, &["a"]);
    before.pods[0].created = Some(Timestamp(120));
    let labels = |pod| [("UUID", "GPU-1"), ("gpu", "0"), ("Hostname", "n"), ("namespace", "ns"), ("pod", pod)];
    let mut gone = series(ENGINE, &labels("long-gone"), &[1.0]);
    gone.points[0].at = 240;
    let fleet = read(&before, &[series(ENGINE, &labels("a"), &[1.0, 1.0, 0.0, 0.0]), gone]);
    assert_eq!(fleet.evidence.devices[0].metrics.get(Metric::EngineActive).unwrap().count(), 5);
    let own = fleet.evidence.pods[0].metrics.get(Metric::EngineActive).unwrap();
    assert_eq!((fleet.evidence.pods.len(), own.count(), own.max()), (1, 2, 0.0));
    assert_eq!(fleet.evidence.hours[0].held, 1.0);
}

#[test]
fn what_a_second_exporter_repeats_is_counted_once() {
    let labels = |instance| [("UUID", "GPU-1"), ("gpu", "0"), ("Hostname", "n"), ("instance", instance)];
    let fleet = read(
        &fleet(1, Sharing::Whole, &[]),
        &[series(ENGINE, &labels("a:9400"), &[0.25, 0.5]), series(ENGINE, &labels("b:9400"), &[0.25, 0.5])],
    );
    let engine = fleet.evidence.devices[0].metrics.get(Metric::EngineActive).unwrap();
    assert_eq!((engine.count(), engine.sum(), fleet.evidence.dropped.duplicate), (2, 0.75, 2));
}

#[test]
fn a_swapped_board_leaves_its_place_to_the_new_one() {
    let labels = |uuid| [("UUID", uuid), ("gpu", "0"), ("Hostname", "n")];
    let mut new = series(ENGINE, &labels("GPU-new"), &[0.5]);
    new.points[0].at = 7_200;
    let fleet = read(&fleet(1, Sharing::Whole, &[]), &[series(ENGINE, &labels("GPU-old"), &[0.9]), new]);
    assert_eq!(fleet.nodes[0].gpus[0].uuid.as_deref(), Some("GPU-new"));
    assert_eq!(fleet.evidence.devices.len(), 1);
    assert_eq!(fleet.evidence.hours.len(), 2, "the old board's hours stay in the fleet's history");
}

#[test]
fn samples_outside_of_the_window_and_gpus_of_other_clusters_are_said() {
    let mut late = series(ENGINE, &[("UUID", "GPU-1"), ("gpu", "0"), ("Hostname", "n")], &[0.5, 0.5]);
    late.points[1].at = 100_000;
    let fleet =
        read(&fleet(1, Sharing::Whole, &[]), &[late, series(ENGINE, &[("UUID", "GPU-x"), ("gpu", "0"), ("Hostname", "far")], &[1.0])]);
    assert_eq!((fleet.evidence.devices.len(), fleet.evidence.dropped.out_of_window), (1, 1));
    assert!(fleet.unseen.iter().any(|unseen| &*unseen.subject == "GPUs of unknown nodes" && unseen.why.contains("far")));
}

#[test]
fn the_memory_of_a_board_is_learnt_from_its_parts() {
    let mut fleet = fleet(1, Sharing::Whole, &[]);
    let mut accumulator = Accumulator::new(&fleet);
    let labels = [("UUID", "GPU-1"), ("gpu", "0"), ("Hostname", "n")].map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
    for (name, mib) in [(USED, 1000.0), ("DCGM_FI_DEV_FB_FREE", 14_000.0), ("DCGM_FI_DEV_FB_RESERVED", 360.0)] {
        accumulator.take_memory(name, &labels, Point { at: 0, value: mib }, &HONOURED);
    }
    accumulator.finish(&mut fleet);
    assert_eq!(fleet.nodes[0].gpu_memory, Some(plimsoll_fleet::Bytes::from_mib(15_360)));
}

fn any_series() -> impl Strategy<Value = Series> {
    let name = prop::sample::select(vec![UTIL, USED, ENGINE, "DCGM_FI_PROF_DRAM_ACTIVE", "DCGM_FI_DEV_POWER_USAGE"]);
    // Sixty-fourths add up exactly, so sums can be compared.
    let values = prop::collection::vec((0_i64..4_000, 0_u32..=64), 0..12);
    (name, 0_u16..3, 0_u8..4, 0_u8..3, prop::option::of(1_u8..3), values).prop_map(|(name, gpu, pod, vgpu, slice, values)| {
        let mut labels = vec![("UUID", format!("GPU-{gpu}")), ("gpu", gpu.to_string()), ("Hostname", "n".to_owned())];
        if pod > 0 {
            labels.extend([("namespace", "ns".to_owned()), ("pod", ["", "a", "b", "gone"][usize::from(pod)].to_owned())]);
        }
        if vgpu > 0 {
            labels.push(("vgpu", vgpu.to_string()));
        }
        if let Some(slice) = slice {
            labels.extend([("GPU_I_ID", slice.to_string()), ("GPU_I_PROFILE", "1g.5gb".to_owned())]);
        }
        let mut points: Vec<Point> = values.into_iter().map(|(at, value)| Point { at, value: f64::from(value) / 64.0 }).collect();
        points.sort_by_key(|point| point.at);
        Series { name, labels, points }
    })
}

proptest! {
    #[test]
    fn the_order_of_series_never_matters(
        (straight, shuffled) in prop::collection::vec(any_series(), 0..14).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        let fleet = fleet(2, Sharing::Whole, &["a", "b"]);
        prop_assert_eq!(read(&fleet, &straight), read(&fleet, &shuffled));
    }

    #[test]
    fn no_more_is_busy_or_held_than_is_seen(all in prop::collection::vec(any_series(), 0..14)) {
        let fleet = read(&fleet(2, Sharing::Whole, &["a", "b"]), &all);
        for hour in &fleet.evidence.hours {
            prop_assert!(hour.seen > 0.0 && hour.busy <= hour.seen && hour.held <= hour.seen && hour.useful.unwrap_or(0.0) <= hour.seen);
        }
        for usage in &fleet.evidence.devices {
            prop_assert!(usage.slice.is_none() || usage.metrics.get(Metric::GpuUtil).is_none());
        }
    }
}

/// A published body; none where the traces are not at hand.
fn body(name: &str) -> Option<Vec<u8>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let traces = std::env::var_os("PLIMSOLL_TRACES").map_or(beside, PathBuf::from);
    let body = std::fs::read(traces.join("dcgm").join(name)).ok();
    if body.is_none() {
        eprintln!("skipped: {name} is not at hand");
    }
    body
}

/// Reads a published body into a fleet of one node, whose exporter it comes from.
fn read_body(fleet: &mut Fleet, body: &[u8]) {
    let mut accumulator = Accumulator::new(fleet);
    let reading = Reading { node: Some(NodeId(0)), ..HONOURED };
    let summary = exposition::read(body, |line| {
        if let exposition::Line::Sample { name, labels, value } = line {
            accumulator.take(name, &labels, &[Point { at: 0, value }], &reading);
        }
    });
    assert!(summary.samples > 10 && summary.skipped <= 3);
    accumulator.finish(fleet);
    fleet.check().unwrap();
}

#[test]
fn the_real_body_of_four_slices_gives_four_slices() {
    let Some(body) = body("mig_4_active.prom") else { return };
    let mut fleet = fleet(1, Sharing::MigMixed, &[]);
    read_body(&mut fleet, &body);
    let rows: Vec<_> = fleet
        .evidence
        .devices
        .iter()
        .map(|usage| {
            let slice = usage.slice.as_ref().unwrap();
            let metrics = &usage.metrics;
            let mean = |metric| metrics.get(metric).map(plimsoll_fleet::Sketch::mean);
            (slice.instance, &*slice.profile, mean(Metric::EngineActive), mean(Metric::MemoryUsed).map(|bytes| bytes / 1_048_576.0))
        })
        .collect();
    assert_eq!(
        rows,
        [
            (5, "2g.10gb", Some(0.0), Some(13.0)),
            (7, "1g.5gb", Some(0.0), Some(6.0)),
            (8, "1g.5gb", Some(0.408_493), Some(4384.0)),
            (9, "1g.5gb", Some(0.0), Some(6.0)),
        ]
    );
    assert_eq!(fleet.nodes[0].gpus[0].slices.len(), 4);
    assert_eq!(fleet.nodes[0].gpus[0].uuid.as_deref(), Some("GPU-473571f2-fb37-ef7e-50fe-9885b74a23cd"));
    assert!(fleet.evidence.not_understood.is_empty(), "{:?}", fleet.evidence.not_understood);
    assert!(fleet.unseen.iter().any(|unseen| &*unseen.subject == "pod labels"), "empty labels never mean unallocated");
}

#[test]
fn the_real_body_of_a_shared_t4_names_the_pod_that_reserves_it() {
    let Some(body) = body("fraction_1_workload.prom") else { return };
    let mut fleet = fleet(2, Sharing::Whole, &["runai-reservation-gpu-qa-mig-worker-gpu-1-kvltw"]);
    fleet.pods[0].namespace = "runai-reservation".into();
    read_body(&mut fleet, &body);
    let usage = &fleet.evidence.pods[0];
    assert_eq!((fleet.evidence.pods.len(), usage.gpu, usage.attribution), (1, Some(0), Attribution::Measured));
    assert_eq!(usage.metrics.get(Metric::MemoryUsed).unwrap().max(), 128.0 * 1_048_576.0);
    assert_eq!(fleet.evidence.devices.len(), 2);
    assert_eq!((fleet.evidence.hours[0].seen, fleet.evidence.hours[0].held), (2.0, 1.0));
    assert_eq!(usage.metrics.last_active, None);
}

#[test]
fn the_real_bodies_of_idle_gpus_are_idle() {
    for (name, devices) in [("mig_disabled_idle.prom", 1), ("mig_1g5gb_allocated_idle.prom", 1)] {
        let Some(body) = body(name) else { return };
        let mut fleet = fleet(1, Sharing::Whole, &[]);
        read_body(&mut fleet, &body);
        assert_eq!(fleet.evidence.devices.len(), devices, "{name}");
        assert_eq!(fleet.evidence.devices[0].metrics.running().unwrap().1.max(), 0.0);
        assert_eq!(fleet.evidence.hours[0].busy, 0.0);
    }
}
