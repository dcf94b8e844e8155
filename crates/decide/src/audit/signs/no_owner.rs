//! `no-owner`: GPUs that nobody answers for.

use super::{Sign, fix};
use crate::audit::{
    finding::{Confidence, Finding, Fix},
    view::{Judged, View},
};

pub(super) static SIGN: Sign = Sign {
    name: "no-owner",
    title: "A workload holds GPUs and nothing says whose it is",
    threshold: None,
    explain: "\
Waste is mended by its owner. Where neither the workload nor its namespace names a team, nobody can
be asked and nobody is charged.

Seen: none of the owner labels is on the workload, its pods or its namespace (plimsoll.dev/team,
team, owner, app.kubernetes.io/owner, cost-centre, ...; --team-label adds your own).

Mend: label the namespace: everything in it has an owner at once.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    view.holders()
        .filter(|(holder, _)| view.team(*holder).is_none())
        .map(|(holder, pods)| {
            let subject = view.subject(holder);
            let namespace = subject.namespace.clone().unwrap_or_default();
            let gpus = pods.iter().map(|pod| view.held[pod.index()]).sum::<plimsoll_fleet::MilliGpu>().gpus();
            let judged = Judged {
                says: format!("holds {gpus:.1} GPUs and neither it nor its namespace names an owner"),
                waste: Vec::new(),
                confidence: Confidence::High,
                evidence: vec![view.read(format!("Namespace/{namespace}.metadata.labels"), "no owner label")],
                fix: Fix {
                    says: format!("Name the team on namespace {namespace}."),
                    action: format!("kubectl label namespace {} plimsoll.dev/team=TEAM", fix::quote(&namespace)),
                },
            };
            view.on_holder(&SIGN, holder, judged)
        })
        .collect()
}
