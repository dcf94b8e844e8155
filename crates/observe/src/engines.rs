//! What inference engines say of themselves, joined to the pods that they run in. Pure.
//!
//! Names and labels: vLLM `vllm/v1/metrics/loggers.py`, SGLang `metrics/collector.py`, gateway-api-inference-extension's
//! model server protocol (2026-08), TGI and Triton documentation. Some relays write `_` for `:`; both are read.
//!
//! Several engines can run in one pod (data parallel ranks, several models): requests add up, cache use is their mean.
//! Counters are followed by their increases, and one that falls has begun again at zero; a sample of a series is never
//! counted twice, whichever exporter's job delivers it.

use crate::dcgm::{
    accumulate::Point,
    directory::Directory,
    labels::{Pairs, PodName},
    names::BLANK_FROM,
};
use plimsoll_fleet::{
    EngineUsage, Name, PodId, SketchBuilder, Window,
    evidence::{Dropped, Engine},
};
use std::collections::BTreeMap;

/// What a metric of an engine tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Running,
    Waiting,
    /// Triton's own queue, for backends that do not report theirs.
    WaitingCore,
    KvUsed,
    Preemptions,
    Requests,
    /// Labels with the size of a block of cache and the number of blocks.
    CacheInfo,
    Tokens,
    TokensPerBlock,
    Blocks,
}

impl Kind {
    fn is_counter(self) -> bool {
        matches!(self, Self::Preemptions | Self::Requests)
    }

    /// Is its last value enough?
    pub(crate) fn is_static(self) -> bool {
        matches!(self, Self::CacheInfo | Self::Tokens | Self::TokensPerBlock | Self::Blocks)
    }
}

/// A metric of an engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// As the engine writes it.
    pub(crate) name: &'static str,
    pub(crate) engine: Engine,
    pub(crate) kind: Kind,
    /// The series of the metric that is meant, by a label.
    pub(crate) only: Option<(&'static str, &'static str)>,
}

const fn of(engine: Engine, name: &'static str, kind: Kind) -> Known {
    Known { name, engine, kind, only: None }
}

const fn only(engine: Engine, name: &'static str, label: &'static str, value: &'static str, kind: Kind) -> Known {
    Known { name, engine, kind, only: Some((label, value)) }
}

use Engine::{Sglang, Tgi, Triton, Vllm};

/// The metrics that are read.
pub(crate) const READ: &[Known] = &[
    of(Vllm, "vllm:num_requests_running", Kind::Running),
    of(Vllm, "vllm:num_requests_waiting", Kind::Waiting),
    of(Vllm, "vllm:kv_cache_usage_perc", Kind::KvUsed),
    of(Vllm, "vllm:gpu_cache_usage_perc", Kind::KvUsed),
    of(Vllm, "vllm:num_preemptions_total", Kind::Preemptions),
    of(Vllm, "vllm:request_success_total", Kind::Requests),
    of(Vllm, "vllm:cache_config_info", Kind::CacheInfo),
    of(Sglang, "sglang:num_running_reqs", Kind::Running),
    of(Sglang, "sglang:num_queue_reqs", Kind::Waiting),
    of(Sglang, "sglang:token_usage", Kind::KvUsed),
    of(Sglang, "sglang:num_retracted_requests_total", Kind::Preemptions),
    of(Sglang, "sglang:num_requests_total", Kind::Requests),
    of(Sglang, "sglang:cache_config_info", Kind::CacheInfo),
    of(Sglang, "sglang:max_total_num_tokens", Kind::Tokens),
    only(Triton, "nv_trt_llm_request_metrics", "request_type", "scheduled", Kind::Running),
    only(Triton, "nv_trt_llm_request_metrics", "request_type", "waiting", Kind::Waiting),
    only(Triton, "nv_trt_llm_kv_cache_block_metrics", "kv_cache_block_type", "fraction", Kind::KvUsed),
    only(Triton, "nv_trt_llm_kv_cache_block_metrics", "kv_cache_block_type", "tokens_per", Kind::TokensPerBlock),
    only(Triton, "nv_trt_llm_kv_cache_block_metrics", "kv_cache_block_type", "max", Kind::Blocks),
    of(Triton, "nv_inference_pending_request_count", Kind::WaitingCore),
    of(Triton, "nv_inference_request_success", Kind::Requests),
    of(Triton, "trtllm_num_requests_running", Kind::Running),
    of(Triton, "trtllm_num_requests_waiting", Kind::Waiting),
    of(Triton, "trtllm_kv_cache_utilization", Kind::KvUsed),
    of(Triton, "trtllm_kv_cache_tokens_per_block", Kind::TokensPerBlock),
    of(Triton, "trtllm_kv_cache_max_blocks", Kind::Blocks),
    of(Tgi, "tgi_batch_current_size", Kind::Running),
    of(Tgi, "tgi_queue_size", Kind::Waiting),
    of(Tgi, "tgi_request_success", Kind::Requests),
];

