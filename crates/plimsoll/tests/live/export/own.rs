//! Rules of a user's own, exported, say of every object what they say in the webhook, in the same words.

use super::{COUNT, SEED, judge_at, now, resources, server::Server, siblings};
use anyhow::{Context as _, ensure};
use plimsoll_decide::guard::{
    Breach, Policy,
    export::{Exported, Form, OnError, export},
};
use plimsoll_testkit::{Cluster, cluster::Options, cluster::manifests, corpus};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub const GUARDRAILS: &str = include_str!("own.yaml");

/// To how many letters the API server cuts warnings short where there are many.
const WARNING_MAX: usize = 256;

/// So many objects are asked about until every policy has told something: then all of them are in force.
const PROBES: usize = 200;

/// How many of each rule the corpus must tell of, at the least.
const TOLD_MIN: usize = 5;

/// On one line, with one blank between words.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As a policy says it.
fn words(breach: &Breach) -> String {
    plain(&format!("{}: {}. {}. {}", breach.rule, breach.says, breach.why, breach.fix.says))
}

/// The rule of each expression, with its policy before it.
fn rules(policies: &Exported) -> BTreeMap<String, String> {
    let rules = policies.documents.iter().flat_map(|document| {
        let policy = document["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        document["spec"]["validations"].as_array().into_iter().flatten().filter_map(move |validation| {
            let (rule, _) = validation["message"].as_str()?.split_once(": ")?;
            Some((format!("{policy} {}", validation["expression"].as_str()?), rule.to_owned()))
        })
    });
    rules.collect()
}

/// What policies say of an object, and what the rules say of it, where they are not of one mind.
#[derive(Debug, Default)]
struct Compared {
    broken: BTreeMap<String, usize>,
    kept: BTreeMap<String, usize>,
    disagreements: Vec<String>,
}

impl Compared {
    fn take(&mut self, object: &Value, said: &[Said], breaches: &[Breach]) {
        let of_rules: BTreeMap<&str, String> = breaches.iter().map(|breach| (&*breach.rule, words(breach))).collect();
        let of_policies: BTreeSet<&str> = said.iter().map(|said| &*said.rule).collect();
        for rule in RULES {
            *(if of_rules.contains_key(rule) { &mut self.broken } else { &mut self.kept }).entry((*rule).to_owned()).or_default() += 1;
        }
        let subject = format!("{} {}", object["kind"], object["metadata"]["name"]);
        if of_policies != of_rules.keys().copied().collect() {
            self.disagreements.push(format!("{subject}: policies say {said:?}, and the rules {of_rules:?}; {object}"));
        }
        for Said { rule, text, is_cut, .. } in said {
            let Some(text) = text else { continue };
            let says = of_rules.get(&**rule).map(String::as_str).unwrap_or_default();
            if says != text && !(*is_cut && says.starts_with(text)) {
                self.disagreements.push(format!("{subject}: a policy says {text:?}, and the rule {says:?}"));
            }
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        println!("broken: {:?}", self.broken);
        let some: Vec<&String> = self.disagreements.iter().take(8).collect();
        ensure!(some.is_empty(), "{} disagree, such as {some:#?}", self.disagreements.len());
        for rule in RULES {
            let (broken, kept) = (self.broken.get(*rule).copied().unwrap_or(0), self.kept.get(*rule).copied().unwrap_or(0));
            ensure!(broken >= TOLD_MIN && kept >= TOLD_MIN, "{rule}: broken by {broken}, kept by {kept}: the corpus tells nothing of it");
        }
        Ok(())
    }
}

/// What one policy says.
#[derive(Debug)]
struct Said {
    policy: String,
    rule: String,
    /// None: its expression had no result.
    text: Option<String>,
    is_cut: bool,
}

/// The rules of the guardrails.
pub const RULES: &[&str] = &[
    "class-is",
    "containers-by-digest",
    "cpu-requests",
    "devices-at-most",
    "devices-known",
    "few-containers",
    "functions",
    "memory-limits",
    "names",
    "namespace-labels",
    "namespace-tier",
    "object-labels",
    "object-replicas",
    "places",
    "pods-annotations",
    "pods-at-once",
    "pods-labels",
    "served",
    "team-is",
    "types",
];

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_a_users_own_judge_two_thousand_objects_as_policies_too() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    cluster.apply(&corpus::definitions()).await?;
    cluster.apply_yaml(corpus::SURROUNDINGS).await?;
    let policy = Policy::new(resources(&manifests(GUARDRAILS)?)?)?;
    let now = now();
    let exported = export(&policy, Form::ValidatingAdmissionPolicy, OnError::Fail, now);
    let whole: Vec<_> = exported.left_out.iter().filter(|left_out| left_out.whole).collect();
    ensure!(whole.is_empty(), "{whole:?} are left out");
    let by_expression = rules(&exported);

