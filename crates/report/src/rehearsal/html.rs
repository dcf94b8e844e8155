//! One self-contained page: what was rehearsed, the comparison, the pictures, the waits, what could not be placed, what was
//! assumed. No script, nothing from elsewhere.

use super::{
    columns::{Cell, Comparison},
    name,
    names::Names,
    subject,
    svg::{self, Picture, STYLE},
    terminal::{alike, notes, single_lines, whose},
};
use crate::{
    html::{
        STYLE as PAGE,
        parts::{document, figures},
    },
    words::{self, clean},
};
use maud::{Markup, html};
use plimsoll_simulate::rehearsal::{Rehearsal, Run, Spread};

/// Nothing may be fetched, nothing may run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'";
/// Runs in the tables; the document has them all.
const RUNS: usize = 200;
/// Runs whose waits are listed.
const WAITS: usize = 12;
/// Texts and refusals listed.
const TEXTS: usize = 100;

/// What the page of a rehearsal adds to the style of every page.
const OWN: &str = "
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 470px), 1fr)); gap: 22px 28px; }
.pictures figure { margin: 0; min-width: 0; } .pictures figcaption { font-weight: 600; font-size: 14px; margin-bottom: 4px; overflow-wrap: anywhere; }
.pictures svg { display: block; width: 100%; height: auto; }
.pictures.one { max-width: 720px; grid-template-columns: minmax(0, 1fr); }
.legend svg { flex: none; } .note.tight { margin-bottom: 4px; } .note + .panel { margin-top: 12px; }
.compare { font-size: 13px; } .compare th, .compare td { padding-right: 0; padding-left: 14px; }
.compare th:first-child, .compare td:first-child { padding-left: 0; min-width: 104px; overflow-wrap: break-word; } .compare td { white-space: nowrap; } .compare td:first-child { white-space: normal; }
.compare small { display: block; color: var(--quiet); font-size: 12px; }
.compare .best { color: var(--good); font-weight: 650; }
.compare th.group { text-align: left; border-bottom: 0; color: var(--ink); padding-bottom: 0; }
.facts-of { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 6px 18px; margin: 0; }
.facts-of dt { font-weight: 600; } .facts-of dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 760px) { .facts-of { grid-template-columns: minmax(0, 1fr); gap: 0; } .facts-of dd { margin-bottom: 8px; } }
@media print {
  .pictures { grid-template-columns: 1fr 1fr; } .pictures.one { max-width: 60%; } .pictures figure { break-inside: avoid; }
  h2, .note, .legend { break-after: avoid; break-inside: avoid; } .panel.scroll { overflow: visible; padding: 8px; }
  .compare { font-size: 7pt; } .compare th, .compare td { padding-left: 5px; } .compare th, .compare small { font-size: 6.5pt; }
  .compare th:first-child, .compare td:first-child { min-width: 60px; }
}
";

/// The rehearsal as a page.
#[must_use]
pub fn html(rehearsal: &Rehearsal) -> String {
    let names = Names::of(rehearsal);
    let comparison = Comparison::of(rehearsal, &names);
    let title = format!("Rehearsal: {}", name(rehearsal));
    let body = html! {
        main {
            header {
                h1 { (title) }
                div.quiet { (subject(rehearsal)) }
                (lead(rehearsal, &comparison, &names))
            }
            (texts("What is different from the fleet as it was seen", &rehearsal.changes))
            @match rehearsal.runs.as_slice() {
                [] => section { p { "No run was made." } },
                [run] => (single(run)),
                _ => (compare(rehearsal, &comparison, &names)),
            }
            @for picture in svg::pictures(rehearsal, &names) { (drawn(&picture)) }
            (waits(rehearsal, &names))
            (refusals(rehearsal, &names))
            (texts("What was assumed", &rehearsal.assumed))
            footer {
                "Made by Plimsoll. A rehearsal is a simulation: it is as good as its record of the work and what it assumes. What is unknown is "
                "said to be unknown and is no zero. " code { "plimsoll simulate --format json" } " has every figure."
            }
        }
    };
    document(&title, POLICY, &[PAGE, STYLE, OWN], &body)
}

/// Which run alone is best at what, in a sentence for each of the main figures.
fn lead(rehearsal: &Rehearsal, comparison: &Comparison, names: &Names) -> Markup {
    let seed = rehearsal.runs.first().map(|run| run.seed);
    let best = |group: &str, name: &str| {
        let column = comparison.columns.iter().position(|column| column.group == group && column.name == name)?;
        let of_seed = |at: &usize| Some(rehearsal.runs[*at].seed) == seed;
        let mut winners = (0..rehearsal.runs.len()).filter(of_seed).filter(|&at| comparison.rows[at][column].best);
        let at = winners.next().filter(|_| winners.next().is_none())?;
        Some((&names.runs[at], &comparison.rows[at][column].text))
    };
    let most = best("GPUs allocated, %", "mean");
    let wait = best("wait", "mean");
    let whole = best("GPUs, %", "fragmented");
    html! {
        @if most.is_some() || wait.is_some() || whole.is_some() {
            p.lead {
                @if let Some((run, text)) = most { strong { (run) } " held most of the GPUs: " strong { (text) "\u{a0}%" } " on the mean. " }
                @if let Some((run, text)) = wait { "The shortest wait was with " strong { (run) } ": " (text) " on the mean. " }
                @if let Some((run, text)) = whole { "Least was fragmented with " strong { (run) } ": " (text) "\u{a0}%." }
            }
        }
    }
}

