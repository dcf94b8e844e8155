//! Exported policies on a real API server say of every object what the rules say of it: rule by rule, refused or let in.

mod changes;
mod debugging;
mod kyverno;
mod own;
pub mod server;

use plimsoll_decide::guard::{
    self, Judgement, Policy, Siblings, State, Submitted,
    export::{Form, OnError, export},
    rules,
};
use plimsoll_fleet::Timestamp;
use plimsoll_observe::manifest;
use plimsoll_testkit::{Cluster, cluster::Options, cluster::manifests, corpus};
use serde_json::{Value, json};
use server::{Answer, Server};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Instant,
};

/// Rules that a policy cannot say.
const UNTOLD: [&str; 3] = ["budget-left", "disruption-budget", "image-size"];

/// Guardrails that overrule each other, by every selector there is, with exemptions that hold and one that is over.
pub const GUARDRAILS: &str = "
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: all}
spec:
  mode: enforce
  rules:
  - {name: gpu-namespaces, mode: enforce, parameters: {allowed: [search, vision, lab]}}
  - {name: gpus-per-workload, mode: enforce, parameters: {most: 16}}
  - {name: gpu-models, mode: enforce, parameters: {with-reason: ['*b200*', '*B200*']}}
  - {name: node-types, mode: enforce, parameters: {allowed: ['p5.*', g6.xlarge], with-reason: [p5.48xlarge]}}
  - {name: image-registries, mode: enforce, parameters: {allowed: ['ghcr.io/acme/*', 'docker.io/vllm/*', 'registry.local:5000/*']}}
  - {name: priority-class, mode: enforce, parameters: {online: [serving], dev: ['batch-*']}}
  - {name: peak-hours, mode: enforce, parameters: {gpus: 4, from: 0, to: 24, days: [mon, tue, wed, thu, fri, sat, sun]}}
  - {name: idle-timeout, mode: enforce, parameters: {most: 24}}
  - {name: job-limits, mode: enforce, parameters: {retries-most: 4}}
  exemptions:
  - {rules: [probes, image-tags], namespace: search, name: 'llm-*1*', reason: known, expires: 2999-12-31}
  - {rules: ['*'], kind: Notebook, namespace: 'l*b', reason: a workshop, expires: 2999-12-31}
  - {rules: ['*'], reason: it is over, expires: 2020-01-01}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: online.strict}
spec:
  classes: [online]
  precedence: 10
  rules:
  - {name: gpus-per-pod, mode: enforce, parameters: {most: 4}}
  - {name: image-tags, mode: enforce, parameters: {digest: true}}
  - {name: resource-bounds, mode: enforce, parameters: {guaranteed: true}}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: gold}
spec:
  namespaces: {names: ['v*', 'shop-*'], except: [shop-x], matchLabels: {tier: gold}}
  precedence: 10
  rules:
  - {name: gpus-per-pod, mode: enforce, parameters: {most: 2}}
  - {name: required-labels, mode: enforce, parameters: {labels: ['owner|team', cost-centre]}}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: pool}
spec:
  pools: [l4, h1*]
  precedence: 20
  rules:
  - {name: gpus-per-pod, mode: 'off'}
  - {name: gpu-models, mode: enforce, parameters: {allowed: ['*L4'], named: true}}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: team}
spec:
  teams: [vision, 'no*']
  precedence: 5
  rules:
  - {name: idle-timeout, mode: enforce, parameters: {most: 1}}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Team
metadata: {name: search}
spec: {namespaces: [sea*], limits: {gpus: 8}, models: [NVIDIA-L4, 'NVIDIA-H100*', nvidia-l4]}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Team
metadata: {name: vision}
spec: {limits: {gpus: 4}}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Pool
metadata: {name: l4}
spec: {nodeLabels: {pool: l4}, sharing: time-slicing, taints: [{key: dedicated, value: l4, effect: NoSchedule}]}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Pool
metadata: {name: h100}
spec: {nodeLabels: {pool: h100}, gpusPerNode: 8, cpusPerNode: 192, memoryGiBPerNode: 2048, taints: [{key: nvidia.com/gpu, effect: NoSchedule}]}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Pool
metadata: {name: mps}
spec: {nodeLabels: {nvidia.com/gpu.sharing-strategy: mps, nvidia.com/gpu.product: NVIDIA-L4}, sharing: mps}
";

