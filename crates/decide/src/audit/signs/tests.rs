//! Each sign on a fleet that has it and on one that nearly has it; and what holds for all of them.

#![allow(clippy::unwrap_used)]

use super::ALL;
use crate::audit::finding::{Confidence, Finding};
use crate::testing::{Builder, GPU, NOW, cpu_node, findings, findings_with, h100, hours_ago, node, shape, subjects};
use plimsoll_fleet::{
    Attribution, Bytes, Metric, MilliCpu, MilliGpu, Seconds, Shape,
    node::{Effect, Taint},
    pod::{Exit, Phase},
};

/// What a GPU that does nothing shows.
const QUIET: [(Metric, f64); 5] =
    [(Metric::GpuUtil, 0.0), (Metric::EngineActive, 0.0), (Metric::SmActive, 0.0), (Metric::DramActive, 0.0), (Metric::MemoryUsed, 6e8)];

fn with(changes: &[(Metric, f64)]) -> Vec<(Metric, f64)> {
    let mut figures = QUIET.to_vec();
    for &(metric, value) in changes {
        figures.retain(|(known, _)| *known != metric);
        figures.push((metric, value));
    }
    figures
}

/// Busy in every way.
fn busy() -> Vec<(Metric, f64)> {
    with(&[
        (Metric::GpuUtil, 0.95),
        (Metric::EngineActive, 0.95),
        (Metric::SmActive, 0.8),
        (Metric::DramActive, 0.5),
        (Metric::MemoryUsed, 7e10),
    ])
}

/// One deployment of two pods of one GPU each, with these figures.
fn two_pods(figures: &[(Metric, f64)]) -> Builder {
    let mut fleet = Builder::new();
    let node = fleet.node(h100("gpu-1"));
    fleet.node(cpu_node("cpu-1"));
    let chat = fleet.workload("Deployment", "chat");
    for _ in 0..2 {
        let pod = fleet.pod(Some(chat), Some(node), shape(1));
        fleet.seen(pod, figures);
    }
    fleet
}

const CHAT: &str = "Deployment ml/chat";

#[test]
fn every_sign_is_named_in_order_and_explains_itself() {
    assert!(ALL.windows(2).all(|pair| pair[0].name < pair[1].name));
    for sign in ALL {
        let lines = sign.explain.lines().count();
        assert!((5..=30).contains(&lines), "{}: {lines} lines", sign.name);
        for line in sign.explain.lines() {
            assert!(line.chars().count() <= 100, "{}: {line}", sign.name);
        }
    }
}

#[test]
fn idle_is_held_and_nothing_ran() {
    let fleet = two_pods(&QUIET).build();
    let found = findings(&fleet, "idle-gpu");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].gpus, Some(MilliGpu(2000)));
    assert_eq!(found[0].confidence, Confidence::High);
    assert_eq!(found[0].fix.action, "kubectl scale deployment chat -n ml --replicas=0");
    assert_eq!(found[0].says, "2 pods hold 2 GPUs and nothing ran on them in 7 days");
    for other in ["memory-full-compute-idle", "low-compute", "misleading-utilisation"] {
        assert_eq!(findings(&fleet, other), [], "{other}");
    }
}

#[test]
fn what_is_not_called_idle() {
    let idle = |change: &dyn Fn(&mut Builder)| {
        let mut fleet = two_pods(&QUIET);
        change(&mut fleet);
        subjects(&fleet.build(), "idle-gpu")
    };
    assert_eq!(idle(&|_| ()), [CHAT]);
    let each = |change: &dyn Fn(&mut plimsoll_fleet::Pod)| idle(&|fleet| fleet.fleet.pods.iter_mut().for_each(change));
    assert_eq!(each(&|pod| pod.started = Some(NOW.minus(Seconds(600)))), [""; 0], "young");
    assert_eq!(each(&|pod| pod.deleting = true), [""; 0], "going");
    assert_eq!(each(&|pod| (pod.phase, pod.started, pod.ready) = (Phase::Pending, None, None)), [""; 0], "starting");
    assert_eq!(idle(&|fleet| fleet.engine(plimsoll_fleet::PodId(0), 100.0, 0.1)), [CHAT], "the other pod is still idle");
    assert_eq!(
        idle(&|fleet| for pod in 0..2 {
            fleet.engine(plimsoll_fleet::PodId(pod), 100.0, 0.1)
        }),
        [""; 0],
        "served requests"
    );
    assert_eq!(
        idle(&|fleet| {
            fleet.edit(plimsoll_fleet::WorkloadId(0)).annotations.insert("plimsoll.dev/headroom".into(), "true".into());
        }),
        [""; 0],
        "headroom"
    );
    assert_eq!(
        idle(&|fleet| fleet.fleet.evidence.pods.iter_mut().for_each(|usage| usage.attribution = Attribution::DeviceCopy)),
        [""; 0],
        "copies of the device's figures"
    );
    assert_eq!(idle(&|fleet| fleet.fleet.evidence.pods.clear()), [""; 0], "no metrics");
}

