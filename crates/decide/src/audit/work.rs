//! What the held GPUs do: the figures that the funnel, the views and the pictures share.

use super::view::View;
use plimsoll_fleet::{Metric, NodeId, PodId, evidence::Attribution};

/// Shares of time, 0 to 1. `None`: not seen.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Work {
    /// Something ran (engine activity, else `GPU_UTIL`).
    pub running: Option<f64>,
    /// It was useful (the busiest of SM, tensor and DRAM activity).
    pub useful: Option<f64>,
}

impl Work {
    /// At work, by the best that was seen. DCGM can show useful work where engine activity is not collected.
    #[must_use]
    pub fn in_use(self) -> Option<f64> {
        match (self.running, self.useful) {
            (Some(running), Some(useful)) => Some(running.max(useful)),
            (running, useful) => running.or(useful),
        }
    }
}

/// The work of every device of a node that pods share: their own figures are copies of these.
#[must_use]
pub fn of_shared_devices(view: &View<'_>, node: NodeId) -> Work {
    let mean = |metric: Metric| {
        let (mut sum, mut count) = (0.0, 0_u32);
        for sketch in view.devices_of(node).filter(|usage| usage.slice.is_none()).filter_map(|usage| usage.metrics.get(metric)) {
            sum += sketch.mean().min(1.0);
            count += 1;
        }
        (count > 0).then(|| sum / f64::from(count))
    };
    Work {
        running: mean(Metric::EngineActive).or_else(|| mean(Metric::GpuUtil)),
        useful: [Metric::SmActive, Metric::TensorActive, Metric::DramActive].into_iter().filter_map(mean).max_by(f64::total_cmp),
    }
}

/// The work of a pod's GPUs; `shared` is that of its node's shared devices.
#[must_use]
pub fn of_pod(view: &View<'_>, pod: PodId, shared: Work) -> Work {
    if view.usage_of(pod).any(|usage| usage.attribution == Attribution::DeviceCopy) {
        return shared;
    }
    let mean = |metric: Metric| {
        let (mut sum, mut count) = (0.0, 0_u32);
        for sketch in view.usage_of(pod).filter_map(|usage| usage.metrics.get(metric)) {
            sum += sketch.sum();
            count += sketch.count();
        }
        (count > 0).then(|| (sum / f64::from(count)).min(1.0))
    };
    Work {
        running: mean(Metric::EngineActive).or_else(|| mean(Metric::GpuUtil)),
        useful: [Metric::SmActive, Metric::TensorActive, Metric::DramActive].into_iter().filter_map(mean).max_by(f64::total_cmp),
    }
}
