//! What people look at. Every form draws one [`plimsoll_decide::audit::Audit`], rehearsal, plan or check, and computes no figure of it:
//! what is printed here was decided there. Nothing in here does I/O, reads a clock or prints; a form is a `String`.
//!
//! - [`terminal`]: the table of the command line.
//! - [`json`]: the document with a published schema.
//! - [`csv`]: a line a finding.
//! - [`markdown`]: for a pull request.
//! - [`html`]: one self-contained page with pictures.
//! - [`rehearsal`]: all of these, and pictures, of a rehearsal.
//! - [`check`]: what the rules say of manifests.
//! - [`explain`]: the long form of a waste sign or a rule.
//! - [`repack`]: a plan to move pods, in all of these forms but the page.
//! - [`by`]: the views that a user may ask for.
//! - [`words`]: how figures and names are written, for all of them.

pub mod by;
mod chart;
pub mod check;
pub mod csv;
pub mod explain;
mod funnel;
pub mod html;
pub mod json;
pub mod markdown;
pub mod rehearsal;
pub mod repack;
pub mod terminal;
pub mod words;
