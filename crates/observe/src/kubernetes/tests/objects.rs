//! Objects to nouns.

use crate::kubernetes::{from_objects, objects};
use plimsoll_fleet::{
    Bytes, Fleet, MilliCpu, Seconds, Timestamp, UnseenKind,
    node::{Purchase, Sharing},
    pod::Ask,
    workload::{Amount, Rollout},
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn fleet(yaml: &str) -> Fleet {
    let fleet = from_objects(&objects(yaml).unwrap(), Timestamp(1_800_000_000), Default::default());
    fleet.check().unwrap();
    // The order in which objects come never matters.
    let mut backwards = objects(yaml).unwrap();
    backwards.reverse();
    assert_eq!(fleet, from_objects(&backwards, Timestamp(1_800_000_000), Default::default()));
    fleet
}

fn ask(resource: &str, count: u32, dra: bool) -> Ask {
    Ask { resource: resource.into(), count, dra }
}

const NODE: &str = "apiVersion: v1
kind: Node
metadata: {name: a, labels: {LABELS}}
spec: {providerID: 'aws:///us-east-1a/i-1'}
status: {allocatable: {cpu: '96', memory: 1Ti, pods: 110, RESOURCES}, capacity: {RESOURCES}, conditions: [{type: Ready, status: 'True'}]}
";

fn node(labels: &str, resources: &str) -> plimsoll_fleet::Node {
    fleet(&NODE.replace("LABELS", labels).replace("RESOURCES", resources)).nodes.remove(0)
}

#[test]
fn the_labels_of_a_node_say_how_its_gpus_are_shared_and_how_many_there_are() {
    let plain = node(
        "nvidia.com/gpu.product: NVIDIA-H100-80GB-HBM3, nvidia.com/gpu.count: '8', nvidia.com/gpu.replicas: '1'",
        "nvidia.com/gpu: '8'",
    );
    assert_eq!((plain.gpus.len(), plain.sharing), (8, Sharing::Whole));

    // Replicas are per GPU: 4 GPUs of 4 shares are 16.
    let shared = node(
        "nvidia.com/gpu.product: Tesla-T4-SHARED, nvidia.com/gpu.count: '4', nvidia.com/gpu.replicas: '4', nvidia.com/gpu.sharing-strategy: time-slicing",
        "nvidia.com/gpu: '16'",
    );
    assert_eq!(
        (shared.gpus.len(), shared.sharing, shared.gpu_product.as_deref()),
        (4, Sharing::TimeSliced { replicas: 4 }, Some("Tesla-T4"))
    );

    let renamed = node("nvidia.com/gpu.product: Tesla-T4, nvidia.com/gpu.count: '2'", "nvidia.com/gpu.shared: '6'");
    assert_eq!((renamed.gpus.len(), renamed.sharing), (2, Sharing::TimeSliced { replicas: 3 }));

    let mps = node(
        "nvidia.com/gpu.product: Tesla-T4-SHARED, nvidia.com/gpu.replicas: '2', nvidia.com/gpu.sharing-strategy: mps",
        "nvidia.com/gpu: '8'",
    );
    assert_eq!((mps.gpus.len(), mps.sharing), (4, Sharing::Mps { replicas: 2 }));

    // Under the single strategy the labels count and measure slices, not GPUs.
    let single = node(
        "nvidia.com/gpu.product: NVIDIA-A100-SXM4-80GB-MIG-1g.10gb-SHARED, nvidia.com/mig.strategy: single, nvidia.com/gpu.count: '56', nvidia.com/gpu.memory: '9728'",
        "nvidia.com/gpu: '56'",
    );
    assert_eq!((single.gpus.len(), single.sharing), (8, Sharing::MigSingle { profile: "1g.10gb".into() }));
    assert_eq!(single.gpu_memory, Some(Bytes::from_mib(81_920)), "the board's, from the catalogue");

    let invalid = node("nvidia.com/gpu.product: NVIDIA-A100-SXM4-80GB-MIG-INVALID, nvidia.com/gpu.count: '0'", "nvidia.com/gpu: '0'");
    assert_eq!((invalid.sharing, invalid.gpus.len()), (Sharing::MigInvalid, 1));

    let gke = node(
        "cloud.google.com/gke-accelerator: nvidia-l4, cloud.google.com/gke-accelerator-count: '2', cloud.google.com/gke-max-shared-clients-per-gpu: '3', cloud.google.com/gke-gpu-sharing-strategy: time-sharing, cloud.google.com/gke-spot: 'true'",
        "nvidia.com/gpu: '6'",
    );
    assert_eq!((gke.gpus.len(), gke.sharing, gke.purchase), (2, Sharing::TimeSliced { replicas: 3 }, Purchase::Spot));

    let neuron = node("", "aws.amazon.com/neuron: '16', aws.amazon.com/neurondevice: '16', aws.amazon.com/neuroncore: '32'".trim());
    assert_eq!(neuron.gpus.len(), 16);
    let liar = node("nvidia.com/gpu.product: X, nvidia.com/gpu.count: '4000000000'", "nvidia.com/gpu: '1'");
    assert!(liar.gpus.len() < 1000);
    assert_eq!(liar.cloud.as_deref(), Some("aws"));
    assert!(node("", "ephemeral-storage: '1'").vendor.is_none());
}

#[test]
fn requests_are_counted_as_the_scheduler_counts_them() {
    let fleet = fleet(
        "apiVersion: v1
kind: Pod
metadata: {name: p, namespace: ns, labels: {app: x, pod-template-hash: abc}}
spec:
  overhead: {cpu: 250m, memory: 64Mi}
  initContainers:
  - {name: load, resources: {requests: {cpu: '6', memory: 1Gi}, limits: {nvidia.com/gpu: 2}}}
  - {name: proxy, restartPolicy: Always, resources: {requests: {cpu: '1', memory: 1Gi}}}
  - {name: late, resources: {requests: {cpu: '7', memory: 1Gi}}}
  containers:
  - {name: main, image: vllm, ports: [{containerPort: 8000}], readinessProbe: {httpGet: {path: /}}, env: [{name: TOKEN, value: s3cret}],
     resources: {requests: {cpu: '3', memory: 8Gi}, limits: {nvidia.com/gpu: '1'}}}
  - {name: side, resources: {limits: {cpu: 100m, memory: 1Gi}}}
status: {phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, message: 0/3 nodes}]}
",
    );
    let (pod, shape) = (&fleet.pods[0], &fleet.shapes[0]);
    // The late init container runs beside the sidecar: 7 + 1; more than 3 + 0.1 + 1. Then the overhead.
    assert_eq!(shape.cpu, MilliCpu(8_250));
    assert_eq!(shape.memory, Bytes((10 << 30) + (64 << 20)));
    assert_eq!(shape.asks, [ask("nvidia.com/gpu", 2, false)]);
    assert!(!shape.labels.contains_key("pod-template-hash"));
    let main = shape.containers.iter().find(|container| &*container.name == "main").unwrap();
    assert!(main.probes.readiness && !main.probes.liveness && main.serves);
    assert_eq!(main.asks, [ask("nvidia.com/gpu", 1, false)]);
    assert!(pod.waits());
    assert_eq!(pod.unschedulable.as_deref(), Some("0/3 nodes"));
    assert!(!format!("{fleet:?}").contains("s3cret"));
}

