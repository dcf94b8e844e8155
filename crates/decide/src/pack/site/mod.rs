//! The nodes and pods of a real cluster, as the placement policies see them.
//!
//! A policy knows kinds of nodes and kinds of pods; a cluster has labels, taints, several ways of sharing a GPU, affinity, spread, and
//! gangs that come all or not at all. A [`Site`] is the first drawn from the second, once: which pods may go to which nodes, and what they
//! take there. A [`Placement`] is a site with a policy and what is placed so far.
//!
//! - `demand`: what a pod takes of a node's GPUs; `parted`: the instances on those in MIG mode.
//! - `rules`: what pods ask of each other's places.
//! - `placement`: pods and gangs come and go.
//!
//! As the scheduler does, what a pod merely prefers is not looked at; that is the policy's to judge.

mod demand;
mod parted;
mod placement;
mod rules;
#[cfg(test)]
mod tests;

pub use placement::{Group, Placement, Seat};

use super::{
    classes::{Looks, Seen},
    policy::{Gpus, Mix, Named, NodeKind, PodKind, Spot, Supply},
};
use plimsoll_fleet::{Bytes, MilliCpu, Name, Node, Shape};
use rules::Book;
use std::collections::BTreeMap;

/// A kind of pod that may come.
#[derive(Debug, Clone)]
pub struct Want<'s> {
    /// Its namespace: affinity looks at it.
    pub namespace: Name,
    /// Its shape.
    pub shape: &'s Shape,
    /// How many are expected, for policies that look ahead.
    pub expected: u64,
}

/// How GPUs in MIG mode are parted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Parting {
    /// The instances that stand on them are all that there are.
    #[default]
    Fixed,
    /// Instances are made and unmade where they are needed.
    Open,
}

/// A fleet's nodes and the kinds of pods that may come, as policies see them.
#[derive(Debug, Clone)]
pub struct Site {
    kinds: Vec<NodeKind>,
    spots: Vec<Spot>,
    counts: Vec<u32>,
    pods: Vec<PodKind>,
    /// By want, the kinds of pod that it can be: the same pod takes a part of a GPU here and a whole one there. Least first.
    forms: Vec<Vec<u32>>,
    mix: Mix,
    book: Book,
}

/// A pod that would not fit on any node, were it empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// No node's labels and taints let it in.
    #[error("no node lets it in: its selector, affinity or tolerations match none of {nodes} nodes")]
    NotAllowed {
        /// How many nodes there are.
        nodes: usize,
    },
    /// Those that let it in do not offer what it asks for.
    #[error("no node that lets it in offers {asks} in a way that can be counted")]
    NotOffered {
        /// What it asks for, in words.
        asks: String,
    },
    /// It is larger than any of them.
    #[error("it asks for {asked} {of}; the most on a node that lets it in is {most}")]
    TooLarge {
        /// Of what: `GPUs`, `CPUs`, `GiB of memory`.
        of: &'static str,
        /// How much it asks for.
        asked: String,
        /// How much the largest node has.
        most: String,
    },
    /// Each thing that it asks for is on some node, all of them on none.
    #[error("each thing that it asks for is on some node that lets it in, but all of them together on none")]
    NotTogether,
}

