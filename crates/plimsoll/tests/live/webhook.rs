//! The webhook at a real API server: what it refuses, warns of and lets in; that two pods never get a team's last GPU; that what was
//! let in before a rule can still be changed; and that what came in unjudged is found.

use crate::replica::Replica;
use anyhow::{Context as _, ensure};
use futures::future::join_all;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use plimsoll_testkit::{Cluster, cluster::Options};
use serde_json::{Value, json};
use std::{path::Path, process::Command};

/// The definitions of the kinds that a user writes.
pub async fn define(cluster: &Cluster) -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
    for kind in ["guardrails", "pools", "teams"] {
        cluster.apply_yaml(&std::fs::read_to_string(folder.join(format!("{kind}.plimsoll.dev.yaml")))?).await?;
    }
    Ok(())
}

const RULES: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: search}
---
apiVersion: v1
kind: Namespace
metadata: {name: lab-a}
---
apiVersion: v1
kind: Namespace
metadata: {name: lab-b}
---
apiVersion: v1
kind: Namespace
metadata: {name: quiet}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: production}
spec:
  namespaces: {names: [search]}
  rules:
  - {name: gpus-per-pod, mode: enforce, parameters: {most: 2}}
  - {name: image-tags, mode: warn}
  - {name: required-labels, mode: audit}
  exemptions:
  - {rules: [gpus-per-pod], namespace: search, name: big-*, reason: the one big run, expires: 2099-01-01}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: quota}
spec:
  namespaces: {names: [lab-*]}
  rules: [{name: team-gpus, mode: enforce}]
---
apiVersion: plimsoll.dev/v1alpha1
kind: Team
metadata: {name: lab}
spec: {namespaces: [lab-*], limits: {gpus: 5}}
";

fn pod(namespace: &str, name: &str, gpus: u64) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": namespace },
        "spec": { "containers": [{ "name": "main", "image": "acme/train:v1", "env": [{ "name": "TOKEN", "value": "hunter2" }],
            "resources": { "limits": { "nvidia.com/gpu": gpus } } }] } })
}

fn deployment(name: &str, gpus: u64, replicas: u64) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": "search" },
        "spec": { "replicas": replicas, "selector": { "matchLabels": { "app": name } }, "template": { "metadata": { "labels": { "app": name } },
            "spec": { "containers": [{ "name": "main", "image": "acme/serve:latest", "resources": { "limits": { "nvidia.com/gpu": gpus } } }] } } } })
}

/// What kubectl says to an object, and whether it was let in.
fn apply(cluster: &Cluster, object: &Value) -> anyhow::Result<(bool, String)> {
    let file = cluster.folder().join("object.json");
    std::fs::write(&file, object.to_string())?;
    let mut kubectl = Command::new(cluster.kubectl());
    let output =
        kubectl.arg("--kubeconfig").arg(cluster.kubeconfig()).arg("apply").arg("-f").arg(&file).output().context("cannot run kubectl")?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_refuses_warns_and_lets_in() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    define(&cluster).await?;
    // Before there is a webhook.
    cluster.apply_yaml(RULES).await?;
    cluster.apply(&[deployment("old", 3, 1)]).await?;
    let replica = Replica::start(&cluster, "a", &["--register", "--recheck", "2s"]).await?;
    replica.asked(&cluster).await?;

    refuses_warns_and_is_silent(&cluster)?;
    adds_what_is_left_out(&cluster).await?;
    old_workloads_can_be_changed(&cluster).await?;
    keeps_a_record_without_secrets(&replica)?;

    let page = replica.get("/metrics").await?;
    ensure!(page.contains("plimsoll_webhook_broken_rules_total{rule=\"gpus-per-pod\",mode=\"enforce\",namespace=\"search\"}"), "{page}");
    ensure!(page.contains("plimsoll_webhook_broken_rules_total{rule=\"required-labels\",mode=\"audit\",namespace=\"search\"}"), "{page}");
    holds(&cluster, &replica, Some(1)).await.context("the old deployment; what is exempt does not count")?;
    replica.stop().await?;
    let (is_in, said) = apply(&cluster, &pod("search", "slipped", 3))?;
    ensure!(is_in, "nobody judges, and the failure policy is Ignore: {said}");
    let replica = Replica::start(&cluster, "b", &["--register", "--recheck", "2s"]).await?;
    holds(&cluster, &replica, Some(2)).await.context("what came in unjudged is found")?;
    let log = replica.log();
    let told =
        log.lines().filter(|line| line.contains("the cluster holds what the rules would refuse") && line.contains("Pod search/slipped"));
    ensure!(told.count() == 1, "once: {log}");
    let (pods, deployments): (Api<Pod>, Api<Deployment>) =
        (Api::namespaced(cluster.client(), "search"), Api::namespaced(cluster.client(), "search"));
    pods.delete("slipped", &DeleteParams::default().grace_period(0)).await?;
    deployments.delete("old", &DeleteParams::default()).await?;
    holds(&cluster, &replica, None).await.context("nothing is left")?;
    replica.stop().await
}

