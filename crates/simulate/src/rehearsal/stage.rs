//! From the description of a rehearsal and what it names to nodes and work.

use super::{
    file::{File, Place, WorkSource},
    ground::{self, OPEN, gpu_nodes, lay_out, more},
    scene::{Change, Ground, Pool},
    work::{Work, history, listed, openb, openb_nodes, philly, synthetic},
};
use crate::{
    openb::{Cluster, Order, Workload},
    table::ReadError,
};
use plimsoll_decide::{audit::gpu_needs, pack::site::Parting};
use plimsoll_fleet::{
    Bytes, Fleet, MilliCpu, Name, Node, PodId, WorkloadId,
    history::Life,
    mig::{self, BoardProfile},
    node::{Gpu, Offer},
    price::PriceBook,
    resource::{MILLI, Vendor, mig_resource},
};
use serde_saphyr::Spanned;
use std::collections::HashMap;

/// What a file names, read.
#[derive(Debug, Default)]
pub struct Inputs {
    /// The fleet: a snapshot, or the example.
    pub fleet: Option<Fleet>,
    /// The nodes of openb.
    pub cluster: Option<Cluster>,
    /// A list of openb with its order.
    pub pods: Option<(Workload, Order)>,
    /// The text of Philly's jobs.
    pub philly: Option<String>,
}

/// A rehearsal that can begin.
#[derive(Debug)]
pub struct Stage {
    /// The nodes.
    pub ground: Ground,
    /// The work.
    pub work: Work,
    /// What differs from the fleet as it was seen, in words.
    pub changes: Vec<String>,
}

/// GPUs of a node of a file at most.
const GPUS_MAX: u32 = plimsoll_decide::pack::policy::DEVICES_MAX as u32;

/// Sets the stage that `file` describes, with what it names and prices for its nodes.
///
/// # Errors
/// What the file asks for and cannot be had, with its line.
pub fn stage(file: &File, place: Place<'_>, named: &Inputs, prices: &PriceBook) -> Result<Stage, ReadError> {
    let mut changes = Vec::new();
    let mut nodes = nodes(file, place, named)?;
    for pool in &file.remove_pools {
        let before = nodes.len();
        nodes.retain(|node| node.pool.as_deref() != Some(&*pool.value));
        if nodes.len() == before {
            let mut pools: Vec<&str> = nodes.iter().filter_map(|node| node.pool.as_deref()).collect();
            pools.sort_unstable();
            pools.dedup();
            return Err(place.wrong("a pool to remove", pool, format!("one of the fleet's pools with GPUs: {}", pools.join(", "))));
        }
        changes.push(format!("pool {} removed: {} nodes", pool.value, before - nodes.len()));
    }
    let seen = nodes.len();
    let add = |nodes: &mut Vec<Node>, value: &Spanned<String>, what: &'static str, prefix: &str| -> Result<Vec<u32>, ReadError> {
        let (count, kind) = place.nodes(what, value)?;
        let first = nodes.len();
        let new = more(nodes, count, &kind, &format!("{prefix}-{first}")).map_err(|error| place.cannot(value, error))?;
        nodes.extend(new);
        Ok((first as u32..nodes.len() as u32).collect())
    };
    for entry in &file.add_nodes {
        let new = add(&mut nodes, entry, "nodes to add", "added")?;
        changes.push(format!("{} nodes added: {}", new.len(), entry.value));
    }
    let mut moments = Vec::new();
    for entry in &file.changes {
        let at = place.seconds("at", &entry.at)?;
        match (&entry.join, &entry.leave) {
            (Some(join), None) => {
                let new = add(&mut nodes, join, "nodes that join", "joined")?;
                changes.push(format!("{} join at {}", join.value, entry.at.value));
                moments.extend(new.into_iter().map(|node| Change { at, node, joins: true }));
            }
            (None, Some(leave)) => {
                let node = nodes.iter().position(|node| *node.name == *leave.value);
                let node = node.ok_or_else(|| place.wrong("a node that leaves", leave, "the name of a node with GPUs"))?;
                changes.push(format!("node {} leaves at {}", leave.value, entry.at.value));
                moments.push(Change { at, node: node as u32, joins: false });
            }
            _ => return Err(place.wrong("a change at", &entry.at, "either `join` or `leave`")),
        }
    }
    let mut pools = Vec::new();
    for entry in &file.autoscale {
        let nodes = add(&mut nodes, &entry.nodes, "nodes of a pool", "scaled")?;
        if entry.least > nodes.len() {
            return Err(place.wrong("nodes of a pool", &entry.nodes, format!("at least the {} that shall always be there", entry.least)));
        }
        let (delay, idle) = (place.seconds("delay", &entry.delay)?, place.seconds("idle", &entry.idle)?);
        changes.push(format!(
            "autoscaled: {} to {} ({} to join, {} idle to go)",
            entry.least, entry.nodes.value, entry.delay.value, entry.idle.value
        ));
        pools.push(Pool { nodes, least: entry.least, delay, idle });
    }
    if !file.fleet.nodes.is_empty() {
        nodes.iter_mut().for_each(offer_parts);
    }
    let mut parting = Parting::Fixed;
    let laid_from = if nodes.len() > seen { seen } else { 0 };
    if let Some(layout) = &file.mig {
        let of = if laid_from > 0 { "the nodes that are added" } else { "the fleet" };
        let laid = lay_out(nodes[laid_from..].iter_mut(), &layout.value, of).map_err(|error| place.cannot(layout, error))?;
        changes.push(format!("MIG {} on {laid} nodes of {of}", layout.value));
        if layout.value == OPEN {
            parting = Parting::Open;
        }
    }
    if nodes.is_empty() {
        return Err(ReadError::Form { file: place.0.to_owned(), why: "there is no node with GPUs to rehearse on".to_owned() });
    }
    let asked = file.horizon.as_ref().map(|horizon| place.seconds("horizon", horizon)).transpose()?;
    let laid = if file.mig.is_some() { &nodes[laid_from..] } else { &[] };
    let (work, natural) = work(&file.work, place, named, &nodes, laid, asked)?;
    let horizon = asked.or(natural);
    let rates = nodes.iter().map(|node| Some(prices.price(node).ok()?.per_hour.units())).collect();
    let closed = (0..).zip(&nodes).filter(|(_, node)| !node.takes_pods()).map(|(at, _)| at).collect();
    let ground = Ground { nodes, closed, parting, changes: moments, pools, rates, horizon };
    Ok(Stage { ground, work, changes })
}

