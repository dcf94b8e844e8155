//! `idle-gpu`: held, and nothing ran.

use super::{
    Sign, Threshold,
    diagnosis::{self, Outcome},
    fix,
    words::{self, Figure},
};
use crate::audit::{
    finding::{Finding, Fix},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{Metric, PodId, Ratio};

pub(super) static SIGN: Sign = Sign {
    name: "idle-gpu",
    title: "A GPU is held and nothing runs on it",
    threshold: Some(Threshold { default: 0.01, unit: "ratio", says: "nothing ran: at work less than this in 99 of 100 samples" }),
    explain: "\
A pod holds GPUs, and over the whole window nothing ran on them (or on some of them).

Seen by: the 99th percentile of engine activity (PROF_GR_ENGINE_ACTIVE) and of GPU_UTIL; each
that is collected must be below the threshold, and SM, tensor and DRAM activity too where they
are. Memory held (FB_USED) tells it from memory-full-compute-idle; without it there is no
verdict, only a hint. Figures of shared GPUs that are copies of the device's are never used.

Not called idle: pods younger than an hour, starting, crashing or being deleted; engines that
served a request in the window; workloads annotated plimsoll.dev/headroom=true (replicas that an
SLO wants warm). Notebooks that are idle for days are forgotten-notebook.

When it is wrong: work that comes less often than the window is long (a monthly report), or that
only moves data through the GPU's copy engines.

To mend it: scale the workload down or suspend it; if it must be warm, say so by the annotation;
if it waits for work, let a queue or an autoscaler start it. Where only some GPUs of a pod are
idle, ask for fewer: most often the program sees one GPU and the request says eight.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    diagnosis::found(view, |outcome| matches!(outcome, Outcome::Idle { .. }))
        .into_iter()
        .map(|(holder, pods, confidence)| {
            let judged = Judged {
                says: says(view, &pods),
                waste: view.part_of(&pods, |pod| part(view, pod)),
                confidence,
                evidence: words::facts(
                    view,
                    &pods,
                    &[(Metric::EngineActive, Figure::P99), (Metric::GpuUtil, Figure::P99), (Metric::MemoryUsed, Figure::Mean)],
                ),
                fix: mend(view, holder, &pods),
            };
            view.on_holder(&SIGN, holder, judged)
        })
        .collect()
}

/// Idle devices of those that the pod holds.
fn devices(view: &View<'_>, pod: PodId) -> (u16, u16) {
    match view.diagnosis(pod).map(|diagnosis| diagnosis.outcome) {
        Some(Outcome::Idle { idle, of }) => (idle, of),
        _ => (0, 1),
    }
}

fn part(view: &View<'_>, pod: PodId) -> Ratio {
    let (idle, of) = devices(view, pod);
    Ratio::of(idle.into(), of.into())
}

fn says(view: &View<'_>, pods: &[PodId]) -> String {
    let held = words::gpus(pods.iter().map(|pod| view.held[pod.index()]).sum());
    let idle = words::gpus(pods.iter().map(|&pod| view.held[pod.index()].part(part(view, pod))).sum());
    let who = words::count(pods.len(), "pod");
    let holds = words::verb(pods.len(), "holds", "hold");
    let memory = if words::figure(view, pods, Metric::MemoryUsed, Figure::Mean).is_none() {
        " (memory held is not collected: no verdict)"
    } else {
        ""
    };
    let window = words::window(view);
    if held == idle {
        format!("{who} {holds} {held} and nothing ran on {} in {window}{memory}", if held == "1 GPU" { "it" } else { "them" })
    } else {
        format!("{who} {holds} {held}; on {idle} of that nothing ran in {window}{memory}")
    }
}

fn mend(view: &View<'_>, holder: Holder, pods: &[PodId]) -> Fix {
    let partly = pods.iter().map(|&pod| devices(view, pod)).find(|(idle, of)| idle < of);
    let ask = pods.first().and_then(|&pod| view.shape(pod).asks.iter().find(|ask| ask.count > 1 && !ask.dra));
    if let (Some((idle, of)), Some(ask)) = (partly, ask) {
        let needed = u32::from(of - idle);
        return Fix {
            says: format!("Ask for {needed} instead of {}: the rest is never touched.", ask.count),
            action: fix::limits(view, holder, view.shape(pods[0]), &ask.resource, &ask.resource, needed),
        };
    }
    let all = match holder {
        Holder::Workload(workload) => view.pods_of(workload).len(),
        Holder::Pod(_) => 1,
    };
    fix::release(view, holder, pods, all)
}
