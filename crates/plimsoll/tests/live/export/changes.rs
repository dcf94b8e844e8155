//! What is there already goes on: changes, controllers, what is being deleted, exemptions that have ended.

use super::server::{Answer, Server};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use plimsoll_decide::guard::{
    Policy,
    export::{Form, OnError, export},
};
use plimsoll_fleet::Timestamp;
use plimsoll_testkit::{Cluster, cluster::Options, cluster::manifests};
use serde_json::{Value, json};

const GUARDRAIL: &str = "
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: all}
spec:
  rules: [{name: gpus-per-pod, mode: enforce}]
  exemptions:
  - {rules: [gpus-per-pod], name: past-*, reason: it was agreed, expires: 2020-06-01}
  - {rules: [gpus-per-pod], name: future-*, reason: it is agreed, expires: 2999-06-01}
";

/// A moment at which both exemptions held.
const THEN: Timestamp = Timestamp(1_577_836_800);

fn deployment(name: &str) -> Value {
    let container = json!({"name": "a", "image": "a:v1", "resources": {"limits": {"nvidia.com/gpu": 9}}});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_goes_on() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    let mut going = deployment("going");
    going["metadata"]["finalizers"] = json!(["example.com/hold"]);
    cluster.apply(&[deployment("old"), going]).await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), "default");
    let of_old = ListParams::default().labels("app=old");
    let pod = async |but: &str| {
        let list = pods.list(&of_old).await?;
        Ok(list.into_iter().find(|pod| pod.name_any() != but && pod.metadata.deletion_timestamp.is_none()))
    };
    let first = cluster.wait_for("the deployment's pod", async || pod("").await).await?;

    let resources = super::resources(&manifests(GUARDRAIL)?)?;
    let exported = export(&Policy::new(resources)?, Form::ValidatingAdmissionPolicy, OnError::Fail, THEN);
    let server = Server::new(&cluster);
    server.bind(&exported.documents, None).await?;
    anyhow::ensure!(refused(&server, &deployment("new")).await?, "a new one is refused");

    // A controller makes what was let in with its owner; whoever only writes an owner reference is judged.
    pods.delete(&first.name_any(), &DeleteParams::default().grace_period(0)).await?;
    cluster.wait_for("another pod of the deployment", async || pod(&first.name_any()).await).await?;
    let mut owned = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "owned", "namespace": "default"}});
    owned["metadata"]["ownerReferences"] = serde_json::to_value(&first.metadata.owner_references)?;
    owned["spec"] = deployment("x")["spec"]["template"]["spec"].clone();
    anyhow::ensure!(refused(&server, &owned).await?, "an owner reference alone opens no door");

    // Only a change of the specification is judged.
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), "default");
    let change = async |name: &str, patch: Value| deployments.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
    change("old", json!({"metadata": {"annotations": {"seen": "yes"}}})).await?;
    let error = change("old", json!({"spec": {"replicas": 2}})).await.expect_err("nine GPUs are one more than allowed").to_string();
    anyhow::ensure!(error.contains("gpus-per-pod: a pod asks for 9 GPUs, and 8 are allowed. A pod runs on one node"), "{error}");

    // What is being deleted is let go.
    deployments.delete("going", &DeleteParams::default()).await?;
    change("going", json!({"spec": {"replicas": 0}})).await?;
    change("going", json!({"metadata": {"finalizers": null}})).await?;

    // The moment of creation is the clock by which an exemption ends, though it held when policies were exported.
    anyhow::ensure!(refused(&server, &deployment("past-one")).await?, "its exemption is over");
    anyhow::ensure!(!refused(&server, &deployment("future-one")).await?, "its exemption holds");
    Ok(())
}

async fn refused(server: &Server<'_>, object: &Value) -> anyhow::Result<bool> {
    match server.ask(object).await? {
        Answer::Judged { refused, .. } => Ok(refused),
        Answer::Otherwise => anyhow::bail!("the API server refuses {object} for another reason"),
    }
}
