//! Writing CEL: texts, numbers, patterns of names.

use std::fmt::Write as _;

/// A text as CEL writes it, in single quotes.
pub(in crate::guard) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for letter in text.chars() {
        match letter {
            '\'' | '\\' => {
                out.push('\\');
                out.push(letter);
            }
            letter if letter.is_control() => drop(write!(out, "\\u{:04x}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('\'');
    out
}

/// A list of texts.
pub(super) fn list<S: AsRef<str>>(texts: &[S]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

/// A number with a fraction, as CEL writes it.
pub(super) fn double(number: f64) -> String {
    format!("{number:?}")
}

/// Does what `of` gives follow any of the patterns? As `plimsoll_api::pattern::any`.
pub(super) fn any<S: AsRef<str>>(patterns: &[S], of: &str) -> String {
    let (starred, plain): (Vec<&str>, Vec<&str>) = patterns.iter().map(AsRef::as_ref).partition(|pattern: &&str| pattern.contains('*'));
    let mut tests: Vec<String> = Vec::new();
    match plain.as_slice() {
        [] => {}
        [one] => tests.push(format!("{of} == {}", quoted(one))),
        many => tests.push(format!("{of} in {}", list(many))),
    }
    tests.extend(starred.into_iter().map(|pattern| follows(pattern, of)));
    any_of(&tests)
}

/// One pattern with a star.
fn follows(pattern: &str, of: &str) -> String {
    let (first, rest) = pattern.split_once('*').unwrap_or((pattern, ""));
    match (first, rest) {
        ("", "") => "true".to_owned(),
        (first, "") => format!("{of}.startsWith({})", quoted(first)),
        ("", last) if !last.contains('*') => format!("{of}.endsWith({})", quoted(last)),
        ("", inner) if inner.ends_with('*') && !inner[..inner.len() - 1].contains('*') => {
            format!("{of}.contains({})", quoted(&inner[..inner.len() - 1]))
        }
        _ => format!("{of}.matches({})", quoted(&format!("(?s)^{}$", regex(pattern)))),
    }
}

/// The pattern as a regular expression (RE2): all that is no letter or digit stands for itself.
fn regex(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() * 2);
    for letter in pattern.chars() {
        match letter {
            '*' => out.push_str(".*"),
            letter if letter.is_ascii() && !letter.is_ascii_alphanumeric() && !letter.is_ascii_control() => {
                out.push('\\');
                out.push(letter);
            }
            letter => out.push(letter),
        }
    }
    out
}

/// Is any of these true? Of none: no.
pub(super) fn any_of(tests: &[String]) -> String {
    joined(tests, " || ", "false")
}

/// Are all of these true? Of none: yes.
pub(super) fn all_of(tests: &[String]) -> String {
    joined(tests, " && ", "true")
}

fn joined(tests: &[String], word: &str, none: &str) -> String {
    match tests {
        [] => none.to_owned(),
        [one] => one.clone(),
        many => format!("({})", many.iter().map(|test| format!("({test})")).collect::<Vec<_>>().join(word)),
    }
}

/// The first of these whose test holds, else the last.
pub(super) fn first_of(cases: impl DoubleEndedIterator<Item = (String, String)>, otherwise: &str) -> String {
    cases.rev().fold(otherwise.to_owned(), |rest, (test, value)| format!("{test} ? {value} : ({rest})"))
}

/// What these lists hold, in one; of none: an empty one.
pub(super) fn all_in(lists: &[String]) -> String {
    if lists.is_empty() { "[]".to_owned() } else { lists.join("\n+ ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_the_cheapest_test_that_says_the_same() {
        for (pattern, is) in [
            ("a", "n == 'a'"),
            ("*", "true"),
            ("a*", "n.startsWith('a')"),
            ("*a", "n.endsWith('a')"),
            ("*a*", "n.contains('a')"),
            ("a.*b", "n.matches('(?s)^a\\\\..*b$')"),
        ] {
            assert_eq!(any(&[pattern], "n"), is);
        }
        assert_eq!(any(&["a", "b", "c*"], "n"), "((n in ['a', 'b']) || (n.startsWith('c')))");
        assert_eq!(any::<&str>(&[], "n"), "false");
    }

    #[test]
    fn texts_cannot_leave_their_quotes() {
        assert_eq!(quoted("it's \\ a\n"), r"'it\'s \\ a\u000a'");
    }
}
