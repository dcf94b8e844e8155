//! `check --against-history` on a real API server: over what it holds, and over the audit log that it wrote of how that came in.

use crate::program::{on, said};
use anyhow::{Context as _, ensure};
use plimsoll_testkit::{Cluster, cluster::Options};
use serde_json::Value;

/// What was let in while there were no rules: a Deployment that is right and one that is not, a bare pod, and a Job in a namespace of a team
/// that has more than it may.
const SUBMITTED: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: search, labels: {tier: gold}}
---
apiVersion: v1
kind: Namespace
metadata: {name: vision}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: good, namespace: search}
spec:
  replicas: 1
  selector: {matchLabels: {app: good}}
  template:
    metadata: {labels: {app: good}}
    spec: {containers: [{name: main, image: 'registry.example/llm:v1', resources: {limits: {nvidia.com/gpu: 2}}}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: bad, namespace: search}
spec:
  replicas: 2
  selector: {matchLabels: {app: bad}}
  template:
    metadata: {labels: {app: bad}}
    spec: {containers: [{name: main, image: 'docker.io/llm:latest', resources: {limits: {nvidia.com/gpu: 1}}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: bare, namespace: vision}
spec: {containers: [{name: main, image: 'docker.io/x:v1', resources: {limits: {nvidia.com/gpu: 1}}}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: train, namespace: search}
spec:
  parallelism: 3
  completions: 3
  template:
    spec: {restartPolicy: Never, containers: [{name: main, image: 'registry.example/train:v1', resources: {limits: {nvidia.com/gpu: 1}}}]}
";

const GUARDRAIL: &str = "
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: production}
spec:
  rules:
  - {name: image-tags, mode: enforce}
  - {name: team-gpus, mode: warn}
  customRules:
  - name: our-images
    mode: audit
    expression: pods.all(p, p.containers.all(c, c.image.startsWith('registry.example/')))
    message: an image is not from our registry
---
apiVersion: plimsoll.dev/v1alpha1
kind: Team
metadata: {name: search}
spec: {namespaces: [search], limits: {gpus: 6}}
";

#[tokio::test(flavor = "multi_thread")]
async fn what_rules_would_have_refused_is_told_from_a_cluster_and_from_its_audit_log() -> anyhow::Result<()> {
    let options = Options { objects_in_audit: true, ..Options::default() };
    let Some(cluster) = Cluster::start(options).await? else { return Ok(()) };
    cluster.apply_yaml(SUBMITTED).await?;
    // The Deployments' and the Job's own pods come in as well, by their controllers.
    cluster
        .wait_for("the controllers' pods", async || {
            let log = cluster.audit_log()?;
            let made = log.iter().filter(|event| event.verb == "create" && event.resource == "pods" && event.code == 201).count();
            Ok((made >= 6).then_some(()))
        })
        .await?;
    let guardrail = cluster.folder().join("guardrail.yaml");
    std::fs::write(&guardrail, GUARDRAIL)?;
    let guardrail = guardrail.to_str().context("a path")?;
    let told = |source: &str| -> anyhow::Result<Value> {
        let arguments = ["check", "--guardrail", guardrail, "--format", "json", "--against-history", source];
        let output = on(&cluster.kubeconfig(), &arguments)?;
        ensure!(output.status.code() == Some(1), "{source} ended with {:?}: {}", output.status.code(), said(&output));
        serde_json::from_slice(&output.stdout).context("no JSON")
    };
    let count = |told: &Value, rule: &str| -> u64 {
        let rows = told["rules"].as_array().into_iter().flatten();
        rows.filter(|row| row["rule"] == rule).filter_map(|row| row["submissions"].as_u64()).sum()
    };

    let held = told("cluster")?;
    ensure!(held["unseen"] == serde_json::json!([]), "{held:#}");
    ensure!((count(&held, "image-tags"), count(&held, "our-images")) == (1, 2), "{held:#}");
    // 2 + 2 + 3 GPUs of 6: whichever of the three came last would have been too many.
    ensure!(count(&held, "team-gpus") == 3 && held["submissions"] == 4, "{held:#}");

    let log = cluster.folder().join("audit.log");
    let logged = told(log.to_str().context("a path")?)?;
    ensure!((count(&logged, "image-tags"), count(&logged, "our-images")) == (1, 2), "{logged:#}");
    ensure!(logged["by_controllers"].as_u64().is_some_and(|count| count >= 5), "{logged:#}");
    ensure!(logged["first"].as_str().is_some() && logged["broken_lines"].as_u64().is_some_and(|count| count <= 1), "{logged:#}");
    let example = &logged["rules"][0]["examples"][0];
    ensure!((&example["kind"], &example["name"]) == (&"Deployment".into(), &"bad".into()), "{example:#}");
    ensure!(example["user"].as_str().is_some_and(|user| !user.is_empty()), "{example:#}");
    Ok(())
}
