//! Which waiting job is tried next, and whether those behind one that does not fit may pass it.
//!
//! This is only the order. Quota, fair share, reservations and preemption are not looked at.

use std::{cmp::Reverse, fmt, str::FromStr};

/// In which order waiting jobs are tried. A higher priority always comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// First come, first served: nobody passes the first that does not fit.
    Fifo,
    /// First come first, and whoever fits may pass those that do not, as kube-scheduler does. Large jobs can starve.
    Backfill,
    /// The shortest run time first; nobody passes the first that does not fit. Needs run times, which a real queue can only predict.
    Shortest,
    /// The least work first, which is GPUs times run time; nobody passes the first that does not fit.
    LeastWork,
}

/// A waiting job, as far as its turn depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Its priority; more comes first.
    pub priority: i32,
    /// Its place among all arrivals.
    pub ticket: u64,
    /// Seconds that it still runs; none: not known, then it comes after those that are known.
    pub lasts: Option<u64>,
    /// Thousandths of GPUs that it asks for.
    pub milli: u64,
}

/// A job's turn: the lowest comes first.
pub type Turn = (Reverse<i32>, u128, u64);

impl Order {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Fifo, Self::Backfill, Self::Shortest, Self::LeastWork];

    /// Its name, as flags and documents have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::Backfill => "backfill",
            Self::Shortest => "shortest",
            Self::LeastWork => "least-work",
        }
    }

    /// When a job's turn is.
    #[must_use]
    pub fn turn(self, job: Waiting) -> Turn {
        let lasts = job.lasts.map_or(u128::from(u64::MAX), u128::from);
        let rank = match self {
            Self::Fifo | Self::Backfill => 0,
            Self::Shortest => lasts,
            Self::LeastWork => lasts * u128::from(job.milli),
        };
        (Reverse(job.priority), rank, job.ticket)
    }

    /// May others pass a job that does not fit?
    #[must_use]
    pub fn passes(self) -> bool {
        self == Self::Backfill
    }
}

impl fmt::Display for Order {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// There is no order of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no order `{name}`; there are {}", Order::ALL.map(Order::name).join(", "))]
pub struct UnknownOrder {
    /// The name.
    pub name: String,
}

impl FromStr for Order {
    type Err = UnknownOrder;
    fn from_str(name: &str) -> Result<Self, UnknownOrder> {
        Self::ALL.into_iter().find(|order| order.name() == name).ok_or_else(|| UnknownOrder { name: name.to_owned() })
    }
}
