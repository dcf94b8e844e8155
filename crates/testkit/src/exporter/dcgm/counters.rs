//! The exporter's metrics: the default counter list, and `PROF_SM_ACTIVE`.
//!
//! Old names, types and help texts: dcgm-exporter `etc/default-counters.csv` at 4.8.2. New names and units: the release text of
//! 4.9.0 and the field headers of DCGM 4.6.1 and 4.7. The help texts of the new names are made after the pattern of the one
//! that was seen (`Framebuffer memory used (in bytes).`).

use crate::exporter::Load;
use plimsoll_fleet::{Bytes, Timestamp};

/// On which rows a metric is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// On whole GPUs and on MIG slices.
    All,
    /// On whole GPUs alone.
    WholeOnly,
}

/// A metric.
pub(super) struct Counter {
    /// Its name up to 4.8.
    pub(super) old: &'static str,
    /// Its name from 4.9 on.
    pub(super) new: &'static str,
    pub(super) kind: &'static str,
    pub(super) help: &'static str,
    pub(super) new_help: &'static str,
    /// From the old unit to the new one.
    pub(super) factor: f64,
    pub(super) rows: Rows,
    /// Is it back-filled?
    pub(super) history: bool,
    /// Its value in the old unit.
    pub(super) value: fn(&Reading) -> f64,
}

/// What a device does at a moment.
pub(super) struct Reading {
    util: f64,
    engine: f64,
    sm: f64,
    tensor: f64,
    dram: f64,
    used_mib: f64,
    total_mib: f64,
    reserved_mib: f64,
    at: Timestamp,
}

impl Reading {
    /// Several loads on one device: together, at most all of it.
    pub(super) fn of<'a>(loads: impl Iterator<Item = &'a Load>, memory: Bytes, at: Timestamp) -> Self {
        let mut sums = [0.0; 6];
        for load in loads {
            let waves = [load.util, load.engine, load.sm, load.tensor, load.dram, load.memory];
            sums.iter_mut().zip(waves).for_each(|(sum, wave)| *sum += wave.at(at));
        }
        let [util, engine, sm, tensor, dram, used] = sums.map(|sum| sum.clamp(0.0, 1.0));
        let total_mib = memory.mib() as f64;
        // The driver keeps a little for itself.
        let reserved_mib = (total_mib * 0.008).round();
        let used_mib = (used * total_mib).round().min(total_mib - reserved_mib);
        Self { util, engine, sm, tensor, dram, used_mib, total_mib, reserved_mib, at }
    }

    /// Draw of a board that takes 70 W at rest and 400 W at work.
    fn watts(&self) -> f64 {
        ((70.0 + 330.0 * self.engine) * 1000.0).round() / 1000.0
    }
}

/// A metric in all of its properties; the last word says whether it is back-filled.
macro_rules! counter {
    ($old:literal / $new:literal, $kind:literal, $help:literal / $new_help:literal, x $factor:literal, $rows:ident, $history:literal, $value:expr) => {
        Counter {
            old: concat!("DCGM_FI_", $old),
            new: concat!("DCGM_FI_", $new),
            kind: $kind,
            help: $help,
            new_help: $new_help,
            factor: $factor,
            rows: Rows::$rows,
            history: $history,
            value: $value,
        }
    };
    ($old:literal / $new:literal, $kind:literal, $help:literal, $rows:ident, $history:literal, $value:expr) => {
        counter!($old / $new, $kind, $help / $help, x 1.0, $rows, $history, $value)
    };
}

