//! The fewest GPUs for a demand, or the cheapest where all boards have a price, proven.
//!
//! A GPU is one of a few maximal layouts: multisets of instances that no larger valid one contains (28 on the common grid of 8 with
//! plain profiles, 12 without double memory, 4 on an A30), computed from the board's table for the profiles that are asked for. How
//! many GPUs get each is an integer programme.
//!
//! The proof: prices of instances under which no layout is worth more than its GPU costs make the demand's worth a lower bound
//! ([`crate::bound::cover`]), and a cost comes in whole GPUs (or in the prices' greatest common divisor), so the bound is rounded
//! up. On every table rounding up was enough in all cases tried with one kind of board, so a plan that reaches it is found and
//! proven within a few linear programmes. Where prices leave a gap, the search goes on until all else is ruled out. Either way
//! [`Plan::proven`] says so; if the work that it may do ends first, the plan stands beside a bound that it does not reach.
//!
//! A demand beyond the stock is met as far as it goes, by memory slices: the plan says what is left out, and how little any plan
//! could leave out.

use super::{
    demand::{DemandError, Offer, Stock, Wanted, check},
    integer::Programme,
};
use crate::bound::cover::{self, Need, Sort};
use plimsoll_fleet::{MilliGpu, MoneyPerHour, mig::Placement};
use std::collections::BTreeMap;

/// GPUs with the same layout.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The kind of board, an index into the stock.
    pub stock: usize,
    /// The instances, in the order to create them. What the demand does not need is not made: the slices stay free.
    pub layout: Vec<Placement>,
    /// How many GPUs.
    pub gpus: u32,
}

/// How a figure was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// By prices: no plan can cost less than the demand is worth.
    Prices,
    /// All other plans were ruled out one by one.
    Search,
    /// Not at all: the search ended first, and a better plan may be there.
    Open,
}

/// The least that a plan can need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// GPUs, where not every board has a price.
    Gpus(u32),
    /// Money, where every board has one.
    Price(MoneyPerHour),
}

/// A plan, and what no plan can beat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What stands on the GPUs that are needed, sorted.
    pub groups: Vec<Group>,
    /// GPUs that are needed.
    pub gpus: u32,
    /// What they cost, where every board has a price.
    pub price: Option<MoneyPerHour>,
    /// What no plan that meets the same can beat.
    pub bound: Bound,
    /// How the bound was proven.
    pub proof: Proof,
    /// By demand, what serves it.
    pub serves: Vec<Vec<(Offer, u32)>>,
    /// By demand, how many instances there is no room for.
    pub unmet: Vec<u32>,
    /// The part of GPUs that these would take.
    pub unmet_share: MilliGpu,
    /// No plan leaves out less than this.
    pub unmet_bound: MilliGpu,
}

impl Plan {
    /// Does the plan meet as much as can be met, at the least that this can cost?
    #[must_use]
    pub fn proven(&self) -> bool {
        self.proof != Proof::Open && self.unmet_share == self.unmet_bound
    }
}

/// Linear programmes that a plan may take: each some 50 microseconds, most plans take fewer than thirty.
const NODES_MAX: usize = 1_500;

/// Plans `wanted` on `stock`: fewest GPUs, or least price where every board has one.
///
/// # Errors
/// [`DemandError`]: the demand names what there is not, or is beyond what is planned for.
pub fn plan(stock: &[Stock], wanted: &[Wanted]) -> Result<Plan, DemandError> {
    check(stock, wanted)?;
    let model = Model::new(stock, wanted);
    if let Some(solved) = model.cheapest(None) {
        return Ok(model.plan(solved, 0));
    }
    let (most, bound) = model.most_met();
    let Some(most) = most else { return Ok(model.plan(Solved::nothing(&model), bound)) };
    // Met in the same way, for less if that can be.
    let solved = model.cheapest(Some(&most.unmet)).unwrap_or(most);
    Ok(model.plan(solved, bound))
}

struct Model<'a> {
    stock: &'a [Stock],
    wanted: &'a [Wanted],
    /// By kind of board, the slots that are asked of it.
    slots: Vec<Vec<usize>>,
    /// By kind of board, the maximal multisets of these, counted by slot in the same order.
    patterns: Vec<Vec<Vec<u32>>>,
    /// By kind of board, in units of `unit`.
    costs: Vec<u64>,
    /// What a cost of 1 is: millionths of money, or a GPU.
    unit: u64,
    priced: bool,
}

/// A solution of the programme, in its own terms.
struct Solved {
    /// By kind of board and pattern.
    gpus: Vec<Vec<u32>>,
    /// By demand, what serves it.
    serves: Vec<Vec<(Offer, u32)>>,
    unmet: Vec<u32>,
    /// What no plan costs less than.
    bound: u64,
    proof: Proof,
}

