//! A small mergeable sketch of a series: exact count, sum, least and greatest; quantiles within 2 %.
//!
//! The bins are those of DDSketch (Masson, Rim, Lee: "DDSketch", VLDB 2019) with relative accuracy 0.02. The crate
//! `sketches-ddsketch` keeps a dense store of 2 to 16 KiB; a fleet has a million series, so this one packs its bins
//! as varint pairs: 40 bytes and about 3 more a distinct bin.

use crate::packed::{Hex, hex};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Bins grow by this factor: (1 + accuracy) / (1 − accuracy), accuracy 0.02.
const GAMMA: f64 = 1.02 / 0.98;
/// What is below counts as zero: a hundredth of a percent of a ratio, and far below any byte, watt or token.
const LEAST: f64 = 1e-4;
/// Bins above zero: [`LEAST`] × `GAMMA`^1500 is above 1e22, more than any byte count.
const LAST_BIN: u16 = 1_500;
/// No sample is greater: what is beyond the bins is no figure of a GPU, and sums of such would not stay finite.
const GREATEST: f64 = 1e22;

fn bin_of(value: f64) -> u16 {
    if value < LEAST {
        return 0;
    }
    let bin = ((value / LEAST).ln() / GAMMA.ln()).floor() + 1.0;
    (bin as u16).min(LAST_BIN)
}

/// The value that a bin stands for: within the accuracy of every value in it.
fn middle_of(bin: u16) -> f64 {
    if bin == 0 { 0.0 } else { LEAST * GAMMA.powi(i32::from(bin) - 1) * (2.0 * GAMMA / (1.0 + GAMMA)) }
}

/// Takes samples as they arrive; its size depends on how varied they are, not on how many.
#[derive(Debug, Clone, Default)]
pub struct SketchBuilder {
    bins: Vec<(u16, u32)>,
    sum: f64,
    min: f64,
    max: f64,
    /// Where the last sample went: series dwell.
    last: usize,
}

impl SketchBuilder {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a sample. What is negative, not a number or above 1e22 is refused with `false`: the caller counts what it dropped.
    pub fn add(&mut self, value: f64) -> bool {
        if !(0.0..=GREATEST).contains(&value) {
            return false;
        }
        if self.bins.is_empty() {
            (self.min, self.max) = (value, value);
        }
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.count_in(bin_of(value), 1);
        true
    }

    /// Takes every sample of a finished sketch.
    pub fn merge(&mut self, other: &Sketch) {
        if other.count == 0 {
            return;
        }
        if self.bins.is_empty() {
            (self.min, self.max) = (other.min, other.max);
        }
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        for (bin, count) in other.bins() {
            self.count_in(bin, count);
        }
    }

    fn count_in(&mut self, bin: u16, count: u32) {
        if let Some(entry) = self.bins.get_mut(self.last).filter(|entry| entry.0 == bin) {
            entry.1 = entry.1.saturating_add(count);
            return;
        }
        match self.bins.binary_search_by_key(&bin, |entry| entry.0) {
            Ok(at) => {
                self.bins[at].1 = self.bins[at].1.saturating_add(count);
                self.last = at;
            }
            Err(at) => {
                self.bins.insert(at, (bin, count));
                self.last = at;
            }
        }
    }

    /// How many samples it took.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.bins.iter().fold(0, |sum, bin| sum.saturating_add(bin.1))
    }

    /// The finished sketch; `None` without samples, because no samples is unknown, never zero.
    #[must_use]
    pub fn finish(&self) -> Option<Sketch> {
        if self.bins.is_empty() {
            return None;
        }
        let mut packed = Vec::with_capacity(self.bins.len() * 3);
        let mut before = 0;
        for &(bin, count) in &self.bins {
            put_varint(&mut packed, u32::from(bin - before));
            put_varint(&mut packed, count);
            before = bin;
        }
        Some(Sketch { count: self.count(), sum: self.sum, min: self.min, max: self.max, packed: packed.into() })
    }
}

/// A finished sketch of at least one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sketch {
    count: u32,
    sum: f64,
    min: f64,
    max: f64,
    packed: Box<[u8]>,
}

