//! What a policy looks at: kinds of nodes, kinds of pods, and what is free on a node.

use plimsoll_fleet::{Bytes, MilliCpu, Name};

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
    /// Bit 0: shares are there; bit k: pods with k whole GPUs are there. Zero where the policy does not look.
    pub company: u32,
    /// Free CPU.
    pub cpu: MilliCpu,
    /// Free memory. Zero where the policy does not look.
    pub memory: Bytes,
    /// Free thousandths of each GPU.
    pub free: [u16; DEVICES_MAX],
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
        }
    }

    /// The bit of [`State::company`] that such pods set; 0 for pods without GPUs.
    pub(super) fn company(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Share(_) => 1,
            Self::Whole(count) => 1 << u32::from(count).min(31),
        }
    }
}

impl NodeKind {
    /// A node of this kind with nothing on it.
    #[must_use]
    pub fn empty(&self, kind: u16) -> State {
        let mut free = [0; DEVICES_MAX];
        free[..usize::from(self.gpus).min(DEVICES_MAX)].fill(FULL);
        State { kind, devices: self.gpus.min(DEVICES_MAX as u8), company: 0, cpu: self.cpu, memory: self.memory, free }
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
    pub fn gpus(&self) -> &[u16] {
        &self.free[..usize::from(self.devices).min(DEVICES_MAX)]
    }

    /// Free thousandths of all GPUs.
    #[must_use]
    pub fn free_milli(&self) -> u32 {
        self.free.iter().map(|free| u32::from(*free)).sum()
    }

    /// GPUs with nothing on them.
    #[must_use]
    pub fn whole_free(&self) -> u8 {
        self.free.iter().map(|free| u8::from(*free == FULL)).sum()
    }

    /// The most that is free on one GPU.
    pub(super) fn largest(&self) -> u16 {
        self.free.iter().copied().max().unwrap_or(0)
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
            }
    }

    /// The tightest GPU with room for `milli`, the lowest index of equals.
    #[must_use]
    pub fn tightest(&self, milli: u16) -> Option<u8> {
        (0_u8..).zip(self.gpus()).filter(|(_, free)| **free >= milli).min_by_key(|(at, free)| (**free, *at)).map(|(at, _)| at)
    }

    /// As it is with the pod there, a share on GPU `device`. [`Self::fits`] has said that there is room.
    #[must_use]
    pub fn with(&self, pod: &PodKind, device: u8) -> Self {
        let mut after = *self;
        after.cpu = after.cpu.less(pod.cpu);
        match pod.gpus {
            Gpus::None => {}
            Gpus::Share(milli) => {
                let free = &mut after.free[usize::from(device).min(DEVICES_MAX - 1)];
                *free = free.saturating_sub(milli);
            }
            Gpus::Whole(count) => after.free.iter_mut().filter(|free| **free == FULL).take(count.into()).for_each(|free| *free = 0),
        }
        after
    }

    /// The GPUs from the fullest to the freest: two states with the same are alike, whatever their GPUs' order.
    pub(super) fn profile(&self) -> [u16; DEVICES_MAX] {
        let mut free = self.free;
        free.sort_unstable();
        free
    }
}
