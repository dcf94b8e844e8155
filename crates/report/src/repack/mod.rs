//! A plan to move pods, as people and programs read it: `plimsoll repack`.
//!
//! - [`table()`]: for the terminal; [`markdown()`]: for a pull request; [`csv()`]: a line a move.
//! - [`document`]: for programs, with a published schema.
//!
//! What is printed here was decided in [`plimsoll_decide::pack`]; no figure is made here.

mod csv;
mod document;
mod markdown;
mod table;

pub use csv::csv;
pub use document::{Document, document, schema, text};
pub use markdown::markdown;
pub use table::{TableOptions, table};

use crate::words::{self, clean};
use plimsoll_decide::{
    class,
    pack::{
        KeptReason,
        defragment::Defragment,
        plan::{Figures, Known, Repack, Step, Total, Wave},
    },
};
use plimsoll_fleet::{Fleet, Money, MoneyPerHour, NodeId, PodId, holding};
use std::collections::BTreeMap;

/// A plan with what it is about.
pub struct Sheet<'a> {
    /// The fleet.
    pub fleet: &'a Fleet,
    /// The plan.
    pub plan: Plan<'a>,
    /// The currency of its money (ISO 4217).
    pub currency: &'a str,
    /// What a node costs, where that is known.
    pub price: &'a dyn Fn(NodeId) -> Option<MoneyPerHour>,
}

/// A plan of either kind.
#[derive(Clone, Copy)]
pub enum Plan<'a> {
    /// The same on fewer nodes.
    Nodes(&'a Repack),
    /// Room for a pod.
    Room(&'a Defragment),
}

impl Sheet<'_> {
    fn waves(&self) -> &[Wave] {
        match self.plan {
            Plan::Nodes(plan) => &plan.waves,
            Plan::Room(plan) => &plan.waves,
        }
    }

    fn cost(&self) -> Total {
        match self.plan {
            Plan::Nodes(plan) => plan.cost,
            Plan::Room(plan) => plan.cost,
        }
    }

    fn moves(&self) -> u64 {
        self.waves().iter().map(|wave| wave.steps.len() as u64).sum()
    }

    fn cluster(&self) -> String {
        let origin = &self.fleet.origin;
        let name = clean(origin.cluster.as_deref().unwrap_or(&origin.source));
        if name.is_empty() { "this cluster".to_owned() } else { words::shorten(&name, 40) }
    }

    fn node(&self, id: NodeId) -> String {
        clean(&self.fleet.nodes[id.index()].name)
    }

    fn pod(&self, id: PodId) -> String {
        let pod = &self.fleet.pods[id.index()];
        clean(&format!("{}/{}", pod.namespace, pod.name))
    }

    /// GPUs that a pod holds.
    fn own_gpus_exact(&self, id: PodId) -> f64 {
        holding::held(self.fleet, &self.fleet.pods[id.index()]).gpus()
    }

    fn own_gpus(&self, id: PodId) -> String {
        words::gpus(self.own_gpus_exact(id))
    }

    fn class(&self, id: PodId) -> Option<&'static str> {
        let pod = &self.fleet.pods[id.index()];
        Some(class::of(self.fleet.workload(pod)?, Some(self.fleet.shape(pod))).class.name())
    }

    /// GPU-hours and money: `2.3 GPU-hours ($9)`.
    fn price(&self, total: Total) -> String {
        let hours = total.gpu_hours.map_or_else(|| words::UNKNOWN.to_owned(), |hours| words::gpus(hours.0));
        let money = total.money.map_or_else(String::new, |money| format!(" ({})", words::money(money, self.currency)));
        format!("{hours} GPU-hours{money}")
    }

    /// What a move costs, and how sure that is.
    fn step_cost(&self, step: &Step) -> String {
        if step.cost.with.is_some() {
            return "with its run".to_owned();
        }
        let hours = step.cost.gpu_hours().map_or_else(|| words::UNKNOWN.to_owned(), |hours| hundredths(hours.0));
        let about = if step.cost.is_assumed() && hours != "0" { "~" } else { "" };
        format!("{about}{hours}")
    }

    /// How the moves' costs are known, where any is assumed.
    fn assumed(&self) -> Option<String> {
        let assumed = self.cost().assumed;
        (assumed > 0).then(|| {
            format!(
                "~ assumed in part, for {}: nothing here shows how long such pods take to start, or how often they save their work",
                words::plural(assumed, "move")
            )
        })
    }
}

