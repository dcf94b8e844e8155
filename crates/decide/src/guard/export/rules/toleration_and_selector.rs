//! `toleration-and-selector` in CEL.

use super::{Scope, Told, Values};
use crate::guard::export::{
    object::names_label,
    text::{any, quoted},
};
use plimsoll_api::pool::TaintEffect;
use plimsoll_fleet::written::CLASS_PREFIX;

pub(super) static TOLD: Told = Told {
    rule: "toleration-and-selector",
    found,
    mend: "Give its pods the toleration of the taint, and a nodeSelector such as nvidia.com/gpu.product",
    but: "",
};

/// Does a toleration of the pod `p` cover a taint? As `plimsoll_fleet::pod::Toleration::covers`.
pub(in super::super) fn is_tolerated(key: &str, value: &str, effect: &str) -> String {
    format!(
        "p.tolerations.exists(o, o.?key.orValue('') in ['', {key}] && (o.?operator.orValue('') == 'Exists' || o.?value.orValue('') == {}) \
         && o.?effect.orValue('') in ['', '{effect}'])",
        quoted(value)
    )
}

fn found(values: &Values, scope: &Scope<'_>) -> Option<String> {
    let (keys, selectors) = (values.names("taint"), values.names("selectors"));
    let says = |key: &str| format!("'a pod does not tolerate the taint ' + {key} + ' of GPU nodes'");
    let configured: Vec<String> =
        keys.iter().map(|key| format!("({} ? [] : [{}])", is_tolerated(&quoted(key), "", "NoSchedule"), says(&quoted(key)))).collect();
    let configured = if configured.is_empty() { "[]".to_owned() } else { format!("({})", configured.join(" + ")) };
    let of_other_vendors = format!(
        "p.containers.map(c, c.asks.filter(k, !k.startsWith('{CLASS_PREFIX}') && !{}).map(k, {})).filter(l, size(l) > 0)[?0].orValue([])",
        is_tolerated("string(k)", "", "NoSchedule"),
        says("k"),
    );
    let by_key = if keys.is_empty() {
        configured
    } else {
        format!("(p.containers.exists(c, c.asks.exists(k, k.startsWith('nvidia.com/'))) ? {configured}\n: {of_other_vendors})")
    };
    let mut of_pools = Vec::new();
    for pool in scope.pools {
        for taint in &pool.spec.taints {
            let effect = match taint.effect {
                TaintEffect::NoSchedule => "NoSchedule",
                TaintEffect::PreferNoSchedule => "PreferNoSchedule",
                TaintEffect::NoExecute => "NoExecute",
            };
            let (name, key) = (quoted(&pool.metadata.name), quoted(&taint.key));
            let tolerated = is_tolerated(&key, &taint.value, effect);
            of_pools.push(format!("({name} in variables.pools && !{tolerated} ? [{}] : [])", says(&key)));
        }
    }
    let of_pools = if of_pools.is_empty() { "[]".to_owned() } else { format!("({})", of_pools.join("\n+ ")) };
    let selects = if selectors.is_empty() {
        String::new()
    } else {
        let says = "'a pod selects no kind of GPU node, and may land on any'";
        format!("\n+ (size(variables.pools) == 0 && !{} ? [{says}] : [])", names_label(&any(selectors, "k")))
    };
    let taints = if scope.pools.is_empty() { by_key } else { format!("(size(variables.pools) > 0 ? {of_pools}\n: {by_key})") };
    let says_anything = !keys.is_empty() || !selectors.is_empty() || !scope.pools.is_empty();
    says_anything.then(|| format!("variables.asking.filter(p, p.devices > 0).map(p, {taints}{selects}).filter(l, size(l) > 0)"))
}
