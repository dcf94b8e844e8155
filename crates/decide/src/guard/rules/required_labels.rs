//! `required-labels`: whose it is, who pays, what kind of work.

use super::{About, Case, Found, Rule};
use crate::{
    class,
    guard::{mend, parameter::names},
};
use plimsoll_api::Mode;
use plimsoll_fleet::{Class, written::Path};
use serde_json::json;

pub(super) static RULE: Rule = Rule {
    name: "required-labels",
    title: "GPU workloads say whose they are, who pays and what class of work they are",
    why: "Without labels nobody can be asked, charged or protected, and the class of the work is a guess",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[names(
        "labels",
        &["plimsoll.dev/team|team|owner|app.kubernetes.io/owner", "plimsoll.dev/cost-centre|cost-centre|cost-center", "plimsoll.dev/class"],
        "labels that must be there; of keys with | between them one is enough",
    )],
    check: None,
    explain: "\
Judged: the labels of the object, of all of its pods that ask for GPUs, and of its namespace
where that is known. The team's label need not be there where a Team object owns the namespace.
plimsoll.dev/class must be online, batch, training or dev. A label with an empty value is none.

Mend: the labels on the object; on its namespace, to have them for everything in it.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    let object = case.object;
    let of_namespace = case.siblings.labels_of(&object.namespace);
    let value = |key: &str| {
        let some = |labels: &plimsoll_fleet::selector::Labels| labels.get(key).filter(|value| !value.is_empty()).cloned();
        let on_pods = || {
            let mut values = case.asking().map(|(template, _)| some(&template.labels));
            let first = values.next()??;
            values.all(|value| value.is_some()).then_some(first)
        };
        some(&object.labels).or_else(on_pods).or_else(|| of_namespace.and_then(some))
    };
    let path = || Path::of("metadata.labels");
    for keys in case.values.names("labels") {
        let all: Vec<&str> = keys.split('|').filter(|key| !key.is_empty()).collect();
        let Some(&first) = all.first() else { continue };
        let is_team = all.contains(&"plimsoll.dev/team");
        if is_team && case.team.is_some() {
            continue;
        }
        match all.iter().find_map(|key| value(key)) {
            Some(class) if first == class::LABEL && Class::parse(&class).is_none() => {
                let says = format!("the label {first} is '{class}', which is no class: write online, batch, training or dev");
                let fix = mend::at(&path(), json!({ first: case.class.class.name() }), "Say what class of work it is.");
                found.breach(path().key(first), says, fix);
            }
            Some(_) => {}
            None => {
                let suggested = if first == class::LABEL {
                    case.class.class.name().to_owned()
                } else if let (true, Some(owner)) = (is_team, &case.owner) {
                    owner.to_string()
                } else {
                    format!("YOUR-{}", first.rsplit('/').next().unwrap_or(first).to_uppercase())
                };
                let or = if all.len() > 1 { format!(" (or {})", all[1..].join(", ")) } else { String::new() };
                let fix = mend::at(&path(), json!({ first: suggested }), "Label the object, or its namespace.");
                found.breach(path(), format!("it has no label {first}{or}"), fix);
            }
        }
    }
}
