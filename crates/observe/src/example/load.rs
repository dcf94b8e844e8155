//! What a GPU does over the days: levels, rhythms, and the samples that DCGM would have taken.

use super::chance::Chance;
use plimsoll_fleet::{CourseBuilder, Metric, Metrics, Seconds, SketchBuilder, Timestamp, course::Grid};

/// Time between samples.
pub(super) const STEP: Seconds = Seconds(300);
/// Samples in the window of 14 days.
pub(super) const SAMPLES: usize = 14 * 288;

/// How work comes and goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rhythm {
    /// The same at all hours: training.
    Flat,
    /// With the working day, less at weekends: what people ask for.
    Day,
    /// Now and then: this share of the samples has any work at all.
    Bursts(f64),
    /// As `Day`, until so many days before the end; nothing since.
    DayUntil(f64),
}

/// What a GPU does when it works. All shares are those of the busiest hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    pub rhythm: Rhythm,
    /// Share of the busiest hour's work that is left in the quietest.
    pub floor: f64,
    /// `GR_ENGINE_ACTIVE`.
    pub engine: f64,
    /// `GPU_UTIL`.
    pub util: f64,
    /// `SM_ACTIVE`.
    pub sm: f64,
    /// `PIPE_TENSOR_ACTIVE`.
    pub tensor: f64,
    /// `DRAM_ACTIVE`.
    pub dram: f64,
    /// Framebuffer held from the start on, GiB.
    pub memory_gib: f64,
}

impl Load {
    /// Nothing runs; a process holds some memory.
    pub(super) fn none(memory_gib: f64) -> Self {
        Self { rhythm: Rhythm::Flat, floor: 0.0, engine: 0.0, util: 0.0, sm: 0.0, tensor: 0.0, dram: 0.0, memory_gib }
    }

    /// A training job that keeps its GPUs busy.
    pub(super) fn training(memory_gib: f64) -> Self {
        Self { rhythm: Rhythm::Flat, floor: 0.9, engine: 0.96, util: 0.98, sm: 0.78, tensor: 0.42, dram: 0.5, memory_gib }
    }

    /// LLM inference: decode is bound by memory, so DRAM is busier than the SMs.
    pub(super) fn decode(busiest: f64, memory_gib: f64) -> Self {
        let part = |share: f64| share * busiest;
        Self {
            rhythm: Rhythm::Day,
            floor: 0.25,
            engine: part(0.97),
            util: part(0.98),
            sm: part(0.5),
            tensor: part(0.22),
            dram: part(0.92),
            memory_gib,
        }
    }

    /// Vision and embedding models: bound by compute.
    pub(super) fn compute(busiest: f64, memory_gib: f64) -> Self {
        let part = |share: f64| share * busiest;
        Self {
            rhythm: Rhythm::Day,
            floor: 0.25,
            engine: part(0.98),
            util: part(0.99),
            sm: part(0.92),
            tensor: part(0.5),
            dram: part(0.4),
            memory_gib,
        }
    }

    pub(super) fn at(self, rhythm: Rhythm, floor: f64) -> Self {
        Self { rhythm, floor, ..self }
    }

    /// Share of the busiest hour's work at `at`, in a window that ends at `end`.
    pub(super) fn level(&self, at: Timestamp, end: Timestamp, chance: &mut Chance) -> f64 {
        let day = || {
            let hour = (at.0.rem_euclid(86_400)) as f64 / 3_600.0;
            let daylight = (std::f64::consts::PI * (hour - 5.0) / 17.0).sin().max(0.0);
            let weekend = at.hour_of_week() >= 120;
            if weekend { 0.4 * daylight } else { daylight }
        };
        let wave = match self.rhythm {
            Rhythm::Flat => 1.0,
            Rhythm::Day => day(),
            Rhythm::Bursts(share) => return if chance.share() < share { 0.3 + 0.7 * chance.share() } else { 0.0 },
            Rhythm::DayUntil(days) if end.since(at).hours() < 24.0 * days => return 0.0,
            Rhythm::DayUntil(_) => day(),
        };
        ((self.floor + (1.0 - self.floor) * wave) * (1.0 + 0.08 * chance.normal())).clamp(0.0, 1.0)
    }
}

/// Power of a board, watts: when nothing runs, and at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Board {
    pub idle_watts: f64,
    pub most_watts: f64,
}

/// What one device gave at one moment, in the order of [`METRICS`].
pub(super) struct Sample {
    values: [f64; 7],
}

impl Sample {
    /// What a device does at `at` under `load`; `None`: nobody holds it.
    pub(super) fn new(load: Option<&Load>, at: Timestamp, end: Timestamp, board: Board, chance: &mut Chance) -> Self {
        let Some(load) = load else {
            // The driver itself holds half a GiB.
            return Self { values: [0.0, 0.0, 0.0, 0.0, 0.0, f64::from(1 << 29), board.idle_watts] };
        };
        let level = if load.engine == 0.0 { 0.0 } else { load.level(at, end, chance) };
        let share = |most: f64| (most * level).min(1.0);
        let (engine, sm) = (share(load.engine), share(load.sm));
        let watts = board.idle_watts + (board.most_watts - board.idle_watts) * (0.3 * engine + 0.7 * sm);
        let memory = load.memory_gib * f64::from(1 << 30);
        Self { values: [share(load.util), engine, sm, share(load.tensor), share(load.dram), memory, watts] }
    }

    /// Engine activity.
    pub(super) fn engine(&self) -> f64 {
        self.values[1]
    }

    /// The busiest of SM, tensor and DRAM activity.
    pub(super) fn useful(&self) -> f64 {
        self.values[2..5].iter().copied().fold(0.0, f64::max)
    }
}

/// Collects what one device gives.
#[derive(Default)]
pub(super) struct Meter {
    sketches: [SketchBuilder; 7],
    course: CourseBuilder,
    last_active: Option<Timestamp>,
}

const METRICS: [Metric; 7] =
    [Metric::GpuUtil, Metric::EngineActive, Metric::SmActive, Metric::TensorActive, Metric::DramActive, Metric::MemoryUsed, Metric::Power];

impl Meter {
    /// Takes a sample.
    pub(super) fn take(&mut self, sample: &Sample, at: Timestamp) {
        for (sketch, value) in self.sketches.iter_mut().zip(sample.values) {
            sketch.add(value);
        }
        for (metric, value) in METRICS.into_iter().zip(sample.values) {
            self.course.add(metric, std::iter::once((at.0, value)));
        }
        if sample.engine() >= 0.01 {
            self.last_active = Some(at);
        }
    }

    /// What was collected. A MIG slice has no `GPU_UTIL`.
    pub(super) fn finish(&self, is_slice: bool, grid: Grid) -> Metrics {
        let sketches = METRICS.into_iter().zip(&self.sketches).filter(|(metric, _)| !is_slice || *metric != Metric::GpuUtil);
        Metrics {
            by_metric: sketches.filter_map(|(metric, sketch)| Some((metric, sketch.finish()?))).collect(),
            last_active: self.last_active,
            course: self.course.finish(grid),
        }
    }
}
