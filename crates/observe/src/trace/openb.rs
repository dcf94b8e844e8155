//! Alibaba cluster-trace-gpu-v2023, as the FGD simulator ships it (`openb_node_list_*.csv`, `openb_pod_list_*.csv`).
//!
//! The trace says what every pod asked for and when, but not where it ran. So pods are placed here: those that it calls
//! `Running` (all, where a list has no phases), in the order in which they were scheduled, each on the node that it fits best.
//! As in the authors' own experiment none departs, so the fleet is as full as the list makes it, which it was at no one moment.
//! What finds no place is pending, as is what the trace calls `Pending`.
//!
//! Best fit is the score of the FGD experiment: the least of 0.5 × CPU left / 128 cores + 0.5 × GPUs left / 8; ties go to the
//! first node by name. A share goes to the tightest GPU that has room. A share of a GPU is an ask of [`MILLI`], in thousandths;
//! the GPUs that carry shares are offered as such, and the others whole, so no GPU is offered twice.

use super::{
    TraceError,
    table::{Column, Table},
};
use plimsoll_fleet::{
    Bytes, Fleet, History, Life, MilliCpu, Name, Node, NodeId, Pod, PodId, Shape, Timestamp, Unseen, UnseenKind, Window,
    fleet::{Namespace, Origin, ShapeTable},
    history::LIVES_MAX,
    node::{Gpu, Offer},
    pod::{Ask, Phase},
    resource::{MILLI, Vendor},
    selector::{Labels, NodeTerm, Operator, Requirement},
};
use std::{collections::HashMap, path::Path};

const WHOLE: &str = "nvidia.com/gpu";
/// CPU and GPUs of the largest node of the experiment, by which its score is scaled.
const SCORE_MILLI_CPU: f64 = 128_000.0;
const SCORE_MILLI_GPU: f64 = 8_000.0;
/// Kubelet's default and the experiment's bound differ (110, 1,001); the experiment's holds here.
const MAX_PODS: u32 = 1_001;
const CPU_MAX: u64 = 1_000_000_000;
const MIB_MAX: u64 = 1 << 40;
const GPUS_MAX: u64 = 64;
const SECONDS_MAX: u64 = 1 << 40;

