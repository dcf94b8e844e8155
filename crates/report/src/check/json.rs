//! The list for programs (`docs/schema/check.json`).

use super::Checked;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// What the rules say of manifests: a list of broken rules, in order of file, line and rule.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "Plimsoll check")]
struct Document(Vec<Broken>);

/// A broken rule.
#[derive(Debug, Serialize, JsonSchema)]
struct Broken {
    /// The rule's name.
    rule: String,
    /// `audit`, `warn` or `enforce`.
    mode: &'static str,
    /// Whose.
    subject: Whose,
    /// The file as it was named; `-` is the standard input.
    file: String,
    /// The line, from 1.
    line: u32,
    /// Where in the object: `spec.containers[server].image`.
    path: String,
    /// What is wrong, and why it matters.
    message: String,
    /// How it is mended.
    fix: Mend,
    /// Stable while the fault is the same; a baseline keeps it.
    fingerprint: String,
}

/// An object.
#[derive(Debug, Serialize, JsonSchema)]
struct Whose {
    /// Its kind.
    kind: String,
    /// Its namespace; empty: not said.
    namespace: String,
    /// Its name.
    name: String,
}

/// How a broken rule is mended.
#[derive(Debug, Serialize, JsonSchema)]
struct Mend {
    /// In words.
    says: String,
    /// The lines, as a part of the object (or an object of its own); null: no lines mend it.
    lines: Option<Value>,
    /// The lines are the one right answer: `plimsoll check --fix` writes them.
    certain: bool,
}

/// As JSON.
#[must_use]
pub fn json(checked: &Checked) -> String {
    let broken = checked.breaches.iter().map(|at| Broken {
        rule: at.what.rule.to_string(),
        mode: at.what.mode.name(),
        subject: Whose {
            kind: at.what.subject.kind.to_string(),
            namespace: at.what.subject.namespace.to_string(),
            name: at.what.subject.name.to_string(),
        },
        file: at.file.clone(),
        line: at.line,
        path: at.what.path.to_string(),
        message: at.what.message(),
        fix: Mend { says: at.what.fix.says.clone(), lines: at.what.fix.lines.clone(), certain: at.what.fix.certain.is_some() },
        fingerprint: at.what.fingerprint(),
    });
    let document = Document(broken.collect());
    serde_json::to_string_pretty(&document).expect("texts, numbers and lists are JSON") + "\n"
}

/// The schema of the list (JSON Schema 2020-12), as `plimsoll schema check` prints it.
#[must_use]
pub fn schema() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<Document>().to_value()
}
