//! Defaults and translation over generated objects: a patch only adds, is made once, and leaves the rules nothing to say.

use super::{POOLS, applied, broken, defaulted, everything, guardrail, policy, seen};
use plimsoll_decide::guard::{Siblings, defaults::Left};
use plimsoll_fleet::{Class, written::Written};
use proptest::prelude::*;
use serde_json::{Value, json};

fn containers() -> impl Strategy<Value = Value> {
    let image = prop_oneof![Just("vllm/vllm-openai:v1"), Just("acme/a:v1"), Just("nvcr.io/nvidia/tritonserver:25")];
    let resource = prop_oneof![
        Just("nvidia.com/gpu"),
        Just("nvidia.com/gpu.shared"),
        Just("nvidia.com/mig-1g.10gb"),
        Just("amd.com/gpu"),
        Just("cpu"),
        Just("a~b/c"),
    ];
    let limits = proptest::option::of(proptest::collection::btree_map(
        resource,
        prop_oneof![Just(json!("1")), Just(json!(2)), Just(json!("0.5")), Just(json!("x"))],
        0..3,
    ));
    let probe = || {
        proptest::option::of(prop_oneof![
            Just(json!({ "httpGet": { "path": "/a", "port": 1 } })),
            Just(json!({ "tcpSocket": { "port": 1 } })),
            Just(json!({}))
        ])
    };
    let ports = proptest::option::of(proptest::collection::vec(prop_oneof![Just(8000), Just(80), Just(9000)], 0..3));
    (image, limits, (probe(), probe(), probe()), ports, "[a-c]").prop_map(|(image, limits, probes, ports, name)| {
        let mut container = json!({ "name": name, "image": image });
        let mut set = |key: &str, value: Option<Value>| value.map(|value| container[key] = value);
        set("resources", limits.map(|limits| json!({ "limits": limits })));
        set("readinessProbe", probes.0);
        set("startupProbe", probes.1);
        set("livenessProbe", probes.2);
        set("ports", ports.map(|ports: Vec<u32>| ports.into_iter().map(|port| json!({ "containerPort": port })).collect()));
        container
    })
}

fn maps(keys: &'static [&'static str], values: &'static [&'static str]) -> impl Strategy<Value = Option<Value>> {
    let map = proptest::collection::btree_map(proptest::sample::select(keys), proptest::sample::select(values), 0..3);
    prop_oneof![1 => Just(Some(Value::Null)), 3 => Just(None), 6 => map.prop_map(|map| Some(json!(map)))]
}

fn templates() -> impl Strategy<Value = Value> {
    let labels = maps(&["plimsoll.dev/class", "plimsoll.dev/pool", "env"], &["online", "dev", "h100", "l4", "x"]);
    let annotations =
        maps(&["plimsoll.dev/gpu-memory", "plimsoll.dev/gpu-compute", "plimsoll.dev/gpu-container"], &["5Gi", "30%", "15Gi", "a", "90Gi"]);
    let selector = maps(&["plimsoll.dev/pool", "nvidia.com/gpu.product", "zone"], &["h100", "l4", "NVIDIA-A100-SXM4-80GB"]);
    let toleration = prop_oneof![
        Just(json!({ "operator": "Exists" })),
        Just(json!({ "key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule" })),
        Just(json!({ "key": "dedicated", "value": "x" })),
    ];
    let tolerations = proptest::option::of(proptest::collection::vec(toleration, 0..2));
    let claims = proptest::option::weighted(0.1, Just(json!([{ "name": "gpu", "resourceClaimTemplateName": "gpu" }])));
    let lists = (proptest::collection::vec(containers(), 0..3), proptest::collection::vec(containers(), 0..2));
    (labels, annotations, selector, tolerations, claims, lists).prop_map(|(labels, annotations, selector, tolerations, claims, lists)| {
        let (mut metadata, mut spec) = (json!({}), json!({ "containers": lists.0 }));
        let set = |into: &mut Value, key: &str, value: Option<Value>| value.map(|value| into[key] = value);
        set(&mut metadata, "labels", labels);
        set(&mut metadata, "annotations", annotations);
        set(&mut spec, "nodeSelector", selector);
        set(&mut spec, "tolerations", tolerations.map(Value::from));
        set(&mut spec, "resourceClaims", claims);
        set(&mut spec, "initContainers", (!lists.1.is_empty()).then(|| json!(lists.1)));
        json!({ "metadata": metadata, "spec": spec })
    })
}

