//! `no-cleanup`: ended jobs stay in the cluster.

use super::{Sign, fix};
use crate::audit::{
    finding::{Confidence, Finding, Fix},
    view::{Holder, Judged, View},
};

pub(super) static SIGN: Sign = Sign {
    name: "no-cleanup",
    title: "A job with GPUs is not cleaned up after it has ended",
    threshold: None,
    explain: "\
A Job without ttlSecondsAfterFinished stays after it has ended, with its pods, until somebody
deletes it. Ended pods hold no GPU, but they fill lists, quotas on object counts and etcd, and
they hide the work that still runs.

Seen: ttlSecondsAfterFinished of a Job (or of the run policy of a Kubeflow job) is absent and
its pods ask for accelerators. Jobs of a CronJob are left out: its history limits clean up.

Not waste of money: none stands beside it.

Mend: set ttlSecondsAfterFinished to as long as somebody may want to read its logs.",
    find,
};

/// Kinds that have a time to live after the end, and where they keep it.
const KINDS: [(&str, &str); 7] = [
    ("Job", "spec.ttlSecondsAfterFinished"),
    ("JobSet", "spec.ttlSecondsAfterFinished"),
    ("RayJob", "spec.ttlSecondsAfterFinished"),
    ("PyTorchJob", "spec.runPolicy.ttlSecondsAfterFinished"),
    ("TFJob", "spec.runPolicy.ttlSecondsAfterFinished"),
    ("MPIJob", "spec.runPolicy.ttlSecondsAfterFinished"),
    ("XGBoostJob", "spec.runPolicy.ttlSecondsAfterFinished"),
];

fn find(view: &View<'_>) -> Vec<Finding> {
    view.fleet
        .workloads()
        .filter_map(|(id, workload)| {
            let run = workload.run.as_ref().filter(|run| run.ttl.is_none())?;
            let (kind, path) = KINDS.iter().find(|(kind, _)| **kind == *workload.kind)?;
            let shape = crate::class::shape_of(view.fleet, workload, view.pods_of(id).first().copied())?;
            let holder = Holder::Workload(id);
            shape.wants_gpus().then(|| {
                let says = match run.finished {
                    Some(at) => format!("ended {} days ago and is still there", view.fleet.at.since(at).0 / 86_400),
                    None => "will stay, with its pods, after it has ended".to_owned(),
                };
                let judged = Judged {
                    says,
                    waste: Vec::new(),
                    confidence: Confidence::High,
                    evidence: vec![view.read(format!("{kind}.{path}"), "not set")],
                    fix: Fix {
                        says: "Have it deleted a day after its end.".to_owned(),
                        action: fix::set(view, holder, path, 86_400.into()),
                    },
                };
                view.on_holder(&SIGN, holder, judged)
            })
        })
        .collect()
}
