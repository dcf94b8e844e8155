//! Functions that an expression may call, and what each can cost.
//!
//! Those of Kubernetes whose time and result can be bounded by the size of what they are given. `matches` and `find` are not here: their
//! patterns are compiled with the expression.

use super::{run::Stop, value::Value};
use kube_cel::{
    KubeCelExt as _,
    cel::{
        self, Context,
        common::ast::{CallExpr, Expr, IdedExpr},
    },
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
};

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `f(a)`.
    Free,
    /// `a.f(b)`.
    Of,
    /// Both.
    Both,
    /// `sets.f(a, b)`: in a space of names.
    In(&'static str),
}

/// What it costs, by the sizes of its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// It looks at one number, or at the length of a list.
    One,
    /// It looks at each part of its arguments once.
    Each,
    /// It compares each part of an argument with each part of it or of the other.
    Pairs,
}

/// What it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    /// A truth, a number or a quantity.
    Small,
    /// A part of its first argument, or that in another order.
    First,
    /// A text of some of the characters of its first argument, with another text in each place between them.
    Replaced,
    /// The parts of a text.
    Parts,
    /// The texts of a list as one, with a text between each two.
    Joined,
}

/// A function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// Fewest and most arguments, the one that it is of with them.
    pub(super) arguments: (usize, usize),
    pub(super) cost: Cost,
    pub(super) gives: Gives,
}

const fn function(name: &'static str, form: Form, arguments: (usize, usize), cost: Cost, gives: Gives) -> Function {
    Function { name, form, arguments, cost, gives }
}

/// All of them. The first four are ours: they copy nothing.
pub(super) static ALL: [Function; 48] = [
    function("size", Form::Both, (1, 1), Cost::One, Gives::Small),
    function("contains", Form::Of, (2, 2), Cost::Each, Gives::Small),
    function("startsWith", Form::Of, (2, 2), Cost::One, Gives::Small),
    function("endsWith", Form::Of, (2, 2), Cost::One, Gives::Small),
    function("int", Form::Free, (1, 1), Cost::Each, Gives::Small),
    function("uint", Form::Free, (1, 1), Cost::Each, Gives::Small),
    function("double", Form::Free, (1, 1), Cost::Each, Gives::Small),
    function("string", Form::Free, (1, 1), Cost::Each, Gives::First),
    function("charAt", Form::Of, (2, 2), Cost::Each, Gives::First),
    function("indexOf", Form::Of, (2, 3), Cost::Pairs, Gives::Small),
    function("lastIndexOf", Form::Of, (2, 3), Cost::Pairs, Gives::Small),
    function("lowerAscii", Form::Of, (1, 1), Cost::Each, Gives::First),
    function("upperAscii", Form::Of, (1, 1), Cost::Each, Gives::First),
    function("trim", Form::Of, (1, 1), Cost::Each, Gives::First),
    function("substring", Form::Of, (2, 3), Cost::Each, Gives::First),
    function("replace", Form::Of, (3, 4), Cost::Each, Gives::Replaced),
    function("split", Form::Of, (2, 3), Cost::Each, Gives::Parts),
    function("join", Form::Of, (1, 2), Cost::Each, Gives::Joined),
    function("reverse", Form::Of, (1, 1), Cost::Each, Gives::First),
    function("isSorted", Form::Of, (1, 1), Cost::Each, Gives::Small),
    function("sum", Form::Of, (1, 1), Cost::Pairs, Gives::First),
    function("min", Form::Of, (1, 1), Cost::Each, Gives::First),
    function("max", Form::Of, (1, 1), Cost::Each, Gives::First),
    function("slice", Form::Of, (3, 3), Cost::Each, Gives::First),
    function("distinct", Form::Of, (1, 1), Cost::Pairs, Gives::First),
    function("contains", Form::In("sets"), (2, 2), Cost::Pairs, Gives::Small),
    function("equivalent", Form::In("sets"), (2, 2), Cost::Pairs, Gives::Small),
    function("intersects", Form::In("sets"), (2, 2), Cost::Pairs, Gives::Small),
    function("quantity", Form::Free, (1, 1), Cost::Each, Gives::Small),
    function("isQuantity", Form::Free, (1, 1), Cost::Each, Gives::Small),
    function("isInteger", Form::Of, (1, 1), Cost::One, Gives::Small),
    function("asInteger", Form::Of, (1, 1), Cost::One, Gives::Small),
    function("asApproximateFloat", Form::Of, (1, 1), Cost::One, Gives::Small),
    function("sign", Form::Of, (1, 1), Cost::One, Gives::Small),
    function("add", Form::Of, (2, 2), Cost::One, Gives::Small),
    function("sub", Form::Of, (2, 2), Cost::One, Gives::Small),
    function("compareTo", Form::Of, (2, 2), Cost::One, Gives::Small),
    function("isGreaterThan", Form::Of, (2, 2), Cost::One, Gives::Small),
    function("isLessThan", Form::Of, (2, 2), Cost::One, Gives::Small),
    function("ceil", Form::In("math"), (1, 1), Cost::One, Gives::Small),
    function("floor", Form::In("math"), (1, 1), Cost::One, Gives::Small),
    function("round", Form::In("math"), (1, 1), Cost::One, Gives::Small),
    function("trunc", Form::In("math"), (1, 1), Cost::One, Gives::Small),
    function("abs", Form::In("math"), (1, 1), Cost::One, Gives::Small),
    function("sign", Form::In("math"), (1, 1), Cost::One, Gives::Small),
    function("greatest", Form::In("math"), (1, 8), Cost::Each, Gives::Small),
    function("least", Form::In("math"), (1, 8), Cost::Each, Gives::Small),
    function("isFinite", Form::In("math"), (1, 1), Cost::One, Gives::Small),
];

