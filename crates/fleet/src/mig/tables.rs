//! The MIG tables of `data/mig.json`: which instances a board can hold, and where.

use super::Profile;
use crate::{Bytes, catalogue::Confidence};
use serde::Deserialize;
use std::sync::OnceLock;

/// How far the placements of a table were seen on a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// All of them, on hardware.
    Hardware,
    /// Some of them ([`Table::seen_on_hardware`]).
    PartlyHardware,
    /// None: inferred from boards of the same die or grid.
    Believed,
}

/// Media engines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engines {
    /// Video decoders.
    pub nvdec: u8,
    /// Video encoders.
    pub nvenc: u8,
    /// JPEG decoders.
    pub jpeg: u8,
    /// Optical flow accelerators.
    pub ofa: u8,
}

/// A kind of instance that a board can hold: a row of `nvidia-smi mig -lgipp`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// The profile as the source of the table names it. Boards are never matched by it: names are computed ([`Slot::name_on`]).
    #[serde(rename = "name")]
    pub documented: Profile,
    /// The driver's profile id (`nvidia-smi mig -cgi`).
    pub id: u8,
    /// Compute slices.
    pub compute: u8,
    /// Memory slices.
    pub size: u8,
    /// The memory slices at which it may begin.
    pub starts: Vec<u8>,
    /// Most of them on one GPU.
    pub max: u8,
    /// Streaming multiprocessors, on the boards where [`crate::catalogue::MigKey::sms_hold`]; none: not known.
    pub sms: Option<u32>,
    /// How sure the SMs are, where less than the table.
    #[serde(default)]
    pub sms_confidence: Option<Confidence>,
    /// Memory of the instance, MiB. It varies by up to 128 with driver and placement; none: not known.
    pub memory_mib: Option<u64>,
    /// The oldest driver branch with this profile, where later than MIG itself.
    #[serde(default)]
    pub min_driver: Option<u16>,
    /// Media engines, where the table counts them.
    #[serde(default)]
    pub engines: Engines,
}

/// Instances that only later drivers put on one GPU together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Combination {
    /// Their compute slices and starts: `4g@0`.
    pub placements: Vec<String>,
    /// The oldest driver branch that can.
    pub min_driver: u16,
}

/// The MIG table of a kind of board.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name: `A100-80GB`.
    pub name: String,
    /// The boards that it holds for.
    pub boards: Vec<String>,
    /// Their PCI device ids, as mig-parted writes them.
    pub pci_device_ids: Vec<String>,
    /// Memory slices of the GPU.
    pub grid: u8,
    /// Compute slices of the GPU.
    pub compute_slices: u8,
    /// The memory in the name of the largest profile, GiB.
    pub name_total_gib: u32,
    /// How far the placements were seen on a board.
    pub confidence: Seen,
    /// Where the table was read.
    pub source: String,
    /// The placements that were seen on hardware, where it is only some: `1g@0`.
    #[serde(default)]
    pub seen_on_hardware: Vec<String>,
    /// Media engines of the GPU, where instances share them out; none: they do not limit.
    #[serde(default)]
    pub engines: Option<Engines>,
    /// Instances that stand together only with a later driver than each needs.
    #[serde(default)]
    pub combinations: Vec<Combination>,
    /// The kinds of instance.
    pub slots: Vec<Slot>,
}

impl Slot {
    /// The profile's name on a board with `total` memory.
    ///
    /// The rule is go-nvlib's `getMigMemorySizeGB`: the instance's memory in eighths of the board's, rounded up, times the
    /// board's GiB, rounded up; the product rounded half away from zero. The eighths of an instance are those of its
    /// memory slices (a test holds this against every instance whose memory is known).
    #[must_use]
    pub fn name_on(&self, grid: u8, total: Bytes) -> Profile {
        let gib = total.0.div_ceil(1 << 30);
        let eighths = (8 * u64::from(self.size)).div_ceil(u64::from(grid.max(1)));
        let gb = u32::try_from((eighths.saturating_mul(gib)).saturating_add(4) / 8).unwrap_or(u32::MAX);
        Profile { part: None, compute: self.compute, gb, mark: self.documented.mark }
    }
}

impl Table {
    /// The slots without an attribute, by their place in [`Table::slots`].
    #[must_use]
    pub fn plain_slots(&self) -> Vec<usize> {
        (0..self.slots.len()).filter(|slot| self.slots[*slot].documented.mark.is_none()).collect()
    }

    /// The plain slots without those of double memory (the `1g` that takes two memory slices).
    #[must_use]
    pub fn base_slots(&self) -> Vec<usize> {
        let plain = self.plain_slots();
        let smaller =
            |slot: &Slot| plain.iter().any(|other| self.slots[*other].compute == slot.compute && self.slots[*other].size < slot.size);
        plain.iter().copied().filter(|slot| !smaller(&self.slots[*slot])).collect()
    }

