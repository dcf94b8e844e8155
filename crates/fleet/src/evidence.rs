//! What was seen of the GPUs' work, over which window, by which queries; and what was dropped on the way.

use crate::{Course, Name, NodeId, PodId, Seconds, Sketch, Timestamp, Window, course::Grid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a series measures, in base units. The names of both DCGM dialects map onto these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Share of time that at least one kernel ran (`GPU_UTIL`), 0 to 1. Not compute; not defined for MIG slices.
    GpuUtil,
    /// Share of time that the graphics or compute engine was active (`PROF_GR_ENGINE_ACTIVE`), 0 to 1. Holds for MIG slices.
    EngineActive,
    /// Mean over SMs of the share of cycles with a warp (`PROF_SM_ACTIVE`), 0 to 1.
    SmActive,
    /// Resident warps over the most there could be (`PROF_SM_OCCUPANCY`), 0 to 1. A hint only.
    SmOccupancy,
    /// Share of cycles that the tensor pipe worked (`PROF_PIPE_TENSOR_ACTIVE`), 0 to 1.
    TensorActive,
    /// Share of cycles that the memory interface worked (`PROF_DRAM_ACTIVE`), 0 to 1.
    DramActive,
    /// Share of time that memory was read or written (`MEM_COPY_UTIL`), 0 to 1.
    MemCopyUtil,
    /// Framebuffer held, bytes. Held is not needed.
    MemoryUsed,
    /// Power draw of the board, watts. On a MIG slice it is the parent's.
    Power,
}

impl Metric {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::GpuUtil,
        Self::EngineActive,
        Self::SmActive,
        Self::SmOccupancy,
        Self::TensorActive,
        Self::DramActive,
        Self::MemCopyUtil,
        Self::MemoryUsed,
        Self::Power,
    ];

    /// Is it a share, 0 to 1?
    #[must_use]
    pub fn is_ratio(self) -> bool {
        !matches!(self, Self::MemoryUsed | Self::Power)
    }
}

/// How far a figure of a pod can be trusted to be the pod's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attribution {
    /// The pod holds the whole device or slice: the device's figure is the pod's.
    Measured,
    /// Several pods share the device and each was given the device's figure. Says nothing of this pod.
    DeviceCopy,
    /// Read per process and mapped to the pod (only GPU_UTIL and FB_USED can be).
    PerProcess,
}

/// Sketches by metric.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// The sketches. An absent metric is unknown.
    pub by_metric: BTreeMap<Metric, Sketch>,
    /// When the device was last seen at work in the window (any activity at or above 1 %); none: it was never seen at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_active: Option<Timestamp>,
    /// How much it did over the window, bin by bin ([`Evidence::courses`]); none: not told, or in no figure of activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<Course>,
}

impl Metrics {
    /// The sketch of `metric`, if it was seen.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<&Sketch> {
        self.by_metric.get(&metric)
    }

    /// Was nothing seen?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_metric.is_empty()
    }

    /// The best figure for "was anything running": engine activity, else `GPU_UTIL`.
    #[must_use]
    pub fn running(&self) -> Option<(Metric, &Sketch)> {
        [Metric::EngineActive, Metric::GpuUtil].into_iter().find_map(|metric| Some((metric, self.get(metric)?)))
    }

    /// The figure for "was it useful": the busiest, by mean, of SM, tensor and DRAM activity.
    /// LLM decode has low SM and high DRAM activity, and is useful. Without any of the three: unknown.
    #[must_use]
    pub fn useful(&self) -> Option<(Metric, &Sketch)> {
        [Metric::SmActive, Metric::TensorActive, Metric::DramActive]
            .into_iter()
            .filter_map(|metric| Some((metric, self.get(metric)?)))
            .max_by(|a, b| a.1.mean().total_cmp(&b.1.mean()))
    }
}

/// A MIG slice of a GPU, as DCGM names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SliceId {
    /// The driver's GPU instance id (`GPU_I_ID`).
    pub instance: u32,
    /// The profile (`GPU_I_PROFILE`): `1g.10gb`.
    pub profile: Name,
}

/// The whole history of one device (a GPU, or one slice of it) in the window, whoever held it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceUsage {
    /// The node that the device is in.
    pub node: NodeId,
    /// The GPU: index into [`crate::node::Node::gpus`].
    pub gpu: u16,
    /// The slice; none for the GPU itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<SliceId>,
    /// What was seen.
    pub metrics: Metrics,
}

