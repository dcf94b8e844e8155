//! A whole fleet into a cluster.

use super::{kinds, nodes, pods, trouble, workloads};
use crate::Cluster;
use anyhow::Context as _;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, StatefulSet},
    batch::v1::Job,
    core::v1::{Node, Pod},
};
use kube::{Api, api::ListParams};
use plimsoll_fleet::{Fleet, WorkloadId, pod::Phase};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Kinds whose pods the controller-manager makes.
const CONTROLLED: [&str; 6] = ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"];

/// What comes before the workloads: kinds, namespaces, priority classes, claim templates, nodes and what DRA publishes of them.
#[must_use]
pub fn ground(fleet: &Fleet) -> Vec<Value> {
    let mut objects = kinds();
    let mut namespaces: BTreeMap<&str, Value> = BTreeMap::new();
    for name in fleet.workloads.iter().map(|workload| &workload.namespace).chain(fleet.pods.iter().map(|pod| &pod.namespace)) {
        namespaces.insert(name, json!({"name": name}));
    }
    for namespace in &fleet.namespaces {
        let metadata = json!({"name": namespace.name, "labels": namespace.labels, "annotations": namespace.annotations});
        namespaces.insert(&namespace.name, metadata);
    }
    objects.extend(namespaces.into_values().map(|metadata| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})));
    let classes: BTreeMap<&str, i32> = fleet
        .shapes
        .iter()
        .filter_map(|shape| Some((shape.priority_class.as_deref()?, shape.priority)))
        .filter(|(name, _)| !name.starts_with("system-"))
        .collect();
    objects.extend(classes.into_iter().map(
        |(name, value)| json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": value}),
    ));
    let workload_shapes = fleet.workloads.iter().filter_map(|workload| Some((&workload.namespace, workload.template?)));
    let shapes: BTreeSet<_> = workload_shapes.chain(fleet.pods.iter().map(|pod| (&pod.namespace, pod.shape))).collect();
    objects.extend(shapes.into_iter().flat_map(|(namespace, shape)| pods::claim_templates(&fleet.shapes[shape.index()], namespace)));
    objects.extend(fleet.nodes.iter().map(nodes::object));
    let dra: Vec<_> = fleet.nodes.iter().filter(|node| node.offers.iter().any(|offer| offer.dra)).collect();
    if !dra.is_empty() {
        let extended = dra.iter().any(|node| node.offers.iter().any(|offer| offer.dra && &*offer.resource == "nvidia.com/gpu"));
        objects.push(nodes::device_class(extended));
    }
    objects.extend(dra.into_iter().map(nodes::resource_slice));
    objects
}

/// Puts `fleet` into `cluster` and waits until it has settled.
///
/// The pods of workloads that Kubernetes itself controls are made by its controllers, whatever the fleet's pods say; the pods of
/// other workloads and those that nobody owns are made from the fleet's pods, bound where those are bound. Evidence is not
/// planted: see [`crate::exporter`].
///
/// # Errors
/// The API server refuses an object, or the fleet does not settle.
pub async fn plant(cluster: &Cluster, fleet: &Fleet) -> anyhow::Result<()> {
    fleet.check().context("the fleet to plant is not whole")?;
    cluster.apply(&ground(fleet)).await?;
    ready(cluster).await?;
    cluster.apply(&fleet.budgets.iter().map(workloads::budget).collect::<Vec<_>>()).await?;
    let controlled = |id: WorkloadId| CONTROLLED.contains(&&*fleet.workloads[id.index()].kind);
    let mut owners: BTreeMap<WorkloadId, Value> = BTreeMap::new();
    for (id, workload) in fleet.workloads() {
        // A pod that nobody owns is its own workload.
        if &*workload.kind == "Pod" {
            continue;
        }
        let mut object = workloads::object(fleet, workload);
        if trouble::troubled(fleet, id) && controlled(id) {
            trouble::leave_alone(&mut object["spec"]["template"]);
        }
        let made = cluster.apply(&[object]).await?;
        if !controlled(id)
            && let Some(uid) = made.first().and_then(|made| made.metadata.uid.clone())
        {
            let owner =
                json!({"apiVersion": workload.api_version, "kind": workload.kind, "name": workload.name, "uid": uid, "controller": true});
            owners.insert(id, owner);
        }
        let around: Vec<Value> = [workloads::service(fleet, workload), workloads::autoscaler(workload)].into_iter().flatten().collect();
        cluster.apply(&around).await?;
    }
    let bare: Vec<Value> = fleet
        .pods
        .iter()
        .filter(|pod| !pod.workload.is_some_and(controlled))
        .filter(|pod| !matches!(pod.phase, Phase::Succeeded | Phase::Failed))
        .map(|pod| {
            let mut object = pods::template(fleet.shape(pod));
            object["apiVersion"] = "v1".into();
            object["kind"] = "Pod".into();
            object["metadata"]["name"] = json!(pod.name);
            object["metadata"]["namespace"] = json!(pod.namespace);
            if let Some(owner) = pod.workload.and_then(|id| owners.get(&id)) {
                object["metadata"]["ownerReferences"] = json!([owner]);
            }
            if let Some(node) = fleet.node(pod) {
                object["spec"]["nodeName"] = json!(node.name);
            }
            if pod.waiting.is_some() {
                trouble::leave_alone(&mut object);
                // Its own typed form tells the status which containers there are.
                let typed: Pod = serde_json::from_value(object.clone()).context("a pod to plant is not a pod")?;
                object["status"] = trouble::told(pod, &typed);
            }
            Ok(object)
        })
        .collect::<anyhow::Result<_>>()?;
    cluster.apply(&bare).await?;
    settled(cluster).await?;
    for (id, _) in fleet.workloads().filter(|(id, _)| controlled(*id) && trouble::troubled(fleet, *id)) {
        trouble::play(cluster, fleet, id).await?;
    }
    Ok(())
}

