//! MIG: how one GPU is parted into isolated slices.
//!
//! - `profile`: the names of profiles.
//! - `tables`: what a kind of board can hold (`data/mig.json`), and the rule that names profiles.
//! - `layout`: which instances stand together, where the next one goes.
//!
//! This file holds what depends on a board: its profiles with their names and sizes. No profile name is fixed anywhere:
//! names follow from the memory that the board reports.

mod layout;
mod profile;
mod tables;

pub use layout::Placement;
pub use profile::{Attribute, BadProfile, Mark, Profile};
pub use tables::{Engines, Seen, Slot, Table, table, tables};

use crate::{
    Bytes, MilliGpu, Ratio,
    catalogue::{self, GpuModel},
};

/// The least part of its memory slices that an instance was seen to have, for instances of which no listing tells the
/// memory: the `1g` of a GB200 has 20480 of 24192 MiB, 84.6 %.
const MEMORY_FLOOR: f64 = 0.84;

/// The part of a board's SMs that a compute slice is taken to have at least, for instances of which no listing tells the
/// SMs. The least seen is 11.8 % (18 of 152, the `1g` of a GB200); boards with few SMs may round down further.
const COMPUTE_FLOOR: f64 = 0.1;

/// A board that can be parted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Board {
    /// Its model.
    pub model: &'static GpuModel,
    /// Its table.
    pub table: &'static Table,
    /// Its memory.
    pub memory: Bytes,
}

/// A profile on a board.
#[derive(Debug, Clone, PartialEq)]
pub struct BoardProfile {
    /// Its name there, as computed from the board's memory. A driver may print another: match by slices, print the node's own.
    pub name: String,
    /// Its place in [`Table::slots`].
    pub slot: usize,
    /// Compute slices.
    pub compute_slices: u8,
    /// Memory slices, of the table's [`Table::grid`].
    pub memory_slices: u8,
    /// The part of the GPU that it takes: its memory slices over the grid.
    pub share: MilliGpu,
    /// Streaming multiprocessors; none: not known.
    pub sms: Option<u32>,
    /// Memory of the instance; none: not known.
    pub memory: Option<Bytes>,
    /// Memory that it can be counted on to have: the known one, else 84 % of its slices' (the least that was seen on any board).
    pub memory_at_least: Bytes,
    /// The part of the board's SMs that it can be counted on to have: the known one, else 10 % a compute slice (11.8 % is the
    /// least seen).
    pub compute_at_least: Ratio,
    /// Most of them on one GPU.
    pub max: u8,
}

/// The board behind a product name, if it has a MIG table.
///
/// Where the memory is not that of any board of this name (a slice's memory under the single strategy), the name decides.
#[must_use]
pub fn board(product: &str, memory: Option<Bytes>) -> Option<Board> {
    match catalogue::find(product, memory) {
        Some(model) => board_of(model, memory.filter(|memory| !memory.is_zero())),
        None => board_of(catalogue::find(product, None)?, None),
    }
}

fn board_of(model: &'static GpuModel, memory: Option<Bytes>) -> Option<Board> {
    let table = table(&model.mig.as_ref()?.table)?;
    let memory = memory.or_else(|| model.memory()).unwrap_or(Bytes(u64::from(table.name_total_gib) << 30));
    Some(Board { model, table, memory })
}

impl Board {
    /// Its profiles, in the order of the table.
    #[must_use]
    pub fn profiles(&self) -> Vec<BoardProfile> {
        (0..self.table.slots.len()).map(|slot| self.profile(slot, &self.table.slots[slot])).collect()
    }

    fn profile(&self, at: usize, slot: &Slot) -> BoardProfile {
        let part = f64::from(slot.size) / f64::from(self.table.grid);
        let sms = slot.sms.filter(|_| self.model.mig.as_ref().is_some_and(|key| key.sms_hold));
        // A listing's memory is that of its own board size; under another (GB300 in a DGX Station) it is not known.
        let same_size = self.memory.0.div_ceil(1 << 30) == u64::from(self.table.name_total_gib);
        let memory = slot.memory_mib.filter(|_| same_size).map(Bytes::from_mib);
        BoardProfile {
            name: slot.name_on(self.table.grid, self.memory).to_string(),
            slot: at,
            compute_slices: slot.compute,
            memory_slices: slot.size,
            share: size(slot.size, self.table.grid),
            sms,
            memory,
            memory_at_least: memory.unwrap_or(Bytes((self.memory.0 as f64 * part * MEMORY_FLOOR) as u64)),
            compute_at_least: match (sms, self.model.sm_count()) {
                (Some(sms), Some(all)) => Ratio::of(f64::from(sms), f64::from(all)),
                _ => Ratio::of(f64::from(slot.compute) * COMPUTE_FLOOR, 1.0),
            },
            max: slot.max,
        }
    }
}