#[rustfmt::skip]
pub(super) const COUNTERS: &[Counter] = &[
    counter!("DEV_SM_CLOCK" / "DEV_SM_CLOCK_HERTZ", "gauge", "SM clock frequency (in MHz)." / "SM clock frequency (in hertz).", x 1e6, All, false, |_| 1410.0),
    counter!("DEV_MEM_CLOCK" / "DEV_MEMORY_CLOCK_HERTZ", "gauge", "Memory clock frequency (in MHz)." / "Memory clock frequency (in hertz).", x 1e6, All, false, |_| 1215.0),
    counter!("DEV_MEMORY_TEMP" / "DEV_MEMORY_TEMP_CELSIUS", "gauge", "Memory temperature (in C).", All, false, |_| 45.0),
    counter!("DEV_GPU_TEMP" / "DEV_GPU_TEMP_CELSIUS", "gauge", "GPU temperature (in C).", All, false, |now| (35.0 + 35.0 * now.engine).round()),
    counter!("DEV_POWER_USAGE" / "DEV_BOARD_POWER_WATTS", "gauge", "Power draw (in W).", All, true, Reading::watts),
    counter!("DEV_TOTAL_ENERGY_CONSUMPTION" / "DEV_GPU_ENERGY_JOULES_TOTAL", "counter", "Total energy consumption since boot (in mJ)." / "Total energy consumption since boot (in joules).", x 1e-3, All, false, |now| now.at.0 as f64 * 100_000.0),
    counter!("DEV_PCIE_REPLAY_COUNTER" / "DEV_PCIE_REPLAY_TOTAL", "counter", "Total number of PCIe retries.", All, false, |_| 0.0),
    counter!("DEV_GPU_UTIL" / "DEV_GPU_UTIL_RATIO", "gauge", "GPU utilization (in %)." / "GPU utilization (as a ratio from 0 to 1).", x 1e-2, WholeOnly, true, |now| (now.util * 100.0).round()),
    counter!("DEV_MEM_COPY_UTIL" / "DEV_MEMORY_UTIL_RATIO", "gauge", "Memory utilization (in %)." / "Memory utilization (as a ratio from 0 to 1).", x 1e-2, WholeOnly, true, |now| (now.dram * 100.0).round()),
    counter!("DEV_ENC_UTIL" / "DEV_ENC_UTIL_RATIO", "gauge", "Encoder utilization (in %)." / "Encoder utilization (as a ratio from 0 to 1).", x 1e-2, WholeOnly, false, |_| 0.0),
    counter!("DEV_DEC_UTIL" / "DEV_DEC_UTIL_RATIO", "gauge", "Decoder utilization (in %)." / "Decoder utilization (as a ratio from 0 to 1).", x 1e-2, WholeOnly, false, |_| 0.0),
    counter!("DEV_XID_ERRORS" / "DEV_XID_ERROR", "gauge", "Value of the last XID error encountered.", All, false, |_| 0.0),
    counter!("DEV_FB_TOTAL" / "DEV_FB_CAPACITY_BYTES", "gauge", "Total framebuffer memory (in MiB)." / "Total framebuffer memory (in bytes).", x 1_048_576.0, All, true, |now| now.total_mib),
    counter!("DEV_FB_FREE" / "DEV_FB_FREE_BYTES", "gauge", "Framebuffer memory free (in MiB)." / "Framebuffer memory free (in bytes).", x 1_048_576.0, All, true, |now| now.total_mib - now.used_mib - now.reserved_mib),
    counter!("DEV_FB_USED" / "DEV_FB_USED_BYTES", "gauge", "Framebuffer memory used (in MiB)." / "Framebuffer memory used (in bytes).", x 1_048_576.0, All, true, |now| now.used_mib),
    counter!("DEV_FB_RESERVED" / "DEV_FB_RESERVED_BYTES", "gauge", "Framebuffer memory reserved (in MiB)." / "Framebuffer memory reserved (in bytes).", x 1_048_576.0, All, true, |now| now.reserved_mib),
    counter!("DEV_NVLINK_BANDWIDTH_TOTAL" / "DEV_NVLINK_THROUGHPUT_BYTES_PER_SECOND", "gauge", "Total number of NVLink bandwidth counters for all lanes." / "NVLink throughput for all lanes (in bytes per second).", x 1_024_000.0, All, false, |now| (now.tensor * 20_000.0).round()),
    counter!("DEV_VGPU_LICENSE_STATUS" / "DEV_VGPU_LICENSE_STATUS", "gauge", "vGPU License status", WholeOnly, false, |_| 0.0),
    counter!("DEV_UNCORRECTABLE_REMAPPED_ROWS" / "DEV_ROW_REMAP_UNCORRECTABLE_TOTAL", "counter", "Number of remapped rows for uncorrectable errors", WholeOnly, false, |_| 0.0),
    counter!("DEV_CORRECTABLE_REMAPPED_ROWS" / "DEV_ROW_REMAP_CORRECTABLE_TOTAL", "counter", "Number of remapped rows for correctable errors", WholeOnly, false, |_| 0.0),
    counter!("DEV_ROW_REMAP_FAILURE" / "DEV_ROW_REMAP_FAILED", "gauge", "Whether remapping of rows has failed", WholeOnly, false, |_| 0.0),
    counter!("PROF_GR_ENGINE_ACTIVE" / "PROF_GR_ENGINE_UTIL_RATIO", "gauge", "Ratio of time the graphics engine is active.", All, true, |now| now.engine),
    counter!("PROF_SM_ACTIVE" / "PROF_SM_UTIL_RATIO", "gauge", "The ratio of cycles an SM has at least 1 warp assigned.", All, true, |now| now.sm),
    counter!("PROF_PIPE_TENSOR_ACTIVE" / "PROF_TENSOR_UTIL_RATIO", "gauge", "Ratio of cycles the tensor (HMMA) pipe is active.", All, true, |now| now.tensor),
    counter!("PROF_DRAM_ACTIVE" / "PROF_DRAM_UTIL_RATIO", "gauge", "Ratio of cycles the device memory interface is active sending or receiving data.", All, true, |now| now.dram),
    counter!("PROF_PCIE_TX_BYTES" / "PROF_PCIE_TX_BYTES", "gauge", "The rate of data transmitted over the PCIe bus - including both protocol headers and data payloads - in bytes per second.", WholeOnly, false, |now| (now.engine * 1e9).round()),
    counter!("PROF_PCIE_RX_BYTES" / "PROF_PCIE_RX_BYTES", "gauge", "The rate of data received over the PCIe bus - including both protocol headers and data payloads - in bytes per second.", WholeOnly, false, |now| (now.engine * 1e9).round()),
];
