//! What hardware does over time, as plain functions of the moment.

use plimsoll_fleet::Timestamp;
use std::f64::consts::TAU;

/// A figure as a function of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wave {
    /// Always the same.
    Constant(f64),
    /// Up and down once a day.
    Daily {
        /// At its lowest, twelve hours from the peak.
        low: f64,
        /// At its highest.
        high: f64,
        /// The hour (UTC) of the peak.
        peak_hour: f64,
    },
    /// `level` until `end`, nothing afterwards.
    Until {
        /// Before the end.
        level: f64,
        /// The end.
        end: Timestamp,
    },
    /// `level` for the first `busy` seconds of each `period` (seconds, counted from 1970), nothing in the rest of it.
    Pulse {
        /// While busy.
        level: f64,
        /// Length of a turn, seconds.
        period: u32,
        /// How much of it is busy, seconds.
        busy: u32,
    },
}

impl Wave {
    /// Nothing, ever.
    pub const ZERO: Self = Self::Constant(0.0);

    /// The figure at a moment.
    #[must_use]
    pub fn at(self, now: Timestamp) -> f64 {
        match self {
            Self::Constant(level) => level,
            Self::Daily { low, high, peak_hour } => {
                let hour = now.0.rem_euclid(86_400) as f64 / 3_600.0;
                low + (high - low) * 0.5 * (1.0 + ((hour - peak_hour) / 24.0 * TAU).cos())
            }
            Self::Until { level, end } => {
                if now < end {
                    level
                } else {
                    0.0
                }
            }
            Self::Pulse { level, period, busy } => {
                if now.0.rem_euclid(i64::from(period.max(1))) < i64::from(busy) {
                    level
                } else {
                    0.0
                }
            }
        }
    }

    /// The same course at `factor` times its height.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        match self {
            Self::Constant(level) => Self::Constant(level * factor),
            Self::Daily { low, high, peak_hour } => Self::Daily { low: low * factor, high: high * factor, peak_hour },
            Self::Until { level, end } => Self::Until { level: level * factor, end },
            Self::Pulse { level, period, busy } => Self::Pulse { level: level * factor, period, busy },
        }
    }
}

/// What one pod does with one device. All are shares, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Some kernel ran (GPU_UTIL).
    pub util: Wave,
    /// The graphics or compute engine was active.
    pub engine: Wave,
    /// SMs with a warp.
    pub sm: Wave,
    /// The tensor pipe worked.
    pub tensor: Wave,
    /// The memory interface worked.
    pub dram: Wave,
    /// Framebuffer held, of the device's.
    pub memory: Wave,
}

impl Load {
    /// Held and never used: not even a context.
    #[must_use]
    pub fn idle() -> Self {
        Self { util: Wave::ZERO, engine: Wave::ZERO, sm: Wave::ZERO, tensor: Wave::ZERO, dram: Wave::ZERO, memory: Wave::ZERO }
    }

    /// Memory held, nothing computed.
    #[must_use]
    pub fn parked(memory: f64) -> Self {
        Self { memory: Wave::Constant(memory), ..Self::idle() }
    }

    /// Training that keeps the device busy: SMs and tensor pipes high.
    #[must_use]
    pub fn training(level: f64) -> Self {
        Self::following(Wave::Constant(level), 0.85, 0.45, 0.50, 0.80)
    }

    /// LLM decoding: few SM cycles, a busy memory interface, a framebuffer reserved at start.
    #[must_use]
    pub fn decoding(busy: Wave) -> Self {
        Self::following(busy, 0.35, 0.10, 0.75, 0.90)
    }

    /// Always a kernel, hardly any work: one thread that spins.
    #[must_use]
    pub fn spinning() -> Self {
        Self::following(Wave::Constant(1.0), 0.04, 0.0, 0.01, 0.10)
    }

    /// A service that needs a small part of the device: `level` of everything, `memory` of the framebuffer.
    #[must_use]
    pub fn small(level: f64, memory: f64) -> Self {
        Self::following(Wave::Constant(level), 0.5, 0.2, 0.3, memory)
    }

    /// The engine follows `busy`; the pipes follow it at their shares; `memory` is held throughout.
    #[must_use]
    pub fn following(busy: Wave, sm: f64, tensor: f64, dram: f64, memory: f64) -> Self {
        Self {
            util: busy,
            engine: busy,
            sm: busy.times(sm),
            tensor: busy.times(tensor),
            dram: busy.times(dram),
            memory: Wave::Constant(memory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_peaks_at_its_hour_and_is_lowest_twelve_hours_away() {
        let day = Wave::Daily { low: 0.1, high: 0.9, peak_hour: 15.0 };
        assert!((day.at(Timestamp(15 * 3600)) - 0.9).abs() < 1e-9);
        assert!((day.at(Timestamp(3 * 3600)) - 0.1).abs() < 1e-9);
    }
}
