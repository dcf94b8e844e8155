//! Where each kind keeps its pods, and how many it makes of them: the one table.
//!
//! Sources: the API types of Kubernetes 1.37, JobSet 0.12, LeaderWorkerSet 0.9, KubeRay 1.6, the Kubeflow training operator 1.9
//! and Trainer 2.2, KServe 0.16, Argo Rollouts 1.10, Volcano 1.14, Knative 1.20.

use super::Node;

/// Where pods stand in an object, and how many there are.
pub(super) struct Place {
    /// Keys with dots between them; `*` is every element of a list and every value of a map.
    pub path: &'static str,
    /// It is a pod specification without metadata.
    pub bare: bool,
    /// It stands in a template of a Job, whose specification is here in the element of the last `*`; none: it does not.
    pub job: Option<&'static str>,
    /// How many pods of it at once, from the object and the element that the last `*` stands for; none: not told by it.
    pub pods: fn(&Node, &Node) -> Option<u64>,
}

/// What is known of a kind.
pub(super) struct Known {
    /// API groups; empty is the core group.
    groups: &'static [&'static str],
    kinds: &'static [&'static str],
    /// Where its pods stand.
    pub places: &'static [Place],
    /// Work that ends: where deadline, retries and clean-up stand.
    pub run: Option<&'static str>,
}

const fn place(path: &'static str, pods: fn(&Node, &Node) -> Option<u64>) -> Place {
    Place { path, bare: false, job: None, pods }
}

const fn bare(path: &'static str, pods: fn(&Node, &Node) -> Option<u64>) -> Place {
    Place { path, bare: true, job: None, pods }
}

/// What is known of `kind` in the group of `api_version`.
pub(super) fn of(api_version: &str, kind: &str) -> Option<&'static Known> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    KINDS.iter().find(|known| known.groups.contains(&group) && known.kinds.contains(&kind))
}

