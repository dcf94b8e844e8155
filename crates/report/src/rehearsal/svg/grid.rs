//! The nodes when most was allocated: a cell a GPU, a row a node, pool by pool, a panel a run. Cells shrink as nodes grow many; past
//! tens of thousands of GPUs a cell stands for several alike.

use super::{
    pen::Pen,
    picture::{Figures, Key, Panel, Picture, WIDTH, text_width},
};
use crate::{
    chart::px,
    rehearsal::names::Names,
    words::{self, clean},
};
use maud::{Markup, html};
use plimsoll_simulate::rehearsal::{GridNode, Rehearsal};
use std::collections::BTreeMap;

/// Panels drawn.
const PANELS: usize = 4;
/// Cells of all panels: a picture of some 200 KB.
const CELLS: usize = 26_000;
/// Nodes of all panels that say their figures on hover, each; more, and their pool does.
const TOLD: usize = 700;
/// Pools drawn apart; the others are one.
const POOLS: usize = 16;
/// GPUs side by side; a node with more has several rows.
const ROW: usize = 8;
const LEFT: f64 = 12.0;
const ROOM: f64 = WIDTH - 2.0 * LEFT;
/// The cells of a panel should not take more height than this.
const HEIGHT: f64 = 400.0;
/// A pool's name above it.
const HEAD: f64 = 20.0;

/// What a cell can say. The index is the colour.
const STATES: [&str; 6] = [
    "allocated whole",
    "half or more allocated",
    "less than half allocated",
    "partly allocated, the rest of little use",
    "free, of little use to the expected mix",
    "free",
];
const AREAS: [&str; STATES.len()] = ["key g0", "key g1", "key g2", "key g3", "key g4", "key g5"];

/// The states of a node's GPUs. What is free counts as of little use where the mix cannot use half of it or more.
fn states(node: &GridNode) -> Vec<usize> {
    let free: u64 = node.gpus.iter().map(|&held| 1_000 - u64::from(held.min(1_000))).sum();
    let lost = node.fragmented > 0 && u64::from(node.fragmented) * 2 >= free;
    let state = |&held: &u16| match (held, lost) {
        (1_000.., _) => 0,
        (0, false) => 5,
        (0, true) => 4,
        (_, true) => 3,
        (500.., false) => 1,
        (_, false) => 2,
    };
    node.gpus.iter().map(state).collect()
}

/// A row of cells: a node's, or the like of it.
struct Row {
    states: Vec<usize>,
    says: String,
}

struct Pool {
    name: String,
    rows: Vec<Row>,
    /// GPUs by state.
    counts: [u64; STATES.len()],
}

impl Pool {
    /// Most cells of a row.
    fn most(&self) -> usize {
        self.rows.iter().map(|row| row.states.len()).max().unwrap_or(0).max(1)
    }
}

/// The pools of a grid. `each` GPUs share a cell.
fn pools(nodes: &[GridNode], each: usize) -> Vec<Pool> {
    let mut by: BTreeMap<(&str, &str), Vec<&GridNode>> = BTreeMap::new();
    for node in nodes.iter().filter(|node| !node.gpus.is_empty()) {
        by.entry((&node.pool, &node.model)).or_default().push(node);
    }
    let mut order: Vec<_> = by.iter().map(|(key, nodes)| (std::cmp::Reverse(nodes.len()), *key)).collect();
    order.sort_unstable();
    let small: Vec<(&str, &str)> = order.into_iter().skip(POOLS).map(|pool| pool.1).collect();
    let mut rest: Vec<&GridNode> = small.iter().filter_map(|key| by.remove(key)).flatten().collect();
    let mut pools: Vec<Pool> = by.into_iter().map(|((pool, model), nodes)| gather(title(pool, model), &nodes, each)).collect();
    if !rest.is_empty() {
        rest.sort_by(|a, b| a.name.cmp(&b.name));
        pools.push(gather(words::plural(small.len() as u64, "smaller pool"), &rest, each));
    }
    pools
}

fn title(pool: &str, model: &str) -> String {
    let short = |text: &str| words::shorten(&clean(text), 40);
    match (short(pool), short(model)) {
        (pool, model) if pool.is_empty() && model.is_empty() => "no pool".to_owned(),
        (pool, model) if pool.is_empty() => model,
        (pool, model) if model.is_empty() => pool,
        (pool, model) => format!("{pool} ({model})"),
    }
}

