//! ValidatingAdmissionPolicy: one for the rules of a guardrail in one mode, since its variables are evaluated once for all of them.

use super::{Group, OnError, Ready, Variable, admits, document_name, needed};
use plimsoll_api::Mode;
use serde_json::{Value, json};

/// The policy and its binding.
pub(super) fn documents(group: &Group, shared: &[Variable]) -> [Value; 2] {
    let name = document_name(group, None);
    let texts: Vec<&str> = group.rules.iter().flat_map(Ready::texts).collect();
    let variables = needed(shared, &texts).into_iter().chain(group.rules.iter().map(|rule| rule.variable.clone()));
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": { "name": name, "labels": { "app.kubernetes.io/part-of": "plimsoll" } },
        "spec": {
            "failurePolicy": failure_policy(group.on_error),
            "matchConstraints": { "matchPolicy": "Equivalent", "resourceRules": admits::resource_rules(group.about) },
            "matchConditions": admits::conditions(),
            "variables": variables.map(|variable| json!({ "name": variable.name, "expression": variable.expression })).collect::<Vec<_>>(),
            "validations": group.rules.iter().map(Ready::validation).collect::<Vec<_>>(),
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": name, "labels": { "app.kubernetes.io/part-of": "plimsoll" } },
        "spec": { "policyName": name, "validationActions": [action(group.mode)] },
    });
    [policy, binding]
}

/// As both forms have it.
pub(super) fn failure_policy(on_error: OnError) -> &'static str {
    match on_error {
        OnError::Fail => "Fail",
        OnError::Ignore => "Ignore",
    }
}

/// What follows, as both forms call it.
pub(super) fn action(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "Deny",
        Mode::Warn => "Warn",
        Mode::Audit | Mode::Off => "Audit",
    }
}
