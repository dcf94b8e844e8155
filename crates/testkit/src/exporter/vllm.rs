//! The metrics of a vLLM server (`vllm/v1/metrics/loggers.py`).

use super::{Family, Page, Sample, Wave};
use plimsoll_fleet::Timestamp;
use std::sync::Arc;

/// Upper edges of the buckets of `vllm:time_to_first_token_seconds`.
const FIRST_TOKEN_EDGES: [f64; 22] =
    [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0];
/// Upper edges of the buckets of `vllm:e2e_request_latency_seconds`.
const LATENCY_EDGES: [f64; 21] =
    [0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0];

/// A vLLM server as it reports on itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Vllm {
    /// The model's name.
    pub model: String,
    /// Requests being served.
    pub running: Wave,
    /// Requests that wait.
    pub waiting: Wave,
    /// Share of the KV cache in use, 0 to 1.
    pub kv_used: Wave,
    /// Tokens in a block of the KV cache.
    pub block_tokens: u32,
    /// Blocks of the KV cache.
    pub blocks: u32,
    /// Requests finished a second.
    pub requests_per_s: f64,
    /// Requests preempted a second.
    pub preemptions_per_s: f64,
    /// Seconds to the first token, of every request.
    pub first_token_s: f64,
    /// Seconds that a request takes, every one.
    pub latency_s: f64,
    /// When the server started: its counters count from here.
    pub since: Timestamp,
}

impl Vllm {
    /// Its page.
    #[must_use]
    pub fn page(self) -> Page {
        Arc::new(move |at| self.families(at))
    }

    fn families(&self, at: Timestamp) -> Vec<Family> {
        let labels = vec![("engine", "0".to_owned()), ("model_name", self.model.clone())];
        let one = |name: &str, help: &str, kind, extra: &[(&'static str, String)], value: f64| {
            let labels = labels.iter().chain(extra).cloned().collect();
            Family {
                name: name.to_owned(),
                help: help.to_owned(),
                kind,
                history: true,
                samples: vec![Sample { suffix: "", labels, value }],
            }
        };
        let count = |per_s: f64| (per_s * at.since(self.since).0 as f64).floor();
        let requests = count(self.requests_per_s);
        let config = [("block_size", self.block_tokens.to_string()), ("num_gpu_blocks", self.blocks.to_string())];
        let stop = [("finished_reason", "stop".to_owned())];
        vec![
            one("vllm:num_requests_running", "Number of requests in model execution batches.", "gauge", &[], self.running.at(at).round()),
            one("vllm:num_requests_waiting", "Number of requests waiting to be processed.", "gauge", &[], self.waiting.at(at).round()),
            one("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", "gauge", &[], self.kv_used.at(at)),
            one("vllm:cache_config_info", "Information of the LLMEngine CacheConfig", "gauge", &config, 1.0),
            one(
                "vllm:num_preemptions_total",
                "Cumulative number of preemption from the engine.",
                "counter",
                &[],
                count(self.preemptions_per_s),
            ),
            one("vllm:request_success_total", "Count of successfully processed requests.", "counter", &stop, requests),
            one("vllm:prompt_tokens_total", "Number of prefill tokens processed.", "counter", &[], requests * 512.0),
            one("vllm:generation_tokens_total", "Number of generation tokens processed.", "counter", &[], requests * 128.0),
            histogram("vllm:time_to_first_token_seconds", &FIRST_TOKEN_EDGES, &labels, self.first_token_s, requests),
            histogram("vllm:e2e_request_latency_seconds", &LATENCY_EDGES, &labels, self.latency_s, requests),
        ]
    }
}

/// A histogram of `count` observations that were all `value`.
fn histogram(name: &str, edges: &[f64], labels: &[(&'static str, String)], value: f64, count: f64) -> Family {
    let bucket = |edge: String, count| {
        let labels = labels.iter().cloned().chain([("le", edge)]).collect();
        Sample { suffix: "_bucket", labels, value: count }
    };
    let mut samples: Vec<Sample> = edges.iter().map(|edge| bucket(format!("{edge:?}"), if value <= *edge { count } else { 0.0 })).collect();
    samples.push(bucket("+Inf".to_owned(), count));
    samples.push(Sample { suffix: "_count", labels: labels.to_vec(), value: count });
    samples.push(Sample { suffix: "_sum", labels: labels.to_vec(), value: count * value });
    Family { name: name.to_owned(), help: "Histogram in seconds.".to_owned(), kind: "histogram", history: false, samples }
}