/// Waits until every node with a kubelet is Ready.
///
/// # Errors
/// They are not within the cluster's patience.
pub async fn ready(cluster: &Cluster) -> anyhow::Result<()> {
    let nodes: Api<Node> = Api::all(cluster.client());
    let is_ready = |node: &Node| {
        let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
        conditions.is_some_and(|all| all.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"))
    };
    let alone = |annotations: &Option<BTreeMap<String, String>>| {
        annotations.as_ref().is_some_and(|all| all.contains_key(crate::cluster::NO_KUBELET))
    };
    cluster
        .wait_for("the nodes to be ready", async || {
            let all = nodes.list(&ListParams::default()).await?;
            Ok(all.items.iter().all(|node| is_ready(node) || alone(&node.metadata.annotations)).then_some(()))
        })
        .await
}

/// Waits until controllers have made all pods, and every pod runs, has ended, or is known not to fit.
///
/// # Errors
/// It does not settle within the cluster's patience.
pub async fn settled(cluster: &Cluster) -> anyhow::Result<()> {
    let all = ListParams::default();
    let deployments: Api<Deployment> = Api::all(cluster.client());
    let sets: Api<StatefulSet> = Api::all(cluster.client());
    let daemons: Api<DaemonSet> = Api::all(cluster.client());
    let jobs: Api<Job> = Api::all(cluster.client());
    let pods: Api<Pod> = Api::all(cluster.client());
    cluster
        .wait_for("the workloads to settle", async || {
            let deployments = deployments.list(&all).await?.items.iter().all(|one| {
                let wanted = one.spec.replicas.unwrap_or(1);
                one.status
                    .as_ref()
                    .is_some_and(|status| status.observed_generation == one.metadata.generation && status.replicas.unwrap_or(0) >= wanted)
            });
            let sets = sets.list(&all).await?.items.iter().all(|one| {
                let wanted = one.spec.replicas.unwrap_or(1);
                let parallel = one.spec.pod_management_policy.as_deref() == Some("Parallel");
                one.status.as_ref().is_some_and(|status| {
                    status.observed_generation == one.metadata.generation
                        && status.replicas >= if parallel { wanted } else { wanted.min(1) }
                })
            });
            let daemons = daemons.list(&all).await?.items.iter().all(|one| {
                one.status.as_ref().is_some_and(|status| {
                    status.observed_generation == one.metadata.generation
                        && status.current_number_scheduled >= status.desired_number_scheduled
                })
            });
            let jobs = jobs.list(&all).await?.items.iter().all(|one| {
                let spec = one.spec.as_ref();
                let suspended = spec.and_then(|spec| spec.suspend).unwrap_or(false);
                let wanted = spec.and_then(|spec| spec.parallelism).unwrap_or(1);
                suspended
                    || one.status.as_ref().is_some_and(|status| {
                        status.completion_time.is_some()
                            || status.active.unwrap_or(0) + status.succeeded.unwrap_or(0) + status.failed.unwrap_or(0) >= wanted
                    })
            });
            let pods = pods.list(&all).await?.items.iter().all(decided);
            Ok((deployments && sets && daemons && jobs && pods).then_some(()))
        })
        .await
}

/// Does the pod run, has it ended, is it left to the test, or has the scheduler said that it does not fit (yet)?
fn decided(pod: &Pod) -> bool {
    let alone = pod.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(crate::cluster::NO_KUBELET));
    let Some(status) = pod.status.as_ref() else { return false };
    let unscheduled = status.conditions.iter().flatten().any(|one| one.type_ == "PodScheduled" && one.status == "False");
    let bound = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    alone && bound || unscheduled || status.phase.as_deref().is_some_and(|phase| phase != "Pending")
}
