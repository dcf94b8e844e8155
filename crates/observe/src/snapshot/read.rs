//! Reading a snapshot that anybody may have made.
//!
//! One thread decompresses, counts and sums, and cuts whole lines into chunks; two others parse the chunks. At most a few
//! chunks are under way, so memory holds the fleet and little else. Everything is bounded: the bytes in all, a line's length,
//! the lines of each part, what one node may list.

use super::{Cluster, FORMAT, MANIFEST, Manifest, Part, PartEntry, SnapshotError, hex, names, possible};
use plimsoll_fleet::{DeviceUsage, EngineUsage, Evidence, Fleet, Life, Name, Node, PodUsage};
use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufRead, Read},
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

/// Decompressed bytes in all. The largest fleet that Plimsoll is built for takes about 0.5 GB.
const BYTES_MAX: u64 = 4 << 30;
/// A line. An object in etcd has at most 1.5 MB; a fleet keeps less of each.
const LINE_MAX: usize = 4 << 20;
/// The manifest has thirteen entries of some 150 bytes.
const MANIFEST_MAX: u64 = 64 << 10;
/// How a zstd frame begins (RFC 8878, 3.1.1).
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The window that a zstd frame may ask for, as a power of two: 16 MiB. The writer's level asks for 2 MiB.
const WINDOW_LOG_MAX: u32 = 24;
/// Bytes of whole lines that are parsed at once.
const CHUNK: usize = 256 << 10;
/// Threads that parse.
const PARSERS: usize = 2;

/// Reads the snapshot at `path`.
///
/// # Errors
/// As [`read`], with the path.
pub fn read_file(path: &Path) -> Result<Fleet, SnapshotError> {
    let file = File::open(path).map_err(|source| SnapshotError::Open { path: path.to_owned(), source })?;
    read(file).map_err(|source| SnapshotError::File { path: path.to_owned(), source: Box::new(source) })
}

/// Reads a snapshot. It is not trusted: whatever `archive` holds, the result is a consistent fleet or an error.
///
/// # Errors
/// What is wrong with the archive, in which file and line of it, and what to do.
pub fn read(archive: impl Read) -> Result<Fleet, SnapshotError> {
    let (send, receive) = sync_channel::<Chunk>(2 * PARSERS);
    let work = Work { receive: Mutex::new(receive), done: Mutex::new(Vec::new()), failed: AtomicUsize::new(usize::MAX) };
    let cut = thread::scope(|scope| {
        for _ in 0..PARSERS {
            scope.spawn(|| work.parse_all());
        }
        // `send` moves in and is dropped at the end: that is what ends the parsers.
        cut(archive, send)
    });
    // What the cutter found wrong (a sum, a count, the archive itself) explains why a line would not parse: it goes first.
    cut?;
    let mut parsed = work.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    parsed.sort_unstable_by_key(|chunk| chunk.place);
    let mut fleet = Fleet::default();
    for chunk in parsed {
        join(&mut fleet, chunk.part, chunk.told?);
    }
    fleet.check().map_err(SnapshotError::Dangling)?;
    Ok(fleet)
}

/// Whole lines of one part.
struct Chunk {
    /// Counted from 0 over the whole archive.
    place: usize,
    part: Part,
    /// The number of its first line in the part, from 1.
    line: u64,
    text: Vec<u8>,
}

// ---- cutting

/// Refuses to give more than `left` bytes.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(into)?;
        self.left =
            self.left.checked_sub(got as u64).ok_or_else(|| io::Error::other(format!("it decompresses to more than {BYTES_MAX} bytes")))?;
        Ok(got)
    }
}