/// Labels that tell apart what is inside one pod. Ranks of one tensor-parallel engine say the same thing and are not here.
const INNER: [&str; 7] = ["model_name", "model", "version", "engine", "engine_idx", "dp_rank", "finished_reason"];

/// What `name` with `labels` tells, if it is read.
pub(crate) fn known(name: &str, labels: &Pairs<'_>) -> Option<Known> {
    let plain = name.strip_suffix("_total").unwrap_or(name);
    READ.iter()
        .find(|known| {
            let wanted = known.name.strip_suffix("_total").unwrap_or(known.name);
            let alike = wanted.len() == plain.len() && wanted.bytes().zip(plain.bytes()).all(|(a, b)| a == b || (a == b':' && b == b'_'));
            alike && known.only.is_none_or(|(label, value)| labels.iter().any(|(name, have)| name == label && have == value))
        })
        .copied()
}

/// The pod of an engine's series: its scrape target.
fn pod_of(labels: &Pairs<'_>, directory: &Directory) -> Option<PodId> {
    let find = |pod: &str, namespace: &str| {
        let value = |label: &str| labels.iter().find(|(name, _)| name == label).map(|(_, value)| value.as_ref());
        directory.pod(PodName { name: value(pod)?, namespace: value(namespace)? })
    };
    find("exported_pod", "exported_namespace")
        .or_else(|| find("pod", "namespace"))
        .or_else(|| find("kubernetes_pod_name", "kubernetes_namespace"))
        .or_else(|| find("pod_name", "namespace"))
}

#[derive(Debug, Default)]
struct Counter {
    last: Option<(i64, f64)>,
    total: f64,
}

impl Counter {
    /// `from_zero`: the series began inside of the window, so its first value is an increase too.
    fn add(&mut self, point: Point, from_zero: bool) {
        match self.last {
            Some((at, _)) if at >= point.at => return,
            Some((_, last)) => self.total += if point.value >= last { point.value - last } else { point.value },
            None if from_zero => self.total += point.value,
            None => {}
        }
        self.last = Some((point.at, point.value));
    }
}

#[derive(Debug, Default)]
struct Usage {
    model: Option<Name>,
    gauges: BTreeMap<Kind, SketchBuilder>,
    counters: BTreeMap<Kind, BTreeMap<String, Counter>>,
    /// By what is inside the pod, when it was said, and the value.
    fixed: BTreeMap<Kind, BTreeMap<String, (i64, f64)>>,
}

/// The series of a batch that say the same kind of thing of one pod.
type Batch = BTreeMap<(PodId, Engine, Kind), Vec<(String, Vec<Point>)>>;

/// Takes series of engines, gives their usage.
#[derive(Debug)]
pub(crate) struct Engines {
    window: Window,
    batch: Batch,
    usage: BTreeMap<(PodId, Engine), Usage>,
    pub(crate) dropped: Dropped,
}

impl Engines {
    pub(crate) fn new(window: Window) -> Self {
        Self { window, batch: Batch::new(), usage: BTreeMap::new(), dropped: Dropped::default() }
    }

