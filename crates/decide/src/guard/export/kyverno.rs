//! Kyverno's ValidatingPolicy: one for each rule, since Kyverno tells the first that is broken of a policy and no more, and excepts
//! from whole policies.

use super::{
    Group, Ready, Variable,
    admission::{action, failure_policy},
    admits, document_name, needed,
};
use serde_json::{Value, json};

/// The policies.
pub(super) fn documents(group: &Group, shared: &[Variable]) -> Vec<Value> {
    let of_rule = |rule: &Ready| {
        let mut variables = needed(shared, &rule.texts().collect::<Vec<_>>());
        variables.push(rule.variable.clone());
        json!({
            "apiVersion": "policies.kyverno.io/v1",
            "kind": "ValidatingPolicy",
            "metadata": { "name": document_name(group, Some(&rule.rule)), "labels": { "app.kubernetes.io/part-of": "plimsoll" } },
            "spec": {
                "validationActions": [action(group.mode)],
                "failurePolicy": failure_policy(group.on_error),
                // The policy itself knows where every kind keeps its pods.
                "autogen": { "podControllers": { "controllers": [] } },
                "matchConstraints": { "matchPolicy": "Equivalent", "resourceRules": admits::resource_rules(group.about) },
                "matchConditions": admits::conditions(),
                "variables": variables.iter().map(|variable| json!({ "name": variable.name, "expression": variable.expression })).collect::<Vec<_>>(),
                "validations": [rule.validation()],
            },
        })
    };
    group.rules.iter().map(of_rule).collect()
}