const SERVING: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: llm, namespace: serve, labels: {team: a}, annotations: {plimsoll.dev/class: online}}
spec:
  replicas: 2
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 0}}
  template: {metadata: {labels: {app: llm}}, spec: {containers: [{name: c, resources: {limits: {nvidia.com/gpu: '1'}}}]}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: llm-1, namespace: serve, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: llm, uid: u, controller: true}]}
spec: {replicas: 2}
---
apiVersion: v1
kind: Pod
metadata: {name: llm-1-a, namespace: serve, labels: {app: llm}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: llm-1, uid: u, controller: true}]}
spec: {nodeName: a, containers: [{name: c, resources: {limits: {nvidia.com/gpu: '1'}}}]}
status: {phase: Running, containerStatuses: [{restartCount: 7, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled, startedAt: '2026-11-23T00:00:00Z', finishedAt: '2026-11-23T00:00:05Z'}}}]}
---
apiVersion: v1
kind: Service
metadata: {name: llm, namespace: serve}
spec: {selector: {app: llm}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: llm, namespace: serve}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}, minReplicas: 1, maxReplicas: 4, metrics: [{type: Pods, pods: {metric: {name: 'vllm:num_requests_waiting'}}}]}
---
apiVersion: v1
kind: Event
metadata: {name: e, namespace: serve}
involvedObject: {kind: Pod, namespace: serve, name: llm-1-a}
reason: Pulled
message: Successfully pulled image \"x\" in 1m2.5s (1m2.5s including waiting)
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: llm, namespace: serve}
spec: {selector: {matchLabels: {app: llm}}}
status: {disruptionsAllowed: 1}
---
";

