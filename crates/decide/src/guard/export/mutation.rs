//! Defaults as policies that change objects: MutatingAdmissionPolicy with its binding, and Kyverno's MutatingPolicy.
//!
//! One policy holds the defaults of all guardrails, since what one of them adds another sees, and precedence is between them. Each
//! default is a list of lines of a JSON Patch: tolerations are a list that is replaced as a whole, and a merge would take out what
//! the author has written. What is added is what [`crate::guard::defaults`] adds, but for the annotation that tells of it.

use super::{
    Exported, LeftOut, Scope, Variable, coverage, needed, object,
    rules::toleration_and_selector::is_tolerated,
    text::{all_in, any_of, list, quoted},
};
use crate::{
    class,
    guard::{
        Policy,
        defaults::{SWITCH, deadlines, kinds},
        parameter::Values,
        rules::{self, Rule, job_limits, toleration_and_selector as rule},
    },
};
use plimsoll_api::{Defaults, Mode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Kinds whose pods stand in one place: group, kind, resource, and where the template stands as a JSON Pointer.
const KINDS: [(&str, &str, &str, &str); 10] = [
    ("", "Pod", "pods", ""),
    ("", "ReplicationController", "replicationcontrollers", "/spec/template"),
    ("apps", "DaemonSet", "daemonsets", "/spec/template"),
    ("apps", "Deployment", "deployments", "/spec/template"),
    ("apps", "ReplicaSet", "replicasets", "/spec/template"),
    ("apps", "StatefulSet", "statefulsets", "/spec/template"),
    ("argoproj.io", "Rollout", "rollouts", "/spec/template"),
    ("batch", "CronJob", "cronjobs", "/spec/jobTemplate/spec/template"),
    ("batch", "Job", "jobs", "/spec/template"),
    ("kubeflow.org", "Notebook", "notebooks", "/spec/template"),
];

/// The label of the class as a step of a JSON Pointer.
const CLASS_STEP: &str = "plimsoll.dev~1class";

/// What no policy adds, whatever the guardrails say, with the reason.
const BEYOND: [&str; 3] = [
    "defaults of kinds that keep their pods in lists or in several places (JobSet, LeaderWorkerSet, Ray, Kubeflow's jobs, KServe, Volcano): a patch needs \
     the index of each; the webhook has it",
    "the annotation plimsoll.dev/defaulted, which tells what was added: policies add without it",
    "updates that change nothing of a template but what Plimsoll never reads (environment, arguments, volumes): policies see these and add what the \
     webhook would not",
];

/// A default in CEL: whether anything asks for it, and the lines that it adds.
type Told = fn(&Policy) -> Option<String>;

/// In the order of `guard::defaults`.
const TOLD: [Told; 4] = [tolerations, object_label, pod_label, bounds];

/// Is a default asked for by what a guardrail says?
type Says = fn(&Defaults) -> bool;

/// Defaults that are not put in CEL, with the reason.
const UNTOLD: [(Says, &str); 3] = [
    (
        |defaults| defaults.translate == Some(true),
        "the default translate: what is smallest depends on all pools, on the selector and the affinity of the pod, and on quantities of either; it needs the webhook",
    ),
    (
        |defaults| defaults.selector == Some(true),
        "the default selector: which pool is meant depends on the offers of all pools and on the affinity of the pod; it needs the webhook",
    ),
    (
        |defaults| defaults.probes == Some(true),
        "the default probes: each needs the index of its container and a copy of the author's own probe, of whichever type; it needs the webhook",
    ),
];

/// The policy, of Kyverno or of the API server itself, with its binding; none, where no guardrail asks for what it could add.
pub(super) fn export(policy: &Policy, is_kyverno: bool) -> Exported {
    let mut left_out = BTreeSet::new();
    for guardrail in &policy.guardrails {
        for (_, why) in UNTOLD.iter().filter(|(says, _)| says(&guardrail.spec.defaults)) {
            left_out.insert(LeftOut::of_all(guardrail.name.as_deref(), *why));
        }
    }
    let mutations: Vec<String> = TOLD.iter().filter_map(|told| told(policy)).map(|lines| patch(&lines)).collect();
    if mutations.is_empty() {
        return Exported { documents: Vec::new(), left_out: left_out.into_iter().collect() };
    }
    left_out.extend(BEYOND.iter().map(|why| LeftOut::of_all(None, *why)));
    let scope = Scope { teams: &policy.teams, pools: &policy.pools };
    let mut shared = object::variables(&scope);
    shared.extend(coverage::variables(policy));
    shared.extend(own());
    let texts: Vec<&str> = mutations.iter().map(String::as_str).collect();
    let variables: Vec<Value> =
        needed(&shared, &texts).iter().map(|variable| json!({ "name": variable.name, "expression": variable.expression })).collect();
    let mutations: Vec<Value> =
        mutations.iter().map(|text| json!({ "patchType": "JSONPatch", "jsonPatch": { "expression": text } })).collect();
    let metadata = json!({ "name": "plimsoll-defaults", "labels": { "app.kubernetes.io/part-of": "plimsoll" } });
    let mut spec = json!({
        // What adds for convenience stops nobody.
        "failurePolicy": "Ignore",
        "reinvocationPolicy": "IfNeeded",
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": { "matchExpressions": [{ "key": SWITCH, "operator": "NotIn", "values": ["off"] }] },
            "resourceRules": resource_rules(),
        },
        "matchConditions": conditions(),
        "variables": variables,
        "mutations": mutations,
    });
    let documents = if is_kyverno {
        spec["autogen"] = json!({ "podControllers": { "controllers": [] } });
        vec![json!({ "apiVersion": "policies.kyverno.io/v1", "kind": "MutatingPolicy", "metadata": metadata, "spec": spec })]
    } else {
        let (api_version, bound) = ("admissionregistration.k8s.io/v1", json!({ "policyName": "plimsoll-defaults" }));
        vec![
            json!({ "apiVersion": api_version, "kind": "MutatingAdmissionPolicy", "metadata": metadata, "spec": spec }),
            json!({ "apiVersion": api_version, "kind": "MutatingAdmissionPolicyBinding", "metadata": metadata, "spec": bound }),
        ]
    };
    Exported { documents, left_out: left_out.into_iter().collect() }
}

