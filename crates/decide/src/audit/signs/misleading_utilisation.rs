//! `misleading-utilisation`: `GPU_UTIL` says busy, the SMs say no.

use super::{
    Sign, Threshold,
    diagnosis::{self, Outcome},
    fix,
    words::{self, Figure},
};
use crate::audit::{
    finding::{Finding, Fix},
    view::{Judged, View},
};
use plimsoll_fleet::{Metric, PodId, Ratio};

pub(super) static SIGN: Sign = Sign {
    name: "misleading-utilisation",
    title: "GPU_UTIL says the GPU is busy, and it does little",
    threshold: Some(Threshold { default: 0.2, unit: "ratio", says: "mean SM activity below which a GPU_UTIL of 70 % or more misleads" }),
    explain: "\
GPU_UTIL is high (a mean of 70 % or more), so every dashboard calls this GPU full. But GPU_UTIL
only says that some kernel was there: one thread that spins reads 100 %. The SMs did little.

Seen by: the mean of GPU_UTIL beside the means of SM activity (PROF_SM_ACTIVE) and DRAM
activity, both below the threshold. With busy memory it is LLM decode or another memory-bound
work, and is not flagged. Without SM or DRAM activity there is no verdict. MIG slices have no
GPU_UTIL.

What it costs: the part of the GPU that the busier of SMs, tensor cores and memory leaves
unused, on average.

Usual causes: many tiny kernels (no fused kernels, no CUDA graphs), a batch size of one, a
process that polls the device, NCCL kernels that spin while they wait for a slower rank, a
single stream with copies between the kernels.

When it is wrong: a work that is bound by NVLink or PCIe and cannot be otherwise.

To mend it: profile a minute of it (Nsight Systems); raise the batch size; use CUDA graphs or
torch.compile; find the straggler of the gang. And put PROF_SM_ACTIVE on the dashboards.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    diagnosis::found(view, |outcome| outcome == Outcome::Misleading)
        .into_iter()
        .map(|(holder, pods, confidence)| {
            let mean = |metric| words::figure(view, &pods, metric, Figure::Mean).map_or(0.0, |(mean, _)| mean);
            let judged = Judged {
                says: format!(
                    "GPU_UTIL says {} for the {} of {}, but the SMs worked {} and the memory {} of the time in {}",
                    words::percent(mean(Metric::GpuUtil)),
                    words::gpus(pods.iter().map(|pod| view.held[pod.index()]).sum()),
                    words::count(pods.len(), "pod"),
                    words::percent(mean(Metric::SmActive)),
                    words::percent(mean(Metric::DramActive)),
                    words::window(view),
                ),
                waste: view.part_of(&pods, |pod| unused(view, pod)),
                confidence,
                evidence: words::facts(
                    view,
                    &pods,
                    &[
                        (Metric::GpuUtil, Figure::Mean),
                        (Metric::SmActive, Figure::Mean),
                        (Metric::TensorActive, Figure::Mean),
                        (Metric::DramActive, Figure::Mean),
                    ],
                ),
                fix: Fix {
                    says: "Profile a minute of it, then raise the batch size or fuse its kernels; do not size it by GPU_UTIL.".into(),
                    action: profile(view, &pods).unwrap_or_else(|| fix::kubectl(view, holder, "describe", "")),
                },
            };
            view.on_holder(&SIGN, holder, judged)
        })
        .collect()
}

fn unused(view: &View<'_>, pod: PodId) -> Ratio {
    let means = [Metric::SmActive, Metric::TensorActive, Metric::DramActive].into_iter().filter_map(|metric| view.mean(pod, metric));
    Ratio::of(means.map(|(mean, _)| mean).fold(0.0, f64::max), 1.0).rest()
}

/// Looks at the device from inside the first pod: what runs there, and how busy its SMs are, second by second.
fn profile(view: &View<'_>, pods: &[PodId]) -> Option<String> {
    let pod = view.pod(*pods.first()?);
    let container =
        fix::asking(view.fleet.shape(pod)).map_or_else(String::new, |(_, container)| format!(" -c {}", fix::quote(&container.name)));
    Some(format!("kubectl exec {} -n {}{container} -- nvidia-smi pmon -c 60", fix::quote(&pod.name), fix::quote(&pod.namespace)))
}
