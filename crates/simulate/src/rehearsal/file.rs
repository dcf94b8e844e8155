//! The file that describes a rehearsal: fleet, changes, work, policies, horizon. YAML; unknown keys are refused, and what is wrong is told
//! with its line.

use super::work::Sort;
use crate::table::{ReadError, cut};
use plimsoll_decide::{pack::policy::Named, queue::Order};
use plimsoll_fleet::{Bytes, MilliCpu, Name, Seconds, Shape, pod::Ask, resource::MILLI};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

/// The file as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// What the rehearsal is called; without it, by its file.
    #[serde(default)]
    pub name: Option<String>,
    /// The nodes.
    pub fleet: FleetSource,
    /// More nodes: `4xp5.48xlarge`.
    #[serde(default)]
    pub add_nodes: Vec<Spanned<String>>,
    /// Pools that are taken away.
    #[serde(default)]
    pub remove_pools: Vec<Spanned<String>>,
    /// How GPUs that can be parted are laid out: a name of mig-parted, or `open`. Of the nodes that are added; without any, of all.
    #[serde(default)]
    pub mig: Option<Spanned<String>>,
    /// Nodes that join or leave at known moments.
    #[serde(default)]
    pub changes: Vec<ChangeEntry>,
    /// Nodes that come and go with the load.
    #[serde(default)]
    pub autoscale: Vec<ScaleEntry>,
    /// What is to be done.
    #[serde(default)]
    pub work: WorkSource,
    /// Placement policies; without them, kube-scheduler's default beside ours.
    #[serde(default)]
    pub policies: Vec<Spanned<String>>,
    /// Orders of the queue; without them, backfill.
    #[serde(default)]
    pub orders: Vec<Spanned<String>>,
    /// Seeds for what is left to chance.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// Where the rehearsal ends: `7d`.
    #[serde(default)]
    pub horizon: Option<Spanned<String>>,
    /// Jobs that fit nowhere are left out, and listed; without it they are an error.
    #[serde(default)]
    pub skip_misfits: bool,
}

/// Where the nodes come from: one of these.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FleetSource {
    /// A snapshot's file.
    #[serde(default)]
    pub snapshot: Option<PathBuf>,
    /// The bundled example.
    #[serde(default)]
    pub example: bool,
    /// The folder of the trace openb.
    #[serde(default)]
    pub openb: Option<PathBuf>,
    /// Nodes by their numbers.
    #[serde(default)]
    pub nodes: Vec<NodeEntry>,
}

/// Alike nodes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NodeEntry {
    /// How many.
    pub count: Spanned<u32>,
    /// The instance type; what follows is then read from a price list.
    #[serde(default, rename = "type")]
    pub kind: Option<Spanned<String>>,
    /// GPUs of one.
    #[serde(default)]
    pub gpus: Option<Spanned<u32>>,
    /// Their product name.
    #[serde(default)]
    pub model: Option<String>,
    /// CPUs.
    #[serde(default)]
    pub cpu: Option<f64>,
    /// Memory, GiB.
    #[serde(default)]
    pub memory_gib: Option<u64>,
    /// Labels, such as a rack.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Nodes join, or one leaves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ChangeEntry {
    /// When: `2h`.
    pub at: Spanned<String>,
    /// Nodes that join: `2xp5.48xlarge`.
    #[serde(default)]
    pub join: Option<Spanned<String>>,
    /// The node, by name, that leaves.
    #[serde(default)]
    pub leave: Option<Spanned<String>>,
}

/// A pool that an autoscaler keeps.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScaleEntry {
    /// The most that there can be: `8xp5.48xlarge`.
    pub nodes: Spanned<String>,
    /// So many are always there.
    #[serde(default)]
    pub least: usize,
    /// From asking for a node until it takes pods.
    pub delay: Spanned<String>,
    /// How long a node stays empty before it goes.
    pub idle: Spanned<String>,
}

/// What is to be done: one of these, or synthetic work and jobs together.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WorkSource {
    /// The fleet's own recorded history.
    #[serde(default)]
    pub history: bool,
    /// A list of pods of the trace openb, in an order.
    #[serde(default)]
    pub openb: Option<OpenbEntry>,
    /// The jobs of Philly.
    #[serde(default)]
    pub philly: Option<PhillyEntry>,
    /// Jobs made up by chance.
    #[serde(default)]
    pub synthetic: Vec<SortEntry>,
    /// The seed of that chance.
    #[serde(default)]
    pub synthetic_seed: u64,
    /// Jobs one by one.
    #[serde(default)]
    pub jobs: Vec<JobEntry>,
    /// Gangs that jobs belong to: all or nothing, with gangs inside gangs.
    #[serde(default)]
    pub gangs: Vec<GangEntry>,
}

