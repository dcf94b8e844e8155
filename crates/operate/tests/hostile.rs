//! The server among people who mean no good: each gets a proper answer or none, in bounded time, and whoever asks properly is
//! answered beside them.

#![allow(clippy::unwrap_used, missing_docs)]

use plimsoll_decide::guard::Policy;
use plimsoll_operate::{
    certificate::{Life, Made, Served},
    webhook::{World, serve_alone},
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Answers may take so long on a busy machine; none of the attacks is answered by waiting.
const SOON: Duration = Duration::from_secs(20);

struct Asked {
    address: SocketAddr,
    client: reqwest::Client,
}

impl Asked {
    async fn start() -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let made = Made::new(&["127.0.0.1".to_owned()], i64::try_from(now).unwrap(), Life::default()).unwrap();
        let served = Arc::new(Served::default());
        served.set(&made.certificate, &made.key).unwrap();
        let guardrail = json!({"apiVersion": "plimsoll.dev/v1alpha1", "kind": "Guardrail", "metadata": {"name": "g"},
            "spec": {"mode": "enforce"}});
        let world = Arc::new(World::default());
        world.set_policy(Policy::only(plimsoll_api::read(&guardrail).unwrap().into_iter().collect()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve_alone(listener, world, served, None, std::future::pending()));
        let authority = reqwest::Certificate::from_pem(made.bundle.as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([authority]).timeout(Duration::from_secs(60)).build().unwrap();
        Self { address, client }
    }

    fn post(&self) -> reqwest::RequestBuilder {
        self.client.post(format!("https://{}/validate", self.address)).header("content-type", "application/json")
    }

    async fn body(&self, body: impl Into<reqwest::Body>) -> (u16, String) {
        let start = Instant::now();
        let answer = self.post().body(body).send().await.unwrap();
        let told = (answer.status().as_u16(), answer.text().await.unwrap());
        assert!(start.elapsed() < SOON, "{:?} {}", start.elapsed(), told.0);
        told
    }

    async fn is_well(&self) {
        let (status, text) = self.body(review(&pod()).to_string()).await;
        assert_eq!((status, text.contains("\"allowed\":false")), (200, true), "{text}");
    }
}

fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "ml"},
        "spec": {"containers": [{"name": "c", "image": "a:latest", "resources": {"limits": {"nvidia.com/gpu": 1}}}]}})
}

fn review(object: &Value) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"}, "operation": "CREATE", "namespace": "ml", "userInfo": {"username": "x"},
        "object": object}})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_review_is_answered_as_such() {
    let asked = Asked::start().await;
    let good = review(&pod()).to_string();
    let deep = |n: usize| good.replace("\"a:latest\"", &format!("{}{}", "[".repeat(n), "]".repeat(n)));
    for (body, status, says) in [
        (String::new(), 400, "no AdmissionReview"),
        ("{".to_owned(), 400, "no AdmissionReview"),
        (deep(100_000), 400, "recursion limit"),
        (good.replacen("\"name\":\"a\"", "\"name\":\"a\",\"name\":\"b\"", 1), 400, "twice"),
        (good.replace("k8s.io/v1\"", "k8s.io/v1beta1\""), 400, "admission.k8s.io/v1 AdmissionReview is understood"),
        (good.replace("\"CREATE\"", "\"PATCH\""), 400, "unknown variant"),
        ("\u{0}".repeat(100), 400, "no AdmissionReview"),
        ("x".repeat(8 << 20), 413, "larger"),
    ] {
        let start: String = body.chars().take(80).collect();
        let (got, text) = asked.body(body).await;
        assert_eq!((got, text.contains(says)), (status, true), "{start}: {got} {text}");
    }
    let url = format!("https://{}", asked.address);
    let get = asked.client.get(format!("{url}/validate")).send().await.unwrap();
    assert_eq!(get.status(), 405);
    assert_eq!(asked.client.post(format!("{url}/elsewhere")).send().await.unwrap().status(), 404);
    for kind in ["text/plain", "application/xml", ""] {
        let answer = asked.client.post(format!("{url}/validate")).header("content-type", kind).body(good.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 415, "{kind}");
    }
    asked.is_well().await;
}

