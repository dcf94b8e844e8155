//! AdmissionReview, `admission.k8s.io/v1`: what the API server asks, and what it is answered.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use plimsoll_observe::manifest::Plain;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version that is understood, and answered in.
const API_VERSION: &str = "admission.k8s.io/v1";

/// The reason phrase of a refusal. kubectl shows it before the message.
const REASON: &str = "Forbidden";

/// Why a review cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The body is no JSON of that shape.
    #[error("the body is no AdmissionReview: {0}")]
    Json(#[from] serde_json::Error),
    /// Another kind, or another version of it.
    #[error("the body is {api_version} {kind}, and {API_VERSION} AdmissionReview is understood (admissionReviewVersions: [v1])")]
    Version {
        /// What it says.
        api_version: String,
        /// What it says.
        kind: String,
    },
    /// A review without a request.
    #[error("the AdmissionReview has no request")]
    NoRequest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Option<Request>,
}

/// What the API server asks.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// What the answer must name.
    pub uid: String,
    /// What kind the object is.
    pub kind: Kind,
    /// `scale`, `ephemeralcontainers`; none: the object itself.
    #[serde(default)]
    pub sub_resource: Option<String>,
    /// Which resource the request was sent to.
    pub resource: Resource,
    /// The object's name; empty: the server makes it up later.
    #[serde(default)]
    pub name: String,
    /// The object's namespace; empty: it has none.
    #[serde(default)]
    pub namespace: String,
    /// What is to be done.
    pub operation: Operation,
    /// Who asks.
    #[serde(default)]
    pub user_info: UserInfo,
    /// The object as it would be; none: it is to be deleted.
    #[serde(default)]
    pub object: Option<Plain>,
    /// The object as it is; none: it is new.
    #[serde(default)]
    pub old_object: Option<Plain>,
    /// Nothing of it is kept: nothing is to be booked.
    #[serde(default)]
    pub dry_run: Option<bool>,
}

/// A group, a version and a kind.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Kind {
    /// The group; empty is the core.
    #[serde(default)]
    pub group: String,
    /// The version.
    #[serde(default)]
    pub version: String,
    /// The kind.
    pub kind: String,
}

impl Kind {
    /// `apps/v1`, `v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// A resource.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Resource {
    /// `deployments`.
    #[serde(default)]
    pub resource: String,
}

/// What is to be done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// It is new.
    Create,
    /// It is changed.
    Update,
    /// It goes.
    Delete,
    /// Something is done with it that changes nothing of it.
    Connect,
}

impl Operation {
    /// As the API writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct UserInfo {
    /// The name.
    #[serde(default)]
    pub username: String,
}

/// Reads the body of a request.
///
/// # Errors
/// [`ReviewError`].
pub fn decode(body: &[u8]) -> Result<Request, ReviewError> {
    let review: Review = serde_json::from_slice(body)?;
    if review.api_version != API_VERSION || review.kind != "AdmissionReview" {
        let short = |text: String| text.chars().take(80).collect();
        return Err(ReviewError::Version { api_version: short(review.api_version), kind: short(review.kind) });
    }
    review.request.ok_or(ReviewError::NoRequest)
}

/// What the API server is answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Why it is refused; none: it is let in.
    pub refusal: Option<String>,
    /// What the user is told besides.
    pub warnings: Vec<String>,
    /// What is changed of it (RFC 6902).
    pub patch: Vec<Value>,
    /// What the API server's audit log keeps, by key without prefix.
    pub audit: Vec<(&'static str, String)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answered<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    audit_annotations: serde_json::Map<String, Value>,
}

#[derive(Serialize)]
struct Status<'a> {
    status: &'static str,
    message: &'a str,
    reason: &'static str,
    code: u16,
}

impl Answer {
    /// The body of the answer to the request `uid`.
    ///
    /// # Errors
    /// None that can be met: all of it is text.
    pub fn encode(&self, uid: &str) -> Result<Vec<u8>, serde_json::Error> {
        let patch = (!self.patch.is_empty()).then(|| serde_json::to_vec(&self.patch)).transpose()?;
        serde_json::to_vec(&Answered {
            api_version: API_VERSION,
            kind: "AdmissionReview",
            response: Response {
                uid,
                allowed: self.refusal.is_none(),
                status: self.refusal.as_deref().map(|message| Status { status: "Failure", message, reason: REASON, code: 403 }),
                warnings: &self.warnings,
                patch_type: patch.as_ref().map(|_| "JSONPatch"),
                patch: patch.map(|patch| STANDARD.encode(patch)),
                audit_annotations: self.audit.iter().map(|(key, value)| ((*key).to_owned(), Value::String(value.clone()))).collect(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn review(request: &str) -> String {
        format!(r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{request}}}"#)
    }

    const REQUEST: &str = r#"{"uid":"u","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},
        "operation":"CREATE","namespace":"ml","userInfo":{"username":"alice"},"object":OBJECT,"oldObject":null,"dryRun":false,"options":{}}"#;

    #[test]
    fn a_review_is_read_without_what_is_secret() {
        let object = r#"{"kind":"Pod","spec":{"containers":[{"name":"a","env":[{"name":"TOKEN","value":"hunter2"}]}]}}"#;
        let request = decode(review(&REQUEST.replace("OBJECT", object)).as_bytes()).unwrap();
        assert_eq!((request.operation, &*request.user_info.username, &*request.kind.api_version()), (Operation::Create, "alice", "v1"));
        assert!(!format!("{request:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_no_review_gets_an_error_that_says_so() {
        let says = |body: &str| decode(body.as_bytes()).unwrap_err().to_string();
        assert!(says("{}").contains("admission.k8s.io/v1 AdmissionReview is understood"));
        assert!(says(&review(&REQUEST.replace("OBJECT", "null")).replace("k8s.io/v1\"", "k8s.io/v1beta1\"")).contains("v1beta1"));
        assert!(says("[").contains("no AdmissionReview"));
        assert!(says(&review("null")).contains("no request"));
        assert!(says(&review(&REQUEST.replace("OBJECT", r#"{"a":1,"a":2}"#))).contains("the key a is there twice"));
        assert!(says(&review(&REQUEST.replace("OBJECT", &format!("{}{}", "[".repeat(5_000), "]".repeat(5_000))))).contains("recursion"));
    }

    #[test]
    fn an_answer_names_its_request() {
        let refused = Answer { refusal: Some("no".to_owned()), warnings: vec!["w".to_owned()], ..Answer::default() };
        let json: Value = serde_json::from_slice(&refused.encode("u").unwrap()).unwrap();
        assert_eq!((&json["response"]["uid"], &json["response"]["allowed"]), (&Value::from("u"), &Value::from(false)));
        assert_eq!(json["response"]["status"]["code"], 403);
        let patched = Answer { patch: vec![serde_json::json!({"op": "add"})], ..Answer::default() };
        let json: Value = serde_json::from_slice(&patched.encode("u").unwrap()).unwrap();
        assert_eq!((&json["response"]["patchType"], &json["response"]["allowed"]), (&Value::from("JSONPatch"), &Value::from(true)));
    }
}
