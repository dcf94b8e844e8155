//! Who asked the API server for what: its audit log.

use super::Cluster;
use anyhow::Context as _;
use serde_json::Value;

/// A request as the API server recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, or the HTTP method in small letters.
    pub verb: String,
    /// Who asked: `admin`, `system:serviceaccount:NAMESPACE:NAME`.
    pub user: String,
    /// What program, as it said itself.
    pub agent: String,
    /// The path that was asked for.
    pub uri: String,
    /// The resource and subresource: `pods`, `pods/proxy`; empty: not a resource.
    pub resource: String,
    /// The object's namespace; empty: of the cluster.
    pub namespace: String,
    /// The object's name; empty: a list.
    pub name: String,
    /// The answer's HTTP status.
    pub code: u16,
}

impl AuditEvent {
    /// Does the request read, and nothing else?
    #[must_use]
    pub fn reads(&self) -> bool {
        matches!(self.verb.as_str(), "get" | "list" | "watch" | "head" | "options")
    }

    fn from_json(event: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let object = &event["objectRef"];
        let resource = match object["subresource"].as_str() {
            Some(part) => format!("{}/{part}", text(&object["resource"])),
            None => text(&object["resource"]),
        };
        Self {
            verb: text(&event["verb"]),
            user: text(&event["user"]["username"]),
            agent: text(&event["userAgent"]),
            uri: text(&event["requestURI"]),
            resource,
            namespace: text(&object["namespace"]),
            name: text(&object["name"]),
            code: event["responseStatus"]["code"].as_u64().and_then(|code| code.try_into().ok()).unwrap_or_default(),
        }
    }
}

impl Cluster {
    /// Every request so far, oldest first. A watch is recorded when it begins and when it ends.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn audit_log(&self) -> anyhow::Result<Vec<AuditEvent>> {
        let path = self.path.join("audit.log");
        let log = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // The last line may still be half written.
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        whole
            .lines()
            .map(|line| Ok(AuditEvent::from_json(&serde_json::from_str(line).context("a line of the audit log is not JSON")?)))
            .collect()
    }
}