fn texts(title: &str, texts: &[String]) -> Markup {
    html! {
        @if !texts.is_empty() {
            section {
                h2 { (title) }
                ul.spots { @for text in texts.iter().take(TEXTS) { li { (clean(text)) } } }
                @if texts.len() > TEXTS { p.note { "and " (words::count((texts.len() - TEXTS) as u64)) " more in the document." } }
            }
        }
    }
}

fn single(run: &Run) -> Markup {
    html! {
        section {
            h2 { "Policy " (clean(&run.policy)) @if !run.order.is_empty() { ", order " (clean(&run.order)) } ", seed " (run.seed) }
            div.panel { dl.facts-of { @for (name, text) in single_lines(&run.figures) { dt { (name) } dd { (text) } } } }
        }
    }
}

fn compare(rehearsal: &Rehearsal, comparison: &Comparison, names: &Names) -> Markup {
    let cell = |cell: &Cell| {
        html! {
            td.number { span.best[cell.best] { (cell.text) @if cell.best { " *" } }
                @if let Some(difference) = &cell.difference { small { (difference) } }
            }
        }
    };
    html! {
        section.long {
            h2 { "The runs side by side" }
            @for note in notes(comparison, names, rehearsal) { p.note.tight { (note) } }
            div.panel.scroll {
                table.wide.compare {
                    thead {
                        tr { th {} @for group in comparison.columns.chunk_by(|a, b| a.group == b.group) { th.group colspan=(group.len()) scope="colgroup" { (group[0].group) } } }
                        tr { th scope="col" { "run" } @for column in &comparison.columns { th.number scope="col" { (column.name) } } }
                    }
                    tbody {
                        @for (name, row) in names.runs.iter().zip(&comparison.rows).take(RUNS) { tr { td { strong { (name) } } @for of in row { (cell(of)) } } }
                    }
                }
            }
            @if comparison.rows.len() > RUNS { p.note { "and " (words::count((comparison.rows.len() - RUNS) as u64)) " more in the document." } }
        }
    }
}

fn drawn(picture: &Picture) -> Markup {
    let header: Vec<&str> = picture.figures.header.iter().map(String::as_str).collect();
    html! {
        section.long[picture.panels.len() > 4] {
            h2 { (picture.title) }
            p.note { (picture.note) }
            @if !picture.legend.is_empty() { div.legend { @for (key, text) in &picture.legend { span { (key.inline()) (text) } } } }
            div.pictures.one[picture.panels.len() == 1] {
                @for panel in &picture.panels {
                    figure {
                        @if !panel.caption.is_empty() { figcaption { (panel.caption) } }
                        (panel.inline(&format!("{} {}", picture.title, panel.caption)))
                    }
                }
            }
            (figures(&format!("The figures: {}", picture.title.to_lowercase()), &header, picture.figures.texts, &picture.figures.rows))
        }
    }
}

fn waits(rehearsal: &Rehearsal, names: &Names) -> Markup {
    let drawn = names.drawn(WAITS);
    let sizes = super::terminal::sizes(rehearsal, &drawn);
    let figure = |of: &Spread, figure: fn(&Spread) -> f64| if of.count == 0 { "–".to_owned() } else { words::brief(figure(of)) };
    html! {
        @if !sizes.is_empty() {
            section.long {
                h2 { "Waits by the GPUs that a job asks for" }
                p.note { "From arrival to placement, of the jobs that were placed; and from arrival to the end, of those that ended." }
                div.panel.scroll {
                    table.wide.compare {
                        thead { tr {
                            th scope="col" { "job asks for" } th scope="col" { "run" }
                            @for name in ["jobs", "mean wait", "median", "p95", "p99", "most", "mean to the end"] { th.number scope="col" { (name) } }
                        } }
                        tbody {
                            @for size in sizes {
                                @for (first, &at) in drawn.iter().enumerate() {
                                    @if let Some(of) = rehearsal.runs[at].sizes.iter().find(|of| of.size == size) {
                                        tr {
                                            td { @if first == 0 { strong { (clean(size)) } } }
                                            td { (names.runs[at]) }
                                            td.number { (words::count(of.wait.count)) }
                                            td.number { (figure(&of.wait, |wait| wait.mean)) }
                                            td.number { (figure(&of.wait, |wait| wait.p50)) }
                                            td.number { (figure(&of.wait, |wait| wait.p95)) }
                                            td.number { (figure(&of.wait, |wait| wait.p99)) }
                                            td.number { (figure(&of.wait, |wait| wait.most)) }
                                            td.number { (figure(&of.completion, |end| end.mean)) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn refusals(rehearsal: &Rehearsal, names: &Names) -> Markup {
    let groups = alike(rehearsal, names);
    html! {
        @if !groups.is_empty() {
            section.long {
                h2 { "What could not be placed, even on the empty fleet" }
                @for (runs, refused) in &groups {
                    @let whose = whose(runs, rehearsal.runs.len());
                    @if !whose.is_empty() { h3 { (whose) } }
                    ul.spots {
                        @for refusal in refused.iter().take(TEXTS) {
                            li { strong { (words::plural(refusal.jobs, "job")) } ": " (clean(&refusal.why))
                                @if !refusal.example.trim().is_empty() { div.quiet { "for example " (clean(&refusal.example)) } }
                            }
                        }
                    }
                    @if refused.len() > TEXTS { p.note { "and " (words::count((refused.len() - TEXTS) as u64)) " more in the document." } }
                }
            }
        }
    }
}
