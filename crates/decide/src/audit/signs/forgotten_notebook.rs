//! `forgotten-notebook`: a notebook holds a GPU, and nobody has worked there for days.

use super::{
    Sign, Threshold,
    diagnosis::{self, FORGOTTEN_DAYS, Outcome},
    fix,
    words::{self, Figure},
};
use crate::audit::{
    finding::Finding,
    view::{Judged, View},
};
use plimsoll_fleet::{Metric, PodId, Seconds, Timestamp};

pub(super) static SIGN: Sign = Sign {
    name: "forgotten-notebook",
    title: "A notebook holds a GPU and nothing has run there for days",
    threshold: Some(Threshold { default: FORGOTTEN_DAYS, unit: "days", says: "so long without any work makes a notebook forgotten" }),
    explain: "\
Somebody opened a notebook with a GPU, worked, and went away. The kernel keeps the GPU until
somebody stops it.

Seen by: the class of the workload (dev: a Notebook, a Jupyter or code-server image, or the
label plimsoll.dev/class=dev), and that nothing ran on any of its GPUs since the threshold:
neither engine activity nor GPU_UTIL (nor SM, tensor and DRAM activity where collected) in 99 of
100 samples, or the last moment of work lies further back. The pod must be older than the
threshold, and the metrics must reach as far back.

It is not idle-gpu nor memory-full-compute-idle: a pod has one of the three, and this one has
the mildest cure.

Not flagged: notebooks annotated plimsoll.dev/headroom=true, and those whose metrics do not
reach back far enough (a hint at most).

When it is wrong: somebody who keeps a large data set in memory over a long weekend.

To mend it: stop it (a Kubeflow notebook keeps its volume and starts again with one click), and
let a culler do it from now on: ENABLE_CULLING and CULL_IDLE_TIME of the notebook controller, or
Jupyter's own --MappingKernelManager.cull_idle_timeout.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    diagnosis::found(view, |outcome| outcome == Outcome::Forgotten)
        .into_iter()
        .map(|(holder, pods, confidence)| {
            let held = words::gpus(pods.iter().map(|pod| view.held[pod.index()]).sum());
            let since = match last_active(view, &pods) {
                Some(last) => format!("the last work there was {} ago", words::time(view.fleet.at.since(last))),
                None => format!("nothing ran there in {}", words::time(watched(view, &pods))),
            };
            let judged = Judged {
                says: format!(
                    "{} {} {held}, and {since}",
                    words::count(pods.len(), "notebook pod"),
                    words::verb(pods.len(), "holds", "hold")
                ),
                waste: view.all_of(&pods),
                confidence,
                evidence: words::facts(
                    view,
                    &pods,
                    &[(Metric::EngineActive, Figure::Mean), (Metric::GpuUtil, Figure::Mean), (Metric::MemoryUsed, Figure::Mean)],
                ),
                fix: fix::stop(view, holder),
            };
            view.on_holder(&SIGN, holder, judged)
        })
        .collect()
}

/// When any of the pods' GPUs was last seen at work; none: never in the window.
fn last_active(view: &View<'_>, pods: &[PodId]) -> Option<Timestamp> {
    pods.iter().flat_map(|&pod| view.own_usage_of(pod)).filter_map(|usage| usage.metrics.last_active).max()
}

/// How long all of them have been watched.
fn watched(view: &View<'_>, pods: &[PodId]) -> Seconds {
    let window = view.fleet.evidence.window.map_or(Seconds(0), |window| window.length());
    let ages = pods.iter().filter_map(|&pod| view.pod(pod).started.map(|started| view.fleet.at.since(started)));
    ages.min().map_or(window, |age| age.min(window))
}
