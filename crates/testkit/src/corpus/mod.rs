//! Objects as people write them, right and wrong, of every kind that makes pods: the same for the same seed.
//!
//! - [`objects`]: so many of them
//! - `draw`: the draws; `pod`: pods and their templates; `kinds`: what stands around them
//! - [`CRDS`]: definitions for the kinds that no server has by itself; [`SURROUNDINGS`]: what must be there before them
//!
//! Whoever judges objects in more than one way judges these in all of them and compares.

mod draw;
mod kinds;
mod pod;

use draw::Draw;
use serde_json::Value;

/// Kinds that the API server learns from a definition: group, version, kind, plural, and whether it is of the whole cluster.
pub const CRDS: &[(&str, &str, &str, &str)] = &[
    ("argoproj.io", "v1alpha1", "Rollout", "rollouts"),
    ("jobset.x-k8s.io", "v1alpha2", "JobSet", "jobsets"),
    ("leaderworkerset.x-k8s.io", "v1", "LeaderWorkerSet", "leaderworkersets"),
    ("ray.io", "v1", "RayCluster", "rayclusters"),
    ("ray.io", "v1", "RayJob", "rayjobs"),
    ("ray.io", "v1", "RayService", "rayservices"),
    ("kubeflow.org", "v1", "PyTorchJob", "pytorchjobs"),
    ("kubeflow.org", "v1", "MPIJob", "mpijobs"),
    ("kubeflow.org", "v1", "Notebook", "notebooks"),
    ("trainer.kubeflow.org", "v1alpha1", "TrainJob", "trainjobs"),
    ("trainer.kubeflow.org", "v1alpha1", "TrainingRuntime", "trainingruntimes"),
    ("serving.kserve.io", "v1beta1", "InferenceService", "inferenceservices"),
    ("serving.knative.dev", "v1", "Service", "services"),
    ("batch.volcano.sh", "v1alpha1", "Job", "jobs"),
];

/// Namespaces of the objects, with their labels, and the priority classes that they name.
pub const SURROUNDINGS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: search}
---
apiVersion: v1
kind: Namespace
metadata: {name: vision, labels: {team: vision, tier: gold}}
---
apiVersion: v1
kind: Namespace
metadata: {name: lab, labels: {env: dev, cost-centre: '7'}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop-prod, labels: {plimsoll.dev/class: online}}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: serving}
value: 1000
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: batch-low}
value: 10
";

/// A definition for each of [`CRDS`], with any fields.
#[must_use]
pub fn definitions() -> Vec<Value> {
    let definition = |&(group, version, kind, plural): &(&str, &str, &str, &str)| {
        let any = serde_json::json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        serde_json::json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.to_ascii_lowercase()},
                "versions": [{
                    "name": version,
                    "served": true,
                    "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": any}}},
                }],
            },
        })
    };
    CRDS.iter().map(definition).collect()
}

/// `count` objects, each with a name of its own.
#[must_use]
pub fn objects(seed: u64, count: usize) -> Vec<Value> {
    let mut draw = Draw::new(seed);
    (0..count).map(|number| kinds::object(&mut draw, number)).collect()
}
