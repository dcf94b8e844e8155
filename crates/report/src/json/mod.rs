//! The document with a published schema (`docs/schema/audit.json`).
//!
//! - [`types`]: what is in it.
//! - [`past`]: what `--baseline` reads of an earlier one.

pub mod past;
pub mod types;

use crate::{funnel as stages, words};
use plimsoll_decide::audit::{
    Audit,
    baseline::Comparison,
    finding::{Confidence, Fact, Finding},
    funnel::{Funnel, Part},
    views::{Key, Row},
};
use plimsoll_fleet::{Class, MilliGpu, Money, Window};
use std::collections::BTreeMap;
use types as t;

/// The version of the document. It changes when a field goes or changes its meaning; a new field leaves it.
pub const SCHEMA_VERSION: &str = "1";

/// The document of an audit.
#[must_use]
pub fn document(audit: &Audit, comparison: Option<&Comparison>) -> t::Document {
    t::Document {
        schema_version: SCHEMA_VERSION.to_owned(),
        at: words::rfc3339(audit.at),
        source: audit.origin.source.to_string(),
        cluster: audit.origin.cluster.as_deref().map(str::to_owned),
        cluster_version: audit.origin.version.as_deref().map(str::to_owned),
        window: audit.window.map(window),
        fleet: t::Fleet {
            nodes: audit.counts.nodes,
            gpu_nodes: audit.counts.gpu_nodes,
            gpus: audit.counts.gpus,
            pods: audit.counts.pods,
            gpu_pods: audit.counts.gpu_pods,
            workloads: audit.counts.workloads,
        },
        funnel: funnel(&audit.funnel),
        money: t::Money {
            currency: audit.money.currency.clone(),
            bill_month: audit.money.bill_month.map(units),
            theoretical_saving_month: audit.money.theoretical_saving_month.map(units),
            realisable_saving_month: audit.money.realisable_saving_month.map(units),
            theoretical_gpus: audit.money.theoretical_gpus.gpus(),
            unpriced_nodes: audit.money.unpriced_nodes.len() as u32,
            unpriced: audit
                .money
                .unpriced_nodes
                .iter()
                .map(|node| t::Unpriced { node: node.name.to_string(), why: words::unpriced(&node.why) })
                .collect(),
        },
        packing: t::Packing {
            nodes_now: audit.packing.nodes_now,
            nodes_needed: audit.packing.nodes_needed,
            nodes_lower_bound: audit.packing.nodes_lower_bound,
            bound_how: audit.packing.bound_how.clone(),
            nodes_that_can_go: audit.packing.nodes_that_can_go.iter().map(|going| going.name.to_string()).collect(),
            going: audit
                .packing
                .nodes_that_can_go
                .iter()
                .map(|going| t::Going { node: going.name.to_string(), cost_month: going.per_month.map(units) })
                .collect(),
            moves: audit.packing.moves,
            kept: audit.packing.kept.clone(),
        },
        signs: audit.findings.iter().map(sign).collect(),
        blind_spots: audit
            .blind_spots
            .iter()
            .map(|spot| t::BlindSpot {
                kind: words::unseen(spot.kind).replace(' ', "-"),
                subject: spot.subject.clone(),
                says: spot.says.clone(),
                remedy: spot.remedy.clone(),
                gpus: spot.gpus,
            })
            .collect(),
        next_steps: audit
            .next_steps
            .iter()
            .map(|step| t::Step {
                says: step.says.clone(),
                command: step.command.clone(),
                worth_month: step.worth_month.map(units),
                sign: step.sign.as_deref().map(str::to_owned),
            })
            .collect(),
        views: t::Views {
            team: rows(&audit.views.team),
            namespace: rows(&audit.views.namespace),
            workload: rows(&audit.views.workload),
            gpu_model: rows(&audit.views.gpu_model),
            pool: rows(&audit.views.pool),
        },
        comparison: comparison.map(since),
    }
}

/// The document as text, with a line break at its end.
#[must_use]
pub fn text(document: &t::Document) -> String {
    let mut text = serde_json::to_string_pretty(document).expect("its keys are strings and its numbers finite");
    text.push('\n');
    text
}

/// The schema of the document (JSON Schema 2020-12), as `plimsoll schema audit` prints it.
#[must_use]
pub fn schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<t::Document>().to_value()
}

/// A sum of many figures, to a millionth of a GPU: what lies beyond hangs on the order in which they were added.
fn steady(gpus: f64) -> f64 {
    (gpus * 1e6).round() / 1e6
}

/// In units of the currency, to the cent.
fn units(money: Money) -> f64 {
    cents(money.0) as f64 / 100.0
}

/// Millionths to hundredths, rounded half away from zero.
fn cents(micros: i64) -> i64 {
    let half = if micros < 0 { -5_000 } else { 5_000 };
    micros.saturating_add(half) / 10_000
}

