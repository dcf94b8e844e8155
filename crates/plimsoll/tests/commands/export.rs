//! `plimsoll export`: golden scripts, and that what is written is what was exported.

use crate::script::Script;
use plimsoll_decide::guard::{
    Policy,
    export::{Form, OnError, export},
};
use plimsoll_fleet::Timestamp;
use serde_json::Value;

const GUARDRAIL: &str = "\
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: production}
spec:
  classes: [online]
  rules:
  - {name: spread, mode: enforce}
  - {name: image-tags, mode: warn}
  - {name: disruption-budget, mode: audit}
  exemptions:
  - {rules: [image-tags], namespace: search, reason: the engine has none yet, expires: 2027-03-31}
";

/// The moment of the scripts: exemptions of 2027 hold.
const AT: &str = "--at 2026-11-25T10:00:00Z";

#[test]
fn one_rule_for_the_api_server() {
    let mut script = Script::new();
    script.file("guardrail.yaml", GUARDRAIL.replace("  - {name: image-tags, mode: warn}\n", ""));
    script.run(&format!("export --format validating-admission-policy --guardrail guardrail.yaml {AT}"));
    insta::assert_snapshot!(script.told());
}

/// The expression of a user stays as it is but for its variables, and one that the API server would refuse is told of.
#[test]
fn rules_of_a_users_own_for_kyverno() {
    const OWN: &str = "\
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: own}
spec:
  mode: 'off'
  namespaces: {names: ['team-*']}
  customRules:
  - name: one-team-a-namespace
    mode: enforce
    match: {gpus: false, kinds: [Deployment, ConfigMap]}
    expression: object.metadata.namespace == namespace && 'team-' + team == namespace
    messageExpression: \"'it is of the team ' + team\"
    why: |
      What a namespace takes
      is what its team pays
    fix: Name the team.
    failurePolicy: fail
  - {name: rounded, mode: warn, expression: math.abs(devices) == devices, message: it is below zero}
  exemptions:
  - {rules: [one-team-a-namespace], name: shared-*, reason: it is everybody's, expires: 2027-03-31}
";
    let mut script = Script::new();
    script.file("guardrail.yaml", OWN);
    script.run(&format!("export --format kyverno --guardrail guardrail.yaml {AT}"));
    insta::assert_snapshot!(script.told());
}

#[test]
fn defaults_for_the_api_server() {
    let mut script = Script::new();
    script.file("guardrail.yaml", GUARDRAIL.replace("  rules:", "  defaults: {classLabel: true, translate: true}\n  rules:"));
    script.run("export --format mutating-admission-policy --guardrail guardrail.yaml");
    insta::assert_snapshot!(script.told());
}

#[test]
fn wrong_arguments_and_nothing_to_export() {
    let mut script = Script::new();
    script
        .file("off.yaml", GUARDRAIL.replace("enforce", "'off'").replace("warn", "'off'"))
        .file("rule.yaml", GUARDRAIL.replace("spread", "spred"));
    for line in [
        "export",
        "export --format gatekeeper",
        "export --format kyverno --guardrail missing.yaml",
        "export --format kyverno --guardrail rule.yaml",
        "export --format kyverno --guardrail off.yaml",
        "export --format kyverno-mutating --guardrail off.yaml",
    ] {
        script.run(line);
    }
    insta::assert_snapshot!(script.told());
}

/// Every rule in its default mode, in both forms: documents of the right kinds, that YAML gives back as they were, and a name for each.
#[test]
fn what_is_written_can_be_read() {
    let script = Script::new();
    for (form, kinds) in [
        ("validating-admission-policy", ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"].as_slice()),
        ("kyverno", ["ValidatingPolicy"].as_slice()),
    ] {
        let output = script.output(&format!("export --format {form} -o {form}.yaml {AT}"));
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(script.read(&format!("{form}.yaml"))).unwrap();
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let form = if form == "kyverno" { Form::Kyverno } else { Form::ValidatingAdmissionPolicy };
        let exported = export(&Policy::default(), form, OnError::Fail, Timestamp(0));
        assert_eq!(documents, exported.documents);
        assert!(documents.iter().all(|document| kinds.contains(&document["kind"].as_str().unwrap())));
        for left_out in exported.left_out {
            assert!(text.contains(&left_out.why), "{left_out:?} is told at the head");
        }
    }
}
