//! What is in the document. What is unknown is null, never 0. Money is in units of the currency, to the cent, for an
//! average month of 730 hours; moments are RFC 3339.

use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// The audit of a fleet of GPUs by Plimsoll.
///
/// What is unknown is null, never 0. Money is in units of the currency, to the cent, for an average month of 730 hours.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "Plimsoll audit")]
pub struct Document {
    /// The version of this document: it changes when a field goes or changes its meaning.
    #[schemars(extend("const" = "1"))]
    pub schema_version: String,
    /// When the fleet was seen.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// What kind of source it was seen through: `live`, `example`, …
    pub source: String,
    /// The cluster's name as the user knows it; null: not known.
    pub cluster: Option<String>,
    /// The API server's version; null: not known.
    pub cluster_version: Option<String>,
    /// The stretch that the metrics cover; null: there were none.
    pub window: Option<Window>,
    /// How much there is.
    pub fleet: Fleet,
    /// From paid for to usefully in use.
    pub funnel: Funnel,
    /// The sums.
    pub money: Money,
    /// What can really be got back.
    pub packing: Packing,
    /// The findings: dearest first, then the surest; accepted ones and those with too little evidence last.
    pub signs: Vec<Sign>,
    /// What could not be seen, and how to light it.
    pub blind_spots: Vec<BlindSpot>,
    /// What to do next: three at most.
    #[schemars(length(max = 3))]
    pub next_steps: Vec<Step>,
    /// The same figures by owner, namespace, workload, GPU model and pool.
    pub views: Views,
    /// This audit beside an earlier one; null: there was no baseline.
    pub comparison: Option<Comparison>,
}

/// This audit beside an earlier one. Findings with too little evidence and accepted ones are left out.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    /// When the earlier fleet was seen.
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// Fingerprints of findings that were not there.
    pub new: Vec<String>,
    /// Fingerprints of findings that are there still.
    pub unchanged: Vec<String>,
    /// What is there no more.
    pub mended: Vec<Mended>,
    /// What the unchanged ones have cost meanwhile, at today's rate; null: no cost of any of them is known.
    pub cost_meanwhile: Option<f64>,
}

/// A finding that is there no more.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Mended {
    /// Its fingerprint.
    pub fingerprint: String,
    /// The sign.
    pub sign: String,
    /// The subject as people write it.
    pub subject: String,
    /// What it cost a month; null: unknown.
    pub cost_month: Option<f64>,
}

/// A stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Window {
    /// Where it begins.
    #[schemars(extend("format" = "date-time"))]
    pub start: String,
    /// Where it ends.
    #[schemars(extend("format" = "date-time"))]
    pub end: String,
}

/// How much there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fleet {
    /// Nodes, with and without GPUs.
    pub nodes: u32,
    /// Nodes with GPUs (or other accelerators).
    pub gpu_nodes: u32,
    /// Physical GPUs.
    pub gpus: u32,
    /// Pods that have not ended.
    pub pods: u32,
    /// Pods that ask for GPUs and have not ended.
    pub gpu_pods: u32,
    /// Workloads with such pods.
    pub workloads: u32,
}

/// GPUs, and what they cost.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Part {
    /// GPUs; null: not seen.
    pub gpus: Option<f64>,
    /// Their cost a month, of those whose price is known; null: no price is known, or the GPUs are not.
    pub cost_month: Option<f64>,
}

/// Each part is within the one before it; what could not be seen is its own part.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Funnel {
    /// All physical GPUs.
    pub paid: Part,
    /// Held by pods now; null: pods could not be listed.
    pub allocated: Option<Part>,
    /// At work, of what was seen.
    pub in_use: Part,
    /// Usefully at work, of what was seen.
    pub useful: Part,
    /// Allocated, but whether in use could not be seen.
    pub unseen: Part,
    /// In use, but whether usefully could not be seen.
    pub useful_unseen: Part,
}

/// The sums.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Money {
    /// ISO 4217.
    pub currency: String,
    /// All GPU nodes whose price is known, a month; null: no price is known.
    pub bill_month: Option<f64>,
    /// What the signs call wasted, no GPU counted twice, a month; null: no price is known.
    pub theoretical_saving_month: Option<f64>,
    /// The nodes that can go, a month; null: some can go, and no price of any of them is known.
    pub realisable_saving_month: Option<f64>,
    /// GPUs that the signs call wasted, none counted twice.
    pub theoretical_gpus: f64,
    /// GPU nodes without a price. They are in no sum of money.
    pub unpriced_nodes: u32,
    /// The same by name, each with the reason.
    pub unpriced: Vec<Unpriced>,
}

/// A GPU node without a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unpriced {
    /// Its name.
    pub node: String,
    /// Why there is none.
    pub why: String,
}