/// To a hundredth: most moves cost less than a tenth of a GPU-hour.
fn hundredths(number: f64) -> String {
    match (number * 100.0).round() {
        0.0 if number > 0.0 => "<0.01".to_owned(),
        0.0 => "0".to_owned(),
        _ if number >= 100.0 => words::gpus(number.round()),
        _ => format!("{number:.2}"),
    }
}

/// What is said wherever a plan is shown.
const HANDS_OFF: &str = "Plimsoll changes nothing: the commands are yours to run. The scheduler chooses the new nodes; those named here are where room was \
     shown to be. After each wave wait until its pods are ready, then ask for a new plan: it begins from what is there then.";

/// Why nodes stay: by reason, how many, and the first of them with the pod that holds it.
fn kept(plan: &Repack) -> Vec<(&'static str, u32, NodeId, Option<PodId>)> {
    let mut by_kind: BTreeMap<&'static str, (u32, NodeId, Option<PodId>)> = BTreeMap::new();
    for (node, why) in &plan.packing.kept {
        let pod = pod_of(why);
        by_kind.entry(why.kind()).or_insert((0, *node, pod)).0 += 1;
    }
    let mut kept: Vec<_> = by_kind.into_iter().map(|(kind, (count, node, pod))| (kind, count, node, pod)).collect();
    kept.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    kept
}

fn pod_of(why: &KeptReason) -> Option<PodId> {
    match why {
        KeptReason::Pod { pod, .. } | KeptReason::NoRoom { pod } | KeptReason::Waiting { pod } => Some(*pod),
        KeptReason::Annotated(_) | KeptReason::Headroom | KeptReason::NotWorth => None,
    }
}

/// The plan's nodes beside the bound: `6 go; proven: no plan needs fewer than 74 under these rules`.
fn nodes_note(plan: &Repack) -> String {
    let packing = &plan.packing;
    let bound = if packing.nodes_needed == packing.lower_bound {
        "proven: no plan under these rules needs fewer".to_owned()
    } else {
        format!("no plan under these rules needs fewer than {}", words::count(packing.lower_bound))
    };
    let free = if plan.bound_at_any_cost < packing.lower_bound {
        format!("; {} if moves cost nothing", words::count(plan.bound_at_any_cost))
    } else {
        String::new()
    };
    let go = packing.nodes_that_can_go.len() as u64;
    let verb = if go == 1 { "goes" } else { "go" };
    format!("{} {verb}; {bound}{free} ({})", words::plural(go, "node"), packing.bound_how)
}

/// What the nodes that go save.
fn saves(sheet: &Sheet<'_>, plan: &Repack) -> String {
    let money: Option<Money> = plan.saves_money_month;
    let without = match plan.unpriced {
        0 => String::new(),
        unpriced => format!(", without {} of unknown price", words::plural(unpriced, "node")),
    };
    format!("{} GPU-hours and {}{without} a month", words::gpus(plan.saves_month.0), words::money_or_unknown(money, sheet.currency))
}

/// `39.5 of 270 GPUs (43 %)`.
fn held(figures: &Figures) -> String {
    let (held, all) = (figures.held.gpus(), figures.gpus.gpus());
    let share = if all > 0.0 { format!(" ({})", words::percent(held / all)) } else { String::new() };
    format!("{} of {} GPUs{share}", words::gpus(held), words::gpus(all))
}

/// `14 moves in 3 waves cost 2.3 GPU-hours ($9) once`.
fn moves_note(sheet: &Sheet<'_>) -> String {
    let moves = sheet.moves();
    if moves == 0 {
        return "none".to_owned();
    }
    let verb = if moves == 1 { "costs" } else { "cost" };
    format!(
        "{} in {} {verb} {} once",
        words::plural(moves, "move"),
        words::plural(sheet.waves().len() as u64, "wave"),
        sheet.price(sheet.cost())
    )
}

/// A wave's name with what it does.
fn wave_title(sheet: &Sheet<'_>, number: usize, wave: &Wave) -> String {
    let moves = match wave.steps.len() as u64 {
        0 => "no pod moves".to_owned(),
        1 => "1 pod moves".to_owned(),
        many => format!("{} move", words::plural(many, "pod")),
    };
    let empty = match wave.empty.len() as u64 {
        0 => String::new(),
        1 => "; 1 node is empty then".to_owned(),
        many => format!("; {} nodes are empty then", words::count(many)),
    };
    format!("Wave {number} of {}: {moves}{empty}", words::count(sheet.waves().len() as u64))
}

fn known(known: Known) -> &'static str {
    known.name()
}
