//! Defaults as exported policies on a real API server: what is made comes back with what `guard::defaults` adds.

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    api::{ListParams, Patch, PatchParams, PostParams},
    client::Body,
    core::Request,
};
use plimsoll_decide::guard::{
    Policy, Siblings, Submitted,
    defaults::{self, Asked, DEFAULTED},
    export::{Form, OnError, export},
};
use plimsoll_fleet::{Timestamp, parts::Parts};
use plimsoll_observe::manifest;
use plimsoll_testkit::{Cluster, cluster::Options, cluster::manifests, corpus, programs};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Guardrails that overrule each other, in what a policy can add.
const GUARDRAILS: &str = "
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: all}
spec:
  defaults: {classLabel: true, toleration: true, deadlines: {cleanupHours: 2}}
  rules:
  - {name: job-limits, mode: audit, parameters: {deadline-most: 48, retries-most: 3}}
  - {name: toleration-and-selector, mode: audit, parameters: {taint: [nvidia.com/gpu, reserved]}}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: online}
spec:
  classes: [online]
  precedence: 10
  defaults: {classLabel: false}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: gold}
spec:
  namespaces: {names: ['v*'], matchLabels: {tier: gold}}
  precedence: 10
  defaults: {toleration: false, deadlines: {disabled: true}}
  rules:
  - {name: job-limits, mode: audit, parameters: {deadline-most: 1}}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: pool}
spec:
  pools: [h1*]
  precedence: 20
  defaults: {toleration: true, deadlines: {deadlineHours: 5}}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Pool
metadata: {name: l4}
spec: {nodeLabels: {pool: l4}, sharing: time-slicing, taints: [{key: dedicated, value: l4, effect: NoSchedule}]}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Pool
metadata: {name: h100}
spec: {nodeLabels: {pool: h100}, taints: [{key: nvidia.com/gpu, effect: NoSchedule}, {key: h100, value: 'yes', effect: NoExecute}]}
";

/// Kinds that policies give defaults, with their resources; the others come back as they are.
const KINDS: [(&str, &str, &str); 10] = [
    ("v1", "Pod", "pods"),
    ("v1", "ReplicationController", "replicationcontrollers"),
    ("apps/v1", "DaemonSet", "daemonsets"),
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "ReplicaSet", "replicasets"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("argoproj.io/v1alpha1", "Rollout", "rollouts"),
    ("batch/v1", "CronJob", "cronjobs"),
    ("batch/v1", "Job", "jobs"),
    ("kubeflow.org/v1", "Notebook", "notebooks"),
];

/// How many objects, of which seed, and how many are asked about at once.
const COUNT: usize = 2_000;
const SEED: u64 = 20_261_130;
const AT_ONCE: usize = 16;

/// How many Kyverno is asked about: it takes a policy apart for each.
const KYVERNO_COUNT: usize = 100;

fn policy() -> anyhow::Result<Policy> {
    let read: Vec<_> = manifests(GUARDRAILS)?.iter().map(plimsoll_api::read).collect::<Result<_, _>>()?;
    Ok(Policy::new(read.into_iter().flatten().collect())?)
}

/// Puts the policies in; ready when they are in force.
async fn bind(cluster: &Cluster, policy: &Policy) -> anyhow::Result<()> {
    let exported = export(policy, Form::MutatingAdmissionPolicy, OnError::Ignore, Timestamp(0));
    cluster.apply(&exported.documents).await?;
    let probe = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": "search"},
        "spec": {"containers": [{"name": "a", "image": "a", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]},
    });
    let in_force = async || {
        let made = ask(cluster, &probe).await?.context("the probe was refused")?;
        Ok(made["metadata"]["labels"]["plimsoll.dev/class"].is_string().then_some(()))
    };
    cluster.wait_for("the policies to be in force", in_force).await
}

