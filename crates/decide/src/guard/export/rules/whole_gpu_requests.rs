//! `whole-gpu-requests` in CEL.

use super::{Scope, Told, Values};

pub(super) static TOLD: Told = Told {
    rule: "whole-gpu-requests",
    found,
    mend: "Give the limit alone, as a whole number; for a part of a GPU ask for a MIG slice or for one share",
    but: "",
};

fn found(_: &Values, _: &Scope<'_>) -> Option<String> {
    let unequal = "k in c.requests && [string(c.requests[k])].exists(r, !isQuantity(r) || quantity(r).compareTo(quantity(q)) != 0)";
    let not_whole =
        "!isQuantity(q) || [quantity(q).asApproximateFloat()].exists(n, n < 0.0 || n < 1000000000000000.0 && n != double(int(n)))";
    Some(format!(
        "variables.asking.map(p, p.containers.map(c, c.asks.map(k, [string(k in c.limits ? c.limits[k] : c.requests[k])].map(q,\n\
         c.role == 'ephemeral' ? 'the ephemeral container ' + c.name + ' asks for ' + k\n\
         : {not_whole} ? 'the container ' + c.name + ' asks for ' + q + ' of ' + k + ', and devices come whole'\n\
         : !(k in c.limits) ? 'the container ' + c.name + ' requests ' + k + ' without a limit'\n\
         : {unequal} ? 'the container ' + c.name + ' requests another number of ' + k + ' than its limit, ' + q + ': they must be equal'\n\
         : k == 'nvidia.com/gpu.shared' && quantity(q).asApproximateFloat() > 1.0 ? 'the container ' + c.name + ' asks for ' + q + ' shares, which give no more than one'\n\
         : '')[0]).filter(s, s != '')).filter(l, size(l) > 0)).filter(l, size(l) > 0).map(l, l[0])"
    ))
}
