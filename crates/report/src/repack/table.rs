//! The plan for the terminal: what it is worth, the waves with their commands, what stays and why.

use super::{HANDS_OFF, Plan, Sheet, held, kept, moves_note, nodes_note, saves, wave_title};
use crate::{
    terminal::paper::{Ink, Paper},
    words::{self, clean},
};
use plimsoll_decide::pack::{
    defragment::Defragment,
    plan::{Repack, Wave, commands},
};

/// How the table is drawn.
#[derive(Debug, Clone, Copy)]
pub struct TableOptions {
    /// Columns of the terminal.
    pub width: usize,
    /// With colours.
    pub colour: bool,
    /// All waves and moves, not only the first.
    pub all: bool,
}

/// Narrower than this nothing is readable, and wider neither.
const WIDTHS: (usize, usize) = (80, 160);
/// What is shown unless all is asked for.
const WAVES: usize = 5;
const MOVES: usize = 12;
const COMMANDS: usize = 12;
const NOT_WORTH: usize = 8;

/// The plan as a table. It ends with a line break.
#[must_use]
pub fn table(sheet: &Sheet<'_>, options: &TableOptions) -> String {
    let mut paper = Paper::new(options.width.clamp(WIDTHS.0, WIDTHS.1), options.colour);
    match sheet.plan {
        Plan::Nodes(plan) => nodes(&mut paper, sheet, plan),
        Plan::Room(plan) => room(&mut paper, sheet, plan),
    }
    if let Some(assumed) = sheet.assumed() {
        paper.hung(&label("Costs"), Ink::Quiet, &assumed);
    }
    let waves = sheet.waves();
    if !waves.is_empty() {
        paper.gap();
        paper.text(0, Ink::Quiet, HANDS_OFF);
    }
    let shown = if options.all { waves.len() } else { waves.len().min(WAVES) };
    for (number, wave) in (1..).zip(&waves[..shown]) {
        draw_wave(&mut paper, sheet, number, wave, options.all);
    }
    if shown < waves.len() {
        let rest = words::plural((waves.len() - shown) as u64, "more wave");
        paper.gap();
        paper.text(0, Ink::Quiet, &format!("… and {rest}: --all shows them"));
    }
    match sheet.plan {
        Plan::Nodes(plan) => stays(&mut paper, sheet, plan, options.all),
        Plan::Room(plan) => {
            let end = commands::opening(sheet.fleet, plan);
            if !end.is_empty() {
                paper.heading("Then");
                paper.code(2, &end.join("\n"), usize::MAX);
            }
        }
    }
    paper.finish()
}

fn label(name: &str) -> [(Ink, String); 1] {
    [(Ink::Plain, format!("{name:13}"))]
}

fn nodes(paper: &mut Paper, sheet: &Sheet<'_>, plan: &Repack) {
    paper.line([(Ink::Strong, format!("Repacking: {}", sheet.cluster()))]);
    paper.text(0, Ink::Quiet, &format!("seen {} · savings count for {}", words::moment(sheet.fleet.at), words::duration(plan.horizon)));
    paper.gap();
    let nodes = format!("{} → {}   ", words::count(plan.packing.nodes_now), words::count(plan.packing.nodes_needed));
    paper.hung(&[(Ink::Plain, format!("{:13}", "GPU nodes")), (Ink::Good, nodes)], Ink::Quiet, &nodes_note(plan));
    paper.hung(&label("Saves"), Ink::Good, &saves(sheet, plan));
    paper.hung(&label("Moves"), Ink::Plain, &moves_note(sheet));
    paper.hung(&label("Allocated"), Ink::Plain, &format!("{} → {}", held(&plan.before), held(&plan.after)));
    let stranded = |figures: &plimsoll_decide::pack::plan::Figures| words::gpus(figures.stranded.gpus());
    paper.hung(&label("Stranded"), Ink::Plain, &format!("{} GPUs → {}", stranded(&plan.before), stranded(&plan.after)));
}

fn room(paper: &mut Paper, sheet: &Sheet<'_>, plan: &Defragment) {
    paper.line([(Ink::Strong, format!("Room for {}: {}", words::shorten(&sheet.pod(plan.pod), 60), sheet.cluster()))]);
    paper.text(0, Ink::Quiet, &format!("seen {}", words::moment(sheet.fleet.at)));
    paper.gap();
    match plan.node {
        Some(node) => {
            let when = if plan.waves.is_empty() { "now" } else { "when the moves are done" };
            paper.hung(&label("Fits"), Ink::Good, &format!("on {}, {when}", sheet.node(node)));
        }
        None => paper.hung(&label("Fits"), Ink::Warn, "nowhere, whatever was tried"),
    }
    paper.hung(&label("Moves"), Ink::Plain, &moves_note(sheet));
    paper.hung(&label("Proof"), Ink::Quiet, &plan.proof);
    if plan.rivals > 0 {
        paper.hung(&label("But"), Ink::Warn, &rivals(plan.rivals));
    }
    if plan.unchecked {
        paper.hung(&label("But"), Ink::Warn, UNCHECKED);
    }
    if !plan.nowhere.is_empty() {
        paper.heading("Why not");
        let mut why: Vec<_> = plan.nowhere.iter().collect();
        why.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
        for (why, nodes) in why {
            paper.hung(&[(Ink::Strong, format!("{:>7} ", words::count(*nodes)))], Ink::Plain, &clean(&why.to_string()));
        }
    }
}

