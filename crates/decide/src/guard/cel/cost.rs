//! What an expression can cost at most, for any object within the limits.
//!
//! Every part is counted as often as it can run. A pass over a list runs its body once for each element, and passes in each other
//! multiply, with one exception: parts of one object, taken apart by passes in each other, are together no more than the object has
//! (all containers of all pods are at most all values). So the bound of a part knows of which read of an object it is a piece.

use super::{
    functions::gives,
    limits::{BYTES_MAX, LIST_MAX, VALUES_MAX},
    run::{BYTES_A_STEP, PATTERN_BYTES_A_STEP, cost_of_call},
    syntax::{Arithmetic, Expr, Loop},
};

/// How large the value of a part can be, each time that it runs.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Values in it, itself with them.
    values: u64,
    /// Bytes of its texts.
    bytes: u64,
    /// Elements or entries.
    length: u64,
    /// It is a piece of an object, and all pieces that this part ever gives are together no more than so many objects.
    objects: Option<u64>,
}

/// A truth or a number.
const SMALL: Size = Size { values: 1, bytes: 0, length: 0, objects: None };

impl Size {
    /// Of all the times that the part runs together, at `steps_of` values and bytes each.
    fn steps(self, times: u64, steps_of: impl Fn(u64, u64) -> u64) -> u64 {
        let each = times.saturating_mul(steps_of(self.values, self.bytes));
        match self.objects {
            Some(objects) => each.min(objects.saturating_mul(steps_of(VALUES_MAX, BYTES_MAX))),
            None => each,
        }
    }

    fn bytes_a_step(self, times: u64, bytes_a_step: u64) -> u64 {
        self.steps(times, |_, bytes| bytes / bytes_a_step)
    }

    fn larger(self, other: Self) -> Self {
        let objects = self.objects.zip(other.objects).map(|(a, b)| a.saturating_add(b));
        let values = self.values.max(other.values);
        Self { values, bytes: self.bytes.max(other.bytes), length: self.length.max(other.length), objects }
    }
}

/// Most steps that `root` can take.
pub(super) fn bound(root: &Expr) -> u64 {
    let mut counting = Counting { steps: 0, bound: Vec::new() };
    counting.size(root, 1);
    counting.steps
}

struct Counting {
    steps: u64,
    /// The sizes of what passes go over, the innermost last.
    bound: Vec<Size>,
}

impl Counting {
    fn pay(&mut self, steps: u64) {
        self.steps = self.steps.saturating_add(steps);
    }

