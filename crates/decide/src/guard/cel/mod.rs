//! Expressions of users: the Common Expression Language, with a bound on what an expression can cost that is known before it runs.
//!
//! - [`Expression`]: a text that was parsed, understood and found cheap enough; its `truth` and its `text` run it
//! - `inputs`: what it can see of an object; [`limits`]: how large objects and expressions may be, and what all of it may cost
//! - `syntax`: from a text to a tree of ours; `cost`: what a tree can cost at most; `looks`: which parts of an object it looks at;
//!   `run`: evaluation; `value`, `functions`
//! - `write`: from a tree to a text again, for whoever else evaluates it
//!
//! The grammar and Kubernetes' functions are kube-cel's. Evaluation is ours: that of the crate copies every part of an object that it
//! looks at, iterates maps in the order of a hash map, answers `false` where a key of a text is asked for, and takes `!!x` for `!x`.
//! Here nothing is copied, an order is an order, what makes no sense is an error, and each step is counted.

mod cost;
mod functions;
pub(in crate::guard) mod inputs;
pub mod limits;
mod looks;
mod run;
mod syntax;
#[cfg(test)]
mod tests;
mod value;
mod write;

pub(super) use looks::Looks;

use plimsoll_fleet::parts::Parts;
use serde_json::Value as Json;

/// What an expression can see, each by its name.
pub const VARIABLES: [(&str, &str); 8] = [
    ("object", "the object as it was written, without what is never read (env, args, command, volumes, data)"),
    ("namespace", "its namespace; empty: it says none"),
    ("namespaceLabels", "the labels of its namespace; where they are not known the rule is not judged"),
    ("pods", "its pod templates: path, count, devices, labels, annotations, nodeSelector, priorityClassName, containers"),
    ("containers", "the containers of all of them: name, image, role (main, init, sidecar, ephemeral), devices, requests, limits"),
    ("devices", "devices of all its pods at once; where they cannot be told the rule is not judged"),
    ("class", "its class: online, batch, training, dev or unknown"),
    ("team", "the team that it belongs to; empty: none"),
];

/// The place of a variable in [`VARIABLES`].
pub(super) fn slot(name: &str) -> Option<usize> {
    VARIABLES.iter().position(|(variable, _)| *variable == name)
}

/// The variables of one object; none: not known.
pub(super) type Inputs = [Option<Json>; VARIABLES.len()];

/// A text that is ready to run.
#[derive(Debug, Clone)]
pub struct Expression {
    tree: syntax::Tree,
    cost: u64,
    looks: Looks,
}

impl Expression {
    /// Reads `text`.
    ///
    /// # Errors
    /// What is wrong with it, and what to do: it is no expression, it asks for what is never read, or it may cost too much.
    pub fn new(text: &str) -> Result<Self, String> {
        let tree = syntax::read(text)?;
        let cost = cost::bound(&tree.root);
        if cost > limits::COST_MAX {
            let remedy = "Look at fewer things in each other: every pass over a list in a pass over another one multiplies";
            return Err(format!("it may cost {cost} steps for the largest object, and {} are allowed. {remedy}", limits::COST_MAX));
        }
        let looks = looks::at(&tree.root);
        Ok(Self { tree, cost, looks })
    }

    /// What it can cost at most, in steps, for any object within the [`limits`].
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// The parts of the variables that it looks at.
    pub(super) fn looks(&self) -> &Looks {
        &self.looks
    }

    /// The places in [`VARIABLES`] of those that it looks at.
    pub(super) fn uses(&self) -> impl Iterator<Item = usize> {
        self.tree.variables.iter().copied()
    }

    /// Does it look at this variable?
    pub(super) fn looks_at(&self, variable: &str) -> bool {
        slot(variable).is_some_and(|slot| self.tree.variables.contains(&slot))
    }

    /// As Kubernetes and Kyverno understand it, with other names for its variables: each by its own.
    ///
    /// # Errors
    /// What in it they do not understand.
    pub(super) fn written(&self, name: fn(&str) -> &'static str) -> Result<String, String> {
        write::text(&self.tree.root, name)
    }

    /// Is it true of these?
    ///
    /// # Errors
    /// Why that cannot be told: no such key, or the result is neither true nor false.
    pub(super) fn truth(&self, inputs: &Inputs) -> Result<bool, String> {
        match self.run(inputs)?.0 {
            Json::Bool(truth) => Ok(truth),
            other => Err(format!("it is neither true nor false, but {}", kind(&other))),
        }
    }

    /// The text that it makes of these.
    ///
    /// # Errors
    /// Why it makes none.
    pub(super) fn text(&self, inputs: &Inputs) -> Result<String, String> {
        match self.run(inputs)?.0 {
            Json::String(text) => Ok(text),
            other => Err(format!("it is no text, but {}", kind(&other))),
        }
    }

    /// Its value, where that is a truth, a number or a text, and the steps that it took.
    fn run(&self, inputs: &Inputs) -> Result<(Json, u64), String> {
        let mut run = run::Run::new(inputs, self.cost);
        let value = run.value(&self.tree.root).map_err(|stop| stop.0)?;
        Ok((value.json(), run.steps()))
    }
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "nothing",
        Json::Bool(_) => "a truth",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}
