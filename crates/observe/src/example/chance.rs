//! Chance that anybody can repeat: one stream of numbers a consumer, named, so that a change to one moves no other.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use sha2::{Digest, Sha256};

/// Raised when a stream's use changes, so that two versions are not taken for one.
const VERSION: &str = "plimsoll-example-1";

pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    /// The stream `name` of `seed`.
    pub(super) fn new(seed: u64, name: &str) -> Self {
        let mut sha256 = Sha256::new();
        sha256.update(VERSION);
        sha256.update(seed.to_le_bytes());
        sha256.update(name);
        Self(ChaCha8Rng::from_seed(sha256.finalize().into()))
    }

    /// From 0 up to, not including, 1.
    pub(super) fn share(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / (f64::from(u32::MAX) + 1.0)
    }

    /// From 0 up to, not including, `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.share() * end as f64) as usize
    }

    /// Nearly normal, mean 0, standard deviation 1: the sum of four uniform numbers (Irwin-Hall), which has no far tails.
    pub(super) fn normal(&mut self) -> f64 {
        let sum: f64 = (0..4).map(|_| self.share()).sum();
        (sum - 2.0) * 3.0_f64.sqrt()
    }

    /// `length` letters as Kubernetes puts them behind names (no vowels: `k8s.io/apimachinery/pkg/util/rand`).
    pub(super) fn letters(&mut self, length: usize) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        (0..length).map(|_| char::from(LETTERS[self.below(LETTERS.len())])).collect()
    }
}
