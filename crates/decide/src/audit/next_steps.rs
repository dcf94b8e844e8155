//! What to do on Monday: three steps, the dearest first, no more than one a kind of action.

use super::{
    blind::BlindSpot,
    finding::{Confidence, Finding},
    money::Packing,
};
use plimsoll_fleet::{Money, Name};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What to do, in a sentence.
    pub says: String,
    /// A command to begin with.
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
    let mut by_sign = BTreeMap::<&Name, Vec<&Finding>>::new();
    for finding in findings.iter().filter(|finding| finding.accepted.is_none() && finding.confidence > Confidence::Low) {
        by_sign.entry(&finding.sign).or_default().push(finding);
    }
    let mut dearest: Vec<(&Name, Vec<&Finding>)> = by_sign.into_iter().collect();
    let worth = |findings: &[&Finding]| findings.iter().filter_map(|finding| finding.cost_month).reduce(|a, b| a + b);
    dearest.sort_by(|a, b| worth(&b.1).cmp(&worth(&a.1)).then_with(|| b.1.len().cmp(&a.1.len())).then_with(|| a.0.cmp(b.0)));
    for (sign, findings) in dearest {
        let Some(first) = findings.first() else { continue };
        let others = match findings.len() {
            1 => String::new(),
            n => format!(" Then the other {} with {sign}.", n - 1),
        };
        steps.push(Step {
            says: format!("{}: {}{others}", first.subject, first.fix.says),
            command: first.fix.action.clone(),
            worth_month: worth(&findings),
            sign: Some(sign.clone()),
        });
    }
    if let Some(spot) = blind.first() {
        let light =
            Step { says: format!("Light a blind spot: {}", spot.says), command: spot.remedy.clone(), worth_month: None, sign: None };
        let at = steps.len().min(2);
        steps.insert(at, light);
    }
    steps.truncate(3);
    steps
}

fn nodes(count: usize) -> String {
    if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") }
}
