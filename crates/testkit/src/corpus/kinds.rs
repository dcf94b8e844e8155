//! What stands around pods: an object of a kind drawn at random.

use super::{
    draw::Draw,
    pod::{Wish, annotations, labels, spec, template},
};
use serde_json::{Map, Value, json};

const NAMES: [&str; 8] = ["llm", "finetune", "jupyter", "score", "pretrain", "server", "batch", "lab"];
const NAMESPACES: [&str; 5] = ["search", "vision", "lab", "shop-prod", "default"];

/// The object of that number.
pub(super) fn object(draw: &mut Draw, number: usize) -> Value {
    let name = format!("{}-{number}", draw.one(&NAMES));
    let mut metadata = json!({
        "name": name,
        "namespace": draw.one(&NAMESPACES),
        "labels": labels(draw, 40),
        "annotations": annotations(draw, 25),
    });
    if draw.percent(6) {
        // Whoever writes it is no controller: it is judged all the same.
        let owner = draw.one(&[("apps/v1", "ReplicaSet"), ("batch/v1", "Job"), ("example.com/v1", "Thing")]);
        metadata["ownerReferences"] =
            json!([{"apiVersion": owner.0, "kind": owner.1, "name": "x", "uid": "5e1f", "controller": draw.percent(70)}]);
    }
    let (api_version, kind, body) = body(draw, &name);
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
    let field = if kind == "PodTemplate" { "template" } else { "spec" };
    object[field] = body;
    object
}

