//! Defaults and translation, from manifests as people write them to the objects that come of it.

mod properties;

use plimsoll_decide::guard::{
    self, Policy, Siblings, State, Submitted,
    defaults::{self, Asked, Defaulted},
};
use plimsoll_fleet::{Timestamp, parts::Parts, written::Written};
use plimsoll_observe::manifest::{self, Document};
use serde_json::{Value, json};

/// Pools as they are often found: slices of H100, L4 in time slices, whole A100.
const POOLS: &str = "
apiVersion: plimsoll.dev/v1alpha1
kind: Pool
metadata: {name: h100}
spec:
  nodeLabels: {plimsoll.dev/pool: h100}
  model: NVIDIA-H100-80GB-HBM3
  sharing: mig
  taints: [{key: nvidia.com/gpu, effect: NoSchedule}, {key: dedicated, value: h100, effect: NoSchedule}]
  devices: [{resource: nvidia.com/mig-1g.10gb}, {resource: nvidia.com/mig-2g.20gb}, {resource: nvidia.com/mig-3g.40gb}]
---
apiVersion: plimsoll.dev/v1alpha1
kind: Pool
metadata: {name: l4}
spec:
  nodeLabels: {plimsoll.dev/pool: l4}
  model: NVIDIA-L4
  sharing: time-slicing
  devices: [{resource: nvidia.com/gpu.shared, replicas: 4}]
---
apiVersion: plimsoll.dev/v1alpha1
kind: Pool
metadata: {name: a100}
spec:
  nodeLabels: {nvidia.com/gpu.product: NVIDIA-A100-SXM4-80GB}
";

const ALL: &str = "{classLabel: true, toleration: true, selector: true, probes: true, deadlines: {}, translate: true}";

