//! The funnel, the money, the next steps, the blind spots.

use super::parts::{code, width};
use crate::{
    funnel, terminal,
    words::{self, clean},
};
use maud::{Markup, html};
use plimsoll_decide::audit::{Audit, baseline::Comparison, funnel::Part};

/// What the page is about.
pub(super) fn cluster(audit: &Audit) -> String {
    let name = clean(audit.origin.cluster.as_deref().unwrap_or(&audit.origin.source));
    if name.is_empty() { "this cluster".to_owned() } else { name }
}

pub(super) fn header(audit: &Audit) -> Markup {
    let counts = &audit.counts;
    html! {
        header {
            h1 { "Where the GPU money goes" }
            div.quiet {
                (cluster(audit)) " · " (words::plural(counts.gpus, "GPU")) " on " (words::count(counts.gpu_nodes)) " of "
                (words::plural(counts.nodes, "node")) " · " (words::plural(counts.workloads, "GPU workload")) " · " (words::window(audit.window))
            }
            (lead(audit))
        }
        section { div.panel { (bars(audit)) } }
    }
}

/// The audit in three sentences.
fn lead(audit: &Audit) -> Markup {
    let (money, packing) = (&audit.money, &audit.packing);
    let [_, (_, allocated), (_, in_use), (_, useful)] = funnel::stages(audit);
    let gpus = |part: Option<Part>| part.map_or_else(|| "an unknown number".to_owned(), |part| words::gpus(part.gpus));
    let figure = |amount| words::money(amount, &money.currency);
    let going = packing.nodes_that_can_go.len() as u64;
    html! {
        @if audit.counts.gpus > 0 {
            p.lead {
                @match money.bill_month {
                    Some(bill) => { "The GPU nodes cost " strong { (figure(bill)) } " a month. " }
                    None => { "What the GPU nodes cost is not known. " }
                }
                "Of " (words::plural(audit.counts.gpus, "GPU")) ", " strong { (gpus(allocated)) " are allocated" } ", "
                (gpus(in_use)) " in use and " strong { (gpus(useful)) " usefully in use" }
                @if audit.funnel.unseen.gpus > 0.0 { "; of " (words::gpus(audit.funnel.unseen.gpus)) " the use could not be seen" }
                ". "
                @if going > 0 {
                    @match money.realisable_saving_month {
                        Some(saving) => { strong { (figure(saving)) " a month" } " can be had back now: " }
                        None => {}
                    }
                    (words::plural(going, "node")) " of " (words::count(packing.nodes_now)) " can go."
                }
            }
        }
    }
}

fn bars(audit: &Audit) -> Markup {
    let whole = audit.funnel.paid.gpus;
    let classes = ["paid", "allocated", "in-use", "useful"];
    let row = |name: &str, class: &str, part: Option<Part>, why: Option<&str>| {
        let money = words::money_or_unknown(part.and_then(|part| part.cost_month), &audit.money.currency);
        let share = part.filter(|_| whole > 0.0).map_or_else(String::new, |part| words::percent(part.gpus / whole));
        let gpus = part.map_or_else(|| words::UNKNOWN.to_owned(), |part| format!("{} GPUs", words::gpus(part.gpus)));
        let title = format!("{name}: {gpus}, {money} a month{}", why.map_or_else(String::new, |why| format!(" ({why})")));
        html! {
            div.name title=(title) { (name) }
            div.bar title=(title) { @if let Some(part) = part.filter(|part| part.gpus > 0.0) { i class=(class) style=(width(part.gpus, whole)) {} } }
            div.number { (gpus) }
            div.number { (money) }
            div.number.quiet { (share) }
        }
    };
    let unseen = funnel::unseen(audit);
    html! {
        div.funnel {
            div.head {} div.head {} div.head {} div.head { "a month" } div.head { "of all" }
            @for ((name, part), class) in funnel::stages(audit).into_iter().zip(classes) { (row(name, class, part, None)) }
            @for (name, part, why) in &unseen { (row(name, "hatch", Some(*part), Some(why))) }
        }
        @if !unseen.is_empty() {
            p.note style="margin:14px 0 0" {
                @for (name, _, why) in &unseen { (name) ": " (why) ". " }
                "What could not be seen is in neither of the parts in use."
            }
        }
    }
}

