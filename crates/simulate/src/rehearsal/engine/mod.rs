//! One run: events in order of time, and after each moment one pass over the queue.
//!
//! Deterministic: events of one moment are handled in the order ends, nodes, arrivals, each in the order of their places; what is left to
//! chance comes from the seed and the place of the job. Nothing in here chooses a node or a turn: [`plimsoll_decide`] does.
//!
//! - `pools`: nodes that an autoscaler asks for and gives back.
//! - `told`: what a run tells of itself.

mod pools;
mod told;

use super::{
    course::{Course, Now},
    outcome::{Figures, Filling, Run},
    scene::Scene,
    spread::Times,
    waiting::Queue,
};
use crate::chance::draw;
use plimsoll_decide::{
    pack::{
        policy::Named,
        site::{Placement, Seat},
    },
    queue::{Order, Waiting},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};
use told::{Open, PEAK_STEP, Peak};

/// What happens, in the order in which it does within one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A job ends; only if it was not evicted since it was placed for the so-many-th time.
    End { job: u32, placed: u32 },
    /// A node leaves: a drain, a spot interruption, or it was empty for long enough.
    Leave { node: u32 },
    /// A node that an autoscaler has been asked for has been empty since that moment.
    Idle { pool: u32, node: u32, since: u64 },
    /// A node joins.
    Join { node: u32, pool: Option<u32> },
}

/// A job's life so far.
#[derive(Debug, Clone, Default)]
struct Life {
    /// When it came, or its last predecessor ended.
    entered: u64,
    /// Seconds of work that are left; none: it stays.
    left: Option<u64>,
    seats: Vec<Seat>,
    /// When it was last placed, and for how long it then started.
    since: u64,
    starting: u64,
    /// How often it was placed.
    placed: u32,
    /// Predecessors that have not ended.
    before: u32,
    refused: bool,
}

struct Engine<'s> {
    scene: &'s Scene,
    order: Order,
    seed: u64,
    placement: Placement<'s>,
    queue: Queue,
    lives: Vec<Life>,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    /// By job that has followers, these.
    followers: BTreeMap<u32, Vec<u32>>,
    /// Kinds of jobs that may fit without anything being freed.
    helped: Vec<bool>,
    /// Pods on each node.
    load: Vec<u32>,
    /// Nodes of autoscaled pools without pods, and since when.
    since_empty: BTreeMap<u32, u64>,
    /// By autoscaled pool, the nodes that could join, and how many are on their way.
    spare: Vec<Vec<u32>>,
    coming: Vec<usize>,
    /// By pool: a node came for those that wait and went again unused. More of them would not help, until something else happens.
    futile: Vec<bool>,
    open: Open,
    /// Jobs that hold places.
    working: u64,
    now: u64,
    cost: f64,
    course: Course,
    times: Times,
    figures: Figures,
    filling: Vec<Filling>,
    asked_milli: u64,
    first_total: u64,
    peak: Peak,
    refused: BTreeMap<String, (u64, String)>,
    last_end: u64,
}

/// Why a job is refused that fits.
const AFTER_A_MISFIT: &str = "it comes after a job that fits nowhere";

/// Runs the scene. `tick` is told how many more jobs have come.
pub(super) fn run(scene: &Scene, policy: Named, order: Order, seed: u64, tick: &(dyn Fn(u64) + Sync)) -> Run {
    let mut engine = Engine::new(scene, policy, order, seed);
    engine.begin();
    let jobs = &scene.work.jobs;
    let (mut next, mut told) = (0, 0);
    loop {
        let arrival = jobs.get(next).map(|job| job.arrives);
        let event = engine.events.peek().map(|Reverse((at, _))| *at);
        let Some(at) = [arrival, event].into_iter().flatten().min() else { break };
        // Without a horizon a run ends when nobody waits or works any more, whatever nodes still come and go.
        let over = scene.horizon.is_none() && arrival.is_none() && engine.queue.jobs == 0 && engine.working == 0;
        if over || scene.horizon.is_some_and(|horizon| at >= horizon) {
            break;
        }
        engine.go_to(at);
        while let Some(event) = engine.due(at) {
            engine.handle(event);
        }
        while jobs.get(next).is_some_and(|job| job.arrives == at) {
            engine.arrive(next as u32);
            next += 1;
        }
        engine.pass();
        engine.scale();
        if next as u64 - told >= 1024 {
            tick(next as u64 - told);
            told = next as u64;
        }
    }
    tick(jobs.len() as u64 - told);
    engine.finish(policy)
}

