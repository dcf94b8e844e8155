//! A small integer programme, solved to the end or to a bound on the work: branch and bound over linear programmes.
//!
//! Of a node's fractional variables one of the highest rank is chosen, and the side above is looked at first: in a covering programme
//! that walks to a plan in a few steps. Then what could still be better is
//! ruled out side by side. A plan counts only after its rows were checked in whole numbers.

use microlp::{ComparisonOp, Error, OptimizationDirection, Problem, Variable};

/// A variable, whole and at least 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub cost: u64,
    pub most: u64,
    /// Of fractional variables those of the highest rank are settled first.
    pub rank: u8,
}

/// A sum that must be at least `right`, or at most.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub terms: Vec<(usize, i64)>,
    pub at_least: bool,
    pub right: i64,
}

/// Minimise the cost of the columns under the rows.
#[derive(Debug, Clone, Default)]
pub(super) struct Programme {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The best plan: its cost and its columns.
    pub best: Option<(u64, Vec<u64>)>,
    /// Was every other possibility ruled out?
    pub exhausted: bool,
}

/// Which of the fractional variables of the highest rank is settled.
#[derive(Debug, Clone, Copy)]
enum Rule {
    /// The one that lacks least to the next whole number.
    LeastLacking,
    /// The one that lacks most.
    MostLacking,
    First,
    Last,
}

/// Linear programmes of a short walk: most plans are found within thirty.
const WALK_MAX: usize = 80;
/// What counts as whole.
const WHOLE: f64 = 1e-6;
/// What a linear programme's value may err by, as a part, and beside that absolutely.
const SLACK: f64 = 1e-9;
const SLACK_COST: f64 = 1e-6;

impl Programme {
    pub fn column(&mut self, cost: u64, most: u64, rank: u8) -> usize {
        self.columns.push(Column { cost, most, rank });
        self.columns.len() - 1
    }

    pub fn row(&mut self, terms: Vec<(usize, i64)>, at_least: bool, right: i64) {
        self.rows.push(Row { terms, at_least, right });
    }

    /// The best plan, after at most `nodes_max` linear programmes and a few; one that costs no more than `enough` ends the search.
    ///
    /// A walk that goes astray early can search for long where another one finds a plan at once. So short walks by different rules
    /// come first, and the long one only where none of them came to an end.
    pub fn solve(&self, enough: u64, nodes_max: usize) -> Found {
        let mut found = Found { best: None, exhausted: false };
        let short = [Rule::LeastLacking, Rule::First, Rule::Last, Rule::MostLacking].map(|rule| (rule, WALK_MAX.min(nodes_max)));
        for (rule, nodes_max) in short.into_iter().chain([(Rule::LeastLacking, nodes_max)]) {
            found = self.walk(enough, nodes_max, rule, found.best);
            if found.exhausted || found.best.as_ref().is_some_and(|(cost, _)| *cost <= enough) {
                break;
            }
        }
        found
    }

    fn walk(&self, enough: u64, nodes_max: usize, rule: Rule, best: Option<(u64, Vec<u64>)>) -> Found {
        let mut found = Found { best, exhausted: true };
        let mut open: Vec<Vec<(u64, u64)>> = vec![self.columns.iter().map(|column| (0, column.most)).collect()];
        let mut nodes = 0;
        while let Some(sides) = open.pop() {
            if found.best.as_ref().is_some_and(|(cost, _)| *cost <= enough) {
                break;
            }
            if nodes == nodes_max {
                found.exhausted = false;
                break;
            }
            nodes += 1;
            let (value, at) = match self.relaxed(&sides) {
                Ok(Some(relaxed)) => relaxed,
                Ok(None) => continue,
                Err(GaveUp) => {
                    found.exhausted = false;
                    continue;
                }
            };
            let least = (value - SLACK_COST - SLACK * value.abs()).ceil().max(0.0) as u64;
            if found.best.as_ref().is_some_and(|(cost, _)| *cost <= least) {
                continue;
            }
            let key = |column: usize| match rule {
                Rule::LeastLacking => at[column].ceil() - at[column],
                Rule::MostLacking => at[column] - at[column].ceil(),
                Rule::First => column as f64,
                Rule::Last => -(column as f64),
            };
            let split = (0..at.len()).filter(|column| (at[*column] - at[*column].round()).abs() > WHOLE).min_by(|one, other| {
                let rank = |column: usize| u8::MAX - self.columns[column].rank;
                rank(*one).cmp(&rank(*other)).then(key(*one).total_cmp(&key(*other)))
            });
            match split {
                None => {
                    let plan: Vec<u64> = at.iter().map(|value| value.round().max(0.0) as u64).collect();
                    match self.cost(&plan) {
                        Some(cost) if found.best.as_ref().is_none_or(|(least, _)| cost < *least) => found.best = Some((cost, plan)),
                        Some(_) => {}
                        None => found.exhausted = false,
                    }
                }
                Some(column) => {
                    let floor = at[column].floor().max(0.0) as u64;
                    let (mut below, mut above) = (sides.clone(), sides);
                    below[column].1 = floor;
                    above[column].0 = floor + 1;
                    open.push(below);
                    open.push(above);
                }
            }
        }
        found
    }

    /// The cost of a plan that keeps every row and side, checked in whole numbers.
    fn cost(&self, plan: &[u64]) -> Option<u64> {
        let keeps = |row: &Row| {
            let sum: i64 = row.terms.iter().map(|&(column, times)| times * i64::try_from(plan[column]).unwrap_or(i64::MAX / 64)).sum();
            if row.at_least { sum >= row.right } else { sum <= row.right }
        };
        let within = self.columns.iter().zip(plan).all(|(column, value)| *value <= column.most);
        (within && self.rows.iter().all(keeps)).then(|| self.columns.iter().zip(plan).map(|(column, value)| column.cost * value).sum())
    }

    /// The least cost between `sides` where nothing need be whole, and where that is. None: there is nothing.
    fn relaxed(&self, sides: &[(u64, u64)]) -> Result<Option<(f64, Vec<f64>)>, GaveUp> {
        if sides.iter().any(|(least, most)| least > most) {
            return Ok(None);
        }
        let unit = self.columns.iter().map(|column| column.cost).max().unwrap_or(0).max(1) as f64;
        let mut problem = Problem::new(OptimizationDirection::Minimize);
        let columns: Vec<Variable> = self
            .columns
            .iter()
            .zip(sides)
            .map(|(column, &(least, most))| problem.add_var(column.cost as f64 / unit, (least as f64, most as f64)))
            .collect();
        for row in &self.rows {
            let terms: Vec<(Variable, f64)> = row.terms.iter().map(|&(column, times)| (columns[column], times as f64)).collect();
            problem.add_constraint(terms, if row.at_least { ComparisonOp::Ge } else { ComparisonOp::Le }, row.right as f64);
        }
        match problem.solve() {
            Ok(outcome) => {
                let solution = outcome.into_solution().map_err(|_| GaveUp)?;
                Ok(Some((solution.objective() * unit, columns.iter().map(|column| solution.var_value(*column)).collect())))
            }
            Err(Error::Infeasible) => Ok(None),
            Err(_) => Err(GaveUp),
        }
    }
}

/// The solver found no answer.
struct GaveUp;
