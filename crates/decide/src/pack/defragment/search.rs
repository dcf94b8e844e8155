//! The search: which pods off which node, and where to.

use crate::pack::{
    model::{HostId, ItemId, Kind, KindId, Model, Room},
    plan::cost::Costs,
};
use std::collections::{BTreeMap, HashMap};

/// Moves of a plan at most. A node of eight GPUs holds eight pods that ask for one.
pub const MOVES_MAX: usize = 8;
/// Plans of one move fewer are all tried, so that one of so many moves has the fewest.
pub(super) const PROVEN_MAX: usize = 3;

/// Sets of pods tried at most: each takes some 0.3 µs.
const SETS_MAX: u64 = 3_000_000;

/// The cost of a move that is not known: more than all that are.
const UNKNOWN_COST: u64 = u64::MAX / 1_024;

/// Moves in an order that works (item, from, to), and the host where the pod then fits.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub host: HostId,
    pub moves: Vec<(ItemId, HostId, HostId)>,
    cost: u64,
}

/// The search for one pod.
pub(super) struct Search<'m> {
    model: &'m Model<'m>,
    pod: ItemId,
    kind: &'m Kind,
    cost: Vec<u64>,
    /// By kind, the hosts that would take one as things are, the fullest first.
    fitting: HashMap<KindId, Vec<HostId>>,
    /// Kinds that cannot all be placed, wherever they come from.
    hopeless: HashMap<Vec<KindId>, bool>,
    sets: u64,
    /// Not everything was tried.
    pub cut_short: bool,
}

/// The movable pods of one kind on a host that are in the pod's way, the cheapest first.
struct InTheWay {
    kind: KindId,
    items: Vec<ItemId>,
}

impl<'m> Search<'m> {
    pub fn new(model: &'m Model<'m>, pod: ItemId, costs: &Costs<'_>) -> Self {
        let cost = model.items.iter().map(|item| costs.of(item.pod).milli_seconds().unwrap_or(UNKNOWN_COST).min(UNKNOWN_COST)).collect();
        Self { model, pod, kind: model.kind(pod), cost, fitting: HashMap::new(), hopeless: HashMap::new(), sets: 0, cut_short: false }
    }

    /// The fewest moves, then the cheapest.
    pub fn run(&mut self) -> Option<Found> {
        let kind = self.model.items[self.pod as usize].kind;
        if let Some(&host) = self.fitting(kind).first() {
            return Some(Found { host, moves: Vec::new(), cost: 0 });
        }
        let hosts = self.hosts();
        for count in 1..=MOVES_MAX {
            let mut best = None;
            for (host, groups) in &hosts {
                self.off_one_node(*host, groups, count, &mut best);
            }
            if count == 2 {
                self.out_of_the_way(&hosts, &mut best);
            }
            if best.is_some() {
                return best;
            }
        }
        None
    }

    /// Waiting pods that come before this one and would take the room that was made for it.
    pub fn rivals(&self, found: &Found) -> u32 {
        let mut room = self.model.hosts[found.host as usize].room.clone();
        for &(item, from, to) in &found.moves {
            let kind = self.model.kind(item);
            if from == found.host {
                room.give_back(&kind.need, &kind.carries);
            }
            if to == found.host {
                room.take(&kind.need, &kind.carries);
            }
        }
        let class = self.model.hosts[found.host as usize].class;
        let before = self.model.waiting.iter().take_while(|&&item| item != self.pod);
        before
            .filter(|&&item| {
                let kind = self.model.kind(item);
                class.is_some_and(|class| kind.allowed.binary_search(&class).is_ok()) && room.fits(kind)
            })
            .count() as u32
    }

