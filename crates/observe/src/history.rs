//! What was submitted to a cluster before, line by line: an API server's audit log, and the webhook's own records.
//!
//! Both are lines of JSON, and a file may hold both, and other lines between them. An audit log has an object only at the levels
//! Request and RequestResponse; what it tells without one is counted, since nothing can be said of it.

use crate::{
    decisions::{self, Record},
    lines::{LINE_MAX, Lines, Text},
    manifest::{self, Document, Node},
};
use plimsoll_fleet::{Name, Timestamp, selector::Labels};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    borrow::Cow,
    io::{self, BufRead},
};

/// A submission.
#[derive(Debug, Clone)]
pub struct Submission {
    /// When it came.
    pub at: Timestamp,
    /// Who asked.
    pub user: String,
    /// It changed an object that was there.
    pub is_update: bool,
    /// The namespace that it was for.
    pub namespace: Name,
    /// The labels of that, as they were then; none: not told.
    pub namespace_labels: Option<Labels>,
    /// The webhook's word on whether a controller asked for what was judged before; none: not told.
    pub by_controller: Option<bool>,
    /// The object is as it came in, with what webhooks and policies put in; else as it was sent.
    pub admitted: bool,
    /// The object.
    pub document: Document,
}

/// What a line is.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A submission.
    Submission(Box<Submission>),
    /// A submission whose object is not there: an audit level below Request.
    WithoutObject,
    /// A change that the log has without what became of it: an audit level below RequestResponse.
    Patch,
    /// A line that says nothing about submissions: another request, one that failed, one that was a dry run.
    Other,
    /// A line that is of neither kind.
    Unknown,
    /// A line that was meant to be of one kind and cannot be read.
    Broken {
        /// Its line, from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
}

/// Reads submissions. It holds one line at a time.
#[derive(Debug)]
pub struct Submissions<R> {
    lines: Lines<R>,
    failed: bool,
}

impl<R: BufRead> Submissions<R> {
    /// Of `from`, from here to its end.
    pub fn new(from: R) -> Self {
        Self { lines: Lines::new(from), failed: false }
    }
}

impl<R: BufRead> Iterator for Submissions<R> {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match self.lines.next() {
            Ok(None) => None,
            Ok(Some((line, Text::TooLong))) => {
                Some(Ok(Entry::Broken { line, why: format!("it is longer than the {LINE_MAX} bytes that are read of a line") }))
            }
            Ok(Some((line, Text::Whole(bytes)))) => Some(Ok(entry(line, bytes))),
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}

/// An event, as far as it matters (`k8s.io/apiserver/pkg/apis/audit/v1/types.go`).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow, default)]
    stage: Cow<'a, str>,
    #[serde(borrow, default)]
    verb: Cow<'a, str>,
    #[serde(borrow, default, rename = "requestURI")]
    uri: Cow<'a, str>,
    #[serde(default)]
    user: User,
    #[serde(default)]
    object_ref: Option<Reference>,
    #[serde(default)]
    response_status: Option<Status>,
    #[serde(borrow, default)]
    request_object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response_object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    request_received_timestamp: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct User {
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Reference {
    namespace: Option<Name>,
    name: Option<Name>,
    subresource: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    code: u16,
}

/// What every event has in it.
const EVENT: &str = "audit.k8s.io/";

fn entry(line: u64, bytes: &[u8]) -> Entry {
    match decisions::entry(line, bytes) {
        Some(decisions::Entry::Record(record)) => return of_record(*record),
        Some(decisions::Entry::Broken { line, why }) => return Entry::Broken { line, why },
        None => {}
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return Entry::Unknown };
    if !text.trim_start().starts_with('{') || !text.contains(EVENT) {
        return Entry::Unknown;
    }
    match serde_json::from_str::<Event<'_>>(text) {
        Ok(event) => of_event(line, &event),
        Err(error) => Entry::Broken { line, why: error.to_string() },
    }
}

fn of_record(record: Record) -> Entry {
    if record.dry_run {
        return Entry::Other;
    }
    Entry::Submission(Box::new(Submission {
        at: record.at,
        user: record.user,
        is_update: record.operation == "UPDATE",
        namespace: record.namespace.as_str().into(),
        namespace_labels: record.namespace_labels,
        by_controller: Some(record.by_controller),
        admitted: true,
        document: Document { node: record.object },
    }))
}

fn of_event(line: u64, event: &Event<'_>) -> Entry {
    let is_change = matches!(&*event.verb, "update" | "patch");
    if event.stage != "ResponseComplete" || !(is_change || event.verb == "create") {
        return Entry::Other;
    }
    let Some(reference) = &event.object_ref else { return Entry::Other };
    let failed = event.response_status.as_ref().is_some_and(|status| !(200..300).contains(&status.code));
    // A subresource is no object of its own: its status, its scale, its logs.
    if reference.subresource.as_ref().is_some_and(|part| !part.is_empty()) || failed || event.uri.contains("dryRun=All") {
        return Entry::Other;
    }
    // What came of it has its name and what other webhooks put in: that is what ours would have seen.
    let is_object = |raw: &&RawValue| raw.get().starts_with('{');
    let (raw, admitted) = match (event.response_object.filter(is_object), event.request_object.filter(is_object)) {
        (Some(response), _) if !is_status(response) => (response, true),
        (_, Some(request)) if event.verb != "patch" => (request, false),
        (_, Some(_)) => return Entry::Patch,
        (_, None) => return if event.verb == "patch" { Entry::Patch } else { Entry::WithoutObject },
    };
    let node = match manifest::object(raw.get()) {
        Ok(node) => node,
        Err(error) => return Entry::Broken { line, why: error.to_string() },
    };
    let Ok(at) = event.request_received_timestamp.parse::<jiff::Timestamp>() else {
        return Entry::Broken { line, why: "its requestReceivedTimestamp is no moment".to_owned() };
    };
    Entry::Submission(Box::new(Submission {
        at: Timestamp(at.as_second()),
        user: event.user.username.clone(),
        is_update: is_change,
        namespace: reference.namespace.clone().unwrap_or_default(),
        namespace_labels: None,
        by_controller: None,
        admitted,
        document: Document { node: named(node, reference) },
    }))
}

/// An answer without the object: some kinds of requests get one.
fn is_status(raw: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, default)]
        kind: Cow<'a, str>,
    }
    serde_json::from_str::<Kind<'_>>(raw.get()).is_ok_and(|own| own.kind == "Status")
}

