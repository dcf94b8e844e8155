//! An exporter's HTTP server.

use super::{Page, text};
use anyhow::Context as _;
use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use plimsoll_fleet::Timestamp;
use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    thread::JoinHandle,
};
use tokio::sync::oneshot;

/// A page on the network, until it is dropped.
///
/// It has a thread of its own: a test that blocks (it runs the program and waits for it) must not make its exporters mute.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Serves `page` under `/metrics` on loopback, on a port of the kernel's choice.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn start(page: Page) -> anyhow::Result<Self> {
        Self::start_at(page, SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
    }

    /// Serves `page` under `/metrics` at `address`.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn start_at(page: Page, address: SocketAddrV4) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind(address).with_context(|| format!("cannot bind {address}"))?;
        listener.set_nonblocking(true).context("cannot make a listener non-blocking")?;
        let address = listener.local_addr().context("a bound listener has an address")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
        let (stop, stopped) = oneshot::channel::<()>();
        let answer = move || {
            let body = text(&page, Timestamp(jiff::Timestamp::now().as_second()));
            async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], body) }
        };
        let thread = std::thread::Builder::new()
            .name("exporter".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                    let serve = axum::serve(listener, Router::new().route("/metrics", get(answer)));
                    // It ends with the test, open connections or not.
                    tokio::select! { _ = serve => {}, _ = stopped => {} }
                });
            })
            .context("cannot start a thread")?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its metrics are.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
