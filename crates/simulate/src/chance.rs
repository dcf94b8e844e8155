//! Chance that is the same for the same seed.

/// A number for each event of a stream, a stream for each seed.
pub(crate) fn draw(seed: u64, event: u64) -> u64 {
    let mut value = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ event.wrapping_mul(0xd134_2543_de82_ef95);
    value = (value ^ (value >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    value ^ (value >> 32)
}

/// Numbers one after another.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    seed: u64,
    event: u64,
}

impl Stream {
    pub fn new(seed: u64) -> Self {
        // A stream whose seed is scrambled twice shares no numbers with those of decisions.
        Self { seed: draw(seed, u64::MAX), event: 0 }
    }

    /// Evenly between 0 and 1, neither of them.
    pub fn part(&mut self) -> f64 {
        self.event += 1;
        ((draw(self.seed, self.event) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Exponentially distributed with this mean: the time between events that know nothing of each other.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -self.part().ln() * mean
    }
}