    /// The hosts that let the pod in and would have room for it without the pods that may move, with those that are in its way.
    fn hosts(&self) -> Vec<(HostId, Vec<InTheWay>)> {
        let mut hosts = Vec::new();
        for (id, host) in (0..).zip(&self.model.hosts) {
            if host.class.is_none_or(|class| self.kind.allowed.binary_search(&class).is_err()) {
                continue;
            }
            let mut emptied = host.room.clone();
            for &item in &host.items {
                let kind = self.model.kind(item);
                emptied.give_back(&kind.need, &kind.carries);
            }
            if !emptied.fits(self.kind) {
                continue;
            }
            let mut groups: BTreeMap<KindId, Vec<ItemId>> = BTreeMap::new();
            for &item in &host.items {
                if in_the_way(&host.room, self.kind, self.model.kind(item)) {
                    groups.entry(self.model.items[item as usize].kind).or_default().push(item);
                }
            }
            let groups = groups.into_iter().map(|(kind, mut items)| {
                items.sort_by_key(|&item| (self.cost[item as usize], item));
                InTheWay { kind, items }
            });
            hosts.push((id, groups.collect()));
        }
        hosts
    }

    /// Tries all sets of `count` pods of `host`; each must find room on other hosts as they are.
    fn off_one_node(&mut self, host: HostId, groups: &[InTheWay], count: usize, best: &mut Option<Found>) {
        if groups.iter().map(|group| group.items.len()).sum::<usize>() < count || !self.may_suffice(host, groups, count) {
            return;
        }
        let mut room = self.model.hosts[host as usize].room.clone();
        let mut set = Vec::with_capacity(count);
        self.choose(host, groups, count, 0, &mut room, &mut set, best);
    }

    #[allow(clippy::too_many_arguments, reason = "a recursion with its state")]
    fn choose(
        &mut self,
        host: HostId,
        groups: &[InTheWay],
        count: usize,
        cost: u64,
        room: &mut Room,
        set: &mut Vec<ItemId>,
        best: &mut Option<Found>,
    ) {
        if best.as_ref().is_some_and(|best| cost >= best.cost) {
            return;
        }
        if count == 0 {
            self.sets += 1;
            if room.fits(self.kind)
                && let Some(targets) = self.place(host, set)
            {
                let moves = set.iter().zip(targets).map(|(&item, to)| (item, host, to)).collect();
                *best = Some(Found { host, moves, cost });
            }
            return;
        }
        let Some((group, rest)) = groups.split_first() else { return };
        if self.sets >= SETS_MAX {
            self.cut_short = true;
            return;
        }
        let kind = &self.model.kinds[group.kind as usize];
        let most = group.items.len().min(count);
        let mut cost_so_far = cost;
        let before = set.len();
        // None of this kind, then one, then two: always the cheapest of them.
        for taken in 0..=most {
            if taken > 0 {
                let item = group.items[taken - 1];
                room.give_back(&kind.need, &kind.carries);
                set.push(item);
                cost_so_far = cost_so_far.saturating_add(self.cost[item as usize]);
            }
            self.choose(host, rest, count - taken, cost_so_far, room, set, best);
        }
        for _ in 0..most {
            room.take(&kind.need, &kind.carries);
        }
        set.truncate(before);
    }

    /// Could any `count` of the pods free enough of each resource by itself?
    fn may_suffice(&self, host: HostId, groups: &[InTheWay], count: usize) -> bool {
        let room = &self.model.hosts[host as usize].room;
        let enough = |need: i64, free: i64, of: &dyn Fn(&Kind) -> i64| {
            if need == 0 || need <= free {
                return true;
            }
            let mut gains: Vec<i64> = groups
                .iter()
                .flat_map(|group| std::iter::repeat_n(of(&self.model.kinds[group.kind as usize]), group.items.len().min(count)))
                .collect();
            gains.sort_unstable_by_key(|gain| std::cmp::Reverse(*gain));
            gains.iter().take(count).fold(free, |sum, gain| sum.saturating_add(*gain)) >= need
        };
        let need = &self.kind.need;
        enough(need.cpu, room.cpu, &|kind| kind.need.cpu)
            && enough(need.memory, room.memory, &|kind| kind.need.memory)
            && need.devices.iter().all(|&(resource, count)| {
                enough(count, room.of(resource).unwrap_or(0), &|kind| {
                    kind.need.devices.iter().find(|of| of.0 == resource).map_or(0, |of| of.1)
                })
            })
    }