static KINDS: &[Known] = &[
    Known { groups: &[""], kinds: &["Pod"], places: &[place("", one)], run: None },
    Known { groups: &[""], kinds: &["PodTemplate"], places: &[place("template", one)], run: None },
    Known { groups: &["apps"], kinds: &["DaemonSet"], places: &[place("spec.template", unknown)], run: None },
    Known {
        groups: &["apps", "", "argoproj.io"],
        kinds: &["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "Rollout"],
        places: &[place("spec.template", replicas)],
        run: None,
    },
    Known {
        groups: &["batch"],
        kinds: &["Job"],
        places: &[place("spec.template", |object, _| job(object.get("spec")))],
        run: Some("spec"),
    },
    Known {
        groups: &["batch"],
        kinds: &["CronJob"],
        places: &[place("spec.jobTemplate.spec.template", |object, _| job(object.at("spec.jobTemplate.spec")))],
        run: Some("spec.jobTemplate.spec"),
    },
    Known {
        groups: &["jobset.x-k8s.io"],
        kinds: &["JobSet"],
        places: &[Place {
            job: Some("template.spec"),
            ..place("spec.replicatedJobs.*.template.spec.template", |_, group| times(group.get("replicas"), job(group.at("template.spec"))))
        }],
        run: Some("spec"),
    },
    Known {
        groups: &["leaderworkerset.x-k8s.io"],
        kinds: &["LeaderWorkerSet"],
        places: &[
            place("spec.leaderWorkerTemplate.leaderTemplate", replicas),
            place("spec.leaderWorkerTemplate.workerTemplate", |object, _| {
                let size = number(object.at("spec.leaderWorkerTemplate.size"), 1);
                let led = object.at("spec.leaderWorkerTemplate.leaderTemplate").is_some();
                Some(replicas(object, object)?.saturating_mul(if led { size.saturating_sub(1) } else { size }))
            }),
        ],
        run: None,
    },
    Known {
        groups: &["ray.io"],
        kinds: &["RayCluster"],
        places: &[place("spec.headGroupSpec.template", one), place("spec.workerGroupSpecs.*.template", ray_workers)],
        run: None,
    },
    Known {
        groups: &["ray.io"],
        kinds: &["RayJob"],
        places: &[
            place("spec.rayClusterSpec.headGroupSpec.template", one),
            place("spec.rayClusterSpec.workerGroupSpecs.*.template", ray_workers),
            place("spec.submitterPodTemplate", one),
        ],
        run: Some("spec"),
    },
    Known {
        groups: &["ray.io"],
        kinds: &["RayService"],
        places: &[
            place("spec.rayClusterConfig.headGroupSpec.template", one),
            place("spec.rayClusterConfig.workerGroupSpecs.*.template", ray_workers),
        ],
        run: None,
    },
    Known {
        groups: &["kubeflow.org"],
        kinds: &["PyTorchJob", "TFJob", "MPIJob", "XGBoostJob", "PaddleJob", "JAXJob"],
        places: &[
            place("spec.pytorchReplicaSpecs.*.template", group_replicas),
            place("spec.tfReplicaSpecs.*.template", group_replicas),
            place("spec.mpiReplicaSpecs.*.template", group_replicas),
            place("spec.xgbReplicaSpecs.*.template", group_replicas),
            place("spec.paddleReplicaSpecs.*.template", group_replicas),
            place("spec.jaxReplicaSpecs.*.template", group_replicas),
        ],
        run: Some("spec.runPolicy"),
    },
    Known { groups: &["kubeflow.org"], kinds: &["Notebook"], places: &[place("spec.template", one)], run: None },
    Known {
        groups: &["trainer.kubeflow.org"],
        kinds: &["TrainingRuntime", "ClusterTrainingRuntime"],
        places: &[place("spec.template.spec.replicatedJobs.*.template.spec.template", |_, group| {
            times(group.get("replicas"), job(group.at("template.spec")))
        })],
        run: None,
    },
    Known {
        groups: &["serving.kserve.io"],
        kinds: &["InferenceService"],
        places: &[
            bare("spec.predictor", served),
            bare("spec.predictor.workerSpec", |object, _| {
                let workers = number(object.at("spec.predictor.workerSpec.pipelineParallelSize"), 2).saturating_sub(1);
                Some(served(object, object)?.saturating_mul(workers))
            }),
            bare("spec.transformer", |object, _| most_replicas(object.at("spec.transformer"))),
            bare("spec.explainer", |object, _| most_replicas(object.at("spec.explainer"))),
        ],
        run: None,
    },
    // Knative scales by requests; what its revisions may grow to stands in an annotation.
    Known {
        groups: &["serving.knative.dev"],
        kinds: &["Service", "Configuration"],
        places: &[place("spec.template", |object, _| {
            let said = object.at("spec.template.metadata.annotations")?;
            let most = said.get("autoscaling.knative.dev/max-scale").or_else(|| said.get("autoscaling.knative.dev/maxScale"))?;
            most.scalar()?.parse().ok().filter(|&most| most > 0)
        })],
        run: None,
    },
    Known { groups: &["batch.volcano.sh"], kinds: &["Job"], places: &[place("spec.tasks.*.template", group_replicas)], run: Some("spec") },
    Known {
        groups: &["machinelearning.seldon.io"],
        kinds: &["SeldonDeployment"],
        places: &[place("spec.predictors.*.componentSpecs.*", |object, _| Some(number(object.at("spec.replicas"), 1)))],
        run: None,
    },
];

fn number(node: Option<&Node>, otherwise: u64) -> u64 {
    node.and_then(Node::count).unwrap_or(otherwise)
}

#[expect(clippy::unnecessary_wraps, reason = "the table's signature")]
fn one(_: &Node, _: &Node) -> Option<u64> {
    Some(1)
}

fn unknown(_: &Node, _: &Node) -> Option<u64> {
    None
}

#[expect(clippy::unnecessary_wraps, reason = "the table's signature")]
fn replicas(object: &Node, _: &Node) -> Option<u64> {
    Some(number(object.at("spec.replicas"), 1))
}

#[expect(clippy::unnecessary_wraps, reason = "the table's signature")]
fn group_replicas(_: &Node, group: &Node) -> Option<u64> {
    Some(number(group.get("replicas"), 1))
}

/// A Job runs `parallelism` pods at once, but never more than are left to complete.
fn job(spec: Option<&Node>) -> Option<u64> {
    let spec = spec?;
    let parallelism = number(spec.get("parallelism"), 1);
    Some(spec.get("completions").and_then(Node::count).map_or(parallelism, |completions| parallelism.min(completions)))
}

fn times(count: Option<&Node>, each: Option<u64>) -> Option<u64> {
    Some(number(count, 1).saturating_mul(each?))
}

/// Where it scales itself, Ray may grow a group to `maxReplicas`; each replica is `numOfHosts` pods.
#[expect(clippy::unnecessary_wraps, reason = "the table's signature")]
fn ray_workers(object: &Node, group: &Node) -> Option<u64> {
    let clusters = ["spec", "spec.rayClusterSpec", "spec.rayClusterConfig"];
    let grows = clusters.iter().filter_map(|path| object.at(path)?.get("enableInTreeAutoscaling")).any(Node::is_true);
    let wanted = number(group.get("replicas"), 0).max(number(group.get("minReplicas"), 0));
    let most = if grows { wanted.max(number(group.get("maxReplicas"), 0)) } else { wanted };
    Some(most.saturating_mul(number(group.get("numOfHosts"), 1)))
}

fn served(object: &Node, _: &Node) -> Option<u64> {
    most_replicas(object.at("spec.predictor"))
}

/// KServe's `maxReplicas` of 0, or none above the least, is no bound that the object tells.
fn most_replicas(component: Option<&Node>) -> Option<u64> {
    let component = component?;
    let least = number(component.get("minReplicas"), 1);
    Some(least.max(number(component.get("maxReplicas"), least)))
}
