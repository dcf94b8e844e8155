//! `no-deadline`: a job that may hold its GPUs for ever.

use super::{Sign, fix};
use crate::audit::{
    finding::{Confidence, Finding, Fix},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::Workload;

pub(super) static SIGN: Sign = Sign {
    name: "no-deadline",
    title: "A job with GPUs has no deadline: if it hangs, it holds them for ever",
    threshold: None,
    explain: "\
A job that hangs (a dead collective, a full disk, a lost data source) does not end by itself.
Without activeDeadlineSeconds nothing ends it, and its GPUs are held until somebody looks.

Seen: activeDeadlineSeconds of the Job (or of its pod template, or of the run policy of a
Kubeflow job) is absent, and its pods ask for accelerators. Jobs that have ended are left out.

Not waste: nothing is lost while the job works. It is a risk, so no money stands beside it.

Mend: set a deadline of a few times the usual run time. A training job that checkpoints loses
little when it is ended and started again.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    view.fleet
        .workloads()
        .filter_map(|(id, workload)| {
            let run = workload.run.as_ref()?;
            let shape = crate::class::shape_of(view.fleet, workload, view.pods_of(id).first().copied())?;
            let open = run.finished.is_none() && run.deadline.is_none() && shape.deadline.is_none() && shape.wants_gpus();
            open.then(|| judge(view, Holder::Workload(id), workload))
        })
        .collect()
}

fn judge(view: &View<'_>, holder: Holder, workload: &Workload) -> Finding {
    let path = deadline_of(&workload.kind);
    let judged = Judged {
        says: "nothing ends it if it hangs: it has no deadline".to_owned(),
        waste: Vec::new(),
        confidence: Confidence::High,
        evidence: vec![view.read(format!("{}.{path}", workload.kind), "not set")],
        fix: Fix {
            says: "Set a deadline of a few times its usual run time (here: a day).".to_owned(),
            action: fix::set(view, holder, path, 86_400.into()),
        },
    };
    view.on_holder(&SIGN, holder, judged)
}

/// Where a kind keeps the deadline.
fn deadline_of(kind: &str) -> &'static str {
    match kind {
        "CronJob" => "spec.jobTemplate.spec.activeDeadlineSeconds",
        "PyTorchJob" | "TFJob" | "MPIJob" | "XGBoostJob" | "PaddleJob" | "JAXJob" => "spec.runPolicy.activeDeadlineSeconds",
        _ => "spec.activeDeadlineSeconds",
    }
}