pub(super) fn read(dir: &Path, name: &str, nodes: &str, files: &[String], workload: Option<&str>) -> Result<Fleet, TraceError> {
    let lists: Vec<&str> = files
        .iter()
        .filter_map(|file| file.strip_prefix("openb_pod_list_")?.strip_suffix(".csv"))
        .filter(|list| !list.is_empty())
        .collect();
    let chosen = match workload {
        Some(wanted) => lists.iter().find(|list| **list == wanted),
        None => lists.iter().find(|list| **list == "default").or(lists.first().filter(|_| lists.len() == 1)),
    };
    let Some(chosen) = chosen else {
        return Err(TraceError::Workload { dir: dir.to_owned(), have: lists.into_iter().map(str::to_owned).collect() });
    };

    let mut hosts = read_nodes(dir, nodes)?;
    let mut shapes = ShapeTable::default();
    let namespace: Name = "openb".into();
    let (mut pods, mut lives, at) = read_pods(dir, &format!("openb_pod_list_{chosen}.csv"), &namespace, &mut shapes)?;
    let shapes = shapes.into_shapes();
    let mut pending = 0_usize;
    for pod in pods.iter_mut().filter(|pod| pod.phase == Phase::Running) {
        let want = Want::of(&shapes[pod.shape.index()]);
        match want.best_fit(&hosts) {
            Some(place) => {
                hosts[place].take(&want);
                pod.node = Some(NodeId(place as u32));
            }
            None => {
                pending += 1;
                pod.phase = Phase::Pending;
                (pod.scheduled, pod.started, pod.ready) = (None, None, None);
            }
        }
    }
    let places: HashMap<Name, PodId> = pods.iter().zip(0..).map(|(pod, id)| (pod.name.clone(), PodId(id))).collect();
    lives.iter_mut().for_each(|life| life.pod = places.get(&life.name).copied());
    let ends = lives.iter().filter_map(|life| life.began()).min().zip(Some(at));
    let mut history = History { recorded: ends.map(|(start, end)| Window { start, end }), lives };
    history.sort();
    let partly = |subject: &str, why: String, remedy: &str| Unseen {
        kind: UnseenKind::Partial,
        subject: subject.into(),
        why: why.into(),
        remedy: remedy.into(),
    };
    Ok(Fleet {
        at,
        origin: Origin { source: "openb".into(), cluster: Some(name.into()), version: None },
        nodes: hosts.into_iter().map(Host::into_node).collect(),
        shapes,
        pods,
        namespaces: vec![Namespace { name: namespace, ..Namespace::default() }],
        history,
        unseen: vec![
            Unseen {
                kind: UnseenKind::NoMetrics,
                subject: "GPU metrics".into(),
                why: "the openb trace has requests, and no metrics".into(),
                remedy: "audit a live cluster with --prometheus, or the trace genai2026, to see use".into(),
            },
            partly(
                "placement",
                format!(
                    "the trace does not say where its pods ran: those of the list `{chosen}` were placed by best fit in the order in which they were \
                     scheduled, none departing, and {pending} found no place"
                ),
                "read figures about placement as those of a full cluster under best fit, not as those of Alibaba's",
            ),
            partly(
                "nodes without GPUs",
                "the list of nodes has GPU nodes only, so pods without GPUs stand on GPU nodes".to_owned(),
                "leave the sign cpu-pod-on-gpu-node out of this trace's report",
            ),
        ],
        ..Fleet::default()
    })
}

/// A node, and what of it is free.
struct Host {
    node: Node,
    cpu: u64,
    memory: u64,
    pods: u32,
    /// Free thousandths of each GPU.
    gpus: Vec<u16>,
    /// The GPUs that carry shares.
    shared: Vec<bool>,
}

impl Host {
    fn fits(&self, want: &Want<'_>) -> bool {
        self.pods > 0
            && want.cpu <= self.cpu
            && want.memory <= self.memory
            && (want.whole == 0 || self.gpus.iter().filter(|free| **free == 1000).count() >= want.whole as usize)
            && (want.share == 0 || self.gpus.iter().any(|free| u32::from(*free) >= want.share))
            && want.shape.may_go(&self.node)
    }

    fn left_after(&self, want: &Want<'_>) -> f64 {
        let gpus: u32 = self.gpus.iter().map(|free| u32::from(*free)).sum();
        let left = gpus.saturating_sub(1000 * want.whole + want.share);
        0.5 * self.cpu.saturating_sub(want.cpu) as f64 / SCORE_MILLI_CPU + 0.5 * f64::from(left) / SCORE_MILLI_GPU
    }

    /// Gives what is wanted; [`Host::fits`] has said that it can.
    fn take(&mut self, want: &Want<'_>) {
        self.cpu -= want.cpu;
        self.memory -= want.memory;
        self.pods -= 1;
        self.gpus.iter_mut().filter(|free| **free == 1000).take(want.whole as usize).for_each(|free| *free = 0);
        if want.share > 0 {
            let fitting = (0..self.gpus.len()).filter(|&gpu| u32::from(self.gpus[gpu]) >= want.share);
            if let Some(gpu) = fitting.min_by_key(|&gpu| self.gpus[gpu]) {
                self.gpus[gpu] -= want.share as u16;
                self.shared[gpu] = true;
            }
        }
    }

    fn into_node(self) -> Node {
        let shared = self.shared.iter().filter(|shared| **shared).count() as u32;
        let whole = self.shared.len() as u32 - shared;
        let mut node = self.node;
        for (resource, count) in [(WHOLE, whole), (MILLI, 1000 * shared)] {
            if count > 0 {
                node.offers.push(Offer { resource: resource.into(), count, capacity: count, dra: false });
            }
        }
        node
    }
}

