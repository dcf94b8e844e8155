//! `probes`: a model server is not asked before it can answer, nor killed while it loads.

use super::{About, Case, Found, Rule};
use crate::guard::{mend, parameter::number};
use plimsoll_api::Mode;
use plimsoll_fleet::{
    Class,
    written::{Container, Probe},
};
use serde_json::{Value, json};

/// The annotation with the time that the model takes to load.
pub(in crate::guard) const LOAD_TIME: &str = "plimsoll.dev/load-time";

pub(in crate::guard) static RULE: Rule = Rule {
    name: "probes",
    title: "Online GPU servers have a readiness probe, and a startup probe that outlasts their loading",
    why: "A server that loads a model for minutes gets requests too early, or is killed and begins again while it holds its GPUs",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[number(
        "startup-least",
        300.0,
        "seconds",
        "startup budget that a server must have, where it does not say how long it loads",
    )],
    check: None,
    explain: "\
Judged: the containers that hold the GPUs, in workloads of class online. Each must have a
readiness probe and a startup probe. The startup budget (initialDelaySeconds + periodSeconds x
failureThreshold) must be at least startup-least, or what the annotation plimsoll.dev/load-time
says (10m, 600s). Without a startup probe a liveness probe ends a slow load. Containers whose
image their kind chooses (KServe runtimes) are left out: their runtime brings the probes.

Mend: the lines that are shown, on the server's own health path and port.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    if !case.is(Class::Online) {
        return;
    }
    let (least, is_said) = least(case);
    for (template, _) in case.asking() {
        for container in case.servers(template).into_iter().filter(|container| container.image.is_some()) {
            judge_server(container, least, is_said, found);
        }
    }
}

/// The startup budget that a server must have, seconds, and whether its author says so.
pub(in crate::guard) fn least(case: &Case<'_>) -> (u64, bool) {
    let said = case.said(LOAD_TIME).and_then(|text| mend::seconds(text));
    (said.unwrap_or(case.values.count("startup-least")), said.is_some())
}

fn judge_server(container: &Container, least: u64, is_said: bool, found: &mut Found) {
    let name = &container.name;
    let path = &container.path;
    if container.readiness.is_none() {
        let fix = mend::at(&path.key("readinessProbe"), probe(container, 3), "Give it one on its own health path.");
        found.breach(path.clone(), format!("the container {name} has no readiness probe"), fix);
    }
    let startup = || probe(container, startup_failures(least));
    let give = "Give it one whose budget is longer than its slowest load.";
    match (container.startup.map(Probe::budget_s), container.liveness) {
        (None, Some(liveness)) => {
            let says =
                format!("the container {name} has no startup probe: its liveness probe ends a load of more than {} s", liveness.budget_s());
            found.breach(path.clone(), says, mend::at(&path.key("startupProbe"), startup(), give));
        }
        (None, None) => found.breach(
            path.clone(),
            format!("the container {name} has no startup probe"),
            mend::at(&path.key("startupProbe"), startup(), give),
        ),
        (Some(budget), _) if budget < least => {
            let whose = if is_said { format!("it says that it loads for {least} s") } else { format!("a model server needs {least} s") };
            let period = container.startup.map_or(10, |probe| probe.period_s);
            let lines = json!({ "failureThreshold": least.div_ceil(period.max(1)) });
            let fix = mend::at(&path.key("startupProbe"), lines, "Raise failureThreshold.");
            found.breach(path.key("startupProbe"), format!("the startup budget of the container {name} is {budget} s, and {whose}"), fix);
        }
        (Some(_), _) => {}
    }
}

/// Seconds between two probes of those that are suggested.
pub(in crate::guard) const PERIOD_S: u64 = 10;

/// How often a suggested startup probe may fail: ten minutes, or as long as the loading takes.
pub(in crate::guard) fn startup_failures(least: u64) -> u64 {
    least.max(600).div_ceil(PERIOD_S)
}

/// Path and usual port of the server that an image names; none: it is not known.
/// Source: the engines' own documentation (vLLM, SGLang, Triton, TGI and TEI, Ollama).
pub(in crate::guard) fn engine(image: &str) -> Option<(&'static str, u16)> {
    const KNOWN: [(&str, &str, u16); 6] = [
        ("sglang", "/health", 30_000),
        ("triton", "/v2/health/ready", 8_000),
        ("text-generation-inference", "/health", 80),
        ("text-embeddings-inference", "/health", 80),
        ("ollama", "/", 11_434),
        ("vllm", "/health", 8_000),
    ];
    let image = image.to_ascii_lowercase();
    KNOWN.into_iter().find(|(name, ..)| image.contains(name)).map(|(_, path, port)| (path, port))
}

/// On the health path of the server that the image names; else on the usual one.
fn probe(container: &Container, failures: u64) -> Value {
    let (path, usual) = engine(container.image.as_deref().unwrap_or_default()).unwrap_or(("/health", 8_000));
    json!({ "httpGet": { "path": path, "port": container.port.unwrap_or(usual) }, "periodSeconds": PERIOD_S, "failureThreshold": failures })
}
