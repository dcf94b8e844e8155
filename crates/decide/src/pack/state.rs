//! A packing while it is changed: where every movable pod is, which hosts are gone, and an index of free room.

use super::model::{ClassId, HostId, ItemId, Kind, Model, Room};
use std::collections::BTreeSet;

/// Hosts looked at in vain, of one class and with equally many free devices, before the search goes on with more free
/// devices: only memory, pod count and tags are left to fail there.
const PROBES_MAX: usize = 64;

/// Free devices, free CPU, host.
type ByFree = BTreeSet<(i64, i64, HostId)>;

/// Hosts of one class by what is free, so that the fullest that fits is found without looking at the others.
#[derive(Debug, Clone, Default)]
struct Index {
    devices: Vec<(u16, ByFree)>,
    /// Free CPU, host.
    cpu: BTreeSet<(i64, HostId)>,
}

impl Index {
    fn change(&mut self, room: &Room, host: HostId, put: bool) {
        for devices in &room.devices {
            let at = match self.devices.iter().position(|(resource, _)| *resource == devices.resource) {
                Some(at) => at,
                None => {
                    self.devices.push((devices.resource, ByFree::new()));
                    self.devices.len() - 1
                }
            };
            let set = &mut self.devices[at].1;
            let key = (devices.free, room.cpu, host);
            if put {
                set.insert(key);
            } else {
                set.remove(&key);
            }
        }
        if put {
            self.cpu.insert((room.cpu, host));
        } else {
            self.cpu.remove(&(room.cpu, host));
        }
    }
}

/// Where everything is.
#[derive(Clone)]
pub(super) struct State<'m> {
    model: &'m Model<'m>,
    rooms: Vec<Room>,
    at: Vec<Vec<ItemId>>,
    place: Vec<Option<HostId>>,
    gone: Vec<bool>,
    index: Vec<Index>,
    /// Free GPUs by pool and what must be free, in thousandths.
    free: Vec<u64>,
    headroom: Vec<u64>,
}

impl<'m> State<'m> {
    pub fn new(model: &'m Model<'m>, headroom: Vec<u64>) -> Self {
        let mut place = vec![None; model.items.len()];
        for (item, place) in model.items.iter().zip(&mut place) {
            *place = item.from;
        }
        let mut index = vec![Index::default(); model.classes.len()];
        let mut free = vec![0; model.pools];
        for (id, host) in (0..).zip(&model.hosts) {
            if let Some(class) = host.class {
                index[class as usize].change(&host.room, id, true);
                free[host.pool as usize] += host.room.free_gpus();
            }
        }
        Self {
            model,
            rooms: model.hosts.iter().map(|host| host.room.clone()).collect(),
            at: model.hosts.iter().map(|host| host.items.clone()).collect(),
            place,
            gone: vec![false; model.hosts.len()],
            index,
            free,
            headroom,
        }
    }

    pub fn model(&self) -> &'m Model<'m> {
        self.model
    }

    /// The items on a host.
    pub fn items(&self, host: HostId) -> &[ItemId] {
        &self.at[host as usize]
    }

    /// Where an item is.
    pub fn place_of(&self, item: ItemId) -> Option<HostId> {
        self.place[item as usize]
    }

    /// Is the host gone?
    pub fn is_gone(&self, host: HostId) -> bool {
        self.gone[host as usize]
    }

    /// The hosts that are gone, ascending.
    pub fn gone(&self) -> Vec<HostId> {
        (0..).zip(&self.gone).filter(|(_, gone)| **gone).map(|(host, _)| host).collect()
    }

    /// Waiting pods and the room kept for them.
    pub fn reserved(&self) -> Vec<(ItemId, HostId)> {
        self.model.waiting.iter().filter_map(|&item| Some((item, self.place[item as usize]?))).collect()
    }

    /// Would `kind` fit on `host` as it is?
    pub fn fits(&self, kind: &Kind, host: HostId) -> bool {
        self.rooms[host as usize].fits(kind)
    }

    /// Places the waiting pods that fit, in their order, and tells which.
    pub fn place_waiting(&mut self) -> Vec<ItemId> {
        let mut placed = Vec::new();
        let mut hopeless = BTreeSet::new();
        for &item in &self.model.waiting {
            let kind = self.model.items[item as usize].kind;
            if hopeless.contains(&kind) {
                continue;
            }
            match self.find(self.model.kind(item), None) {
                Some(host) => {
                    self.put(item, host);
                    placed.push(item);
                }
                None => {
                    hopeless.insert(kind);
                }
            }
        }
        placed
    }

