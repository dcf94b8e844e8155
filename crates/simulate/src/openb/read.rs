//! Node list, pod list and orders of the experiment, from the text of their files.

use plimsoll_decide::pack::policy::{DEVICES_MAX, Gpus, Mix, NodeKind, PodKind, Spot, Supply};
use plimsoll_fleet::{Bytes, MilliCpu};
use std::collections::{BTreeMap, BTreeSet};

/// The experiment's bound on pods of a node.
const PODS_MAX: u32 = 1_001;
const LINES_MAX: usize = 1_000_000;
const CPU_MAX: u64 = 1_000_000_000;
const MIB_MAX: u64 = 1 << 40;

/// Why a file of the experiment was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A column is missing.
    #[error("{file} line 1: there is no column `{column}`; the first line must name the columns, {expected} among them")]
    NoColumn {
        /// The file.
        file: String,
        /// The column.
        column: &'static str,
        /// The columns that must be there.
        expected: String,
    },
    /// A value is not what it must be.
    #[error("{file} line {line}: {what} is `{value}`, expected {expected}")]
    Value {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// Column or part of the line.
        what: &'static str,
        /// The value, cut short where it is long.
        value: String,
        /// What was expected.
        expected: String,
    },
    /// A line is no line of the table.
    #[error("{file} line {line}: {why}; expected as many fields as the first line has")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// There is nothing in it.
    #[error("{file} has no line of {what}; expected at least one")]
    Empty {
        /// The file.
        file: String,
        /// Nodes, pods or orders.
        what: &'static str,
    },
    /// A seed has no order.
    #[error("{file} has no order for seed {seed}; it has {}", have.iter().map(u64::to_string).collect::<Vec<_>>().join(", "))]
    NoSeed {
        /// The file.
        file: String,
        /// The seed.
        seed: u64,
        /// The seeds that it has.
        have: Vec<u64>,
    },
}

/// The nodes, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The kinds, in their own order.
    pub kinds: Vec<NodeKind>,
    /// How many nodes there are of each kind.
    pub counts: Vec<u32>,
    /// The kind of each node, nodes in order of their names.
    pub nodes: Vec<u16>,
}

/// A list of pods, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// The kinds, in their own order.
    pub kinds: Vec<PodKind>,
    /// The kind of each pod, pods in order of their names.
    pub pods: Vec<u32>,
}

/// An order of arrival, with the ranks of the nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The seed that it is known by.
    pub seed: u64,
    /// Indices into [`Workload::pods`].
    pub arrivals: Vec<u32>,
    /// By node, its rank.
    pub ranks: Vec<u32>,
}

impl Cluster {
    /// Reads the node list `text`; `file` is its name, for messages.
    ///
    /// # Errors
    /// What is missing or wrong, and where.
    pub fn parse(text: &str, file: &str) -> Result<Self, ReadError> {
        let table = Table::new(text, file, &["sn", "cpu_milli", "memory_mib", "gpu", "model"])?;
        let mut nodes = BTreeMap::new();
        for row in table.rows()? {
            let gpus = row.number("gpu", 0, DEVICES_MAX as u64)?;
            let model = row.text("model");
            if gpus > 0 && model.is_empty() {
                return Err(row.wrong("model", "the GPU model of a node that has GPUs"));
            }
            let kind = NodeKind {
                model: model.into(),
                cpu: MilliCpu(row.number("cpu_milli", 1, CPU_MAX)?),
                memory: Bytes::from_mib(row.number("memory_mib", 1, MIB_MAX)?),
                gpus: gpus as u8,
                pods: PODS_MAX,
                mig: None,
            };
            if row.text("sn").is_empty() || nodes.insert(row.text("sn").to_owned(), kind).is_some() {
                return Err(row.wrong("sn", "a name that no other node has"));
            }
        }
        if nodes.is_empty() {
            return Err(ReadError::Empty { file: file.to_owned(), what: "nodes" });
        }
        let kinds: Vec<NodeKind> = nodes.values().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        if kinds.len() > usize::from(u16::MAX) {
            return Err(ReadError::Line { file: file.to_owned(), line: 1, why: format!("{} kinds of nodes are too many", kinds.len()) });
        }
        let place = |kind: &NodeKind| kinds.binary_search(kind).unwrap_or(0) as u16;
        let nodes: Vec<u16> = nodes.values().map(place).collect();
        let mut counts = vec![0; kinds.len()];
        nodes.iter().for_each(|kind| counts[usize::from(*kind)] += 1);
        Ok(Self { kinds, counts, nodes })
    }

    /// The nodes as a placer takes them, with the ranks of an order.
    #[must_use]
    pub fn spots(&self, order: &Order) -> Vec<Spot> {
        self.nodes.iter().zip(&order.ranks).map(|(&kind, &rank)| Spot { kind, rank }).collect()
    }

