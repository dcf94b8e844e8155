//! How figures spread over jobs.

use super::outcome::{Size, Spread};

/// Sizes of jobs by the GPUs that they ask for: the most in thousandths, and the words.
const SIZES: [(u64, &str); 6] =
    [(0, "no GPU"), (999, "part of a GPU"), (1_000, "1 GPU"), (4_000, "2-4 GPUs"), (8_000, "5-8 GPUs"), (u64::MAX, "more than 8 GPUs")];

/// Waits and completions, by size.
#[derive(Debug, Default)]
pub(super) struct Times {
    waits: [Vec<u64>; SIZES.len()],
    completions: [Vec<u64>; SIZES.len()],
}

fn size_of(milli: u64) -> usize {
    SIZES.iter().position(|(most, _)| milli <= *most).unwrap_or(SIZES.len() - 1)
}

impl Times {
    /// A job was placed after so many seconds.
    pub fn placed(&mut self, milli: u64, seconds: u64) {
        self.waits[size_of(milli)].push(seconds);
    }

    /// A job has ended after so many seconds.
    pub fn ended(&mut self, milli: u64, seconds: u64) {
        self.completions[size_of(milli)].push(seconds);
    }

    /// Of all jobs: waits, completions; and the same by size.
    pub fn spreads(mut self) -> (Spread, Spread, Vec<Size>) {
        let all = |of: &[Vec<u64>]| spread(&mut of.iter().flatten().copied().collect::<Vec<u64>>());
        let (wait, completion) = (all(&self.waits), all(&self.completions));
        let sizes = SIZES.iter().zip(self.waits.iter_mut().zip(&mut self.completions)).filter(|(_, (waits, _))| !waits.is_empty());
        let sizes = sizes.map(|((_, size), (waits, completions))| Size {
            size: (*size).to_owned(),
            wait: spread(waits),
            completion: spread(completions),
        });
        (wait, completion, sizes.collect())
    }
}

/// How the values spread; sorts them.
pub(super) fn spread(values: &mut [u64]) -> Spread {
    let Some(last) = values.len().checked_sub(1) else { return Spread::default() };
    values.sort_unstable();
    // The nearest rank: the least value that so many of a thousand are at most.
    let at = |permille: usize| values[((last + 1) * permille).div_ceil(1000).saturating_sub(1)] as f64;
    Spread {
        count: values.len() as u64,
        mean: values.iter().map(|value| u128::from(*value)).sum::<u128>() as f64 / values.len() as f64,
        p50: at(500),
        p95: at(950),
        p99: at(990),
        p999: at(999),
        most: values[last] as f64,
    }
}