/// Objects as large as an API server takes them, in the shapes that cost most.
#[tokio::test(flavor = "multi_thread")]
async fn objects_of_three_mebibytes_are_judged_in_time() {
    let asked = Asked::start().await;
    let container = |at: usize| json!({"name": format!("c{at}"), "image": "a:latest", "resources": {"limits": {"nvidia.com/gpu": 1}}});
    let mut containers = pod();
    containers["spec"]["containers"] = (0..30_000).map(container).collect();
    let mut labels = pod();
    labels["metadata"]["labels"] =
        (0..90_000).map(|at| (format!("label-{at}"), json!("some-value"))).collect::<serde_json::Map<_, _>>().into();
    let mut terms = pod();
    let term = json!({"matchExpressions": [{"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-B200", "x", "y"]}]});
    terms["spec"]["affinity"] =
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": vec![term; 25_000]}}});
    let mut tolerations = pod();
    tolerations["spec"]["tolerations"] =
        vec![json!({"key": "some-key", "operator": "Equal", "value": "v", "effect": "NoSchedule"}); 35_000].into();
    let mut text = pod();
    text["spec"]["containers"][0]["image"] = "a/".repeat(1 << 20).into();
    for object in [containers, labels, terms, tolerations, text] {
        let body = review(&object).to_string();
        assert!(body.len() > 2 << 20 && body.len() < 4 << 20, "{}", body.len());
        let (status, text) = asked.body(body).await;
        assert_eq!((status, text.contains("\"allowed\":false")), (200, true), "{}", &text[..text.len().min(300)]);
        assert!(text.len() < 64 << 10, "an answer of {} bytes", text.len());
    }
    asked.is_well().await;
}

/// More connections than there are places, that say nothing; and bodies that come a byte at a time.
#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_keep_nobody_waiting_for_long() {
    let asked = Asked::start().await;
    asked.is_well().await;
    let mut silent = Vec::new();
    for _ in 0..700 {
        silent.push(TcpStream::connect(asked.address).await.unwrap());
    }
    // A new client, whose connection is behind all of them.
    let other = Asked { address: asked.address, client: asked.client.clone() };
    let fresh = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).pool_max_idle_per_host(0).build().unwrap();
    let start = Instant::now();
    let answer = fresh.post(format!("https://{}/validate", asked.address)).header("content-type", "application/json");
    let answer = answer.body(review(&pod()).to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    other.is_well().await;
    // Those that said nothing have been closed.
    let mut closed = 0;
    for stream in &mut silent {
        let mut byte = [0];
        closed += usize::from(matches!(tokio::time::timeout(Duration::from_secs(15), stream.read(&mut byte)).await, Ok(Ok(0) | Err(_))));
    }
    assert_eq!(closed, silent.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_is_given_up() {
    let asked = Asked::start().await;
    let (mut writer, reader) = tokio::io::duplex(64);
    let trickle = tokio::spawn(async move {
        for byte in std::iter::repeat_n(b' ', 1_000) {
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let start = Instant::now();
    let body = reqwest::Body::wrap_stream(futures_stream(reader));
    let answer = asked.post().body(body).send().await;
    // An answer, or the end of the connection, but no waiting for all of it.
    assert!(answer.is_err() || answer.unwrap().status() == 408);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    trickle.abort();
    asked.is_well().await;
}

fn futures_stream(reader: tokio::io::DuplexStream) -> impl futures::Stream<Item = std::io::Result<Vec<u8>>> {
    futures::stream::unfold(reader, |mut reader| async move {
        let mut bytes = vec![0; 64];
        match reader.read(&mut bytes).await {
            Ok(0) => None,
            Ok(read) => {
                bytes.truncate(read);
                Some((Ok(bytes), reader))
            }
            Err(error) => Some((Err(error), reader)),
        }
    })
}