/// Objects of many kinds, their pods' templates in the places that the kind has.
fn objects() -> impl Strategy<Value = Value> {
    let kind = 0..11_usize;
    (
        kind,
        templates(),
        templates(),
        maps(&["plimsoll.dev/class", "team"], &["online", "training", "nonsense"]),
        proptest::option::of(0_u32..9),
        any::<bool>(),
    )
        .prop_map(|(kind, first, second, labels, retries, bare)| {
            let run = |mut spec: Value| {
                if let Some(retries) = retries {
                    spec["backoffLimit"] = json!(retries);
                }
                spec
            };
            let (api_version, kind, spec) = match kind {
                0 => ("v1", "Pod", first["spec"].clone()),
                1 => ("apps/v1", "Deployment", json!({ "template": first })),
                2 => ("apps/v1", "StatefulSet", json!({ "template": first })),
                3 => ("batch/v1", "Job", run(json!({ "template": first }))),
                4 => ("batch/v1", "CronJob", json!({ "jobTemplate": { "spec": run(json!({ "template": first })) } })),
                5 => (
                    "ray.io/v1",
                    "RayJob",
                    json!({ "rayClusterSpec": { "headGroupSpec": { "template": first }, "workerGroupSpecs": [{ "template": second }] } }),
                ),
                6 => (
                    "kubeflow.org/v1",
                    "PyTorchJob",
                    json!({ "pytorchReplicaSpecs": { "Master": { "template": first }, "Worker": { "template": second } } }),
                ),
                7 => (
                    "leaderworkerset.x-k8s.io/v1",
                    "LeaderWorkerSet",
                    json!({ "leaderWorkerTemplate": { "leaderTemplate": first, "workerTemplate": second } }),
                ),
                8 => ("serving.kserve.io/v1beta1", "InferenceService", json!({ "predictor": first["spec"] })),
                9 => (
                    "jobset.x-k8s.io/v1alpha2",
                    "JobSet",
                    json!({ "replicatedJobs": [{ "name": "a", "template": { "spec": { "template": first } } }] }),
                ),
                _ => ("acme.io/v1", "Llm", json!({ "template": first })),
            };
            let mut object =
                json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "a", "namespace": "lab" }, "spec": spec });
            if kind == "Pod" {
                object["metadata"]["annotations"] = first["metadata"]["annotations"].clone();
                object["metadata"]["labels"] = first["metadata"]["labels"].clone();
            } else if let (Some(labels), true) = (labels, bare) {
                object["metadata"]["labels"] = labels;
            }
            object
        })
}

/// Has its author written a class that is none?
fn has_bad_class(object: &Written) -> bool {
    let all = std::iter::once(&object.labels).chain(object.templates.iter().map(|template| &template.labels));
    all.filter_map(|labels| labels.get("plimsoll.dev/class")).any(|class| Class::parse(class).is_none())
}

/// Is everything of `old` in `new`, in its place? Maps and lists may have become longer.
fn has_all(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (_, Value::Null) => true,
        (Value::Object(new), Value::Object(old)) => {
            old.iter().all(|(key, old)| old.is_null() || new.get(key).is_some_and(|new| has_all(new, old)))
        }
        (Value::Array(new), Value::Array(old)) => new.len() >= old.len() && new.iter().zip(old).all(|(new, old)| has_all(new, old)),
        _ => new == old,
    }
}

