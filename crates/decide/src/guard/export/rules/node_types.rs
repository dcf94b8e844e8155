//! `node-types` in CEL.

use super::{Scope, Told, Values};
use crate::guard::{
    export::{object::held_any, text::any},
    rules::node_types::LABELS,
};

pub(super) static TOLD: Told = Told {
    rule: "node-types",
    found,
    mend: "Choose another machine type, or give the annotation plimsoll.dev/reason where a reason is asked for",
    but: "",
};

fn found(values: &Values, _: &Scope<'_>) -> Option<String> {
    let (allowed, with_reason) = (values.names("allowed"), values.names("with-reason"));
    let held = |test: &str| {
        let lists: Vec<String> = LABELS.iter().map(|label| held_any(label, |_| test.to_owned())).collect();
        format!("({})", lists.join("\n+ "))
    };
    let is_allowed = if allowed.is_empty() { "true".to_owned() } else { any(allowed, "v") };
    let mut parts = Vec::new();
    if !allowed.is_empty() {
        parts.push(format!("{}.map(v, 'the machine type ' + v + ' is not allowed here')", held(&format!("!({is_allowed})"))));
    }
    if !with_reason.is_empty() {
        let wrong = held(&format!("({is_allowed}) && ({})", any(with_reason, "v")));
        parts.push(format!("(variables.has_reason ? [] : {wrong}.map(v, 'the machine type ' + v + ' needs a reason, and none is given'))"));
    }
    (!parts.is_empty()).then(|| format!("variables.asking.map(p, {}).filter(l, size(l) > 0)", parts.join("\n+ ")))
}