    /// The nodes as a policy knows them.
    #[must_use]
    pub fn supply(&self) -> Supply<'_> {
        Supply { kinds: &self.kinds, counts: &self.counts }
    }

    /// Thousandths of GPUs.
    #[must_use]
    pub fn total_milli(&self) -> u64 {
        self.nodes.iter().map(|kind| u64::from(self.kinds[usize::from(*kind)].gpus) * 1000).sum()
    }
}

impl Workload {
    /// Reads the pod list `text` for `cluster`; `file` is its name, for messages. A pod that is larger than every node is refused.
    ///
    /// # Errors
    /// What is missing or wrong, and where.
    pub fn parse(text: &str, file: &str, cluster: &Cluster) -> Result<Self, ReadError> {
        let table = Table::new(text, file, &["name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"])?;
        let mut pods = BTreeMap::new();
        for row in table.rows()? {
            for time in ["creation_time", "deletion_time", "scheduled_time"] {
                if !row.text(time).is_empty() {
                    row.number(time, 0, u64::MAX)?;
                }
            }
            let pod = row.pod(cluster)?;
            // A pod may ask for more than the models that it allows have: the trace has some, and they are never placed.
            let anywhere = PodKind { allowed: vec![true; cluster.kinds.len()].into(), ..pod.clone() };
            if !(0..).zip(&cluster.kinds).any(|(id, kind)| kind.holds(id, &anywhere)) {
                return Err(row.too_large(&pod));
            }
            if row.text("name").is_empty() || pods.insert(row.text("name").to_owned(), pod).is_some() {
                return Err(row.wrong("name", "a name that no other pod has"));
            }
        }
        if pods.is_empty() {
            return Err(ReadError::Empty { file: file.to_owned(), what: "pods" });
        }
        let kinds: Vec<PodKind> = pods.values().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let pods = pods.values().map(|pod| kinds.binary_search(pod).unwrap_or(0) as u32).collect();
        Ok(Self { kinds, pods })
    }

    /// The pods that are expected: as many of each kind as the list has.
    #[must_use]
    pub fn mix(&self) -> Mix {
        let mut counts = vec![0; self.kinds.len()];
        for &pod in &self.pods {
            counts[pod as usize] += 1;
        }
        Mix::new(self.kinds.iter().cloned().zip(counts).collect())
    }
}

/// Reads orders, a line `seed;i0,i1,…;p0,p1,…` each.
///
/// # Errors
/// What is wrong, and where: an index that is no pod's, ranks that are not one a node.
pub fn parse_orders(text: &str, file: &str, cluster: &Cluster, workload: &Workload) -> Result<Vec<Order>, ReadError> {
    let mut orders: Vec<Order> = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        if content.trim().is_empty() {
            continue;
        }
        let wrong =
            |what, value: &str, expected: String| ReadError::Value { file: file.to_owned(), line, what, value: cut(value), expected };
        let mut parts = content.split(';');
        let (Some(seed), Some(arrivals), Some(ranks), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(wrong(
                "the line",
                content,
                "three parts with `;` between them: seed, pods in order of arrival, ranks of nodes".to_owned(),
            ));
        };
        let seed: u64 = seed.trim().parse().map_err(|_| wrong("the seed", seed, "a whole number".to_owned()))?;
        if orders.iter().any(|order| order.seed == seed) {
            return Err(wrong("the seed", &seed.to_string(), "a seed that no line before has".to_owned()));
        }
        let list = |what, text: &str, below: usize| -> Result<Vec<u32>, ReadError> {
            text.split(',')
                .map(|value| {
                    let number: Option<u32> = value.trim().parse().ok();
                    number
                        .filter(|number| (*number as usize) < below)
                        .ok_or_else(|| wrong(what, value, format!("a number from 0 to {}", below - 1)))
                })
                .collect()
        };
        let arrivals = list("a pod of the order", arrivals, workload.pods.len())?;
        let ranks = list("a rank", ranks, u32::MAX as usize)?;
        if ranks.len() != cluster.nodes.len() {
            return Err(wrong("the number of ranks", &ranks.len().to_string(), format!("{}, one for each node", cluster.nodes.len())));
        }
        let distinct: BTreeSet<u32> = ranks.iter().copied().collect();
        if let Some(twice) = ranks.iter().find(|_| distinct.len() != ranks.len()) {
            let twice = ranks.iter().find(|rank| ranks.iter().filter(|other| other == rank).count() > 1).unwrap_or(twice);
            return Err(wrong("a rank", &twice.to_string(), "a rank that no other node has".to_owned()));
        }
        orders.push(Order { seed, arrivals, ranks });
    }
    if orders.is_empty() {
        return Err(ReadError::Empty { file: file.to_owned(), what: "orders" });
    }
    Ok(orders)
}

