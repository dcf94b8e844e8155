//! What a policy looks at: kinds of nodes, kinds of pods, and what is free on a node.

use crate::pack::mig::{Grid, Room, Start};
use plimsoll_fleet::{Bytes, MilliCpu, Name};
use std::hash::{Hash, Hasher};

/// GPUs of one node at most. The largest that clouds rent has 16.
pub const DEVICES_MAX: usize = 16;

/// Nodes of one size that every pod treats alike: the same model, labels and taints as far as any pod looks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKind {
    /// The GPU model, or whatever else tells this kind from others of its size.
    pub model: Name,
    /// CPU for pods.
    pub cpu: MilliCpu,
    /// Memory for pods.
    pub memory: Bytes,
    /// Whole GPUs, at most [`DEVICES_MAX`].
    pub gpus: u8,
    /// Pods that it takes.
    pub pods: u32,
    /// GPUs in MIG mode; none: all of them are given out whole or in shares.
    pub mig: Option<Mig>,
}

/// GPUs in MIG mode.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mig {
    /// How they can be parted.
    pub grid: Grid,
    /// What is free on each with no pods there, the first GPUs of the node: all of it, or the instances of a fixed layout.
    pub rooms: Box<[Room]>,
}

/// What a pod asks of GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gpus {
    /// Nothing.
    None,
    /// Thousandths of one GPU, 1 to 999.
    Share(u16),
    /// Whole GPUs, at least 1.
    Whole(u8),
    /// MIG instances.
    Slices(Slices),
}

/// MIG instances of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slices {
    /// The grid that they are of. A profile's name can be another instance on another grid: that is another kind of pod.
    pub grid: Grid,
    /// The kind, by its place in the board's table.
    pub slot: u8,
    /// How many, at least 1; more than [`SLICES_MAX`] fit nowhere.
    pub count: u8,
}

/// MIG instances of one pod at most. A GPU has at most seven of a kind, and instances cannot work together.
pub const SLICES_MAX: usize = 8;

/// Where a MIG instance of a pod is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slice {
    /// The GPU.
    pub device: u8,
    /// Where on it.
    pub start: Start,
}

/// What is free on one GPU: thousandths, or a room of one in MIG mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Device(u16);

/// Set where the rest is a room's number. So GPUs in MIG mode sort after those that are not.
const IN_MIG_MODE: u16 = 1 << 15;

impl Device {
    /// So many thousandths, at most a GPU.
    #[must_use]
    pub fn of_milli(milli: u16) -> Self {
        Self(milli.min(FULL))
    }

    /// A GPU in MIG mode.
    #[must_use]
    pub fn of_room(room: Room) -> Self {
        Self(room.0 | IN_MIG_MODE)
    }

    /// Thousandths for shares and for pods that want it whole: nothing in MIG mode.
    #[must_use]
    pub fn milli(self) -> u16 {
        if self.0 & IN_MIG_MODE == 0 { self.0 } else { 0 }
    }

    /// What is free of it in MIG mode.
    #[must_use]
    pub fn room(self) -> Option<Room> {
        (self.0 & IN_MIG_MODE != 0).then_some(Room(self.0 & !IN_MIG_MODE))
    }
}

impl Hash for Device {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u16(self.0);
    }

    /// Four at a time: a node's GPUs are hashed at every placement.
    fn hash_slice<H: Hasher>(devices: &[Self], state: &mut H) {
        for four in devices.chunks(4) {
            state.write_u64(four.iter().fold(0, |word, device| word << 16 | u64::from(device.0)));
        }
    }
}

/// Pods that ask for the same and may go to the same nodes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodKind {
    /// CPU.
    pub cpu: MilliCpu,
    /// Memory.
    pub memory: Bytes,
    /// GPUs.
    pub gpus: Gpus,
    /// Where it may go, as its source wrote it: kinds that are worded differently are kept apart, as the published FGD does.
    pub wording: Name,
    /// By kind of node, may it go there?
    pub allowed: Box<[bool]>,
}

/// What is free on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// Its kind, an index.
    pub kind: u16,
    /// How many GPUs it has.
    pub devices: u8,
    /// How its GPUs in MIG mode can be parted; none: it has none.
    pub grid: Option<Grid>,
    /// Bit 0: shares are there; bit k: pods with k whole GPUs are there; the bit after the last of these: MIG instances. Zero where the policy does not look.
    pub company: u32,
    /// Free CPU.
    pub cpu: MilliCpu,
    /// Free memory. Zero where the policy does not look.
    pub memory: Bytes,
    /// What is free on each GPU.
    pub free: [Device; DEVICES_MAX],
}

/// A GPU with nothing on it.
pub(super) const FULL: u16 = 1000;