impl Solved {
    /// What is there when the search came to nothing: no GPU, nothing met.
    fn nothing(model: &Model<'_>) -> Self {
        Self {
            gpus: model.patterns.iter().map(|patterns| vec![0; patterns.len()]).collect(),
            serves: vec![Vec::new(); model.wanted.len()],
            unmet: model.wanted.iter().map(|wanted| wanted.count).collect(),
            bound: 0,
            proof: Proof::Prices,
        }
    }
}

impl<'a> Model<'a> {
    fn new(stock: &'a [Stock], wanted: &'a [Wanted]) -> Self {
        let mut slots: Vec<Vec<usize>> = vec![Vec::new(); stock.len()];
        for offer in wanted.iter().filter(|wanted| wanted.count > 0).flat_map(|wanted| &wanted.by) {
            slots[offer.stock].push(offer.slot);
        }
        slots.iter_mut().for_each(|slots| {
            slots.sort_unstable();
            slots.dedup();
        });
        let mut known: BTreeMap<(&str, &[usize]), Vec<Vec<u32>>> = BTreeMap::new();
        let patterns = stock
            .iter()
            .zip(&slots)
            .map(|(stock, slots)| {
                let table = stock.board.table;
                let of = || {
                    let counted = |multiset: &Vec<usize>| {
                        slots.iter().map(|slot| multiset.iter().filter(|other| *other == slot).count() as u32).collect()
                    };
                    table.maximal_multisets(slots).iter().map(counted).collect()
                };
                known.entry((table.name.as_str(), slots)).or_insert_with(of).clone()
            })
            .collect();
        let prices: Option<Vec<u64>> = stock.iter().map(|stock| stock.price.and_then(|price| u64::try_from(price.0).ok())).collect();
        let priced = prices.as_ref().is_some_and(|prices| prices.iter().any(|price| *price > 0));
        let costs = prices.filter(|_| priced).unwrap_or_else(|| vec![1; stock.len()]);
        let unit = costs.iter().copied().fold(0, gcd).max(1);
        Self { stock, wanted, slots, patterns, costs: costs.iter().map(|cost| cost / unit).collect(), unit, priced }
    }

    /// Where `offer` is among its board's slots that are asked for.
    fn item(&self, offer: &Offer) -> (usize, usize) {
        let slots = &self.slots[offer.stock];
        (offer.stock, slots.binary_search(&offer.slot).unwrap_or(slots.len()))
    }

    /// The least cost of meeting the demand but what is left out. None: there are not enough GPUs, or none was found.
    fn cheapest(&self, left_out: Option<&[u32]>) -> Option<Solved> {
        let count = |at: usize| self.wanted[at].count - left_out.map_or(0, |left_out| left_out[at]);
        let (sorts, needs) = self.cover(&self.costs, |at| (count(at), None));
        let prices = cover::prices(&sorts, &needs);
        let proven = round_up(cover::proven(&sorts, &needs, &prices));
        let all: u64 = self.stock.iter().zip(&self.costs).map(|(stock, cost)| u64::from(stock.gpus) * cost).sum();
        if proven > all {
            return None;
        }
        let mut programme = Programme::default();
        let gpus = self.columns(&mut programme, &self.costs);
        let serving = self.rows(&mut programme, &gpus, |at| (count(at), None));
        let found = programme.solve(proven, NODES_MAX);
        let (cost, at) = found.best?;
        let (bound, proof) = match (cost <= proven, found.exhausted) {
            (true, _) => (cost, Proof::Prices),
            (false, true) => (cost, Proof::Search),
            (false, false) => (proven, Proof::Open),
        };
        let unmet = left_out.map_or_else(|| vec![0; self.wanted.len()], <[u32]>::to_vec);
        Some(self.read(&at, &gpus, &serving, unmet, bound, proof))
    }

