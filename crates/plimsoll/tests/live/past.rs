//! Pods that came and went before the audit: only kube-state-metrics' past tells of them.

use crate::STEP;
use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Pod;
use plimsoll_fleet::{Life, Seconds, Timestamp, course::Figure};
use plimsoll_observe::snapshot;
use serde_json::json;
use std::path::Path;

/// A pod, and when it was made, bound, started, ended and deleted: hours before now; none: it never was.
type Times = [Option<f64>; 5];

/// A pod that is gone.
struct Gone {
    name: &'static str,
    /// Kind and name.
    owner: (&'static str, &'static str),
    node: &'static str,
    gpus: u32,
    times: Times,
}

const fn pod(name: &'static str, owner: (&'static str, &'static str), node: &'static str, gpus: u32, times: Times) -> Gone {
    Gone { name, owner, node, gpus, times }
}

/// The last one is of a Deployment of the fleet, and asks for what its template asks for.
const GONE: [Gone; 4] = [
    pod("nightly-1-abcde", ("Job", "nightly-1"), "gone-node", 2, [Some(80.0), Some(79.0), Some(78.9), None, Some(70.0)]),
    pod("evaluate-xyz", ("Job", "evaluate"), "gone-node", 1, [Some(20.0), Some(19.99), Some(19.9), Some(11.0), Some(10.5)]),
    pod("never-ran-q", ("Job", "never-ran"), "", 8, [Some(9.0), None, None, None, Some(5.0)]),
    pod(
        "missing-probes-7d9f8-zzzzz",
        ("ReplicaSet", "missing-probes-7d9f8"),
        "gone-node",
        1,
        [Some(9.0), Some(8.9), Some(8.8), None, Some(2.0)],
    ),
];

fn namespace(owner: &str) -> &'static str {
    if owner == "ReplicaSet" { "web" } else { "ml" }
}

fn before(now: Timestamp, hours: f64) -> Timestamp {
    now.minus(Seconds((hours * 3_600.0) as u64))
}

/// The pods that are gone, as the API server had them.
pub fn gone(now: Timestamp) -> Vec<Pod> {
    let pod = |(index, Gone { name, owner: (kind, owner), node, gpus, times }): (usize, &Gone)| {
        let text = |hours: &Option<f64>| hours.and_then(|hours| jiff::Timestamp::from_second(before(now, hours).0).ok());
        let [created, scheduled, started, ended, deleted] = times.each_ref().map(text);
        let quantities = json!({"nvidia.com/gpu": gpus.to_string(), "cpu": "1500m", "memory": "4Gi"});
        let status =
            ended.map_or(json!({"running": {"startedAt": started}}), |ended| json!({"terminated": {"exitCode": 0, "finishedAt": ended}}));
        let container = json!({"name": "main", "image": "i", "imageID": "i", "ready": false, "restartCount": 0, "state": status});
        let condition =
            json!({"type": "PodScheduled", "status": if scheduled.is_some() { "True" } else { "False" }, "lastTransitionTime": scheduled});
        let owner = json!({"apiVersion": "v1", "kind": kind, "name": owner, "uid": "o", "controller": true});
        serde_json::from_value(json!({
            "metadata": {
                "namespace": namespace(kind), "name": name, "uid": format!("gone-{index}"), "creationTimestamp": created,
                "deletionTimestamp": deleted, "ownerReferences": [owner],
            },
            "spec": {"nodeName": node, "containers": [{"name": "main", "resources": {"requests": quantities}}]},
            "status": {"startTime": started, "conditions": [condition], "containerStatuses": [container]},
        }))
        .expect("a pod")
    };
    GONE.iter().enumerate().map(pod).collect()
}

/// When a pod was planted.
fn planted_at(gone: &Gone, pod: &Pod) -> anyhow::Result<Timestamp> {
    let made = pod.metadata.creation_timestamp.as_ref().map(|at| Timestamp(at.0.as_second())).context("planted")?;
    Ok(made.plus(Seconds((gone.times[0].unwrap_or_default() * 3_600.0) as u64)))
}

