#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::json;

fn guardrail(spec: &Value) -> Value {
    json!({ "apiVersion": "plimsoll.dev/v1alpha1", "kind": "Guardrail", "metadata": { "name": "production" }, "spec": spec })
}

#[test]
fn a_guardrail_reads_as_it_is_written() {
    let read = read(&guardrail(&json!({
        "namespaces": { "names": ["team-*"], "except": ["team-lab"] },
        "classes": ["online"],
        "rules": [{ "name": "gpus-per-pod", "mode": "enforce", "parameters": { "most": 4 } }, { "name": "probes" }],
        "exemptions": [{ "rules": ["probes"], "namespace": "team-a", "reason": "known", "expires": "2027-03-31" }],
    })));
    let Ok(Some(Resource::Guardrail(guardrail))) = read else { panic!("{read:?}") };
    assert_eq!(guardrail.spec.rules[0].mode, Some(Mode::Enforce));
    assert_eq!(guardrail.spec.mode_of(guardrail.spec.rules[1].mode), Mode::Warn, "a rule that is named warns");
    let audits = guardrail::GuardrailSpec { mode: Mode::Audit, ..Default::default() };
    assert_eq!((audits.mode_of(None), audits.mode_of(Some(Mode::Off))), (Mode::Audit, Mode::Off), "or has the guardrail's mode");
    assert_eq!(guardrail.spec.mode, Mode::Off, "a rule that is not named is off");
    assert_eq!(guardrail.spec.exemptions[0].end(), Some(plimsoll_fleet::Timestamp(1_806_537_600)), "until the end of the day");
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_the_remedy() {
    let exemption =
        |reason: &str, expires: &str, rules: &Value| json!({ "exemptions": [{ "rules": rules, "reason": reason, "expires": expires }] });
    for (spec, says) in [
        (json!({ "rule": [] }), "unknown field `rule`"),
        (json!({ "mode": "deny" }), "unknown variant `deny`"),
        (json!({ "classes": ["inference"] }), "unknown variant `inference`"),
        (json!({ "rules": [{ "name": "a" }, { "name": "a" }] }), "spec.rules[1]: a is there twice"),
        (json!({ "namespaces": { "names": [""] } }), "write '*' for all"),
        (exemption(" ", "2027-03-31", &json!(["*"])), "needs a reason"),
        (exemption("known", "soon", &json!(["*"])), "is not a day such as 2027-03-31"),
        (exemption("known", "2027-03-31", &json!([])), "names no rule"),
        (json!({ "defaults": { "tolerations": true } }), "unknown field `tolerations`"),
        (json!({ "defaults": { "pool": "l4-*" } }), "spec.defaults.pool: 'l4-*' is no name of a Pool"),
        (json!({ "defaults": { "deadlines": { "deadlineHours": 0.0 } } }), "spec.defaults.deadlines.deadlineHours: it must be above 0"),
        (json!({ "defaults": { "deadlines": { "cleanupHours": 1e9 } } }), "spec.defaults.deadlines.cleanupHours"),
        (json!({ "defaults": { "deadlines": { "retries": 1_001 } } }), "spec.defaults.deadlines.retries"),
    ] {
        let error = read(&guardrail(&spec)).unwrap_err().to_string();
        assert!(error.contains(says) && error.starts_with("Guardrail production"), "{error}");
    }
    let other = |version: &str, kind: &str| read(&json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "a" }, "spec": {} }));
    assert_eq!(other("v1", "Guardrail"), Ok(None));
    assert!(other("plimsoll.dev/v9", "Guardrail").unwrap_err().to_string().contains("plimsoll.dev/v1alpha1"));
    assert!(other("plimsoll.dev/v1alpha1", "Guard").unwrap_err().to_string().contains("It has Guardrail, Team and Pool"));
    assert!(other("plimsoll.dev/v1alpha1", "Pool").unwrap_err().to_string().contains("nodeLabels"));
}

