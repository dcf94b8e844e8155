//! Edits of a text of manifests: a value is set where it belongs, and every other byte stays.
//!
//! Nothing is written anew: a line gets another value, or lines are put in below the key that they belong to. That is done where
//! keys stand on lines of their own (block style, and JSON as people print it). Elsewhere, and wherever reading the text again does
//! not give exactly what was meant, it is left as it is, and that is said.

use super::{Document, Node, Tree, read};
use plimsoll_fleet::written::{Path, Step};
use serde_json::{Map, Value};

/// A value that is to stand at a place of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// Which document of the text, from 0.
    pub document: usize,
    /// Where in it. A list there gets the elements of the value, everything else becomes it.
    pub path: Path,
    /// The value.
    pub value: Value,
}

/// Why a place is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It does not stand on lines of its own.
    #[error("line {line} is not in block style, or has an anchor, a tag or a template: change it by hand")]
    Style {
        /// The line.
        line: u32,
    },
    /// There is no such place.
    #[error("there is no such place in the document")]
    NoPlace,
    /// The text would mean something else than was wanted.
    #[error("the change would touch more than its place: change it by hand")]
    Elsewhere,
}

/// `text` with `edit`. Setting what is there already changes nothing.
///
/// # Errors
/// [`EditError`]: it is left to a person.
pub fn apply(text: &str, edit: &Edit) -> Result<String, EditError> {
    let (before, errors_before) = read(text);
    let document = before.get(edit.document).ok_or(EditError::NoPlace)?;
    let mut wanted: Vec<Value> = before.iter().map(|document| document.node.json()).collect();
    let own = wanted.get_mut(edit.document).ok_or(EditError::NoPlace)?;
    let untouched = own.clone();
    merge(own, &edit.path.0, &edit.value).ok_or(EditError::NoPlace)?;
    if *own == untouched {
        return Ok(text.to_owned());
    }
    let changed = change(text, document, edit)?;
    // The proof: read again, it is what was meant, and nothing else has changed.
    let (after, errors_after) = read(&changed);
    let is_meant = after.len() == wanted.len()
        && after.iter().zip(&wanted).all(|(document, wanted)| document.node.json() == *wanted)
        && errors_after.len() == errors_before.len();
    if is_meant { Ok(changed) } else { Err(EditError::Elsewhere) }
}

/// Sets the value at the end of `steps`.
fn merge(into: &mut Value, steps: &[Step], value: &Value) -> Option<()> {
    match steps {
        [] => match (into, value) {
            (Value::Array(items), Value::Array(more)) => {
                let new: Vec<Value> = more.iter().filter(|item| !items.contains(item)).cloned().collect();
                items.splice(0..0, new);
            }
            // A number that stands in quotes stays in quotes.
            (Value::String(text), Value::Number(number)) => *text = number.to_string(),
            (into, value) => *into = value.clone(),
        },
        [Step::Key(key), rest @ ..] => {
            if into.is_null() {
                *into = Value::Object(Map::new());
            }
            merge(into.as_object_mut()?.entry(key.to_string()).or_insert(Value::Null), rest, value)?;
        }
        [Step::Item(index, _), rest @ ..] => merge(into.as_array_mut()?.get_mut(*index as usize)?, rest, value)?,
    }
    Some(())
}

/// The part of a document that is there already, and what is missing below it.
struct Place<'a> {
    /// Where it stands; none: it is the document.
    step: Option<&'a Step>,
    node: &'a Node,
    missing: &'a [Step],
}

fn place<'a>(document: &'a Document, steps: &'a [Step]) -> Place<'a> {
    let mut place = Place { step: None, node: &document.node, missing: steps };
    while let [step, rest @ ..] = place.missing {
        let next = match step {
            Step::Key(key) => place.node.get(key),
            Step::Item(index, _) => place.node.items().get(*index as usize),
        };
        let Some(node) = next else { break };
        place = Place { step: Some(step), node, missing: rest };
    }
    place
}

