//! What to do on Monday: three steps, the dearest first, no more than one a kind of action, no GPU twice.

use super::{
    blind::BlindSpot,
    finding::{Confidence, Finding},
    money::Packing,
};
use plimsoll_fleet::{Money, Name};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What to do, in a sentence.
    pub says: String,
    /// A command to begin with; empty where there is nothing to type.
    pub command: String,
    /// What it is worth a month at most; none: unknown, or not a matter of money.
    pub worth_month: Option<Money>,
    /// The sign behind it; none: the packing or a blind spot.
    pub sign: Option<Name>,
}

/// The three steps.
#[must_use]
pub fn steps(findings: &[Finding], packing: &Packing, blind: &[BlindSpot]) -> Vec<Step> {
    let mut steps = Vec::new();
    let going = &packing.nodes_that_can_go;
    if let Some(first) = going.first() {
        let worth = going.iter().filter_map(|going| going.per_month).reduce(|a, b| a + b);
        let says = match packing.moves {
            0 => format!("Give back {} empty: nothing runs there that cannot stay where it is.", nodes(going.len())),
            moves => format!("Give back {}: move {moves} pods first, all fit elsewhere with today's constraints.", nodes(going.len())),
        };
        steps.push(Step {
            says,
            command: format!("kubectl drain {} --ignore-daemonsets --delete-emptydir-data", first.name),
            worth_month: worth,
            sign: None,
        });
    }
    // What goes with the nodes that can go is in the first step already.
    let gone: BTreeSet<_> = going.iter().map(|going| going.node).collect();
    let stays = |finding: &Finding| finding.waste.is_empty() || finding.waste.iter().any(|waste| !gone.contains(&waste.node));
    let mut by_sign = BTreeMap::<&Name, Vec<&Finding>>::new();
    for finding in findings.iter().filter(|finding| finding.accepted.is_none() && finding.confidence > Confidence::Low && stays(finding)) {
        by_sign.entry(&finding.sign).or_default().push(finding);
    }
    let mut dearest: Vec<(&Name, Vec<&Finding>)> = by_sign.into_iter().collect();
    let worth = |findings: &[&Finding]| findings.iter().filter_map(|finding| finding.cost_month).reduce(|a, b| a + b);
    let gpus = |findings: &[&Finding]| findings.iter().filter_map(|finding| finding.gpus).map(|gpus| gpus.0).sum::<u64>();
    dearest.sort_by(|a, b| (worth(&b.1), gpus(&b.1), b.1.len()).cmp(&(worth(&a.1), gpus(&a.1), a.1.len())).then_with(|| a.0.cmp(b.0)));
    for (sign, findings) in dearest {
        let Some(first) = findings.first() else { continue };
        let others = match findings.len() {
            1 => ".".to_owned(),
            n => format!("; then the other {} with {sign}.", n - 1),
        };
        steps.push(Step {
            says: format!("{}: {}{others}", first.subject, first.fix.says.trim_end_matches('.')),
            command: first.fix.action.clone(),
            worth_month: worth(&findings),
            sign: Some(sign.clone()),
        });
    }
    if let Some(spot) = blind.first() {
        steps.insert(steps.len().min(2), light(spot));
    }
    steps.truncate(3);
    steps
}

/// A remedy is a command, or words that go into the sentence.
fn light(spot: &BlindSpot) -> Step {
    let is_command = ["plimsoll ", "kubectl ", "helm "].iter().any(|program| spot.remedy.starts_with(program));
    let what = if spot.says.contains(&spot.subject) { spot.says.clone() } else { format!("{}: {}", spot.subject, spot.says) };
    let (says, command) = match is_command {
        true => (format!("Light a blind spot: {what}."), spot.remedy.clone()),
        false => (format!("Light a blind spot: {what}. {}.", capital(&spot.remedy)), String::new()),
    };
    Step { says, command, worth_month: None, sign: None }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn nodes(count: usize) -> String {
    if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") }
}
