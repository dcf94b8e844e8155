//! Where should the next instance go, when nobody knows what comes after it?
//!
//! Each room of a GPU has a potential, in thousandths of a GPU: what of its free slices will not be used. An instance goes to the
//! GPU and start where the potential rises least; of equals to the tightest, then by the advice of [`plimsoll_fleet::mig::Table::place`].
//!
//! The potential has two parts. Fragments, as in FGD (USENIX ATC'23): a free slice is one for an expected instance that has no place on
//! its GPU. And what no filling could use: free slices less the worth of the best instances that still fit, each worth what one more of
//! its kind costs when all that are expected are laid out at best (the prices of the exact plan).

use super::geometry::{Grid, Next, Room};
use crate::bound::cover::{self, Need, Sort};

/// Chooses places on GPUs of one grid, for an expected mix.
#[derive(Debug, Clone)]
pub struct Online {
    grid: Grid,
    /// By room.
    potential: Vec<f64>,
    /// By room and slot: the best that can be taken, and what it costs.
    best: Vec<Vec<Option<(f64, Next)>>>,
}

/// How much each part counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnlineWeights {
    /// Fragments.
    pub fragments: f64,
    /// What no filling could use.
    pub fill: f64,
    /// Costs that differ by less count as equal, in thousandths of a GPU.
    pub bucket: f64,
}

impl Default for OnlineWeights {
    fn default() -> Self {
        Self { fragments: 1.0, fill: 1.0, bucket: 4.0 }
    }
}

impl Online {
    /// For instances of which `mix` says how many are expected of each slot.
    #[must_use]
    pub fn new(grid: Grid, mix: &[(u8, u64)]) -> Self {
        Self::weighted(grid, mix, OnlineWeights::default())
    }

    /// The same with other weights: for measuring what they do.
    #[must_use]
    pub fn weighted(grid: Grid, mix: &[(u8, u64)], weights: OnlineWeights) -> Self {
        let geometry = grid.geometry();
        let slots = geometry.table.slots.len() as u8;
        let fragments = fragments(grid, mix);
        let fill = fillings(grid, &worths(grid, mix), |_| 0.0);
        let milli = |room: usize| f64::from(geometry.free_slices(Room(room as u16))) * 1000.0 / f64::from(geometry.table.grid.max(1));
        let potential: Vec<f64> =
            (0..geometry.len()).map(|room| weights.fragments * fragments[room] + weights.fill * (milli(room) - fill[room])).collect();
        let bucket = |cost: f64| (cost / weights.bucket).round() * weights.bucket;
        let best = (0..geometry.len())
            .map(|room| {
                let best = |slot: u8| {
                    let cost = |next: &Next| bucket(potential[usize::from(next.room.0)] - potential[room]);
                    // Of equals the first: the starts are in the order of the advice.
                    geometry
                        .next(Room(room as u16), slot)
                        .iter()
                        .map(|next| (cost(next), *next))
                        .reduce(|best, next| if next.0 < best.0 { next } else { best })
                };
                (0..slots).map(best).collect()
            })
            .collect();
        Self { grid, potential, best }
    }

    /// The GPU of `rooms` and the place on it for an instance of `slot`; none: there is no place.
    #[must_use]
    pub fn choose(&self, rooms: &[Room], slot: u8) -> Option<(usize, Next)> {
        let geometry = self.grid.geometry();
        let mut chosen: Option<(f64, u8, usize, Next)> = None;
        for (gpu, room) in rooms.iter().enumerate() {
            let Some((cost, next)) = self.best(*room, slot) else { continue };
            let free = geometry.free_slices(*room);
            if chosen.is_none_or(|(least, tightest, ..)| cost < least || (cost == least && free < tightest)) {
                chosen = Some((cost, free, gpu, next));
            }
        }
        chosen.map(|(_, _, gpu, next)| (gpu, next))
    }

    /// The best place for an instance of `slot` in `room`, and how much the potential rises there, in thousandths of a GPU.
    #[must_use]
    pub fn best(&self, room: Room, slot: u8) -> Option<(f64, Next)> {
        *self.best.get(usize::from(room.0))?.get(usize::from(slot))?
    }

    /// What of a room's free slices will not be used, by estimate, in thousandths of a GPU.
    #[must_use]
    pub fn potential(&self, room: Room) -> f64 {
        self.potential.get(usize::from(room.0)).copied().unwrap_or(0.0)
    }
}

/// By room, the free thousandths that the instances of `mix` have no place for, in the mean.
pub(crate) fn fragments(grid: Grid, mix: &[(u8, u64)]) -> Vec<f64> {
    let geometry = grid.geometry();
    let all: u64 = mix.iter().map(|(_, count)| count).sum();
    (0..geometry.len() as u16)
        .map(|room| {
            let free = f64::from(geometry.free_slices(Room(room))) * 1000.0 / f64::from(geometry.table.grid.max(1));
            let without: u64 = mix.iter().filter(|(slot, _)| geometry.next(Room(room), *slot).is_empty()).map(|(_, count)| count).sum();
            free * without as f64 / all.max(1) as f64
        })
        .collect()
}

/// By slot, what one more instance costs when all of `mix` are laid out at best, in thousandths of a GPU.
pub(crate) fn worths(grid: Grid, mix: &[(u8, u64)]) -> Vec<f64> {
    let table = grid.geometry().table;
    let mut worths = vec![0.0; table.slots.len()];
    let mut slots: Vec<usize> = mix.iter().filter(|(_, count)| *count > 0).map(|(slot, _)| usize::from(*slot)).collect();
    slots.sort_unstable();
    slots.dedup();
    let counted = |multiset: &Vec<usize>| slots.iter().map(|slot| multiset.iter().filter(|other| *other == slot).count() as u32).collect();
    let patterns: Vec<Vec<u32>> = table.maximal_multisets(&slots).iter().map(counted).collect();
    let needs: Vec<Need> = slots
        .iter()
        .enumerate()
        .map(|(item, slot)| {
            let count: u64 = mix.iter().filter(|(other, _)| usize::from(*other) == *slot).map(|(_, count)| count).sum();
            Need { count: u32::try_from(count).unwrap_or(u32::MAX), by: vec![(0, item)], left_out: None }
        })
        .collect();
    // A GPU for each of them is more than enough, so that none is scarce.
    let bins = needs.iter().map(|need| need.count).fold(1, u32::saturating_add);
    let sorts = [Sort { bins, cost: 1000.0, patterns }];
    if let Some(prices) = cover::prices(&sorts, &needs).first() {
        slots.iter().zip(prices).for_each(|(slot, price)| worths[*slot] = *price);
    }
    worths
}

/// By room, the worth of the best instances that fit there, each less what `cost` says of its slot.
pub(crate) fn fillings(grid: Grid, worths: &[f64], cost: impl Fn(u8) -> f64) -> Vec<f64> {
    let geometry = grid.geometry();
    geometry.tabled(|room, known: &[f64]| {
        let with = |slot: u8| {
            let gain = worths[usize::from(slot)] - cost(slot);
            geometry.next(room, slot).iter().map(move |next| gain + known[usize::from(next.room.0)])
        };
        (0..worths.len() as u8).filter(|slot| worths[usize::from(*slot)] - cost(*slot) > 0.0).flat_map(with).fold(0.0, f64::max)
    })
}
