//! Containers that are put into a running pod: exported policies and the webhook say the same of them.

use super::{now, resources};
use crate::{replica::Replica, webhook::define};
use anyhow::ensure;
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::Pod,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use plimsoll_decide::guard::{
    Policy,
    export::{Form, OnError, export},
};
use plimsoll_testkit::{Cluster, cluster::Options, cluster::manifests};
use serde_json::{Value, json};

const GUARDRAIL: &str = "
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: all}
spec:
  mode: 'off'
  rules:
  - {name: gpus-per-pod, mode: enforce, parameters: {most: 2}}
  - {name: image-tags, mode: enforce}
  - {name: image-registries, mode: enforce, parameters: {allowed: ['ghcr.io/acme/*']}}
  exemptions:
  - {rules: [image-tags], name: known-*, reason: it was agreed, expires: 2999-06-01}
";

/// A pod, what is put into it, and whether that is refused.
const CASES: [(&str, &str, bool); 10] = [
    ("fine", "ghcr.io/acme/tools:v1", false),
    ("fine", "ghcr.io/acme/tools", true),
    ("fine", "ghcr.io/acme/tools:latest", true),
    ("fine", "busybox:1.36", true),
    // What was wrong before is no reason to refuse help.
    ("wrong", "ghcr.io/acme/tools:v1", false),
    ("wrong", "ghcr.io/acme/tools:latest", true),
    ("looked-at", "ghcr.io/acme/tools:v1", false),
    ("looked-at", "busybox:1.36", true),
    ("known-one", "ghcr.io/acme/tools:latest", false),
    ("without-gpus", "busybox", false),
];

fn pods() -> Vec<Value> {
    let pod = |name: &str, image: &str, gpus: u32| {
        let resources = if gpus > 0 { json!({"limits": {"nvidia.com/gpu": gpus}}) } else { json!({}) };
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
            "spec": {"containers": [{"name": "main", "image": image, "resources": resources}]},
        })
    };
    vec![
        pod("fine", "ghcr.io/acme/server:v1", 1),
        pod("wrong", "docker.io/other/server", 9),
        pod("looked-at", "ghcr.io/acme/server:v1", 1),
        pod("known-one", "ghcr.io/acme/server:v1", 1),
        pod("without-gpus", "busybox", 0),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_into_a_running_pod_is_judged_as_the_webhook_does() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    cluster.apply(&pods()).await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), "default");
    put_in(&pods, "looked-at", "before", "busybox:latest", false).await?;

    let exported = export(&Policy::new(resources(&manifests(GUARDRAIL)?)?)?, Form::ValidatingAdmissionPolicy, OnError::Fail, now());
    let mut documents = exported.documents;
    documents.sort_by_key(|document| document["kind"].as_str().map(str::len));
    cluster.apply(&documents).await?;
    judged(&cluster, &pods, "ValidatingAdmissionPolicy").await?;

    let all = (DeleteParams::default(), ListParams::default());
    Api::<ValidatingAdmissionPolicyBinding>::all(cluster.client()).delete_collection(&all.0, &all.1).await?;
    Api::<ValidatingAdmissionPolicy>::all(cluster.client()).delete_collection(&all.0, &all.1).await?;
    cluster
        .wait_for("the policies to be gone", async || Ok(put_in(&pods, "fine", "debug", "busybox", true).await?.is_none().then_some(())))
        .await?;
    define(&cluster).await?;
    cluster.apply_yaml(GUARDRAIL).await?;
    let replica = Replica::start(&cluster, "a", &["--register", "--failure-policy", "fail"]).await?;
    replica.asked(&cluster).await?;
    judged(&cluster, &pods, "validate.plimsoll.dev").await?;
    replica.stop().await
}

/// Waits until `by` refuses, then sees what it says of all cases.
async fn judged(cluster: &Cluster, pods: &Api<Pod>, by: &str) -> anyhow::Result<()> {
    cluster
        .wait_for(&format!("{by} to be in force"), async || {
            let of_both =
                (put_in(pods, "fine", "debug", "busybox", true).await?, put_in(pods, "fine", "debug", "ghcr.io/acme/tools", true).await?);
            Ok((of_both.0.is_some() && of_both.1.is_some()).then_some(()))
        })
        .await?;
    for (pod, image, is_refused) in CASES {
        let refusal = put_in(pods, pod, "debug", image, true).await?;
        ensure!(refusal.is_some() == is_refused, "{by}: {image} in {pod}: {refusal:?}");
        ensure!(refusal.as_deref().is_none_or(|refusal| refusal.contains(by) && refusal.contains("image")), "{by}: {refusal:?}");
    }
    Ok(())
}

/// Puts a container into a pod; the reason why that is refused.
async fn put_in(pods: &Api<Pod>, pod: &str, name: &str, image: &str, dry_run: bool) -> anyhow::Result<Option<String>> {
    let patch = json!({"spec": {"ephemeralContainers": [{"name": name, "image": image}]}});
    let params = PatchParams { dry_run, ..PatchParams::default() };
    match pods.patch_subresource("ephemeralcontainers", pod, &params, &Patch::Strategic(patch)).await {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 422) => Ok(Some(status.message.clone())),
        Err(error) => Err(error.into()),
    }
}
