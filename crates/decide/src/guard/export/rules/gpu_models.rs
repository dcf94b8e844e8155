//! `gpu-models` in CEL.

use super::{Scope, Told, Values};
use crate::guard::{
    export::{
        object::{held_any, held_some},
        text::{all_of, any, any_of, quoted},
    },
    rules::gpu_models::LABELS,
};

pub(super) static TOLD: Told = Told {
    rule: "gpu-models",
    found,
    mend: "Choose another model, or give the annotation plimsoll.dev/reason where a reason is asked for",
    but: "",
};

fn found(values: &Values, scope: &Scope<'_>) -> Option<String> {
    let own = values.names("allowed");
    let mut allowed = Vec::new();
    if !own.is_empty() {
        allowed.push(any(own, "v"));
    }
    for team in scope.teams.iter().filter(|team| !team.spec.models.is_empty()) {
        allowed.push(any_of(&[format!("!({} in variables.team)", quoted(&team.metadata.name)), any(&team.spec.models, "v")]));
    }
    let with_reason = values.names("with-reason");
    let mut parts = Vec::new();
    if values.flag("named") {
        let named: Vec<String> = LABELS.iter().map(|label| held_some(label)).collect();
        parts.push(format!("(p.devices > 0 && !{} ? ['it names no GPU model, and may land on any'] : [])", any_of(&named)));
    }
    let models = |test: &str| {
        let lists: Vec<String> = LABELS.iter().map(|label| held_any(label, |_| test.to_owned())).collect();
        format!("({})", lists.join("\n+ "))
    };
    if !allowed.is_empty() {
        let wrong = models(&format!("!({})", all_of(&allowed)));
        parts.push(format!("{wrong}.map(v, 'the GPU model ' + v + ' is not allowed here')"));
    }
    if !with_reason.is_empty() {
        let wrong = models(&any(with_reason, "v"));
        parts.push(format!("(variables.has_reason ? [] : {wrong}.map(v, 'the GPU model ' + v + ' needs a reason, and none is given'))"));
    }
    (!parts.is_empty()).then(|| format!("variables.asking.map(p, {}).filter(l, size(l) > 0)", parts.join("\n+ ")))
}