fn guardrails() -> impl Strategy<Value = String> {
    let flag = || prop_oneof![Just(""), Just("true"), Just("true"), Just("false")];
    let scope = prop_oneof![Just(""), Just("classes: [online], "), Just("pools: [h100], "), Just("namespaces: {names: [other]}, ")];
    let pool = prop_oneof![3 => Just(""), 1 => Just("h100"), 1 => Just("l4"), 1 => Just("none")];
    let one = (
        scope,
        -1..2_i32,
        proptest::array::uniform5(flag()),
        pool,
        prop_oneof![Just(""), Just("{}"), Just("{retries: 1}"), Just("{disabled: true}")],
    );
    proptest::collection::vec(one, 1..4).prop_map(|all| {
        let mut text = POOLS.to_owned();
        for (at, (scope, precedence, flags, pool, deadlines)) in all.into_iter().enumerate() {
            let names = ["classLabel", "toleration", "selector", "probes", "translate"];
            let said =
                names.into_iter().zip(flags).chain([("pool", pool), ("deadlines", deadlines)]).filter(|(_, value)| !value.is_empty());
            let said: Vec<String> = said.map(|(name, value)| format!("{name}: {value}")).collect();
            text.push_str(&guardrail(
                &format!("g{at}"),
                &format!("{{{scope}precedence: {precedence}, defaults: {{{}}}}}", said.join(", ")),
            ));
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn a_patch_only_adds_and_is_made_once(object in objects(), guardrails in guardrails(), update: bool) {
        let policy = policy(&guardrails);
        let old = update.then(|| json!({ "apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": {}, "spec": {} }));
        let done = defaulted(&policy, &object, old.as_ref(), &Siblings::default(), "alice");
        let made = applied(&object, &done.patch);
        prop_assert!(has_all(&made, &object), "{made}");
        prop_assert_eq!(done.patch.is_empty(), done.added.is_empty());
        let again = defaulted(&policy, &made, old.as_ref(), &Siblings::default(), "alice");
        prop_assert_eq!(again.patch, Vec::<Value>::new(), "{}", made);
        // What could not be done is said again, but for a word that has become idle.
        prop_assert!(done.left.iter().all(|left| matches!(left, Left::NoSuchPool { .. }) || again.left.contains(left)), "{:?} {:?}", done.left, again.left);
        // What rules see of it: each template asks for what it asked for, or for one device where it said a need.
        let (before, after) = (seen(&object).0, seen(&made).0);
        prop_assert_eq!(before.templates.len(), after.templates.len());
        for (before, after) in before.templates.iter().zip(&after.templates) {
            prop_assert!(before.devices() == after.devices() || before.devices() == 0 && after.devices() == 1);
            if before.devices() == after.devices() {
                prop_assert!(before.containers.iter().zip(&after.containers).all(|(before, after)| before.limits == after.limits));
            }
        }
        for warning in done.warnings() {
            prop_assert!(warning.len() <= 250);
        }
    }

    /// With everything turned on, the rules that the defaults are about find nothing that their author did not write.
    #[test]
    fn the_rules_are_content(object in objects()) {
        let all = everything();
        let rule = |name: &str, parameters: &str| format!("{{name: {name}, mode: enforce, parameters: {{{parameters}}}}}");
        let rules = [
            rule("toleration-and-selector", "selectors: []"),
            rule("required-labels", "labels: [plimsoll.dev/class]"),
            rule("job-limits", ""),
            rule("no-time-slicing-online", ""),
        ];
        let judging = policy(&format!("{POOLS}{}", guardrail("rules", &format!("{{rules: [{}]}}", rules.join(", ")))));
        let made = applied(&object, &defaulted(&all, &object, None, &Siblings::default(), "alice").patch);
        let before = broken(&judging, &object);
        let known = object["kind"] != "Llm";
        for (rule, says) in broken(&judging, &made) {
            let by_author = match rule.as_str() {
                "required-labels" => has_bad_class(&seen(&object).0),
                "job-limits" => says.contains("is tried again"),
                // The rule looks at all templates of an object at once: one that selects such a pool counts for the others.
                "no-time-slicing-online" => before.iter().any(|(rule, _)| rule == "no-time-slicing-online") || object.to_string().contains("\"l4\""),
                _ => false,
            };
            prop_assert!(by_author || !known, "{rule}: {says} in {made}");
        }
    }
}