/// A table of text with named columns.
struct Table<'t> {
    file: &'t str,
    text: &'t str,
    columns: csv::StringRecord,
}

struct Row<'t> {
    file: &'t str,
    columns: &'t csv::StringRecord,
    fields: csv::StringRecord,
    line: u64,
}

impl<'t> Table<'t> {
    fn new(text: &'t str, file: &'t str, needed: &[&'static str]) -> Result<Self, ReadError> {
        let columns = csv::Reader::from_reader(text.as_bytes())
            .headers()
            .map_err(|error| ReadError::Line { file: file.to_owned(), line: 1, why: error.to_string() })?
            .clone();
        match needed.iter().find(|column| !columns.iter().any(|have| have == **column)) {
            Some(column) => Err(ReadError::NoColumn { file: file.to_owned(), column, expected: needed.join(", ") }),
            None => Ok(Self { file, text, columns }),
        }
    }

    fn rows(&'t self) -> Result<Vec<Row<'t>>, ReadError> {
        let mut rows = Vec::new();
        for record in csv::Reader::from_reader(self.text.as_bytes()).into_records() {
            let line = |error: &csv::Error| error.position().map_or(rows.len() as u64 + 2, csv::Position::line);
            let fields = record.map_err(|error| ReadError::Line { file: self.file.to_owned(), line: line(&error), why: why(&error) })?;
            let line = fields.position().map_or(rows.len() as u64 + 2, csv::Position::line);
            if rows.len() >= LINES_MAX {
                return Err(ReadError::Line { file: self.file.to_owned(), line, why: format!("more than {LINES_MAX} lines") });
            }
            rows.push(Row { file: self.file, columns: &self.columns, fields, line });
        }
        Ok(rows)
    }
}

fn why(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!("there are {len} fields, not {expected_len}"),
        _ => error.to_string(),
    }
}

impl Row<'_> {
    /// The text in a column; empty where there is no such column.
    fn text(&self, column: &str) -> &str {
        self.columns.iter().position(|have| have == column).and_then(|at| self.fields.get(at)).unwrap_or("").trim()
    }

    fn wrong(&self, what: &'static str, expected: impl Into<String>) -> ReadError {
        ReadError::Value { file: self.file.to_owned(), line: self.line, what, value: cut(self.text(what)), expected: expected.into() }
    }

    fn number(&self, column: &'static str, least: u64, most: u64) -> Result<u64, ReadError> {
        let number: Option<u64> = self.text(column).parse().ok();
        number.filter(|number| (least..=most).contains(number)).ok_or_else(|| match most {
            u64::MAX => self.wrong(column, format!("a whole number, {least} or more")),
            _ => self.wrong(column, format!("a whole number from {least} to {most}")),
        })
    }

    fn pod(&self, cluster: &Cluster) -> Result<PodKind, ReadError> {
        let gpus = self.number("num_gpu", 0, DEVICES_MAX as u64)?;
        let milli = self.number("gpu_milli", 0, u32::MAX.into())?.clamp(1, 1000);
        let gpus = match (gpus, milli) {
            (0, _) => Gpus::None,
            (1, 1..1000) => Gpus::Share(milli as u16),
            (count, _) => Gpus::Whole(count as u8),
        };
        let models = self.text("gpu_spec");
        let allowed = |kind: &NodeKind| gpus == Gpus::None || models.is_empty() || models.split('|').any(|model| model == &*kind.model);
        let pod = PodKind {
            cpu: MilliCpu(self.number("cpu_milli", 0, CPU_MAX)?),
            memory: Bytes::from_mib(self.number("memory_mib", 0, MIB_MAX)?),
            gpus,
            wording: models.into(),
            allowed: cluster.kinds.iter().map(allowed).collect(),
        };
        if !pod.allowed.contains(&true) {
            return Err(self.wrong("gpu_spec", "a model of a node, or several with `|` between them"));
        }
        Ok(pod)
    }

    fn too_large(&self, pod: &PodKind) -> ReadError {
        let gpus = match pod.gpus {
            Gpus::None => "no GPU".to_owned(),
            Gpus::Share(milli) => format!("{milli} thousandths of a GPU"),
            Gpus::Whole(count) => format!("{count} whole GPUs"),
            Gpus::Slices(slices) => format!("{} MIG instances", slices.count),
        };
        let value = format!("{} m CPU, {} MiB, {gpus}", pod.cpu.0, pod.memory.mib());
        let expected = "no more than some empty node has".to_owned();
        ReadError::Value { file: self.file.to_owned(), line: self.line, what: "what the pod asks for", value, expected }
    }
}

/// At most 60 characters of a value.
fn cut(value: &str) -> String {
    if value.chars().count() > 60 { value.chars().take(60).chain(['…']).collect() } else { value.to_owned() }
}
