//! The chart on a real API server: what it renders is taken without a word, comes up while no webhook answers, has the rights that
//! it needs and no others, and an upgrade leaves alone what the webhook keeps.
//!
//! In a network of its own: the API server calls the webhook by the address of a Service, which must lead nowhere else.

use crate::helm::{Helm, NAME, NAMESPACE, VALUES, chart, root};
use anyhow::{Context as _, ensure};
use k8s_openapi::api::{
    admissionregistration::v1::ValidatingWebhookConfiguration,
    apps::v1::Deployment,
    authorization::v1::SubjectAccessReview,
    core::v1::{Pod, Secret},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use plimsoll_operate::webhook::kinds::{WATCHED, Watched};
use plimsoll_testkit::{Cluster, cluster::Options, netns};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::Write as _,
    process::{Command, Stdio},
};

/// Three nodes, of which one takes only what tolerates it, and the release's namespace at the strictest level of Pod Security.
const GROUND: &str = "
apiVersion: v1
kind: Node
metadata: {name: a, labels: {kubernetes.io/hostname: a, kubernetes.io/os: linux}}
status: {allocatable: {cpu: '8', memory: 32Gi, pods: '110'}, capacity: {cpu: '8', memory: 32Gi, pods: '110'}}
---
apiVersion: v1
kind: Node
metadata: {name: b, labels: {kubernetes.io/hostname: b, kubernetes.io/os: linux}}
status: {allocatable: {cpu: '8', memory: 32Gi, pods: '110'}, capacity: {cpu: '8', memory: 32Gi, pods: '110'}}
---
apiVersion: v1
kind: Node
metadata: {name: control, labels: {kubernetes.io/hostname: control, kubernetes.io/os: linux}}
spec: {taints: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]}
status: {allocatable: {cpu: '8', memory: 32Gi, pods: '110'}, capacity: {cpu: '8', memory: 32Gi, pods: '110'}}
---
apiVersion: v1
kind: Namespace
metadata:
  name: plimsoll
  labels: {pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted}
";

/// Kinds of others that the chart can make objects of, with any content: their own definitions are no part of a cluster.
const OTHERS: [(&str, &str, &str, &str); 3] = [
    ("cert-manager.io", "v1", "Certificate", "certificates"),
    ("cert-manager.io", "v1", "Issuer", "issuers"),
    ("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_is_taken_comes_up_and_outlives_an_upgrade() -> anyhow::Result<()> {
    let Some(helm) = Helm::ready().await? else { return Ok(()) };
    if !netns::inside("installed::the_chart_is_taken_comes_up_and_outlives_an_upgrade").await? {
        return Ok(());
    }
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    cluster.apply_yaml(GROUND).await?;
    cluster.apply(&OTHERS.map(definition)).await?;
    for values in VALUES {
        kubectl(&cluster, &["create", "-f", root().join("deploy/crds").to_str().unwrap()], "")?;
        let objects = helm.template(values)?;
        let words = ["--server-side", "--validate=strict", "--warnings-as-errors", "-f", "-"];
        kubectl(&cluster, &[&["apply"][..], &words].concat(), &objects).with_context(|| format!("{values:?}"))?;
        come_up(&cluster).await.with_context(|| format!("{values:?}"))?;
        kubectl(&cluster, &["delete", "--ignore-not-found", "-f", "-"], &objects)?;
    }
    let install = ["install", "plimsoll", chart().to_str().unwrap(), "--namespace", NAMESPACE, "--wait"].map(str::to_owned);
    on(&helm, &cluster, &install, &[])?;
    spread(&cluster).await?;
    rights(&cluster).await?;
    upgrade(&helm, &cluster).await?;
    cold_start(&helm, &cluster).await?;
    on(&helm, &cluster, &["uninstall", "plimsoll", "--namespace", NAMESPACE, "--wait"].map(str::to_owned), &[])?;
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
    ensure!(configurations.get_opt("plimsoll").await?.is_none(), "nothing asks for a webhook that is gone");
    Ok(())
}

fn definition((group, version, kind, plural): (&str, &str, &str, &str)) -> Value {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

fn kubectl(cluster: &Cluster, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let mut kubectl = Command::new(cluster.kubectl())
        .arg("--kubeconfig")
        .arg(cluster.kubeconfig())
        .args(arguments)
        .env("HOME", cluster.folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run kubectl")?;
    kubectl.stdin.take().context("its input")?.write_all(input.as_bytes())?;
    let output = kubectl.wait_with_output()?;
    ensure!(output.status.success(), "kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn on(helm: &Helm, cluster: &Cluster, arguments: &[String], values: &[&str]) -> anyhow::Result<String> {
    let kubeconfig = cluster.kubeconfig();
    let arguments: Vec<&str> =
        arguments.iter().map(String::as_str).chain(["--kubeconfig", kubeconfig.to_str().context("a path")?]).collect();
    helm.must(&arguments, values)
}

/// All replicas are ready, although nothing answers for the webhook.
async fn come_up(cluster: &Cluster) -> anyhow::Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), NAMESPACE);
    let all = async || {
        let deployment = deployments.get(NAME).await?;
        let (wanted, status) = (deployment.spec.replicas, deployment.status.unwrap_or_default());
        let new = status.observed_generation == deployment.metadata.generation && status.updated_replicas == wanted;
        Ok((new && status.ready_replicas == wanted && status.replicas == wanted).then_some(()))
    };
    cluster.wait_for("the webhook's pods to be ready", all).await
}

/// A replica a node, none where it may not run; one may go at a time.
async fn spread(cluster: &Cluster) -> anyhow::Result<()> {
    come_up(cluster).await?;
    let nodes: BTreeSet<String> = pods(cluster).await?.into_iter().filter_map(|pod| pod.spec?.node_name).collect();
    ensure!(nodes == ["a", "b"].map(str::to_owned).into(), "two replicas on two nodes: {nodes:?}");
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(cluster.client(), NAMESPACE);
    let one = async || Ok((budgets.get(NAME).await?.status.context("a status")?.disruptions_allowed == Some(1)).then_some(()));
    cluster.wait_for("the budget to allow one to go", one).await
}

async fn pods(cluster: &Cluster) -> anyhow::Result<Vec<Pod>> {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), NAMESPACE);
    Ok(pods.list(&ListParams::default().labels("app.kubernetes.io/name=plimsoll")).await?.items)
}

