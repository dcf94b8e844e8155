//! What rules would have refused, warned of and counted, had they been on: over what was submitted before.
//!
//! It takes submissions in the order in which they came, one at a time, and keeps only figures and a few examples of each: an audit log
//! of any length takes the same memory.

use super::{Breach, Fix, Judgement, Subject};
use plimsoll_api::Mode;
use plimsoll_fleet::{Name, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Who submitted what, when.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// Whose.
    pub subject: &'a Subject,
    /// When; none: not known.
    pub at: Option<Timestamp>,
    /// By whom; none: not known.
    pub user: Option<&'a str>,
    /// It changed an object that was there.
    pub is_update: bool,
}

/// Examples that are kept of each rule, of different workloads.
pub const EXAMPLES: usize = 3;

/// Most names of a kind that are kept apart: of more it is said that there are more.
const NAMES_MAX: usize = 10_000;

/// Most faults that are remembered, so that who changes an object is not charged with what was wrong before: 8 bytes each.
const FAULTS_MAX: usize = 2_000_000;

/// Names, counted once each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    known: BTreeSet<Name>,
    /// There are more than were counted.
    pub more: bool,
}

impl Names {
    fn add(&mut self, name: &str) {
        if self.known.contains(name) {
            return;
        }
        if self.known.len() < NAMES_MAX {
            self.known.insert(name.into());
        } else {
            self.more = true;
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.known.len() as u64
    }
}

/// A submission that broke a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Whose.
    pub subject: Subject,
    /// When.
    pub at: Option<Timestamp>,
    /// By whom.
    pub user: Option<Name>,
    /// Where in the object.
    pub path: String,
    /// What is wrong.
    pub says: String,
    /// How it is mended.
    pub fix: Fix,
}

/// What a rule would have done, in the mode that the guardrails give it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The rule.
    pub rule: Name,
    /// Its mode there.
    pub mode: Mode,
    /// Why it matters.
    pub why: Name,
    /// Submissions that broke it.
    pub submissions: u64,
    /// Their objects.
    pub workloads: Names,
    /// Their namespaces.
    pub namespaces: Names,
    /// Who submitted them, where that is known.
    pub users: Names,
    /// The first of them.
    pub first: Option<Timestamp>,
    /// The last of them.
    pub last: Option<Timestamp>,
    /// A few of them.
    pub examples: Vec<Example>,
}

/// A rule that could not be judged of some submissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotJudged {
    /// The rule; none: all of them.
    pub rule: Option<Name>,
    /// Of how many submissions.
    pub submissions: u64,
    /// Why not, of the first of them.
    pub says: String,
}

/// What would have been.
#[derive(Debug, Clone, Default)]
pub struct History {
    rows: BTreeMap<(Name, Mode), Row>,
    unjudged: BTreeMap<Option<Name>, NotJudged>,
    faults: HashSet<u64>,
    /// Submissions that were judged.
    pub submissions: u64,
    /// Those of them that asked for accelerators.
    pub wants_gpus: u64,
    /// Those that would have been refused.
    pub refused: u64,
    /// Those that would have been let in with a warning.
    pub warned: u64,
    /// Those that would only have been counted.
    pub counted: u64,
    /// Those of a controller, which were judged with what it works for: the rules do not look at them.
    pub by_controllers: u64,
    /// Broken rules that somebody is exempted from.
    pub exempt: u64,
    /// The first moment of all.
    pub first: Option<Timestamp>,
    /// The last moment of all.
    pub last: Option<Timestamp>,
}

impl History {
    /// Takes in what the rules say of a submission.
    pub fn add(&mut self, submission: &Submission<'_>, judgement: Judgement) {
        self.submissions += 1;
        self.wants_gpus += u64::from(judgement.wants_gpus);
        self.exempt += judgement.exempt.len() as u64;
        widen(&mut self.first, &mut self.last, submission.at);
        for unjudged in judgement.unjudged {
            let says = unjudged.says;
            let entry = self.unjudged.entry(unjudged.rule.clone());
            entry.or_insert_with(|| NotJudged { rule: unjudged.rule, submissions: 0, says: says.into_owned() }).submissions += 1;
        }
        let mut counted: BTreeSet<(Name, Mode)> = BTreeSet::new();
        let mut strictest = Mode::Off;
        for breach in judgement.breaches {
            // Who changes an object is only refused for what was not wrong before.
            if self.is_known(&breach) && submission.is_update {
                continue;
            }
            strictest = strictest.max(breach.mode);
            let key = (breach.rule.clone(), breach.mode);
            let is_first = counted.insert(key.clone());
            self.row(key, &breach).take(submission, breach, is_first);
        }
        match strictest {
            Mode::Enforce => self.refused += 1,
            Mode::Warn => self.warned += 1,
            Mode::Audit => self.counted += 1,
            Mode::Off => {}
        }
    }