#[test]
fn a_pod_is_followed_to_its_deployment_with_all_that_belongs_to_it() {
    let fleet = fleet(&format!("{SERVING}{}", NODE.replace("LABELS", "").replace("RESOURCES", "nvidia.com/gpu: '1'")));
    assert_eq!(fleet.workloads.len(), 1, "the ReplicaSet is only a link");
    let pod = &fleet.pods[0];
    let workload = fleet.workload(pod).unwrap();
    assert_eq!((&*workload.kind, &*workload.name, workload.replicas), ("Deployment", "llm", Some(2)));
    assert_eq!(workload.rollout, Some(Rollout::Rolling { max_surge: Amount::Percent(25), max_unavailable: Amount::Count(0) }));
    assert_eq!(
        workload.autoscaler.as_ref().map(|scaler| (scaler.min, scaler.max, &*scaler.metrics[0])),
        Some((1, 4, "vllm:num_requests_waiting"))
    );
    assert!(workload.exposed && workload.template.is_some());
    assert_eq!(pod.image_pull, Some(Seconds(63)));
    assert_eq!(
        (pod.restarts, pod.waiting.as_deref(), pod.last_exit.as_ref().map(|exit| exit.code)),
        (7, Some("CrashLoopBackOff"), Some(137))
    );
    assert_eq!(fleet.budgets[0].allowed, 1);
}

#[test]
fn a_custom_owner_takes_over_what_its_deployment_knows_and_unknown_kinds_are_known_by_reference() {
    let owned = SERVING.replace(
        "metadata: {name: llm, namespace: serve, labels: {team: a}",
        "metadata: {name: llm, namespace: serve, ownerReferences: [{apiVersion: example.com/v1, kind: Model, name: m, controller: true}], labels: {team: a}",
    );
    let fleet = fleet(&owned);
    let workload = &fleet.workloads[0];
    assert_eq!((&*workload.kind, workload.unread, workload.replicas), ("Model", true, Some(2)));
    assert!(workload.template.is_some() && workload.autoscaler.is_some() && workload.exposed);
}

#[test]
fn owners_in_a_ring_have_an_end() {
    let link = |name: &str, owner: &str| {
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}, namespace: ns, ownerReferences: [{{apiVersion: batch/v1, kind: Job, name: {owner}, controller: true}}]}}\nspec: {{template: {{spec: {{containers: []}}}}}}\n---\n"
        )
    };
    let fleet = fleet(&format!("{}{}", link("a", "b"), link("b", "a")));
    assert!(fleet.workloads.len() <= 2);
}

