//! The nodes of a cluster, and the best of them for a pod.
//!
//! Nodes in equal states are one stack, and points are given to stacks: once for each kind of pod, when that kind is next
//! asked for, and kept for as long as the stack is there. A placement moves one node from a stack to another, so it makes at
//! most one new stack. A decision costs the points of the stacks that are new since the kind was last asked for, and one pass
//! over an array of numbers. The number of stacks grows far slower than the number of nodes: there are only so many ways in
//! which a mix of pods can fill a node.

use super::{
    Load, Policy, Ties,
    state::{DEVICES_MAX, Device, FULL, Gpus, NodeKind, PodKind, SLICES_MAX, Slice, State},
};
use plimsoll_fleet::Bytes;
use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasherDefault, Hasher},
};

/// A node to place pods on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// Its kind.
    pub kind: u16,
    /// Where ties go by rank, the lowest wins. Two nodes may have the same.
    pub rank: u32,
}

/// Where a pod is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The node, an index into the spots.
    pub node: u32,
    /// The GPUs that it has something of, a bit each.
    pub devices: u16,
    /// Its MIG instances, from the first.
    pub slices: [Option<Slice>; SLICES_MAX],
}

struct Node {
    /// All of it, whatever the policy looks at.
    state: State,
    rank: u32,
    pods_left: u32,
    stack: u32,
    /// It takes no more pods. What is there stays.
    closed: bool,
    /// Pods that are there, by [`Gpus::group`].
    company: [u16; DEVICES_MAX + 2],
}

struct Stack {
    /// What the policy sees.
    state: State,
    /// By rank or by free memory, then index.
    nodes: BTreeSet<(u64, u32)>,
    /// When it came to be.
    born: u64,
}

/// What is known of a kind of pod.
#[derive(Default)]
struct Known {
    /// Points by stack, 0 where it does not fit.
    points: Vec<u64>,
    /// Stacks born before are known.
    seen: u64,
    /// In this epoch of the policy.
    epoch: u32,
}

/// The nodes, with a policy to choose among them.
pub struct Placer {
    kinds: Vec<NodeKind>,
    pods: Vec<PodKind>,
    policy: Box<dyn Policy>,
    nodes: Vec<Node>,
    stacks: Vec<Stack>,
    unused: Vec<u32>,
    by_state: HashMap<State, u32, BuildHasherDefault<StateHasher>>,
    /// Stacks in order of birth, those of the last while.
    births: Vec<u32>,
    /// How many births came before the first in `births`.
    forgotten: u64,
    known: Vec<Known>,
    epoch: u32,
    /// Kinds that the policy watches, and how many nodes have room for each.
    watched: Vec<PodKind>,
    hosts: Vec<u32>,
    allocated_milli: u64,
    total_milli: u64,
}

impl Placer {
    /// Empty nodes at `spots`, for pods of kinds `pods`. Spots of a kind that there is none of take no pods.
    #[must_use]
    pub fn new(kinds: &[NodeKind], spots: &[Spot], pods: &[PodKind], policy: Box<dyn Policy>) -> Self {
        let mut placer = Self {
            kinds: kinds.to_vec(),
            pods: pods.to_vec(),
            watched: policy.watched(),
            hosts: Vec::new(),
            policy,
            nodes: Vec::with_capacity(spots.len()),
            stacks: Vec::new(),
            unused: Vec::new(),
            by_state: HashMap::default(),
            births: Vec::new(),
            forgotten: 0,
            known: pods.iter().map(|_| Known::default()).collect(),
            epoch: 0,
            allocated_milli: 0,
            total_milli: 0,
        };
        for (id, spot) in (0..).zip(spots) {
            let (state, pods_left) = match placer.kinds.get(usize::from(spot.kind)) {
                Some(kind) => (kind.empty(spot.kind), kind.pods),
                None => (
                    NodeKind { model: "".into(), cpu: Default::default(), memory: Bytes::ZERO, gpus: 0, pods: 0, mig: None }
                        .empty(spot.kind),
                    0,
                ),
            };
            placer.total_milli += u64::from(state.free_milli());
            placer.nodes.push(Node { state, rank: spot.rank, pods_left, stack: 0, closed: false, company: [0; DEVICES_MAX + 2] });
            placer.list(id);
        }
        let room = |pod: &PodKind| placer.nodes.iter().filter(|node| node.state.fits(pod)).count() as u32;
        placer.hosts = placer.watched.iter().map(room).collect();
        placer.tell();
        placer
    }

