//! The real node and pod objects that come with the DCGM bodies.

use crate::kubernetes::{from_objects, objects};
use plimsoll_fleet::{
    Bytes, Fleet, Timestamp,
    node::{Offer, Sharing},
    pod::{Ask, Phase},
};
use std::path::PathBuf;

fn fleet(files: &[&str]) -> Option<Fleet> {
    let root = std::env::var_os("PLIMSOLL_TRACES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/traces")), PathBuf::from);
    let folder = root.join("dcgm");
    if !folder.is_dir() {
        #[allow(clippy::print_stderr)]
        {
            eprintln!("skipped: no traces at {}", folder.display());
        }
        return None;
    }
    let read = |file: &&str| objects(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap();
    let all: Vec<_> = files.iter().flat_map(read).collect();
    let fleet = from_objects(&all, Timestamp(0), Default::default());
    fleet.check().unwrap();
    Some(fleet)
}

#[test]
fn a_mig_node_offers_what_is_allocatable_and_its_pod_claims_a_slice() {
    let Some(fleet) = fleet(&["mig_1g5gb_pod.yaml", "mig_4_active_node.yaml"]) else { return };
    let node = &fleet.nodes[0];
    assert_eq!(node.gpu_product.as_deref(), Some("NVIDIA-A100-SXM4-40GB"));
    assert_eq!(node.gpu_memory, Some(Bytes::from_mib(40_960)));
    assert_eq!(node.sharing, Sharing::MigMixed, "gpu.replicas is \"0\": the GPU is in MIG mode");
    assert_eq!(node.gpus.len(), 1);
    assert!(node.ready);
    let offer =
        |profile: &str, count, capacity| Offer { resource: format!("nvidia.com/mig-{profile}").into(), count, capacity, dra: false };
    // The 3g.20gb of an earlier layout is still in capacity, and cannot be had.
    assert_eq!(node.offers, [offer("1g.5gb", 3, 3), offer("2g.10gb", 1, 1), offer("3g.20gb", 0, 1)]);

    let pod = &fleet.pods[0];
    assert_eq!(fleet.shape(pod).asks, [Ask { resource: "nvidia.com/mig-1g.5gb".into(), count: 1, dra: false }]);
    assert_eq!(fleet.node(pod).unwrap().name, node.name);
    assert_eq!((pod.phase, pod.started.is_some(), pod.ready.is_some()), (Phase::Running, true, true));
    let workload = fleet.workload(pod).unwrap();
    assert_eq!((&*workload.kind, &*workload.name, workload.unread), ("RunaiJob", "job-2", true));
    assert!(!serde_json::to_string(&fleet).unwrap().contains("pushgateway"), "environment values are never read");
}

#[test]
fn a_share_of_another_scheduler_is_kept_as_an_annotation() {
    let Some(pods) = fleet(&["fractional_pod.yaml"]) else { return };
    let shape = pods.shape(&pods.pods[0]);
    assert!(shape.asks.is_empty());
    assert_eq!(shape.annotations.get("gpu-fraction").map(|share| &**share), Some("0.5"));
    assert_eq!(shape.node_terms.len(), 1);

    let Some(nodes) = fleet(&["fraction_1_workload_node.yaml"]) else { return };
    let node = &nodes.nodes[0];
    assert!(node.gpu_product.as_deref().unwrap().contains("T4"), "{:?}", node.gpu_product);
    assert_eq!(node.gpus.len(), node.offered("nvidia.com/gpu") as usize);
    assert_eq!(node.sharing, Sharing::Whole);
}
