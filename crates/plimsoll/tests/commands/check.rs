//! `plimsoll check`: golden scripts, the examples of every rule, gates, baselines, and that the order of documents does not matter.

use crate::script::Script;
use plimsoll_decide::guard::rules;
use serde_json::Value;
use std::{collections::BTreeSet, io::Write as _, path::Path, process::Stdio};

const DEPLOYMENT: &str = "\
# The search team's model server.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
  namespace: search
  labels: {team: search, cost-centre: '42', plimsoll.dev/class: online}
spec:
  replicas: 2
  template:
    metadata:
      labels: {app: llm}
    spec:
      nodeSelector: {nvidia.com/gpu.product: NVIDIA-L40S}
      containers:
      - name: server
        image: vllm/vllm-openai:latest
        env: [{name: HF_TOKEN, value: hunter2}]
        resources:
          requests: {cpu: 8, memory: 64Gi}
          limits: {memory: 64Gi, nvidia.com/gpu: 0.5}
---
apiVersion: v1
kind: Service
metadata: {name: llm, namespace: search}
spec: {selector: {app: llm}}
";

const GUARDRAIL: &str = "\
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: production}
spec:
  rules:
  - {name: whole-gpu-requests, mode: enforce}
  - {name: image-tags, mode: warn}
  - {name: rolling-update, mode: audit}
  - {name: probes, mode: enforce}
  exemptions:
  - {rules: [probes], namespace: search, reason: the engine has none yet, expires: 2027-03-31}
";

/// The moment of the scripts: exemptions of 2027 hold.
const AT: &str = "--at 2026-11-25T10:00:00Z";

fn script() -> Script {
    let mut script = Script::new();
    script.file("llm.yaml", DEPLOYMENT).file("guardrail.yaml", GUARDRAIL);
    script
}

#[test]
fn a_deployment_in_80_columns() {
    let mut script = script();
    script.columns(80).run("check llm.yaml").run(&format!("check llm.yaml --guardrail guardrail.yaml {AT}"));
    let told = script.told();
    let wide: Vec<&str> = told.lines().filter(|line| !line.starts_with('$') && line.chars().count() > 80).collect();
    assert_eq!(wide, Vec::<&str>::new());
    assert!(!told.contains("hunter2"));
    insta::assert_snapshot!(told);
}

#[test]
fn forms_for_programs() {
    let mut script = script();
    for format in ["json", "junit", "github"] {
        script.run(&format!("check llm.yaml --guardrail guardrail.yaml {AT} --format {format}"));
    }
    insta::assert_snapshot!(script.told());
}

#[test]
fn wrong_arguments_and_files() {
    let mut script = script();
    std::fs::create_dir(script.path("empty")).unwrap();
    std::fs::create_dir_all(script.path("chart/templates")).unwrap();
    script
        .file("bad.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a\n---\nkind: Pod\n")
        .file("binary.yaml", [0xff, 0xfe])
        .file("chart/values.yaml", "image: {tag: latest}\n")
        .file("chart/templates/pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {{ .Release.Name }}\n")
        .file(
            "hidden.yaml",
            "apiVersion: example.com/v1\nkind: Fit\nmetadata: {name: x}\nspec: {worker: {resources: {limits: {nvidia.com/gpu: 1}}}}\n",
        )
        .file("rule.yaml", GUARDRAIL.replace("image-tags", "image-tag"))
        .file("mode.yaml", GUARDRAIL.replace("mode: warn", "mode: deny"))
        .file("expiry.yaml", GUARDRAIL.replace("2027-03-31", "never"))
        .file("parameter.yaml", GUARDRAIL.replace("mode: warn", "parameters: {digest: 1}"))
        .file("known.json", "{\"breaches\": []}");
    for line in [
        "check",
        "check missing.yaml",
        "check empty",
        "check llm.yaml --format xml",
        "check llm.yaml --formt json",
        "check llm.yaml --at tomorrow",
        "check bad.yaml --format github",
        "check binary.yaml --format json",
        "check chart",
        "check hidden.yaml",
        "check llm.yaml --guardrail missing.yaml",
        "check llm.yaml --guardrail llm.yaml",
        "check llm.yaml --guardrail rule.yaml",
        "check llm.yaml --guardrail mode.yaml",
        "check llm.yaml --guardrail expiry.yaml",
        "check llm.yaml --guardrail parameter.yaml",
        "check rule.yaml",
        "check llm.yaml --baseline known.json",
        "explain prob",
        "explain probes",
    ] {
        script.run(line);
    }
    let told = script.told();
    assert!(!told.contains("panicked"), "{told}");
    insta::assert_snapshot!(told);
}

/// Exit codes are a promise: 0 clean, 1 a rule at enforce is broken, 2 it could not be judged.
#[test]
fn gates() {
    let mut script = script();
    let code = |script: &Script, line: &str| script.output(line).status.code().unwrap();
    assert_eq!(code(&script, "check llm.yaml"), 0, "without a guardrail rules warn");
    let strict = format!("check llm.yaml --guardrail guardrail.yaml {AT}");
    assert_eq!(code(&script, &strict), 1);
    assert_eq!(code(&script, &format!("{strict} --write-baseline known.json -q")), 0);
    assert_eq!(code(&script, &format!("{strict} --baseline known.json")), 0);
    // A new fault is told, the known ones are not.
    script.file("llm.yaml", DEPLOYMENT.replace("name: server", "name: engine"));
    assert_eq!(code(&script, &format!("{strict} --baseline known.json")), 1);
    script.file("llm.yaml", DEPLOYMENT.replace("nvidia.com/gpu: 0.5", "nvidia.com/gpu: 1"));
    assert_eq!(code(&script, &strict), 0);
    // The exemption has ended.
    assert_eq!(code(&script, "check llm.yaml --guardrail guardrail.yaml --at 2027-04-01T00:00:00Z"), 1);
    script.file("bad.yaml", "a: [");
    assert_eq!(code(&script, "check llm.yaml bad.yaml"), 2);
}

