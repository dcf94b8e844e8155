//! From a tree to a text again: the same expression for another evaluator, Kubernetes' own, which looks at types before it runs.

use super::{
    VARIABLES,
    functions::{Form, Function},
    syntax::{Arithmetic, Expr, Loop, Order},
};
use crate::guard::export::text::quoted;
use serde_json::Value as Json;
use std::mem::discriminant;

/// How tightly a part holds together: brackets go around what stands where something tighter must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Holds {
    Choice,
    Or,
    And,
    Relation,
    Sum,
    Product,
    Sign,
    Member,
}

impl Holds {
    /// What the right side of an operator must be: they are read from the left.
    fn tighter(self) -> Self {
        match self {
            Self::Choice => Self::Or,
            Self::Or => Self::And,
            Self::And => Self::Relation,
            Self::Relation => Self::Sum,
            Self::Sum => Self::Product,
            Self::Product => Self::Sign,
            Self::Sign | Self::Member => Self::Member,
        }
    }
}

/// Words that CEL keeps for itself, and the name of a policy's variables: no element of a pass may have such a name there.
const TAKEN: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "namespace",
    "package",
    "return",
    "var",
    "void",
    "while",
];
const VARIABLES_OF_A_POLICY: &str = "variables";

/// The text of a tree, with a name for each of [`VARIABLES`].
pub(super) fn text(root: &Expr, name: fn(&str) -> &'static str) -> Result<String, String> {
    let mut writer = Writer { name, bound: Vec::new() };
    writer.at_least(root, Holds::Choice)
}

struct Writer<'a> {
    name: fn(&str) -> &'static str,
    /// Names of the elements of passes, the innermost last.
    bound: Vec<&'a str>,
}

impl<'a> Writer<'a> {
    fn at_least(&mut self, expr: &'a Expr, least: Holds) -> Result<String, String> {
        let (text, holds) = self.expr(expr)?;
        Ok(if holds < least { format!("({text})") } else { text })
    }

    fn inner(&mut self, expr: &'a Expr) -> Result<String, String> {
        self.at_least(expr, Holds::Choice)
    }

    fn all(&mut self, of: &'a [Expr]) -> Result<Vec<String>, String> {
        of.iter().map(|expr| self.inner(expr)).collect()
    }

    fn two(&mut self, a: &'a Expr, operator: &str, b: &'a Expr, holds: Holds) -> Result<(String, Holds), String> {
        Ok((format!("{} {operator} {}", self.at_least(a, holds)?, self.at_least(b, holds.tighter())?), holds))
    }

