//! What was asked for and could not be done.

use super::{need::Need, offer::Offer};
use std::fmt;

/// What was asked for and could not be done, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// A need that cannot be read.
    Need {
        /// The annotation.
        annotation: &'static str,
        /// What it says.
        text: String,
        /// What it may say.
        why: &'static str,
    },
    /// A need on an object that has several templates.
    WhichTemplate {
        /// The object's kind.
        kind: String,
    },
    /// The container that is to have the device is not there.
    NoContainer {
        /// Its name.
        name: String,
    },
    /// A pool is named that there is not.
    NoSuchPool {
        /// Its name.
        pool: String,
        /// Who names it.
        by: String,
    },
    /// The pool that is named cannot be meant: the pod may not go to its nodes.
    Elsewhere {
        /// Its name.
        pool: String,
    },
    /// No pool is known that the pod may go to.
    NoPool {
        /// What was asked for.
        need: Need,
    },
    /// No device is large enough.
    NothingFits {
        /// What was asked for.
        need: Need,
        /// What the pools offer.
        offers: Vec<Offer>,
    },
    /// A need has changed, and the device that it became has not.
    NeedChanged {
        /// What is asked for now.
        need: Need,
    },
}

/// Most offers that a warning tells.
const OFFERS_TOLD: usize = 4;

impl fmt::Display for Left {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Need { annotation, text, why } => write!(out, "{annotation}: '{text}' {why}; no device was added"),
            Self::WhichTemplate { kind } => {
                write!(out, "this {kind} has several kinds of pods: put plimsoll.dev/gpu-memory on the template that needs a GPU")
            }
            Self::NoContainer { name } => write!(out, "plimsoll.dev/gpu-container: there is no container {name}; no device was added"),
            Self::NoSuchPool { pool, by } => write!(out, "{by} names the pool {pool}, and there is none; it was passed over"),
            Self::Elsewhere { pool } => {
                write!(out, "the pod's selector or affinity keeps it off the pool {pool} that is named for it; no pool was chosen")
            }
            Self::NoPool { need } => write!(out, "{need} is asked for, and no pool is known that the pod may go to; no device was added"),
            Self::NothingFits { need, offers } if offers.is_empty() => {
                write!(out, "{need} is asked for, and no pool says which devices it offers; no device was added")
            }
            Self::NothingFits { need, offers } => {
                write!(out, "{need} is more than any device offers; no device was added. There are ")?;
                for (at, offer) in offers.iter().take(OFFERS_TOLD).enumerate() {
                    write!(out, "{}{offer}", if at > 0 { ", " } else { "" })?;
                }
                let more = offers.len().saturating_sub(OFFERS_TOLD);
                if more > 0 { write!(out, " and {more} more") } else { Ok(()) }
            }
            Self::NeedChanged { need } => {
                write!(out, "{need} is asked for now, and the device of before stays: remove its limit to have it chosen anew")
            }
        }
    }
}

/// Longest warning, bytes: API servers may cut what is longer.
const WARNING_MAX: usize = 250;

/// Not longer than a warning may be.
pub(super) fn cut(text: &str) -> String {
    if text.len() <= WARNING_MAX {
        return text.to_owned();
    }
    let mut end = WARNING_MAX - 3;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &text[..end])
}
