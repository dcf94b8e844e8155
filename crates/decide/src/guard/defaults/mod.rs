//! What is added to an object where its author said nothing, and the device that a need becomes.
//!
//! - [`patch`]: an object, what stands beside it and who asks, to a JSON Patch with the reason of each line of it
//! - `settings`: which guardrail asks for which default; `kinds`: what objects of a kind can be given
//! - `translate`: from a [`need`] to the smallest device that a pool offers ([`offer`])
//! - `place`: selector and tolerations; `labels`, `probes`, `deadlines`: the others
//! - `change`: one addition, to the object and to what rules see of it; `document`: the object and its patch
//!
//! Nothing is done unless a guardrail that covers the object asks for it. A patch only adds: what the author set stays as it is.
//! What was patched once is not patched again.

mod change;
pub(super) mod deadlines;
mod document;
pub(super) mod kinds;
mod labels;
mod left;
pub mod need;
pub mod offer;
pub(super) mod place;
mod probes;
mod settings;
mod translate;

pub use left::Left;

use super::{Policy, Siblings, State, Submitted, case::View, is_by_controller};
use change::Edit;
use document::Document;
use kinds::Kind;
use plimsoll_fleet::{
    Name,
    parts::Parts,
    written::{Path, Template},
};
use serde_json::{Value, json};
use settings::Settings;
use std::collections::BTreeSet;

/// The annotation that tells what was added, by which guardrail and why.
pub const DEFAULTED: &str = "plimsoll.dev/defaulted";

/// The label of a namespace, and the annotation of an object, that turns defaults off with the value `off`.
pub const SWITCH: &str = "plimsoll.dev/defaults";

/// What is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A device for a need.
    Translation,
    /// The node selector of a pool.
    Selector,
    /// A toleration.
    Toleration,
    /// The class.
    ClassLabel,
    /// A probe.
    Probes,
    /// A bound of work that ends.
    Deadlines,
}

/// Something that was added.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Added {
    /// What.
    pub default: What,
    /// Where in the object.
    pub at: String,
    /// The guardrail that asks for it.
    pub by: String,
    /// Why it is this.
    pub why: String,
}

/// What [`patch`] makes of an object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Defaulted {
    /// A JSON Patch (RFC 6902); empty: the object stays as it is.
    pub patch: Vec<Value>,
    /// What it adds.
    pub added: Vec<Added>,
    /// What was asked for and could not be done.
    pub left: Vec<Left>,
}

impl Defaulted {
    /// What could not be done, for who submits: short enough that an API server cuts nothing off.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.left.iter().map(|left| left::cut(&left.to_string())).collect()
    }
}

/// An object that is to be made or changed.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The object.
    pub submitted: Submitted<'a>,
    /// How it was, where it is changed and not made.
    pub old: Option<&'a dyn Fn() -> Value>,
    /// What stands beside it.
    pub siblings: &'a Siblings,
    /// Who asks.
    pub user: &'a str,
}

/// Adding one thing may bring the object under a guardrail that adds another (one for a pool that was just chosen). Each round
/// adds something, and there are fewer kinds of things than this.
const ROUNDS_MAX: usize = 8;

/// A step: what is to be added, seen from the object as it is now.
type Step = fn(&Work<'_>, &View<'_>, &Settings<'_>, &mut Proposal);

/// In this order: a pool that a device was found in is the one to select, and to tolerate.
const STEPS: [Step; 6] =
    [translate::propose, place::propose_selector, place::propose_tolerations, labels::propose, probes::propose, deadlines::propose];

/// What a step would add, and what it could not.
#[derive(Debug, Default)]
struct Proposal {
    edits: Vec<Edit>,
    left: BTreeSet<Left>,
}

/// An object on its way.
#[derive(Debug)]
struct Work<'a> {
    policy: &'a Policy,
    kind: &'static Kind,
    json: &'a Value,
    old: Option<&'a Value>,
}

