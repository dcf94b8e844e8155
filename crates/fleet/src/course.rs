//! The course of a device's work: a coarse series of means, one byte a bin, for whoever replays the past.
//!
//! A sketch says how much and loses when; a course keeps when, and loses all else. All courses of a fleet share one [`Grid`] of
//! bins of whole hours, at most [`BINS_MAX`] however long the window is.

use crate::{
    Metric, Ratio, Seconds, Timestamp, Window,
    packed::{Hex, hex},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Bins that a window is cut into: the hours of a week.
const BINS_AIMED: u64 = 168;
/// The most bins: an hour more at each end, where the window begins and ends within one.
pub const BINS_MAX: u16 = 170;
/// A share is kept in this many steps: half a percent.
const STEPS: u8 = 200;
/// The byte of a bin without a sample.
const NOTHING: u8 = 255;
const HOUR: i64 = 3_600;

/// The bins of a window: equal, whole hours long, the first beginning at a full hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// Where the first bin begins.
    pub start: Timestamp,
    /// The length of a bin.
    pub bin: Seconds,
    /// How many there are.
    pub bins: u16,
}

impl Grid {
    /// The grid of `window`. A window longer than any archive's (some 10,000 years) is covered in part.
    #[must_use]
    pub fn over(window: Window) -> Self {
        let start = window.start.0.div_euclid(HOUR).saturating_mul(HOUR);
        let hours = window.length().0.div_ceil(HOUR as u64).max(1);
        let bin = hours.div_ceil(BINS_AIMED).min(1 << 24) * HOUR as u64;
        let last = window.end.since(Timestamp(start)).0 / bin;
        Self { start: Timestamp(start), bin: Seconds(bin), bins: (last + 1).min(BINS_MAX.into()) as u16 }
    }

    /// The bin of a moment; none: it lies outside.
    #[must_use]
    pub fn bin_of(self, at: Timestamp) -> Option<u16> {
        let bin = at.0.checked_sub(self.start.0)?.checked_div_euclid(i64::try_from(self.bin.0).ok()?)?;
        u16::try_from(bin).ok().filter(|bin| *bin < self.bins)
    }

    /// When a bin begins.
    #[must_use]
    pub fn start_of(self, bin: u16) -> Timestamp {
        self.start.plus(Seconds(self.bin.0.saturating_mul(bin.into())))
    }

    /// Can it be one: bins of whole hours, no more than there may be?
    #[must_use]
    pub fn is_sound(self) -> bool {
        self.bin.0 > 0 && self.bin.0.is_multiple_of(HOUR as u64) && (1..=BINS_MAX).contains(&self.bins)
    }
}

/// Which figure a course follows. The greater says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    /// `GPU_UTIL`: some kernel ran.
    GpuUtil,
    /// The engine was active.
    Engine,
    /// The busiest, hour by hour, of SM, tensor and DRAM activity.
    Useful,
}

/// The mean of one figure in each bin of the grid; in some bins nothing was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    figure: Figure,
    /// The bin of the first byte: what a young pod has not lived is not kept.
    first: u16,
    bins: Box<[u8]>,
}

impl Course {
    /// A course from its means, from the first bin on; none where nothing was seen. What is no share counts as not seen, and
    /// bins beyond [`BINS_MAX`] are left out.
    #[must_use]
    pub fn of(figure: Figure, means: impl IntoIterator<Item = Option<f64>>) -> Option<Self> {
        let byte = |mean: Option<f64>| mean.and_then(Ratio::new).map_or(NOTHING, packed);
        Self::trimmed(figure, &means.into_iter().take(BINS_MAX.into()).map(byte).collect::<Vec<u8>>())
    }

    fn trimmed(figure: Figure, bytes: &[u8]) -> Option<Self> {
        let is_seen = |byte: &u8| *byte != NOTHING;
        let (first, last) = (bytes.iter().position(is_seen)?, bytes.iter().rposition(is_seen)?);
        Some(Self { figure, first: first as u16, bins: bytes[first..=last].into() })
    }

    /// The figure that it follows.
    #[must_use]
    pub fn figure(&self) -> Figure {
        self.figure
    }

    /// The mean in a bin, to half a percent; none: nothing was seen.
    #[must_use]
    pub fn at(&self, bin: u16) -> Option<Ratio> {
        let byte = *self.bins.get(usize::from(bin.checked_sub(self.first)?))?;
        (byte != NOTHING).then(|| Ratio::of(f64::from(byte), f64::from(STEPS)))
    }

    /// The bins from the first to the last in which something was seen, with their means.
    pub fn means(&self) -> impl Iterator<Item = (u16, Option<Ratio>)> {
        (self.first..).take(self.bins.len()).map(|bin| (bin, self.at(bin)))
    }