/// What a shape takes of a node.
struct Want<'s> {
    shape: &'s Shape,
    cpu: u64,
    memory: u64,
    /// Whole GPUs.
    whole: u32,
    /// Thousandths of one GPU.
    share: u32,
}

impl<'s> Want<'s> {
    fn of(shape: &'s Shape) -> Self {
        let of = |resource| shape.asks.iter().filter(|ask| &*ask.resource == resource).map(|ask| ask.count).sum();
        Self { shape, cpu: shape.cpu.0, memory: shape.memory.0, whole: of(WHOLE), share: of(MILLI) }
    }

    fn best_fit(&self, hosts: &[Host]) -> Option<usize> {
        let fitting = hosts.iter().enumerate().filter(|(_, host)| host.fits(self));
        fitting.map(|(place, host)| (place, host.left_after(self))).min_by(|a, b| a.1.total_cmp(&b.1)).map(|(place, _)| place)
    }
}

fn read_nodes(dir: &Path, file: &str) -> Result<Vec<Host>, TraceError> {
    let mut table = Table::open(dir.join(file))?;
    let (name, cpu, memory, gpu, model) =
        (table.column("sn")?, table.column("cpu_milli")?, table.column("memory_mib")?, table.column("gpu")?, table.column("model")?);
    let mut hosts = Vec::new();
    while table.next()? {
        let gpus = table.number(gpu, GPUS_MAX)? as usize;
        let name: Name = table.text(name).into();
        let model: Name = table.text(model).into();
        let labels: Labels = [
            ("kubernetes.io/hostname", name.clone()),
            ("nvidia.com/gpu.product", model.clone()),
            ("nvidia.com/gpu.count", gpus.to_string().into()),
        ]
        .into_iter()
        .map(|(key, value)| (key.into(), value))
        .collect();
        let node = Node {
            name,
            labels,
            ready: true,
            cpu: MilliCpu(table.number(cpu, CPU_MAX)?),
            memory: Bytes::from_mib(table.number(memory, MIB_MAX)?),
            max_pods: MAX_PODS,
            gpus: vec![Gpu::default(); gpus],
            vendor: (gpus > 0).then_some(Vendor::Nvidia),
            pool: Some(format!("{model}-x{gpus}").into()),
            gpu_product: (gpus > 0).then_some(model),
            ..Node::default()
        };
        hosts.push(Host {
            cpu: node.cpu.0,
            memory: node.memory.0,
            pods: MAX_PODS,
            gpus: vec![1000; gpus],
            shared: vec![false; gpus],
            node,
        });
    }
    if hosts.is_empty() {
        return Err(TraceError::Empty { path: table.path().to_owned() });
    }
    hosts.sort_by(|a, b| a.node.name.cmp(&b.node.name));
    Ok(hosts)
}