fn guardrail(name: &str, spec: &str) -> String {
    format!("---\napiVersion: plimsoll.dev/v1alpha1\nkind: Guardrail\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

fn documents(text: &str) -> Vec<Document> {
    let (documents, errors) = manifest::read(text);
    assert!(errors.is_empty(), "{errors:?} in {text}");
    documents
}

fn policy(text: &str) -> Policy {
    let resources = documents(text).iter().map(|document| plimsoll_api::read(&document.node.json()).unwrap().unwrap()).collect();
    Policy::new(resources).unwrap()
}

/// All defaults for all objects, and the pools.
fn everything() -> Policy {
    policy(&format!("{POOLS}{}", guardrail("all", &format!("{{defaults: {ALL}}}"))))
}

/// An object as the webhook sees it.
fn seen(object: &Value) -> (Written, Value) {
    let document = documents(&object.to_string()).remove(0);
    (document.written().unwrap(), document.node.json())
}

fn defaulted(policy: &Policy, object: &Value, old: Option<&Value>, siblings: &Siblings, user: &str) -> Defaulted {
    let (written, json) = seen(object);
    let (json, before) = (|_: &Parts| json.clone(), || old.map(|old| seen(old).1).unwrap_or_default());
    let old = old.map(|_| &before as &dyn Fn() -> Value);
    defaults::patch(policy, &Asked { submitted: Submitted { written: &written, json: &json }, old, siblings, user })
}

/// The object with the patch. Only `add` is ever used.
fn applied(object: &Value, patch: &[Value]) -> Value {
    let mut object = object.clone();
    for op in patch {
        assert_eq!(op["op"], "add");
        let (parent, last) = op["path"].as_str().unwrap().rsplit_once('/').unwrap();
        let last = last.replace("~1", "/").replace("~0", "~");
        match object.pointer_mut(parent).unwrap_or_else(|| panic!("no parent for {op}")) {
            Value::Object(map) => drop(map.insert(last, op["value"].clone())),
            Value::Array(list) if last == "-" => list.push(op["value"].clone()),
            other => panic!("{op} into {other}"),
        }
    }
    object
}

fn yaml(text: &str) -> Value {
    documents(text)[0].node.json()
}

/// The object that comes of it, and what was said.
fn made(policy: &Policy, text: &str) -> (Value, Vec<String>) {
    let object = yaml(text);
    let done = defaulted(policy, &object, None, &Siblings::default(), "alice");
    let made = applied(&object, &done.patch);
    let again = defaulted(policy, &made, None, &Siblings::default(), "alice");
    assert_eq!(again.patch, Vec::<Value>::new(), "what was patched is not patched again");
    (made, done.warnings())
}

fn broken(policy: &Policy, object: &Value) -> Vec<(String, String)> {
    let (written, json) = seen(object);
    let submitted = Submitted { written: &written, json: &|_| json.clone() };
    let judged = guard::judge(policy, &submitted, &Siblings::default(), &State::default(), Timestamp(1_795_600_000));
    judged.breaches.into_iter().map(|breach| (breach.rule.to_string(), breach.says)).collect()
}

const SERVER: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: llm, namespace: search}
spec:
  template:
    metadata: {annotations: {plimsoll.dev/gpu-memory: 12Gi, plimsoll.dev/gpu-compute: 20%}}
    spec:
      containers:
      - {name: server, image: 'vllm/vllm-openai:v0.19', ports: [{containerPort: 9000}]}
";

#[test]
fn a_need_becomes_the_smallest_slice_with_all_that_leads_to_it() {
    let (made, warnings) = made(&everything(), SERVER);
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(made["metadata"]["labels"], json!({ "plimsoll.dev/class": "online" }));
    let template = &made["spec"]["template"];
    assert_eq!(template["metadata"]["labels"], json!({ "plimsoll.dev/class": "online" }));
    let probe = |failures| json!({ "httpGet": { "path": "/health", "port": 9000 }, "periodSeconds": 10, "failureThreshold": failures });
    assert_eq!(
        template["spec"],
        json!({
            "containers": [{
                "name": "server", "image": "vllm/vllm-openai:v0.19", "ports": [{ "containerPort": 9000 }],
                "resources": { "limits": { "nvidia.com/mig-2g.20gb": "1" } },
                "readinessProbe": probe(3), "startupProbe": probe(60),
            }],
            "nodeSelector": { "plimsoll.dev/pool": "h100" },
            "tolerations": [
                { "key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule" },
                { "key": "dedicated", "operator": "Equal", "value": "h100", "effect": "NoSchedule" },
            ],
        })
    );
    let told: Vec<Value> = serde_json::from_str(made["metadata"]["annotations"]["plimsoll.dev/defaulted"].as_str().unwrap()).unwrap();
    assert_eq!(
        told[0],
        json!({
            "default": "translation", "by": "all",
            "at": "spec.template.spec.containers[server].resources.limits[\"nvidia.com/mig-2g.20gb\"]",
            "why": "12 GiB and 20 % of a board: the smallest that is enough is nvidia.com/mig-2g.20gb (19.6 GiB, 24.2 %) of the pool h100",
        })
    );
    // The rules that defaults are about have nothing to say any more.
    let rules = "{mode: enforce, rules: [{name: required-labels, mode: enforce, parameters: {labels: [plimsoll.dev/class]}}]}";
    let rules = policy(&format!("{POOLS}{}", guardrail("rules", rules)));
    let about = ["toleration-and-selector", "probes", "required-labels", "job-limits", "no-time-slicing-online", "whole-gpu-requests"];
    let of_these: Vec<_> = broken(&rules, &made).into_iter().filter(|(rule, _)| about.contains(&rule.as_str())).collect();
    assert_eq!(of_these, []);
}

/// The quarter of an L4 is smaller, and is only for what is no production.
#[test]
fn production_that_must_be_fast_gets_no_time_slices() {
    let small = SERVER.replace("12Gi", "5Gi");
    let limits = |text: &str| made(&everything(), text).0["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"].clone();
    assert_eq!(limits(&small), json!({ "nvidia.com/mig-2g.20gb": "1" }), "20 % of a board are more than a 1g");
    assert_eq!(
        limits(&small.replace("namespace: search", "namespace: search, labels: {env: dev}")),
        json!({ "nvidia.com/gpu.shared": "1" })
    );
    let batch = small.replace("apps/v1", "batch/v1").replace("kind: Deployment", "kind: Job");
    assert_eq!(limits(&batch), json!({ "nvidia.com/gpu.shared": "1" }));
}

#[test]
fn what_no_pool_has_is_said_and_nothing_is_added() {
    let only = policy(&format!("{POOLS}{}", guardrail("all", "{defaults: {translate: true}}")));
    let told = |text: &str| {
        let (made, warnings) = made(&only, text);
        assert_eq!(made, yaml(text));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].len() <= 250, "{}", warnings[0]);
        warnings[0].clone()
    };
    assert_eq!(
        told(&SERVER.replace("12Gi", "100Gi")),
        "100 GiB and 20 % of a board is more than any device offers; no device was added. There are nvidia.com/gpu (80 GiB, 100 %), \
         nvidia.com/mig-1g.10gb (9.8 GiB, 12.1 %), nvidia.com/mig-2g.20gb (19.6 GiB, 24.2 %), nvidia.com/mig-3g.40gb (39.5 GiB, 45.4 %)"
    );
    assert!(told(&SERVER.replace("12Gi", "12GB")).starts_with("plimsoll.dev/gpu-memory: '12GB' is no amount of memory"));
    assert!(told(&SERVER.replace("20%", "0.2")).starts_with("plimsoll.dev/gpu-compute: '0.2' is no percentage"));
    let other = SERVER.replace("annotations: {", "annotations: {plimsoll.dev/gpu-container: main, ");
    assert_eq!(told(&other), "plimsoll.dev/gpu-container: there is no container main; no device was added");
    let elsewhere = SERVER.replace(
        "    spec:\n      containers",
        "    spec:\n      nodeSelector: {plimsoll.dev/pool: v100, nvidia.com/gpu.product: Tesla-V100}\n      containers",
    );
    assert!(told(&elsewhere).contains("no pool is known that the pod may go to"), "{}", told(&elsewhere));
}