fn cut(mut archive: impl Read, send: SyncSender<Chunk>) -> Result<(), SnapshotError> {
    let mut magic = [0; MAGIC.len()];
    archive.read_exact(&mut magic).map_err(|source| SnapshotError::NotASnapshot { source: Some(source) })?;
    if magic != MAGIC {
        return Err(SnapshotError::NotASnapshot { source: None });
    }
    let damaged = |source| SnapshotError::Damaged { file: MANIFEST.to_owned(), source };
    let mut plain = zstd::Decoder::new(magic.chain(archive)).map_err(damaged)?.single_frame();
    plain.window_log_max(WINDOW_LOG_MAX).map_err(damaged)?;
    let mut tar = tar::Archive::new(Bounded { inner: plain, left: BYTES_MAX });

    // Raw: long names, sparse files and other extensions come as members of their own, and are refused as such.
    let mut members = tar.entries().map_err(damaged)?.raw(true);
    let manifest = match members.next() {
        Some(first) => read_manifest(first.map_err(damaged)?)?,
        None => return Err(SnapshotError::NotASnapshot { source: None }),
    };
    let mut cutter = Cutter { send, place: 0 };
    let mut seen = [false; Part::ALL.len()];
    let mut file = MANIFEST.to_owned();
    for member in members {
        let member = member.map_err(|source| SnapshotError::Damaged { file: format!("what follows {file}"), source })?;
        let part = part_of(&member)?;
        if std::mem::replace(&mut seen[part as usize], true) {
            return Err(SnapshotError::Member { member: part.file().to_owned(), what: "a second time" });
        }
        file = part.file().to_owned();
        let entry = manifest.parts.iter().find(|entry| entry.file == file);
        cutter.cut_part(member, part, entry.ok_or(SnapshotError::Missing { file: part.file(), place: "manifest" })?)?;
    }
    if let Some(part) = Part::ALL.into_iter().find(|part| part.is_in(manifest.format) && !seen[*part as usize]) {
        return Err(SnapshotError::Missing { file: part.file(), place: "archive" });
    }
    // The frame's own sum stands at its end, behind the end of the tar.
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(|source| SnapshotError::Damaged { file: "its end".to_owned(), source })?;
    Ok(())
}

fn printable(path: &[u8]) -> String {
    String::from_utf8_lossy(path).chars().take(80).flat_map(char::escape_default).collect()
}

fn part_of<R: Read>(member: &tar::Entry<'_, R>) -> Result<Part, SnapshotError> {
    let path = member.path_bytes();
    let wrong = |what| SnapshotError::Member { member: printable(&path), what };
    if member.header().entry_type() != tar::EntryType::Regular {
        return Err(wrong("which is not an ordinary file"));
    }
    std::str::from_utf8(&path).ok().and_then(Part::of_file).ok_or_else(|| wrong("which does not belong there"))
}

fn read_manifest<R: Read>(mut member: tar::Entry<'_, R>) -> Result<Manifest, SnapshotError> {
    #[derive(Deserialize)]
    struct Stamp {
        format: u32,
        #[serde(default)]
        plimsoll: String,
    }

    if *member.path_bytes() != *MANIFEST.as_bytes() || member.header().entry_type() != tar::EntryType::Regular {
        return Err(SnapshotError::NotASnapshot { source: None });
    }
    if member.size() > MANIFEST_MAX {
        return Err(SnapshotError::TooMuch { file: MANIFEST.to_owned(), most: MANIFEST_MAX, unit: "bytes" });
    }
    let mut text = Vec::new();
    member.read_to_end(&mut text).map_err(|source| SnapshotError::Damaged { file: MANIFEST.to_owned(), source })?;
    let line = |source: serde_json::Error| SnapshotError::Line { file: MANIFEST, line: source.line() as u64, source };
    // The stamp alone first: a newer format may have changed all the rest.
    let Stamp { format, plimsoll } = serde_json::from_slice(&text).map_err(line)?;
    match format {
        1..=FORMAT => {}
        0 => return Err(SnapshotError::NoSuchFormat { format }),
        _ => return Err(SnapshotError::TooNew { format, by: printable(plimsoll.as_bytes()) }),
    }
    let manifest: Manifest = serde_json::from_slice(&text).map_err(line)?;
    for (place, entry) in manifest.parts.iter().enumerate() {
        let member = || printable(entry.file.as_bytes());
        let Some(part) = Part::of_file(&entry.file) else {
            return Err(SnapshotError::Member { member: member(), what: "which its manifest should not list" });
        };
        if manifest.parts[..place].iter().any(|other| other.file == entry.file) {
            return Err(SnapshotError::Member { member: member(), what: "twice in its manifest" });
        }
        if entry.lines > part.lines_max() {
            return Err(SnapshotError::TooMuch { file: entry.file.clone(), most: part.lines_max(), unit: "lines" });
        }
    }
    Ok(manifest)
}

struct Cutter {
    send: SyncSender<Chunk>,
    place: usize,
}