#[test]
fn quantities_of_custom_kinds_are_kept_as_written() {
    let fleet = fleet(
        "apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata: {name: train, namespace: ns}
spec:
  ttlSecondsAfterFinished: 60
  replicatedJobs:
  - name: w
    replicas: 2
    template: {spec: {parallelism: 4, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, env: [{name: K, value: s3cret}], resources: {limits: {nvidia.com/gpu: 500m, cpu: '2'}}}]}}}}
---
apiVersion: kubeflow.org/v1
kind: Notebook
metadata: {name: nb, namespace: ns}
spec: {template: {spec: {containers: [{name: c, resources: {limits: {nvidia.com/gpu: 0.5}}}]}}}
---
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: ray, namespace: ns}
spec:
  enableInTreeAutoscaling: true
  headGroupSpec: {template: {spec: {containers: [{name: head}]}}}
  workerGroupSpecs: [{replicas: 3, minReplicas: 1, maxReplicas: 9, template: {spec: {containers: [{name: w, resources: {limits: {nvidia.com/gpu: '4'}}}]}}}]
",
    );
    let find = |kind: &str| fleet.workloads.iter().find(|workload| &*workload.kind == kind).unwrap();
    let jobset = find("JobSet");
    assert_eq!(&*jobset.raw[0].quantity, "500m");
    assert_eq!(&*jobset.raw[0].path, "spec.replicatedJobs[0].template.spec.template.spec.containers[0].resources.limits");
    assert_eq!((jobset.replicas, jobset.run.as_ref().unwrap().ttl), (Some(8), Some(Seconds(60))));
    assert_eq!(fleet.shapes[jobset.template.unwrap().index()].cpu, MilliCpu(2000));
    assert_eq!(&*find("Notebook").raw[0].quantity, "0.5");
    let ray = find("RayCluster");
    assert_eq!(ray.replicas, Some(4));
    assert_eq!(ray.autoscaler.as_ref().map(|scaler| (scaler.min, scaler.max)), Some((1, 9)));
    assert_eq!(fleet.shapes[ray.template.unwrap().index()].asks, [ask("nvidia.com/gpu", 4, false)]);
    assert!(!format!("{fleet:?}").contains("s3cret"));
}

#[test]
fn a_knative_service_is_scaled_by_knative() {
    let fleet = fleet(
        "apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: m, namespace: ns}
spec: {template: {metadata: {annotations: {autoscaling.knative.dev/max-scale: '3'}}, spec: {containers: [{image: x}]}}}
",
    );
    let scaler = fleet.workloads[0].autoscaler.as_ref().unwrap();
    assert_eq!((&*scaler.kind, scaler.min, scaler.max), ("KnativePodAutoscaler", 0, 3));
}

