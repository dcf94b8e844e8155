//! `plimsoll check --against-history`: what was submitted before in, what the rules would have done of it out.

use crate::{exit::Exit, printer::Printer, progress::Bars};
use anyhow::{Context as _, bail};
use plimsoll_decide::guard::{
    self, Judgement, Policy, Siblings, State, Subject, Submitted, Used,
    history::{History, Submission},
};
use plimsoll_fleet::{Name, Timestamp, written::Written};
use plimsoll_observe::{
    history::{self, Entry},
    kubernetes::{self, ConnectOptions, Held},
    manifest::{self, Document},
};
use plimsoll_report::check::history::{self as report, Told};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

/// Bytes that are read of a file at once.
const BUFFER: usize = 1 << 20;

/// Most objects of a log that are remembered as standing beside others: a cluster has fewer namespaces, budgets and claims.
const BESIDE_MAX: u64 = 200_000;

/// Where submissions are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// What a cluster holds now.
    Cluster,
    /// An audit log or the webhook's records.
    File(PathBuf),
}

/// `cluster`, or a file.
#[expect(clippy::unnecessary_wraps, reason = "clap's signature")]
pub fn parse_source(text: &str) -> Result<Source, String> {
    Ok(if text == "cluster" { Source::Cluster } else { Source::File(text.into()) })
}

/// What is asked for.
pub struct Asked<'a> {
    /// The sources.
    pub sources: &'a [Source],
    /// The cluster, where it is one of them.
    pub connect: ConnectOptions,
    /// The moment by which exemptions hold.
    pub today: Timestamp,
}

/// Judges all of it.
pub fn judge(asked: &Asked<'_>, policy: &Policy, printer: &Printer) -> anyhow::Result<Told> {
    let mut told = Told::default();
    let mut beside = Siblings::new(false);
    if asked.sources.contains(&Source::Cluster) {
        let held = read_cluster(&asked.connect, printer)?;
        beside = of_cluster(&held, policy, asked.today, &mut told.history);
        told.unseen = held.unseen;
        told.sources.push("cluster".to_owned());
    }
    for source in asked.sources {
        let Source::File(path) = source else { continue };
        let name = path.display().to_string();
        if path.as_os_str() == "-" {
            of_lines(&name, BufReader::with_capacity(BUFFER, std::io::stdin().lock()), policy, asked.today, &mut beside, &mut told)?;
        } else {
            let lines = BufReader::with_capacity(BUFFER, open(path)?);
            of_lines(&name, lines, policy, asked.today, &mut beside, &mut told)?;
        }
        told.sources.push(name);
    }
    Ok(told)
}

/// How it ends: nothing would have been refused, or something.
pub fn exit(told: &Told) -> Exit {
    if told.history.refused > 0 { Exit::Found } else { Exit::Done }
}

/// As a table or as JSON.
pub fn show(told: &Told, is_json: bool, width: usize, colour: bool) -> String {
    if is_json { report::json(told) } else { report::table(told, width, colour) }
}

fn open(path: &Path) -> anyhow::Result<File> {
    let place = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {place}"))?;
    if file.metadata().with_context(|| format!("cannot read {place}"))?.is_dir() {
        bail!("{place} is a folder: name the file of an audit log or of the webhook's records, or write cluster");
    }
    Ok(file)
}

fn read_cluster(connect: &ConnectOptions, printer: &Printer) -> anyhow::Result<Held> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the threads that read a cluster")?;
    let bars = Bars::new(*printer);
    let held = runtime.block_on(async {
        let connection = kubernetes::connect(connect).await?;
        let progress = |step: plimsoll_observe::Step<'_>| bars.show(step);
        kubernetes::held(&connection.client, &progress).await
    });
    bars.clear();
    Ok(held?)
}

/// What a cluster holds, each object as if it were submitted now: what all the others use counts for its team's limit.
fn of_cluster(held: &Held, policy: &Policy, today: Timestamp, history: &mut History) -> Siblings {
    let mut siblings = Siblings::new(held.unseen.is_empty());
    let objects: Vec<_> = held.documents.iter().filter_map(|document| Some((document, document.written()?))).collect();
    objects.iter().for_each(|(_, written)| siblings.add(written));
    let mut used: BTreeMap<Name, Used> = BTreeMap::new();
    let demand = |document: &Document, written: &Written| {
        let mut counted = written.clone();
        manifest::count_by_status(&mut counted, &document.node);
        guard::demand(policy, &counted, &siblings)
    };
    let demands: Vec<_> = objects.iter().map(|(document, written)| demand(document, written)).collect();
    for (team, devices) in demands.iter().filter_map(|demand| Some((demand.team.as_ref()?, demand.devices?))) {
        let team = used.entry(team.clone()).or_default();
        team.gpus = team.gpus.saturating_add(devices);
    }
    for ((document, written), demand) in objects.iter().zip(&demands) {
        let state = State { used: used.clone(), own_gpus: demand.devices.unwrap_or(0), admitted: true, ..State::default() };
        let submitted = Submitted { written, json: &|parts| document.node.json_of(parts) };
        let judgement = guard::judge(policy, &submitted, &siblings, &state, today);
        if is_of_no_interest(written, &judgement) {
            continue;
        }
        let subject = Subject::of(written);
        history.add(&Submission { subject: &subject, at: manifest::made(&document.node), user: None, is_update: false }, judgement);
    }
    // Of what was submitted before, the absence of something now says nothing.
    siblings.complete = false;
    siblings
}