fn change(text: &str, document: &Document, edit: &Edit) -> Result<String, EditError> {
    let place = place(document, &edit.path.0);
    let line = place.node.line;
    let style = || EditError::Style { line };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let at = (line as usize).checked_sub(1).filter(|at| *at < lines.len()).ok_or_else(style)?;
    let key = match place.step {
        Some(Step::Key(key)) => Some(&**key),
        Some(Step::Item(..)) => None,
        None => return Err(style()),
    };
    let is_json = text.trim_start().starts_with('{');
    let new = match (place.missing, &place.node.tree) {
        // It is there: another value, or more elements.
        ([], Tree::List(items)) => {
            let first = items.first().ok_or_else(style)?;
            let more: Vec<&Value> = edit.value.as_array().ok_or_else(style)?.iter().collect();
            let head = Head::of(lines[at], key.ok_or_else(style)?, is_json).ok_or_else(style)?;
            let indent = below(&lines, at, first, &head, is_json).ok_or_else(style)?;
            let written: Vec<String> = more.into_iter().map(|item| element(item, &indent, is_json)).collect();
            return Ok(inserted(&lines, at, &written.concat()));
        }
        ([], Tree::Map(_)) => return Err(style()),
        ([], _) => {
            let head = Head::of(lines[at], key.ok_or_else(style)?, is_json).ok_or_else(style)?;
            let is_text = matches!(place.node.tree, Tree::Text(_));
            return head.with_value(&lines, at, &edit.value, is_text).ok_or_else(style);
        }
        (missing, Tree::Map(entries)) => {
            let first = entries.iter().min_by_key(|(_, node)| node.line).map(|(_, node)| node).ok_or_else(style)?;
            (missing, first)
        }
        _ => return Err(style()),
    };
    let (missing, first) = new;
    let (Some(Step::Key(name)), Some(nested)) = (missing.first(), nested(&missing[1..], &edit.value)) else { return Err(style()) };
    let Some(key) = key else { return beside(&lines, at, first, name, &nested, is_json).ok_or_else(style) };
    let head = Head::of(lines[at], key, is_json).ok_or_else(style)?;
    let indent = below(&lines, at, first, &head, is_json).ok_or_else(style)?;
    Ok(inserted(&lines, at, &entry(name, &nested, &indent, is_json)))
}

/// A value below keys that are not there yet.
fn nested(steps: &[Step], value: &Value) -> Option<Value> {
    steps.iter().rev().try_fold(value.clone(), |inner, step| match step {
        Step::Key(key) => Some(Value::Object(Map::from_iter([(key.to_string(), inner)]))),
        Step::Item(..) => None,
    })
}

/// The key of a line.
struct Head<'a> {
    /// What stands before it: blanks, and the dashes of lists.
    before: &'a str,
    /// What stands after its colon, without the line break.
    after: &'a str,
}

impl<'a> Head<'a> {
    /// The line must begin with `key` and a colon.
    fn of(line: &'a str, key: &str, is_json: bool) -> Option<Self> {
        let start = line.find(|c: char| !(c == ' ' || c == '-' && !is_json))?;
        let (before, rest) = line.split_at(start);
        let forms = [key.to_owned(), format!("\"{key}\""), format!("'{key}'")];
        let after = forms.iter().find_map(|form| rest.strip_prefix(form.as_str())?.trim_start_matches(' ').strip_prefix(':'))?;
        let after = after.trim_end_matches(['\n', '\r']);
        // A dash must be one of a list: `- key`, not `-key`.
        let is_list = before.contains('-') && !before.ends_with(' ');
        (!is_list && (after.is_empty() || after.starts_with(' ')) && !line.contains("{{")).then_some(Self { before, after })
    }

    /// Nothing stands behind it but a remark (or the bracket that JSON opens).
    fn opens(&self, is_json: bool) -> bool {
        let after = self.after.trim();
        if is_json { matches!(after, "{" | "[") } else { after.is_empty() || after.starts_with('#') }
    }

    /// The text with another value on this line.
    fn with_value(&self, lines: &[&str], at: usize, value: &Value, is_text: bool) -> Option<String> {
        let old = self.after.trim_start();
        let lead = &self.after[..self.after.len() - old.len()];
        let quote = old.chars().next().filter(|c| matches!(c, '"' | '\''));
        let length = match quote {
            Some(quote) => 1 + old[1..].find(quote)? + 1,
            None => old.find(" #").unwrap_or(old.len()).min(old.find(',').unwrap_or(old.len())),
        };
        let (token, rest) = old.split_at(length);
        let token = token.trim_end();
        if token.is_empty() || token.starts_with(['|', '>', '&', '*', '!', '{', '[', '@', '`', '%', '#']) || token.contains('\\') {
            return None;
        }
        let new = match (value, quote) {
            (Value::Number(number), None) if is_text => format!("\"{number}\""),
            (Value::Number(number), None) => number.to_string(),
            (Value::Bool(truth), None) => truth.to_string(),
            (Value::Number(number), Some(quote)) => format!("{quote}{number}{quote}"),
            (Value::String(text), _) if text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '/')) => {
                let quote = quote.unwrap_or('"');
                format!("{quote}{text}{quote}")
            }
            _ => return None,
        };
        let line = lines[at];
        let blanks = &old[token.len()..length];
        let end = &line[line.trim_end_matches(['\n', '\r']).len()..];
        let start = line.len() - end.len() - self.after.len();
        let changed = format!("{}{lead}{new}{blanks}{rest}{end}", &line[..start]);
        Some([lines[..at].concat(), changed, lines[at + 1..].concat()].concat())
    }
}

