//! The questions to kube-state-metrics' series about pods that came and went, and how their answers are read.
//!
//! Whole series are not asked for: the store folds each stretch of [`BLOCK`] seconds into one figure (the first and last
//! moment at which a pod was there, what it asked for, its times), so an answer grows with pods and days, not with samples.
//! Metrics and labels: kube-state-metrics, `docs/metrics/workload/pod-metrics.md`; a resource's name has underscores there.

use super::{answer::Labels, plan::Range, queries};
use crate::{
    dcgm::accumulate::Point,
    lives::{Lives, Told, Whose},
};
use std::collections::BTreeSet;

/// Seconds that the store folds into one figure.
const BLOCK: u64 = 6 * 3_600;
/// Blocks in one request.
const BLOCKS: u64 = 4;
/// How closely the first and last moment of a pod are looked for, seconds.
pub(super) const STEP: u64 = 300;
/// The accelerators that are looked for, as kube-state-metrics writes their names.
const REQUESTS: &str = "kube_pod_container_resource_requests{resource=~\"nvidia_com_(gpu|gpu_shared|mig_.+)|amd_com_gpu|google_com_tpu|habana_ai_gaudi|gpu_intel_com_(i915|xe)|aws_amazon_com_neuron\"}";
/// The times of a pod: the metric, what the answer calls it, and which is taken of several containers.
const TIMES: [(&str, &str, &str); 5] = [
    ("kube_pod_created", "created", "max"),
    ("kube_pod_status_scheduled_time", "scheduled", "max"),
    ("kube_pod_start_time", "taken", "max"),
    ("kube_pod_container_state_started", "started", "min"),
    ("kube_pod_completion_time", "ended", "max"),
];

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Accelerators,
    Presence,
    Times,
    Sizes,
    Owners,
}

/// The questions, of a store that has the metrics `there`.
pub(super) fn questions(there: &BTreeSet<String>, moved: &queries::Moved) -> Vec<(Ask, String)> {
    let [namespace, pod, uid, container, node] = ["namespace", "pod", "uid", "container", "node"].map(|label| moved.name(label));
    let pod = format!("{namespace}, {pod}, {uid}");
    let with_accelerators = |query: String| format!("({query}) and on ({pod}) max by ({pod}) (max_over_time({REQUESTS}[{BLOCK}s]))");
    let named = |query: String, what: &str| format!("label_replace({query}, \"what\", \"{what}\", \"\", \"\")");
    let mut questions = vec![
        (Ask::Accelerators, format!("max by ({pod}, {container}, {node}, resource) (max_over_time({REQUESTS}[{BLOCK}s]))")),
        (
            Ask::Presence,
            ["min", "max"]
                .map(|least| {
                    let query = format!("{least} by ({pod}, {node}) ({least}_over_time(timestamp({REQUESTS})[{BLOCK}s:{STEP}s]))");
                    named(query, least)
                })
                .join(" or "),
        ),
        (
            Ask::Sizes,
            with_accelerators(format!(
                "sum by ({pod}, resource) (max by ({pod}, {container}, resource) \
                 (max_over_time(kube_pod_container_resource_requests{{resource=~\"cpu|memory\"}}[{BLOCK}s])))"
            )),
        ),
    ];
    let times: Vec<String> = TIMES
        .iter()
        .filter(|(metric, ..)| there.contains(*metric))
        .map(|(metric, what, of)| named(format!("{of} by ({pod}) ({of}_over_time({metric}[{BLOCK}s]))"), what))
        .collect();
    if !times.is_empty() {
        questions.push((Ask::Times, with_accelerators(times.join(" or "))));
    }
    if there.contains("kube_pod_owner") {
        let owners =
            format!("max by ({pod}, owner_kind, owner_name) (max_over_time(kube_pod_owner{{owner_is_controller=\"true\"}}[{BLOCK}s]))");
        questions.push((Ask::Owners, with_accelerators(owners)));
    }
    questions
}

/// The stretches in which a window is asked about, oldest first. Each moment stands for the block before it.
pub(super) fn chunks(window: Range) -> Vec<Range> {
    let length = window.end.saturating_sub(window.start).max(0) as u64;
    let back = |blocks: u64| window.end.saturating_sub_unsigned(blocks * BLOCK);
    let blocks = length / BLOCK + 1;
    let chunk = |last: u64| Range { start: back((last + BLOCKS).min(blocks) - 1), end: back(last), step: BLOCK };
    (0..blocks.div_ceil(BLOCKS)).rev().map(|chunks| chunk(chunks * BLOCKS)).collect()
}