    /// Takes a series. `target` is the pod that was read directly, `bounds` what was asked for, both ends included.
    pub(crate) fn take(
        &mut self,
        name: &str,
        labels: &Pairs<'_>,
        points: &[Point],
        bounds: Window,
        target: Option<PodId>,
        directory: &Directory,
    ) {
        let Some(known) = known(name, labels) else { return };
        let Some(pod) = target.or_else(|| pod_of(labels, directory)) else { return };
        let since = directory.since(pod).0;
        let value_of = |label: &str| labels.iter().find(|(name, _)| name == label).map(|(_, value)| value.as_ref());
        let inner: Vec<&str> = INNER.iter().map(|label| value_of(label).unwrap_or("")).collect();
        let inner = inner.join("\u{1f}");
        let usage = self.usage.entry((pod, known.engine)).or_default();
        if let Some(model) = value_of("model_name").or_else(|| value_of("model")).filter(|model| !model.is_empty())
            && usage.model.as_deref().is_none_or(|known| model < known)
        {
            usage.model = Some(model.into());
        }
        let mut good = Vec::new();
        for point in points {
            if point.at < bounds.start.0 || point.at > bounds.end.0 {
                self.dropped.out_of_window += 1;
            } else if !point.value.is_finite() {
                self.dropped.not_finite += 1;
            } else if point.value < 0.0 {
                self.dropped.negative += 1;
            } else if point.value >= BLANK_FROM {
                // A word for "no value", or nonsense: sums of such would not stay finite.
                self.dropped.sentinel += 1;
            } else if known.kind == Kind::KvUsed && point.value > 1.0 {
                self.dropped.above_one += 1;
            } else if point.at >= since {
                good.push(*point);
            }
        }
        if known.kind == Kind::CacheInfo {
            let number = |label: &str| value_of(label).and_then(|text| text.parse::<f64>().ok());
            let (size, blocks) = match known.engine {
                Sglang => (number("page_size"), number("num_pages")),
                _ => (number("block_size"), number("num_gpu_blocks")),
            };
            let tokens = size.zip(blocks).map(|(size, blocks)| size * blocks).filter(|tokens| tokens.is_finite() && *tokens > 0.0);
            let Some(tokens) = tokens else { return };
            good.iter_mut().for_each(|point| point.value = tokens);
        }
        if !good.is_empty() {
            self.batch.entry((pod, known.engine, known.kind)).or_default().push((inner, good));
        }
    }

    /// All series of these metrics over this stretch of time have been taken.
    pub(crate) fn settle(&mut self, directory: &Directory) {
        for ((pod, engine, kind), series) in std::mem::take(&mut self.batch) {
            // Of one thing said twice at a moment (two jobs, an old and a new name) the greater value counts.
            let mut at_once: BTreeMap<i64, BTreeMap<&str, f64>> = BTreeMap::new();
            for (inner, points) in &series {
                for point in points {
                    let value = at_once.entry(point.at).or_default().entry(inner).or_insert(point.value);
                    *value = value.max(point.value);
                }
            }
            let usage = self.usage.entry((pod, engine)).or_default();
            let from_zero = directory.since(pod) > self.window.start;
            for (at, values) in at_once {
                if kind.is_static() {
                    let fixed = usage.fixed.entry(kind).or_default();
                    for (inner, value) in values {
                        let known = fixed.entry(inner.to_owned()).or_insert((at, value));
                        if at >= known.0 {
                            *known = (at, value);
                        }
                    }
                } else if kind.is_counter() {
                    let counters = usage.counters.entry(kind).or_default();
                    for (inner, value) in values {
                        counters.entry(inner.to_owned()).or_default().add(Point { at, value }, from_zero);
                    }
                } else {
                    let sum: f64 = values.values().sum();
                    let value = if kind == Kind::KvUsed { sum / values.len() as f64 } else { sum };
                    usage.gauges.entry(kind).or_default().add(value);
                }
            }
        }
    }