impl Site {
    /// The site of `nodes` for pods of the kinds `wants`. Labels in `domains` can be asked for by gangs that want to be together. Nodes of
    /// one state are taken in the order given, so whoever wants results that names cannot change puts nodes that differ in an order that
    /// does not come from names.
    #[must_use]
    pub fn new(nodes: &[Node], wants: &[Want<'_>], domains: &[Name], parting: Parting) -> Self {
        let looks = Looks::of(wants.iter().map(|want| want.shape));
        let mut kinds: Vec<NodeKind> = Vec::new();
        let mut examples: Vec<&Node> = Vec::new();
        let mut known: BTreeMap<(Seen, NodeKind, Vec<String>), u16> = BTreeMap::new();
        let spots: Vec<Spot> = (0..)
            .zip(nodes)
            .map(|(rank, node)| {
                let kind = kind_of(node, parting);
                let key = (looks.at(node), kind.clone(), offers_of(node));
                // Past so many kinds the rest take no pods: a spot of a kind that there is none of.
                let next = u16::try_from(kinds.len()).unwrap_or(u16::MAX);
                let kind = *known.entry(key).or_insert_with(|| {
                    if next < u16::MAX {
                        kinds.push(kind);
                        examples.push(node);
                    }
                    next
                });
                Spot { kind, rank }
            })
            .collect();
        let mut counts = vec![0; kinds.len()];
        for spot in &spots {
            if let Some(count) = counts.get_mut(usize::from(spot.kind)) {
                *count += 1;
            }
        }
        let mut pods: Vec<PodKind> = Vec::new();
        let mut place_of: BTreeMap<PodKind, u32> = BTreeMap::new();
        let mut expected: Vec<u64> = Vec::new();
        let mut forms = Vec::with_capacity(wants.len());
        for want in wants {
            let mut by_gpus: BTreeMap<Gpus, Vec<bool>> = BTreeMap::new();
            for (kind, node) in examples.iter().enumerate() {
                if want.shape.may_go(node)
                    && let Some(gpus) = demand::demand(want.shape, node, parting == Parting::Open)
                {
                    by_gpus.entry(gpus).or_insert_with(|| vec![false; kinds.len()])[kind] = true;
                }
            }
            let mut own: Vec<u32> = Vec::new();
            for (gpus, allowed) in by_gpus {
                let pod = PodKind {
                    cpu: MilliCpu(want.shape.cpu.0),
                    memory: Bytes(want.shape.memory.0),
                    gpus,
                    wording: "".into(),
                    allowed: allowed.into(),
                };
                if !(0..).zip(&kinds).any(|(at, kind)| kind.holds(at, &pod)) {
                    continue;
                }
                let at = *place_of.entry(pod.clone()).or_insert_with(|| {
                    pods.push(pod);
                    expected.push(0);
                    pods.len() as u32 - 1
                });
                own.push(at);
            }
            own.sort_by_key(|at| (pods[*at as usize].gpus.milli(), *at));
            if let Some(&first) = own.first() {
                expected[first as usize] += want.expected;
            }
            forms.push(own);
        }
        let mix = Mix::new(pods.iter().cloned().zip(expected).collect());
        Self { kinds, spots, counts, pods, forms, mix, book: Book::new(nodes, wants, domains) }
    }

    /// Nothing placed yet, with a policy to choose.
    #[must_use]
    pub fn placement(&self, policy: Named) -> Placement<'_> {
        Placement::new(self, policy.policy(Supply { kinds: &self.kinds, counts: &self.counts }, &self.mix))
    }

    /// Could such a pod be placed if all nodes were empty?
    #[must_use]
    pub fn can_hold(&self, want: u32) -> bool {
        !self.forms[want as usize].is_empty()
    }

    /// GPUs of a node.
    #[must_use]
    pub fn devices(&self, node: u32) -> u8 {
        self.kinds.get(usize::from(self.spots[node as usize].kind)).map_or(0, |kind| kind.gpus)
    }

    /// GPUs by kind of node.
    #[must_use]
    pub fn gpus_by_kind(&self) -> Vec<u64> {
        self.kinds.iter().zip(&self.counts).map(|(kind, count)| u64::from(kind.gpus) * u64::from(*count)).collect()
    }

    /// Can such a pod be on nodes of a kind, one of those of [`Self::gpus_by_kind`]?
    #[must_use]
    pub fn may_be_on(&self, want: u32, kind: u16) -> bool {
        self.forms[want as usize].iter().any(|form| self.pods[*form as usize].allowed[usize::from(kind)])
    }

    /// What such a pod takes of GPUs, in each of its forms, the least first; nothing where it can be placed nowhere.
    #[must_use]
    pub fn gpus_of(&self, want: u32) -> Vec<Gpus> {
        self.forms[want as usize].iter().map(|form| self.pods[*form as usize].gpus).collect()
    }

