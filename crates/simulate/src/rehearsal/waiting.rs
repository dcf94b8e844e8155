//! The jobs that wait, by kind, so that a kind that does not fit is asked for once and not once a job.

use plimsoll_decide::queue::{Order, Turn};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
};

/// The waiting jobs.
pub(super) struct Queue {
    order: Order,
    /// By kind of job.
    lines: Vec<BinaryHeap<Reverse<(Turn, u32)>>>,
    /// Kinds that did not fit when they were last tried, and nothing has been freed since.
    blocked: Vec<bool>,
    /// Kinds with jobs that are to be tried.
    fresh: Vec<u32>,
    listed: HashSet<u32>,
    /// Thousandths of GPUs that waiting jobs ask for.
    pub milli: u64,
    /// How many wait.
    pub jobs: u64,
}

impl Queue {
    pub fn new(order: Order, kinds: usize) -> Self {
        Self {
            order,
            lines: vec![BinaryHeap::new(); kinds],
            blocked: vec![false; kinds],
            fresh: Vec::new(),
            listed: HashSet::new(),
            milli: 0,
            jobs: 0,
        }
    }

    pub fn push(&mut self, kind: u32, turn: Turn, job: u32, milli: u64) {
        self.lines[kind as usize].push(Reverse((turn, job)));
        self.milli += milli;
        self.jobs += 1;
        self.look_at(kind);
    }

    /// Something was freed: every kind may fit again.
    pub fn unblock(&mut self) {
        self.blocked.fill(false);
        for kind in 0..self.lines.len() as u32 {
            self.look_at(kind);
        }
    }

    fn look_at(&mut self, kind: u32) {
        if !self.lines[kind as usize].is_empty() && !self.blocked[kind as usize] && self.listed.insert(kind) {
            self.fresh.push(kind);
        }
    }

    /// Is there anybody to try?
    pub fn is_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Hands out the waiting jobs, whose turn it is first, to `place`, which says whether it was placed; stops where the order says so.
    /// `helped` says of a kind whether it may fit later without anything being freed.
    pub fn pass(&mut self, mut place: impl FnMut(u32) -> Option<u64>, helped: &[bool]) {
        let mut turns: BinaryHeap<Reverse<(Turn, u32, u32)>> = BinaryHeap::new();
        let head =
            |line: &BinaryHeap<Reverse<(Turn, u32)>>, kind: u32| line.peek().map(|Reverse((turn, job))| Reverse((*turn, *job, kind)));
        if self.order.passes() {
            turns.extend(self.fresh.iter().filter_map(|kind| head(&self.lines[*kind as usize], *kind)));
        } else {
            turns.extend((0..).zip(&self.lines).filter_map(|(kind, line)| head(line, kind)));
        }
        self.fresh.clear();
        self.listed.clear();
        while let Some(Reverse((_, job, kind))) = turns.pop() {
            if self.blocked[kind as usize] {
                if self.order.passes() {
                    continue;
                }
                break;
            }
            match place(job) {
                Some(milli) => {
                    let line = &mut self.lines[kind as usize];
                    line.pop();
                    self.milli -= milli;
                    self.jobs -= 1;
                    turns.extend(head(line, kind));
                }
                None => {
                    self.blocked[kind as usize] = !helped[kind as usize];
                    if !self.order.passes() {
                        break;
                    }
                }
            }
        }
    }

    /// The kinds of which jobs wait, and how many.
    pub fn kinds(&self) -> impl Iterator<Item = (u32, usize)> {
        (0..).zip(&self.lines).filter(|(_, line)| !line.is_empty()).map(|(kind, line)| (kind, line.len()))
    }
}