impl Gpus {
    /// In thousandths of a GPU.
    #[must_use]
    pub fn milli(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Share(milli) => milli.into(),
            Self::Whole(count) => u64::from(count) * 1000,
            Self::Slices(slices) => u64::from(slices.grid.milli(slices.slot)) * u64::from(slices.count),
        }
    }

    /// Whose company such pods are: shares (0), k whole GPUs (k), or MIG instances (the last); none for pods without GPUs.
    pub(super) fn group(self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Share(_) => Some(0),
            Self::Whole(count) => Some(usize::from(count).min(DEVICES_MAX)),
            Self::Slices(_) => Some(DEVICES_MAX + 1),
        }
    }

    /// The bit of [`State::company`] that such pods set; 0 for pods without GPUs.
    pub(super) fn company(self) -> u32 {
        self.group().map_or(0, |group| 1 << group)
    }
}

impl NodeKind {
    /// A node of this kind with nothing on it.
    #[must_use]
    pub fn empty(&self, kind: u16) -> State {
        let mut free = [Device::default(); DEVICES_MAX];
        let gpus = &mut free[..usize::from(self.gpus).min(DEVICES_MAX)];
        gpus.fill(Device(FULL));
        for (gpu, room) in gpus.iter_mut().zip(self.mig.iter().flat_map(|mig| &mig.rooms)) {
            *gpu = Device::of_room(*room);
        }
        let grid = self.mig.as_ref().map(|mig| mig.grid);
        State { kind, devices: self.gpus.min(DEVICES_MAX as u8), grid, company: 0, cpu: self.cpu, memory: self.memory, free }
    }

    /// Would a pod of `pod` fit on an empty node of this kind, the `kind`-th?
    #[must_use]
    pub fn holds(&self, kind: u16, pod: &PodKind) -> bool {
        let empty = self.empty(kind);
        self.pods > 0 && pod.memory <= self.memory && empty.fits(pod)
    }
}

impl State {
    /// The GPUs.
    #[must_use]
    pub fn gpus(&self) -> &[Device] {
        &self.free[..usize::from(self.devices).min(DEVICES_MAX)]
    }

    /// Free thousandths of a GPU; in MIG mode its free memory slices, or those of its free instances.
    #[must_use]
    pub fn milli_of(&self, device: Device) -> u16 {
        match (device.room(), self.grid) {
            (Some(room), Some(grid)) => {
                let geometry = grid.geometry();
                u16::from(geometry.free_slices(room)) * 1000 / u16::from(geometry.table.grid.max(1))
            }
            _ => device.milli(),
        }
    }

    /// Free thousandths of all GPUs.
    #[must_use]
    pub fn free_milli(&self) -> u32 {
        match self.grid {
            None => self.free.iter().map(|free| u32::from(free.0)).sum(),
            Some(_) => self.gpus().iter().map(|device| u32::from(self.milli_of(*device))).sum(),
        }
    }

    /// GPUs with nothing on them that are given out whole.
    #[must_use]
    pub fn whole_free(&self) -> u8 {
        self.free.iter().map(|free| u8::from(free.0 == FULL)).sum()
    }

    /// Is nothing on any of its GPUs? Where some are in MIG mode, nobody can tell a fixed layout's free instances from a part of it.
    pub(super) fn is_unused(&self) -> bool {
        self.whole_free() == self.devices
    }

    /// The most that is free on one GPU, for a share.
    pub(super) fn largest(&self) -> u16 {
        self.free.iter().map(|free| free.milli()).max().unwrap_or(0)
    }

    /// Is there room, memory and places for pods aside (those are the placer's)?
    #[must_use]
    pub fn fits(&self, pod: &PodKind) -> bool {
        self.cpu >= pod.cpu
            && pod.allowed.get(usize::from(self.kind)).copied().unwrap_or(false)
            && match pod.gpus {
                Gpus::None => true,
                Gpus::Share(milli) => self.largest() >= milli,
                Gpus::Whole(count) => self.whole_free() >= count,
                Gpus::Slices(slices) => self.has_slices(slices),
            }
    }

    /// Is there room for all of the instances?
    pub(super) fn has_slices(&self, slices: Slices) -> bool {
        if slices.count <= 1 {
            return self.gpus().iter().any(|device| self.has_room(*device, slices));
        }
        usize::from(slices.count) <= SLICES_MAX && { *self }.take_slices(slices, None, |_| ())
    }

    /// Is there a place for one more instance on the GPU?
    pub(super) fn has_room(&self, device: Device, slices: Slices) -> bool {
        let room = device.room().filter(|_| self.grid == Some(slices.grid));
        room.is_some_and(|room| !slices.grid.geometry().next(room, slices.slot).is_empty())
    }

