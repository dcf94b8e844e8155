//! An API server that pages, forgets, refuses and is busy.

use crate::{
    Step,
    kubernetes::{
        ObserveError,
        held::held_with,
        list::{Happening, Reader},
        read::read_with,
    },
};
use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use kube::{Client, Config};
use plimsoll_fleet::{Fleet, UnseenKind};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

type Answers = Arc<dyn Fn(&str, usize) -> Response + Send + Sync>;

/// Starts a server. `answers` gets path and query, and how often the same was asked before.
async fn client(answers: Answers) -> (Client, Arc<Mutex<Vec<String>>>) {
    crate::install_crypto();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let counts: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let log = asked.clone();
    let handler = move |State(answers): State<Answers>, request: Request| {
        let target = request.uri().path_and_query().unwrap().as_str().replace("%3D", "=");
        log.lock().unwrap().push(format!("{} {target}", request.method()));
        let before = {
            let mut counts = counts.lock().unwrap();
            let count = counts.entry(target.clone()).or_default();
            *count += 1;
            *count - 1
        };
        std::future::ready(answers(&target, before))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler).with_state(answers)).await });
    let mut config = Config::new(url.parse().unwrap());
    config.default_retry = false;
    (Client::try_from(config).unwrap(), asked)
}

fn json(status: u16, body: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, "application/json")], body.to_owned()).into_response()
}