/// Hands on what a series tells.
pub(super) fn take(ask: Ask, labels: &Labels<'_>, points: &[Point], lives: &mut Lives) {
    // Where labels are not honoured, the plain ones are the exporter's own.
    let label = |name: &str| labels.iter().find(|(label, _)| label == name).map_or("", |(_, value)| value.as_ref());
    let own = |name: &str| {
        let moved = labels.iter().find(|(label, _)| label.strip_prefix("exported_") == Some(name));
        moved.map_or_else(|| label(name), |(_, value)| value.as_ref())
    };
    let whose = Whose { namespace: own("namespace"), name: own("pod"), uid: own("uid") };
    let node = Some(own("node")).filter(|node| !node.is_empty());
    let values = || points.iter().map(|point| point.value);
    match ask {
        Ask::Accelerators => {
            let Some(resource) = queries::resource_of(label("resource")) else { return };
            for count in values() {
                lives.take(whose, Told::Asks { container: own("container"), resource: &resource, count });
            }
            lives.take(whose, Told::Node(node));
        }
        Ask::Presence => values().for_each(|at| lives.take(whose, Told::Seen(at, node))),
        Ask::Times => {
            let told: fn(f64) -> Told<'static> = match label("what") {
                "created" => Told::Created,
                "scheduled" => Told::Scheduled,
                "taken" => Told::Taken,
                "started" => Told::Started,
                "ended" => Told::Ended,
                _ => return,
            };
            values().for_each(|at| lives.take(whose, told(at)));
        }
        Ask::Sizes => {
            let told: fn(f64) -> Told<'static> = match label("resource") {
                "cpu" => Told::Cores,
                "memory" => Told::Bytes,
                _ => return,
            };
            values().for_each(|size| lives.take(whose, told(size)));
        }
        Ask::Owners => lives.take(whose, Told::Owner { kind: label("owner_kind"), name: label("owner_name") }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::prometheus::answer;
    use plimsoll_fleet::{Fleet, Seconds, Timestamp, Window};
    use proptest::prelude::*;

    #[test]
    fn answers_become_lives() {
        let end = 1_795_424_400_i64;
        let mut lives = Lives::new();
        let mut feed = |ask, metric: &str, value: &str| {
            let pod = r#""exported_namespace":"ml","exported_pod":"night-1","uid":"u","namespace":"monitoring","pod":"ksm-0""#;
            let body = format!(
                r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{{pod}{metric}}},"values":[[{end},"{value}"]]}}]}}}}"#
            );
            answer::series(body.as_bytes(), &mut |_, labels, points| take(ask, labels, points, &mut lives)).unwrap();
        };
        let at = |before: i64| (end - before).to_string();
        feed(Ask::Accelerators, r#","exported_container":"main","resource":"nvidia_com_mig_1g_10gb_me","container":"ksm""#, "2");
        feed(Ask::Accelerators, r#","exported_container":"main","exported_node":"n1","node":"n9","resource":"nvidia_com_gpu""#, "1");
        feed(Ask::Presence, r#","what":"min","exported_node":"n1""#, &at(5_000));
        feed(Ask::Presence, r#","what":"max","exported_node":"n1""#, &at(3_000));
        feed(Ask::Times, r#","what":"created""#, &at(5_100));
        feed(Ask::Times, r#","what":"taken""#, &at(5_020));
        feed(Ask::Times, r#","what":"nonsense""#, &at(1));
        feed(Ask::Sizes, r#","resource":"cpu""#, "1.5");
        feed(Ask::Sizes, r#","resource":"memory""#, "1073741824");
        feed(Ask::Owners, r#","owner_kind":"Job","owner_name":"night""#, "1");
        let mut fleet = Fleet { at: Timestamp(end), ..Fleet::default() };
        lives.finish(&mut fleet, Window { start: Timestamp(end - 86_400), end: Timestamp(end) }, Seconds(STEP));
        let life = &fleet.history.lives[0];
        let times = [life.created, life.scheduled, life.started, life.ended].map(|time| time.map(|time| end - time.0));
        assert_eq!(times, [Some(5_100), None, Some(5_020), Some(3_000)]);
        assert_eq!((life.node.as_deref(), &*life.namespace, &*life.name), (Some("n1"), "ml", "night-1"));
        let asks: Vec<_> = life.asks.iter().map(|ask| (&*ask.resource, ask.count)).collect();
        assert_eq!(asks, [("nvidia.com/gpu", 1), ("nvidia.com/mig-1g.10gb.me", 2)]);
        assert_eq!((life.cpu.unwrap().0, life.memory.unwrap().gib()), (1_500, 1.0));
    }

    #[test]
    fn only_what_is_there_is_asked_for() {
        let there: BTreeSet<String> = ["kube_pod_created".to_owned()].into();
        let asked = questions(&there, &queries::Moved::among(&["exported_namespace".to_owned(), "exported_pod".to_owned()]));
        assert_eq!(asked.len(), 4);
        let times = &asked.iter().find(|(ask, _)| *ask == Ask::Times).unwrap().1;
        assert!(
            times.starts_with("(label_replace(max by (exported_namespace, exported_pod, uid) (max_over_time(kube_pod_created[21600s]))")
        );
        assert!(!times.contains("completion"));
    }

    proptest! {
        #[test]
        fn every_block_of_a_window_is_asked_for_once(end in 1_000_000_000_i64..2_000_000_000, length in 0_i64..40 * 86_400) {
            let chunks = chunks(Range { start: end - length, end, step: 60 });
            let moments: Vec<i64> = chunks.iter().flat_map(|chunk| (chunk.start..=chunk.end).step_by(BLOCK as usize)).collect();
            prop_assert_eq!(*moments.last().unwrap(), end);
            prop_assert!(moments.windows(2).all(|pair| pair[1] - pair[0] == BLOCK as i64));
            prop_assert!(moments[0] - (BLOCK as i64) <= end - length && moments[0] >= end - length);
            prop_assert!(chunks.iter().all(|chunk| (1..=BLOCKS).contains(&chunk.points())));
        }
    }
}