/// Waits until the re-check says that so many objects in the namespace search break the rule gpus-per-pod.
async fn holds(cluster: &Cluster, replica: &Replica, objects: Option<u64>) -> anyhow::Result<()> {
    const SERIES: &str = "plimsoll_webhook_held_broken_rules{rule=\"gpus-per-pod\",mode=\"enforce\",namespace=\"search\"} ";
    cluster
        .wait_for("the re-check", async || {
            let page = replica.get("/metrics").await?;
            let is_over = !page.contains("plimsoll_webhook_recheck_end_time_seconds 0");
            let count = page.lines().find_map(|line| line.strip_prefix(SERIES)).map(str::parse::<u64>).transpose()?;
            Ok((is_over && count == objects).then_some(()))
        })
        .await
}

fn refuses_warns_and_is_silent(cluster: &Cluster) -> anyhow::Result<()> {
    let (is_in, said) = apply(cluster, &deployment("llm", 3, 1))?;
    ensure!(
        !is_in && said.contains("gpus-per-pod (Guardrail production)") && said.contains("asks for 3 GPUs, and 2 are allowed"),
        "{said}"
    );
    ensure!(said.contains("Ask for 2 at most"), "it says how to mend it: {said}");
    let (is_in, said) = apply(cluster, &deployment("llm", 2, 1))?;
    ensure!(is_in && said.contains("Warning: plimsoll image-tags") && !said.contains("required-labels"), "{said}");
    let (is_in, said) = apply(cluster, &pod("search", "big-run", 4))?;
    ensure!(is_in && !said.contains("gpus-per-pod"), "exempt: {said}");
    let (is_in, said) = apply(cluster, &pod("quiet", "anything", 4))?;
    ensure!(is_in && said.is_empty(), "no guardrail covers it: {said}");
    let (is_in, said) = apply(cluster, &pod("search", "many", 3))?;
    ensure!(!is_in && said.contains("gpus-per-pod"), "{said}");
    Ok(())
}

/// A need becomes a device, and what is missing is added: once, however often the API server asks.
async fn adds_what_is_left_out(cluster: &Cluster) -> anyhow::Result<()> {
    let kept = cluster
        .apply_yaml(
            "
apiVersion: v1
kind: Namespace
metadata: {name: asking}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Pool
metadata: {name: h100}
spec: {nodeLabels: {plimsoll.dev/pool: h100}, model: NVIDIA-H100-80GB-HBM3, sharing: mig, taints: [{key: nvidia.com/gpu, effect: NoSchedule}],
  devices: [{resource: nvidia.com/mig-1g.10gb}, {resource: nvidia.com/mig-2g.20gb}]}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: asking}
spec: {namespaces: {names: [asking]}, defaults: {translate: true, toleration: true, classLabel: true}}
",
        )
        .await?;
    ensure!(kept.len() == 3);
    let need = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "need", "namespace": "asking",
        "annotations": { "plimsoll.dev/gpu-memory": "12Gi" } }, "spec": { "containers": [{ "name": "main", "image": "acme/score:v1" }] } });
    let pods: Api<Pod> = Api::namespaced(cluster.client(), "asking");
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let limits = |pod: &Value| pod["spec"]["containers"][0]["resources"]["limits"].clone();
    cluster
        .wait_for("the rules to have reached the webhook", async || {
            let pod = pods.create(&dry, &serde_json::from_value(need.clone())?).await?;
            Ok((limits(&serde_json::to_value(&pod)?) == json!({ "nvidia.com/mig-2g.20gb": "1" })).then_some(()))
        })
        .await?;
    let (is_in, said) = apply(cluster, &need)?;
    ensure!(is_in, "{said}");
    let pod = serde_json::to_value(pods.get("need").await?)?;
    let tolerations = pod["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
    let ours = tolerations.iter().filter(|toleration| toleration["key"] == "nvidia.com/gpu").count();
    ensure!(ours == 1 && pod["spec"]["nodeSelector"]["plimsoll.dev/pool"] == "h100", "{}", pod["spec"]);
    ensure!(pod["metadata"]["labels"]["plimsoll.dev/class"].is_string(), "{}", pod["metadata"]);
    let told = pod["metadata"]["annotations"]["plimsoll.dev/defaulted"].as_str().context("it tells what was added")?;
    ensure!(told.contains("nvidia.com/mig-2g.20gb") && told.contains("asking"), "{told}");
    Ok(())
}

