//! The webhook at a real API server says of every object what the rules say of it: of the examples of every rule, and of the corpus that
//! exported policies are held to.

use crate::{
    export::{completed, judge_at, resources, server::Server},
    replica::Replica,
    webhook::define,
};
use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Api,
    api::{ApiResource, DeleteParams, ListParams, Patch, PatchParams},
    core::DynamicObject,
};
use plimsoll_decide::guard::{Policy, rules};
use plimsoll_fleet::Timestamp;
use plimsoll_observe::decisions::{Entry, Records};
use plimsoll_testkit::{Cluster, cluster::Options, cluster::manifests, corpus};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::BufReader,
    path::Path,
    time::Duration,
};

/// Kinds of an example that stand beside what is judged: they are really made.
const BESIDE: [&str; 6] =
    ["Namespace", "PodDisruptionBudget", "HorizontalPodAutoscaler", "ResourceClaim", "ResourceClaimTemplate", "PriorityClass"];

/// Examples of the rules that need what only a cluster knows.
const SPENT: &str = "
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: example}
spec: {rules: [{name: budget-left, mode: enforce}]}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Team
metadata: {name: spent}
spec: {namespaces: [spent], budget: {month: 100, currency: USD}}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Team
metadata: {name: thrifty}
spec: {namespaces: [thrifty], budget: {month: 100, currency: USD}}
---
apiVersion: v1
kind: Pod
metadata: {name: refused-spent, namespace: spent}
spec: {containers: [{name: main, image: 'a:v1', resources: {limits: {nvidia.com/gpu: 1}}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: accepted-thrifty, namespace: thrifty}
spec: {containers: [{name: main, image: 'a:v1', resources: {limits: {nvidia.com/gpu: 1}}}]}
";
const SIZES: &str = "
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: example}
spec: {rules: [{name: image-size, mode: enforce, parameters: {most: 10}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: refused-huge, namespace: team-a}
spec: {containers: [{name: main, image: 'acme/huge:v1', resources: {limits: {nvidia.com/gpu: 1}}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: accepted-small, namespace: team-a}
spec: {containers: [{name: main, image: 'acme/small:v1', resources: {limits: {nvidia.com/gpu: 1}}}]}
";

/// What the webhook made of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    In,
    Refused,
    /// Refused before the webhook was asked, or of a kind that the API server does not know.
    Otherwise,
}

async fn ask(server: &Server<'_>, object: &Value) -> anyhow::Result<Came> {
    let Some((_, status, answer)) = server.send(object).await? else { return Ok(Came::Otherwise) };
    let message = answer["message"].as_str().unwrap_or_default();
    Ok(match message {
        _ if status.is_success() => Came::In,
        _ if message.contains("\"validate.plimsoll.dev\" denied the request") => Came::Refused,
        _ => Came::Otherwise,
    })
}

fn is_ours(object: &Value) -> bool {
    object["apiVersion"].as_str().is_some_and(|version| version.starts_with("plimsoll.dev/"))
}

/// Takes all guardrails, teams and pools away.
async fn clear(cluster: &Cluster) -> anyhow::Result<()> {
    for (kind, plural) in [("Guardrail", "guardrails"), ("Team", "teams"), ("Pool", "pools")] {
        let api: Api<DynamicObject> = Api::all_with(cluster.client(), &ours(kind, plural));
        api.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    }
    Ok(())
}

fn ours(kind: &str, plural: &str) -> ApiResource {
    let (group, version) = (plimsoll_api::GROUP.to_owned(), plimsoll_api::VERSION.to_owned());
    ApiResource { api_version: format!("{group}/{version}"), group, version, kind: kind.to_owned(), plural: plural.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_refuses_and_accepts_the_examples_of_every_rule() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    define(&cluster).await?;
    cluster.apply(&corpus::definitions()).await?;
    cluster.apply_yaml(corpus::SURROUNDINGS).await?;
    let replica = Replica::start(&cluster, "a", &["--register", "--failure-policy", "fail"]).await?;
    replica.asked(&cluster).await?;
    // A node that knows how large images are.
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "sizes", "annotations": { plimsoll_testkit::cluster::NO_KUBELET: "" } },
        "status": { "images": [{ "names": ["acme/huge:v1"], "sizeBytes": 11_u64 << 30 }, { "names": ["acme/small:v1"], "sizeBytes": 9_u64 << 30 }] } });
    cluster.apply(&[node]).await?;
    let server = Server::new(&cluster);
    for rule in rules::ALL.iter().map(|rule| rule.name) {
        let text = match rule {
            "budget-left" => SPENT.to_owned(),
            "image-size" => SIZES.to_owned(),
            _ => std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guard").join(format!("{rule}.yaml")))?,
        };
        let (refused, accepted) = examples(&cluster, &server, rule, &text).await?;
        println!("{rule}: {refused} refused, {accepted} let in");
        ensure!(refused > 0 && accepted > 0, "{rule}: {refused} refused, {accepted} let in");
    }
    replica.stop().await
}

/// How many examples were refused, and how many let in: each as its name says.
async fn examples(cluster: &Cluster, server: &Server<'_>, rule: &str, text: &str) -> anyhow::Result<(usize, usize)> {
    clear(cluster).await?;
    let (mut settings, objects): (Vec<Value>, Vec<Value>) = manifests(text)?.into_iter().partition(is_ours);
    if rule == "peak-hours" {
        // The webhook's clock cannot be set: it is always a peak hour.
        for guardrail in settings.iter_mut().filter(|object| object["kind"] == "Guardrail") {
            guardrail["spec"]["rules"][0]["parameters"] =
                json!({ "from": 0, "to": 24, "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] });
        }
    }
    let (spaces, objects): (Vec<Value>, Vec<Value>) = objects.into_iter().partition(|object| object["kind"] == "Namespace");
    let named = objects.iter().filter_map(|object| object["metadata"]["namespace"].as_str()).collect::<BTreeSet<_>>();
    let plain = named.into_iter().map(|name| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }));
    cluster.apply(&plain.chain(spaces).collect::<Vec<_>>()).await?;
    let is_beside = |object: &&Value| BESIDE.contains(&object["kind"].as_str().unwrap_or_default());
    let beside: Vec<Value> = objects.iter().filter(is_beside).map(served).collect();
    // The rules before may hold for another moment.
    cluster.wait_for("what stands beside", async || cluster.apply(&beside).await.map(Some)).await?;
    cluster.apply(&settings).await?;
    if rule == "budget-left" {
        let teams: Api<DynamicObject> = Api::all_with(cluster.client(), &ours("Team", "teams"));
        let month = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m").to_string();
        for (team, amount) in [("spent", 100.0), ("thrifty", 99.0)] {
            let status = json!({ "status": { "spent": { "month": month, "amount": amount } } });
            teams.patch_status(team, &PatchParams::default(), &Patch::Merge(status)).await?;
        }
    }
    let judged: Vec<Value> = objects
        .iter()
        .filter(|object| name(object).starts_with("refused-") || name(object).starts_with("accepted-"))
        .map(|object| completed(object, rule))
        .collect();
    let wanted = |object: &Value| if name(object).starts_with("refused-") { Came::Refused } else { Came::In };
    // Rules, and what stands beside, reach the webhook by watches: in a moment.
    let mut last = Vec::new();
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let mut wrong = Vec::new();
            let (mut refused, mut accepted) = (0, 0);
            for object in &judged {
                match ask(server, object).await? {
                    Came::Otherwise => {}
                    came if came != wanted(object) => wrong.push(format!("{} {}: {came:?}", object["kind"], name(object))),
                    Came::Refused => refused += 1,
                    Came::In => accepted += 1,
                }
            }
            if wrong.is_empty() {
                return anyhow::Ok((refused, accepted));
            }
            last = wrong;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await;
    waited.map_err(|_| anyhow::anyhow!("{rule}: {last:?}"))?
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// As a real API server takes it: what is scaled has an API version, and claims are of the version that is served.
fn served(object: &Value) -> Value {
    let mut object = object.clone();
    if object["kind"] == "HorizontalPodAutoscaler" && object["spec"]["scaleTargetRef"]["apiVersion"].is_null() {
        object["spec"]["scaleTargetRef"]["apiVersion"] = "apps/v1".into();
    }
    if object["apiVersion"].as_str().is_some_and(|version| version.starts_with("resource.k8s.io/v1beta")) {
        object["apiVersion"] = "resource.k8s.io/v1".into();
        let spec = if object["kind"] == "ResourceClaim" { "/spec" } else { "/spec/spec" };
        let requests = object.pointer_mut(&format!("{spec}/devices/requests")).and_then(Value::as_array_mut);
        for request in requests.into_iter().flatten().filter(|request| request["exactly"].is_null() && request["firstAvailable"].is_null())
        {
            let mut exactly = request.clone();
            let name = exactly.as_object_mut().and_then(|exactly| exactly.remove("name"));
            *request = json!({ "name": name, "exactly": exactly });
        }
    }
    object
}

/// The same two thousand objects that exported policies are asked about, by the same guardrails.
#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_judges_two_thousand_objects_as_the_rules_do() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    define(&cluster).await?;
    cluster.apply(&corpus::definitions()).await?;
    let around = cluster.apply_yaml(corpus::SURROUNDINGS).await?;
    let around = around.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    cluster.apply_yaml(crate::export::GUARDRAILS).await?;
    let replica = Replica::start(&cluster, "a", &["--register", "--failure-policy", "fail"]).await?;
    replica.asked(&cluster).await?;
    let policy = Policy::new(resources(&manifests(crate::export::GUARDRAILS)?)?)?;
    let mut siblings = crate::export::siblings(&around);
    // All budgets that there are are known: none.
    siblings.complete = true;
    let server = Server::new(&cluster);
    let objects = corpus::objects(crate::export::SEED, crate::export::COUNT);
    let asked = objects.iter().map(async |object| anyhow::Ok((key(object), ask(&server, object).await?)));
    let came: BTreeMap<String, Came> = stream::iter(asked).buffered(16).try_collect().await?;
    let broken = recorded(&replica, objects.len())?;
    let mut disagreements = Vec::new();
    let (mut refused, mut accepted, mut by_rule) = (0, 0, BTreeMap::<String, u32>::new());
    for object in &objects {
        let came = came[&key(object)];
        if came == Came::Otherwise {
            continue;
        }
        let now = Timestamp(jiff::Timestamp::now().as_second());
        let judgement = judge_at(&policy, object, &siblings, now, Some(now))?;
        let wanted: BTreeSet<String> = judgement.breaches.iter().map(|breach| breach.rule.to_string()).collect();
        let told = broken.get(&key(object)).cloned().unwrap_or_default();
        if came == Came::Refused {
            refused += 1
        } else {
            accepted += 1
        }
        for rule in &told {
            *by_rule.entry(rule.clone()).or_default() += 1;
        }
        if wanted != told || wanted.is_empty() != (came == Came::In) {
            disagreements.push(format!("{}: {came:?}; the rules say {wanted:?}, the webhook {told:?}: {object}", key(object)));
        }
    }
    println!("{refused} refused, {accepted} let in; objects by rule: {by_rule:?}");
    ensure!(refused > 300 && accepted > 100, "{refused} refused, {accepted} let in");
    ensure!(by_rule.len() >= 20, "{by_rule:?}");
    ensure!(disagreements.is_empty(), "{} disagree:\n{}", disagreements.len(), disagreements[..disagreements.len().min(8)].join("\n"));
    replica.stop().await
}

fn key(object: &Value) -> String {
    format!("{} {}/{}", object["kind"], object["metadata"]["namespace"], object["metadata"]["name"]).replace('"', "")
}

/// The rules that each object broke, as the webhook's record has it.
fn recorded(replica: &Replica, most: usize) -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let file = std::fs::File::open(replica.record()).context("no record")?;
    let mut broken = BTreeMap::new();
    for entry in Records::new(BufReader::new(file)).take(4 * most) {
        match entry? {
            Entry::Record(record) => {
                let rules = record.breaches.iter().map(|breach| breach.rule.clone()).collect();
                broken.insert(key(&record.object.json()), rules);
            }
            Entry::Broken { line, why } => anyhow::bail!("line {line}: {why}"),
        }
    }
    Ok(broken)
}