/// How many objects, of which seed.
pub const COUNT: usize = 2_000;
pub const SEED: u64 = 20_261_130;

/// Warnings that an answer has room for: beyond, the API server cuts and drops them.
const WARNINGS_MAX: usize = 14;

#[tokio::test(flavor = "multi_thread")]
async fn policies_judge_two_thousand_objects_as_the_rules_do() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    cluster.apply(&corpus::definitions()).await?;
    let around = cluster.apply_yaml(corpus::SURROUNDINGS).await?;
    let siblings = siblings(&around.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?);
    let policy = Policy::new(resources(&manifests(GUARDRAILS)?)?)?;
    let now = now();
    let exported = export(&policy, Form::ValidatingAdmissionPolicy, OnError::Fail, now);
    let server = Server::new(&cluster);
    server.bind(&exported.documents, None).await?;
    let warnings = server.type_warnings().await?;
    assert!(warnings.is_empty(), "{}", warnings.join("\n"));

    let objects = corpus::objects(SEED, COUNT);
    let begun = Instant::now();
    let answers = server.ask_all(&objects).await?;
    println!("{COUNT} objects asked about in {:.1} s", begun.elapsed().as_secs_f64());

    let mut count = Count::default();
    let mut disagreements = Vec::new();
    for (object, answer) in objects.iter().zip(&answers) {
        let judgement = judge(&policy, object, &siblings, now)?;
        disagreements.extend(count.take(object, &judgement, answer));
    }
    println!("{count}");
    let begun = Instant::now();
    let answer = server.ask(&large()).await?;
    println!("an object of {} containers: {answer:?} after {:.1} s", LARGE * 5, begun.elapsed().as_secs_f64());
    anyhow::ensure!(matches!(answer, Answer::Judged { refused: true, .. }), "{answer:?}");
    anyhow::ensure!(
        disagreements.is_empty(),
        "{} disagree, such as:\n{}",
        disagreements.len(),
        disagreements[..disagreements.len().min(12)].join("\n")
    );
    count.check()
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_judge_the_examples_of_every_rule_as_the_rules_do() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    cluster.apply(&corpus::definitions()).await?;
    cluster.apply_yaml(corpus::SURROUNDINGS).await?;
    let (server, now) = (Server::new(&cluster), now());
    let mut cases = Vec::new();
    for rule in rules::ALL.iter().map(|rule| rule.name).filter(|rule| !UNTOLD.contains(rule)) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guard").join(format!("{rule}.yaml"));
        let text = std::fs::read_to_string(&path)?;
        let (mut ours, objects): (Vec<Value>, Vec<Value>) = manifests(&text)?
            .into_iter()
            .partition(|object| object["apiVersion"].as_str().is_some_and(|version| version.starts_with("plimsoll.dev/")));
        if rule == "peak-hours" {
            // The API server's clock cannot be set: it is always a peak hour.
            for guardrail in ours.iter_mut().filter(|object| object["kind"] == "Guardrail") {
                guardrail["spec"]["rules"][0]["parameters"] =
                    json!({"from": 0, "to": 24, "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]});
            }
        }
        let policy = Policy::new(resources(&ours)?)?;
        let exported = export(&policy, Form::ValidatingAdmissionPolicy, OnError::Fail, now);
        server.bind(&exported.documents, Some(rule)).await?;
        let (spaces, objects): (Vec<Value>, Vec<Value>) = objects.into_iter().partition(|object| object["kind"] == "Namespace");
        let named = objects.iter().filter_map(|object| object["metadata"]["namespace"].as_str()).collect::<BTreeSet<_>>();
        let plain = named.into_iter().map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        cluster.apply(&plain.chain(spaces).collect::<Vec<_>>()).await?;
        cases.push((rule, policy, objects.iter().map(|object| completed(object, rule)).collect::<Vec<_>>()));
    }
    let siblings = siblings(&server.namespaces().await?);
    let mut disagreements = Vec::new();
    for (rule, policy, objects) in &cases {
        let mut wrong = Vec::new();
        for object in objects {
            if judge(policy, object, &siblings, now)?.breaches.iter().any(|breach| breach.mode == plimsoll_api::Mode::Enforce) {
                wrong.push(object.clone());
            }
        }
        cluster
            .wait_for(&format!("the policy of {rule} to be in force"), async || {
                let answers = server.ask_all(&wrong).await?;
                Ok(answers.iter().any(|answer| matches!(answer, Answer::Judged { refused: true, .. })).then_some(()))
            })
            .await?;
        let mut count = Count::default();
        for (object, answer) in objects.iter().zip(server.ask_all(objects).await?) {
            let judgement = judge(policy, object, &siblings, now)?;
            disagreements.extend(count.take(object, &judgement, &answer));
        }
        let (refused, kept) = count.of(rule);
        println!("{rule}: {refused} refused, {kept} let in, {} that the API server refuses or does not know", count.otherwise);
        anyhow::ensure!(refused > 0 && kept > 0, "{rule}: {refused} refused, {kept} let in");
    }
    anyhow::ensure!(disagreements.is_empty(), "{} disagree:\n{}", disagreements.len(), disagreements.join("\n"));
    Ok(())
}

