//! The plan as a document with a published schema (`docs/schema/repack.json`). What is unknown is null, never 0.

use super::{Plan, Sheet, known, pod_of};
use crate::words;
use plimsoll_decide::pack::plan::{self, commands};
use plimsoll_fleet::Money;
use schemars::JsonSchema;
use serde::Serialize;

/// A plan by Plimsoll to move pods: to run the same on fewer nodes, or to make room for one pod.
///
/// What is unknown is null, never 0. Money is in units of the currency, to the cent; a month has 730 hours. The plan changes nothing
/// by itself.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "Plimsoll repack")]
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
    /// ISO 4217.
    pub currency: String,
    /// Running training may move, too.
    pub move_training: bool,
    /// The same on fewer nodes; null: the question was another one.
    pub nodes: Option<Nodes>,
    /// Room for a pod; null: the question was another one.
    pub room: Option<Room>,
    /// What all moves cost, once.
    pub cost: Cost,
    /// What moves together. The next wave begins when all pods of one are ready again.
    pub waves: Vec<Wave>,
    /// Commands when all waves are done.
    pub then: Vec<String>,
}

/// Which nodes can go.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Nodes {
    /// Accelerator nodes now.
    pub now: u32,
    /// Those that are left when all waves are done.
    pub after: u32,
    /// No plan under the same rules leaves fewer.
    pub lower_bound: u32,
    /// No plan leaves fewer even if moves cost nothing.
    pub lower_bound_at_any_cost: u32,
    /// How the bound was proven.
    pub bound_how: String,
    /// Until when savings count, in hours.
    pub horizon_hours: f64,
    /// The nodes that go, by name.
    pub going: Vec<Going>,
    /// GPU-hours that they save a month.
    pub saves_gpu_hours_month: f64,
    /// Their cost a month, of those whose price is known; null: no price of any of them is known.
    pub saves_month: Option<f64>,
    /// Nodes that go and have no price.
    pub unpriced_nodes: u32,
    /// The fleet now.
    pub figures_now: Figures,
    /// The fleet when all waves are done and the nodes that go are gone.
    pub figures_after: Figures,
    /// Why each of the others stays.
    pub kept: Vec<Kept>,
    /// Those that stay because emptying them costs more than it saves until the horizon.
    pub not_worth: Vec<NotWorth>,
}

/// A node that goes.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Going {
    /// Its name.
    pub node: String,
    /// What it costs a month; null: unknown.
    pub cost_month: Option<f64>,
}

/// A fleet in few figures.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Figures {
    /// Accelerator nodes.
    pub nodes: u32,
    /// Their physical GPUs.
    pub gpus: f64,
    /// GPUs that pods hold.
    pub held_gpus: f64,
    /// GPUs that are free and that nobody can use where they are.
    pub stranded_gpus: f64,
}

/// A node that stays.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Kept {
    /// Its name.
    pub node: String,
    /// Why.
    pub why: String,
    /// The pod that holds it, as `namespace/name`; null: no pod does.
    pub pod: Option<String>,
}

/// A node that is not worth emptying.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct NotWorth {
    /// Its name.
    pub node: String,
    /// Pods that would have to move.
    pub pods: u32,
    /// GPU-hours that it would save until the horizon.
    pub saves_gpu_hours: f64,
    /// GPU-hours that its moves would cost; null: not known.
    pub costs_gpu_hours: Option<f64>,
}

/// Where a pod gets room.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Room {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// Where it fits when all waves are done; null: nothing that was searched helps.
    pub node: Option<String>,
    /// No plan has fewer moves.
    pub fewest: bool,
    /// What was searched, and what that proves.
    pub proof: String,
    /// Pods that wait, come before it and would fit in its room.
    pub rivals: u32,
    /// It asks for a place by other pods, which the plan does not look at.
    pub unchecked: bool,
    /// Where nothing helps: why, and on how many nodes.
    pub nowhere: Vec<Nowhere>,
}

/// Why nodes do not help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Nowhere {
    /// Why.
    pub why: String,
    /// How many nodes.
    pub nodes: u32,
}

/// What moves cost.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Cost {
    /// GPU-hours that stand still; null: of some move they are not known.
    pub gpu_hours: Option<f64>,
    /// The same in money; null: of some move the price or the cost is not known.
    pub money: Option<f64>,
    /// Moves whose cost is assumed, at least in part.
    pub assumed_moves: u32,
}

/// Moves that are made together.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Wave {
    /// Nodes to close for new pods first.
    pub cordon: Vec<String>,
    /// The moves.
    pub moves: Vec<Move>,
    /// Of the nodes that go, those that are empty then.
    pub empty: Vec<String>,
    /// The same as commands for a shell.
    pub commands: Vec<String>,
}

/// A move.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Move {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// Its workload; null: not known.
    pub workload: Option<String>,
    /// Its class; null: not known.
    pub class: Option<String>,
    /// Its node now.
    pub from: String,
    /// Where it has room.
    pub to: String,
    /// GPUs that it holds.
    pub gpus: f64,
    /// Pods that start again with it, itself among them.
    pub pods_restarted: u32,
    /// GPUs that they hold.
    pub gpus_restarted: f64,
    /// From its new node to its first container's start, in seconds.
    pub cold_start_s: u64,
    /// From there until it is ready, in seconds.
    pub restart_s: u64,
    /// Work to be done again, in seconds; null: not known.
    pub work_lost_s: Option<u64>,
    /// What shows how long it starts: pods of its `workload`, of its `class`, or nothing: `assumed`.
    pub start_known_by: String,
    /// How often it saves its work is not told, and assumed.
    pub work_lost_assumed: bool,
    /// It starts again with this pod of its run, whose cost counts it; null: it is counted here.
    pub counted_with: Option<String>,
    /// GPU-hours that it costs; null: not known.
    pub gpu_hours: Option<f64>,
    /// The same in money; null: the price or the cost is not known.
    pub cost: Option<f64>,
}

