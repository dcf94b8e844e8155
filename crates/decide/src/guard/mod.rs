//! May this in, and in what shape? Rules over objects as they are written, before a cluster has them.
//!
//! - [`judge`]: an object, what stands beside it and what is known of the cluster, to breaches
//! - [`policy`]: guardrails, teams and pools, checked and ready to judge by
//! - [`rules`]: a file a rule; [`parameter`]: what of a rule a guardrail may set
//! - [`is_by_controller`]: whether who asks is the controller of an object that was judged for all of its pods
//! - [`demand()`]: what an object takes of what its team may have
//! - [`defaults`]: what is added where its author said nothing, and the device that a need becomes
//! - [`cel`]: expressions of users, for rules of their own
//! - [`siblings`]: objects that a rule must see beside the one it judges; [`State`]: what only a cluster knows
//! - [`export`]: the same rules as policies of the API server's or Kyverno's own
//! - [`history`]: what rules would have refused of what was submitted before
//! - `case`: the object as a rule sees it; `mend`: the lines that mend it; `own`: rules of a user's own
//!
//! A rule judges what is written and nothing else: the same object gets the same answer on a laptop, in a pipeline and at the
//! API server. What a rule would need and is not given is reported as not judged; it is never taken for kept or broken.

mod case;
pub mod cel;
pub mod defaults;
mod demand;
pub mod export;
pub mod history;
mod mend;
mod own;
pub mod parameter;
pub mod policy;
mod requester;
pub mod rules;
pub mod siblings;
#[cfg(test)]
mod tests;

pub use case::Case;
pub use demand::{Demand, demand};
pub use policy::Policy;
pub use requester::is_by_controller;
pub use siblings::Siblings;

use parameter::Values;
use plimsoll_api::Mode;
use plimsoll_fleet::{
    Bytes, Name, Timestamp,
    parts::Parts,
    written::{Path, Written},
};
use serde_json::Value;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{Arc, LazyLock},
};

/// Whom a judgement is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Subject {
    /// `Deployment`.
    pub kind: Name,
    /// Its namespace; empty: not said.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
}

impl Subject {
    /// That of `object`.
    #[must_use]
    pub fn of(object: &Written) -> Self {
        Self { kind: object.kind.clone(), namespace: object.namespace.clone(), name: object.name.clone() }
    }
}

/// `Deployment search/llm`.
impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.namespace.is_empty() { "" } else { "/" };
        write!(out, "{} {}{space}{}", self.kind, self.namespace, self.name)
    }
}

/// How a breach is mended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fix {
    /// In words.
    pub says: String,
    /// The lines, as a part of the object in which they stand (or an object of their own); none: no lines mend it.
    pub lines: Option<Value>,
    /// The one right answer, whatever the author had in mind: this value at this place of the object. It may be written into the file.
    pub certain: Option<(Path, Value)>,
}

/// A rule that an object breaks.
#[derive(Debug, Clone, PartialEq)]
pub struct Breach {
    /// The rule.
    pub rule: Name,
    /// What follows.
    pub mode: Mode,
    /// The guardrail that asks for the rule; none: none was given, and the rule's default counts.
    pub guardrail: Option<String>,
    /// Whose.
    pub subject: Subject,
    /// Where in the object.
    pub path: Path,
    /// What is wrong.
    pub says: String,
    /// Why it matters.
    pub why: Name,
    /// How it is mended.
    pub fix: Fix,
}

impl Breach {
    /// What is wrong and why, in two sentences.
    #[must_use]
    pub fn message(&self) -> String {
        let mut letters = self.says.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        format!("{first}{}. {}.", letters.as_str(), self.why)
    }

    /// Stable from run to run while the fault is the same: rule, subject and place, hashed (FNV-1a, 64 bits).
    #[must_use]
    pub fn fault(&self) -> u64 {
        let text = format!("{}\n{}\n{}", self.rule, self.subject, self.path);
        text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// [`Breach::fault`] as text.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("{:016x}", self.fault())
    }
}

/// A breach that someone has been exempted from.
#[derive(Debug, Clone, PartialEq)]
pub struct Exempt {
    /// What would have been said.
    pub breach: Breach,
    /// Why it is not.
    pub reason: String,
    /// The moment from which it is said again.
    pub until: Timestamp,
}

/// A rule that could not be judged, or a part of an object that no rule could read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unjudged {
    /// The rule; none: all of them, since the object hides what they look at.
    pub rule: Option<Name>,
    /// Whose.
    pub subject: Subject,
    /// Where in the object.
    pub path: Path,
    /// Why not, and what it would need.
    pub says: Cow<'static, str>,
}

/// What the rules say of one object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    /// Rules that it breaks, in order of name and place.
    pub breaches: Vec<Breach>,
    /// Those that it is exempted from.
    pub exempt: Vec<Exempt>,
    /// What was not judged.
    pub unjudged: Vec<Unjudged>,
    /// It asks for accelerators: most rules are about such objects only.
    pub wants_gpus: bool,
}

/// What only a cluster knows. All of it may be absent: what needs it is then not judged.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The moment of submission.
    pub at: Option<Timestamp>,
    /// What teams use now, by name.
    pub used: BTreeMap<Name, Used>,
    /// Devices that this very object holds already, where it is changed and not made: they are in [`State::used`] too.
    pub own_gpus: u64,
    /// The object is as a cluster takes it in: what adds to it has had its turn, and what it lacks now stays lacking.
    pub admitted: bool,
    /// Sizes of images, by reference as nodes report them.
    pub images: Arc<BTreeMap<Name, Bytes>>,
}

