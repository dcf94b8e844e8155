//! `plimsoll check`: manifests in, what the rules say of them out.

use super::{
    fix::{self, Certain},
    history::{self, Asked, Source, parse_source},
};
use crate::{exit::Exit, manifests, printer::Printer, source};
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use plimsoll_api::{Mode, Resource};
use plimsoll_decide::guard::{self, Judgement, Policy, Siblings, State, Subject, Submitted};
use plimsoll_fleet::{Name, Timestamp, written::Written};
use plimsoll_observe::{kubernetes::ConnectOptions, manifest::Document};
use plimsoll_report::check::{self as report, At, Checked};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

pub const AFTER: &str = "\
Reads YAML and JSON, of one document or many, lists, and folders with all below them; - is the standard input. No cluster is \
asked. Without --guardrail every rule warns, with its defaults (plimsoll explain lists the rules, plimsoll explain NAME tells all \
about one). A file for --guardrail holds objects of the kinds Guardrail, Team and Pool (deploy/crds). Such objects among the files are \
looked at too: a rule that a Guardrail names and that only another may have is noted, and changes no exit code.

With --against-history no file is judged, but what was submitted before: what would these rules have refused? An audit log needs the \
level Request or RequestResponse for the kinds that make pods; lines of the webhook's log that are no records are passed over.

Exit codes: 0 no rule at enforce is broken; 1 one is; 2 something could not be judged: bad YAML, a GPU in a kind that is not known.

Examples:
  plimsoll check deploy/
  helm template my-release ./chart | plimsoll check -
  plimsoll check --guardrail guardrails.yaml --format github deploy/
  plimsoll check --fix --diff deploy/
  plimsoll check --guardrail guardrails.yaml --against-history cluster
  plimsoll check --guardrail guardrails.yaml --against-history audit.log
  plimsoll check --write-baseline known.json deploy/
  plimsoll check --baseline known.json deploy/";

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Files and folders; - is the standard input
    #[arg(value_name = "PATH", required_unless_present = "against_history")]
    paths: Vec<PathBuf>,

    /// Objects of the kinds Guardrail, Team and Pool to judge by; may be repeated
    #[arg(long, value_name = "FILE", help_heading = "Judgement")]
    guardrail: Vec<PathBuf>,

    /// The namespace of objects that name none
    #[arg(long, short, value_name = "NAME", help_heading = "Judgement")]
    namespace: Option<String>,

    /// Judge as at this moment (RFC 3339): exemptions end and peak hours are by it; without it, exemptions are those of now
    #[arg(long, value_name = "TIME", value_parser = parse_moment, help_heading = "Judgement")]
    at: Option<Timestamp>,

    /// Say nothing of what this file knows already
    #[arg(long, value_name = "FILE", help_heading = "Judgement")]
    baseline: Option<PathBuf>,

    /// Write what is found to a file for --baseline, and end with 0
    #[arg(long, value_name = "FILE", help_heading = "Judgement", conflicts_with = "baseline")]
    write_baseline: Option<PathBuf>,

    /// Mend in the files what has one right answer; the rest of them stays as it is, byte for byte
    #[arg(long, help_heading = "Mending", conflicts_with_all = ["against_history", "baseline", "write_baseline"])]
    fix: bool,

    /// With --fix: write nothing, show what would be changed, and end with 1 if anything would
    #[arg(long, visible_alias = "dry-run", help_heading = "Mending", requires = "fix")]
    diff: bool,

    /// Judge what was submitted before: cluster (what it holds now), an API server's audit log, or the webhook's records; may be
    /// repeated
    #[arg(
        long,
        value_name = "cluster|FILE",
        value_parser = parse_source,
        help_heading = "History",
        conflicts_with_all = ["paths", "namespace", "baseline", "write_baseline"]
    )]
    against_history: Vec<Source>,

    /// The kubeconfig file, for --against-history cluster [env: KUBECONFIG]
    #[arg(long, value_name = "FILE", help_heading = "History")]
    kubeconfig: Option<PathBuf>,

    /// The context in it
    #[arg(long, value_name = "NAME", help_heading = "History")]
    context: Option<String>,

    /// The report's form
    #[arg(long, value_enum, default_value_t = Format::Table, help_heading = "Report")]
    format: Format,

    /// Write the report to a file
    #[arg(long, short, value_name = "FILE", help_heading = "Report")]
    output: Option<PathBuf>,
}

