//! Guardrails at the API server: the admission webhook.
//!
//! - [`run`]: all of it, until it is told to end
//! - `server`: HTTPS; `review`: what is asked and answered; `door`: reviews; `words`: what people are told
//! - [`world`]: what is known of the cluster; `watch`: how it is learnt; `kinds`: of which kinds; `siblings`: what a watch has not
//!   brought yet
//! - `ledger`: what teams hold, so that two pods cannot both get the last GPU
//! - `recheck`: what the cluster holds and the rules would not let in
//! - [`registration`]: how the API server is told to ask; `recorder`: the audit trail; `metrics`: what Prometheus reads
//!
//! Where a review cannot be answered the answer is an error, and the API server does what the failure policy says: that is the
//! user's. Bodies, connections and waits are bounded: see the constants of `server` and [`BODIES_MAX`].

mod door;
pub mod kinds;
mod ledger;
mod metrics;
mod recheck;
mod recorder;
pub mod registration;
pub mod review;
mod seen;
mod server;
mod siblings;
#[cfg(test)]
mod tests;
mod watch;
mod words;
pub mod world;

pub use metrics::Metrics;
pub use recorder::Recorder;
pub use registration::{FailurePolicy, Reached, Registration};
pub use world::World;

use crate::{
    certificate::{Keeper, Served},
    lease::{self, Election},
};
use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, Version, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use door::{Decided, Door, DoorError};
use http_body_util::{BodyExt as _, Limited};
use kube::Client;
use plimsoll_api::Mode;
use plimsoll_fleet::Timestamp;
use plimsoll_observe::{
    decisions::{Broken, Form, Record},
    manifest::{Node, Tree},
};
use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{net::TcpListener, sync::Semaphore};

/// Largest body, bytes. An object has 3 MiB at most (the API server's own limit on requests), and a review holds two of them.
pub const BODY_MAX: usize = 7 << 20;

/// Most bytes of bodies that are read at once.
pub const BODIES_MAX: usize = 8 * BODY_MAX;

/// A body that takes longer to come is a client that does not want to talk. The API server gives up after 30 s at most.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// The Lease's name.
pub const LEASE: &str = "plimsoll-webhook";

/// How the webhook runs.
#[derive(Debug)]
pub struct Options {
    /// Where reviews are answered, with TLS.
    pub listen: SocketAddr,
    /// Where metrics and probes are, without TLS.
    pub metrics: SocketAddr,
    /// The namespace of its Secret and its Lease.
    pub namespace: String,
    /// Where its certificate comes from.
    pub keeper: Keeper,
    /// The configurations to make; none: somebody else makes them.
    pub registration: Option<Registration>,
    /// Where decisions are recorded; none: nowhere.
    pub recorder: Option<Recorder>,
    /// Its metrics.
    pub meters: Arc<Metrics>,
    /// Namespaces that no rule reaches, beside [`registration::NEVER_ASKED`] and its own.
    pub except: Vec<String>,
    /// How often what the cluster holds is checked again.
    pub recheck: Duration,
    /// How long it goes on taking connections once it was told to end: until every API server knows.
    pub drain: Duration,
}

/// Why the webhook cannot run.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: another program may have it, or it is not one of this machine's")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The configurations could not be made.
    #[error("the webhook configurations could not be made")]
    Register(#[source] Box<kube::Error>),
}

/// Runs it until `stop` ends, and then until what was asked is answered.
///
/// # Errors
/// [`WebhookError`]: it did not begin. What goes wrong later is logged, and tried again.
pub async fn run(client: Client, options: Options, stop: impl Future<Output = ()>) -> Result<(), WebhookError> {
    let bind = async |address: SocketAddr| bind(address).await.map_err(|source| WebhookError::Listen { address, source });
    let (listener, metrics_listener) = (bind(options.listen).await?, bind(options.metrics).await?);
    let served = Arc::new(Served::default());
    let tls = server::tls(served.clone())?;
    if let Some(registration) = &options.registration {
        registration.apply(&client).await.map_err(|error| WebhookError::Register(Box::new(error)))?;
    }
    let world = Arc::new(World::default());
    let synced = Arc::new(watch::Synced::default());
    let election = Election::new(client.clone(), &options.namespace, LEASE, identity());
    let leader = election.leader();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(election.run());
    tasks.spawn(options.keeper.run(client.clone(), leader.clone(), served.clone()));
    tasks.spawn(watch::run(client.clone(), world.clone(), synced.clone()));

    let except = options.except.iter().map(String::as_str).chain([&*options.namespace]).chain(registration::NEVER_ASKED);
    let shared = Arc::new(Shared {
        door: Door::new(world.clone(), Some(client.clone())).except(except),
        world,
        served,
        synced: Some(synced),
        draining: AtomicBool::new(false),
        metrics: options.meters,
        recorder: options.recorder,
        bodies: Semaphore::new(BODIES_MAX),
    });
    tasks.spawn(recheck::run(client.clone(), shared.clone(), leader.clone(), options.recheck));
    let side = tokio::spawn(axum::serve(metrics_listener, side_router(shared.clone())).into_future());
    tracing::info!(listen = %options.listen, metrics = %options.metrics, "the webhook is up");
    let ends = async {
        stop.await;
        shared.draining.store(true, Ordering::Release);
        tracing::info!(drain = ?options.drain, "told to end: not ready from now on");
        tokio::time::sleep(options.drain).await;
    };
    server::serve(listener, tls, router(shared.clone()), ends).await;
    tasks.abort_all();
    lease::release(client, &options.namespace, LEASE, &leader).await;
    if let Some(recorder) = &shared.recorder {
        recorder.written().await;
    }
    side.abort();
    tracing::info!("ended");
    Ok(())
}