/// With the name and namespace of the request, where the object leaves them to that.
fn named(mut node: Node, reference: &Reference) -> Node {
    for (key, value) in [("name", &reference.name), ("namespace", &reference.namespace)] {
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            node.fill(&["metadata", key], value);
        }
    }
    node
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn event() -> Value {
        json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Request", "auditID": "1", "stage": "ResponseComplete",
            "requestURI": "/api/v1/namespaces/ml/pods", "verb": "create", "user": { "username": "alice", "groups": ["dev"] },
            "objectRef": { "resource": "pods", "namespace": "ml", "name": "a", "apiVersion": "v1" },
            "responseStatus": { "metadata": {}, "code": 201 },
            "requestObject": { "apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": { "containers": [
                { "name": "main", "args": ["hunter2"], "resources": { "limits": { "nvidia.com/gpu": "1" } } }] } },
            "requestReceivedTimestamp": "2026-11-25T08:00:00.123456Z", "stageTimestamp": "2026-11-25T08:00:00.2Z",
        })
    }

    fn of(change: impl Fn(&mut Value)) -> Entry {
        let mut event = event();
        change(&mut event);
        Submissions::new(event.to_string().as_bytes()).next().unwrap().unwrap()
    }

    #[test]
    fn an_audit_event_is_a_submission() {
        let Entry::Submission(submission) = of(|_| {}) else { panic!() };
        assert_eq!((submission.at, &*submission.user, submission.is_update), (Timestamp(1_795_593_600), "alice", false));
        let written = submission.document.written().unwrap();
        assert_eq!((&*written.namespace, &*written.name, written.templates[0].devices()), ("ml", "a", 1));
        assert!(!submission.admitted, "what was sent may lack what webhooks put in");
        assert!(!format!("{submission:?}").contains("hunter2"));
    }

    #[test]
    fn what_has_no_object_or_came_to_nothing_is_told_apart() {
        let response = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "b" }, "spec": {} });
        let is = |entry: &Entry, wanted: &str| format!("{entry:?}").starts_with(wanted);
        assert!(is(&of(|event| event["requestObject"] = Value::Null), "WithoutObject"));
        assert!(is(&of(|event| event["verb"] = "patch".into()), "Patch"));
        let Entry::Submission(patched) = of(|event| {
            event["verb"] = "patch".into();
            event["responseObject"] = response.clone();
        }) else {
            panic!()
        };
        assert_eq!((patched.is_update, patched.admitted, &*patched.document.written().unwrap().name), (true, true, "b"));
        for change in [
            |event: &mut Value| event["stage"] = "RequestReceived".into(),
            |event: &mut Value| event["verb"] = "list".into(),
            |event: &mut Value| event["responseStatus"]["code"] = 403.into(),
            |event: &mut Value| event["objectRef"]["subresource"] = "status".into(),
            |event: &mut Value| event["requestURI"] = "/api/v1/namespaces/ml/pods?dryRun=All".into(),
        ] {
            assert!(is(&of(change), "Other"));
        }
        assert!(is(&of(|event| event["requestReceivedTimestamp"] = "yesterday".into()), "Broken"));
        assert!(is(&of(|event| event["user"] = "alice".into()), "Broken"));
        let refused = of(|event| event["responseObject"] = json!({ "kind": "Status" }));
        assert!(is(&refused, "Submission"), "the request has the object");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

        #[test]
        fn no_line_makes_it_panic(at in 0_usize..900, byte: u8, cut in 0_usize..900) {
            let mut line = event().to_string().into_bytes();
            if let Some(place) = line.get_mut(at) {
                *place = byte;
            }
            line.truncate(cut.max(1));
            prop_assert!(Submissions::new(&line[..]).all(|entry| entry.is_ok()));
        }
    }
}
