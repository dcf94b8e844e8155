//! `priority-class` in CEL.

use super::{Scope, Told, Values};
use crate::guard::export::text::{any, first_of, quoted};

pub(super) static TOLD: Told =
    Told { rule: "priority-class", found, mend: "Take a priority class that fits the class of the work", but: "" };

fn found(values: &Values, _: &Scope<'_>) -> Option<String> {
    let cases = ["online", "batch", "training", "dev"].into_iter().filter(|class| !values.names(class).is_empty()).map(|class| {
        let allowed = values.names(class);
        let names = allowed.join(", ");
        let says = format!(
            "(n == '' ? [{}] : {} ? [] : ['the priority class ' + n + {}])",
            quoted(&format!("it names no priority class, and {class} work needs one ({names})")),
            any(allowed, "n"),
            quoted(&format!(" is not one of {class} work ({names})")),
        );
        (format!("variables.class == '{class}'"), says)
    });
    let by_class = first_of(cases.collect::<Vec<_>>().into_iter(), "[]");
    Some(format!(
        "variables.asking.map(p, [string(p.spec.?priorityClassName.orValue(''))].map(n, \
         n != '' && ({reserved}) ? ['the priority class ' + n + ' is not for GPU workloads'] : {by_class})[0]).filter(l, size(l) > 0)",
        reserved = any(values.names("reserved"), "n"),
    ))
}
