//! The bundled fleet: `plimsoll audit --example`.
//!
//! It is made up, by this project, and always the same for one seed: 80 nodes and 270 GPUs of an invented company, with
//! eight teams, two weeks of samples, every waste sign planted somewhere ([`PLANTED`]), and work that is as it should be beside
//! it ([`HEALTHY`]), which no sign about use may accuse. Labels, taints, resources and sizes are those that AWS and the NVIDIA stack give.
//!
//! # Where its figures come from
//!
//! | what | figure here | source |
//! |---|---|---|
//! | GPUs at work, over the fleet | 39 % held and at work, 32 % usefully | real fleets are worse: a mean of 5 % over 23,000 clusters (Cast AI, 2026), 10.5 % with a median of 1.5 % on Alibaba PAI 2020. The healthy half is there so that the report has something to tell apart |
//! | samples of notebooks without any work | 55 % | 66 to 67 % over the pods of Alibaba's cluster-trace-v2026-GenAI |
//! | LLM inference | DRAM activity twice the SM activity | decode is bound by memory bandwidth |
//! | a vLLM server's framebuffer | 90 % of the GPU at all hours | `gpu_memory_utilization`, default 0.9 |
//! | KV cache of a server that is too large for its load | 6 % in the busiest hour | users' reports in vLLM issues 26850 and 43400 |
//! | training that only looks busy | `GPU_UTIL` 97 %, SM activity 12 % | medians of AcmeTrace: `GPU_UTIL` 97 to 99, activity 14 to 50 |
//! | rhythm of the day | a wave from 05:00 to 22:00 UTC, at weekends 40 % of it | the shape of Azure's and ServeGen's public LLM request traces |
//! | what ran before and is gone | jobs of the same teams on the GPUs that were free until today's pods came | no figure: it is there to be replayed |
//! | pods a GPU node | 1 to 8 with GPUs, and 3 agents | device plugin and DCGM exporter as the GPU operator installs them |
//!
//! [`large()`](large) makes fleets of any size for benchmarks. Nothing here reads a clock or the operating system's chance.

mod apps;
mod build;
mod chance;
mod large;
mod load;
mod past;
mod pools;
#[cfg(test)]
mod tests;

pub use large::large;

use build::Build;
use plimsoll_fleet::{Fleet, Timestamp, Window};

/// When the example was seen: 2026-11-23T09:00:00Z, a Monday.
pub const AT: Timestamp = Timestamp(1_795_424_400);

/// The seed of the fleet that is shown.
pub const SEED: u64 = 1;

const WINDOW: Window = build::window(AT);

/// Every waste sign, and the subject on which it is planted: a workload (`namespace/name`), a node or a pool.
pub const PLANTED: [(&str, &str); 33] = [
    ("blind-spot", "onprem-3"),
    ("cpu-pod-on-gpu-node", "data-platform/ingest-api"),
    ("cpu-starved-gpu", "data-platform/tokenize"),
    ("empty-gpu-node", "h100-5"),
    ("forgotten-notebook", "research/lab-anna"),
    ("fractional-request", "research/ray-tune"),
    ("held-by-crash-loop", "vision/segmenter"),
    ("held-while-starting", "research/pretrain-30b"),
    ("idle-gpu", "search/reranker-v1"),
    ("low-compute", "recsys/feature-backfill"),
    ("memory-full-compute-idle", "recsys/ctr-tensorflow"),
    ("memory-starved-gpu", "recsys/graph-build"),
    ("mig-invalid", "a100-mig-single-0"),
    ("mig-layout-mismatch", "a100-mig-0"),
    ("misleading-utilisation", "research/diffusion-finetune"),
    ("missing-probes", "web/gpu-app"),
    ("missing-toleration-or-selector", "search/rerank-canary"),
    ("more-than-one-shared-replica", "research/viz"),
    ("no-autoscaling", "assistant/translate"),
    ("no-cleanup", "finance/forecast"),
    ("no-deadline", "research/eval-harness"),
    ("no-owner", "sandbox/sd-webui"),
    ("oversized-memory-reservation", "assistant/chat-small"),
    ("pending-beside-free", "recsys/bert-large"),
    ("replicas-beyond-demand", "search/embed-api"),
    ("rolling-update-deadlock", "assistant/llm-onprem"),
    ("scale-down-blocker", "data-platform/lineage-collector"),
    ("single-replica-online", "voice/tts"),
    ("stranded-gpu", "onprem-2"),
    ("time-slice-in-production", "search/captcha"),
    ("untainted-gpu-node", "l40s"),
    ("whole-gpu-for-a-slice", "search/ner-tagger"),
    ("wrong-gpu-model", "assistant/intent-classifier"),
];

/// Workloads whose GPUs are used as they should be.
pub const HEALTHY: [&str; 16] = [
    "assistant/chat-70b",
    "assistant/rag",
    "genomics/fold",
    "mail/spam-filter",
    "recsys/two-tower",
    "research/lab-dana",
    "research/pretrain-7b",
    "research/rl-agent",
    "search/embed-mig",
    "search/query-rewrite",
    "search/reranker-v2",
    "vision/detector",
    "vision/ocr",
    "vision/thumbnail-scores",
    "vision/video-caption",
    "voice/whisper-batch",
];

/// The example, the same for one `seed`.
#[must_use]
pub fn fleet(seed: u64) -> Fleet {
    let mut build = Build::new(seed);
    apps::namespaces(&mut build);
    apps::nodes(&mut build);
    apps::inference(&mut build);
    apps::training(&mut build);
    apps::shared(&mut build);
    apps::broken(&mut build);
    apps::without_gpus(&mut build);
    build.agents();
    build.finish()
}