    /// The hosts that would take a pod of `kind` as things are, the fullest first.
    fn fitting(&mut self, kind: KindId) -> &[HostId] {
        let model = self.model;
        self.fitting.entry(kind).or_insert_with(|| {
            let of = &model.kinds[kind as usize];
            let mut hosts: Vec<(bool, i64, i64, HostId)> = (0..)
                .zip(&model.hosts)
                .filter(|(_, host)| host.class.is_some_and(|class| of.allowed.binary_search(&class).is_ok()) && host.room.fits(of))
                .map(|(id, host)| {
                    let free = of.need.devices.first().and_then(|&(resource, _)| host.room.of(resource)).unwrap_or(0);
                    (host.gpu, free, host.room.cpu, id)
                })
                .collect();
            hosts.sort_unstable();
            hosts.into_iter().map(|host| host.3).collect()
        })
    }

    /// A host for each of `items`, none of them `but`: all find room together. None if there is no such choice.
    ///
    /// An item with at least as many hosts as there are items can wait for the others: one of its hosts is left untouched. So only
    /// the others are tried in all ways, and each of them has few hosts.
    fn place(&mut self, but: HostId, items: &[ItemId]) -> Option<Vec<HostId>> {
        let mut kinds: Vec<KindId> = items.iter().map(|&item| self.model.items[item as usize].kind).collect();
        kinds.sort_unstable();
        let hopeless = match self.hopeless.get(&kinds) {
            Some(&hopeless) => hopeless,
            None => {
                let hopeless = self.place_without(None, items).is_none();
                self.hopeless.insert(kinds, hopeless);
                hopeless
            }
        };
        if hopeless { None } else { self.place_without(Some(but), items) }
    }

    fn place_without(&mut self, but: Option<HostId>, items: &[ItemId]) -> Option<Vec<HostId>> {
        let count = items.len();
        let mut options: Vec<(usize, Vec<HostId>)> = Vec::with_capacity(count);
        for (at, &item) in items.iter().enumerate() {
            let hosts = self.fitting(self.model.items[item as usize].kind);
            // As many as there are items, and those that the others may spoil.
            let some: Vec<HostId> = hosts.iter().copied().filter(|&host| Some(host) != but).take(count).collect();
            if some.is_empty() {
                return None;
            }
            options.push((at, some));
        }
        options.sort_by_key(|(at, hosts)| (hosts.len(), *at));
        let mut rooms: BTreeMap<HostId, Room> = BTreeMap::new();
        let mut targets = vec![0; count];
        self.assign(items, &options, &mut rooms, &mut targets).then_some(targets)
    }

    fn assign(
        &self,
        items: &[ItemId],
        options: &[(usize, Vec<HostId>)],
        rooms: &mut BTreeMap<HostId, Room>,
        targets: &mut [HostId],
    ) -> bool {
        let Some(((at, hosts), rest)) = options.split_first() else { return true };
        let kind = self.model.kind(items[*at]);
        for &host in hosts {
            let room = rooms.entry(host).or_insert_with(|| self.model.hosts[host as usize].room.clone());
            if !room.fits(kind) {
                continue;
            }
            room.take(&kind.need, &kind.carries);
            targets[*at] = host;
            if self.assign(items, rest, rooms, targets) {
                return true;
            }
            if let Some(room) = rooms.get_mut(&host) {
                room.give_back(&kind.need, &kind.carries);
            }
        }
        false
    }

