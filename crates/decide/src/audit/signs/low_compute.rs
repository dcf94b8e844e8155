//! `low-compute`: something runs, and little comes of it.

use super::{
    Sign, Threshold,
    diagnosis::{self, Outcome},
    fix,
    words::{self, Figure},
};
use crate::audit::{
    finding::{Finding, Fix},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{Class, Metric, PodId, Ratio};

pub(super) static SIGN: Sign = Sign {
    name: "low-compute",
    title: "A GPU is held and hardly used",
    threshold: Some(Threshold {
        default: 0.2,
        unit: "ratio",
        says: "mean of the busiest of SM, tensor and DRAM activity, below which use is low",
    }),
    explain: "\
Something runs on the GPU, and neither its SMs nor its tensor cores nor its memory do much.

Seen by: the means of SM activity (PROF_SM_ACTIVE), tensor activity and DRAM activity; the
busiest of them counts. GPU_UTIL is not used to accuse: it says only that some kernel was there.
Where SM activity is not collected, engine activity stands in as its upper bound and the verdict
is less sure. Without DRAM activity there is no verdict: LLM decode has idle SMs and busy
memory, and is useful. A GPU that looks busy by GPU_UTIL is misleading-utilisation instead.

What it costs: the part of the GPU that its busiest unit leaves unused, on average. That is an
upper bound: a service has to be sized for its peak.

When it is wrong: a service with sharp peaks and a strict SLO (look at the p95 beside the mean),
or work that is bound by something that no metric here shows (NVLink, PCIe).

To mend it, by class: training that waits for data wants more loader processes, a faster store
or larger batches; online services want fewer replicas, batching, or a slice (see
whole-gpu-for-a-slice); batch work wants larger batches or two jobs on one GPU.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    diagnosis::found(view, |outcome| outcome == Outcome::LowCompute)
        .into_iter()
        .map(|(holder, pods, confidence)| {
            let judged = Judged {
                says: says(view, &pods),
                waste: view.part_of(&pods, |pod| busiest(view, pod).rest()),
                confidence,
                evidence: words::facts(
                    view,
                    &pods,
                    &[
                        (Metric::SmActive, Figure::Mean),
                        (Metric::TensorActive, Figure::Mean),
                        (Metric::DramActive, Figure::Mean),
                        (Metric::EngineActive, Figure::Mean),
                        (Metric::GpuUtil, Figure::Mean),
                    ],
                ),
                fix: mend(view, holder),
            };
            view.on_holder(&SIGN, holder, judged)
        })
        .collect()
}

/// The mean of the busiest unit; engine activity where SM activity is not seen.
fn busiest(view: &View<'_>, pod: PodId) -> Ratio {
    let mean = |metric| view.mean(pod, metric).map(|(mean, _)| mean);
    let compute = mean(Metric::SmActive).or_else(|| mean(Metric::EngineActive));
    let busiest = [compute, mean(Metric::TensorActive), mean(Metric::DramActive)].into_iter().flatten().fold(0.0, f64::max);
    Ratio::of(busiest, 1.0)
}

fn says(view: &View<'_>, pods: &[PodId]) -> String {
    let held = words::gpus(pods.iter().map(|pod| view.held[pod.index()]).sum());
    let who = words::count(pods.len(), "pod");
    let holds = words::verb(pods.len(), "holds", "hold");
    let figure =
        |metric, name: &str| words::figure(view, pods, metric, Figure::Mean).map(|(mean, _)| format!("{name} {}", words::percent(mean)));
    let figures: Vec<String> = [(Metric::SmActive, "SMs"), (Metric::TensorActive, "tensor cores"), (Metric::DramActive, "memory")]
        .into_iter()
        .filter_map(|(metric, name)| figure(metric, name))
        .chain(figure(Metric::EngineActive, "engine").filter(|_| words::figure(view, pods, Metric::SmActive, Figure::Mean).is_none()))
        .collect();
    format!("{who} {holds} {held} at low use in {}: on average {}", words::window(view), figures.join(", "))
}

fn mend(view: &View<'_>, holder: Holder) -> Fix {
    match view.class(holder).class {
        Class::Training => Fix {
            says: "Find what it waits for: more data loaders, a faster store, a larger batch.".into(),
            action: fix::kubectl(view, holder, "describe", ""),
        },
        Class::Batch => Fix {
            says: "Give it larger batches, or run two of them on one GPU.".into(),
            action: fix::kubectl(view, holder, "describe", ""),
        },
        Class::Online | Class::Dev => {
            let replicas = match holder {
                Holder::Workload(workload) => view.pods_of(workload).len(),
                Holder::Pod(_) => 1,
            };
            if replicas > 1 {
                let fewer = replicas.div_ceil(2);
                Fix {
                    says: format!("Try {fewer} of its {replicas} replicas and watch the latency; then let an autoscaler decide."),
                    action: fix::kubectl(view, holder, "scale", &format!("--replicas={fewer}")),
                }
            } else {
                Fix {
                    says: "Let it share a GPU, or give it a slice or a smaller board; larger batches use more of it.".into(),
                    action: fix::kubectl(view, holder, "describe", ""),
                }
            }
        }
    }
}
