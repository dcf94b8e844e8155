//! The plan for a pull request or a change ticket.

use super::{HANDS_OFF, Plan, Sheet, held, kept, moves_note, nodes_note, saves, table, wave_title};
use crate::{markdown::escape, words};
use plimsoll_decide::pack::plan::{Wave, commands};
use std::fmt::Write as _;

/// Waves with their moves: comments of forges hold 65,536 characters.
const WAVES: usize = 20;
const MOVES: usize = 40;

/// The plan as Markdown.
#[must_use]
pub fn markdown(sheet: &Sheet<'_>) -> String {
    let mut out = String::new();
    let _ = write_plan(&mut out, sheet);
    out
}

fn write_plan(out: &mut String, sheet: &Sheet<'_>) -> std::fmt::Result {
    match sheet.plan {
        Plan::Nodes(plan) => {
            writeln!(out, "## Repacking: {}\n", escape(&sheet.cluster()))?;
            let packing = &plan.packing;
            writeln!(out, "| | now | after |\n|---|---:|---:|")?;
            writeln!(out, "| GPU nodes | {} | {} |", words::count(packing.nodes_now), words::count(packing.nodes_needed))?;
            writeln!(out, "| allocated | {} | {} |", held(&plan.before), held(&plan.after))?;
            let stranded = |gpus: plimsoll_fleet::MilliGpu| words::gpus(gpus.gpus());
            writeln!(out, "| stranded GPUs | {} | {} |\n", stranded(plan.before.stranded), stranded(plan.after.stranded))?;
            writeln!(out, "- **Nodes** {}", escape(&nodes_note(plan)))?;
            writeln!(out, "- **Saves** {}", saves(sheet, plan))?;
        }
        Plan::Room(plan) => {
            writeln!(out, "## Room for {}: {}\n", escape(&sheet.pod(plan.pod)), escape(&sheet.cluster()))?;
            let fits = plan.node.map_or_else(|| "nowhere, whatever was tried".to_owned(), |node| format!("on {}", sheet.node(node)));
            writeln!(out, "- **Fits** {}", escape(&fits))?;
            writeln!(out, "- **Proof** {}", escape(&plan.proof))?;
            if plan.rivals > 0 {
                writeln!(out, "- **But** {}", table::rivals(plan.rivals))?;
            }
            if plan.unchecked {
                writeln!(out, "- **But** {}", table::UNCHECKED)?;
            }
            for (why, nodes) in &plan.nowhere {
                writeln!(out, "- **Not on** {}: {}", words::plural(*nodes, "node"), escape(&why.to_string()))?;
            }
        }
    }
    writeln!(out, "- **Moves** {}", moves_note(sheet))?;
    if let Some(assumed) = sheet.assumed() {
        writeln!(out, "- **Costs** {assumed}")?;
    }
    if !sheet.waves().is_empty() {
        writeln!(out, "\n{HANDS_OFF}")?;
    }
    for (number, wave) in (1..).zip(sheet.waves()).take(WAVES) {
        write_wave(out, sheet, number, wave)?;
    }
    if sheet.waves().len() > WAVES {
        writeln!(out, "\nand {}", words::plural((sheet.waves().len() - WAVES) as u64, "more wave"))?;
    }
    match sheet.plan {
        Plan::Nodes(plan) => {
            let kept = kept(plan);
            if !kept.is_empty() {
                writeln!(out, "\n### What stays, and why\n\n| nodes | why | such as |\n|---:|---|---|")?;
                for (kind, count, node, pod) in kept {
                    let pod = pod.map_or_else(String::new, |pod| format!(" by {}", sheet.pod(pod)));
                    writeln!(out, "| {} | {kind} | {} |", words::count(count), escape(&format!("{}{pod}", sheet.node(node))))?;
                }
            }
        }
        Plan::Room(plan) => {
            let end = commands::opening(sheet.fleet, plan);
            if !end.is_empty() {
                writeln!(out, "\n### Then\n")?;
                code(out, &end)?;
            }
        }
    }
    Ok(())
}

fn write_wave(out: &mut String, sheet: &Sheet<'_>, number: usize, wave: &Wave) -> std::fmt::Result {
    writeln!(out, "\n### {}\n", wave_title(sheet, number, wave))?;
    if !wave.steps.is_empty() {
        writeln!(out, "| pod | from | to | GPUs | GPU-hours |\n|---|---|---|---:|---:|")?;
        for step in wave.steps.iter().take(MOVES) {
            writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                escape(&sheet.pod(step.pod.pod)),
                escape(&sheet.node(step.pod.from)),
                escape(&sheet.node(step.pod.to)),
                sheet.own_gpus(step.pod.pod),
                escape(&sheet.step_cost(step)),
            )?;
        }
        if wave.steps.len() > MOVES {
            writeln!(out, "\nand {}", words::plural((wave.steps.len() - MOVES) as u64, "more move"))?;
        }
        writeln!(out)?;
    }
    let commands = commands::of_wave(sheet.fleet, wave);
    if !commands.is_empty() {
        code(out, &commands)?;
    }
    if !wave.empty.is_empty() {
        let names: Vec<String> = wave.empty.iter().map(|&node| sheet.node(node)).collect();
        writeln!(out, "\nEmpty: {}. {}", escape(&names.join(", ")), table::REMOVE)?;
    }
    Ok(())
}

/// Commands in a fence that none of them can end.
fn code(out: &mut String, commands: &[String]) -> std::fmt::Result {
    let commands: Vec<String> = commands.iter().map(|command| words::clean(command)).collect();
    let fence = if commands.iter().any(|command| command.contains("```")) { "~~~~~~~~" } else { "```" };
    writeln!(out, "{fence}sh\n{}\n{fence}", commands.join("\n"))
}