    /// Plans of two moves where `a` leaves another host so that `b`, which is in the pod's way, can take its place.
    fn out_of_the_way(&mut self, hosts: &[(HostId, Vec<InTheWay>)], best: &mut Option<Found>) {
        let mut making: HashMap<KindId, BTreeMap<KindId, Vec<(u64, ItemId)>>> = HashMap::new();
        for (host, groups) in hosts {
            for group in groups {
                let (b, b_kind) = (group.items[0], &self.model.kinds[group.kind as usize]);
                let mut without = self.model.hosts[*host as usize].room.clone();
                without.give_back(&b_kind.need, &b_kind.carries);
                if !without.fits(self.kind) {
                    continue;
                }
                let making = making.entry(group.kind).or_insert_with(|| self.who_makes_room(group.kind));
                for (&a_kind, all) in making.iter() {
                    let of = &self.model.kinds[a_kind as usize];
                    // It may go to the pod's own host, if both have room there in the end and it has room there at once.
                    let here = {
                        let room = &self.model.hosts[*host as usize].room;
                        let lets_in = self.model.hosts[*host as usize].class.is_some_and(|class| of.allowed.binary_search(&class).is_ok());
                        let mut both = without.clone();
                        both.take(&of.need, &of.carries);
                        lets_in && room.fits(of) && both.fits(self.kind)
                    };
                    for &(a_cost, a) in all {
                        self.sets += 1;
                        if self.sets >= SETS_MAX {
                            self.cut_short = true;
                            return;
                        }
                        let cost = a_cost.saturating_add(self.cost[b as usize]);
                        if best.as_ref().is_some_and(|best| cost >= best.cost) {
                            break;
                        }
                        let Some(from) = self.model.items[a as usize].from.filter(|from| from != host) else { continue };
                        let elsewhere = self.fitting(a_kind).iter().copied().find(|to| *to != from && to != host);
                        if let Some(to) = elsewhere.or(here.then_some(*host)) {
                            *best = Some(Found { host: *host, moves: vec![(a, from, to), (b, *host, from)], cost });
                            break;
                        }
                    }
                }
            }
        }
    }

    /// By kind, the pods that leave room for one of `kind` when they go, the cheapest first.
    fn who_makes_room(&self, kind: KindId) -> BTreeMap<KindId, Vec<(u64, ItemId)>> {
        let of = &self.model.kinds[kind as usize];
        let mut who: BTreeMap<KindId, Vec<(u64, ItemId)>> = BTreeMap::new();
        for host in &self.model.hosts {
            if host.class.is_none_or(|class| of.allowed.binary_search(&class).is_err()) || host.room.fits(of) {
                continue;
            }
            let mut fits: BTreeMap<KindId, bool> = BTreeMap::new();
            for &item in &host.items {
                let own = self.model.items[item as usize].kind;
                let fits = *fits.entry(own).or_insert_with(|| {
                    let own = &self.model.kinds[own as usize];
                    let mut room = host.room.clone();
                    room.give_back(&own.need, &own.carries);
                    room.fits(of)
                });
                if fits {
                    who.entry(own).or_default().push((self.cost[item as usize], item));
                }
            }
        }
        who.values_mut().for_each(|all| all.sort_unstable());
        who
    }
}

/// Would the pod come nearer to fitting in `room` without one of `other`?
fn in_the_way(room: &Room, pod: &Kind, other: &Kind) -> bool {
    let short = |need: i64, free: i64, frees: i64| need > free && need > 0 && frees > 0;
    let frees = |resource: u16| other.need.devices.iter().find(|of| of.0 == resource).map_or(0, |of| of.1);
    room.pods < 1
        || short(pod.need.cpu, room.cpu, other.need.cpu)
        || short(pod.need.memory, room.memory, other.need.memory)
        || pod.need.devices.iter().any(|&(resource, count)| short(count, room.of(resource).unwrap_or(0), frees(resource)))
        || room.physical.is_some_and(|free| short(pod.need.physical, free, other.need.physical))
        || pod.avoids.iter().any(|tag| room.tags.contains_key(tag) && other.carries.contains(tag))
}
