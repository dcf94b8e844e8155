//! What rules would have refused of what was submitted before, for the terminal and for programs.

use super::yaml;
use crate::{
    terminal::paper::{Ink, Paper},
    words::{self, clean},
};
use plimsoll_api::Mode;
use plimsoll_decide::guard::history::{Example, History, Row};
use plimsoll_fleet::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// What was looked at, and what came of it.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Where the submissions are from, as the user named it.
    pub sources: Vec<String>,
    /// What would have been.
    pub history: History,
    /// Submissions of which a log has no object.
    pub without_object: u64,
    /// Changes of which a log does not have what became of the object.
    pub patches: u64,
    /// Lines that could not be read.
    pub broken: u64,
    /// The first of them: where, and what is wrong.
    pub first_broken: Option<String>,
    /// What of a cluster could not be read.
    pub unseen: Vec<String>,
}

/// Narrower than this nothing is readable, and wider neither.
const WIDTHS: (usize, usize) = (60, 160);

/// From this width on there is room for the first moment.
const WIDE: usize = 92;

/// Most lines of a fix.
const LINES_MAX: usize = 40;

/// As a table of `width` columns. It ends with a line break.
#[must_use]
pub fn table(told: &Told, width: usize, colour: bool) -> String {
    let mut paper = Paper::new(width.clamp(WIDTHS.0, WIDTHS.1), colour);
    let rows = told.history.rows();
    if !rows.is_empty() {
        columns(&mut paper, &rows);
        paper.gap();
    }
    for row in &rows {
        paper.line([(ink(row.mode), row.mode.name().to_owned()), (Ink::Plain, "  ".to_owned()), (Ink::Name, clean(&row.rule))]);
        paper.text(2, Ink::Quiet, &format!("{}.", clean(&row.why)));
        row.examples.iter().for_each(|example| show(&mut paper, example));
        paper.gap();
    }
    for unjudged in told.history.unjudged() {
        let rule = unjudged.rule.as_deref().map(clean).unwrap_or_else(|| "all rules".to_owned());
        let of = words::plural(unjudged.submissions, "submission");
        paper.hung(&[(Ink::Quiet, format!("{rule}  "))], Ink::Quiet, &format!("not judged of {of}: {}", clean(&unjudged.says)));
    }
    for text in gaps(told) {
        paper.text(0, Ink::Quiet, &text);
    }
    if told.history.unjudged().next().is_some() || !gaps(told).is_empty() {
        paper.gap();
    }
    paper.text(0, Ink::Strong, &summary(told));
    paper.finish()
}

fn ink(mode: Mode) -> Ink {
    if mode == Mode::Enforce { Ink::Warn } else { Ink::Plain }
}

fn columns(paper: &mut Paper, rows: &[&Row]) {
    let is_wide = paper.width >= WIDE;
    let line = |[mode, rule, times, objects, spaces, users, first, last]: [String; 8]| {
        let first = if is_wide { format!("  {first:<10}") } else { String::new() };
        format!("{mode:<7}  {rule:<24}  {times:>5}  {objects:>7}  {spaces:>6}  {users:>5}{first}  {last:<10}")
    };
    let heads = ["MODE", "RULE", "TIMES", "OBJECTS", "SPACES", "USERS", "FIRST", "LAST"];
    paper.line([(Ink::Quiet, line(heads.map(str::to_owned)))]);
    let day = |moment: Option<Timestamp>| moment.map_or_else(|| "-".to_owned(), words::day);
    for row in rows {
        let count = |names: &plimsoll_decide::guard::history::Names| {
            format!("{}{}", words::count(names.count()), if names.more { "+" } else { "" })
        };
        paper.line([(
            ink(row.mode),
            line([
                row.mode.name().to_owned(),
                words::shorten(&clean(&row.rule), 24),
                words::count(row.submissions),
                count(&row.workloads),
                count(&row.namespaces),
                if row.users.count() > 0 { count(&row.users) } else { "-".to_owned() },
                day(row.first),
                day(row.last),
            ]),
        )]);
    }
}

