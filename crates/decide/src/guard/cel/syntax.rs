//! From a text to a tree of ours: only what can be bounded and means something gets through.

use super::{
    functions::{self, Form, Function},
    limits::{DEPTH_MAX, PATTERN_MAX, TEXT_MAX},
};
use kube_cel::cel::{
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr as Ast, IdedExpr, LiteralValue, operators},
    parser::Parser,
};
use plimsoll_fleet::written::NEVER_READ;
use regex::{Regex, RegexBuilder};
use serde_json::Value as Json;
use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// An expression that was understood.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) root: Expr,
    /// The places of the variables that it looks at.
    pub(super) variables: BTreeSet<usize>,
}

/// A part of it.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    Literal(Json),
    Unsigned(u64),
    /// A variable, by its place in [`super::VARIABLES`].
    Input(usize),
    /// A variable of a pass, by how many passes are around that one.
    Bound(usize),
    Select {
        of: Box<Expr>,
        field: String,
    },
    Has {
        of: Box<Expr>,
        field: String,
    },
    Index {
        of: Box<Expr>,
        at: Box<Expr>,
    },
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    /// `a && b` (until false) or `a || b` (until true).
    Both {
        a: Box<Expr>,
        b: Box<Expr>,
        until: bool,
    },
    If {
        condition: Box<Expr>,
        yes: Box<Expr>,
        no: Box<Expr>,
    },
    Arithmetic {
        of: Arithmetic,
        a: Box<Expr>,
        b: Box<Expr>,
    },
    Order {
        of: Order,
        a: Box<Expr>,
        b: Box<Expr>,
    },
    Equal {
        a: Box<Expr>,
        b: Box<Expr>,
        not: bool,
    },
    In {
        a: Box<Expr>,
        b: Box<Expr>,
    },
    /// A pass, and what it calls each element.
    Loop {
        element: String,
        pass: Box<Loop>,
    },
    /// `of.matches(pattern)` or `of.find(pattern)`.
    Pattern {
        of: Box<Expr>,
        pattern: Regex,
        find: bool,
    },
    Call {
        function: &'static Function,
        arguments: Vec<Expr>,
    },
}

/// A pass over a list or over the keys of a map.
#[derive(Debug, Clone)]
pub(super) enum Loop {
    All { range: Expr, body: Expr },
    Exists { range: Expr, body: Expr },
    ExistsOne { range: Expr, body: Expr },
    Filter { range: Expr, body: Expr },
    Map { range: Expr, filter: Option<Expr>, body: Expr },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The name that the parser gives to what a pass has found so far. No text can name it.
const RESULT: &str = "@result";

/// Maps whose keys are names that somebody chose: what is never read elsewhere may be a key there.
const CHOSEN: [&str; 4] = ["labels", "annotations", "nodeSelector", "matchLabels"];

/// Reads `text`.
pub(super) fn read(text: &str) -> Result<Tree, String> {
    if text.len() > TEXT_MAX {
        return Err(format!("it has {} bytes, and at most {TEXT_MAX} are read", text.len()));
    }
    look(text)?;
    // The parser is generated, and large: what panics in there is no expression.
    let parsed = catch_unwind(AssertUnwindSafe(|| Parser::new().max_recursion_depth(64).parse(text)));
    let parsed = parsed.map_err(|_| "it is no expression".to_owned())?.map_err(|errors| {
        let Some(first) = errors.errors.first() else { return "it is no expression".to_owned() };
        // All that could have stood there is no help.
        let why = first.msg.split(" expecting ").next().unwrap_or_default().trim_start_matches("Syntax error: ");
        format!("line {}, column {}: {}", first.pos.0, first.pos.1, why.replace("'<EOF>'", "end"))
    })?;
    let mut lowering = Lowering { bound: Vec::new(), variables: BTreeSet::new(), depth: 0 };
    let root = lowering.expr(&parsed)?;
    Ok(Tree { root, variables: lowering.variables })
}

/// A look at the tokens before they are parsed: the parser answers brackets in each other with deep recursion, and reads `!!x` as `!x`.
fn look(text: &str) -> Result<(), String> {
    let mut rest = text;
    let (mut depth, mut before) = (0_usize, ' ');
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
            continue;
        }
        if matches!(c, '"' | '\'') {
            // A raw text has no escapes; r may stand with b before it.
            let is_raw = matches!(before, 'r' | 'R');
            rest = after_text(rest, c, is_raw).ok_or("a text in it has no end")?;
            before = c;
            continue;
        }
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '!' | '-' if before == c => {
                return Err(format!("'{c}' stands twice in a row: leave both out, or put the second with what it is for in brackets"));
            }
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(format!("brackets stand in each other more than {DEPTH_MAX} deep"));
        }
        // Blanks between them change nothing.
        if !c.is_whitespace() {
            before = if c == '=' && before == '!' { ' ' } else { c };
        } else if before != '!' && before != '-' {
            before = ' ';
        }
        rest = &rest[c.len_utf8()..];
    }
    Ok(())
}

