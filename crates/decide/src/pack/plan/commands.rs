//! A wave as commands for a shell: what a person would type. Nothing here runs them.
//!
//! Every eviction goes through the eviction API, which holds to disruption budgets by itself: a drain that meets a budget waits.

use super::Wave;
use crate::{pack::defragment::Defragment, shell::quote};
use plimsoll_fleet::{Fleet, Name, NodeId, PodId};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// A start that takes longer than this wants a look: twice what a slow one takes.
const WAIT: &str = "30m";

/// The commands of a wave: close nodes, evict, wait until the pods are ready elsewhere.
#[must_use]
pub fn of_wave(fleet: &Fleet, wave: &Wave) -> Vec<String> {
    let node = |id: NodeId| quote(&fleet.nodes[id.index()].name);
    let mut commands = Vec::new();
    if !wave.cordon.is_empty() {
        commands.push(format!("kubectl cordon {}", wave.cordon.iter().map(|&id| node(id)).collect::<Vec<_>>().join(" ")));
    }
    let mut by_node: BTreeMap<&Name, (NodeId, Vec<PodId>)> = BTreeMap::new();
    for step in &wave.steps {
        let from = step.pod.from;
        by_node.entry(&fleet.nodes[from.index()].name).or_insert_with(|| (from, Vec::new())).1.push(step.pod.pod);
    }
    for (from, pods) in by_node.into_values() {
        if wave.empty.contains(&from) {
            // All that is left on it leaves now.
            commands.push(format!("kubectl drain {} --ignore-daemonsets --delete-emptydir-data=false --timeout={WAIT}", node(from)));
        } else {
            commands.extend(pods.into_iter().map(|pod| evict(fleet, pod)));
        }
    }
    let owners: BTreeSet<(String, &Name, &Name)> = wave
        .steps
        .iter()
        .filter_map(|step| fleet.workload(&fleet.pods[step.pod.pod.index()]))
        .filter(|owner| matches!(&*owner.kind, "Deployment" | "StatefulSet"))
        .map(|owner| (owner.kind.to_ascii_lowercase(), &owner.namespace, &owner.name))
        .collect();
    commands.extend(
        owners.into_iter().map(|(kind, namespace, name)| {
            format!("kubectl rollout status {kind}/{} -n {} --timeout={WAIT}", quote(name), quote(namespace))
        }),
    );
    commands
}

/// What ends the making of room: the node opens again, and the pod gets it.
#[must_use]
pub fn opening(fleet: &Fleet, plan: &Defragment) -> Vec<String> {
    let Some(node) = plan.node.filter(|_| !plan.waves.is_empty()) else { return Vec::new() };
    let pod = &fleet.pods[plan.pod.index()];
    vec![
        format!("kubectl uncordon {}", quote(&fleet.nodes[node.index()].name)),
        format!("kubectl wait --for=condition=PodScheduled pod/{} -n {} --timeout=5m", quote(&pod.name), quote(&pod.namespace)),
    ]
}

/// Evicts one pod: kubectl has no word for that but the API itself.
fn evict(fleet: &Fleet, id: PodId) -> String {
    let pod = &fleet.pods[id.index()];
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": { "namespace": &*pod.namespace, "name": &*pod.name },
    });
    let path = format!("/api/v1/namespaces/{}/pods/{}/eviction", pod.namespace, pod.name);
    format!("printf %s {} | kubectl create --raw {} -f -", quote(&eviction.to_string()), quote(&path))
}