    // Whoever is only warned gets an answer that shows the object as policies have seen it, with all that the API server adds.
    let mut documents = exported.documents.clone();
    for binding in documents.iter_mut().filter(|document| document["kind"] == "ValidatingAdmissionPolicyBinding") {
        binding["spec"]["validationActions"] = json!(["Warn"]);
    }
    documents.sort_by_key(|document| document["kind"].as_str().map(str::len));
    cluster.apply(&documents).await?;
    let server = Server::new(&cluster);
    let siblings = siblings(&server.namespaces().await?);
    let objects: Vec<Value> = corpus::objects(SEED, COUNT).into_iter().chain([wide()]).collect();
    let policies: BTreeSet<&str> = exported.documents.iter().filter_map(|document| document["metadata"]["name"].as_str()).collect();
    cluster
        .wait_for("the policies to be in force", async || {
            let mut telling = BTreeSet::new();
            for (warnings, ..) in server.send_all(&objects[..PROBES]).await?.into_iter().flatten() {
                telling.extend(all_said(&warnings, &by_expression)?.into_iter().map(|said| said.policy));
            }
            Ok(policies.iter().all(|policy| telling.contains(*policy)).then_some(()))
        })
        .await?;

    let (mut compared, mut otherwise) = (Compared::default(), 0);
    for (object, answer) in objects.iter().zip(server.send_all(&objects).await?) {
        let Some((warnings, _, seen)) = answer.filter(|(_, status, _)| status.is_success()) else {
            otherwise += 1;
            continue;
        };
        let said = all_said(&warnings, &by_expression).with_context(|| object.to_string())?;
        compared.take(&seen, &said, &judge_at(&policy, &seen, &siblings, now, Some(now))?.breaches);
    }
    ensure!(otherwise < 200, "{otherwise} are refused by the API server itself");
    compared.check()
}

/// What policies say in the warnings of an answer.
fn all_said(warnings: &[String], by_expression: &BTreeMap<String, String>) -> anyhow::Result<Vec<Said>> {
    let of_policies = warnings.iter().filter(|warning| warning.contains("ValidatingAdmissionPolicy '"));
    of_policies.map(|warning| said(warning, by_expression).with_context(|| format!("no policy of ours says {warning}"))).collect()
}

fn said(warning: &str, by_expression: &BTreeMap<String, String>) -> Option<Said> {
    // A header's text in quotes: RFC 7234, section 5.5.
    let quoted = warning.split_once('"')?.1.strip_suffix('"')?;
    let mut told = String::new();
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        told.push(if letter == '\\' { letters.next()? } else { letter });
    }
    let is_cut = told.chars().count() >= WARNING_MAX;
    let (_, rest) = told.split_once("ValidatingAdmissionPolicy '")?;
    let (policy, rest) = rest.split_once('\'')?;
    let (_, text) = rest.split_once("': ")?;
    let policy = policy.to_owned();
    let Some(expression) = text.strip_prefix("expression '") else {
        let (rule, _) = text.split_once(": ")?;
        return Some(Said { policy, rule: rule.to_owned(), text: Some(plain(text)), is_cut });
    };
    // It has had no result, and the expression is shown.
    let begins = format!("{policy} {} || ", expression.split_once(" || ")?.0);
    let (_, rule) = by_expression.iter().find(|(expression, _)| expression.starts_with(&begins))?;
    Some(Said { policy, rule: rule.clone(), text: None, is_cut })
}

/// As many containers as a rule of a user's own looks at.
fn wide() -> Value {
    let container = |number: usize| {
        let resources = json!({"requests": {"cpu": "8", "memory": "64Gi"}, "limits": {"memory": "64Gi", "nvidia.com/gpu": 1}});
        json!({"name": format!("c{number}"), "image": "ghcr.io/acme/trainer:v2", "resources": resources})
    };
    let pod = json!({
        "nodeSelector": {"pool": "NVIDIA-L4"},
        "containers": (0..5).map(container).collect::<Vec<_>>(),
    });
    let jobs = (0..40).map(|number| json!({"name": format!("g{number}"), "template": {"spec": {"template": {"spec": pod}}}}));
    json!({
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {"name": "wide", "namespace": "vision", "labels": {"owner": "ann"}},
        "spec": {"replicatedJobs": jobs.collect::<Vec<_>>()},
    })
}