fn gather(name: String, nodes: &[&GridNode], each: usize) -> Pool {
    let mut counts = [0; STATES.len()];
    let all: Vec<Vec<usize>> = nodes.iter().map(|node| states(node)).collect();
    all.iter().flatten().for_each(|&state| counts[state] += 1);
    let name = format!("{name}, {}", words::plural(nodes.len() as u64, "node"));
    let rows = if each > 1 {
        // Alike cells beside each other: among tens of thousands the pattern tells, not the node.
        let mut cells: Vec<usize> = all.into_iter().flatten().collect();
        cells.sort_unstable();
        let cells: Vec<usize> = cells.chunks(each).map(|alike| alike[alike.len() / 2]).collect();
        cells.chunks(ROW).map(|states| Row { states: states.to_vec(), says: String::new() }).collect()
    } else {
        let rows = |(node, states): (&&GridNode, Vec<usize>)| {
            let row = |states: &[usize]| Row { says: says(node), states: states.to_vec() };
            states.chunks(ROW).map(row).collect::<Vec<_>>()
        };
        nodes.iter().zip(all).flat_map(rows).collect()
    };
    Pool { name, rows, counts }
}

fn says(node: &GridNode) -> String {
    let held: u64 = node.gpus.iter().map(|&held| u64::from(held)).sum();
    let lost =
        if node.fragmented > 0 { format!(", {} of little use", words::gpus(f64::from(node.fragmented) / 1_000.0)) } else { String::new() };
    format!(
        "{}: {} of {} GPUs allocated{lost}",
        words::shorten(&clean(&node.name), 60),
        words::gpus(held as f64 / 1_000.0),
        node.gpus.len()
    )
}

fn counted(pool: &Pool) -> String {
    let parts: Vec<String> = pool
        .counts
        .iter()
        .zip(STATES)
        .filter(|(count, _)| **count > 0)
        .map(|(count, state)| format!("{} {state}", words::count(*count)))
        .collect();
    format!("{}: {}", pool.name, parts.join("; "))
}

/// Where a pool stands, and how its nodes do.
struct Place {
    x: f64,
    y: f64,
    columns: usize,
    /// From one row to the next.
    row: (f64, f64),
}

/// The pools on shelves, for a distance of `pitch` from cell to cell.
struct Layout {
    places: Vec<Place>,
    /// The height of all, and the part of it that cells take.
    height: f64,
    cells: f64,
}

fn layout(pools: &[Pool], pitch: f64) -> Layout {
    const BETWEEN: f64 = 22.0;
    let (mut x, mut y, mut shelf, mut cells) = (0.0, 0.0, 0.0, 0.0);
    let mut places = Vec::new();
    for pool in pools {
        let row = ((pool.most() as f64 + 0.8) * pitch, pitch);
        let columns = ((ROOM / row.0).floor() as usize).clamp(1, pool.rows.len().max(1));
        let rows = pool.rows.len().div_ceil(columns) as f64;
        let width = (columns as f64 * row.0).max(text_width(&pool.name, 14.0)).min(ROOM);
        if x > 0.0 && x + width > ROOM {
            (x, y) = (0.0, y + shelf + 10.0);
            (cells, shelf) = (cells + shelf - HEAD, 0.0);
        }
        places.push(Place { x: LEFT + x, y, columns, row });
        x += width + BETWEEN;
        shelf = f64::max(shelf, HEAD + rows * row.1);
    }
    Layout { places, height: y + shelf, cells: cells + shelf - HEAD }
}

pub(super) fn picture(rehearsal: &Rehearsal, names: &Names) -> Option<Picture> {
    let has = |run: &usize| rehearsal.runs[*run].grid.nodes.iter().any(|node| !node.gpus.is_empty());
    let drawn: Vec<usize> = names.drawn(PANELS).into_iter().take(PANELS).filter(has).collect();
    if drawn.is_empty() {
        return None;
    }
    let nodes = || drawn.iter().flat_map(|&run| &rehearsal.runs[run].grid.nodes);
    let each = nodes().map(|node| node.gpus.len()).sum::<usize>().div_ceil(CELLS).max(1);
    let all: Vec<Vec<Pool>> = drawn.iter().map(|&run| pools(&rehearsal.runs[run].grid.nodes, each)).collect();
    // One size for all runs, so that they compare.
    let height = |pitch: f64| all.iter().map(|pools| layout(pools, pitch).cells).fold(0.0, f64::max);
    let pitch =
        [16.0, 14.0, 12.0, 10.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.2, 2.6].into_iter().find(|&pitch| height(pitch) <= HEIGHT).unwrap_or(2.0);
    let told = each == 1 && nodes().count() <= TOLD;
    let panel = |(&run, pools): (&usize, &Vec<Pool>)| {
        let mean =
            rehearsal.runs[run].figures.allocation_peak.map_or_else(String::new, |peak| format!(": {:.1} % allocated", peak * 100.0));
        draw(pools, pitch, told, format!("{}{mean}", words::shorten(&names.runs[run], 34)))
    };
    let cell = if each > 1 {
        format!("Each cell stands for {each} GPUs of a pool, alike ones together.")
    } else {
        "Each cell is a GPU, each row of up to eight a node (a larger one has several).".to_owned()
    };
    let left_out = rehearsal.runs.len().saturating_sub(drawn.len()) as u64;
    let left_out = if left_out > 0 { format!(" {} not drawn.", words::plural(left_out, "further run")) } else { String::new() };
    Some(Picture {
        file: "grid",
        title: "The nodes when most was allocated",
        note: format!("{cell} Orange is what the expected mix of pods could not use half of, or more.{left_out}"),
        legend: AREAS.into_iter().zip(STATES).map(|(class, says)| (Key::Area(class), says.to_owned())).collect(),
        panels: drawn.iter().zip(&all).map(panel).collect(),
        figures: figures(names, &drawn, &all),
    })
}

