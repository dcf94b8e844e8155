//! Evaluation: each step is counted, nothing is copied, and what makes no sense is an error.

use super::{
    Inputs, VARIABLES,
    functions::{self, Function},
    limits::{BYTES_MAX, VALUES_MAX},
    syntax::{Arithmetic, Expr, Loop, Order},
    value::{Key, Value},
};
use std::{cmp::Ordering, collections::BTreeMap, rc::Rc};

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stop(pub(super) String);

impl Stop {
    pub(super) fn new(says: impl Into<String>) -> Self {
        Self(says.into())
    }
}

/// Bytes of text that are compared or copied in a step.
pub(super) const BYTES_A_STEP: u64 = 64;
/// Bytes of text that a pattern is looked for in, in a step.
pub(super) const PATTERN_BYTES_A_STEP: u64 = 4;
/// Steps of a call of one of Kubernetes' functions, besides those for its arguments.
pub(super) const CALL: u64 = 20;
/// Bytes of an argument of a function in a step.
pub(super) const CALL_BYTES_A_STEP: u64 = 16;

/// One evaluation.
pub(super) struct Run<'a> {
    inputs: &'a Inputs,
    /// Variables of loops, the innermost last.
    bound: Vec<Value<'a>>,
    steps: u64,
    most: u64,
}

impl<'a> Run<'a> {
    pub(super) fn new(inputs: &'a Inputs, most: u64) -> Self {
        Self { inputs, bound: Vec::new(), steps: 0, most }
    }

