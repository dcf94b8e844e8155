//! Where each kind keeps its pods, and how many it makes of them, in CEL: what `observe::manifest`'s table of kinds says, with the
//! names of resources that policies are bound to.

/// Pods of a kind.
pub(super) struct Place {
    /// Their path; `[]` stands for the element's name or number, none: the element says it (`g.path`).
    path: Option<&'static str>,
    /// The elements `g` in which they stand.
    each: &'static str,
    /// Where they stand in `g`.
    holder: &'static str,
    /// They are a pod specification without metadata.
    bare: bool,
    /// How many of them at once, from `g`; below zero: not told.
    pods: &'static str,
}

/// Kinds that keep their pods alike.
pub(super) struct Kind {
    /// API groups; empty is the core group.
    pub groups: &'static [&'static str],
    /// Kinds, and what their resources are called.
    pub kinds: &'static [(&'static str, &'static str)],
    /// Where their pods stand.
    places: &'static [Place],
    /// Work that ends: where deadline, retries and clean-up stand.
    pub run: Option<&'static str>,
}

const SELF: &str = "[variables.self]";
const ONE: &str = "1";
const REPLICAS: &str = "variables.self.?spec.?replicas.orValue(1)";
const GROUP_REPLICAS: &str = "g.?replicas.orValue(1)";
const JOBS: &str = "int(g.?replicas.orValue(1)) * [int(g.template.?spec.?parallelism.orValue(1)), int(g.template.?spec.?completions.orValue(g.template.?spec.?parallelism.orValue(1)))].min()";
const RAY_WORKERS: &str = "[int(g.?replicas.orValue(0)), int(g.?minReplicas.orValue(0)), variables.grows ? int(g.?maxReplicas.orValue(0)) : 0].max() * int(g.?numOfHosts.orValue(1))";
const SERVED: &str =
    "[int(variables.self.spec.?predictor.?minReplicas.orValue(1)), int(variables.self.spec.?predictor.?maxReplicas.orValue(0))].max()";
const SERVED_WORKERS: &str = "[int(variables.self.spec.?predictor.?minReplicas.orValue(1)), int(variables.self.spec.?predictor.?maxReplicas.orValue(0))].max() * [int(g.?pipelineParallelSize.orValue(2)) - 1, 0].max()";
const OWN_REPLICAS: &str = "[int(g.?minReplicas.orValue(1)), int(g.?maxReplicas.orValue(0))].max()";

/// A map is in no order: roles that are known are taken in that of their names, as the API server writes them.
const KUBEFLOW: &str = "['pytorchReplicaSpecs', 'tfReplicaSpecs', 'mpiReplicaSpecs', 'xgbReplicaSpecs', 'paddleReplicaSpecs', 'jaxReplicaSpecs']\
    .filter(k, k in variables.self.?spec.orValue({}))\
    .map(s, ['Chief', 'Evaluator', 'Launcher', 'Master', 'PS', 'Worker'].filter(k, k in variables.self.spec[s])\
    .map(k, {'is': dyn(variables.self.spec[s][k]), 'path': dyn('spec.' + s + '.' + k + '.template')}) \
    + variables.self.spec[s].transformList(k, g, !(k in ['Chief', 'Evaluator', 'Launcher', 'Master', 'PS', 'Worker']), \
    {'is': dyn(g), 'path': dyn('spec.' + s + '.' + string(k) + '.template')}))[?0].orValue([])";

const fn place(path: &'static str, each: &'static str, holder: &'static str, pods: &'static str) -> Place {
    Place { path: Some(path), each, holder, bare: false, pods }
}

const fn bare(path: &'static str, each: &'static str, pods: &'static str) -> Place {
    Place { path: Some(path), each, holder: "", bare: true, pods }
}

