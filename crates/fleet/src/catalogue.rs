//! The GPU models that Plimsoll knows, from `data/gpus.json`, and how the names in a cluster lead to them.
//!
//! A model is found by the driver's product name (as a node label or as DCGM writes it) and the memory that the board
//! reports: `NVIDIA-GB300` is one name for two boards, and the 480GB of `NVIDIA-GH200-480GB` are CPU memory. Memory is
//! never read out of a name.

use crate::{Bytes, mig, resource};
use serde::Deserialize;
use std::sync::OnceLock;

/// How sure a fact of the catalogue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Read in the named source.
    Verified,
    /// Common knowledge, second hand or inferred.
    Believed,
}

/// A fact with its source.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known<T> {
    /// The fact.
    pub value: T,
    /// How sure it is.
    pub confidence: Confidence,
    /// Where it was read.
    pub source: String,
}

/// Which MIG table a model has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigKey {
    /// The name of the table ([`mig::Table::name`]).
    pub table: String,
    /// The oldest driver branch with MIG on this model: 450 for R450.
    pub min_driver: u16,
    /// Do the table's SM figures hold for this model? Boards of one table can differ in SMs.
    pub sms_hold: bool,
}

/// A GPU model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuModel {
    /// The name for people: `A100 80 GB`.
    pub name: String,
    /// The beginnings of its product names, without the maker (`NVIDIA-`, `Tesla-`).
    pub labels: Known<Vec<String>>,
    /// Shorter names, some of them shared by several models; the memory then decides.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Memory that the board reports (`nvidia.com/gpu.memory`), MiB.
    pub memory_mib: Option<Known<u64>>,
    /// Streaming multiprocessors.
    pub sms: Option<Known<u32>>,
    /// Memory bandwidth, GB/s.
    #[serde(default)]
    pub bandwidth_gb_per_s: Option<Known<u32>>,
    /// Its MIG table; none: it has no MIG, or its table is not known.
    pub mig: Option<MigKey>,
}

/// Size classes of boards, by memory: what a work can be moved down to. The limits are the sizes at which the boards of
/// inference (up to 24 GB), of the middle (up to 48 GB) and of training part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Up to 24 GiB: T4, L4, A10, A30.
    Light,
    /// Up to 48 GiB: L40S, A100 40 GB.
    Middle,
    /// More.
    Large,
}

impl GpuModel {
    /// Memory of the board; none: not known.
    #[must_use]
    pub fn memory(&self) -> Option<Bytes> {
        self.memory_mib.as_ref().map(|known| Bytes::from_mib(known.value))
    }

    /// Streaming multiprocessors; none: not known.
    #[must_use]
    pub fn sm_count(&self) -> Option<u32> {
        self.sms.as_ref().map(|known| known.value)
    }

    /// Its size class; none: its memory is not known.
    #[must_use]
    pub fn tier(&self) -> Option<Tier> {
        Some(match self.memory()?.mib() {
            0..=24_576 => Tier::Light,
            24_577..=49_152 => Tier::Middle,
            _ => Tier::Large,
        })
    }

    /// How long a beginning of `base` is a name of this model.
    fn matched(&self, base: &str) -> Option<usize> {
        self.labels.value.iter().chain(&self.aliases).filter(|name| begins(base, name)).map(String::len).max()
    }

    /// Is `memory` that of this model, give or take an eighth?
    ///
    /// Drivers and mock boards differ by up to 7 %; a smaller part is a vGPU, or a board that is not known.
    fn is_of(&self, memory: Bytes) -> bool {
        self.memory().is_none_or(|own| own.0.abs_diff(memory.0) <= own.0 / 8)
    }
}

/// Every model, in the order of the data file.
#[must_use]
pub fn all() -> &'static [GpuModel] {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        gpus: Vec<GpuModel>,
    }
    static ALL: OnceLock<Vec<GpuModel>> = OnceLock::new();
    ALL.get_or_init(|| {
        let file: File = serde_json::from_str(include_str!("../data/gpus.json")).expect("bundled, and read by a test");
        file.gpus
    })
}

/// What a product label says: the model's name, and the suffixes for MIG (single strategy) and sharing.
///
/// Source: k8s-device-plugin `internal/lm`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product<'a> {
    /// The product name alone: `NVIDIA-A100-SXM4-80GB`.
    pub base: &'a str,
    /// The profile of every slice (`-MIG-1g.10gb`). The label `nvidia.com/gpu.memory` is then that of a slice: see [`board_memory`].
    pub profile: Option<String>,
    /// The layout does not fit the single strategy (`-MIG-INVALID`): the node offers nothing and its memory label reads 0.
    pub invalid: bool,
    /// The GPUs or slices are advertised more than once under their own name (`-SHARED`).
    pub shared: bool,
}