impl Cutter {
    fn cut_part(&mut self, mut member: impl Read, part: Part, promised: &PartEntry) -> Result<(), SnapshotError> {
        let (mut sha256, mut bytes, mut lines) = (Sha256::new(), 0_u64, 0_u64);
        let mut text = Vec::new();
        loop {
            let before = text.len();
            text.reserve(CHUNK);
            let got = (&mut member)
                .take(CHUNK as u64)
                .read_to_end(&mut text)
                .map_err(|source| SnapshotError::Damaged { file: part.file().to_owned(), source })?;
            sha256.update(&text[before..]);
            bytes += got as u64;
            let whole = match text[before..].iter().rposition(|byte| *byte == b'\n') {
                _ if got == 0 => text.len(),
                Some(end) => before + end + 1,
                None if text.len() > LINE_MAX => {
                    return Err(SnapshotError::TooMuch { file: part.file().to_owned(), most: LINE_MAX as u64, unit: "bytes in a line" });
                }
                None => continue,
            };
            let rest = text.split_off(whole);
            let chunk = std::mem::replace(&mut text, rest);
            let unended = usize::from(chunk.last().is_some_and(|byte| *byte != b'\n'));
            let first = lines + 1;
            lines += (chunk.iter().filter(|byte| **byte == b'\n').count() + unended) as u64;
            if lines > part.lines_max() {
                return Err(SnapshotError::TooMuch { file: part.file().to_owned(), most: part.lines_max(), unit: "lines" });
            }
            if !chunk.is_empty() {
                // The parsers only end when this end of the channel is dropped, so a send cannot fail.
                let _ = self.send.send(Chunk { place: self.place, part, line: first, text: chunk });
                self.place += 1;
            }
            if got == 0 {
                break;
            }
        }
        let same = |found: String, promised: String| match found == promised {
            true => Ok(()),
            false => Err(SnapshotError::Mismatch { file: part.file().to_owned(), found, promised }),
        };
        same(format!("{bytes} bytes"), format!("{} bytes", promised.bytes))?;
        same(format!("{lines} lines"), format!("{} lines", promised.lines))?;
        same(format!("the SHA-256 {}", hex(&sha256.finalize())), format!("the SHA-256 {}", printable(promised.sha256.as_bytes())))
    }
}

// ---- parsing

/// What a chunk told: a fleet that holds nothing else.
struct Parsed {
    place: usize,
    part: Part,
    told: Result<Fleet, SnapshotError>,
}

struct Work {
    receive: Mutex<Receiver<Chunk>>,
    done: Mutex<Vec<Parsed>>,
    /// The least place of a chunk that did not parse. What comes later is not looked at: the first error is told, whichever thread met it.
    failed: AtomicUsize,
}

impl Work {
    fn parse_all(&self) {
        let mut shared = Shared::default();
        loop {
            let received = self.receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(chunk) = received else { return };
            if chunk.place > self.failed.load(Ordering::Relaxed) {
                continue;
            }
            let told = parse(&chunk, &mut shared);
            if told.is_err() {
                self.failed.fetch_min(chunk.place, Ordering::Relaxed);
            }
            self.done.lock().unwrap_or_else(PoisonError::into_inner).push(Parsed { place: chunk.place, part: chunk.part, told });
        }
    }
}

