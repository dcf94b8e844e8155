//! A client for reviews that takes little of a core: requests are made beforehand, and connections are kept.

use anyhow::{Context as _, ensure};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Mutex,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Requests to a server on loopback, asked over and over.
pub struct Load {
    requests: Vec<Vec<u8>>,
    port: u16,
    connector: TlsConnector,
}

impl Load {
    /// Of these bodies, to a server whose certificate `authority` (PEM) has signed.
    pub fn new(authority: &str, port: u16, bodies: &[Vec<u8>]) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let request = |body: &Vec<u8>| {
            let head = format!(
                "POST /validate HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            [head.as_bytes(), body].concat()
        };
        Ok(Self { requests: bodies.iter().map(request).collect(), port, connector: TlsConnector::from(Arc::new(config)) })
    }

    /// As many as it takes on so many connections, each with one request at any time; how long each took, seconds.
    pub async fn busy(self: &Arc<Self>, connections: usize, count: usize) -> anyhow::Result<Vec<f32>> {
        let workers = (0..connections).map(async |worker| {
            let mut connection = self.connect().await?;
            let mut waits = Vec::with_capacity(count / connections);
            for at in 0..count / connections {
                let start = Instant::now();
                connection.ask(self.request(worker * 61 + at)).await?;
                waits.push(start.elapsed().as_secs_f32());
            }
            anyhow::Ok(waits)
        });
        Ok(futures::future::try_join_all(workers).await?.concat())
    }

    /// One each time that one is due, whether or not those before have been answered, as long as one of the connections is free; from
    /// when it was due, seconds.
    pub async fn paced(self: &Arc<Self>, connections: usize, rate: u32, count: usize) -> anyhow::Result<Vec<f32>> {
        let open = futures::future::try_join_all((0..connections).map(|_| self.connect())).await?;
        let (start, next) = (Instant::now(), Mutex::new(0));
        let workers = open.into_iter().map(async |mut connection| {
            let mut waits = Vec::new();
            loop {
                let (at, due) = {
                    let mut next = next.lock().await;
                    let at = *next;
                    if at == count {
                        return anyhow::Ok(waits);
                    }
                    *next += 1;
                    let due = start + Duration::from_secs(1) * u32::try_from(at)? / rate;
                    // The timer of the runtime counts milliseconds, which is several requests. The two cores may be two threads of one:
                    // who waits must leave it to the other.
                    while Instant::now() < due {
                        (0..200).for_each(|_| std::hint::spin_loop());
                        tokio::task::yield_now().await;
                    }
                    (at, due)
                };
                connection.ask(self.request(at)).await?;
                waits.push(due.elapsed().as_secs_f32());
            }
        });
        Ok(futures::future::try_join_all(workers).await?.concat())
    }

    fn request(&self, at: usize) -> &[u8] {
        &self.requests[at % self.requests.len()]
    }

    async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        let stream = self.connector.connect(ServerName::try_from("127.0.0.1")?, stream).await?;
        Ok(Connection { stream, read: Vec::with_capacity(16 << 10) })
    }
}

struct Connection {
    stream: TlsStream<TcpStream>,
    read: Vec<u8>,
}

impl Connection {
    /// Sends a request, and reads its answer to the end.
    async fn ask(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        self.read.clear();
        let (head, length) = loop {
            ensure!(self.stream.read_buf(&mut self.read).await? > 0, "the server ends the connection");
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                let head = std::str::from_utf8(&self.read[..end])?;
                ensure!(head.starts_with("HTTP/1.1 200 "), "the server answers {}", head.lines().next().unwrap_or_default());
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).context("an answer without its length")?;
                break (end + 4, length.parse::<usize>()?);
            }
        };
        while self.read.len() < head + length {
            ensure!(self.stream.read_buf(&mut self.read).await? > 0, "the server ends the connection");
        }
        ensure!(find(&self.read[head..], b"\"allowed\":").is_some(), "the answer is no review");
        Ok(())
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