    /// Counts `expr`, which runs so many times, and gives the size of its value.
    fn size(&mut self, expr: &Expr, times: u64) -> Size {
        self.pay(times);
        match expr {
            Expr::Literal(value) => {
                let bytes = value.as_str().map_or(0, str::len) as u64;
                Size { bytes, ..SMALL }
            }
            Expr::Unsigned(_) => SMALL,
            Expr::Input(_) => Size { values: VALUES_MAX, bytes: BYTES_MAX, length: LIST_MAX, objects: Some(times) },
            Expr::Bound(depth) => {
                let Some(bound) = self.bound.get(*depth) else { return SMALL };
                // Passes inside of that one look at the same piece again and again.
                let again = self.bound.iter().skip(depth + 1).map(|inner| inner.length).fold(1, u64::saturating_mul);
                Size { objects: bound.objects.map(|objects| objects.saturating_mul(again)), ..*bound }
            }
            Expr::Select { of, .. } => self.size(of, times),
            Expr::Has { of, .. } => {
                self.size(of, times);
                SMALL
            }
            Expr::Index { of, at } => {
                let of = self.size(of, times);
                let at = self.size(at, times);
                self.pay(at.bytes_a_step(times, BYTES_A_STEP));
                of
            }
            Expr::List(items) => {
                self.pay(times.saturating_mul(items.len() as u64));
                let sizes: Vec<Size> = items.iter().map(|item| self.size(item, times)).collect();
                together(&sizes)
            }
            Expr::Map(entries) => {
                self.pay(times.saturating_mul(entries.len() as u64));
                let mut sizes = Vec::new();
                for (key, value) in entries {
                    let key = self.size(key, times);
                    self.pay(key.bytes_a_step(times, BYTES_A_STEP));
                    sizes.extend([key, self.size(value, times)]);
                }
                Size { length: entries.len() as u64, ..together(&sizes) }
            }
            Expr::Not(of) | Expr::Negate(of) => {
                self.size(of, times);
                SMALL
            }
            Expr::Both { a, b, .. } => {
                self.size(a, times);
                self.size(b, times);
                SMALL
            }
            Expr::If { condition, yes, no } => {
                self.size(condition, times);
                let yes = self.size(yes, times);
                yes.larger(self.size(no, times))
            }
            Expr::Arithmetic { of, a, b } => {
                let (a, b) = (self.size(a, times), self.size(b, times));
                if *of != Arithmetic::Add {
                    return SMALL;
                }
                // Texts are copied; of lists the elements are only named once more.
                let copied = |size: Size| size.bytes_a_step(times, BYTES_A_STEP).max(times.saturating_mul(size.length));
                self.pay(copied(a).saturating_add(copied(b)).saturating_add(times));
                Size {
                    values: a.values.saturating_add(b.values),
                    bytes: a.bytes.saturating_add(b.bytes),
                    length: a.length.saturating_add(b.length),
                    objects: None,
                }
            }
            Expr::Order { a, b, .. } => {
                let (a, b) = (self.size(a, times), self.size(b, times));
                self.pay(a.bytes_a_step(times, BYTES_A_STEP).min(b.bytes_a_step(times, BYTES_A_STEP)));
                SMALL
            }
            Expr::Equal { a, b, .. } => {
                let (a, b) = (self.size(a, times), self.size(b, times));
                self.pay(compared(a, times).min(compared(b, times)));
                SMALL
            }
            Expr::In { a, b } => {
                let (a, b) = (self.size(a, times), self.size(b, times));
                // Each element is compared, with what is at most as large as it or as what is looked for.
                let length = b.length.max(1);
                let again = Size { objects: a.objects.map(|objects| objects.saturating_mul(length)), ..a };
                let with_each = compared(again, times.saturating_mul(length));
                self.pay(times.saturating_mul(b.length));
                self.pay(compared(b, times).saturating_add(times.saturating_mul(b.length)).min(with_each));
                self.pay(a.bytes_a_step(times, BYTES_A_STEP));
                SMALL
            }
            Expr::Loop { pass, .. } => self.pass(pass, times),
            Expr::Pattern { of, find, .. } => {
                let of = self.size(of, times);
                self.pay(of.bytes_a_step(times, PATTERN_BYTES_A_STEP));
                if *find { Size { values: 1, length: 0, ..of } } else { SMALL }
            }
            Expr::Call { function, arguments } => {
                let sizes: Vec<Size> = arguments.iter().map(|argument| self.size(argument, times)).collect();
                let weights: Vec<(u64, u64)> = sizes.iter().map(|size| (size.values, size.bytes)).collect();
                let each = times.saturating_mul(cost_of_call(function, &weights));
                // What looks at each part once looks at no part of an object twice.
                self.pay(match sizes.as_slice() {
                    [only] => each.min(
                        only.steps(times, |values, bytes| cost_of_call(function, &[(values, bytes)]))
                            .saturating_add(times.saturating_mul(cost_of_call(function, &[(1, 0)]))),
                    ),
                    [first, others @ ..] if others.iter().all(|other| other.objects.is_none()) => {
                        let with = |values: u64, bytes: u64| {
                            let weights: Vec<(u64, u64)> =
                                std::iter::once((values, bytes)).chain(weights.iter().skip(1).copied()).collect();
                            cost_of_call(function, &weights)
                        };
                        each.min(first.steps(times, with).saturating_add(times.saturating_mul(with(1, 0))))
                    }
                    _ => each,
                });
                let (values, bytes) = gives(function, &weights);
                // What would be larger is refused when it runs.
                let (values, bytes) = (values.min(VALUES_MAX), bytes.min(BYTES_MAX));
                Size { values, bytes, length: values.saturating_sub(1), objects: None }
            }
        }
    }

    fn pass(&mut self, inner: &Loop, times: u64) -> Size {
        let (Loop::All { range, .. }
        | Loop::Exists { range, .. }
        | Loop::ExistsOne { range, .. }
        | Loop::Filter { range, .. }
        | Loop::Map { range, .. }) = inner;
        let range = self.size(range, times);
        let mut rounds = times.saturating_mul(range.length);
        if let Some(objects) = range.objects {
            rounds = rounds.min(objects.saturating_mul(VALUES_MAX));
        }
        self.pay(rounds);
        self.bound.push(range);
        let result = match inner {
            Loop::All { body, .. } | Loop::Exists { body, .. } | Loop::ExistsOne { body, .. } => {
                self.size(body, rounds);
                SMALL
            }
            Loop::Filter { body, .. } => {
                self.size(body, rounds);
                range
            }
            Loop::Map { filter, body, .. } => {
                if let Some(filter) = filter {
                    self.size(filter, rounds);
                }
                let each = self.size(body, rounds);
                Size {
                    values: each.values.saturating_mul(range.length).saturating_add(1),
                    bytes: each.bytes.saturating_mul(range.length),
                    length: range.length.max(each.length),
                    // A list of pieces is pieces.
                    objects: each.objects,
                }
            }
        };
        self.bound.pop();
        result
    }
}

/// Steps of comparing all of it, so many times.
fn compared(size: Size, times: u64) -> u64 {
    size.steps(times, |values, bytes| values.saturating_mul(3).saturating_add(bytes.saturating_mul(2) / BYTES_A_STEP)).saturating_add(times)
}

/// A list of these.
fn together(sizes: &[Size]) -> Size {
    let sum = |of: fn(&Size) -> u64| sizes.iter().map(of).fold(0, u64::saturating_add);
    let longest = sizes.iter().map(|size| size.length).max().unwrap_or(0);
    Size {
        values: sum(|size| size.values).saturating_add(1),
        bytes: sum(|size| size.bytes),
        length: longest.max(sizes.len() as u64),
        objects: None,
    }
}