/// Forms of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Table,
    /// For programs; see `plimsoll schema check`
    Json,
    /// For code scanning
    Sarif,
    /// For test reports
    Junit,
    /// Annotations of a pull request on GitHub
    Github,
}

/// Runs it.
pub fn run(args: &CheckArgs, printer: &Printer) -> anyhow::Result<Exit> {
    if args.fix && args.paths.iter().any(|path| path.as_os_str() == "-") {
        bail!("the standard input cannot be mended: name the files, or leave out --fix");
    }
    if args.against_history.is_empty() && (args.kubeconfig.is_some() || args.context.is_some()) {
        bail!("no cluster is asked when files are checked: leave out --kubeconfig and --context, or write --against-history cluster");
    }
    let policy = policy(&args.guardrail)?;
    if !args.against_history.is_empty() {
        return against_history(args, &policy, printer);
    }
    let known = args.baseline.as_deref().map(read_baseline).transpose()?;
    let mut files = manifests::read(&args.paths)?;
    let (mut checked, certain) = judge(args, &policy, &files);
    if args.fix {
        let is_changed = mend(args, &files, &certain, printer)?;
        if args.diff {
            return Ok(if is_changed { Exit::Found } else { Exit::Done });
        }
        if is_changed {
            files = manifests::read(&args.paths)?;
            checked = judge(args, &policy, &files).0;
        }
    }
    for at in &checked.errors {
        printer.warn(&format!("{}:{}: {}", at.file, at.line, at.what));
    }
    if let Some(path) = &args.write_baseline {
        printer.file(path, &baseline(&checked)?)?;
        return Ok(if checked.errors.is_empty() { Exit::Done } else { Exit::Failed });
    }
    if let Some(known) = known {
        let before = checked.breaches.len();
        checked.breaches.retain(|at| !known.contains(&at.what.fingerprint()));
        checked.known = (before - checked.breaches.len()) as u64;
    }
    let text = match args.format {
        Format::Table => report::table(&checked, printer.width(), args.output.is_none() && printer.colour()),
        Format::Json => report::json(&checked),
        Format::Sarif => report::sarif(&checked),
        Format::Junit => report::junit(&checked),
        Format::Github => report::github(&checked),
    };
    // Annotations of a clean input are no line at all.
    if args.output.is_some() || !text.is_empty() {
        printer.result_to(args.output.as_deref(), &text)?;
    }
    Ok(if !checked.errors.is_empty() {
        Exit::Failed
    } else if checked.breaches.iter().any(|at| at.what.mode == Mode::Enforce) {
        Exit::Found
    } else {
        Exit::Done
    })
}

/// Writes into the files what has one right answer, or shows it. Is anything changed?
fn mend(args: &CheckArgs, files: &[manifests::File], certain: &[Certain], printer: &Printer) -> anyhow::Result<bool> {
    let mut diffs = String::new();
    let mut is_changed = false;
    for (index, file) in files.iter().enumerate() {
        let own: Vec<&Certain> = certain.iter().filter(|certain| certain.file == index).collect();
        if own.is_empty() {
            continue;
        }
        let Some(path) = &file.path else { continue };
        let changed = fix::change(&file.name, path, &own)?;
        changed.left.iter().for_each(|left| printer.warn(left));
        if changed.mended.is_empty() {
            continue;
        }
        is_changed = true;
        if args.diff {
            diffs.push_str(&fix::diff(&changed));
        } else {
            fix::write(path, &changed, printer)?;
        }
    }
    if !diffs.is_empty() {
        printer.result_to(args.output.as_deref(), &diffs)?;
    }
    Ok(is_changed)
}

/// What was submitted before, instead of files.
fn against_history(args: &CheckArgs, policy: &Policy, printer: &Printer) -> anyhow::Result<Exit> {
    let is_json = match args.format {
        Format::Table => false,
        Format::Json => true,
        Format::Sarif | Format::Junit | Format::Github => {
            bail!("what was submitted before stands in no file with lines: with --against-history the format is table or json")
        }
    };
    let connect = ConnectOptions { kubeconfig: args.kubeconfig.clone(), context: args.context.clone() };
    let asked = Asked { sources: &args.against_history, connect, today: args.at.unwrap_or_else(now) };
    let told = history::judge(&asked, policy, printer)?;
    let colour = args.output.is_none() && printer.colour();
    printer.result_to(args.output.as_deref(), &history::show(&told, is_json, printer.width(), colour))?;
    Ok(history::exit(&told))
}