fn parse(chunk: &Chunk, shared: &mut Shared) -> Result<Fleet, SnapshotError> {
    let mut fleet = Fleet::default();
    let share = &mut |kind: names::Kind<'_>, name: &mut Name| shared.share(kind, name);
    match chunk.part {
        Part::Cluster => rows::<Cluster>(chunk, |cluster| {
            possible::moment(cluster.at)?;
            cluster.recorded.map_or(Ok(()), possible::window)?;
            (fleet.at, fleet.origin, fleet.history.recorded) = (cluster.at, cluster.origin, cluster.recorded);
            Ok(())
        }),
        Part::Nodes => rows(chunk, |mut node: Node| {
            possible::node(&node)?;
            names::node(&mut node, share);
            fleet.nodes.push(node);
            Ok(())
        }),
        Part::Shapes => rows(chunk, |mut shape| {
            names::shape(&mut shape, share);
            fleet.shapes.push(shape);
            Ok(())
        }),
        Part::Pods => rows(chunk, |mut pod| {
            names::pod(&mut pod, share);
            fleet.pods.push(pod);
            Ok(())
        }),
        Part::Workloads => rows(chunk, |mut workload| {
            names::workload(&mut workload, share);
            fleet.workloads.push(workload);
            Ok(())
        }),
        Part::Namespaces => rows(chunk, |mut namespace| {
            names::namespace(&mut namespace, share);
            fleet.namespaces.push(namespace);
            Ok(())
        }),
        Part::Budgets => rows(chunk, |mut budget| {
            names::budget(&mut budget, share);
            fleet.budgets.push(budget);
            Ok(())
        }),
        Part::Unseen => rows(chunk, |unseen| {
            fleet.unseen.push(unseen);
            Ok(())
        }),
        Part::Evidence => rows::<Evidence>(chunk, |evidence| {
            if !(evidence.devices.is_empty() && evidence.pods.is_empty() && evidence.engines.is_empty()) {
                return Err("usages stand in files of their own".to_owned());
            }
            possible::evidence(&evidence)?;
            fleet.evidence = evidence;
            Ok(())
        }),
        Part::Devices => rows(chunk, |mut usage: DeviceUsage| {
            possible::metrics(&usage.metrics)?;
            names::device(&mut usage, share);
            fleet.evidence.devices.push(usage);
            Ok(())
        }),
        Part::Usage => rows(chunk, |mut usage: PodUsage| {
            possible::metrics(&usage.metrics)?;
            names::usage(&mut usage, share);
            fleet.evidence.pods.push(usage);
            Ok(())
        }),
        Part::Engines => rows(chunk, |mut usage: EngineUsage| {
            possible::engine(&usage)?;
            names::engine(&mut usage, share);
            fleet.evidence.engines.push(usage);
            Ok(())
        }),
        Part::History => rows(chunk, |mut life: Life| {
            possible::life(&life)?;
            names::life(&mut life, share);
            fleet.history.lives.push(life);
            Ok(())
        }),
    }?;
    Ok(fleet)
}

fn rows<T: DeserializeOwned>(chunk: &Chunk, mut each: impl FnMut(T) -> Result<(), String>) -> Result<(), SnapshotError> {
    let mut rest = &*chunk.text;
    let mut number = chunk.line;
    while !rest.is_empty() {
        let mut after = rest;
        // The standard library's fast search for a byte; a slice cannot fail.
        let length = after.skip_until(b'\n').unwrap_or(rest.len());
        let line = &rest[..length];
        serde_json::from_slice(line).and_then(|row| each(row).map_err(serde::de::Error::custom)).map_err(|source| SnapshotError::Line {
            file: chunk.part.file(),
            line: number,
            source,
        })?;
        rest = after;
        number += 1;
    }
    Ok(())
}

/// Names that repeat, each kept once.
#[derive(Default)]
struct Shared(HashSet<Name>);

impl Shared {
    fn share(&mut self, kind: names::Kind<'_>, name: &mut Name) {
        if matches!(kind, names::Kind::Pod | names::Kind::Node | names::Kind::Device | names::Kind::Workload) {
            return;
        }
        match self.0.get(name) {
            Some(known) => *name = known.clone(),
            None => {
                self.0.insert(name.clone());
            }
        }
    }
}

/// Appends what a chunk told.
fn join(fleet: &mut Fleet, part: Part, told: Fleet) {
    match part {
        Part::Cluster => (fleet.at, fleet.origin, fleet.history.recorded) = (told.at, told.origin, told.history.recorded),
        Part::Nodes => fleet.nodes.extend(told.nodes),
        Part::Shapes => fleet.shapes.extend(told.shapes),
        Part::Pods => fleet.pods.extend(told.pods),
        Part::Workloads => fleet.workloads.extend(told.workloads),
        Part::Namespaces => fleet.namespaces.extend(told.namespaces),
        Part::Budgets => fleet.budgets.extend(told.budgets),
        Part::Unseen => fleet.unseen.extend(told.unseen),
        Part::Evidence => {
            let Evidence { devices, pods, engines, .. } = std::mem::replace(&mut fleet.evidence, told.evidence);
            (fleet.evidence.devices, fleet.evidence.pods, fleet.evidence.engines) = (devices, pods, engines);
        }
        Part::Devices => fleet.evidence.devices.extend(told.evidence.devices),
        Part::Usage => fleet.evidence.pods.extend(told.evidence.pods),
        Part::Engines => fleet.evidence.engines.extend(told.evidence.engines),
        Part::History => fleet.history.lives.extend(told.history.lives),
    }
}
