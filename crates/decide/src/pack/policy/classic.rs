//! The policies that others use and that ours is measured against.
//!
//! `best-fit`, `dot-product`, `gpu-packing` and `gpu-clustering` are those of the FGD experiment (ATC'23), to the integer.
//! A share goes to the tightest GPU with room, and so does a MIG
//! instance: it counts by its memory slices. Its last step for best fit, which stretches the points of all nodes that fit
//! over 0 to 100, changes no order and is left out.

use super::{
    Looks, Points, Policy, Ties,
    state::{FULL, Gpus, NodeKind, PodKind, State},
};
use plimsoll_fleet::{Bytes, MilliCpu};

/// CPU and GPUs of the experiment's largest node, by which its points are scaled.
const SCALE_CPU: f64 = 128_000.0;
const SCALE_GPU: f64 = 8_000.0;

fn on_tightest(value: u64, state: &State, pod: &PodKind) -> Points {
    Points { value, device: state.tightest(pod).unwrap_or(0) }
}

/// Any node that fits.
pub(super) struct Random;

impl Policy for Random {
    fn points(&mut self, state: &State, pod: &PodKind) -> Points {
        on_tightest(1, state, pod)
    }

    fn ties(&self) -> Ties {
        Ties::Draw
    }
}

/// The least left over.
pub(super) struct BestFit;

impl Policy for BestFit {
    fn points(&mut self, state: &State, pod: &PodKind) -> Points {
        let cpu = state.cpu.less(pod.cpu).0 as f64;
        let gpu = (u64::from(state.free_milli()) - pod.gpus.milli()) as f64;
        let left = 0.5 * (cpu / SCALE_CPU) + 0.5 * (gpu / SCALE_GPU);
        on_tightest((100.0 * (1.0 - left)).max(0.0) as u64, state, pod)
    }

    fn ties(&self) -> Ties {
        Ties::Rank
    }
}

/// The best alignment: little free of what the pod asks much of.
pub(super) struct DotProduct;

impl Policy for DotProduct {
    fn points(&mut self, state: &State, pod: &PodKind) -> Points {
        let cpu = state.cpu.0 as f64 / SCALE_CPU * (pod.cpu.0 as f64 / SCALE_CPU);
        let gpu = f64::from(state.free_milli()) / SCALE_GPU * (pod.gpus.milli() as f64 / SCALE_GPU);
        on_tightest((100.0 * (1.0 - (cpu + gpu) / 2.0)).max(0.0) as u64, state, pod)
    }

    fn ties(&self) -> Ties {
        Ties::Rank
    }
}

/// Shared GPUs before free ones, used nodes before empty ones.
pub(super) struct GpuPacking;

impl Policy for GpuPacking {
    fn points(&mut self, state: &State, pod: &PodKind) -> Points {
        let value = match pod.gpus {
            Gpus::None => 0,
            _ if state.is_unused() => {
                let gpus = u64::from(state.devices);
                33_u64.saturating_sub(gpus).max(gpus)
            }
            Gpus::Whole(count) => 50_u64.saturating_sub(count.into()).max(33),
            Gpus::Share(_) | Gpus::Slices(_) => match state.tightest(pod).map(|device| state.milli_of(state.free[usize::from(device)])) {
                Some(FULL) => 49,
                Some(free) => (100 - u64::from(free) * 100 / 1000 / 10).max(50),
                None => 0,
            },
        };
        on_tightest(value, state, pod)
    }

    fn ties(&self) -> Ties {
        Ties::Rank
    }
}

/// Pods that ask for the same number of GPUs together, shares with shares.
pub(super) struct GpuClustering;

impl Policy for GpuClustering {
    fn points(&mut self, state: &State, pod: &PodKind) -> Points {
        let own = pod.gpus.company();
        let value = if own == 0 {
            0
        } else {
            let base = 25 * 8000_u64.saturating_sub(state.free_milli().into()) / 8000;
            base + match state.company {
                0 => 25,
                company if company == own => 75,
                company if company & own != 0 => 50,
                _ => 0,
            }
        };
        on_tightest(value, state, pod)
    }

    fn ties(&self) -> Ties {
        Ties::Rank
    }

    fn looks_at(&self) -> Looks {
        Looks { company: true, ..Looks::default() }
    }
}

/// kube-scheduler's NodeResourcesFit with CPU and memory of weight 1, as its defaults are: GPUs do not count there.
///
/// Source: kubernetes `pkg/scheduler/framework/plugins/noderesources/{least,most}_allocated.go`; a pod that asks for nothing
/// counts as 100 m and 200 MB (`pkg/scheduler/util/pod_resources.go`).
pub(super) struct Allocated {
    sizes: Vec<(MilliCpu, Bytes)>,
    most: bool,
}

impl Allocated {
    pub fn least(kinds: &[NodeKind]) -> Self {
        Self { sizes: kinds.iter().map(|kind| (kind.cpu, kind.memory)).collect(), most: false }
    }

    pub fn most(kinds: &[NodeKind]) -> Self {
        Self { most: true, ..Self::least(kinds) }
    }
}

impl Policy for Allocated {
    fn points(&mut self, state: &State, pod: &PodKind) -> Points {
        let Some(&(cpu, memory)) = self.sizes.get(usize::from(state.kind)) else { return Points::default() };
        let asked = |asked: u64, default: u64| if asked == 0 { default } else { asked };
        let part = |size: u64, free: u64, ask: u64| {
            let free = free.saturating_sub(ask).min(size);
            let part = if self.most { size - free } else { free };
            if size == 0 { 0 } else { (u128::from(part) * 100 / u128::from(size)) as u64 }
        };
        let cpu = part(cpu.0, state.cpu.0, asked(pod.cpu.0, 100));
        let memory = part(memory.0, state.memory.0, asked(pod.memory.0, 200 << 20));
        on_tightest((cpu + memory) / 2, state, pod)
    }

    fn ties(&self) -> Ties {
        Ties::Draw
    }

    fn looks_at(&self) -> Looks {
        Looks { memory: true, ..Looks::default() }
    }
}
