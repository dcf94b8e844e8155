//! What a pod on one whole GPU needs of it, as far as metrics tell: what `whole-gpu-for-a-slice` and `wrong-gpu-model` share.

use crate::audit::{
    finding::Confidence,
    view::{Holder, View},
};
use plimsoll_fleet::{Bytes, Class, Metric, MilliGpu, Node, NodeId, PodId, Shape, evidence::Engine, node::Sharing, resource::Vendor};

/// Memory beyond the greatest that was seen (facts: algorithms section 6, slack of at most 23 %).
pub(super) const MARGIN: f64 = 1.15;

/// What a pod needs of its GPU.
#[derive(Debug, Clone, Copy)]
pub(in crate::audit) struct Need {
    /// The node that it is on.
    pub(in crate::audit) node: NodeId,
    /// Memory: the greatest seen, and a margin.
    pub(in crate::audit) memory: Bytes,
    /// The part of the SMs: the 95th percentile of SM activity, or of engine activity, its upper bound.
    pub(in crate::audit) compute: f64,
    /// Which of them.
    pub(in crate::audit) metric: Metric,
    /// The part of the memory bandwidth: the 95th percentile of DRAM activity.
    pub(in crate::audit) bandwidth: f64,
    /// How sure, by the evidence.
    pub(in crate::audit) confidence: Confidence,
}

/// What `fit` makes of each pod's needs; these are by SM activity and by engine activity, as far as seen (SM activity first). None: some
/// pod does not fit or cannot be judged (and all pods share one template), or holds something else than one whole NVIDIA GPU, or its
/// memory held is not its need. The first such pod ends the search.
pub(super) fn of_all<T>(view: &View<'_>, holder: Holder, pods: &[PodId], fit: impl Fn(&[Need]) -> Option<T>) -> Option<Vec<T>> {
    if view.class(holder).class == Class::Training {
        return None;
    }
    pods.iter().map(|&pod| fit(&of(view, pod))).collect()
}

/// The needs of all pods that hold one whole GPU and can be judged; by the first of their figures.
pub(in crate::audit) fn of_fleet(view: &View<'_>) -> Vec<(PodId, Need)> {
    let of_holder = |(holder, pods): (Holder, &[PodId])| {
        let needs = of_all(view, holder, pods, |needs| needs.first().copied()).unwrap_or_default();
        pods.iter().copied().zip(needs).collect::<Vec<_>>()
    };
    view.holders().flat_map(of_holder).collect()
}

fn of(view: &View<'_>, pod: PodId) -> Vec<Need> {
    let Some(id) = view.pod(pod).node.filter(|&node| is_one_whole(view, pod, view.node(node))) else { return Vec::new() };
    if !view.diagnosis(pod).is_some_and(|diagnosis| diagnosis.works()) || preallocates(view, pod) {
        return Vec::new();
    }
    let seen = |metric| view.own_usage_of(pod).next().and_then(|usage| usage.metrics.get(metric));
    let (Some(memory), Some(dram)) = (seen(Metric::MemoryUsed), seen(Metric::DramActive)) else { return Vec::new() };
    let by = |metric| {
        let sketch = seen(metric)?;
        let span = [sketch, memory, dram].into_iter().map(|sketch| view.span(sketch, 1)).min()?;
        Some(Need {
            node: id,
            memory: Bytes((memory.max() * MARGIN) as u64),
            compute: sketch.quantile(0.95),
            metric,
            bandwidth: dram.quantile(0.95),
            confidence: view.confidence(span),
        })
    };
    [Metric::SmActive, Metric::EngineActive].into_iter().filter_map(by).collect()
}

/// One whole NVIDIA GPU on a node that gives out whole ones, of which the metrics are the pod's own.
fn is_one_whole(view: &View<'_>, pod: PodId, node: &Node) -> bool {
    let usages = || view.own_usage_of(pod);
    view.held[pod.index()] == MilliGpu::ONE
        && node.sharing == Sharing::Whole
        && node.vendor == Some(Vendor::Nvidia)
        && usages().count() == 1
        && usages().all(|usage| usage.slice.is_none())
}

/// Servers that fill the GPU's memory at the start, whatever they need (facts: telemetry section 3).
const PREALLOCATE: [&str; 7] = ["vllm", "sglang", "text-generation-inference", "trtllm", "tensorrt-llm", "lmdeploy", "tensorflow"];

fn preallocates(view: &View<'_>, pod: PodId) -> bool {
    let engine = view.engines_of(pod).any(|engine| engine.engine != Engine::Triton || engine.kv_used.is_some());
    engine || fills_memory(view.shape(pod))
}

fn fills_memory(shape: &Shape) -> bool {
    shape.containers.iter().any(|container| {
        let image = container.image.to_ascii_lowercase();
        PREALLOCATE.iter().any(|server| image.contains(server))
    })
}