/// The document of a plan.
#[must_use]
pub fn document(sheet: &Sheet<'_>) -> Document {
    let fleet = sheet.fleet;
    let node = |id: plimsoll_fleet::NodeId| fleet.nodes[id.index()].name.to_string();
    let pod = |id: plimsoll_fleet::PodId| format!("{}/{}", fleet.pods[id.index()].namespace, fleet.pods[id.index()].name);
    let figures = |of: &plan::Figures| Figures {
        nodes: of.nodes,
        gpus: of.gpus.gpus(),
        held_gpus: of.held.gpus(),
        stranded_gpus: of.stranded.gpus(),
    };
    let (move_training, nodes, room, then) = match sheet.plan {
        Plan::Nodes(plan) => {
            let packing = &plan.packing;
            let nodes = Nodes {
                now: packing.nodes_now,
                after: packing.nodes_needed,
                lower_bound: packing.lower_bound,
                lower_bound_at_any_cost: plan.bound_at_any_cost,
                bound_how: packing.bound_how.clone(),
                horizon_hours: plan.horizon.hours(),
                going: packing
                    .nodes_that_can_go
                    .iter()
                    .map(|&id| Going { node: node(id), cost_month: (sheet.price)(id).map(|price| units(price.over_month())) })
                    .collect(),
                saves_gpu_hours_month: plan.saves_month.0,
                saves_month: plan.saves_money_month.map(units),
                unpriced_nodes: plan.unpriced,
                figures_now: figures(&plan.before),
                figures_after: figures(&plan.after),
                kept: packing
                    .kept
                    .iter()
                    .map(|(id, why)| Kept { node: node(*id), why: why.kind().to_owned(), pod: pod_of(why).map(pod) })
                    .collect(),
                not_worth: plan
                    .not_worth
                    .iter()
                    .map(|one| NotWorth {
                        node: node(one.node),
                        pods: one.pods,
                        saves_gpu_hours: one.saves.0,
                        costs_gpu_hours: one.costs.map(|costs| costs.0),
                    })
                    .collect(),
            };
            (packing.rules.move_training, Some(nodes), None, Vec::new())
        }
        Plan::Room(plan) => {
            let of = &fleet.pods[plan.pod.index()];
            let room = Room {
                namespace: of.namespace.to_string(),
                pod: of.name.to_string(),
                node: plan.node.map(node),
                fewest: plan.fewest,
                proof: plan.proof.clone(),
                rivals: plan.rivals,
                unchecked: plan.unchecked,
                nowhere: plan.nowhere.iter().map(|(why, nodes)| Nowhere { why: why.to_string(), nodes: *nodes }).collect(),
            };
            (plan.rules.move_training, None, Some(room), commands::opening(fleet, plan))
        }
    };
    let total = sheet.cost();
    Document {
        schema_version: "1".to_owned(),
        at: words::rfc3339(fleet.at),
        source: fleet.origin.source.to_string(),
        cluster: fleet.origin.cluster.as_deref().map(str::to_owned),
        currency: sheet.currency.to_owned(),
        move_training,
        nodes,
        room,
        cost: Cost { gpu_hours: total.gpu_hours.map(|hours| hours.0), money: total.money.map(units), assumed_moves: total.assumed },
        waves: sheet
            .waves()
            .iter()
            .map(|wave| Wave {
                cordon: wave.cordon.iter().map(|&id| node(id)).collect(),
                moves: wave.steps.iter().map(|step| one_move(sheet, step)).collect(),
                empty: wave.empty.iter().map(|&id| node(id)).collect(),
                commands: commands::of_wave(fleet, wave),
            })
            .collect(),
        then,
    }
}

fn one_move(sheet: &Sheet<'_>, step: &plan::Step) -> Move {
    let fleet = sheet.fleet;
    let (id, cost) = (step.pod.pod, &step.cost);
    let pod = &fleet.pods[id.index()];
    Move {
        namespace: pod.namespace.to_string(),
        pod: pod.name.to_string(),
        workload: fleet.workload(pod).map(|owner| owner.name.to_string()),
        class: sheet.class(id).map(str::to_owned),
        from: fleet.nodes[step.pod.from.index()].name.to_string(),
        to: fleet.nodes[step.pod.to.index()].name.to_string(),
        gpus: sheet.own_gpus_exact(id),
        pods_restarted: cost.pods,
        gpus_restarted: cost.gpus.gpus(),
        cold_start_s: cost.cold_start.0,
        restart_s: cost.restart.0,
        work_lost_s: cost.lost.map(|lost| lost.0),
        start_known_by: known(cost.known).to_owned(),
        work_lost_assumed: cost.lost_assumed,
        counted_with: cost.with.map(|with| format!("{}/{}", fleet.pods[with.index()].namespace, fleet.pods[with.index()].name)),
        gpu_hours: cost.gpu_hours().map(|hours| hours.0),
        cost: step.money.map(units),
    }
}

/// The document as text, with a line break at its end.
#[must_use]
pub fn text(document: &Document) -> String {
    let mut text = serde_json::to_string_pretty(document).expect("its keys are strings and its numbers finite");
    text.push('\n');
    text
}

/// The schema of the document (JSON Schema 2020-12), as `plimsoll schema repack` prints it.
#[must_use]
pub fn schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<Document>().to_value()
}

/// In units of the currency, to the cent.
fn units(money: Money) -> f64 {
    (money.0 as f64 / 10_000.0).round() / 100.0
}
