//! What is read from the API server: every list, and nothing else. `deploy/rbac.yaml` grants exactly this; a test keeps the two equal.

/// How a list is converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// A DeviceClass.
    DeviceClass,
    /// A ResourceClaimTemplate.
    ClaimTemplate,
    /// A ResourceClaim.
    Claim,
    /// A ResourceSlice.
    ResourceSlice,
    /// A node.
    Node,
    /// A namespace.
    Namespace,
    /// A pod.
    Pod,
    /// A ReplicaSet: a link between a pod and its Deployment, seldom a workload itself.
    ReplicaSet,
    /// A Deployment, StatefulSet or DaemonSet.
    Controller,
    /// A Job.
    Job,
    /// A CronJob.
    CronJob,
    /// A HorizontalPodAutoscaler or a ScaledObject.
    Scaler,
    /// A PodDisruptionBudget.
    Budget,
    /// A Service.
    Service,
    /// An event.
    Event,
    /// A custom kind that makes pods.
    Custom,
    /// A kind that makes pods, or is a template of what does, and that only rules look at: a fleet knows it by its pods.
    Judged,
}

/// One list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The versions that are understood, best first.
    pub versions: &'static [&'static str],
    /// The resource.
    pub resource: &'static str,
    /// The kind of its objects.
    pub kind: &'static str,
    /// How it is converted.
    pub form: Form,
    /// It is in every cluster. Others are read where the API server serves them.
    pub always: bool,
    /// What is lost without it.
    pub lost: &'static str,
}

const fn core(resource: &'static str, kind: &'static str, form: Form, lost: &'static str) -> Read {
    Read { group: "", versions: &["v1"], resource, kind, form, always: true, lost }
}

const fn built_in(
    group: &'static str,
    versions: &'static [&'static str],
    resource: &'static str,
    kind: &'static str,
    form: Form,
    lost: &'static str,
) -> Read {
    Read { group, versions, resource, kind, form, always: true, lost }
}

const fn served(group: &'static str, versions: &'static [&'static str], resource: &'static str, kind: &'static str, form: Form) -> Read {
    Read {
        group,
        versions,
        resource,
        kind,
        form,
        always: false,
        lost: "what owns pods of this kind, its template and its limits are unknown",
    }
}

const DRA: &[&str] = &["v1", "v1beta2", "v1beta1"];
const JUDGED_LOST: &str = "it cannot be judged";
const CLAIMS_LOST: &str = "what pods ask for and hold through DRA is unknown";

/// Every list that is read, in the order of the report.
pub const READS: &[Read] = &[
    core("nodes", "Node", Form::Node, "no GPU can be counted"),
    core("pods", "Pod", Form::Pod, "nothing is known of who holds the GPUs"),
    core("namespaces", "Namespace", Form::Namespace, "teams cannot be told from namespace labels"),
    core("services", "Service", Form::Service, "workloads that serve requests cannot be told by their Service"),
    core("events", "Event", Form::Event, "how long images took to pull is unknown"),
    core("podtemplates", "PodTemplate", Form::Judged, JUDGED_LOST),
    core("replicationcontrollers", "ReplicationController", Form::Judged, JUDGED_LOST),
    built_in("apps", &["v1"], "deployments", "Deployment", Form::Controller, "Deployments are known by their pods alone"),
    built_in("apps", &["v1"], "replicasets", "ReplicaSet", Form::ReplicaSet, "pods cannot be followed to their Deployment"),
    built_in("apps", &["v1"], "statefulsets", "StatefulSet", Form::Controller, "StatefulSets are known by their pods alone"),
    built_in("apps", &["v1"], "daemonsets", "DaemonSet", Form::Controller, "DaemonSets are known by their pods alone"),
    built_in(
        "batch",
        &["v1"],
        "jobs",
        "Job",
        Form::Job,
        "deadlines and clean-up of Jobs are unknown, and pods cannot be followed past them",
    ),
    built_in("batch", &["v1"], "cronjobs", "CronJob", Form::CronJob, "schedules are unknown"),
    built_in(
        "autoscaling",
        &["v2"],
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        Form::Scaler,
        "what is scaled, and how far, is unknown",
    ),
    built_in("policy", &["v1"], "poddisruptionbudgets", "PodDisruptionBudget", Form::Budget, "what may be evicted is unknown"),
    Read { always: false, lost: CLAIMS_LOST, ..served("resource.k8s.io", DRA, "resourceslices", "ResourceSlice", Form::ResourceSlice) },
    Read { always: false, lost: CLAIMS_LOST, ..served("resource.k8s.io", DRA, "resourceclaims", "ResourceClaim", Form::Claim) },
    Read {
        always: false,
        lost: CLAIMS_LOST,
        ..served("resource.k8s.io", DRA, "resourceclaimtemplates", "ResourceClaimTemplate", Form::ClaimTemplate)
    },
    Read { always: false, lost: CLAIMS_LOST, ..served("resource.k8s.io", DRA, "deviceclasses", "DeviceClass", Form::DeviceClass) },
    served("argoproj.io", &["v1alpha1"], "rollouts", "Rollout", Form::Custom),
    served("batch.volcano.sh", &["v1alpha1"], "jobs", "Job", Form::Judged),
    served("jobset.x-k8s.io", &["v1alpha2"], "jobsets", "JobSet", Form::Custom),
    served("keda.sh", &["v1alpha1"], "scaledobjects", "ScaledObject", Form::Scaler),
    served("kubeflow.org", &["v1", "v1beta1"], "notebooks", "Notebook", Form::Custom),
    served("kubeflow.org", &["v1"], "jaxjobs", "JAXJob", Form::Custom),
    served("kubeflow.org", &["v1", "v2beta1"], "mpijobs", "MPIJob", Form::Custom),
    served("kubeflow.org", &["v1"], "paddlejobs", "PaddleJob", Form::Custom),
    served("kubeflow.org", &["v1"], "pytorchjobs", "PyTorchJob", Form::Custom),
    served("kubeflow.org", &["v1"], "tfjobs", "TFJob", Form::Custom),
    served("kubeflow.org", &["v1"], "xgboostjobs", "XGBoostJob", Form::Custom),
    served("leaderworkerset.x-k8s.io", &["v1"], "leaderworkersets", "LeaderWorkerSet", Form::Custom),
    served("machinelearning.seldon.io", &["v1"], "seldondeployments", "SeldonDeployment", Form::Judged),
    served("ray.io", &["v1", "v1alpha1"], "rayclusters", "RayCluster", Form::Custom),
    served("ray.io", &["v1", "v1alpha1"], "rayjobs", "RayJob", Form::Custom),
    served("ray.io", &["v1", "v1alpha1"], "rayservices", "RayService", Form::Custom),
    served("serving.knative.dev", &["v1"], "configurations", "Configuration", Form::Custom),
    served("serving.knative.dev", &["v1"], "revisions", "Revision", Form::Custom),
    served("serving.knative.dev", &["v1"], "services", "Service", Form::Custom),
    served("serving.kserve.io", &["v1beta1"], "inferenceservices", "InferenceService", Form::Custom),
    served("trainer.kubeflow.org", &["v1alpha1"], "clustertrainingruntimes", "ClusterTrainingRuntime", Form::Judged),
    served("trainer.kubeflow.org", &["v1alpha1"], "trainingruntimes", "TrainingRuntime", Form::Judged),
    served("trainer.kubeflow.org", &["v1alpha1"], "trainjobs", "TrainJob", Form::Custom),
];

impl Read {
    /// The list that holds objects of an API version and kind.
    #[must_use]
    pub fn of(api_version: &str, kind: &str) -> Option<&'static Self> {
        let (group, version) = split(api_version);
        READS.iter().find(|read| read.group == group && read.kind == kind && read.versions.contains(&version))
    }

    /// `apps/v1`; the core has no group.
    #[must_use]
    pub fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// Where the list stands on the API server.
    #[must_use]
    pub fn path(&self, version: &str) -> String {
        let root = if self.group.is_empty() { format!("/api/{version}") } else { format!("/apis/{}/{version}", self.group) };
        format!("{root}/{}", self.resource)
    }

    /// `pods`, `deployments.apps`: as kubectl has it.
    #[must_use]
    pub fn name(&self) -> String {
        if self.group.is_empty() { self.resource.to_owned() } else { format!("{}.{}", self.resource, self.group) }
    }
}

