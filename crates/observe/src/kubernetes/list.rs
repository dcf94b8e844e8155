//! Lists from the API server, page by page: read-only, bounded, patient with a server that is busy.

use http_body_util::{BodyExt, Limited};
use jiff::fmt::rfc2822;
use kube::{Client, client::Body};
use plimsoll_fleet::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;

/// Objects in a page: kubectl's own choice, a compromise between requests and memory.
const PAGE: u32 = 500;

/// Most bytes of one answer. 500 nodes with their image lists are some 25 MiB; ten times that is no honest page.
const BODY_MAX: usize = 256 << 20;

/// Most pages of one list: a million objects. A server that hands out tokens for ever is cut off.
const PAGES_MAX: usize = 2_000;

/// How often a list may begin again when its token has expired (the server keeps one for some five minutes).
const RESTARTS_MAX: u32 = 3;

/// How often one request is tried.
const TRIES: u32 = 5;

/// Longest answer to wait for. The API server itself gives up a request after 60 s.
const ANSWER_MAX: Duration = Duration::from_secs(75);

/// Longest wait that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server answered with an error.
    #[error("the API server said {code}: {message}")]
    Status {
        /// The HTTP status.
        code: u16,
        /// The server's word.
        message: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// No answer came through.
    #[error("no answer came through")]
    Client(#[source] kube::Error),
    /// No answer in time.
    #[error("no answer within {} s", ANSWER_MAX.as_secs())]
    TimedOut,
    /// The answer broke off or was longer than anything honest.
    #[error("the answer broke off, or was longer than {most} MiB: {why}", most = BODY_MAX >> 20)]
    Body {
        /// What came of it.
        why: String,
    },
    /// The answer is not what the API promises.
    #[error("the answer is not a list of objects: {0}")]
    Shape(#[source] serde_json::Error),
    /// A list without an end.
    #[error("the list has more than {PAGES_MAX} pages")]
    Endless,
}

impl Failure {
    fn worth_another_try(&self) -> bool {
        match self {
            Self::Status { code, .. } => matches!(code, 429 | 500 | 502 | 503 | 504),
            // Credentials do not get better by waiting.
            Self::Client(kube::Error::Auth(_)) => false,
            Self::Client(_) | Self::TimedOut | Self::Body { .. } => true,
            Self::Shape(_) | Self::Endless => false,
        }
    }
}

/// A page of a list. The objects are cut out, not decoded: one that is malformed spoils no other.
#[derive(Debug, Deserialize)]
pub struct Page<'a> {
    #[serde(default)]
    metadata: PageMeta,
    /// The objects.
    #[serde(borrow, default)]
    pub items: Option<Vec<&'a RawValue>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PageMeta {
    r#continue: Option<String>,
    remaining_item_count: Option<u64>,
}

/// What happens while a list is read.
pub enum Happening<'a> {
    /// A page came. The second is how many objects there are in all, where the server says.
    Page(&'a [&'a RawValue], Option<u64>),
    /// The list begins again: what it gave so far is to be forgotten.
    Restart,
}

/// An answer.
pub struct Answer {
    /// Its body.
    pub body: Vec<u8>,
    /// The server's clock.
    pub date: Option<Timestamp>,
}

/// Reads from one API server.
#[derive(Clone)]
pub struct Reader<'a> {
    client: &'a Client,
    first_wait: Duration,
}

impl<'a> Reader<'a> {
    /// A reader with the usual patience.
    #[must_use]
    pub fn new(client: &'a Client) -> Self {
        Self { client, first_wait: Duration::from_millis(500) }
    }

    /// One request, one answer.
    ///
    /// # Errors
    /// A [`Failure`].
    pub async fn get_once(&self, path: &str) -> Result<Answer, Failure> {
        let request = http::Request::get(path)
            .header(http::header::ACCEPT, "application/json")
            .body(Body::empty())
            .map_err(|error| Failure::Client(kube::Error::HttpError(error)))?;
        let answer = async {
            let response = self.client.send(request).await.map_err(Failure::Client)?;
            let (parts, body) = response.into_parts();
            let header = |name| parts.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
            let retry_after = header(http::header::RETRY_AFTER).and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
            let date = header(http::header::DATE).and_then(server_time);
            let body = Limited::new(body, BODY_MAX).collect().await.map_err(|error| Failure::Body { why: error.to_string() })?.to_bytes();
            if parts.status.is_success() {
                return Ok(Answer { body: body.into(), date });
            }
            Err(Failure::Status { code: parts.status.as_u16(), message: message(&body), retry_after })
        };
        tokio::time::timeout(ANSWER_MAX, answer).await.unwrap_or(Err(Failure::TimedOut))
    }

