//! From a pod up to the workload at the top of its owners.

use super::{
    convert::{pod::PodDraft, workload::ScalerDraft},
    raw::{Meta, OwnerReference},
    reads::split,
};
use plimsoll_fleet::{Name, ShapeId, Workload, WorkloadId};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// An object that can own: namespace, API group, kind, name. The version is left out: one object may be named under several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    namespace: Name,
    group: Name,
    kind: Name,
    name: Name,
}

impl Key {
    fn new(namespace: &Name, api_version: &str, kind: &Name, name: &Name) -> Self {
        Self { namespace: namespace.clone(), group: split(api_version).0.into(), kind: kind.clone(), name: name.clone() }
    }

    /// What a reference in an object of `namespace` names. An owner is in the namespace of what it owns, or in none; the pods'
    /// namespace is what matters for who pays.
    fn of(namespace: &Name, owner: &OwnerReference) -> Self {
        Self::new(namespace, &owner.api_version, &owner.kind, &owner.name)
    }
}

/// Longest chain that is followed. InferenceService, Service, Configuration, Revision, Deployment, ReplicaSet, pod makes 6.
const DEPTH_MAX: usize = 12;

/// What owns what.
#[derive(Debug, Default)]
pub struct Owners {
    workloads: BTreeMap<Key, Workload>,
    above: HashMap<Key, OwnerReference>,
}

impl Owners {
    /// Takes in a workload that was read.
    pub fn add(&mut self, meta: &Meta, workload: Workload) -> Key {
        let key = Key::new(&workload.namespace, &workload.api_version, &workload.kind, &workload.name);
        self.workloads.insert(key.clone(), workload);
        self.own(key.clone(), meta);
        key
    }

    /// Takes in an object that only stands between a pod and its workload.
    pub fn link(&mut self, api_version: &str, kind: &str, meta: &Meta) {
        self.own(Key::new(&meta.namespace, api_version, &kind.into(), &meta.name), meta);
    }

    fn own(&mut self, key: Key, meta: &Meta) {
        // A DaemonSet is a part of the nodes, whoever installed it.
        if let Some(owner) = meta.controller().filter(|_| &*key.kind != "DaemonSet") {
            self.above.insert(key, owner.clone());
        }
    }

    /// Sets the scaler of what it scales, if that was read.
    pub fn scale(&mut self, scaler: ScalerDraft) {
        let key = Key::new(&scaler.namespace, &scaler.api_version, &scaler.kind, &scaler.name);
        if let Some(workload) = self.workloads.get_mut(&key) {
            workload.autoscaler = Some(scaler.autoscaler);
        }
    }

    /// The top of a pod's owners; none where nobody (or only the node's kubelet) owns it. An owner that was not read is told
    /// of by its reference alone.
    pub fn top(&mut self, draft: &PodDraft) -> Option<Key> {
        let owner = draft.owner.as_ref().filter(|owner| &*owner.kind != "Node")?;
        let first = Key::of(&draft.pod.namespace, owner);
        let (top, reference) = self.climb(first);
        self.unread(&top, reference.as_ref().unwrap_or(owner));
        Some(top)
    }

    /// Up from `key`: the top, and the last reference that was followed.
    fn climb(&self, key: Key) -> (Key, Option<OwnerReference>) {
        let (mut here, mut last) = (key, None);
        let mut met = vec![here.clone()];
        while let Some(owner) = self.above.get(&here).filter(|_| met.len() < DEPTH_MAX) {
            let next = Key::of(&here.namespace, owner);
            // A ring of owners has no top: stop where it was entered.
            if met.contains(&next) {
                break;
            }
            met.push(next.clone());
            (here, last) = (next, Some(owner.clone()));
        }
        (here, last)
    }

    fn unread(&mut self, key: &Key, reference: &OwnerReference) {
        self.workloads.entry(key.clone()).or_insert_with(|| Workload {
            api_version: reference.api_version.clone(),
            kind: key.kind.clone(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            unread: true,
            ..Workload::default()
        });
    }

    /// The workloads at the top, in order, and the place of each. What stands below (the Deployment of an InferenceService)
    /// lends the top what the top does not say itself; of several the one whose template wants GPUs first, then by name.
    pub fn finish<'a>(
        mut self,
        templates: &HashMap<Key, ShapeId>,
        wants: impl Fn(ShapeId) -> bool,
        with_pods: impl Iterator<Item = &'a Key>,
    ) -> (Vec<Workload>, HashMap<Key, WorkloadId>) {
        let read: Vec<Key> = self.workloads.keys().cloned().collect();
        let mut below: BTreeMap<Key, Vec<(bool, Key)>> = BTreeMap::new();
        for key in read {
            let (top, reference) = self.climb(key.clone());
            if let Some(workload) = self.workloads.get_mut(&key) {
                workload.template = templates.get(&key).copied();
            }
            if let Some(reference) = reference {
                self.unread(&top, &reference);
                let no_gpus = !templates.get(&key).is_some_and(|template| wants(*template));
                below.entry(top).or_default().push((no_gpus, key));
            }
        }
        for (top, mut children) in below {
            children.sort();
            let children: Vec<Workload> = children.iter().filter_map(|(_, key)| self.workloads.remove(key)).collect();
            if let Some(top) = self.workloads.get_mut(&top) {
                lend(top, &children);
            }
        }
        let with_pods: BTreeSet<&Key> = with_pods.collect();
        let mut list: Vec<(Key, Workload)> = self
            .workloads
            .into_iter()
            .filter(|(key, workload)| workload.template.is_some() || !workload.raw.is_empty() || with_pods.contains(key))
            .collect();
        list.sort_by(|(a, _), (b, _)| (&a.namespace, &a.kind, &a.name, &a.group).cmp(&(&b.namespace, &b.kind, &b.name, &b.group)));
        let ids = list.iter().zip(0..).map(|((key, _), id)| (key.clone(), WorkloadId(id))).collect();
        (list.into_iter().map(|(_, workload)| workload).collect(), ids)
    }
}

fn lend(top: &mut Workload, children: &[Workload]) {
    if top.replicas.is_none() {
        let counts: Vec<u32> = children.iter().filter(|child| child.run.is_none()).filter_map(|child| child.replicas).collect();
        top.replicas = (!counts.is_empty()).then(|| counts.into_iter().fold(0, u32::saturating_add));
    }
    for child in children {
        // A Job that is over says nothing of its owner.
        if child.run.as_ref().is_some_and(|run| run.finished.is_some()) {
            continue;
        }
        top.template = top.template.or(child.template);
        if top.raw.is_empty() {
            top.raw.clone_from(&child.raw);
        }
        top.rollout = top.rollout.or(child.rollout);
        top.autoscaler = top.autoscaler.take().or_else(|| child.autoscaler.clone());
        top.run = top.run.take().or_else(|| child.run.clone());
    }
}