    fn expr(&mut self, expr: &'a Expr) -> Result<(String, Holds), String> {
        let member = |text: String| Ok((text, Holds::Member));
        match expr {
            Expr::Literal(value) => Ok(literal(value)),
            Expr::Unsigned(number) => member(format!("{number}u")),
            Expr::Input(slot) => member((self.name)(VARIABLES[*slot].0).to_owned()),
            Expr::Bound(depth) => member(self.bound.get(*depth).copied().unwrap_or_default().to_owned()),
            Expr::Select { of, field } => {
                let of = self.at_least(of, Holds::Member)?;
                member(if is_word(field) { format!("{of}.{field}") } else { format!("{of}[{}]", quoted(field)) })
            }
            Expr::Has { of, field } if is_word(field) => member(format!("has({}.{field})", self.at_least(of, Holds::Member)?)),
            Expr::Has { of, field } => {
                Ok((format!("{} in {}", quoted(field), self.at_least(of, Holds::Relation.tighter())?), Holds::Relation))
            }
            Expr::Index { of, at } => member(format!("{}[{}]", self.at_least(of, Holds::Member)?, self.inner(at)?)),
            Expr::List(items) => {
                let texts = self.all(items)?;
                member(format!("[{}]", of_one_type(items.iter().collect(), texts).join(", ")))
            }
            Expr::Map(entries) => {
                let (keys, values): (Vec<&Expr>, Vec<&Expr>) = entries.iter().map(|(key, value)| (key, value)).unzip();
                let mut texts = |of: Vec<&'a Expr>| {
                    let texts = of.iter().map(|expr| self.inner(expr)).collect::<Result<_, _>>()?;
                    Ok::<_, String>(of_one_type(of, texts))
                };
                let (keys, values) = (texts(keys)?, texts(values)?);
                let entries: Vec<String> = keys.into_iter().zip(values).map(|(key, value)| format!("{key}: {value}")).collect();
                member(format!("{{{}}}", entries.join(", ")))
            }
            Expr::Not(of) => Ok((format!("!{}", self.at_least(of, Holds::Member)?), Holds::Sign)),
            Expr::Negate(of) => Ok((format!("-{}", self.at_least(of, Holds::Member)?), Holds::Sign)),
            Expr::Both { a, b, until } => {
                // Of several it does not matter which are taken together first.
                let (operator, holds) = if *until { ("||", Holds::Or) } else { ("&&", Holds::And) };
                Ok((format!("{} {operator} {}", self.at_least(a, holds)?, self.at_least(b, holds)?), holds))
            }
            Expr::If { condition, yes, no } => {
                let condition = self.at_least(condition, Holds::Or)?;
                let branches = [self.at_least(yes, Holds::Or)?, self.at_least(no, Holds::Choice)?];
                let branches = of_one_type(vec![&**yes, &**no], branches.to_vec());
                Ok((format!("{condition} ? {}", branches.join(" : ")), Holds::Choice))
            }
            Expr::Arithmetic { of, a, b } => {
                let (operator, holds) = match of {
                    Arithmetic::Add => ("+", Holds::Sum),
                    Arithmetic::Subtract => ("-", Holds::Sum),
                    Arithmetic::Multiply => ("*", Holds::Product),
                    Arithmetic::Divide => ("/", Holds::Product),
                    Arithmetic::Modulo => ("%", Holds::Product),
                };
                self.two(a, operator, b, holds)
            }
            Expr::Order { of, a, b } => {
                let operator = match of {
                    Order::Less => "<",
                    Order::LessOrEqual => "<=",
                    Order::Greater => ">",
                    Order::GreaterOrEqual => ">=",
                };
                self.two(a, operator, b, Holds::Relation)
            }
            Expr::Equal { a, b, not } => {
                let sides = [(a, Holds::Relation), (b, Holds::Relation.tighter())];
                let mut side = |(expr, least): (&'a Expr, Holds)| {
                    // Numbers of two types are equal by their value only where the types are not known.
                    let is_odd =
                        matches!(expr, Expr::Unsigned(_)) || matches!(expr, Expr::Literal(Json::Number(number)) if number.is_f64());
                    if is_odd { Ok::<_, String>(format!("dyn({})", self.inner(expr)?)) } else { self.at_least(expr, least) }
                };
                let [a, b] = sides;
                let (a, b) = (side((&**a.0, a.1))?, side((&**b.0, b.1))?);
                Ok((format!("{a} {} {b}", if *not { "!=" } else { "==" }), Holds::Relation))
            }
            Expr::In { a, b } => self.two(a, "in", b, Holds::Relation),
            Expr::Loop { element, pass } => member(self.pass(element, pass)?),
            Expr::Pattern { of, pattern, find } => {
                let function = if *find { "find" } else { "matches" };
                member(format!("{}.{function}({})", self.at_least(of, Holds::Member)?, quoted(pattern.as_str())))
            }
            Expr::Call { function, arguments } => member(self.call(function, arguments)?),
        }
    }

    fn pass(&mut self, element: &'a str, pass: &'a Loop) -> Result<String, String> {
        if element == VARIABLES_OF_A_POLICY || TAKEN.contains(&element) {
            return Err(format!("it calls an element '{element}', which means something else in a policy: give it another name"));
        }
        let (name, range, filter, body) = match pass {
            Loop::All { range, body } => ("all", range, None, body),
            Loop::Exists { range, body } => ("exists", range, None, body),
            Loop::ExistsOne { range, body } => ("exists_one", range, None, body),
            Loop::Filter { range, body } => ("filter", range, None, body),
            Loop::Map { range, filter, body } => ("map", range, filter.as_ref(), body),
        };
        let range = self.at_least(range, Holds::Member)?;
        self.bound.push(element);
        let filter = filter.map(|filter| self.inner(filter)).transpose()?.map(|filter| format!("{filter}, ")).unwrap_or_default();
        let body = self.inner(body)?;
        self.bound.pop();
        Ok(format!("{range}.{name}({element}, {filter}{body})"))
    }

    fn call(&mut self, function: &Function, arguments: &'a [Expr]) -> Result<String, String> {
        let name = function.name;
        // Lists have it since Kubernetes 1.34, texts have not.
        if function.form == Form::In("math") || name == "reverse" {
            let space = if let Form::In(space) = function.form { format!("{space}.") } else { String::new() };
            return Err(format!("it calls {space}{name}, which the API server does not have"));
        }
        match (function.form, arguments) {
            // kube-cel has it the other way round.
            (Form::Of, [of]) if name == "sign" => Ok(format!("sign({})", self.inner(of)?)),
            (Form::In(space), _) => Ok(format!("{space}.{name}({})", self.all(arguments)?.join(", "))),
            (Form::Of, [of, arguments @ ..]) => {
                Ok(format!("{}.{name}({})", self.at_least(of, Holds::Member)?, self.all(arguments)?.join(", ")))
            }
            _ => Ok(format!("{name}({})", self.all(arguments)?.join(", "))),
        }
    }
}