#[test]
fn the_container_that_is_named_gets_the_device() {
    let two = SERVER
        .replace("annotations: {", "annotations: {plimsoll.dev/gpu-container: server, ")
        .replace("      - {name: server", "      - {name: proxy, image: 'envoy:v1'}\n      - {name: server");
    let (made, _) = made(&everything(), &two);
    let containers = &made["spec"]["template"]["spec"]["containers"];
    assert_eq!((&containers[0]["resources"], containers[1]["resources"]["limits"].as_object().unwrap().len()), (&Value::Null, 1));
}

/// A bare pod, with a need of its own and nothing else.
fn pod(more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: lab, annotations: {{plimsoll.dev/gpu-memory: 5Gi}}{more}}}\nspec: {{containers: [{{name: a, image: 'a:v1'}}]}}\n"
    )
}

#[test]
fn a_pool_is_chosen_by_the_nearest_word() {
    let limit = |policy: &Policy, text: &str, labels: Option<&str>| {
        let mut siblings = Siblings::default();
        if let Some(pool) = labels {
            siblings.namespace("lab".into(), [("plimsoll.dev/pool".into(), pool.into())].into());
        }
        let object = yaml(text);
        let done = defaulted(policy, &object, None, &siblings, "alice");
        let made = applied(&object, &done.patch);
        let limits = made["spec"]["containers"][0]["resources"]["limits"].as_object().cloned().unwrap_or_default();
        (limits.keys().next().cloned().unwrap_or_default(), done.warnings())
    };
    let free = everything();
    let guarded = policy(&format!("{POOLS}{}", guardrail("all", "{defaults: {translate: true, pool: a100}}")));
    assert_eq!(limit(&free, &pod(""), None).0, "nvidia.com/gpu.shared", "the smallest of all pools: dev needs no isolation");
    assert_eq!(limit(&guarded, &pod(""), None).0, "nvidia.com/gpu", "the guardrail's pool");
    assert_eq!(limit(&guarded, &pod(""), Some("h100")).0, "nvidia.com/mig-1g.10gb", "the namespace's");
    let own = pod(", labels: {plimsoll.dev/pool: l4}");
    assert_eq!(limit(&guarded, &own, Some("h100")).0, "nvidia.com/gpu.shared", "its own");
    let (resource, warnings) = limit(&guarded, &pod(""), Some("h1000"));
    assert_eq!((resource.as_str(), warnings.len()), ("nvidia.com/gpu.shared", 1), "one that is not there is said, and passed over");
    let selecting = |labels: &str| pod("").replace("spec: {", &format!("spec: {{nodeSelector: {labels}, "));
    assert_eq!(limit(&guarded, &selecting("{plimsoll.dev/pool: h100}"), None).0, "nvidia.com/mig-1g.10gb", "it selects its nodes");
    let (resource, warnings) = limit(&guarded, &selecting("{nvidia.com/gpu.product: NVIDIA-L4}"), None);
    assert_eq!((resource.as_str(), warnings.len()), ("", 1), "the pool that is named is no place for it: {warnings:?}");
}

