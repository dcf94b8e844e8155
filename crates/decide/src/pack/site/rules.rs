//! What pods ask of each other's places: affinity, anti-affinity, spread and host ports, kept by counting.
//!
//! A *term* is a set of pods and a topology key; per domain (a value of that node label) it has a count of such pods that are there.
//! Every rule is a bound on one count, so checking a node costs a look-up a rule, and pods without rules cost nothing.

use super::Want;
use crate::pack::topology::HOSTNAME;
use plimsoll_fleet::{Name, Node, selector::Selector};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A term: an index.
type Term = u32;
/// A node without the label.
pub(super) const NOWHERE: u32 = u32::MAX;

/// What pods of one kind ask of the others, and count for.
#[derive(Debug, Clone, Default)]
struct Rules {
    /// The terms that such a pod counts for.
    counts_for: Vec<Term>,
    /// None of these may be in the domain.
    none_of: Vec<Term>,
    /// One of these must be in the domain; `true`: the pod itself counts for it, so that the first one may go anywhere.
    one_of: Vec<(Term, bool)>,
    /// Of these there may be only so many more in the domain than where there are fewest.
    even: Vec<Even>,
}

/// A spread.
#[derive(Debug, Clone)]
struct Even {
    term: Term,
    skew: u32,
    /// The pod counts for it itself.
    own: bool,
    /// The domains that count: those of nodes that the pod's own selector selects, tainted or not, as the scheduler does by default.
    among: Vec<u32>,
}

/// The rules of all kinds of pods on a set of nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    /// By topology key and node, the domain.
    domains: Vec<Vec<u32>>,
    keys: Vec<Name>,
    /// The key of each term.
    terms: Vec<u32>,
    /// By kind of pod.
    rules: Vec<Rules>,
}

