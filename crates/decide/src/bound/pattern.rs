//! How much of alike bins can be filled at most, proven: the pattern bound of Gilmore and Gomory ("A linear programming
//! approach to the cutting-stock problem", 1961), for items that may go to some of several sorts of bins.
//!
//! Give each item a price, at least 0, and each sort of bins the most that a filling of one bin could be worth beyond the
//! prices of what is in it. All bins at that worth and all items at their price are then at least what any filling packs: weak
//! duality, for any prices. The best prices come from a linear programme that learns its patterns one by one; what a filling is
//! worth is an exact knapsack in integers of size. So the solver that looks for the prices need not be trusted.

use microlp::{ComparisonOp, OptimizationDirection, Problem, Solution, Variable};

/// Alike bins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bins {
    /// How many.
    pub count: u64,
    /// The size of one, at most 65,535.
    pub size: u16,
}

/// Alike items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Items {
    /// The size of one.
    pub size: u16,
    /// How many may be packed. None need be.
    pub count: u64,
    /// The sorts of bins that they may go to, indices.
    pub bins: Vec<usize>,
}

/// Rounds of patterns at most. The openb lists need some tens.
const ROUNDS_MAX: usize = 2_000;
/// What the bound may miss the best of its kind by, as a part.
const GAP: f64 = 1e-7;

/// A bound on the sum of sizes that can be packed. Never below what can be, whatever the solver does.
#[must_use]
pub fn most_packed(bins: &[Bins], items: &[Items]) -> f64 {
    let items: Vec<Items> = items
        .iter()
        .map(|items| {
            let fits = |bin: &usize| bins.get(*bin).is_some_and(|bins| items.size <= bins.size && bins.count > 0);
            Items { bins: items.bins.iter().copied().filter(fits).collect(), ..items.clone() }
        })
        .filter(|items| items.size > 0 && items.count > 0 && !items.bins.is_empty())
        .collect();
    let volume = bins.iter().map(|bins| bins.count as f64 * f64::from(bins.size)).sum::<f64>();
    let asked = items.iter().map(|items| items.count as f64 * f64::from(items.size)).sum::<f64>();
    let mut best = volume.min(asked);
    if best <= 0.0 {
        return 0.0;
    }
    let mut programme = Programme::new(bins, &items);
    for _ in 0..ROUNDS_MAX {
        let Some(prices) = programme.prices() else { break };
        let mut value: f64 = items.iter().zip(&prices).map(|(items, price)| items.count as f64 * price).sum();
        let mut patterns = Vec::new();
        for (bin, of) in bins.iter().enumerate() {
            let (worth, pattern) = knapsack(of.size, bin, &items, &prices);
            value += of.count as f64 * worth;
            patterns.push((bin, worth, pattern));
        }
        best = best.min(value);
        // What the programme says is below the truth: it does not know all patterns yet.
        let known = programme.value();
        if known.is_none_or(|known| value - known <= GAP * value.abs()) || !programme.learn(patterns) {
            break;
        }
    }
    best
}

/// What one more of each of `items` costs, in units of size, when all of them are packed into as few bins of `size` as a linear
/// programme over patterns can: from 0 (it fits into a hole that is there anyway) to `size` (it takes a bin of its own).
/// Where items may go and how many bins there are is not looked at. An estimate: it proves nothing.
#[must_use]
pub fn worths(size: u16, items: &[Items]) -> Vec<f64> {
    let unit = f64::from(size.max(1));
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let fits = |items: &Items| items.size > 0 && items.size <= size;
    let own = |items: &Items| if fits(items) { 1.0 / f64::from(size / items.size) } else { 0.0 };
    let worth: Vec<Variable> = items.iter().map(|items| problem.add_var(items.count as f64, (0.0, own(items)))).collect();
    let Some(mut solution) = problem.solve().ok().and_then(|outcome| outcome.into_solution().ok()) else { return vec![0.0; items.len()] };
    let values = |solution: &Solution| -> Vec<f64> { worth.iter().map(|variable| solution.var_value(*variable)).collect() };
    for _ in 0..ROUNDS_MAX {
        let now = values(&solution);
        let (most, pattern) = fullest(size, items, &now);
        if most <= 1.0 + 1e-9 {
            break;
        }
        let terms: Vec<(Variable, f64)> = worth
            .iter()
            .zip(&pattern)
            .filter(|(_, copies)| **copies > 0)
            .map(|(variable, copies)| (*variable, f64::from(*copies)))
            .collect();
        match solution.add_constraint(terms, ComparisonOp::Le, 1.0).ok().and_then(|outcome| outcome.into_solution().ok()) {
            Some(better) => solution = better,
            // Without the last pattern the worths are a little high.
            None => return now.into_iter().map(|worth| worth / most * unit).collect(),
        }
    }
    values(&solution).into_iter().map(|worth| worth * unit).collect()
}