/// Parts a product label (`nvidia.com/gpu.product`) into the model's name and its suffixes.
#[must_use]
pub fn normalise_product(label: &str) -> Product<'_> {
    let label = label.trim();
    let (label, shared) = label.strip_suffix("-SHARED").map_or((label, false), |rest| (rest, true));
    let (base, suffix) = label.split_once("-MIG-").map_or((label, None), |(base, suffix)| (base, Some(suffix)));
    let invalid = suffix == Some("INVALID");
    let profile = suffix.filter(|_| !invalid).map(resource::mig_profile);
    Product { base, profile, invalid, shared }
}

/// The model behind a product name, as a label (`NVIDIA-H100-80GB-HBM3`, with or without suffixes) or as DCGM and DRA
/// write it (`NVIDIA H100 80GB HBM3`).
///
/// The longest known beginning wins; among models of one name, the one whose memory is nearest to `memory` (without a
/// `memory`: the first of the data file). Where `memory` is further than an eighth from all of them it is a part of a GPU
/// (vGPU) or a board that is not known: none.
#[must_use]
pub fn find(product: &str, memory: Option<Bytes>) -> Option<&'static GpuModel> {
    let mut named = named(normalise_product(product).base);
    match memory.filter(|memory| !memory.is_zero()) {
        None => named.next(),
        Some(memory) => named
            .filter(|model| model.is_of(memory))
            // A model without a memory comes last; `min_by_key` keeps the first of equals.
            .min_by_key(|model| model.memory().map_or(u64::MAX, |own| own.0.abs_diff(memory.0))),
    }
}

/// Memory of one physical GPU of a node whose labels say `product` and `reported`.
///
/// On nodes of the MIG single strategy the memory label is that of a slice, and 0 for an invalid layout: there the
/// catalogue answers, by the board on which the profile has this name. None: not known.
#[must_use]
pub fn board_memory(product: &str, reported: Option<Bytes>) -> Option<Bytes> {
    let product = normalise_product(product);
    let reported = reported.filter(|memory| !memory.is_zero());
    match &product.profile {
        Some(profile) => named(product.base)
            .find(|model| mig::profiles_of_model(model).iter().any(|known| known.name == *profile))
            .or_else(|| named(product.base).next())
            .and_then(GpuModel::memory),
        None if product.invalid => named(product.base).next().and_then(GpuModel::memory),
        None => reported.or_else(|| named(product.base).next().and_then(GpuModel::memory)),
    }
}

/// The models with the longest known beginning of `base`, in the order of the data file.
fn named(base: &str) -> impl Iterator<Item = &'static GpuModel> {
    let base = ["NVIDIA", "Tesla"]
        .iter()
        .fold(base, |base, maker| if begins(base, maker) { base.get(maker.len() + 1..).unwrap_or("") } else { base });
    let mut longest = 1;
    let mut models = Vec::new();
    for (model, length) in all().iter().filter_map(|model| Some((model, model.matched(base)?))) {
        if length > longest {
            longest = length;
            models.clear();
        }
        if length == longest {
            models.push(model);
        }
    }
    models.into_iter()
}