/// What the API server says that the service account may do.
async fn rights(cluster: &Cluster) -> anyhow::Result<()> {
    let reviews: Api<SubjectAccessReview> = Api::all(cluster.client());
    let may = async |verb: &str, group: &str, resource: &str, namespace: &str, name: &str| -> anyhow::Result<bool> {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let review = json!({"metadata": {}, "spec": {
            "user": format!("system:serviceaccount:{NAMESPACE}:{NAME}"),
            "groups": ["system:serviceaccounts", format!("system:serviceaccounts:{NAMESPACE}"), "system:authenticated"],
            "resourceAttributes": {"verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": namespace, "name": name},
        }});
        let answer = reviews.create(&PostParams::default(), &serde_json::from_value(review)?).await?;
        Ok(answer.status.context("an answer")?.allowed)
    };
    for Watched { group, resource, .. } in WATCHED {
        for verb in ["get", "list", "watch"] {
            ensure!(may(verb, group, resource, "", "").await?, "{verb} {resource}.{group}");
        }
        for verb in ["create", "update", "patch", "delete", "deletecollection"] {
            ensure!(!may(verb, group, resource, NAMESPACE, "").await?, "{verb} {resource}.{group} is too much");
        }
    }
    let (hooks, coordination, ours) = ("admissionregistration.k8s.io", "coordination.k8s.io", "plimsoll.dev");
    let writes = [
        ("create", "", "secrets", NAMESPACE, ""),
        ("get", "", "secrets", NAMESPACE, "plimsoll-webhook-tls"),
        ("update", "", "secrets", NAMESPACE, "plimsoll-webhook-tls"),
        ("create", coordination, "leases", NAMESPACE, ""),
        ("get", coordination, "leases", NAMESPACE, NAME),
        ("update", coordination, "leases", NAMESPACE, NAME),
        ("patch", ours, "teams/status", "", "search"),
        ("get", hooks, "validatingwebhookconfigurations", "", "plimsoll"),
        ("patch", hooks, "validatingwebhookconfigurations", "", "plimsoll"),
        ("get", hooks, "mutatingwebhookconfigurations", "", "plimsoll"),
        ("patch", hooks, "mutatingwebhookconfigurations", "", "plimsoll"),
    ];
    for (verb, group, resource, namespace, name) in writes {
        ensure!(may(verb, group, resource, namespace, name).await?, "{verb} {resource}.{group} {namespace}/{name}");
    }
    let too_much = [
        ("get", "", "secrets", NAMESPACE, "another"),
        ("list", "", "secrets", NAMESPACE, ""),
        ("watch", "", "secrets", NAMESPACE, ""),
        ("delete", "", "secrets", NAMESPACE, "plimsoll-webhook-tls"),
        ("get", "", "secrets", "default", "plimsoll-webhook-tls"),
        ("create", "", "secrets", "default", ""),
        ("update", coordination, "leases", NAMESPACE, "another"),
        ("update", coordination, "leases", "kube-system", NAME),
        ("get", "", "configmaps", NAMESPACE, "a"),
        ("get", "", "pods/log", NAMESPACE, "a"),
        ("create", "", "pods/exec", NAMESPACE, "a"),
        ("create", "", "pods/eviction", NAMESPACE, "a"),
        ("create", "", "serviceaccounts/token", NAMESPACE, NAME),
        ("impersonate", "", "users", "", "admin"),
        ("patch", "", "nodes/status", "", "a"),
        ("update", ours, "teams", "", "search"),
        ("update", ours, "guardrails/status", "", "starter"),
        ("patch", hooks, "validatingwebhookconfigurations", "", "another"),
        ("list", hooks, "validatingwebhookconfigurations", "", ""),
        ("create", hooks, "validatingwebhookconfigurations", "", ""),
        ("delete", hooks, "validatingwebhookconfigurations", "", "plimsoll"),
        ("bind", "rbac.authorization.k8s.io", "clusterroles", "", "cluster-admin"),
        ("list", "rbac.authorization.k8s.io", "clusterroles", "", ""),
    ];
    for (verb, group, resource, namespace, name) in too_much {
        ensure!(!may(verb, group, resource, namespace, name).await?, "{verb} {resource}.{group} {namespace}/{name} is too much");
    }
    Ok(())
}

