//! What a run tells: the curve of filling, the nodes at the peak, the figures at the end.

use super::Engine;
use crate::rehearsal::outcome::{Figures, Filling, Grid, GridNode, Refusal, Run};
use crate::rehearsal::scene::Scene;
use plimsoll_decide::pack::policy::Named;

/// The moment when most was allocated.
#[derive(Default)]
pub(super) struct Peak {
    pub part: f64,
    /// A new peak was reached and is not drawn yet.
    pub reached: bool,
    pub grid: Grid,
    pub drawn: f64,
}

/// A peak is drawn anew only if it is so much higher.
pub(super) const PEAK_STEP: f64 = 0.002;
/// Points of the filling curve at most: one a percent.
const FILLING_MAX: usize = 200;

impl Engine<'_> {
    /// A point of the filling curve, at most one a percent.
    pub(super) fn fill(&mut self, at: u64) {
        let percent = |milli: u64| milli as f64 * 100.0 / self.first_total.max(1) as f64;
        let arrived = percent(self.asked_milli);
        if self.filling.len() < FILLING_MAX && arrived >= self.filling.len() as f64 {
            debug_assert_eq!(at, self.now);
            self.pass();
            let percent = |milli: u64| milli as f64 * 100.0 / self.first_total.max(1) as f64;
            self.filling.push(Filling { arrived, allocated: percent(self.placement.allocated_milli()) });
        }
    }

    pub(super) fn draw_peak(&mut self) {
        self.peak.reached = false;
        self.peak.drawn = self.peak.part;
        let placement = &self.placement;
        let nodes = (0..).zip(&self.scene.nodes).filter(|(at, _)| self.scene.gpus[*at as usize] > 0 && placement.is_open(*at));
        let nodes = nodes.map(|(at, node)| GridNode {
            name: node.name.to_string(),
            pool: node.pool.as_deref().unwrap_or_default().to_owned(),
            model: node.gpu_product.as_deref().unwrap_or_default().to_owned(),
            gpus: {
                let state = placement.state(at);
                state.gpus().iter().map(|device| 1000 - state.milli_of(*device)).collect()
            },
            fragmented: placement.fragmented_on(at),
        });
        self.peak.grid = Grid { at: self.now, nodes: nodes.collect() };
    }

    pub(super) fn finish(mut self, policy: Named) -> Run {
        if let Some(horizon) = self.scene.horizon {
            self.go_to(horizon);
        }
        if self.peak.reached {
            self.draw_peak();
        }
        let still: Vec<u32> = (0..).zip(&self.lives).filter(|(_, life)| !life.seats.is_empty()).map(|(job, _)| job).collect();
        for &job in &still {
            self.add_up(job);
        }
        // Jobs that have come and whose predecessors have not ended stand in no queue, and wait all the same.
        let come = self.lives.iter().take(self.figures.jobs as usize);
        let held = come.filter(|life| life.before > 0 && !life.refused).count() as u64;
        self.peak.grid.nodes.sort_by(|a, b| (&a.pool, &a.name).cmp(&(&b.pool, &b.name)));
        let totals = self.course.totals();
        let part = |of: f64| (totals.gpus > 0.0).then(|| of / totals.gpus);
        let (wait, completion, sizes) = self.times.spreads();
        let began = self.scene.work.jobs.first().map_or(0, |job| job.arrives);
        let figures = Figures {
            running: still.len() as u64,
            waiting: self.queue.jobs + held,
            gpu_hours: totals.gpus / 3_600.0,
            allocated_gpu_hours: totals.allocated / 3_600.0,
            used_gpu_hours: totals.used.map(|used| used / 3_600.0),
            allocation: part(totals.allocated),
            allocation_peak: (self.first_total > 0 || totals.gpus > 0.0).then_some(self.peak.part),
            allocation_bound: self.scene.allocation_bound,
            fragmentation: part(totals.fragmented),
            wait,
            completion,
            makespan: self.last_end.saturating_sub(began),
            makespan_bound: self.scene.makespan_bound,
            nodes_peak: self.open.peak,
            cost: self.scene.rates.as_ref().map(|_| self.cost),
            ..self.figures
        };
        let refused = self.refused.into_iter().map(|(why, (jobs, example))| Refusal { why, jobs, example });
        Run {
            policy: policy.name().to_owned(),
            order: self.order.name().to_owned(),
            seed: self.seed,
            figures,
            sizes,
            course: self.course.moments(),
            filling: self.filling,
            grid: self.peak.grid,
            refused: refused.collect(),
        }
    }
}

/// The nodes that are there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Open {
    pub gpu_nodes: u64,
    peak: u64,
    /// What they cost an hour, as far as that is known.
    pub rate: f64,
}

impl Open {
    pub fn of(scene: &Scene) -> Self {
        let mut open = Self::default();
        (0..scene.nodes.len() as u32).for_each(|node| open.change(scene, node, true));
        open.peak = 0;
        open
    }

    pub fn change(&mut self, scene: &Scene, node: u32, opens: bool) {
        let gpu = u64::from(scene.gpus[node as usize] > 0);
        let rate = scene.rates.as_ref().map_or(0.0, |rates| rates[node as usize]);
        if opens {
            self.gpu_nodes += gpu;
            self.rate += rate;
        } else {
            self.gpu_nodes -= gpu;
            self.rate -= rate;
        }
        self.peak = self.peak.max(self.gpu_nodes);
    }
}
