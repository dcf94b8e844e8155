//! `plimsoll audit` on snapshots of fleets of growing size, as a user runs it; and where its time goes.

use crate::{kib, least_and_middle};
use anyhow::{Context as _, ensure};
use plimsoll_decide::{
    audit::{self, settings::Settings, view::View},
    pack::{PackOptions, consolidate},
};
use plimsoll_fleet::price::PriceBook;
use plimsoll_observe::{example, snapshot};
use plimsoll_report::json;
use std::{
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// The word that makes this program tell the [`stages`] of one audit, in a process of its own.
pub const STAGES: &str = "--stages";

const NODES: [u32; 3] = [1_000, 3_000, 10_000];
const SEED: u64 = 42;
const RUNS: usize = 5;
/// How often a process is asked for its memory. What it takes in its last moments only may be missed.
const LOOK: Duration = Duration::from_millis(3);

/// Measures and prints.
pub fn run() -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("cannot create a folder")?;
    println!("audit of a snapshot to JSON, 30 days of sketches (target: 10,000 nodes in 3 s and 1 GiB); {RUNS} runs, least and middle");
    println!(
        "{:>6} {:>7} {:>8} {:>9} | {:>6} {:>6} {:>5} {:>8} | read, audit (of it: view, signs and sums, packing), report",
        "nodes", "gpus", "pods", "file MiB", "s", "mid s", "MiB", "us/gpu"
    );
    for nodes in NODES {
        let path = folder.path().join("fleet.tar.zst");
        let fleet = example::large(nodes, SEED);
        let (gpus, pods) = (fleet.nodes.iter().map(|node| node.gpus.len()).sum::<usize>(), fleet.pods.len());
        snapshot::write_file(&fleet, &path, &snapshot::WriteOptions::default())?;
        drop(fleet);
        let size = std::fs::metadata(&path)?.len() as f64 / f64::from(1 << 20);
        let (mut walls, mut peak) = (Vec::new(), 0);
        for _ in 0..RUNS {
            let (wall, memory) = once(&path, &folder.path().join("audit.json"))?;
            walls.push(wall);
            peak = peak.max(memory);
        }
        let (least, middle) = least_and_middle(walls);
        let stages = Command::new(std::env::current_exe()?).arg(STAGES).arg(&path).output().context("cannot run the stages")?;
        ensure!(stages.status.success(), "the stages failed: {}", String::from_utf8_lossy(&stages.stderr));
        println!(
            "{nodes:>6} {gpus:>7} {pods:>8} {size:>9.1} | {least:>6.2} {middle:>6.2} {:>5} {:>8.1} | {}",
            peak >> 10,
            least * 1e6 / gpus as f64,
            String::from_utf8_lossy(&stages.stdout).trim()
        );
    }
    Ok(())
}

/// One audit by the program: its wall time, and the KiB of memory that it held at its peak.
fn once(snapshot: &Path, out: &Path) -> anyhow::Result<(Duration, u64)> {
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args(["audit", "--quiet", "--format", "json", "--snapshot"])
        .arg(snapshot)
        .arg("-o")
        .arg(out)
        .stdout(Stdio::null())
        .spawn()
        .context("cannot run plimsoll")?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        // High-water mark of resident memory; gone when the process is.
        peak = peak.max(std::fs::read_to_string(&status).ok().and_then(|text| kib(&text, "VmHWM:")).unwrap_or(0));
        match child.try_wait()? {
            Some(ended) => break ended,
            None => sleep(LOOK),
        }
    };
    let wall = start.elapsed();
    ensure!(ended.success(), "plimsoll audit ended with {ended}");
    Ok((wall, peak))
}

/// Prints the milliseconds of each stage of one audit through the libraries.
pub fn stages(path: &Path) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut last = start;
    let mut took = move || {
        let before = std::mem::replace(&mut last, Instant::now());
        (last - before).as_millis()
    };
    let fleet = snapshot::read_file(path)?;
    let read = took();
    let (prices, settings) = (PriceBook::list(), Settings::default());
    let audit = audit::audit(&fleet, &prices, &settings);
    let audited = took();
    let text = json::text(&json::document(&audit, None));
    let report = took();
    // Once more, for the parts of the audit.
    let view = View::new(&fleet, &prices, &settings);
    let viewed = took();
    if std::env::var_os("PLIMSOLL_BENCH_SIGNS").is_some() {
        for sign in audit::signs::ALL {
            let found = (sign.find)(&view).len();
            eprintln!("{:>6} ms {:<32} {found}", took(), sign.name);
        }
    }
    took();
    let price = |node: plimsoll_fleet::NodeId| Some(view.prices[node.index()].as_ref().ok()?.per_hour);
    let packing = consolidate(&fleet, &PackOptions { headroom: &settings.headroom, move_training: false, price: &price });
    let packed = took();
    println!(
        "{read}, {audited} ({viewed}, {}, {packed}), {report} ms; {} findings, {} KiB, {} of {} nodes needed",
        audited.saturating_sub(viewed + packed),
        audit.findings.len(),
        text.len() >> 10,
        packing.nodes_needed,
        packing.nodes_now
    );
    Ok(())
}
