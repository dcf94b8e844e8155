//! The door without a cluster: what is judged, and what is let through unjudged.

#![allow(clippy::unwrap_used)]

use super::{
    door::{Decided, Door},
    kinds::WATCHED,
    now,
    review::decode,
    seen::Seen,
    world::World,
};
use plimsoll_decide::guard::Policy;
use serde_json::{Value, json};
use std::sync::Arc;

fn world() -> Arc<World> {
    let world = World::default();
    let objects = [
        json!({"apiVersion": "plimsoll.dev/v1alpha1", "kind": "Guardrail", "metadata": {"name": "g"}, "spec": {"rules": [
            {"name": "gpus-per-workload", "mode": "enforce", "parameters": {"most": 4}},
            {"name": "image-tags", "mode": "enforce"}, {"name": "team-gpus", "mode": "enforce"}]}}),
        json!({"apiVersion": "plimsoll.dev/v1alpha1", "kind": "Team", "metadata": {"name": "t"},
            "spec": {"namespaces": ["ml"], "limits": {"gpus": 6}}}),
    ];
    let resources = objects.iter().map(|object| plimsoll_api::read(object).unwrap().unwrap()).collect();
    world.set_policy(Policy::only(resources).unwrap());
    Arc::new(world)
}

fn deployment(image: &str, replicas: u64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "ml"}, "spec": {"replicas": replicas,
        "template": {"spec": {"containers": [{"name": "c", "image": image, "resources": {"limits": {"nvidia.com/gpu": 1}}}]}}}})
}

async fn asked(door: &Door, request: Value) -> Decided {
    let mut whole = json!({"uid": "u", "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"}, "namespace": "ml", "name": "a",
        "operation": "CREATE", "userInfo": {"username": "alice"}});
    whole.as_object_mut().unwrap().extend(request.as_object().unwrap().clone());
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": whole});
    door.validate(decode(review.to_string().as_bytes()).unwrap()).await.unwrap()
}

