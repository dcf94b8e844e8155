//! A reader of Prometheus text bodies that no body can break.
//!
//! A line that is not understood is skipped and counted: published bodies begin with a free-text title, and an exporter
//! that dies leaves half a line. Exemplars and time stamps are passed over; the reader of a body knows when it read it.

use std::borrow::Cow;

/// A longer line is skipped. DCGM's longest are a few hundred bytes; pod labels can add some KiB.
const LINE_MAX: usize = 64 * 1024;
/// More labels than this on one series, and the line is skipped. Prometheus' own default limit is 30 where one is set.
const LABELS_MAX: usize = 128;

/// A series' labels, in the order of the body.
pub type Labels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// A line that says something.
#[derive(Debug, Clone, PartialEq)]
pub enum Line<'a> {
    /// `# HELP name text`.
    Help {
        /// The metric.
        name: &'a str,
        /// Its description, as written.
        text: &'a str,
    },
    /// A sample.
    Sample {
        /// The metric.
        name: &'a str,
        /// The labels.
        labels: Labels<'a>,
        /// The value.
        value: f64,
    },
}

/// How much of a body was understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Samples.
    pub samples: u64,
    /// Lines that were neither samples nor comments nor blank.
    pub skipped: u64,
}

/// Reads `body` and hands each line that says something to `each`, in order.
pub fn read<'a>(body: &'a [u8], mut each: impl FnMut(Line<'a>)) -> Summary {
    let mut summary = Summary::default();
    for raw in body.split(|&byte| byte == b'\n') {
        if raw.len() > LINE_MAX {
            summary.skipped += 1;
            continue;
        }
        let Ok(line) = std::str::from_utf8(raw) else {
            summary.skipped += 1;
            continue;
        };
        let line = line.trim_matches([' ', '\t', '\r']);
        if line.is_empty() {
            continue;
        }
        if let Some(comment) = line.strip_prefix('#') {
            if let Some((name, text)) = comment.trim_start().strip_prefix("HELP ").and_then(|rest| rest.trim_start().split_once(' ')) {
                each(Line::Help { name, text: text.trim() });
            }
            continue;
        }
        match sample(line) {
            Some(sample) => {
                summary.samples += 1;
                each(sample);
            }
            None => summary.skipped += 1,
        }
    }
    summary
}

fn sample(line: &str) -> Option<Line<'_>> {
    let end = line.find(|letter: char| !is_name(letter)).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start();
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => labels(inner)?,
        None => (Vec::new(), rest),
    };
    // After the value there may be a time stamp, and an exemplar after a `#`; anything else is no sample line.
    let mut words = rest.split('#').next().unwrap_or("").split_ascii_whitespace();
    let value = number(words.next()?)?;
    if words.next().is_some_and(|stamp| stamp.parse::<f64>().is_err()) || words.next().is_some() {
        return None;
    }
    Some(Line::Sample { name, labels, value })
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'
}

/// The labels after a `{`, and what follows the `}`.
fn labels(mut rest: &str) -> Option<(Labels<'_>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        if labels.len() == LABELS_MAX {
            return None;
        }
        let end = rest.find(|letter: char| !is_name(letter))?;
        let (name, after) = rest.split_at(end);
        let quoted = after.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
        if name.is_empty() {
            return None;
        }
        let (value, after) = unquote(quoted)?;
        labels.push((Cow::Borrowed(name), value));
        rest = after.trim_start();
        if !rest.starts_with([',', '}']) {
            return None;
        }
    }
}

/// The text up to the closing quote, with `\\`, `\"` and `\n` resolved, and what follows the quote.
fn unquote(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let first = text.find(['"', '\\'])?;
    if text.as_bytes()[first] == b'"' {
        return Some((Cow::Borrowed(&text[..first]), &text[first + 1..]));
    }
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((Cow::Owned(value), &text[at + 1..])),
            '\\' => match letters.next()?.1 {
                'n' => value.push('\n'),
                escaped @ ('\\' | '"') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    None
}

/// A sample's value. Rust reads `NaN`, `+Inf` and `-Inf` as Prometheus writes them; its `infinity` is refused there too.
pub(crate) fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn all(body: &str) -> (Vec<Line<'_>>, Summary) {
        let mut lines = Vec::new();
        let summary = read(body.as_bytes(), |line| lines.push(line));
        (lines, summary)
    }

    fn labelled<'a>(name: &'a str, labels: &[(&'a str, &'a str)], value: f64) -> Line<'a> {
        Line::Sample { name, labels: labels.iter().map(|&(name, value)| (name.into(), value.into())).collect(), value }
    }

    #[test]
    fn a_body_of_an_exporter_is_read_and_its_title_is_not() {
        let (lines, summary) = all(concat!(
            "4 Active Workloads\r\n\r\n----------\r\n",
            "# HELP up Whether it is up (in %).\r\n# TYPE up gauge\r\n# a remark\n",
            "up 1\n",
            "a{b=\"c\", d=\"e\\\"f\\\\g\\nh\",} 2.5 1395066363000\r\n",
            "x{} +Inf\ny NaN # {trace=\"1\"} 0.5\n",
            "half{a=\"b",
        ));
        assert_eq!(lines[0], Line::Help { name: "up", text: "Whether it is up (in %)." });
        assert_eq!(lines[1], labelled("up", &[], 1.0));
        assert_eq!(lines[2], labelled("a", &[("b", "c"), ("d", "e\"f\\g\nh")], 2.5));
        assert_eq!(lines[3], labelled("x", &[], f64::INFINITY));
        assert!(matches!(lines[4], Line::Sample { name: "y", value, .. } if value.is_nan()));
        assert_eq!(summary, Summary { samples: 4, skipped: 3 });
    }

    #[test]
    fn huge_lines_and_too_many_labels_are_skipped() {
        let huge = format!("a{{b=\"{}\"}} 1\n", "x".repeat(LINE_MAX));
        let many = format!("a{{{}}} 1\n", (0..200).map(|at| format!("l{at}=\"\",")).collect::<String>());
        assert_eq!(all(&(huge + &many)).1, Summary { samples: 0, skipped: 2 });
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(body in prop::collection::vec(any::<u8>(), 0..2_000)) {
            read(&body, |_| {});
        }

        #[test]
        fn no_almost_good_body_breaks_it(body in "([a-z:_{}=\",\\\\# \n\r0-9.]|\\PC){0,300}") {
            let lines = body.lines().count() as u64;
            let summary = read(body.as_bytes(), |_| {});
            prop_assert!(summary.samples + summary.skipped <= lines.max(1));
        }

        #[test]
        fn what_is_written_reads_back(value in "\\PC{0,40}", number in any::<f64>().prop_filter("a number", |number| !number.is_nan())) {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let body = format!("m{{a=\"{escaped}\"}} {number}\n");
            let (lines, _) = all(&body);
            prop_assert_eq!(lines, vec![labelled("m", &[("a", &value)], number)]);
        }
    }
}