/// The controllers of what came in before the rule go on, and its owner can change it, if not for the worse.
async fn old_workloads_can_be_changed(cluster: &Cluster) -> anyhow::Result<()> {
    let mut old = deployment("old", 3, 1);
    old["metadata"]["annotations"] = json!({ "note": "changed" });
    let (is_in, said) = apply(cluster, &old)?;
    ensure!(is_in && said.contains("Warning: plimsoll gpus-per-pod"), "{said}");
    old["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = json!(4);
    let (is_in, said) = apply(cluster, &old)?;
    ensure!(!is_in && said.contains("asks for 4 GPUs"), "{said}");
    let pods: Api<Pod> = Api::namespaced(cluster.client(), "search");
    let label = ListParams::default().labels("app=old");
    let before = pods.list(&label).await?.items;
    pods.delete_collection(&DeleteParams::default(), &label).await?;
    cluster
        .wait_for("the pods of an old deployment to be made anew", async || {
            let now = pods.list(&label).await?.items;
            let is_new = |pod: &Pod| !before.iter().any(|old| old.metadata.uid == pod.metadata.uid);
            Ok((!now.is_empty() && now.iter().all(is_new)).then_some(()))
        })
        .await
}

fn keeps_a_record_without_secrets(replica: &Replica) -> anyhow::Result<()> {
    let record = std::fs::read_to_string(replica.record())?;
    let lines: Vec<Value> = record.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let of = |name: &str| lines.iter().filter(|line| line["object"]["metadata"]["name"] == name).collect::<Vec<_>>();
    ensure!(of("llm").len() == 2 && of("llm")[0]["allowed"] == false && of("llm")[1]["allowed"] == true, "{record}");
    ensure!(of("many")[0]["breaches"][0]["rule"] == "gpus-per-pod", "{record}");
    ensure!(!record.contains("hunter2"), "a secret was recorded");
    Ok(())
}

/// Forty pods race for the five GPUs of a team, through two replicas.
#[tokio::test(flavor = "multi_thread")]
async fn two_pods_never_get_the_last_gpu_of_a_team() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    define(&cluster).await?;
    cluster.apply_yaml(RULES).await?;
    let first = Replica::start(&cluster, "a", &["--register", "--failure-policy", "fail"]).await?;
    first.asked(&cluster).await?;
    let second = Replica::start(&cluster, "b", &[]).await?;
    // Half of what comes goes to each, as a Service would send it.
    second.takes_over(&cluster, "lab-b").await?;

    let tries = (0..40).map(|at| {
        let namespace = if at % 2 == 0 { "lab-a" } else { "lab-b" };
        let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace);
        let pod = serde_json::from_value::<Pod>(pod(namespace, &format!("racer-{at}"), 1));
        async move { pods.create(&PostParams::default(), &pod?).await.map_err(anyhow::Error::from) }
    });
    let results = join_all(tries).await;
    let came_in = results.iter().filter(|result| result.is_ok()).count();
    let said: Vec<String> = results.into_iter().filter_map(|result| result.err().map(|error| error.to_string())).collect();
    ensure!(came_in == 5, "{came_in} came in: {said:?}");
    ensure!(said.iter().all(|said| said.contains("team-gpus") && said.contains("of its 5 in use")), "{said:?}");

    // What has ended, or was deleted, makes room; at once, not when its booking ends.
    let all: Api<Pod> = Api::all(cluster.client());
    let racers = all.list(&ListParams::default()).await?.items;
    let gone = racers.iter().find(|pod| pod.metadata.name.as_deref().is_some_and(|name| name.starts_with("racer-"))).context("a racer")?;
    let (namespace, name) =
        (gone.metadata.namespace.as_deref().context("its namespace")?, gone.metadata.name.as_deref().context("its name")?);
    Api::<Pod>::namespaced(cluster.client(), namespace).delete(name, &DeleteParams::default().grace_period(0)).await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), "lab-a");
    cluster
        .wait_for("room for one more", async || {
            let pod = serde_json::from_value::<Pod>(pod("lab-a", "next", 1))?;
            Ok(pods.create(&PostParams::default(), &pod).await.ok().map(drop))
        })
        .await?;
    let over = serde_json::from_value::<Pod>(pod("lab-a", "over", 1))?;
    ensure!(pods.create(&PostParams::default(), &over).await.is_err(), "six of five");
    let teams: Api<kube::core::DynamicObject> = Api::all_with(
        cluster.client(),
        &kube::core::ApiResource::from_gvk_with_plural(&kube::core::GroupVersionKind::gvk("plimsoll.dev", "v1alpha1", "Team"), "teams"),
    );
    teams.patch("lab", &PatchParams::default(), &Patch::Merge(json!({ "spec": { "limits": { "gpus": 6 } } }))).await?;
    cluster.wait_for("the higher limit to count", async || Ok(pods.create(&PostParams::default(), &over).await.ok().map(drop))).await?;
    first.stop().await?;
    second.stop().await
}
