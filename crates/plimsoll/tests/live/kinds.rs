//! The kinds that a user writes, on a real API server: it takes their definitions and good objects, and refuses what no schema allows.

use plimsoll_testkit::{Cluster, cluster::Options};
use std::path::Path;

/// One of each kind.
const GOOD: &str = "
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: production}
spec:
  namespaces: {names: [team-*], except: [team-lab], matchLabels: {tier: gold}}
  classes: [online]
  mode: audit
  rules:
  - {name: gpus-per-pod, mode: enforce, parameters: {most: 4}}
  - {name: gpu-models, parameters: {allowed: [NVIDIA-L4], named: true}}
  customRules:
  - name: our-images
    match: {kinds: [Deployment]}
    expression: pods.all(p, p.containers.all(c, c.image.startsWith('registry.example/')))
    message: an image is not from our registry
    failurePolicy: fail
  exemptions:
  - {rules: ['*'], namespace: team-a, reason: known, expires: 2027-03-31}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Team
metadata: {name: search}
spec: {namespaces: [search], limits: {gpus: 16}, models: [NVIDIA-L4], budget: {month: 1000.5, currency: EUR}}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Pool
metadata: {name: l4}
spec: {nodeLabels: {pool: l4}, sharing: time-slicing, gpusPerNode: 4, memoryGiBPerNode: 192.5, taints: [{key: a, effect: NoSchedule}]}
";

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_the_kinds() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
    for kind in ["guardrails", "pools", "teams"] {
        cluster.apply_yaml(&std::fs::read_to_string(folder.join(format!("{kind}.plimsoll.dev.yaml")))?).await?;
    }
    let kept = cluster.apply_yaml(GOOD).await?;
    // What the API server gives back, its defaults filled in, is what we read.
    for object in &kept {
        let object = serde_json::to_value(object)?;
        assert!(plimsoll_api::read(&object)?.is_some(), "{object}");
    }
    assert_eq!(kept[0].data["spec"]["rules"][0]["parameters"]["most"], 4, "parameters of rules are kept");
    assert_eq!(kept[0].data["spec"]["customRules"][0]["match"]["gpus"], true, "what is not said has its default");
    for (good, bad) in [
        ("mode: enforce", "mode: deny"),
        ("classes: [online]", "classes: [inference]"),
        ("mode: audit", "precedence: high"),
        ("failurePolicy: fail", "failurePolicy: perhaps"),
    ] {
        assert!(cluster.apply_yaml(&GOOD.replace(good, bad)).await.is_err(), "{bad}");
    }
    Ok(())
}