fn show(paper: &mut Paper, example: &Example) {
    let by = example.user.as_deref().map(|user| format!(" by {}", clean(user))).unwrap_or_default();
    let at = example.at.map(|at| format!("  {}", words::moment(at))).unwrap_or_default();
    paper.text(2, Ink::Plain, &format!("{}{at}{by}", clean(&example.subject.to_string())));
    paper.text(4, Ink::Plain, &clean(&example.says));
    paper.text(4, Ink::Good, &clean(&example.fix.says));
    if let Some(lines) = yaml(&example.fix) {
        paper.code(6, &lines, LINES_MAX);
    }
}

/// What could not be looked at, in sentences.
fn gaps(told: &Told) -> Vec<String> {
    let mut said = Vec::new();
    if told.without_object > 0 {
        let of = words::plural(told.without_object, "submission");
        said.push(format!("{of} not judged: the log has no object of them (audit level below Request)"));
    }
    if told.patches > 0 {
        let of = words::plural(told.patches, "patch");
        said.push(format!("{of} not judged: the log does not have what became of the object (audit level below RequestResponse)"));
    }
    if told.broken > 0 {
        let first = told.first_broken.as_deref().map(|first| format!("; the first: {}", clean(first))).unwrap_or_default();
        said.push(format!("{} could not be read{first}", words::plural(told.broken, "line")));
    }
    said.extend(told.unseen.iter().map(|unseen| format!("not seen: {}", clean(unseen))));
    said
}

/// `40 submissions from 2026-11-25 to 2026-11-30, 12 ask for GPUs: 3 would have been refused, 2 warned of, 1 counted only`.
fn summary(told: &Told) -> String {
    let history = &told.history;
    let from = match (history.first, history.last) {
        (Some(first), Some(last)) if words::day(first) != words::day(last) => {
            format!(" from {} to {}", words::day(first), words::day(last))
        }
        (Some(first), Some(_)) => format!(" of {}", words::day(first)),
        _ => String::new(),
    };
    let mut said = Vec::new();
    let mut say = |count: u64, text: &str| {
        if count > 0 {
            said.push(format!("{} {text}", words::count(count)));
        }
    };
    say(history.refused, "would have been refused");
    say(history.warned, "warned of");
    say(history.counted, "counted only");
    say(history.exempt, "exempt");
    let said = if said.is_empty() { "no rule would have been broken".to_owned() } else { said.join(", ") };
    let by_controllers = match history.by_controllers {
        0 => String::new(),
        count => format!(", {} more of controllers", words::count(count)),
    };
    let verb = if history.wants_gpus == 1 { "asks" } else { "ask" };
    let submissions = words::plural(history.submissions, "submission");
    format!("{submissions}{from}{by_controllers}, {} {verb} for GPUs: {said}", words::count(history.wants_gpus))
}

/// What rules would have refused, warned of and counted of what was submitted before.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "Plimsoll history")]
struct Document {
    /// Where the submissions are from: `cluster`, or a file as it was named.
    sources: Vec<String>,
    /// Submissions that were judged.
    submissions: u64,
    /// Those of them that ask for accelerators.
    gpus: u64,
    /// Submissions of controllers for what was judged before: they are let in.
    by_controllers: u64,
    /// Submissions that would have been refused.
    refused: u64,
    /// Those that would have been let in with a warning.
    warned: u64,
    /// Those that would only have been counted.
    counted: u64,
    /// Broken rules that somebody is exempted from.
    exempt: u64,
    /// The first moment (RFC 3339); null: no moment is known.
    first: Option<String>,
    /// The last moment.
    last: Option<String>,
    /// Broken rules, by rule and mode: the strictest first, then the most often broken.
    rules: Vec<Broken>,
    /// Rules that could not be judged of some submissions.
    unjudged: Vec<Unjudged>,
    /// Submissions of which a log has no object.
    without_object: u64,
    /// Changes of which a log does not have what became of the object.
    patches: u64,
    /// Lines that could not be read.
    broken_lines: u64,
    /// What of a cluster could not be read.
    unseen: Vec<String>,
}