/// Pods of the large object: policies have room for it within the bounds that the API server sets them.
const LARGE: usize = 200;

fn large() -> Value {
    let container = |number: usize| {
        let resources = json!({"requests": {"cpu": "8", "memory": "64Gi"}, "limits": {"memory": "64Gi", "nvidia.com/gpu": 1}});
        json!({"name": format!("c{number}"), "image": "ghcr.io/acme/trainer:v2", "resources": resources})
    };
    let pod = json!({
        "nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-L4"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        "containers": (0..5).map(container).collect::<Vec<_>>(),
    });
    let jobs = (0..LARGE).map(|number| json!({"name": format!("g{number}"), "template": {"spec": {"template": {"spec": pod}}}}));
    json!({
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {"name": "large", "namespace": "search"},
        "spec": {"replicatedJobs": jobs.collect::<Vec<_>>()},
    })
}

/// What the rules say of an object alone, in namespaces that are known: as a webhook that has seen nothing else.
fn judge(policy: &Policy, object: &Value, siblings: &Siblings, now: Timestamp) -> anyhow::Result<Judgement> {
    judge_at(policy, object, siblings, now, Some(now))
}

/// The same, at a moment that may not be known.
pub fn judge_at(
    policy: &Policy,
    object: &Value,
    siblings: &Siblings,
    today: Timestamp,
    at: Option<Timestamp>,
) -> anyhow::Result<Judgement> {
    let (documents, errors) = manifest::read(&object.to_string());
    anyhow::ensure!(errors.is_empty(), "{errors:?}");
    let document = documents.first().ok_or_else(|| anyhow::anyhow!("{object} is no object"))?;
    let written = document.written().ok_or_else(|| anyhow::anyhow!("{object} is of no kind"))?;
    let submitted = Submitted { written: &written, json: &|parts| document.node.json_of(parts) };
    Ok(guard::judge(policy, &submitted, siblings, &State { at, admitted: true, ..State::default() }, today))
}

pub fn siblings(namespaces: &[Value]) -> Siblings {
    let mut siblings = Siblings::new(false);
    for namespace in namespaces.iter().filter(|object| object["kind"] == "Namespace" || object["spec"]["finalizers"].is_array()) {
        let labels = namespace["metadata"]["labels"].as_object().into_iter().flatten();
        let labels = labels.map(|(key, value)| (key.as_str().into(), value.as_str().unwrap_or_default().into())).collect();
        siblings.namespace(namespace["metadata"]["name"].as_str().unwrap_or_default().into(), labels);
    }
    siblings
}

