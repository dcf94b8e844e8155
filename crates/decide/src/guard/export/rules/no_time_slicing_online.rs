//! `no-time-slicing-online` in CEL.

use super::{Scope, Told, Values};
use crate::guard::export::{
    object::held_so,
    text::{any_of, quoted},
};
use plimsoll_api::pool::PoolSharing;

pub(super) static TOLD: Told = Told {
    rule: "no-time-slicing-online",
    found,
    mend: "Ask for a MIG slice, an MPS share or a smaller whole board",
    but: "a ResourceClaim that asks for time slicing is not seen, since a policy sees one object at a time",
};

fn found(_: &Values, scope: &Scope<'_>) -> Option<String> {
    let in_pool = |sharing: PoolSharing| {
        let pools = scope.pools.iter().filter(|pool| pool.spec.sharing == sharing);
        any_of(&pools.map(|pool| format!("{} in variables.pools", quoted(&pool.metadata.name))).collect::<Vec<_>>())
    };
    let mps = "p.selector[?'nvidia.com/gpu.sharing-strategy'].orValue('') == 'mps'";
    let strategy = held_so("nvidia.com/gpu.sharing-strategy", |of| format!("{of} == 'time-slicing'"));
    let product = held_so("nvidia.com/gpu.product", |of| format!("{of}.endsWith('-SHARED')"));
    let gke = held_so("cloud.google.com/gke-gpu-sharing-strategy", |of| format!("{of} == 'time-sharing'"));
    let shares = "p.containers.filter(c, 'nvidia.com/gpu.shared' in c.asks)";
    Some(format!(
        "variables.class != 'online' || variables.not_production ? [] : variables.asking.map(p,\n\
         {strategy} || {gke} ? ['the sharing strategy that it selects gives GPUs in time slices']\n\
         : {product} && !({mps}) ? ['the product that it selects gives GPUs in time slices']\n\
         : {time_slicing} ? ['the pool that it asks for gives GPUs in time slices']\n\
         : {pool_mps} || {mps} ? [] : {shares}.map(c, 'the container ' + c.name + ' asks for nvidia.com/gpu.shared, a GPU in time slices')\n\
         ).filter(l, size(l) > 0)",
        time_slicing = in_pool(PoolSharing::TimeSlicing),
        pool_mps = in_pool(PoolSharing::Mps),
    ))
}