fn nodes(file: &File, place: Place<'_>, named: &Inputs) -> Result<Vec<Node>, ReadError> {
    if let Some(fleet) = &named.fleet {
        return Ok(gpu_nodes(fleet));
    }
    if let Some(cluster) = &named.cluster {
        return Ok(openb_nodes(cluster));
    }
    let mut nodes: Vec<Node> = Vec::new();
    for entry in &file.fleet.nodes {
        let count = entry.count.value;
        if !(1..=ground::ADDED_MAX).contains(&count) {
            return Err(place.wrong("count", &entry.count, format!("a number from 1 to {}", ground::ADDED_MAX)));
        }
        let first = nodes.len();
        let mut new = match (&entry.kind, &entry.gpus) {
            (Some(kind), None) => more(&nodes, count, &kind.value, &format!("node-{first}")).map_err(|error| place.cannot(kind, error))?,
            (None, Some(gpus)) => {
                if gpus.value > GPUS_MAX {
                    return Err(place.wrong("gpus", gpus, format!("a number from 0 to {GPUS_MAX}")));
                }
                (0..count).map(|at| plain(format!("node-{first}-{at}"), gpus.value, entry)).collect()
            }
            _ => return Err(place.wrong("nodes", &entry.count, "either `type` or `gpus`")),
        };
        for node in &mut new {
            node.labels.extend(entry.labels.iter().map(|(key, value)| (Name::from(&**key), Name::from(&**value))));
        }
        nodes.extend(new);
    }
    Ok(nodes)
}

/// In a made-up fleet GPUs are given out in thousandths, too. Parts and whole ones are of the same GPUs: the policies know.
fn offer_parts(node: &mut Node) {
    let count = node.gpus.len() as u32 * 1000;
    node.offers.push(Offer { resource: MILLI.into(), count, capacity: count, dra: false });
}

/// CPUs and GiB of a node of which the file does not say.
const AMPLE: (f64, u64) = (1_000.0, 16_384);

fn plain(name: String, gpus: u32, entry: &super::file::NodeEntry) -> Node {
    let name: Name = name.into();
    let model: Name = entry.model.as_deref().unwrap_or("GPU").into();
    Node {
        labels: [("kubernetes.io/hostname", &name), ("nvidia.com/gpu.product", &model)]
            .into_iter()
            .map(|(key, value)| (key.into(), value.clone()))
            .collect(),
        ready: true,
        cpu: MilliCpu((entry.cpu.unwrap_or(AMPLE.0).clamp(0.0, 1e6) * 1000.0) as u64),
        memory: Bytes(entry.memory_gib.unwrap_or(AMPLE.1).min(1 << 20) << 30),
        max_pods: ground::PODS_MAX,
        offers: vec![Offer { resource: "nvidia.com/gpu".into(), count: gpus, capacity: gpus, dra: false }],
        gpus: vec![Gpu::default(); gpus as usize],
        vendor: Some(Vendor::Nvidia),
        pool: Some(format!("{model}-x{gpus}").into()),
        gpu_product: Some(model),
        name,
        ..Node::default()
    }
}

