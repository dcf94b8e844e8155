//! The names of DCGM's metrics in both dialects, their units, and which values are no values at all.
//!
//! Sources: DCGM 4.6.0 and 4.6.1 `dcgm_fields.h`, dcgm-exporter `etc/default-counters.csv` (4.8.2 and 4.8.4), the
//! go-dcgm test of base-unit fields (2026), the release text of dcgm-exporter 4.9.0.

use plimsoll_fleet::{
    Metric,
    evidence::{Dialect, Dropped},
};

/// What all names of DCGM's fields begin with.
pub const PREFIX: &str = "DCGM_FI_";

/// In which unit a name's values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// The unit that a sketch keeps: a ratio of 0 to 1, bytes, watts.
    Base,
    /// 0 to 100.
    Percent,
    /// Mebibytes.
    Mib,
    /// Percent up to DCGM 4.6, a ratio from 4.7: the name alone does not say. See [`decide_ratio`].
    PercentOrRatio,
}

impl Unit {
    /// `value` in base units. What is not decided is taken as a ratio.
    #[must_use]
    pub fn to_base(self, value: f64) -> f64 {
        match self {
            Self::Base | Self::PercentOrRatio => value,
            Self::Percent => value / 100.0,
            Self::Mib => value * 1_048_576.0,
        }
    }
}

/// A part of a GPU's framebuffer. Free, used and reserved add up to the memory of the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// All of it.
    Capacity,
    /// Not held by anybody.
    Free,
    /// Held by the driver.
    Reserved,
}

/// What a name is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A gauge that is sketched.
    Gauge(Metric),
    /// A part of the framebuffer, to learn the board's memory.
    Memory(Part),
    /// Understood, and not needed: clocks, temperatures, errors.
    Unused,
}

/// A name that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The name as the exporter writes it.
    pub name: &'static str,
    /// What it is for.
    pub role: Role,
    /// The unit of its values.
    pub unit: Unit,
    /// The dialect that it gives away; none: both have it.
    pub dialect: Option<Dialect>,
}

const fn old(name: &'static str, role: Role, unit: Unit) -> Known {
    Known { name, role, unit, dialect: Some(Dialect::Classic) }
}

const fn new(name: &'static str, role: Role, unit: Unit) -> Known {
    Known { name, role, unit, dialect: Some(Dialect::BaseUnits) }
}

use Role::{Gauge, Memory};
use Unit::{Base, Mib, Percent, PercentOrRatio};

/// The names that are read.
pub const READ: &[Known] = &[
    old("DCGM_FI_DEV_GPU_UTIL", Gauge(Metric::GpuUtil), Percent),
    new("DCGM_FI_DEV_GPU_UTIL_RATIO", Gauge(Metric::GpuUtil), PercentOrRatio),
    old("DCGM_FI_DEV_MEM_COPY_UTIL", Gauge(Metric::MemCopyUtil), Percent),
    new("DCGM_FI_DEV_MEMORY_UTIL_RATIO", Gauge(Metric::MemCopyUtil), Base),
    old("DCGM_FI_PROF_GR_ENGINE_ACTIVE", Gauge(Metric::EngineActive), Base),
    new("DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO", Gauge(Metric::EngineActive), Base),
    old("DCGM_FI_PROF_SM_ACTIVE", Gauge(Metric::SmActive), Base),
    new("DCGM_FI_PROF_SM_UTIL_RATIO", Gauge(Metric::SmActive), Base),
    old("DCGM_FI_PROF_SM_OCCUPANCY", Gauge(Metric::SmOccupancy), Base),
    new("DCGM_FI_PROF_SM_OCCUPANCY_RATIO", Gauge(Metric::SmOccupancy), Base),
    old("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", Gauge(Metric::TensorActive), Base),
    new("DCGM_FI_PROF_TENSOR_UTIL_RATIO", Gauge(Metric::TensorActive), Base),
    old("DCGM_FI_PROF_DRAM_ACTIVE", Gauge(Metric::DramActive), Base),
    new("DCGM_FI_PROF_DRAM_UTIL_RATIO", Gauge(Metric::DramActive), Base),
    old("DCGM_FI_DEV_FB_USED", Gauge(Metric::MemoryUsed), Mib),
    new("DCGM_FI_DEV_FB_USED_BYTES", Gauge(Metric::MemoryUsed), Base),
    old("DCGM_FI_DEV_POWER_USAGE", Gauge(Metric::Power), Base),
    new("DCGM_FI_DEV_BOARD_POWER_WATTS", Gauge(Metric::Power), Base),
    old("DCGM_FI_DEV_FB_TOTAL", Memory(Part::Capacity), Mib),
    new("DCGM_FI_DEV_FB_CAPACITY_BYTES", Memory(Part::Capacity), Base),
    old("DCGM_FI_DEV_FB_FREE", Memory(Part::Free), Mib),
    new("DCGM_FI_DEV_FB_FREE_BYTES", Memory(Part::Free), Base),
    old("DCGM_FI_DEV_FB_RESERVED", Memory(Part::Reserved), Mib),
    new("DCGM_FI_DEV_FB_RESERVED_BYTES", Memory(Part::Reserved), Base),
];

