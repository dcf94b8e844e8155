//! Writing a snapshot.
//!
//! The manifest stands first and holds the sizes and sums of what follows, so every part is written twice: once into a
//! counter, once into the archive. That costs time and no memory; a copy of a large fleet's text would be hundreds of megabytes.

use super::{Cluster, FORMAT, MANIFEST, Manifest, Part, PartEntry, SnapshotError, hash_names, hex};
use plimsoll_fleet::{Evidence, Fleet};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    borrow::Cow,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::Path,
};

/// zstd's own default: 3. Higher levels double the time for a tenth of the size.
const LEVEL: i32 = 3;
const BLOCK: usize = 512;

/// How a snapshot is written.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// Replace names by their hashes, salted with this text; none: names stay. Keep the salt secret: with it names can be guessed.
    pub hash_names: Option<String>,
}

/// Writes a snapshot of `fleet`.
///
/// # Errors
/// When `out` fails, or when a reference in `fleet` leads nowhere.
pub fn write(fleet: &Fleet, out: impl Write, options: &WriteOptions) -> Result<(), SnapshotError> {
    fleet.check().map_err(SnapshotError::Inconsistent)?;
    let fleet = match &options.hash_names {
        Some(salt) => Cow::Owned(hash_names(fleet, salt)),
        None => Cow::Borrowed(fleet),
    };
    let mut parts = Vec::new();
    for part in Part::ALL {
        let mut count = Count::default();
        write_part(&fleet, part, &mut count)?;
        let Count { sha256, bytes, lines } = count;
        parts.push(PartEntry { file: part.file().to_owned(), lines, bytes, sha256: hex(&sha256.finalize()) });
    }
    let manifest =
        Manifest { format: FORMAT, plimsoll: env!("CARGO_PKG_VERSION").to_owned(), names_hashed: options.hash_names.is_some(), parts };
    let mut text = serde_json::to_vec_pretty(&manifest).map_err(|source| SnapshotError::Encode { file: MANIFEST, line: 1, source })?;
    text.push(b'\n');

    let mut out = zstd::Encoder::new(out, LEVEL).map_err(SnapshotError::Write)?;
    out.include_checksum(true).map_err(SnapshotError::Write)?;
    let begun = fleet.at.0.max(0) as u64;
    header(&mut out, MANIFEST, text.len() as u64, begun)
        .and_then(|()| out.write_all(&text))
        .and_then(|()| pad(&mut out, text.len() as u64))
        .map_err(SnapshotError::Write)?;
    for (part, entry) in Part::ALL.into_iter().zip(&manifest.parts) {
        header(&mut out, part.file(), entry.bytes, begun).map_err(SnapshotError::Write)?;
        write_part(&fleet, part, &mut out)?;
        pad(&mut out, entry.bytes).map_err(SnapshotError::Write)?;
    }
    out.write_all(&[0; 2 * BLOCK]).and_then(|()| out.finish()).and_then(|mut out| out.flush()).map_err(SnapshotError::Write)
}

/// Writes a snapshot of `fleet` to `path`: whole, or not at all. It grows in a file beside `path` and is renamed when it is on disk.
///
/// # Errors
/// As [`write()`]; and when the file cannot be made.
pub fn write_file(fleet: &Fleet, path: &Path, options: &WriteOptions) -> Result<(), SnapshotError> {
    let save = |source| SnapshotError::Save { path: path.to_owned(), source };
    let name = path.file_name().ok_or_else(|| save(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file")))?;
    let mut part = std::ffi::OsString::from(".");
    part.push(name);
    part.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(part);

    let file = OpenOptions::new().write(true).create_new(true).open(&part).map_err(save)?;
    let written = write_to(fleet, &file, options).and_then(|()| file.sync_all().and_then(|()| fs::rename(&part, path)).map_err(save));
    if written.is_err() {
        // The first error is the one to tell; a file that cannot be removed now is only litter.
        let _ = fs::remove_file(&part);
    }
    written.map_err(|error| match error {
        SnapshotError::Write(source) => save(source),
        other => other,
    })
}

fn write_to(fleet: &Fleet, file: &File, options: &WriteOptions) -> Result<(), SnapshotError> {
    write(fleet, BufWriter::with_capacity(1 << 20, file), options)
}

fn write_part(fleet: &Fleet, part: Part, out: &mut impl Write) -> Result<(), SnapshotError> {
    match part {
        Part::Cluster => {
            lines(part, [Cluster { at: fleet.at, origin: fleet.origin.clone(), recorded: fleet.history.recorded }].iter(), out)
        }
        Part::Nodes => lines(part, fleet.nodes.iter(), out),
        Part::Shapes => lines(part, fleet.shapes.iter(), out),
        Part::Pods => lines(part, fleet.pods.iter(), out),
        Part::Workloads => lines(part, fleet.workloads.iter(), out),
        Part::Namespaces => lines(part, fleet.namespaces.iter(), out),
        Part::Budgets => lines(part, fleet.budgets.iter(), out),
        Part::Unseen => lines(part, fleet.unseen.iter(), out),
        Part::Evidence => lines(part, [without_usages(&fleet.evidence)].iter(), out),
        Part::Devices => lines(part, fleet.evidence.devices.iter(), out),
        Part::Usage => lines(part, fleet.evidence.pods.iter(), out),
        Part::Engines => lines(part, fleet.evidence.engines.iter(), out),
        Part::History => lines(part, fleet.history.lives.iter(), out),
    }
}

/// The evidence without its long lists, which are parts of their own. Named field by field, so that a new one is not forgotten.
fn without_usages(evidence: &Evidence) -> Evidence {
    Evidence {
        window: evidence.window,
        step: evidence.step,
        source: evidence.source.clone(),
        dialects: evidence.dialects.clone(),
        queries: evidence.queries.clone(),
        engine_queries: evidence.engine_queries.clone(),
        courses: evidence.courses,
        devices: Vec::new(),
        pods: Vec::new(),
        engines: Vec::new(),
        hours: evidence.hours.clone(),
        dropped: evidence.dropped,
        not_understood: evidence.not_understood.clone(),
    }
}

fn lines<'a, T: Serialize + 'a>(part: Part, items: impl Iterator<Item = &'a T>, out: &mut impl Write) -> Result<(), SnapshotError> {
    let mut text = Vec::new();
    for (item, line) in items.zip(1..) {
        text.clear();
        serde_json::to_writer(&mut text, item).map_err(|source| SnapshotError::Encode { file: part.file(), line, source })?;
        text.push(b'\n');
        out.write_all(&text).map_err(SnapshotError::Write)?;
    }
    Ok(())
}

fn header(out: &mut impl Write, name: &str, bytes: u64, modified: u64) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_mtime(modified);
    header.set_cksum();
    out.write_all(header.as_bytes())
}

fn pad(out: &mut impl Write, bytes: u64) -> io::Result<()> {
    let over = (bytes % BLOCK as u64) as usize;
    if over == 0 { Ok(()) } else { out.write_all(&[0; BLOCK][over..]) }
}

/// Counts and sums what is written, and keeps none of it.
#[derive(Default)]
struct Count {
    sha256: Sha256,
    bytes: u64,
    lines: u64,
}

/// One call is one line: [`lines`] writes so.
impl Write for Count {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.sha256.update(line);
        self.bytes += line.len() as u64;
        self.lines += 1;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