impl<'s> Engine<'s> {
    fn new(scene: &'s Scene, policy: Named, order: Order, seed: u64) -> Self {
        let placement = scene.site.placement(policy);
        let nodes = scene.nodes.len();
        let lives = scene.work.jobs.iter().map(|job| Life { left: job.lasts, before: job.after.len() as u32, ..Life::default() });
        let mut followers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (at, job) in (0..).zip(&scene.work.jobs) {
            job.after.iter().for_each(|before| followers.entry(*before).or_default().push(at));
        }
        Self {
            scene,
            order,
            seed,
            helped: scene.kinds.iter().map(|kind| placement.may_be_helped(&kind.group)).collect(),
            placement,
            queue: Queue::new(order, scene.kinds.len()),
            lives: lives.collect(),
            events: BinaryHeap::new(),
            followers,
            load: vec![0; nodes],
            since_empty: BTreeMap::new(),
            spare: vec![Vec::new(); scene.pools.len()],
            coming: vec![0; scene.pools.len()],
            futile: vec![false; scene.pools.len()],
            open: Open::default(),
            working: 0,
            now: 0,
            course: Course::new(),
            times: Times::default(),
            figures: Figures::default(),
            cost: 0.0,
            filling: Vec::new(),
            asked_milli: 0,
            first_total: 0,
            peak: Peak::default(),
            refused: BTreeMap::new(),
            last_end: 0,
        }
    }

    /// What is there at the first moment: pods that run already, nodes that take no more, nodes that have not joined.
    fn begin(&mut self) {
        for (job, of) in (0..).zip(&self.scene.work.jobs) {
            if let (Some(node), 0, &[(want, 1)]) = (of.at, of.arrives, &*of.pods.pods)
                && let Some(seat) = self.placement.place_on(want, node)
            {
                self.lives[job as usize].seats.push(seat);
            }
        }
        self.open = Open::of(self.scene);
        for &node in &self.scene.closed {
            self.set_open(node, false);
        }
        for (pool, of) in self.scene.pools.iter().enumerate() {
            for &node in &of.nodes {
                self.set_open(node, false);
                self.spare[pool].push(node);
            }
            // The first in order join first.
            self.spare[pool].reverse();
            for _ in 0..of.least {
                self.ask_for_node(pool, 0);
            }
        }
        for change in &self.scene.changes {
            let event = if change.joins { Event::Join { node: change.node, pool: None } } else { Event::Leave { node: change.node } };
            if change.joins {
                self.set_open(change.node, false);
            }
            self.events.push(Reverse((change.at, event)));
        }
        self.first_total = self.placement.total_milli();
    }

    fn due(&mut self, at: u64) -> Option<Event> {
        self.events.peek().filter(|Reverse((due, _))| *due <= at)?;
        self.events.pop().map(|Reverse((_, event))| event)
    }

