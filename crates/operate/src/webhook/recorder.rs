//! The audit trail: a JSON line a decision, to a file or to standard output. Reviews never wait for it.

use super::metrics::Metrics;
use serde::Serialize;
use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

/// Most records that wait to be written. Nearly all have some kilobytes.
const WAITING_MAX: usize = 1_024;

/// Longest record, bytes: what their reader takes.
const RECORD_MAX: usize = 4 << 20;

/// As many lines as have so many bytes together are written at once.
const TOGETHER: usize = 256 << 10;

/// How long lines are gathered: a thread that is woken for each costs the reviews more than the lines do.
const GATHER: Duration = Duration::from_millis(5);

/// How long the last lines may take to be written once the program ends.
const END_MAX: Duration = Duration::from_secs(2);

/// Largest file before it is put aside as `FILE.1`; one is kept aside.
const FILE_MAX: u64 = 256 << 20;

/// Writes records.
#[derive(Debug, Clone)]
pub struct Recorder {
    sender: SyncSender<Vec<u8>>,
    /// Lines that are not written yet.
    waiting: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
}

impl Recorder {
    /// To standard output.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn to_output(metrics: Arc<Metrics>) -> io::Result<Self> {
        let mut out = io::stdout();
        Self::start(metrics, move |lines| drop(out.write_all(lines).and_then(|()| out.flush())))
    }

    /// To a file, which is put aside when it is large.
    ///
    /// # Errors
    /// It cannot be written to.
    pub fn to_file(path: &Path, metrics: Arc<Metrics>) -> io::Result<Self> {
        let mut file = RolledFile::open(path.to_owned())?;
        Self::start(metrics, move |lines| {
            if let Err(error) = file.write(lines) {
                tracing::error!(%error, file = %file.path.display(), "decisions could not be recorded");
            }
        })
    }

    fn start(metrics: Arc<Metrics>, mut write: impl FnMut(&[u8]) + Send + 'static) -> io::Result<Self> {
        let (sender, records) = sync_channel(WAITING_MAX);
        let waiting = Arc::new(AtomicU64::new(0));
        let writes = {
            let waiting = waiting.clone();
            move || {
                while let Some((lines, count)) = next(&records) {
                    write(&lines);
                    waiting.fetch_sub(count, Ordering::AcqRel);
                    if lines.len() < TOGETHER {
                        std::thread::sleep(GATHER);
                    }
                }
            }
        };
        std::thread::Builder::new().name("records".to_owned()).spawn(writes)?;
        Ok(Self { sender, waiting, metrics })
    }

    /// Records a decision; where too many wait it is lost, and counted.
    pub fn record(&self, record: &impl Serialize) {
        let Ok(mut line) = serde_json::to_vec(record) else { return };
        line.push(b'\n');
        if line.len() > RECORD_MAX {
            return self.metrics.lost_record();
        }
        self.waiting.fetch_add(1, Ordering::AcqRel);
        if self.sender.try_send(line).is_err() {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            self.metrics.lost_record();
        }
    }

    /// Waits until all that was recorded is written, for a while.
    pub async fn written(&self) {
        let start = Instant::now();
        while self.waiting.load(Ordering::Acquire) > 0 && start.elapsed() < END_MAX {
            tokio::time::sleep(GATHER).await;
        }
    }
}

/// The next line, and what else waits; how many they are.
fn next(records: &Receiver<Vec<u8>>) -> Option<(Vec<u8>, u64)> {
    let (mut lines, mut count) = (records.recv().ok()?, 1);
    while lines.len() < TOGETHER
        && let Ok(line) = records.try_recv()
    {
        lines.extend_from_slice(&line);
        count += 1;
    }
    Some((lines, count))
}

struct RolledFile {
    path: PathBuf,
    file: BufWriter<std::fs::File>,
    size: u64,
}

impl RolledFile {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let size = file.metadata()?.len();
        Ok(Self { path, file: BufWriter::new(file), size })
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.size > FILE_MAX {
            let mut aside = self.path.clone().into_os_string();
            aside.push(".1");
            std::fs::rename(&self.path, aside)?;
            *self = Self::open(std::mem::take(&mut self.path))?;
        }
        self.file.write_all(lines)?;
        self.size += lines.len() as u64;
        self.file.flush()
    }
}
