//! Which resources the webhook is asked about, and which it watches. The first are those that `plimsoll check` reads of a cluster; the
//! chart's configurations and rights are held to both by a test.

use kube::api::ApiResource;
use plimsoll_observe::{kubernetes::READS, manifest};
use std::collections::BTreeMap;

/// Subresources by which what rules judge is changed, by group.
const SUBRESOURCES: [(&str, &str); 4] =
    [("", "pods/ephemeralcontainers"), ("apps", "deployments/scale"), ("apps", "statefulsets/scale"), ("apps", "replicasets/scale")];

/// What the API server asks the webhook about, by group (empty is the core): all that is read of a cluster and that rules judge, and
/// `SUBRESOURCES`.
#[must_use]
pub fn asked() -> BTreeMap<&'static str, Vec<&'static str>> {
    let judged = READS.iter().filter(|read| read.versions.iter().any(|version| manifest::is_judged(&read.api_version(version), read.kind)));
    let all = judged.map(|read| (read.group, read.resource)).chain(SUBRESOURCES);
    let mut by_group = BTreeMap::<_, Vec<_>>::new();
    for (group, resource) in all {
        by_group.entry(group).or_default().push(resource);
    }
    by_group
}

/// What a watched object tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tells {
    /// A guardrail, a team or a pool.
    Policy,
    /// What stands beside what is judged: labels of namespaces, budgets, claims, autoscalers.
    Sibling,
    /// The sizes of images.
    Images,
    /// What holds GPUs.
    Holder,
}

/// A kind that is watched.
#[derive(Debug, Clone, Copy)]
pub struct Watched {
    /// Its group.
    pub group: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// Its resource.
    pub resource: &'static str,
    /// What it tells.
    pub tells: Tells,
    /// It is in every cluster, or there is no use in starting without it. Others are watched once the API server serves them.
    pub always: bool,
}

impl Watched {
    /// As the client library names it.
    #[must_use]
    pub fn api(&self) -> ApiResource {
        let api_version = if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) };
        ApiResource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            api_version,
            kind: self.kind.to_owned(),
            plural: self.resource.to_owned(),
        }
    }
}

const fn watched(group: &'static str, version: &'static str, kind: &'static str, resource: &'static str, tells: Tells) -> Watched {
    Watched { group, version, kind, resource, tells, always: true }
}

const fn custom(group: &'static str, version: &'static str, kind: &'static str, resource: &'static str, tells: Tells) -> Watched {
    Watched { group, version, kind, resource, tells, always: false }
}

/// What is watched. Of a pod whose owner is watched nothing is kept: the owner tells.
pub const WATCHED: &[Watched] = &[
    watched(plimsoll_api::GROUP, plimsoll_api::VERSION, "Guardrail", "guardrails", Tells::Policy),
    watched(plimsoll_api::GROUP, plimsoll_api::VERSION, "Team", "teams", Tells::Policy),
    watched(plimsoll_api::GROUP, plimsoll_api::VERSION, "Pool", "pools", Tells::Policy),
    watched("", "v1", "Namespace", "namespaces", Tells::Sibling),
    watched("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", Tells::Sibling),
    watched("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", Tells::Sibling),
    custom("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects", Tells::Sibling),
    custom("resource.k8s.io", "v1", "ResourceClaim", "resourceclaims", Tells::Sibling),
    custom("resource.k8s.io", "v1", "ResourceClaimTemplate", "resourceclaimtemplates", Tells::Sibling),
    watched("", "v1", "Node", "nodes", Tells::Images),
    watched("", "v1", "Pod", "pods", Tells::Holder),
    watched("", "v1", "ReplicationController", "replicationcontrollers", Tells::Holder),
    watched("apps", "v1", "Deployment", "deployments", Tells::Holder),
    watched("apps", "v1", "StatefulSet", "statefulsets", Tells::Holder),
    watched("apps", "v1", "ReplicaSet", "replicasets", Tells::Holder),
    watched("apps", "v1", "DaemonSet", "daemonsets", Tells::Holder),
    watched("batch", "v1", "Job", "jobs", Tells::Holder),
    watched("batch", "v1", "CronJob", "cronjobs", Tells::Holder),
    custom("jobset.x-k8s.io", "v1alpha2", "JobSet", "jobsets", Tells::Holder),
    custom("leaderworkerset.x-k8s.io", "v1", "LeaderWorkerSet", "leaderworkersets", Tells::Holder),
    custom("ray.io", "v1", "RayCluster", "rayclusters", Tells::Holder),
    custom("ray.io", "v1", "RayJob", "rayjobs", Tells::Holder),
    custom("ray.io", "v1", "RayService", "rayservices", Tells::Holder),
    custom("kubeflow.org", "v1", "PyTorchJob", "pytorchjobs", Tells::Holder),
    custom("kubeflow.org", "v1", "TFJob", "tfjobs", Tells::Holder),
    custom("kubeflow.org", "v2beta1", "MPIJob", "mpijobs", Tells::Holder),
    custom("kubeflow.org", "v1", "XGBoostJob", "xgboostjobs", Tells::Holder),
    custom("kubeflow.org", "v1", "PaddleJob", "paddlejobs", Tells::Holder),
    custom("kubeflow.org", "v1", "JAXJob", "jaxjobs", Tells::Holder),
    custom("kubeflow.org", "v1", "Notebook", "notebooks", Tells::Holder),
    custom("trainer.kubeflow.org", "v1alpha1", "TrainJob", "trainjobs", Tells::Holder),
    custom("serving.kserve.io", "v1beta1", "InferenceService", "inferenceservices", Tells::Holder),
    custom("serving.knative.dev", "v1", "Service", "services", Tells::Holder),
    custom("argoproj.io", "v1alpha1", "Rollout", "rollouts", Tells::Holder),
    custom("batch.volcano.sh", "v1alpha1", "Job", "jobs", Tells::Holder),
    custom("machinelearning.seldon.io", "v1", "SeldonDeployment", "seldondeployments", Tells::Holder),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Templates of what makes pods hold nothing, a Knative Configuration what its Service holds, and a claim what its pod does.
    const HOLD_NOTHING: [&str; 6] =
        ["podtemplates", "trainingruntimes", "clustertrainingruntimes", "configurations", "resourceclaims", "resourceclaimtemplates"];

    #[test]
    fn what_is_judged_at_the_door_is_watched_for_what_it_holds() {
        let asked = asked().into_iter().flat_map(|(group, resources)| resources.into_iter().map(move |resource| (group, resource)));
        let asked: BTreeSet<_> = asked.filter(|(_, resource)| !resource.contains('/') && !HOLD_NOTHING.contains(resource)).collect();
        let holders = WATCHED.iter().filter(|watched| watched.tells == Tells::Holder);
        assert_eq!(asked, holders.map(|watched| (watched.group, watched.resource)).collect());
    }
}