/// A list of openb.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OpenbEntry {
    /// The list's name.
    pub workload: String,
    /// The seed of the order.
    pub seed: u64,
}

/// Philly.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PhillyEntry {
    /// The file of jobs.
    pub file: PathBuf,
    /// Only those of this virtual cluster.
    #[serde(default)]
    pub cluster: Option<String>,
}

/// What a pod asks for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PodEntry {
    /// How many such pods.
    #[serde(default)]
    pub count: Option<u32>,
    /// Whole GPUs.
    #[serde(default)]
    pub gpus: u32,
    /// Thousandths of one GPU instead.
    #[serde(default)]
    pub gpu_milli: Option<Spanned<u32>>,
    /// A MIG instance instead: `1g.10gb`.
    #[serde(default)]
    pub mig: Option<String>,
    /// CPUs.
    #[serde(default)]
    pub cpu: f64,
    /// Memory, GiB.
    #[serde(default)]
    pub memory_gib: f64,
    /// Labels that its node must have.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
}

/// Jobs made up by chance.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SortEntry {
    /// What they are called.
    pub name: String,
    /// Time between arrivals, in the mean.
    pub every: Spanned<String>,
    /// How long one works, in the mean; without it, it stays.
    #[serde(default)]
    pub lasts: Option<Spanned<String>>,
    /// All equally long.
    #[serde(default)]
    pub steady: bool,
    /// They come with the day.
    #[serde(default)]
    pub daily: bool,
    /// The pods of one.
    pub pods: Vec<PodEntry>,
    /// On nodes with one value of this label.
    #[serde(default)]
    pub within: Option<String>,
    /// More comes first.
    #[serde(default)]
    pub priority: i32,
    /// Image, model, caches.
    #[serde(default)]
    pub starting: Option<Spanned<String>>,
    /// Time between checkpoints.
    #[serde(default)]
    pub checkpoint: Option<Spanned<String>>,
}

/// A job.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JobEntry {
    /// Its name.
    pub name: Spanned<String>,
    /// When it comes.
    #[serde(default)]
    pub at: Option<Spanned<String>>,
    /// How long it works; without it, it stays.
    #[serde(default)]
    pub lasts: Option<Spanned<String>>,
    /// Its pods.
    pub pods: Vec<PodEntry>,
    /// The gang that it belongs to.
    #[serde(default)]
    pub gang: Option<Spanned<String>>,
    /// The jobs that must have ended before.
    #[serde(default)]
    pub after: Vec<Spanned<String>>,
    /// More comes first.
    #[serde(default)]
    pub priority: i32,
    /// Image, model, caches.
    #[serde(default)]
    pub starting: Option<Spanned<String>>,
    /// Time between checkpoints.
    #[serde(default)]
    pub checkpoint: Option<Spanned<String>>,
}

/// A gang.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GangEntry {
    /// Its name.
    pub name: Spanned<String>,
    /// The gang that it is a part of.
    #[serde(default)]
    pub part_of: Option<Spanned<String>>,
    /// On nodes with one value of this label.
    #[serde(default)]
    pub within: Option<String>,
}

/// The file's name, for messages about its parts.
#[derive(Debug, Clone, Copy)]
pub struct Place<'f>(pub &'f str);