/// Names of the classic dialect that are understood and not needed.
const UNUSED_CLASSIC: &[&str] = &[
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
    "DCGM_FI_DEV_DEC_UTIL",
    "DCGM_FI_DEV_ENC_UTIL",
    "DCGM_FI_DEV_ENFORCED_POWER_LIMIT",
    "DCGM_FI_DEV_FB_USED_PERCENT",
    "DCGM_FI_DEV_GPU_TEMP",
    "DCGM_FI_DEV_MEMORY_TEMP",
    "DCGM_FI_DEV_MEM_CLOCK",
    "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
    "DCGM_FI_DEV_NVLINK_THROUGHPUT_TOTAL",
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
    "DCGM_FI_DEV_POWER_MGMT_LIMIT",
    "DCGM_FI_DEV_ROW_REMAP_FAILURE",
    "DCGM_FI_DEV_SM_CLOCK",
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
    "DCGM_FI_DEV_XID_ERRORS",
    "DCGM_FI_PROF_PIPE_FP16_ACTIVE",
    "DCGM_FI_PROF_PIPE_FP32_ACTIVE",
    "DCGM_FI_PROF_PIPE_FP64_ACTIVE",
];

/// Names of the dialect of base units that are understood and not needed.
const UNUSED_BASE: &[&str] = &[
    "DCGM_FI_DEV_BOARD_POWER_LIMIT_ENFORCED_WATTS",
    "DCGM_FI_DEV_BOARD_POWER_LIMIT_REQUESTED_WATTS",
    "DCGM_FI_DEV_DEC_UTIL_RATIO",
    "DCGM_FI_DEV_ENC_UTIL_RATIO",
    "DCGM_FI_DEV_FB_USED_RATIO",
    "DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL",
    "DCGM_FI_DEV_GPU_TEMP_CELSIUS",
    "DCGM_FI_DEV_MEMORY_CLOCK_HERTZ",
    "DCGM_FI_DEV_MEMORY_TEMP_CELSIUS",
    "DCGM_FI_DEV_NVLINK_THROUGHPUT_BYTES_PER_SECOND",
    "DCGM_FI_DEV_PCIE_REPLAY_TOTAL",
    "DCGM_FI_DEV_ROW_REMAP_CORRECTABLE_TOTAL",
    "DCGM_FI_DEV_ROW_REMAP_FAILED",
    "DCGM_FI_DEV_ROW_REMAP_UNCORRECTABLE_TOTAL",
    "DCGM_FI_DEV_SM_CLOCK_HERTZ",
    "DCGM_FI_DEV_XID_ERROR",
    "DCGM_FI_PROF_FP16_UTIL_RATIO",
    "DCGM_FI_PROF_FP32_UTIL_RATIO",
    "DCGM_FI_PROF_FP64_UTIL_RATIO",
];

/// Names that both dialects have, and that are not needed. Those that end in `_` stand for all that begin so.
const UNUSED_BOTH: &[&str] = &[
    "DCGM_FI_DEV_BOARD_LIMIT_VIOLATION",
    "DCGM_FI_DEV_CLOCKS_EVENT_REASONS",
    "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS",
    "DCGM_FI_DEV_ECC_",
    "DCGM_FI_DEV_LOW_UTIL_VIOLATION",
    "DCGM_FI_DEV_NVLINK_BANDWIDTH_L",
    "DCGM_FI_DEV_NVLINK_CRC_",
    "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL",
    "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL",
    "DCGM_FI_DEV_POWER_VIOLATION",
    "DCGM_FI_DEV_RELIABILITY_VIOLATION",
    "DCGM_FI_DEV_RETIRED_",
    "DCGM_FI_DEV_SYNC_BOOST_VIOLATION",
    "DCGM_FI_DEV_THERMAL_VIOLATION",
    "DCGM_FI_DEV_VGPU_LICENSE_STATUS",
    "DCGM_FI_PROF_NVLINK_",
    "DCGM_FI_PROF_PCIE_RX_BYTES",
    "DCGM_FI_PROF_PCIE_TX_BYTES",
];

