//! A line a move, for a spreadsheet. What is unknown is an empty cell.

use super::{Sheet, known};
use crate::csv::text;
use plimsoll_decide::pack::plan::Step;

const HEADER: [&str; 19] = [
    "wave",
    "namespace",
    "pod",
    "workload",
    "class",
    "from",
    "to",
    "gpus",
    "pods_restarted",
    "gpus_restarted",
    "cold_start_s",
    "restart_s",
    "work_lost_s",
    "start_known_by",
    "work_lost_assumed",
    "counted_with",
    "gpu_hours",
    "cost",
    "currency",
];

/// All moves, in the order of the plan.
#[must_use]
pub fn csv(sheet: &Sheet<'_>) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let written = writer.write_record(HEADER).and_then(|()| {
        (1..)
            .zip(sheet.waves())
            .try_for_each(|(wave, of)| of.steps.iter().try_for_each(|step| writer.write_record(record(sheet, wave, step))))
    });
    written.expect("every record has as many fields as the header, and memory takes them all");
    let bytes = writer.into_inner().expect("memory takes all that is flushed");
    String::from_utf8(bytes).expect("text goes in, so text comes out")
}

fn record(sheet: &Sheet<'_>, wave: usize, step: &Step) -> [String; 19] {
    let fleet = sheet.fleet;
    let pod = &fleet.pods[step.pod.pod.index()];
    let cost = &step.cost;
    [
        wave.to_string(),
        text(&pod.namespace),
        text(&pod.name),
        fleet.workload(pod).map_or_else(String::new, |owner| text(&owner.name)),
        sheet.class(step.pod.pod).unwrap_or_default().to_owned(),
        text(&fleet.nodes[step.pod.from.index()].name),
        text(&fleet.nodes[step.pod.to.index()].name),
        sheet.own_gpus_exact(step.pod.pod).to_string(),
        cost.pods.to_string(),
        cost.gpus.gpus().to_string(),
        cost.cold_start.0.to_string(),
        cost.restart.0.to_string(),
        cost.lost.map_or_else(String::new, |lost| lost.0.to_string()),
        known(cost.known).to_owned(),
        cost.lost_assumed.to_string(),
        cost.with.map_or_else(String::new, |with| text(&sheet.pod(with))),
        cost.gpu_hours().map_or_else(String::new, |hours| format!("{:.4}", hours.0)),
        step.money.map_or_else(String::new, |money| format!("{:.2}", money.units())),
        text(sheet.currency),
    ]
}
