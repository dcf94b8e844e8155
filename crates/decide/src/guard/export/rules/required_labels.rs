//! `required-labels` in CEL.

use super::{Scope, Told, Values};
use crate::{
    class,
    guard::export::text::{all_in, quoted},
};

pub(super) static TOLD: Told = Told { rule: "required-labels", found, mend: "Label the object, or its namespace", but: "" };

/// What a label says; empty: nothing.
fn value(key: &str) -> String {
    let key = quoted(key);
    format!(
        "(variables.labels[?{key}].orValue('') != '' ? string(variables.labels[{key}]) \
         : size(variables.asking) > 0 && variables.asking.all(p, p.labels[?{key}].orValue('') != '') ? string(variables.asking[0].labels[{key}]) \
         : string(variables.space_labels[?{key}].orValue('')))"
    )
}

fn found(values: &Values, scope: &Scope<'_>) -> Option<String> {
    let mut parts = Vec::new();
    for keys in values.names("labels") {
        let all: Vec<&str> = keys.split('|').filter(|key| !key.is_empty()).collect();
        let Some(&first) = all.first() else { continue };
        let or = if all.len() > 1 { format!(" (or {})", all[1..].join(", ")) } else { String::new() };
        let lacks = quoted(&format!("it has no label {first}{or}"));
        let of_keys: Vec<String> = all.iter().map(|key| value(key)).collect();
        let values = format!("[[{}].filter(v, v != '')]", of_keys.join(",\n"));
        let wrong = if first == class::LABEL {
            let says = quoted(&format!("the label {first} is no class: write online, batch, training or dev"));
            format!("!(l[0] in ['online', 'batch', 'training', 'dev']) ? [{says}] : []")
        } else {
            "[]".to_owned()
        };
        let part = format!("{values}.map(l, size(l) == 0 ? [{lacks}] : {wrong})");
        parts.push(if all.contains(&"plimsoll.dev/team") && !scope.teams.is_empty() {
            format!("(size(variables.team) > 0 ? [] : {part})")
        } else {
            part
        });
    }
    (!parts.is_empty()).then(|| format!("({}).filter(l, size(l) > 0)", all_in(&parts)))
}