/// Every kind.
pub(super) static KINDS: &[Kind] = &[
    Kind { groups: &[""], kinds: &[("Pod", "pods")], places: &[place("", SELF, "", ONE)], run: None },
    Kind { groups: &[""], kinds: &[("PodTemplate", "podtemplates")], places: &[place("template", SELF, "template", ONE)], run: None },
    Kind {
        groups: &["apps"],
        kinds: &[("DaemonSet", "daemonsets")],
        places: &[place("spec.template", SELF, "spec.template", "-1")],
        run: None,
    },
    Kind {
        groups: &["apps"],
        kinds: &[("Deployment", "deployments"), ("StatefulSet", "statefulsets"), ("ReplicaSet", "replicasets")],
        places: &[place("spec.template", SELF, "spec.template", REPLICAS)],
        run: None,
    },
    Kind {
        groups: &[""],
        kinds: &[("ReplicationController", "replicationcontrollers")],
        places: &[place("spec.template", SELF, "spec.template", REPLICAS)],
        run: None,
    },
    Kind {
        groups: &["argoproj.io"],
        kinds: &[("Rollout", "rollouts")],
        places: &[place("spec.template", SELF, "spec.template", REPLICAS)],
        run: None,
    },
    Kind {
        groups: &["batch"],
        kinds: &[("Job", "jobs")],
        places: &[place(
            "spec.template",
            SELF,
            "spec.template",
            "[int(g.spec.?parallelism.orValue(1)), int(g.spec.?completions.orValue(g.spec.?parallelism.orValue(1)))].min()",
        )],
        run: Some("variables.self.?spec"),
    },
    Kind {
        groups: &["batch"],
        kinds: &[("CronJob", "cronjobs")],
        places: &[place(
            "spec.jobTemplate.spec.template",
            "[?variables.self.?spec.?jobTemplate.?spec]",
            "template",
            "[int(g.?parallelism.orValue(1)), int(g.?completions.orValue(g.?parallelism.orValue(1)))].min()",
        )],
        run: Some("variables.self.?spec.?jobTemplate.?spec"),
    },
    Kind {
        groups: &["jobset.x-k8s.io"],
        kinds: &[("JobSet", "jobsets")],
        places: &[place(
            "spec.replicatedJobs[].template.spec.template",
            "variables.self.?spec.?replicatedJobs.orValue([])",
            "template.spec.template",
            JOBS,
        )],
        run: Some("variables.self.?spec"),
    },
    Kind {
        groups: &["leaderworkerset.x-k8s.io"],
        kinds: &[("LeaderWorkerSet", "leaderworkersets")],
        places: &[
            place("spec.leaderWorkerTemplate.leaderTemplate", SELF, "spec.leaderWorkerTemplate.leaderTemplate", REPLICAS),
            place(
                "spec.leaderWorkerTemplate.workerTemplate",
                SELF,
                "spec.leaderWorkerTemplate.workerTemplate",
                "int(g.spec.?replicas.orValue(1)) * (has(g.spec.leaderWorkerTemplate.leaderTemplate) ? [int(g.spec.leaderWorkerTemplate.?size.orValue(1)) - 1, 0].max() : int(g.spec.leaderWorkerTemplate.?size.orValue(1)))",
            ),
        ],
        run: None,
    },
    Kind {
        groups: &["ray.io"],
        kinds: &[("RayCluster", "rayclusters")],
        places: &[
            place("spec.headGroupSpec.template", SELF, "spec.headGroupSpec.template", ONE),
            place("spec.workerGroupSpecs[].template", "variables.self.?spec.?workerGroupSpecs.orValue([])", "template", RAY_WORKERS),
        ],
        run: None,
    },
    Kind {
        groups: &["ray.io"],
        kinds: &[("RayJob", "rayjobs")],
        places: &[
            place("spec.rayClusterSpec.headGroupSpec.template", SELF, "spec.rayClusterSpec.headGroupSpec.template", ONE),
            place(
                "spec.rayClusterSpec.workerGroupSpecs[].template",
                "variables.self.?spec.?rayClusterSpec.?workerGroupSpecs.orValue([])",
                "template",
                RAY_WORKERS,
            ),
            place("spec.submitterPodTemplate", SELF, "spec.submitterPodTemplate", ONE),
        ],
        run: Some("variables.self.?spec"),
    },
    Kind {
        groups: &["ray.io"],
        kinds: &[("RayService", "rayservices")],
        places: &[
            place("spec.rayClusterConfig.headGroupSpec.template", SELF, "spec.rayClusterConfig.headGroupSpec.template", ONE),
            place(
                "spec.rayClusterConfig.workerGroupSpecs[].template",
                "variables.self.?spec.?rayClusterConfig.?workerGroupSpecs.orValue([])",
                "template",
                RAY_WORKERS,
            ),
        ],
        run: None,
    },
    Kind {
        groups: &["kubeflow.org"],
        kinds: &[
            ("PyTorchJob", "pytorchjobs"),
            ("TFJob", "tfjobs"),
            ("MPIJob", "mpijobs"),
            ("XGBoostJob", "xgboostjobs"),
            ("PaddleJob", "paddlejobs"),
            ("JAXJob", "jaxjobs"),
        ],
        places: &[Place { path: None, each: KUBEFLOW, holder: "is.template", bare: false, pods: "g.is.?replicas.orValue(1)" }],
        run: Some("variables.self.?spec.?runPolicy"),
    },
    Kind {
        groups: &["kubeflow.org"],
        kinds: &[("Notebook", "notebooks")],
        places: &[place("spec.template", SELF, "spec.template", ONE)],
        run: None,
    },
    Kind {
        groups: &["trainer.kubeflow.org"],
        kinds: &[("TrainingRuntime", "trainingruntimes"), ("ClusterTrainingRuntime", "clustertrainingruntimes")],
        places: &[place(
            "spec.template.spec.replicatedJobs[].template.spec.template",
            "variables.self.?spec.?template.?spec.?replicatedJobs.orValue([])",
            "template.spec.template",
            JOBS,
        )],
        run: None,
    },
    // A TrainJob is nodes of one container, in a runtime that stands elsewhere.
    Kind {
        groups: &["trainer.kubeflow.org"],
        kinds: &[("TrainJob", "trainjobs")],
        places: &[bare(
            "spec",
            "[?variables.self.?spec.?trainer].map(r, dyn({'numNodes': dyn(r.?numNodes.orValue(1)), ?'labels': variables.self.spec.?labels, 'containers': dyn([{'name': dyn('trainer'), ?'image': r.?image, ?'resources': r.?resourcesPerNode}])}))",
            "g.numNodes",
        )],
        run: Some("variables.self.?spec"),
    },
    Kind {
        groups: &["serving.kserve.io"],
        kinds: &[("InferenceService", "inferenceservices")],
        places: &[
            bare("spec.predictor", "[?variables.self.?spec.?predictor]", SERVED),
            bare("spec.predictor.workerSpec", "[?variables.self.?spec.?predictor.?workerSpec]", SERVED_WORKERS),
            bare("spec.transformer", "[?variables.self.?spec.?transformer]", OWN_REPLICAS),
            bare("spec.explainer", "[?variables.self.?spec.?explainer]", OWN_REPLICAS),
        ],
        run: None,
    },
    // Knative scales by requests; what its revisions may grow to stands in an annotation.
    Kind {
        groups: &["serving.knative.dev"],
        kinds: &[("Service", "services"), ("Configuration", "configurations")],
        places: &[place(
            "spec.template",
            SELF,
            "spec.template",
            "[string(g.spec.template.?metadata.?annotations[?'autoscaling.knative.dev/max-scale'].or(g.spec.template.?metadata.?annotations[?'autoscaling.knative.dev/maxScale']).orValue(''))].map(m, m.matches('^0*[1-9][0-9]{0,8}$') ? int(m) : -1)[0]",
        )],
        run: None,
    },
    Kind {
        groups: &["batch.volcano.sh"],
        kinds: &[("Job", "jobs")],
        places: &[place("spec.tasks[].template", "variables.self.?spec.?tasks.orValue([])", "template", GROUP_REPLICAS)],
        run: Some("variables.self.?spec"),
    },
    Kind {
        groups: &["resource.k8s.io"],
        kinds: &[("ResourceClaim", "resourceclaims"), ("ResourceClaimTemplate", "resourceclaimtemplates")],
        places: &[],
        run: None,
    },
];