#[test]
fn too_little_evidence_is_a_hint_that_costs_nothing() {
    let mut fleet = two_pods(&QUIET);
    for usage in &mut fleet.fleet.evidence.pods {
        usage.metrics.by_metric.values_mut().for_each(|sketch| *sketch = crate::testing::steady(0.0, 5));
    }
    let found = findings(&fleet.build(), "idle-gpu");
    assert_eq!((found[0].confidence, found[0].gpus, found[0].waste.len()), (Confidence::TooLittle, None, 0));
}

#[test]
fn a_pod_that_uses_two_of_its_eight_gpus_wastes_six() {
    let mut fleet = Builder::new();
    let node = fleet.node(h100("gpu-1"));
    let chat = fleet.workload("Deployment", "chat");
    let pod = fleet.pod(Some(chat), Some(node), shape(8));
    for gpu in 0..8 {
        fleet.seen_on(pod, gpu, &if gpu < 2 { busy() } else { QUIET.to_vec() });
    }
    let found = findings(&fleet.build(), "idle-gpu");
    assert_eq!(found[0].gpus, Some(MilliGpu(6000)));
    let patch = r#"'{"spec":{"template":{"spec":{"containers":[{"name":"main","resources":{"limits":{"nvidia.com/gpu":"2"},"requests":{"nvidia.com/gpu":"2"}}}]}}}}'"#;
    assert_eq!(found[0].fix.action, format!("kubectl patch deployment chat -n ml -p {patch}"));
}

#[test]
fn memory_full_and_compute_idle_is_not_idle() {
    let fleet = two_pods(&with(&[(Metric::MemoryUsed, 7e10)])).build();
    assert_eq!(subjects(&fleet, "memory-full-compute-idle"), [CHAT]);
    assert_eq!(subjects(&fleet, "idle-gpu"), [""; 0]);
    assert_eq!(subjects(&two_pods(&with(&[(Metric::MemoryUsed, 3e10)])).build(), "memory-full-compute-idle"), [""; 0]);
}

#[test]
fn low_compute_is_told_by_sm_tensor_and_dram_activity() {
    let low = [(Metric::GpuUtil, 0.5), (Metric::EngineActive, 0.4), (Metric::SmActive, 0.05), (Metric::DramActive, 0.1)];
    let found = findings(&two_pods(&with(&low)).build(), "low-compute");
    assert_eq!(found[0].gpus, Some(MilliGpu(1800)), "what the busiest of them leaves");
    // LLM decode: SMs low, memory busy.
    let mut decode = low.to_vec();
    decode.push((Metric::DramActive, 0.6));
    assert_eq!(subjects(&two_pods(&with(&decode)).build(), "low-compute"), [""; 0]);
    // GPU_UTIL alone accuses nobody.
    assert_eq!(findings(&two_pods(&[(Metric::GpuUtil, 0.1), (Metric::MemoryUsed, 1e9)]).build(), "low-compute"), []);
    // Engine activity bounds what the SMs did, and is less sure.
    let bound = [(Metric::GpuUtil, 0.2), (Metric::EngineActive, 0.1), (Metric::DramActive, 0.1), (Metric::MemoryUsed, 1e9)];
    assert_eq!(findings(&two_pods(&bound).build(), "low-compute")[0].confidence, Confidence::Medium);
}

#[test]
fn misleading_is_high_gpu_util_over_idle_sms_and_memory() {
    let spin = [(Metric::GpuUtil, 0.97), (Metric::EngineActive, 0.9), (Metric::SmActive, 0.06), (Metric::DramActive, 0.03)];
    let fleet = two_pods(&with(&spin)).build();
    assert_eq!(subjects(&fleet, "misleading-utilisation"), [CHAT]);
    assert_eq!(subjects(&fleet, "low-compute"), [""; 0], "one pod, one diagnosis");
    let mut decode = spin.to_vec();
    decode.push((Metric::DramActive, 0.6));
    assert_eq!(subjects(&two_pods(&with(&decode)).build(), "misleading-utilisation"), [""; 0]);
}

#[test]
fn a_crash_loop_holds_its_gpus() {
    let mut fleet = two_pods(&QUIET);
    let first = &mut fleet.fleet.pods[0];
    (first.waiting, first.restarts, first.ready) = (Some("CrashLoopBackOff".into()), 12, None);
    first.last_exit = Some(Exit { reason: "OOMKilled".into(), code: 137 });
    let fleet = fleet.build();
    let found = findings(&fleet, "held-by-crash-loop");
    assert_eq!(found[0].gpus, Some(MilliGpu::ONE));
    assert_eq!(found[0].says, "1 pod crashed up to 12 times, last with OOMKilled (exit code 137) and holds 1 GPU");
    assert_eq!(findings(&fleet, "idle-gpu")[0].gpus, Some(MilliGpu::ONE), "only the other pod is idle");
    let mut recovered = two_pods(&busy());
    recovered.fleet.pods[0].restarts = 12;
    assert_eq!(findings(&recovered.build(), "held-by-crash-loop"), []);
}

