//! `single-replica-online`: an endpoint that every node failure and every rollout takes down.

use super::{Sign, fix};
use crate::audit::{
    finding::{Confidence, Finding, Fix},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::Class;

pub(super) static SIGN: Sign = Sign {
    name: "single-replica-online",
    title: "An online workload has one replica: a node failure, a drain or a rollout is an outage",
    threshold: None,
    explain: "\
With one replica every drain, node failure and rollout is an outage of minutes, because the
next replica has to pull its image and load its model first. It also makes the node hard to
empty: a disruption budget that protects one replica allows no eviction at all.

Seen: replicas (or the running pods, where the kind has no replicas) is 1, the workload asks for
accelerators and is of class online.

Not wrong: an endpoint that may be away for minutes. Say so: label it plimsoll.dev/class=dev,
or accept the finding with a reason.

Mend: two replicas on smaller devices (MIG slices, shares, smaller boards) often cost no more
than one replica on a large one.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    view.fleet
        .workloads()
        .filter_map(|(id, workload)| {
            let holder = Holder::Workload(id);
            let shape = crate::class::shape_of(view.fleet, workload, view.pods_of(id).first().copied())?;
            let known = view.class(holder);
            let replicas = workload.replicas.unwrap_or(view.pods_of(id).len() as u32);
            let alone = replicas == 1 && shape.wants_gpus() && known.class == Class::Online && workload.run.is_none();
            alone.then(|| {
                let scaler = workload.autoscaler.as_ref();
                let action = match scaler {
                    Some(scaler) if scaler.min < 2 => fix::floor(workload, scaler, 2),
                    _ => fix::kubectl(view, holder, "scale", "--replicas=2"),
                };
                let judged = Judged {
                    says: "its one replica is all there is: a drain, a node failure or a rollout is an outage".to_owned(),
                    waste: Vec::new(),
                    confidence: if known.inferred { Confidence::Medium } else { Confidence::High },
                    evidence: vec![view.read(format!("{}.spec.replicas", workload.kind), "1")],
                    fix: Fix { says: "Run two, on smaller devices if need be.".to_owned(), action },
                };
                view.on_holder(&SIGN, holder, judged)
            })
        })
        .collect()
}
