//! Probes of online servers, where the engine and its port are known.

use super::{
    Proposal, Settings, What, Work,
    change::{Change, Edit, ProbeOf},
    document,
};
use crate::guard::{
    Case,
    case::View,
    rules::probes::{self as rule, PERIOD_S, engine, startup_failures},
};
use plimsoll_fleet::{
    Class,
    written::{Path, Probe},
};
use serde_json::{Map, Value, json};

/// Longest startup budget that is ever added: a model that loads for a day is no server.
const FAILURES_MAX: u64 = 86_400 / PERIOD_S;

pub(super) fn propose(work: &Work<'_>, view: &View<'_>, settings: &Settings<'_>, proposal: &mut Proposal) {
    let Some(guardrail) = settings.probes.filter(|_| view.is(Class::Online)) else { return };
    let values = work.policy.values(&rule::RULE, view);
    let (least, _) = rule::least(&Case { view, values: &values });
    for (at, template) in view.object.templates.iter().enumerate() {
        let serves = work.kind.servers.iter().any(|path| Path::of(path) == template.path);
        let asks = view.asking().any(|(asking, _)| std::ptr::eq(asking, template));
        if !serves || !asks || !work.may_change(template) {
            continue;
        }
        let servers = view.servers(template);
        for (index, container) in template.containers.iter().enumerate() {
            let Some((path, usual)) = container.image.as_deref().and_then(engine) else { continue };
            let json = document::at(work.json, &container.path);
            if let (true, Some(json)) = (servers.iter().any(|server| std::ptr::eq(*server, container)), json) {
                let mut add = |of, failures: u64, (handler, why): (Map<String, Value>, &str)| {
                    let failures = failures.clamp(1, FAILURES_MAX);
                    let mut written = handler;
                    written.insert("periodSeconds".to_owned(), json!(PERIOD_S));
                    written.insert("failureThreshold".to_owned(), json!(failures));
                    let probe = Probe { delay_s: 0, period_s: PERIOD_S, failures };
                    let change = Change::Probe(at, index, of, probe, Value::Object(written));
                    proposal.edits.push(Edit::new(What::Probes, guardrail, change, why));
                };
                if container.readiness.is_none()
                    && let Some(handler) = handler(json, &["startupProbe", "livenessProbe"], path, usual)
                {
                    add(ProbeOf::Readiness, 3, handler);
                }
                if container.startup.is_none()
                    && let Some(handler) = handler(json, &["readinessProbe", "livenessProbe"], path, usual)
                {
                    add(ProbeOf::Startup, startup_failures(least), handler);
                }
            }
        }
    }
}

/// How the server is asked, and why so: as its author's own probe asks it, else on the engine's path and the port that the container
/// declares. None: a guess, and a wrong startup probe ends a server that works.
fn handler(container: &Value, own: &[&str], path: &str, usual: u16) -> Option<(Map<String, Value>, &'static str)> {
    if let Some(probe) = own.iter().find_map(|key| container.get(*key).filter(|probe| !probe.is_null())) {
        let kind = ["httpGet", "tcpSocket", "grpc"].into_iter().find(|kind| probe.get(*kind).is_some_and(Value::is_object))?;
        return Some((Map::from_iter([(kind.to_owned(), probe.get(kind)?.clone())]), "as the container's own probe asks"));
    }
    let ports: Vec<u64> = container.get("ports")?.as_array()?.iter().filter_map(|port| port.get("containerPort")?.as_u64()).collect();
    let port = match ports.as_slice() {
        [only] => *only,
        several => *several.iter().find(|port| **port == u64::from(usual))?,
    };
    let handler = json!({ "httpGet": { "path": path, "port": port } });
    Some((handler.as_object()?.clone(), "the health path of the engine that the image names, on the declared port"))
}