#[test]
fn the_standard_input_and_folders() {
    let mut script = script();
    std::fs::create_dir_all(script.path("deploy/base")).unwrap();
    script.file("deploy/base/llm.yml", DEPLOYMENT).file("deploy/values.yaml", "replicas: 2\n").file("deploy/notes.txt", "a: [");
    let folder = script.output("check deploy --format json");
    assert_eq!(folder.status.code(), Some(0), "{}", String::from_utf8_lossy(&folder.stderr));
    let mut child = script.command("check - --format json").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(DEPLOYMENT.as_bytes()).unwrap();
    let piped = child.wait_with_output().unwrap();
    let list = |bytes: &[u8]| serde_json::from_slice::<Vec<Value>>(bytes).unwrap();
    let (folder, piped) = (list(&folder.stdout), list(&piped.stdout));
    assert!(!piped.is_empty() && folder.len() == piped.len());
    for (a, b) in folder.iter().zip(&piped) {
        assert_eq!((&a["rule"], &a["line"], &a["fingerprint"]), (&b["rule"], &b["line"], &b["fingerprint"]));
        assert_eq!((&a["file"], &b["file"]), (&Value::from("deploy/base/llm.yml"), &Value::from("-")));
    }
}

#[test]
fn the_list_holds_what_its_schema_says() {
    let script = script();
    let schema: Value = serde_json::from_slice(&script.output("schema check").stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let list: Value = serde_json::from_slice(&script.output("check llm.yaml --format json").stdout).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&list).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(!validator.is_valid(&serde_json::json!([{ "rule": "probes" }])));
}

/// Documents of an example: what they are judged by, and what is judged.
fn example(rule: &str) -> (Vec<String>, Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guard").join(format!("{rule}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let documents = text.split("\n---\n").skip(1).map(str::to_owned);
    documents.partition(|document| document.contains("apiVersion: plimsoll.dev/"))
}

/// The names of those whose rule is broken.
fn refused(script: &mut Script, ours: &[String], judged: &[String]) -> BTreeSet<String> {
    script.file("ours.yaml", ours.join("\n---\n")).file("judged.yaml", judged.join("\n---\n"));
    let output = script.output(&format!("check judged.yaml --guardrail ours.yaml --format json {AT}"));
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    list.iter().map(|broken| broken["subject"]["name"].as_str().unwrap().to_owned()).collect()
}

/// Rules that a manifest alone cannot break: their tests hand in what a cluster knows (`plimsoll_decide::guard`).
const NEED_A_CLUSTER: [&str; 3] = ["budget-left", "image-size", "need-met"];

/// Every rule refuses what is called refused in its examples and nothing else, in whatever order the documents stand.
#[test]
fn every_rule_refuses_and_accepts_its_examples() {
    let mut script = Script::new();
    for rule in rules::ALL.iter().filter(|rule| !NEED_A_CLUSTER.contains(&rule.name)) {
        let (ours, mut judged) = example(rule.name);
        let named = |prefix: &str| -> BTreeSet<String> {
            let after = judged.iter().filter_map(|document| document.split("metadata: {name: ").nth(1)?.split([',', '}']).next());
            after.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
        };
        let (wanted, accepted) = (named("refused-"), named("accepted-"));
        assert!(!wanted.is_empty() && !accepted.is_empty(), "{} has examples of both", rule.name);
        assert_eq!(refused(&mut script, &ours, &judged), wanted, "{}", rule.name);
        judged.reverse();
        assert_eq!(refused(&mut script, &ours, &judged), wanted, "{} backwards", rule.name);
    }
}

/// The webhook will add the device: before that its absence is no fault. Of what a cluster took in it is one.
#[test]
fn a_need_is_judged_of_what_came_in_and_not_of_a_file() {
    let mut script = Script::new();
    let (ours, judged) = example("need-met");
    script.file("ours.yaml", ours.join("\n---\n")).file("judged.yaml", judged.join("\n---\n"));
    let told = |line: &str| {
        let output = script.output(&format!("check {line} --guardrail ours.yaml --format json {AT}"));
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    assert_eq!(told("judged.yaml"), (Some(0), Value::Array(Vec::new())));
    let pod = serde_json::json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a", "annotations": { "plimsoll.dev/gpu-memory": "12Gi" } },
        "spec": { "containers": [{ "name": "main", "image": "a:v1" }] } });
    let event = |key: &str| {
        serde_json::json!({ "kind": "Event", "apiVersion": "audit.k8s.io/v1", "stage": "ResponseComplete", "verb": "create",
            "requestURI": "/api/v1/namespaces/ml/pods", "user": { "username": "alice" }, "responseStatus": { "code": 201 },
            "objectRef": { "resource": "pods", "namespace": "ml", "name": "a" }, (key): pod,
            "requestReceivedTimestamp": "2026-11-25T08:00:00Z" })
    };
    std::fs::write(script.path("sent.log"), event("requestObject").to_string()).unwrap();
    std::fs::write(script.path("came.log"), event("responseObject").to_string()).unwrap();
    assert_eq!(told("--against-history sent.log").0, Some(0));
    let (code, came) = told("--against-history came.log");
    assert_eq!((code, &came["rules"][0]["rule"]), (Some(1), &Value::from("need-met")), "{came:#}");
}
