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
