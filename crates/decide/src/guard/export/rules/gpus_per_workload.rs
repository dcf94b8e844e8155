//! `gpus-per-workload` in CEL.

use super::{Scope, Told, Values, if_so};

pub(super) static TOLD: Told = Told {
    rule: "gpus-per-workload",
    found,
    mend: "Ask for fewer replicas, or ask for an exemption that ends",
    but: "what an autoscaler adds is not counted, since a policy sees one object at a time",
};

fn found(values: &Values, _: &Scope<'_>) -> Option<String> {
    let most = values.count("most");
    let says = format!("'its pods together ask for ' + string(variables.devices) + ' GPUs, and {most} are allowed'");
    Some(if_so(&format!("size(variables.templates) > 0 && variables.devices > {most}"), &says))
}
