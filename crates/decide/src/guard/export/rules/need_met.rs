//! `need-met` in CEL.

use super::{Scope, Told, Values};
use crate::guard::{
    defaults::{kinds, need::KEYS},
    export::text::{any_of, list, quoted},
};
use plimsoll_fleet::annotation::LENGTH_MAX as ANNOTATION_MAX;

pub(super) static TOLD: Told = Told {
    rule: "need-met",
    found,
    mend: "Ask for the device, or have a guardrail's defaults translate the need",
    but: "pods with a ResourceClaim: whether that gives a GPU is told by another object",
};

/// Do these annotations say a need?
fn says(annotations: &str) -> String {
    let tests = KEYS.map(|key| format!("{key} in {annotations} && size({annotations}[{key}]) <= {ANNOTATION_MAX}", key = quoted(key)));
    any_of(&tests)
}

fn found(_: &Values, _: &Scope<'_>) -> Option<String> {
    let (of_object, of_pod) = (says("variables.annotations"), says("p.annotations"));
    let claims = "size(p.spec.?resourceClaims.orValue([])) > 0";
    Some(format!(
        "!(variables.what in {kinds}) ? [] : (\n\
         variables.pods.filter(p, p.devices == 0 && !p.unknown && !({claims}) && ({of_pod} || size(variables.pods) == 1 && {of_object}))\
         .map(p, ['a pod says what it needs of a GPU, and asks for no device'])\n\
         + (size(variables.pods) > 1 && size(variables.asking) == 0 && {of_object} && !variables.pods.exists(p, {of_pod} || {claims}) \
         ? [['it says a need, none of its templates does, and none of them asks for a device']] : []))",
        kinds = list(&kinds::names_with_pods()),
    ))
}
