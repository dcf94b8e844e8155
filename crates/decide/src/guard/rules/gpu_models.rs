//! `gpu-models`: which GPUs a team may ask for, and which need a reason.

use super::{About, Case, Found, Rule};
use crate::guard::{
    mend,
    parameter::{flag, names},
};
use plimsoll_api::{Mode, pattern};
use plimsoll_fleet::written::Path;
use serde_json::json;

/// Node labels that name the model: GPU feature discovery, GKE, Karpenter on AWS, AMD's labeller.
pub(in crate::guard) const LABELS: [&str; 4] =
    ["nvidia.com/gpu.product", "cloud.google.com/gke-accelerator", "karpenter.k8s.aws/instance-gpu-name", "amd.com/gpu.product-name"];

/// The annotation with the reason for a big board.
pub(in crate::guard) const REASON: &str = "plimsoll.dev/reason";

pub(super) static RULE: Rule = Rule {
    name: "gpu-models",
    title: "Only allowed GPU models are asked for, the big ones with a reason",
    why: "The scarcest boards go first where nobody has to say why",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[
        names("allowed", &[], "models, by the node label, '*' for any characters; empty: those of the team, or all"),
        names("with-reason", &["*B200*", "*B300*", "*GB200*", "*GB300*"], "models that need the annotation plimsoll.dev/reason"),
        flag("named", false, "every pod must name its model"),
    ],
    check: None,
    explain: "\
Judged: the models that a pod is held to by nodeSelector or by every term of its required node
affinity (nvidia.com/gpu.product, cloud.google.com/gke-accelerator,
karpenter.k8s.aws/instance-gpu-name, amd.com/gpu.product-name). All that it is held to must be
allowed, by the list and by its Team. A pod that names no model may land on any: set named to
refuse that.

Mend: another model, or the annotation plimsoll.dev/reason with a sentence that its owner stands
by.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    let own = case.values.names("allowed");
    let of_team = case.team.map(|team| team.spec.models.as_slice()).unwrap_or_default();
    let is_allowed = |model: &str| (own.is_empty() || pattern::any(own, model)) && (of_team.is_empty() || pattern::any(of_team, model));
    let has_reason = case.said(REASON).is_some_and(|reason| !reason.trim().is_empty());
    for (template, asked) in case.asking() {
        let path = || template.spec().key("nodeSelector");
        let models: Vec<&str> = LABELS.iter().filter_map(|label| template.held_to(label)).flatten().map(|name| &**name).collect();
        if models.is_empty() && case.values.flag("named") && asked.by_claims < asked.devices {
            let allowed = own.first().or(of_team.first()).map_or("MODEL", String::as_str);
            let fix = mend::at(&path(), json!({ LABELS[0]: allowed }), "Name the model that it needs.");
            found.breach(template.spec(), "it names no GPU model, and may land on any".to_owned(), fix);
        }
        if let Some(model) = models.iter().find(|model| !is_allowed(model)) {
            let allowed: Vec<&str> = if own.is_empty() { of_team } else { own }.iter().map(String::as_str).collect();
            let fix = mend::says(format!("Choose one of: {}.", allowed.join(", ")));
            found.breach(path(), format!("the GPU model {model} is not allowed here"), fix);
        }
        if let Some(model) = models.iter().find(|model| !has_reason && pattern::any(case.values.names("with-reason"), model)) {
            let fix =
                mend::at(&Path::of("metadata.annotations"), json!({ REASON: "WHY NO SMALLER BOARD DOES" }), "Say why it must be that one.");
            found.breach(path(), format!("the GPU model {model} needs a reason, and none is given"), fix);
        }
    }
}