    fn is_sound(&self) -> bool {
        let ends = self.bins.first().zip(self.bins.last());
        ends.is_some_and(|(first, last)| *first != NOTHING && *last != NOTHING)
            && self.bins.iter().all(|byte| *byte <= STEPS || *byte == NOTHING)
            && usize::from(self.first) + self.bins.len() <= usize::from(BINS_MAX)
    }
}

fn packed(mean: Ratio) -> u8 {
    (mean.get() * f64::from(STEPS)).round() as u8
}

/// As `[figure, first bin, "bins in hexadecimal"]`.
impl Serialize for Course {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.figure, self.first, hex(&self.bins)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Course {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (figure, first, Hex(bins)) = Deserialize::deserialize(deserializer)?;
        let course = Self { figure, first, bins };
        if course.is_sound() { Ok(course) } else { Err(D::Error::custom("not a course: bins that cannot be")) }
    }
}

/// The metrics that a course may follow, and the slot of each.
const KEPT: [Metric; 5] = [Metric::SmActive, Metric::TensorActive, Metric::DramActive, Metric::EngineActive, Metric::GpuUtil];

/// Samples of a share, in millionths: such sums are the same in any order.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    samples: u32,
    sum: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.samples = self.samples.saturating_add(other.samples);
        self.sum = self.sum.saturating_add(other.sum);
    }

    fn mean(self) -> Option<f64> {
        (self.samples > 0).then(|| self.sum as f64 / 1e6 / f64::from(self.samples))
    }
}

/// Makes a [`Course`] of samples. It holds the hours that are open and one byte a bin, and so does not grow with the window.
#[derive(Debug, Clone, Default)]
pub struct CourseBuilder {
    open: Vec<(i64, [Tally; 5])>,
    /// Bins that another hour may still add to, by bin, each of its best figure.
    pending: Vec<(u16, Figure, Tally)>,
    figure: Option<Figure>,
    bins: Vec<u8>,
}

impl CourseBuilder {
    /// Is `metric` one that a course may follow?
    #[must_use]
    pub fn wants(metric: Metric) -> bool {
        KEPT.contains(&metric)
    }

    /// Takes samples of `metric`; others than those that it [wants](Self::wants), and what is no share, are passed over.
    pub fn add(&mut self, metric: Metric, samples: impl Iterator<Item = (i64, f64)>) {
        let Some(slot) = KEPT.iter().position(|kept| *kept == metric) else { return };
        let mut place = usize::MAX;
        for (at, value) in samples.filter(|(_, value)| (0.0..=1.0).contains(value)) {
            let hour = at.div_euclid(HOUR);
            if self.open.get(place).is_none_or(|(open, _)| *open != hour) {
                place = self.open.iter().rposition(|(open, _)| *open == hour).unwrap_or(self.open.len());
                if place == self.open.len() {
                    // Stretches of large fleets have one hour: there no room is kept for more.
                    if place == 0 {
                        self.open.reserve_exact(1);
                    }
                    self.open.push((hour, <[Tally; 5]>::default()));
                }
            }
            self.open[place].1[slot].add(Tally { samples: 1, sum: (value * 1e6).round() as u64 });
        }
    }

    /// Forgets what was said of `metric` in the hours that are still open.
    pub fn forget(&mut self, metric: Metric) {
        if let Some(slot) = KEPT.iter().position(|kept| *kept == metric) {
            self.open.iter_mut().for_each(|(_, tallies)| tallies[slot] = Tally::default());
        }
    }

    /// All samples of the hours so far have been added. Stretches are closed in order of time.
    pub fn close(&mut self, grid: Grid) {
        for (hour, tallies) in self.open.drain(..) {
            let Some((figure, tally)) = best(&tallies) else { continue };
            let Some(bin) = grid.bin_of(Timestamp(hour.saturating_mul(HOUR))) else { continue };
            match self.pending.iter_mut().find(|pending| pending.0 == bin) {
                Some((_, known, sum)) if *known == figure => sum.add(tally),
                Some((_, known, sum)) if *known < figure => (*known, *sum) = (figure, tally),
                Some(_) => {}
                None => {
                    if self.pending.is_empty() {
                        self.pending.reserve_exact(1);
                    }
                    self.pending.push((bin, figure, tally));
                }
            }
        }
        let newest = self.pending.iter().map(|pending| pending.0).max();
        self.write(grid, |bin| Some(bin) < newest);
    }

    /// Writes down the pending bins that are `done`. A course follows one figure: the best that was seen in any bin.
    fn write(&mut self, grid: Grid, done: impl Fn(u16) -> bool) {
        let Self { pending, figure: best, bins, .. } = self;
        pending.retain(|&(bin, figure, tally)| {
            if !done(bin) {
                return true;
            }
            if Some(figure) > *best {
                *best = Some(figure);
                *bins = vec![NOTHING; grid.bins.into()];
            }
            if Some(figure) == *best
                && let Some(place) = bins.get_mut(usize::from(bin))
            {
                *place = tally.mean().and_then(Ratio::new).map_or(NOTHING, packed);
            }
            false
        });
    }

