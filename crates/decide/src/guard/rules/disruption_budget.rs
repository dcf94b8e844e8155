//! `disruption-budget`: a drain does not take all replicas at once.

use super::{About, Case, Found, Rule};
use crate::guard::mend;
use plimsoll_api::Mode;
use plimsoll_fleet::Class;
use serde_json::json;

pub(super) static RULE: Rule = Rule {
    name: "disruption-budget",
    title: "Online GPU workloads of several replicas have a PodDisruptionBudget",
    why: "Without a budget a drain of nodes may end every replica at once, and each needs minutes to load again",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[],
    check: None,
    explain: "\
Judged: workloads of class online with two or more replicas (Deployment, StatefulSet, Rollout,
LeaderWorkerSet, InferenceService; those that an autoscaler beside them may give two). One of the
PodDisruptionBudgets beside it must select its pods: those of the same input for plimsoll check,
those of the namespace in a cluster. With one replica a budget would only block the drain.

Mend: the PodDisruptionBudget that is shown, in the same manifest.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    let object = case.object;
    let replicas = object.replicas.map(|replicas| replicas.max(case.siblings.scaled_to(object).unwrap_or(0)));
    let Some(replicas) = replicas.filter(|&replicas| replicas >= 2 && case.is(Class::Online) && !object.owned) else { return };
    for (template, _) in case.asking() {
        // The pods of such kinds get their labels from their controller.
        if template.bare || case.siblings.guards(&object.namespace, &template.labels) {
            continue;
        }
        if !case.siblings.complete {
            found.unjudged(template.path.clone(), "the PodDisruptionBudgets of its namespace are not known here");
            continue;
        }
        let metadata = if object.namespace.is_empty() {
            json!({ "name": &*object.name })
        } else {
            json!({ "name": &*object.name, "namespace": &*object.namespace })
        };
        let labels: serde_json::Map<String, serde_json::Value> =
            template.labels.iter().map(|(key, value)| (key.to_string(), json!(&**value))).collect();
        let budget = json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata,
            "spec": { "maxUnavailable": 1, "selector": { "matchLabels": labels } },
        });
        let says = format!("no PodDisruptionBudget beside it selects its {replicas} pods");
        found.breach(template.path.clone(), says, mend::object(budget, "Put one beside it."));
    }
}
