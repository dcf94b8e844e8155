//! Pictures, each a file of its own: no script, font or style from elsewhere; light and dark; drawn for a width of 400 pixels and more.
//!
//! - `picture`: title, legend and panels, as a file or as a part of the page.
//! - `filling`, `fragmentation`, `timeline`, `grid`: a picture each.
//! - `lines`: what the first two share; `pen`: short paths; `clock`: an axis of time.

mod clock;
mod filling;
mod fragmentation;
mod grid;
mod lines;
mod pen;
mod picture;
mod timeline;

use super::{name, names::Names};
pub(super) use picture::{Picture, STYLE};
use plimsoll_simulate::rehearsal::Rehearsal;

/// The pictures as files: each one's name without its extension, and its text. A picture without anything to draw is left out.
#[must_use]
pub fn svg(rehearsal: &Rehearsal) -> Vec<(String, String)> {
    let of = name(rehearsal);
    pictures(rehearsal, &Names::of(rehearsal)).iter().map(|picture| (picture.file.to_owned(), picture.document(&of))).collect()
}

/// The pictures that have something to draw.
pub(super) fn pictures(rehearsal: &Rehearsal, names: &Names) -> Vec<Picture> {
    [
        filling::picture(rehearsal, names),
        fragmentation::picture(rehearsal, names),
        timeline::picture(rehearsal, names),
        grid::picture(rehearsal, names),
    ]
    .into_iter()
    .flatten()
    .collect()
}