/// Most of a log is about leases, events and the like, and a cluster holds much that makes no pods.
fn is_of_no_interest(written: &Written, judgement: &Judgement) -> bool {
    !makes_pods(written) && judgement.breaches.is_empty() && judgement.unjudged.is_empty()
}

fn makes_pods(written: &Written) -> bool {
    !written.templates.is_empty() || !written.requests.is_empty()
}

fn of_lines(
    name: &str,
    lines: impl BufRead,
    policy: &Policy,
    today: Timestamp,
    beside: &mut Siblings,
    told: &mut Told,
) -> anyhow::Result<()> {
    // Lines of either kind, lines of neither, and what is wrong with the first that should be one.
    let (mut known, mut unknown, mut wrong) = (0_u64, 0_u64, None);
    for entry in history::Submissions::new(lines) {
        known += 1;
        match entry.with_context(|| format!("cannot read {name}"))? {
            Entry::Submission(submission) => of_submission(&submission, policy, today, known < BESIDE_MAX, beside, &mut told.history),
            Entry::WithoutObject => told.without_object += 1,
            Entry::Patch => told.patches += 1,
            Entry::Other => {}
            Entry::Unknown => (known, unknown) = (known - 1, unknown + 1),
            Entry::Broken { line, why } => {
                known -= 1;
                told.broken += 1;
                wrong = wrong.or_else(|| Some(format!("{name}:{line}: {why}")));
            }
        }
    }
    if let (0, Some(wrong)) = (known, &wrong) {
        bail!("no line of {name} that should tell of a submission can be read; the first: {wrong}");
    }
    told.first_broken = told.first_broken.take().or(wrong);
    if known == 0 {
        let lines = if unknown == 0 { "it is empty".to_owned() } else { format!("none of its {unknown} lines is one") };
        bail!("{name} holds neither an API server's audit events (audit.k8s.io, JSON lines) nor the webhook's records: {lines}");
    }
    Ok(())
}

fn of_submission(
    submission: &history::Submission,
    policy: &Policy,
    today: Timestamp,
    remember: bool,
    beside: &mut Siblings,
    history: &mut History,
) {
    let Some(mut written) = submission.document.written() else { return };
    if written.namespace.is_empty() {
        written.namespace = submission.namespace.clone();
    }
    if let Some(labels) = &submission.namespace_labels {
        beside.namespace(written.namespace.clone(), labels.clone());
    }
    if remember && (written.templates.is_empty() || !written.requests.is_empty()) {
        beside.add(&written);
    }
    if makes_pods(&written) && submission.by_controller.unwrap_or_else(|| guard::is_by_controller(&written, &submission.user)) {
        history.by_controllers += 1;
        return;
    }
    let state = State { at: Some(submission.at), admitted: submission.admitted, ..State::default() };
    let submitted = Submitted { written: &written, json: &|parts| submission.document.node.json_of(parts) };
    let judgement = guard::judge(policy, &submitted, beside, &state, today);
    if is_of_no_interest(&written, &judgement) {
        return;
    }
    let subject = Subject::of(&written);
    let user = Some(&*submission.user).filter(|user| !user.is_empty());
    history.add(&Submission { subject: &subject, at: Some(submission.at), user, is_update: submission.is_update }, judgement);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What a DaemonSet holds its status tells, and nobody else: it counts for its team.
    #[test]
    fn a_daemon_set_of_a_cluster_counts_for_its_team() {
        let (objects, errors) = manifest::read(
            "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agents, namespace: ml}
spec: {template: {spec: {containers: [{name: main, image: 'a:v1', resources: {limits: {nvidia.com/gpu: 1}}}]}}}
status: {desiredNumberScheduled: 4}
---
apiVersion: v1
kind: Pod
metadata: {name: big, namespace: ml}
spec: {containers: [{name: main, image: 'a:v1', resources: {limits: {nvidia.com/gpu: 3}}}]}
",
        );
        assert!(errors.is_empty());
        let (settings, _) = manifest::read(
            "
apiVersion: plimsoll.dev/v1alpha1
kind: Guardrail
metadata: {name: g}
spec: {rules: [{name: team-gpus, mode: enforce}]}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Team
metadata: {name: t}
spec: {namespaces: [ml], limits: {gpus: 6}}
",
        );
        let resources = settings.iter().map(|document| plimsoll_api::read(&document.node.json()).unwrap().unwrap()).collect();
        let policy = Policy::only(resources).unwrap();
        let mut history = History::default();
        of_cluster(&Held { documents: objects, unseen: Vec::new() }, &policy, Timestamp(1_795_600_000), &mut history);
        let rows = history.rows();
        assert_eq!((rows.len(), &*rows[0].rule, &*rows[0].examples[0].subject.name), (1, "team-gpus", "big"));
        assert_eq!(rows[0].examples[0].says, "it asks for 3 GPUs, and the team t has 4 of its 6 in use");
    }
}