/// Who may take the room.
pub(super) fn rivals(count: u32) -> String {
    let (who, comes) = if count == 1 {
        ("another waiting pod".to_owned(), "comes")
    } else {
        (format!("{} other waiting pods", words::count(count)), "come")
    };
    format!("{who} {comes} before it and may take the room")
}

/// What the plan does not look at.
pub(super) const UNCHECKED: &str =
    "it asks for a place by other pods (affinity or spread over zones): the scheduler looks at that, this plan does not";

fn draw_wave(paper: &mut Paper, sheet: &Sheet<'_>, number: usize, wave: &Wave, all: bool) {
    paper.heading(&wave_title(sheet, number, wave));
    if !wave.steps.is_empty() {
        // From, to, GPUs, cost; the pod takes what is left.
        let place = ((paper.width - 20) / 4).min(32);
        let pod = paper.width - 2 - 2 * (place + 1) - 5 - 14;
        let row = |ink, cells: [&str; 5]| {
            [(ink, format!("  {:pod$} {:place$} {:place$} {:>4} {:>13}", cells[0], cells[1], cells[2], cells[3], cells[4]))]
        };
        paper.line(row(Ink::Quiet, ["pod", "from", "to", "GPUs", "GPU-hours"]));
        let shown = if all { wave.steps.len() } else { wave.steps.len().min(MOVES) };
        for step in &wave.steps[..shown] {
            let own = sheet.own_gpus(step.pod.pod);
            paper.line(row(
                Ink::Plain,
                [
                    &words::shorten(&sheet.pod(step.pod.pod), pod),
                    &words::shorten(&sheet.node(step.pod.from), place),
                    &words::shorten(&sheet.node(step.pod.to), place),
                    &own,
                    &sheet.step_cost(step),
                ],
            ));
        }
        if shown < wave.steps.len() {
            paper.text(2, Ink::Quiet, &format!("… and {}", words::plural((wave.steps.len() - shown) as u64, "more move")));
        }
    }
    let commands = commands::of_wave(sheet.fleet, wave);
    if !commands.is_empty() {
        paper.code(2, &commands.join("\n"), if all { usize::MAX } else { COMMANDS });
    }
    if !wave.empty.is_empty() {
        let names: Vec<String> = wave.empty.iter().map(|&node| sheet.node(node)).collect();
        let shown = if all { names.len() } else { names.len().min(MOVES) };
        let more = if shown < names.len() { format!(" and {} more", words::count((names.len() - shown) as u64)) } else { String::new() };
        paper.text(2, Ink::Quiet, &format!("Empty: {}{more}. {REMOVE}", names[..shown].join(", ")));
    }
}

/// Who takes an empty node away.
pub(super) const REMOVE: &str = "The node autoscaler takes empty nodes away; without one, take them out of their group at the cloud.";

fn stays(paper: &mut Paper, sheet: &Sheet<'_>, plan: &Repack, all: bool) {
    let kept = kept(plan);
    if !kept.is_empty() {
        paper.heading("What stays, and why");
        for (kind, count, node, pod) in kept {
            let pod = pod.map_or_else(String::new, |pod| format!(" by {}", sheet.pod(pod)));
            let text = format!("{kind}, such as {}{pod}", sheet.node(node));
            paper.hung(&[(Ink::Strong, format!("{:>7} ", words::count(count)))], Ink::Plain, &text);
        }
    }
    if !plan.not_worth.is_empty() {
        paper.heading("Not worth emptying");
        let shown = if all { plan.not_worth.len() } else { plan.not_worth.len().min(NOT_WORTH) };
        for one in &plan.not_worth[..shown] {
            let costs = one.costs.map_or_else(
                || "costs nobody knows what: the work that would be lost is not known".to_owned(),
                |costs| format!("costs {} GPU-hours", words::gpus(costs.0)),
            );
            paper.text(
                2,
                Ink::Plain,
                &format!(
                    "{}: it saves {} GPU-hours in {}; moving its {} {costs}",
                    sheet.node(one.node),
                    words::gpus(one.saves.0),
                    words::duration(plan.horizon),
                    words::plural(one.pods, "pod"),
                ),
            );
        }
        if shown < plan.not_worth.len() {
            paper.text(2, Ink::Quiet, &format!("… and {}", words::plural((plan.not_worth.len() - shown) as u64, "more node")));
        }
    }
}