#[test]
fn an_empty_node_is_waste_unless_it_is_young_or_headroom() {
    let mut fleet = Builder::new();
    fleet.node(h100("gpu-1"));
    fleet.node(h100("gpu-2"));
    let mut young = h100("gpu-3");
    young.created = Some(NOW.minus(Seconds(900)));
    let young = fleet.node(young);
    fleet.node(cpu_node("cpu-1"));
    let fleet = fleet.build();
    assert_eq!(subjects(&fleet, "empty-gpu-node"), ["Node gpu-1", "Node gpu-2"]);
    let mut registered_anew = fleet.clone();
    let mut metrics = plimsoll_fleet::Metrics::default();
    metrics.by_metric.insert(Metric::EngineActive, crate::testing::steady(0.0, 100));
    registered_anew.evidence.devices.push(plimsoll_fleet::DeviceUsage { node: young, gpu: 0, slice: None, metrics });
    assert_eq!(subjects(&registered_anew, "empty-gpu-node").len(), 3, "its GPUs have been measured for longer than its object is old");
    let mut settings = crate::audit::settings::Settings::default();
    settings.headroom.insert("*".into(), 3);
    let found = findings_with(&fleet, "empty-gpu-node", &settings);
    assert_eq!(found.iter().map(|finding| finding.subject.to_string()).collect::<Vec<_>>(), ["Node gpu-2"]);
}

/// Five of eight GPUs are taken by a pod, and the pool's other pods ask for eight.
fn fragments(rest: &Shape) -> Builder {
    let mut fleet = Builder::new();
    let nodes: Vec<_> = (1..=4).map(|n| fleet.node(h100(&format!("gpu-{n}")))).collect();
    let train = fleet.workload("PyTorchJob", "train");
    for &node in &nodes[1..] {
        fleet.pod(Some(train), Some(node), shape(8));
    }
    let odd = fleet.workload("Deployment", "odd");
    fleet.pod(Some(odd), Some(nodes[0]), rest.clone());
    fleet
}

#[test]
fn stranded_gpus_are_free_where_nobody_can_use_them() {
    let found = findings(&fragments(&shape(5)).build(), "stranded-gpu");
    assert_eq!(found[0].subject.to_string(), "Node gpu-1");
    assert_eq!(found[0].gpus, Some(MilliGpu(3000)));
    assert_eq!(found[0].says, "3 GPUs lie free, but the usual pods of its pool ask for 5 or more; Deployment ml/odd is in the way");
    // A pod of four fits beside four.
    assert_eq!(findings(&fragments(&shape(4)).build(), "stranded-gpu"), []);
}

#[test]
fn cpu_taken_by_pods_without_gpus_strands_gpus_and_by_gpu_pods_starves_them() {
    let fleet = |gpu_pod: Shape, cpu_pod: u64| {
        let mut fleet = Builder::new();
        let node = fleet.node(h100("gpu-1"));
        let chat = fleet.workload("Deployment", "chat");
        for _ in 0..2 {
            fleet.pod(Some(chat), Some(node), gpu_pod.clone());
        }
        let prep = fleet.workload("Deployment", "prep");
        fleet.pod(Some(prep), Some(node), Shape { cpu: MilliCpu(cpu_pod), ..shape(0) });
        fleet.build()
    };
    let by_guest = fleet(shape(1), 55_000);
    let found = findings(&by_guest, "stranded-gpu");
    assert_eq!(found[0].gpus, Some(MilliGpu(6000)));
    assert!(
        found[0].says.contains("1 of its 64 CPU cores") && found[0].says.ends_with("Deployment ml/prep takes the most"),
        "{}",
        found[0].says
    );
    assert_eq!(findings(&by_guest, "cpu-starved-gpu"), []);
    let greedy = Shape { cpu: MilliCpu(28_000), ..shape(1) };
    let by_hog = fleet(greedy, 4_000);
    assert_eq!(findings(&by_hog, "stranded-gpu"), []);
    let found = findings(&by_hog, "cpu-starved-gpu");
    assert_eq!(found[0].subject.to_string(), CHAT);
    assert_eq!(found[0].gpus, Some(MilliGpu(6000)));
    assert_eq!(found[0].fix.action, "kubectl set resources deployment chat -n ml -c main --requests=cpu=8000m");
    assert_eq!(findings(&fleet(shape(1), 4_000), "cpu-starved-gpu"), []);
}

#[test]
fn memory_requests_starve_gpus_too() {
    let fleet = |memory: u64| {
        let mut fleet = Builder::new();
        let node = fleet.node(h100("gpu-1"));
        let chat = fleet.workload("Deployment", "chat");
        for _ in 0..2 {
            fleet.pod(Some(chat), Some(node), Shape { memory: Bytes(memory << 30), ..shape(1) });
        }
        subjects(&fleet.build(), "memory-starved-gpu")
    };
    assert_eq!(fleet(200), [CHAT]);
    assert_eq!(fleet(64), [""; 0]);
}