/// What comes after a text that begins here; none: it has no end.
fn after_text(from: &str, quote: char, is_raw: bool) -> Option<&str> {
    let triple: String = [quote; 3].iter().collect();
    let end = if from.starts_with(&triple) { triple } else { quote.to_string() };
    let mut rest = &from[end.len()..];
    loop {
        if let Some(after) = rest.strip_prefix(&end) {
            return Some(after);
        }
        let c = rest.chars().next()?;
        rest = &rest[c.len_utf8()..];
        if c == '\\' && !is_raw {
            rest = &rest[rest.chars().next()?.len_utf8()..];
        }
    }
}

struct Lowering {
    /// Names of the variables of passes, the innermost last.
    bound: Vec<String>,
    variables: BTreeSet<usize>,
    depth: usize,
}

impl Lowering {
    fn expr(&mut self, from: &IdedExpr) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > 2 * DEPTH_MAX {
            return Err(format!("its parts stand in each other more than {} deep: put brackets around some of them", 2 * DEPTH_MAX));
        }
        let expr = self.expr_below(from);
        self.depth -= 1;
        expr
    }

    fn boxed(&mut self, from: &IdedExpr) -> Result<Box<Expr>, String> {
        self.expr(from).map(Box::new)
    }

    fn expr_below(&mut self, from: &IdedExpr) -> Result<Expr, String> {
        match &from.expr {
            Ast::Literal(literal) => Ok(match literal {
                LiteralValue::Boolean(truth) => Expr::Literal(Json::Bool(*truth.inner())),
                LiteralValue::Int(number) => Expr::Literal((*number.inner()).into()),
                LiteralValue::UInt(number) => Expr::Unsigned(*number.inner()),
                LiteralValue::Double(number) => {
                    let number = serde_json::Number::from_f64(*number.inner()).ok_or("a number in it is too large")?;
                    Expr::Literal(Json::Number(number))
                }
                LiteralValue::String(text) => Expr::Literal(Json::String(text.inner().to_owned())),
                LiteralValue::Null => Expr::Literal(Json::Null),
                LiteralValue::Bytes(_) => return Err("it has bytes (b'...'), which no object has: write a text".to_owned()),
            }),
            Ast::Ident(name) => self.variable(name),
            Ast::Select(select) => {
                self.check_read(&select.operand, &select.field)?;
                let of = self.boxed(&select.operand)?;
                let field = select.field.trim_matches('`').to_owned();
                Ok(if select.test { Expr::Has { of, field } } else { Expr::Select { of, field } })
            }
            Ast::List(list) if list.optional_indices.is_empty() => {
                list.elements.iter().map(|element| self.expr(element)).collect::<Result<_, _>>().map(Expr::List)
            }
            Ast::Map(map) => {
                let entry = |entry: &EntryExpr| match entry {
                    EntryExpr::MapEntry(entry) if !entry.optional => Ok((self.expr(&entry.key)?, self.expr(&entry.value)?)),
                    _ => Err("it has optional entries, which are not understood here".to_owned()),
                };
                map.entries.iter().map(|one| &one.expr).map(entry).collect::<Result<_, _>>().map(Expr::Map)
            }
            Ast::Comprehension(comprehension) => self.pass(comprehension),
            Ast::Call(call) => self.call(call),
            Ast::Struct(of) => Err(format!("it makes an object of the type {}, and there are no types here", of.type_name)),
            Ast::List(_) | Ast::Unspecified => Err("it is no whole expression".to_owned()),
        }
    }

    fn variable(&mut self, name: &str) -> Result<Expr, String> {
        if let Some(depth) = self.bound.iter().rposition(|bound| bound == name) {
            return Ok(Expr::Bound(depth));
        }
        let Some(slot) = super::slot(name.trim_start_matches('.')) else {
            let names: Vec<&str> = super::VARIABLES.iter().map(|(name, _)| *name).collect();
            let hint = crate::nearest::nearest(name, names.iter().copied()).map(|near| format!("; did you mean {near}?"));
            return Err(format!("there is no variable '{name}'{}. There are {}", hint.unwrap_or_default(), names.join(", ")));
        };
        self.variables.insert(slot);
        Ok(Expr::Input(slot))
    }

    /// Some fields are never read, so nothing can be said of them.
    fn check_read(&self, of: &IdedExpr, field: &str) -> Result<(), String> {
        let is_never = NEVER_READ.contains(&field) || field == "env";
        let is_name = match &of.expr {
            Ast::Select(select) => CHOSEN.contains(&select.field.as_str()),
            Ast::Ident(name) => name == "namespaceLabels",
            _ => false,
        };
        // The label env is a label like any other; a label with one of the other names is not read either.
        if is_never && !(is_name && field == "env") {
            return Err(format!("it asks for {field}, which is never read: it may hold secrets"));
        }
        Ok(())
    }

    /// The parser makes one form of all passes; these are theirs.
    fn pass(&mut self, from: &ComprehensionExpr) -> Result<Expr, String> {
        let unknown = || "it has a pass that is none of all, exists, exists_one, filter and map".to_owned();
        let is_result = |expr: &IdedExpr| matches!(&expr.expr, Ast::Ident(name) if name == RESULT);
        let Ast::Call(step) = &from.loop_step.expr else { return Err(unknown()) };
        if from.iter_var2.is_some() || from.accu_var != RESULT {
            return Err(unknown());
        }
        let range = self.expr(&from.iter_range)?;
        self.bound.push(from.iter_var.clone());
        let inner = match (&from.accu_init.expr, step.func_name.as_str(), step.args.as_slice()) {
            (Ast::Literal(LiteralValue::Boolean(_)), operators::LOGICAL_AND, [result, body]) if is_result(result) => {
                Loop::All { range, body: self.expr(body)? }
            }
            (Ast::Literal(LiteralValue::Boolean(_)), operators::LOGICAL_OR, [result, body]) if is_result(result) => {
                Loop::Exists { range, body: self.expr(body)? }
            }
            (Ast::Literal(LiteralValue::Int(_)), operators::CONDITIONAL, [body, _, _]) => Loop::ExistsOne { range, body: self.expr(body)? },
            (Ast::List(_), operators::CONDITIONAL, [filter, add, _]) => {
                let body = added(add).ok_or_else(unknown)?;
                let filter = self.expr(filter)?;
                match &body.expr {
                    Ast::Ident(name) if *name == from.iter_var => Loop::Filter { range, body: filter },
                    _ => Loop::Map { range, filter: Some(filter), body: self.expr(body)? },
                }
            }
            (Ast::List(_), operators::ADD, _) => {
                let body = added(&from.loop_step).ok_or_else(unknown)?;
                Loop::Map { range, filter: None, body: self.expr(body)? }
            }
            _ => return Err(unknown()),
        };
        self.bound.pop();
        Ok(Expr::Loop { element: from.iter_var.clone(), pass: Box::new(inner) })
    }

    fn call(&mut self, call: &CallExpr) -> Result<Expr, String> {
        let name = call.func_name.as_str();
        match (name, call.args.as_slice(), &call.target) {
            (operators::CONDITIONAL, [condition, yes, no], None) => {
                return Ok(Expr::If { condition: self.boxed(condition)?, yes: self.boxed(yes)?, no: self.boxed(no)? });
            }
            (operators::LOGICAL_NOT, [of], None) => return Ok(Expr::Not(self.boxed(of)?)),
            (operators::NEGATE, [of], None) => return Ok(Expr::Negate(self.boxed(of)?)),
            (operators::INDEX, [of, at], None) => {
                if let Ast::Literal(LiteralValue::String(field)) = &at.expr {
                    self.check_read(of, field.inner())?;
                }
                return Ok(Expr::Index { of: self.boxed(of)?, at: self.boxed(at)? });
            }
            (_, [a, b], None) => {
                if let Some(expr) = self.binary(name, a, b)? {
                    return Ok(expr);
                }
            }
            ("matches" | "find", [pattern], Some(of)) => {
                let of = self.boxed(of)?;
                return Ok(Expr::Pattern { of, pattern: compiled(name, pattern)?, find: name == "find" });
            }
            _ => {}
        }
        let (function, arguments) = find(call)?;
        let arguments = arguments.into_iter().map(|argument| self.expr(argument)).collect::<Result<_, _>>()?;
        Ok(Expr::Call { function, arguments })
    }

    fn binary(&mut self, name: &str, a: &IdedExpr, b: &IdedExpr) -> Result<Option<Expr>, String> {
        let arithmetic = match name {
            operators::ADD => Some(Arithmetic::Add),
            operators::SUBSTRACT => Some(Arithmetic::Subtract),
            operators::MULTIPLY => Some(Arithmetic::Multiply),
            operators::DIVIDE => Some(Arithmetic::Divide),
            operators::MODULO => Some(Arithmetic::Modulo),
            _ => None,
        };
        let order = match name {
            operators::LESS => Some(Order::Less),
            operators::LESS_EQUALS => Some(Order::LessOrEqual),
            operators::GREATER => Some(Order::Greater),
            operators::GREATER_EQUALS => Some(Order::GreaterOrEqual),
            _ => None,
        };
        let is_other =
            matches!(name, operators::LOGICAL_AND | operators::LOGICAL_OR | operators::EQUALS | operators::NOT_EQUALS | operators::IN);
        if arithmetic.is_none() && order.is_none() && !is_other {
            return Ok(None);
        }
        let (a, b) = (self.boxed(a)?, self.boxed(b)?);
        Ok(Some(match (arithmetic, order, name) {
            (Some(of), ..) => Expr::Arithmetic { of, a, b },
            (_, Some(of), _) => Expr::Order { of, a, b },
            (_, _, operators::LOGICAL_AND | operators::LOGICAL_OR) => Expr::Both { a, b, until: name == operators::LOGICAL_OR },
            (_, _, operators::IN) => Expr::In { a, b },
            _ => Expr::Equal { a, b, not: name == operators::NOT_EQUALS },
        }))
    }
}

