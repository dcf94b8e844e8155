//! For the terminal: file by file, what is wrong, why, and the lines that mend it.

use super::{Checked, yaml};
use crate::{
    terminal::paper::{Ink, Paper},
    words::{self, clean},
};
use plimsoll_api::Mode;

/// Narrower than this nothing is readable, and wider neither.
const WIDTHS: (usize, usize) = (60, 160);

/// Most lines of a fix.
const LINES_MAX: usize = 40;

/// Most rules not judged that are shown.
const UNJUDGED_MAX: usize = 10;

/// As a table of `width` columns. It ends with a line break.
#[must_use]
pub fn table(checked: &Checked, width: usize, colour: bool) -> String {
    let mut paper = Paper::new(width.clamp(WIDTHS.0, WIDTHS.1), colour);
    for at in &checked.breaches {
        let breach = &at.what;
        let ink = if breach.mode == Mode::Enforce { Ink::Warn } else { Ink::Plain };
        paper.line([
            (Ink::Strong, format!("{}:{}", clean(&at.file), at.line)),
            (Ink::Plain, "  ".to_owned()),
            (ink, breach.mode.name().to_owned()),
            (Ink::Plain, "  ".to_owned()),
            (Ink::Name, breach.rule.to_string()),
        ]);
        paper.text(2, Ink::Quiet, &clean(&breach.subject.to_string()));
        paper.text(2, Ink::Plain, &clean(&breach.message()));
        paper.text(2, Ink::Good, &clean(&breach.fix.says));
        if let Some(lines) = yaml(&breach.fix) {
            paper.code(4, &lines, LINES_MAX);
        }
        paper.gap();
    }
    for exempt in &checked.exempt {
        let (file, breach) = (clean(&exempt.file), &exempt.what.breach);
        let until = words::moment(exempt.what.until);
        let says = format!("exempt until {until}: {} ({})", clean(&breach.says), clean(&exempt.what.reason));
        paper.hung(&[(Ink::Quiet, format!("{file}:{}  {}  ", exempt.line, breach.rule))], Ink::Quiet, &says);
    }
    if !checked.exempt.is_empty() {
        paper.gap();
    }
    for at in checked.unjudged.iter().take(UNJUDGED_MAX) {
        paper.hung(&[(Ink::Quiet, format!("{}:{}  ", clean(&at.file), at.line))], Ink::Quiet, &format!("not judged: {}", clean(&at.what)));
    }
    if let Some(more) = checked.unjudged.len().checked_sub(UNJUDGED_MAX).filter(|&more| more > 0) {
        paper.text(0, Ink::Quiet, &format!("and {} not judged", words::plural(more as u64, "more rule")));
    }
    if !checked.unjudged.is_empty() {
        paper.gap();
    }
    paper.text(0, Ink::Strong, &summary(checked));
    paper.finish()
}

/// `12 objects, 3 ask for GPUs: 2 refused, 1 warning, 1 counted`.
fn summary(checked: &Checked) -> String {
    let of = |mode: Mode| checked.breaches.iter().filter(|at| at.what.mode == mode).count() as u64;
    let (enforce, warn, audit) = (of(Mode::Enforce), of(Mode::Warn), of(Mode::Audit));
    let mut said = Vec::new();
    let mut say = |count: u64, text: String| {
        if count > 0 {
            said.push(text);
        }
    };
    say(enforce, format!("{} at enforce", words::plural(enforce, "broken rule")));
    say(warn, words::plural(warn, "warning"));
    say(audit, format!("{} counted only", words::count(audit)));
    say(checked.known, format!("{} known from the baseline", words::count(checked.known)));
    say(checked.exempt.len() as u64, format!("{} exempt", words::count(checked.exempt.len() as u64)));
    say(checked.errors.len() as u64, format!("{} that could not be judged", words::plural(checked.errors.len() as u64, "document")));
    let said = if said.is_empty() { "nothing to mend".to_owned() } else { said.join(", ") };
    let asking = checked.subjects.len() as u64;
    let verb = if asking == 1 { "asks" } else { "ask" };
    format!("{}, {} {verb} for GPUs: {said}", words::plural(checked.objects, "object"), words::count(asking))
}
