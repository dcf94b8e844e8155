//! The fleet as a grid of nodes and GPUs coloured by use, pool by pool. Few nodes are drawn with their names; more of
//! them smaller; thousands as a strip each, GPUs and nodes sorted by use.

use super::parts::figures;
use crate::words::{self, clean};
use maud::{Markup, html};
use plimsoll_decide::audit::{
    Audit,
    picture::{Cell, GridNode},
};
use std::collections::BTreeMap;

/// Up to so many nodes have a name under them.
const NAMED: usize = 96;
/// Up to so many GPUs have a cell each: some 0.8 MiB of page.
const CELLS: usize = 10_000;
/// Up to so many strips; above, alike neighbours share one.
const STRIPS: usize = 12_000;

/// What a cell can say, from the worst to the best. The index is the colour.
const STATES: [(&str, &str); 7] = [
    ("c0", "held, at work under 5 %"),
    ("c1", "5 to 25 %"),
    ("c2", "25 to 50 %"),
    ("c3", "50 to 75 %"),
    ("c4", "75 % and more"),
    ("c-free", "held by nobody"),
    ("c-dark", "held, not seen"),
];

fn state(cell: Cell) -> usize {
    match cell {
        Cell::Held { busy } if busy < 0.05 => 0,
        Cell::Held { busy } if busy < 0.25 => 1,
        Cell::Held { busy } if busy < 0.5 => 2,
        Cell::Held { busy } if busy < 0.75 => 3,
        Cell::Held { .. } => 4,
        Cell::Free => 5,
        Cell::Dark => 6,
    }
}

/// Nodes of one pool and model, as they follow each other.
struct Pool<'a> {
    name: String,
    model: String,
    nodes: Vec<&'a GridNode>,
}

fn pools(grid: &[GridNode]) -> Vec<Pool<'_>> {
    let mut pools = BTreeMap::<(Option<&str>, Option<&str>), Vec<&GridNode>>::new();
    for node in grid {
        pools.entry((node.pool.as_deref(), node.model.as_deref())).or_default().push(node);
    }
    let pool = |((name, model), nodes): ((Option<&str>, Option<&str>), _)| Pool {
        name: name.map_or_else(|| "no pool".to_owned(), clean),
        model: model.map_or_else(|| "model unknown".to_owned(), clean),
        nodes,
    };
    pools.into_iter().map(pool).collect()
}

pub(super) fn section(audit: &Audit) -> Markup {
    let grid = &audit.picture.grid;
    let gpus: usize = grid.iter().map(|node| node.cells.len()).sum();
    let size = match (grid.len(), gpus) {
        (nodes, _) if nodes <= NAMED => "",
        (_, gpus) if gpus <= CELLS => "small",
        _ => "strip",
    };
    let pools = pools(grid);
    html! {
        @if !grid.is_empty() {
            section.long {
                h2 { "The fleet, GPU by GPU" }
                p.note {
                    @if size == "strip" { "Each strip is a node (of very many, a few alike), its GPUs sorted by use, alike nodes side by side. " } @else { "Each square is a GPU, each block a node. " }
                    "Coloured by the mean share of time at work: useful work where SM, tensor or DRAM activity was seen, else that something ran."
                }
                div.legend { @for (class, says) in STATES { span { i class={ "key " (class) } {} (says) } } }
                div class={ "pools " (size) } { @for pool in &pools { (draw(pool, size, grid.len())) } }
                (table(&pools))
            }
        }
    }
}

fn draw(pool: &Pool<'_>, size: &str, total: usize) -> Markup {
    html! {
        div.pool {
            h3 { (pool.name) " " span { (pool.model) ", " (words::plural(pool.nodes.len() as u64, "node")) } }
            div.nodes {
                @if size == "strip" {
                    @for nodes in by_use(&pool.nodes).chunks(total.div_ceil(STRIPS).max(1)) { (strip(nodes)) }
                } @else {
                    @for node in &pool.nodes { (cells(node, size.is_empty())) }
                }
            }
        }
    }
}

fn cells(node: &GridNode, named: bool) -> Markup {
    let name = clean(&node.name);
    let says = |cell: Cell| match cell {
        Cell::Free => "held by nobody".to_owned(),
        Cell::Held { busy } => format!("at work {} of the time", words::percent(busy)),
        Cell::Dark => "held, not seen".to_owned(),
    };
    html! {
        div.node {
            @for (gpu, &cell) in node.cells.iter().enumerate() {
                i class=(STATES[state(cell)].0) title={ (name) ", GPU " (gpu) ": " (says(cell)) } {}
            }
            @if named { small title=(name) { (words::shorten(&name, 10)) } }
        }
    }
}

/// Alike nodes beside each other, those with most idle GPUs first: among thousands the pattern tells, not the name.
fn by_use<'a>(nodes: &[&'a GridNode]) -> Vec<&'a GridNode> {
    let mut nodes = nodes.to_vec();
    nodes.sort_by_cached_key(|node| (std::cmp::Reverse(count(&[node])), node.name.clone()));
    nodes
}

/// A strip of one node, or of alike ones of one pool.
fn strip(nodes: &[&GridNode]) -> Markup {
    let counts = count(nodes);
    let name = match nodes {
        [first, _, ..] => format!("{} alike, among them {}", words::plural(nodes.len() as u64, "node"), clean(&first.name)),
        [only] => clean(&only.name),
        [] => String::new(),
    };
    let says: Vec<String> =
        counts.iter().zip(STATES).filter(|(count, _)| **count > 0).map(|(count, state)| format!("{count} {}", state.1)).collect();
    html! {
        b title={ (name) ": " (says.join("; ")) } {
            @for (count, (class, _)) in counts.iter().zip(STATES) { @if *count > 0 { i class=(class) style={ "flex:" (count) } {} } }
        }
    }
}

/// GPUs by state.
fn count(nodes: &[&GridNode]) -> [u32; STATES.len()] {
    let mut counts = [0; STATES.len()];
    for &cell in nodes.iter().flat_map(|node| &node.cells) {
        counts[state(cell)] += 1;
    }
    counts
}

fn table(pools: &[Pool<'_>]) -> Markup {
    let mut header = vec!["pool", "model", "nodes"];
    header.extend(STATES.map(|state| state.1));
    let rows: Vec<Vec<String>> = pools
        .iter()
        .map(|pool| {
            let numbers = [pool.nodes.len() as u32].into_iter().chain(count(&pool.nodes)).map(words::count);
            [pool.name.clone(), pool.model.clone()].into_iter().chain(numbers).collect()
        })
        .collect();
    figures("The figures: GPUs by pool and use", &header, 2, &rows)
}
