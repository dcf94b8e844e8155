//! Rules of a user's own in `plimsoll check`: what they say, and what is wrong with them.

use crate::script::Script;

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
  namespace: search
  labels: {plimsoll.dev/team: search}
spec:
  replicas: 2
  template:
    spec:
      containers:
      - name: server
        image: docker.io/vllm/vllm-openai:v0.19
        env: [{name: HF_TOKEN, value: hunter2}]
        resources: {limits: {nvidia.com/gpu: 4}}
";

const GUARDRAIL: &str = "\
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: ours}
spec:
  customRules:
  - name: our-images
    mode: enforce
    expression: pods.all(p, p.containers.all(c, c.image.startsWith('registry.example/')))
    messageExpression: >-
      'not from our registry: ' + containers.filter(c, !c.image.startsWith('registry.example/')).map(c, c.image).join(', ')
    message: an image is not from our registry
    why: Only those images are scanned
    fix: Push the image to registry.example first.
  - name: a-ticket
    expression: object.metadata.annotations['example.com/ticket'] != ''
    message: it names no ticket
  - name: few-gpus
    mode: audit
    match: {kinds: [Deployment]}
    expression: devices <= 4 && class in ['online', 'batch']
    message: it asks for many GPUs
";

#[test]
fn rules_of_a_users_own_are_judged_like_others() {
    let mut script = Script::new();
    script.file("llm.yaml", DEPLOYMENT).file("ours.yaml", GUARDRAIL);
    script.run("check llm.yaml --guardrail ours.yaml").run("check llm.yaml --guardrail ours.yaml --format json");
    script.run("explain custom-rules").run("explain custom-rule");
    assert!(!script.told().contains("hunter2"));
    insta::assert_snapshot!(script.told());
}

#[test]
fn what_is_wrong_with_them_is_said_with_its_place_and_the_remedy() {
    let mut script = Script::new();
    script.file("llm.yaml", DEPLOYMENT);
    let with = |expression: &str| {
        GUARDRAIL.replace("object.metadata.annotations['example.com/ticket'] != ''", &format!("\"{}\"", expression.replace('"', "\\\"")))
    };
    for (name, expression) in [
        ("costly", "object.spec.a.all(x, object.spec.b.all(y, object.spec.c.all(z, x == y && y == z)))"),
        ("syntax", "object.metadata.name =="),
        ("secret", "object.spec.template.spec.containers.all(c, !has(c.env))"),
        ("variable", "objekt.kind == 'Pod'"),
        ("function", "object.kind.lower() == 'pod'"),
        ("pattern", "object.kind.matches('(a{999}){999}')"),
        ("twice", "!!true"),
    ] {
        script.file(name, with(expression)).run(&format!("check llm.yaml --guardrail {name}"));
    }
    script.file("name", GUARDRAIL.replace("few-gpus", "gpus-per-pod")).run("check llm.yaml --guardrail name");
    script.file("silent", GUARDRAIL.replace("    message: it names no ticket\n", "")).run("check llm.yaml --guardrail silent");
    // Among the manifests, too.
    script.file("among.yaml", with("1 +")).run("check among.yaml");
    insta::assert_snapshot!(script.told());
}

/// A guardrail alone may name a rule that another one has: nobody can tell from here, so it is noted, and no error.
#[test]
fn a_guardrail_alone_may_name_a_rule_of_another() {
    let exempts = "\
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: exempts}
spec:
  rules: [{name: few-gpus, mode: warn}, {name: image-tag, mode: warn}]
  exemptions: [{rules: [our-images], namespace: search, reason: the move to our registry, expires: 2027-03-31}]
";
    let parameters = exempts.replace("mode: warn}]", "mode: warn, parameters: {digest: true}}]");
    let mut script = Script::new();
    script.file("exempts.yaml", exempts).file("ours.yaml", GUARDRAIL).file("parameters.yaml", parameters);
    script.run("check exempts.yaml").run("check exempts.yaml ours.yaml").run("check parameters.yaml");
    // To judge by it, it must be whole.
    script.run("check ours.yaml --guardrail exempts.yaml");
    insta::assert_snapshot!(script.told());
}
