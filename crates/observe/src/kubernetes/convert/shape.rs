//! From a pod's specification to its shape.

use super::{ConvertError, dra::Claims, requests, selector};
use crate::kubernetes::{
    quantity::Quantity,
    raw::{
        Meta,
        pod::{PodAffinityTerm, PodSpec, RawContainer, RawToleration},
    },
};
use plimsoll_fleet::{
    Seconds, Shape,
    node::Effect,
    pod::{Affinity, Ask, Container, Probes, Role, Spread, Toleration},
    resource::MIG_PREFIX,
    selector::{NodeTerm, Selector},
};
use std::collections::BTreeMap;

/// The shape of a pod or a template.
///
/// `of_node` says that a DaemonSet or the kubelet made the pod: then its affinity to its own node's name, which differs from
/// pod to pod, is left out.
///
/// # Errors
/// A quantity that makes no sense.
pub fn shape(meta: &Meta, spec: &PodSpec, namespace: &str, claims: &Claims, of_node: bool) -> Result<Shape, ConvertError> {
    let init = spec.init_containers.iter().map(|raw| (raw, if requests::is_sidecar(raw) { Role::Sidecar } else { Role::Init }));
    let main = spec.containers.iter().map(|raw| (raw, Role::Main));
    let containers = init.chain(main).map(|(raw, role)| container(raw, role)).collect::<Result<_, _>>()?;

    let mut shape = Shape {
        labels: selector::common_labels(&meta.labels),
        cpu: requests::cpu(spec)?,
        memory: requests::memory(spec)?,
        asks: asks(meta, spec, namespace, claims)?,
        containers,
        node_selector: spec.node_selector.clone(),
        node_terms: node_terms(spec, of_node),
        tolerations: spec.tolerations.iter().filter(|raw| !only_puts_off(raw)).filter_map(toleration).collect(),
        near: affinities(&spec.affinity.pod_affinity.required),
        apart: affinities(&spec.affinity.pod_anti_affinity.required),
        spread: spread(spec),
        host_ports: host_ports(spec),
        priority: spec.priority.unwrap_or_default(),
        priority_class: spec.priority_class_name.clone(),
        scheduler: spec.scheduler_name.clone(),
        deadline: spec.active_deadline_seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Seconds),
        annotations: meta.annotations.iter().filter(|(key, _)| matters(key)).map(|(key, value)| (key.clone(), value.clone())).collect(),
    };
    shape.tolerations.sort();
    shape.tolerations.dedup();
    Ok(shape)
}

/// Is the annotation one that the pods of a workload have in common and that a decision reads?
fn matters(key: &str) -> bool {
    const SHARED: &[&str] = &[
        "cluster-autoscaler.kubernetes.io/safe-to-evict",
        "karpenter.sh/do-not-disrupt",
        "gpu-fraction",
        "gpu-memory",
        "gpu-fraction-num-devices",
        "volcano.sh/vgpu-mode",
    ];
    SHARED.contains(&key) || key.starts_with("plimsoll.dev/")
}

fn container(raw: &RawContainer, role: Role) -> Result<Container, ConvertError> {
    Ok(Container {
        name: raw.name.clone(),
        image: raw.image.clone(),
        role,
        cpu: requests::of_container(raw, "cpu", Quantity::cpu)?,
        memory: requests::of_container(raw, "memory", Quantity::bytes)?,
        asks: requests::asks_of_container(raw)?,
        probes: Probes { startup: raw.startup_probe, readiness: raw.readiness_probe, liveness: raw.liveness_probe },
        serves: !raw.ports.is_empty(),
    })
}