#[test]
fn pods_wait_beside_free_gpus_in_pieces() {
    let fleet = |waiting: u32, gated: bool| {
        let mut fleet = Builder::new();
        let small = fleet.workload("Deployment", "small");
        for n in 1..=3 {
            let node = fleet.node(h100(&format!("gpu-{n}")));
            for _ in 0..4 + n {
                fleet.pod(Some(small), Some(node), shape(1));
            }
        }
        let big = fleet.workload("Deployment", "big");
        let pod = fleet.pod(Some(big), None, shape(waiting));
        if gated {
            fleet.pod_mut(pod).gates.push("kueue.x-k8s.io/admission".into());
        }
        findings(&fleet.build(), "pending-beside-free")
    };
    // 3, 2 and 1 GPUs are free.
    let found = fleet(6, false);
    assert_eq!(found[0].subject.to_string(), "Deployment ml/big");
    assert_eq!(
        found[0].says,
        "1 pod waits for 6 nvidia.com/gpu each for up to 24 h; 6 such lie free on 3 nodes that it may go to, at most 3 on one"
    );
    assert_eq!(found[0].gpus, Some(MilliGpu(6000)));
    assert_eq!(found[0].fix.action.matches("kubectl delete pod").count(), 3, "{}", found[0].fix.action);
    assert_eq!(fleet(7, false), [], "more than there are");
    assert_eq!(fleet(3, false), [], "one node has as many");
    assert_eq!(fleet(6, true), [], "a queue holds it");
}

#[test]
fn a_pod_without_gpu_on_a_gpu_node_matters_from_a_twentieth() {
    let found = |milli: u64, of_node: bool| {
        let mut fleet = two_pods(&busy());
        let web = fleet.workload("Deployment", "web");
        let pod = fleet.pod(Some(web), Some(plimsoll_fleet::NodeId(0)), Shape { cpu: MilliCpu(milli), memory: Bytes(0), ..shape(0) });
        fleet.pod_mut(pod).of_node = of_node;
        subjects(&fleet.build(), "cpu-pod-on-gpu-node")
    };
    assert_eq!(found(4_000, false), ["Deployment ml/web"]);
    assert_eq!(found(1_000, false), [""; 0]);
    assert_eq!(found(4_000, true), [""; 0]);
}

#[test]
fn a_pool_without_taint_is_one_finding() {
    let fleet = |effect: Option<Effect>, cpu_nodes: bool| {
        let mut fleet = Builder::new();
        for n in 1..=3 {
            let mut node = h100(&format!("gpu-{n}"));
            node.labels.insert("karpenter.sh/nodepool".into(), node.pool.clone().unwrap());
            node.taints = effect.map(|effect| Taint { key: GPU.into(), value: "".into(), effect }).into_iter().collect();
            fleet.node(node);
        }
        if cpu_nodes {
            fleet.node(cpu_node("cpu-1"));
        }
        findings(&fleet.build(), "untainted-gpu-node")
    };
    let found = fleet(Some(Effect::PreferNoSchedule), true);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].fix.action,
        "kubectl taint nodes -l karpenter.sh/nodepool=pool-NVIDIA-H100-80GB-HBM3 --overwrite nvidia.com/gpu=present:NoSchedule"
    );
    assert_eq!(found[0].cost_month, None);
    assert_eq!(fleet(Some(Effect::NoExecute), true), []);
    assert_eq!(fleet(None, false), [], "nowhere else to go");
}

