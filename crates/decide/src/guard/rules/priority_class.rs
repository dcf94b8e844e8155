//! `priority-class`: what is urgent is said by the class of the work, not by whoever writes it.

use super::{About, Case, Found, Rule};
use crate::guard::{mend, parameter::names};
use plimsoll_api::{Mode, pattern};
use serde_json::json;

pub(super) static RULE: Rule = Rule {
    name: "priority-class",
    title: "The priority class fits the class of the work",
    why: "A notebook with the priority of production evicts production",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[
        names("online", &[], "priority classes of online work, '*' for any characters; empty: any"),
        names("batch", &[], "priority classes of batch work; empty: any"),
        names("training", &[], "priority classes of training; empty: any"),
        names("dev", &[], "priority classes of development; empty: any"),
        names("reserved", &["system-*"], "priority classes that no GPU workload may have"),
    ],
    check: None,
    explain: "\
Judged: priorityClassName of pods that ask for GPUs, against the list for the workload's class.
Where there is a list, a pod must name one of it: without a name the cluster's default counts,
which nobody sees in the manifest. system-node-critical and system-cluster-critical are refused.

Mend: the priority class that is shown.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    let class = case.class.class.name();
    let allowed = case.values.names(class);
    for (template, _) in case.asking() {
        let path = || template.spec().key("priorityClassName");
        let first = allowed.iter().find(|name| !name.contains('*')).map_or("A-CLASS-OF-YOUR-CLUSTER", String::as_str);
        let fix = || mend::at(&path(), json!(first), "Take one that fits.");
        match &template.priority_class {
            Some(name) if pattern::any(case.values.names("reserved"), name) => {
                found.breach(path(), format!("the priority class {name} is not for GPU workloads"), fix());
            }
            Some(name) if !allowed.is_empty() && !pattern::any(allowed, name) => {
                found.breach(path(), format!("the priority class {name} is not one of {class} work ({})", allowed.join(", ")), fix());
            }
            None if !allowed.is_empty() => {
                found.breach(path(), format!("it names no priority class, and {class} work needs one ({})", allowed.join(", ")), fix());
            }
            _ => {}
        }
    }
}