fn literal(value: &Json) -> (String, Holds) {
    let text = match value {
        Json::String(text) => quoted(text),
        Json::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(number) => format!("{number:?}"),
            None => number.to_string(),
        },
        other => other.to_string(),
    };
    let holds = if text.starts_with('-') { Holds::Sign } else { Holds::Member };
    (text, holds)
}

/// Parts that must be of one type: what is not plainly so goes without a type.
fn of_one_type(parts: Vec<&Expr>, texts: Vec<String>) -> Vec<String> {
    let is_plain = |(a, b): (&Expr, &Expr)| match (a, b) {
        (Expr::Literal(Json::Number(a)), Expr::Literal(Json::Number(b))) => a.is_f64() == b.is_f64(),
        (Expr::Literal(a), Expr::Literal(b)) => discriminant(a) == discriminant(b),
        _ => false,
    };
    if parts.windows(2).all(|pair| is_plain((pair[0], pair[1]))) {
        return texts;
    }
    texts.into_iter().map(|text| format!("dyn({text})")).collect()
}

fn is_word(field: &str) -> bool {
    let mut letters = field.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !matches!(field, "in" | "true" | "false" | "null")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::guard::cel::Expression;

    fn name(variable: &str) -> &'static str {
        match variable {
            "object" => "variables.self",
            "pods" => "variables.pods",
            "namespace" => "variables.space",
            _ => "variables.other",
        }
    }

    fn written(text: &str) -> String {
        Expression::new(text).unwrap().written(name).unwrap()
    }

    /// Only what is a variable changes its name: no field, element, text or macro does.
    #[test]
    fn variables_are_renamed_and_nothing_else() {
        for (text, is) in [
            ("object.metadata.namespace == namespace", "variables.self.metadata.namespace == variables.space"),
            ("pods.all(pods, pods.object != 'pods')", "variables.pods.all(pods, pods.object != 'pods')"),
            (
                "pods.all(object, object.count > 1) && has(object.pods)",
                "variables.pods.all(object, object.count > 1) && has(variables.self.pods)",
            ),
            (
                "pods.map(p, p.count > 1, p.labels['pods'])[0] == \"it's\"",
                "variables.pods.map(p, p.count > 1, p.labels['pods'])[0] == 'it\\'s'",
            ),
            ("object.a.`b/c` == 1", "variables.self.a['b/c'] == 1"),
            (".object.a.matches(r'^\\d+$')", "variables.self.a.matches('^\\\\d+$')"),
        ] {
            assert_eq!(written(text), is, "{text}");
        }
    }

    /// Brackets that matter stay, and a text that was written is read as the same expression.
    #[test]
    fn what_is_written_means_the_same() {
        for text in [
            "(1 + 2) * 3 - (4 - 5) % 6 / -(7) > 8",
            "!(object.a && (object.b || !object.c)) || object.d && object.e",
            "(object.a ? object.b : object.c) ? 'x' : (object.d ? 'y' : 'z')",
            "size(pods.filter(p, p.count == 1)) == 0 && {'a': object.a} == {'a': 1} && (object.a > 1) == object.c",
            "sets.contains(['a'], ['a']) && quantity('1').add(quantity('2')).isGreaterThan(quantity('1'))",
            "pods.exists_one(p, p.labels.exists(k, k == 'a') && p.count + -1 == 2 && p.count == 2.5)",
        ] {
            let once = Expression::new(text).unwrap().written(|name| VARIABLES.iter().find(|(is, _)| *is == name).unwrap().0).unwrap();
            // Without a type is what it was with one.
            let again = Expression::new(&once.replace("dyn(", "(")).unwrap();
            assert_eq!(again.written(name), Expression::new(text).unwrap().written(name), "{once}");
        }
    }

    #[test]
    fn types_are_left_out_where_they_differ() {
        assert_eq!(written("[1, 2]"), "[1, 2]");
        assert_eq!(written("[1, 'a', object.b]"), "[dyn(1), dyn('a'), dyn(variables.self.b)]");
        assert_eq!(written("size(pods) == 2.0"), "size(variables.pods) == dyn(2.0)");
        assert_eq!(written("true ? 'a' : object.b"), "true ? dyn('a') : dyn(variables.self.b)");
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (text, says) in [
            ("math.abs(object.a) == 1", "it calls math.abs, which the API server does not have"),
            ("object.a.reverse() == 'a'", "it calls reverse, which the API server does not have"),
            (
                "pods.all(variables, variables.count > 1)",
                "it calls an element 'variables', which means something else in a policy: give it another name",
            ),
        ] {
            assert_eq!(Expression::new(text).unwrap().written(name), Err(says.to_owned()), "{text}");
        }
    }
}