/// The profiles of the board behind a product name; none where it has no MIG table.
#[must_use]
pub fn profiles_of(product: &str, memory: Option<Bytes>) -> Vec<BoardProfile> {
    board(product, memory).map(|board| board.profiles()).unwrap_or_default()
}

/// The profiles of a model of the catalogue.
pub(crate) fn profiles_of_model(model: &'static GpuModel) -> Vec<BoardProfile> {
    board_of(model, None).map(|board| board.profiles()).unwrap_or_default()
}

/// The smallest profile, below the whole board, that can be counted on to have `memory_needed` and the part
/// `compute_needed` of the board's SMs. Smallest by memory slices, then by compute; only profiles without attributes. None: no slice is enough, or
/// the board has no MIG table.
#[must_use]
pub fn smallest_fitting(product: &str, memory: Option<Bytes>, memory_needed: Bytes, compute_needed: Ratio) -> Option<BoardProfile> {
    let board = board(product, memory)?;
    board
        .profiles()
        .into_iter()
        .filter(|profile| board.table.slots[profile.slot].documented.mark.is_none() && profile.memory_slices < board.table.grid)
        .filter(|profile| profile.memory_at_least >= memory_needed && profile.compute_at_least >= compute_needed)
        .min_by_key(|profile| (profile.memory_slices, profile.compute_slices))
}

/// The part of a GPU that a slice of `profile` takes: its memory slices over the board's grid.
///
/// A compute instance (`1c.3g.40gb`) takes its part of that, rounded down. On a board that is not known the slices are
/// those of the common grid of 8 (1g: 1, 2g: 2, 3g and 4g: 4, more: 8), because compute slices are all that the name tells.
/// What is no profile's name counts as a whole GPU.
#[must_use]
pub fn share(profile: &str, product: Option<&str>, memory: Option<Bytes>) -> MilliGpu {
    let Ok(profile) = Profile::parse(profile) else { return MilliGpu::ONE };
    let known = product.and_then(|product| board(product, memory)).and_then(|board| {
        let unmarked = Profile { mark: None, ..profile };
        let slot = board.table.slot_named(&profile, board.memory).or_else(|| board.table.slot_named(&unmarked, board.memory))?;
        Some(size(board.table.slots[slot].size, board.table.grid))
    });
    let instance = known.unwrap_or_else(|| {
        let slices = match profile.compute {
            0..=2 => profile.compute,
            3 | 4 => 4,
            _ => 8,
        };
        size(slices, 8)
    });
    match profile.part {
        Some(part) => MilliGpu(instance.0 * u64::from(part) / u64::from(profile.compute.max(1))),
        None => instance,
    }
}

