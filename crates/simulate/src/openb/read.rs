//! Node list, pod list and orders of the experiment, from the text of their files.

use crate::table::{ReadError, Row, Table, cut};
use plimsoll_decide::pack::policy::{DEVICES_MAX, Gpus, Mix, NodeKind, PodKind, Spot, Supply};
use plimsoll_fleet::{Bytes, MilliCpu};
use std::collections::{BTreeMap, BTreeSet};

/// The experiment's bound on pods of a node.
const PODS_MAX: u32 = 1_001;
const CPU_MAX: u64 = 1_000_000_000;
const MIB_MAX: u64 = 1 << 40;

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
            let pod = pod_of(&row, cluster)?;
            // A pod may ask for more than the models that it allows have: the trace has some, and they are never placed.
            let anywhere = PodKind { allowed: vec![true; cluster.kinds.len()].into(), ..pod.clone() };
            if !(0..).zip(&cluster.kinds).any(|(id, kind)| kind.holds(id, &anywhere)) {
                return Err(too_large(&row, &pod));
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

fn pod_of(row: &Row<'_>, cluster: &Cluster) -> Result<PodKind, ReadError> {
    let gpus = row.number("num_gpu", 0, DEVICES_MAX as u64)?;
    let milli = row.number("gpu_milli", 0, u32::MAX.into())?.clamp(1, 1000);
    let gpus = match (gpus, milli) {
        (0, _) => Gpus::None,
        (1, 1..1000) => Gpus::Share(milli as u16),
        (count, _) => Gpus::Whole(count as u8),
    };
    let models = row.text("gpu_spec");
    let allowed = |kind: &NodeKind| gpus == Gpus::None || models.is_empty() || models.split('|').any(|model| model == &*kind.model);
    let pod = PodKind {
        cpu: MilliCpu(row.number("cpu_milli", 0, CPU_MAX)?),
        memory: Bytes::from_mib(row.number("memory_mib", 0, MIB_MAX)?),
        gpus,
        wording: models.into(),
        allowed: cluster.kinds.iter().map(allowed).collect(),
    };
    if !pod.allowed.contains(&true) {
        return Err(row.wrong("gpu_spec", "a model of a node, or several with `|` between them"));
    }
    Ok(pod)
}

fn too_large(row: &Row<'_>, pod: &PodKind) -> ReadError {
    let gpus = match pod.gpus {
        Gpus::None => "no GPU".to_owned(),
        Gpus::Share(milli) => format!("{milli} thousandths of a GPU"),
        Gpus::Whole(count) => format!("{count} whole GPUs"),
        Gpus::Slices(slices) => format!("{} MIG instances", slices.count),
    };
    let value = format!("{} m CPU, {} MiB, {gpus}", pod.cpu.0, pod.memory.mib());
    row.refuses("what the pod asks for", &value, "no more than some empty node has")
}