/// The filling of a bin that is worth most.
fn fullest(size: u16, items: &[Items], worths: &[f64]) -> (f64, Vec<u32>) {
    let everywhere: Vec<Items> = items.iter().map(|items| Items { bins: vec![0], ..items.clone() }).collect();
    let prices: Vec<f64> = items.iter().zip(worths).map(|(items, worth)| f64::from(items.size) - worth).collect();
    knapsack(size, 0, &everywhere, &prices)
}

/// The most that a bin's filling is worth when an item brings its size less its price, and a filling that is worth it.
fn knapsack(size: u16, bin: usize, items: &[Items], prices: &[f64]) -> (f64, Vec<u32>) {
    let size = usize::from(size);
    let mut worth = vec![0.0_f64; size + 1];
    let mut last: Vec<Option<usize>> = vec![None; size + 1];
    for (id, (of, price)) in items.iter().zip(prices).enumerate() {
        let (own, gain) = (usize::from(of.size), f64::from(of.size) - price);
        if gain <= 0.0 || own > size || !of.bins.contains(&bin) {
            continue;
        }
        for room in own..=size {
            let with = worth[room - own] + gain;
            if with > worth[room] {
                worth[room] = with;
                last[room] = Some(id);
            }
        }
    }
    let mut pattern = vec![0; items.len()];
    let mut room = size;
    while let Some(id) = last[room] {
        pattern[id] += 1;
        room -= usize::from(items[id].size);
    }
    (worth[size], pattern)
}

/// The dual of the packing programme: the least of bins × worth + items × price, such that no known pattern brings more than
/// its bin's worth. In units of the largest bin, so that its numbers are near 1.
struct Programme<'p> {
    items: &'p [Items],
    unit: f64,
    worth: Vec<Variable>,
    price: Vec<Variable>,
    state: State,
}

enum State {
    Open(Problem),
    Solved(Box<Solution>),
    Failed,
}

impl<'p> Programme<'p> {
    fn new(bins: &[Bins], items: &'p [Items]) -> Self {
        let unit = bins.iter().map(|bins| f64::from(bins.size)).fold(1.0, f64::max);
        let mut problem = Problem::new(OptimizationDirection::Minimize);
        let worth: Vec<Variable> = bins.iter().map(|bins| problem.add_var(bins.count as f64, (0.0, f64::from(bins.size) / unit))).collect();
        let price: Vec<Variable> =
            items.iter().map(|items| problem.add_var(items.count as f64, (0.0, f64::from(items.size) / unit))).collect();
        for (id, of) in items.iter().enumerate() {
            for &bin in &of.bins {
                let copies = f64::from(bins[bin].size / of.size);
                let terms = [(worth[bin], 1.0), (price[id], copies)];
                problem.add_constraint(terms, ComparisonOp::Ge, copies * f64::from(of.size) / unit);
            }
        }
        Self { items, unit, worth, price, state: State::Open(problem) }
    }

