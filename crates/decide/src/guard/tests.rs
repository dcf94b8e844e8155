#![allow(clippy::unwrap_used)]

use super::*;
use plimsoll_api::Resource;
use plimsoll_fleet::{
    selector::Labels,
    workload::{Amount, Rollout, Run},
    written::{ClaimSource, Container, DeviceRequest, PodClaim, Probe, Quantity, Role, Template},
};
use proptest::prelude::*;
use serde_json::json;

fn resource(kind: &str, name: &str, spec: &Value) -> Resource {
    let object = json!({ "apiVersion": "plimsoll.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec });
    plimsoll_api::read(&object).unwrap().unwrap()
}

fn policy(guardrails: &[(&str, Value)]) -> Policy {
    Policy::new(guardrails.iter().map(|(name, spec)| resource("Guardrail", name, spec)).collect()).unwrap()
}

fn gpus(count: i128) -> Quantity {
    Quantity { text: count.to_string().into(), nanos: Some(count * 1_000_000_000) }
}

/// So many pods of `kind`, each with a GPU.
fn workload(kind: &str, pods: u64) -> Written {
    let container = Container {
        path: Path::of("spec.template.spec.containers").item(0, Some("main".into())),
        name: "main".into(),
        image: Some("acme/llm:v1".into()),
        resources_key: "resources",
        limits: BTreeMap::from([("nvidia.com/gpu".into(), gpus(1))]),
        ..Container::default()
    };
    let template = Template { path: Path::of("spec.template"), pods: Some(pods), containers: vec![container], ..Template::default() };
    Written { kind: kind.into(), namespace: "search".into(), name: "llm".into(), templates: vec![template], ..Written::default() }
}

const TODAY: Timestamp = Timestamp(1_795_600_000); // 2026-11-25

/// Judges what no rule of a user's own looks at.
fn judge(policy: &Policy, written: &Written, siblings: &Siblings, state: &State, today: Timestamp) -> Judgement {
    super::judge(policy, &Submitted { written, json: &|_| Value::Null }, siblings, state, today)
}

fn broken(policy: &Policy, object: &Written, state: &State) -> Vec<(&'static str, Mode)> {
    let judgement = judge(policy, object, &Siblings::new(true), state, TODAY);
    let name = |breach: &Breach| rules::named(&breach.rule).unwrap().name;
    judgement.breaches.iter().map(|breach| (name(breach), breach.mode)).collect()
}

fn pods_9(mode: &str) -> Value {
    json!({ "rules": [{ "name": "gpus-per-workload", "mode": mode, "parameters": { "most": 8 } }] })
}

#[test]
fn modes_and_precedence() {
    let big = workload("Deployment", 9);
    let none = State::default();
    let with = |mut spec: Value, more: &Value| {
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let told = |guardrails: &[(&str, Value)]| broken(&policy(guardrails), &big, &none);
    assert_eq!(told(&[("a", pods_9("enforce"))]), [("gpus-per-workload", Mode::Enforce)]);
    assert_eq!(told(&[("a", pods_9("off"))]), []);
    // Equal precedence: all hold, the strictest counts, and it is said once.
    assert_eq!(told(&[("a", pods_9("audit")), ("b", pods_9("enforce")), ("c", pods_9("warn"))]), [("gpus-per-workload", Mode::Enforce)]);
    // A greater one is the only one that counts, though it says off.
    let softer = with(pods_9("off"), &json!({ "precedence": 1, "namespaces": { "names": ["sea*"] } }));
    assert_eq!(told(&[("a", pods_9("enforce")), ("b", softer)]), []);
    // It counts where it covers, and nowhere else.
    for selector in [
        json!({ "precedence": 1, "namespaces": { "names": ["other"] } }),
        json!({ "precedence": 1, "namespaces": { "except": ["search"] } }),
        json!({ "precedence": 1, "namespaces": { "matchLabels": { "tier": "gold" } } }),
        json!({ "precedence": 1, "classes": ["dev"] }),
        json!({ "precedence": 1, "teams": ["vision"] }),
        json!({ "precedence": 1, "pools": ["h100"] }),
    ] {
        assert_eq!(
            told(&[("a", pods_9("enforce")), ("b", with(pods_9("off"), &selector))]),
            [("gpus-per-workload", Mode::Enforce)],
            "{selector}"
        );
    }
}

#[test]
fn an_exemption_names_its_reason_and_ends() {
    let spec = |expires: &str, name: &str| {
        let mut spec = pods_9("enforce");
        spec["exemptions"] =
            json!([{ "rules": ["gpus-per-workload"], "namespace": "search", "name": name, "reason": "the launch", "expires": expires }]);
        policy(&[("a", spec)])
    };
    let judged = |policy: &Policy, today| judge(policy, &workload("Deployment", 9), &Siblings::new(true), &State::default(), today);
    let holding = judged(&spec("2026-11-30", "ll*"), TODAY);
    assert!(holding.breaches.is_empty());
    assert_eq!(holding.exempt[0].reason, "the launch");
    assert_eq!(judged(&spec("2026-11-30", "ll*"), Timestamp(TODAY.0 + 7 * 86_400)).breaches.len(), 1, "it has ended");
    assert_eq!(judged(&spec("2026-11-30", "other"), TODAY).breaches.len(), 1, "it is another's");
}

#[test]
fn what_a_guardrail_cannot_mean_is_said() {
    let wrong = |spec: Value| Policy::new(vec![resource("Guardrail", "a", &spec)]).unwrap_err().to_string();
    let rule = |rule: Value| wrong(json!({ "rules": [rule] }));
    assert!(rule(json!({ "name": "gpu-per-pod" })).contains("did you mean gpus-per-pod?"));
    assert!(rule(json!({ "name": "gpus-per-pod", "parameters": { "max": 4 } })).contains("no parameter is named 'max'; it has most"));
    assert!(rule(json!({ "name": "gpus-per-pod", "parameters": { "most": "4" } })).contains("not a number of zero or more"));
    assert!(rule(json!({ "name": "gpu-models", "parameters": { "allowed": "H100" } })).contains("not a list of texts"));
    assert!(rule(json!({ "name": "peak-hours", "parameters": { "days": ["monday"] } })).contains("'monday' is not one of mon"));
    assert!(
        wrong(json!({ "exemptions": [{ "rules": ["probe"], "reason": "x", "expires": "2027-01-01" }] })).contains("did you mean probes?")
    );
    let twice = Policy::new(vec![resource("Team", "a", &json!({})), resource("Team", "a", &json!({}))]);
    assert!(twice.unwrap_err().to_string().contains("two objects Team a"));
}

/// The rules that need a cluster's knowledge: not judged without it, and right with it.
#[test]
fn what_needs_a_cluster() {
    let team = json!({ "namespaces": ["search"], "limits": { "gpus": 10 }, "budget": { "month": 1000.0 } });
    let rules = ["team-gpus", "budget-left", "image-size"].map(|name| json!({ "name": name, "mode": "enforce" }));
    let all = json!({ "rules": rules });
    let policy = Policy::new(vec![resource("Team", "search", &team), resource("Guardrail", "a", &all)]).unwrap();
    let object = workload("Deployment", 4);
    let unjudged = judge(&policy, &object, &Siblings::new(true), &State::default(), TODAY);
    assert_eq!((unjudged.breaches.len(), unjudged.unjudged.len()), (0, 3));

    let state = |gpus, spent: f64, own_gpus, gib: u64| State {
        used: BTreeMap::from([("search".into(), Used { gpus, spent_month: Some(spent) })]),
        own_gpus,
        images: BTreeMap::from([("acme/llm:v1".into(), Bytes(gib << 30))]).into(),
        ..State::default()
    };
    let rules = |state: State| broken(&policy, &object, &state).into_iter().map(|(rule, _)| rule).collect::<Vec<_>>();
    assert_eq!(rules(state(6, 999.0, 0, 30)), Vec::<&str>::new());
    assert_eq!(rules(state(7, 999.0, 0, 30)), ["team-gpus"]);
    assert_eq!(rules(state(9, 1000.0, 3, 30)), Vec::<&str>::new(), "what it holds already is its own");
    assert_eq!(rules(state(6, 1000.0, 0, 31)), ["budget-left", "image-size"]);
}

/// A need that became no device: told where the object is as it came in, with the smallest device of its pool.
#[test]
fn a_need_is_unmet_once_a_cluster_has_the_object() {
    let pool = json!({ "nodeLabels": { "pool": "p" }, "model": "NVIDIA-H100-80GB-HBM3", "sharing": "mig", "devices": [{ "resource": "nvidia.com/mig-1g.10gb" }, { "resource": "nvidia.com/mig-2g.20gb" }] });
    let guardrail = json!({ "rules": [{ "name": "need-met", "mode": "enforce" }] });
    let policy = Policy::new(vec![resource("Guardrail", "a", &guardrail), resource("Pool", "p", &pool)]).unwrap();
    let mut object = Written { api_version: "apps/v1".into(), ..workload("Deployment", 1) };
    object.templates[0].containers[0].limits.clear();
    object.templates[0].annotations.insert("plimsoll.dev/gpu-memory".into(), "12Gi".into());
    object.templates[0].node_selector.insert("pool".into(), "p".into());
    let mut siblings = Siblings::new(true);
    let judged =
        |object: &Written, siblings: &Siblings, admitted| judge(&policy, object, siblings, &State { admitted, ..State::default() }, TODAY);
    let told = judged(&object, &siblings, true);
    assert_eq!(told.breaches[0].says, "a pod says that it needs 12 GiB of GPU memory, and asks for no device");
    assert!(told.breaches[0].path.to_string().ends_with(r#"[main].resources.limits["nvidia.com/mig-2g.20gb"]"#), "{told:?}");
    assert_eq!(judged(&object, &siblings, false), Judgement::default(), "the webhook will add it");
    // A claim may give it: that is known once the claim is.
    let source = Some(ClaimSource::Template("fast".into()));
    object.templates[0].claims.push(PodClaim { name: "device".into(), source });
    let unknown = judged(&object, &siblings, true);
    assert_eq!((unknown.breaches.len(), unknown.unjudged.len()), (0, 1));
    let claim = |class: &str| {
        let request = DeviceRequest { path: Path::of("spec"), name: "r".into(), classes: vec![class.into()], count: Some(1) };
        Written {
            kind: "ResourceClaimTemplate".into(),
            namespace: "search".into(),
            name: "fast".into(),
            requests: vec![request],
            ..Written::default()
        }
    };
    siblings.add(&claim("rdma"));
    assert_eq!(judged(&object, &siblings, true).breaches.len(), 1);
    let mut siblings = Siblings::new(true);
    siblings.add(&claim("gpu.nvidia.com"));
    assert_eq!(judged(&object, &siblings, true).breaches.len(), 0);
}

#[test]
fn peak_hours_are_by_day_and_hour_over_midnight_too() {
    let big = Written { run: Some(Run::default()), ..workload("PyTorchJob", 9) };
    let at = |text: &str, parameters: Value| {
        let policy = policy(&[("a", json!({ "rules": [{ "name": "peak-hours", "mode": "enforce", "parameters": parameters }] }))]);
        let at = text.parse::<jiff::Timestamp>().unwrap();
        !broken(&policy, &big, &State { at: Some(Timestamp(at.as_second())), ..State::default() }).is_empty()
    };
    assert!(at("2026-11-25T08:00:00Z", json!({})), "a Wednesday");
    assert!(!at("2026-11-25T07:59:59Z", json!({})) && !at("2026-11-25T20:00:00Z", json!({})));
    assert!(!at("2026-11-28T12:00:00Z", json!({})), "a Saturday");
    let night = || json!({ "from": 22, "to": 6, "days": ["fri"] });
    assert!(at("2026-11-28T05:00:00Z", night()) && at("2026-11-27T23:00:00Z", night()));
    assert!(!at("2026-11-27T05:00:00Z", night()));
}

#[test]
fn the_absence_of_a_sibling_is_judged_only_where_all_of_them_are_known() {
    let object = Written { replicas: Some(2), ..workload("Deployment", 2) };
    let policy = policy(&[("a", json!({ "rules": [{ "name": "disruption-budget" }] }))]);
    let judged = |complete| judge(&policy, &object, &Siblings::new(complete), &State::default(), TODAY);
    assert_eq!((judged(true).breaches.len(), judged(true).unjudged.len()), (1, 0));
    assert_eq!((judged(false).breaches.len(), judged(false).unjudged.len()), (0, 1));
}

/// Two guardrails, teams, a pool: rules with every parameter at hand.
fn strict() -> Policy {
    let rules: Vec<Value> = rules::ALL.iter().map(|rule| json!({ "name": rule.name, "mode": "enforce" })).collect();
    Policy::new(vec![
        resource("Guardrail", "a", &json!({ "rules": rules })),
        resource("Guardrail", "b", &json!({ "mode": "warn", "classes": ["online"] })),
        resource("Team", "search", &json!({ "namespaces": ["s*"], "limits": { "gpus": 3 }, "models": ["A*"], "budget": { "month": 5.0 } })),
        resource("Pool", "p", &json!({ "nodeLabels": { "nvidia.com/gpu.product": "A100" }, "sharing": "time-slicing", "gpusPerNode": 8, "cpusPerNode": 96.0 })),
    ])
    .unwrap()
}

fn names() -> impl Strategy<Value = Name> {
    prop_oneof!["[a-z]{0,3}", Just(String::new()), "\\PC{0,8}"].prop_map(Name::from)
}

fn quantities() -> impl Strategy<Value = BTreeMap<Name, Quantity>> {
    let resource = prop_oneof![
        Just("nvidia.com/gpu"),
        Just("nvidia.com/gpu.shared"),
        Just("nvidia.com/mig-1g.10gb"),
        Just("amd.com/gpu"),
        Just("cpu"),
        Just("memory"),
        Just("deviceclass.resource.kubernetes.io/gpu.nvidia.com")
    ];
    let nanos = prop_oneof![Just(None), any::<i128>().prop_map(Some), (0_i128..20).prop_map(|count| Some(count * 500_000_000))];
    let quantity = (names(), nanos).prop_map(|(text, nanos)| Quantity { text, nanos });
    proptest::collection::btree_map(resource.prop_map(Name::from), quantity, 0..4)
}

fn labels() -> impl Strategy<Value = Labels> {
    let key = prop_oneof![
        Just("plimsoll.dev/class"),
        Just("team"),
        Just("nvidia.com/gpu.product"),
        Just("plimsoll.dev/load-time"),
        Just("plimsoll.dev/gpu-memory"),
        Just("env"),
        Just("x")
    ];
    proptest::collection::btree_map(key.prop_map(Name::from), prop_oneof![Just(Name::from("online")), Just("A100".into()), names()], 0..4)
}

fn containers() -> impl Strategy<Value = Container> {
    let role = prop_oneof![Just(Role::Main), Just(Role::Init), Just(Role::Sidecar), Just(Role::Ephemeral)];
    let probe = || {
        proptest::option::of((any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(delay_s, period_s, failures)| Probe {
            delay_s,
            period_s,
            failures,
        }))
    };
    (names(), proptest::option::of(names()), role, quantities(), quantities(), (probe(), probe(), probe())).prop_map(
        |(name, image, role, requests, limits, (startup, readiness, liveness))| Container {
            path: Path::of("spec").item(0, Some(name.clone())),
            name,
            image,
            role,
            resources_key: "resources",
            requests,
            limits,
            claims: vec!["gpu".into()],
            startup,
            readiness,
            liveness,
            port: None,
        },
    )
}

fn objects() -> impl Strategy<Value = Written> {
    let kind = prop_oneof![
        Just("Pod"),
        Just("Deployment"),
        Just("Job"),
        Just("RayJob"),
        Just("JobSet"),
        Just("ResourceClaim"),
        Just("Notebook"),
        Just("X")
    ];
    let template = (labels(), labels(), proptest::collection::vec(containers(), 0..4), proptest::option::of(any::<u64>()), any::<bool>())
        .prop_map(|(labels, node_selector, containers, pods, bare)| Template {
            labels,
            node_selector,
            containers,
            pods,
            bare,
            claims: vec![PodClaim { name: "gpu".into(), source: Some(ClaimSource::Template("c".into())) }],
            ..Template::default()
        });
    let replicas = || proptest::option::of(any::<u32>());
    (kind, labels(), proptest::collection::vec(template, 0..3), replicas(), replicas(), any::<(u64, u32, u32)>()).prop_map(
        |(kind, labels, templates, replicas, backoff_limit, (count, surge, unavailable))| Written {
            kind: kind.into(),
            namespace: "search".into(),
            name: "x".into(),
            annotations: labels.clone(),
            labels,
            templates,
            replicas,
            rollout: Some(Rollout::Rolling { max_surge: Amount::Percent(surge), max_unavailable: Amount::Count(unavailable) }),
            run: Some(Run { backoff_limit, ..Run::default() }),
            requests: vec![DeviceRequest {
                path: Path::of("spec"),
                name: "r".into(),
                classes: vec!["gpu.nvidia.com".into()],
                count: Some(count),
            }],
            ..Written::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn no_object_makes_a_rule_panic_and_the_same_one_is_judged_the_same(object in objects(), beside in objects(), complete: bool) {
        let mut siblings = Siblings::new(complete);
        siblings.add(&beside);
        siblings.add(&Written { kind: "ResourceClaimTemplate".into(), name: "c".into(), ..beside.clone() });
        let state = State { at: Some(TODAY), own_gpus: 1, admitted: true, used: BTreeMap::from([("search".into(), Used { gpus: u64::MAX, spent_month: Some(f64::MAX) })]), ..State::default() };
        for policy in [strict(), Policy::default()] {
            let judged = judge(&policy, &object, &siblings, &state, TODAY);
            prop_assert_eq!(&judged, &judge(&policy, &object, &siblings, &state, TODAY));
            for breach in &judged.breaches {
                prop_assert!(!breach.says.is_empty() && !breach.fix.says.is_empty());
                prop_assert!(breach.mode != Mode::Off);
            }
        }
    }
}

fn custom(rule: Value) -> Result<Policy, String> {
    let spec = json!({ "customRules": [rule] });
    let object = json!({ "apiVersion": "plimsoll.dev/v1alpha1", "kind": "Guardrail", "metadata": { "name": "a" }, "spec": spec });
    let resource = plimsoll_api::read(&object).map_err(|error| error.to_string())?.unwrap();
    Policy::new(vec![resource]).map_err(|error| error.to_string())
}

fn judge_json(policy: &Policy, written: &Written, json: &Value) -> Judgement {
    super::judge(policy, &Submitted { written, json: &|_| json.clone() }, &Siblings::new(true), &State::default(), TODAY)
}

#[test]
fn a_rule_of_a_users_own_is_a_rule_like_others() {
    let json = json!({ "kind": "Deployment", "metadata": { "name": "llm", "labels": { "ticket": "none" } } });
    let object = workload("Deployment", 9);
    let rule = json!({
        "name": "has-a-ticket",
        "mode": "enforce",
        "expression": "object.metadata.labels['ticket'].matches('^OPS-[0-9]+$')",
        "message": "it names no ticket",
        "messageExpression": "'the ticket is ' + object.metadata.labels.ticket",
        "why": "Whoever is called at night looks there.",
        "fix": "Label it with the ticket.",
    });
    let policy = custom(rule.clone()).unwrap();
    let told = judge_json(&policy, &object, &json);
    assert_eq!(told.breaches.len(), 1);
    let breach = &told.breaches[0];
    assert_eq!((&*breach.rule, breach.mode, breach.guardrail.as_deref()), ("has-a-ticket", Mode::Enforce, Some("a")));
    assert_eq!(breach.message(), "The ticket is none. Whoever is called at night looks there.");
    assert_eq!(breach.fix.says, "Label it with the ticket.");
    let fine = json!({ "metadata": { "labels": { "ticket": "OPS-1" } } });
    assert!(judge_json(&policy, &object, &fine).breaches.is_empty());

    // No such key: not judged, or broken where its author says so.
    let silent = json!({ "metadata": {} });
    let unjudged = judge_json(&policy, &object, &silent);
    assert_eq!((unjudged.breaches.len(), unjudged.unjudged.len()), (0, 1));
    assert!(unjudged.unjudged[0].says.contains("there is no labels"), "{:?}", unjudged.unjudged);
    let mut strict = rule.clone();
    strict["failurePolicy"] = "fail".into();
    let broken = judge_json(&custom(strict).unwrap(), &object, &silent);
    assert_eq!((broken.breaches.len(), broken.unjudged.len()), (1, 0));

    // It is about what asks for GPUs, and about the kinds that it names.
    let mut cpu = object.clone();
    cpu.templates[0].containers[0].limits.clear();
    assert!(judge_json(&policy, &cpu, &json).breaches.is_empty());
    let of = |matches: Value, object: &Written| {
        let mut rule = rule.clone();
        rule["match"] = matches;
        judge_json(&custom(rule).unwrap(), object, &json).breaches.len()
    };
    assert_eq!((of(json!({ "gpus": false }), &cpu), of(json!({ "kinds": ["Job"] }), &object)), (1, 0));
}

#[test]
fn modes_precedence_and_exemptions_hold_for_rules_of_a_users_own_too() {
    let json = json!({ "kind": "Deployment" });
    let own = |more: Value| {
        let mut spec = json!({ "customRules": [{ "name": "never", "mode": "warn", "expression": "devices < 9", "message": "no" }] });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let modes = |guardrails: &[(&str, Value)]| {
        let told = judge_json(&policy(guardrails), &workload("Deployment", 9), &json);
        (told.breaches.iter().map(|breach| breach.mode).collect::<Vec<_>>(), told.exempt.len())
    };
    let setting = |mode: &str, precedence: i32| json!({ "precedence": precedence, "rules": [{ "name": "never", "mode": mode }] });
    assert_eq!(modes(&[("a", own(json!({})))]), (vec![Mode::Warn], 0));
    assert_eq!(modes(&[("a", own(json!({}))), ("b", setting("enforce", 1))]), (vec![Mode::Enforce], 0));
    assert_eq!(modes(&[("a", own(json!({}))), ("b", setting("enforce", 0))]), (vec![Mode::Enforce], 0), "the strictest, once");
    assert_eq!(modes(&[("a", own(json!({}))), ("b", setting("off", 1))]), (vec![], 0));
    let exempt = json!({ "exemptions": [{ "rules": ["never"], "reason": "known", "expires": "2027-03-31" }] });
    assert_eq!(modes(&[("a", own(exempt))]), (vec![], 1));
}

#[test]
fn what_is_wrong_with_a_rule_of_a_users_own_is_said_before_it_judges() {
    let with = |change: Value| {
        let mut rule = json!({ "name": "mine", "expression": "true", "message": "no" });
        rule.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        custom(rule).unwrap_err()
    };
    for (change, says) in [
        (
            json!({ "expression": "object.spec.containers.all(c, c.env == [])" }),
            "rule mine: expression: it asks for env, which is never read",
        ),
        (json!({ "expression": "object.a.all(x, object.b.all(y, object.c.all(z, x == y && y == z)))" }), "steps for the largest object"),
        (json!({ "expression": "1 +" }), "line 1, column"),
        (json!({ "messageExpression": "objekt" }), "messageExpression: there is no variable"),
        (json!({ "name": "probes" }), "a rule of this program has that name"),
        (json!({ "name": "Mine" }), "lower case letters"),
        (json!({ "message": " " }), "neither message nor messageExpression"),
        (json!({ "mode": "deny" }), "unknown variant `deny`"),
        (json!({ "match": { "kind": "Pod" } }), "unknown field `kind`"),
    ] {
        let error = with(change);
        assert!(error.contains(says), "{error}");
    }
    let parameters = json!({ "rules": [{ "name": "mine", "parameters": { "most": 1 } }],
        "customRules": [{ "name": "mine", "expression": "true", "message": "no" }] });
    let error = Policy::new(vec![resource("Guardrail", "a", &parameters)]).unwrap_err().to_string();
    assert!(error.contains("have no parameters"), "{error}");
}

#[test]
fn a_fix_is_certain_only_where_there_is_one_right_answer() {
    let certain = |object: &Written| -> Vec<(Name, String)> {
        let rules = ["whole-gpu-requests", "toleration-and-selector", "image-tags", "required-labels"].map(|name| json!({ "name": name }));
        let policy = Policy::new(vec![
            resource("Guardrail", "a", &json!({ "rules": rules })),
            resource(
                "Pool",
                "p",
                &json!({ "nodeLabels": { "pool": "p" }, "taints": [{ "key": "a", "effect": "NoSchedule" }, { "key": "b", "effect": "NoExecute" }] }),
            ),
        ]);
        let judged = judge(&policy.unwrap(), object, &Siblings::new(true), &State::default(), TODAY);
        let fixes = judged.breaches.into_iter().filter_map(|breach| Some((breach.rule, breach.fix.certain?)));
        fixes.map(|(rule, (path, value))| (rule, format!("{path} {value}"))).collect()
    };
    let mut object = workload("Deployment", 1);
    object.templates[0].node_selector.insert("pool".into(), "p".into());
    object.templates[0].containers[0].image = Some("x:latest".into());
    object.templates[0].containers[0].requests.insert("nvidia.com/gpu".into(), gpus(2));
    let both = r#"spec.template.spec.tolerations [{"effect":"NoSchedule","key":"a","operator":"Exists"},{"effect":"NoExecute","key":"b","operator":"Exists"}]"#;
    let request = r#"spec.template.spec.containers[main].resources.requests["nvidia.com/gpu"] 1"#;
    assert_eq!(certain(&object), [("toleration-and-selector".into(), both.to_owned()), ("whole-gpu-requests".into(), request.to_owned())]);
    // A TrainJob has no place for tolerations.
    object.templates[0].bare = true;
    assert_eq!(certain(&object).len(), 1);
}
