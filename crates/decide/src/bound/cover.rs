//! How little it can cost to meet a demand with bins that are filled by patterns, proven: GPUs with MIG layouts.
//!
//! Give each item a price, at least 0, and let a demand be worth the cheapest of the items that would serve it, or what it costs to
//! leave it out where that is less. A sort of bins earns at most what its best pattern's items are worth beyond the bin's cost,
//! times how many bins there are. What all demands are worth less what all bins can earn is then below the cost of any plan: weak
//! duality, for any prices. Patterns are few here, so the best prices come from one linear programme; what they prove is
//! added up anew, so the solver that finds them need not be trusted.

use microlp::{ComparisonOp, OptimizationDirection, Problem, Variable};

/// Bins that are filled alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Sort {
    /// How many there are.
    pub bins: u32,
    /// What using one costs, at least 0.
    pub cost: f64,
    /// The fillings worth choosing: how many of each item. All as long.
    pub patterns: Vec<Vec<u32>>,
}

/// Alike needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Need {
    /// How many.
    pub count: u32,
    /// What serves one: a sort of bins and an item of its patterns.
    pub by: Vec<(usize, usize)>,
    /// What leaving one out costs; none: all must be met.
    pub left_out: Option<f64>,
}

/// A price for each item of each sort of bins: the best that the solver finds. Empty: it found none.
#[must_use]
pub fn prices(sorts: &[Sort], needs: &[Need]) -> Vec<Vec<f64>> {
    let unit = unit(sorts, needs);
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let items = |sort: &Sort| sort.patterns.first().map_or(0, Vec::len);
    // Where bins are too few, prices would rise without end; at a thousand bins an item they prove as much.
    let wall = 1e3;
    let price: Vec<Vec<Variable>> =
        sorts.iter().map(|sort| (0..items(sort)).map(|_| problem.add_var(0.0, (0.0, wall))).collect()).collect();
    for (sort, price) in sorts.iter().zip(&price) {
        let earned = problem.add_var(-f64::from(sort.bins), (0.0, f64::INFINITY));
        for pattern in &sort.patterns {
            let terms = price.iter().zip(pattern).filter(|(_, copies)| **copies > 0).map(|(price, copies)| (*price, f64::from(*copies)));
            problem.add_constraint(terms.chain([(earned, -1.0)]).collect::<Vec<_>>(), ComparisonOp::Le, sort.cost / unit);
        }
    }
    for need in needs {
        let worth = problem.add_var(f64::from(need.count), (0.0, need.left_out.map_or(wall, |cost| cost / unit)));
        for &(sort, item) in &need.by {
            problem.add_constraint([(worth, 1.0), (price[sort][item], -1.0)], ComparisonOp::Le, 0.0);
        }
    }
    let Some(solution) = problem.solve().ok().and_then(|outcome| outcome.into_solution().ok()) else { return Vec::new() };
    let value = |variable: &Variable| solution.var_value(*variable) * unit;
    price
        .iter()
        .map(|prices| prices.iter().map(|price| Some(value(price)).filter(|price| price.is_finite()).unwrap_or(0.0).max(0.0)).collect())
        .collect()
}

/// What `prices` prove that any plan costs at least.
#[must_use]
pub fn proven(sorts: &[Sort], needs: &[Need], prices: &[Vec<f64>]) -> f64 {
    let price = |sort: usize, item: usize| prices.get(sort).and_then(|prices| prices.get(item)).copied().unwrap_or(0.0).max(0.0);
    let worth = |need: &Need| {
        let least = need.by.iter().map(|&(sort, item)| price(sort, item)).fold(f64::INFINITY, f64::min);
        f64::from(need.count) * need.left_out.map_or(least, |cost| cost.min(least))
    };
    let earned = |(id, sort): (usize, &Sort)| {
        let of = |pattern: &Vec<u32>| (0..).zip(pattern).map(|(item, copies)| f64::from(*copies) * price(id, item)).sum::<f64>();
        f64::from(sort.bins) * (sort.patterns.iter().map(of).fold(0.0, f64::max) - sort.cost).max(0.0)
    };
    let value = needs.iter().map(worth).sum::<f64>() - sorts.iter().enumerate().map(earned).sum::<f64>();
    // A need that nothing serves and that may not be left out is infinitely dear: no plan is there to be bounded.
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

/// The largest cost, so that the programme's numbers are near 1.
fn unit(sorts: &[Sort], needs: &[Need]) -> f64 {
    let costs = sorts.iter().map(|sort| sort.cost).chain(needs.iter().filter_map(|need| need.left_out));
    Some(costs.fold(0.0, f64::max)).filter(|unit| *unit > 0.0).unwrap_or(1.0)
}
