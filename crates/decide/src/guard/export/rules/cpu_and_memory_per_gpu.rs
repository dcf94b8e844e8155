//! `cpu-and-memory-per-gpu` in CEL.

use super::{Scope, Told, Values};
use crate::guard::{
    export::{
        object::WHOLE,
        text::{double, first_of, list, quoted},
    },
    mend,
};
use plimsoll_api::pool::PoolSpec;

pub(super) static TOLD: Told = Told {
    rule: "cpu-and-memory-per-gpu",
    found,
    mend: "Request CPU and memory within the proportion, or all GPUs of a node if all its memory is needed",
    but: "",
};

fn found(values: &Values, scope: &Scope<'_>) -> Option<String> {
    let side = |resource: &str, unit: &str, scale: f64, of_pool: fn(&PoolSpec) -> Option<f64>| {
        let (least, most) = (values.number(&format!("{resource}-least")), values.number(&format!("{resource}-most")));
        let each = |pool: &PoolSpec| Some(of_pool(pool)? / f64::from(pool.gpus_per_node?));
        // The first pool that is asked for counts, whether it is described or not.
        let most_of = |text: fn(f64) -> String| {
            let cases = scope
                .pools
                .iter()
                .map(|pool| (format!("{} in variables.pools", quoted(&pool.metadata.name)), text(each(&pool.spec).unwrap_or(most))));
            first_of(cases, &text(most))
        };
        format!(
            "[p.containers.filter(c, (c.role == 'main' || c.role == 'sidecar') && ('{resource}' in c.requests || '{resource}' in c.limits))\
             .map(c, string('{resource}' in c.requests ? c.requests['{resource}'] : c.limits['{resource}']))]\
             .filter(q, size(q) > 0 && q.all(x, isQuantity(x)))\
             .map(q, q.map(x, quantity(x).asApproximateFloat()).sum() / {scale} / double(p.devices))\
             .filter(n, n > ({bound}) || n < {least})\
             .map(n, 'a pod requests ' + string(n) + ' {unit} for each of its ' + string(p.devices) + ' GPUs, and ' \
             + (n > ({bound}) ? 'at most ' + ({bound_text}) : 'at least {least_text}') + ' is in proportion')",
            scale = double(scale),
            bound = most_of(double),
            bound_text = most_of(|number| quoted(&mend::plain(number))),
            least = double(least),
            least_text = mend::plain(least),
        )
    };
    Some(format!(
        "variables.asking.filter(p, !p.unknown && p.devices > 0 && p.containers.all(c, c.asks.all(k, k in {whole})))\n\
         .map(p, {cpu}\n+ {memory}).filter(l, size(l) > 0)",
        whole = list(&WHOLE),
        cpu = side("cpu", "CPUs", 1.0, |pool| pool.cpus_per_node),
        memory = side("memory", "GiB of memory", 1_073_741_824.0, |pool| pool.memory_gib_per_node),
    ))
}