    /// The best prices by what is known.
    fn prices(&mut self) -> Option<Vec<f64>> {
        if let State::Open(problem) = &self.state {
            self.state = match problem.solve().ok().and_then(|outcome| outcome.into_solution().ok()) {
                Some(solution) => State::Solved(Box::new(solution)),
                None => State::Failed,
            };
        }
        let State::Solved(solution) = &self.state else { return None };
        let price = |(variable, items): (&Variable, &Items)| {
            let price = solution.var_value(*variable) * self.unit;
            if price.is_finite() { price.clamp(0.0, f64::from(items.size)) } else { 0.0 }
        };
        Some(self.price.iter().zip(self.items).map(price).collect())
    }

    fn value(&self) -> Option<f64> {
        match &self.state {
            State::Solved(solution) => Some(solution.objective() * self.unit),
            State::Open(_) | State::Failed => None,
        }
    }

    /// Adds the patterns that are worth more than their bin is thought to be. False: there are none, or the solver gave up.
    fn learn(&mut self, patterns: Vec<(usize, f64, Vec<u32>)>) -> bool {
        let mut news = false;
        for (bin, worth, pattern) in patterns {
            let State::Solved(solution) = std::mem::replace(&mut self.state, State::Failed) else { return false };
            if worth <= solution.var_value(self.worth[bin]) * self.unit + 1e-9 * self.unit {
                self.state = State::Solved(solution);
                continue;
            }
            news = true;
            let mut filled = 0.0;
            let mut terms = vec![(self.worth[bin], 1.0)];
            for (id, &copies) in pattern.iter().enumerate().filter(|(_, copies)| **copies > 0) {
                terms.push((self.price[id], f64::from(copies)));
                filled += f64::from(copies) * f64::from(self.items[id].size);
            }
            match solution.add_constraint(terms, ComparisonOp::Ge, filled / self.unit).ok().and_then(|outcome| outcome.into_solution().ok())
            {
                Some(solution) => self.state = State::Solved(Box::new(solution)),
                None => return false,
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_that_do_not_pair_leave_room() {
        // Two of 600 never share a bin, and there is nothing that fits beside one.
        let bins = [Bins { count: 10, size: 1000 }];
        let items = [Items { size: 600, count: 30, bins: vec![0] }];
        assert!((most_packed(&bins, &items) - 6000.0).abs() < 1e-3);
        // With four of 400, four bins are full.
        let items = [items[0].clone(), Items { size: 400, count: 4, bins: vec![0] }];
        assert!((most_packed(&bins, &items) - 7600.0).abs() < 1e-3);
    }

    #[test]
    fn items_that_may_not_go_elsewhere_wait() {
        let bins = [Bins { count: 2, size: 1000 }, Bins { count: 5, size: 1000 }];
        let items = [Items { size: 1000, count: 7, bins: vec![0] }, Items { size: 500, count: 3, bins: vec![0, 1] }];
        assert!((most_packed(&bins, &items) - 3500.0).abs() < 1e-3);
    }

    proptest! {
        /// First fit packs no more than the bound, in whatever order.
        #[test]
        fn nothing_packs_more(sizes in prop::collection::vec((1_u16..=1000, prop::bool::ANY), 1..60), small in 0_u64..12, large in 0_u64..12) {
            let bins = [Bins { count: small, size: 700 }, Bins { count: large, size: 1000 }];
            let allowed = |both: bool| if both { vec![0, 1] } else { vec![1] };
            let items: Vec<Items> = sizes.iter().map(|&(size, both)| Items { size, count: 1, bins: allowed(both) }).collect();
            let mut free: Vec<(usize, u16)> = (0..small).map(|_| (0, 700)).chain((0..large).map(|_| (1, 1000))).collect();
            let mut packed = 0.0;
            for (size, both) in sizes {
                if let Some((_, free)) = free.iter_mut().find(|(bin, free)| (both || *bin == 1) && *free >= size) {
                    *free -= size;
                    packed += f64::from(size);
                }
            }
            prop_assert!(packed <= most_packed(&bins, &items) + 1e-6);
        }
    }
}
