//! Runs helm on the chart.

use anyhow::{Context as _, ensure};
use plimsoll_testkit::{cluster::manifests, programs};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The namespace of the release, in every test.
pub const NAMESPACE: &str = "plimsoll";

/// The name of most of what the chart makes.
pub const NAME: &str = "plimsoll-webhook";

/// What people set, each a list of `--set` and its value: nothing, as much as there is, and the outages' other answer.
pub const VALUES: [&[&str]; 4] = [
    &[],
    &["validation.failurePolicy=Fail", "replicas=3", "priorityClassName=system-cluster-critical", "mutation.enabled=false"],
    &[
        "certManager.enabled=true",
        "networkPolicy.enabled=true",
        "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.monitoring=yes",
        "serviceMonitor.enabled=true",
        "serviceMonitor.labels.release=prometheus",
        "starter.enabled=false",
    ],
    &[
        "certManager.enabled=true",
        "certManager.issuer.kind=ClusterIssuer",
        "certManager.issuer.name=corp",
        "image.digest=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "imagePullSecrets[0].name=pull",
        "exceptNamespaces[0]=gpu-operator",
        "podLabels.team=platform",
        "podAnnotations.note=a b",
        "serviceAccount.annotations.note=c",
        "nodeSelector.kubernetes\\.io/os=linux",
        "tolerations[0].key=node-role.kubernetes.io/control-plane",
        "log.format=text",
    ],
];

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The chart's folder.
pub fn chart() -> PathBuf {
    root().join("charts/plimsoll")
}

/// The program, with folders of its own.
pub struct Helm {
    program: PathBuf,
    home: tempfile::TempDir,
}

impl Helm {
    /// It; none: it cannot be had here, which has been said.
    pub async fn ready() -> anyhow::Result<Option<Self>> {
        let Some(program) = programs::helm().await? else { return Ok(None) };
        Ok(Some(Self { program, home: tempfile::tempdir()? }))
    }

    /// Where it is.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs it.
    pub fn run(&self, arguments: &[&str], values: &[&str]) -> anyhow::Result<Output> {
        let mut helm = Command::new(&self.program);
        helm.args(arguments).env("HOME", self.home.path()).env_remove("KUBECONFIG");
        for folder in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            helm.env(folder, self.home.path().join(folder));
        }
        for value in values {
            helm.args(["--set", value]);
        }
        helm.output().context("cannot run helm")
    }

    /// Runs it to a good end; what it printed.
    pub fn must(&self, arguments: &[&str], values: &[&str]) -> anyhow::Result<String> {
        let output = self.run(arguments, values)?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "helm {} --set {values:?}: {told}", arguments.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The manifests that the chart makes with `values`, as a text.
    pub fn template(&self, values: &[&str]) -> anyhow::Result<String> {
        let chart = chart();
        let chart = chart.to_str().context("a path that can be written")?;
        self.must(&["template", "plimsoll", chart, "--namespace", NAMESPACE, "--include-crds"], values)
    }

    /// The objects that the chart makes with `values`.
    pub fn objects(&self, values: &[&str]) -> anyhow::Result<Vec<Value>> {
        manifests(&self.template(values)?)
    }
}

/// The object of that kind and name.
pub fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name).unwrap_or_else(|| panic!("no {kind} {name}"))
}
