//! Kyverno judges by the exported ValidatingPolicies as the rules do. It needs no cluster.
//!
//! All objects are judged by its engine, in a program of ours that compiles each policy once; a few by its own command line too, which
//! compiles every policy for every object: seconds each.

use super::{COUNT, GUARDRAILS, SEED, UNTOLD, judge_at, now, own, resources, siblings};
use anyhow::Context as _;
use plimsoll_decide::guard::{
    Policy, Siblings,
    export::{Exported, Form, OnError, export},
    rules,
};
use plimsoll_testkit::{cluster::manifests, corpus, programs};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

/// So many objects are judged by Kyverno's command line.
const BY_ITS_OWN_PROGRAM: usize = 4;

/// What is judged, by what, in which surroundings.
struct Question {
    policy: Policy,
    exported: Exported,
    spaces: Vec<Value>,
    siblings: Siblings,
    objects: Vec<Value>,
}

impl Question {
    fn new(guardrails: &str) -> anyhow::Result<Self> {
        let policy = Policy::new(resources(&manifests(guardrails)?)?)?;
        let exported = export(&policy, Form::Kyverno, OnError::Fail, now());
        let mut spaces: Vec<Value> = manifests(corpus::SURROUNDINGS)?.into_iter().filter(|object| object["kind"] == "Namespace").collect();
        spaces.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
        let siblings = siblings(&spaces);
        Ok(Self { policy, exported, spaces, siblings, objects: corpus::objects(SEED, COUNT) })
    }

    /// The rules that an object breaks. Without an API server there is no moment of creation: what needs a clock is not judged.
    fn broken(&self, object: &Value) -> anyhow::Result<BTreeSet<String>> {
        let judgement = judge_at(&self.policy, object, &self.siblings, now(), None)?;
        Ok(judgement.breaches.iter().map(|breach| breach.rule.to_string()).collect())
    }