/// At all addresses of the machine, also where its kernel has no IPv6.
async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(_) if address.ip() == std::net::Ipv6Addr::UNSPECIFIED => {
            TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

/// Serves reviews by the rules that `world` has, without a cluster behind it: for benchmarks and tests of the server itself. Decisions
/// are recorded by `recorder`, if there is one.
///
/// # Errors
/// [`WebhookError`].
pub async fn serve_alone(
    listener: TcpListener,
    world: Arc<World>,
    served: Arc<Served>,
    recorder: Option<Recorder>,
    stop: impl Future<Output = ()>,
) -> Result<(), WebhookError> {
    let tls = server::tls(served.clone())?;
    let shared = Arc::new(Shared {
        door: Door::new(world.clone(), None),
        world,
        served,
        synced: None,
        draining: AtomicBool::new(false),
        metrics: Arc::default(),
        recorder,
        bodies: Semaphore::new(BODIES_MAX),
    });
    server::serve(listener, tls, router(shared), stop).await;
    Ok(())
}

/// The body of the answer to the body of a request to `/validate`, by the rules that `world` has, without a cluster behind it.
///
/// # Errors
/// [`review::ReviewError`]: what the server answers with the status 400.
pub async fn answer_alone(world: Arc<World>, body: &[u8]) -> Result<Vec<u8>, review::ReviewError> {
    let request = review::decode(body)?;
    let uid = request.uid.clone();
    let decided = Door::new(world, None).validate(request).await;
    // Without a cluster nothing is booked, which alone can go wrong.
    Ok(decided.unwrap_or_default().answer.encode(&uid)?)
}

struct Shared {
    door: Door,
    world: Arc<World>,
    served: Arc<Served>,
    /// None: there is no cluster.
    synced: Option<Arc<watch::Synced>>,
    draining: AtomicBool,
    metrics: Arc<Metrics>,
    recorder: Option<Recorder>,
    bodies: Semaphore,
}

impl Shared {
    /// Are the rules, and what the cluster holds, there? Who can ask trusts the certificate, whatever this machine's clock says of it.
    fn is_loaded(&self) -> bool {
        self.world.is_compiled() && self.synced.as_ref().is_none_or(|synced| synced.is_complete())
    }

    fn is_ready(&self) -> bool {
        self.is_loaded() && self.served.holds(now().0) && !self.draining.load(Ordering::Acquire)
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new().route("/validate", post(validate)).route("/mutate", post(mutate)).with_state(shared)
}

fn side_router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route(
            "/readyz",
            get(async |State(shared): State<Arc<Shared>>| {
                if shared.is_ready() {
                    return (StatusCode::OK, "ready\n".to_owned());
                }
                let why = if shared.draining.load(Ordering::Acquire) {
                    "it was told to end"
                } else if !shared.served.holds(now().0) {
                    "there is no certificate that holds"
                } else {
                    "the rules, or what the cluster holds, have not been read yet"
                };
                (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n"))
            }),
        )
        .route(
            "/metrics",
            get(async |State(shared): State<Arc<Shared>>| {
                let page = shared.metrics.page(shared.is_ready(), shared.served.ends(), shared.world.wrong().len());
                ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], page)
            }),
        )
        .with_state(shared)
}

async fn validate(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    reviewed(&shared, "validate", request).await
}

async fn mutate(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    reviewed(&shared, "mutate", request).await
}