fn body(draw: &mut Draw, app: &str) -> (&'static str, &'static str, Value) {
    let checked = Wish { checked: true, ..Wish::default() };
    let job = Wish { checked: true, ends: true, restart: Some("Never") };
    let (free, ending) = (Wish::default(), Wish { ends: true, ..Wish::default() });
    match draw.below(40) {
        0..=8 => {
            let restart = draw.percent(30).then_some("Never");
            ("v1", "Pod", spec(draw, Wish { restart, ..checked }))
        }
        9..=14 => {
            let mut body = replicated(draw, checked, app);
            strategy(draw, &mut body, "rollingUpdate");
            ("apps/v1", "Deployment", body)
        }
        15 => ("v1", "PodTemplate", template(draw, checked, app)),
        16 => ("apps/v1", "StatefulSet", replicated(draw, checked, app)),
        17 => ("apps/v1", "ReplicaSet", replicated(draw, checked, app)),
        18 => (
            "v1",
            "ReplicationController",
            json!({"replicas": draw.below(4), "selector": {"app": app}, "template": template(draw, checked, app)}),
        ),
        19 => ("apps/v1", "DaemonSet", json!({"selector": {"matchLabels": {"app": app}}, "template": template(draw, checked, app)})),
        20..=22 => ("batch/v1", "Job", job_spec(draw, job, app)),
        23 => ("batch/v1", "CronJob", json!({"schedule": "0 3 * * *", "jobTemplate": {"spec": job_spec(draw, job, app)}})),
        24 | 25 => {
            let mut body = json!({"replicatedJobs": groups(draw, |draw| {
                json!({"replicas": 1 + draw.below(4), "template": {"spec": job_spec(draw, ending, app)}})
            })});
            maybe(draw, &mut body, "ttlSecondsAfterFinished", &[60, 3_600, 1_000_000]);
            if draw.percent(20) {
                body["suspend"] = json!(true);
            }
            ("jobset.x-k8s.io/v1alpha2", "JobSet", body)
        }
        26 => {
            let mut group = json!({"size": 1 + draw.below(4), "workerTemplate": template(draw, free, app)});
            if draw.percent(50) {
                group["leaderTemplate"] = template(draw, free, app);
            }
            ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", json!({"replicas": draw.below(5), "leaderWorkerTemplate": group}))
        }
        27 => ("ray.io/v1", "RayCluster", ray(draw, app)),
        28 => {
            let mut body = json!({"rayClusterSpec": ray(draw, app)});
            run(draw, &mut body);
            if draw.percent(60) {
                body["shutdownAfterJobFinishes"] = json!(draw.percent(80));
            }
            if draw.percent(20) {
                body["submitterPodTemplate"] = template(draw, ending, app);
            }
            ("ray.io/v1", "RayJob", body)
        }
        29 => ("ray.io/v1", "RayService", json!({"rayClusterConfig": ray(draw, app)})),
        30 | 31 => {
            let (kind, field) = draw.one(&[("PyTorchJob", "pytorchReplicaSpecs"), ("MPIJob", "mpiReplicaSpecs")]);
            let mut policy = json!({});
            run(draw, &mut policy);
            let mut specs = Map::new();
            for role in ["Master", "Worker"].into_iter().take(1 + draw.below(2)) {
                specs.insert(role.to_owned(), json!({"replicas": 1 + draw.below(5), "template": template(draw, ending, app)}));
            }
            let mut body = json!({(field): specs});
            if draw.percent(85) {
                body["runPolicy"] = policy;
            }
            ("kubeflow.org/v1", kind, body)
        }
        32 => ("kubeflow.org/v1", "Notebook", json!({"template": template(draw, free, app)})),
        33 => {
            let container = spec(draw, Wish::default());
            let mut trainer = json!({"numNodes": 1 + draw.below(9), "resourcesPerNode": container["containers"][0]["resources"]});
            if draw.percent(60) {
                trainer["image"] = container["containers"][0]["image"].clone();
            }
            let mut body = json!({"runtimeRef": {"name": "torch"}, "trainer": trainer});
            if body["trainer"]["image"].is_null() {
                body["trainer"].as_object_mut().map(|trainer| trainer.remove("image"));
            }
            maybe(draw, &mut body, "activeDeadlineSeconds", &[600, 86_400, 2_000_000]);
            ("trainer.kubeflow.org/v1alpha1", "TrainJob", body)
        }
        34 => {
            let jobs = groups(draw, |draw| json!({"replicas": 1 + draw.below(3), "template": {"spec": job_spec(draw, ending, app)}}));
            ("trainer.kubeflow.org/v1alpha1", "TrainingRuntime", json!({"template": {"spec": {"replicatedJobs": jobs}}}))
        }
        35 => {
            let mut predictor = spec(draw, free);
            if draw.percent(50) {
                let model = predictor["containers"][0].clone();
                predictor["model"] = model;
                predictor.as_object_mut().map(|predictor| predictor.remove("containers"));
            }
            maybe(draw, &mut predictor, "minReplicas", &[0, 1, 2]);
            maybe(draw, &mut predictor, "maxReplicas", &[0, 1, 4]);
            predictor["labels"] = labels(draw, 20).into();
            if draw.percent(30) {
                predictor["workerSpec"] = spec(draw, free);
                maybe(draw, &mut predictor["workerSpec"], "pipelineParallelSize", &[1, 2, 4]);
            }
            ("serving.kserve.io/v1beta1", "InferenceService", json!({"predictor": predictor}))
        }
        36 => {
            let mut body = replicated(draw, free, app);
            strategy(draw, &mut body, "canary");
            ("argoproj.io/v1alpha1", "Rollout", body)
        }
        37 => {
            let mut inner = template(draw, free, app);
            if draw.percent(60) {
                inner["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"] = json!(draw.one(&["3", "40", "0", "many"]));
            }
            ("serving.knative.dev/v1", "Service", json!({"template": inner}))
        }
        38 => {
            let mut body =
                json!({"tasks": groups(draw, |draw| json!({"replicas": 1 + draw.below(4), "template": template(draw, ending, app)}))});
            maybe(draw, &mut body, "ttlSecondsAfterFinished", &[60, 1_000_000]);
            ("batch.volcano.sh/v1alpha1", "Job", body)
        }
        _ => claim(draw),
    }
}

fn maybe(draw: &mut Draw, body: &mut Value, field: &str, values: &[u64]) {
    if draw.percent(60) {
        body[field] = json!(draw.one(values));
    }
}

fn groups(draw: &mut Draw, mut one: impl FnMut(&mut Draw) -> Value) -> Value {
    let count = 1 + draw.below(3);
    let group = |number: usize| {
        let mut group = one(draw);
        group["name"] = json!(format!("g{number}"));
        group
    };
    (0..count).map(group).collect()
}