fn draw(pools: &[Pool], pitch: f64, told: bool, caption: String) -> Panel {
    let Layout { places, height, .. } = layout(pools, pitch);
    let cell = pitch * if pitch > 4.0 { 0.84 } else { 0.76 };
    let mut pens: Vec<Pen> = STATES.iter().map(|_| Pen::default()).collect();
    for (pool, place) in pools.iter().zip(&places) {
        for (at, row) in pool.rows.iter().enumerate() {
            let (x, y) = corner(place, at);
            let middle = y + cell / 2.0;
            let mut from = 0;
            // Cells alike beside each other are one dashed line: the dashes are the cells.
            for run in row.states.chunk_by(|a, b| a == b) {
                let left = x + from as f64 * pitch;
                pens[run[0]].move_to(left, middle);
                pens[run[0]].line_to(left + (run.len() - 1) as f64 * pitch + cell, middle);
                from += run.len();
            }
        }
    }
    let dashes = format!("{} {}", thousandths(cell), thousandths(pitch - cell));
    let body = html! {
        @for (pool, place) in pools.iter().zip(&places) {
            text x=(px(place.x)) y=(px(place.y + 13.0)) {
                (words::shorten(&pool.name, ((WIDTH - LEFT - place.x) / 8.6) as usize))
                title { (counted(pool)) }
            }
        }
        @for (state, pen) in pens.into_iter().enumerate().filter(|(_, pen)| !pen.is_empty()) {
            path class={ "cells g" (state) } stroke-width=(thousandths(cell)) stroke-dasharray=(dashes) d=(pen.finish()) {}
        }
        @for (pool, place) in pools.iter().zip(&places) { (hits(pool, place, pitch, told)) }
    };
    Panel { caption, height: height + 4.0, body }
}

/// A size to a thousandth: dashes must not drift against cells.
fn thousandths(size: f64) -> String {
    format!("{}", (size * 1_000.0).round() / 1_000.0)
}

fn corner(place: &Place, at: usize) -> (f64, f64) {
    let (column, line) = (at % place.columns, at / place.columns);
    (place.x + column as f64 * place.row.0, place.y + HEAD + line as f64 * place.row.1)
}

/// What says its figures on hover: each node, or else each pool.
fn hits(pool: &Pool, place: &Place, pitch: f64, told: bool) -> Markup {
    let rect = |(x, y): (f64, f64), width: f64, height: f64, says: &str| {
        html! { rect.hit x=(px(x)) y=(px(y)) width=(px(width)) height=(px(height)) { title { (says) } } }
    };
    html! {
        @if told {
            @for (at, row) in pool.rows.iter().enumerate() { (rect(corner(place, at), place.row.0 - pitch * 0.8, place.row.1, &row.says)) }
        } @else {
            @let rows = pool.rows.len().div_ceil(place.columns);
            (rect((place.x, place.y + HEAD), place.columns as f64 * place.row.0, rows as f64 * place.row.1, &counted(pool)))
        }
    }
}

fn figures(names: &Names, drawn: &[usize], all: &[Vec<Pool>]) -> Figures {
    let header = ["run", "pool"].into_iter().chain(STATES).map(str::to_owned).collect();
    let mut rows = Vec::new();
    for (&run, pools) in drawn.iter().zip(all) {
        for pool in pools {
            rows.push([names.runs[run].clone(), pool.name.clone()].into_iter().chain(pool.counts.map(words::count)).collect());
        }
    }
    Figures { header, texts: 2, rows }
}
