//! A finding: a waste sign on a subject, with all that is needed to believe it and to mend it.

use plimsoll_fleet::{Class, GpuHours, MilliGpu, Money, Name, NodeId, PodId, Timestamp, Window};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// `Deployment`, `Node`, …
    pub kind: Name,
    /// None for what has no namespace.
    pub namespace: Option<Name>,
    /// Its name.
    pub name: Name,
}

/// As people write it: `Deployment ml/chat`.
impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(out, "{} {namespace}/{}", self.kind, self.name),
            None => write!(out, "{} {}", self.kind, self.name),
        }
    }
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// There is too little evidence for a verdict: what was seen so far points this way. Costs nothing in any sum.
    TooLittle,
    /// Worth a look: short evidence, or an inference stands behind it.
    Low,
    /// Likely: a day of evidence, or one inferred fact.
    Medium,
    /// Sure: a week of evidence, or a fact read from the cluster.
    High,
}

impl Confidence {
    /// As reports write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TooLittle => "too little evidence",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// One fact behind a finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The query or the field that told it: PromQL, or a path such as `Deployment.spec.strategy`.
    pub query: String,
    /// The stretch that it covers; none: it is how things stand now.
    pub window: Option<Window>,
    /// Samples behind it; none: it is no measurement.
    pub samples: Option<u64>,
    /// What it said, with its unit.
    pub value: String,
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// In words.
    pub says: String,
    /// A command to run, or a patch to apply; empty only where there is nothing to type.
    pub action: String,
}

/// A part of a node's GPUs that a finding calls wasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Waste {
    /// The node.
    pub node: NodeId,
    /// The pod that holds it; none: nobody holds it.
    pub pod: Option<PodId>,
    /// How much.
    pub gpus: MilliGpu,
}

/// The user's word that a finding is known and accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// The finding's fingerprint, or the name of a sign (with `subject` narrowing it).
    pub sign: Name,
    /// The subject as reports print it (`Deployment ml/chat`); none: every subject of the sign.
    #[serde(default)]
    pub subject: Option<String>,
    /// Why.
    pub reason: String,
    /// When the acceptance ends.
    pub expires: Timestamp,
}

/// A waste sign on a subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The sign's name.
    pub sign: Name,
    /// On what.
    pub subject: Subject,
    /// Whose it is; none: nobody's, as far as can be seen.
    pub team: Option<Name>,
    /// What kind of work; none: the subject is no workload.
    pub class: Option<Class>,
    /// The class was inferred.
    pub class_inferred: bool,
    /// One sentence of evidence.
    pub says: String,
    /// GPUs wasted now; none: unknown, or the sign is not about held GPUs.
    pub gpus: Option<MilliGpu>,
    /// GPU-hours a month at this rate; none: unknown, or not a matter of GPU-hours.
    pub gpu_hours_month: Option<GpuHours>,
    /// Money a month at this rate; none: unknown, or not a matter of money.
    pub cost_month: Option<Money>,
    /// How sure.
    pub confidence: Confidence,
    /// The facts behind it.
    pub evidence: Vec<Fact>,
    /// What to do.
    pub fix: Fix,
    /// What it claims of which node, for sums that count nothing twice.
    pub waste: Vec<Waste>,
    /// The user has accepted it.
    pub accepted: Option<Acceptance>,
}

impl Finding {
    /// Stable from run to run: the sign and the subject, hashed (FNV-1a, 64 bits).
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.sign, &self.subject)
    }
}

/// The fingerprint of a sign on a subject.
#[must_use]
pub fn fingerprint(sign: &str, subject: &Subject) -> String {
    let text = format!("{sign}\n{}\n{}\n{}", subject.kind, subject.namespace.as_deref().unwrap_or(""), subject.name);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}
