//! One metrics store, reached directly or through the API server's service proxy.
//!
//! Through the API server everything is a GET: a POST would need the right to create, and would look like a write.

use super::{PrometheusError, PrometheusOptions, QueryError, answer};
use futures::AsyncReadExt;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::{
    error::Error,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use url::{Url, form_urlencoded};

/// An answer may be this long: some ten times what is planned for, and safe to hold a few of.
const ANSWER_MAX: usize = 96 << 20;
/// A server may ask to wait at most this long.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// A metrics store that can be asked.
pub struct Endpoint {
    way: Way,
    name: String,
    timeout: Duration,
    retries: u32,
    backoff: Duration,
}

enum Way {
    Direct {
        client: reqwest::Client,
        base: Url,
        token_file: Option<PathBuf>,
        basic: Option<(String, String)>,
        /// It does not take POST.
        get_only: AtomicBool,
    },
    Proxied {
        client: Box<kube::Client>,
        /// `/api/v1/namespaces/…/proxy`, without a slash at its end.
        base: String,
        headers: Vec<(String, String)>,
    },
}

/// Its name only: the rest holds passwords.
impl std::fmt::Debug for Endpoint {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Endpoint").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// The store at `url`.
    ///
    /// # Errors
    /// The address, a file, or a setting cannot be used.
    pub async fn direct(url: &Url, options: &PrometheusOptions) -> Result<Self, PrometheusError> {
        crate::install_crypto();
        let mut base = url.clone();
        let in_address = (!url.username().is_empty()).then(|| (url.username().to_owned(), url.password().unwrap_or("").to_owned()));
        // A query or fragment of the address means nothing to the API, and names and passwords stay out of every message.
        base.set_query(None);
        base.set_fragment(None);
        let is_web = matches!(base.scheme(), "http" | "https") && base.has_host();
        if !is_web || base.set_username("").is_err() || base.set_password(None).is_err() {
            return Err(PrometheusError::Address { url: format!("{}://…", base.scheme()) });
        }
        let name = base.as_str().trim_end_matches('/').trim_end_matches("/api/v1").to_owned();
        let setting = |what, hint| {
            let address = name.clone();
            move |source: Box<dyn Error + Send + Sync>| PrometheusError::Setting { what, address, hint, source }
        };
        let mut headers = HeaderMap::new();
        for (key, value) in &options.headers {
            let bad = setting("a header", "it must be written NAME=VALUE, in plain letters");
            let key = HeaderName::try_from(key).map_err(|source| bad.clone()(source.into()))?;
            headers.insert(key, HeaderValue::try_from(value).map_err(|source| bad(source.into()))?);
        }
        if let Some(token) = &options.token {
            headers.insert(http::header::AUTHORIZATION, bearer(token).map_err(setting("the token", "it must be plain letters"))?);
        }
        let mut builder = reqwest::Client::builder()
            .default_headers(headers)
            .timeout(options.timeout)
            .connect_timeout(options.timeout.min(Duration::from_secs(15)))
            .user_agent(concat!("plimsoll/", env!("CARGO_PKG_VERSION")));
        if let Some((certificate, key)) = &options.identity {
            let mut pem = file("the client certificate", certificate).await?;
            pem.push(b'\n');
            pem.extend(file("the client key", key).await?);
            let bad = setting("the client certificate", "certificate and key must be PEM");
            builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(|source| bad(source.into()))?);
        }
        if let Some(path) = &options.ca {
            let pem = file("the certificates of authorities", path).await?;
            let bad = setting("the file of authorities", "it must hold PEM certificates");
            let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|source| bad(source.into()))?;
            builder = builder.tls_certs_merge(authorities);
        }
        if options.insecure {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        let bad = setting("the settings", "check certificates and headers");
        let client = builder.build().map_err(|source| bad(source.into()))?;
        let base = Url::parse(&name).map_err(|_| PrometheusError::Address { url: name.clone() })?;
        let way = Way::Direct {
            client,
            base,
            token_file: options.token_file.clone(),
            basic: options.basic.clone().or(in_address),
            get_only: AtomicBool::new(false),
        };
        Ok(Self { way, name, timeout: options.timeout, retries: options.retries, backoff: options.backoff })
    }

    /// The store behind the API server's proxy at `path`; `name` is for people.
    #[must_use]
    pub fn proxied(client: kube::Client, path: &str, name: &str, options: &PrometheusOptions) -> Self {
        let base = path.trim_end_matches('/').to_owned();
        let way = Way::Proxied { client: Box::new(client), base, headers: options.headers.clone() };
        Self { way, name: name.to_owned(), timeout: options.timeout, retries: options.retries, backoff: options.backoff }
    }

    /// Its address, without credentials.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long one request may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Asks `path` (`/api/v1/query`) with `form`; what fails for a while is tried again, each time after a longer wait.
    pub(super) async fn ask(&self, path: &str, form: &[(&str, &str)]) -> Result<Vec<u8>, QueryError> {
        let mut wait = self.backoff;
        let mut tries_left = self.retries;
        loop {
            let error = match self.ask_once(path, form).await {
                Ok(body) => return Ok(body),
                Err(error) => error,
            };
            if tries_left == 0 || !error.is_passing() {
                return Err(error);
            }
            // What is too slow now will hardly be faster soon: the caller asks for less.
            tries_left = if matches!(error, QueryError::Timeout(_)) { 0 } else { tries_left - 1 };
            let asked = match &error {
                QueryError::Status { retry_after, .. } => retry_after.map(|asked| asked.min(RETRY_AFTER_MAX)),
                _ => None,
            };
            tracing::debug!(store = %self.name, %error, "tries again");
            tokio::time::sleep(asked.unwrap_or(wait).max(wait)).await;
            wait = (wait * 2).min(RETRY_AFTER_MAX);
        }
    }

    /// Asks once, without a new try.
    pub(super) async fn ask_once(&self, path: &str, form: &[(&str, &str)]) -> Result<Vec<u8>, QueryError> {
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let asked = async {
            match &self.way {
                Way::Direct { client, base, token_file, basic, get_only } => {
                    let with = With { token_file: token_file.as_ref(), basic: basic.as_ref(), timeout: self.timeout };
                    // Only queries are POSTed: lists of names are not everywhere.
                    let posts = path.contains("/query") && !get_only.load(Ordering::Relaxed);
                    let answer = direct(client, base, path, &encoded, with, posts).await;
                    if posts && matches!(answer, Err(QueryError::Status { status: 405 | 501, .. })) {
                        get_only.store(true, Ordering::Relaxed);
                        return direct(client, base, path, &encoded, with, false).await;
                    }
                    answer
                }
                Way::Proxied { client, base, headers } => proxied(client, &format!("{base}{path}?{encoded}"), headers).await,
            }
        };
        tokio::time::timeout(self.timeout, asked).await.unwrap_or(Err(QueryError::Timeout(self.timeout)))
    }
}