/// Everything that the pod asks of accelerators: by resource, by DRA claim, and by the annotation with which Run:ai's own
/// scheduler is asked for a MIG slice (`nvidia.com/mig-1g.5gb: "1"`; such a pod has no request for it).
fn asks(meta: &Meta, spec: &PodSpec, namespace: &str, claims: &Claims) -> Result<Vec<Ask>, ConvertError> {
    let by_resource = requests::asks(spec)?;
    let mut counts: BTreeMap<(plimsoll_fleet::Name, bool), u32> = BTreeMap::new();
    let annotated = meta.annotations.iter().filter(|(key, _)| key.starts_with(MIG_PREFIX)).filter_map(|(key, count)| {
        let asked_for = by_resource.iter().any(|ask| ask.resource == *key);
        let count = Quantity::count(count).ok().filter(|&count| count > 0 && !asked_for)?;
        Some(Ask { resource: key.clone(), count, dra: false })
    });
    for ask in by_resource.iter().cloned().chain(annotated).chain(claims.asks(namespace, &spec.resource_claims)) {
        let count = counts.entry((ask.resource, ask.dra)).or_default();
        *count = count.saturating_add(ask.count);
    }
    Ok(counts.into_iter().map(|((resource, dra), count)| Ask { resource, count, dra }).collect())
}

fn node_terms(spec: &PodSpec, of_node: bool) -> Vec<NodeTerm> {
    let terms = spec.affinity.node_affinity.required.node_selector_terms.iter().map(selector::node_term);
    if !of_node {
        return terms.collect();
    }
    let terms: Vec<NodeTerm> = terms.map(|term| NodeTerm { names: Vec::new(), ..term }).collect();
    // An alternative that was only the node's name now asks for nothing: any node would do.
    if terms.iter().any(|term| term.labels.is_empty()) { Vec::new() } else { terms }
}

pub(crate) fn effect(name: &str) -> Option<Effect> {
    match name {
        "NoSchedule" => Some(Effect::NoSchedule),
        "PreferNoSchedule" => Some(Effect::PreferNoSchedule),
        "NoExecute" => Some(Effect::NoExecute),
        _ => None,
    }
}

/// The API server gives every pod these two for 300 s: they put off an eviction, and let no pod in that would not get in
/// anyhow (a node that is not ready has a `NoSchedule` taint too). Templates lack them; left out, pods and template are alike.
fn only_puts_off(raw: &RawToleration) -> bool {
    let key = raw.key.as_deref().unwrap_or_default();
    raw.seconds.is_some() && matches!(key, "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable")
}

/// A toleration; none for what we cannot compare (an operator or effect of a later Kubernetes), which then tolerates nothing.
fn toleration(raw: &RawToleration) -> Option<Toleration> {
    let effect = match raw.effect.as_deref() {
        None | Some("") => None,
        Some(name) => Some(effect(name)?),
    };
    let key = raw.key.clone().filter(|key| !key.is_empty());
    let value = match raw.operator.as_deref() {
        Some("Exists") => None,
        None | Some("" | "Equal") => Some(raw.value.clone().unwrap_or_default()),
        Some(_) => return None,
    };
    Some(Toleration { key, value, effect })
}

/// An absent label selector selects no pod.
fn pods(raw: Option<&crate::kubernetes::raw::pod::LabelSelector>) -> Selector {
    raw.map_or_else(selector::nothing, selector::selector)
}

fn affinities(terms: &[PodAffinityTerm]) -> Vec<Affinity> {
    let one = |term: &PodAffinityTerm| Affinity {
        topology: term.topology_key.clone(),
        pods: pods(term.label_selector.as_ref()),
        namespaces: term.namespaces.clone(),
    };
    terms.iter().map(one).collect()
}

fn spread(spec: &PodSpec) -> Vec<Spread> {
    let hard = spec.topology_spread_constraints.iter().filter(|constraint| &*constraint.when_unsatisfiable == "DoNotSchedule");
    hard.map(|constraint| Spread {
        topology: constraint.topology_key.clone(),
        pods: pods(constraint.label_selector.as_ref()),
        max_skew: constraint.max_skew,
    })
    .collect()
}

fn host_ports(spec: &PodSpec) -> Vec<u16> {
    let staying = spec.init_containers.iter().filter(|container| requests::is_sidecar(container)).chain(&spec.containers);
    let mut ports: Vec<u16> = staying
        .flat_map(|container| &container.ports)
        .filter_map(|port| port.host_port.or(port.container_port.filter(|_| spec.host_network)))
        .filter(|&port| port > 0)
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}