    /// The slot that `profile` names on a board with `total` memory: same compute slices and attribute, and of these the
    /// one whose computed name is nearest, because drivers name the same instance differently (`3g.39gb`, `3g.40gb`).
    #[must_use]
    pub fn slot_named(&self, profile: &Profile, total: Bytes) -> Option<usize> {
        (0..self.slots.len())
            .filter(|slot| self.slots[*slot].compute == profile.compute && self.slots[*slot].documented.mark == profile.mark)
            .min_by_key(|slot| (self.slots[*slot].name_on(self.grid, total).gb.abs_diff(profile.gb), self.slots[*slot].size))
    }
}

/// Every table, in the order of the data file.
#[must_use]
pub fn tables() -> &'static [Table] {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        tables: Vec<Table>,
    }
    static ALL: OnceLock<Vec<Table>> = OnceLock::new();
    ALL.get_or_init(|| {
        let file: File = serde_json::from_str(include_str!("../../data/mig.json")).expect("bundled, and read by a test");
        file.tables
    })
}

/// The table called `name`.
#[must_use]
pub fn table(name: &str) -> Option<&'static Table> {
    tables().iter().find(|table| table.name == name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::catalogue;

    #[test]
    fn every_table_is_sane() {
        assert_eq!(tables().len(), 14);
        for table in tables() {
            assert!(table.grid <= 16, "{}: a layout's slices are kept in 16 bits", table.name);
            assert!(!table.source.is_empty() && !table.pci_device_ids.is_empty());
            assert_eq!(table.confidence == Seen::PartlyHardware, !table.seen_on_hardware.is_empty(), "{}", table.name);
            let placements: Vec<String> =
                table.slots.iter().flat_map(|slot| slot.starts.iter().map(|start| format!("{}g@{start}", slot.compute))).collect();
            let named = table.combinations.iter().flat_map(|combination| &combination.placements);
            assert!(named.chain(&table.seen_on_hardware).all(|name| placements.contains(name)), "{}", table.name);
            for slot in &table.slots {
                let name = format!("{} {}", table.name, slot.documented);
                assert_eq!(slot.documented.compute, slot.compute, "{name}");
                assert!(slot.compute >= 1 && slot.compute <= table.compute_slices && slot.max >= 1, "{name}");
                assert!(slot.starts.iter().all(|start| start + slot.size <= table.grid), "{name}");
                assert!(slot.starts.is_sorted() && slot.starts.len() >= usize::from(slot.max), "{name}");
                assert_eq!(8 * u32::from(slot.size) % u32::from(table.grid), 0, "{name}: not a number of eighths");
            }
            for board in &table.boards {
                let model = catalogue::find(board, Some(Bytes(u64::from(table.name_total_gib) << 30))).expect(board);
                assert_eq!(&model.mig.as_ref().expect(board).table, &table.name, "{board}");
            }
        }
    }

    /// The naming rule gives every name of every table, and the eighths of each known instance memory are its slices'.
    #[test]
    fn every_name_follows_from_the_memory() {
        for table in tables() {
            let model = catalogue::all().iter().find(|model| model.mig.as_ref().is_some_and(|key| key.table == table.name)).unwrap();
            let total = model.memory().unwrap();
            assert_eq!(total.0.div_ceil(1 << 30), u64::from(table.name_total_gib), "{}", table.name);
            for slot in &table.slots {
                assert_eq!(slot.name_on(table.grid, total), slot.documented, "{}", table.name);
                assert_eq!(table.slot_named(&slot.documented, total).map(|found| &table.slots[found]), Some(slot));
                if let Some(mib) = slot.memory_mib {
                    let eighths = (8 * mib).div_ceil(total.mib());
                    assert_eq!(eighths, u64::from(8 * slot.size / table.grid), "{} {}", table.name, slot.documented);
                }
            }
        }
    }

    #[test]
    fn the_same_die_has_other_names_with_other_memory() {
        let names = |table_name: &str, mib| {
            let table = table(table_name).unwrap();
            table
                .base_slots()
                .iter()
                .map(|slot| table.slots[*slot].name_on(table.grid, Bytes::from_mib(mib)).to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(names("GB200-186GB", 189_471), ["1g.23gb", "2g.47gb", "3g.93gb", "4g.93gb", "7g.186gb"]);
        assert_eq!(names("GB200-186GB", 193_536), ["1g.24gb", "2g.47gb", "3g.95gb", "4g.95gb", "7g.189gb"]);
        assert_eq!(names("GB300-278GB", 256_703), ["1g.31gb", "2g.63gb", "3g.126gb", "4g.126gb", "7g.251gb"]);
        // Old drivers report a little less.
        let a100 = table("A100-80GB").unwrap();
        let old = a100.slot_named(&Profile::parse("3g.39gb").unwrap(), Bytes::from_mib(81_920)).unwrap();
        assert_eq!(a100.slots[old].documented.to_string(), "3g.40gb");
    }
}