/// A big training that came in at night is not wrong by day, and what a controller made or what has ended is not looked at.
#[test]
fn what_is_held_is_judged_as_when_it_came() {
    let world = World::default();
    let guardrail = json!({"apiVersion": "plimsoll.dev/v1alpha1", "kind": "Guardrail", "metadata": {"name": "g"}, "spec": {"rules": [
        {"name": "peak-hours", "mode": "enforce", "parameters": {"gpus": 1, "from": 8, "to": 20,
            "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}},
        {"name": "image-tags", "mode": "enforce"}]}});
    world.set_policy(Policy::only(vec![plimsoll_api::read(&guardrail).unwrap().unwrap()]).unwrap());
    let door = Door::new(Arc::new(world), None).except(["spared"].into_iter());
    let watched = WATCHED.iter().find(|watched| watched.kind == "Job" && watched.group == "batch").unwrap();
    let broken = |change: Value| {
        let mut job = json!({"metadata": {"name": "a", "namespace": "ml", "labels": {"plimsoll.dev/class": "training"},
            "creationTimestamp": "2026-11-30T03:00:00Z"}, "spec": {"parallelism": 4, "template": {"spec": {"containers": [
            {"name": "c", "image": "a:latest", "resources": {"limits": {"nvidia.com/gpu": 8}}}]}}}});
        for (path, value) in change.as_object().unwrap() {
            let (holder, key) = path.rsplit_once('/').unwrap();
            job.pointer_mut(holder).unwrap()[key] = value.clone();
        }
        let seen: Seen = serde_json::from_value(job).unwrap();
        let judgement = door.judge_held(watched, seen)?;
        Some(judgement.breaches.iter().map(|breach| breach.rule.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(broken(json!({})).unwrap(), ["image-tags"]);
    assert_eq!(broken(json!({"/metadata/creationTimestamp": "2026-11-30T12:00:00Z"})).unwrap(), ["image-tags", "peak-hours"]);
    assert_eq!(broken(json!({"/metadata/namespace": "spared"})), None);
    assert_eq!(broken(json!({"/status": {"conditions": [{"type": "Complete", "status": "True"}]}})), None);
    assert_eq!(broken(json!({"/metadata/deletionTimestamp": "2026-11-30T12:00:00Z"})), None);
    let owner = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": "c", "controller": true}]);
    assert_eq!(broken(json!({"/metadata/ownerReferences": owner})), None);
}

fn refused(decided: &Decided) -> Vec<String> {
    let breaches = decided.judgement.iter().flat_map(|judgement| &judgement.breaches);
    breaches.filter(|breach| breach.mode == plimsoll_api::Mode::Enforce).map(|breach| breach.rule.to_string()).collect()
}

#[tokio::test]
async fn what_is_new_is_judged_whole() {
    let door = Door::new(world(), None);
    assert_eq!(refused(&asked(&door, json!({"object": deployment("a:latest", 5)})).await), ["gpus-per-workload", "image-tags"]);
    let good = asked(&door, json!({"object": deployment("a:v1", 4)})).await;
    assert!(good.answer.refusal.is_none() && good.judgement.is_some());
}

#[tokio::test]
async fn what_was_let_in_before_can_be_changed_if_not_for_the_worse() {
    let door = Door::new(world(), None);
    let update = |old: Value, new: Value| json!({"operation": "UPDATE", "oldObject": old, "object": new});
    let mut labelled = deployment("a:latest", 2);
    labelled["metadata"]["labels"] = json!({"x": "y"});
    let eased = asked(&door, update(deployment("a:latest", 2), labelled)).await;
    assert!(eased.answer.refusal.is_none() && eased.answer.warnings.len() == 1, "{:?}", eased.answer);
    assert_eq!(refused(&asked(&door, update(deployment("a:latest", 2), deployment("a:latest", 5))).await), ["gpus-per-workload"]);
    assert_eq!(refused(&asked(&door, update(deployment("a:v1", 2), deployment("a:latest", 2))).await), ["image-tags"]);
    let same = asked(&door, update(deployment("a:latest", 2), deployment("a:latest", 2))).await;
    assert!(same.judgement.is_none(), "nothing that a rule looks at has changed");
    let mut going = deployment("a:latest", 9);
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert!(asked(&door, update(deployment("a:latest", 2), going)).await.judgement.is_none(), "finalizers can be taken off");
}

#[tokio::test]
async fn controllers_go_on_and_nobody_else_can_call_himself_one() {
    let door = Door::new(world(), None);
    let mut owned = deployment("a:latest", 5);
    owned["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "r", "uid": "1", "controller": true}]);
    let by = |user: &str| json!({"object": owned, "userInfo": {"username": user}});
    assert!(asked(&door, by("system:serviceaccount:argo:controller")).await.by_controller);
    assert!(!refused(&asked(&door, by("mallory")).await).is_empty());
    owned["metadata"]["ownerReferences"][0]["apiVersion"] = json!("example.com/v1");
    let unknown = json!({"object": owned, "userInfo": {"username": "system:serviceaccount:x:y"}});
    assert!(!refused(&asked(&door, unknown).await).is_empty(), "its owner was never judged");
}

#[tokio::test]
async fn more_replicas_by_scale_are_judged_as_of_the_object_itself() {
    let world = world();
    let deployments = WATCHED.iter().find(|watched| watched.kind == "Deployment").unwrap();
    let seen: Seen = serde_json::from_value(deployment("a:v1", 2)).unwrap();
    world.apply(deployments, &seen, now());
    let door = Door::new(world, None);
    let scale = |replicas: u64| {
        json!({"operation": "UPDATE", "subResource": "scale", "kind": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
            "object": {"kind": "Scale", "metadata": {"name": "a"}, "spec": {"replicas": replicas}}})
    };
    assert!(refused(&asked(&door, scale(4)).await).is_empty());
    assert_eq!(refused(&asked(&door, scale(5)).await), ["gpus-per-workload"]);
    assert_eq!(refused(&asked(&door, scale(7)).await), ["gpus-per-workload", "team-gpus"]);
}

#[tokio::test]
async fn what_a_team_holds_counts() {
    let world = world();
    let pods = WATCHED.iter().find(|watched| watched.kind == "Pod").unwrap();
    let pod = |name: &str, gpus: u64, phase: &str| -> Seen {
        serde_json::from_value(json!({"metadata": {"name": name, "namespace": "ml"}, "status": {"phase": phase},
            "spec": {"containers": [{"name": "c", "image": "a:v1", "resources": {"limits": {"nvidia.com/gpu": gpus}}}]}}))
        .unwrap()
    };
    world.apply(pods, &pod("x", 4, "Running"), now());
    let door = Door::new(world.clone(), None);
    assert_eq!(refused(&asked(&door, json!({"object": deployment("a:v1", 3)})).await), ["team-gpus"]);
    world.apply(pods, &pod("x", 4, "Succeeded"), now());
    assert!(refused(&asked(&door, json!({"object": deployment("a:v1", 3)})).await).is_empty());

    // A DaemonSet holds what its status tells: it grows and shrinks with the nodes.
    let daemons = WATCHED.iter().find(|watched| watched.kind == "DaemonSet").unwrap();
    let on_nodes = |nodes: Option<u64>| -> Seen {
        let mut daemon = deployment("a:v1", 1);
        daemon["metadata"]["name"] = "agents".into();
        daemon["status"] = json!({"desiredNumberScheduled": nodes});
        serde_json::from_value(daemon).unwrap()
    };
    for (nodes, wanted) in [(None, vec![]), (Some(4), vec!["team-gpus"]), (Some(3), vec![])] {
        world.apply(daemons, &on_nodes(nodes), now());
        assert_eq!(refused(&asked(&door, json!({"object": deployment("a:v1", 3)})).await), wanted, "on {nodes:?} nodes");
    }
}

#[test]
fn a_wrong_guardrail_leaves_the_last_right_one() {
    let world = World::default();
    let guardrails = WATCHED.iter().find(|watched| watched.kind == "Guardrail").unwrap();
    let seen = |mode: &str| -> Seen {
        serde_json::from_value(json!({"metadata": {"name": "g"}, "spec": {"rules": [{"name": "image-tags", "mode": mode}]}})).unwrap()
    };
    world.apply(guardrails, &seen("enforce"), now());
    world.renew();
    world.apply(guardrails, &seen("deny"), now());
    world.renew();
    assert_eq!(world.wrong().len(), 1);
    let judged = |world: &World| format!("{:?}", world.policy()).contains("Enforce");
    assert!(judged(&world));
    world.delete(guardrails, None, "g", now());
    world.renew();
    assert!(!judged(&world) && world.wrong().is_empty());
}

/// A guardrail may name another's rule; when that goes, so does what names it, and nothing else.
#[test]
fn guardrails_are_judged_by_together() {
    let world = World::default();
    let guardrails = WATCHED.iter().find(|watched| watched.kind == "Guardrail").unwrap();
    let apply = |name: &str, spec: Value| {
        let seen: Seen = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap();
        world.apply(guardrails, &seen, now());
        world.renew();
    };
    apply("exempts", json!({"exemptions": [{"rules": ["ours"], "namespace": "x", "reason": "r", "expires": "2999-01-01"}]}));
    assert_eq!(world.wrong().len(), 1, "there is no such rule yet");
    apply("own", json!({"customRules": [{"name": "ours", "mode": "enforce", "expression": "devices < 5", "message": "m"}]}));
    assert_eq!(world.wrong(), Vec::<String>::new());
    apply("builtin", json!({"rules": [{"name": "image-tags", "mode": "enforce"}]}));
    world.delete(guardrails, None, "own", now());
    world.renew();
    assert_eq!(world.wrong().len(), 1);
    assert!(format!("{:?}", world.policy()).contains("builtin"));
}
