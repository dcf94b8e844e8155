//! Kyverno's own command line judges by the exported ValidatingPolicies as the rules do. It needs no cluster.

use super::{GUARDRAILS, SEED, UNTOLD, judge_at, now, resources, siblings};
use anyhow::Context as _;
use plimsoll_decide::guard::{
    Policy, Siblings,
    export::{Form, OnError, export},
    rules,
};
use plimsoll_testkit::{cluster::manifests, corpus, programs};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

/// Out of how many objects those are taken that are asked about: Kyverno compiles every policy for each object, seconds in all.
const COUNT: usize = 1_000;

/// The first objects that break each rule, the first of each kind, and some that break nothing: a few dozen that tell of everything.
fn telling(policy: &Policy, siblings: &Siblings, objects: Vec<Value>) -> anyhow::Result<Vec<(Value, BTreeSet<String>)>> {
    let (mut rules, mut kinds, mut clean) = (BTreeSet::new(), BTreeSet::new(), 0);
    let mut taken = Vec::new();
    for object in objects {
        // Without an API server there is no moment of creation: what needs a clock is not judged.
        let judgement = judge_at(policy, &object, siblings, now(), None)?;
        let broken: BTreeSet<String> = judgement.breaches.iter().map(|breach| breach.rule.to_string()).collect();
        let is_new = broken.iter().filter(|rule| rules.insert((*rule).clone())).count() > 0;
        let is_first = kinds.insert(object["kind"].to_string());
        let is_clean = broken.is_empty() && clean < 4;
        clean += usize::from(is_clean);
        if is_new || is_first || is_clean {
            taken.push((object, broken));
        }
    }
    Ok(taken)
}

#[tokio::test(flavor = "multi_thread")]
async fn kyverno_judges_as_the_rules_do() -> anyhow::Result<()> {
    let Some(kyverno) = programs::kyverno().await? else { return Ok(()) };
    let policy = Policy::new(resources(&manifests(GUARDRAILS)?)?)?;
    let exported = export(&policy, Form::Kyverno, OnError::Fail, now());
    let spaces = manifests(corpus::SURROUNDINGS)?;
    let siblings = siblings(&spaces);
    let objects = telling(&policy, &siblings, corpus::objects(SEED, COUNT))?;

    let folder = tempfile::tempdir()?;
    let labels =
        |space: &Value| json!({"name": space["metadata"]["name"], "labels": space["metadata"].get("labels").unwrap_or(&json!({}))});
    let mut selectors: Vec<Value> = spaces.iter().filter(|object| object["kind"] == "Namespace").map(labels).collect();
    selectors.push(json!({"name": "default", "labels": {}}));
    let values =
        json!({"apiVersion": "cli.kyverno.io/v1alpha1", "kind": "Values", "metadata": {"name": "values"}, "namespaceSelector": selectors});
    write(folder.path(), "policies.yaml", &exported.documents)?;
    write(folder.path(), "objects.yaml", &objects.iter().map(|(object, _)| object.clone()).collect::<Vec<_>>())?;
    write(folder.path(), "values.yaml", &[values])?;
    let arguments =
        "apply policies.yaml --resource objects.yaml --values-file values.yaml --policy-report --output-format json --remove-color";
    let output = Command::new(kyverno).args(arguments.split(' ')).current_dir(folder.path()).output().context("cannot run kyverno")?;
    let told = reports(&String::from_utf8_lossy(&output.stdout))
        .with_context(|| format!("kyverno says {}", String::from_utf8_lossy(&output.stderr)))?;

    let (mut disagreements, mut broken_by) = (Vec::new(), BTreeMap::<String, usize>::new());
    for (object, wanted) in &objects {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        for rule in wanted {
            *broken_by.entry(rule.clone()).or_default() += 1;
        }
        let told = told.get(name).cloned().unwrap_or_default();
        if told != *wanted {
            disagreements.push(format!("{} {name}: Kyverno says {told:?}, the rules {wanted:?}; {object}", object["kind"]));
        }
    }
    println!("Kyverno and the rules on {} objects: {broken_by:?}", objects.len());
    anyhow::ensure!(
        disagreements.is_empty(),
        "{} disagree:\n{}",
        disagreements.len(),
        disagreements[..disagreements.len().min(8)].join("\n")
    );
    for rule in rules::ALL.iter().filter(|rule| !UNTOLD.contains(&rule.name) && rule.name != "peak-hours") {
        let broken = broken_by.get(rule.name).copied().unwrap_or_default();
        anyhow::ensure!(broken > 0 && broken < objects.len(), "{}: broken by {broken}: the corpus tells nothing of it", rule.name);
    }
    Ok(())
}

fn write(folder: &Path, name: &str, documents: &[Value]) -> anyhow::Result<()> {
    // JSON is YAML.
    let text: String = documents.iter().map(|document| format!("---\n{document}\n")).collect();
    Ok(std::fs::write(folder.join(name), text)?)
}

/// The rules that each object breaks, by the object's name.
fn reports(text: &str) -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut results = 0;
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let report: Value = serde_json::from_str(line)?;
        for result in report["results"].as_array().into_iter().flatten() {
            results += 1;
            let rule = result["policy"].as_str().and_then(|policy| policy.rsplit_once('.')).map(|(_, rule)| rule).unwrap_or_default();
            let name = result["resources"][0]["name"].as_str().or(report["scope"]["name"].as_str()).unwrap_or_default().to_owned();
            let message = result["message"].as_str().unwrap_or_default();
            match result["result"].as_str() {
                Some("pass" | "skip") => {}
                Some("fail" | "warn") => {
                    anyhow::ensure!(message.starts_with(&format!("{rule}: ")), "{name}: {message}");
                    told.entry(name).or_default().insert(rule.to_owned());
                }
                _ => anyhow::bail!("{rule} of {name}: {result}"),
            }
        }
    }
    anyhow::ensure!(results > 0, "there is no report in {text}");
    Ok(told)
}