impl Place<'_> {
    /// A value is refused.
    #[must_use]
    pub fn wrong<T: ToString>(self, what: &'static str, value: &Spanned<T>, expected: impl Into<String>) -> ReadError {
        let line = value.referenced.line();
        if line == 0 {
            // It comes from the command line.
            let why = format!("{what} is `{}`, expected {}", cut(&value.value.to_string()), expected.into());
            return ReadError::Form { file: self.0.to_owned(), why };
        }
        ReadError::Value { file: self.0.to_owned(), line, what, value: cut(&value.value.to_string()), expected: expected.into() }
    }

    /// Something that the file asks for cannot be had.
    #[must_use]
    pub fn cannot<T>(self, value: &Spanned<T>, why: impl ToString) -> ReadError {
        let at = match value.referenced.line() {
            0 => String::new(),
            line => format!("line {line}: "),
        };
        ReadError::Form { file: self.0.to_owned(), why: format!("{at}{}", why.to_string()) }
    }

    /// A time in seconds: `90s`, `10m`, `6h`, `7d`, `4w`, `1h30m`.
    ///
    /// # Errors
    /// It is none.
    pub fn seconds(self, what: &'static str, value: &Spanned<String>) -> Result<u64, ReadError> {
        seconds(&value.value).ok_or_else(|| self.wrong(what, value, "a time such as 90s, 10m, 1h30m or 7d, at most ten years"))
    }

    fn maybe_seconds(self, what: &'static str, value: Option<&Spanned<String>>) -> Result<Option<u64>, ReadError> {
        value.map(|value| self.seconds(what, value)).transpose()
    }

    /// A number of nodes of an instance type: `4xp5.48xlarge`.
    ///
    /// # Errors
    /// It is none.
    pub fn nodes(self, what: &'static str, value: &Spanned<String>) -> Result<(u32, String), ReadError> {
        count_of(&value.value).ok_or_else(|| self.wrong(what, value, COUNT_EXPECTED))
    }

    /// The shape of a pod, and how many there are.
    ///
    /// # Errors
    /// It asks for GPUs in two ways, or for a part that is none.
    pub fn pod(self, entry: &PodEntry, line: u64) -> Result<(Shape, u32), ReadError> {
        let refuse = |what, value: String, expected: &str| {
            Err(ReadError::Value { file: self.0.to_owned(), line, what, value: cut(&value), expected: expected.to_owned() })
        };
        let mut asks = Vec::new();
        let mut ask = |resource: &str, count| asks.push(Ask { resource: resource.into(), count, dra: false });
        match (entry.gpus, &entry.gpu_milli, &entry.mig) {
            (0, None, None) => {}
            (1.., None, None) => ask("nvidia.com/gpu", entry.gpus),
            (0, Some(milli), None) if (1..1000).contains(&milli.value) => ask(MILLI, milli.value),
            (0, Some(milli), None) => return Err(self.wrong("gpu-milli", milli, "a number from 1 to 999")),
            (0, None, Some(profile)) => ask(&plimsoll_fleet::resource::mig_resource(profile), 1),
            _ => return refuse("a pod", "GPUs in two ways".to_owned(), "one of gpus, gpu-milli and mig"),
        }
        for (what, number, most) in [("cpu", entry.cpu, 100_000.0), ("memory-gib", entry.memory_gib, 1_000_000.0)] {
            if !(0.0..=most).contains(&number) {
                return refuse(what, number.to_string(), "zero or more, and less than any node could have");
            }
        }
        let count = entry.count.unwrap_or(1);
        if !(1..=100_000).contains(&count) {
            return refuse("count", count.to_string(), "a number from 1 to 100,000");
        }
        let shape = Shape {
            cpu: MilliCpu((entry.cpu * 1000.0).round() as u64),
            memory: Bytes((entry.memory_gib * f64::from(1 << 30)).round() as u64),
            asks,
            node_selector: entry.node_selector.iter().map(|(key, value)| (Name::from(&**key), Name::from(&**value))).collect(),
            ..Shape::default()
        };
        Ok((shape, count))
    }

    /// Sorts of synthetic jobs.
    ///
    /// # Errors
    /// What is wrong with one.
    pub fn sorts(self, entries: &[SortEntry]) -> Result<Vec<Sort>, ReadError> {
        let sort = |entry: &SortEntry| {
            let every = self.seconds("every", &entry.every)?;
            if every == 0 {
                return Err(self.wrong("every", &entry.every, "more than 0s"));
            }
            let line = entry.every.referenced.line();
            Ok(Sort {
                name: entry.name.as_str().into(),
                every: every as f64,
                lasts: self.maybe_seconds("lasts", entry.lasts.as_ref())?.map(|lasts| lasts as f64),
                steady: entry.steady,
                daily: entry.daily,
                pods: entry.pods.iter().map(|pod| self.pod(pod, line)).collect::<Result<_, _>>()?,
                within: entry.within.as_deref().map(Name::from),
                priority: entry.priority,
                starting: self.maybe_seconds("starting", entry.starting.as_ref())?.unwrap_or(0),
                checkpoint: self.maybe_seconds("checkpoint", entry.checkpoint.as_ref())?,
            })
        };
        entries.iter().map(sort).collect()
    }

    /// Policies, orders: what can be read from a name.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn named<T: FromStr<Err: ToString>>(self, values: &[Spanned<String>]) -> Result<Vec<T>, ReadError> {
        values.iter().map(|value| value.value.parse().map_err(|error: T::Err| self.cannot(value, error.to_string()))).collect()
    }
}