impl Sketch {
    /// A sketch of `samples`; `None` if none of them is a number from zero to 1e22.
    #[must_use]
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut builder = SketchBuilder::new();
        for sample in samples {
            builder.add(sample);
        }
        builder.finish()
    }

    /// How many samples.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The exact sum.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The exact mean.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.sum / f64::from(self.count)
    }

    /// The exact least sample.
    #[must_use]
    pub fn min(&self) -> f64 {
        self.min
    }

    /// The exact greatest sample.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.max
    }

    /// The sample below which the part `q` (0 to 1) of all samples lies, within 2 % of its value.
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        let rank = (q.clamp(0.0, 1.0) * f64::from(self.count - 1)).round() as u64;
        let mut seen = 0_u64;
        for (bin, count) in self.bins() {
            seen += u64::from(count);
            if seen > rank {
                return middle_of(bin).clamp(self.min, self.max);
            }
        }
        self.max
    }

    /// The share of samples at or above `value` (to the accuracy of the bin that `value` is in).
    #[must_use]
    pub fn share_from(&self, value: f64) -> f64 {
        let first = bin_of(value.max(0.0));
        let above: u64 = self.bins().filter(|&(bin, _)| bin >= first).map(|(_, count)| u64::from(count)).sum();
        above as f64 / f64::from(self.count)
    }

    fn bins(&self) -> impl Iterator<Item = (u16, u32)> + '_ {
        let mut bytes = self.packed.iter();
        let mut bin = 0_u16;
        std::iter::from_fn(move || {
            let step = get_varint(&mut bytes)?;
            let count = get_varint(&mut bytes)?;
            bin = bin.saturating_add(step as u16);
            Some((bin, count))
        })
    }

    /// Are the packed bins well formed and as many as the count says, and is the mean between the least and the greatest?
    /// What comes from a file is not trusted.
    fn is_sound(&self) -> bool {
        let ordered = 0.0 <= self.min && self.min <= self.max && self.max <= GREATEST;
        // Sums of many samples are rounded.
        let (count, rounding) = (f64::from(self.count), self.max * 1e-6);
        let between = ((self.min - rounding) * count..=(self.max + rounding) * count).contains(&self.sum);
        let mut bytes = self.packed.iter();
        let (mut total, mut bin, mut first) = (0_u64, 0_u64, true);
        while bytes.len() > 0 {
            let (Some(step), Some(count)) = (get_varint(&mut bytes), get_varint(&mut bytes)) else { return false };
            if (step == 0 && !first) || count == 0 {
                return false;
            }
            first = false;
            bin += u64::from(step);
            total += u64::from(count);
        }
        ordered && between && total > 0 && total == u64::from(self.count) && bin <= u64::from(LAST_BIN)
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn get_varint(bytes: &mut std::slice::Iter<'_, u8>) -> Option<u32> {
    let mut value = 0_u32;
    for shift in [0, 7, 14, 21, 28] {
        let byte = *bytes.next()?;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// As `[count, sum, min, max, "bins in hexadecimal"]`.
impl Serialize for Sketch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.count, self.sum, self.min, self.max, hex(&self.packed)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sketch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (count, sum, min, max, Hex(packed)) = Deserialize::deserialize(deserializer)?;
        let sketch = Self { count, sum, min, max, packed };
        if sketch.is_sound() { Ok(sketch) } else { Err(D::Error::custom("not a sketch: its bins do not add up to its count")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_samples_is_unknown_not_zero() {
        assert_eq!(Sketch::of([]), None);
        assert_eq!(Sketch::of([f64::NAN, -1.0, f64::INFINITY, f64::MAX]), None);
    }

    #[test]
    fn a_damaged_sketch_is_refused() {
        let good = serde_json::to_string(&Sketch::of([0.5, 0.7])).expect("serialises");
        assert!(serde_json::from_str::<Sketch>(&good).is_ok());
        for bad in [
            good.replacen("[2", "[3", 1),
            good.replacen("1.2", "1.5", 1),
            "[1,1.0,1.0,1.0,\"\"]".into(),
            "[1,1.0,1.0,1.0,\"zz\"]".into(),
            "[1,1,2,1,\"0101\"]".into(),
        ] {
            assert!(serde_json::from_str::<Sketch>(&bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn quantiles_are_within_two_percent(mut samples in prop::collection::vec(0.001_f64..1e12, 1..400), q in 0.0_f64..=1.0) {
            let sketch = Sketch::of(samples.iter().copied()).expect("has samples");
            samples.sort_by(f64::total_cmp);
            let exact = samples[(q * (samples.len() - 1) as f64).round() as usize];
            prop_assert!((sketch.quantile(q) - exact).abs() <= exact * 0.0201, "{} against {exact}", sketch.quantile(q));
        }

        #[test]
        fn merging_parts_gives_the_whole(a in prop::collection::vec(0.0_f64..1.0, 1..99), b in prop::collection::vec(0.0_f64..1.0, 1..99)) {
            let mut merged = SketchBuilder::new();
            merged.merge(&Sketch::of(a.iter().copied()).expect("has samples"));
            merged.merge(&Sketch::of(b.iter().copied()).expect("has samples"));
            let merged = merged.finish().expect("has samples");
            let whole = Sketch::of(a.iter().chain(&b).copied()).expect("has samples");
            prop_assert_eq!(merged.count(), whole.count());
            prop_assert_eq!(&merged.packed, &whole.packed);
            prop_assert!((merged.sum() - whole.sum()).abs() < 1e-9);
        }

        #[test]
        fn what_is_written_reads_back(samples in prop::collection::vec(0.0_f64..1e12, 1..99)) {
            let sketch = Sketch::of(samples).expect("has samples");
            let text = serde_json::to_string(&sketch).expect("serialises");
            prop_assert_eq!(serde_json::from_str::<Sketch>(&text).expect("reads"), sketch);
        }
    }
}