    /// As much met as the stock allows, by memory slices, and the least thousandths of GPUs that any plan leaves out.
    fn most_met(&self) -> (Option<Solved>, u64) {
        let free = vec![0; self.stock.len()];
        let shares: Vec<u64> = self.wanted.iter().map(|wanted| wanted.share(self.stock).0.max(1)).collect();
        let unit = shares.iter().copied().fold(0, gcd).max(1);
        let (sorts, needs) = self.cover(&free, |at| (self.wanted[at].count, Some((shares[at] / unit) as f64)));
        let prices = cover::prices(&sorts, &needs);
        let proven = round_up(cover::proven(&sorts, &needs, &prices));
        let mut programme = Programme::default();
        let gpus = self.columns(&mut programme, &free);
        let left_out: Vec<usize> =
            self.wanted.iter().zip(&shares).map(|(wanted, share)| programme.column(share / unit, wanted.count.into(), 2)).collect();
        let serving = self.rows(&mut programme, &gpus, |at| (self.wanted[at].count, Some(left_out[at])));
        let found = programme.solve(proven, NODES_MAX);
        let Some((cost, at)) = found.best else { return (None, proven * unit) };
        let bound = if found.exhausted { cost } else { proven.min(cost) };
        let unmet = left_out.iter().map(|column| at[*column] as u32).collect();
        (Some(self.read(&at, &gpus, &serving, unmet, 0, Proof::Open)), bound * unit)
    }

    /// The same for the bound.
    fn cover(&self, costs: &[u64], need: impl Fn(usize) -> (u32, Option<f64>)) -> (Vec<Sort>, Vec<Need>) {
        let sort = |(kind, patterns): (usize, &Vec<Vec<u32>>)| Sort {
            bins: self.stock[kind].gpus,
            cost: costs[kind] as f64,
            patterns: patterns.clone(),
        };
        let needs = self.wanted.iter().enumerate().map(|(at, wanted)| {
            let (count, left_out) = need(at);
            Need { count, by: wanted.by.iter().map(|offer| self.item(offer)).collect(), left_out }
        });
        (self.patterns.iter().enumerate().map(sort).collect(), needs.filter(|need| need.count > 0).collect())
    }

    /// How many GPUs get each pattern; where there are several kinds of board, how many of each are used is settled first.
    fn columns(&self, programme: &mut Programme, costs: &[u64]) -> Vec<Vec<usize>> {
        let kinds = self.patterns.iter().filter(|patterns| !patterns.is_empty()).count();
        let mut all = Vec::new();
        for (kind, patterns) in self.patterns.iter().enumerate() {
            let most = u64::from(self.stock[kind].gpus);
            let sum = (kinds > 1).then(|| programme.column(costs[kind], most, 3));
            let own = if sum.is_some() { 0 } else { costs[kind] };
            let columns: Vec<usize> = patterns.iter().map(|_| programme.column(own, most, 1)).collect();
            let terms = columns.iter().map(|column| (*column, 1)).chain(sum.map(|sum| (sum, -1))).collect();
            programme.row(terms, false, if sum.is_some() { 0 } else { i64::from(self.stock[kind].gpus) });
            all.push(columns);
        }
        all
    }

    /// Instances suffice for each demand. The columns that say which of several kinds serves it.
    fn rows(&self, programme: &mut Programme, gpus: &[Vec<usize>], need: impl Fn(usize) -> (u32, Option<usize>)) -> Vec<Vec<usize>> {
        let mut taken: BTreeMap<(usize, usize), Taken> = BTreeMap::new();
        let mut serving = Vec::new();
        for (at, wanted) in self.wanted.iter().enumerate() {
            let (count, left_out) = need(at);
            let mut columns = Vec::new();
            if count > 0 {
                match wanted.by[..] {
                    [offer] => {
                        let (right, terms) = taken.entry(self.item(&offer)).or_default();
                        *right += i64::from(count);
                        terms.extend(left_out.map(|column| (column, 1)));
                    }
                    _ => {
                        for offer in &wanted.by {
                            let column = programme.column(0, count.into(), 0);
                            taken.entry(self.item(offer)).or_default().1.push((column, -1));
                            columns.push(column);
                        }
                        let terms = columns.iter().map(|column| (*column, 1)).chain(left_out.map(|column| (column, 1)));
                        programme.row(terms.collect(), true, count.into());
                    }
                }
            }
            serving.push(columns);
        }
        for ((kind, item), (right, mut terms)) in taken {
            let supply = self.patterns[kind].iter().zip(&gpus[kind]).filter(|(pattern, _)| pattern[item] > 0);
            terms.extend(supply.map(|(pattern, column)| (*column, i64::from(pattern[item]))));
            programme.row(terms, true, right);
        }
        serving
    }

    fn read(&self, at: &[u64], gpus: &[Vec<usize>], serving: &[Vec<usize>], unmet: Vec<u32>, bound: u64, proof: Proof) -> Solved {
        let serves = self
            .wanted
            .iter()
            .zip(serving)
            .zip(&unmet)
            .map(|((wanted, columns), unmet)| {
                let mut left = wanted.count - unmet;
                let most = |option: usize| columns.get(option).map_or(left, |column| at[*column] as u32);
                let mut serves = Vec::new();
                let given: Vec<u32> = (0..wanted.by.len()).map(most).collect();
                for (offer, given) in wanted.by.iter().zip(given) {
                    let given = given.min(left);
                    left -= given;
                    if given > 0 {
                        serves.push((*offer, given));
                    }
                }
                serves
            })
            .collect();
        let gpus = gpus.iter().map(|columns| columns.iter().map(|column| at[*column] as u32).collect()).collect();
        Solved { gpus, serves, unmet, bound, proof }
    }

