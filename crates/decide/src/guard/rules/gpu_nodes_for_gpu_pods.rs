//! `gpu-nodes-for-gpu-pods`: who needs no GPU stays off the nodes that have them.

use super::{About, Case, Found, Rule};
use crate::guard::{mend, parameter::names};
use plimsoll_api::{Mode, pattern};
use plimsoll_fleet::node::Effect;

pub(super) static RULE: Rule = Rule {
    name: "gpu-nodes-for-gpu-pods",
    title: "Pods that ask for no GPU stay off GPU nodes",
    why: "A pod without a GPU on a GPU node takes the CPU and memory without which its GPUs cannot be used",
    about: About::All,
    mode: Mode::Warn,
    parameters: &[
        names("taint", &["nvidia.com/gpu", "amd.com/gpu"], "keys of the taints of GPU nodes"),
        names(
            "except",
            &["kube-system", "gpu-operator", "nvidia-*", "*monitoring*"],
            "namespaces whose pods belong on every node, '*' for any characters",
        ),
    ],
    check: None,
    explain: "\
Judged: pods that ask for no accelerator and yet tolerate the taint of GPU nodes, by its key or
by tolerating everything, or select nodes by a label that only GPU nodes have (nvidia.com/gpu.*).
DaemonSets are left out, as agents belong on every node; so are the namespaces of the system.

Mend: without the toleration and the selector; or with the GPU that the pod was meant to ask for.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    if &*case.object.kind == "DaemonSet" || pattern::any(case.values.names("except"), &case.object.namespace) {
        return;
    }
    let taints = case.values.names("taint");
    for template in case.not_asking() {
        let lets_in = |effect: Option<Effect>| matches!(effect, None | Some(Effect::NoSchedule));
        let tolerated =
            template.tolerations.iter().filter(|toleration| lets_in(toleration.effect)).find_map(|toleration| match &toleration.key {
                Some(key) => taints.iter().any(|taint| **taint == **key).then(|| format!("the taint {key}")),
                None => Some("every taint".to_owned()),
            });
        let spec = template.spec();
        if let Some(what) = tolerated {
            let fix = mend::says("Leave the toleration out, or ask for the GPU that it needs.");
            found.breach(spec.key("tolerations"), format!("a pod tolerates {what}, and asks for no GPU"), fix);
        } else if template.names_label(|key| key.starts_with("nvidia.com/gpu.") && key != "nvidia.com/gpu.deploy.client") {
            let fix = mend::says("Leave the selector out, or ask for the GPU that it needs.");
            found.breach(spec.key("nodeSelector"), "a pod selects GPU nodes, and asks for no GPU".to_owned(), fix);
        }
    }
}
