//! Which pods may be evicted and which must stay, and why.

use super::{Pinned, Rules, kinds::whole_devices, plan::CHECKPOINT_PREFIX, topology::without_pod_keys};
use crate::class;
use plimsoll_fleet::{
    Class, Fleet, PodId, Shape, ShapeId, Workload, WorkloadId,
    fleet::Budget,
    holding::held_on,
    pod::Phase,
    selector::{Labels, Selector},
};
use std::collections::{HashMap, HashSet};

/// Knows of every pod whether an eviction may move it.
#[derive(Debug)]
pub(super) struct Movable<'a> {
    fleet: &'a Fleet,
    rules: Rules,
    blocked: HashMap<(&'a str, ShapeId), Pinned>,
    /// Would an eviction lose the work of such pods of a workload? There are few answers, and each takes many words to compare.
    losing: HashMap<(WorkloadId, ShapeId), bool>,
}

impl<'a> Movable<'a> {
    pub fn new(fleet: &'a Fleet, rules: Rules) -> Self {
        // As they stand, and without what shapes cannot answer: that covers more.
        let mut budgets: HashMap<&str, Vec<(&Budget, Selector)>> = HashMap::new();
        for budget in &fleet.budgets {
            budgets.entry(&*budget.namespace).or_default().push((budget, without_pod_keys(&budget.selector)));
        }
        for budgets in budgets.values_mut() {
            budgets.sort_unstable_by(|a, b| a.0.name.cmp(&b.0.name));
        }
        let mut blocked = HashMap::new();
        if !budgets.is_empty() {
            let mut seen: HashSet<(&str, ShapeId)> = HashSet::new();
            for pod in fleet.pods.iter().filter(|pod| pod.holds()) {
                let family = (&*pod.namespace, pod.shape);
                let Some(budgets) = budgets.get(family.0) else { continue };
                if !seen.insert(family) {
                    continue;
                }
                let labels = &fleet.shape(pod).labels;
                let exhausted = budgets.iter().find(|(budget, selector)| budget.allowed == 0 && selector.selects(labels));
                let mut covering = budgets.iter().filter(|(budget, _)| budget.selector.selects(labels));
                if let Some((budget, _)) = exhausted {
                    blocked.insert(family, Pinned::Budget(budget.name.clone()));
                } else if let (Some((first, _)), Some(_)) = (covering.next(), covering.next()) {
                    blocked.insert(family, Pinned::Budgets(first.name.clone()));
                }
            }
        }
        Self { fleet, rules, blocked, losing: HashMap::new() }
    }

    /// Why the pod must stay; none: it may be evicted.
    pub fn pinned(&mut self, id: PodId) -> Option<Pinned> {
        let pod = &self.fleet.pods[id.index()];
        let shape = self.fleet.shape(pod);
        let owner = pod.workload.map(|id| (id, &self.fleet.workloads[id.index()])).filter(|(_, workload)| &*workload.kind != "Pod");
        let Some((owner_id, owner)) = owner else { return Some(Pinned::NoController) };
        if let Some(why) = &pod.keep {
            return Some(Pinned::Annotated(why.clone()));
        }
        if let Some(why) = self.blocked.get(&(&*pod.namespace, pod.shape)) {
            return Some(why.clone());
        }
        let mut loses = || *self.losing.entry((owner_id, pod.shape)).or_insert_with(|| loses_work(shape, owner));
        if !self.rules.move_training && pod.phase != Phase::Pending && loses() {
            return Some(Pinned::Training);
        }
        // More devices than the claims' counts say (all of a class, admin access): what it needs elsewhere is not known.
        let claimed: u64 = shape.asks.iter().filter(|ask| ask.dra).map(|ask| u64::from(ask.count)).sum();
        let sliced = pod.granted.iter().any(|granted| granted.profile.is_some());
        if sliced || (claimed > 0 && pod.granted.len() as u64 > claimed) {
            return Some(Pinned::Devices);
        }
        let node = self.fleet.node(pod).filter(|node| node.offers.iter().any(|offer| offer.dra))?;
        (held_on(self.fleet, pod, node).0 as i64 > whole_devices(shape)).then_some(Pinned::Devices)
    }
}

/// Is it training (or another run to its end) under way, without a word on checkpoints?
fn loses_work(shape: &Shape, owner: &Workload) -> bool {
    if has_checkpoint(&shape.annotations) || has_checkpoint(&owner.annotations) {
        return false;
    }
    let known = class::of(owner, Some(shape));
    // A run to an end that nobody has declared to be anything else starts again from nothing, too.
    let run = owner.run.is_some() || matches!(&*owner.kind, "Job" | "CronJob");
    known.class == Class::Training || known.inferred && run
}

fn has_checkpoint(annotations: &Labels) -> bool {
    annotations.iter().any(|(key, value)| key.starts_with(CHECKPOINT_PREFIX) && &**value != "false")
}