pub fn resources(objects: &[Value]) -> anyhow::Result<Vec<plimsoll_api::Resource>> {
    let read = objects.iter().map(|object| Ok(plimsoll_api::read(object)?));
    Ok(read.collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(since.as_secs() as i64)
}

/// An example with what the API server asks for beside what the example is about, and a label to bind its policy by.
pub fn completed(object: &Value, rule: &str) -> Value {
    let mut object = object.clone();
    object["metadata"]["labels"]["example"] = json!(rule);
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let ends = matches!(&*kind, "Job" | "CronJob");
    let template = match &*kind {
        "Pod" => &mut object,
        "CronJob" => {
            if object["spec"]["schedule"].is_null() {
                object["spec"]["schedule"] = json!("0 3 * * *");
            }
            &mut object["spec"]["jobTemplate"]["spec"]["template"]
        }
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => &mut object["spec"]["template"],
        _ => return object,
    };
    for key in ["initContainers", "containers"] {
        for container in template["spec"][key].as_array_mut().into_iter().flatten() {
            if container["image"].is_null() {
                container["image"] = json!("ghcr.io/acme/pause:v1");
            }
        }
    }
    if ends {
        template["spec"]["restartPolicy"] = json!("Never");
    } else if kind != "Pod" {
        let app = template["metadata"]["labels"]["app"].as_str().unwrap_or("example").to_owned();
        template["metadata"]["labels"]["app"] = json!(app);
        object["spec"]["selector"] = json!({"matchLabels": {"app": app}});
    }
    object
}

/// What was said, rule by rule.
#[derive(Debug, Default)]
struct Count {
    /// Refused and kept, of objects that ask for accelerators or are refused.
    by_rule: BTreeMap<&'static str, (u32, u32)>,
    refused: u32,
    let_in: u32,
    /// Refused by the API server before any policy, or of a kind that it does not know.
    otherwise: u32,
    /// Of which more is wrong than an answer has room for.
    full: u32,
}

impl Count {
    /// Takes an answer in; says where it is not what the rules say.
    fn take(&mut self, object: &Value, judgement: &Judgement, answer: &Answer) -> Option<String> {
        let broken: BTreeSet<&str> = judgement.breaches.iter().map(|breach| &*breach.rule).collect();
        let subject = format!("{} {}", object["kind"], object["metadata"]["name"]).replace('"', "");
        let (told, refused) = match answer {
            Answer::Otherwise => {
                self.otherwise += 1;
                return None;
            }
            Answer::Judged { broken, refused } => (broken, *refused),
        };
        *(if refused { &mut self.refused } else { &mut self.let_in }) += 1;
        for rule in rules::ALL {
            let entry = self.by_rule.entry(rule.name).or_default();
            if told.contains(rule.name) {
                entry.0 += 1;
            } else if judgement.wants_gpus {
                entry.1 += 1;
            }
        }
        let enforced = judgement.breaches.iter().any(|breach| breach.mode == plimsoll_api::Mode::Enforce);
        if enforced != refused {
            return Some(format!("{subject}: refused is {refused}, and the rules say {broken:?}; told {told:?}; {object}"));
        }
        if broken.len() > WARNINGS_MAX {
            self.full += 1;
            return None;
        }
        let told: BTreeSet<&str> = told.iter().map(String::as_str).collect();
        (told != broken).then(|| {
            let (more, less) = (told.difference(&broken).collect::<Vec<_>>(), broken.difference(&told).collect::<Vec<_>>());
            format!("{subject}: policies say {more:?} beyond the rules, and the rules {less:?} beyond them; {object}")
        })
    }

    fn of(&self, rule: &str) -> (u32, u32) {
        self.by_rule.get(rule).copied().unwrap_or_default()
    }

    /// Every rule that policies can say was broken by some and kept by others, and most objects came to be judged.
    fn check(&self) -> anyhow::Result<()> {
        for rule in rules::ALL.iter().filter(|rule| !UNTOLD.contains(&rule.name)) {
            let (refused, kept) = self.of(rule.name);
            anyhow::ensure!(refused > 0 && kept > 0, "{}: {refused} refused, {kept} kept: the corpus tells nothing of it", rule.name);
        }
        anyhow::ensure!(self.refused > 100 && self.let_in > 100, "{} refused, {} let in", self.refused, self.let_in);
        anyhow::ensure!(self.otherwise < 200 && self.full < 20, "{} not judged, {} too full", self.otherwise, self.full);
        Ok(())
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (rule, (refused, kept)) in &self.by_rule {
            writeln!(out, "{rule:26} broken by {refused:5}, kept by {kept:5}")?;
        }
        let Self { refused, let_in, otherwise, full, .. } = self;
        write!(
            out,
            "{refused} refused, {let_in} let in, {otherwise} refused by the API server itself, {full} with more warnings than an answer holds"
        )
    }
}