/// Is `beginning` a beginning of `name` that ends where a word ends? Case does not count; space and hyphen are one.
fn begins(name: &str, beginning: &str) -> bool {
    let (name, beginning) = (name.as_bytes(), beginning.as_bytes());
    let same = |a: u8, b: u8| a.eq_ignore_ascii_case(&b) || (matches!(a, b' ' | b'-') && matches!(b, b' ' | b'-'));
    name.len() >= beginning.len()
        && name.iter().zip(beginning).all(|(a, b)| same(*a, *b))
        && name.get(beginning.len()).is_none_or(|next| matches!(next, b' ' | b'-'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn name_of(product: &str, mib: u64) -> Option<&'static str> {
        find(product, (mib > 0).then(|| Bytes::from_mib(mib))).map(|model| model.name.as_str())
    }

    #[test]
    fn every_model_is_sane_and_found_by_its_own_names() {
        assert!(all().len() >= 25);
        for model in all() {
            assert!(!model.labels.value.is_empty() && !model.labels.source.is_empty(), "{}", model.name);
            assert!(model.memory_mib.as_ref().is_none_or(|known| (8_192..1 << 20).contains(&known.value)), "{}", model.name);
            assert!(model.sms.as_ref().is_none_or(|known| (16..512).contains(&known.value)), "{}", model.name);
            if let Some(key) = &model.mig {
                assert!(mig::table(&key.table).is_some(), "{} names the MIG table {}, which does not exist", model.name, key.table);
            }
            for label in &model.labels.value {
                for product in
                    [format!("NVIDIA-{label}"), format!("NVIDIA {}", label.replace('-', " ")), format!("Tesla-{label}-MIG-1g.5gb-SHARED")]
                {
                    assert_eq!(find(&product, model.memory()), Some(model), "{product}");
                }
            }
        }
    }

    /// The traps of product names.
    #[test]
    fn names_lead_to_the_right_board() {
        for (product, mib, name) in [
            ("Tesla-T4", 15_360, "T4"),
            ("Tesla T4", 0, "T4"),
            ("NVIDIA-A10G", 23_028, "A10G"),
            ("NVIDIA-A10", 0, "A10"),
            ("NVIDIA-L4", 23_034, "L4"),
            ("NVIDIA-L40S", 46_068, "L40S"),
            ("Tesla-V100-FHHL-16GB", 16_384, "V100 16 GB"),
            ("NVIDIA-A100-SXM4-80GB-MIG-3g.40gb", 81_920, "A100 80 GB"),
            ("A100-SXM4-40GB-MIG-1g.5gb-SHARED", 0, "A100 40 GB"),
            ("NVIDIA-A100-80GB-PCIe", 81_920, "A100 80 GB"),
            ("NVIDIA-H100-80GB-HBM3", 81_559, "H100 SXM5 80 GB"),
            ("NVIDIA-H100-PCIe", 81_559, "H100 PCIe 80 GB"),
            ("NVIDIA H100 NVL", 95_830, "H100 NVL 94 GB"),
            ("NVIDIA-H200", 143_771, "H200 141 GB"),
            ("NVIDIA-H200-NVL", 143_771, "H200 NVL 141 GB"),
            ("NVIDIA-H20", 97_871, "H20 96 GB"),
            ("NVIDIA-GH200-480GB", 97_871, "GH200 96 GB"),
            ("NVIDIA-GH200-144G-HBM3e", 146_831, "GH200 144 GB"),
            ("NVIDIA-B300-SXM6-AC", 275_040, "B300 269 GB"),
            ("NVIDIA-B300-SXM6-PC", 275_040, "B300 269 GB"),
            ("NVIDIA-GB300", 284_208, "GB300 278 GB"),
            ("NVIDIA-GB300", 256_703, "GB300 251 GB (DGX Station)"),
            ("NVIDIA-GB300", 0, "GB300 278 GB"),
            ("NVIDIA-GB200", 189_471, "GB200 186 GB"),
            ("NVIDIA-B200", 196_608, "B200 180 GB"),
            ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", 97_887, "RTX PRO 6000 Blackwell 96 GB"),
        ] {
            assert_eq!(name_of(product, mib), Some(name), "{product} with {mib} MiB");
        }
    }

    /// Clouds have labels of their own: `cloud.google.com/gke-accelerator`, `karpenter.k8s.aws/instance-gpu-name`.
    #[test]
    fn the_clouds_own_spellings_are_known() {
        for (product, mib, name) in [
            ("nvidia-tesla-t4", 0, "T4"),
            ("nvidia-tesla-a100", 0, "A100 40 GB"),
            ("nvidia-a100-80gb", 0, "A100 80 GB"),
            ("nvidia-h100-mega-80gb", 0, "H100 SXM5 80 GB"),
            ("nvidia-h200-141gb", 0, "H200 141 GB"),
            ("nvidia-rtx-pro-6000", 0, "RTX PRO 6000 Blackwell 96 GB"),
            ("a100", 81_920, "A100 80 GB"),
            ("a10g", 24_576, "A10G"),
            ("l40s", 49_152, "L40S"),
        ] {
            assert_eq!(name_of(product, mib), Some(name), "{product} with {mib} MiB");
        }
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        for (product, mib) in [
            ("NVIDIA-A10-4Q", 4_096),
            ("NVIDIA-A100-SXM-64GB", 65_536),
            ("G2", 0),
            ("NVIDIA-A1000", 0),
            ("AMD-MI300X", 0),
            ("", 0),
            ("NVIDIA-", 0),
        ] {
            assert_eq!(name_of(product, mib), None, "{product} with {mib} MiB");
        }
    }

    #[test]
    fn a_label_of_the_single_strategy_tells_of_slices() {
        let product = normalise_product("NVIDIA-A100-SXM4-80GB-MIG-1g.10gb.me-SHARED");
        assert_eq!(product, Product { base: "NVIDIA-A100-SXM4-80GB", profile: Some("1g.10gb+me".into()), invalid: false, shared: true });
        let product = normalise_product("NVIDIA-A30-MIG-INVALID");
        assert_eq!(product, Product { base: "NVIDIA-A30", profile: None, invalid: true, shared: false });

        assert_eq!(board_memory("NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", Some(Bytes::from_mib(9_856))), Some(Bytes::from_mib(81_920)));
        assert_eq!(board_memory("NVIDIA-GB300-MIG-1g.31gb", Some(Bytes::from_mib(28_000))), Some(Bytes::from_mib(256_703)));
        assert_eq!(board_memory("NVIDIA-A30-MIG-INVALID", Some(Bytes::ZERO)), Some(Bytes::from_mib(24_576)));
        assert_eq!(board_memory("NVIDIA-B200", Some(Bytes::from_mib(196_608))), Some(Bytes::from_mib(196_608)));
        assert_eq!(board_memory("Quadro-RTX-8000", None), None);
    }

    proptest! {
        #[test]
        fn no_label_panics(label in ".{0,40}", tail in "(-MIG-)?(INVALID)?(-SHARED)?", mib in any::<u64>()) {
            let label = format!("{label}{tail}");
            let _ = (find(&label, Some(Bytes(mib))), board_memory(&label, Some(Bytes(mib))), normalise_product(&label));
        }
    }
}