    /// The best place for a pod of kind `pod`, if there is one. `draw` settles ties where the policy leaves them to chance.
    pub fn choose(&mut self, pod: usize, draw: u64) -> Option<Place> {
        self.choose_where(pod, draw, &|_| true)
    }

    /// The best place for a pod of kind `pod` on a node that `admit` lets it on, if there is one.
    pub fn choose_where(&mut self, pod: usize, draw: u64, admit: &dyn Fn(u32) -> bool) -> Option<Place> {
        self.learn(pod);
        let node = self.best(pod, draw, admit)?;
        let kind = &self.pods[pod];
        let state = &self.nodes[node as usize].state;
        let mut slices = [None; SLICES_MAX];
        let seen = &self.stacks[self.nodes[node as usize].stack as usize].state;
        let devices = match kind.gpus {
            Gpus::None => 0,
            Gpus::Share(_) => 1 << self.policy.points(seen, kind).device,
            Gpus::Whole(count) => {
                let free = state.free.iter().enumerate().filter(|(_, free)| **free == Device::of_milli(FULL));
                free.take(count.into()).fold(0, |devices, (device, _)| devices | 1 << device)
            }
            Gpus::Slices(of) => {
                let mut after = *state;
                let mut places = slices.iter_mut();
                let first = self.policy.points(seen, kind).device;
                let fits = after.take_slices(of, Some(first), |slice| places.by_ref().take(1).for_each(|place| *place = Some(slice)));
                debug_assert!(fits, "the node was judged to have room");
                slices.iter().flatten().fold(0, |devices, slice| devices | 1 << slice.device)
            }
        };
        Some(Place { node, devices, slices })
    }

    /// Puts a pod where [`Self::choose`] has said.
    pub fn take(&mut self, pod: usize, place: Place) {
        self.change(pod, place, true);
    }

    /// Takes a pod away again.
    pub fn give_back(&mut self, pod: usize, place: Place) {
        self.change(pod, place, false);
    }

    /// Would a pod of kind `pod` fit on the node now?
    #[must_use]
    pub fn fits(&self, pod: usize, node: u32) -> bool {
        let kind = &self.pods[pod];
        let node = &self.nodes[node as usize];
        !node.closed && node.state.fits(kind) && node.pods_left > 0 && node.state.memory >= kind.memory
    }

    /// The node takes no more pods; those that are there stay until they are taken away. It no longer counts among what there is.
    pub fn close(&mut self, node: u32) {
        if !self.nodes[node as usize].closed {
            let order = order(self.policy.ties(), &self.nodes[node as usize]);
            self.unlist(node, self.nodes[node as usize].stack, order);
            self.nodes[node as usize].closed = true;
            self.count(node, false);
        }
    }

    /// The node takes pods again.
    pub fn open(&mut self, node: u32) {
        if self.nodes[node as usize].closed {
            self.nodes[node as usize].closed = false;
            self.list(node);
            self.count(node, true);
        }
    }

    /// Counts a node among what there is, or no longer.
    fn count(&mut self, node: u32, there: bool) {
        let state = &self.nodes[node as usize].state;
        let empty = self.kinds.get(usize::from(state.kind)).map(|kind| kind.empty(state.kind));
        let milli = empty.map_or(0, |empty| u64::from(empty.free_milli()));
        self.total_milli = if there { self.total_milli + milli } else { self.total_milli - milli };
        for (pod, hosts) in self.watched.iter().zip(&mut self.hosts) {
            if state.fits(pod) {
                *hosts = if there { *hosts + 1 } else { *hosts - 1 };
            }
        }
        self.tell();
    }

    /// What is free on a node.
    #[must_use]
    pub fn state(&self, node: u32) -> &State {
        &self.nodes[node as usize].state
    }

