//! The lives of pods as a store of kube-state-metrics' series tells them, joined with those that the API told.
//!
//! What is told arrives in any order, in pieces, and is not trusted: it is merged by least and greatest, bounded, and put in order.
//! Nothing here asks anybody; `prometheus` feeds it.

use plimsoll_fleet::{
    Bytes, Fleet, History, Life, MilliCpu, Name, PodId, Seconds, Timestamp, Unseen, UnseenKind, Window, WorkloadId,
    history::{LIVES_MAX, Owner},
    pod::Ask,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

/// The longest name that Kubernetes gives anything (RFC 1123 subdomain).
const NAME_MAX: usize = 253;
/// More pairs of container and resource than any pod has.
const ASKS_MAX: usize = 64;
/// More of a resource than a node can have.
const COUNT_MAX: f64 = 1_048_576.0;
/// 9999-12-31T23:59:59Z: later is no moment.
const MOMENT_MAX: f64 = 253_402_300_799.0;
/// Creation times of one pod that differ by no more are the same: stores keep whole and broken seconds.
const SAME_SECONDS: u64 = 1;

/// A pod as a series names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    /// Empty: an old kube-state-metrics does not tell it.
    pub(crate) uid: &'a str,
}

/// One thing that a series tells of a pod.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told<'a> {
    /// A container asks for so many of a resource, under its name in Kubernetes.
    Asks { container: &'a str, resource: &'a str, count: f64 },
    /// The node that it is on; none: it is not bound.
    Node(Option<&'a str>),
    /// It was there at this moment, on this node.
    Seen(f64, Option<&'a str>),
    /// Cores that it asks for.
    Cores(f64),
    /// Bytes of memory that it asks for.
    Bytes(f64),
    /// When it was made.
    Created(f64),
    /// When it was bound.
    Scheduled(f64),
    /// When the kubelet took it up.
    Taken(f64),
    /// When a container started.
    Started(f64),
    /// When its containers had ended.
    Ended(f64),
    /// Who controls it.
    Owner { kind: &'a str, name: &'a str },
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    namespace: Name,
    name: Name,
    uid: Box<str>,
}

#[derive(Debug, Default)]
struct Pieces {
    asks: BTreeMap<(Name, Name), u32>,
    /// The node with the latest word on it.
    node: Option<(i64, Name)>,
    first: Option<i64>,
    last: Option<i64>,
    millicores: Option<u64>,
    bytes: Option<u64>,
    created: Option<i64>,
    scheduled: Option<i64>,
    taken: Option<i64>,
    started: Option<i64>,
    ended: Option<i64>,
    owner: Option<(Name, Name)>,
}

/// Takes what a store tells of pods, gives lives.
#[derive(Debug)]
pub(crate) struct Lives {
    /// By a hash first: where there are too many, those that stay are a sample of all, whatever order they came in.
    pods: BTreeMap<(u64, Key), Pieces>,
    most: usize,
    is_full: bool,
    names: HashSet<Name>,
}

fn moment(value: f64) -> Option<i64> {
    (0.0..=MOMENT_MAX).contains(&value).then(|| value.floor() as i64)
}

fn least(known: &mut Option<i64>, value: f64) {
    if let Some(at) = moment(value) {
        *known = Some(known.map_or(at, |known| known.min(at)));
    }
}

fn greatest(known: &mut Option<i64>, value: f64) {
    *known = (*known).max(moment(value));
}

impl Lives {
    pub(crate) fn new() -> Self {
        Self::at_most(LIVES_MAX)
    }

    fn at_most(most: usize) -> Self {
        Self { pods: BTreeMap::new(), most, is_full: false, names: HashSet::new() }
    }

    /// The one copy of a name that repeats; none where it is longer than names are.
    fn name(&mut self, name: &str) -> Option<Name> {
        if name.len() > NAME_MAX {
            return None;
        }
        if let Some(known) = self.names.get(name) {
            return Some(known.clone());
        }
        // Names are only shared while they are few: what repeats comes early.
        let name = Name::from(name);
        if self.names.len() < self.most {
            self.names.insert(name.clone());
        }
        Some(name)
    }

    /// Takes a piece.
    pub(crate) fn take(&mut self, whose: Whose<'_>, told: Told<'_>) {
        if whose.name.is_empty() || whose.name.len() > NAME_MAX || whose.uid.len() > NAME_MAX {
            return;
        }
        let Some(namespace) = self.name(whose.namespace) else { return };
        let names = match told {
            Told::Asks { container, resource, .. } => self.name(container).zip(self.name(resource)),
            Told::Node(Some(node)) | Told::Seen(_, Some(node)) => self.name(node).map(|node| (node.clone(), node)),
            Told::Owner { kind, name } => self.name(kind).zip((name.len() <= NAME_MAX).then(|| name.into())),
            _ => None,
        };
        let key = Key { namespace, name: whose.name.into(), uid: whose.uid.into() };
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let key = (hasher.finish(), key);
        if self.pods.len() >= self.most && !self.pods.contains_key(&key) {
            self.is_full = true;
            if self.pods.last_key_value().is_none_or(|(last, _)| *last < key) {
                return;
            }
            self.pods.pop_last();
        }
        let pieces = self.pods.entry(key).or_default();
        match (told, names) {
            (Told::Asks { count, .. }, Some(pair)) if (1.0..=COUNT_MAX).contains(&count) => {
                let known = pieces.asks.entry(pair).or_default();
                *known = (*known).max(count as u32);
                // Where there are too many, the first by name stay.
                if pieces.asks.len() > ASKS_MAX {
                    pieces.asks.pop_last();
                }
            }
            (Told::Node(_), node) => pieces.node = pieces.node.take().max(node.map(|(node, _)| (i64::MIN, node))),
            (Told::Seen(at, _), node) => {
                least(&mut pieces.first, at);
                greatest(&mut pieces.last, at);
                pieces.node = pieces.node.take().max(moment(at).zip(node.map(|(node, _)| node)));
            }
            (Told::Cores(cores), _) if (0.0..=COUNT_MAX).contains(&cores) => {
                pieces.millicores = pieces.millicores.max(Some((cores * 1_000.0).round() as u64));
            }
            (Told::Bytes(bytes), _) if (0.0..=2_f64.powi(60)).contains(&bytes) => pieces.bytes = pieces.bytes.max(Some(bytes as u64)),
            (Told::Created(at), _) => greatest(&mut pieces.created, at),
            (Told::Scheduled(at), _) => greatest(&mut pieces.scheduled, at),
            (Told::Taken(at), _) => greatest(&mut pieces.taken, at),
            // A container that starts again has started before.
            (Told::Started(at), _) => least(&mut pieces.started, at),
            (Told::Ended(at), _) => greatest(&mut pieces.ended, at),
            (Told::Owner { .. }, owner @ Some(_)) => pieces.owner = pieces.owner.take().max(owner),
            _ => {}
        }
    }

    /// Joins what was told with the lives of `fleet` that the API told, those in `window`; what is seen in steps of `step`.
    pub(crate) fn finish(self, fleet: &mut Fleet, window: Window, step: Seconds) {
        let overflow = self.overflow();
        let join = Join::new(fleet, window, step);
        let mut lives = std::mem::take(&mut fleet.history.lives);
        let (mut gone, mut endless) = (Vec::new(), 0_u64);
        let mut seen: Option<(i64, i64)> = None;
        for ((_, key), pieces) in self.pods {
            if let (Some(first), Some(last)) = (pieces.first, pieces.last) {
                let (from, to) = seen.unwrap_or((first, last));
                seen = Some((from.min(first), to.max(last)));
            }
            if pieces.asks.is_empty() {
                continue;
            }
            if let Some(place) = join.living(&key, &pieces) {
                complete(&mut lives[place], &pieces);
                continue;
            }
            let is_short = pieces.last.is_none() && pieces.ended.is_none();
            let life = join.gone(fleet, key, pieces);
            if life.ended.is_some_and(|ended| ended < window.start) {
                continue;
            }
            endless += u64::from(is_short);
            gone.push(life);
        }
        let over = (lives.len() + gone.len()).saturating_sub(LIVES_MAX);
        gone.truncate(gone.len() - over.min(gone.len()));
        lives.append(&mut gone);
        let recorded =
            seen.map(|(first, last)| Window { start: Timestamp(first).max(window.start), end: Timestamp(last).max(window.start) });
        fleet.history = History { recorded, lives };
        fleet.history.sort();
        fleet.unseen.extend(overflow);
        if endless > 0 {
            fleet.unseen.push(Unseen {
                kind: UnseenKind::Partial,
                subject: "the past of pods".into(),
                why: format!("{endless} pods that are gone were seen, and not when they ended: they went between two samples").into(),
                remedy: "have Prometheus scrape kube-state-metrics more often than pods come and go; nothing of the audit hangs on it"
                    .into(),
            });
        }
    }

    /// How many pods there were beyond those that were kept. Their hashes are spread evenly, so the greatest that was kept says
    /// how thin the sample is.
    fn overflow(&self) -> Option<Unseen> {
        let ((greatest, _), _) = self.pods.last_key_value().filter(|_| self.is_full)?;
        let all = self.pods.len() as f64 / (*greatest as f64 / u64::MAX as f64).max(f64::MIN_POSITIVE);
        Some(Unseen {
            kind: UnseenKind::Partial,
            subject: "the past of pods".into(),
            why: format!("the store tells of some {all:.0} pods with accelerators; {} of them were kept", self.pods.len()).into(),
            remedy: "ask for less: a shorter --window".into(),
        })
    }
}

/// Fills in what the API did not tell.
fn complete(life: &mut Life, pieces: &Pieces) {
    let fill = |known: &mut Option<Timestamp>, told: Option<i64>| *known = known.or(told.map(Timestamp));
    fill(&mut life.created, pieces.created);
    fill(&mut life.scheduled, pieces.scheduled);
    if life.held_since().is_some() {
        fill(&mut life.started, pieces.started);
    }
    if !life.goes_on {
        fill(&mut life.ended, pieces.ended);
    }
    life.put_in_order();
}

/// What the joining needs to know of a fleet.
struct Join {
    /// Where in the history the living are, by name.
    living: HashMap<(Name, Name), (usize, Option<Timestamp>)>,
    workloads: HashMap<(Name, Name, Name), WorkloadId>,
    window: Window,
    /// A pod that was last seen before this had ended by then; later it may only not have been seen again.
    certain: Timestamp,
    /// The window ends when the fleet was seen: what is not in the fleet is gone.
    is_now: bool,
}

impl Join {
    fn new(fleet: &Fleet, window: Window, step: Seconds) -> Self {
        let living = |(place, life): (usize, &Life)| ((life.namespace.clone(), life.name.clone()), (place, life.created));
        let workloads = fleet.workloads().map(|(id, workload)| {
            let key = (workload.namespace.clone(), workload.kind.clone(), workload.name.clone());
            (key, id)
        });
        let slack = Seconds(2 * step.0);
        Self {
            living: fleet.history.lives.iter().enumerate().map(living).collect(),
            workloads: workloads.collect(),
            window,
            certain: window.end.minus(slack),
            is_now: fleet.at.since(window.end) <= slack,
        }
    }

    /// The place of the life that the API told of the same pod: of the same name, and made at the same time.
    fn living(&self, key: &Key, pieces: &Pieces) -> Option<usize> {
        let (place, created) = *self.living.get(&(key.namespace.clone(), key.name.clone()))?;
        let same = match (created, pieces.created.map(Timestamp)) {
            (Some(one), Some(other)) => one.since(other).0.max(other.since(one).0) <= SAME_SECONDS,
            (Some(created), None) => pieces.last.is_some_and(|last| last >= created.0),
            (None, _) => true,
        };
        same.then_some(place)
    }

    fn gone(&self, fleet: &Fleet, key: Key, pieces: Pieces) -> Life {
        let mut asks: BTreeMap<Name, u32> = BTreeMap::new();
        for ((_, resource), count) in pieces.asks {
            let all = asks.entry(resource).or_default();
            *all = all.saturating_add(count);
        }
        let asks: Vec<Ask> = asks.into_iter().map(|(resource, count)| Ask { resource, count, dra: false }).collect();
        let workload = pieces.owner.as_ref().and_then(|(kind, name)| self.workload(&key.namespace, kind, name));
        let template = workload.and_then(|id| fleet.workloads[id.index()].template);
        let last = pieces.last.map(Timestamp).filter(|last| self.is_now || *last < self.certain);
        let mut life = Life {
            shape: template.filter(|shape| fleet.shapes[shape.index()].asks == asks),
            owner: pieces.owner.filter(|_| workload.is_none()).map(|(kind, name)| Owner { kind, name }),
            namespace: key.namespace,
            name: key.name,
            pod: None::<PodId>,
            workload,
            node: pieces.node.map(|(_, node)| node).filter(|node| !node.is_empty()),
            asks,
            cpu: pieces.millicores.map(MilliCpu),
            memory: pieces.bytes.map(Bytes),
            created: pieces.created.map(Timestamp),
            scheduled: pieces.scheduled.map(Timestamp),
            started: pieces.started.or(pieces.taken).map(Timestamp),
            ended: pieces.ended.map(Timestamp).or(last),
            goes_on: false,
        };
        life.put_in_order();
        // Nothing ends after the window, whatever is told.
        if life.ended > Some(self.window.end.max(fleet.at)) {
            life.ended = None;
        }
        life
    }

    /// The workload of the fleet that owns; through a ReplicaSet, whose name is its Deployment's and a hash.
    fn workload(&self, namespace: &Name, kind: &Name, name: &Name) -> Option<WorkloadId> {
        let find = |kind: &str, name: &str| self.workloads.get(&(namespace.clone(), kind.into(), name.into())).copied();
        let above = || find("Deployment", name.rsplit_once('-').filter(|_| &**kind == "ReplicaSet")?.0);
        find(kind, name).or_else(above)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use plimsoll_fleet::{Pod, Shape, Workload, history, pod::Phase};
    use proptest::prelude::*;

    const END: i64 = 1_795_424_400;
    const WINDOW: Window = Window { start: Timestamp(END - 7 * 86_400), end: Timestamp(END) };
    const STEP: Seconds = Seconds(300);

    fn of(name: &'static str, uid: &'static str) -> Whose<'static> {
        Whose { namespace: "ml", name, uid }
    }

    fn gpus(count: f64) -> Told<'static> {
        Told::Asks { container: "main", resource: "nvidia.com/gpu", count }
    }

    /// A StatefulSet's pod that runs, and a Deployment.
    fn fleet() -> Fleet {
        let asks = vec![Ask { resource: "nvidia.com/gpu".into(), count: 2, dra: false }];
        let pod = Pod {
            namespace: "ml".into(),
            name: "web-0".into(),
            phase: Phase::Running,
            created: Some(Timestamp(END - 600)),
            ..Pod::default()
        };
        let workload = Workload {
            kind: "Deployment".into(),
            namespace: "ml".into(),
            name: "chat".into(),
            template: Some(plimsoll_fleet::ShapeId(0)),
            ..Workload::default()
        };
        let mut fleet = Fleet {
            at: Timestamp(END + 20),
            shapes: vec![Shape { asks, ..Shape::default() }],
            pods: vec![pod],
            workloads: vec![workload],
            ..Fleet::default()
        };
        fleet.history.lives = history::living(&fleet);
        fleet
    }

    #[test]
    fn the_gone_and_the_living_are_told_apart() {
        let mut lives = Lives::new();
        let told = [
            // The pod of today, and the one of the same name before it.
            (of("web-0", "b"), gpus(2.0)),
            (of("web-0", "b"), Told::Created((END - 600) as f64)),
            (of("web-0", "b"), Told::Scheduled((END - 590) as f64)),
            (of("web-0", "a"), gpus(2.0)),
            (of("web-0", "a"), Told::Created((END - 9_000) as f64)),
            (of("web-0", "a"), Told::Seen((END - 8_900) as f64, Some("gone-node"))),
            (of("web-0", "a"), Told::Seen((END - 700) as f64, Some("gone-node"))),
            // One of the Deployment's, whose two containers ask.
            (of("chat-7f9d-x", "c"), gpus(1.0)),
            (of("chat-7f9d-x", "c"), Told::Asks { container: "other", resource: "nvidia.com/gpu", count: 1.0 }),
            (of("chat-7f9d-x", "c"), Told::Owner { kind: "ReplicaSet", name: "chat-7f9d" }),
            (of("chat-7f9d-x", "c"), Told::Ended((END - 3_000) as f64)),
            // A job that is over, ended before the window; and one of which nobody knows what it asked for.
            (of("old", "d"), gpus(1.0)),
            (of("old", "d"), Told::Ended((END - 8 * 86_400) as f64)),
            (of("unknown", "e"), Told::Created((END - 50) as f64)),
            // One that came and went between two samples.
            (of("short", "f"), gpus(1.0)),
            (of("short", "f"), Told::Owner { kind: "Job", name: "burst" }),
            (of("short", "f"), Told::Created((END - 50_000) as f64)),
        ];
        told.into_iter().for_each(|(whose, told)| lives.take(whose, told));
        let mut fleet = fleet();
        lives.finish(&mut fleet, WINDOW, STEP);
        fleet.check().unwrap();
        let said: Vec<_> = fleet.history.lives.iter().map(|life| (&*life.name, life.goes_on, life.ended.map(|at| END - at.0))).collect();
        assert_eq!(said, [("short", false, None), ("web-0", false, Some(700)), ("chat-7f9d-x", false, Some(3_000)), ("web-0", true, None)]);
        let [short, before, chat, now] = &fleet.history.lives[..] else { panic!("four lives") };
        assert_eq!(fleet.owner_of(short).map(|(kind, name)| (&**kind, &**name)), Some(("Job", "burst")));
        assert_eq!((before.node.as_deref(), before.shape), (Some("gone-node"), None));
        assert_eq!((chat.workload.map(WorkloadId::index), chat.shape.is_some(), &chat.owner), (Some(0), true, &None));
        assert_eq!((now.pod, now.scheduled), (Some(PodId(0)), Some(Timestamp(END - 590))));
        assert_eq!(fleet.history.recorded, Some(Window { start: Timestamp(END - 8_900), end: Timestamp(END - 700) }));
        assert_eq!(fleet.unseen.len(), 1, "{:?}", fleet.unseen);
    }

    #[test]
    fn too_many_pods_are_a_sample_of_all_whatever_their_order() {
        let names: Vec<String> = (0..1_000).map(|index| format!("pod-{index}")).collect();
        let read = |names: &mut dyn Iterator<Item = &String>| {
            let mut lives = Lives::at_most(100);
            for name in names {
                lives.take(Whose { namespace: "ml", name, uid: "" }, gpus(1.0));
            }
            let mut fleet = Fleet { at: WINDOW.end, ..Fleet::default() };
            lives.finish(&mut fleet, WINDOW, STEP);
            fleet
        };
        let one = read(&mut names.iter());
        assert_eq!((&one.history, one.history.lives.len()), (&read(&mut names.iter().rev()).history, 100));
        let why = one.unseen[0].why.to_string();
        let all: f64 = why.split(' ').nth(5).unwrap().parse().unwrap();
        assert!((700.0..1_400.0).contains(&all), "{why}");
    }

    fn piece() -> impl Strategy<Value = (u8, u8, f64)> {
        let value = prop_oneof![any::<f64>(), (END - 900_000..END + 900_000).prop_map(|at| at as f64), -5.0..5.0_f64, Just(f64::NAN)];
        (0_u8..6, 0_u8..11, value)
    }

    proptest! {
        /// Whatever a store says, in whatever order: lives that can be, the same each time, and no panic.
        #[test]
        fn hostile_stores_give_lives_that_can_be(pieces in prop::collection::vec(piece(), 0..80)) {
            let long = "n".repeat(300);
            let read = |pieces: &mut dyn Iterator<Item = &(u8, u8, f64)>| {
                let mut lives = Lives::at_most(4);
                for (pod, kind, value) in pieces {
                    let name = ["web-0", "chat-1-2", "", &long, "x", "web-0"][usize::from(*pod)];
                    let told = match kind {
                        0 | 10 => Told::Asks { container: "c", resource: "nvidia.com/gpu", count: value.abs() % 9.0 },
                        1 => Told::Asks { container: &long, resource: "nvidia.com/gpu", count: *value },
                        2 => Told::Seen(*value, Some("n")),
                        3 => Told::Cores(*value),
                        4 => Told::Bytes(*value),
                        5 => Told::Created(*value),
                        6 => Told::Scheduled(*value),
                        7 => Told::Started(*value),
                        8 => Told::Ended(*value),
                        _ => Told::Owner { kind: "ReplicaSet", name: "chat-1" },
                    };
                    lives.take(Whose { namespace: "ml", name, uid: if *pod == 5 { "u" } else { "" } }, told);
                }
                let mut fleet = fleet();
                lives.finish(&mut fleet, WINDOW, STEP);
                fleet
            };
            let one = read(&mut pieces.iter());
            prop_assert!(one.check().is_ok());
            for life in &one.history.lives {
                prop_assert!(life.is_sound() && life.ended.is_none_or(|ended| ended <= one.at), "{life:?}");
                prop_assert!([life.created, life.scheduled, life.started].into_iter().flatten().all(|at| at.0 >= 0));
            }
            prop_assert_eq!(one, read(&mut pieces.iter().rev()));
        }
    }
}
