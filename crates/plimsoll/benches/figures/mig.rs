//! MIG: how many GPUs a demand needs, how long an exact plan takes, and how much is accepted where instances come and go.
//!
//! Four mixes of the six plain profiles of an 80 GB board. Published beside: nothing is, for these; the policies that others use are run
//! on the same requests. `one GPU each` is a cluster without MIG, `first fit` takes the first GPU and start that is free, `best fit` the
//! GPU with least free memory, both with NVIDIA's order of starts; `FGD form` is the fragmentation gradient over GPUs and starts.

use super::Numbers;
use plimsoll_decide::pack::mig::{Bound, Grid, Next, Offer, Online, OnlineWeights, Room, Stock, Wanted, plan};
use plimsoll_fleet::mig::{Board, board};
use std::{collections::BinaryHeap, time::Instant};

/// Parts of the profiles in hundredths, in the order of the table: 1g, 1g of double memory, 2g, 3g, 4g, 7g.
const MIXES: [(&str, [u64; 6]); 4] = [
    ("small inference", [50, 15, 20, 10, 3, 2]),
    ("balanced", [22, 14, 25, 20, 12, 7]),
    ("large", [14, 10, 19, 25, 16, 16]),
    ("uniform", [1, 1, 1, 1, 1, 1]),
];
const SEEDS: u64 = 5;
const REQUESTS: usize = 400;
const CHURN_SEEDS: u64 = 5;
const CHURN_GPUS: usize = 100;
/// Requests of a churn run, and how many of the first are not counted.
const CHURN_REQUESTS: usize = 40_000;
const CHURN_WARM: usize = 8_000;

/// How an instance is placed online.
enum Way {
    FirstFit,
    BestFit,
    Online(Box<Online>),
}

impl Way {
    fn all(grid: Grid, mix: &[(u8, u64)]) -> Vec<(&'static str, Self)> {
        let fgd = OnlineWeights { fragments: 1.0, fill: 0.0, bucket: 1e-6 };
        vec![
            ("first fit", Self::FirstFit),
            ("best fit", Self::BestFit),
            ("FGD form", Self::Online(Box::new(Online::weighted(grid, mix, fgd)))),
            ("ours", Self::Online(Box::new(Online::new(grid, mix)))),
        ]
    }

    fn choose(&self, grid: Grid, rooms: &[Room], slot: u8) -> Option<(usize, Next)> {
        let geometry = grid.geometry();
        let first = |gpu: usize| geometry.next(rooms[gpu], slot).first().map(|next| (gpu, *next));
        match self {
            Self::FirstFit => (0..rooms.len()).find_map(first),
            Self::BestFit => (0..rooms.len()).filter_map(first).min_by_key(|(gpu, _)| (geometry.free_slices(rooms[*gpu]), *gpu)),
            Self::Online(online) => online.choose(rooms, slot),
        }
    }
}

fn draw(numbers: &mut Numbers, mix: &[(u8, u64)]) -> u8 {
    let mut at = numbers.below(mix.iter().map(|(_, part)| part).sum());
    for (slot, part) in mix {
        if at < *part {
            return *slot;
        }
        at -= part;
    }
    unreachable!("below the sum of the parts")
}

/// An exponentially distributed time with mean 1.
fn wait(numbers: &mut Numbers) -> f64 {
    -(((numbers.below(1 << 30) + 1) as f64) / (1_u64 << 30) as f64).ln()
}

/// GPUs that requests need, one after the other, when there are always more.
fn gpus_needed(way: &Way, grid: Grid, requests: &[u8]) -> usize {
    let mut rooms: Vec<Room> = Vec::new();
    for &slot in requests {
        let (gpu, next) = way.choose(grid, &rooms, slot).unwrap_or_else(|| {
            rooms.push(grid.geometry().empty());
            way.choose(grid, &rooms, slot).expect("an empty GPU holds any instance")
        });
        rooms[gpu] = next.room;
    }
    rooms.len()
}

/// A departure: when, from which GPU, what. Orders by time, the earliest greatest.
struct Leaves(f64, usize, u8, Next);