    /// Was it wrong before? From now on it was.
    fn is_known(&mut self, breach: &Breach) -> bool {
        let fault = breach.fault();
        if self.faults.len() >= FAULTS_MAX { self.faults.contains(&fault) } else { !self.faults.insert(fault) }
    }

    fn row(&mut self, key: (Name, Mode), breach: &Breach) -> &mut Row {
        let new = || Row {
            rule: breach.rule.clone(),
            mode: breach.mode,
            why: breach.why.clone(),
            submissions: 0,
            workloads: Names::default(),
            namespaces: Names::default(),
            users: Names::default(),
            first: None,
            last: None,
            examples: Vec::new(),
        };
        self.rows.entry(key).or_insert_with(new)
    }

    /// Rules that would have been broken: those at the strictest mode first, and of those the most often broken.
    #[must_use]
    pub fn rows(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.values().collect();
        rows.sort_by(|a, b| (b.mode, b.submissions, &a.rule).cmp(&(a.mode, a.submissions, &b.rule)));
        rows
    }

    /// What could not be judged, in order of rule.
    pub fn unjudged(&self) -> impl Iterator<Item = &NotJudged> {
        self.unjudged.values()
    }
}

impl Row {
    fn take(&mut self, submission: &Submission<'_>, breach: Breach, is_first: bool) {
        let subject = submission.subject.to_string();
        if self.examples.len() < EXAMPLES && !self.examples.iter().any(|example| example.subject == *submission.subject) {
            self.examples.push(Example {
                subject: submission.subject.clone(),
                at: submission.at,
                user: submission.user.map(Name::from),
                path: breach.path.to_string(),
                says: breach.says,
                fix: breach.fix,
            });
        }
        if !is_first {
            return;
        }
        self.submissions += 1;
        self.workloads.add(&subject);
        self.namespaces.add(&submission.subject.namespace);
        submission.user.into_iter().for_each(|user| self.users.add(user));
        widen(&mut self.first, &mut self.last, submission.at);
    }
}

fn widen(first: &mut Option<Timestamp>, last: &mut Option<Timestamp>, at: Option<Timestamp>) {
    let Some(at) = at else { return };
    *first = Some(first.map_or(at, |first| first.min(at)));
    *last = Some(last.map_or(at, |last| last.max(at)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_fleet::written::Path;

    fn breach(name: &str, rule: &str, mode: Mode) -> Breach {
        let subject = Subject { kind: "Pod".into(), namespace: "ml".into(), name: name.into() };
        let (says, why) = ("it is wrong".to_owned(), "Why".into());
        Breach { rule: rule.into(), mode, guardrail: None, subject, path: Path::default(), says, why, fix: Fix::default() }
    }

    fn add(history: &mut History, at: i64, user: &str, is_update: bool, breaches: Vec<Breach>) {
        let subject = breaches.first().map_or_else(|| breach("none", "a", Mode::Warn).subject, |breach| breach.subject.clone());
        let submission = Submission { subject: &subject, at: Some(Timestamp(at)), user: Some(user), is_update };
        history.add(&submission, Judgement { breaches, wants_gpus: true, ..Judgement::default() });
    }

    #[test]
    fn submissions_are_counted_by_rule_and_mode_and_who_changes_an_object_is_not_charged_twice() {
        let mut history = History::default();
        add(&mut history, 20, "bob", false, vec![breach("a", "probes", Mode::Warn), breach("a", "gpus-per-pod", Mode::Enforce)]);
        add(&mut history, 10, "alice", false, vec![breach("b", "probes", Mode::Warn)]);
        add(&mut history, 30, "bob", true, vec![breach("a", "probes", Mode::Warn)]);
        add(&mut history, 40, "carol", true, vec![breach("c", "probes", Mode::Warn)]);
        add(&mut history, 50, "carol", false, vec![]);
        let rows = history.rows();
        assert_eq!((history.submissions, rows.len(), history.refused, history.warned, history.counted), (5, 2, 1, 2, 0));
        assert_eq!((&*rows[0].rule, rows[0].mode, rows[0].submissions), ("gpus-per-pod", Mode::Enforce, 1));
        let probes = rows[1];
        assert_eq!((probes.submissions, probes.workloads.count(), probes.users.count(), probes.namespaces.count()), (3, 3, 3, 1));
        assert_eq!((probes.first, probes.last), (Some(Timestamp(10)), Some(Timestamp(40))));
        assert_eq!((history.first, history.last), (Some(Timestamp(10)), Some(Timestamp(50))));
    }

    #[test]
    fn examples_are_few_and_of_different_workloads() {
        let mut history = History::default();
        for at in 0..100 {
            let wrong = breach(&format!("pod-{}", at / 10), "probes", Mode::Audit);
            add(&mut history, at, "bob", false, vec![wrong.clone(), wrong]);
        }
        let rows = history.rows();
        assert_eq!((rows[0].submissions, rows[0].workloads.count(), rows[0].examples.len()), (100, 10, EXAMPLES));
        assert_eq!((history.refused, history.counted), (0, 100));
    }
}
