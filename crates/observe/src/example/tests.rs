#![allow(clippy::unwrap_used)]
use super::*;
use plimsoll_fleet::{MilliCpu, MilliGpu, holding};

#[test]
fn one_seed_one_fleet_and_another_seed_another() {
    let fleet = fleet(SEED);
    fleet.check().unwrap();
    assert!(fleet == super::fleet(SEED));
    assert!(fleet.evidence != super::fleet(SEED + 1).evidence);
}

#[test]
fn it_is_as_large_as_it_says_and_no_node_is_too_full() {
    let fleet = fleet(SEED);
    assert_eq!((fleet.nodes.len(), fleet.nodes.iter().map(|node| node.gpus.len()).sum::<usize>()), (80, 270));
    for (id, node) in fleet.nodes() {
        let here = || fleet.pods.iter().filter(|pod| pod.node == Some(id));
        let cpu: MilliCpu = here().map(|pod| fleet.shape(pod).cpu).sum();
        let memory: u64 = here().map(|pod| fleet.shape(pod).memory.0).sum();
        assert!(cpu <= node.cpu && memory <= node.memory.0, "{}: {cpu:?} of {:?}, {memory} of {:?}", node.name, node.cpu, node.memory);
        let held: MilliGpu = here().map(|pod| holding::held(&fleet, pod)).sum();
        assert!(held <= MilliGpu::whole(node.gpus.len() as u32), "{}", node.name);
        for pod in here() {
            assert!(fleet.shape(pod).may_go(node), "{} may not be on {}", pod.name, node.name);
            for ask in &fleet.shape(pod).asks {
                let asked: u32 =
                    here().flat_map(|pod| &fleet.shape(pod).asks).filter(|other| other.resource == ask.resource).map(|ask| ask.count).sum();
                assert!(asked <= node.offered(&ask.resource), "{asked} × {} on {}", ask.resource, node.name);
            }
        }
    }
    for pod in fleet.pods.iter().filter(|pod| pod.waits()) {
        assert!(pod.unschedulable.is_some(), "{} waits for no reason", pod.name);
    }
}

/// The past is one that could have been: what is told of it is in order, and no GPU was held twice.
#[test]
fn what_came_and_went_found_room() {
    let fleet = fleet(SEED);
    let gone: Vec<_> = fleet.history.lives.iter().filter(|life| life.pod.is_none()).collect();
    let asking = fleet.pods.iter().filter(|pod| fleet.shape(pod).wants_gpus()).count();
    assert_eq!(fleet.history.lives.len(), gone.len() + asking);
    assert!(gone.len() > 300, "{} came and went", gone.len());
    for kind in ["PyTorchJob", "Job", "Notebook"] {
        let of_kind = gone.iter().filter(|life| life.owner.as_ref().is_some_and(|owner| &*owner.kind == kind)).count();
        assert!(of_kind > 10, "{of_kind} of {kind}");
    }
    let recorded = fleet.history.recorded.unwrap();
    // By day more is submitted than by night, but for what nobody watches.
    let by_day = gone.iter().filter(|life| (6..18).contains(&(life.created.unwrap().hour_of_week() % 24))).count();
    assert!(2 * by_day > gone.len(), "{by_day} of {}", gone.len());
    for (index, node) in fleet.nodes.iter().enumerate() {
        let here = |life: &&plimsoll_fleet::Life| life.node.as_ref() == Some(&node.name) && !life.asks.is_empty();
        let mut changes: Vec<(Timestamp, i64, i64, i64)> = Vec::new();
        for life in fleet.history.lives.iter().filter(here) {
            let gpus = match life.pod {
                Some(pod) => holding::held(&fleet, &fleet.pods[pod.index()]).0 as i64,
                None => life.asks.iter().map(|ask| 1_000 * i64::from(ask.count)).sum(),
            };
            assert!(life.is_sound() && life.created <= life.scheduled);
            let (cpu, memory) = (life.cpu.unwrap().0 as i64, life.memory.unwrap().0 as i64);
            changes.push((life.scheduled.unwrap(), gpus, cpu, memory));
            if let Some(ended) = life.ended {
                assert!(ended > recorded.start && ended < recorded.end);
                changes.push((ended, -gpus, -cpu, -memory));
            }
        }
        changes.sort();
        let mut held = (0, 0, 0);
        for (_, gpus, cpu, memory) in changes {
            held = (held.0 + gpus, held.1 + cpu, held.2 + memory);
            assert!(held.0 <= 1_000 * node.gpus.len() as i64, "{} at {index}", node.name);
            assert!(held.1 <= node.cpu.0 as i64 && held.2 <= node.memory.0 as i64, "{}", node.name);
        }
    }
    // The hours saw those that are gone at work: their GPUs were held, and by whom the lives tell.
    let first = &fleet.evidence.hours[100];
    let end = first.start.plus(plimsoll_fleet::Seconds::HOUR);
    let held: f64 = gone
        .iter()
        .map(|life| {
            let inside = life.ended.unwrap().min(end).since(life.started.unwrap().max(first.start));
            inside.hours() * life.asks.iter().map(|ask| f64::from(ask.count)).sum::<f64>()
        })
        .sum();
    assert!(held > 5.0 && held < first.held, "{held} of {}", first.held);
}

#[test]
fn every_planted_and_healthy_subject_is_there() {
    let fleet = fleet(SEED);
    let pools: std::collections::BTreeSet<String> = fleet.nodes.iter().filter_map(|node| Some(node.pool.as_ref()?.to_string())).collect();
    let names: Vec<String> = fleet
        .workloads
        .iter()
        .map(|workload| format!("{}/{}", workload.namespace, workload.name))
        .chain(fleet.nodes.iter().map(|node| node.name.to_string()))
        .chain(pools)
        .collect();
    for subject in PLANTED.iter().map(|planted| planted.1).chain(HEALTHY) {
        assert_eq!(names.iter().filter(|name| *name == subject).count(), 1, "{subject}");
    }
}

#[test]
fn a_large_fleet_is_consistent_and_reads_back() {
    let fleet = large(40, SEED);
    fleet.check().unwrap();
    assert_eq!((fleet.nodes.len(), fleet.evidence.devices.len()), (40, 320));
    assert!(fleet.pods.len() > 40 * 18, "{} pods", fleet.pods.len());
    assert!(fleet.evidence.devices.iter().all(|usage| usage.metrics.by_metric.values().all(|sketch| sketch.count() == 8_640)));
    let mut archive = Vec::new();
    crate::snapshot::write(&fleet, &mut archive, &crate::snapshot::WriteOptions::default()).unwrap();
    assert!(crate::snapshot::read(&*archive).unwrap() == fleet);
}