    /// Thousandths of GPUs that are allocated.
    #[must_use]
    pub fn allocated_milli(&self) -> u64 {
        self.allocated_milli
    }

    /// Thousandths of GPUs that there are.
    #[must_use]
    pub fn total_milli(&self) -> u64 {
        self.total_milli
    }

    /// How many different states the nodes are in.
    #[must_use]
    pub fn stacks(&self) -> usize {
        self.stacks.len() - self.unused.len()
    }

    fn change(&mut self, pod: usize, place: Place, put: bool) {
        let kind = &self.pods[pod];
        let node = &mut self.nodes[place.node as usize];
        let before = node.state;
        let stack = node.stack;
        let order = order(self.policy.ties(), node);
        let gpus = kind.gpus.milli();
        let share = match kind.gpus {
            Gpus::None => 0,
            Gpus::Share(milli) => milli,
            Gpus::Whole(_) => FULL,
            Gpus::Slices(slices) => {
                place.slices.iter().flatten().for_each(|slice| node.state.change_slice(slices, *slice, put));
                0
            }
        };
        let state = &mut node.state;
        if share > 0 {
            (0..DEVICES_MAX).filter(|device| place.devices & 1 << device != 0).for_each(|device| state.change_milli(device, share, put));
        }
        if put {
            state.cpu.0 -= kind.cpu.0;
            state.memory.0 -= kind.memory.0;
            node.pods_left -= 1;
            self.allocated_milli += gpus;
        } else {
            state.cpu.0 += kind.cpu.0;
            state.memory.0 += kind.memory.0;
            node.pods_left += 1;
            self.allocated_milli -= gpus;
        }
        if let Some(group) = kind.gpus.group() {
            let company = &mut node.company[group];
            *company = if put { *company + 1 } else { *company - 1 };
            let bit = kind.gpus.company();
            node.state.company = if *company > 0 { node.state.company | bit } else { node.state.company & !bit };
        }
        if node.closed {
            return;
        }
        self.unlist(place.node, stack, order);
        self.list(place.node);
        let after = &self.nodes[place.node as usize].state;
        for (pod, hosts) in self.watched.iter().zip(&mut self.hosts) {
            match (before.fits(pod), after.fits(pod)) {
                (true, false) => *hosts -= 1,
                (false, true) => *hosts += 1,
                _ => {}
            }
        }
        self.tell();
    }

    /// Tells the policy how full the nodes are.
    fn tell(&mut self) {
        let load = Load { allocated_milli: self.allocated_milli, total_milli: self.total_milli, hosts: &self.hosts };
        if self.policy.load_changed(load) {
            self.epoch += 1;
        }
    }

    fn unlist(&mut self, node: u32, stack: u32, order: u64) {
        let of = &mut self.stacks[stack as usize];
        of.nodes.remove(&(order, node));
        if of.nodes.is_empty() {
            self.by_state.remove(&of.state);
            self.unused.push(stack);
        }
    }

    fn list(&mut self, id: u32) {
        let node = &self.nodes[id as usize];
        let looks = self.policy.looks_at();
        let mut state = node.state;
        if !looks.memory {
            state.memory = Bytes::ZERO;
        }
        if !looks.company {
            state.company = 0;
        }
        let order = order(self.policy.ties(), node);
        let stack = match self.by_state.get(&state) {
            Some(&stack) => stack,
            None => {
                let born = self.forgotten + self.births.len() as u64;
                let new = Stack { state, nodes: BTreeSet::new(), born };
                let stack = match self.unused.pop() {
                    Some(stack) => {
                        self.stacks[stack as usize] = new;
                        stack
                    }
                    None => {
                        self.stacks.push(new);
                        self.stacks.len() as u32 - 1
                    }
                };
                self.by_state.insert(state, stack);
                self.births.push(stack);
                // Whoever is further behind than there are stacks looks at all of them instead.
                if self.births.len() > 4096 + 2 * self.stacks.len() {
                    let old = self.births.len() - self.stacks.len();
                    self.births.drain(..old);
                    self.forgotten += old as u64;
                }
                stack
            }
        };
        self.stacks[stack as usize].nodes.insert((order, id));
        self.nodes[id as usize].stack = stack;
    }