    /// The tightest GPU with room for what `pod` wants of one, the lowest index of equals; none: it wants no part of one, or there is none.
    pub(super) fn tightest(&self, pod: &PodKind) -> Option<u8> {
        let has_room = |device: Device| match pod.gpus {
            Gpus::None | Gpus::Whole(_) => false,
            Gpus::Share(milli) => device.room().is_none() && device.milli() >= milli,
            Gpus::Slices(slices) => self.has_room(device, slices),
        };
        (0_u8..)
            .zip(self.gpus())
            .filter(|(_, device)| has_room(**device))
            .min_by_key(|(at, device)| (self.milli_of(**device), *at))
            .map(|(at, _)| at)
    }

    /// The GPUs that are worth judging for a pod: of alike ones with room the first. Where it wants none, or whole ones, there is one
    /// judgement.
    pub(super) fn choices(&self, pod: &PodKind) -> impl Iterator<Item = u8> {
        let gpus = pod.gpus;
        let parts = matches!(gpus, Gpus::Share(_) | Gpus::Slices(_));
        let all = if parts { self.gpus() } else { &[] };
        let judged = (0_u8..).zip(all).filter(move |(at, device)| {
            let has_room = match gpus {
                Gpus::Share(milli) => device.milli() >= milli,
                Gpus::Slices(slices) => self.has_room(**device, slices),
                Gpus::None | Gpus::Whole(_) => false,
            };
            has_room && !all[..usize::from(*at)].contains(device)
        });
        judged.map(|(at, _)| at).chain((!parts).then_some(0))
    }

    /// As it is with the pod there, a share or the first MIG instance on GPU `device`. [`Self::fits`] has said that there is room.
    #[must_use]
    pub fn with(&self, pod: &PodKind, device: u8) -> Self {
        let mut after = *self;
        after.cpu = after.cpu.less(pod.cpu);
        match pod.gpus {
            Gpus::None => {}
            Gpus::Share(milli) => {
                let free = &mut after.free[usize::from(device).min(DEVICES_MAX - 1)];
                free.0 = free.0.saturating_sub(milli);
            }
            Gpus::Whole(count) => {
                after.free.iter_mut().filter(|free| free.0 == FULL).take(count.into()).for_each(|free| free.0 = 0);
            }
            Gpus::Slices(slices) => {
                after.take_slices(slices, Some(device), |_| ());
            }
        }
        after
    }

    /// Takes MIG instances, the first on GPU `device`, each at the start that leaves most for others, further ones on the tightest GPU
    /// that has room. False: there is no room for all, and some are taken.
    pub(super) fn take_slices(&mut self, slices: Slices, device: Option<u8>, mut taken: impl FnMut(Slice)) -> bool {
        let geometry = slices.grid.geometry();
        for at in 0..slices.count {
            let tightest = || {
                let open = (0_u8..).zip(self.gpus()).filter(|(_, device)| self.has_room(**device, slices));
                open.min_by_key(|(at, device)| (self.milli_of(**device), *at)).map(|(at, _)| at)
            };
            let Some(device) = device.filter(|_| at == 0).or_else(tightest) else { return false };
            let free = &mut self.free[usize::from(device).min(DEVICES_MAX - 1)];
            let Some(next) = free.room().and_then(|room| geometry.next(room, slices.slot).first()) else { return false };
            *free = Device::of_room(next.room);
            taken(Slice { device, start: next.start });
        }
        true
    }

    /// Puts a share or a whole pod onto a GPU, or takes it away.
    pub(super) fn change_milli(&mut self, device: usize, milli: u16, put: bool) {
        let free = &mut self.free[device].0;
        *free = if put { *free - milli } else { *free + milli };
    }

    /// Takes a MIG instance, or gives it back.
    ///
    /// # Panics
    /// It is not free, or not taken: the caller holds what it was given.
    pub(super) fn change_slice(&mut self, slices: Slices, slice: Slice, put: bool) {
        let geometry = slices.grid.geometry();
        let device = &mut self.free[usize::from(slice.device)];
        let then = device.room().and_then(|room| {
            if put {
                geometry.next(room, slices.slot).iter().find(|next| next.start == slice.start).map(|next| next.room)
            } else {
                geometry.given_back(room, slices.slot, slice.start)
            }
        });
        *device = Device::of_room(then.expect("a pod's slice is where the placer put it"));
    }

    /// The GPUs from the fullest to the freest: two states with the same are alike, whatever their GPUs' order.
    pub(super) fn profile(&self) -> [Device; DEVICES_MAX] {
        let mut free = self.free;
        free.sort_unstable();
        free
    }
}