fn url(object: &Value) -> Option<String> {
    let (version, _, plural) = KINDS.into_iter().find(|(version, kind, _)| object["apiVersion"] == *version && object["kind"] == *kind)?;
    let root = if version.contains('/') { "apis" } else { "api" };
    Some(format!("/{root}/{version}/namespaces/{}/{plural}", object["metadata"]["namespace"].as_str().unwrap_or("default")))
}

/// What would be made of it, without what is the API server's own; none: it would be refused. Nothing is made.
async fn ask(cluster: &Cluster, object: &Value) -> anyhow::Result<Option<Value>> {
    let Some(url) = url(object) else { return Ok(None) };
    let params = PostParams { dry_run: true, field_manager: None };
    let answered = async || {
        let request = Request::new(&url).create(&params, serde_json::to_vec(object)?)?;
        let response = cluster.client().send(request.map(Body::from)).await.context("the API server does not answer")?;
        let is_made = response.status().is_success();
        let answer: Value = serde_json::from_slice(&response.into_body().collect_bytes().await?)?;
        // A new namespace has no service account for a moment.
        let early = answer["message"].as_str().is_some_and(|message| message.contains("serviceaccount"));
        Ok((!early).then(|| is_made.then_some(answer)))
    };
    let answer = cluster.wait_for("the API server's answer", answered).await?;
    Ok(answer.map(|made| bare(&made)))
}

/// Without what differs from one creation to the next.
fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|key, _| !matches!(key.as_str(), "uid" | "creationTimestamp" | "managedFields" | "resourceVersion" | "generation"));
        metadata.get_mut("annotations").and_then(Value::as_object_mut).map(|annotations| annotations.remove(DEFAULTED));
        metadata.retain(|key, value| key != "annotations" || value.as_object().is_some_and(|annotations| !annotations.is_empty()));
    }
    // A Job without labels gets those of its pods, and among them some of the API server's own, or not.
    if object["kind"] == "Job"
        && let Some(labels) = object["metadata"]["labels"].as_object_mut()
    {
        labels.retain(|key, _| !matches!(key.as_str(), "controller-uid" | "job-name") && !key.starts_with("batch.kubernetes.io/"));
    }
    // Jobs get a selector and labels with their own identifier, and pods a volume with a random name.
    let text = object.to_string();
    let volatile = text.split('"').filter(|word| word.starts_with("kube-api-access-") || is_identifier(word));
    let marked = volatile.fold(text.clone(), |text, word| text.replace(word, "X"));
    serde_json::from_str(&marked).unwrap()
}

