//! Manifests: objects as their authors wrote them, from files, pipes and admission requests, with the line of everything.
//!
//! - [`read`]: a text of YAML documents or JSON to [`Document`]s; [`Document::written`] is what rules judge
//! - [`Node`]: a document with its lines, without what is never decoded; [`Plain`]: the same of JSON, without lines, in one pass
//! - [`written`]: what rules judge of a node whose kind is known from elsewhere; [`count_by_status`] and
//!   [`made`]: what a cluster adds to it
//! - `places`: the table of where each kind keeps its pods; `convert`: from a node to a [`plimsoll_fleet::written::Written`]
//!
//! A text from outside is not trusted: size, depth, aliases and the number of documents are bounded, one bad document does not
//! keep the others from being judged, and environment values, arguments and secrets are skipped while reading. No I/O here.

mod convert;
mod edit;
mod node;
mod places;
#[cfg(test)]
mod tests;
mod text;

pub use edit::{Edit, EditError, apply};
pub use node::{Node, Plain, Tree};
pub use text::{ManifestError, SIZE_MAX, object, read};

use plimsoll_fleet::{
    Timestamp,
    written::{Path, Written},
};

/// What rules judge of an object of that kind.
#[must_use]
pub fn written(api_version: &str, kind: &str, object: &Node) -> Written {
    convert::written(api_version, kind, object)
}

/// Do rules know where objects of that kind keep their pods, or the devices that they claim?
#[must_use]
pub fn is_judged(api_version: &str, kind: &str) -> bool {
    let is_claim = matches!(kind, "ResourceClaim" | "ResourceClaimTemplate") && api_version.starts_with("resource.k8s.io/");
    is_claim || convert::makes_pods(api_version, kind)
}

/// Counts the pods of a DaemonSet that a cluster has by its status: the object alone does not tell how many nodes there are.
pub fn count_by_status(written: &mut Written, object: &Node) {
    if &*written.kind == "DaemonSet" && written.api_version.starts_with("apps/") {
        let scheduled = object.at("status.desiredNumberScheduled").and_then(Node::count);
        written.templates.iter_mut().for_each(|template| template.pods = scheduled);
    }
}

/// When an object was made, as a cluster says.
#[must_use]
pub fn made(object: &Node) -> Option<Timestamp> {
    let moment: jiff::Timestamp = object.at("metadata.creationTimestamp").and_then(Node::text)?.parse().ok()?;
    Some(Timestamp(moment.as_second()))
}

/// A document of a text: one object.
#[derive(Debug, Clone)]
pub struct Document {
    /// The object with its lines.
    pub node: Node,
}

impl Document {
    /// Its API version and kind, where it says so.
    #[must_use]
    pub fn what(&self) -> Option<(&str, &str)> {
        let text = |key: &str| self.node.get(key).and_then(Node::text).filter(|text| !text.is_empty());
        Some((text("apiVersion")?, text("kind")?))
    }

    /// What rules judge of it; none: it does not say what it is.
    #[must_use]
    pub fn written(&self) -> Option<Written> {
        let (api_version, kind) = self.what()?;
        Some(convert::written(api_version, kind, &self.node))
    }

    /// The line of what stands at `path`, or of the nearest thing around it that is there; from 1.
    #[must_use]
    pub fn line(&self, path: &Path) -> u32 {
        self.node.line_at(&path.0)
    }
}