fn bearer(token: &str) -> Result<HeaderValue, Box<dyn Error + Send + Sync>> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim()))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn file(what: &'static str, path: &PathBuf) -> Result<Vec<u8>, PrometheusError> {
    tokio::fs::read(path).await.map_err(|source| PrometheusError::File { what, path: path.clone(), source })
}

/// What goes with each request beside the client's own settings.
#[derive(Clone, Copy)]
struct With<'a> {
    token_file: Option<&'a PathBuf>,
    basic: Option<&'a (String, String)>,
    timeout: Duration,
}

async fn direct(
    client: &reqwest::Client,
    base: &Url,
    path: &str,
    encoded: &str,
    with: With<'_>,
    posts: bool,
) -> Result<Vec<u8>, QueryError> {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    let mut request = if posts {
        client.post(url).header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(encoded.to_owned())
    } else {
        url.set_query(Some(encoded));
        client.get(url)
    };
    if let Some(path) = with.token_file {
        let token = tokio::fs::read_to_string(path).await.map_err(|source| QueryError::Token { path: path.clone(), source })?;
        request = request.bearer_auth(token.trim());
    } else if let Some((name, password)) = with.basic {
        request = request.basic_auth(name, Some(password));
    }
    // The address in reqwest's own message adds nothing to ours.
    let broken = |source: reqwest::Error| match source.is_timeout() && !source.is_connect() {
        true => QueryError::Timeout(with.timeout),
        false => QueryError::Connect(source.without_url().into()),
    };
    let mut response = request.send().await.map_err(broken)?;
    let status = response.status();
    let retry_after =
        response.headers().get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > ANSWER_MAX {
            return Err(QueryError::TooLarge { limit: ANSWER_MAX });
        }
        body.extend_from_slice(&chunk);
    }
    checked(status.as_u16(), retry_after, body)
}

async fn proxied(client: &kube::Client, uri: &str, headers: &[(String, String)]) -> Result<Vec<u8>, QueryError> {
    let mut request = http::Request::get(uri);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(Vec::new()).map_err(|source| QueryError::Connect(source.into()))?;
    let stream = client.request_stream(request).await.map_err(|error| match error {
        kube::Error::Api(status) => QueryError::Status { status: status.code, message: shortened(&status.message), retry_after: None },
        other => QueryError::Connect(other.into()),
    })?;
    let mut body = Vec::new();
    let mut limited = std::pin::pin!(stream.take(ANSWER_MAX as u64 + 1));
    limited.read_to_end(&mut body).await.map_err(|source| QueryError::Connect(source.into()))?;
    if body.len() > ANSWER_MAX {
        return Err(QueryError::TooLarge { limit: ANSWER_MAX });
    }
    checked(200, None, body)
}

fn shortened(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

fn checked(status: u16, retry_after: Option<Duration>, body: Vec<u8>) -> Result<Vec<u8>, QueryError> {
    if (200..300).contains(&status) {
        return Ok(body);
    }
    Err(QueryError::Status { status, message: answer::error_text(&body), retry_after })
}
