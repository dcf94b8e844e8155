//! `plimsoll check --against-history`: an audit log and the webhook's records, made by hand, with lines between them that are neither.

use crate::script::Script;
use serde_json::{Value, json};

const GUARDRAIL: &str = "\
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: production}
spec:
  rules:
  - {name: whole-gpu-requests, mode: enforce}
  - {name: image-tags, mode: warn}
  - {name: team-gpus, mode: warn}
  - {name: peak-hours, mode: audit, parameters: {gpus: 2}}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Team
metadata: {name: search}
spec: {namespaces: [search], limits: {gpus: 100}}
";

fn pod(name: &str, image: &str, gpus: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "containers": [{
            "name": "main", "image": image, "env": [{ "name": "TOKEN", "value": "hunter2" }],
            "resources": { "limits": { "nvidia.com/gpu": gpus } },
        }] },
    })
}

fn event(at: &str, verb: &str, user: &str, namespace: &str, object: &Value) -> Value {
    json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Request", "stage": "ResponseComplete",
        "requestURI": format!("/api/v1/namespaces/{namespace}/pods"), "verb": verb, "user": { "username": user },
        "objectRef": { "resource": "pods", "namespace": namespace, "name": object["metadata"]["name"], "apiVersion": "v1" },
        "responseStatus": { "code": 201 }, "requestObject": object, "requestReceivedTimestamp": at,
    })
}

fn audit_log() -> String {
    let owned = json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "llm", "uid": "1", "controller": true });
    let mut of_controller = pod("llm-x", "vllm:latest", "0.5");
    of_controller["metadata"]["ownerReferences"] = json!([owned]);
    let lines = [
        event("2026-11-23T09:00:00.000001Z", "create", "alice", "search", &pod("a", "vllm:latest", "0.5")),
        event("2026-11-23T10:00:00Z", "update", "alice", "search", &pod("a", "vllm:latest", "0.5")),
        event("2026-11-24T09:00:00Z", "create", "bob", "vision", &pod("b", "vllm:v1", "1.5")),
        event("2026-11-24T10:00:00Z", "create", "bob", "vision", &pod("c", "vllm:v1", "1")),
        event("2026-11-25T09:00:00Z", "create", "system:serviceaccount:kube-system:replicaset-controller", "search", &of_controller),
        event("2026-11-25T09:00:00Z", "patch", "carol", "search", &json!({ "spec": {} })),
        event("2026-11-25T09:00:01Z", "create", "carol", "search", &Value::Null),
        event("2026-11-25T09:00:02Z", "delete", "carol", "search", &pod("a", "x", "1")),
        event(
            "2026-11-25T09:00:03Z",
            "create",
            "carol",
            "search",
            &json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "a": "hunter2" } }),
        ),
    ];
    let mut log: String = lines.iter().map(|line| format!("{line}\n")).collect();
    log.push_str("{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"stage\":\"Resp");
    log
}

fn records() -> String {
    let record = |at: &str, by_controller: bool, dry_run: bool, object: &Value| {
        let record = json!({ "at": at, "uid": "1", "operation": "CREATE", "namespace": "search",
            "namespaceLabels": { "plimsoll.dev/team": "search" }, "user": "dave", "dryRun": dry_run, "byController": by_controller,
            "allowed": true, "breaches": [], "patched": false, "object": object });
        format!("{{\"plimsoll\":\"decision/v1\",{}", &record.to_string()[1..])
    };
    let mut big = pod("big", "vllm:latest", "4");
    big["metadata"]["namespace"] = "search".into();
    [
        "2026-11-26T08:59:59Z  INFO ready".to_owned(),
        record("2026-11-26T09:00:00Z", false, false, &big),
        format!("[pod/plimsoll-webhook-0/webhook] {}", record("2026-11-26T09:00:01Z", true, false, &big)),
        record("2026-11-26T09:00:02Z", false, true, &big),
        "{\"level\":\"info\"}".to_owned(),
    ]
    .join("\n")
}

fn script() -> Script {
    let mut script = Script::new();
    script.file("guardrail.yaml", GUARDRAIL).file("audit.log", audit_log()).file("decisions.jsonl", records());
    script
}

#[test]
fn what_would_have_been_refused_in_80_and_120_columns() {
    for columns in [80, 120] {
        let mut script = script();
        script.columns(columns);
        script.run("check --guardrail guardrail.yaml --against-history audit.log --against-history decisions.jsonl");
        let told = script.told();
        let wide: Vec<&str> = told.lines().filter(|line| !line.starts_with('$') && line.chars().count() > columns).collect();
        assert_eq!(wide, Vec::<&str>::new());
        assert!(!told.contains("hunter2"));
        insta::assert_snapshot!(format!("history_{columns}"), told);
    }
}

#[test]
fn the_document_holds_what_its_schema_says() {
    let script = script();
    let schema: Value = serde_json::from_slice(&script.output("schema history").stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let output = script.output("check --guardrail guardrail.yaml --against-history audit.log --format json");
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&told).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let counts =
        ["submissions", "gpus", "by_controllers", "refused", "without_object", "patches", "broken_lines"].map(|key| told[key].as_u64());
    assert_eq!(counts, [4, 4, 1, 2, 1, 1, 1].map(Some), "{told:#}");
    let rules = told["rules"].as_array().unwrap();
    let of = |rule: &str| rules.iter().find(|row| row["rule"] == rule).unwrap();
    assert_eq!((of("whole-gpu-requests")["submissions"].as_u64(), of("whole-gpu-requests")["users"].as_u64()), (Some(2), Some(2)));
    assert_eq!(of("image-tags")["submissions"].as_u64(), Some(1), "who changes an object is not charged with what was wrong before");
}

#[test]
fn what_cannot_be_looked_at() {
    let mut script = script();
    std::fs::create_dir(script.path("folder")).unwrap();
    let clean = audit_log().replace("vllm:latest", "vllm:v2").replace("0.5", "1").replace("1.5", "1");
    script
        .file("empty", "")
        .file("other.log", "one\ntwo\n")
        .file("binary.log", [0xff, 0xfe, b'\n', 0])
        .file("hostile.log", format!("{}\n{{\"plimsoll\":\"decision/v9\"}}\n{}\n", "[".repeat(100_000), "{\"a\":".repeat(10_000)))
        .file("clean.log", clean);
    for line in [
        "check --against-history empty",
        "check --against-history other.log",
        "check --against-history binary.log",
        "check --against-history hostile.log",
        "check --against-history folder",
        "check --against-history missing.log",
        "check --against-history audit.log --format sarif",
        "check --against-history audit.log guardrail.yaml",
        "check --against-history cluster",
        "check guardrail.yaml --context x",
        "check --guardrail guardrail.yaml --against-history clean.log",
    ] {
        script.run(line);
    }
    insta::assert_snapshot!(script.told());
}