/// The snapshot tells the lives of all that came and went within the window, start and end to a step, beside those that go on.
pub fn tells(file: &Path, planted: &[Pod], window: Seconds) -> anyhow::Result<()> {
    let fleet = snapshot::read_file(file)?;
    let recorded = fleet.history.recorded.context("the history says how far it reaches")?;
    // What was planted ends at a step, and so does what is asked: those that went by in between are nobody's loss.
    let step = |at: Timestamp| at.0.div_euclid(STEP.0 as i64);
    let first = planted.first().context("planted")?;
    let between = (step(fleet.at) - step(planted_at(&GONE[0], first)?)) as u64 * STEP.0;
    ensure!(recorded.length().0 + 2 * STEP.0 + between >= window.0, "the history reaches {} h", recorded.length().hours());
    let lives = &fleet.history.lives;
    for (gone, pod) in GONE.iter().zip(planted) {
        let Gone { name, owner: (kind, owner), node, gpus, times } = gone;
        let now = planted_at(gone, pod)?;
        if times[4].is_some_and(|hours| before(now, hours) < fleet.at.minus(window)) {
            ensure!(!lives.iter().any(|life| &*life.name == *name), "{name} went before the window");
            continue;
        }
        let mut found = lives.iter().filter(|life| &*life.name == *name && &*life.namespace == namespace(kind));
        let life = found.next().with_context(|| format!("no life of {name}"))?;
        ensure!(found.next().is_none(), "{name} has two lives");
        let near = |told: Option<Timestamp>, hours: Option<f64>, slack: u64| match (told, hours) {
            (Some(told), Some(hours)) => told.0.abs_diff(before(now, hours).0) <= slack,
            (told, hours) => told.is_none() && hours.is_none(),
        };
        // Whoever planted and whoever asks looked at the clock some minutes apart at most; a step is for what only samples tell.
        let exact = 600;
        ensure!(near(life.created, times[0], exact), "{name} was made {:?}", life.created);
        ensure!(near(life.scheduled, times[1], exact) && near(life.started, times[2], exact), "{name}: {life:?}");
        let end = if times[3].is_some() { (times[3], exact) } else { (times[4], exact + STEP.0) };
        ensure!(near(life.ended, end.0, end.1) && !life.goes_on, "{name} ended {:?}", life.ended);
        ensure!(life.node.as_deref().unwrap_or_default() == *node, "{name} was on {:?}", life.node);
        let asks: Vec<_> = life.asks.iter().map(|ask| (&*ask.resource, ask.count)).collect();
        ensure!(asks == [("nvidia.com/gpu", *gpus)], "{name} asked for {asks:?}");
        ensure!(life.cpu.is_some_and(|cpu| cpu.0 == 1_500) && life.memory.is_some_and(|memory| memory.gib() == 4.0), "{life:?}");
        let owned = fleet.owner_of(life).map(|(kind, name)| (&**kind, &**name));
        let expected = if *kind == "ReplicaSet" { ("Deployment", "missing-probes") } else { (*kind, *owner) };
        ensure!(owned == Some(expected), "{name} is of {owned:?}");
        ensure!((*kind == "ReplicaSet") == life.shape.is_some(), "{name} has the shape {:?}", life.shape);
    }
    let asking = fleet.pods.iter().filter(|pod| fleet.shape(pod).wants_gpus()).count();
    let living = lives.iter().filter(|life| life.pod.is_some()).count();
    ensure!(living == asking, "{living} lives are of pods in the fleet, of which {asking} ask for GPUs");
    let of_nobody = |life: &&Life| life.pod.is_none() && planted.iter().all(|pod| pod.metadata.name.as_deref() != Some(&*life.name));
    let invented: Vec<_> = lives.iter().filter(of_nobody).collect();
    ensure!(invented.is_empty(), "lives that nobody lived: {invented:?}");

    // The course of what is always busy is flat and whole, and is that of useful work.
    let grid = fleet.evidence.courses.context("there are courses")?;
    ensure!(grid.bin == Seconds::HOUR && u64::from(grid.bins) * 3_600 >= window.0, "{grid:?}");
    let courses = fleet.evidence.pods.iter().filter_map(|usage| usage.metrics.course.as_ref());
    let busy = |course: &&plimsoll_fleet::Course| {
        course.figure() == Figure::Useful && course.means().all(|(_, mean)| mean.is_some_and(|mean| mean.get() > 0.7))
    };
    let hours = courses.filter(busy).map(|course| course.means().count()).max();
    ensure!(hours.is_some_and(|hours| hours as u64 * 3_600 + 7_200 >= window.0), "a course of {hours:?} hours");
    Ok(())
}