/// Kinds whose pods rules see, though policies cannot: what they control is judged with them all the same.
pub(super) const UNSEEN: [(&str, &str); 1] = [("machinelearning.seldon.io", "SeldonDeployment")];

/// Most pods that a place is counted for: sums of products stay far from CEL's largest number.
const PODS_MAX: &str = "10000000";

impl Kind {
    /// `apps/Deployment` and its like; a kind of the core group begins with the slash.
    pub(super) fn names(&self) -> Vec<String> {
        self.groups.iter().flat_map(|group| self.kinds.iter().map(move |(kind, _)| format!("{group}/{kind}"))).collect()
    }

    /// Does it make pods?
    pub(super) fn has_pods(&self) -> bool {
        !self.places.is_empty()
    }

    /// Its pods: a list of maps.
    pub(super) fn templates(&self) -> String {
        let places: Vec<String> = self.places.iter().map(Place::templates).collect();
        super::text::all_in(&places)
    }
}

impl Place {
    fn templates(&self) -> String {
        let Self { path, each, holder, bare, pods } = self;
        let (at, optional) = if holder.is_empty() {
            ("g".to_owned(), "optional.of(g)".to_owned())
        } else {
            (format!("g.{holder}"), format!("g.?{}", holder.replace('.', ".?")))
        };
        let (spec, has) =
            if *bare { (at.clone(), "true".to_owned()) } else { (format!("{at}.spec"), format!("{optional}.?spec.hasValue()")) };
        let fields = |path: &str| {
            format!(
                "{{'path': dyn({path}), 'bare': dyn({bare}), 'holder': {at}, 'spec': {spec}, 'pods': dyn([int({pods}), {PODS_MAX}].min())}}"
            )
        };
        match path.map(|path| path.split_once("[]").ok_or(path)) {
            // As `plimsoll_fleet::written::Path` is shown.
            Some(Ok((before, after))) => {
                let path = format!("'{before}[' + string(g.?name.orValue(dyn(i))) + ']{after}'");
                format!("{each}.transformList(i, g, {has}, {})", fields(&path))
            }
            Some(Err(path)) => format!("{each}.filter(g, {has}).map(g, {})", fields(&format!("'{path}'"))),
            None => format!("{each}.filter(g, {has}).map(g, {})", fields("g.path")),
        }
    }
}