async fn reviewed(shared: &Shared, path: &'static str, request: Request) -> Response {
    let start = Instant::now();
    let is_kept = request.version() < Version::HTTP_2;
    let (mut response, answer) = match review(shared, path, request).await {
        Ok((response, is_refused)) => (response, if is_refused { "refused" } else { "allowed" }),
        Err(refusal) => (refusal, "failed"),
    };
    shared.metrics.reviewed(path, answer, start.elapsed().as_secs_f64());
    if is_kept && shared.draining.load(Ordering::Acquire) {
        // The API server asks a Service by HTTP/1.1 and keeps its connections. One that is closed in the moment in which the next
        // question is on its way would drop that question; told so, it opens another, to a replica that stays. (HTTP/2 has GOAWAY.)
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The response, and whether it refuses; else the error.
async fn review(shared: &Shared, path: &'static str, request: Request) -> Result<(Response, bool), Response> {
    let wrong = |code: StatusCode, says: String| (code, says).into_response();
    if !shared.is_loaded() {
        return Err(wrong(StatusCode::SERVICE_UNAVAILABLE, "plimsoll has not read the rules yet".to_owned()));
    }
    let body = body(shared, request).await?;
    let request = review::decode(&body).map_err(|error| wrong(StatusCode::BAD_REQUEST, error.to_string()))?;
    drop(body);
    let told = Told::of(&request);
    let decided = match path {
        "validate" => shared.door.validate(request).await,
        _ => Ok(shared.door.mutate(request).await),
    }
    .map_err(|error: DoorError| {
        tracing::error!(%error, "a review could not be answered");
        wrong(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    })?;
    let is_refused = decided.answer.refusal.is_some();
    let body = decided.answer.encode(&told.uid).map_err(|error| wrong(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    note(shared, told, decided);
    Ok((([(header::CONTENT_TYPE, "application/json")], body).into_response(), is_refused))
}

/// The body, once there is room for it.
async fn body(shared: &Shared, request: Request) -> Result<Bytes, Response> {
    let wrong = |code: StatusCode, says: &str| (code, says.to_owned()).into_response();
    let is_json = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !is_json.is_some_and(|kind| kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))) {
        return Err(wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, "an AdmissionReview comes as application/json"));
    }
    let too_large = || wrong(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than two objects can be");
    let said = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if said.is_some_and(|said| said > BODY_MAX) {
        return Err(too_large());
    }
    let room = u32::try_from(said.unwrap_or(BODY_MAX)).unwrap_or(u32::MAX);
    let read = async {
        let _room = shared.bodies.acquire_many(room).await;
        Limited::new(request.into_body(), BODY_MAX).collect().await.map(http_body_util::Collected::to_bytes)
    };
    match tokio::time::timeout(BODY_TIME_MAX, read).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if error.downcast_ref::<http_body_util::LengthLimitError>().is_some() => Err(too_large()),
        Ok(Err(_)) => Err(wrong(StatusCode::BAD_REQUEST, "the body did not come whole")),
        Err(_) => Err(wrong(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
    }
}

/// What of a request is told in logs and records.
struct Told {
    uid: String,
    operation: &'static str,
    namespace: String,
    user: String,
    dry_run: bool,
}

impl Told {
    fn of(request: &review::Request) -> Self {
        Self {
            uid: request.uid.clone(),
            operation: request.operation.name(),
            namespace: request.namespace.clone(),
            user: request.user_info.username.clone(),
            dry_run: request.dry_run.unwrap_or(false),
        }
    }
}

/// Counts, logs and records a decision.
fn note(shared: &Shared, told: Told, decided: Decided) {
    let Some(judgement) = &decided.judgement else { return };
    for breach in &judgement.breaches {
        shared.metrics.broke(&breach.rule, breach.mode, &told.namespace);
    }
    let (gpus, conflicts) = decided.booked;
    if gpus > 0 || conflicts > 0 {
        shared.metrics.booked(gpus, conflicts);
    }
    if decided.answer.refusal.is_some() {
        let Told { uid, operation, namespace, user, .. } = &told;
        let broken = judgement.breaches.iter().filter(|breach| breach.mode == Mode::Enforce);
        let object = broken.clone().next().map(|breach| breach.subject.to_string());
        let mut rules: Vec<&str> = broken.map(|breach| &*breach.rule).collect();
        rules.dedup();
        // Their words are in the record.
        tracing::info!(uid, operation, namespace, user, object, rules = rules.join(", "), "refused");
    }
    let is_told = judgement.wants_gpus || !judgement.breaches.is_empty();
    if let (Some(recorder), true) = (&shared.recorder, is_told) {
        recorder.record(&record(told, decided));
    }
}

fn record(told: Told, decided: Decided) -> Record {
    let judgement = decided.judgement.unwrap_or_default();
    let broken = |breach: &plimsoll_decide::guard::Breach| Broken {
        rule: breach.rule.to_string(),
        mode: breach.mode.name().to_owned(),
        path: breach.path.to_string(),
        message: breach.message(),
    };
    Record {
        plimsoll: Form::V1,
        at: now(),
        uid: told.uid,
        operation: told.operation.to_owned(),
        namespace: told.namespace,
        namespace_labels: decided.namespace_labels,
        user: told.user,
        dry_run: told.dry_run,
        by_controller: decided.by_controller,
        allowed: decided.answer.refusal.is_none(),
        breaches: judgement.breaches.iter().map(broken).collect(),
        patched: !decided.answer.patch.is_empty(),
        object: decided.object.unwrap_or(Node { line: 0, tree: Tree::Null }),
    }
}

/// The moment.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Timestamp(i64::try_from(since).unwrap_or(i64::MAX))
}

/// Which replica this is: the pod's name, or the machine's and the process's.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "plimsoll".to_owned());
    format!("{host}_{}", std::process::id())
}
