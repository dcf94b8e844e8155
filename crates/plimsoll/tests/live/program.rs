//! Runs the real binary.

use anyhow::Context as _;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Output},
};

/// The binary, with nothing of the caller's surroundings that it would heed.
pub fn plimsoll(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        let heeded = name.to_str().is_some_and(|name| name.starts_with("PROMETHEUS_") || name.starts_with("PLIMSOLL_"));
        if heeded {
            command.env_remove(name);
        }
    }
    command.env_remove("KUBECONFIG").env("HOME", "/nonexistent");
    command
}

/// Runs it on a cluster.
pub fn on(kubeconfig: &Path, arguments: &[&str]) -> anyhow::Result<Output> {
    let mut command = plimsoll(arguments);
    command.arg("--kubeconfig").arg(kubeconfig);
    command.output().context("cannot run plimsoll")
}

/// What it wrote to standard error.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The JSON document that it wrote.
pub fn document(output: &Output) -> anyhow::Result<Value> {
    anyhow::ensure!(output.status.success(), "it ended with {:?}:\n{}", output.status.code(), said(output));
    serde_json::from_slice(&output.stdout).with_context(|| format!("no JSON:\n{}", String::from_utf8_lossy(&output.stdout)))
}

/// The verdicts of a document: sign and subject.
pub fn verdicts(document: &Value) -> BTreeSet<(String, String)> {
    let signs = document["signs"].as_array().into_iter().flatten();
    signs.filter(|sign| sign["confidence"] != "too-little").map(|sign| (text(&sign["sign"]), subject(&sign["subject"]))).collect()
}

/// `Kind namespace/name`, or `Kind name`.
pub fn subject(subject: &Value) -> String {
    match subject["namespace"].as_str() {
        Some(namespace) => format!("{} {namespace}/{}", text(&subject["kind"]), text(&subject["name"])),
        None => format!("{} {}", text(&subject["kind"]), text(&subject["name"])),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