/// The resources: those that cannot be changed once they are made only when they are made.
fn resource_rules() -> Value {
    let mut by_group: BTreeMap<(&str, bool), Vec<&str>> = BTreeMap::new();
    for (group, kind, resource, _) in KINDS {
        by_group.entry((group, is_fixed(kind))).or_default().push(resource);
    }
    let rules = by_group.into_iter().map(|((group, is_fixed), resources)| {
        let operations: &[&str] = if is_fixed { &["CREATE"] } else { &["CREATE", "UPDATE"] };
        json!({ "apiGroups": [group], "apiVersions": ["*"], "operations": operations, "resources": resources })
    });
    rules.collect()
}

fn is_fixed(kind: &str) -> bool {
    matches!(kind, "Pod" | "Job")
}

/// As `guard::defaults`: what goes, what is turned off, and what a controller makes of an object that got its defaults, stays.
fn conditions() -> Value {
    let owners = list(&kinds::names_with_pods());
    // Kyverno's command line knows no user.
    let user = "dyn(request).?userInfo.?username.orValue('')";
    let by_controller = format!(
        "!(dyn(object).metadata.?ownerReferences.orValue([]).exists(o, o.?controller.orValue(false) == true \
         && (o.apiVersion.contains('/') ? o.apiVersion.split('/')[0] : '') + '/' + o.kind in {owners})\n\
         && [string({user})].exists(u, u == 'system:kube-controller-manager' || u.matches('^system:serviceaccount:[^:]*:')\n\
         && u.split(':')[2] != dyn(object).metadata[?'namespace'].orValue('')))"
    );
    let is_on = format!("dyn(object).metadata.?annotations[?{}].orValue('') != 'off'", quoted(SWITCH));
    json!([
        { "name": "is-not-being-deleted", "expression": "!has(object.metadata.deletionTimestamp)" },
        { "name": "is-not-turned-off", "expression": is_on },
        { "name": "is-not-from-the-controller-of-what-got-its-defaults", "expression": by_controller },
    ])
}

/// Variables of these policies alone.
fn own() -> Vec<Variable> {
    let variable = |name: &str, expression: String| Variable { name: name.to_owned(), expression };
    let changes = |path: &str| {
        let optional = path.replace('/', ".?");
        format!("dyn(object){optional} != dyn(oldObject){optional}")
    };
    let (plain, cron) = ("/spec/template", "/spec/jobTemplate/spec/template");
    vec![
        variable("base", format!("variables.what == '/Pod' ? '' : variables.what == 'batch/CronJob' ? '{cron}' : '{plain}'")),
        // As `defaults::Work`: a new default is no reason to replace pods that run.
        variable(
            "may_change_pods",
            format!("request.operation != 'UPDATE' || (variables.what == 'batch/CronJob' ? {} : {})", changes(cron), changes(plain)),
        ),
        variable("may_change_object", format!("request.operation != 'UPDATE' || {}", changes("/spec"))),
    ]
}

