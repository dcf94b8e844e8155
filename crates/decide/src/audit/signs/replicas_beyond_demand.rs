//! `replicas-beyond-demand`: more replicas than the load fills.

use super::{Sign, Threshold, demand, fix};
use crate::audit::{
    finding::{Finding, Fix},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{Class, PodId, WorkloadId};

pub(super) static SIGN: Sign = Sign {
    name: "replicas-beyond-demand",
    title: "An online workload keeps more replicas than its busiest hours fill",
    threshold: Some(Threshold { default: 2.0, unit: "replicas", says: "never advise fewer than this many" }),
    explain: "\
Replicas are set once, for a launch or an incident, and stay. Each holds its GPUs day and night.

Seen: the load of every replica at its 95th percentile (the busiest of SM, tensor and DRAM activity
or the KV cache; engine activity where nothing better is collected), added up and divided by 70 %:
so many replicas would serve the busy hours. The sum of percentiles errs to the safe side.

Not waste: headroom. Replicas that an annotation plimsoll.dev/headroom on the workload names, and
the last two replicas, are never counted. An idle workload is idle-gpu, not this.

Mend: fewer replicas, or an autoscaler that follows the queue, with a floor of two.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    view.fleet.workloads().filter_map(|(id, _)| judge(view, id)).collect()
}

fn judge(view: &View<'_>, id: WorkloadId) -> Option<Finding> {
    let holder = Holder::Workload(id);
    let workload = &view.fleet.workloads[id.index()];
    let pods: Vec<PodId> =
        view.pods_of(id).iter().copied().filter(|&pod| view.pod(pod).holds() && !view.held[pod.index()].is_zero()).collect();
    let floor = view.threshold(&SIGN).max(1.0) as u32;
    let headroom: u32 = workload.annotations.get("plimsoll.dev/headroom").and_then(|replicas| replicas.parse().ok()).unwrap_or(0);
    if view.class(holder).class != Class::Online || pods.len() as u32 <= floor || workload.run.is_some() {
        return None;
    }
    let demand = demand::demand(view, &pods)?;
    let wanted = demand.needed.max(floor).saturating_add(headroom);
    // Nothing ran at all: that is idle-gpu. A replica whose work was not seen may be the busy one.
    if demand.seen < pods.len() as u32 || wanted >= demand.seen || demand.peak < 0.01 {
        return None;
    }
    let spare: Vec<PodId> = pods[wanted as usize..].to_vec();
    let mend = match &workload.autoscaler {
        Some(scaler) => Fix {
            says: format!("Lower the floor of its {} {} to {wanted}.", scaler.kind, scaler.name),
            action: fix::floor(workload, scaler, wanted),
        },
        None => {
            Fix { says: format!("Run {wanted} replicas."), action: fix::kubectl(view, holder, "scale", &format!("--replicas={}", wanted)) }
        }
    };
    let judged = Judged {
        says: format!("{} replicas run, and the busy hours fill {:.1} of them: {wanted} would do", demand.seen, demand.peak),
        waste: view.all_of(&spare),
        confidence: view.confidence(demand.span),
        evidence: demand.evidence,
        fix: mend,
    };
    Some(view.on_holder(&SIGN, holder, judged))
}
