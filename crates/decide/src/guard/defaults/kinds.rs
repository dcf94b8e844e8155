//! What objects of a kind can be given.

use serde_json::Value;

/// A kind whose objects get defaults.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::guard) struct Kind {
    groups: &'static [&'static str],
    kinds: &'static [&'static str],
    /// Its templates are specifications of pods in full: they take a selector, tolerations and limits.
    pub pods: bool,
    /// Where the templates of servers stand whose probes mean what they say; others run engines that serve nothing themselves.
    pub servers: &'static [&'static str],
    /// What it says of its pods cannot be changed once it is made.
    pub is_fixed: bool,
}

const PODS: Kind = Kind { groups: &[], kinds: &[], pods: true, servers: &[], is_fixed: false };

/// Left out: kinds that are not known to us, since their schema may refuse a field or their controller put it back, and Knative, whose
/// webhook refuses selectors and tolerations unless they are turned on. What these make of an object gets the defaults instead.
static KINDS: &[Kind] = &[
    Kind { groups: &[""], kinds: &["Pod"], servers: &[""], is_fixed: true, ..PODS },
    Kind { groups: &[""], kinds: &["ReplicationController"], servers: &["spec.template"], ..PODS },
    Kind { groups: &["apps"], kinds: &["Deployment", "StatefulSet", "ReplicaSet"], servers: &["spec.template"], ..PODS },
    Kind { groups: &["apps"], kinds: &["DaemonSet"], ..PODS },
    Kind { groups: &["argoproj.io"], kinds: &["Rollout"], servers: &["spec.template"], ..PODS },
    Kind { groups: &["batch"], kinds: &["Job"], is_fixed: true, ..PODS },
    Kind { groups: &["batch"], kinds: &["CronJob"], ..PODS },
    Kind { groups: &["jobset.x-k8s.io"], kinds: &["JobSet"], ..PODS },
    Kind {
        groups: &["leaderworkerset.x-k8s.io"],
        kinds: &["LeaderWorkerSet"],
        servers: &["spec.leaderWorkerTemplate.leaderTemplate"],
        ..PODS
    },
    Kind { groups: &["ray.io"], kinds: &["RayCluster", "RayJob", "RayService"], ..PODS },
    Kind { groups: &["kubeflow.org"], kinds: &["PyTorchJob", "TFJob", "MPIJob", "XGBoostJob", "PaddleJob", "JAXJob", "Notebook"], ..PODS },
    Kind { groups: &["trainer.kubeflow.org"], kinds: &["TrainJob"], pods: false, ..PODS },
    Kind { groups: &["serving.kserve.io"], kinds: &["InferenceService"], ..PODS },
    Kind { groups: &["batch.volcano.sh"], kinds: &["Job"], ..PODS },
];

/// What objects of `kind` can be given; none: nothing.
pub(in crate::guard) fn of(api_version: &str, kind: &str) -> Option<&'static Kind> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    KINDS.iter().find(|known| known.groups.contains(&group) && known.kinds.contains(&kind))
}

/// Kinds whose pods get their defaults in them, as `group/kind`; one of the core group begins with the slash.
pub(in crate::guard) fn names_with_pods() -> Vec<String> {
    let with_pods = KINDS.iter().filter(|kind| kind.pods);
    with_pods.flat_map(|kind| kind.groups.iter().flat_map(|group| kind.kinds.iter().map(move |name| format!("{group}/{name}")))).collect()
}

/// The kind of what controls `object`; none: nothing does, or a kind that gets no defaults.
pub(super) fn owner(object: &Value) -> Option<&'static Kind> {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array)?;
    let owner = owners.iter().find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))?;
    of(owner.get("apiVersion")?.as_str()?, owner.get("kind")?.as_str()?)
}