const DRA: &str = "apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: gpu.nvidia.com}
spec: {extendedResourceName: nvidia.com/gpu, selectors: [{cel: {expression: \"device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'gpu'\"}}]}
---
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: mig.nvidia.com}
spec: {selectors: [{cel: {expression: \"device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'mig'\"}}]}
---
apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {name: old}
spec: {driver: gpu.nvidia.com, nodeName: a, pool: {name: a, generation: 1}, devices: [{name: gpu-7}]}
---
apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {name: s}
spec:
  driver: gpu.nvidia.com
  nodeName: a
  pool: {name: a, generation: 2}
  devices:
  - {name: gpu-10, attributes: {type: {string: gpu}, uuid: {string: GPU-10}, productName: {string: NVIDIA H100 80GB HBM3}}, capacity: {memory: {value: 81559Mi}}}
  - {name: gpu-2, attributes: {type: {string: gpu}, uuid: {string: GPU-2}, productName: {string: NVIDIA H100 80GB HBM3}}, capacity: {memory: {value: 81559Mi}}}
  - {name: gpu-1-mig-2g20gb-14-2, attributes: {type: {string: mig}, uuid: {string: MIG-1}, parentUUID: {string: GPU-1}, profile: {string: 2g.20gb}}}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: t, namespace: ns}
spec: {spec: {devices: {requests: [{name: g, exactly: {deviceClassName: mig.nvidia.com, count: 1}}]}}}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: p-t, namespace: ns}
spec: {devices: {requests: [{name: g, exactly: {deviceClassName: mig.nvidia.com}}]}}
status: {reservedFor: [{resource: pods, name: p}], allocation: {devices: {results: [{request: g, driver: gpu.nvidia.com, pool: a, device: gpu-1-mig-2g20gb-14-2}]}}}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: ext, namespace: ns}
spec: {devices: {requests: [{name: c-0, exactly: {deviceClassName: gpu.nvidia.com}}]}}
status: {reservedFor: [{resource: pods, name: q}], allocation: {devices: {results: [{request: c-0, driver: gpu.nvidia.com, pool: a, device: gpu-10}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: ns}
spec: {nodeName: a, resourceClaims: [{name: x, resourceClaimTemplateName: t}], containers: [{name: c}]}
status: {phase: Running, resourceClaimStatuses: [{name: x, resourceClaimName: p-t}]}
---
apiVersion: v1
kind: Pod
metadata: {name: q, namespace: ns}
spec: {nodeName: a, containers: [{name: c, resources: {limits: {nvidia.com/gpu: 1}}}]}
status: {phase: Running, extendedResourceClaimStatus: {resourceClaimName: ext, requestMappings: []}}
---
";

#[test]
fn dra_serves_gpus_that_allocatable_does_not_show() {
    let fleet = fleet(&format!("{DRA}{}", NODE.replace("LABELS", "").replace("RESOURCES", "ephemeral-storage: '1'")));
    let node = &fleet.nodes[0];
    let uuids: Vec<_> = node.gpus.iter().map(|gpu| gpu.uuid.as_deref().unwrap()).collect();
    assert_eq!(uuids, ["GPU-1", "GPU-2", "GPU-10"], "in order of minor number; the older generation is gone");
    assert_eq!((&*node.gpus[0].slices[0].profile, node.gpus[0].slices[0].start), ("2g.20gb", Some(2)));
    assert_eq!(node.gpu_product.as_deref(), Some("NVIDIA-H100-80GB-HBM3"));
    assert_eq!(node.gpu_memory, Some(Bytes::from_mib(81_559)));
    assert_eq!((node.offered("nvidia.com/gpu"), node.offered("mig.nvidia.com")), (2, 1));
    let [p, q] = &fleet.pods[..] else { panic!("{:?}", fleet.pods) };
    assert_eq!(fleet.shape(p).asks, [ask("mig.nvidia.com", 1, true)]);
    assert_eq!((&*p.granted[0].class, p.granted[0].gpu, p.granted[0].profile.as_deref()), ("mig.nvidia.com", Some(0), Some("2g.20gb")));
    assert_eq!(fleet.shape(q).asks, [ask("nvidia.com/gpu", 1, false)]);
    assert_eq!((&*q.granted[0].device, q.granted[0].gpu), ("gpu-10", Some(2)));
    assert_eq!(plimsoll_fleet::holding::held(&fleet, q).0, 1000, "the grant and the ask are one GPU");
}

#[test]
fn a_claim_that_pods_share_is_held_once() {
    let shared =
        DRA.replace("reservedFor: [{resource: pods, name: q}]", "reservedFor: [{resource: pods, name: q}, {resource: pods, name: p}]");
    let fleet = fleet(&format!(
        "{}{}",
        shared.replace("resourceClaimTemplateName: t", "resourceClaimName: ext"),
        NODE.replace("LABELS", "").replace("RESOURCES", "ephemeral-storage: '1'")
    ));
    let devices = fleet.pods.iter().flat_map(|pod| &pod.granted).filter(|granted| &*granted.device == "gpu-10").count();
    assert_eq!(devices, 1);
}

#[test]
fn what_cannot_be_understood_is_named_and_left_out() {
    let fleet = fleet(
        "apiVersion: v1
kind: Pod
metadata: {name: bad, namespace: ns}
spec: {containers: [{name: c, resources: {limits: {nvidia.com/gpu: 0.5}}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: worse, namespace: ns}
spec: 7
---
apiVersion: v1
kind: Pod
metadata: {name: good, namespace: ns}
spec: {containers: [{name: c}]}
---
apiVersion: example.com/v1
kind: Unheard
metadata: {name: of}
",
    );
    assert_eq!(fleet.pods.len(), 1);
    let subjects: Vec<_> = fleet.unseen.iter().map(|unseen| (unseen.kind, &*unseen.subject)).collect();
    assert_eq!(subjects, [(UnseenKind::Malformed, "Pod ns/bad"), (UnseenKind::Malformed, "Pod ns/worse")]);
    assert!(fleet.unseen[0].why.contains("container c, nvidia.com/gpu"), "{}", fleet.unseen[0].why);
}

#[test]
fn pods_of_a_daemon_set_come_with_the_node_and_share_a_shape() {
    let pod = |name: &str, node: &str| {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: ns, ownerReferences: [{{apiVersion: apps/v1, kind: DaemonSet, name: d, controller: true}}]}}
spec: {{affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{{matchFields: [{{key: metadata.name, operator: In, values: [{node}]}}]}}]}}}}}}, containers: [{{name: c}}]}}
---
"
        )
    };
    let fleet = fleet(&format!("{}{}", pod("x", "a"), pod("z", "b")));
    assert_eq!((fleet.shapes.len(), fleet.pods.len()), (1, 2));
    assert!(fleet.pods.iter().all(|pod| pod.of_node));
    assert!(fleet.shapes[0].node_terms.is_empty());
}