/// How many pods count for a term, by domain.
#[derive(Debug, Clone)]
pub(super) struct Counts(Vec<HashMap<u32, u32>>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Clone)]
enum Of<'s> {
    /// Pods that a selector selects.
    Selected(&'s Selector, Vec<Name>),
    /// Pods that want to be apart from what a selector selects.
    Apart(&'s Selector, Vec<Name>),
    /// Pods with a host port.
    Port(u16),
}

impl Book {
    /// The rules of `wants` on `nodes`. Topology keys in `more` can be asked for, too.
    pub fn new<'s>(nodes: &[Node], wants: &[Want<'s>], more: &[Name]) -> Self {
        let hostname: Name = HOSTNAME.into();
        let mut book = Self { rules: vec![Rules::default(); wants.len()], ..Self::default() };
        let mut known: BTreeMap<(u32, Of<'s>), Term> = BTreeMap::new();
        for key in more {
            book.key(key, nodes);
        }
        let term = |book: &mut Self, known: &mut BTreeMap<(u32, Of<'s>), Term>, key: &Name, of: Of<'s>| {
            let key = book.key(key, nodes);
            *known.entry((key, of)).or_insert_with(|| {
                book.terms.push(key);
                book.terms.len() as Term - 1
            })
        };
        for (at, want) in wants.iter().enumerate() {
            let shape = want.shape;
            let spaces = |named: &[Name]| if named.is_empty() { vec![want.namespace.clone()] } else { named.to_vec() };
            for affinity in &shape.apart {
                let (pods, spaces) = (&affinity.pods, spaces(&affinity.namespaces));
                let selected = term(&mut book, &mut known, &affinity.topology, Of::Selected(pods, spaces.clone()));
                let owners = term(&mut book, &mut known, &affinity.topology, Of::Apart(pods, spaces));
                book.rules[at].none_of.push(selected);
                book.rules[at].counts_for.push(owners);
            }
            for affinity in &shape.near {
                let selected = term(&mut book, &mut known, &affinity.topology, Of::Selected(&affinity.pods, spaces(&affinity.namespaces)));
                book.rules[at].one_of.push((selected, false));
            }
            for spread in &shape.spread {
                let selected = term(&mut book, &mut known, &spread.topology, Of::Selected(&spread.pods, spaces(&[])));
                let eligible = |node: &Node| {
                    shape.node_selector.iter().all(|(key, value)| node.labels.get(key) == Some(value))
                        && (shape.node_terms.is_empty() || shape.node_terms.iter().any(|term| term.accepts(&node.name, &node.labels)))
                };
                let domains = &book.domains[book.terms[selected as usize] as usize];
                let there = domains.iter().zip(nodes).filter(|(domain, node)| **domain != NOWHERE && eligible(node));
                let among: BTreeSet<u32> = there.map(|(domain, _)| *domain).collect();
                let among = among.into_iter().collect();
                book.rules[at].even.push(Even { term: selected, skew: spread.max_skew, own: false, among });
            }
            for &port in &shape.host_ports {
                let holders = term(&mut book, &mut known, &hostname, Of::Port(port));
                book.rules[at].none_of.push(holders);
                book.rules[at].counts_for.push(holders);
            }
        }
        for ((_, of), &term) in &known {
            let (Of::Selected(selector, spaces) | Of::Apart(selector, spaces)) = of else { continue };
            for (rules, want) in book.rules.iter_mut().zip(wants) {
                if !spaces.contains(&want.namespace) || !selector.selects(&want.shape.labels) {
                    continue;
                }
                if matches!(of, Of::Apart(..)) {
                    rules.none_of.push(term);
                    continue;
                }
                rules.counts_for.push(term);
                rules.one_of.iter_mut().filter(|one| one.0 == term).for_each(|one| one.1 = true);
                rules.even.iter_mut().filter(|even| even.term == term).for_each(|even| even.own = true);
            }
        }
        book
    }

    /// The place of a topology key, with the domain of each node.
    fn key(&mut self, key: &Name, nodes: &[Node]) -> u32 {
        if let Some(at) = self.keys.iter().position(|known| known == key) {
            return at as u32;
        }
        let hostname = &**key == HOSTNAME;
        let mut values: BTreeMap<&Name, u32> = BTreeMap::new();
        let domains = nodes.iter().map(|node| {
            // A node without the label of its own name still is a place of its own.
            let value = if hostname { Some(node.labels.get(key).unwrap_or(&node.name)) } else { node.labels.get(key) };
            let next = values.len() as u32;
            value.map_or(NOWHERE, |value| *values.entry(value).or_insert(next))
        });
        self.domains.push(domains.collect());
        self.keys.push(key.clone());
        self.keys.len() as u32 - 1
    }

    /// The domain of each node by the label `key`, if anybody asks for it.
    pub fn domains(&self, key: &str) -> Option<&[u32]> {
        self.keys.iter().position(|known| &**known == key).map(|at| &*self.domains[at])
    }

    /// No pods anywhere.
    pub fn counts(&self) -> Counts {
        Counts(vec![HashMap::new(); self.terms.len()])
    }

    /// Do pods of this kind ask for nothing of the others?
    pub fn is_free(&self, want: u32) -> bool {
        let rules = &self.rules[want as usize];
        rules.none_of.is_empty() && rules.one_of.is_empty() && rules.even.is_empty()
    }

    /// Can another pod that is placed make room for this kind? Then "it does not fit" may end without anything being freed.
    pub fn may_be_helped(&self, want: u32) -> bool {
        let rules = &self.rules[want as usize];
        !rules.one_of.is_empty() || !rules.even.is_empty()
    }

    /// A pod comes to a node, or leaves it.
    pub fn count(&self, counts: &mut Counts, want: u32, node: u32, comes: bool) {
        for &term in &self.rules[want as usize].counts_for {
            let domain = self.domain(term, node);
            let count = counts.0[term as usize].entry(domain).or_default();
            *count = if comes { *count + 1 } else { count.saturating_sub(1) };
        }
    }

    fn domain(&self, term: Term, node: u32) -> u32 {
        self.domains[self.terms[term as usize] as usize][node as usize]
    }

    /// What another pod of this kind must keep to, as things stand.
    pub fn limits<'b>(&'b self, counts: &'b Counts, want: u32) -> Limits<'b> {
        let rules = &self.rules[want as usize];
        let none = |term: Term| counts.0[term as usize].values().all(|count| *count == 0);
        let first = rules.one_of.iter().map(|&(term, own)| own && none(term)).collect();
        let most = rules.even.iter().map(|even| {
            let counts = &counts.0[even.term as usize];
            let least = even.among.iter().map(|domain| counts.get(domain).copied().unwrap_or(0)).min().unwrap_or(0);
            least.saturating_add(even.skew).saturating_sub(u32::from(even.own))
        });
        Limits { book: self, counts, rules, first, most: most.collect() }
    }
}

/// What a pod must keep to: a bound on each count that it looks at.
pub(super) struct Limits<'b> {
    book: &'b Book,
    counts: &'b Counts,
    rules: &'b Rules,
    /// By `one_of`: there is none anywhere, and the pod would be the first.
    first: Vec<bool>,
    /// By `even`: the most that may be there before it comes.
    most: Vec<u32>,
}

impl Limits<'_> {
    /// May the pod go to the node, as far as the other pods' places say?
    pub fn admit(&self, node: u32) -> bool {
        let there = |term: Term| {
            let domain = self.book.domain(term, node);
            (domain != NOWHERE).then(|| self.counts.0[term as usize].get(&domain).copied().unwrap_or(0))
        };
        let rules = self.rules;
        rules.none_of.iter().all(|&term| there(term).unwrap_or(0) == 0)
            && rules.one_of.iter().zip(&self.first).all(|(one, first)| there(one.0).is_some_and(|count| count > 0 || *first))
            && rules.even.iter().zip(&self.most).all(|(even, most)| there(even.term).is_some_and(|count| count <= *most))
    }
}
