//! What of a rule a guardrail may set.

use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it may be, and what it is unless set.
    pub kind: Kind,
    /// What it means.
    pub says: &'static str,
}

/// What a parameter may be, with its default.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A number of zero or more.
    Number {
        /// Unless set.
        default: f64,
        /// Its unit.
        unit: &'static str,
    },
    /// A list of names; where it says so, `*` stands for any characters.
    Names(&'static [&'static str]),
    /// Yes or no.
    Flag(bool),
}

/// A number.
#[must_use]
pub(super) const fn number(name: &'static str, default: f64, unit: &'static str, says: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Number { default, unit }, says }
}

/// Names.
#[must_use]
pub(super) const fn names(name: &'static str, default: &'static [&'static str], says: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Names(default), says }
}

/// Yes or no.
#[must_use]
pub(super) const fn flag(name: &'static str, default: bool, says: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Flag(default), says }
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Number(f64),
    Names(Vec<String>),
    Flag(bool),
}

/// The parameters of one rule, set or not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values(BTreeMap<&'static str, Value>);

/// Most names of one list, and most characters of a name.
const NAMES_MAX: usize = 1_000;
const NAME_MAX: usize = 253;

impl Values {
    /// Those of `parameters`, with what `set` says.
    ///
    /// # Errors
    /// A parameter that the rule has not, or a value that it cannot be: what is wrong and what would be right.
    pub fn new(parameters: &'static [Parameter], set: &BTreeMap<String, Json>) -> Result<Self, String> {
        let known = || parameters.iter().map(|parameter| parameter.name).collect::<Vec<_>>().join(", ");
        if let Some(unknown) = set.keys().find(|name| !parameters.iter().any(|parameter| parameter.name == name.as_str())) {
            let has = if parameters.is_empty() { "it has none".to_owned() } else { format!("it has {}", known()) };
            return Err(format!("no parameter is named '{unknown}'; {has}"));
        }
        let value = |parameter: &Parameter| match set.get(parameter.name) {
            None => Ok(match parameter.kind {
                Kind::Number { default, .. } => Value::Number(default),
                Kind::Names(default) => Value::Names(default.iter().map(|&name| name.to_owned()).collect()),
                Kind::Flag(default) => Value::Flag(default),
            }),
            Some(json) => read(parameter, json),
        };
        parameters.iter().map(|parameter| Ok((parameter.name, value(parameter)?))).collect::<Result<_, String>>().map(Self)
    }

    /// The number of that name; zero where the rule has none such.
    #[must_use]
    pub fn number(&self, name: &str) -> f64 {
        if let Some(Value::Number(number)) = self.0.get(name) { *number } else { 0.0 }
    }

    /// The number of that name, whole.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.number(name) as u64
    }

    /// The names of that name; none where the rule has none such.
    #[must_use]
    pub fn names(&self, name: &str) -> &[String] {
        if let Some(Value::Names(names)) = self.0.get(name) { names } else { &[] }
    }

    /// The flag of that name; no where the rule has none such.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Flag(true))
    }
}

fn read(parameter: &Parameter, json: &Json) -> Result<Value, String> {
    let name = parameter.name;
    match parameter.kind {
        Kind::Number { unit, .. } => {
            let number = json.as_f64().filter(|number| number.is_finite() && *number >= 0.0);
            number.map(Value::Number).ok_or_else(|| format!("{name}: {json} is not a number of zero or more ({unit})"))
        }
        Kind::Flag(_) => json.as_bool().map(Value::Flag).ok_or_else(|| format!("{name}: {json} is not true or false")),
        Kind::Names(_) => {
            let wrong = || format!("{name}: {json} is not a list of texts, such as [\"a\", \"b-*\"]");
            let list = json.as_array().ok_or_else(wrong)?;
            if list.len() > NAMES_MAX {
                return Err(format!("{name}: it has more than {NAMES_MAX} entries"));
            }
            let good = |name: &&str| !name.is_empty() && name.len() <= NAME_MAX;
            let names = list.iter().map(|name| name.as_str().filter(good).map(str::to_owned).ok_or_else(wrong));
            names.collect::<Result<_, _>>().map(Value::Names)
        }
    }
}