    /// Gives points to the stacks that a kind of pod does not know yet.
    fn learn(&mut self, pod: usize) {
        let now = self.forgotten + self.births.len() as u64;
        let known = &mut self.known[pod];
        let kind = &self.pods[pod];
        if known.epoch != self.epoch {
            (known.epoch, known.seen) = (self.epoch, 0);
        }
        known.points.resize(self.stacks.len(), 0);
        let (stacks, policy) = (&self.stacks, &mut self.policy);
        let mut judge = |stack: usize| {
            let of = &stacks[stack];
            // An emptied stack that nobody has taken over yet is skipped when it is come across.
            let points =
                if of.nodes.is_empty() || !of.state.fits(kind) { 0 } else { policy.points(&of.state, kind).value.saturating_add(1) };
            known.points[stack] = points;
        };
        if known.seen < self.forgotten || now - known.seen > stacks.len() as u64 {
            (0..stacks.len()).filter(|stack| stacks[*stack].born >= known.seen).for_each(&mut judge);
        } else {
            for at in known.seen..now {
                let stack = self.births[(at - self.forgotten) as usize] as usize;
                // Born again since: it comes later in the list.
                if stacks[stack].born == at {
                    judge(stack);
                }
            }
        }
        known.seen = now;
    }

    fn best(&self, pod: usize, draw: u64, admit: &dyn Fn(u32) -> bool) -> Option<u32> {
        let ties = self.policy.ties();
        let kind = &self.pods[pod];
        let mut best: Option<(u64, u64, u32)> = None;
        let mut least = 1;
        for (stack, &points) in self.known[pod].points.iter().enumerate() {
            if points < least {
                continue;
            }
            let of = &self.stacks[stack];
            let Some((order, node)) = self.first(of, kind, ties, draw, admit) else { continue };
            let better = match best {
                Some((most, than, other)) if most == points => match ties {
                    Ties::Rank | Ties::Draw => (order, node) < (than, other),
                    Ties::State => {
                        let key = |node: u32| {
                            let state = &self.nodes[node as usize].state;
                            (state.memory, state.kind, state.cpu, state.profile())
                        };
                        key(node) < key(other)
                    }
                },
                _ => true,
            };
            if better {
                best = Some((points, order, node));
                least = points;
            }
        }
        best.map(|(_, _, node)| node)
    }

    /// The first node of a stack that has memory and a place for the pod.
    fn first(&self, stack: &Stack, kind: &PodKind, ties: Ties, draw: u64, admit: &dyn Fn(u32) -> bool) -> Option<(u64, u32)> {
        let has_room = |id: u32| {
            let node = &self.nodes[id as usize];
            node.pods_left > 0 && node.state.memory >= kind.memory && admit(id)
        };
        match ties {
            Ties::Rank => stack.nodes.iter().copied().find(|(_, node)| has_room(*node)),
            Ties::State => stack.nodes.range((kind.memory.0, 0)..).copied().find(|(_, node)| has_room(*node)),
            Ties::Draw => stack
                .nodes
                .iter()
                .filter(|(_, node)| has_room(*node))
                .map(|&(_, node)| (scatter(draw ^ u64::from(self.nodes[node as usize].rank).wrapping_mul(SCATTER)), node))
                .min(),
        }
    }
}

/// The order within a stack.
fn order(ties: Ties, node: &Node) -> u64 {
    match ties {
        Ties::Rank | Ties::Draw => node.rank.into(),
        Ties::State => node.state.memory.0,
    }
}

/// 2^64 divided by the golden ratio, odd: successive multiples are spread over all of the range.
pub(super) const SCATTER: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA'14).
pub(super) fn scatter(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A fast hash of states: they come from placements, so nobody can choose them to collide beyond what slows a search.
#[derive(Default)]
pub(super) struct StateHasher(u64);

impl Hasher for StateHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_u16(&mut self, value: u16) {
        self.write_u64(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(SCATTER);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn finish(&self) -> u64 {
        scatter(self.0)
    }
}