const GPU_JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: score, namespace: lab}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: 'a:v1', resources: {limits: {nvidia.com/gpu: 1}}}]}}}
";

#[test]
fn work_that_ends_gets_the_bounds_that_the_rule_allows() {
    let run = |defaults: &str, rules: &str, text: &str| {
        let policy = policy(&guardrail("a", &format!("{{defaults: {{deadlines: {defaults}}}, rules: [{rules}]}}")));
        let mut spec = made(&policy, text).0["spec"].clone();
        spec.as_object_mut().unwrap().retain(|key, _| !matches!(key.as_str(), "template" | "jobTemplate" | "rayClusterSpec"));
        spec
    };
    assert_eq!(run("{}", "", GPU_JOB), json!({ "activeDeadlineSeconds": 604_800, "ttlSecondsAfterFinished": 604_800 }));
    let strict = "{name: job-limits, parameters: {deadline-most: 24, retries-most: 2, cleanup-most: 1}}";
    assert_eq!(run("{}", strict, GPU_JOB), json!({ "activeDeadlineSeconds": 86_400, "backoffLimit": 2, "ttlSecondsAfterFinished": 3_600 }));
    assert_eq!(
        run("{deadlineHours: 0.5, retries: 0}", strict, GPU_JOB),
        json!({ "activeDeadlineSeconds": 1_800, "backoffLimit": 0, "ttlSecondsAfterFinished": 3_600 })
    );
    let set = GPU_JOB.replace("spec: {template", "spec: {activeDeadlineSeconds: 7, backoffLimit: 9, template");
    assert_eq!(run("{}", strict, &set), json!({ "activeDeadlineSeconds": 7, "backoffLimit": 9, "ttlSecondsAfterFinished": 3_600 }));
    assert_eq!(run("{disabled: true}", strict, GPU_JOB), json!({}));
    let of_pod = GPU_JOB.replace("restartPolicy", "activeDeadlineSeconds: 60, restartPolicy");
    assert_eq!(run("{}", "", &of_pod), json!({ "ttlSecondsAfterFinished": 604_800 }), "its pods have an end");
    let ray = |more: &str| {
        format!("
apiVersion: ray.io/v1
kind: RayJob
metadata: {{name: tune, namespace: lab}}
spec: {{{more}rayClusterSpec: {{headGroupSpec: {{template: {{spec: {{containers: [{{name: head, image: 'ray:2', resources: {{limits: {{nvidia.com/gpu: 1}}}}}}]}}}}}}}}}}
")
    };
    assert_eq!(
        run("{}", strict, &ray("")),
        json!({ "activeDeadlineSeconds": 86_400, "shutdownAfterJobFinishes": true, "ttlSecondsAfterFinished": 3_600 })
    );
    assert_eq!(
        run("{}", strict, &ray("shutdownAfterJobFinishes: false, ")),
        json!({ "activeDeadlineSeconds": 86_400, "shutdownAfterJobFinishes": false })
    );
}

/// The jobs of a JobSet have ends of their own, and the set its clean-up.
#[test]
fn the_jobs_of_a_set_get_their_bounds_too() {
    let policy = policy(&guardrail(
        "a",
        "{defaults: {deadlines: {}}, rules: [{name: job-limits, mode: enforce, parameters: {deadline-most: 24, retries-most: 2, cleanup-most: 1}}]}",
    ));
    let set = "
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata: {name: train, namespace: lab}
spec:
  replicatedJobs:
  - {name: driver, template: {spec: {template: {spec: {containers: [{name: a, image: 'a:v1'}]}}}}}
  - {name: workers, template: {spec: {template: {spec: {containers: [{name: a, image: 'a:v1', resources: {limits: {nvidia.com/gpu: 1}}}]}}}}}
";
    let object = made(&policy, set).0;
    let bounds = |job: usize| {
        let mut spec = object["spec"]["replicatedJobs"][job]["template"]["spec"].clone();
        spec.as_object_mut().unwrap().remove("template");
        spec
    };
    assert_eq!((bounds(0), bounds(1)), (json!({}), json!({ "activeDeadlineSeconds": 86_400, "backoffLimit": 2 })));
    assert_eq!(object["spec"]["ttlSecondsAfterFinished"], 3_600);
    assert_eq!(broken(&policy, &object), []);
    let says = broken(&policy, &yaml(set)).into_iter().map(|(_, says)| says).collect::<Vec<_>>();
    assert_eq!(
        says,
        [
            "job workers: it has no deadline (activeDeadlineSeconds)",
            "job workers: it is tried again 6 times by default, and 2 are allowed",
            "it has no clean-up (ttlSecondsAfterFinished)",
        ]
    );
}

#[test]
fn probes_are_given_where_nothing_is_guessed() {
    let policy = policy(&guardrail("a", "{defaults: {probes: true}}"));
    let container = |more: &str| {
        let text = format!(
            "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: llm, namespace: search}}
spec: {{template: {{spec: {{containers: [{{name: a, resources: {{limits: {{nvidia.com/gpu: 1}}}}, {more}}}]}}}}}}
"
        );
        made(&policy, &text).0["spec"]["template"]["spec"]["containers"][0].clone()
    };
    let has = |more: &str| {
        let made = container(more);
        (made.get("readinessProbe").is_some(), made.get("startupProbe").is_some())
    };
    assert_eq!(has("image: 'vllm/vllm-openai:v0.19'"), (false, false), "its port may be another");
    assert_eq!(has("image: 'acme/llm:v1', ports: [{containerPort: 8000}]"), (false, false), "the engine is not known");
    assert_eq!(has("image: 'vllm/vllm-openai:v0.19', ports: [{containerPort: 1}, {containerPort: 2}]"), (false, false), "which port?");
    let triton = container("image: 'nvcr.io/nvidia/tritonserver:25.01', ports: [{containerPort: 8001}, {containerPort: 8000}]");
    assert_eq!(triton["startupProbe"]["httpGet"], json!({ "path": "/v2/health/ready", "port": 8000 }));
    // What the author has written is how the server is asked.
    let own = container(
        "image: 'vllm/vllm-openai:v0.19', ports: [{containerPort: 8000}], readinessProbe: {httpGet: {path: /up, port: web, scheme: HTTPS}, timeoutSeconds: 5}",
    );
    assert_eq!(own["startupProbe"]["httpGet"], json!({ "path": "/up", "port": "web", "scheme": "HTTPS" }));
    assert_eq!(own["readinessProbe"]["timeoutSeconds"], 5);
    assert_eq!(
        has("image: 'vllm/vllm-openai:v0.19', ports: [{containerPort: 8000}], readinessProbe: {exec: {command: [up]}}"),
        (true, false)
    );
}

#[test]
fn nothing_is_done_where_nobody_asks_for_it() {
    let all = everything();
    let untouched = |policy: &Policy, text: &str| made(policy, text).0 == yaml(text);
    assert!(untouched(&Policy::default(), SERVER) && untouched(&policy(&guardrail("a", "{mode: enforce}")), SERVER));
    assert!(untouched(
        &policy(&format!("{POOLS}{}", guardrail("a", &format!("{{namespaces: {{names: [lab]}}, defaults: {ALL}}}")))),
        SERVER
    ));
    assert!(untouched(&all, &SERVER.replace("namespace: search", "namespace: search, annotations: {plimsoll.dev/defaults: 'off'}")));
    assert!(untouched(&all, "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: 'a:v1'}]}}"), "no GPU");
    assert!(untouched(&all, &SERVER.replace("apps/v1", "acme.io/v1").replace("kind: Deployment", "kind: Llm")), "not a kind of ours");
    let mut siblings = Siblings::default();
    siblings.namespace("search".into(), [("plimsoll.dev/defaults".into(), "off".into())].into());
    assert_eq!(defaulted(&all, &yaml(SERVER), None, &siblings, "alice"), Defaulted::default());
    // Of guardrails that name a default, those of the greatest precedence count.
    let both = |defaults: &str| {
        policy(&format!(
            "{}{}",
            guardrail("a", "{defaults: {classLabel: true}}"),
            guardrail("b", &format!("{{precedence: 1, defaults: {defaults}}}"))
        ))
    };
    assert!(untouched(&both("{classLabel: false}"), GPU_JOB) && !untouched(&both("{toleration: false}"), GPU_JOB));
}

/// What controls them got the defaults; an owner that cannot have them leaves them to what it makes.
#[test]
fn pods_are_left_to_what_makes_them() {
    let owned = |api_version: &str, kind: &str| {
        let owner = format!(", ownerReferences: [{{apiVersion: {api_version}, kind: {kind}, name: x, uid: y, controller: true}}]");
        yaml(&pod(&owner))
    };
    let controller = "system:serviceaccount:kube-system:replicaset-controller";
    let is_patched = |object: &Value, user: &str| !defaulted(&everything(), object, None, &Siblings::default(), user).patch.is_empty();
    assert!(!is_patched(&owned("apps/v1", "ReplicaSet"), controller));
    assert!(is_patched(&owned("apps/v1", "ReplicaSet"), "alice"), "an owner reference alone opens no door");
    assert!(is_patched(&owned("acme.io/v1", "Llm"), "system:serviceaccount:acme:operator"));
    assert!(is_patched(&owned("trainer.kubeflow.org/v1alpha1", "TrainJob"), controller));
}

/// A new default is no reason to replace pods that run; what an update leaves out comes back.
#[test]
fn an_update_is_changed_where_its_author_changes_it() {
    let (made, _) = made(&everything(), SERVER);
    let patch = |new: &Value, old: &Value| defaulted(&everything(), new, Some(old), &Siblings::default(), "alice").patch;
    let old = yaml(SERVER);
    let mut annotated = old.clone();
    annotated["metadata"]["annotations"] = json!({ "note": "x" });
    let mut scaled = old.clone();
    scaled["spec"]["replicas"] = json!(3);
    assert_eq!(patch(&annotated, &old), Vec::<Value>::new());
    let paths: Vec<Value> = patch(&scaled, &old).iter().map(|op| op["path"].clone()).collect();
    assert!(!paths.iter().any(|path| path.as_str().unwrap().starts_with("/spec/template")), "its pods stay as they are: {paths:?}");
    let mut reapplied = made.clone();
    reapplied["spec"]["template"]["spec"]["tolerations"] = json!([{ "key": "own", "operator": "Exists" }]);
    let again = applied(&reapplied, &patch(&reapplied, &made));
    assert_eq!(again["spec"]["template"]["spec"]["tolerations"].as_array().unwrap().len(), 3);
    // The device that a need has become stays, and that is said.
    let mut larger = made.clone();
    larger["spec"]["template"]["metadata"]["annotations"]["plimsoll.dev/gpu-memory"] = json!("30Gi");
    let done = defaulted(&everything(), &larger, Some(&made), &Siblings::default(), "alice");
    assert_eq!((done.patch.len(), done.warnings().len()), (0, 1));
    assert!(done.warnings()[0].contains("the device of before stays"), "{:?}", done.warnings());
    // Pods and Jobs cannot be changed.
    for fixed in [GPU_JOB.to_owned(), pod("")] {
        let (old, mut new) = (yaml(&fixed), yaml(&fixed));
        new["spec"]["activeDeadlineSeconds"] = json!(60);
        assert_eq!(patch(&new, &old), Vec::<Value>::new());
    }
}

/// A pool that was just chosen brings the object under a guardrail of that pool.
#[test]
fn one_default_can_lead_to_another_and_then_all_is_done() {
    let policy = policy(&format!(
        "{POOLS}{}{}",
        guardrail("a", "{defaults: {translate: true}}"),
        guardrail("b", "{pools: [h100], defaults: {classLabel: true}}")
    ));
    assert_eq!(made(&policy, SERVER).0["metadata"]["labels"], json!({ "plimsoll.dev/class": "online" }));
}

/// The documentation shows what happens.
#[test]
fn the_documentation_is_true() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/defaults.md")).unwrap();
    let blocks = |form: &str| -> Vec<String> {
        let mark = format!("```{form}\n");
        page.split(&mark).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
    };
    let yamls = blocks("yaml");
    let [rules, object, becomes, off] = yamls.as_slice() else { panic!("four examples: {}", yamls.len()) };
    let policy = policy(rules);
    let (mut made, warnings) = made(&policy, object);
    let told = made["metadata"].as_object_mut().unwrap().remove("annotations").unwrap();
    assert_eq!((&made, warnings), (&yaml(becomes), Vec::new()));
    let told: Vec<Value> = serde_json::from_str(told["plimsoll.dev/defaulted"].as_str().unwrap()).unwrap();
    assert_eq!(told[0], serde_json::from_str::<Value>(&blocks("json")[0]).unwrap());
    assert_eq!(defaulted(&policy, &yaml(off), None, &Siblings::default(), "alice"), Defaulted::default());
    let on = off.replace("plimsoll.dev/defaults: \"off\", ", "");
    assert!(!defaulted(&policy, &yaml(&on), None, &Siblings::default(), "alice").patch.is_empty());
}