/// From files of guardrails, teams and pools; other kinds do not belong there.
pub(super) fn policy(paths: &[PathBuf]) -> anyhow::Result<Policy> {
    let mut resources = Vec::new();
    for path in paths {
        let place = path.display();
        let files = manifests::read(std::slice::from_ref(path))?;
        if let Some(error) = files.iter().flat_map(|file| file.errors.iter()).next() {
            bail!("{place}:{}: {error}", error.line());
        }
        for document in files.iter().flat_map(|file| &file.documents) {
            let line = document.node.line;
            match plimsoll_api::read(&document.node.json()).with_context(|| format!("{place}:{line} cannot be judged by"))? {
                Some(resource) => resources.push(resource),
                None => bail!(
                    "{place}:{line}: only objects of the kinds Guardrail, Team and Pool (apiVersion plimsoll.dev/v1alpha1) belong here"
                ),
            }
        }
        if resources.is_empty() {
            bail!("{place} has no Guardrail, Team or Pool in it");
        }
    }
    Ok(Policy::new(resources)?)
}

/// An object with its place.
struct Placed<'a> {
    file: &'a str,
    file_index: usize,
    document_index: usize,
    document: &'a Document,
    written: Written,
}

/// What the rules say, and what of it has one right answer.
fn judge(args: &CheckArgs, policy: &Policy, files: &[manifests::File]) -> (Checked, Vec<Certain>) {
    let (mut checked, mut certain) = (Checked::default(), Vec::new());
    let mut siblings = Siblings::new(true);
    let mut objects = Vec::new();
    let custom = custom_rules(policy, files);
    for (file_index, file) in files.iter().enumerate() {
        let at = |line: u32, what: String| At { file: file.name.clone(), line, what };
        checked.errors.extend(file.errors.iter().map(|error| at(error.line(), error.to_string())));
        for (document_index, document) in file.documents.iter().enumerate() {
            checked.objects += 1;
            match own(document, &custom) {
                Ok(unjudged) => checked.unjudged.extend(unjudged.into_iter().map(|says| at(document.node.line, says))),
                Err(error) => checked.errors.push(at(document.node.line, error)),
            }
            let Some(mut written) = document.written() else { continue };
            if let (Some(namespace), true) = (&args.namespace, written.namespace.is_empty() && &*written.kind != "Namespace") {
                written.namespace = Name::from(namespace.as_str());
            }
            siblings.add(&written);
            objects.push(Placed { file: &file.name, file_index, document_index, document, written });
        }
    }
    let state = State { at: args.at, ..State::default() };
    let today = args.at.unwrap_or_else(now);
    for placed in &objects {
        let submitted = Submitted { written: &placed.written, json: &|parts| placed.document.node.json_of(parts) };
        let judgement = guard::judge(policy, &submitted, &siblings, &state, today);
        certain.extend(judgement.breaches.iter().filter_map(|breach| {
            let (path, value) = breach.fix.certain.clone()?;
            let line = placed.document.line(&breach.path);
            Some(Certain { file: placed.file_index, document: placed.document_index, line, rule: breach.rule.to_string(), path, value })
        }));
        take(&mut checked, placed, judgement);
    }
    checked.breaches.sort_by(|a, b| (&a.file, a.line, &a.what.rule, &a.what.path).cmp(&(&b.file, b.line, &b.what.rule, &b.what.path)));
    (checked, certain)
}

