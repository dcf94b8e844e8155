//! What a node could still hold at best, by worth.
//!
//! A pod's worth is what it costs to hold one more of its kind when all expected pods are packed as densely as can be: the dual
//! price of the cutting-stock programme over single GPUs. Pods that fit into holes which the others leave anyway are worth
//! nothing, pods that open a GPU of their own are worth all of it. So a hole that only the rare can fill counts for little, and
//! a pod goes where what it takes away is least missed.
//!
//! A node's best filling under its CPU is bounded by Lagrange: for each of a few prices of CPU, every GPU is filled at its best
//! by worth less CPU at that price, and the least sum counts. All fillings are tabled, so a state costs a few additions a GPU.
//! GPUs in MIG mode are filled by the instances that still fit there, each worth what one more costs in an exact plan of all.

use super::{
    Mix, NodeKind,
    state::{FULL, Gpus, PodKind, State},
};
use crate::{
    bound::pattern::{Items, worths},
    pack::mig::{Grid, online},
};

/// Prices of CPU: worth of a thousandth of a GPU for a thousandth of a core. A whole GPU with the CPU of a common node's GPU
/// costs about 0.08.
const CPU_PRICES: [f32; PRICES] = [0.0, 0.005, 0.01, 0.018, 0.027, 0.036, 0.045, 0.055, 0.065, 0.075, 0.085, 0.1, 0.12, 0.16, 0.25, 0.5];
const PRICES: usize = 16;

type Row = [f32; PRICES];

pub(super) struct Fill {
    /// Index of its table by kind of node.
    table_of: Vec<usize>,
    /// By free thousandths of a GPU.
    tables: Vec<Vec<Row>>,
    /// By kind of node, and room of a GPU in MIG mode.
    rooms: Vec<Vec<Row>>,
}

/// The part of a kind of pod that lies on one GPU.
struct Piece<'a> {
    size: u16,
    worth: f32,
    cpu: f32,
    pod: &'a PodKind,
}

impl Fill {
    pub fn new(kinds: &[NodeKind], mix: &Mix) -> Self {
        let mut items: Vec<Items> = Vec::new();
        let parts: Vec<(u16, u8, &PodKind, u64)> = mix
            .pods
            .iter()
            .filter_map(|(pod, count)| match pod.gpus {
                Gpus::None => None,
                Gpus::Share(milli) => Some((milli, 1, pod, *count)),
                Gpus::Whole(gpus) => Some((FULL, gpus, pod, *count)),
                Gpus::Slices(_) => None,
            })
            .collect();
        for (size, gpus, _, count) in &parts {
            let count = count * u64::from(*gpus);
            match items.iter_mut().find(|items| items.size == *size) {
                Some(items) => items.count += count,
                None => items.push(Items { size: *size, count, bins: vec![0] }),
            }
        }
        let worths = worths(FULL, &items);
        let worth = |size: u16| items.iter().zip(&worths).find(|(items, _)| items.size == size).map_or(0.0, |(_, worth)| *worth as f32);
        let pieces: Vec<Piece<'_>> = parts
            .iter()
            .map(|&(size, gpus, pod, _)| Piece { size, worth: worth(size), cpu: pod.cpu.0 as f32 / f32::from(gpus), pod })
            .collect();
        let mut tables: Vec<(Vec<bool>, Vec<Row>)> = Vec::new();
        let table_of = (0..kinds.len())
            .map(|kind| {
                let here: Vec<bool> = pieces.iter().map(|piece| piece.pod.allowed.get(kind) == Some(&true)).collect();
                match tables.iter().position(|(of, _)| *of == here) {
                    Some(table) => table,
                    None => {
                        let table = table(pieces.iter().zip(&here).filter(|(_, here)| **here).map(|(piece, _)| piece));
                        tables.push((here, table));
                        tables.len() - 1
                    }
                }
            })
            .collect();
        let rooms =
            kinds.iter().enumerate().map(|(kind, of)| of.mig.as_ref().map_or_else(Vec::new, |mig| rooms(mig.grid, kind, mix))).collect();
        Self { table_of, tables: tables.into_iter().map(|(_, table)| table).collect(), rooms }
    }

    /// An upper estimate of the worth of what could still come to a node in `state`, in thousandths of a GPU.
    pub fn of(&self, state: &State) -> f32 {
        let Some(table) = self.table_of.get(usize::from(state.kind)).map(|table| &self.tables[*table]) else { return 0.0 };
        let cpu = state.cpu.0 as f32;
        let mut sums = CPU_PRICES.map(|price| price * cpu);
        for free in state.gpus() {
            let row = match free.room() {
                None if free.milli() == 0 => continue,
                None => &table[usize::from(free.milli())],
                Some(room) => match self.rooms[usize::from(state.kind)].get(usize::from(room.0)) {
                    Some(row) => row,
                    None => continue,
                },
            };
            sums.iter_mut().zip(row).for_each(|(sum, worth)| *sum += worth);
        }
        sums.into_iter().fold(f32::INFINITY, f32::min)
    }
}

/// The best fillings of one GPU.
fn table<'a>(pieces: impl Iterator<Item = &'a Piece<'a>>) -> Vec<Row> {
    let pieces: Vec<&Piece<'_>> = pieces.collect();
    let mut rows = vec![[0.0; PRICES]; usize::from(FULL) + 1];
    for (at, price) in CPU_PRICES.into_iter().enumerate() {
        let mut best = vec![0.0_f32; usize::from(FULL) + 1];
        for piece in &pieces {
            let gain = piece.worth - price * piece.cpu;
            if gain <= 0.0 {
                continue;
            }
            for free in usize::from(piece.size)..=usize::from(FULL) {
                best[free] = best[free].max(best[free - usize::from(piece.size)] + gain);
            }
        }
        rows.iter_mut().zip(best).for_each(|(row, best)| row[at] = best);
    }
    rows
}

/// The best fillings of a GPU in MIG mode by the instances that are expected on this kind of node, by room.
fn rooms(grid: Grid, kind: usize, mix: &Mix) -> Vec<Row> {
    let here: Vec<(u8, u64, f64)> = mix
        .pods
        .iter()
        .filter(|(pod, _)| pod.allowed.get(kind) == Some(&true))
        .filter_map(|(pod, count)| match pod.gpus {
            Gpus::Slices(slices) if slices.grid == grid => {
                let each = u64::from(slices.count.max(1));
                Some((slices.slot, count * each, pod.cpu.0 as f64 / each as f64))
            }
            _ => None,
        })
        .collect();
    let expected: Vec<(u8, u64)> = here.iter().map(|&(slot, count, _)| (slot, count)).collect();
    let worths = online::worths(grid, &expected);
    let least_cpu = |slot: u8| here.iter().filter(|(other, ..)| *other == slot).map(|(_, _, cpu)| *cpu).fold(f64::INFINITY, f64::min);
    let mut rows = vec![[0.0; PRICES]; grid.geometry().len()];
    for (at, price) in CPU_PRICES.into_iter().enumerate() {
        let cost = |slot: u8| Some(f64::from(price) * least_cpu(slot)).filter(|cost| cost.is_finite()).unwrap_or(0.0);
        let best = online::fillings(grid, &worths, cost);
        rows.iter_mut().zip(best).for_each(|(row, best)| row[at] = best as f32);
    }
    rows
}