    /// Time goes on.
    fn go_to(&mut self, at: u64) {
        if at > self.now {
            let now = Now {
                gpus: self.placement.total_milli(),
                allocated: self.placement.allocated_milli(),
                waiting: self.queue.milli,
                fragmented: self.placement.fragmented_milli(),
                nodes: self.open.gpu_nodes,
            };
            self.course.advance(now, at);
            self.cost += self.open.rate * (at - self.now) as f64 / 3_600.0;
            self.now = at;
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::End { job, placed } => {
                if self.lives[job as usize].placed == placed && !self.lives[job as usize].seats.is_empty() {
                    self.end(job);
                }
            }
            Event::Leave { node } => {
                self.figures.events += 1;
                self.set_open(node, false);
                let there = |life: &Life| life.seats.iter().any(|seat| seat.place.node == node);
                let evicted: Vec<u32> = (0..).zip(&self.lives).filter(|(_, life)| there(life)).map(|(job, _)| job).collect();
                for job in evicted {
                    self.evict(job);
                }
            }
            Event::Join { node, pool } => {
                self.figures.events += 1;
                self.set_open(node, true);
                self.queue.unblock();
                if let Some(pool) = pool {
                    self.coming[pool as usize] -= 1;
                    self.watch(node);
                }
            }
            Event::Idle { pool, node, since } => {
                let of = &self.scene.pools[pool as usize];
                let open = of.nodes.len() - self.spare[pool as usize].len() - self.coming[pool as usize];
                if self.load[node as usize] == 0 && self.since_empty.get(&node) == Some(&since) && open > of.least {
                    self.figures.events += 1;
                    self.since_empty.remove(&node);
                    self.set_open(node, false);
                    self.futile[pool as usize] = true;
                    self.spare[pool as usize].push(node);
                }
            }
        }
    }

    fn set_open(&mut self, node: u32, open: bool) {
        if self.placement.is_open(node) != open {
            self.placement.set_open(node, open);
            self.open.change(self.scene, node, open);
        }
    }

    /// A job comes, if nothing is before it.
    fn arrive(&mut self, job: u32) {
        let of = &self.scene.work.jobs[job as usize];
        self.figures.events += 1;
        self.figures.jobs += 1;
        let kind = self.scene.kind_of[job as usize];
        let milli = self.scene.kinds[kind as usize].milli;
        self.asked_milli += milli;
        if let Some(why) = &self.scene.kinds[kind as usize].misfit {
            self.refuse(job, why.clone());
        } else if self.lives[job as usize].refused {
            self.refuse(job, AFTER_A_MISFIT.to_owned());
        } else if self.lives[job as usize].before == 0 {
            if self.lives[job as usize].seats.is_empty() {
                self.enter(job);
            } else {
                // It was there at the first moment.
                self.lives[job as usize].entered = self.now;
                self.started(job, 0);
            }
        }
        self.fill(of.arrives);
    }

    fn refuse(&mut self, job: u32, why: String) {
        self.lives[job as usize].refused = true;
        // One that has not come yet is counted when it comes.
        if u64::from(job) >= self.figures.jobs {
            return;
        }
        self.figures.refused += 1;
        let example = || self.scene.work.jobs[job as usize].name.to_string();
        self.refused.entry(why).or_insert_with(|| (0, example())).0 += 1;
        for next in self.followers.get(&job).cloned().unwrap_or_default() {
            if !self.lives[next as usize].refused {
                self.refuse(next, AFTER_A_MISFIT.to_owned());
            }
        }
    }

    /// A job enters the queue, anew or again.
    fn enter(&mut self, job: u32) {
        self.futile.fill(false);
        let kind = self.scene.kind_of[job as usize];
        let milli = self.scene.kinds[kind as usize].milli;
        let life = &mut self.lives[job as usize];
        if life.placed == 0 {
            life.entered = self.now;
        }
        let priority = self.scene.work.jobs[job as usize].priority;
        let turn = self.order.turn(Waiting { priority, ticket: job.into(), lasts: life.left, milli });
        self.queue.push(kind, turn, job, milli);
    }

    /// Tries the waiting jobs, whose turn it is first.
    fn pass(&mut self) {
        if !self.queue.is_fresh() {
            return;
        }
        let mut started = Vec::new();
        let (placement, lives, scene) = (&mut self.placement, &mut self.lives, self.scene);
        let seed = self.seed;
        self.queue.pass(
            |job| {
                let kind = &scene.kinds[scene.kind_of[job as usize] as usize];
                if !placement.has_volume(kind.milli) {
                    return None;
                }
                let life = &mut lives[job as usize];
                life.seats = placement.place_group(&kind.group, chance(seed, job, life.placed))?;
                started.push(job);
                Some(kind.milli)
            },
            &self.helped,
        );
        for job in started {
            self.started(job, self.scene.work.jobs[job as usize].starting);
        }
    }