    /// The fullest host that lets `kind` in and has room: one that stays anyway before any other, and for a pod without
    /// accelerators a host without accelerators first.
    pub fn find(&self, kind: &Kind, but: Option<HostId>) -> Option<HostId> {
        let tier = |class: ClassId| {
            let class = &self.model.classes[class as usize];
            match (class.gpu, class.stays) {
                (false, _) => 0,
                (true, true) => 1,
                (true, false) => 2,
            }
        };
        let mut best: Option<(u8, i64, i64, HostId)> = None;
        for &class in &kind.allowed {
            let tier = tier(class);
            if best.is_some_and(|best| best.0 < tier) {
                continue;
            }
            if let Some((devices, cpu, host)) = self.find_in(kind, class, but) {
                let found = (tier, devices, cpu, host);
                if best.is_none_or(|best| found < best) {
                    best = Some(found);
                }
            }
        }
        best.map(|(_, _, _, host)| host)
    }

    fn find_in(&self, kind: &Kind, class: ClassId, but: Option<HostId>) -> Option<(i64, i64, HostId)> {
        let index = &self.index[class as usize];
        let cpu_least = if kind.need.cpu == 0 { i64::MIN } else { kind.need.cpu };
        let suits = |host: HostId| Some(host) != but && self.fits(kind, host);
        let Some(&(resource, count)) = kind.need.devices.first() else {
            let mut hosts = index.cpu.range((cpu_least, 0)..);
            return hosts.find(|(_, host)| suits(*host)).map(|&(cpu, host)| (0, cpu, host));
        };
        let set = &index.devices.iter().find(|(of, _)| *of == resource)?.1;
        let mut free_least = count;
        loop {
            let free = set.range((free_least, i64::MIN, 0)..).next()?.0;
            let hosts = set.range((free, cpu_least, 0)..=(free, i64::MAX, HostId::MAX));
            if let Some(&(free, cpu, host)) = hosts.take(PROBES_MAX).find(|(_, _, host)| suits(*host)) {
                return Some((free, cpu, host));
            }
            free_least = free + 1;
        }
    }

    /// Puts an item on a host.
    pub fn put(&mut self, item: ItemId, host: HostId) {
        self.at[host as usize].push(item);
        self.place[item as usize] = Some(host);
        let kind = self.model.kind(item);
        self.change(host, |room| room.take(&kind.need, &kind.carries));
    }

    /// Takes an item off its host.
    pub fn take_off(&mut self, item: ItemId) {
        let Some(host) = self.place[item as usize].take() else { return };
        let items = &mut self.at[host as usize];
        if let Some(at) = items.iter().rposition(|&other| other == item) {
            items.remove(at);
        }
        let kind = self.model.kind(item);
        self.change(host, |room| room.give_back(&kind.need, &kind.carries));
    }

    /// Undoes a [`Self::put`] of an item that its host still has in its books.
    pub fn undo(&mut self, item: ItemId, host: HostId) {
        self.take_off(item);
        self.place[item as usize] = Some(host);
    }

    /// Ends the books of a host that is gone and whose items are elsewhere.
    pub fn forget(&mut self, host: HostId) {
        self.at[host as usize].clear();
    }

    /// Takes a host out of the search, or puts it back.
    pub fn open(&mut self, host: HostId, open: bool) {
        let model = &self.model.hosts[host as usize];
        if let Some(class) = model.class {
            let room = &self.rooms[host as usize];
            self.index[class as usize].change(room, host, open);
            let free = &mut self.free[model.pool as usize];
            *free = if open { *free + room.free_gpus() } else { free.saturating_sub(room.free_gpus()) };
        }
        self.gone[host as usize] = !open;
    }

    /// Free GPUs by pool, in thousandths; empty where nothing must be kept free.
    pub fn free(&self) -> Vec<u64> {
        if self.headroom.iter().all(|wanted| *wanted == 0) { Vec::new() } else { self.free.clone() }
    }

    /// Is as much free in every pool as shall be, or at least no less than `before`, where it was too little already?
    pub fn has_headroom(&self, before: &[u64]) -> bool {
        before.iter().zip(&self.headroom).zip(&self.free).all(|((before, wanted), free)| free >= wanted.min(before))
    }

    fn change(&mut self, host: HostId, change: impl FnOnce(&mut Room)) {
        let model = &self.model.hosts[host as usize];
        let room = &mut self.rooms[host as usize];
        let listed = model.class.filter(|_| !self.gone[host as usize]);
        if let Some(class) = listed {
            self.index[class as usize].change(room, host, false);
            self.free[model.pool as usize] -= room.free_gpus();
        }
        change(room);
        if let Some(class) = listed {
            self.index[class as usize].change(room, host, true);
            self.free[model.pool as usize] += room.free_gpus();
        }
    }
}
