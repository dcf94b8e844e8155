//! HTTPS: connections, their limits, and an end that drops no request.

use crate::certificate::Served;
use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use std::{
    future::Future,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// Most connections at once. An API server keeps a few; a large control plane has five of them.
pub const CONNECTIONS_MAX: usize = 512;

/// A handshake that takes longer is a client that does not want to talk.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// The headers of a request must have come within so long; also how long a connection may be open without a first request.
const HEADERS_MAX: Duration = Duration::from_secs(10);

/// The same for the requests that follow on a connection of HTTP/1.1, where the time begins with the answer before. Go's client, which
/// the API server has, keeps idle connections for 90 s: closed before that, one would drop the question that is on its way.
const NEXT_HEADERS_MAX: Duration = Duration::from_secs(120);

/// A connection without a request for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// How long requests that are being answered may take once the server ends. The API server waits 30 s at most.
const FINISH_MAX: Duration = Duration::from_secs(30);

/// Requests of one connection at once (HTTP/2). Go's client opens another connection when it meets this.
const STREAMS_MAX: u32 = 250;

/// The TLS side: TLS 1.2 and 1.3, HTTP/2 and 1.1, the certificate of the moment.
///
/// # Errors
/// Protocol versions that the crypto provider does not have: none that can be met.
pub fn tls(served: Arc<Served>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(served);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// When the last request of a connection came.
struct Activity {
    start: Instant,
    /// Milliseconds since `start`, and one; zero: there was none.
    last: AtomicU64,
}

impl Activity {
    fn new() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0) }
    }

    fn touch(&self) {
        let since = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.last.store(since + 1, Ordering::Relaxed);
    }

    fn is_dead(&self) -> bool {
        match self.last.load(Ordering::Relaxed) {
            0 => self.start.elapsed() > HEADERS_MAX,
            last => self.start.elapsed() > IDLE_MAX + Duration::from_millis(last - 1),
        }
    }
}

/// Serves until `stop` ends; then takes no more connections, and answers what has been asked.
pub async fn serve(listener: TcpListener, config: ServerConfig, router: Router, stop: impl Future<Output = ()>) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (ends, ending) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        // A place first: who comes when all are taken waits in the queue of the kernel.
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place,
            () = &mut stop => break,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (acceptor, router, ending) = (acceptor.clone(), router.clone(), ending.clone());
                connections.spawn(async move {
                    // What goes wrong with a connection is its client's to know.
                    drop(connection(stream, acceptor, router, ending).await);
                    drop(place);
                });
            }
            Err(error) => {
                // Too many open files, or a client that was gone already: neither ends the server.
                tracing::debug!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let _ = ends.send(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FINISH_MAX, all).await.is_err() {
        tracing::warn!("requests were still being answered after {} s, and were given up", FINISH_MAX.as_secs());
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, router: Router, mut ending: watch::Receiver<bool>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let activity = Arc::new(Activity::new());
    let service = {
        let activity = activity.clone();
        router.layer(axum::middleware::map_request(move |request: axum::extract::Request| {
            activity.touch();
            std::future::ready(request)
        }))
    };
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(NEXT_HEADERS_MAX).max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(64 << 10)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let builder = if is_http2 { builder.http2_only() } else { builder.http1_only() };
    let serving = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut serving = pin!(serving);
    let mut look = tokio::time::interval(HEADERS_MAX / 2);
    loop {
        tokio::select! {
            done = serving.as_mut() => return done.map_err(io::Error::other),
            changed = ending.changed() => {
                serving.as_mut().graceful_shutdown();
                if changed.is_err() || *ending.borrow() {
                    return serving.await.map_err(io::Error::other);
                }
            }
            _ = look.tick() => if activity.is_dead() { return Ok(()) },
        }
    }
}
