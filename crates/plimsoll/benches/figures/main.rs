//! All of Plimsoll's figures, printed by one command: `cargo bench -p plimsoll`. `docs/benchmarks.md` says what they mean.
//!
//! Words pick sections: `cargo bench -p plimsoll -- decisions sweep`. Each prints what is asked for and, where they publish any, the
//! figures of peers.
//!
//! - [`audit`]: the program on snapshots of 1,000 to 10,000 nodes: wall time, peak memory, and where the time goes
//! - [`packing`] (`packing`, `repack`, `room`): packing with its bound, plans in waves, room for one pod
//! - [`mig`]: exact plans and online placement of MIG instances
//! - [`decisions`]: one placement on 1,213 to 99,466 nodes
//! - [`openb`] (`sweep`, `bounds`): the placement experiment of ATC'23, and the pattern bounds
//! - [`events`]: the simulator on Philly
//! - [`webhook`] (`rules`, `webhook`): the rules on pods, and reviews over TLS; [`load`]: who asks for them
//! - [`prometheus`]: a week of samples from a real Prometheus, beside a reader that only drains the same answers
//!
//! `decisions`, `sweep`, `bounds` and `events` need [`traces`]: without them they say so and are skipped.

#![allow(missing_docs, clippy::print_stdout, clippy::print_stderr)]

mod audit;
mod decisions;
mod events;
mod load;
mod mig;
mod openb;
mod packing;
mod prometheus;
mod traces;
mod webhook;

use anyhow::Context as _;
use mimalloc::MiMalloc;
use std::{path::Path, process::ExitCode, time::Duration};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Measures and prints.
type Section = fn() -> anyhow::Result<()>;

/// The sections, in the order in which they are printed.
const SECTIONS: [(&str, Section); 12] = [
    ("audit", audit::run),
    ("packing", packing::run),
    ("repack", packing::repacking),
    ("room", packing::making_room),
    ("mig", mig::run),
    ("decisions", decisions::run),
    ("sweep", openb::sweep),
    ("bounds", openb::bounds),
    ("events", events::run),
    ("prometheus", prometheus::run),
    ("rules", webhook::rules),
    ("webhook", webhook::run),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> anyhow::Result<()> {
    if let [word, path] = words
        && word == audit::STAGES
    {
        return audit::stages(Path::new(path));
    }
    if let [word, path, tells @ ..] = words
        && word == webhook::SERVER
    {
        return webhook::server(Path::new(path), tells);
    }
    if let [word, nodes, path] = words
        && word == "--write"
    {
        plimsoll_observe::snapshot::write_file(
            &plimsoll_observe::example::large(nodes.parse()?, 42),
            Path::new(path),
            &Default::default(),
        )?;
        return Ok(());
    }
    // Only `cargo bench` gives this word: `cargo test --all-targets` must not measure for minutes.
    if !words.iter().any(|word| word == "--bench") {
        println!("figures are measured by: cargo bench -p plimsoll");
        return Ok(());
    }
    let picked: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    let names = SECTIONS.map(|(name, _)| name);
    if let Some(word) = picked.iter().find(|word| !names.contains(word)) {
        anyhow::bail!("there is no section {word}; there are {}", names.join(", "));
    }
    println!("{}", machine());
    for (name, measure) in SECTIONS {
        if picked.is_empty() || picked.contains(&name) {
            println!();
            measure().context(name)?;
        }
    }
    Ok(())
}

/// What it runs on, and how busy that was before.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let text = |path| std::fs::read_to_string(path).unwrap_or_default();
    let memory = kib(&text("/proc/meminfo"), "MemTotal:").map_or(0, |kib| kib >> 20);
    let load = text("/proc/loadavg").split(' ').next().unwrap_or("?").to_owned();
    format!("{cores} cores, {memory} GiB; load before: {load}")
}

/// A line of a file of /proc that gives KiB.
fn kib(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.trim().trim_end_matches(" kB").parse().ok()
}

/// The least and the middle of some measurements: the least is nearest to a machine at rest.
fn least_and_middle(mut all: Vec<Duration>) -> (f64, f64) {
    all.sort_unstable();
    (all[0].as_secs_f64(), all[all.len() / 2].as_secs_f64())
}

/// Numbers from a seed (the constants of Knuth's MMIX), so that every run measures the same fleet.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}