impl PartialEq for Leaves {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Leaves {}
impl PartialOrd for Leaves {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Leaves {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.total_cmp(&self.0)
    }
}

/// The part of the requests that is accepted on so many GPUs, and the part of the slices, when as much is offered as there is.
fn churn(way: &Way, grid: Grid, mix: &[(u8, u64)], seed: u64) -> (f64, f64) {
    let geometry = grid.geometry();
    let mut numbers = Numbers(seed);
    let mut rooms = vec![geometry.empty(); CHURN_GPUS];
    let mut leaving: BinaryHeap<Leaves> = BinaryHeap::new();
    let parts: u64 = mix.iter().map(|(_, part)| part).sum();
    let size = mix.iter().map(|(slot, part)| f64::from(grid.milli(*slot)) * *part as f64).sum::<f64>() / parts as f64;
    let between = size / (CHURN_GPUS as f64 * 1000.0);
    let (mut now, mut accepted, mut served, mut asked) = (0.0, 0.0, 0.0, 0.0);
    for at in 0..CHURN_REQUESTS {
        now += between * wait(&mut numbers);
        let (slot, stay) = (draw(&mut numbers, mix), wait(&mut numbers));
        while leaving.peek().is_some_and(|next| next.0 <= now) {
            let Leaves(_, gpu, slot, next) = leaving.pop().expect("it was just seen");
            rooms[gpu] = geometry.given_back(rooms[gpu], slot, next.start).expect("it is there");
        }
        let place = way.choose(grid, &rooms, slot);
        if let Some((gpu, next)) = place {
            rooms[gpu] = next.room;
            leaving.push(Leaves(now + stay, gpu, slot, next));
        }
        if at >= CHURN_WARM {
            let milli = f64::from(grid.milli(slot));
            asked += milli;
            if place.is_some() {
                accepted += 1.0;
                served += milli;
            }
        }
    }
    (accepted / (CHURN_REQUESTS - CHURN_WARM) as f64, served / asked)
}

/// Measures and prints.
pub fn run() -> anyhow::Result<()> {
    let board = board("NVIDIA-H100-80GB-HBM3", None).expect("in the catalogue");
    let grid = Grid::of(board.table).expect("a bundled table");
    let plain = board.table.plain_slots();
    let mixes = MIXES.map(|(name, parts)| {
        let mix: Vec<(u8, u64)> = plain.iter().zip(parts).map(|(slot, part)| (*slot as u8, part)).collect();
        (name, mix)
    });
    needed(&board, grid, &mixes);
    accepted(grid, &mixes);
    times(&board, &mixes);
    Ok(())
}

fn wanted(plain: impl Iterator<Item = (u8, u32)>) -> Vec<Wanted> {
    plain.map(|(slot, count)| Wanted { count, by: vec![Offer { stock: 0, slot: slot.into() }] }).collect()
}

fn count(requests: &[u8], mix: &[(u8, u64)]) -> Vec<Wanted> {
    wanted(mix.iter().map(|(slot, _)| (*slot, requests.iter().filter(|other| *other == slot).count() as u32)))
}

fn needed(board: &Board, grid: Grid, mixes: &[(&str, Vec<(u8, u64)>)]) {
    println!("MIG: GPUs that {REQUESTS} requests need, mean of {SEEDS} seeds");
    println!(
        "{:<16} {:>13} {:>10} {:>9} {:>9} {:>7} {:>7} {:>7}",
        "mix", "one GPU each", "first fit", "best fit", "FGD form", "ours", "exact", "bound"
    );
    for (name, mix) in mixes {
        let ways = Way::all(grid, mix);
        let mut sums = vec![0.0; ways.len() + 2];
        for seed in 0..SEEDS {
            let mut numbers = Numbers(1000 + seed);
            let requests: Vec<u8> = (0..REQUESTS).map(|_| draw(&mut numbers, mix)).collect();
            for (sum, (_, way)) in sums.iter_mut().zip(&ways) {
                *sum += gpus_needed(way, grid, &requests) as f64;
            }
            let plan = plan(&[Stock { board: *board, gpus: 1_000, price: None }], &count(&requests, mix)).expect("a sound demand");
            let Bound::Gpus(bound) = plan.bound else { unreachable!("no price was given") };
            sums[ways.len()] += f64::from(plan.gpus);
            sums[ways.len() + 1] += f64::from(bound);
        }
        let mean: Vec<f64> = sums.iter().map(|sum| sum / SEEDS as f64).collect();
        println!(
            "{name:<16} {REQUESTS:>13} {:>10.1} {:>9.1} {:>9.1} {:>7.1} {:>7.1} {:>7.1}",
            mean[0], mean[1], mean[2], mean[3], mean[4], mean[5]
        );
    }
}

fn accepted(grid: Grid, mixes: &[(&str, Vec<(u8, u64)>)]) {
    println!("MIG: part of requests (of slices) accepted on {CHURN_GPUS} GPUs at 100 % load, mean of {CHURN_SEEDS} seeds");
    for (name, mix) in mixes {
        print!("{name:<16}");
        for (way, how) in Way::all(grid, mix) {
            let sums = (0..CHURN_SEEDS)
                .map(|seed| churn(&how, grid, mix, 2000 + seed))
                .fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
            print!("  {way} {:.4} ({:.4})", sums.0 / CHURN_SEEDS as f64, sums.1 / CHURN_SEEDS as f64);
        }
        println!();
    }
}

fn times(board: &Board, mixes: &[(&str, Vec<(u8, u64)>)]) {
    println!("MIG: exact plans for about 1,000 GPUs, one thread (target: 50 ms with proof)");
    for (name, mix) in mixes {
        let (mut times, mut gpus, mut proven) = (Vec::new(), 0, 0);
        for seed in 0..20 {
            let mut numbers = Numbers(3000 + seed);
            let parts: u64 = mix.iter().map(|(_, part)| part).sum();
            let slices = mix.iter().map(|(slot, part)| u64::from(board.table.slots[usize::from(*slot)].size) * part).sum::<u64>();
            let requests: Vec<u8> = (0..8_000 * parts / slices).map(|_| draw(&mut numbers, mix)).collect();
            let wanted = count(&requests, mix);
            let start = Instant::now();
            let plan = plan(&[Stock { board: *board, gpus: 2_000, price: None }], &wanted).expect("a sound demand");
            times.push(start.elapsed());
            gpus += plan.gpus;
            proven += u32::from(plan.proven());
        }
        times.sort_unstable();
        let ms = |at: usize| times[at].as_secs_f64() * 1e3;
        println!(
            "{name:<16} {:>7.1} GPUs   median {:.1} ms, worst {:.1} ms   {proven} of 20 proven",
            f64::from(gpus) / 20.0,
            ms(10),
            ms(19)
        );
    }
}
