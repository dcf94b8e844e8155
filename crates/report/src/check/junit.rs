//! JUnit's XML, as test reports in pipelines read it: a test an object that asks for GPUs, failed where a rule at enforce is broken.

use super::Checked;
use crate::words;
use plimsoll_api::Mode;
use plimsoll_fleet::Name;
use std::{collections::BTreeMap, fmt::Write as _};

/// As JUnit XML.
#[must_use]
pub fn junit(checked: &Checked) -> String {
    let mut files: BTreeMap<&str, Suite> = BTreeMap::new();
    for subject in &checked.subjects {
        files.entry(&subject.file).or_default().tests.entry((subject.line, subject.what.to_string())).or_default();
    }
    for at in &checked.breaches {
        // The test is that of the object; a rule about pods without GPUs has one of its own.
        let suite = files.entry(&at.file).or_default();
        let name = at.what.subject.to_string();
        let of_object = suite.tests.keys().rfind(|(line, test)| *test == name && *line <= at.line).cloned();
        let test = suite.tests.entry(of_object.unwrap_or((at.line, name))).or_default();
        let text = format!("{}:{} {}: {} {}", at.file, at.line, at.what.rule, at.what.message(), at.what.fix.says);
        if at.what.mode == Mode::Enforce { test.failed.push((at.what.rule.clone(), text)) } else { test.said.push(text) }
    }
    for error in &checked.errors {
        files.entry(&error.file).or_default().errors.push(format!("{}:{} {}", error.file, error.line, error.what));
    }
    let sum = |count: fn(&Suite) -> usize| files.values().map(count).sum::<usize>();
    let (tests, failures, errors) = (sum(Suite::count), sum(Suite::failures), sum(|suite| suite.errors.len()));
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"plimsoll check\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">\n"
    );
    for (file, suite) in &files {
        suite.write(file, &mut out);
    }
    out.push_str("</testsuites>\n");
    out
}

#[derive(Default)]
struct Suite {
    /// By line and subject.
    tests: BTreeMap<(u32, String), Test>,
    errors: Vec<String>,
}

#[derive(Default)]
struct Test {
    failed: Vec<(Name, String)>,
    said: Vec<String>,
}

impl Suite {
    fn count(&self) -> usize {
        self.tests.len() + self.errors.len()
    }

    fn failures(&self) -> usize {
        self.tests.values().filter(|test| !test.failed.is_empty()).count()
    }

    fn write(&self, file: &str, out: &mut String) {
        let (count, failures, errors, file) = (self.count(), self.failures(), self.errors.len(), escaped(file));
        let _ = writeln!(out, "  <testsuite name=\"{file}\" tests=\"{count}\" failures=\"{failures}\" errors=\"{errors}\">");
        for ((line, subject), test) in &self.tests {
            let _ = writeln!(out, "    <testcase classname=\"{file}\" name=\"{}\" line=\"{line}\">", escaped(subject));
            if !test.failed.is_empty() {
                let rules: Vec<&str> = test.failed.iter().map(|(rule, _)| &**rule).collect();
                let texts: Vec<String> = test.failed.iter().map(|(_, text)| escaped(text)).collect();
                let _ = writeln!(out, "      <failure message=\"{}\">{}</failure>", rules.join(", "), texts.join("\n"));
            }
            if !test.said.is_empty() {
                let texts: Vec<String> = test.said.iter().map(|text| escaped(text)).collect();
                let _ = writeln!(out, "      <system-out>{}</system-out>", texts.join("\n"));
            }
            out.push_str("    </testcase>\n");
        }
        for error in &self.errors {
            let _ = writeln!(
                out,
                "    <testcase classname=\"{file}\" name=\"can be judged\">\n      <error>{}</error>\n    </testcase>",
                escaped(error)
            );
        }
        out.push_str("  </testsuite>\n");
    }
}

/// What XML 1.0 can hold: control characters are replaced, the five signs escaped.
fn escaped(text: &str) -> String {
    words::clean(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
