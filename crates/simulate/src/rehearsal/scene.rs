//! A fleet and its work, made ready once for all runs: which jobs are alike, what fits nowhere, what no policy can reach.

use super::work::Work;
use plimsoll_decide::{
    bound::pattern::{Bins, Items, most_packed},
    pack::{
        policy::Gpus,
        site::{Group, Parting, Site, Want, misfit},
    },
};
use plimsoll_fleet::{Name, Node};
use std::collections::{BTreeMap, HashMap};

/// A node comes or goes at a known moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// When, in seconds from the first moment.
    pub at: u64,
    /// The node, by its place.
    pub node: u32,
    /// It joins, and was not there before; else it leaves, and what is on it is evicted.
    pub joins: bool,
}

/// Nodes that an autoscaler makes when jobs wait, and removes when they are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pool {
    /// The nodes that there can be, by their places, all alike.
    pub nodes: Vec<u32>,
    /// So many are always there.
    pub least: usize,
    /// Seconds from asking for a node until it takes pods.
    pub delay: u64,
    /// Seconds that a node stays empty before it goes.
    pub idle: u64,
}

/// What a rehearsal is of.
#[derive(Debug, Clone, Default)]
pub struct Ground {
    /// The nodes, those that join later too.
    pub nodes: Vec<Node>,
    /// Nodes that take no new pods, by their places.
    pub closed: Vec<u32>,
    /// How GPUs in MIG mode are parted.
    pub parting: Parting,
    /// Nodes that come and go at known moments.
    pub changes: Vec<Change>,
    /// Nodes that come and go with the load.
    pub pools: Vec<Pool>,
    /// What each node costs an hour, in dollars; none: not all are priced.
    pub rates: Option<Vec<f64>>,
    /// Where the rehearsal ends, in seconds from the first moment; none: when everything has ended.
    pub horizon: Option<u64>,
}

/// Jobs of the same pods.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    pub group: Group,
    /// Thousandths of GPUs that it asks for at least.
    pub milli: u64,
    /// Why it fits nowhere, even if everything were empty; none: it fits.
    pub misfit: Option<String>,
}

/// A rehearsal, ready to run.
#[derive(Debug)]
pub(super) struct Scene {
    pub site: Site,
    pub nodes: Vec<Node>,
    /// By node.
    pub gpus: Vec<u64>,
    pub work: Work,
    pub kinds: Vec<Kind>,
    /// By job.
    pub kind_of: Vec<u32>,
    pub closed: Vec<u32>,
    pub changes: Vec<Change>,
    pub pools: Vec<Pool>,
    /// By node of a pool, the pool.
    pub pool_of: HashMap<u32, u32>,
    pub rates: Option<Vec<f64>>,
    pub horizon: Option<u64>,
    pub allocation_bound: Option<f64>,
    pub makespan_bound: Option<u64>,
}

impl Scene {
    pub fn new(ground: Ground, work: Work) -> Self {
        let mut known: HashMap<&Group, u32> = HashMap::new();
        let mut groups: Vec<&Group> = Vec::new();
        let mut expected = vec![0_u64; work.pods.len()];
        let mut domains: Vec<Name> = Vec::new();
        let kind_of = work.jobs.iter().map(|job| {
            job.pods.each(&mut |want, count| expected[want as usize] += u64::from(count));
            *known.entry(&job.pods).or_insert_with(|| {
                groups.push(&job.pods);
                job.pods.domains(&mut domains);
                groups.len() as u32 - 1
            })
        });
        let kind_of: Vec<u32> = kind_of.collect();
        let wants: Vec<Want<'_>> = work
            .pods
            .iter()
            .zip(&expected)
            .map(|((namespace, shape), expected)| Want { namespace: namespace.clone(), shape, expected: *expected })
            .collect();
        let site = Site::new(&ground.nodes, &wants, &domains, ground.parting);
        let gpus: Vec<u64> = (0..site.nodes()).map(|node| u64::from(site.devices(node))).collect();
        let all: u64 = gpus.iter().sum::<u64>() * 1000;
        let misfits: Vec<Option<String>> = (0..)
            .zip(&work.pods)
            .map(|(want, (_, shape))| {
                (!site.can_hold(want)).then(|| {
                    misfit(&ground.nodes, shape, ground.parting)
                        .map_or_else(|| "no node can be told to hold it".to_owned(), |why| why.to_string())
                })
            })
            .collect();
        let kinds: Vec<Kind> = groups
            .into_iter()
            .map(|group| {
                let (mut milli, mut why) = (0_u64, None);
                group.each(&mut |want, count| {
                    milli = milli.saturating_add(site.milli(want).unwrap_or(0).saturating_mul(count.into()));
                    if why.is_none() {
                        why.clone_from(&misfits[want as usize]);
                    }
                });
                if why.is_none() && milli > all {
                    why = Some(format!("all its pods ask for {} GPUs; the fleet has {}", milli as f64 / 1000.0, all / 1000));
                }
                let mut keys = Vec::new();
                group.domains(&mut keys);
                let missing = keys.iter().find(|key| !ground.nodes.iter().any(|node| node.labels.contains_key(*key)));
                if let (None, Some(key)) = (&why, missing) {
                    why = Some(format!("it asks to be within one {key}; no node has that label"));
                }
                Kind { group: group.clone(), milli, misfit: why }
            })
            .collect();
        let fixed = ground.changes.is_empty() && ground.pools.is_empty();
        let allocation_bound = if fixed { allocation_bound(&site, &expected, all) } else { None };
        let makespan_bound = if fixed && ground.horizon.is_none() { makespan_bound(&work, &kinds, &kind_of, all) } else { None };
        let pool_of = (0..).zip(&ground.pools).flat_map(|(pool, of)| of.nodes.iter().map(move |node| (*node, pool))).collect();
        let Ground { nodes, closed, changes, pools, rates, horizon, parting: _ } = ground;
        Self { site, nodes, gpus, kinds, kind_of, closed, changes, pools, pool_of, rates, horizon, allocation_bound, makespan_bound, work }
    }
}

