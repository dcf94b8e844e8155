//! `no-autoscaling`: replicas that do not follow demand.

use super::{Sign, Threshold, demand, fix};
use crate::audit::{
    finding::{Confidence, Finding, Fix},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{Class, PodId};

pub(super) static SIGN: Sign = Sign {
    name: "no-autoscaling",
    title: "An online workload runs a fixed number of GPU replicas",
    threshold: Some(Threshold {
        default: 0.5,
        unit: "ratio",
        says: "a load whose median is above this share of its peak is steady: a fixed number of replicas suits it",
    }),
    explain: "\
Demand on an endpoint follows the day and the week; a fixed number of replicas is sized for its
peak and pays for it through every night.

Seen: two or more replicas that ask for accelerators, of class online, and no
HorizontalPodAutoscaler or KEDA ScaledObject points at the workload. Where the load was seen and
is steady (its median is near its 95th percentile), nothing is said. Without metrics of the load
the confidence is lower.

Costs: none here. What an autoscaler would save is in replicas-beyond-demand.

Mend: scale on the queue (vllm:num_requests_waiting and the like), not on GPU utilisation, which
saturates; keep two replicas as a floor; mind the cold start.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    view.fleet
        .workloads()
        .filter_map(|(id, workload)| {
            let holder = Holder::Workload(id);
            let pods: Vec<PodId> = view.pods_of(id).to_vec();
            let shape = crate::class::shape_of(view.fleet, workload, pods.first().copied())?;
            let replicas = workload.replicas.unwrap_or(pods.len() as u32);
            let known = view.class(holder);
            let fixed = workload.autoscaler.is_none() && replicas >= 2 && shape.wants_gpus() && workload.run.is_none();
            // A workload that could not be read may well have an autoscaler of its own kind.
            if !fixed || known.class != Class::Online || workload.unread {
                return None;
            }
            let demand = demand::demand(view, &pods);
            let steady = |demand: &demand::Demand| demand.usual >= view.threshold(&SIGN) * demand.peak && demand.peak > 0.1;
            if demand.as_ref().is_some_and(steady) {
                return None;
            }
            let (says, confidence) = match &demand {
                Some(demand) => (
                    format!(
                        "{replicas} replicas at all hours, while the load fills {:.1} of them at its median and {:.1} at its peak",
                        demand.usual, demand.peak
                    ),
                    view.confidence(demand.span),
                ),
                None => (format!("{replicas} replicas at all hours; how its load varies was not seen"), Confidence::TooLittle),
            };
            let mut evidence = vec![view.read("HorizontalPodAutoscaler.spec.scaleTargetRef", "none names it")];
            evidence.extend(demand.map(|demand| demand.evidence).unwrap_or_default());
            let judged = Judged {
                says,
                waste: Vec::new(),
                confidence,
                evidence,
                fix: Fix {
                    says: "Scale it on its queue, with a floor of two replicas.".to_owned(),
                    action: fix::kubectl(view, holder, "autoscale", &format!("--min=2 --max={replicas}")),
                },
            };
            Some(view.on_holder(&SIGN, holder, judged))
        })
        .collect()
}
