//! From a text to its documents.

use super::{
    Document,
    node::{self, DEPTH_MAX, Node, Tree},
};

/// Largest text read, bytes. A rendered chart of the largest kind has some 5 MiB; `kubectl get -A -o json` of a cluster more.
pub const SIZE_MAX: usize = 64 << 20;

/// Most documents and list items of a text.
const DOCUMENTS_MAX: usize = 200_000;

/// Most that anchors may multiply in a document, in YAML events.
const ALIASED_MAX: usize = 100_000;

/// What is wrong with a text, or with one document of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is larger than is read.
    #[error("it has {size} bytes, and at most {SIZE_MAX} are read: check it in parts")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// It has more objects than are read.
    #[error("it has more than {DOCUMENTS_MAX} objects: check it in parts")]
    TooMany,
    /// A document that is no YAML or JSON.
    #[error("the document from line {from} is not {form}: {why}")]
    Syntax {
        /// The line of the fault.
        line: u32,
        /// Where the document begins.
        from: u32,
        /// `YAML` or `JSON`.
        form: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A document that is no object of Kubernetes.
    #[error("the document from line {line} is no Kubernetes object: it has no apiVersion and kind. Leave it out, or give them")]
    NoObject {
        /// Where it begins.
        line: u32,
    },
}

impl ManifestError {
    /// The line that it is about, from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        match self {
            Self::TooLarge { .. } | Self::TooMany => 1,
            Self::Syntax { line, .. } | Self::NoObject { line } => *line,
        }
    }
}

/// The objects of a text, lists taken apart, and what is wrong with the rest of it.
#[must_use]
pub fn read(text: &str) -> (Vec<Document>, Vec<ManifestError>) {
    let (mut documents, mut errors) = (Vec::new(), Vec::new());
    if text.len() > SIZE_MAX {
        errors.push(ManifestError::TooLarge { size: text.len() });
        return (documents, errors);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        match node::from_json(text) {
            Ok(node) => take(node, &mut documents, &mut errors),
            // Flow style YAML begins alike.
            Err(error) => match yaml(text, 0) {
                Ok(Some(node)) => take(node, &mut documents, &mut errors),
                _ => errors.push(not_json(&error)),
            },
        }
        return (documents, errors);
    }
    for (before, part) in parts(text) {
        match yaml(part, before) {
            Ok(Some(node)) => take(node, &mut documents, &mut errors),
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
        if documents.len() > DOCUMENTS_MAX {
            errors.push(ManifestError::TooMany);
            break;
        }
    }
    (documents, errors)
}

/// One object, as JSON has it: what a request, a log or a record holds.
///
/// # Errors
/// [`ManifestError`]: too large, or no JSON. What it is an object of is not looked at.
pub fn object(json: &str) -> Result<Node, ManifestError> {
    if json.len() > SIZE_MAX {
        return Err(ManifestError::TooLarge { size: json.len() });
    }
    node::from_json(json).map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> ManifestError {
    let line = u32::try_from(error.line()).unwrap_or(1).max(1);
    ManifestError::Syntax { line, from: 1, form: "JSON", why: error.to_string() }
}

/// The documents of a YAML text, each with the number of lines before it. A line that is `---` ends a document everywhere, in
/// block scalars too (YAML 1.2, 9.1.2): so one that is broken does not take the next ones with it.
fn parts(text: &str) -> Vec<(u32, &str)> {
    let mut parts = Vec::new();
    let (mut start, mut before, mut at) = (0, 0_u32, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let is_marker = line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if is_marker && at > start {
            parts.push((before, &text[start..at]));
            start = at;
            before = u32::try_from(index).unwrap_or(u32::MAX);
        }
        at += line.len();
    }
    parts.push((before, &text[start..]));
    parts
}

/// One document; none: there is nothing in it.
fn yaml(text: &str, before: u32) -> Result<Option<Node>, ManifestError> {
    let is_empty = |line: &str| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || matches!(line, "---" | "...")
    };
    if text.lines().all(is_empty) {
        return Ok(None);
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_documents: 1,
            max_recorded_anchor_events: ALIASED_MAX,
            max_aliases: 10_000,
            max_anchors: 10_000,
            max_events: 20_000_000,
            max_nodes: 10_000_000,
            max_total_scalar_bytes: SIZE_MAX,
        },
        emit_comments: false,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Node>(text, options) {
        Ok(mut node) => {
            node.shift(before);
            Ok((node.tree != Tree::Null).then_some(node))
        }
        Err(error) => {
            let line = error.location().map_or(1, |location| u32::try_from(location.line()).unwrap_or(u32::MAX)).max(1);
            let why = error.without_snippet().to_string();
            // The library's own place counts from the document; ours counts from the file, and is told beside it.
            let why = why.split(" at line ").next().unwrap_or(&why).trim_end_matches(':').to_owned();
            let first = text.lines().position(|line| !is_empty(line)).unwrap_or(0);
            Err(ManifestError::Syntax {
                line: before.saturating_add(line),
                from: before.saturating_add(u32::try_from(first).unwrap_or(u32::MAX)).saturating_add(1),
                form: "YAML",
                why,
            })
        }
    }
}

/// A document's objects: itself, or the items of a list. Items of a typed list (`PodList`) do not say what they are.
fn take(node: Node, documents: &mut Vec<Document>, errors: &mut Vec<ManifestError>) {
    let text = |node: &Node, key: &str| node.get(key).and_then(Node::text).filter(|text| !text.is_empty()).cloned();
    let (api_version, kind) = (text(&node, "apiVersion"), text(&node, "kind"));
    if let (Some(list), true) = (kind.as_deref().and_then(|kind| kind.strip_suffix("List")), node.get("items").is_some()) {
        let Tree::Map(entries) = node.tree else { return };
        let items = entries.into_iter().find(|(key, _)| &**key == "items").map(|(_, items)| items.tree);
        let Some(Tree::List(items)) = items else { return };
        for mut item in items {
            if documents.len() > DOCUMENTS_MAX {
                errors.push(ManifestError::TooMany);
                return;
            }
            if let (Tree::Map(entries), false) = (&mut item.tree, list.is_empty()) {
                for (key, value) in [("apiVersion", api_version.clone()), ("kind", Some(list.into()))] {
                    if let (Some(value), None) = (value, entries.iter().find(|(name, _)| &**name == key)) {
                        entries.push((key.into(), Node { line: item.line, tree: Tree::Text(value) }));
                    }
                }
            }
            // A list in a list is no object: nothing makes one.
            add(item, documents, errors);
        }
        return;
    }
    add(node, documents, errors);
}

fn add(node: Node, documents: &mut Vec<Document>, errors: &mut Vec<ManifestError>) {
    let line = node.line;
    let document = Document { node };
    if document.what().is_some() {
        documents.push(document);
    } else {
        errors.push(ManifestError::NoObject { line });
    }
}