#[test]
fn a_pod_that_no_node_lets_in_is_told_why() {
    let waits = |change: &dyn Fn(&mut Shape)| {
        let mut fleet = Builder::new();
        fleet.node(h100("gpu-1"));
        fleet.node(node("gpu-2", "NVIDIA-L4", 23_034, 1));
        let lost = fleet.workload("Deployment", "lost");
        let mut asks = shape(1);
        change(&mut asks);
        fleet.pod(Some(lost), None, asks);
        findings(&fleet.build(), "missing-toleration-or-selector")
    };
    assert_eq!(waits(&|_| ()), []);
    let found = waits(&|shape| shape.tolerations.clear());
    assert_eq!(
        found[0].says,
        "1 pod waits for 1 nvidia.com/gpu; the taint nvidia.com/gpu:NoSchedule of the 2 nodes with such GPUs is not tolerated"
    );
    let patch = r#"'[{"op":"add","path":"/spec/template/spec/tolerations","value":[{"effect":"NoSchedule","key":"nvidia.com/gpu","operator":"Exists"}]}]'"#;
    assert_eq!(found[0].fix.action, format!("kubectl patch deployment lost -n ml --type=json -p {patch}"));
    let found = waits(&|shape| {
        shape.node_selector.insert("nvidia.com/gpu.product".into(), "NVIDIA-H100-SXM5-80GB".into());
    });
    assert_eq!(found[0].confidence, Confidence::Medium);
    assert!(found[0].fix.action.contains(r#""nvidia.com/gpu.product":"NVIDIA-H100-80GB-HBM3""#), "{}", found[0].fix.action);
}

/// A pod of a workload on one whole GPU of `product`, with these figures.
fn one_pod(product: &str, memory_mib: u64, kind: &str, figures: &[(Metric, f64)]) -> Builder {
    let mut fleet = Builder::new();
    let node = fleet.node(node("gpu-1", product, memory_mib, 8));
    let tagger = fleet.workload(kind, "tagger");
    let pod = fleet.pod(Some(tagger), Some(node), shape(1));
    fleet.seen(pod, figures);
    fleet
}

/// Needs 5 GiB, a tenth of the SMs of an A100 and a tenth of its bandwidth.
fn small() -> Vec<(Metric, f64)> {
    with(&[
        (Metric::GpuUtil, 0.5),
        (Metric::EngineActive, 0.5),
        (Metric::SmActive, 0.2),
        (Metric::DramActive, 0.1),
        (Metric::MemoryUsed, 5.0 * f64::from(1 << 30)),
    ])
}

#[test]
fn a_slice_or_a_share_would_do_and_is_named() {
    let of = |product, memory, kind, figures: &[(Metric, f64)]| {
        findings(&one_pod(product, memory, kind, figures).build(), "whole-gpu-for-a-slice")
    };
    let a100 = ("NVIDIA-A100-SXM4-40GB", 40_960);
    let found = of(a100.0, a100.1, "Deployment", &small());
    assert!(found[0].says.contains("a 2g.10gb slice"), "{}", found[0].says);
    assert_eq!(found[0].gpus, Some(MilliGpu(750)));
    assert!(found[0].fix.action.contains(r#""nvidia.com/mig-2g.10gb":"1""#) && found[0].fix.action.contains(r#""nvidia.com/gpu":null"#));
    // A board without MIG is shared: its memory would do for seven such pods, its SMs for five, and four is the most.
    let found = of("NVIDIA-L40S", 46_068, "Deployment", &small());
    assert!(found[0].says.contains("1/4 of it"), "{}", found[0].says);
    assert_eq!((found[0].gpus, found[0].confidence), (Some(MilliGpu(750)), Confidence::Medium));
    // Training gangs, memory near the whole, busy SMs, and DRAM activity that was not seen: none.
    assert_eq!(of(a100.0, a100.1, "PyTorchJob", &small()), []);
    let with_more = |metric, value| {
        let mut figures = small();
        figures.retain(|(known, _)| *known != metric);
        figures.push((metric, value));
        figures
    };
    assert_eq!(of(a100.0, a100.1, "Deployment", &with_more(Metric::MemoryUsed, 3.8e10)), []);
    assert_eq!(of(a100.0, a100.1, "Deployment", &with_more(Metric::SmActive, 0.9)), []);
    let mut dark = small();
    dark.retain(|(metric, _)| *metric != Metric::DramActive);
    assert_eq!(of(a100.0, a100.1, "Deployment", &dark), []);
    // A server that fills the memory by itself.
    let mut engine = one_pod(a100.0, a100.1, "Deployment", &small());
    engine.engine(plimsoll_fleet::PodId(0), 100.0, 0.6);
    assert_eq!(findings(&engine.build(), "whole-gpu-for-a-slice"), []);
}

#[test]
fn a_cheaper_model_of_the_cluster_would_do() {
    let fleet = |other: &str, figures: &[(Metric, f64)]| {
        let mut fleet = Builder::new();
        let mut big = h100("gpu-1");
        big.instance_type = Some("p5.48xlarge".into());
        let big = fleet.node(big);
        let mut small = node("gpu-2", "NVIDIA-A10G", 23_028, 1);
        small.instance_type = Some(other.into());
        fleet.node(small);
        let intent = fleet.workload("Deployment", "intent");
        let pod = fleet.pod(Some(intent), Some(big), shape(1));
        fleet.seen(pod, figures);
        findings(&fleet.build(), "wrong-gpu-model")
    };
    let found = fleet("g5.2xlarge", &small());
    assert!(found[0].says.ends_with("NVIDIA-A10G would do, for 1.21 instead of 6.88 an hour a GPU"), "{}", found[0].says);
    // The saving is the difference of the prices, a month.
    let saving = found[0].cost_month.unwrap().units();
    assert!((saving - (6.88 - 1.212) * 730.0).abs() < 6.0, "{saving}");
    assert!(found[0].fix.action.contains(r#""nodeSelector":{"nvidia.com/gpu.product":"NVIDIA-A10G"}"#));
    assert_eq!(fleet("unheard.of", &small()), [], "no price, no finding");
    let mut busy = small();
    busy.push((Metric::DramActive, 0.3));
    let busy: Vec<_> = busy.into_iter().filter(|figure| *figure != (Metric::DramActive, 0.1)).collect();
    assert_eq!(fleet("g5.2xlarge", &busy), [], "an A10G has less than a fifth of the bandwidth");
}

#[test]
fn a_cache_that_is_never_filled_is_an_oversized_reservation() {
    let fleet = |kv: f64, requests: f64, preemptions: f64, model: &str| {
        let mut fleet = Builder::new();
        let node = fleet.node(h100("gpu-1"));
        let chat = fleet.workload("Deployment", "chat");
        let pod = fleet.pod(Some(chat), Some(node), shape(1));
        let decode = with(&[
            (Metric::GpuUtil, 0.5),
            (Metric::EngineActive, 0.5),
            (Metric::SmActive, 0.2),
            (Metric::DramActive, 0.4),
            (Metric::MemoryUsed, 73.0 * f64::from(1 << 30)),
        ]);
        fleet.seen(pod, &decode);
        fleet.engine(pod, requests, kv);
        let engine = &mut fleet.fleet.evidence.engines[0];
        (engine.preemptions, engine.model) = (Some(preemptions), Some(model.into()));
        findings(&fleet.build(), "oversized-memory-reservation")
    };
    let found = fleet(0.06, 100.0, 0.0, "llama-3.1-8b-instruct");
    assert!(
        found[0].says.contains("94 % is never filled; 30 % of the GPU's memory would do instead of 92 %, which a 3g.40gb slice has"),
        "{}",
        found[0].says
    );
    assert_eq!(found[0].gpus, Some(MilliGpu(500)));
    assert!(found[0].fix.action.contains(r#""value":"--gpu-memory-utilization=0.3""#), "{}", found[0].fix.action);
    let unknown = fleet(0.06, 100.0, 0.0, "house-model");
    assert_eq!((unknown.len(), unknown[0].gpus), (1, None), "no figure where the weights are not known");
    assert_eq!(fleet(0.8, 100.0, 0.0, "llama-3.1-8b-instruct"), []);
    assert_eq!(fleet(0.06, 0.0, 0.0, "llama-3.1-8b-instruct"), [], "nobody asked it anything");
    assert_eq!(fleet(0.06, 100.0, 3.0, "llama-3.1-8b-instruct"), [], "it preempted");
}

#[test]
fn gpus_held_by_slow_starts() {
    let fleet = |start_minutes: u64, running: bool, hours: u64| {
        let mut fleet = two_pods(&QUIET);
        for pod in &mut fleet.fleet.pods {
            let scheduled = if running { NOW.minus(Seconds(start_minutes * 60)) } else { hours_ago(hours) };
            (pod.created, pod.scheduled) = (Some(scheduled), Some(scheduled));
            let ready = (!running).then(|| scheduled.plus(Seconds(start_minutes * 60)));
            (pod.started, pod.ready) = (ready, ready);
            pod.phase = if running { Phase::Pending } else { Phase::Running };
        }
        findings(&fleet.build(), "held-while-starting")
    };
    let found = fleet(30, true, 0);
    assert_eq!(found[0].gpus, Some(MilliGpu(6)), "0.5 h of 168 h, twice: a start is over some day");
    assert_eq!(fleet(25 * 60, true, 0)[0].gpus, Some(MilliGpu(2000)), "after a day it is stuck, and costs all that it holds");
    assert_eq!(found[0].says, "2 pods have been starting for up to 30 min and hold 2 GPUs: 1 GPU-hours so far");
    let found = fleet(42, false, 48);
    assert_eq!(found[0].gpus, Some(MilliGpu(8)), "0.7 h of 168 h, twice");
    assert_eq!(fleet(5, true, 0), []);
    assert_eq!(fleet(5, false, 48), []);
    assert_eq!(fleet(42, false, 400), [], "before the window");
}

#[test]
fn a_notebook_is_forgotten_after_days_without_work() {
    let found = |kind: &str, hours: u64, last_hours_ago: Option<u64>, figures: &[(Metric, f64)]| {
        let mut fleet = Builder::new();
        let node = fleet.node(h100("gpu-1"));
        let lab = fleet.workload(kind, "lab");
        let pod = fleet.pod(Some(lab), Some(node), shape(1));
        fleet.seen(pod, figures);
        let since = Some(hours_ago(hours));
        let each = fleet.pod_mut(pod);
        (each.created, each.scheduled, each.started, each.ready) = (since, since, since, since);
        fleet.fleet.evidence.pods[0].metrics.last_active = last_hours_ago.map(hours_ago);
        let fleet = fleet.build();
        (findings(&fleet, "forgotten-notebook").len(), findings(&fleet, "idle-gpu").len())
    };
    assert_eq!(found("Notebook", 480, None, &QUIET), (1, 0));
    assert_eq!(found("Notebook", 20, None, &QUIET), (0, 1), "too young to be forgotten, and idle all the same");
    assert_eq!(found("Deployment", 480, None, &QUIET), (0, 1), "no notebook");
    assert_eq!(found("Notebook", 480, Some(100), &busy()), (1, 0), "busy once, and long ago");
    assert_eq!(found("Notebook", 480, Some(10), &busy()), (0, 0), "used yesterday");
}

#[test]
fn names_from_a_cluster_cannot_break_out_of_a_command() {
    let mut fleet = two_pods(&QUIET);
    fleet.edit(plimsoll_fleet::WorkloadId(0)).name = "x'; rm -rf ~ #".into();
    assert_eq!(findings(&fleet.build(), "idle-gpu")[0].fix.action, r"kubectl scale deployment 'x'\''; rm -rf ~ #' -n ml --replicas=0");
}

/// The findings that are verdicts, as `(sign, subject)`.
fn verdicts(found: &[Finding]) -> std::collections::BTreeSet<(String, String)> {
    found
        .iter()
        .filter(|finding| finding.confidence > Confidence::TooLittle)
        .map(|finding| (finding.sign.to_string(), finding.subject.to_string()))
        .collect()
}

mod properties {
    use super::*;
    use crate::audit::{money, settings::Settings, view::View};
    use crate::testing::{reordered, steady};
    use plimsoll_fleet::{Fleet, Metrics, PodUsage, evidence::SliceId, price::PriceBook};
    use proptest::prelude::*;

    /// Figures that a GPU can have: no SM is active without the engine, no tensor pipe without an SM, and what is quiet by one measure is
    /// quiet by the others.
    fn figures() -> impl Strategy<Value = Vec<(Metric, f64)>> {
        let quiet = (0.0..0.004_f64, 0.0..8e10_f64).prop_map(|(least, memory)| {
            let all = [Metric::GpuUtil, Metric::EngineActive, Metric::SmActive, Metric::TensorActive, Metric::DramActive];
            all.into_iter().map(|metric| (metric, least)).chain([(Metric::MemoryUsed, memory)]).collect()
        });
        let works = (0.02..1.0_f64, 0.02..1.0_f64, 0.0..1.0_f64, 0.0..1.0_f64, 0.0..1.0_f64, 0.0..8e10_f64).prop_map(
            |(util, engine, sm, tensor, dram, memory)| {
                vec![
                    (Metric::GpuUtil, util),
                    (Metric::EngineActive, engine),
                    (Metric::SmActive, engine * sm),
                    (Metric::TensorActive, engine * sm * tensor),
                    // A copy engine could move data without the engine; that is left out.
                    (Metric::DramActive, engine * dram),
                    (Metric::MemoryUsed, memory),
                ]
            },
        );
        let all = prop_oneof![quiet.boxed(), works.boxed()];
        (all, proptest::collection::vec(proptest::bool::weighted(0.85), 6))
            .prop_map(|(all, keep)| all.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(figure, _)| figure).collect())
    }

    #[derive(Debug, Clone)]
    struct Drawn {
        gpus: u32,
        workload: usize,
        place: Option<usize>,
        cpu: u64,
        selector: bool,
        age: u64,
        restarts: u32,
        sliced: bool,
        samples: usize,
        engine: Option<(f64, f64)>,
        figures: Vec<Vec<(Metric, f64)>>,
    }

    fn drawn() -> impl Strategy<Value = Drawn> {
        let gpus = prop_oneof![Just(0_u32), Just(1), Just(1), Just(2), Just(4), Just(8)];
        let engine = proptest::option::weighted(0.3, (0.0..2.0_f64, 0.0..1.0_f64));
        let spec = (gpus, 0..6_usize, proptest::option::weighted(0.8, 0..4_usize), 1_000..40_000_u64, any::<bool>(), 0..600_u64);
        let life = (0..6_u32, proptest::bool::weighted(0.1), prop_oneof![Just(2_016_usize), 1..2_016_usize], engine);
        (spec, life, proptest::collection::vec(figures(), 8)).prop_map(
            |((gpus, workload, place, cpu, selector, age), (restarts, sliced, samples, engine), figures)| Drawn {
                gpus,
                workload,
                place,
                cpu,
                selector,
                age,
                restarts,
                sliced,
                samples,
                engine,
                figures,
            },
        )
    }

    fn fleet() -> impl Strategy<Value = Fleet> {
        proptest::collection::vec(drawn(), 1..14).prop_map(|pods| {
            let mut fleet = Builder::new();
            let mut nodes = Vec::new();
            for (index, product) in ["p5.48xlarge", "p5.48xlarge", "g6.48xlarge", "g6.48xlarge"].into_iter().enumerate() {
                let mut each = if product == "p5.48xlarge" {
                    h100(&format!("gpu-{index}"))
                } else {
                    node(&format!("gpu-{index}"), "NVIDIA-L4", 23_034, 8)
                };
                each.instance_type = Some(product.into());
                each.cpu = MilliCpu(96_000);
                if index == 3 {
                    each.taints.clear();
                }
                nodes.push(fleet.node(each));
            }
            fleet.node(cpu_node("cpu-1"));
            let workloads: Vec<_> = [("Deployment", "a"), ("StatefulSet", "b"), ("Job", "c"), ("PyTorchJob", "d"), ("Notebook", "lab")]
                .map(|(kind, name)| fleet.workload(kind, name))
                .into();
            let mut free = [8_u32; 4];
            for draw in pods {
                let mut asks = Shape { cpu: MilliCpu(draw.cpu), ..shape(draw.gpus) };
                if draw.selector {
                    asks.node_selector.insert("nvidia.com/gpu.product".into(), "NVIDIA-H100-80GB-HBM3".into());
                }
                let place = draw.place.filter(|&place| free[place] >= draw.gpus);
                if let Some(place) = place {
                    free[place] -= draw.gpus;
                }
                let pod = fleet.pod(workloads.get(draw.workload).copied(), place.map(|place| nodes[place]), asks);
                let each = fleet.pod_mut(pod);
                let since = hours_ago(draw.age);
                (each.created, each.restarts) = (Some(since), draw.restarts);
                if place.is_some() {
                    (each.scheduled, each.started, each.ready) = (Some(since), Some(since), (draw.restarts < 5).then_some(since));
                    each.waiting = (draw.restarts == 5).then(|| "CrashLoopBackOff".into());
                    for gpu in 0..draw.gpus {
                        let by_metric =
                            draw.figures[gpu as usize].iter().map(|&(metric, value)| (metric, steady(value, draw.samples))).collect();
                        let slice = draw.sliced.then(|| SliceId { instance: 1, profile: "3g.40gb".into() });
                        let metrics = Metrics { by_metric, last_active: None, course: None };
                        fleet.fleet.evidence.pods.push(PodUsage {
                            pod,
                            gpu: Some(gpu as u16),
                            slice,
                            attribution: Attribution::Measured,
                            metrics,
                        });
                    }
                    if let Some((requests, kv)) = draw.engine {
                        fleet.engine(pod, requests.floor(), kv);
                    }
                }
            }
            fleet.build()
        })
    }

    fn all(fleet: &Fleet) -> Vec<Finding> {
        let settings = Settings::default();
        let view = View::new(fleet, &PriceBook::list(), &settings);
        let mut found: Vec<Finding> = ALL.iter().flat_map(|sign| (sign.find)(&view)).collect();
        found.sort_by(|a, b| a.sign.cmp(&b.sign).then_with(|| a.subject.cmp(&b.subject)));
        found
    }

    /// Ids differ where the order does; everything else must not.
    fn without_ids(found: Vec<Finding>) -> Vec<Finding> {
        found.into_iter().map(|finding| Finding { waste: Vec::new(), ..finding }).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 192, ..ProptestConfig::default() })]

        #[test]
        fn a_sign_never_wastes_nor_costs_more_than_its_node(fleet in fleet()) {
            let settings = Settings::default();
            let view = View::new(&fleet, &PriceBook::list(), &settings);
            for finding in all(&fleet) {
                let claimed: MilliGpu = finding.waste.iter().map(|waste| waste.gpus).sum();
                let there: MilliGpu = money::wasted(&view, [&finding]).into_values().sum();
                prop_assert_eq!(claimed, there, "{} on {} claims more than is there", finding.sign, finding.subject);
                let bill: i64 = fleet.nodes().filter_map(|(id, _)| view.prices[id.index()].as_ref().ok()).map(|price| price.per_hour.over_month().0).sum();
                prop_assert!(finding.cost_month.is_none_or(|cost| 0 <= cost.0 && cost.0 <= bill));
            }
        }

        #[test]
        fn order_never_matters(fleet in fleet(), by in 0..7_usize) {
            let (one, other) = (without_ids(all(&fleet)), without_ids(all(&reordered(&fleet, by))));
            prop_assert_eq!(verdicts(&one), verdicts(&other));
            for (one, other) in one.iter().zip(&other) {
                prop_assert_eq!(one, other);
            }
        }

        /// One pod of which all is seen: the sharpest case, because nothing else hides what a metric's absence does.
        #[test]
        fn a_pod_without_one_of_its_metrics_is_not_accused_of_something_else(
            (kind, sliced) in (proptest::sample::select(vec!["Deployment", "Job", "Notebook"]), any::<bool>()),
            (util, engine, sm, tensor, dram, memory) in (0.0..1.0_f64, 0.0..1.0_f64, 0.0..1.0_f64, 0.0..1.0_f64, 0.0..1.0_f64, 0.0..8e10_f64),
            quiet in proptest::bool::weighted(0.3),
        ) {
            let scale = if quiet { 0.004 } else { 1.0 };
            // Products of shares lean to the small ones, where the verdicts are.
            let figures = [
                (Metric::GpuUtil, util.max(0.02) * scale),
                (Metric::EngineActive, engine.max(0.02) * scale),
                (Metric::SmActive, engine * sm * scale),
                (Metric::TensorActive, engine * sm * tensor * scale),
                (Metric::DramActive, engine * dram * dram * scale),
                (Metric::MemoryUsed, memory),
            ];
            let seen = |without: Option<Metric>| {
                let mut figures = figures.to_vec();
                figures.retain(|(metric, _)| Some(*metric) != without);
                let mut fleet = Builder::new();
                let node = fleet.node(h100("gpu-1"));
                let only = fleet.workload(kind, "only");
                let pod = fleet.pod(Some(only), Some(node), shape(1));
                fleet.seen(pod, &figures);
                if sliced {
                    fleet.fleet.evidence.pods[0].slice = Some(SliceId { instance: 1, profile: "7g.80gb".into() });
                }
                verdicts(&all(&fleet.build()))
            };
            let before = seen(None);
            for metric in Metric::ALL {
                let new: Vec<_> = seen(Some(metric)).difference(&before).filter(|(sign, _)| sign != "blind-spot").cloned().collect();
                prop_assert!(new.is_empty(), "without {metric:?}: {new:?}");
            }
        }

        #[test]
        fn without_a_metric_no_new_verdict_appears(fleet in fleet(), metric in proptest::sample::select(Metric::ALL.to_vec())) {
            let before = verdicts(&all(&fleet));
            let mut poorer = fleet;
            for usage in &mut poorer.evidence.pods {
                usage.metrics.by_metric.remove(&metric);
            }
            let after = verdicts(&all(&poorer));
            // What is not seen any more is a blind spot, and said to be one.
            let new: Vec<_> = after.difference(&before).filter(|(sign, _)| sign != "blind-spot").collect();
            prop_assert!(new.is_empty(), "without {metric:?}: {new:?}");
        }
    }
}