/// What one device did while one pod held it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodUsage {
    /// The pod.
    pub pod: PodId,
    /// The GPU: index into the node's [`crate::node::Node::gpus`]; none where only the pod is known (a trace).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<u16>,
    /// The slice; none for the GPU itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<SliceId>,
    /// Whose figures these are.
    pub attribution: Attribution,
    /// What was seen.
    pub metrics: Metrics,
}

/// An inference engine that reports on itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// Triton with TensorRT-LLM, or trtllm-serve.
    Triton,
    /// Text Generation Inference.
    Tgi,
}

/// What an inference engine in a pod said of itself over the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineUsage {
    /// The pod.
    pub pod: PodId,
    /// Which engine.
    pub engine: Engine,
    /// The model that it serves, as it names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Name>,
    /// Requests being served at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Sketch>,
    /// Requests waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Sketch>,
    /// Share of the KV cache in use, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_used: Option<Sketch>,
    /// Tokens that the KV cache can hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_tokens: Option<u64>,
    /// Requests preempted for want of cache over the window; none: not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preemptions: Option<f64>,
    /// Requests finished over the window; none: not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<f64>,
}

/// One hour of the whole fleet. Every figure is a mean over the hour, in GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Hour {
    /// The hour's beginning.
    pub start: Timestamp,
    /// GPUs with metrics.
    pub seen: f64,
    /// GPUs that a pod held (the series named a pod).
    pub held: f64,
    /// GPUs at work: the sum of engine activity (else `GPU_UTIL`).
    pub busy: f64,
    /// GPUs usefully at work: the sum of the busiest of SM, tensor and DRAM activity; none: not collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub useful: Option<f64>,
    /// GPUs that pending pods asked for (kube-state-metrics); none: not collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<f64>,
}

/// Where the metrics came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricsSource {
    /// There were none.
    #[default]
    None,
    /// A Prometheus-compatible store, by its address without credentials.
    Prometheus(Name),
    /// The DCGM exporters, read directly for a while.
    Scrape,
    /// A trace's files.
    Trace(Name),
    /// The bundled example.
    Example,
}

/// A dialect of the DCGM exporter's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// Up to exporter 4.8: `DCGM_FI_DEV_GPU_UTIL`, percent and MiB.
    Classic,
    /// From exporter 4.9: `DCGM_FI_DEV_GPU_UTIL_RATIO`, 0 to 1 and bytes.
    BaseUnits,
}

/// Samples that were not used, by reason. They are reported, never silently lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// DCGM's blank values (9223372036854775794 and its like).
    pub sentinel: u64,
    /// Not a number, or infinite.
    pub not_finite: u64,
    /// Below zero.
    pub negative: u64,
    /// A ratio above 1 after its unit was decided.
    pub above_one: u64,
    /// A second sample of the same device and moment.
    pub duplicate: u64,
    /// A time stamp outside of the window that was asked for.
    pub out_of_window: u64,
}

impl Dropped {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.sentinel + self.not_finite + self.negative + self.above_one + self.duplicate + self.out_of_window
    }
}

/// All that was seen of the GPUs' work.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The stretch that the metrics cover; none: there are no metrics.
    #[serde(default)]
    pub window: Option<Window>,
    /// Time between samples.
    #[serde(default)]
    pub step: Seconds,
    /// Where the metrics came from.
    #[serde(default)]
    pub source: MetricsSource,
    /// The DCGM dialects met.
    #[serde(default)]
    pub dialects: Vec<Dialect>,
    /// The query behind each metric, as it was sent.
    #[serde(default)]
    pub queries: BTreeMap<Metric, Name>,
    /// The queries behind the engine figures, as they were sent.
    #[serde(default)]
    pub engine_queries: BTreeMap<Engine, Name>,
    /// The bins of all courses; none: there are no courses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub courses: Option<Grid>,
    /// By device.
    #[serde(default)]
    pub devices: Vec<DeviceUsage>,
    /// By pod and device.
    #[serde(default)]
    pub pods: Vec<PodUsage>,
    /// By engine pod.
    #[serde(default)]
    pub engines: Vec<EngineUsage>,
    /// By hour, oldest first, without gaps filled in: an absent hour was not seen.
    #[serde(default)]
    pub hours: Vec<Hour>,
    /// What was not used.
    #[serde(default)]
    pub dropped: Dropped,
    /// Metric names that look like DCGM's and were not understood.
    #[serde(default)]
    pub not_understood: Vec<Name>,
}
