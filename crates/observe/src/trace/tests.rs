#![allow(clippy::unwrap_used)]
use super::*;
use plimsoll_fleet::{Metric, MilliGpu, SketchBuilder, holding, pod::Phase};
use std::collections::BTreeMap;

/// The folder of a public trace, if this machine has it.
fn public(trace: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PLIMSOLL_TRACES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces"), PathBuf::from);
    let dir = root.join(trace);
    if !dir.is_dir() {
        // Said through the test's own output: the harness shows it with --nocapture.
        std::io::Write::write_all(&mut std::io::stderr(), format!("skipped: no {}\n", dir.display()).as_bytes()).unwrap();
        return None;
    }
    Some(dir)
}

/// Times and duty cycles by a plain pass over the text, without a CSV reader, a sketch or a fleet.
fn plain_duties(dir: &Path) -> BTreeMap<String, Vec<(f64, f64)>> {
    let text = fs::read_to_string(dir.join("pod_gpu_duty_cycle.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("value,timestamp_anon,container_ip"));
    let mut duties: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        duties.entry(cells[2].to_owned()).or_default().push((cells[1].parse().unwrap(), cells[0].parse().unwrap()));
    }
    duties
}

#[test]
fn genai_gives_the_mean_duty_that_its_files_have() {
    let Some(dir) = public("genai2026") else { return };
    let fleet = read(&dir, None).unwrap();
    fleet.check().unwrap();
    let plain = plain_duties(&dir);
    let mut all: Vec<f64> = plain.values().flatten().map(|sample| sample.1).collect();
    all.sort_by(f64::total_cmp);

    let mut sketch = SketchBuilder::new();
    for usage in &fleet.evidence.pods {
        let name = &*fleet.pods[usage.pod.index()].name;
        let own = usage.metrics.get(Metric::GpuUtil);
        assert_eq!(own.map(|own| own.count() as usize), plain.get(name).map(Vec::len), "{name}");
        own.into_iter().for_each(|own| sketch.merge(own));
    }
    let sketch = sketch.finish().unwrap();
    let (count, mean) = (all.len(), all.iter().sum::<f64>() / all.len() as f64);
    assert_eq!(sketch.count() as usize, count, "no sample is lost");
    assert!((sketch.mean() * 100.0 - mean).abs() < 1e-9, "{} against {mean}", sketch.mean() * 100.0);
    let zeros = all.iter().filter(|duty| **duty == 0.0).count() as f64 / count as f64;
    let idle = 1.0 - sketch.share_from(1e-4);
    assert!((idle - zeros).abs() < 0.001, "{idle} against {zeros}");
    assert_eq!((sketch.quantile(0.5), all[count / 2]), (0.0, 0.0));
    let p90 = all[(0.9 * (count - 1) as f64).round() as usize];
    assert!((sketch.quantile(0.9) * 100.0 - p90).abs() <= 0.0201 * p90, "{} against {p90}", sketch.quantile(0.9) * 100.0);
    // Every hour tells the same story: GPUs busy over GPUs seen.
    for hour in &fleet.evidence.hours {
        let within = |at: f64| (hour.start.0..hour.start.0 + 3_600).contains(&(at as i64));
        let duties: Vec<f64> = plain.values().flatten().filter(|sample| within(sample.0)).map(|sample| sample.1 / 100.0).collect();
        let mean = duties.iter().sum::<f64>() / duties.len() as f64;
        assert!((hour.busy / hour.seen - mean).abs() < 1e-9, "{hour:?} against {mean}");
    }
    assert_eq!(fleet.evidence.step.0, 57);
    // And every bin of a pod's course.
    let grid = fleet.evidence.courses.unwrap();
    for usage in fleet.evidence.pods.iter().step_by(7) {
        let course = usage.metrics.course.as_ref().unwrap();
        let samples = &plain[&*fleet.pods[usage.pod.index()].name];
        for (bin, mean) in course.means() {
            let within = |at: f64| grid.bin_of(plimsoll_fleet::Timestamp(at as i64)) == Some(bin);
            let duties: Vec<f64> = samples.iter().filter(|sample| within(sample.0)).map(|sample| sample.1 / 100.0).collect();
            assert_eq!(mean.is_none(), duties.is_empty());
            let plain = duties.iter().sum::<f64>() / duties.len() as f64;
            assert!(mean.is_none_or(|mean| (mean.get() - plain).abs() < 0.002_6), "{mean:?} against {plain}");
        }
    }
}

#[test]
fn openb_is_placed_within_its_nodes() {
    let Some(dir) = public("openb") else { return };
    let fleet = read(&dir, None).unwrap();
    fleet.check().unwrap();
    assert_eq!((fleet.nodes.len(), fleet.nodes.iter().map(|node| node.gpus.len()).sum::<usize>()), (1_213, 6_212));
    assert_eq!(fleet.pods.len(), 5_193 + 897, "what the list calls Running and Pending");
    let mut held = vec![(MilliGpu::ZERO, 0, 0); fleet.nodes.len()];
    for pod in fleet.pods.iter().filter(|pod| pod.holds()) {
        let (shape, place) = (fleet.shape(pod), pod.node.unwrap().index());
        assert!(shape.may_go(&fleet.nodes[place]));
        held[place].0 += holding::held(&fleet, pod);
        held[place].1 += shape.cpu.0;
        held[place].2 += shape.memory.0;
    }
    for (node, (gpus, cpu, memory)) in fleet.nodes.iter().zip(&held) {
        assert!(*gpus <= MilliGpu::whole(node.gpus.len() as u32) && *cpu <= node.cpu.0 && *memory <= node.memory.0, "{}", node.name);
    }
    let total: MilliGpu = held.iter().map(|held| held.0).sum();
    assert!(total > MilliGpu::whole(3_000), "{} GPUs are held", total.gpus());
    for workload in ["gpushare40", "gpuspec33", "multigpu20"] {
        assert!(read(&dir, Some(workload)).unwrap().pods.iter().any(|pod| pod.phase == Phase::Running), "{workload}");
    }
    assert!(matches!(read(&dir, Some("nothing")), Err(TraceError::Workload { have, .. }) if have.len() >= 9));
}

/// The lives are the list's own: made, scheduled, deleted, whatever stands in the fleet.
#[test]
fn openb_tells_who_came_and_went() {
    let Some(dir) = public("openb") else { return };
    let fleet = read(&dir, None).unwrap();
    let lives = &fleet.history.lives;
    assert!(lives.iter().all(|life| life.is_sound() && !life.asks.is_empty()));
    let ended = lives.iter().filter(|life| life.ended.is_some()).count();
    assert!(ended > 3_000 && lives.iter().any(|life| life.goes_on), "{ended} of {} ended", lives.len());
    // The first line of the list: a pod with a GPU, there from the beginning, deleted after 12,537,496 s.
    let first = lives.iter().find(|life| &*life.name == "openb-pod-0000").unwrap();
    assert_eq!([first.created, first.scheduled, first.ended].map(|at| at.map(|at| at.0)), [Some(0), Some(0), Some(12_537_496)]);
    assert_eq!((first.asks[0].count, first.pod.map(|pod| fleet.pods[pod.index()].name.clone()).as_deref()), (1, Some("openb-pod-0000")));
}

#[test]
fn a_wrong_cell_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let put = |file: &str, text: &str| fs::write(folder.path().join(file), text).unwrap();
    let error = |_: ()| read(folder.path(), None).unwrap_err().to_string();
    assert!(error(()).contains("holds no trace of a fleet"));
    let nodes = "openb_node_list_gpu_node.csv";
    put(nodes, "sn,cpu_milli,memory_mib,gpu,model\nn0,64000,262144,2,P100\nn1,64000,262144,2,T4\n");
    assert!(error(()).contains("no list of pods"));
    let pods = "openb_pod_list_default.csv";
    let head = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n";
    put(pods, &format!("{head}p0,1000,1,1,460,T4\np1,1000,1,-1,0,\n"));
    assert!(
        error(()).ends_with("openb_pod_list_default.csv line 3: column `num_gpu` has `-1`, which is not a whole number of zero or more")
    );
    put(pods, &format!("{head}p0,1.5,1,1,460,T4\n"));
    assert!(error(()).contains("line 2: column `cpu_milli` has `1.5`"));
    put(pods, "name,cpu_milli,memory_mib,num_gpu\n");
    assert!(error(()).contains("has no column `gpu_milli`"));
    put(pods, &format!("{head}p0,1000\n"));
    assert!(error(()).contains("line 2 is not a line of the table"));
    put(pods, head);
    assert!(error(()).contains("has no lines below its first"));

    // Two shares fit one T4; the whole pair then fits the P100s only; the last finds nothing.
    put(pods, &format!("{head}p0,1000,1,1,460,T4\np1,1000,1,1,500,T4\np2,1000,1,2,1000,\np3,1000,1,2,1000,\n"));
    let fleet = read(folder.path(), None).unwrap();
    let places: Vec<Option<usize>> = fleet.pods.iter().map(|pod| pod.node.map(plimsoll_fleet::NodeId::index)).collect();
    assert_eq!(places, [Some(1), Some(1), Some(0), None]);
    assert_eq!((fleet.nodes[1].offered("nvidia.com/gpu"), fleet.nodes[1].offered("plimsoll.dev/gpu-milli")), (1, 1000));
    assert_eq!(holding::held(&fleet, &fleet.pods[0]), MilliGpu(460));

    fs::remove_file(folder.path().join(nodes)).unwrap();
    put(
        "pod_gpu_duty_cycle.csv",
        "value,timestamp_anon,container_ip\n50.0,3600.0,a\n101.0,3657.0,a\nNaN,3714.0,a\n-1,3771,a\n50.0,3600.0,a\n",
    );
    let dropped = read(folder.path(), None).unwrap().evidence.dropped;
    assert_eq!((dropped.above_one, dropped.not_finite, dropped.negative, dropped.duplicate), (1, 1, 1, 1));
    put("pod_gpu_duty_cycle.csv", "value,timestamp_anon,container_ip\n50.0,soon,a\n");
    assert!(error(()).contains("line 2: column `timestamp_anon` has `soon`, which is not a time in seconds since 1970"));
}