/// Kinds of bins past which the bound is not computed: its linear programme would take minutes.
const BOUND_KINDS_MAX: usize = 64;

/// The most that can be allocated at one moment, as a part of all: the pattern bound over single GPUs for all pods that ever come.
/// CPU, memory and what GPUs of one node have in common are left out, so no policy reaches more.
fn allocation_bound(site: &Site, expected: &[u64], all: u64) -> Option<f64> {
    // Node kinds that the same pods may go to are one sort of bins.
    let mut sorts: BTreeMap<Vec<bool>, (usize, u64)> = BTreeMap::new();
    let mut sort_of = Vec::new();
    for (kind, gpus) in site.gpus_by_kind().into_iter().enumerate() {
        let looks: Vec<bool> = (0..expected.len() as u32).map(|want| site.may_be_on(want, kind as u16)).collect();
        let next = sorts.len();
        let sort = sorts.entry(looks).or_insert((next, 0));
        sort.1 += gpus;
        sort_of.push(sort.0);
    }
    if sorts.len() > BOUND_KINDS_MAX || all == 0 {
        return None;
    }
    let mut bins = vec![Bins { count: 0, size: 1000 }; sorts.len()];
    for &(sort, gpus) in sorts.values() {
        bins[sort].count = gpus;
    }
    let mut items: BTreeMap<(u16, Vec<usize>), u64> = BTreeMap::new();
    for (want, &count) in (0..).zip(expected) {
        // A pod that could have several forms is bound by none of them.
        let gpus = match *site.gpus_of(want) {
            [] => continue,
            [gpus] => gpus,
            [_, _, ..] => return None,
        };
        let (size, each) = match gpus {
            Gpus::None => continue,
            Gpus::Share(milli) => (milli, 1),
            Gpus::Whole(gpus) => (1000, u64::from(gpus)),
            Gpus::Slices(slices) => (slices.grid.milli(slices.slot), u64::from(slices.count)),
        };
        let mut may: Vec<usize> = (0..).zip(&sort_of).filter(|(kind, _)| site.may_be_on(want, *kind)).map(|(_, sort)| *sort).collect();
        may.sort_unstable();
        may.dedup();
        *items.entry((size, may)).or_default() += count * each;
    }
    let items: Vec<Items> = items.into_iter().map(|((size, bins), count)| Items { size, count, bins }).collect();
    Some((most_packed(&bins, &items) / all as f64).min(1.0))
}

/// No order ends everything sooner: all work over all GPUs, and each job from its arrival.
fn makespan_bound(work: &Work, kinds: &[Kind], kind_of: &[u32], all: u64) -> Option<u64> {
    let (mut sum, mut last) = (0_u128, 0);
    let began = work.jobs.first()?.arrives;
    for (job, kind) in work.jobs.iter().zip(kind_of) {
        if kinds[*kind as usize].misfit.is_some() {
            continue;
        }
        let holds = job.lasts?.saturating_add(job.starting);
        sum += u128::from(holds) * u128::from(kinds[*kind as usize].milli);
        last = last.max(job.arrives.saturating_add(holds));
    }
    let volume = u64::try_from(sum.div_ceil(u128::from(all.max(1)))).unwrap_or(u64::MAX);
    Some(volume.max(last.saturating_sub(began)))
}