/// The pods that were there, in the order in which they were scheduled; the lives of all that asked for GPUs, as the list tells
/// them; and the last moment that it knows.
fn read_pods(dir: &Path, file: &str, namespace: &Name, shapes: &mut ShapeTable) -> Result<(Vec<Pod>, Vec<Life>, Timestamp), TraceError> {
    let mut table = Table::open(dir.join(file))?;
    let (name, cpu, memory) = (table.column("name")?, table.column("cpu_milli")?, table.column("memory_mib")?);
    let (count, milli, spec) = (table.column("num_gpu")?, table.column("gpu_milli")?, table.maybe("gpu_spec")?);
    let (qos, phase) = (table.maybe("qos")?, table.maybe("pod_phase")?);
    let (creation, deletion, scheduling) = (table.maybe("creation_time")?, table.maybe("deletion_time")?, table.maybe("scheduled_time")?);
    let (mut pods, mut lives, mut last) = (Vec::new(), Vec::new(), 0);
    while table.next()? {
        let created = time(&table, creation)?;
        let scheduled = time(&table, scheduling)?;
        let deleted = time(&table, deletion)?;
        last = [created, scheduled, deleted].into_iter().flatten().map(|at| at.0).fold(last, i64::max);
        let phase = match phase.map(|phase| table.text(phase)) {
            None | Some("Running") => Phase::Running,
            Some("Pending") => Phase::Pending,
            Some("Succeeded") => Phase::Succeeded,
            Some("Failed") => Phase::Failed,
            Some(_) => {
                let phase = table.column("pod_phase")?;
                return Err(table.wrong(phase, "Running, Pending, Succeeded or Failed"));
            }
        };
        let count = table.number(count, GPUS_MAX)? as u32;
        // The experiment holds the column within 1 and 1,000, and reads it for single GPUs only.
        let milli = table.number(milli, 1_000_000)?.clamp(1, 1000) as u32;
        let (resource, count) = if count == 1 && milli < 1000 { (MILLI, milli) } else { (WHOLE, count) };
        let (cpu, memory) = (MilliCpu(table.number(cpu, CPU_MAX)?), Bytes::from_mib(table.number(memory, MIB_MAX)?));
        let asks = if count == 0 { Vec::new() } else { vec![Ask { resource: resource.into(), count, dra: false }] };
        let models: Vec<Name> =
            spec.map(|spec| table.text(spec)).unwrap_or_default().split('|').filter(|model| !model.is_empty()).map(Name::from).collect();
        let product = Requirement { key: "nvidia.com/gpu.product".into(), operator: Operator::In, values: models };
        let qos = qos.map(|qos| table.text(qos)).filter(|qos| !qos.is_empty());
        let shape = Shape {
            labels: qos.map(|qos| ("qos".into(), qos.into())).into_iter().collect(),
            cpu,
            memory,
            asks: asks.clone(),
            node_terms: if product.values.is_empty() { Vec::new() } else { vec![NodeTerm { labels: vec![product], names: Vec::new() }] },
            ..Shape::default()
        };
        let shape = shapes.place(shape);
        if count > 0 && lives.len() < LIVES_MAX {
            lives.push(Life {
                namespace: namespace.clone(),
                name: table.text(name).into(),
                shape: Some(shape),
                asks,
                cpu: Some(cpu),
                memory: Some(memory),
                created,
                scheduled,
                started: scheduled,
                ended: deleted,
                goes_on: !matches!(phase, Phase::Succeeded | Phase::Failed),
                ..Life::default()
            });
        }
        if matches!(phase, Phase::Succeeded | Phase::Failed) {
            continue;
        }
        let since = (phase == Phase::Running).then_some(scheduled).flatten();
        pods.push(Pod {
            namespace: namespace.clone(),
            name: table.text(name).into(),
            shape,
            phase,
            created,
            scheduled: since,
            started: since,
            ready: since,
            ..Pod::default()
        });
    }
    if pods.is_empty() {
        return Err(TraceError::Empty { path: table.path().to_owned() });
    }
    // A stable sort: a list without times keeps its own order.
    pods.sort_by_key(|pod| pod.scheduled);
    // What the list still knows at its end was not deleted: the trace ended.
    for life in &mut lives {
        life.ended = life.ended.filter(|ended| !life.goes_on || ended.0 < last);
        life.put_in_order();
    }
    Ok((pods, lives, Timestamp(last)))
}

/// Seconds since the trace began; nothing where the cell is empty.
fn time(table: &Table, column: Option<Column>) -> Result<Option<Timestamp>, TraceError> {
    match column {
        Some(column) if !table.text(column).is_empty() => Ok(Some(Timestamp(table.number(column, SECONDS_MAX)? as i64))),
        _ => Ok(None),
    }
}
