//! `oversized-memory-reservation`: an engine reserves a KV cache that is never filled.

use super::{Sign, Threshold, fix, words};
use crate::audit::{
    finding::{Confidence, Fact, Finding, Fix},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{
    Bytes, EngineUsage, Metric, MilliGpu, PodId, Ratio,
    evidence::Engine,
    mig::{self, BoardProfile},
    node::Sharing,
};

pub(super) static SIGN: Sign = Sign {
    name: "oversized-memory-reservation",
    title: "An inference engine reserves KV cache that it never fills",
    threshold: Some(Threshold { default: 0.5, unit: "ratio", says: "99th percentile of KV cache use below which the cache is oversized" }),
    explain: "\
An inference engine (vLLM, SGLang, TensorRT-LLM, TGI) takes most of the GPU's memory at the
start, for its KV cache, and fills little of it at its busiest.

Seen by: the engine's own metrics: the 99th percentile of KV cache use below the threshold, no
request preempted for want of cache, and requests served in the window. FB_USED is not asked
what is needed: it shows what was reserved.

What would do: (fixed + 1.2 x p99.9 of the KV cache in use) over the GPU's memory, where fixed
is the weights and what running them takes. The weights are reckoned from the parameters in the
model's name (8b: 8 thousand million, two bytes each, one if the name says fp8 or int8, half if
it says awq, gptq or int4); where the name does not tell, no figure is given.

What it costs: nothing, unless a smaller device would do. Memory that is freed on a GPU which
stays whole helps nobody. Where a MIG slice of this board would hold the need, the rest of the
GPU is counted.

When it is wrong: with prefix caching an unused block may hold a prefix that will be asked again
(look at the hit rate), and a window without the yearly peak.

To mend it: lower --gpu-memory-utilization (vLLM) or --mem-fraction-static (SGLang) with the
next rollout, and use the room: a second model, a slice, a smaller GPU.",
    find,
};

/// Cache beyond the most in use (facts: telemetry section 4, the shrink rule).
const SPARE: f64 = 1.2;
/// What running a model takes beside its weights: the CUDA context, graphs, activations. Between 1 and 3 GB were seen; the upper end.
const OVERHEAD: f64 = 3e9;

fn find(view: &View<'_>) -> Vec<Finding> {
    view.holders().filter_map(|(holder, pods)| judge(view, holder, pods)).collect()
}

/// What one engine's figures say.
struct Reading<'a> {
    pod: PodId,
    engine: &'a EngineUsage,
    /// 99th percentile of the cache in use.
    used: f64,
    confidence: Confidence,
}

fn judge(view: &View<'_>, holder: Holder, pods: &[PodId]) -> Option<Finding> {
    let limit = view.threshold(&SIGN);
    let readings: Vec<Reading<'_>> =
        pods.iter().flat_map(|&pod| view.engines_of(pod).filter_map(move |engine| read(view, pod, engine))).collect();
    // All replicas have one setting: the fullest cache decides.
    let fullest = readings.iter().max_by(|a, b| a.used.total_cmp(&b.used).then_with(|| view.pod(b.pod).name.cmp(&view.pod(a.pod).name)))?;
    if fullest.used >= limit || readings.iter().any(|reading| reading.engine.preemptions.is_none_or(|preempted| preempted > 0.0)) {
        return None;
    }
    let confidence = readings.iter().map(|reading| reading.confidence).min()?;
    let size = Size::of(view, fullest);
    let slice = size.as_ref().and_then(|size| slice(view, fullest.pod, size));
    let tokens = fullest.engine.kv_tokens.map_or_else(String::new, |tokens| format!(" of {tokens} tokens"));
    let enough = size.as_ref().map_or_else(String::new, |size| {
        format!("; {} of the GPU's memory would do instead of {}", words::percent(size.enough), words::percent(size.now))
    });
    let room = slice.as_ref().map_or_else(String::new, |slice| format!(", which a {} slice has", slice.name));
    let waste = match &slice {
        Some(slice) => view.part_of(pods, |_| Ratio::of(slice.share.gpus(), 1.0).rest()),
        None => Vec::new(),
    };
    let kv = fullest.engine.kv_used.as_ref()?;
    let judged = Judged {
        says: format!(
            "at most {} of its KV cache{tokens} was ever in use (p99) and nothing was preempted: {} is never filled{enough}{room}",
            words::percent(fullest.used),
            words::percent(1.0 - fullest.used)
        ),
        waste,
        confidence,
        evidence: vec![
            Fact {
                query: view
                    .fleet
                    .evidence
                    .engine_queries
                    .get(&fullest.engine.engine)
                    .map_or_else(|| "KV cache use".to_owned(), ToString::to_string),
                window: view.fleet.evidence.window,
                samples: Some(kv.count().into()),
                value: format!(
                    "KV cache in use: mean {}, p99 {}, most {}",
                    words::percent(kv.mean()),
                    words::percent(fullest.used),
                    words::percent(kv.max())
                ),
            },
            view.read("preemptions", "0 in the window"),
        ],
        fix: mend(view, holder, fullest, size.as_ref()),
    };
    Some(view.on_holder(&SIGN, holder, judged))
}