    /// One request, tried again while the server is busy: after half a second, then twice as long each time, or when it says.
    ///
    /// # Errors
    /// The last [`Failure`].
    pub async fn get(&self, path: &str) -> Result<Answer, Failure> {
        let mut wait = self.first_wait;
        let mut tries = 1;
        loop {
            match self.get_once(path).await {
                Err(failure) if tries < TRIES && failure.worth_another_try() => {
                    let asked = match &failure {
                        Failure::Status { retry_after, .. } => retry_after.map(|asked| asked.min(RETRY_AFTER_MAX)),
                        _ => None,
                    };
                    tracing::debug!(path, %failure, tries, "asking again");
                    tokio::time::sleep(asked.unwrap_or(wait)).await;
                    wait *= 2;
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    /// Reads a list to its end, or to `pages_max` pages. Tells whether the end was reached.
    ///
    /// # Errors
    /// A [`Failure`]; what came before it has been handed over.
    pub async fn list(
        &self,
        path: &str,
        selector: Option<&str>,
        pages_max: Option<usize>,
        mut happening: impl FnMut(Happening<'_>),
    ) -> Result<bool, Failure> {
        let (mut token, mut seen, mut pages, mut restarts) = (None::<String>, 0_u64, 0_usize, 0);
        loop {
            let answer = match self.get(&page_path(path, selector, token.as_deref())).await {
                Err(Failure::Status { code: 410, .. }) if token.is_some() && restarts < RESTARTS_MAX => {
                    restarts += 1;
                    (token, seen, pages) = (None, 0, 0);
                    happening(Happening::Restart);
                    continue;
                }
                answer => answer?,
            };
            let page: Page<'_> = serde_json::from_slice(&answer.body).map_err(Failure::Shape)?;
            let items = page.items.unwrap_or_default();
            seen += items.len() as u64;
            pages += 1;
            let next = page.metadata.r#continue.filter(|token| !token.is_empty());
            let total = match (&next, page.metadata.remaining_item_count) {
                (None, _) => Some(seen),
                (Some(_), remaining) => remaining.map(|remaining| seen.saturating_add(remaining)),
            };
            happening(Happening::Page(&items, total));
            match next {
                None => return Ok(true),
                Some(_) if pages_max.is_some_and(|most| pages >= most) => return Ok(false),
                Some(_) if pages >= PAGES_MAX => return Err(Failure::Endless),
                Some(_) => token = next,
            }
        }
    }
}

fn page_path(path: &str, selector: Option<&str>, token: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::for_suffix(format!("{path}?"), path.len() + 1);
    query.append_pair("limit", &PAGE.to_string());
    if let Some(selector) = selector {
        query.append_pair("fieldSelector", selector);
    }
    if let Some(token) = token {
        query.append_pair("continue", token);
    }
    query.finish()
}

fn server_time(text: &str) -> Option<Timestamp> {
    rfc2822::parse(text).ok().map(|moment| Timestamp(moment.timestamp().as_second()))
}

/// The message of a `Status`, or the beginning of whatever came instead.
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    let text = match serde_json::from_slice::<Status>(body) {
        Ok(status) => status.message,
        Err(_) => String::from_utf8_lossy(&body[..body.len().min(1000)]).into_owned(),
    };
    text.chars().filter(|character| !character.is_control()).take(300).collect()
}

#[cfg(test)]
impl<'a> Reader<'a> {
    /// A reader that does not keep a test waiting.
    pub(crate) fn hasty(client: &'a Client) -> Self {
        Self { client, first_wait: Duration::from_millis(1) }
    }
}
