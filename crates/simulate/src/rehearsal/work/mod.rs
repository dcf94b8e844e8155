//! What is to be done: jobs that come, with all that a run needs to know of them.
//!
//! - `history`: a fleet's own.
//! - `philly`, `openb`: from the text of public traces.
//! - `synthetic`: made up by chance; `listed`: one by one.

mod history;
mod listed;
mod openb;
mod philly;
mod synthetic;

pub use history::{NoHistory, history};
pub use listed::listed;
pub use openb::{openb, openb_nodes};
pub use philly::philly;
pub use synthetic::{JOBS_MAX, Sort, synthetic};

use plimsoll_decide::pack::site::Group;
use plimsoll_fleet::{Name, Shape, Timestamp};
use std::{collections::BTreeMap, sync::Arc};

/// The work of a rehearsal.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// What it is, in words: `68,510 jobs of philly`.
    pub name: String,
    /// The kinds of pods: namespace and shape. Groups of jobs name them by their place.
    pub pods: Vec<(Name, Shape)>,
    /// The jobs, in order of arrival.
    pub jobs: Vec<Job>,
    /// The moment from which seconds are counted; none: the work has no calendar.
    pub began: Option<Timestamp>,
    /// What was left out or taken for granted, in words.
    pub assumed: Vec<String>,
}

/// A job: pods that come together and end together.
#[derive(Debug, Clone, Default)]
pub struct Job {
    /// Its name.
    pub name: Name,
    /// When it comes, in seconds from the first moment.
    pub arrives: u64,
    /// How many seconds it works once it has started; none: it stays.
    pub lasts: Option<u64>,
    /// Its pods, placed all or not at all.
    pub pods: Group,
    /// More comes first.
    pub priority: i32,
    /// Seconds in which it holds its GPUs before it works: image, model, caches.
    pub starting: u64,
    /// Seconds between its checkpoints; none: an eviction throws all of its work away.
    pub checkpoint: Option<u64>,
    /// Where it is when the rehearsal begins: a node by its place, for jobs of one pod.
    pub at: Option<u32>,
    /// How much of its GPUs it uses over its run; none: not recorded.
    pub used: Option<Arc<Use>>,
    /// The jobs that must have ended before it comes, by their places.
    pub after: Vec<u32>,
    /// Where it stands in its file, for messages; none: in none.
    pub line: Option<u64>,
}

/// Recorded use: how much of what a job holds is at work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Use {
    /// Seconds of a bin.
    pub width: u64,
    /// Thousandths of its GPUs at work, bin after bin from its start; none: not seen. After the last bin it begins again.
    pub bins: Vec<Option<u16>>,
}

impl Use {
    /// What is at work `seconds` after the start, and for how many seconds that holds; no number: for ever.
    pub(super) fn at(&self, seconds: u64) -> (Option<u16>, Option<u64>) {
        let (width, bins) = (self.width.max(1), self.bins.len() as u64);
        if bins == 0 {
            return (None, None);
        }
        let part = self.bins[(seconds / width % bins) as usize];
        (part, (bins > 1).then(|| width - seconds % width))
    }
}

/// Kinds of pods, alike ones once.
#[derive(Debug, Default)]
pub(super) struct Pods {
    list: Vec<(Name, Shape)>,
    known: BTreeMap<(Name, Shape), u32>,
}

impl Pods {
    /// The place of a kind of pod, new or known.
    pub fn place(&mut self, namespace: Name, shape: Shape) -> u32 {
        let next = self.list.len() as u32;
        *self.known.entry((namespace, shape)).or_insert_with_key(|kind| {
            self.list.push(kind.clone());
            next
        })
    }

    /// All of them, in the order of their places.
    pub fn into_list(self) -> Vec<(Name, Shape)> {
        self.list
    }
}

impl Work {
    /// This work and another, side by side.
    #[must_use]
    pub fn beside(mut self, other: Self) -> Self {
        let (pods, jobs) = (self.pods.len() as u32, self.jobs.len() as u32);
        self.pods.extend(other.pods);
        self.jobs.extend(other.jobs.into_iter().map(|mut job| {
            job.pods.renumber(pods);
            job.after.iter_mut().for_each(|before| *before += jobs);
            job
        }));
        self.jobs = listed::by_arrival(self.jobs);
        self.assumed.extend(other.assumed);
        self.name = [self.name, other.name].into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" and ");
        self.began = self.began.or(other.began);
        self
    }
}

impl Job {
    /// A job of some pods of one kind.
    pub(super) fn of(name: Name, arrives: u64, lasts: Option<u64>, pod: u32, count: u32) -> Self {
        Self { name, arrives, lasts, pods: Group { pods: vec![(pod, count)], ..Group::default() }, ..Self::default() }
    }
}
