//! `missing-probes`: a model server that gets requests before it can answer, or is killed while it loads.

use super::{Sign, command};
use crate::audit::{
    finding::{Confidence, Finding, Fix},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{
    Class, Shape,
    pod::{Container, Role},
};

pub(super) static SIGN: Sign = Sign {
    name: "missing-probes",
    title: "A GPU server has no readiness probe, or a liveness probe that can kill it while it loads",
    threshold: None,
    explain: "\
A model server needs minutes to load its weights. Without a readiness probe it counts as ready
at once: requests fail, a rollout takes the old replica away too early, and an autoscaler
believes in capacity that is not there. With a liveness probe but no startup probe the kubelet
may kill it while it still loads, and it holds its GPUs through every attempt.

Seen: the probes of the containers that ask for accelerators, in workloads of class online.
Batch, training and dev workloads need none and are left out.

Mend: a readiness probe on the server's health path; a startup probe on the same path whose
failureThreshold x periodSeconds is longer than the slowest load you have seen; a liveness
probe only beside a startup probe.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    view.fleet
        .workloads()
        .filter_map(|(id, workload)| {
            let holder = Holder::Workload(id);
            let shape = crate::class::shape_of(view.fleet, workload, view.pods_of(id).first().copied())?;
            let serves = shape.wants_gpus() && view.class(holder).class == Class::Online;
            let (container, lack) = servers(shape).find_map(|container| Some((container, lack(container)?))).filter(|_| serves)?;
            let judged = Judged {
                says: format!("container {} {lack}", container.name),
                waste: Vec::new(),
                confidence: if view.class(holder).inferred { Confidence::Medium } else { Confidence::High },
                evidence: vec![view.read(
                    format!("{}…containers[{}]", workload.kind, container.name),
                    format!(
                        "readinessProbe {}, startupProbe {}, livenessProbe {}",
                        set(container.probes.readiness),
                        set(container.probes.startup),
                        set(container.probes.liveness)
                    ),
                )],
                fix: Fix {
                    says: "add a readiness and a startup probe on its health path, with a budget longer than its slowest load".to_owned(),
                    action: command::on("edit", &view.subject(holder)),
                },
            };
            Some(view.on_holder(&SIGN, holder, judged))
        })
        .collect()
}

/// The containers that hold the GPUs; all main ones where a ResourceClaim of the pod gives them.
fn servers(shape: &Shape) -> impl Iterator<Item = &Container> {
    let by_container = shape.containers.iter().any(|container| !container.asks.is_empty());
    shape.containers.iter().filter(move |container| container.role == Role::Main && (!by_container || !container.asks.is_empty()))
}

fn lack(container: &Container) -> Option<&'static str> {
    let probes = container.probes;
    if !probes.readiness && !probes.startup && !probes.liveness {
        Some("has no probe at all: it counts as ready before its model is loaded")
    } else if !probes.readiness {
        Some("has no readiness probe: it gets requests before it can answer")
    } else if probes.liveness && !probes.startup {
        Some("has a liveness probe but no startup probe: a slow load is killed and begins again")
    } else {
        None
    }
}

fn set(probe: bool) -> &'static str {
    if probe { "set" } else { "not set" }
}
