//! `held-while-starting`: GPUs are held while images are pulled and models are loaded.

use super::{
    Sign, Threshold,
    diagnosis::{LONGEST_START, Outcome},
    fix, words,
};
use crate::audit::{
    finding::{Confidence, Finding, Fix, Waste},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{MilliGpu, PodId, Ratio, Seconds};

pub(super) static SIGN: Sign = Sign {
    name: "held-while-starting",
    title: "GPUs are held for long while a pod pulls its image and loads its model",
    threshold: Some(Threshold {
        default: 10.0,
        unit: "minutes",
        says: "from being bound to a node until ready; shorter starts are normal",
    }),
    explain: "\
From the moment a pod is bound to a node it holds its GPUs, though it first pulls an image,
mounts volumes and loads a model. Large images and models make that many minutes, at every start
and on every replica.

Seen by: the time from the pod's binding (PodScheduled) until it became ready, for pods that
have not restarted since; and pods that are starting right now for longer than the threshold. No
metric is used.

What it costs: for pods that start right now, what they hold now. For starts within the window,
the GPU-hours that they took, spread over the window; starts of pods that are gone are not
known, so this is the least it can be. Older starts cost nothing any more and are not shown.

Not counted: pods that crash again and again (held-by-crash-loop), and a pod that lost its
readiness long after its start.

When it is wrong: work that does its useful first step before it is ready.

To mend it: smaller images (no build tools, weights not in the image), images kept on the nodes
(a pre-pull DaemonSet, lazy pulling), weights on a fast local disk or in a cache shared by the
nodes, safetensors instead of pickles; and fewer restarts.",
    find,
};

/// A slow start.
struct Start {
    pod: PodId,
    took: Seconds,
    running: bool,
}

fn find(view: &View<'_>) -> Vec<Finding> {
    let longest = Seconds((view.threshold(&SIGN).max(0.0) * 60.0) as u64);
    view.holders()
        .filter_map(|(holder, pods)| {
            let starts: Vec<Start> = pods.iter().filter_map(|&pod| start(view, pod)).filter(|start| start.took >= longest).collect();
            (!starts.is_empty()).then(|| view.on_holder(&SIGN, holder, judge(view, holder, &starts)))
        })
        .collect()
}

/// How long the pod's start took, or has taken so far; none: it started before the window, or its times do not tell.
fn start(view: &View<'_>, id: PodId) -> Option<Start> {
    let pod = view.pod(id);
    let scheduled = pod.scheduled.or(pod.created)?;
    match view.diagnosis(id)?.outcome {
        Outcome::Leaving | Outcome::CrashLoop => return None,
        Outcome::Starting => return Some(Start { pod: id, took: view.fleet.at.since(scheduled), running: true }),
        _ => {}
    }
    let window = view.fleet.evidence.window?;
    let (started, ready) = (pod.started?, pod.ready?);
    // Readiness that came so late after the container's start is one that was lost and found again.
    let first =
        pod.restarts == 0 && scheduled >= window.start && started >= scheduled && ready >= started && ready.since(started) <= LONGEST_START;
    first.then(|| Start { pod: id, took: ready.since(scheduled), running: false })
}

fn judge(view: &View<'_>, holder: Holder, starts: &[Start]) -> Judged {
    let pods: Vec<PodId> = starts.iter().map(|start| start.pod).collect();
    let held: MilliGpu = pods.iter().map(|pod| view.held[pod.index()]).sum();
    let now: Vec<&Start> = starts.iter().filter(|start| start.running).collect();
    let slowest = starts.iter().map(|start| start.took).max().unwrap_or_default();
    let lost: f64 = starts.iter().map(|start| view.held[start.pod.index()].gpus() * start.took.hours()).sum();
    let pull = pods.iter().filter_map(|&pod| view.pod(pod).image_pull).max();
    let window = view.fleet.evidence.window.map_or(0.0, |window| window.length().hours());
    let spread = |start: &Start| {
        let held = view.held[start.pod.index()];
        // A start is over some day, and costs its share of the window. One that is stuck costs all that it holds, until it is mended.
        let gpus = if start.running && is_stuck(view, start) { held } else { held.part(Ratio::of(start.took.hours(), window)) };
        Some(Waste { node: view.pod(start.pod).node?, pod: Some(start.pod), gpus }).filter(|waste| !waste.gpus.is_zero())
    };
    let of_that = pull.map_or_else(String::new, |pull| format!(", {} of it to pull the image", words::time(pull)));
    let says = if now.is_empty() {
        format!(
            "{} took up to {} to become ready{of_that}, and held {} meanwhile: {} GPU-hours in this window",
            words::count(pods.len(), "pod"),
            words::time(slowest),
            words::gpus(held),
            words::trim((lost * 10.0).round() / 10.0),
        )
    } else {
        let waits: Option<&str> = now.iter().find_map(|start| view.pod(start.pod).waiting.as_deref());
        format!(
            "{} {} been starting for up to {}{of_that}{} and {} {}: {} GPU-hours so far",
            words::count(pods.len(), "pod"),
            words::verb(pods.len(), "has", "have"),
            words::time(slowest),
            waits.map_or_else(String::new, |reason| format!(" ({reason})")),
            words::verb(pods.len(), "holds", "hold"),
            words::gpus(held),
            words::trim((lost * 10.0).round() / 10.0),
        )
    };
    let mut evidence = vec![view.read(
        "Pod.status.conditions[PodScheduled, Ready].lastTransitionTime",
        format!("up to {} from bound to {}", words::time(slowest), if now.is_empty() { "ready" } else { "now, not ready" }),
    )];
    evidence.extend(pull.map(|pull| view.read("Event.reason=Pulled", format!("the image took {}", words::time(pull)))));
    Judged {
        says,
        waste: starts.iter().filter_map(spread).collect(),
        confidence: Confidence::High,
        evidence,
        fix: mend(view, holder, &pods, !now.is_empty()),
    }
}

/// A start that will not end by itself: its image cannot be pulled, or it has gone on for more than a day.
fn is_stuck(view: &View<'_>, start: &Start) -> bool {
    start.took > Seconds::DAY || no_image(view, start.pod)
}

fn no_image(view: &View<'_>, pod: PodId) -> bool {
    view.pod(pod).waiting.as_deref().is_some_and(|reason| reason.contains("ImagePull") || reason.contains("InvalidImage"))
}

fn mend(view: &View<'_>, holder: Holder, pods: &[PodId], now: bool) -> Fix {
    let pod = view.pod(pods[0]);
    let events = format!("kubectl events --for pod/{} -n {}", fix::quote(&pod.name), fix::quote(&pod.namespace));
    if no_image(view, pods[0]) {
        return Fix { says: "Its image cannot be pulled: correct the reference or the pull secret, or stop it.".into(), action: events };
    }
    if now {
        return Fix { says: "See what it waits for; keep its image and its model on the nodes.".into(), action: events };
    }
    Fix {
        says: "Keep its image on the nodes (pre-pull) and its weights on a local or shared cache, and see where the time goes.".into(),
        action: match holder {
            Holder::Workload(_) => fix::kubectl(view, holder, "describe", ""),
            Holder::Pod(_) => events,
        },
    }
}
