//! `toleration-and-selector`: GPU pods say where they may go.

use super::{About, Case, Found, Rule};
use crate::guard::{mend, parameter::names};
use plimsoll_api::pool::TaintEffect;
use plimsoll_api::{Mode, pattern};
use plimsoll_fleet::{
    Name,
    node::{Effect, Taint},
    written::Template,
};
use serde_json::{Value, json};

pub(in crate::guard) static RULE: Rule = Rule {
    name: "toleration-and-selector",
    title: "GPU pods tolerate the taint of GPU nodes and select the nodes that they need",
    why: "Without the toleration a pod never gets to a tainted GPU node; without a selector it lands on whatever GPU is free",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[
        names("taint", &["nvidia.com/gpu"], "keys of the taints of GPU nodes (effect NoSchedule); the taints of a Pool count instead"),
        names(
            "selectors",
            &[
                "nvidia.com/gpu.*",
                "nvidia.com/mig*",
                "amd.com/gpu.*",
                "plimsoll.dev/pool",
                "cloud.google.com/gke-accelerator",
                "cloud.google.com/gke-nodepool",
                "karpenter.sh/nodepool",
                "karpenter.k8s.aws/instance-gpu-*",
                "eks.amazonaws.com/nodegroup",
                "kubernetes.azure.com/agentpool",
                "node.kubernetes.io/instance-type",
            ],
            "node labels of which a pod must select by one, '*' for any characters; empty: none",
        ),
    ],
    check: None,
    explain: "\
Judged: the tolerations of every pod that asks for GPUs by resource, and whether its nodeSelector
or required node affinity names a label that tells GPU nodes apart. Where the pod asks for a
Pool, that pool's taints are the ones to tolerate. Pods that ask by DRA claim alone are left out:
the claim chooses the device. A pod for another vendor's devices must tolerate a taint of its
resource's name.

Not wrong: clusters that run the admission plugin ExtendedResourceToleration have the toleration
added. Set taint to an empty list there.

Mend: the lines that are shown.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    for (template, asked) in case.asking() {
        if asked.devices == asked.by_claims {
            continue;
        }
        let mut missing = taints(case, template);
        missing.retain(|taint| !template.tolerations.iter().any(|toleration| toleration.covers(taint)));
        if let Some(taint) = missing.first() {
            let mut lines: Vec<Value> = Vec::new();
            for taint in &missing {
                let line = json!({ "key": &*taint.key, "operator": "Exists", "effect": effect(taint.effect) });
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
            // Where pods have no specification of their own it is not known that tolerations can stand there.
            let make = if template.bare && &*case.object.kind != "InferenceService" { mend::at } else { mend::certain };
            let fix = make(&template.spec().key("tolerations"), Value::Array(lines), "Tolerate the taint.");
            found.breach(template.spec(), format!("a pod does not tolerate the taint {} of GPU nodes", taint.key), fix);
        }
        let selectors = case.values.names("selectors");
        if !selectors.is_empty() && case.pools.is_empty() && !names_gpu_nodes(case, template) {
            let lines = json!({ "nvidia.com/gpu.product": "MODEL-AS-THE-NODES-ARE-LABELLED" });
            let fix = mend::at(&template.spec().key("nodeSelector"), lines, "Select the nodes that it needs.");
            found.breach(template.spec(), "a pod selects no kind of GPU node, and may land on any".to_owned(), fix);
        }
    }
}

/// Does a pod of the template name a label that tells GPU nodes apart?
pub(in crate::guard) fn names_gpu_nodes(case: &Case<'_>, template: &Template) -> bool {
    template.names_label(|key| pattern::any(case.values.names("selectors"), key))
}

/// The taints that a pod of the template has to tolerate.
pub(in crate::guard) fn taints(case: &Case<'_>, template: &Template) -> Vec<Taint> {
    if case.pools.is_empty() { by_key(case, template) } else { case.pools.iter().flat_map(|pool| &pool.spec.taints).map(taint).collect() }
}

/// The taints of nodes with the devices that the pod asks for. Those of other vendors go by the resource's name.
fn by_key(case: &Case<'_>, template: &Template) -> Vec<Taint> {
    let taint = |key: &str| Taint { key: key.into(), value: Name::default(), effect: Effect::NoSchedule };
    let resources: Vec<&Name> = template.containers.iter().flat_map(|container| container.asks().map(|(name, _)| name)).collect();
    let configured = case.values.names("taint");
    if resources.iter().any(|name| name.starts_with("nvidia.com/")) || configured.is_empty() {
        return configured.iter().map(|key| taint(key)).collect();
    }
    let mut keys: Vec<&Name> = resources.into_iter().filter(|name| !name.starts_with(plimsoll_fleet::written::CLASS_PREFIX)).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter().map(|key| taint(key)).collect()
}

pub(in crate::guard) fn taint(of_pool: &plimsoll_api::pool::PoolTaint) -> Taint {
    let effect = match of_pool.effect {
        TaintEffect::NoSchedule => Effect::NoSchedule,
        TaintEffect::PreferNoSchedule => Effect::PreferNoSchedule,
        TaintEffect::NoExecute => Effect::NoExecute,
    };
    Taint { key: of_pool.key.as_str().into(), value: of_pool.value.as_str().into(), effect }
}

pub(in crate::guard) fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::NoSchedule => "NoSchedule",
        Effect::PreferNoSchedule => "PreferNoSchedule",
        Effect::NoExecute => "NoExecute",
    }
}
