//! `memory-full-compute-idle`: memory held, and nothing ran.

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
use plimsoll_fleet::{Class, Metric, PodId};

pub(super) static SIGN: Sign = Sign {
    name: "memory-full-compute-idle",
    title: "A model lies in GPU memory and is not used",
    threshold: Some(Threshold {
        default: 0.5,
        unit: "ratio",
        says: "share of the device's memory that is held, from which on it counts as full",
    }),
    explain: "\
A pod keeps half or more of a GPU's memory filled, and nothing ran there over the whole window:
a model that nobody asks, a cache that nobody reads, a process that hangs after its work.

Seen by: the mean of FB_USED over the device's memory, with engine activity and GPU_UTIL below
the threshold of idle-gpu in 99 of 100 samples (SM, tensor and DRAM activity too where seen).

It is a different sickness from idle-gpu and has another cure: here somebody loaded something,
so deleting it loses minutes of loading, and what is missing is traffic, or an autoscaler.

Not flagged: engines that served a request in the window (their own metrics say so), pods
younger than an hour, notebooks idle for days (forgotten-notebook), and workloads annotated
plimsoll.dev/headroom=true.

When it is wrong: a standby that must answer at once. Declare it by the annotation.

To mend it: serve several rarely used models from one GPU (one engine with LoRA adapters, a MIG
slice each), scale to zero with a scaler that wakes on requests, or stop it.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    diagnosis::found(view, |outcome| outcome == Outcome::MemoryFull)
        .into_iter()
        .map(|(holder, pods, confidence)| {
            let judged = Judged {
                says: says(view, &pods),
                waste: view.all_of(&pods),
                confidence,
                evidence: words::facts(
                    view,
                    &pods,
                    &[(Metric::MemoryUsed, Figure::Mean), (Metric::EngineActive, Figure::P99), (Metric::GpuUtil, Figure::P99)],
                ),
                fix: mend(view, holder, &pods),
            };
            view.on_holder(&SIGN, holder, judged)
        })
        .collect()
}

fn says(view: &View<'_>, pods: &[PodId]) -> String {
    let held = words::gpus(pods.iter().map(|pod| view.held[pod.index()]).sum());
    let memory = words::figure(view, pods, Metric::MemoryUsed, Figure::Mean).map_or_else(String::new, |(mean, _)| words::gib(mean));
    let who = words::count(pods.len(), "pod");
    let holds = words::verb(pods.len(), "holds", "hold");
    format!("{who} {holds} {held} with {memory} of memory filled on each, and nothing ran there in {}", words::window(view))
}

fn mend(view: &View<'_>, holder: Holder, pods: &[PodId]) -> Fix {
    let all = match holder {
        Holder::Workload(workload) => view.pods_of(workload).len(),
        Holder::Pod(_) => 1,
    };
    let mut fix = fix::release(view, holder, pods, all);
    if view.class(holder).class == Class::Online {
        fix.says.push_str(" If it must stay warm, say so: annotate it plimsoll.dev/headroom=true.");
    }
    fix
}