/// `@result + [x]`: what is added.
fn added(step: &IdedExpr) -> Option<&IdedExpr> {
    let Ast::Call(call) = &step.expr else { return None };
    match call.args.as_slice() {
        [_, IdedExpr { expr: Ast::List(list), .. }] if call.func_name == operators::ADD => list.elements.first(),
        _ => None,
    }
}

/// The function of a call, with all of its arguments.
fn find(call: &CallExpr) -> Result<(&'static Function, Vec<&IdedExpr>), String> {
    let name = call.func_name.as_str();
    let space = match &call.target {
        Some(target) => match &target.expr {
            Ast::Ident(space) if matches!(space.as_str(), "sets" | "math") => Some(space.as_str()),
            _ => None,
        },
        None => None,
    };
    let is_of = call.target.is_some() && space.is_none();
    let function = functions::ALL.iter().find(|function| {
        function.name == name
            && match function.form {
                Form::In(own) => space == Some(own),
                Form::Free => space.is_none() && !is_of,
                Form::Of => is_of,
                Form::Both => space.is_none(),
            }
    });
    let Some(function) = function else {
        let names = functions::ALL.iter().map(|function| function.name);
        let hint = crate::nearest::nearest(name, names).map(|near| format!("; is it {near}, and called as that is?"));
        return Err(format!("there is no function '{name}' here{}", hint.unwrap_or_default()));
    };
    let arguments: Vec<&IdedExpr> = call.target.iter().filter(|_| is_of).map(|target| &**target).chain(&call.args).collect();
    let (least, most) = function.arguments;
    if !(least..=most).contains(&arguments.len()) {
        return Err(format!("{name} has {} arguments, and takes {least} to {most} with what it is of", arguments.len()));
    }
    Ok((function, arguments))
}

/// A pattern is compiled once, with the expression: one that comes out of the object could be anything.
fn compiled(name: &str, pattern: &IdedExpr) -> Result<Regex, String> {
    /// Bytes of a compiled pattern: some hundred times what a pattern for names takes.
    const COMPILED_MAX: usize = 64 << 10;
    let Ast::Literal(LiteralValue::String(pattern)) = &pattern.expr else {
        return Err(format!("the pattern of {name} must be a text that stands there, not one that is made"));
    };
    let pattern = pattern.inner();
    if pattern.len() > PATTERN_MAX {
        return Err(format!("a pattern has {} bytes, and at most {PATTERN_MAX} are read", pattern.len()));
    }
    RegexBuilder::new(pattern).size_limit(COMPILED_MAX).dfa_size_limit(4 * COMPILED_MAX).nest_limit(16).build().map_err(|error| {
        let why = match error {
            regex::Error::CompiledTooBig(_) => "it is too large: repeat less".to_owned(),
            other => other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        };
        format!("the pattern of {name}: {why}")
    })
}
