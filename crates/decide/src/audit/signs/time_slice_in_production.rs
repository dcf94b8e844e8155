//! `time-slice-in-production`: a latency-sensitive workload on a GPU that others can slow down or fill up.

use super::{Sign, fix};
use crate::audit::{
    finding::{Confidence, Finding, Fix},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{Class, PodId, node::Sharing};

pub(super) static SIGN: Sign = Sign {
    name: "time-slice-in-production",
    title: "An online workload runs on a time-sliced GPU: no isolation of memory, time or faults",
    threshold: None,
    explain: "\
Time slicing gives the same GPU to several pods in turn. Nothing isolates them: one pod can take
all the memory and the others fail with out-of-memory, latency grows with every neighbour
(YOLOS-small on an A100-80: 0.088 s alone, 0.685 s among seven), and a fault of one can end all.

Seen: pods of class online on nodes whose GPUs are time-sliced (nvidia.com/gpu.replicas above 1
with sharing strategy time-slicing, or GKE's time-sharing label).

Not wrong: development. Workloads of class dev, and namespaces labelled environment (or env) dev,
development, test or staging, are left out.

Mend: a MIG slice where the board has MIG (isolated in hardware), MPS with memory limits, or a
whole smaller board. Keep time slicing for notebooks and tests.",
    find,
};

/// Values of an environment label that are not production.
const NOT_PRODUCTION: [&str; 7] = ["dev", "development", "test", "testing", "staging", "qa", "sandbox"];

fn find(view: &View<'_>) -> Vec<Finding> {
    view.holders()
        .filter_map(|(holder, pods)| {
            let sliced: Vec<(PodId, u32)> = pods.iter().filter_map(|&pod| Some((pod, replicas(view, pod)?))).collect();
            let &(first, replicas) = sliced.first()?;
            let known = view.class(holder);
            (known.class == Class::Online && !elsewhere(view, first)).then(|| judge(view, holder, sliced.len(), replicas))
        })
        .collect()
}

fn judge(view: &View<'_>, holder: Holder, pods: usize, replicas: u32) -> Finding {
    let pods = if pods == 1 { "its pod shares a GPU".to_owned() } else { format!("{pods} of its pods share GPUs") };
    let judged = Judged {
        says: format!("{pods} in time slices ({replicas} a GPU): memory, time and faults are not isolated"),
        waste: Vec::new(),
        confidence: if view.class(holder).inferred { Confidence::Medium } else { Confidence::High },
        evidence: vec![view.read("Node.metadata.labels[nvidia.com/gpu.replicas]", replicas.to_string())],
        fix: Fix {
            says: "Move it to a MIG slice, an MPS share with a memory limit, or a smaller whole board.".to_owned(),
            action: fix::kubectl(view, holder, "edit", ""),
        },
    };
    view.on_holder(&SIGN, holder, judged)
}

fn replicas(view: &View<'_>, pod: PodId) -> Option<u32> {
    match view.fleet.node(view.pod(pod))?.sharing {
        Sharing::TimeSliced { replicas } if replicas > 1 => Some(replicas),
        _ => None,
    }
}

/// Is the pod's namespace one that says it is not production?
fn elsewhere(view: &View<'_>, pod: PodId) -> bool {
    let name = &view.pod(pod).namespace;
    let Some(namespace) = view.fleet.namespaces.iter().find(|namespace| namespace.name == *name) else { return false };
    ["environment", "env", "stage", "plimsoll.dev/environment"]
        .iter()
        .filter_map(|key| namespace.labels.get(*key))
        .any(|value| NOT_PRODUCTION.contains(&&*value.to_ascii_lowercase()))
}