/// What guardrails say of a default, the greatest precedence first: those that cover the object, and what they say.
fn by_precedence<'a, T>(policy: &'a Policy, says: impl Fn(&'a Defaults) -> Option<T>) -> Vec<Vec<(String, T)>> {
    let mut groups: BTreeMap<i32, Vec<(String, T)>> = BTreeMap::new();
    for (guardrail, name) in policy.guardrails.iter().zip(coverage::names(policy)) {
        if let Some(said) = says(&guardrail.spec.defaults) {
            groups.entry(guardrail.spec.precedence).or_default().push((format!("variables.{name}"), said));
        }
    }
    groups.into_values().rev().collect()
}

/// Is a default turned on for the object? None: nobody does.
fn is_on(policy: &Policy, says: fn(&Defaults) -> Option<bool>) -> Option<String> {
    let groups = by_precedence(policy, says);
    groups.iter().flatten().any(|(_, is_on)| *is_on).then(|| {
        groups.iter().rev().fold("false".to_owned(), |rest, group| {
            let covering: Vec<String> = group.iter().map(|(covers, _)| covers.clone()).collect();
            let turning_on: Vec<String> = group.iter().filter(|(_, is_on)| *is_on).map(|(covers, _)| covers.clone()).collect();
            if turning_on == covering && rest == "false" {
                return any_of(&covering);
            }
            format!("({} ? {} : {rest})", any_of(&covering), any_of(&turning_on))
        })
    })
}

/// What the parameters of a rule come to, as it holds for the object.
fn by_rule(policy: &Policy, rule: &'static Rule, tell: impl Fn(&Values) -> String) -> String {
    let index = rules::ALL.iter().position(|known| known.name == rule.name).unwrap_or(usize::MAX);
    let own = tell(&Values::new(rule.parameters, &BTreeMap::new()).unwrap_or_default());
    policy.guardrails.iter().enumerate().rev().fold(own, |rest, (at, guardrail)| match guardrail.entries.get(index) {
        Some(Some((mode, values))) if *mode != Mode::Off => {
            let own = tell(values);
            if own == rest { rest } else { format!("({} ? {own} : {rest})", coverage::holds(policy, at, index)) }
        }
        _ => rest,
    })
}

/// A line of a patch, before it is one.
fn line(path: &str, value: &str) -> String {
    format!("{{'path': dyn({path}), 'value': dyn({value})}}")
}

/// Lines as a patch. Kyverno takes an expression only if its type is a list of patches and nothing less exact.
fn patch(lines: &str) -> String {
    format!("({lines}\n).map(e, JSONPatch{{op: 'add', path: string(e.path), value: e.value}})")
}

/// The toleration of a taint, in a list, where the pod `p` has none.
fn lacking(key: &str, value: &str, effect: &str) -> String {
    let operator =
        if value.is_empty() { "'operator': 'Exists'".to_owned() } else { format!("'operator': 'Equal', 'value': {}", quoted(value)) };
    let key = quoted(key);
    format!("({} ? [] : [{{'key': {key}, {operator}, 'effect': '{effect}'}}])", is_tolerated(&key, value, effect))
}

fn tolerations(policy: &Policy) -> Option<String> {
    let is_on = is_on(policy, |defaults| defaults.toleration)?;
    let of_other_vendors: Vec<String> = object::WHOLE
        .iter()
        .filter(|resource| !resource.starts_with("nvidia.com/"))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(|key| format!("(p.containers.exists(c, c.asks.exists(k, k == {})) ? {} : [])", quoted(key), lacking(key, "", "NoSchedule")))
        .collect();
    let by_key = by_rule(policy, &rule::RULE, |values| {
        let keys = values.names("taint");
        let configured: Vec<String> = keys.iter().map(|key| lacking(key, "", "NoSchedule")).collect();
        if configured.is_empty() {
            return "[]".to_owned();
        }
        let is_nvidia = "p.containers.exists(c, c.asks.exists(k, k.startsWith('nvidia.com/')))";
        format!("({is_nvidia} ? ({}) : ({}))", all_in(&configured), all_in(&of_other_vendors))
    });
    let of_pools: Vec<String> = policy
        .pools
        .iter()
        .flat_map(|pool| {
            let name = quoted(&pool.metadata.name);
            pool.spec.taints.iter().map(move |taint| {
                let effect = rule::effect(rule::taint(taint).effect);
                format!("({name} in variables.pools ? {} : [])", lacking(&taint.key, &taint.value, effect))
            })
        })
        .collect();
    let missing =
        if policy.pools.is_empty() { by_key } else { format!("(size(variables.pools) > 0 ? ({}) : {by_key})", all_in(&of_pools)) };
    let path = "variables.base + '/spec/tolerations";
    Some(format!(
        "!({is_on} && variables.may_change_pods) ? [] : variables.asking.filter(p, p.devices > 0).map(p, [{missing}].map(l,\n\
         size(l) == 0 ? [] : has(p.spec.tolerations) ? l.map(t, {}) : [{}])[0])[?0].orValue([])",
        line(&format!("{path}/-'"), "t"),
        line(&format!("{path}'"), "l"),
    ))
}