    fn plan(&self, solved: Solved, unmet_bound: u64) -> Plan {
        let mut groups: Vec<(usize, Vec<u32>, u32)> = Vec::new();
        for (kind, gpus) in solved.gpus.iter().enumerate() {
            groups.extend(
                self.patterns[kind].iter().zip(gpus).filter(|(_, gpus)| **gpus > 0).map(|(pattern, gpus)| (kind, pattern.clone(), *gpus)),
            );
        }
        let mut used: BTreeMap<(usize, usize), u32> = BTreeMap::new();
        for (offer, count) in solved.serves.iter().flatten() {
            *used.entry(self.item(offer)).or_default() += count;
        }
        for kind in 0..self.stock.len() {
            for item in 0..self.slots[kind].len() {
                trim(&mut groups, (kind, item), used.get(&(kind, item)).copied().unwrap_or(0));
            }
        }
        let mut by_layout: BTreeMap<(usize, Vec<u32>), u32> = BTreeMap::new();
        for (kind, pattern, gpus) in groups.into_iter().filter(|(_, pattern, _)| pattern.iter().any(|copies| *copies > 0)) {
            *by_layout.entry((kind, pattern)).or_default() += gpus;
        }
        let mut groups: Vec<Group> = by_layout
            .into_iter()
            .filter_map(|((kind, pattern), gpus)| {
                let slots = self.slots[kind].iter().zip(&pattern);
                let wanted: Vec<usize> = slots.flat_map(|(slot, copies)| std::iter::repeat_n(*slot, *copies as usize)).collect();
                // Part of a maximal layout, so it fits.
                Some(Group { stock: kind, layout: self.stock[kind].board.table.fit(&[], &wanted)?, gpus })
            })
            .collect();
        groups.sort_unstable();
        let cost: u64 = groups.iter().map(|group| u64::from(group.gpus) * self.costs[group.stock]).sum();
        let gpus = groups.iter().map(|group| group.gpus).sum();
        let money = |cost: u64| self.priced.then(|| MoneyPerHour(i64::try_from(cost.saturating_mul(self.unit)).unwrap_or(i64::MAX)));
        let shares = self.wanted.iter().map(|wanted| wanted.share(self.stock).0);
        let unmet_share = MilliGpu(shares.zip(&solved.unmet).map(|(share, unmet)| share * u64::from(*unmet)).sum());
        Plan {
            groups,
            gpus,
            price: money(cost),
            bound: money(solved.bound).map_or(Bound::Gpus(u32::try_from(solved.bound).unwrap_or(u32::MAX)), Bound::Price),
            proof: if cost <= solved.bound && solved.proof == Proof::Open { Proof::Prices } else { solved.proof },
            serves: solved.serves,
            unmet: solved.unmet,
            unmet_share,
            unmet_bound: MilliGpu(unmet_bound),
        }
    }
}

/// Of a kind of instance, how many are wanted of it alone, and the columns that take or leave some.
type Taken = (i64, Vec<(usize, i64)>);

/// Takes instances that nobody needs out of the layouts.
fn trim(groups: &mut Vec<(usize, Vec<u32>, u32)>, (kind, item): (usize, usize), used: u32) {
    let made: u64 = groups.iter().filter(|group| group.0 == kind).map(|group| u64::from(group.1[item]) * u64::from(group.2)).sum();
    let mut spare = made.saturating_sub(used.into());
    while spare > 0 {
        // From the fullest of it, so that the rest stays alike.
        let Some(at) =
            (0..groups.len()).filter(|at| groups[*at].0 == kind && groups[*at].1[item] > 0).max_by_key(|at| (groups[*at].1[item], *at))
        else {
            return;
        };
        let gpus = u64::from(groups[at].2).min(spare) as u32;
        let mut less = groups[at].clone();
        less.1[item] -= 1;
        less.2 = gpus;
        groups[at].2 -= gpus;
        if groups[at].2 == 0 {
            groups[at] = less;
        } else {
            groups.push(less);
        }
        spare -= u64::from(gpus);
    }
}

/// A proven cost is one in whole units, but not for what may be an error of the sums.
fn round_up(value: f64) -> u64 {
    (value - 1e-6 - 1e-9 * value).ceil().max(0.0) as u64
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { gcd(other, one % other) }
}