/// What a team uses.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Used {
    /// Devices that its workloads hold or wait for.
    pub gpus: u64,
    /// Spent this calendar month, in the currency of its budget; none: not known.
    pub spent_month: Option<f64>,
}

/// An object that is to be judged.
#[derive(Clone, Copy)]
pub struct Submitted<'a> {
    /// What the rules of this program look at.
    pub written: &'a Written,
    /// These parts of it, or more, as rules of a user's own see it: without what is never decoded. It is asked for only where such a
    /// rule holds.
    pub json: &'a dyn Fn(&Parts) -> Value,
}

impl fmt::Debug for Submitted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Submitted").field("written", self.written).finish_non_exhaustive()
    }
}

/// Judges `submitted` by `policy`. Exemptions hold until `today`'s moment is past their end.
#[must_use]
pub fn judge(policy: &Policy, submitted: &Submitted<'_>, siblings: &Siblings, state: &State, today: Timestamp) -> Judgement {
    let object = submitted.written;
    let view = case::View::new(policy, object, siblings, state);
    let subject = Subject::of(object);
    let mut judgement = Judgement { wants_gpus: view.wants_gpus(), ..Judgement::default() };
    for (path, says) in &object.not_understood {
        judgement.unjudged.push(Unjudged { rule: None, subject: subject.clone(), path: path.clone(), says: says.clone().into() });
    }
    let covering = policy.covering(&view);
    for (index, &rule) in rules::ALL.iter().enumerate() {
        if rule.about == rules::About::Gpus && !judgement.wants_gpus {
            continue;
        }
        for setting in Policy::settings(index, &covering) {
            let mut found = Found::default();
            (rule.judge)(&Case { view: &view, values: setting.values }, &mut found);
            if !found.is_empty() {
                let (name, why) = &NAMES[index];
                let asked = Asked { rule: name.clone(), why: why.clone(), mode: setting.mode, guardrail: setting.guardrail };
                judgement.take(policy, &asked, &subject, today, found);
            }
        }
    }
    let own = policy.own(&view, &covering);
    if !own.is_empty() {
        let mut inputs = cel::inputs::Lazy::new(&view, submitted.json, &policy.looks);
        for (rule, mode, guardrail) in own {
            let mut found = Found::default();
            rule.judge(&mut inputs, &mut found);
            let asked = Asked { rule: rule.name.clone(), why: rule.why.clone(), mode, guardrail };
            judgement.take(policy, &asked, &subject, today, found);
        }
    }
    // Guardrails of one precedence may say the same: once is enough, and the strictest counts.
    judgement
        .breaches
        .sort_by(|a, b| (&a.rule, &a.path, &a.says, b.mode, &a.guardrail).cmp(&(&b.rule, &b.path, &b.says, a.mode, &b.guardrail)));
    judgement.breaches.dedup_by(|next, kept| (&next.rule, &next.path, &next.says) == (&kept.rule, &kept.path, &kept.says));
    judgement.unjudged.sort();
    judgement.unjudged.dedup();
    judgement
}

/// Names of the rules and why they are, in their order.
static NAMES: LazyLock<Vec<(Name, Name)>> = LazyLock::new(|| rules::ALL.iter().map(|rule| (rule.name.into(), rule.why.into())).collect());

/// A rule as a guardrail asks for it.
struct Asked<'a> {
    rule: Name,
    why: Name,
    mode: Mode,
    guardrail: Option<&'a str>,
}

impl Judgement {
    fn take(&mut self, policy: &Policy, asked: &Asked<'_>, subject: &Subject, today: Timestamp, found: Found) {
        let rule = &asked.rule;
        let unjudged = |(path, says)| Unjudged { rule: Some(rule.clone()), subject: subject.clone(), path, says };
        self.unjudged.extend(found.unjudged.into_iter().map(unjudged));
        for Wrong { path, says, fix } in found.breaches {
            let (guardrail, subject) = (asked.guardrail.map(ToOwned::to_owned), subject.clone());
            let breach = Breach { rule: rule.clone(), mode: asked.mode, guardrail, subject, path, says, why: asked.why.clone(), fix };
            match policy.exemption(rule, &breach.subject, today) {
                Some((reason, until)) => self.exempt.push(Exempt { breach, reason: reason.to_owned(), until }),
                None => self.breaches.push(breach),
            }
        }
    }
}

/// What a rule has found.
#[derive(Debug, Default)]
pub struct Found {
    breaches: Vec<Wrong>,
    unjudged: Vec<(Path, Cow<'static, str>)>,
}

#[derive(Debug)]
struct Wrong {
    path: Path,
    says: String,
    fix: Fix,
}

impl Found {
    fn is_empty(&self) -> bool {
        self.breaches.is_empty() && self.unjudged.is_empty()
    }

    /// The rule is broken at `path`.
    pub fn breach(&mut self, path: Path, says: String, fix: Fix) {
        self.breaches.push(Wrong { path, says, fix });
    }

    /// The rule could not be judged.
    pub fn unjudged(&mut self, path: Path, says: impl Into<Cow<'static, str>>) {
        self.unjudged.push((path, says.into()));
    }
}

/// A rule as it holds for an object.
pub(crate) struct Setting<'a> {
    pub mode: Mode,
    pub values: &'a Values,
    pub guardrail: Option<&'a str>,
}