pub(super) fn money(audit: &Audit, comparison: Option<&Comparison>) -> Markup {
    let money = &audit.money;
    let card = |label: &str, amount, note: String, best: bool| {
        html! {
            div.panel.card.best[best] {
                div.label { (label) }
                b.unknown[Option::is_none(&amount)] { (words::money_or_unknown(amount, &money.currency)) }
                span { (note) }
            }
        }
    };
    html! {
        section {
            h2 { "What it costs, and what can be had back" }
            div.cards {
                (card("The bill", money.bill_month, terminal::bill_note(money), false))
                (card("Theoretical saving", money.theoretical_saving_month, terminal::theoretical_note(money), false))
                (card("Realisable saving", money.realisable_saving_month, terminal::packing_note(&audit.packing), true))
            }
            @if let Some(comparison) = comparison {
                p style="margin:16px 0 0" { strong { "Since the baseline: " } (terminal::since(comparison, &money.currency)) "." }
                @if !comparison.mended.is_empty() {
                    details.figures {
                        summary { "What was mended" }
                        div.scroll { table { tbody {
                            @for known in &comparison.mended {
                                tr {
                                    td { (clean(&known.sign)) } td { (clean(&known.subject)) }
                                    td.number { (words::money_or_unknown(known.cost_month, &money.currency)) }
                                }
                            }
                        } } }
                    }
                }
            }
            @if !audit.packing.nodes_that_can_go.is_empty() {
                details.figures {
                    summary { "The nodes that can go" }
                    div.scroll { table {
                        thead { tr { th scope="col" { "node" } th.number scope="col" { "a month" } } }
                        tbody {
                            @for going in audit.packing.nodes_that_can_go.iter().take(500) {
                                tr { td { (clean(&going.name)) } td.number { (words::money_or_unknown(going.per_month, &money.currency)) } }
                            }
                        }
                    } }
                    @if !audit.packing.kept.is_empty() {
                        p.note { "The others stay because: "
                            @for (at, (why, nodes)) in audit.packing.kept.iter().enumerate() {
                                @if at > 0 { "; " } (clean(why)) " (" (words::count(*nodes)) ")"
                            }
                            "." @if !audit.packing.bound_how.is_empty() { " The bound: " (clean(&audit.packing.bound_how)) "." }
                        }
                    }
                }
            }
            @if !money.unpriced_nodes.is_empty() {
                details.figures {
                    summary { (words::plural(money.unpriced_nodes.len() as u64, "node")) " of unknown price" }
                    div.scroll { table { tbody {
                        @for node in money.unpriced_nodes.iter().take(500) { tr { td { (clean(&node.name)) } td { (words::unpriced(&node.why)) } } }
                    } } }
                }
            }
        }
    }
}

pub(super) fn next_steps(audit: &Audit) -> Markup {
    html! {
        @if !audit.next_steps.is_empty() {
            section {
                h2 { "What to do next" }
                ol.steps {
                    @for step in &audit.next_steps {
                        li { div {
                            (clean(&step.says))
                            @if let Some(worth) = step.worth_month {
                                " " span.worth { "Up to " (words::money(worth, &audit.money.currency)) " a month." }
                            }
                            @if !step.command.is_empty() { (code(&step.command)) }
                        } }
                    }
                }
            }
        }
    }
}

pub(super) fn blind_spots(audit: &Audit) -> Markup {
    html! {
        @if !audit.blind_spots.is_empty() {
            section.long {
                h2 { "What could not be seen" }
                p.note { "A missing figure is unknown, never zero. This is how to light each blind spot." }
                ul.spots {
                    @for spot in audit.blind_spots.iter().take(100) {
                        li {
                            strong { (terminal::subject(spot)) } ": " (clean(&spot.says))
                            @if let Some(gpus) = spot.gpus { " " span.quiet { "(" (words::gpus(gpus)) " GPUs in the dark)" } }
                            div.quiet { "To light it: " (clean(&spot.remedy)) }
                        }
                    }
                }
            }
        }
    }
}