impl Work<'_> {
    /// May the pods of this template be changed? When an object is changed, only a template that its author changes is: a new
    /// default is no reason to replace pods that run.
    fn may_change(&self, template: &Template) -> bool {
        self.kind.pods && self.old.is_none_or(|old| document::at(old, &template.path) != document::at(self.json, &template.path))
    }

    /// May fields of the object itself be changed?
    fn may_change_object(&self) -> bool {
        self.old.is_none_or(|old| old.get("spec") != self.json.get("spec"))
    }
}

/// What `policy` adds to the object that is asked for.
#[must_use]
pub fn patch(policy: &Policy, asked: &Asked<'_>) -> Defaulted {
    let Some(kind) = kind_to_change(policy, asked) else { return Defaulted::default() };
    let json = (asked.submitted.json)(Parts::whole());
    if is_left_alone(&json, asked) {
        return Defaulted::default();
    }
    let old = asked.old.map(|old| old());
    let work = Work { policy, kind, json: &json, old: old.as_ref() };
    let mut object = asked.submitted.written.clone();
    let mut document = Document::new(&json);
    let (mut added, mut left) = (Vec::new(), BTreeSet::new());
    let state = State::default();
    for _ in 0..ROUNDS_MAX {
        let before = added.len();
        // The last round adds nothing: what it could not do is what is left. A name that leads nowhere is wrong in any case.
        left.retain(|left| matches!(left, Left::NoSuchPool { .. }));
        for step in STEPS {
            let mut proposal = Proposal::default();
            let view = View::new(policy, &object, asked.siblings, &state);
            step(&work, &view, &Settings::of(policy, &view), &mut proposal);
            left.append(&mut proposal.left);
            for edit in proposal.edits {
                added.extend(edit.make(&mut document, &mut object));
            }
        }
        if added.len() == before {
            break;
        }
    }
    explain(&mut document, &added);
    Defaulted { patch: document.into_patch(), added, left: left.into_iter().collect() }
}

/// None: nothing is added to objects of its kind, or to this one.
fn kind_to_change(policy: &Policy, asked: &Asked<'_>) -> Option<&'static Kind> {
    let object = asked.submitted.written;
    let kind = kinds::of(&object.api_version, &object.kind)?;
    let is_off = |switch: Option<&Name>| switch.is_some_and(|value| &**value == "off");
    let of_namespace = asked.siblings.labels_of(&object.namespace).and_then(|labels| labels.get(SWITCH));
    let stays =
        !policy.adds_defaults() || is_off(object.annotations.get(SWITCH)) || is_off(of_namespace) || asked.old.is_some() && kind.is_fixed;
    (!stays).then_some(kind)
}

/// It is going, or what its controller makes of it got its defaults with the object that it was made from: if that is of a kind that
/// gets them.
fn is_left_alone(json: &Value, asked: &Asked<'_>) -> bool {
    let is_deleted = json.pointer("/metadata/deletionTimestamp").is_some_and(|moment| !moment.is_null());
    is_deleted || is_by_controller(asked.submitted.written, asked.user) && kinds::owner(json).is_some_and(|owner| owner.pods)
}

/// Most entries of the annotation: the rest is counted. An object may have 256 KiB of annotations in all.
const EXPLAINED_MAX: usize = 100;

/// Writes into the annotation what was added, beside what an earlier patch wrote there.
fn explain(document: &mut Document, added: &[Added]) {
    if added.is_empty() {
        return;
    }
    let path = Path::of("metadata.annotations").key(DEFAULTED);
    let before = document.get(&path).and_then(Value::as_str).and_then(|text| serde_json::from_str::<Vec<Value>>(text).ok());
    let mut entries = before.unwrap_or_default();
    for one in added {
        let entry = json!(one);
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    if entries.len() > EXPLAINED_MAX {
        let more = entries.len() - EXPLAINED_MAX;
        entries.truncate(EXPLAINED_MAX);
        entries.push(json!({ "more": more }));
    }
    document.put(&path, json!(json!(entries).to_string()));
}