/// A broken rule.
#[derive(Debug, Serialize, JsonSchema)]
struct Broken {
    /// The rule's name.
    rule: String,
    /// `audit`, `warn` or `enforce`.
    mode: &'static str,
    /// Why it matters.
    why: String,
    /// Submissions that broke it.
    submissions: u64,
    /// Objects that they were of; at most 10,000 are told apart, as of namespaces and users.
    objects: u64,
    /// Their namespaces.
    namespaces: u64,
    /// Who submitted them; 0: not known.
    users: u64,
    /// The first of them.
    first: Option<String>,
    /// The last of them.
    last: Option<String>,
    /// A few of them, of different objects.
    examples: Vec<Shown>,
}

/// A submission that broke a rule.
#[derive(Debug, Serialize, JsonSchema)]
struct Shown {
    /// The object's kind.
    kind: String,
    /// Its namespace.
    namespace: String,
    /// Its name.
    name: String,
    /// When it came; null: not known.
    at: Option<String>,
    /// Who submitted it; null: not known.
    user: Option<String>,
    /// Where in the object.
    path: String,
    /// What is wrong.
    message: String,
    /// How it is mended, in words.
    fix: String,
    /// The lines that mend it; null: none do.
    lines: Option<Value>,
}

/// A rule that could not be judged.
#[derive(Debug, Serialize, JsonSchema)]
struct Unjudged {
    /// The rule; null: all of them.
    rule: Option<String>,
    /// Of how many submissions.
    submissions: u64,
    /// Why not, of the first of them.
    message: String,
}

/// As JSON.
#[must_use]
pub fn json(told: &Told) -> String {
    let moment = |moment: Option<Timestamp>| moment.map(words::rfc3339);
    let shown = |example: &Example| Shown {
        kind: example.subject.kind.to_string(),
        namespace: example.subject.namespace.to_string(),
        name: example.subject.name.to_string(),
        at: moment(example.at),
        user: example.user.as_deref().map(str::to_owned),
        path: example.path.clone(),
        message: example.says.clone(),
        fix: example.fix.says.clone(),
        lines: example.fix.lines.clone(),
    };
    let broken = |row: &&Row| Broken {
        rule: row.rule.to_string(),
        mode: row.mode.name(),
        why: row.why.to_string(),
        submissions: row.submissions,
        objects: row.workloads.count(),
        namespaces: row.namespaces.count(),
        users: row.users.count(),
        first: moment(row.first),
        last: moment(row.last),
        examples: row.examples.iter().map(shown).collect(),
    };
    let history = &told.history;
    let unjudged = history.unjudged().map(|unjudged| Unjudged {
        rule: unjudged.rule.as_deref().map(str::to_owned),
        submissions: unjudged.submissions,
        message: unjudged.says.clone(),
    });
    let document = Document {
        sources: told.sources.clone(),
        submissions: history.submissions,
        gpus: history.wants_gpus,
        by_controllers: history.by_controllers,
        refused: history.refused,
        warned: history.warned,
        counted: history.counted,
        exempt: history.exempt,
        first: moment(history.first),
        last: moment(history.last),
        rules: history.rows().iter().map(broken).collect(),
        unjudged: unjudged.collect(),
        without_object: told.without_object,
        patches: told.patches,
        broken_lines: told.broken,
        unseen: told.unseen.clone(),
    };
    serde_json::to_string_pretty(&document).expect("texts, numbers and lists are JSON") + "\n"
}

/// The schema of the document (JSON Schema 2020-12), as `plimsoll schema history` prints it.
#[must_use]
pub fn schema() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<Document>().to_value()
}
