//! How runs are called: by what tells them apart.

use crate::words::{clean, shorten};
use plimsoll_simulate::rehearsal::{Rehearsal, Run};

/// A name is in every tooltip: a longer one is shortened.
const LONGEST: usize = 60;

/// Runs with the same policy and the same order, seed by seed.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: String,
    /// Where they stand among the runs.
    pub(super) runs: Vec<usize>,
}

/// The names of all runs.
#[derive(Debug)]
pub(super) struct Names {
    /// Run by run.
    pub(super) runs: Vec<String>,
    /// In the order in which they first come.
    pub(super) kinds: Vec<Kind>,
    /// The kind of each run.
    pub(super) kind: Vec<usize>,
}

impl Names {
    pub(super) fn of(rehearsal: &Rehearsal) -> Self {
        let runs = &rehearsal.runs;
        let differ = |same: fn(&Run, &Run) -> bool| runs.iter().any(|run| !same(run, &runs[0]));
        let orders = differ(|a, b| a.order == b.order);
        let seeds = differ(|a, b| a.seed == b.seed);
        let mut names = Self { runs: Vec::new(), kinds: Vec::new(), kind: Vec::new() };
        let mut places = std::collections::BTreeMap::new();
        for (at, run) in runs.iter().enumerate() {
            let mut name = shorten(&clean(&run.policy), LONGEST);
            if orders && !run.order.is_empty() {
                name = format!("{name}, {}", shorten(&clean(&run.order), LONGEST));
            }
            let place = *places.entry((&run.policy, &run.order)).or_insert_with(|| {
                names.kinds.push(Kind { name: name.clone(), runs: Vec::new() });
                names.kinds.len() - 1
            });
            names.kinds[place].runs.push(at);
            names.kind.push(place);
            names.runs.push(if seeds { format!("{name}, seed {}", run.seed) } else { name });
        }
        names
    }

    /// The run that this one is measured against: of the first kind, with the same seed. None for those of the first kind.
    pub(super) fn beside(&self, rehearsal: &Rehearsal, at: usize) -> Option<usize> {
        let first = self.kinds.first()?;
        let seed = rehearsal.runs[at].seed;
        (self.kind[at] != 0).then(|| first.runs.iter().copied().find(|&run| rehearsal.runs[run].seed == seed))?
    }

    /// The runs that are drawn where there is room for `most`: all, or else one of each kind, the first seed's.
    pub(super) fn drawn(&self, most: usize) -> Vec<usize> {
        if self.runs.len() <= most {
            return (0..self.runs.len()).collect();
        }
        self.kinds.iter().map(|kind| kind.runs[0]).take(most).collect()
    }
}