/// Most arguments of any of them.
const ARGUMENTS_MAX: usize = 8;
const NAMES: [&str; ARGUMENTS_MAX] = ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"];

/// Kubernetes' functions, by name.
static KUBERNETES: LazyLock<Context<'static>> = LazyLock::new(|| Context::default().with_all());

/// Calls one of Kubernetes' functions. The arguments are copied, and were paid for.
pub(super) fn call<'a>(function: &'static Function, arguments: &[Value<'a>]) -> Result<Value<'a>, Stop> {
    let mut scope = KUBERNETES.new_inner_scope();
    for (name, argument) in NAMES.iter().zip(arguments) {
        scope.add_variable_from_value(*name, argument.cel());
    }
    let variable = |name: &&str| IdedExpr { id: 0, expr: Expr::Ident((*name).to_owned()) };
    let mut names = NAMES.iter().take(arguments.len()).map(variable);
    let target = match function.form {
        Form::In(space) => Some(Box::new(IdedExpr { id: 0, expr: Expr::Ident(space.to_owned()) })),
        Form::Of => names.next().map(Box::new),
        Form::Free | Form::Both => None,
    };
    let call = IdedExpr { id: 0, expr: Expr::Call(CallExpr { func_name: function.name.to_owned(), target, args: names.collect() }) };
    // What panics in there says nothing about us, and an expression that does it cannot be judged by.
    let result = catch_unwind(AssertUnwindSafe(|| cel::Value::resolve(&call, &scope)));
    let value = result.map_err(|_| Stop::new(format!("{} cannot be told of this", function.name)))?;
    Value::of_cel(value.map_err(|error| Stop::new(says(function, &error, arguments)))?)
}

/// The library's errors show values whole; what is said must stay short, and the same each time: it shows maps in any order.
fn says(function: &Function, error: &cel::ExecutionError, arguments: &[Value<'_>]) -> String {
    const MOST: usize = 160;
    let why = match error {
        cel::ExecutionError::FunctionError { message, .. } if arguments.iter().all(|argument| argument.len().is_none()) => message.clone(),
        _ => "it is not for such values".to_owned(),
    };
    let end = why.char_indices().nth(MOST).map_or(why.len(), |(at, _)| at);
    format!("{}: {}", function.name, &why[..end])
}

/// Most values and bytes that a function gives, by those of each argument.
pub(super) fn gives(function: &Function, arguments: &[(u64, u64)]) -> (u64, u64) {
    let (values, bytes) = arguments.first().copied().unwrap_or_default();
    let of = |at: usize| arguments.get(at).map_or(0, |(_, bytes)| *bytes);
    match function.gives {
        Gives::Small => (1, 0),
        // The longest number has some 310 digits.
        Gives::First => (values, bytes.saturating_add(400)),
        Gives::Replaced => (1, bytes.saturating_add(bytes.saturating_add(1).saturating_mul(of(2)))),
        Gives::Parts => (bytes.saturating_add(3), bytes),
        Gives::Joined => (1, bytes.saturating_add(values.saturating_mul(of(1)))),
    }
}
