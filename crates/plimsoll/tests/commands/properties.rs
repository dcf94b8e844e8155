//! What holds of every audit, shown on the example: order never matters, and what is not seen accuses nobody.

use plimsoll_decide::audit::{self, finding::Confidence, settings::Settings};
use plimsoll_fleet::{Fleet, Metric, NodeId, PodId, ShapeId, WorkloadId, price::PriceBook};
use plimsoll_observe::example;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn document(fleet: &Fleet) -> String {
    let audit = audit::audit(fleet, &PriceBook::list(), &Settings::default());
    plimsoll_report::json::text(&plimsoll_report::json::document(&audit, None))
}

fn verdicts(fleet: &Fleet) -> BTreeSet<(String, String)> {
    let audit = audit::audit(fleet, &PriceBook::list(), &Settings::default());
    let told = audit.findings.iter().filter(|finding| finding.confidence > Confidence::TooLittle);
    told.map(|finding| (finding.sign.to_string(), finding.subject.to_string())).collect()
}

/// A small generator (Knuth's MMIX), so that a failure is told by its seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }

    /// The list in another order, and the new place of each old one.
    fn shuffle<T>(&mut self, list: &mut Vec<T>) -> Vec<u32> {
        let mut tagged: Vec<(usize, T)> = std::mem::take(list).into_iter().enumerate().collect();
        for end in (1..tagged.len()).rev() {
            tagged.swap(end, self.below(end + 1));
        }
        let mut places = vec![0; tagged.len()];
        for (new, (old, _)) in tagged.iter().enumerate() {
            places[*old] = new as u32;
        }
        list.extend(tagged.into_iter().map(|(_, item)| item));
        places
    }
}

/// The same fleet with every list in another order.
fn shuffled(mut fleet: Fleet, seed: u64) -> Fleet {
    let mut chance = Chance(seed);
    let (nodes, pods) = (chance.shuffle(&mut fleet.nodes), chance.shuffle(&mut fleet.pods));
    let (workloads, shapes) = (chance.shuffle(&mut fleet.workloads), chance.shuffle(&mut fleet.shapes));
    for pod in &mut fleet.pods {
        pod.node = pod.node.map(|node| NodeId(nodes[node.index()]));
        pod.workload = pod.workload.map(|workload| WorkloadId(workloads[workload.index()]));
        pod.shape = ShapeId(shapes[pod.shape.index()]);
    }
    for workload in &mut fleet.workloads {
        workload.template = workload.template.map(|shape| ShapeId(shapes[shape.index()]));
    }
    for life in &mut fleet.history.lives {
        life.pod = life.pod.map(|pod| PodId(pods[pod.index()]));
        life.workload = life.workload.map(|workload| WorkloadId(workloads[workload.index()]));
        life.shape = life.shape.map(|shape| ShapeId(shapes[shape.index()]));
    }
    let evidence = &mut fleet.evidence;
    evidence.devices.iter_mut().for_each(|usage| usage.node = NodeId(nodes[usage.node.index()]));
    evidence.pods.iter_mut().for_each(|usage| usage.pod = PodId(pods[usage.pod.index()]));
    evidence.engines.iter_mut().for_each(|usage| usage.pod = PodId(pods[usage.pod.index()]));
    chance.shuffle(&mut fleet.namespaces);
    chance.shuffle(&mut fleet.budgets);
    chance.shuffle(&mut fleet.unseen);
    fleet
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_never_matters(seed in any::<u64>()) {
        let fleet = example::fleet(example::SEED);
        let (straight, mixed) = (document(&fleet), document(&shuffled(fleet, seed)));
        let other: Vec<(&str, &str)> = straight.lines().zip(mixed.lines()).filter(|(a, b)| a != b).take(5).collect();
        prop_assert!(other.is_empty(), "{other:#?}");
    }
}

/// Truth rule 1: a metric that is taken away can turn a sign into a blind spot, never into another sign.
#[test]
fn a_metric_that_is_missing_accuses_nobody() {
    let whole = example::fleet(example::SEED);
    let before = verdicts(&whole);
    let mut sets: Vec<Vec<Metric>> = Metric::ALL.iter().map(|&metric| vec![metric]).collect();
    sets.push(vec![Metric::SmActive, Metric::TensorActive, Metric::DramActive]);
    sets.push(vec![Metric::EngineActive, Metric::GpuUtil]);
    sets.push(Metric::ALL.to_vec());
    for missing in sets {
        let mut fleet = whole.clone();
        let evidence = &mut fleet.evidence;
        let all =
            evidence.devices.iter_mut().map(|usage| &mut usage.metrics).chain(evidence.pods.iter_mut().map(|usage| &mut usage.metrics));
        all.for_each(|metrics| metrics.by_metric.retain(|metric, _| !missing.contains(metric)));
        let invented: Vec<_> = verdicts(&fleet).difference(&before).filter(|(sign, _)| sign != "blind-spot").cloned().collect();
        assert!(invented.is_empty(), "without {missing:?}: {invented:?}");
    }
}