fn take(checked: &mut Checked, placed: &Placed<'_>, judgement: Judgement) {
    fn at<T>(placed: &Placed<'_>, path: &plimsoll_fleet::written::Path, what: T) -> At<T> {
        At { file: placed.file.to_owned(), line: placed.document.line(path), what }
    }
    if judgement.wants_gpus {
        let subject = Subject::of(&placed.written);
        checked.subjects.push(at(placed, &plimsoll_fleet::written::Path::default(), subject));
    }
    checked.breaches.extend(judgement.breaches.into_iter().map(|breach| {
        let path = breach.path.clone();
        at(placed, &path, breach)
    }));
    checked.exempt.extend(judgement.exempt.into_iter().map(|exempt| {
        let path = exempt.breach.path.clone();
        at(placed, &path, exempt)
    }));
    for unjudged in judgement.unjudged {
        let says = |rule: &str| format!("{rule}{}: {}", unjudged.subject, unjudged.says);
        match &unjudged.rule {
            Some(rule) => checked.unjudged.push(at(placed, &unjudged.path, says(&format!("{rule} of ")))),
            None => checked.errors.push(at(placed, &unjudged.path, says(""))),
        }
    }
}

/// Objects of ours among the manifests must be right, too; they are not judged by. What is there to say of one that is: rules that it
/// names and that other guardrails may have, of which only those at hand are known.
fn own(document: &Document, custom: &BTreeSet<String>) -> Result<Vec<String>, String> {
    let Some(Resource::Guardrail(guardrail)) = resource(document)? else { return Ok(Vec::new()) };
    let name = guardrail.metadata.name.clone();
    let elsewhere = guard::policy::elsewhere(guardrail, custom).map_err(|error| error.to_string())?;
    Ok(elsewhere.iter().map(|rule| format!("{rule} of Guardrail {name}: {}", guard::rules::elsewhere(rule))).collect())
}

fn resource(document: &Document) -> Result<Option<Resource>, String> {
    let is_ours = document.what().is_some_and(|(api_version, _)| api_version.starts_with("plimsoll.dev/"));
    if is_ours { plimsoll_api::read(&document.node.json()).map_err(|error| error.to_string()) } else { Ok(None) }
}

/// Names of the rules of a user's own that are at hand: of the guardrails that are judged by, and of those that are looked at.
fn custom_rules(policy: &Policy, files: &[manifests::File]) -> BTreeSet<String> {
    let mut names = policy.custom_rules().clone();
    for document in files.iter().flat_map(|file| &file.documents) {
        if let Ok(Some(Resource::Guardrail(guardrail))) = resource(document) {
            names.extend(guardrail.spec.custom_rules.into_iter().map(|rule| rule.name));
        }
    }
    names
}

pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Timestamp(i64::try_from(since).unwrap_or(i64::MAX))
}

pub(super) fn parse_moment(text: &str) -> Result<Timestamp, String> {
    let moment: jiff::Timestamp = text.parse().map_err(|_| format!("'{text}' is not a moment such as 2027-03-31T09:00:00Z"))?;
    Ok(Timestamp(moment.as_second()))
}

/// A file of what is known already.
#[derive(Debug, Serialize, Deserialize)]
struct Baseline {
    version: u32,
    breaches: Vec<Known>,
}

/// A breach as the file keeps it: the fingerprint counts, the rest is for people.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Known {
    rule: String,
    subject: String,
    path: String,
    fingerprint: String,
}

/// A baseline of a hundred thousand breaches has some 20 MiB.
const LARGEST_BASELINE: u64 = 64 << 20;

fn baseline(checked: &Checked) -> anyhow::Result<String> {
    let known = checked.breaches.iter().map(|At { what, .. }| Known {
        rule: what.rule.to_string(),
        subject: what.subject.to_string(),
        path: what.path.to_string(),
        fingerprint: what.fingerprint(),
    });
    let known: BTreeSet<Known> = known.collect();
    Ok(serde_json::to_string_pretty(&Baseline { version: 1, breaches: known.into_iter().collect() })? + "\n")
}

fn read_baseline(path: &Path) -> anyhow::Result<BTreeSet<String>> {
    let text = source::read_text(path, LARGEST_BASELINE, "a baseline")?;
    let remedy = || format!("{} is no baseline: write one with plimsoll check --write-baseline FILE", path.display());
    let baseline: Baseline = serde_json::from_str(&text).with_context(remedy)?;
    if baseline.version != 1 {
        bail!(
            "{} is a baseline of version {}, and this program knows 1: write it anew with --write-baseline",
            path.display(),
            baseline.version
        );
    }
    Ok(baseline.breaches.into_iter().map(|known| known.fingerprint).collect())
}
