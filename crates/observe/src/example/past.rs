//! What ran in the example before what runs there now: jobs of the same teams on the same GPUs, gone since.
//!
//! People submit on working days and wait until GPUs are free; what nobody watches starts at night. Trainings take many GPUs for a
//! day or two, batch jobs one for hours, notebooks one for a working day. Nothing overlaps, so no node was ever too full.

use super::{
    chance::Chance,
    load::{Load, Rhythm},
};
use plimsoll_fleet::{Bytes, Life, MilliCpu, Name, Seconds, Timestamp, Window, history::Owner, pod::Ask};
use std::ops::Range;

const HOUR: u64 = 3_600;
/// GPUs stand free for so long before whoever holds them now came: a node was drained for it, or it was just so.
const BEFORE_NEXT: Seconds = Seconds(600);

/// GPUs of one node that were free until the same moment, and what each of them may take along.
#[derive(Debug)]
pub(super) struct Room {
    /// The namespace of whoever holds them now.
    pub namespace: Name,
    pub node: Name,
    pub gpus: usize,
    pub until: Timestamp,
    /// For each GPU.
    pub cpu: MilliCpu,
    /// For each GPU.
    pub memory: Bytes,
    /// Framebuffer that work here holds, GiB.
    pub memory_gib: f64,
}

/// A job that is gone.
#[derive(Debug)]
pub(super) struct Job {
    pub life: Life,
    /// Which of the room's GPUs it held.
    pub gpus: Range<usize>,
    pub load: Load,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Sort {
    Training,
    Batch,
    Notebook,
}

impl Sort {
    fn owner(self, chance: &mut Chance) -> (&'static str, &'static str) {
        let stems: (&str, [&str; 4]) = match self {
            Self::Training => ("PyTorchJob", ["finetune", "sweep", "ablation", "distill"]),
            Self::Batch => ("Job", ["nightly-scores", "embed-backfill", "eval", "reindex"]),
            Self::Notebook => ("Notebook", ["lab-scratch", "lab-debug", "lab-plots", "lab-demo"]),
        };
        (stems.0, stems.1[chance.below(stems.1.len())])
    }

    /// From, and up to, hours.
    fn lasts(self, chance: &mut Chance) -> Seconds {
        let (least, most) = match self {
            Self::Training => (8.0, 40.0),
            Self::Batch => (0.5, 5.0),
            Self::Notebook => (2.0, 9.0),
        };
        // More short ones than long ones.
        Seconds(((least + (most - least) * chance.share().powi(2)) * HOUR as f64) as u64)
    }

    fn load(self, memory_gib: f64) -> Load {
        match self {
            Self::Training => Load::training(memory_gib),
            Self::Batch => Load::compute(0.85, memory_gib).at(Rhythm::Flat, 0.85),
            Self::Notebook => Load::compute(0.8, memory_gib).at(Rhythm::Bursts(0.45), 0.0),
        }
    }

    /// The next moment from `from` on at which somebody would submit it.
    fn submitted(self, from: Timestamp, chance: &mut Chance) -> Timestamp {
        let hours = match self {
            Self::Batch if chance.share() < 0.6 => 1..4,
            Self::Batch | Self::Training => 8..18,
            Self::Notebook => 8..12,
        };
        let mut at = from.plus(Seconds(chance.below(2 * HOUR as usize) as u64));
        let fits = |at: Timestamp| {
            let is_workday = at.hour_of_week() < 120 || hours.start < 8;
            is_workday && hours.contains(&(at.hour_of_week() % 24))
        };
        // At most a weekend, hour by hour.
        for _ in 0..168 {
            if fits(at) {
                break;
            }
            at = at.plus(Seconds(HOUR));
        }
        at
    }
}

/// What ran in `room` during `window`, in order of time.
pub(super) fn jobs(room: &Room, window: Window, chance: &mut Chance) -> Vec<Job> {
    if room.gpus >= 4 {
        return sequence(room, 0..room.gpus, window, chance, |_| Sort::Training);
    }
    (0..room.gpus)
        .flat_map(|gpu| sequence(room, gpu..gpu + 1, window, chance, |share| if share < 0.7 { Sort::Batch } else { Sort::Notebook }))
        .collect()
}

/// One after another on the same GPUs.
fn sequence(room: &Room, gpus: Range<usize>, window: Window, chance: &mut Chance, sort: impl Fn(f64) -> Sort) -> Vec<Job> {
    let last = room.until.minus(BEFORE_NEXT);
    let (mut jobs, mut free) = (Vec::new(), window.start);
    loop {
        let sort = sort(chance.share());
        // Most come when the GPUs are free; some have come before that, and wait.
        let early = if chance.share() < 0.4 { chance.below(3 * HOUR as usize) as u64 } else { 0 };
        let created = sort.submitted(free.minus(Seconds(early)), chance);
        let scheduled = created.plus(Seconds(2)).max(free);
        let started = scheduled.plus(Seconds(30 + chance.below(240) as u64));
        let ended = started.plus(sort.lasts(chance));
        if ended > last {
            return jobs;
        }
        let (kind, stem) = sort.owner(chance);
        let owner: Name = format!("{stem}-{}", chance.letters(4)).into();
        // A training of eight GPUs may be a gang of two pods.
        let pods = if gpus.len() == 8 && chance.share() < 0.5 { 2 } else { 1 };
        let each = gpus.len() / pods;
        for pod in 0..pods {
            let first = gpus.start + pod * each;
            let name = if pods > 1 { format!("{owner}-worker-{pod}") } else { format!("{owner}-{}", chance.letters(5)) };
            let life = Life {
                namespace: room.namespace.clone(),
                name: name.into(),
                owner: Some(Owner { kind: kind.into(), name: owner.clone() }),
                node: Some(room.node.clone()),
                asks: vec![Ask { resource: "nvidia.com/gpu".into(), count: each as u32, dra: false }],
                cpu: Some(MilliCpu(room.cpu.0 * each as u64)),
                memory: Some(Bytes(room.memory.0 * each as u64)),
                created: Some(created),
                scheduled: Some(scheduled),
                started: Some(started),
                ended: Some(ended),
                ..Life::default()
            };
            jobs.push(Job { life, gpus: first..first + each, load: sort.load(room.memory_gib) });
        }
        free = ended.plus(Seconds(60 + chance.below(HOUR as usize) as u64));
    }
}