    /// A job has its places: it starts, works, and will end.
    fn started(&mut self, job: u32, starting: u64) {
        let milli = self.milli(job);
        let life = &mut self.lives[job as usize];
        life.since = self.now;
        life.starting = starting;
        life.placed += 1;
        self.figures.events += 1;
        self.working += 1;
        life.seats.iter().for_each(|seat| self.load[seat.place.node as usize] += 1);
        if life.placed == 1 {
            self.times.placed(milli, self.now - life.entered);
        }
        if let Some(left) = life.left {
            let end = self.now.saturating_add(starting).saturating_add(left);
            self.events.push(Reverse((end, Event::End { job, placed: life.placed })));
        }
        let part = self.placement.allocated_milli() as f64 / self.placement.total_milli().max(1) as f64;
        if part > self.peak.part {
            self.peak.part = part;
            self.peak.reached = part > self.peak.drawn + PEAK_STEP || self.peak.grid.nodes.is_empty();
        }
    }

    fn end(&mut self, job: u32) {
        self.figures.events += 1;
        self.figures.ended += 1;
        self.release(job);
        self.last_end = self.now;
        let life = &mut self.lives[job as usize];
        life.left = Some(0);
        self.times.ended(self.scene.kinds[self.scene.kind_of[job as usize] as usize].milli, self.now - life.entered);
        for next in self.followers.get(&job).cloned().unwrap_or_default() {
            let follower = &mut self.lives[next as usize];
            follower.before -= 1;
            // One that has not come yet comes when its time is there.
            if follower.before == 0 && !follower.refused && self.scene.work.jobs[next as usize].arrives < self.now {
                self.enter(next);
            }
        }
    }

    fn evict(&mut self, job: u32) {
        let of = &self.scene.work.jobs[job as usize];
        self.figures.events += 1;
        self.figures.evictions += 1;
        let milli = self.milli(job);
        self.release(job);
        let life = &mut self.lives[job as usize];
        if let Some(left) = &mut life.left {
            let done = (self.now - life.since).saturating_sub(life.starting).min(*left);
            let kept = of.checkpoint.map_or(0, |every| done - done % every.max(1));
            *left -= kept;
            self.figures.lost_gpu_hours += (done - kept) as f64 * milli as f64 / 3_600_000.0;
        }
        self.enter(job);
    }

    /// A job gives its places back; what it did there is added up.
    fn release(&mut self, job: u32) {
        if self.peak.reached {
            self.draw_peak();
        }
        self.add_up(job);
        self.working -= 1;
        let seats = std::mem::take(&mut self.lives[job as usize].seats);
        for seat in seats {
            self.placement.give_back(seat);
            let load = &mut self.load[seat.place.node as usize];
            *load -= 1;
            if *load == 0 {
                self.watch(seat.place.node);
            }
        }
        self.queue.unblock();
        self.futile.fill(false);
    }

    /// Adds up what a job has held and used since it was last placed.
    fn add_up(&mut self, job: u32) {
        let of = &self.scene.work.jobs[job as usize];
        let milli = self.milli(job);
        let life = &self.lives[job as usize];
        let works = (life.since + life.starting).min(self.now);
        self.figures.starting_gpu_hours += (works - life.since) as f64 * milli as f64 / 3_600_000.0;
        let Some(used) = &of.used else { return };
        // Of a run that was interrupted, the rest is used as the rest was.
        let done = of.lasts.zip(life.left).map_or(0, |(all, left)| all - left);
        let mut at = works;
        while at < self.now {
            let (part, until) = used.at(done + (at - works));
            let until = until.map_or(self.now, |seconds| self.now.min(at.saturating_add(seconds)));
            if let Some(part) = part {
                self.course.add_used(at, until, milli * u64::from(part) / 1000);
            }
            at = until;
        }
    }

    /// Thousandths of GPUs that a placed job holds.
    fn milli(&self, job: u32) -> u64 {
        self.lives[job as usize].seats.iter().map(|seat| self.scene.site.milli_of(*seat)).sum()
    }
}

/// The chance of a decision: a stream for each seed, a number for each job and try.
fn chance(seed: u64, job: u32, tried: u32) -> u64 {
    draw(seed, u64::from(job) << 16 | u64::from(tried))
}
