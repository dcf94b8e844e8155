//! `plimsoll snapshot`: a cluster in one file.

use crate::{cli::SnapshotArgs, printer::Printer, source};
use plimsoll_observe::{example, snapshot};

/// Runs it.
pub fn run(args: &SnapshotArgs, printer: &Printer) -> anyhow::Result<()> {
    let salt = args.hash_names.then(|| args.salt.clone().map_or_else(fresh_salt, Ok)).transpose()?;
    let fleet = if args.example { example::fleet(example::SEED) } else { source::cluster(&args.cluster, printer)? };
    snapshot::write_file(&fleet, &args.output, &snapshot::WriteOptions { hash_names: salt })?;
    printer.note(&format!(
        "wrote {}: {} nodes, {} pods, {} workloads{}",
        args.output.display(),
        fleet.nodes.len(),
        fleet.pods.len(),
        fleet.workloads.len(),
        if args.hash_names { ", names hashed" } else { "" }
    ));
    Ok(())
}

/// A salt that nobody can guess: without it names could be found by hashing guesses.
fn fresh_salt() -> anyhow::Result<String> {
    use anyhow::Context as _;
    use std::io::Read as _;
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("cannot draw a salt from /dev/urandom: give one with --salt")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