/// An engine that served requests and reports on its cache.
fn read<'a>(view: &View<'_>, pod: PodId, engine: &'a EngineUsage) -> Option<Reading<'a>> {
    let kv = engine.kv_used.as_ref()?;
    let served =
        engine.requests.is_some_and(|requests| requests > 0.0) || engine.running.as_ref().is_some_and(|running| running.max() > 0.0);
    served.then(|| Reading { pod, engine, used: kv.quantile(0.99), confidence: view.confidence(view.span(kv, 1)) })
}

/// The reservation now, and what would do, as parts of the GPU's memory.
struct Size {
    now: f64,
    enough: f64,
    memory: Bytes,
}

impl Size {
    fn of(view: &View<'_>, reading: &Reading<'_>) -> Option<Self> {
        let total = view.fleet.node(view.pod(reading.pod))?.gpu_memory?.0 as f64;
        let (held, _) =
            view.mean(reading.pod, Metric::MemoryUsed).filter(|_| view.own_usage_of(reading.pod).all(|usage| usage.slice.is_none()))?;
        let gpus = view.held[reading.pod.index()].gpus().max(1.0);
        let fixed = weights(reading.engine.model.as_deref()?)? / gpus + OVERHEAD;
        let cache = held - fixed;
        let kv = reading.engine.kv_used.as_ref()?;
        let need = fixed + SPARE * kv.quantile(0.999) * cache;
        // In steps of a twentieth, as people set it.
        let enough = ((need / total * 20.0).ceil() / 20.0).min(1.0);
        let now = held / total;
        (cache > 0.0 && enough + 0.05 < now).then_some(Self { now, enough, memory: Bytes((enough * total) as u64) })
    }
}

/// Bytes of a model's weights by its name: `llama-3.1-8b-instruct` has 8e9 parameters of two bytes.
fn weights(model: &str) -> Option<f64> {
    let model = model.to_ascii_lowercase();
    let words = || model.split(['-', '_', '/', ' ', ':']);
    let parameters: f64 = words()
        .filter_map(|word| {
            let number = word.strip_suffix('b')?;
            // `8x7b` shares layers among its experts: the product is an upper bound.
            let product: Option<f64> = number.split('x').map(|part| part.parse::<f64>().ok()).product();
            product.filter(|billions| (0.1..=2_000.0).contains(billions))
        })
        .reduce(f64::max)?;
    let says = |marks: &[&str]| marks.iter().any(|mark| words().any(|word| word.contains(mark)));
    let bytes = if says(&["awq", "gptq", "int4", "w4a16", "nvfp4", "mxfp4"]) {
        0.5
    } else if says(&["fp8", "int8", "w8a8"]) {
        1.0
    } else {
        2.0
    };
    Some(parameters * 1e9 * bytes)
}

/// The slice of its board that would hold the need, compute and bandwidth included, for a pod on one whole GPU.
fn slice(view: &View<'_>, pod: PodId, size: &Size) -> Option<BoardProfile> {
    let node = view.fleet.node(view.pod(pod)).filter(|node| node.sharing == Sharing::Whole)?;
    let p95 = |metric| view.greatest(pod, metric, 0.95);
    let (compute, dram) = (p95(Metric::SmActive).or_else(|| p95(Metric::EngineActive))?, p95(Metric::DramActive)?);
    let memory = size.memory.max(Bytes((dram * node.gpu_memory?.0 as f64) as u64));
    let one = view.held[pod.index()] == MilliGpu::ONE;
    one.then(|| mig::smallest_fitting(node.gpu_product.as_deref()?, node.gpu_memory, memory, Ratio::of(compute, 1.0)))?
}

fn mend(view: &View<'_>, holder: Holder, reading: &Reading<'_>, size: Option<&Size>) -> Fix {
    let flag = match reading.engine.engine {
        Engine::Vllm => Some("--gpu-memory-utilization"),
        Engine::Sglang => Some("--mem-fraction-static"),
        Engine::Tgi => Some("--cuda-memory-fraction"),
        Engine::Triton => None,
    };
    match (flag, size) {
        (Some(flag), Some(size)) => {
            let value = words::trim(size.enough);
            Fix {
                says: format!("Start it with {flag}={value}, watch preemptions, and use the room that this makes."),
                action: fix::argument(view, holder, view.shape(reading.pod), &format!("{flag}={value}")),
            }
        }
        _ => Fix {
            says: "Read in its log what the weights take and what the cache got, and lower the reservation to weights plus 1.2 times the cache in use.".into(),
            action: {
                let pod = view.pod(reading.pod);
                format!("kubectl logs {} -n {} | grep -iE 'kv cache|weights'", fix::quote(&pod.name), fix::quote(&pod.namespace))
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::weights;

    #[test]
    fn a_models_name_tells_its_weights() {
        assert_eq!(weights("meta-llama/Llama-3.1-8B-Instruct"), Some(16e9));
        assert_eq!(weights("Qwen/Qwen3-32B-AWQ"), Some(16e9));
        assert_eq!(weights("mixtral-8x22b"), Some(352e9));
        assert_eq!(weights("neuralmagic/Meta-Llama-3-70B-Instruct-FP8"), Some(70e9));
        assert_eq!(weights("my-model"), None);
    }
}
