//! The lives of pods: who held GPUs and who waited for them, pods that are gone too. It is what a simulator replays.
//!
//! A [`Life`] is written from what somebody recorded; what nobody recorded is unknown. What exists now is told by the API
//! ([`living`]); what is gone, by a metrics store that kept it.

use crate::{
    Bytes, Fleet, MilliCpu, Name, Pod, PodId, Shape, ShapeId, Timestamp, Window, WorkloadId,
    pod::{Ask, Phase, Toleration},
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The most lives that are kept. A cluster of 80,000 GPUs with a hundred thousand jobs a day has that many in a week.
pub const LIVES_MAX: usize = 500_000;

/// What is known of the past of a fleet's pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The stretch in which pods that are gone are told too; none: only those that exist now are.
    #[serde(default)]
    pub recorded: Option<Window>,
    /// The lives, in the order in which they began ([`Life::began`]; those of unknown beginning first), then by name.
    #[serde(default)]
    pub lives: Vec<Life>,
}

/// A workload by its names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// Its kind: `Job`.
    pub kind: Name,
    /// Its name.
    pub name: Name,
}

/// The life of a pod that asked for accelerators. Its times are in order: it is never scheduled before it is made, nor ends before
/// it starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Life {
    /// Its namespace.
    pub namespace: Name,
    /// Its name. A name may have several lives, one after another (StatefulSets give theirs again).
    pub name: Name,
    /// The pod, if it still is in the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodId>,
    /// Its shape: the pod's own; of one that is gone the template's of its workload, if that asks for the same. None: not known, see
    /// [`Fleet::shape_of`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<ShapeId>,
    /// Its workload, if that is in the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadId>,
    /// Its owner by name, if it had one that is not in the fleet (any more).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// The name of the node that it was bound to, which may be gone; none: it was not bound, or nobody told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Name>,
    /// The accelerators that it asked for, by resource, in order of name.
    #[serde(default)]
    pub asks: Vec<Ask>,
    /// CPU that it asked for; none: not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<MilliCpu>,
    /// Memory that it asked for; none: not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When it was bound to its node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<Timestamp>,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended: its containers did, or it was last seen. None: it goes on, or nobody told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// It goes on: it waits or holds at [`Fleet::at`]. Neither this nor an end: it ended, nobody knows when.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub goes_on: bool,
}

impl Life {
    /// The first moment at which it is known to have been there.
    #[must_use]
    pub fn began(&self) -> Option<Timestamp> {
        self.created.or(self.scheduled).or(self.started).or(self.ended)
    }

    /// Since when it held what it asked for: it was bound, or at the latest it ran.
    #[must_use]
    pub fn held_since(&self) -> Option<Timestamp> {
        self.scheduled.or(self.started)
    }

    /// Puts its times in order. Clocks of API server and kubelet differ by seconds, and a store may say anything: what is told
    /// to be earlier than what must come before it is taken to be at the same moment.
    pub fn put_in_order(&mut self) {
        let mut last = None;
        for time in [&mut self.created, &mut self.scheduled, &mut self.started, &mut self.ended] {
            *time = time.map(|time| last.map_or(time, |last| time.max(last)));
            last = time.or(last);
        }
        if self.ended.is_some() {
            self.goes_on = false;
        }
    }

    /// Are its times in order, and its end no contradiction?
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let times: Vec<Timestamp> = [self.created, self.scheduled, self.started, self.ended].into_iter().flatten().collect();
        times.is_sorted() && !(self.goes_on && self.ended.is_some())
    }
}

impl History {
    /// Puts the lives in their order, whatever order they came in.
    pub fn sort(&mut self) {
        self.lives.sort_by(|a, b| a.began().cmp(&b.began()).then_with(|| a.cmp(b)));
    }
}

impl Fleet {
    /// The shape of a life. Of one whose shape is not known it has what it asked for, on any node: it did run, and what kept it
    /// elsewhere is forgotten.
    #[must_use]
    pub fn shape_of(&self, life: &Life) -> Cow<'_, Shape> {
        match life.shape {
            Some(shape) => Cow::Borrowed(&self.shapes[shape.index()]),
            None => Cow::Owned(Shape {
                asks: life.asks.clone(),
                cpu: life.cpu.unwrap_or_default(),
                memory: life.memory.unwrap_or_default(),
                tolerations: vec![Toleration { key: None, value: None, effect: None }],
                ..Shape::default()
            }),
        }
    }

    /// Kind and name of the workload of a life, in the fleet or gone; none: nobody owned it, or nobody told.
    #[must_use]
    pub fn owner_of<'a>(&'a self, life: &'a Life) -> Option<(&'a Name, &'a Name)> {
        let here = life.workload.map(|id| &self.workloads[id.index()]).map(|workload| (&workload.kind, &workload.name));
        here.or_else(|| life.owner.as_ref().map(|owner| (&owner.kind, &owner.name)))
    }
}

/// The lives of the pods of `fleet` that ask for accelerators, as far as the pods themselves tell, in their order.
#[must_use]
pub fn living(fleet: &Fleet) -> Vec<Life> {
    let life = |(id, pod): (PodId, &Pod)| {
        let shape = fleet.shape(pod);
        let mut life = Life {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            pod: Some(id),
            shape: Some(pod.shape),
            workload: pod.workload,
            owner: None,
            node: fleet.node(pod).map(|node| node.name.clone()),
            asks: shape.asks.clone(),
            cpu: Some(shape.cpu),
            memory: Some(shape.memory),
            created: pod.created,
            scheduled: pod.scheduled,
            started: pod.started,
            ended: pod.ended,
            goes_on: !matches!(pod.phase, Phase::Succeeded | Phase::Failed),
        };
        life.put_in_order();
        life
    };
    let lives = fleet.pods().filter(|(_, pod)| fleet.shape(pod).wants_gpus()).map(life).take(LIVES_MAX).collect();
    let mut history = History { recorded: None, lives };
    history.sort();
    history.lives
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_life_never_ends_before_it_begins(times in prop::array::uniform4(prop::option::of(any::<i64>())), goes_on: bool) {
            let [created, scheduled, started, ended] = times.map(|time| time.map(Timestamp));
            let mut life = Life { created, scheduled, started, ended, goes_on, ..Life::default() };
            life.put_in_order();
            prop_assert!(life.is_sound());
            prop_assert_eq!(life.created, created);
            prop_assert_eq!(life.ended.is_some(), ended.is_some());
            let again = life.clone();
            life.put_in_order();
            prop_assert_eq!(life, again);
        }

        #[test]
        fn the_order_in_which_lives_come_does_not_matter(begun in prop::collection::vec((prop::option::of(0_i64..5), 0_u8..3), 0..20)) {
            let life = |(created, name): &(Option<i64>, u8)| {
                Life { created: created.map(Timestamp), name: name.to_string().into(), ..Life::default() }
            };
            let mut one = History { recorded: None, lives: begun.iter().map(life).collect() };
            let mut other = History { recorded: None, lives: begun.iter().rev().map(life).collect() };
            one.sort();
            other.sort();
            prop_assert_eq!(one, other);
        }
    }
}