/// Group and version of an API version.
#[must_use]
pub fn split(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    fn manifest(name: &str) -> Vec<serde_json::Value> {
        let path = format!("{}/../../deploy/{name}", env!("CARGO_MANIFEST_DIR"));
        serde_saphyr::from_multiple(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    /// Group, resource and verb of every rule of the roles in a manifest.
    fn granted(name: &str, kind: &str) -> BTreeSet<(String, String, String)> {
        let strings = |value: &serde_json::Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
        let mut granted = BTreeSet::new();
        for role in manifest(name).iter().filter(|object| object["kind"] == kind) {
            for rule in role["rules"].as_array().unwrap() {
                for group in strings(&rule["apiGroups"]) {
                    for resource in strings(&rule["resources"]) {
                        granted.extend(strings(&rule["verbs"]).into_iter().map(|verb| (group.clone(), resource.clone(), verb)));
                    }
                }
            }
        }
        granted
    }

    fn rule(group: &str, resource: &str, verb: &str) -> (String, String, String) {
        (group.to_owned(), resource.to_owned(), verb.to_owned())
    }

    /// The files are what people apply: they grant what the code does, no more and no less.
    #[test]
    fn the_roles_grant_what_is_read() {
        let read: BTreeSet<_> = READS.iter().map(|read| rule(read.group, read.resource, "list")).collect();
        assert_eq!(granted("rbac.yaml", "ClusterRole"), read);
        assert_eq!(granted("rbac.yaml", "Role"), BTreeSet::new());
        assert_eq!(granted("rbac-scrape.yaml", "Role"), [rule("", "pods/proxy", "get")].into());
        assert_eq!(granted("rbac-prometheus.yaml", "Role"), [rule("", "services/proxy", "get")].into());
        for optional in ["rbac-scrape.yaml", "rbac-prometheus.yaml"] {
            assert_eq!(granted(optional, "ClusterRole"), BTreeSet::new());
        }
    }

    #[test]
    fn a_knative_service_is_no_core_service() {
        assert_eq!(Read::of("v1", "Service").unwrap().form, Form::Service);
        assert_eq!(Read::of("serving.knative.dev/v1", "Service").unwrap().form, Form::Custom);
        assert_eq!(Read::of("apps/v1", "Deployment").unwrap().path("v1"), "/apis/apps/v1/deployments");
        assert_eq!(Read::of("v1", "Pod").unwrap().path("v1"), "/api/v1/pods");
    }
}
