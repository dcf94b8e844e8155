//! `gpu-nodes-for-gpu-pods` in CEL.

use super::{Scope, Told, Values};
use crate::guard::export::{
    object::names_label,
    text::{any, list},
};

pub(super) static TOLD: Told = Told {
    rule: "gpu-nodes-for-gpu-pods",
    found,
    mend: "Leave the toleration and the selector out, or ask for the GPU that it needs",
    but: "",
};

fn found(values: &Values, _: &Scope<'_>) -> Option<String> {
    let taints = list(values.names("taint"));
    let selects = names_label("k.startsWith('nvidia.com/gpu.') && k != 'nvidia.com/gpu.deploy.client'");
    Some(format!(
        "variables.kind == 'DaemonSet' || {except} ? [] :\n\
         variables.pods.filter(p, p.devices == 0 && !p.unknown).map(p, [p.tolerations.filter(o, o.?effect.orValue('') in ['', 'NoSchedule'] \
         && (o.?key.orValue('') == '' || o.key in {taints}))].map(l, size(l) > 0 \
         ? ['a pod tolerates ' + (l[0].?key.orValue('') == '' ? 'every taint' : 'the taint ' + l[0].key) + ', and asks for no GPU'] \
         : {selects} ? ['a pod selects GPU nodes, and asks for no GPU'] : [])[0]).filter(l, size(l) > 0)",
        except = any(values.names("except"), "variables.space"),
    ))
}
