//! GitHub's workflow commands: annotations beside the lines of a pull request.
//! Source: `actions/toolkit`, `packages/core/src/command.ts` (what is escaped, and how).

use super::Checked;
use crate::words::clean;
use plimsoll_api::Mode;
use std::fmt::Write as _;

/// As workflow commands, a line each.
#[must_use]
pub fn github(checked: &Checked) -> String {
    let mut out = String::new();
    let mut say = |level: &str, file: &str, line: u32, title: &str, text: &str| {
        let _ = writeln!(out, "::{level} file={},line={line},title={}::{}", property(file), property(title), data(text));
    };
    for at in &checked.breaches {
        let breach = &at.what;
        let level = match breach.mode {
            Mode::Enforce => "error",
            Mode::Warn => "warning",
            Mode::Audit | Mode::Off => "notice",
        };
        let text = format!("{}: {} {}", breach.subject, breach.message(), breach.fix.says);
        say(level, &at.file, at.line, &breach.rule, &text);
    }
    for at in &checked.errors {
        say("error", &at.file, at.line, "could not be judged", &at.what);
    }
    out
}

fn data(text: &str) -> String {
    clean(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
