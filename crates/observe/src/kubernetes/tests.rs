//! Stories: objects as clusters have them, and an API server that misbehaves.
#![allow(clippy::unwrap_used)]

mod api;
mod objects;
mod traces;
