//! Which annotations are read: the others can hold anything, and stay where they are.

/// Keys of annotations that are read wherever they stand.
pub const KEYS: &[&str] = &[
    "cluster-autoscaler.kubernetes.io/safe-to-evict",
    "cluster-autoscaler.kubernetes.io/scale-down-disabled",
    "karpenter.sh/do-not-disrupt",
    "karpenter.sh/do-not-evict",
    "karpenter.sh/do-not-consolidate",
    "kubernetes.io/config.mirror",
    // Shares of other schedulers (KAI and Run:ai, Volcano): a GPU that the pod's requests do not show.
    "gpu-fraction",
    "gpu-memory",
    "gpu-fraction-num-devices",
    "volcano.sh/vgpu-mode",
    // Notebooks.
    "kubeflow-resource-stopped",
    "notebooks.kubeflow.org/last-activity",
    "opendatahub.io/username",
    // Scaling of Knative and KServe.
    "autoscaling.knative.dev/min-scale",
    "autoscaling.knative.dev/max-scale",
    "autoscaling.knative.dev/minScale",
    "autoscaling.knative.dev/maxScale",
    "autoscaling.knative.dev/metric",
    "serving.kserve.io/deploymentMode",
    "serving.kserve.io/autoscalerClass",
    // Owners.
    "openshift.io/requester",
    "openshift.io/display-name",
    "field.cattle.io/projectId",
];

/// Beginnings of such keys.
pub const BEGINNINGS: [&str; 2] = ["plimsoll.dev/", crate::resource::MIG_PREFIX];

/// Last parts of keys that name an owner, in any case.
pub const OWNERS: &[&str] = &["team", "owner", "contact", "cost-center", "cost-centre", "costcenter", "project", "department", "user"];

/// Longest value that is read, bytes: names and numbers are short, documents are not wanted.
pub const LENGTH_MAX: usize = 256;

/// Is the annotation one that a decision needs?
#[must_use]
pub fn is_read(key: &str) -> bool {
    let last = key.rsplit('/').next().unwrap_or(key);
    KEYS.contains(&key)
        || BEGINNINGS.iter().any(|beginning| key.starts_with(beginning))
        || OWNERS.iter().any(|owner| last.eq_ignore_ascii_case(owner))
}
