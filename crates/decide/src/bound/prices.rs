//! The proof. Give each row of each class of nodes a price, at least 0. A pod is worth what the cheapest class that may
//! hold it would charge; a node earns at most the sum of its prices. If that is at most 1, then as many nodes are needed
//! as all pods together are worth; where it is more, the rest is taken off for every node of the class. That is weak
//! duality, and it holds for any prices: so the solver that looks for the best ones need not be trusted.

use super::{
    Problem, Proof,
    rows::{self, Group, Row},
};
use microlp::{ComparisonOp, OptimizationDirection, SolveOptions, Variable};

/// A programme with more inequalities than this is not solved: it would take longer than the whole audit may.
const PROGRAMME_MAX: usize = 3_000;

/// Slack when a value is rounded up: far above what the sums below can err by (a relative 1e-10), far below a node.
const SLACK: f64 = 1e-6;

/// Prices by class of nodes: one for each row, then one for each size summed up.
type Prices = Vec<Vec<f64>>;

struct Programme<'p> {
    problem: &'p Problem,
    groups: Vec<Group>,
    rows: Vec<Vec<Row>>,
    /// By size, the unit that makes the largest room 1.
    units: Vec<f64>,
}

/// How many nodes that do not stay are needed at least, and by which proof.
pub(super) fn nodes(problem: &Problem) -> (u32, Proof) {
    let programme = Programme::new(problem);
    let mut best = (programme.volume(), Proof::Volume);
    if let Some(value) = programme.solve().map(|prices| programme.value(&prices))
        && whole(value) > whole(best.0)
    {
        best = (value, Proof::Programme);
    }
    (whole(best.0), best.1)
}

/// Rounds up, but not for what may be an error of the sums.
fn whole(value: f64) -> u32 {
    (value - SLACK * (1.0 + value.abs())).ceil().clamp(0.0, f64::from(u32::MAX)) as u32
}

impl<'p> Programme<'p> {
    fn new(problem: &'p Problem) -> Self {
        let groups = rows::groups(problem);
        let rows = (0..)
            .zip(&problem.nodes)
            .map(|(id, nodes)| {
                let held: Vec<(usize, &Group)> = groups.iter().enumerate().filter(|(_, group)| group.nodes.contains(&id)).collect();
                rows::rows(nodes, &held)
            })
            .collect();
        let units =
            (0..problem.sizes).map(|size| problem.nodes.iter().map(|nodes| nodes.room[size]).max().unwrap_or(0).max(1) as f64).collect();
        Self { problem, groups, rows, units }
    }

    /// Room of a class for a size, in units.
    fn room(&self, on: u32, size: usize) -> f64 {
        self.problem.nodes[on as usize].room[size] as f64 / self.units[size]
    }

    /// What a class charges for a pod of a group.
    fn charge(&self, prices: &Prices, on: u32, group: usize) -> f64 {
        let of = |row: &Row| row.of.iter().find(|(id, _)| *id == group).map_or(0.0, |(_, value)| *value);
        self.rows[on as usize].iter().zip(&prices[on as usize]).map(|(row, price)| of(row) * price).sum()
    }

    /// What `prices` prove. Prices below zero count as zero.
    fn value(&self, prices: &Prices) -> f64 {
        let prices: Prices =
            prices.iter().map(|prices| prices.iter().map(|price| if price.is_finite() { price.max(0.0) } else { 0.0 }).collect()).collect();
        let mut value = 0.0;
        for (id, group) in self.groups.iter().enumerate() {
            let charge = group.nodes.iter().map(|&on| self.charge(&prices, on, id)).fold(f64::INFINITY, f64::min);
            value += group.count as f64 * if charge.is_finite() { charge } else { 0.0 };
            for (size, &total) in group.total.iter().enumerate() {
                // Where a class has no room of the size, none of it can be there, whatever the price.
                let charges = group.nodes.iter().filter(|&&on| self.room(on, size) > 0.0).map(|&on| {
                    let rows = self.rows[on as usize].len();
                    prices[on as usize][rows + size] / self.room(on, size)
                });
                let charge = charges.fold(f64::INFINITY, f64::min);
                value += total as f64 / self.units[size] * if charge.is_finite() { charge } else { 0.0 };
            }
        }
        for (nodes, prices) in self.problem.nodes.iter().zip(&prices) {
            let earned: f64 = prices.iter().sum();
            value -= if nodes.stay { earned } else { f64::from(nodes.count) * (earned - 1.0).max(0.0) };
        }
        value
    }