/// Names that exist only from DCGM 4.7 on: beside them, `GPU_UTIL_RATIO` is a ratio.
const ONLY_FROM_4_7: &[&str] = &[
    "DCGM_FI_DEV_DEC_UTIL_RATIO",
    "DCGM_FI_DEV_ENC_UTIL_RATIO",
    "DCGM_FI_DEV_FB_CAPACITY_BYTES",
    "DCGM_FI_DEV_FB_FREE_BYTES",
    "DCGM_FI_DEV_FB_RESERVED_BYTES",
    "DCGM_FI_DEV_FB_USED_BYTES",
    "DCGM_FI_DEV_MEMORY_UTIL_RATIO",
    "DCGM_FI_DEV_NVLINK_THROUGHPUT_BYTES_PER_SECOND",
];

/// The one name whose unit it does not tell.
pub const AMBIGUOUS: &str = "DCGM_FI_DEV_GPU_UTIL_RATIO";

/// What `name` is, if it is understood.
#[must_use]
pub fn known(name: &str) -> Option<Known> {
    if let Some(known) = READ.iter().find(|known| known.name == name) {
        return Some(*known);
    }
    let unused = |names: &'static [&'static str], dialect| {
        let found = names.iter().find(|known| **known == name || (known.ends_with(['_', 'L']) && name.starts_with(**known)))?;
        Some(Known { name: found, role: Role::Unused, unit: Unit::Base, dialect })
    };
    unused(UNUSED_CLASSIC, Some(Dialect::Classic))
        .or_else(|| unused(UNUSED_BASE, Some(Dialect::BaseUnits)))
        .or_else(|| unused(UNUSED_BOTH, None))
}

/// How the unit of `GPU_UTIL_RATIO` was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RatioRule {
    /// Its description says so.
    Help,
    /// A name beside it exists only from DCGM 4.7 on.
    Neighbour,
    /// Nothing says; a ratio is assumed until a value exceeds 1.
    Assumed,
}

/// The unit of `GPU_UTIL_RATIO` from its `# HELP` texts and from the names beside it. A value above 1 overrules both.
#[must_use]
pub fn decide_ratio<'a>(helps: impl IntoIterator<Item = &'a str>, names: impl IntoIterator<Item = &'a str>) -> (Unit, RatioRule) {
    let (mut percent, mut ratio) = (false, false);
    for help in helps {
        let help = help.to_ascii_lowercase();
        if help.contains('%') || help.contains("percent") {
            percent = true;
        } else if ["ratio", "fraction", "0-1", "0..1", "0.0-1.0", "0 to 1"].iter().any(|hint| help.contains(hint)) {
            ratio = true;
        }
    }
    if percent != ratio {
        return (if percent { Percent } else { Base }, RatioRule::Help);
    }
    if names.into_iter().any(|name| ONLY_FROM_4_7.contains(&name)) {
        return (Base, RatioRule::Neighbour);
    }
    (PercentOrRatio, RatioRule::Assumed)
}

/// The integers that mean blank, not found, not supported and not permitted are 9223372036854775792 and the three that
/// follow; as floating point they are all above this (go-dcgm `const.go`).
pub(crate) const BLANK_FROM: f64 = 9.2e18;
/// The first of the four floats that mean the same (2^47).
const BLANK_FLOAT: f64 = 140_737_488_355_328.0;
/// The first of the four 32-bit integers that mean the same.
const BLANK_32: f64 = 2_147_483_632.0;

/// Is `value`, as the exporter wrote it, one of DCGM's words for "no value"?
///
/// The 32-bit ones are true values for a field that counts bytes.
#[must_use]
pub fn is_blank(known: Known, value: f64) -> bool {
    let counts_bytes = known.unit == Base && matches!(known.role, Memory(_) | Gauge(Metric::MemoryUsed));
    let is_one_of = |first: f64| value >= first && value <= first + 3.0 && value.fract() == 0.0;
    value >= BLANK_FROM || is_one_of(BLANK_FLOAT) || (!counts_bytes && is_one_of(BLANK_32))
}

/// `value` in base units, if it is a value; else it is counted in `dropped`.
pub fn clean(known: Known, unit: Unit, value: f64, dropped: &mut Dropped) -> Option<f64> {
    if is_blank(known, value) && value.is_finite() {
        dropped.sentinel += 1;
        return None;
    }
    if !value.is_finite() {
        dropped.not_finite += 1;
        return None;
    }
    if value < 0.0 {
        dropped.negative += 1;
        return None;
    }
    let value = unit.to_base(value);
    if value > 1.0 && matches!(known.role, Gauge(metric) if metric.is_ratio()) {
        dropped.above_one += 1;
        return None;
    }
    Some(value)
}