fn size(slices: u8, grid: u8) -> MilliGpu {
    MilliGpu(u64::from(slices) * 1000 / u64::from(grid.max(1)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const A100: Option<&str> = Some("NVIDIA-A100-SXM4-80GB");

    #[test]
    fn a_slice_takes_its_memory_slices() {
        for (profile, product, share_of) in [
            ("1g.10gb", A100, 125),
            ("1g.10gb+me", A100, 125),
            ("1g.20gb", A100, 250),
            ("1g.10gb", Some("NVIDIA-A100-SXM4-40GB"), 250),
            ("2g.20gb", A100, 250),
            ("3g.40gb", A100, 500),
            ("3g.39gb", A100, 500),
            ("7g.79gb", A100, 1000),
            ("1c.3g.40gb", A100, 166),
            ("1g.6gb", Some("NVIDIA-A30"), 250),
            ("2g.12gb+me", Some("NVIDIA-A30"), 500),
            ("1g.24gb-me", Some("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition"), 250),
            ("2g.48gb", Some("NVIDIA RTX PRO 6000 Blackwell Server Edition"), 500),
            ("3g.40gb", None, 500),
            ("1g.10gb", Some("NVIDIA-X900"), 125),
            ("7g.999gb", None, 1000),
            ("nonsense", A100, 1000),
            ("", None, 1000),
        ] {
            assert_eq!(share(profile, product, None), MilliGpu(share_of), "{profile} of {product:?}");
        }
        // The single strategy labels a slice's memory; the name is enough then.
        assert_eq!(share("1g.20gb", A100, Some(Bytes::from_mib(19_968))), MilliGpu(250));
    }

    #[test]
    fn a_board_tells_its_profiles_by_its_own_memory() {
        let profiles = profiles_of("NVIDIA-H100-80GB-HBM3", Some(Bytes::from_mib(81_559)));
        let double = profiles.iter().find(|profile| profile.name == "1g.20gb").unwrap();
        assert_eq!((double.sms, double.memory, double.share), (Some(26), Some(Bytes::from_mib(20_096)), MilliGpu(250)));
        // The PCIe board has fewer SMs: those of its slices are not known.
        assert!(profiles_of("NVIDIA-H100-PCIe", None).iter().all(|profile| profile.sms.is_none() && profile.memory.is_some()));
        let station = profiles_of("NVIDIA-GB300", Some(Bytes::from_mib(256_703)));
        assert!(station.iter().any(|profile| profile.name == "1g.31gb"));
        assert!(profiles_of("Tesla-T4", None).is_empty());
    }

    /// The floors for what no listing tells hold for everything that a listing tells.
    #[test]
    fn the_floors_are_below_all_that_was_seen() {
        for model in catalogue::all().iter().filter(|model| model.mig.is_some()) {
            let board = board_of(model, None).unwrap();
            for profile in board.profiles() {
                let part = f64::from(profile.memory_slices) / f64::from(board.table.grid);
                if let Some(memory) = profile.memory {
                    assert!(memory.0 as f64 >= board.memory.0 as f64 * part * MEMORY_FLOOR, "{} {}", model.name, profile.name);
                }
                if let (Some(sms), Some(all)) = (profile.sms, model.sm_count()) {
                    assert!(
                        f64::from(sms) / f64::from(all) >= f64::from(profile.compute_slices) * COMPUTE_FLOOR,
                        "{} {}",
                        model.name,
                        profile.name
                    );
                }
            }
        }
    }

    #[test]
    fn the_smallest_slice_is_by_memory_and_compute() {
        let h100 = |gib: u64, compute| {
            let found =
                smallest_fitting("NVIDIA-H100-80GB-HBM3", Some(Bytes::from_mib(81_559)), Bytes(gib << 30), Ratio::new(compute).unwrap());
            found.map(|profile| profile.name)
        };
        assert_eq!(h100(5, 0.05).as_deref(), Some("1g.10gb"));
        // 26 of 132 SMs: the 1g with double memory, not a 2g.
        assert_eq!(h100(15, 0.19).as_deref(), Some("1g.20gb"));
        assert_eq!(h100(15, 0.22).as_deref(), Some("2g.20gb"));
        // 60 SMs in a 3g, 64 in a 4g.
        assert_eq!(h100(30, 0.45).as_deref(), Some("3g.40gb"));
        assert_eq!(h100(30, 0.47).as_deref(), Some("4g.40gb"));
        assert_eq!(h100(50, 0.1), None);
        assert_eq!(h100(5, 0.6), None);
    }

    proptest! {
        #[test]
        fn a_share_is_at_most_a_gpu(profile in "([1-9]c\\.)?[0-9]g\\.[0-9]{1,3}gb([+-](me|gfx|me\\.all))?|.{0,12}", product in 0..40_usize, mib in proptest::option::of(any::<u64>())) {
            let product = catalogue::all().get(product).map(|model| model.labels.value[0].as_str());
            prop_assert!(share(&profile, product, mib.map(Bytes)) <= MilliGpu::ONE);
            if let Some(product) = product {
                let _ = profiles_of(product, mib.map(Bytes));
            }
        }

        /// Needing more never gives a smaller slice.
        #[test]
        fn a_greater_need_never_gets_a_smaller_slice(model in 0..28_usize, memory in 0_u64..200 << 30, more in 0_u64..50 << 30, compute in 0.0..1.0_f64) {
            let product = catalogue::all().get(model).map_or("A100", |model| model.labels.value[0].as_str());
            let compute = Ratio::new(compute).unwrap();
            let less = smallest_fitting(product, None, Bytes(memory), compute);
            if let Some(large) = smallest_fitting(product, None, Bytes(memory + more), compute) {
                prop_assert!(less.is_some_and(|less| less.share <= large.share));
                prop_assert!(large.memory_at_least >= Bytes(memory + more) && large.compute_at_least >= compute);
            }
        }
    }
}