fn list(items: &str, next: &str) -> Response {
    json(200, &format!(r#"{{"kind":"List","metadata":{{"continue":"{next}","remainingItemCount":1}},"items":[{items}]}}"#))
}

fn pod(name: &str) -> String {
    format!(r#"{{"metadata":{{"name":"{name}","namespace":"n"}},"spec":{{"containers":[{{"name":"c"}}]}}}}"#)
}

/// A cluster without anything, but for what `special` answers.
fn cluster(special: impl Fn(&str, usize) -> Option<Response> + Send + Sync + 'static) -> Answers {
    Arc::new(move |target, before| {
        special(target, before).unwrap_or_else(|| match target {
            "/version" => ([(header::DATE, "Mon, 23 Nov 2026 00:00:00 GMT")], r#"{"gitVersion":"v1.37.2"}"#).into_response(),
            "/apis" => json(200, r#"{"groups":[]}"#),
            _ => list("", ""),
        })
    })
}

async fn observe(answers: Answers) -> Result<Fleet, ObserveError> {
    let (client, asked) = client(answers).await;
    let fleet = read_with(&Reader::hasty(&client), Some("c"), &|_: Step<'_>| {}).await;
    assert!(asked.lock().unwrap().iter().all(|request| request.starts_with("GET ")));
    fleet
}

#[tokio::test]
async fn a_list_is_read_page_by_page_and_a_malformed_object_stops_nothing() {
    let (client, asked) = client(cluster(|target, _| {
        Some(match target {
            "/api/v1/pods?limit=500" => list(&format!("{},{{\"metadata\":{{\"name\":\"odd\"}},\"spec\":7}},null", pod("a")), "t+/1"),
            "/api/v1/pods?limit=500&continue=t%2B%2F1" => list(&pod("b"), ""),
            _ => return None,
        })
    }))
    .await;
    let steps: Mutex<Vec<(u64, Option<u64>)>> = Mutex::default();
    let progress = |step: Step<'_>| {
        if step.stage == "pods" {
            steps.lock().unwrap().push((step.done, step.total));
        }
    };
    let fleet = read_with(&Reader::hasty(&client), Some("c"), &progress).await;
    assert_eq!(*steps.lock().unwrap(), [(3, Some(4)), (4, Some(4))]);
    let fleet = fleet.unwrap();
    assert_eq!(fleet.pods.len(), 2);
    assert_eq!(fleet.at.0, 1_795_392_000, "the server's clock");
    assert_eq!((fleet.origin.version.as_deref(), fleet.origin.cluster.as_deref()), (Some("v1.37.2"), Some("c")));
    let malformed = fleet.unseen.iter().filter(|unseen| unseen.kind == UnseenKind::Malformed).count();
    assert_eq!(malformed, 2);
    assert!(asked.lock().unwrap().iter().all(|request| request.starts_with("GET ")));
}

#[tokio::test]
async fn an_expired_token_begins_the_list_again_without_doubles_or_ghosts() {
    let fleet = observe(cluster(|target, before| {
        Some(match (target, before) {
            ("/api/v1/pods?limit=500", 0) => list(&format!("{},{}", pod("gone"), pod("a")), "t"),
            ("/api/v1/pods?limit=500", _) => list(&pod("a"), "t"),
            ("/api/v1/pods?limit=500&continue=t", 0) => json(410, r#"{"kind":"Status","message":"too old"}"#),
            ("/api/v1/pods?limit=500&continue=t", _) => list(&pod("b"), ""),
            _ => return None,
        })
    }))
    .await
    .unwrap();
    let names: Vec<&str> = fleet.pods.iter().map(|pod| &*pod.name).collect();
    assert_eq!(names, ["a", "b"]);
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_a_broken_one_not_for_ever() {
    let fleet = observe(cluster(|target, before| {
        Some(match (target, before) {
            ("/api/v1/pods?limit=500", 0) => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "0")], "busy").into_response(),
            ("/api/v1/pods?limit=500", 1) => json(503, "no"),
            ("/api/v1/pods?limit=500", _) => list(&pod("a"), ""),
            (target, _) if target.starts_with("/apis/apps/v1/deployments") => json(500, r#"{"message":"etcd is ill"}"#),
            (target, _) if target.starts_with("/apis/batch/v1/jobs") => json(200, "<html>"),
            _ => return None,
        })
    }))
    .await
    .unwrap();
    assert_eq!(fleet.pods.len(), 1);
    let told: Vec<_> = fleet.unseen.iter().map(|unseen| (unseen.kind, &*unseen.subject)).collect();
    assert_eq!(told, [(UnseenKind::Partial, "list deployments.apps"), (UnseenKind::Partial, "list jobs.batch")]);
    assert!(fleet.unseen[0].why.contains("etcd is ill"));
}

#[tokio::test]
async fn a_forbidden_list_is_a_blind_spot_that_names_the_rule() {
    let forbidden = r#"{"kind":"Status","message":"pods is forbidden: User \"u\" cannot list resource \"pods\""}"#;
    let fleet = observe(cluster(move |target, _| target.starts_with("/api/v1/pods").then(|| json(403, forbidden)))).await.unwrap();
    let [unseen] = &fleet.unseen[..] else { panic!("{:?}", fleet.unseen) };
    assert_eq!((unseen.kind, &*unseen.subject), (UnseenKind::Forbidden, "list pods"));
    assert!(unseen.why.contains("cannot list resource"));
    assert!(unseen.remedy.contains("list on pods") && unseen.remedy.contains("deploy/rbac.yaml"));
}

#[tokio::test]
async fn without_nodes_and_pods_there_is_no_fleet() {
    let error = observe(cluster(|target, _| {
        (target.starts_with("/api/v1/pods") || target.starts_with("/api/v1/nodes")).then(|| json(403, r#"{"message":"no"}"#))
    }))
    .await
    .unwrap_err();
    assert!(matches!(error, ObserveError::NothingReadable { .. }));
    assert!(error.to_string().contains("deploy/rbac.yaml"));
    let error = observe(Arc::new(|_, _| json(401, r#"{"message":"Unauthorized"}"#))).await.unwrap_err();
    assert!(error.to_string().contains("log in"), "{error}");
}

#[tokio::test]
async fn custom_kinds_are_read_where_they_are_served_in_the_best_version() {
    let fleet = observe(cluster(|target, _| {
        Some(match target {
            "/apis" => json(200, r#"{"groups":[{"name":"ray.io","versions":[{"version":"v1alpha1"},{"version":"v1"}]},{"name":"keda.sh","versions":[{"version":"v9"}]}]}"#),
            "/apis/ray.io/v1" => json(200, r#"{"resources":[{"name":"rayclusters"},{"name":"rayclusters/status"}]}"#),
            "/apis/ray.io/v1alpha1" => json(200, r#"{"resources":[{"name":"rayclusters"},{"name":"rayjobs"}]}"#),
            "/apis/ray.io/v1/rayclusters?limit=500" => list(
                r#"{"metadata":{"name":"r","namespace":"n"},"spec":{"headGroupSpec":{"template":{"spec":{"containers":[{"name":"h"}]}}}}}"#,
                "",
            ),
            other if other.starts_with("/apis/keda") || other.starts_with("/apis/ray.io/v1alpha1/rayclusters") => panic!("{other}"),
            _ => return None,
        })
    }))
    .await
    .unwrap();
    assert_eq!(fleet.workloads.len(), 1);
    assert_eq!(&*fleet.workloads[0].api_version, "ray.io/v1");
    assert!(fleet.unseen.is_empty(), "{:?}", fleet.unseen);
}

#[tokio::test]
async fn a_list_without_an_end_is_cut_off() {
    let (client, _) = client(Arc::new(|_, _| list("", "again"))).await;
    let mut pages = 0;
    let end = Reader::hasty(&client)
        .list("/api/v1/events", None, Some(3), |happening| pages += u32::from(matches!(happening, Happening::Page(..))))
        .await
        .unwrap();
    assert!(!end);
    assert_eq!(pages, 3);
}

/// What only rules look at is read for them where it is served, and a fleet is made without it.
#[tokio::test]
async fn kinds_that_only_rules_look_at_are_held_and_make_no_fleet() {
    let answers = || {
        cluster(|target, _| {
            let pods = r#"{"template":{"spec":{"containers":[{"name":"c"}]}}}"#;
            Some(match target {
                "/apis" => json(200, r#"{"groups":[{"name":"batch.volcano.sh","versions":[{"version":"v1alpha1"}]}]}"#),
                "/apis/batch.volcano.sh/v1alpha1" => json(200, r#"{"resources":[{"name":"jobs"}]}"#),
                "/apis/batch.volcano.sh/v1alpha1/jobs?limit=500" => {
                    list(&format!(r#"{{"metadata":{{"name":"v","namespace":"n"}},"spec":{{"tasks":[{pods}]}}}}"#), "")
                }
                "/api/v1/replicationcontrollers?limit=500" => {
                    list(&format!(r#"{{"metadata":{{"name":"r","namespace":"n"}},"spec":{pods},"status":{{"replicas":1}}}}"#), "")
                }
                other if other.contains("seldon") || other.contains("trainer.kubeflow.org") => panic!("{other} is not served"),
                _ => return None,
            })
        })
    };
    let (client, _) = client(answers()).await;
    let held = held_with(&Reader::hasty(&client), &|_: Step<'_>| {}).await.unwrap();
    assert_eq!(held.unseen, Vec::<String>::new());
    let written: Vec<_> = held.documents.iter().map(|document| document.written().unwrap()).collect();
    let told: Vec<_> = written.iter().map(|object| (&*object.api_version, &*object.kind, object.templates.len())).collect();
    assert_eq!(told, [("batch.volcano.sh/v1alpha1", "Job", 1), ("v1", "ReplicationController", 1)]);
    assert!(observe(answers()).await.unwrap().workloads.is_empty());
}