/// The CA bundle that the webhook wrote into its configuration outlives an upgrade that changes the same configuration.
async fn upgrade(helm: &Helm, cluster: &Cluster) -> anyhow::Result<()> {
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
    let bundle = std::fs::read_to_string(cluster.folder().join("ca.crt"))?;
    let bundled = k8s_openapi::ByteString(bundle.clone().into_bytes());
    let patch = json!({"webhooks": [{"name": "validate.plimsoll.dev", "clientConfig": {"caBundle": bundled}}]});
    configurations.patch("plimsoll", &PatchParams::default(), &Patch::Strategic(patch)).await?;
    let arguments = ["upgrade", "plimsoll", chart().to_str().unwrap(), "--namespace", NAMESPACE, "--wait"].map(str::to_owned);
    on(helm, cluster, &arguments, &["timeoutSeconds=7", "replicas=1"])?;
    let webhook = configurations.get("plimsoll").await?.webhooks.into_iter().flatten().next().context("a webhook")?;
    ensure!(webhook.timeout_seconds == Some(7), "the upgrade arrived: {webhook:?}");
    ensure!(webhook.client_config.ca_bundle.is_some_and(|kept| kept.0 == bundle.into_bytes()), "the CA bundle is kept");
    ensure!(webhook.failure_policy.as_deref() == Some("Ignore"));
    come_up(cluster).await
}

/// All of it is gone at once, no webhook answers, and refusing is the answer to that: its own pods and the cluster's come up all the
/// same, and others are refused.
async fn cold_start(helm: &Helm, cluster: &Cluster) -> anyhow::Result<()> {
    let arguments = ["upgrade", "plimsoll", chart().to_str().unwrap(), "--namespace", NAMESPACE].map(str::to_owned);
    let pod = |namespace: &str| {
        json!([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": namespace},
            "spec": {"containers": [{"name": "a", "image": "example.com/a:1"}]}}])
    };
    on(helm, cluster, &arguments, &["validation.failurePolicy=Ignore"])?;
    cluster.apply(pod("default").as_array().context("a list")?).await.context("while nobody answers, pods are let in")?;
    on(helm, cluster, &arguments, &["validation.failurePolicy=Fail"])?;
    let all: Api<Pod> = Api::namespaced(cluster.client(), NAMESPACE);
    let before: BTreeSet<Option<String>> = pods(cluster).await?.iter().map(kube::ResourceExt::uid).collect();
    all.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    let renewed = async || Ok(pods(cluster).await?.iter().all(|pod| !before.contains(&pod.uid())).then_some(()));
    cluster.wait_for("the old pods to be gone", renewed).await?;
    come_up(cluster).await?;
    cluster.apply(pod("kube-system").as_array().context("a list")?).await.context("kube-system is left alone")?;
    let others: Api<Pod> = Api::namespaced(cluster.client(), "default");
    others.delete("a", &DeleteParams::default().grace_period(0)).await?;
    let gone = async || Ok(others.get_opt("a").await?.is_none().then_some(()));
    cluster.wait_for("the pod to be gone", gone).await?;
    let refused = cluster.apply(pod("default").as_array().context("a list")?).await;
    let why = format!("{:#}", refused.err().context("while nobody answers, pods are refused")?);
    ensure!(why.contains("failed calling webhook \"validate.plimsoll.dev\""), "{why}");
    let secrets: Api<Secret> = Api::namespaced(cluster.client(), NAMESPACE);
    ensure!(secrets.list(&ListParams::default().labels("!owner")).await?.items.is_empty(), "the chart makes no Secret");
    Ok(())
}