    /// What Kyverno's engine says of all of them, in their order.
    fn ask(&self, judge: &Path) -> anyhow::Result<Vec<Told>> {
        let asked = json!({"policies": self.exported.documents, "namespaces": self.spaces, "objects": self.objects});
        let mut file = tempfile::tempfile()?;
        file.write_all(asked.to_string().as_bytes())?;
        std::io::Seek::rewind(&mut file)?;
        let output = Command::new(judge).stdin(Stdio::from(file)).output().context("cannot run the judge")?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// Holds Kyverno's engine to the rules, and says how often each rule is broken.
    fn compare(&self, judge: &Path) -> anyhow::Result<BTreeMap<String, usize>> {
        let begun = Instant::now();
        let told = self.ask(judge)?;
        println!("{} objects by {} policies in {:.1} s", told.len(), self.exported.documents.len(), begun.elapsed().as_secs_f64());
        anyhow::ensure!(told.len() == self.objects.len() && told.iter().all(|told| told.asked > 0), "not all were judged");
        let fails: BTreeSet<&str> = self
            .exported
            .documents
            .iter()
            .filter(|document| document["spec"]["failurePolicy"] == "Fail")
            .filter_map(|document| document["metadata"]["name"].as_str())
            .collect();
        let (mut disagreements, mut broken_by) = (Vec::new(), BTreeMap::<String, usize>::new());
        for (object, told) in self.objects.iter().zip(&told) {
            let wanted = self.broken(object)?;
            for rule in &wanted {
                *broken_by.entry(rule.clone()).or_default() += 1;
            }
            let failed = told.failed.keys().filter(|policy| fails.contains(policy.as_str()));
            let broken: BTreeSet<String> = told.broken.keys().chain(failed).map(|policy| rule_of(policy).to_owned()).collect();
            if broken != wanted {
                disagreements.push(format!(
                    "{} {}: Kyverno says {told:?}, the rules {wanted:?}; {object}",
                    object["kind"], object["metadata"]["name"]
                ));
            }
            for (policy, message) in &told.broken {
                // Where an expression makes no message, Kyverno says that instead of the one beside it.
                let is_said = message.starts_with(&format!("{}: ", rule_of(policy)));
                anyhow::ensure!(is_said || message.starts_with("failed to evaluate message expression"), "{policy}: {message}");
            }
        }
        println!("Kyverno and the rules on {} objects: {broken_by:?}", self.objects.len());
        let some = &disagreements[..disagreements.len().min(8)];
        anyhow::ensure!(disagreements.is_empty(), "{} disagree:\n{}", disagreements.len(), some.join("\n"));
        Ok(broken_by)
    }
}

/// What Kyverno's engine says of an object, by the names of policies.
#[derive(Debug, Deserialize)]
struct Told {
    /// How many policies were asked.
    asked: usize,
    broken: BTreeMap<String, String>,
    /// Those that could not be evaluated.
    failed: BTreeMap<String, String>,
}

/// The rule of a policy, which its name ends with.
fn rule_of(policy: &str) -> &str {
    policy.rsplit_once('.').map(|(_, rule)| rule).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn kyvernos_engine_judges_two_thousand_objects_as_the_rules_do() -> anyhow::Result<()> {
    let Some(judge) = programs::kyverno_judge().await? else { return Ok(()) };
    let question = Question::new(GUARDRAILS)?;
    let broken_by = question.compare(&judge)?;
    for rule in rules::ALL.iter().filter(|rule| !UNTOLD.contains(&rule.name) && rule.name != "peak-hours") {
        let broken = broken_by.get(rule.name).copied().unwrap_or_default();
        anyhow::ensure!(broken > 0 && broken < COUNT, "{}: broken by {broken}: the corpus tells nothing of it", rule.name);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kyvernos_engine_judges_by_rules_of_a_users_own_as_the_rules_do() -> anyhow::Result<()> {
    let Some(judge) = programs::kyverno_judge().await? else { return Ok(()) };
    let broken_by = Question::new(own::GUARDRAILS)?.compare(&judge)?;
    for rule in own::RULES {
        let broken = broken_by.get(*rule).copied().unwrap_or_default();
        anyhow::ensure!(broken > 0 && broken < COUNT, "{rule}: broken by {broken}: the corpus tells nothing of it");
    }
    Ok(())
}

/// Few objects that break many rules, and one that breaks none.
fn telling(question: &Question) -> anyhow::Result<Vec<(Value, BTreeSet<String>)>> {
    let mut known = BTreeSet::new();
    let mut taken = Vec::new();
    let all = question.objects.iter().map(|object| Ok((object.clone(), question.broken(object)?)));
    let mut all = all.collect::<anyhow::Result<Vec<_>>>()?;
    while taken.len() + 1 < BY_ITS_OWN_PROGRAM {
        let news = |(_, broken): &(Value, BTreeSet<String>)| broken.difference(&known).count();
        let (at, _) = all.iter().enumerate().max_by_key(|(_, object)| news(object)).context("there is an object")?;
        let most = all.swap_remove(at);
        known.extend(most.1.iter().cloned());
        taken.push(most);
    }
    taken.extend(all.into_iter().find(|(_, broken)| broken.is_empty()));
    Ok(taken)
}

#[tokio::test(flavor = "multi_thread")]
async fn kyvernos_own_program_says_the_same() -> anyhow::Result<()> {
    let Some(kyverno) = programs::kyverno().await? else { return Ok(()) };
    let question = Question::new(GUARDRAILS)?;
    let objects = telling(&question)?;

    let folder = tempfile::tempdir()?;
    let labels =
        |space: &Value| json!({"name": space["metadata"]["name"], "labels": space["metadata"].get("labels").unwrap_or(&json!({}))});
    let selectors: Vec<Value> = question.spaces.iter().map(labels).collect();
    let values =
        json!({"apiVersion": "cli.kyverno.io/v1alpha1", "kind": "Values", "metadata": {"name": "values"}, "namespaceSelector": selectors});
    write(folder.path(), "policies.yaml", &question.exported.documents)?;
    write(folder.path(), "objects.yaml", &objects.iter().map(|(object, _)| object.clone()).collect::<Vec<_>>())?;
    write(folder.path(), "values.yaml", &[values])?;
    let arguments =
        "apply policies.yaml --resource objects.yaml --values-file values.yaml --policy-report --output-format json --remove-color";
    let begun = Instant::now();
    let output = Command::new(kyverno).args(arguments.split(' ')).current_dir(folder.path()).output().context("cannot run kyverno")?;
    println!("{} objects by Kyverno's own program in {:.1} s", objects.len(), begun.elapsed().as_secs_f64());
    let told = reports(&String::from_utf8_lossy(&output.stdout))
        .with_context(|| format!("kyverno says {}", String::from_utf8_lossy(&output.stderr)))?;
    for (object, wanted) in &objects {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let told = told.get(name).cloned().unwrap_or_default();
        anyhow::ensure!(told == *wanted, "{} {name}: Kyverno says {told:?}, the rules {wanted:?}; {object}", object["kind"]);
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
            let rule = rule_of(result["policy"].as_str().unwrap_or_default());
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