fn replicated(draw: &mut Draw, wish: Wish, app: &str) -> Value {
    let mut body = json!({"selector": {"matchLabels": {"app": app}}, "template": template(draw, wish, app)});
    if draw.percent(80) {
        body["replicas"] = json!(draw.one(&[0, 1, 2, 3, 4, 8, 40]));
    }
    body
}

fn strategy(draw: &mut Draw, body: &mut Value, key: &str) {
    match draw.below(6) {
        0 | 1 => {}
        2 if key == "rollingUpdate" => body["strategy"] = json!({"type": "Recreate"}),
        _ => {
            let mut amounts = json!({});
            if draw.percent(70) {
                amounts["maxSurge"] = draw.one(&[&json!(0), &json!(1), &json!("50%"), &json!("1%")]).clone();
            }
            // Both zero is no strategy.
            let zero = amounts["maxSurge"] == json!(0) && key == "rollingUpdate";
            if zero || draw.percent(70) {
                let amount = draw.one(&[&json!(1), &json!("30%"), &json!(0), &json!("10%")]).clone();
                amounts["maxUnavailable"] = if zero { json!(1) } else { amount };
            }
            body["strategy"] = json!({(key): amounts});
            if key == "rollingUpdate" {
                body["strategy"]["type"] = json!("RollingUpdate");
            }
        }
    }
}

fn job_spec(draw: &mut Draw, wish: Wish, app: &str) -> Value {
    let mut body = json!({"template": template(draw, Wish { restart: Some("Never"), ..wish }, app)});
    run(draw, &mut body);
    if draw.percent(50) {
        body["parallelism"] = json!(draw.one(&[1, 2, 8, 20]));
    }
    if draw.percent(50) {
        body["completions"] = json!(draw.one(&[1, 2, 8, 20]));
    }
    if draw.percent(15) {
        body["suspend"] = json!(true);
    }
    body
}

fn run(draw: &mut Draw, body: &mut Value) {
    maybe(draw, body, "activeDeadlineSeconds", &[600, 86_400, 2_000_000]);
    maybe(draw, body, "backoffLimit", &[0, 3, 6, 20]);
    maybe(draw, body, "ttlSecondsAfterFinished", &[60, 3_600, 1_000_000]);
}

fn ray(draw: &mut Draw, app: &str) -> Value {
    let ending = Wish { ends: true, ..Wish::default() };
    let workers = groups(draw, |draw| {
        let mut group = json!({"template": template(draw, ending, app)});
        maybe(draw, &mut group, "replicas", &[0, 1, 4]);
        maybe(draw, &mut group, "minReplicas", &[0, 2]);
        maybe(draw, &mut group, "maxReplicas", &[2, 10, 30]);
        maybe(draw, &mut group, "numOfHosts", &[1, 2]);
        group
    });
    let mut body = json!({"headGroupSpec": {"template": template(draw, ending, app)}, "workerGroupSpecs": workers});
    if draw.percent(40) {
        body["enableInTreeAutoscaling"] = json!(draw.percent(70));
    }
    body
}

fn claim(draw: &mut Draw) -> (&'static str, &'static str, Value) {
    let requests: Vec<Value> = (0..=draw.below(2))
        .map(|number| {
            let class = draw.one(&["gpu.nvidia.com", "mig.nvidia.com", "rdma", "big-gpu", "tpu.google.com"]);
            let one = |draw: &mut Draw| {
                if draw.percent(15) {
                    json!({"deviceClassName": class, "allocationMode": "All"})
                } else {
                    json!({"deviceClassName": class, "allocationMode": "ExactCount", "count": draw.one(&[1, 2, 8, 9, 16])})
                }
            };
            if draw.percent(25) {
                let mut first = one(draw);
                first["name"] = json!("a");
                let mut second = one(draw);
                second["name"] = json!("b");
                json!({"name": format!("r{number}"), "firstAvailable": [first, second]})
            } else {
                json!({"name": format!("r{number}"), "exactly": one(draw)})
            }
        })
        .collect();
    let devices = json!({"devices": {"requests": requests}});
    if draw.percent(50) {
        ("resource.k8s.io/v1", "ResourceClaim", devices)
    } else {
        ("resource.k8s.io/v1", "ResourceClaimTemplate", json!({"spec": devices}))
    }
}