#[test]
fn what_a_pool_cannot_offer_is_said() {
    let pool =
        |spec: &Value| read(&json!({ "apiVersion": "plimsoll.dev/v1alpha1", "kind": "Pool", "metadata": { "name": "a" }, "spec": spec }));
    let offering = |devices: Value| pool(&json!({ "nodeLabels": { "nvidia.com/gpu.product": "NVIDIA-L4" }, "devices": devices }));
    let Ok(Some(Resource::Pool(good))) = offering(json!([{ "resource": "nvidia.com/gpu.shared", "replicas": 4 }])) else {
        panic!("it is good")
    };
    assert_eq!(good.model(), Some("NVIDIA-L4"), "as its nodes are labelled");
    let slice = || json!({ "resource": "nvidia.com/mig-1g.10gb" });
    for (devices, says) in [
        (json!([{ "resource": "cpu" }]), "spec.devices[0]: 'cpu' is no resource of an accelerator"),
        (json!([slice(), slice()]), "spec.devices[1]: nvidia.com/mig-1g.10gb is there twice"),
        (json!([{ "resource": "nvidia.com/gpu", "replicas": 0 }]), "replicas: it must be from 1 to 100"),
        (json!([{ "resource": "nvidia.com/gpu", "memoryGiB": 0.0 }]), "memoryGiB: it must be above zero"),
        (json!([{ "resource": "nvidia.com/gpu", "compute": 101.0 }]), "compute: it must be above 0 and at most 100"),
        (json!([{ "resource": "nvidia.com/gpu", "memory": 1 }]), "unknown field `memory`"),
    ] {
        let error = offering(devices).unwrap_err().to_string();
        assert!(error.contains(says) && error.starts_with("Pool a"), "{error}");
    }
    let error = pool(&json!({ "nodeLabels": { "a": "b" }, "model": "" })).unwrap_err().to_string();
    assert!(error.contains("spec.model: write it as the label"), "{error}");
}

/// The API server refuses a schema that is not structural; what it refuses is none of these (a live test applies them).
#[test]
fn the_definitions_are_structural() {
    fn walk(schema: &Value, at: &str) {
        let map = schema.as_object().unwrap_or_else(|| panic!("{at} is no schema: {schema}"));
        for key in ["$ref", "$schema", "anyOf", "oneOf", "allOf", "const", "definitions"] {
            assert!(!map.contains_key(key), "{at} has {key}");
        }
        let is_open = map.contains_key("x-kubernetes-preserve-unknown-fields");
        assert!(map.get("type").is_some_and(Value::is_string) || is_open, "{at} has no single type: {schema}");
        assert!(!(map.contains_key("properties") && map.contains_key("additionalProperties")), "{at}");
        for (name, property) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
            walk(property, &format!("{at}.{name}"));
        }
        for key in ["items", "additionalProperties"] {
            map.get(key).into_iter().for_each(|inner| walk(inner, &format!("{at}[]")));
        }
    }
    for (name, crd) in crd::all() {
        walk(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &name);
    }
}

#[test]
fn a_bare_off_is_answered_with_quotes() {
    let guardrail =
        serde_json::json!({"apiVersion": "plimsoll.dev/v1alpha1", "kind": "Guardrail", "metadata": {"name": "g"}, "spec": {"mode": false}});
    let error = read(&guardrail).unwrap_err().to_string();
    assert!(error.contains("write 'off', in quotes"), "{error}");
}

#[test]
fn the_definitions_that_are_checked_in_are_these() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let all: Vec<_> = crd::all();
    for (folder, (name, crd)) in
        ["deploy/crds", "charts/plimsoll/crds"].into_iter().flat_map(|folder| all.iter().map(move |crd| (folder, crd)))
    {
        let folder = root.join(folder);
        let path = folder.join(format!("{name}.yaml"));
        let head = "# Made from the program; do not edit. Renew with PLIMSOLL_RENEW=1 cargo test -p plimsoll-api.\n";
        let now = head.to_owned() + &serde_saphyr::to_string(crd).unwrap();
        if std::env::var_os("PLIMSOLL_RENEW").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &now).unwrap();
        }
        let then = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(then == now, "{} is stale: renew it with PLIMSOLL_RENEW=1 cargo test -p plimsoll-api", path.display());
    }
}