/// Replaces the `at`-th value below `value`, counted depth first; tells how many are left to count.
fn replace(value: &mut Value, at: usize, with: &Value) -> Result<(), usize> {
    let Some(mut at) = at.checked_sub(1) else {
        *value = with.clone();
        return Ok(());
    };
    let children: Vec<&mut Value> = match value {
        Value::Object(map) => map.values_mut().collect(),
        Value::Array(list) => list.iter_mut().collect(),
        _ => return Err(at),
    };
    for child in children {
        match replace(child, at, with) {
            Ok(()) => return Ok(()),
            Err(left) => at = left,
        }
    }
    Err(at)
}

proptest! {
    /// Whatever stands where something else should: no panic, no reference into nowhere, and the other objects are still there.
    #[test]
    fn one_value_gone_wrong_spoils_at_most_its_object(which in 0_usize..64, at in 1_usize..80, with in prop_oneof![
        Just(Value::Null), Just(json!(-1)), Just(json!(1e300)), Just(json!("")), Just(json!("999999999999999999999Ei")),
        Just(json!([])), Just(json!([null])), Just(json!({})), Just(json!({"name": {"name": 7}})), Just(json!(true)), "\\PC{0,9}".prop_map(Value::from),
    ]) {
        let yaml = format!("{SERVING}{DRA}{}", NODE.replace("LABELS", "nvidia.com/gpu.count: '2'").replace("RESOURCES", "nvidia.com/gpu: '2'"));
        let mut all: Vec<Value> = objects(&yaml).unwrap().iter().map(|object| serde_json::from_str(object.get()).unwrap()).collect();
        let which = which % all.len();
        let _ = replace(&mut all[which], at, &with);
        let raw: Vec<_> = all.iter().map(|object| serde_json::value::to_raw_value(object).unwrap()).collect();
        let fleet = from_objects(&raw, Timestamp(0), Default::default());
        prop_assert!(fleet.check().is_ok());
        // Pods of a node that is gone go with it.
        prop_assert!(fleet.pods.len() >= 2 || fleet.nodes.iter().all(|node| &*node.name != "a"));
        prop_assert!(fleet.unseen.len() <= 2);
    }
}
