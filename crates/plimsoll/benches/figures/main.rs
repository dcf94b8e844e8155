//! All of Plimsoll's figures, printed by one command: `cargo bench -p plimsoll`. `docs/benchmarks.md` says what they mean.
//!
//! Words pick parts: `cargo bench -p plimsoll -- audit packing`.
//!
//! - [`audit`]: the program on snapshots of 1,000 to 10,000 nodes: wall time, peak memory, and where the time goes
//! - [`packing`]: packing with its bound
//! - [`mig`]: exact plans and online placement of MIG instances
//! - [`prometheus`]: a week of samples from a real Prometheus, beside a reader that only drains the same answers

#![allow(missing_docs, clippy::print_stdout, clippy::print_stderr)]

mod audit;
mod mig;
mod packing;
mod prometheus;

use anyhow::Context as _;
use std::{path::Path, process::ExitCode, time::Duration};

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
    let wants = |part| picked.is_empty() || picked.contains(&part);
    println!("{}", machine());
    if wants("audit") {
        audit::run().context("audit")?;
    }
    if wants("packing") {
        packing::run();
    }
    if wants("mig") {
        mig::run();
    }
    if wants("prometheus") {
        prometheus::run().context("prometheus")?;
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