/// The work, and where it ends of itself. `laid`: the nodes with a new MIG layout.
fn work(
    source: &WorkSource,
    place: Place<'_>,
    named: &Inputs,
    nodes: &[Node],
    laid: &[Node],
    horizon: Option<u64>,
) -> Result<(Work, Option<u64>), ReadError> {
    let form = |why: String| ReadError::Form { file: place.0.to_owned(), why };
    if source.history {
        let fleet =
            named.fleet.as_ref().ok_or_else(|| form("work: `history` needs a fleet that has one: a snapshot or the example".to_owned()))?;
        let (work, horizon) = history(fleet, nodes, &instances(fleet, laid)).map_err(|error| form(format!("work: {error}")))?;
        return Ok((work, Some(horizon)));
    }
    if let (Some(entry), Some((workload, order))) = (&source.openb, &named.pods) {
        return Ok((openb(&entry.workload, workload, order), None));
    }
    if let (Some(entry), Some(text)) = (&source.philly, &named.philly) {
        let most = nodes.iter().map(|node| node.gpus.len() as u32).max().unwrap_or(0);
        return Ok((philly(text, &entry.file.display().to_string(), most, entry.cluster.as_deref())?, None));
    }
    let mut work = Work::default();
    if !source.synthetic.is_empty() {
        let made = synthetic(&place.sorts(&source.synthetic)?, horizon.unwrap_or(0), source.synthetic_seed);
        if made.jobs.len() >= super::work::JOBS_MAX {
            return Err(form(format!(
                "the synthetic work is more than {} jobs; ask for fewer, or a nearer horizon",
                super::work::JOBS_MAX
            )));
        }
        work = work.beside(made);
    }
    if !source.jobs.is_empty() {
        work = work.beside(listed(&source.jobs, &source.gangs, place)?);
    }
    Ok((work, None))
}

/// By pod of the history, the MIG instance on the nodes `laid` that would do for it, where it was shown to need only so much: the smallest
/// that is offered. Pods that are gone are as the others of their workload.
fn instances(fleet: &Fleet, laid: &[Node]) -> impl Fn(&Life) -> Option<Name> + use<> {
    let mut offered: Vec<(BoardProfile, Bytes, Name)> = Vec::new();
    for node in laid {
        let Some(board) = node.gpu_product.as_deref().and_then(|product| mig::board(product, node.gpu_memory)) else { continue };
        for profile in board.profiles() {
            let resource = mig_resource(&profile.name);
            if node.offered(&resource) > 0 && !offered.iter().any(|(_, _, known)| *known == resource) {
                offered.push((profile, board.memory, resource));
            }
        }
    }
    offered.sort_by(|a, b| (a.0.memory_at_least, a.0.compute_slices, &a.2).cmp(&(b.0.memory_at_least, b.0.compute_slices, &b.2)));
    let mut by_pod: HashMap<PodId, Name> = HashMap::new();
    let mut by_workload: HashMap<WorkloadId, (usize, Name)> = HashMap::new();
    // The needs are not looked for where nothing is laid out: that takes a look at every pod's metrics.
    let needs = if offered.is_empty() { Vec::new() } else { gpu_needs(fleet) };
    for need in needs {
        let pod = &fleet.pods[need.pod.index()];
        let own = fleet.node(pod).and_then(|node| node.gpu_memory);
        let shape = fleet.shape(pod);
        let does = |(profile, memory, resource): &(BoardProfile, Bytes, Name)| {
            if !laid.iter().any(|node| node.offered(resource) > 0 && shape.may_go(node)) {
                return false;
            }
            // Bandwidth goes with memory slices: the part that it used of its own board, in bytes of that board.
            let bandwidth = Bytes((need.bandwidth * own.unwrap_or(*memory).0 as f64) as u64);
            profile.memory_at_least >= need.memory.max(bandwidth) && profile.compute_at_least.get() >= need.compute
        };
        let Some(at) = offered.iter().position(does) else { continue };
        by_pod.insert(need.pod, offered[at].2.clone());
        if let Some(workload) = pod.workload {
            let most = by_workload.entry(workload).or_insert((at, offered[at].2.clone()));
            if at > most.0 {
                *most = (at, offered[at].2.clone());
            }
        }
    }
    move |life| match life.pod {
        Some(pod) => by_pod.get(&pod).cloned(),
        None => life.workload.and_then(|workload| by_workload.get(&workload)).map(|(_, name)| name.clone()),
    }
}
