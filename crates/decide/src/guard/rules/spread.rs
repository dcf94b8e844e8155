//! `spread`: one node does not take all replicas with it.

use super::{About, Case, Found, Rule};
use crate::guard::mend;
use plimsoll_api::Mode;
use plimsoll_fleet::Class;
use serde_json::json;

pub(super) static RULE: Rule = Rule {
    name: "spread",
    title: "Online GPU workloads of several replicas are spread over nodes",
    why: "A GPU node fails as a whole: replicas that share it fail together",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[],
    check: None,
    explain: "\
Judged: workloads of class online with two or more replicas (Deployment, StatefulSet, Rollout,
InferenceService). Their pods must have a topology spread constraint or an affinity away from
pods, required or preferred. Prefer ScheduleAnyway: with few large nodes a hard spread leaves
GPUs unused.

Mend: the constraint that is shown.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    let object = case.object;
    let is_kind = matches!(&*object.kind, "Deployment" | "StatefulSet" | "Rollout" | "InferenceService");
    if !is_kind || !case.is(Class::Online) || object.replicas.is_none_or(|replicas| replicas < 2) {
        return;
    }
    for (template, _) in case.asking().filter(|(template, _)| !template.spread) {
        let labels: serde_json::Map<String, serde_json::Value> =
            template.labels.iter().map(|(key, value)| (key.to_string(), json!(&**value))).collect();
        let constraint = json!([{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": labels },
        }]);
        let path = template.spec();
        let fix = mend::at(&path.key("topologySpreadConstraints"), constraint, "Spread them over nodes.");
        found.breach(path, "its replicas may all be on one node".to_owned(), fix);
    }
}
