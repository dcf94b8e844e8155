//! Units. No bare number crosses a crate: a quantity says what it is.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Sub},
};

/// Hours in an average month (365 × 24 / 12), the constant that the clouds' own calculators use.
pub const HOURS_PER_MONTH: f64 = 730.0;

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// Nothing of it.
            pub const ZERO: Self = Self(0);

            /// The difference, or zero where `other` is more.
            #[must_use]
            pub fn less(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0).max(0))
            }

            /// Is there none?
            #[must_use]
            pub fn is_zero(self) -> bool {
                self.0 == 0
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
                all.fold(Self::ZERO, Add::add)
            }
        }
    };
}

quantity!(
    /// Bytes of memory.
    Bytes(u64)
);
quantity!(
    /// Thousandths of a CPU core.
    MilliCpu(u64)
);
quantity!(
    /// Thousandths of a physical GPU.
    MilliGpu(u64)
);
quantity!(
    /// An amount of money in millionths of the currency's unit. May be negative (a difference).
    Money(i64)
);
quantity!(
    /// A price: millionths of the currency's unit for an hour.
    MoneyPerHour(i64)
);

impl Bytes {
    /// From mebibytes, the unit of `nvidia.com/gpu.memory`.
    #[must_use]
    pub fn from_mib(mib: u64) -> Self {
        Self(mib.saturating_mul(1 << 20))
    }

    /// In gibibytes, for people.
    #[must_use]
    pub fn gib(self) -> f64 {
        self.0 as f64 / f64::from(1 << 30)
    }

    /// In mebibytes, rounded down.
    #[must_use]
    pub fn mib(self) -> u64 {
        self.0 >> 20
    }
}

impl MilliGpu {
    /// One whole physical GPU.
    pub const ONE: Self = Self(1000);

    /// `count` whole GPUs.
    #[must_use]
    pub fn whole(count: u32) -> Self {
        Self(u64::from(count) * 1000)
    }

    /// As a number of GPUs.
    #[must_use]
    pub fn gpus(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// The part `ratio` of it, rounded to the nearest thousandth.
    #[must_use]
    pub fn part(self, ratio: Ratio) -> Self {
        Self((self.0 as f64 * ratio.get()).round() as u64)
    }
}

impl Money {
    /// From units of the currency, rounded to the nearest millionth.
    #[must_use]
    pub fn from_units(units: f64) -> Self {
        Self((units * 1e6).round() as i64)
    }

    /// In units of the currency.
    #[must_use]
    pub fn units(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl MoneyPerHour {
    /// From units of the currency for an hour, rounded to the nearest millionth.
    #[must_use]
    pub fn from_units(units: f64) -> Self {
        Self((units * 1e6).round() as i64)
    }

    /// In units of the currency for an hour.
    #[must_use]
    pub fn units(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// What it comes to over `hours`.
    #[must_use]
    pub fn over_hours(self, hours: f64) -> Money {
        Money((self.0 as f64 * hours).round() as i64)
    }

    /// What it comes to in an average month of [`HOURS_PER_MONTH`].
    #[must_use]
    pub fn over_month(self) -> Money {
        self.over_hours(HOURS_PER_MONTH)
    }

    /// The part `ratio` of the price.
    #[must_use]
    pub fn part(self, ratio: Ratio) -> Self {
        Self((self.0 as f64 * ratio.get()).round() as i64)
    }
}

/// Hours of a whole physical GPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GpuHours(pub f64);

impl GpuHours {
    /// `gpus` held through an average month.
    #[must_use]
    pub fn month_of(gpus: MilliGpu) -> Self {
        Self(gpus.gpus() * HOURS_PER_MONTH)
    }
}

/// A share of a whole: a finite number from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Ratio(f64);

impl Ratio {
    /// Nothing of the whole.
    pub const ZERO: Self = Self(0.0);
    /// The whole.
    pub const ONE: Self = Self(1.0);

    /// A ratio, if `value` is one.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// `part` of `whole`, held within 0 and 1; zero where there is no whole.
    #[must_use]
    pub fn of(part: f64, whole: f64) -> Self {
        if whole > 0.0 && part.is_finite() { Self((part / whole).clamp(0.0, 1.0)) } else { Self::ZERO }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// What is missing to the whole.
    #[must_use]
    pub fn rest(self) -> Self {
        Self(1.0 - self.0)
    }
}

impl TryFrom<f64> for Ratio {
    type Error = String;
    fn try_from(value: f64) -> Result<Self, String> {
        Self::new(value).ok_or_else(|| format!("{value} is not a ratio between 0 and 1"))
    }
}

impl From<Ratio> for f64 {
    fn from(ratio: Ratio) -> Self {
        ratio.0
    }
}

/// As a percentage with one decimal: `7.0 %`.
impl fmt::Display for Ratio {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:.1} %", self.0 * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_of_a_price_is_730_hours_of_it() {
        assert_eq!(MoneyPerHour::from_units(55.04).over_month(), Money::from_units(40_179.2));
    }

    #[test]
    fn a_ratio_is_finite_and_between_0_and_1() {
        assert!(Ratio::new(f64::NAN).is_none());
        assert!(Ratio::new(1.01).is_none());
        assert_eq!(Ratio::of(3.0, 0.0), Ratio::ZERO);
        assert_eq!(Ratio::of(9.0, 3.0), Ratio::ONE);
    }
}