/// Whether the class is to be added at all: not where the author has written one that is none.
fn may_label(policy: &Policy) -> Option<String> {
    let is_on = is_on(policy, |defaults| defaults.class_label)?;
    let key = quoted(class::LABEL);
    Some(format!(
        "{is_on} && variables.wants_gpus && !([variables.labels] + variables.asking.map(p, p.labels))\
         .exists(l, {key} in l && !(l[{key}] in ['online', 'batch', 'training', 'dev']))"
    ))
}

fn object_label(policy: &Policy) -> Option<String> {
    let (may, key) = (may_label(policy)?, quoted(class::LABEL));
    Some(format!(
        "!({may} && variables.may_change_object) || {key} in variables.labels ? []\n\
         : has(variables.self.metadata.labels) ? [{}] : [{}]",
        line(&format!("'/metadata/labels/{CLASS_STEP}'"), "variables.class"),
        line("'/metadata/labels'", &format!("{{{key}: variables.class}}")),
    ))
}

fn pod_label(policy: &Policy) -> Option<String> {
    let (may, key) = (may_label(policy)?, quoted(class::LABEL));
    let labels = format!("{{{key}: variables.class}}");
    Some(format!(
        "!({may} && variables.may_change_pods) || variables.base == '' || variables.asking.exists(p, {key} in p.labels) ? []\n\
         : variables.templates.map(t, !has(t.holder.metadata) ? [{}] : !has(t.holder.metadata.labels) ? [{}] : [{}])[?0].orValue([])",
        line("variables.base + '/metadata'", &format!("{{'labels': {labels}}}")),
        line("variables.base + '/metadata/labels'", &labels),
        line(&format!("variables.base + '/metadata/labels/{CLASS_STEP}'"), "variables.class"),
    ))
}

/// Deadline, retries and clean-up of Jobs and CronJobs: the other kinds that end keep their pods in several places.
fn bounds(policy: &Policy) -> Option<String> {
    let groups = by_precedence(policy, |defaults| defaults.deadlines);
    if groups.iter().flatten().all(|(_, set)| set.disabled) {
        return None;
    }
    let allowed = |tell: fn(&Values) -> u64| by_rule(policy, &job_limits::RULE, move |values| tell(values).to_string());
    let most = [
        allowed(|values| deadlines::seconds(values.number("deadline-most"))),
        allowed(|values| deadlines::retries(values.count("retries-most"))),
        allowed(|values| deadlines::seconds(values.number("cleanup-most"))),
    ];
    let of = |set: &plimsoll_api::defaults::Deadlines| {
        let set = [
            set.deadline_hours.map(deadlines::seconds),
            set.retries.map(|count| deadlines::retries(count.into())),
            set.cleanup_hours.map(deadlines::seconds),
        ];
        let each: Vec<String> = set.iter().zip(&most).map(|(set, most)| set.map_or_else(|| most.clone(), |set| set.to_string())).collect();
        format!("[{}]", each.join(", "))
    };
    let chosen = groups.iter().rev().fold("[]".to_owned(), |rest, group| {
        let covering: Vec<String> = group.iter().map(|(covers, _)| covers.clone()).collect();
        let setting = group.iter().filter(|(_, set)| !set.disabled).rev();
        let first = setting.fold("[]".to_owned(), |rest, (covers, set)| format!("({covers} ? {} : {rest})", of(set)));
        format!("({} ? {first} : {rest})", any_of(&covering))
    });
    let path = "(variables.what == 'batch/Job' ? '/spec/' : '/spec/jobTemplate/spec/')";
    let add = |field: &str, value: &str| line(&format!("{path} + '{field}'"), value);
    Some(format!(
        "!(variables.what in ['batch/Job', 'batch/CronJob'] && variables.wants_gpus && variables.may_change_object) ? [] : [{chosen}].map(l, size(l) == 0 ? [] :\n\
         (has(variables.run.activeDeadlineSeconds) || variables.pods.exists(p, has(p.spec.activeDeadlineSeconds)) ? [] : [{}])\n\
         + (has(variables.run.backoffLimit) || l[1] >= {} ? [] : [{}])\n\
         + (has(variables.run.ttlSecondsAfterFinished) ? [] : [{}]))[0]",
        add("activeDeadlineSeconds", "l[0]"),
        deadlines::RETRIES_OF_JOBS,
        add("backoffLimit", "l[1]"),
        add("ttlSecondsAfterFinished", "l[2]"),
    ))
}