/// The line that makes the exporter send `metric`, for its list of counters.
#[must_use]
pub fn counters_line(metric: Metric, dialect: Dialect) -> String {
    let name = READ
        .iter()
        .find(|known| known.role == Gauge(metric) && known.dialect == Some(dialect))
        .map_or("DCGM_FI_DEV_GPU_UTIL", |known| known.name);
    let help = match metric {
        Metric::GpuUtil => "GPU utilization.",
        Metric::EngineActive => "Ratio of time the graphics engine is active.",
        Metric::SmActive => "The ratio of cycles an SM has at least 1 warp assigned.",
        Metric::SmOccupancy => "The ratio of number of warps resident on an SM.",
        Metric::TensorActive => "Ratio of cycles the tensor (HMMA) pipe is active.",
        Metric::DramActive => "Ratio of cycles the device memory interface is active sending or receiving data.",
        Metric::MemCopyUtil => "Memory utilization.",
        Metric::MemoryUsed => "Framebuffer memory used.",
        Metric::Power => "Power draw (in W).",
    };
    format!("{name}, gauge, {help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Known {
        known(name).expect("a known name")
    }

    #[test]
    fn both_dialects_end_in_the_same_unit() {
        let same = |old: &str, old_value, new: &str, new_value| {
            let mut dropped = Dropped::default();
            let a = clean(of(old), of(old).unit, old_value, &mut dropped);
            assert_eq!(a, clean(of(new), of(new).unit, new_value, &mut dropped), "{old} and {new}");
            assert!(a.is_some());
        };
        same("DCGM_FI_DEV_MEM_COPY_UTIL", 7.0, "DCGM_FI_DEV_MEMORY_UTIL_RATIO", 0.07);
        same("DCGM_FI_DEV_FB_USED", 4384.0, "DCGM_FI_DEV_FB_USED_BYTES", 4_596_957_184.0);
        same("DCGM_FI_DEV_POWER_USAGE", 112.3, "DCGM_FI_DEV_BOARD_POWER_WATTS", 112.3);
    }

    #[test]
    fn what_is_no_value_is_dropped_and_counted() {
        let mut dropped = Dropped::default();
        let (util, bytes) = (of("DCGM_FI_DEV_GPU_UTIL"), of("DCGM_FI_DEV_FB_USED_BYTES"));
        for blank in [9_223_372_036_854_775_792_f64, 9_223_372_036_854_775_794_f64, 140_737_488_355_330.0, 2_147_483_635.0] {
            assert_eq!(clean(util, util.unit, blank, &mut dropped), None, "{blank}");
        }
        assert_eq!(dropped.sentinel, 4);
        assert_eq!(clean(bytes, bytes.unit, 2_147_483_632.0, &mut dropped), Some(2_147_483_632.0), "2 GiB held is a true value");
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(clean(util, util.unit, value, &mut dropped), None);
        }
        assert_eq!(clean(util, util.unit, -1.0, &mut dropped), None);
        assert_eq!(clean(util, util.unit, 101.0, &mut dropped), None);
        assert_eq!((dropped.not_finite, dropped.negative, dropped.above_one), (3, 1, 1));
        assert_eq!(clean(util, util.unit, 100.0, &mut dropped), Some(1.0));
    }

    #[test]
    fn the_ambiguous_ratio_is_decided_by_description_then_by_neighbours() {
        assert_eq!(decide_ratio(["GPU utilization (in %)."], ["DCGM_FI_DEV_FB_USED_BYTES"]), (Percent, RatioRule::Help));
        assert_eq!(decide_ratio(["GPU utilization ratio (0.0-1.0)."], []), (Base, RatioRule::Help));
        assert_eq!(decide_ratio([], ["DCGM_FI_DEV_FB_USED_BYTES"]), (Base, RatioRule::Neighbour));
        assert_eq!(decide_ratio(["GPU utilization."], ["DCGM_FI_DEV_SM_CLOCK_HERTZ"]), (PercentOrRatio, RatioRule::Assumed));
    }

    #[test]
    fn unknown_names_are_not_understood_and_known_ones_are() {
        assert_eq!(known("DCGM_FI_DEV_WHATEVER_RATIO"), None);
        assert_eq!(of("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL").role, Role::Unused);
        assert_eq!(of("DCGM_FI_DEV_NVLINK_BANDWIDTH_L0").dialect, None);
        assert_eq!(of("DCGM_FI_DEV_SM_CLOCK").dialect, Some(Dialect::Classic));
    }
}