    /// The course; none where nothing was seen.
    #[must_use]
    pub fn finish(&self, grid: Grid) -> Option<Course> {
        let mut last = self.clone();
        last.close(grid);
        last.write(grid, |_| true);
        Course::trimmed(last.figure?, &last.bins)
    }
}

/// The best figure of an hour, and its samples.
fn best(tallies: &[Tally; 5]) -> Option<(Figure, Tally)> {
    let seen = |slot: usize| Some(tallies[slot]).filter(|tally| tally.samples > 0);
    let mean = |tally: &Tally| tally.mean().unwrap_or_default();
    let useful = (0..3).filter_map(seen).max_by(|a, b| mean(a).total_cmp(&mean(b)).then(a.samples.cmp(&b.samples)));
    let useful = useful.map(|tally| (Figure::Useful, tally));
    useful.or_else(|| Some((Figure::Engine, seen(3)?))).or_else(|| Some((Figure::GpuUtil, seen(4)?)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const WEEK: Window = Window { start: Timestamp(1_795_392_060), end: Timestamp(1_795_392_060 + 7 * 86_400 - 120) };

    #[test]
    fn a_week_has_its_hours_and_a_month_no_more_bins() {
        let week = Grid::over(WEEK);
        assert_eq!((week.bin, week.bins, week.start), (Seconds::HOUR, 168, Timestamp(1_795_392_000)));
        let month = Grid::over(Window { end: WEEK.start.plus(Seconds(30 * 86_400)), ..WEEK });
        assert_eq!((month.bin, month.bins), (Seconds(5 * 3_600), 145));
        assert_eq!(month.bin_of(month.start_of(77)), Some(77));
        assert_eq!((week.bin_of(Timestamp(0)), week.bin_of(Timestamp(i64::MAX))), (None, None));
    }

    #[test]
    fn the_best_figure_is_followed_and_an_hour_without_samples_is_no_zero() {
        let grid = Grid::over(WEEK);
        let hour = |hour: i64, value: f64| (0..4).map(move |quarter| (WEEK.start.0 + hour * HOUR + quarter * 900, value));
        let mut builder = CourseBuilder::default();
        // Profiling begins in the second hour; DRAM is busier than the SMs there, and the third hour is dark.
        builder.add(Metric::GpuUtil, hour(0, 1.0).chain(hour(1, 1.0)).chain(hour(3, 1.0)));
        builder.add(Metric::SmActive, hour(1, 0.2).chain(hour(3, 0.0)));
        builder.add(Metric::DramActive, hour(1, 0.7).chain(hour(3, 0.0)));
        let course = builder.finish(grid).unwrap();
        assert_eq!(course.figure(), Figure::Useful);
        let at = |bin| course.at(bin).map(Ratio::get);
        assert_eq!([at(0), at(1), at(2), at(3), at(4)], [None, Some(0.7), None, Some(0.0), None]);
        let text = serde_json::to_string(&course).unwrap();
        assert_eq!(text, r#"["useful",1,"8cff00"]"#);
        assert_eq!(serde_json::from_str::<Course>(&text).unwrap(), course);
        for bad in [r#"["useful",1,""]"#, r#"["useful",1,"ff"]"#, r#"["useful",1,"c9"]"#, r#"["useful",170,"00"]"#, r#"["useful",1,"0"]"#] {
            assert!(serde_json::from_str::<Course>(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        /// Neither the order of the samples nor where the stretches are cut makes a difference.
        #[test]
        fn order_and_cuts_do_not_matter(
            mut samples in prop::collection::vec((0_usize..5, 0_i64..20 * 86_400, 0.0_f64..=1.0), 1..200),
            days in 1_u64..20, cut in 0_i64..480
        ) {
            let grid = Grid::over(Window { start: Timestamp(0), end: Timestamp(days as i64 * 86_400 - 1) });
            let course = |samples: &[(usize, i64, f64)]| {
                let mut builder = CourseBuilder::default();
                for late in [false, true] {
                    for (slot, at, value) in samples.iter().filter(|(_, at, _)| (*at >= cut * HOUR) == late) {
                        builder.add(KEPT[*slot], std::iter::once((*at, *value)));
                    }
                    builder.close(grid);
                }
                builder.finish(grid)
            };
            let one = course(&samples);
            samples.reverse();
            prop_assert_eq!(&one, &course(&samples));
            let mut whole = CourseBuilder::default();
            samples.iter().for_each(|(slot, at, value)| whole.add(KEPT[*slot], std::iter::once((*at, *value))));
            prop_assert_eq!(&one, &whole.finish(grid));
            if let Some(course) = one {
                prop_assert!(course.is_sound() && course.means().all(|(bin, _)| bin < grid.bins));
            }
        }
    }
}