/// What can really be got back.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Packing {
    /// GPU nodes now.
    pub nodes_now: u32,
    /// GPU nodes needed for today's pods with today's constraints, as a plan was found.
    pub nodes_needed: u32,
    /// No plan needs fewer: proven.
    pub nodes_lower_bound: u32,
    /// How the bound was proven.
    pub bound_how: String,
    /// Names of the nodes that can go, dearest first.
    pub nodes_that_can_go: Vec<String>,
    /// The same with what each costs.
    pub going: Vec<Going>,
    /// Pods to move before they can.
    pub moves: u32,
    /// Why the others stay: the reason, and how many nodes it holds.
    pub kept: BTreeMap<String, u32>,
}

/// A node that can go.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Going {
    /// Its name.
    pub node: String,
    /// What it costs a month; null: unknown.
    pub cost_month: Option<f64>,
}

/// What a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Inference, embeddings, vector search: latency matters.
    Online,
    /// Offline scoring.
    Batch,
    /// Long, ganged, checkpointed.
    Training,
    /// Notebooks and the like.
    Dev,
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Too little evidence for a verdict; in no sum.
    TooLittle,
    /// Worth a look.
    Low,
    /// Likely.
    Medium,
    /// Sure.
    High,
}

/// A waste sign on a subject.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Sign {
    /// The sign's stable name.
    pub sign: String,
    /// The same for the same sign on the same subject, from run to run.
    pub fingerprint: String,
    /// On what.
    pub subject: Subject,
    /// Whose it is; null: nobody's, as far as can be seen.
    pub team: Option<String>,
    /// What kind of work; null: the subject is no workload.
    pub class: Option<Class>,
    /// The class was inferred, not declared.
    pub class_inferred: bool,
    /// One sentence of evidence.
    pub says: String,
    /// GPUs wasted now; null: unknown, or the sign is not about held GPUs.
    pub gpus: Option<f64>,
    /// GPU-hours a month at this rate; null: unknown, or not a matter of GPU-hours.
    pub gpu_hours_month: Option<f64>,
    /// Money a month at this rate; null: unknown, or not a matter of money.
    pub cost_month: Option<f64>,
    /// How sure.
    pub confidence: Confidence,
    /// The facts behind it.
    pub evidence: Vec<Evidence>,
    /// A command to run or a patch to apply; in words where there is nothing to type.
    pub fix: String,
    /// The fix in words.
    pub fix_says: String,
    /// The user has accepted the finding; it is in no sum.
    pub accepted: Option<Accepted>,
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Subject {
    /// `Deployment`, `Node`, …
    pub kind: String,
    /// Null for what has no namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// One fact behind a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Evidence {
    /// The query or the field that told it.
    pub query: String,
    /// The stretch that it covers; null: it is how things stood at the moment of the audit.
    pub window: Option<Window>,
    /// Samples behind it; null: it is no measurement.
    pub samples: Option<u64>,
    /// What it said, with its unit.
    pub value: String,
}

/// The user's word that a finding is known and accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Accepted {
    /// Why.
    pub reason: String,
    /// When the acceptance ends.
    #[schemars(extend("format" = "date-time"))]
    pub expires: String,
}

/// Something that could not be seen.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct BlindSpot {
    /// What kind.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// What cannot be seen and why.
    pub says: String,
    /// How to light it.
    pub remedy: String,
    /// GPUs in the dark; null: it is not about certain GPUs.
    pub gpus: Option<f64>,
}

/// A step to take.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Step {
    /// What to do.
    pub says: String,
    /// A command to begin with.
    pub command: String,
    /// What it is worth a month at most; null: unknown, or not a matter of money.
    pub worth_month: Option<f64>,
    /// The sign behind it; null: the packing or a blind spot.
    pub sign: Option<String>,
}

/// The same figures, told apart. In each view the rows add up to the whole.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Views {
    /// By team.
    pub team: Vec<Row>,
    /// By namespace.
    pub namespace: Vec<Row>,
    /// By workload.
    pub workload: Vec<Row>,
    /// By GPU model.
    pub gpu_model: Vec<Row>,
    /// By pool.
    pub pool: Vec<Row>,
}

/// Whose a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// That of the team, namespace, workload, model or pool in `key`.
    Named,
    /// Held by somebody whom nothing names.
    Unnamed,
    /// GPUs that nobody holds.
    Free,
}

/// A line of a view.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Row {
    /// Whose it is.
    pub whose: Whose,
    /// The team, namespace, …; null: nothing names it, or nobody holds the GPUs.
    pub key: Option<String>,
    /// Its GPUs: held ones, or (by model, by pool) all.
    pub gpus: f64,
    /// Those of them that pods hold.
    pub held_gpus: f64,
    /// What its GPUs cost a month; null: no price is known.
    pub cost_month: Option<f64>,
    /// GPUs at work on average, of those seen; null: not seen.
    pub busy_gpus: Option<f64>,
    /// Held GPUs whose work was seen.
    pub seen_gpus: f64,
    /// GPUs that the signs call wasted, none counted twice.
    pub wasted_gpus: f64,
    /// What these cost a month; null: no price is known.
    pub wasted_month: Option<f64>,
    /// Open findings.
    pub findings: u32,
}
