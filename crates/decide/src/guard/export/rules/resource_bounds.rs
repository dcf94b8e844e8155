//! `resource-bounds` in CEL.

use super::{Scope, Told, Values, of_containers};

pub(super) static TOLD: Told = Told {
    rule: "resource-bounds",
    found,
    mend: "Give a CPU request, a memory request and a memory limit, with figures that the container was seen to need",
    but: "",
};

fn found(values: &Values, _: &Scope<'_>) -> Option<String> {
    let has = |resource: &str| format!("('{resource}' in c.requests || '{resource}' in c.limits)");
    let lacks = format!("(!{} || !{} || !('memory' in c.limits))", has("cpu"), has("memory"));
    let unequal = "'memory' in c.requests && 'memory' in c.limits && [string(c.requests['memory'])].exists(a, [string(c.limits['memory'])].exists(b, \
                   isQuantity(a) != isQuantity(b) || isQuantity(a) && isQuantity(b) && quantity(a).compareTo(quantity(b)) != 0))";
    let wrong = if values.flag("guaranteed") { format!("({lacks} || {unequal})") } else { lacks.clone() };
    let says = format!(
        "'the container ' + c.name + ({lacks} ? ' lacks ' + (({cpu} ? [] : ['a CPU request']) + ({memory} ? [] : ['a memory request']) \
         + ('memory' in c.limits ? [] : ['a memory limit'])).join(', ') : ' requests another amount of memory than its limit')",
        cpu = has("cpu"),
        memory = has("memory"),
    );
    Some(of_containers(&format!("c.role != 'ephemeral' && {wrong}"), &says))
}