/// A value that stands in no file: the command line gave it.
#[must_use]
pub fn unwritten(value: &str) -> Spanned<String> {
    Spanned::new(value.to_owned(), serde_saphyr::Location::UNKNOWN, serde_saphyr::Location::UNKNOWN)
}

/// What a number of nodes looks like.
pub const COUNT_EXPECTED: &str = "a number of nodes and their instance type, such as 4xp5.48xlarge";

/// Reads `4xp5.48xlarge`.
#[must_use]
pub fn count_of(text: &str) -> Option<(u32, String)> {
    let (count, kind) = text.split_once('x')?;
    let count: u32 = count.trim().parse().ok().filter(|count| (1..=super::ground::ADDED_MAX).contains(count))?;
    (!kind.trim().is_empty()).then(|| (count, kind.trim().to_owned()))
}

const LONGEST: u64 = 10 * 366 * 86_400;

fn seconds(text: &str) -> Option<u64> {
    Seconds::written(text.trim()).map(|length| length.0).filter(|length| *length <= LONGEST)
}

impl File {
    /// A file that nobody wrote: what a command line says.
    #[must_use]
    pub fn of(fleet: FleetSource, work: WorkSource) -> Self {
        Self {
            name: None,
            fleet,
            add_nodes: Vec::new(),
            remove_pools: Vec::new(),
            mig: None,
            changes: Vec::new(),
            autoscale: Vec::new(),
            work,
            policies: Vec::new(),
            orders: Vec::new(),
            seeds: Vec::new(),
            horizon: None,
            skip_misfits: false,
        }
    }

    /// Reads the file `text`; `file` is its name, for messages.
    ///
    /// # Errors
    /// It is not YAML, or not of this form.
    pub fn parse(text: &str, file: &str) -> Result<Self, ReadError> {
        // Of the message its first line: what is wrong, and where. A drawing of the place follows that needs lines of its own.
        let why = |error: serde_saphyr::Error| {
            let all = error.to_string();
            let first = all.lines().next().unwrap_or_default();
            ReadError::Form { file: file.to_owned(), why: first.strip_prefix("error: ").unwrap_or(first).to_owned() }
        };
        let read: Self = serde_saphyr::from_str(text).map_err(why)?;
        let place = Place(file);
        let fleets = [read.fleet.snapshot.is_some(), read.fleet.example, read.fleet.openb.is_some(), !read.fleet.nodes.is_empty()];
        let works = [
            read.work.history,
            read.work.openb.is_some(),
            read.work.philly.is_some(),
            !read.work.synthetic.is_empty() || !read.work.jobs.is_empty(),
        ];
        let one = |of: &[bool], what: &str, names: &str| match of.iter().filter(|there| **there).count() {
            1 => Ok(()),
            many => Err(ReadError::Form { file: file.to_owned(), why: format!("`{what}` names {many} sources; expected one of {names}") }),
        };
        one(&fleets, "fleet", "snapshot, example, openb, nodes")?;
        one(&works, "work", "history, openb, philly, synthetic and jobs")?;
        if !read.work.synthetic.is_empty() && read.horizon.is_none() {
            return Err(ReadError::Form {
                file: file.to_owned(),
                why: "synthetic work never ends: a `horizon` is needed, such as 7d".to_owned(),
            });
        }
        place.named::<Named>(&read.policies)?;
        place.named::<Order>(&read.orders)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_counts() {
        assert_eq!((seconds("90s"), seconds("1h30m"), seconds("7d"), seconds("0s")), (Some(90), Some(5_400), Some(604_800), Some(0)));
        assert!(["", "5", "m", "-1s", "1y", "99999999999999999999s", "5200w", "1hé"].iter().all(|text| seconds(text).is_none()));
        assert_eq!(count_of("4xp5.48xlarge"), Some((4, "p5.48xlarge".to_owned())));
        assert!(["", "x", "4x", "0xp5", "p5.48xlarge", "-1xp5", "999999999xp5"].iter().all(|text| count_of(text).is_none()));
    }
}