fn since(comparison: &Comparison) -> t::Comparison {
    t::Comparison {
        since: words::rfc3339(comparison.since),
        new: comparison.new.iter().cloned().collect(),
        unchanged: comparison.unchanged.iter().cloned().collect(),
        mended: comparison
            .mended
            .iter()
            .map(|known| t::Mended {
                fingerprint: known.fingerprint.clone(),
                sign: known.sign.clone(),
                subject: known.subject.clone(),
                cost_month: known.cost_month.map(units),
            })
            .collect(),
        cost_meanwhile: comparison.cost_meanwhile.map(units),
    }
}

fn window(window: Window) -> t::Window {
    t::Window { start: words::rfc3339(window.start), end: words::rfc3339(window.end) }
}

fn funnel(funnel: &Funnel) -> t::Funnel {
    let maybe = |part: Option<Part>| t::Part {
        gpus: part.map(|part| steady(part.gpus)),
        cost_month: part.and_then(|part| part.cost_month).map(units),
    };
    let part = |part| maybe(Some(part));
    t::Funnel {
        paid: part(funnel.paid),
        allocated: funnel.allocated.map(part),
        in_use: maybe(stages::in_use(funnel)),
        useful: maybe(stages::useful(funnel)),
        unseen: part(funnel.unseen),
        useful_unseen: part(funnel.useful_unseen),
    }
}

fn sign(finding: &Finding) -> t::Sign {
    let fix = if finding.fix.action.is_empty() { &finding.fix.says } else { &finding.fix.action };
    t::Sign {
        sign: finding.sign.to_string(),
        fingerprint: finding.fingerprint(),
        subject: t::Subject {
            kind: finding.subject.kind.to_string(),
            namespace: finding.subject.namespace.as_deref().map(str::to_owned),
            name: finding.subject.name.to_string(),
        },
        team: finding.team.as_deref().map(str::to_owned),
        class: finding.class.map(class),
        class_inferred: finding.class_inferred,
        says: finding.says.clone(),
        gpus: finding.gpus.map(MilliGpu::gpus),
        gpu_hours_month: finding.gpu_hours_month.map(|hours| hours.0),
        cost_month: finding.cost_month.map(units),
        confidence: match finding.confidence {
            Confidence::TooLittle => t::Confidence::TooLittle,
            Confidence::Low => t::Confidence::Low,
            Confidence::Medium => t::Confidence::Medium,
            Confidence::High => t::Confidence::High,
        },
        evidence: finding.evidence.iter().map(fact).collect(),
        fix: fix.clone(),
        fix_says: finding.fix.says.clone(),
        accepted: finding
            .accepted
            .as_ref()
            .map(|accepted| t::Accepted { reason: accepted.reason.clone(), expires: words::rfc3339(accepted.expires) }),
    }
}

fn fact(fact: &Fact) -> t::Evidence {
    t::Evidence { query: fact.query.clone(), window: fact.window.map(window), samples: fact.samples, value: fact.value.clone() }
}

fn class(class: Class) -> t::Class {
    match class {
        Class::Online => t::Class::Online,
        Class::Batch => t::Class::Batch,
        Class::Training => t::Class::Training,
        Class::Dev => t::Class::Dev,
    }
}

/// The rows of a view. Their money is rounded so that the cents, too, add up to the rounded sum: each row gets the
/// difference between the running sums before and after it.
fn rows(rows: &[Row]) -> Vec<t::Row> {
    let mut running = BTreeMap::from([("cost", 0_i64), ("wasted", 0)]);
    let mut next = |column, money: Option<Money>| {
        let sum = running.entry(column).or_default();
        let before = cents(*sum);
        *sum = sum.saturating_add(money?.0);
        Some((cents(*sum) - before) as f64 / 100.0)
    };
    rows.iter()
        .map(|row| t::Row {
            whose: match row.key {
                Key::Named(_) => t::Whose::Named,
                Key::Unnamed => t::Whose::Unnamed,
                Key::Free => t::Whose::Free,
            },
            key: match &row.key {
                Key::Named(name) => Some(name.to_string()),
                Key::Unnamed | Key::Free => None,
            },
            gpus: row.gpus.gpus(),
            held_gpus: row.held.gpus(),
            cost_month: next("cost", row.cost_month),
            busy_gpus: row.busy.map(steady),
            seen_gpus: row.seen.gpus(),
            wasted_gpus: row.wasted.gpus(),
            wasted_month: next("wasted", row.wasted_month),
            findings: row.findings,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cents_of_a_view_add_up() {
        let third = |key: &str| Row {
            key: Key::Named(key.into()),
            gpus: MilliGpu::ONE,
            held: MilliGpu::ONE,
            cost_month: Some(Money(3_333_333)),
            busy: None,
            seen: MilliGpu::ZERO,
            wasted: MilliGpu::ZERO,
            wasted_month: None,
            findings: 0,
        };
        let rows = rows(&[third("a"), third("b"), third("c")]);
        let sum: f64 = rows.iter().filter_map(|row| row.cost_month).sum();
        assert!((sum - 10.0).abs() < 1e-9, "{sum}");
        assert!(rows.iter().all(|row| row.wasted_month.is_none()));
    }

    #[test]
    fn cents_round_half_away_from_zero() {
        assert_eq!([cents(5_000), cents(4_999), cents(-5_000), cents(-4_999)], [1, 0, -1, 0]);
    }
}