/// The blanks with which lines below a key begin: those of what stands there first. None: it does not stand on lines of its own.
fn below(lines: &[&str], at: usize, first: &Node, head: &Head<'_>, is_json: bool) -> Option<String> {
    if !head.opens(is_json) {
        return None;
    }
    let line = lines.get((first.line as usize).checked_sub(1)?)?;
    let blanks: String = line.chars().take_while(|c| *c == ' ').collect();
    // A list may begin as far in as its key.
    let least = head.before.len() + usize::from(!line[blanks.len()..].starts_with('-'));
    (first.line as usize > at + 1 && blanks.len() >= least && !line.contains("{{")).then_some(blanks)
}

/// A key beside the first of an element of a list: below that line.
fn beside(lines: &[&str], at: usize, first: &Node, name: &str, value: &Value, is_json: bool) -> Option<String> {
    let line = lines[at];
    let start = line.find(|c: char| !(c == ' ' || c == '-'))?;
    let is_one_line = !matches!(first.tree, Tree::Map(_) | Tree::List(_)) && first.line as usize == at + 1;
    let has_dash = line[..start].contains('-') && !line[..start].contains("- -");
    let value_of_first = line[start..].split_once(": ").map(|(_, value)| value.trim_start())?;
    let plain = value_of_first.starts_with(|c: char| c.is_ascii_alphanumeric());
    let next = lines.get(at + 1).map_or(0, |next| next.len() - next.trim_start_matches(' ').len());
    // A value that goes on in the next line is further in than its key.
    let goes_on = lines.get(at + 1).is_some_and(|line| !line.trim().is_empty()) && next > start;
    if is_json || !is_one_line || !has_dash || !plain || goes_on || line.contains("{{") {
        return None;
    }
    Some(inserted(lines, at, &entry(name, value, &" ".repeat(start), false)))
}

/// The text with `new` below the line at `at`, with that line's kind of line break.
fn inserted(lines: &[&str], at: usize, new: &str) -> String {
    let line = lines[at];
    let (own, end) = line.split_at(line.trim_end_matches(['\n', '\r']).len());
    let end = if end.is_empty() { "\n" } else { end };
    let new = if end == "\n" { new.to_owned() } else { new.replace('\n', end) };
    [&lines[..at].concat(), own, end, &new, &lines[at + 1..].concat()].concat()
}

fn entry(key: &str, value: &Value, indent: &str, is_json: bool) -> String {
    if is_json {
        return format!("{indent}{}: {value},\n", Value::String(key.to_owned()));
    }
    match value {
        Value::Object(map) if !map.is_empty() => {
            let inner: String = map.iter().map(|(key, value)| entry(key, value, &format!("{indent}  "), false)).collect();
            format!("{indent}{}:\n{inner}", plain(key))
        }
        Value::Array(items) if !items.is_empty() => {
            let inner: String = items.iter().map(|item| element(item, indent, false)).collect();
            format!("{indent}{}:\n{inner}", plain(key))
        }
        other => format!("{indent}{}: {}\n", plain(key), scalar(other)),
    }
}

/// An element of a list, its dash at `indent`.
fn element(item: &Value, indent: &str, is_json: bool) -> String {
    if is_json {
        return format!("{indent}{item},\n");
    }
    match item {
        Value::Object(map) if !map.is_empty() => {
            let inner: String = map.iter().map(|(key, value)| entry(key, value, &format!("{indent}  "), false)).collect();
            format!("{indent}- {}", inner.trim_start_matches(' '))
        }
        other => format!("{indent}- {}\n", scalar(other)),
    }
}

/// A key or a word that YAML takes for a text without quotes.
fn plain(text: &str) -> String {
    const NOT: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '/' | '_'))
        && !NOT.contains(&&*text.to_ascii_lowercase());
    if is_plain { text.to_owned() } else { Value::String(text.to_owned()).to_string() }
}

/// JSON is YAML too.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
