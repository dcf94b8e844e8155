//! The programs that tests ask for beside the control plane: they are built, they are the pinned ones, they do their work.
#![allow(clippy::unwrap_used)]

use plimsoll_testkit::programs;
use std::{fs, process::Command};

/// At most 8 GPUs a container.
const POLICY: &str = r#"
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: at-most-eight}
spec:
  validationActions: [Deny]
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [pods]}]
  validations:
  - expression: "object.spec.containers.all(c, quantity(c.resources.limits['nvidia.com/gpu']).compareTo(quantity('8')) <= 0)"
    message: at most 8 GPUs a container
"#;

fn pod(name: &str, gpus: u32) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: default}}\nspec:\n  containers:\n  - name: a\n    image: example.com/a:1\n    resources: {{limits: {{nvidia.com/gpu: \"{gpus}\"}}}}\n"
    )
}

#[tokio::test]
async fn helm_is_the_pinned_one() -> anyhow::Result<()> {
    let Some(helm) = programs::helm().await? else { return Ok(()) };
    let output = Command::new(helm).args(["version", "--template", "{{.Version}}"]).output()?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "v4.2.4", "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test]
async fn kyverno_judges_files_without_a_cluster() -> anyhow::Result<()> {
    let Some(kyverno) = programs::kyverno().await? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let policy = folder.path().join("policy.yaml");
    fs::write(&policy, POLICY)?;
    for (name, gpus, passes) in [("small", 8, true), ("large", 9, false)] {
        let resource = folder.path().join(format!("{name}.yaml"));
        fs::write(&resource, pod(name, gpus))?;
        let output = Command::new(&kyverno).arg("apply").arg(&policy).arg("--resource").arg(&resource).output()?;
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.success(), passes, "{name}: {told}");
        assert!(told.contains(if passes { "pass: 1, fail: 0" } else { "pass: 0, fail: 1" }), "{name}: {told}");
    }
    Ok(())
}
