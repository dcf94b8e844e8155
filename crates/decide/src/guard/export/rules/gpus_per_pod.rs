//! `gpus-per-pod` in CEL.

use super::{Scope, Told, Values};

pub(super) static TOLD: Told =
    Told { rule: "gpus-per-pod", found, mend: "Ask for fewer, or split the work over several pods (JobSet, LeaderWorkerSet)", but: "" };

fn found(values: &Values, _: &Scope<'_>) -> Option<String> {
    let most = values.count("most");
    Some(format!(
        "variables.asking.filter(p, p.devices > {most}).map(p, ['a pod asks for ' + string(p.devices) + ' GPUs, and {most} are allowed'])\n\
         + variables.claims.filter(r, r.wants && (r.count < 0 || r.count > {most})).map(r, ['the request ' + string(r.name) + ' asks for ' \
         + (r.count < 0 ? 'all devices of a node' : string(r.count) + ' GPUs, and {most} are allowed')])"
    ))
}
