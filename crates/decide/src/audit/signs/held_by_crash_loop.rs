//! `held-by-crash-loop`: a pod crashes again and again, and holds its GPUs all the while.

use super::{
    Sign, Threshold,
    diagnosis::{self, Outcome},
    fix, words,
};
use crate::audit::{
    finding::{Confidence, Finding, Fix},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::PodId;

pub(super) static SIGN: Sign = Sign {
    name: "held-by-crash-loop",
    title: "GPUs are held by a pod that crashes again and again",
    threshold: Some(Threshold { default: 3.0, unit: "restarts", says: "from so many restarts on a crashing pod counts as a loop" }),
    explain: "\
A container crashes, the kubelet starts it again after a longer and longer wait (up to five
minutes), and the pod keeps its GPUs through all of it: a restart never gives a device back.

Seen by: the container waits in CrashLoopBackOff, or it started within the last hour after an
exit with an error and is not ready, and has restarted at least as often as the threshold says.
No metric is used.

What it costs: all that the pod holds, as long as it goes on.

When it is wrong: hardly ever. A pod that recovers by itself (it waits for a service that is
being rolled out) stops being flagged as soon as it is ready.

To mend it: read the log of the container that crashed. OOMKilled (exit code 137) means host
memory, not GPU memory: raise the memory limit. An error of CUDA memory means the model does not
fit the device or shares it. Until it is mended, scale it down: its GPUs can serve others. For
jobs, a backoffLimit and restartPolicy: Never let the job fail instead of holding its GPUs.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    diagnosis::found(view, |outcome| outcome == Outcome::CrashLoop)
        .into_iter()
        .map(|(holder, pods, _)| {
            let restarts = pods.iter().map(|&pod| view.pod(pod).restarts).max().unwrap_or(0);
            let exit = pods.iter().find_map(|&pod| view.pod(pod).last_exit.as_ref());
            let last = exit.map_or_else(String::new, |exit| format!(", last with {} (exit code {})", exit.reason, exit.code));
            let held = words::gpus(pods.iter().map(|pod| view.held[pod.index()]).sum());
            let who = words::count(pods.len(), "pod");
            let judged = Judged {
                says: format!("{who} crashed up to {restarts} times{last} and {} {held}", words::verb(pods.len(), "holds", "hold")),
                waste: view.all_of(&pods),
                confidence: Confidence::High,
                evidence: vec![
                    view.read("Pod.status.containerStatuses[].restartCount", format!("at most {restarts} over {who}")),
                    view.read("Pod.status.containerStatuses[].state.waiting.reason", waiting(view, &pods)),
                ],
                fix: mend(view, holder, &pods),
            };
            view.on_holder(&SIGN, holder, judged)
        })
        .collect()
}

fn waiting(view: &View<'_>, pods: &[PodId]) -> String {
    let mut reasons: Vec<&str> = pods.iter().filter_map(|&pod| view.pod(pod).waiting.as_deref()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    if reasons.is_empty() { "none: running, not ready".to_owned() } else { reasons.join(", ") }
}

fn mend(view: &View<'_>, holder: Holder, pods: &[PodId]) -> Fix {
    let pod = view.pod(pods[0]);
    let container =
        fix::asking(view.fleet.shape(pod)).map_or_else(String::new, |(_, container)| format!(" -c {}", fix::quote(&container.name)));
    let log = format!("kubectl logs {} -n {}{container} --previous --tail=100", fix::quote(&pod.name), fix::quote(&pod.namespace));
    let stop = fix::stop(view, holder);
    Fix { says: format!("Read why it crashes; until it is mended: {}", lower(&stop.says)), action: format!("{log}\n{}", stop.action) }
}

fn lower(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
