//! What people look at after a rehearsal. Every form draws one [`Rehearsal`]; the only figures made here are differences between
//! runs and shares that a scale needs.
//!
//! - `terminal`: the comparison on the command line; `columns` are its figures, `names` tell the runs apart.
//! - `csv`: a line a run, or a line a moment.
//! - `json`: the document with a published schema (`docs/schema/rehearsal.json`).
//! - `svg`: pictures, each a file of its own.
//! - `html`: one self-contained page with all of it.

mod columns;
mod csv;
mod html;
mod json;
mod names;
mod svg;
mod terminal;

pub use self::{
    csv::{course_csv, csv},
    html::html,
    json::{Document, SCHEMA_VERSION, document, json, schema},
    svg::svg,
    terminal::terminal,
};

use crate::words::{self, clean};
use plimsoll_fleet::Seconds;
use plimsoll_simulate::rehearsal::Rehearsal;

/// What was rehearsed, in a line.
fn subject(rehearsal: &Rehearsal) -> String {
    let parts = [clean(&rehearsal.fleet), clean(&rehearsal.work), stretch(rehearsal)];
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect::<Vec<_>>().join(" · ")
}

/// How long it went, and from when.
fn stretch(rehearsal: &Rehearsal) -> String {
    let length = rehearsal.horizon.map_or_else(|| "until everything had ended".to_owned(), |seconds| words::duration(Seconds(seconds)));
    match rehearsal.began.as_deref() {
        Some(began) => format!("{length} from {}", words::from_rfc3339(began).map_or_else(|| clean(began), words::moment)),
        None => length,
    }
}

/// Its name, or a word for it.
fn name(rehearsal: &Rehearsal) -> String {
    let name = clean(&rehearsal.name);
    if name.trim().is_empty() { "without a name".to_owned() } else { name }
}