    /// By pod and engine, in order.
    pub(crate) fn finish(mut self, directory: &Directory) -> (Vec<EngineUsage>, Dropped) {
        self.settle(directory);
        let usage = |((pod, engine), usage): ((PodId, Engine), Usage)| {
            let gauge = |kind| usage.gauges.get(&kind).and_then(SketchBuilder::finish);
            let counter = |kind| usage.counters.get(&kind).map(|all| all.values().map(|counter| counter.total).sum());
            let fixed = |kind| usage.fixed.get(&kind).map(|all| all.values().map(|(_, value)| value).sum::<f64>());
            let blocks = || Some(usage.fixed.get(&Kind::TokensPerBlock)?.values().next()?.1 * fixed(Kind::Blocks)?);
            let tokens = fixed(Kind::CacheInfo).or_else(|| fixed(Kind::Tokens)).or_else(blocks);
            let told = !usage.gauges.is_empty() || !usage.counters.is_empty() || tokens.is_some();
            told.then(|| EngineUsage {
                pod,
                engine,
                model: usage.model.clone(),
                running: gauge(Kind::Running),
                waiting: gauge(Kind::Waiting).or_else(|| gauge(Kind::WaitingCore)),
                kv_used: gauge(Kind::KvUsed),
                kv_tokens: tokens.map(|tokens| tokens as u64),
                preemptions: counter(Kind::Preemptions),
                requests: counter(Kind::Requests),
            })
        };
        (self.usage.into_iter().filter_map(usage).collect(), self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_fleet::{Fleet, Pod, Shape, ShapeId, Timestamp};
    use std::borrow::Cow;

    const DAY: Window = Window { start: Timestamp(0), end: Timestamp(86_400) };

    fn fleet(created: i64) -> Fleet {
        let pod = Pod { namespace: "ns".into(), name: "a".into(), shape: ShapeId(0), created: Some(Timestamp(created)), ..Pod::default() };
        Fleet { shapes: vec![Shape::default()], pods: vec![pod], ..Fleet::default() }
    }

    /// A name, labels beside those of the pod, and a value a minute.
    type Said<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [f64]);

    fn read(created: i64, all: &[Said<'_>]) -> Vec<EngineUsage> {
        let directory = Directory::new(&fleet(created));
        let mut engines = Engines::new(DAY);
        for (name, labels, values) in all {
            let mut pairs = vec![(Cow::Borrowed("pod"), Cow::Borrowed("a")), (Cow::Borrowed("namespace"), Cow::Borrowed("ns"))];
            pairs.extend(labels.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value))));
            let points: Vec<Point> =
                values.iter().enumerate().map(|(at, value)| Point { at: 600 + at as i64 * 60, value: *value }).collect();
            engines.take(name, &pairs, &points, DAY, None, &directory);
        }
        engines.finish(&directory).0
    }

    #[test]
    fn vllm_is_read_under_both_spellings_and_both_names() {
        let usage = read(
            -1,
            &[
                ("vllm:num_requests_running", &[("engine", "0"), ("model_name", "m")], &[3.0, 5.0]),
                ("vllm:num_requests_running", &[("engine", "1"), ("model_name", "m")], &[1.0, 1.0]),
                ("vllm_kv_cache_usage_perc", &[("engine", "0")], &[0.25, 0.75]),
                ("vllm:gpu_cache_usage_perc", &[("engine", "0")], &[0.25, 0.75]),
                ("vllm:cache_config_info", &[("block_size", "16"), ("num_gpu_blocks", "1000")], &[1.0]),
                ("vllm:num_preemptions_total", &[], &[5.0, 7.0, 1.0, 2.0]),
                ("vllm:num_preemptions_total", &[("job", "another")], &[5.0, 7.0, 1.0, 2.0]),
            ],
        );
        let usage = &usage[0];
        assert_eq!((usage.engine, usage.model.as_deref(), usage.kv_tokens), (Engine::Vllm, Some("m"), Some(16_000)));
        assert_eq!(usage.running.as_ref().map(|running| (running.max(), running.min(), running.count())), Some((6.0, 4.0, 2)));
        assert_eq!(usage.kv_used.as_ref().map(|used| (used.mean(), used.count())), Some((0.5, 2)));
        assert_eq!((usage.preemptions, usage.requests), (Some(4.0), None), "a counter that falls begins again, and is counted once");
        assert!(usage.waiting.is_none());
    }

    #[test]
    fn a_pod_made_inside_the_window_counts_from_zero_and_its_predecessor_does_not() {
        let usage = read(660, &[("vllm:request_success_total", &[("finished_reason", "stop")], &[100.0, 2.0, 5.0])]);
        assert_eq!(usage[0].requests, Some(5.0));
    }

    #[test]
    fn triton_and_sglang_and_tgi_are_read() {
        let usage = read(
            -1,
            &[
                ("nv_trt_llm_request_metrics", &[("request_type", "waiting")], &[2.0]),
                ("nv_trt_llm_request_metrics", &[("request_type", "max")], &[900.0]),
                ("nv_inference_pending_request_count", &[], &[50.0]),
                ("nv_trt_llm_kv_cache_block_metrics", &[("kv_cache_block_type", "tokens_per")], &[64.0]),
                ("nv_trt_llm_kv_cache_block_metrics", &[("kv_cache_block_type", "max")], &[10.0]),
                ("sglang:token_usage", &[], &[0.5, 1.5, f64::NAN]),
                ("sglang:max_total_num_tokens", &[("tp_rank", "0")], &[4096.0]),
                ("sglang:max_total_num_tokens", &[("tp_rank", "1")], &[4096.0]),
                ("tgi_queue_size", &[], &[7.0]),
            ],
        );
        let of = |engine| usage.iter().find(|usage| usage.engine == engine).expect("was read");
        assert_eq!((of(Triton).waiting.as_ref().map(|waiting| waiting.max()), of(Triton).kv_tokens), (Some(2.0), Some(640)));
        assert!(of(Triton).running.is_none());
        assert_eq!((of(Sglang).kv_used.as_ref().map(|used| used.count()), of(Sglang).kv_tokens), (Some(1), Some(4096)));
        assert_eq!(of(Tgi).waiting.as_ref().map(|waiting| waiting.max()), Some(7.0));
    }
}
