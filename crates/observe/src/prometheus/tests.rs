#![allow(clippy::unwrap_used)]

use super::{Endpoint, PrometheusError, PrometheusOptions, QueryError, find, read};
use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use plimsoll_fleet::{
    Fleet, Metric, Node, NodeId, Pod, Seconds, Shape, ShapeId, Timestamp, UnseenKind, Window,
    evidence::{Dialect, Engine},
    node::{Gpu, Sharing},
    pod::Ask,
    resource::Vendor,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A Monday, at midnight.
const END: i64 = 1_795_392_000;

type Value = Arc<dyn Fn(i64) -> Option<String> + Send + Sync>;

#[derive(Clone)]
struct Series {
    name: String,
    labels: BTreeMap<String, String>,
    value: Value,
}

fn series(name: &str, labels: &[(&str, &str)], value: impl Fn(i64) -> f64 + Send + Sync + 'static) -> Series {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Series { name: name.to_owned(), labels, value: Arc::new(move |at| Some(value(at).to_string())) }
}

/// A path and its form.
type Asked = (String, BTreeMap<String, String>);

/// What goes wrong before a request is answered: gets the number of the request, its path and its query.
type Trouble = Arc<dyn Fn(usize, &str, &str) -> Option<Response> + Send + Sync>;

#[derive(Clone, Default)]
struct Fake {
    series: Vec<Series>,
    help: String,
    trouble: Option<Trouble>,
    /// Milliseconds by request number.
    slow: Option<Arc<dyn Fn(usize) -> u64 + Send + Sync>>,
    count: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<Asked>>>,
    headers: Arc<Mutex<Vec<HeaderMap>>>,
}

/// A store that knows selectors, `count(…)` and `… > 1 <= 100`, and nothing else of PromQL.
impl Fake {
    fn of(series: Vec<Series>) -> Self {
        Self { series, ..Self::default() }
    }

    fn matching(&self, query: &str) -> Vec<&Series> {
        let query = query.trim_start_matches("count(").trim_end_matches(')').split(" > ").next().unwrap();
        let names: Vec<&str> = match query.strip_prefix("{__name__=~\"") {
            Some(rest) => rest.split('"').next().unwrap().split('|').collect(),
            None => vec![query.split('{').next().unwrap()],
        };
        let host = query.split("Hostname=").nth(1).map(|rest| rest.split('"').nth(1).unwrap().replace("\\\\", ""));
        let is_host = |series: &Series| {
            let have = series.labels.get("Hostname").map_or("", String::as_str);
            host.as_ref().is_none_or(|host| host.split('|').any(|host| host == have))
        };
        self.series.iter().filter(|series| names.contains(&series.name.as_str()) && is_host(series)).collect()
    }

    fn answer(&self, path: &str, form: &BTreeMap<String, String>) -> String {
        let number = |key: &str| form[key].parse::<i64>().unwrap();
        let list = |all: BTreeSet<String>| format!(r#"{{"status":"success","data":{}}}"#, serde_json::to_string(&all).unwrap());
        let metric = |series: &Series| {
            let mut labels = series.labels.clone();
            labels.insert("__name__".into(), series.name.clone());
            serde_json::to_string(&labels).unwrap()
        };
        let result = |kind: &str, all: Vec<String>| {
            format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":[{}]}}}}"#, all.join(","))
        };
        match path {
            "/api/v1/label/__name__/values" => list(self.series.iter().map(|series| series.name.clone()).collect()),
            "/api/v1/labels" => list(self.series.iter().flat_map(|series| series.labels.keys().cloned()).collect()),
            "/api/v1/metadata" => format!(r#"{{"status":"success","data":{{"x":[{{"type":"gauge","help":"{}","unit":""}}]}}}}"#, self.help),
            "/api/v1/query" if form["query"].contains("DCGM_FI_DEV_.+") => {
                result("vector", vec![r#"{"metric":{},"value":[0,"1"]}"#.to_owned()])
            }
            "/api/v1/query" if form["query"].starts_with("count(") => {
                result("vector", vec![format!(r#"{{"metric":{{}},"value":[0,"{}"]}}"#, self.matching(&form["query"]).len())])
            }
            "/api/v1/query" => {
                let at = number("time");
                let one = |series: &&Series| Some(format!(r#"{{"metric":{},"value":[{at},"{}"]}}"#, metric(series), (series.value)(at)?));
                result("vector", self.matching(&form["query"]).iter().filter_map(one).collect())
            }
            "/api/v1/query_range" => {
                let (start, end, step) = (number("start"), number("end"), number("step"));
                assert!((end - start) / step < 11_000, "more points than Prometheus gives");
                // Two whole GPUs wait in the last half hour; the store saw who waits all the time.
                let waiting = match form["query"].as_str() {
                    "group(kube_node_info)" => Some(("{}", i64::MIN, 1)),
                    query if query.starts_with("sum by (resource)") => Some((r#"{"resource":"nvidia_com_gpu"}"#, END - 1_800, 2)),
                    _ => None,
                };
                if let Some((labels, from, value)) = waiting {
                    let values: Vec<String> =
                        (start..=end).step_by(step as usize).filter(|at| *at >= from).map(|at| format!(r#"[{at},"{value}"]"#)).collect();
                    return result("matrix", vec![format!(r#"{{"metric":{labels},"values":[{}]}}"#, values.join(","))]);
                }
                let over_one = form["query"].contains(" > 1 ");
                let one = |series: &&Series| {
                    let value = |at| (series.value)(at).filter(|value| !over_one || value.parse::<f64>().is_ok_and(|value| value > 1.0));
                    let values: Vec<String> =
                        (start..=end).step_by(step as usize).filter_map(|at| Some(format!(r#"[{at},"{}"]"#, value(at)?))).collect();
                    (!values.is_empty()).then(|| format!(r#"{{"metric":{},"values":[{}]}}"#, metric(series), values.join(",")))
                };
                result("matrix", self.matching(&form["query"]).iter().filter_map(one).collect())
            }
            _ => {
                let label = path.trim_start_matches("/api/v1/label/").trim_end_matches("/values");
                list(self.series.iter().filter_map(|series| series.labels.get(label).cloned()).collect())
            }
        }
    }

    async fn handle(State(fake): State<Self>, request: Request) -> Response {
        let number = fake.count.fetch_add(1, Ordering::SeqCst);
        let (parts, body) = request.into_parts();
        let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let encoded = if body.is_empty() { parts.uri.query().unwrap_or("").as_bytes().to_vec() } else { body.to_vec() };
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(&encoded).into_owned().collect();
        // Behind the API server's proxy the path has more before it, and only reading is allowed.
        let path = match parts.uri.path().split_once("/proxy") {
            Some((before, path)) => {
                assert_eq!((before, parts.method.as_str()), ("/api/v1/namespaces/monitoring/services/http:prometheus-k8s:9090", "GET"));
                path.to_owned()
            }
            None => parts.uri.path().to_owned(),
        };
        fake.headers.lock().unwrap().push(parts.headers);
        fake.asked.lock().unwrap().push((path.clone(), form.clone()));
        if let Some(slow) = &fake.slow {
            tokio::time::sleep(Duration::from_millis(slow(number))).await;
        }
        let query = form.get("query").cloned().unwrap_or_default();
        if path == "/api/v1/services" {
            let service = |name: &str| {
                format!(r#"{{"metadata":{{"name":"{name}","namespace":"monitoring"}},"spec":{{"ports":[{{"name":"web","port":9090}}]}}}}"#)
            };
            let items = [service("web"), service("prometheus-k8s")].join(",");
            return format!(r#"{{"kind":"ServiceList","apiVersion":"v1","metadata":{{}},"items":[{items}]}}"#).into_response();
        }
        if let Some(response) = fake.trouble.as_ref().and_then(|trouble| trouble(number, &path, &query)) {
            return response;
        }
        ([(header::CONTENT_TYPE, "application/json")], fake.answer(&path, &form)).into_response()
    }

    async fn serve(&self) -> url::Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(Self::handle).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}").parse().unwrap()
    }

    async fn read_into(&self, fleet: &mut Fleet, options: PrometheusOptions) -> Result<(), PrometheusError> {
        let options = PrometheusOptions { url: Some(self.serve().await), ..options };
        let store = find(&options, None).await?;
        read(fleet, &store, &options, &|_| {}).await?;
        fleet.check().unwrap();
        Ok(())
    }
}

fn options(hours: u64) -> PrometheusOptions {
    PrometheusOptions {
        window: Seconds(hours * 3_600),
        end: Some(Timestamp(END)),
        backoff: Duration::from_millis(1),
        timeout: Duration::from_secs(5),
        ..PrometheusOptions::default()
    }
}

/// `nodes` nodes with one GPU each, and a pod `ns/pod-N` on each.
fn fleet(nodes: usize) -> Fleet {
    let node = |index| Node {
        name: format!("node-{index}.x").into(),
        gpus: vec![Gpu::default()],
        vendor: Some(Vendor::Nvidia),
        sharing: Sharing::Whole,
        ..Node::default()
    };
    let pod = |index| Pod {
        namespace: "ns".into(),
        name: format!("pod-{index}").into(),
        node: Some(NodeId(index as u32)),
        shape: ShapeId(0),
        created: Some(Timestamp(0)),
        ..Pod::default()
    };
    let shape = Shape { asks: vec![Ask { resource: "nvidia.com/gpu".into(), count: 1, dra: false }], ..Shape::default() };
    Fleet {
        at: Timestamp(END),
        nodes: (0..nodes).map(node).collect(),
        shapes: vec![shape],
        pods: (0..nodes).map(pod).collect(),
        ..Fleet::default()
    }
}

/// The series of metric `name` of all nodes of [`fleet`], as Prometheus has them where it does not honour labels.
fn all(name: &str, nodes: usize, value: impl Fn(usize, i64) -> f64 + Clone + Send + Sync + 'static) -> Vec<Series> {
    (0..nodes)
        .map(|index| {
            let (uuid, host, pod) = (format!("GPU-{index}"), format!("node-{index}.x"), format!("pod-{index}"));
            let value = value.clone();
            series(
                name,
                &[
                    ("UUID", uuid.as_str()),
                    ("gpu", "0"),
                    ("Hostname", &host),
                    ("exported_pod", &pod),
                    ("exported_namespace", "ns"),
                    ("pod", "dcgm-exporter-1"),
                    ("namespace", "gpu-operator"),
                    ("instance", "10.0.0.1:9400"),
                ],
                move |at| value(index, at),
            )
        })
        .collect()
}

const UTIL: &str = "DCGM_FI_DEV_GPU_UTIL";
const ENGINE: &str = "DCGM_FI_PROF_GR_ENGINE_ACTIVE";
const TENSOR: &str = "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE";

#[tokio::test]
async fn a_window_is_read_in_chunks_and_no_sample_twice() {
    let store = Fake::of(
        [all(UTIL, 2, |index, _| 50.0 * index as f64), all(ENGINE, 2, |index, at| f64::from(index == 1 && at >= END - 3_600) / 2.0)]
            .concat(),
    );
    let mut fleet = fleet(2);
    // A step of a second makes chunks of three hours.
    store.read_into(&mut fleet, PrometheusOptions { step: Some(Seconds(1)), ..options(7) }).await.unwrap();
    let evidence = &fleet.evidence;
    let ranges = store.asked.lock().unwrap().iter().filter(|(path, _)| path.ends_with("query_range")).count();
    assert!(ranges >= 8, "{ranges}");
    assert_eq!(evidence.window, Some(Window { start: Timestamp(END - 25_199), end: Timestamp(END) }));
    for usage in &evidence.devices {
        assert_eq!(usage.metrics.get(Metric::GpuUtil).unwrap().count(), 25_200);
    }
    assert_eq!(evidence.dropped.total(), 0);
    assert_eq!((evidence.devices.len(), evidence.pods.len(), evidence.hours.len()), (2, 2, 8));
    assert_eq!(evidence.pods[1].metrics.get(Metric::EngineActive).unwrap().max(), 0.5);
    assert_eq!(evidence.hours[3].busy, 0.0);
    // The course of the one that worked in the last hour: nothing, then half of it.
    let course = evidence.pods[1].metrics.course.as_ref().unwrap();
    let means: Vec<Option<f64>> = course.means().map(|(_, mean)| mean.map(plimsoll_fleet::Ratio::get)).collect();
    assert_eq!((course.figure(), evidence.courses.unwrap().bins), (plimsoll_fleet::course::Figure::Engine, 8));
    assert_eq!(means, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5].map(Some));
    assert_eq!(evidence.hours[6].seen, 2.0);
    assert_eq!((evidence.hours[6].held, evidence.hours[6].busy), (2.0, 0.5));
    assert_eq!(&*evidence.queries[&Metric::GpuUtil], UTIL);
    assert!(
        !fleet.unseen.iter().any(|unseen| matches!(unseen.kind, UnseenKind::ShortEvidence | UnseenKind::Partial)),
        "{:?}",
        fleet.unseen
    );
}

/// Whatever answer comes first, and however many are asked at once, the evidence is the same to the last bit.
#[tokio::test]
async fn the_order_of_answers_never_matters() {
    let plain = Fake::of(
        [all(UTIL, 3, |index, at| ((at / 7 + index as i64 * 13) % 101) as f64), all(TENSOR, 3, |_, at| (at % 97) as f64 / 97.0)].concat(),
    );
    let mut straight = fleet(3);
    plain.read_into(&mut straight, PrometheusOptions { step: Some(Seconds(2)), concurrency: 1, ..options(10) }).await.unwrap();
    for seed in [3_usize, 7] {
        let slow = Fake { slow: Some(Arc::new(move |number| (number * seed % 11) as u64 * 5)), ..plain.clone() };
        let mut shuffled = fleet(3);
        slow.read_into(&mut shuffled, PrometheusOptions { step: Some(Seconds(2)), concurrency: 8, ..options(10) }).await.unwrap();
        // The stores differ in their port alone.
        shuffled.evidence.source = straight.evidence.source.clone();
        assert!(shuffled == straight);
    }
}

#[tokio::test]
async fn many_hosts_are_asked_in_groups() {
    let store = Fake::of(all(ENGINE, 900, |index, _| f64::from(index == 7)));
    let mut fleet = fleet(900);
    store.read_into(&mut fleet, PrometheusOptions { step: Some(Seconds(5)), ..options(1) }).await.unwrap();
    let grouped =
        store.asked.lock().unwrap().iter().filter(|(_, form)| form.get("query").is_some_and(|query| query.contains("Hostname=~"))).count();
    assert!(grouped >= 3, "{grouped}");
    assert_eq!(fleet.evidence.devices.len(), 900);
    let busy: f64 = fleet.evidence.devices.iter().map(|usage| usage.metrics.get(Metric::EngineActive).unwrap().mean()).sum();
    assert_eq!(busy, 1.0);
    assert_eq!(fleet.evidence.devices[0].metrics.get(Metric::EngineActive).unwrap().count(), 720);
}

#[tokio::test]
async fn a_lying_store_is_counted_and_not_believed() {
    let mut lies = all(UTIL, 1, |_, at| match at.rem_euclid(600) / 60 {
        0 => f64::NAN,
        1 => 9_223_372_036_854_775_794.0,
        2 => -1.0,
        3 => 250.0,
        _ => 40.0,
    });
    lies.extend(all(UTIL, 1, |_, at| if at.rem_euclid(600) >= 240 { 40.0 } else { f64::NAN }));
    lies[1].labels.insert("instance".into(), "10.0.0.2:9400".into());
    lies.extend(all("DCGM_FI_DEV_NEW_THING", 1, |_, _| 1.0));
    let mut fleet = fleet(1);
    Fake::of(lies).read_into(&mut fleet, options(1)).await.unwrap();
    let util = fleet.evidence.devices[0].metrics.get(Metric::GpuUtil).unwrap();
    assert_eq!((util.count(), util.min(), util.max()), (36, 0.4, 0.4));
    let dropped = fleet.evidence.dropped;
    assert_eq!((dropped.sentinel, dropped.negative, dropped.above_one, dropped.duplicate), (6, 6, 6, 36));
    assert_eq!(dropped.not_finite, 6 + 24);
    assert_eq!(fleet.evidence.not_understood, ["DCGM_FI_DEV_NEW_THING".into()]);
    assert!(fleet.unseen.iter().any(|unseen| unseen.kind == UnseenKind::Dropped));
}

#[tokio::test]
async fn samples_outside_of_what_was_asked_are_left_out() {
    let body = format!(
        r#"{{"status":"success","warnings":["store-7 is down"],"data":{{"resultType":"matrix","result":[{{"metric":{{"__name__":"{UTIL}","UUID":"GPU-0","gpu":"0","Hostname":"node-0.x"}},"values":[[{},"10"],[{},"10"],[{},"10"],[99999999999999999999,"10"]]}}]}}}}"#,
        END - 600,
        END + 7_200,
        END - 86_400
    );
    let trouble: Trouble = Arc::new(move |_, path, _| path.ends_with("query_range").then(|| body.clone().into_response()));
    let store = Fake { trouble: Some(trouble), ..Fake::of(all(UTIL, 1, |_, _| 0.0)) };
    let mut fleet = fleet(1);
    store.read_into(&mut fleet, options(1)).await.unwrap();
    assert_eq!(fleet.evidence.devices[0].metrics.get(Metric::GpuUtil).unwrap().count(), 1);
    assert_eq!(fleet.evidence.dropped.out_of_window, 3);
    assert!(fleet.unseen.iter().any(|unseen| unseen.why.contains("store-7 is down")));
    assert!(fleet.unseen.iter().any(|unseen| unseen.kind == UnseenKind::ShortEvidence));
}

#[tokio::test]
async fn what_fails_for_a_while_is_tried_again() {
    let trouble: Trouble = Arc::new(|number, path, _| {
        (path.ends_with("query_range") && number % 3 != 0)
            .then(|| (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "0")], "slow down").into_response())
    });
    let store = Fake { trouble: Some(trouble), ..Fake::of(all(UTIL, 1, |_, _| 7.0)) };
    let mut fleet = fleet(1);
    store.read_into(&mut fleet, PrometheusOptions { concurrency: 1, ..options(2) }).await.unwrap();
    assert_eq!(fleet.evidence.devices[0].metrics.get(Metric::GpuUtil).unwrap().count(), 120);
    assert!(!fleet.unseen.iter().any(|unseen| unseen.kind == UnseenKind::Partial));
}

#[tokio::test]
async fn what_is_too_much_is_asked_in_halves() {
    let store = Fake::of(all(UTIL, 1, |_, _| 7.0));
    let asked = store.asked.clone();
    let trouble: Trouble = Arc::new(move |_, path, _| {
        let (_, form) = asked.lock().unwrap().last().cloned().unwrap();
        let long = path.ends_with("query_range") && form["end"].parse::<i64>().unwrap() - form["start"].parse::<i64>().unwrap() > 4_000;
        let body = r#"{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory"}"#;
        long.then(|| (StatusCode::UNPROCESSABLE_ENTITY, body).into_response())
    });
    let store = Fake { trouble: Some(trouble), ..store };
    let mut fleet = fleet(1);
    store.read_into(&mut fleet, PrometheusOptions { concurrency: 1, ..options(8) }).await.unwrap();
    assert_eq!(fleet.evidence.devices[0].metrics.get(Metric::GpuUtil).unwrap().count(), 480);
}

#[tokio::test]
async fn a_metric_that_fails_is_a_blind_spot_and_the_others_are_read() {
    let trouble: Trouble = Arc::new(|_, path, query| {
        (path.ends_with("query_range") && query == TENSOR)
            .then(|| (StatusCode::BAD_REQUEST, r#"{"status":"error","errorType":"bad_data","error":"no"}"#).into_response())
    });
    let store = Fake { trouble: Some(trouble), ..Fake::of([all(UTIL, 1, |_, _| 7.0), all(TENSOR, 1, |_, _| 0.1)].concat()) };
    let mut fleet = fleet(1);
    store.read_into(&mut fleet, options(2)).await.unwrap();
    let metrics = &fleet.evidence.devices[0].metrics;
    assert!(metrics.get(Metric::GpuUtil).is_some() && metrics.get(Metric::TensorActive).is_none());
    let told = fleet.unseen.iter().find(|unseen| unseen.kind == UnseenKind::Partial && &*unseen.subject == TENSOR).unwrap();
    assert!(told.why.contains("no"), "{}", told.why);
}

#[tokio::test]
async fn a_store_that_cannot_be_read_ends_in_a_clear_error() {
    let always = |response: fn() -> Response| Fake { trouble: Some(Arc::new(move |_, _, _| Some(response()))), ..Fake::default() };
    type Case = (fn() -> Response, &'static str);
    let cases: [Case; 4] = [
        (|| "<!DOCTYPE html><title>Sign in</title>".into_response(), "credentials"),
        (|| StatusCode::UNAUTHORIZED.into_response(), "credentials"),
        (|| (StatusCode::NOT_FOUND, "404 page not found").into_response(), "/api/v1"),
        (|| r#"{"status":"success""#.into_response(), "/api/v1"),
    ];
    for (response, remedy) in cases {
        let error = always(response).read_into(&mut fleet(1), PrometheusOptions { retries: 1, ..options(1) }).await.unwrap_err();
        assert!(error.to_string().contains(remedy) && error.to_string().contains("127.0.0.1"), "{error}");
    }
    let trouble: Trouble = Arc::new(|_, path, _| path.ends_with("query_range").then(|| StatusCode::INTERNAL_SERVER_ERROR.into_response()));
    let broken = Fake { trouble: Some(trouble), ..Fake::of(all(UTIL, 1, |_, _| 0.0)) };
    let error = broken.read_into(&mut fleet(1), PrometheusOptions { retries: 1, ..options(30) }).await.unwrap_err();
    assert!(matches!(error, PrometheusError::Query { source: QueryError::Status { status: 500, .. }, .. }), "{error}");
}

#[tokio::test]
async fn no_connection_and_no_answer_are_told_apart() {
    let gone = PrometheusOptions { url: Some("http://127.0.0.1:9/".parse().unwrap()), retries: 1, ..options(1) };
    let store = find(&gone, None).await.unwrap();
    let error = read(&mut fleet(1), &store, &gone, &|_| {}).await.unwrap_err();
    assert!(matches!(error, PrometheusError::Query { source: QueryError::Connect(_), .. }), "{error}");
    let silent = Fake { slow: Some(Arc::new(|_| 5_000)), ..Fake::default() };
    let error = silent
        .read_into(&mut fleet(1), PrometheusOptions { timeout: Duration::from_millis(50), retries: 0, ..options(1) })
        .await
        .unwrap_err();
    assert!(matches!(error, PrometheusError::Query { source: QueryError::Timeout(_), .. }), "{error}");
    assert!(matches!(find(&options(1), None).await, Err(PrometheusError::NotFound { .. })));
}

#[tokio::test]
async fn credentials_and_tenants_go_with_every_request_and_into_no_message() {
    let store = Fake::of(all(UTIL, 1, |_, _| 7.0));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "secret-token\n").unwrap();
    let headers = vec![("X-Scope-OrgID".to_owned(), "team-a".to_owned())];
    let mut fleet = fleet(1);
    store.read_into(&mut fleet, PrometheusOptions { token_file: Some(file.path().to_owned()), headers, ..options(1) }).await.unwrap();
    for headers in store.headers.lock().unwrap().iter() {
        assert_eq!(
            (&headers["authorization"], &headers["x-scope-orgid"]),
            (&"Bearer secret-token".parse().unwrap(), &"team-a".parse().unwrap())
        );
    }
    let endpoint = Endpoint::direct(&"http://user:pass@prom.example:9090/prefix/".parse().unwrap(), &options(1)).await.unwrap();
    assert_eq!(endpoint.name(), "http://prom.example:9090/prefix");
    assert!(!format!("{endpoint:?}").contains("pass"));
    let bad = Endpoint::direct(&"ftp://user:pass@x/".parse().unwrap(), &options(1)).await.unwrap_err();
    assert!(!bad.to_string().contains("pass"));
}

#[tokio::test]
async fn both_dialects_are_read_and_the_ambiguous_ratio_is_found_out() {
    const RATIO: &str = "DCGM_FI_DEV_GPU_UTIL_RATIO";
    // Node 0 has an exporter that writes percent under the new name, node 1 a ratio.
    let store = Fake::of(all(RATIO, 2, |index, at| if index == 0 { f64::from(at == END - 60) * 40.0 } else { 0.5 }));
    let mut read = fleet(2);
    // The hosts share one address in the fake; here each exporter has its own.
    let mut store = store;
    store.series[1].labels.insert("instance".into(), "10.0.0.9:9400".into());
    store.read_into(&mut read, options(1)).await.unwrap();
    let util = |index: usize| read.evidence.devices[index].metrics.get(Metric::GpuUtil).unwrap().max();
    assert_eq!((util(0), util(1)), (0.4, 0.5));
    assert_eq!(read.evidence.dialects, [Dialect::BaseUnits]);
    assert!(read.unseen.iter().any(|unseen| &*unseen.subject == RATIO && unseen.why.contains("percentage")));
    // Where the description says percent, a 1 is one percent.
    let store = Fake { help: "GPU utilization (in %).".into(), ..Fake::of(all(RATIO, 1, |_, _| 1.0)) };
    let mut read = fleet(1);
    store.read_into(&mut read, options(1)).await.unwrap();
    assert_eq!(read.evidence.devices[0].metrics.get(Metric::GpuUtil).unwrap().max(), 0.01);
}

#[tokio::test]
async fn engines_and_waiting_pods_are_read_beside_the_gpus() {
    let pod = [("pod", "pod-0"), ("namespace", "ns"), ("model_name", "llama")];
    let mut all = all(UTIL, 1, |_, _| 7.0);
    all.push(series("vllm:num_requests_running", &pod, |_| 3.0));
    all.push(series("vllm_gpu_cache_usage_perc", &pod, |_| 0.25));
    all.push(series(
        "vllm:cache_config_info",
        &[("pod", "pod-0"), ("namespace", "ns"), ("block_size", "16"), ("num_gpu_blocks", "100")],
        |_| 1.0,
    ));
    // It grows by one a minute, and begins again in the middle of the window.
    all.push(series("vllm:request_success_total", &pod, |at| ((at - END).rem_euclid(43_200) / 60) as f64));
    all.push(series("DCGM_FI_DEV_FB_CAPACITY_BYTES", &[("UUID", "GPU-0"), ("gpu", "0"), ("Hostname", "node-0.x")], |_| 85_899_345_920.0));
    let store = Fake::of(all);
    let mut fleet = fleet(1);
    store.read_into(&mut fleet, options(24)).await.unwrap();
    let engine = &fleet.evidence.engines[0];
    assert_eq!((engine.engine, engine.model.as_deref(), engine.kv_tokens), (Engine::Vllm, Some("llama"), Some(1_600)));
    assert_eq!((engine.running.as_ref().unwrap().mean(), engine.kv_used.as_ref().unwrap().count()), (3.0, 1_440));
    // Two stretches of 719 steps up, less the window's first; a reset to zero adds nothing.
    assert_eq!(engine.requests, Some(718.0 + 719.0));
    assert!(fleet.evidence.engine_queries[&Engine::Vllm].contains("vllm:num_requests_running"));
    assert_eq!(fleet.nodes[0].gpu_memory, Some(plimsoll_fleet::Bytes(85_899_345_920)));
}

#[tokio::test]
async fn a_store_without_gpu_metrics_says_so() {
    let mut fleet = fleet(1);
    Fake::default().read_into(&mut fleet, options(1)).await.unwrap();
    assert!(fleet.evidence.window.is_none() && fleet.evidence.devices.is_empty());
    assert!(fleet.unseen.iter().any(|unseen| unseen.kind == UnseenKind::NoMetrics));
}

/// A moment without waiting pods has no series, and is still one at which nobody waited.
#[tokio::test]
async fn hours_without_waiting_pods_are_seen_to_be_so() {
    let mut all = all(UTIL, 1, |_, _| 7.0);
    all.extend(["kube_node_info", "kube_pod_container_resource_requests"].map(|name| series(name, &[("node", "n")], |_| 1.0)));
    let mut fleet = fleet(1);
    Fake::of(all).read_into(&mut fleet, options(4)).await.unwrap();
    let waiting: Vec<_> = fleet.evidence.hours.iter().map(|hour| hour.waiting).collect();
    // Who waits is asked for every five minutes, which leaves out the last moment: the beginning of a fifth hour.
    assert_eq!(waiting, [Some(0.0), Some(0.0), Some(0.0), Some(1.0), None]);
}

#[tokio::test]
async fn a_store_is_found_among_the_services_and_read_through_the_api_server() {
    let store = Fake::of(all(UTIL, 1, |_, _| 7.0));
    let url = store.serve().await;
    crate::install_crypto();
    let client = kube::Client::try_from(kube::Config::new(url.as_str().parse().unwrap())).unwrap();
    let options = options(2);
    let endpoint = find(&options, Some(&client)).await.unwrap();
    assert_eq!(endpoint.name(), "service monitoring/prometheus-k8s");
    let mut fleet = fleet(1);
    read(&mut fleet, &endpoint, &options, &|_| {}).await.unwrap();
    assert_eq!(fleet.evidence.devices[0].metrics.get(Metric::GpuUtil).unwrap().count(), 120);
}

/// Pods that came and went are told by kube-state-metrics; what of it cannot be read is said, and the rest is told.
#[tokio::test]
async fn lives_are_read_and_what_is_missing_of_them_is_said() {
    let past = |query: &str| -> Option<String> {
        let pod = r#""exported_namespace":"ns","exported_pod":"night-1","uid":"u""#;
        let (labels, value) = match query {
            query if query.starts_with("max by (exported_namespace, exported_pod, uid, container, node, resource)") => {
                (r#""container":"c","node":"gone","resource":"nvidia_com_gpu""#, "4".to_owned())
            }
            query if query.starts_with("label_replace(min by") => (r#""node":"gone","what":"max""#, (END - 7_000).to_string()),
            query if query.contains("kube_pod_created") => (r#""what":"created""#, (END - 9_000).to_string()),
            _ => return None,
        };
        let values = format!(r#"[[{END},"{value}"],[{END},"-1"],[{END},"NaN"],[{END},"1e300"]]"#);
        Some(format!(
            r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{{pod},{labels}}},"values":{values}}}]}}}}"#
        ))
    };
    let trouble = move |_: usize, path: &str, query: &str| match path {
        "/api/v1/query_range" if query.contains("cpu|memory") => Some(StatusCode::BAD_REQUEST.into_response()),
        "/api/v1/query_range" => past(query).map(|body| ([(header::CONTENT_TYPE, "application/json")], body).into_response()),
        _ => None,
    };
    let there = |name: &str| series(name, &[("resource", "nvidia_com_gpu")], |_| 1.0);
    let kube_state = ["kube_pod_container_resource_requests", "kube_node_info", "kube_pod_created"].map(there).to_vec();
    let store = Fake { trouble: Some(Arc::new(trouble)), ..Fake::of([all(UTIL, 2, |_, _| 50.0), kube_state].concat()) };
    let mut fleet = fleet(2);
    store.read_into(&mut fleet, options(48)).await.unwrap();
    let life = fleet.history.lives.iter().find(|life| &*life.name == "night-1").unwrap();
    assert_eq!((life.asks[0].count, life.node.as_deref(), life.cpu), (4, Some("gone"), None));
    assert_eq!((life.created, life.ended), (Some(Timestamp(END - 9_000)), Some(Timestamp(END - 7_000))));
    let sizes = fleet.unseen.iter().filter(|unseen| unseen.kind == UnseenKind::Partial && unseen.subject.contains("cpu|memory")).count();
    assert_eq!(sizes, 1, "{:?}", fleet.unseen);

    let mut without = self::fleet(2);
    Fake::of(all(UTIL, 2, |_, _| 50.0)).read_into(&mut without, options(1)).await.unwrap();
    assert_eq!(without.history.recorded, None);
    let absent = without.unseen.iter().find(|unseen| &*unseen.subject == "kube_pod_container_resource_requests").unwrap();
    assert!(absent.kind == UnseenKind::MetricAbsent && absent.remedy.contains("kube-state-metrics"));
}