fn is_identifier(word: &str) -> bool {
    word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// What `guard::defaults` makes of an object that the API server would make without the policies.
fn expected(policy: &Policy, object: &Value, siblings: &Siblings) -> anyhow::Result<Value> {
    let document = manifest::read(&object.to_string()).0.remove(0);
    let (written, json) = (document.written().context("it does not say what it is")?, |parts: &Parts| document.node.json_of(parts));
    let asked = Asked { submitted: Submitted { written: &written, json: &json }, old: None, siblings, user: "kubernetes-admin" };
    let mut object = object.clone();
    for op in defaults::patch(policy, &asked).patch {
        let (parent, last) = op["path"].as_str().context("a path")?.rsplit_once('/').context("a parent")?;
        let last = last.replace("~1", "/").replace("~0", "~");
        match object.pointer_mut(parent) {
            Some(Value::Object(map)) => drop(map.insert(last, op["value"].clone())),
            Some(Value::Array(list)) => list.push(op["value"].clone()),
            other => anyhow::bail!("{op} into {other:?}"),
        }
    }
    Ok(bare(&object))
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_add_to_two_thousand_objects_what_the_decision_adds() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    cluster.apply(&corpus::definitions()).await?;
    cluster.apply_yaml(corpus::SURROUNDINGS).await?;
    let mut siblings = Siblings::default();
    let list: Value = cluster.client().request(Request::new("/api/v1/namespaces").list(&ListParams::default())?).await?;
    for namespace in list["items"].as_array().into_iter().flatten() {
        let labels = namespace["metadata"]["labels"].as_object().into_iter().flatten();
        let labels = labels.map(|(key, value)| (key.as_str().into(), value.as_str().unwrap_or_default().into())).collect();
        siblings.namespace(namespace["metadata"]["name"].as_str().unwrap_or_default().into(), labels);
    }
    let policy = policy()?;
    let objects: Vec<Value> = corpus::objects(SEED, COUNT).into_iter().filter(|object| url(object).is_some()).collect();
    let ask_all = async |objects: &[Value]| -> anyhow::Result<Vec<Option<Value>>> {
        stream::iter(objects.iter().map(|object| ask(&cluster, object))).buffered(AT_ONCE).try_collect().await
    };
    // The kinds of definitions are served a moment after they are made.
    let rollout = objects.iter().find(|object| object["kind"] == "Notebook").context("a Notebook")?;
    cluster.wait_for("the kinds to be served", async || Ok(ask(&cluster, rollout).await?.map(drop))).await?;
    let before = ask_all(&objects).await?;
    bind(&cluster, &policy).await?;
    let after = ask_all(&objects).await?;
    let made: Vec<Value> = after.iter().flatten().cloned().collect();
    let again = ask_all(&made).await?;

    let mut wrong = Vec::new();
    let mut changed: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for (object, (before, after)) in objects.iter().zip(before.iter().zip(&after)) {
        let (Some(before), Some(after)) = (before, after) else {
            anyhow::ensure!(before.is_none() && after.is_none(), "one of two was refused: {object}");
            continue;
        };
        let expected = expected(&policy, before, &siblings)?;
        let count = changed.entry(object["kind"].as_str().unwrap_or_default().to_owned()).or_default();
        *(if expected == *before { &mut count.1 } else { &mut count.0 }) += 1;
        if expected != *after {
            wrong.push(format!("{object}\nis    {after}\nnot   {expected}"));
        }
    }
    println!("changed and unchanged by kind: {changed:?}");
    anyhow::ensure!(wrong.is_empty(), "{} differ, such as:\n{}", wrong.len(), wrong[..wrong.len().min(4)].join("\n"));
    anyhow::ensure!(changed.len() >= 8 && changed.values().map(|(changed, _)| changed).sum::<u32>() > 300, "{changed:?}");
    anyhow::ensure!(changed.values().map(|(_, unchanged)| unchanged).sum::<u32>() > 100, "{changed:?}");
    // Applied twice they change nothing the second time.
    for (made, again) in made.iter().zip(&again) {
        if let Some(again) = again {
            anyhow::ensure!(made == again, "{made}\nbecame {again}");
        }
    }
    Ok(())
}

/// Kyverno's own program adds the same, without a cluster: namespaces have no labels there.
#[tokio::test(flavor = "multi_thread")]
async fn kyverno_adds_what_the_decision_adds() -> anyhow::Result<()> {
    let Some(kyverno) = programs::kyverno().await? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str, objects: &[Value]| {
        let texts: Vec<String> = objects.iter().map(Value::to_string).collect();
        std::fs::write(path(name), texts.join("\n---\n"))
    };
    let policy = policy()?;
    // The program has the schemas of Kubernetes' own kinds and no others.
    let is_known = |object: &Value| url(object).is_some() && !matches!(object["kind"].as_str(), Some("Rollout" | "Notebook"));
    let objects: Vec<Value> = corpus::objects(SEED, KYVERNO_COUNT).into_iter().filter(is_known).collect();
    write("policy.yaml", &export(&policy, Form::KyvernoMutating, OnError::Ignore, Timestamp(0)).documents)?;
    write("objects.yaml", &objects)?;
    std::fs::create_dir(path("made"))?;
    let mut command = std::process::Command::new(kyverno);
    command.arg("apply").arg(path("policy.yaml")).arg("--resource").arg(path("objects.yaml")).arg("-o").arg(path("made"));
    let output = command.output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    let summary = told.lines().last().unwrap_or_default();
    anyhow::ensure!(output.status.success(), "{summary}: {}", String::from_utf8_lossy(&output.stderr));
    let mut changed = 0;
    for object in &objects {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let text =
            std::fs::read_to_string(path("made").join(format!("{name}-mutated.yaml"))).with_context(|| format!("{name} is missing"))?;
        let made = bare(manifests(&text)?.first().context("an object")?);
        let expected = expected(&policy, object, &Siblings::default())?;
        changed += usize::from(expected != bare(object));
        anyhow::ensure!(made == expected, "{object}\nis    {made}\nnot   {expected}");
    }
    println!("{} objects, of which {changed} changed", objects.len());
    anyhow::ensure!(changed > 15 && changed + 10 < objects.len(), "{changed} of {}", objects.len());
    Ok(())
}

/// Switches, controllers, and changes of what is there.
#[tokio::test(flavor = "multi_thread")]
async fn policies_leave_alone_what_the_decision_leaves_alone() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    cluster.apply_yaml("{apiVersion: v1, kind: Namespace, metadata: {name: search}}").await?;
    cluster.apply_yaml("{apiVersion: v1, kind: Namespace, metadata: {name: quiet, labels: {plimsoll.dev/defaults: 'off'}}}").await?;
    let job = |namespace: &str, more: &Value| {
        let mut object = json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "score", "namespace": namespace},
            "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never",
                "containers": [{"name": "a", "image": "a:v1", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}},
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            object["metadata"][key] = value.clone();
        }
        object
    };
    // It was there before anybody asked for defaults.
    cluster.apply(&[job("search", &json!({}))]).await?;
    bind(&cluster, &policy()?).await?;
    let labelled = |object: &Value| object["metadata"]["labels"]["plimsoll.dev/class"] == "batch";
    let is_labelled = async |object: Value| -> anyhow::Result<bool> { Ok(labelled(&ask(&cluster, &object).await?.context("refused")?)) };
    let named = |name: &str| json!({ "name": name });
    anyhow::ensure!(is_labelled(job("search", &named("new"))).await?);
    anyhow::ensure!(!is_labelled(job("quiet", &named("new"))).await?, "its namespace is off");
    let off = json!({ "name": "new", "annotations": {"plimsoll.dev/defaults": "off"} });
    anyhow::ensure!(!is_labelled(job("search", &off)).await?, "it is off itself");

    let path = "/apis/batch/v1/namespaces/search/cronjobs";
    let patch = async |change: Value| -> anyhow::Result<Value> {
        let request = Request::new(path).patch("score", &PatchParams::default(), &Patch::Merge(&change))?;
        Ok(cluster.client().request::<Value>(request).await?)
    };
    let template = |object: &Value| object["spec"]["jobTemplate"]["spec"]["template"].clone();
    let noted = patch(json!({ "metadata": {"annotations": {"note": "x"}} })).await?;
    anyhow::ensure!(!labelled(&noted) && template(&noted)["spec"]["tolerations"].is_null(), "nothing of its work changes: {noted}");
    let scheduled = patch(json!({ "spec": {"schedule": "0 4 * * *"} })).await?;
    anyhow::ensure!(
        labelled(&scheduled) && template(&scheduled)["spec"]["tolerations"].is_null(),
        "its pods stay as they are: {scheduled}"
    );
    let other = json!({ "spec": {"jobTemplate": {"spec": {"template": {"spec": {"priorityClassName": "system-node-critical"}}}}} });
    let changed = patch(other).await?;
    anyhow::ensure!(
        template(&changed)["spec"]["tolerations"].as_array().is_some_and(|all| all.len() == 2),
        "its author changes them: {changed}"
    );
    Ok(())
}