    /// Steps taken so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// The bound was proven before; this holds it where the proof should have a hole.
    fn pay(&mut self, steps: u64) -> Result<(), Stop> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.most { Err(Stop::new("it takes more steps than it was allowed")) } else { Ok(()) }
    }

    pub(super) fn value(&mut self, expr: &'a Expr) -> Result<Value<'a>, Stop> {
        self.pay(1)?;
        match expr {
            Expr::Literal(value) => Ok(Value::from(value)),
            Expr::Unsigned(number) => Ok(Value::UInt(*number)),
            Expr::Input(slot) => {
                let known = self.inputs.get(*slot).and_then(Option::as_ref);
                known.map(Value::from).ok_or_else(|| Stop::new(format!("{} is not known here", VARIABLES[*slot].0)))
            }
            Expr::Bound(depth) => self.bound.get(*depth).cloned().ok_or_else(|| Stop::new("a variable of a loop outside of it")),
            Expr::Select { of, field } => {
                let of = self.value(of)?;
                get(&of, field)?.ok_or_else(|| Stop::new(format!("there is no {field}")))
            }
            Expr::Has { of, field } => {
                let of = self.value(of)?;
                Ok(Value::Bool(get(&of, field)?.is_some()))
            }
            Expr::Index { of, at } => {
                let (of, at) = (self.value(of)?, self.value(at)?);
                self.index(&of, &at)
            }
            Expr::List(items) => {
                self.pay(items.len() as u64)?;
                Ok(Value::List(Rc::new(items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?)))
            }
            Expr::Map(entries) => {
                self.pay(entries.len() as u64)?;
                let mut map = BTreeMap::new();
                for (key, value) in entries {
                    let key = self.value(key)?;
                    self.pay(key.text().map_or(0, bytes))?;
                    let key = key.key().ok_or_else(|| Stop::new(format!("{} is no key of a map", key.kind())))?;
                    let value = self.value(value)?;
                    map.insert(key, value);
                }
                Ok(Value::Map(Rc::new(map)))
            }
            Expr::Not(of) => Ok(Value::Bool(!self.truth(of)?)),
            Expr::Negate(of) => match self.value(of)? {
                Value::Int(number) => number.checked_neg().map(Value::Int).ok_or_else(overflow),
                Value::Double(number) => Ok(Value::Double(-number)),
                other => Err(Stop::new(format!("{} has no negative", other.kind()))),
            },
            Expr::Both { a, b, until } => self.both(a, b, *until).map(Value::Bool),
            Expr::If { condition, yes, no } => {
                let branch = if self.truth(condition)? { yes } else { no };
                self.value(branch)
            }
            Expr::Arithmetic { of, a, b } => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.arithmetic(*of, &a, &b)
            }
            Expr::Order { of, a, b } => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.pay(shorter(&a, &b))?;
                let order = a.order(&b).ok_or_else(|| Stop::new(format!("{} and {} have no order", a.kind(), b.kind())))?;
                Ok(Value::Bool(match of {
                    Order::Less => order == Ordering::Less,
                    Order::LessOrEqual => order != Ordering::Greater,
                    Order::Greater => order == Ordering::Greater,
                    Order::GreaterOrEqual => order != Ordering::Less,
                }))
            }
            Expr::Equal { a, b, not } => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                Ok(Value::Bool(self.equal(&a, &b)? != *not))
            }
            Expr::In { a, b } => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.is_in(&a, &b).map(Value::Bool)
            }
            Expr::Loop { pass, .. } => self.pass(pass),
            Expr::Pattern { of, pattern, find } => {
                let of = self.value(of)?;
                let text = of.text().ok_or_else(|| Stop::new(format!("{} has no characters", of.kind())))?;
                self.pay(text.len() as u64 / PATTERN_BYTES_A_STEP)?;
                Ok(if *find {
                    Value::Made(pattern.find(text).map_or("", |found| found.as_str()).into())
                } else {
                    Value::Bool(pattern.is_match(text))
                })
            }
            Expr::Call { function, arguments } => {
                let arguments = arguments.iter().map(|argument| self.value(argument)).collect::<Result<Vec<_>, _>>()?;
                self.call(function, &arguments)
            }
        }
    }

    fn truth(&mut self, expr: &'a Expr) -> Result<bool, Stop> {
        match self.value(expr)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(Stop::new(format!("{} is neither true nor false", other.kind()))),
        }
    }

    /// `&&` and `||`: an error on one side does not count where the other side decides alone.
    fn both(&mut self, a: &'a Expr, b: &'a Expr, until: bool) -> Result<bool, Stop> {
        match (self.truth(a), self.steps > self.most) {
            (Ok(truth), _) if truth == until => Ok(until),
            (Ok(_), _) => self.truth(b),
            (Err(stop), true) => Err(stop),
            (Err(stop), false) => match self.truth(b) {
                Ok(truth) if truth == until => Ok(until),
                _ => Err(stop),
            },
        }
    }

    /// A pass over a list, or over the keys of a map. Errors count as in [`Self::both`].
    fn pass(&mut self, inner: &'a Loop) -> Result<Value<'a>, Stop> {
        let (Loop::All { range, .. }
        | Loop::Exists { range, .. }
        | Loop::ExistsOne { range, .. }
        | Loop::Filter { range, .. }
        | Loop::Map { range, .. }) = inner;
        let range = self.value(range)?;
        let elements = range.elements().ok_or_else(|| Stop::new(format!("{} is no list and no map", range.kind())))?;
        self.pay(elements.len() as u64)?;
        match inner {
            Loop::All { body, .. } => self.until(elements, body, false),
            Loop::Exists { body, .. } => self.until(elements, body, true),
            Loop::ExistsOne { body, .. } => {
                let mut found = 0;
                for element in elements {
                    found += u32::from(self.truth_with(element, body)?);
                }
                Ok(Value::Bool(found == 1))
            }
            Loop::Filter { body, .. } => {
                let mut kept = Vec::new();
                for element in elements {
                    if self.truth_with(element.clone(), body)? {
                        kept.push(element);
                    }
                }
                Ok(Value::List(Rc::new(kept)))
            }
            Loop::Map { filter, body, .. } => {
                let mut made = Vec::new();
                for element in elements {
                    let is_kept = match filter {
                        Some(filter) => self.truth_with(element.clone(), filter)?,
                        None => true,
                    };
                    if is_kept {
                        made.push(self.with(element, |run| run.value(body))?);
                    }
                }
                Ok(Value::List(Rc::new(made)))
            }
        }
    }

    fn until(&mut self, elements: Vec<Value<'a>>, body: &'a Expr, until: bool) -> Result<Value<'a>, Stop> {
        let mut failed = None;
        for element in elements {
            match self.truth_with(element, body) {
                Ok(truth) if truth == until => return Ok(Value::Bool(until)),
                Ok(_) => {}
                Err(stop) if self.steps > self.most => return Err(stop),
                Err(stop) => failed = failed.or(Some(stop)),
            }
        }
        failed.map_or(Ok(Value::Bool(!until)), Err)
    }

    fn truth_with(&mut self, element: Value<'a>, body: &'a Expr) -> Result<bool, Stop> {
        self.with(element, |run| run.truth(body))
    }

    fn with<T>(&mut self, element: Value<'a>, then: impl FnOnce(&mut Self) -> T) -> T {
        self.bound.push(element);
        let result = then(self);
        self.bound.pop();
        result
    }

    fn index(&mut self, of: &Value<'a>, at: &Value<'a>) -> Result<Value<'a>, Stop> {
        let place = |length: usize| {
            let place = match at {
                Value::Int(number) => usize::try_from(*number).ok(),
                Value::UInt(number) => usize::try_from(*number).ok(),
                _ => return Err(Stop::new(format!("{} is no place in a list", at.kind()))),
            };
            place.filter(|place| *place < length).ok_or_else(|| Stop::new(format!("the list has only {length} elements")))
        };
        match of {
            Value::Items(items) => Ok(Value::from(&items[place(items.len())?])),
            Value::List(items) => Ok(items[place(items.len())?].clone()),
            Value::Entries(_) | Value::Map(_) => {
                self.pay(at.text().map_or(0, bytes))?;
                entry(of, at).ok_or_else(|| Stop::new(format!("there is no {}", named(at))))
            }
            other => Err(Stop::new(format!("{} has no elements", other.kind()))),
        }
    }

    fn is_in(&mut self, a: &Value<'a>, b: &Value<'a>) -> Result<bool, Stop> {
        match b {
            Value::Entries(entries) => {
                self.pay(a.text().map_or(0, bytes))?;
                Ok(a.text().is_some_and(|key| entries.contains_key(key)))
            }
            Value::Map(entries) => {
                self.pay(a.text().map_or(0, bytes))?;
                Ok(a.key().is_some_and(|key| entries.contains_key(&key)))
            }
            _ => {
                let elements = b.elements().ok_or_else(|| Stop::new(format!("nothing is in {}", b.kind())))?;
                self.pay(elements.len() as u64)?;
                for element in &elements {
                    if self.equal(a, element)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// Equal, part by part. Each part that is compared is a step.
    fn equal(&mut self, a: &Value<'a>, b: &Value<'a>) -> Result<bool, Stop> {
        self.pay(1)?;
        match (a, b) {
            (Value::Null, Value::Null) => return Ok(true),
            (Value::Bool(a), Value::Bool(b)) => return Ok(a == b),
            (Value::Other(a), Value::Other(b)) => return Ok(a == b),
            _ => {}
        }
        if let (Some(a), Some(b)) = (a.text(), b.text()) {
            if a.len() != b.len() {
                return Ok(false);
            }
            self.pay(bytes(a))?;
            return Ok(a == b);
        }
        if let Some(order) = a.order_of_numbers(b) {
            return Ok(order == Ordering::Equal);
        }
        let is_list = |value: &Value<'_>| matches!(value, Value::Items(_) | Value::List(_));
        let is_map = |value: &Value<'_>| matches!(value, Value::Entries(_) | Value::Map(_));
        if a.len() != b.len() || !(is_list(a) && is_list(b) || is_map(a) && is_map(b)) {
            return Ok(false);
        }
        let (Some(of_a), Some(of_b)) = (a.elements(), b.elements()) else { return Ok(false) };
        self.pay(of_a.len() as u64)?;
        if is_list(a) {
            for (a, b) in of_a.iter().zip(&of_b) {
                if !self.equal(a, b)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        for key in &of_a {
            self.pay(1)?;
            let (Some(a), Some(b)) = (entry(a, key), entry(b, key)) else { return Ok(false) };
            self.pay(key.text().map_or(0, bytes))?;
            if !self.equal(&a, &b)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn arithmetic(&mut self, of: Arithmetic, a: &Value<'a>, b: &Value<'a>) -> Result<Value<'a>, Stop> {
        if of == Arithmetic::Add {
            if let (Some(a), Some(b)) = (a.text(), b.text()) {
                self.pay((a.len() + b.len()) as u64 / BYTES_A_STEP)?;
                return Ok(Value::Made([a, b].concat().into()));
            }
            if let (Value::Items(_) | Value::List(_), Value::Items(_) | Value::List(_)) = (a, b) {
                let mut all = a.elements().unwrap_or_default();
                all.extend(b.elements().unwrap_or_default());
                self.pay(all.len() as u64)?;
                return Ok(Value::List(Rc::new(all)));
            }
        }
        match (a, b) {
            (Value::Int(a), Value::Int(b)) => {
                let result = match of {
                    Arithmetic::Add => a.checked_add(*b),
                    Arithmetic::Subtract => a.checked_sub(*b),
                    Arithmetic::Multiply => a.checked_mul(*b),
                    Arithmetic::Divide => a.checked_div(*b),
                    Arithmetic::Modulo => a.checked_rem(*b),
                };
                result.map(Value::Int).ok_or_else(overflow)
            }
            (Value::UInt(a), Value::UInt(b)) => {
                let result = match of {
                    Arithmetic::Add => a.checked_add(*b),
                    Arithmetic::Subtract => a.checked_sub(*b),
                    Arithmetic::Multiply => a.checked_mul(*b),
                    Arithmetic::Divide => a.checked_div(*b),
                    Arithmetic::Modulo => a.checked_rem(*b),
                };
                result.map(Value::UInt).ok_or_else(overflow)
            }
            (Value::Double(a), Value::Double(b)) => match of {
                Arithmetic::Add => Ok(Value::Double(a + b)),
                Arithmetic::Subtract => Ok(Value::Double(a - b)),
                Arithmetic::Multiply => Ok(Value::Double(a * b)),
                Arithmetic::Divide => Ok(Value::Double(a / b)),
                Arithmetic::Modulo => Err(Stop::new("only whole numbers have a remainder")),
            },
            _ => Err(Stop::new(format!("no such sum: {} and {} (int() and double() make one of the other)", a.kind(), b.kind()))),
        }
    }

    fn call(&mut self, function: &'static Function, arguments: &[Value<'a>]) -> Result<Value<'a>, Stop> {
        let first = arguments.first().unwrap_or(&Value::Null);
        let second = arguments.get(1).and_then(Value::text);
        match (function.name, first.text(), second) {
            ("size", Some(text), _) => {
                self.pay(bytes(text))?;
                return Ok(Value::Int(i64::try_from(text.chars().count()).unwrap_or(i64::MAX)));
            }
            ("size", None, _) => {
                let size = first.len().ok_or_else(|| Stop::new(format!("{} has no size", first.kind())))?;
                return Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)));
            }
            ("contains", Some(text), Some(part)) => {
                self.pay(2 * (bytes(text) + bytes(part)))?;
                return Ok(Value::Bool(text.contains(part)));
            }
            ("startsWith", Some(text), Some(part)) => {
                self.pay(bytes(part))?;
                return Ok(Value::Bool(text.starts_with(part)));
            }
            ("endsWith", Some(text), Some(part)) => {
                self.pay(bytes(part))?;
                return Ok(Value::Bool(text.ends_with(part)));
            }
            ("contains" | "startsWith" | "endsWith", ..) if function.form == functions::Form::Of => {
                return Err(Stop::new(format!("{}: {} is no text", function.name, first.kind())));
            }
            _ => {}
        }
        let weights: Vec<(u64, u64)> = arguments.iter().map(Value::weight).collect();
        self.pay(cost_of_call(function, &weights))?;
        let (values, length) = functions::gives(function, &weights);
        // What is made is no larger than an object may be; else one expression could fill the memory.
        if values > VALUES_MAX || length > BYTES_MAX {
            return Err(Stop::new(format!("{} would make something larger than an object may be", function.name)));
        }
        functions::call(function, arguments)
    }
}

/// Steps of a call, by the values and bytes of each argument.
pub(super) fn cost_of_call(function: &Function, arguments: &[(u64, u64)]) -> u64 {
    let steps = |(values, bytes): &(u64, u64)| values.saturating_add(bytes / CALL_BYTES_A_STEP);
    let each = arguments.iter().map(steps).fold(CALL, u64::saturating_add);
    let (values, bytes) = functions::gives(function, arguments);
    let made = values.saturating_add(bytes / CALL_BYTES_A_STEP);
    let pairs = match function.cost {
        functions::Cost::One | functions::Cost::Each => 0,
        functions::Cost::Pairs => {
            let first = arguments.first().map_or(0, steps);
            first.saturating_mul(arguments.get(1).map_or(first, steps))
        }
    };
    each.saturating_add(made).saturating_add(pairs)
}

/// Steps for a text.
fn bytes(text: &str) -> u64 {
    text.len() as u64 / BYTES_A_STEP
}

fn shorter(a: &Value<'_>, b: &Value<'_>) -> u64 {
    a.text().zip(b.text()).map_or(0, |(a, b)| bytes(a).min(bytes(b)))
}

fn overflow() -> Stop {
    Stop::new("a number becomes too large, or is divided by zero")
}

/// The value of a key of a map; none: it is not there.
fn entry<'a>(of: &Value<'a>, key: &Value<'a>) -> Option<Value<'a>> {
    match of {
        Value::Entries(entries) => entries.get(key.text()?).map(Value::from),
        Value::Map(entries) => entries.get(&key.key()?).cloned(),
        _ => None,
    }
}

/// The value of a field; none: it is not there.
fn get<'a>(of: &Value<'a>, field: &str) -> Result<Option<Value<'a>>, Stop> {
    match of {
        Value::Entries(entries) => Ok(entries.get(field).filter(|value| !value.is_null()).map(Value::from)),
        Value::Map(entries) => Ok(entries.get(&Key::Text(field.into())).cloned()),
        other => Err(Stop::new(format!("{} has no {field}", other.kind()))),
    }
}

fn named(key: &Value<'_>) -> String {
    match (key.text(), key) {
        (Some(text), _) => text.chars().take(80).collect(),
        (None, Value::Int(number)) => number.to_string(),
        _ => "such key".to_owned(),
    }
}
