//! `plimsoll check --fix`: what has one right answer is written into the files, and nothing else of them changes.

use crate::script::Script;
use std::process::Command;

const POD: &str = "\
# The search team's pod.
apiVersion: v1
kind: Pod
metadata:
  name: a
  namespace: search
  labels: {team: search}   # whose it is
spec:
  # Where it goes.
  nodeSelector: {nvidia.com/gpu.product: NVIDIA-L4}
  containers:
  - name: main
    image: vllm:v1
    args: [\"--token\", hunter2]
    resources:
      requests:
        cpu: 8   # of 16
        nvidia.com/gpu: 2
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: search}
spec:
  tolerations:
  # Only for the night.
  - {key: night, operator: Exists}
  containers:
  - name: main
    image: vllm:v1
    resources:
      limits:
        nvidia.com/gpu: \"4\"
      requests:
        nvidia.com/gpu: \"2\"
";

const FLOW: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: c, namespace: search}
spec: {containers: [{name: main, image: 'vllm:v1', resources: {requests: {nvidia.com/gpu: 1}}}]}
";

const GUARDRAIL: &str = "\
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: production}
spec:
  rules:
  - {name: whole-gpu-requests, mode: enforce}
  - {name: toleration-and-selector, mode: enforce, parameters: {selectors: []}}
  - {name: image-tags, mode: warn}
";

const FIX: &str = "check --guardrail guardrail.yaml --fix pods.yaml flow.yaml";

#[test]
fn what_has_one_right_answer_is_written_and_the_rest_is_left() {
    let mut script = Script::new();
    script.file("guardrail.yaml", GUARDRAIL).file("pods.yaml", POD).file("flow.yaml", FLOW);
    script.run(&format!("{FIX} --diff"));
    assert_eq!(script.read("pods.yaml"), POD.as_bytes(), "a diff writes nothing");
    let diff = script.output(&format!("{FIX} --diff")).stdout;
    script.run(FIX);
    let once = script.read("pods.yaml");
    assert_eq!(script.read("flow.yaml"), FLOW.as_bytes());
    script.run(FIX);
    assert_eq!(script.read("pods.yaml"), once, "a second time changes nothing");
    script.run("check --guardrail guardrail.yaml pods.yaml").run("check --guardrail guardrail.yaml --fix -");
    insta::assert_snapshot!(format!("{}{}", script.told(), String::from_utf8(once.clone()).unwrap()));

    // The diff is what other programs take for one.
    script.file("pods.yaml", POD).file("fix.diff", diff);
    let applied = Command::new("git").args(["apply", "-p0", "fix.diff"]).current_dir(script.path("")).output();
    if let Ok(applied) = applied {
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        assert_eq!(script.read("pods.yaml"), once);
    }
}
