//! Which parts of its variables an expression looks at, told before it runs: objects are large, and rules look at little of them.

use super::{
    Parts, VARIABLES,
    syntax::{Expr, Loop},
};
use plimsoll_fleet::parts::Part;
use serde_json::Value as Json;

/// Parts of every variable, by its place in [`VARIABLES`].
pub(in crate::guard) type Looks = [Parts; VARIABLES.len()];

/// A piece of a variable: what an expression has come to, before it is known what is done with it.
#[derive(Clone)]
struct Piece {
    slot: usize,
    way: Vec<Part>,
}

impl Piece {
    fn then(mut self, part: Part) -> Self {
        self.way.push(part);
        self
    }
}

#[derive(Default)]
struct Looking {
    looks: Looks,
    /// What the variables of passes stand for, the innermost last; none: what was made on the way.
    bound: Vec<Option<Piece>>,
}

/// What `expr` looks at.
pub(super) fn at(expr: &Expr) -> Looks {
    let mut looking = Looking::default();
    looking.whole(expr);
    looking.looks
}

impl Looking {
    fn add(&mut self, piece: &Piece, whole: bool) {
        if let Some(parts) = self.looks.get_mut(piece.slot) {
            parts.add(&piece.way, whole);
        }
    }

    /// The value of `expr` is used, and who knows what of it.
    fn whole(&mut self, expr: &Expr) {
        if let Some(piece) = self.piece(expr) {
            self.add(&piece, true);
        }
    }

    /// The piece that `expr` comes to; none: it makes something new, of pieces that are used.
    fn piece(&mut self, expr: &Expr) -> Option<Piece> {
        match expr {
            Expr::Input(slot) => return Some(Piece { slot: *slot, way: Vec::new() }),
            Expr::Bound(depth) => return self.bound.get(*depth).cloned().flatten(),
            Expr::Select { of, field } => return Some(self.piece(of)?.then(Part::Key(field.clone()))),
            Expr::Index { of, at } => {
                self.whole(at);
                let part = if let Expr::Literal(Json::String(key)) = &**at { Part::Key(key.clone()) } else { Part::Each };
                return Some(self.piece(of)?.then(part));
            }
            Expr::Has { of, field } => {
                if let Some(piece) = self.piece(of) {
                    self.add(&piece.then(Part::Key(field.clone())), false);
                }
            }
            Expr::Loop { pass, .. } => self.pass(pass),
            Expr::Literal(_) | Expr::Unsigned(_) => {}
            Expr::List(all) | Expr::Call { arguments: all, .. } => all.iter().for_each(|one| self.whole(one)),
            Expr::Map(entries) => {
                for (key, value) in entries {
                    self.whole(key);
                    self.whole(value);
                }
            }
            Expr::Not(of) | Expr::Negate(of) | Expr::Pattern { of, .. } => self.whole(of),
            Expr::If { condition, yes, no } => [condition, yes, no].into_iter().for_each(|one| self.whole(one)),
            Expr::Both { a, b, .. }
            | Expr::Arithmetic { a, b, .. }
            | Expr::Order { a, b, .. }
            | Expr::Equal { a, b, .. }
            | Expr::In { a, b } => {
                self.whole(a);
                self.whole(b);
            }
        }
        None
    }

    fn pass(&mut self, inner: &Loop) {
        let (range, bodies): (&Expr, [Option<&Expr>; 2]) = match inner {
            Loop::All { range, body } | Loop::Exists { range, body } | Loop::ExistsOne { range, body } => (range, [Some(body), None]),
            Loop::Filter { range, body } => {
                // What is kept is used further.
                self.whole(range);
                (range, [Some(body), None])
            }
            Loop::Map { range, filter, body } => (range, [filter.as_ref(), Some(body)]),
        };
        let element = self.piece(range).map(|piece| piece.then(Part::Each));
        if let Some(element) = &element {
            self.add(element, false);
        }
        self.bound.push(element);
        bodies.into_iter().flatten().for_each(|body| self.whole(body));
        self.bound.pop();
    }
}