    /// The best of the simplest prices: one resource, the same price of a unit of it everywhere, such that some class earns 1.
    fn volume(&self) -> f64 {
        let mut best: f64 = 0.0;
        let resources = self.problem.nodes.first().map_or(0, |nodes| nodes.room.len());
        for resource in 0..resources {
            let mut rooms: Vec<u64> =
                self.problem.nodes.iter().filter(|nodes| !nodes.stay).map(|nodes| nodes.room[resource]).filter(|room| *room > 0).collect();
            rooms.sort_unstable();
            rooms.dedup();
            for unit in rooms {
                let prices = self.problem.nodes.iter().zip(&self.rows).map(|(nodes, rows)| {
                    let price = nodes.room[resource] as f64 / unit as f64;
                    let size = (0..self.problem.sizes).map(|size| if size == resource { price } else { 0.0 });
                    let by_sum = resource < self.problem.sizes;
                    let row = |row: &Row| if row.volume_of == Some(resource) && !by_sum { price } else { 0.0 };
                    rows.iter().map(row).chain(size).collect()
                });
                best = best.max(self.value(&prices.collect()));
            }
        }
        best
    }

    /// The best prices, as far as the solver finds them; none where it fails or the programme is too large.
    fn solve(&self) -> Option<Prices> {
        let edges: usize = self.groups.iter().map(|group| group.nodes.len() * (1 + self.problem.sizes)).sum();
        if edges + self.problem.nodes.len() > PROGRAMME_MAX {
            return None;
        }
        let mut programme = microlp::Problem::new(OptimizationDirection::Maximize);
        let free = (0.0, f64::INFINITY);
        let mut prices: Vec<Vec<Variable>> = Vec::with_capacity(self.rows.len());
        for (nodes, rows) in self.problem.nodes.iter().zip(&self.rows) {
            let cost = if nodes.stay { -1.0 } else { 0.0 };
            let own: Vec<Variable> = (0..rows.len() + self.problem.sizes).map(|_| programme.add_var(cost, free)).collect();
            if !nodes.stay {
                let over = programme.add_var(-f64::from(nodes.count), free);
                let mut sum: Vec<(Variable, f64)> = own.iter().map(|&price| (price, 1.0)).collect();
                sum.push((over, -1.0));
                programme.add_constraint(sum, ComparisonOp::Le, 1.0);
            }
            prices.push(own);
        }
        for (id, group) in self.groups.iter().enumerate() {
            let worth = programme.add_var(group.count as f64, free);
            for &on in &group.nodes {
                let rows = &self.rows[on as usize];
                let mut sum = vec![(worth, 1.0)];
                for (row, &price) in rows.iter().zip(&prices[on as usize]) {
                    if let Some((_, value)) = row.of.iter().find(|(of, _)| *of == id) {
                        sum.push((price, -value));
                    }
                }
                programme.add_constraint(sum, ComparisonOp::Le, 0.0);
            }
            for (size, &total) in group.total.iter().enumerate() {
                if total == 0 {
                    continue;
                }
                let worth = programme.add_var(total as f64 / self.units[size], free);
                for &on in group.nodes.iter().filter(|&&on| self.room(on, size) > 0.0) {
                    let price = prices[on as usize][self.rows[on as usize].len() + size];
                    programme.add_constraint([(worth, self.room(on, size)), (price, -1.0)], ComparisonOp::Le, 0.0);
                }
            }
        }
        let solution = programme.solve_with(SolveOptions::default()).ok()?.into_solution().ok()?;
        Some(prices.iter().map(|own| own.iter().map(|&price| solution.var_value(price)).collect()).collect())
    }
}