    /// Could such a pod be placed on the node if that were empty?
    #[must_use]
    pub fn can_hold_on(&self, want: u32, node: u32) -> bool {
        let kind = self.spots[node as usize].kind;
        let holds = |form: &u32| self.kinds.get(usize::from(kind)).is_some_and(|of| of.holds(kind, &self.pods[*form as usize]));
        self.forms[want as usize].iter().any(holds)
    }

    /// Thousandths of GPUs that such a pod takes at least; none where it can be placed nowhere.
    #[must_use]
    pub fn milli(&self, want: u32) -> Option<u64> {
        self.forms[want as usize].first().map(|form| self.pods[*form as usize].gpus.milli())
    }

    /// Thousandths of GPUs that a placed pod holds.
    #[must_use]
    pub fn milli_of(&self, seat: Seat) -> u64 {
        self.pods[seat.form as usize].gpus.milli()
    }

    /// How many nodes there are.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        self.spots.len() as u32
    }
}

/// Why a pod of `shape` would not fit on any of `nodes`, were they empty; none: it would.
#[must_use]
pub fn misfit(nodes: &[Node], shape: &Shape, parting: Parting) -> Option<Misfit> {
    let mut allowed = nodes.iter().filter(|node| shape.may_go(node)).peekable();
    if allowed.peek().is_none() {
        return Some(Misfit::NotAllowed { nodes: nodes.len() });
    }
    let offered: Vec<(&Node, Gpus)> =
        allowed.filter_map(|node| Some((node, demand::demand(shape, node, parting == Parting::Open)?))).collect();
    if offered.is_empty() {
        let asks: Vec<String> = shape.asks.iter().map(|ask| format!("{} {}", ask.count, ask.resource)).collect();
        return Some(Misfit::NotOffered { asks: asks.join(" and ") });
    }
    let empty = |node: &Node| kind_of(node, parting).empty(0);
    let fits = |node: &Node, gpus: Gpus| {
        let pod = PodKind { cpu: shape.cpu, memory: shape.memory, gpus, wording: "".into(), allowed: [true].into() };
        kind_of(node, parting).holds(0, &pod)
    };
    if offered.iter().any(|(node, gpus)| fits(node, *gpus)) {
        return None;
    }
    if !offered.iter().any(|(node, gpus)| gpus.milli() <= u64::from(empty(node).free_milli())) {
        let units = |node: &Node| shape.asks.iter().map(|ask| node.offered(&ask.resource)).max().unwrap_or(0);
        let most = offered.iter().map(|(node, _)| units(node)).max().unwrap_or(0);
        let asked: u32 = shape.asks.iter().map(|ask| ask.count).fold(0, u32::saturating_add);
        return Some(Misfit::TooLarge { of: "GPUs", asked: asked.to_string(), most: most.to_string() });
    }
    let cpu = offered.iter().map(|(node, _)| node.cpu).max().unwrap_or_default();
    if shape.cpu > cpu {
        let words = |cpu: MilliCpu| format!("{}", cpu.0 as f64 / 1000.0);
        return Some(Misfit::TooLarge { of: "CPUs", asked: words(shape.cpu), most: words(cpu) });
    }
    let memory = offered.iter().map(|(node, _)| node.memory).max().unwrap_or_default();
    if shape.memory > memory {
        let words = |memory: Bytes| format!("{:.1}", memory.gib());
        return Some(Misfit::TooLarge { of: "GiB of memory", asked: words(shape.memory), most: words(memory) });
    }
    Some(Misfit::NotTogether)
}

/// A node's size as policies see it. A node that takes no pods has places for none.
fn kind_of(node: &Node, parting: Parting) -> NodeKind {
    NodeKind {
        model: node.gpu_product.clone().unwrap_or_default(),
        cpu: node.cpu,
        memory: node.memory,
        gpus: demand::devices(node),
        pods: node.max_pods,
        mig: parted::mig(node, parting == Parting::Open),
    }
}

/// What decides what an ask takes of it: what it offers, and how its GPUs are shared.
fn offers_of(node: &Node) -> Vec<String> {
    let mut offers: Vec<String> = node.offers.iter().filter(|offer| offer.count > 0).map(|offer| offer.resource.to_string()).collect();
    offers.sort_unstable();
    offers.push(format!("{:?}", node.sharing));
    offers
}
