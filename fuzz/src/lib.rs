//! What is fuzzed: one function for each reader of untrusted input. It takes any bytes, and panics where the reader does
//! or where a promise of it is broken.
//!
//! `fuzz_targets` hands them to libFuzzer; `crates/plimsoll/tests/fuzz.rs` includes this file and runs them over the seeds
//! and mutations of those with every `cargo test`.

use plimsoll_decide::{
    audit::{self, Audit, baseline::compare, settings::Settings},
    guard::{self, Policy, Siblings, State, Submitted, defaults},
};
use plimsoll_fleet::{
    Fleet, Metrics, Money, MoneyPerHour, Node, NodeId, Pod, Shape, ShapeId, Timestamp, Window,
    fleet::Origin,
    node::{Gpu, Sharing},
    parts::Parts,
    pod::Ask,
    price::PriceBook,
    resource::Vendor,
};
use plimsoll_observe::{
    dcgm::{
        accumulate::{Accumulator, Point, Reading},
        exposition::{self, Line},
        labels::Convention,
        names,
    },
    kubernetes::{self, quantity::Quantity},
    manifest, prometheus,
    snapshot::{self, WriteOptions},
};
use plimsoll_operate::webhook::{World, answer_alone};
use plimsoll_report::{
    check::{self, At, Checked},
    csv, html, json, markdown, terminal,
};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    error::Error,
    sync::{Arc, LazyLock},
};

/// A reader of anything.
pub type Target = fn(&[u8]);

/// All targets, by the name of their folder of seeds.
pub const ALL: [(&str, Target); 12] = [
    ("answer", answer),
    ("archive", archive),
    ("baseline", baseline),
    ("cel", cel),
    ("check", check),
    ("exposition", exposition),
    ("history", history),
    ("manifests", manifests),
    ("prices", prices),
    ("quantity", quantity),
    ("review", review),
    ("snapshot", snapshot),
];

// ---- rules of a user's own

/// An object for expressions to look at.
const LOOKED_AT: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"llm","namespace":"search","labels":{"team":"search"},
"annotations":{"note":"aaaaaaaaaaaaaaaaaaaaaaaab"}},"spec":{"replicas":3,"ratio":0.5,"big":18446744073709551615,"least":-9223372036854775808,
"template":{"spec":{"containers":[{"name":"main","image":"a/b:c","resources":{"limits":{"nvidia.com/gpu":"2","memory":"64Gi"}}},{"name":"side"}]}}}}"#;

/// An expression, compiled and judged by. It may be refused; what is let through takes no more steps than was said before, and comes to
/// the same whether it sees the whole object or what it looks at.
pub fn cel(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(expression) = guard::cel::Expression::new(text) else { return };
    assert!(expression.cost() <= guard::cel::limits::COST_MAX);
    let rule = serde_json::json!({ "name": "fuzzed", "mode": "enforce", "failurePolicy": "fail", "message": "no", "messageExpression": text,
        "expression": text, "match": { "gpus": false } });
    let guardrail = serde_json::json!({ "apiVersion": "plimsoll.dev/v1alpha1", "kind": "Guardrail", "metadata": { "name": "fuzzed" },
        "spec": { "customRules": [rule] } });
    let resource = plimsoll_api::read(&guardrail).expect("the guardrail is one").expect("the guardrail is ours");
    let policy = Policy::new(vec![resource]).expect("an expression that compiles is a rule");
    let node = manifest::object(LOOKED_AT).expect("the object is JSON");
    let document = manifest::Document { node };
    let written = document.written().expect("the object says what it is");
    let judged = |json: &dyn Fn(&Parts) -> serde_json::Value| {
        guard::judge(&policy, &Submitted { written: &written, json }, &Siblings::new(true), &State::default(), Timestamp(0))
    };
    let first = judged(&|_| document.node.json());
    assert_eq!(first, judged(&|parts| document.node.json_of(parts)), "the same expression says the same");
    let says = |text: &str| first.breaches.iter().any(|breach| breach.says.contains(text));
    assert!(first.breaches.len() <= 1 && !says("more steps than it was allowed"), "{:?}", first.breaches);
}

// ---- what was submitted before

/// Lines of an audit log and of the webhook's records, judged one by one.
pub fn history(data: &[u8]) {
    let policy = Policy::default();
    let mut history = guard::history::History::default();
    for entry in plimsoll_observe::history::Submissions::new(data) {
        let plimsoll_observe::history::Entry::Submission(submission) = entry.expect("bytes at hand can be read") else { continue };
        let Some(written) = submission.document.written() else { continue };
        let submitted = Submitted { written: &written, json: &|parts| submission.document.node.json_of(parts) };
        let judged = guard::judge(&policy, &submitted, &Siblings::new(false), &State::default(), submission.at);
        let subject = guard::Subject::of(&written);
        let one = guard::history::Submission {
            subject: &subject,
            at: Some(submission.at),
            user: Some(&submission.user),
            is_update: submission.is_update,
        };
        history.add(&one, judged);
    }
    let told = check::history::Told { history, ..check::history::Told::default() };
    let json: serde_json::Value = serde_json::from_str(&check::history::json(&told)).expect("the document is JSON");
    assert!(json["submissions"].as_u64() >= json["refused"].as_u64());
    let _ = check::history::table(&told, 80, false);
}

// ---- manifests for the rules

/// A text of manifests, judged by every rule and reported in every form. What is ours among them is judged by.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (documents, errors) = manifest::read(text);
    let lines = u32::try_from(text.lines().count()).unwrap_or(u32::MAX).max(1);
    assert!(errors.iter().all(|error| (1..=lines + 1).contains(&error.line())), "{errors:?}");
    let resources = documents.iter().filter_map(|document| plimsoll_api::read(&document.node.json()).ok().flatten()).collect();
    let policies = [Policy::default(), Policy::new(resources).unwrap_or_default()];
    let mut siblings = Siblings::new(true);
    let written: Vec<_> = documents.iter().filter_map(|document| Some((document, document.written()?))).collect();
    written.iter().for_each(|(_, object)| siblings.add(object));
    let mut checked = Checked::default();
    for policy in &policies {
        for (document, object) in &written {
            let submitted = Submitted { written: object, json: &|parts| document.node.json_of(parts) };
            for what in guard::judge(policy, &submitted, &siblings, &State::default(), Timestamp(0)).breaches {
                let line = document.line(&what.path);
                assert!((1..=lines).contains(&line), "{} is on line {line} of {lines}", what.path);
                checked.breaches.push(At { file: "-".to_owned(), line, what });
            }
        }
    }
    for (document, _) in &written {
        add_defaults(&document.node.json(), &documents, &siblings);
    }
    let list: Vec<serde_json::Value> = serde_json::from_str(&check::json(&checked)).expect("the list is JSON");
    assert_eq!(list.len(), checked.breaches.len());
    let _ = (check::table(&checked, 80, false), check::sarif(&checked), check::junit(&checked), check::github(&checked));
}

/// Every default for an object, by the pools and teams of the text: the patch fits the object, and what was patched once is not patched
/// again.
fn add_defaults(object: &serde_json::Value, documents: &[manifest::Document], siblings: &Siblings) {
    let guardrail = serde_json::json!({ "apiVersion": "plimsoll.dev/v1alpha1", "kind": "Guardrail", "metadata": { "name": "defaults" },
        "spec": { "defaults": { "classLabel": true, "toleration": true, "selector": true, "probes": true, "deadlines": {}, "translate": true } } });
    let ours = documents.iter().filter(|document| document.what().is_some_and(|(_, kind)| kind != "Guardrail"));
    let all = ours.map(|document| document.node.json()).chain([guardrail]);
    let resources = all.filter_map(|object| plimsoll_api::read(&object).ok().flatten()).collect();
    let Ok(policy) = Policy::new(resources) else { return };
    let patch = |object: &serde_json::Value| {
        let (read, _) = manifest::read(&object.to_string());
        let Some(written) = read.first().and_then(manifest::Document::written) else { return Vec::new() };
        let submitted = Submitted { written: &written, json: &|_| object.clone() };
        defaults::patch(&policy, &defaults::Asked { submitted, old: None, siblings, user: "anybody" }).patch
    };
    let mut object = object.clone();
    for op in patch(&object) {
        let (parent, last) = op["path"].as_str().and_then(|path| path.rsplit_once('/')).expect("a place in the object");
        match object.pointer_mut(parent).expect("its parent is there") {
            serde_json::Value::Object(map) => drop(map.insert(last.replace("~1", "/").replace("~0", "~"), op["value"].clone())),
            serde_json::Value::Array(list) => list.push(op["value"].clone()),
            other => panic!("{op} into {other}"),
        }
    }
    assert!(patch(&object).is_empty(), "{object}");
}

// ---- the snapshot reader

/// How a zstd frame begins.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A snapshot as it lies on disk. What is not compressed is compressed first, so that the tar below is reached as well.
pub fn snapshot(data: &[u8]) {
    if data.starts_with(&ZSTD) {
        read_snapshot(data);
    } else {
        read_snapshot(&compressed(data));
    }
}

/// The members of a snapshot as text, each behind a line `--- FILE`; the manifest is made to fit them. So mutations reach
/// what stands behind the sums.
pub fn archive(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    read_snapshot(&packed(text));
}

fn compressed(data: &[u8]) -> Vec<u8> {
    zstd::encode_all(data, 1).expect("memory takes what is written")
}

/// The snapshot whose members are `text`.
pub fn packed(text: &str) -> Vec<u8> {
    const FILES: [&str; 13] = [
        "cluster.json",
        "nodes.jsonl",
        "shapes.jsonl",
        "pods.jsonl",
        "workloads.jsonl",
        "namespaces.jsonl",
        "budgets.jsonl",
        "unseen.jsonl",
        "evidence.json",
        "devices.jsonl",
        "usage.jsonl",
        "engines.jsonl",
        "history.jsonl",
    ];
    let text = format!("\n{text}");
    let mut members = FILES.map(|file| (file, String::new()));
    for section in text.split("\n--- ").skip(1) {
        let (name, lines) = section.split_once('\n').unwrap_or((section, ""));
        if let Some((_, member)) = members.iter_mut().find(|(file, _)| *file == name.trim_end()) {
            member.extend(lines.lines().filter(|line| !line.is_empty()).flat_map(|line| [line, "\n"]));
        }
    }
    let parts: Vec<serde_json::Value> = members
        .iter()
        .map(|(file, text)| {
            let sha256: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
            serde_json::json!({ "file": file, "lines": text.matches('\n').count(), "bytes": text.len(), "sha256": sha256 })
        })
        .collect();
    let manifest = serde_json::json!({ "format": snapshot::FORMAT, "plimsoll": "fuzz", "parts": parts }).to_string();
    let mut tar = tar::Builder::new(Vec::new());
    for (file, text) in [("manifest.json", manifest)].into_iter().chain(members) {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, file, text.as_bytes()).expect("memory takes what is written");
    }
    compressed(&tar.into_inner().expect("memory takes what is written"))
}

fn read_snapshot(archive: &[u8]) {
    let fleet = match snapshot::read(archive) {
        Ok(fleet) => fleet,
        Err(error) => return told(&error),
    };
    sound(&fleet);
    let mut again = Vec::new();
    snapshot::write(&fleet, &mut again, &WriteOptions::default()).expect("what was read can be written");
    assert_eq!(snapshot::read(&*again).expect("what was written can be read"), fleet, "a snapshot of a snapshot is the same");
    let mut hashed = Vec::new();
    snapshot::write(&fleet, &mut hashed, &WriteOptions { hash_names: Some("salt".into()) }).expect("names can be hashed");
    sound(&snapshot::read(&*hashed).expect("a snapshot without names can be read"));
    judge(&fleet);
}

// ---- the metrics parsers

/// A node with four GPUs, one with two that are shared, one with MIG, and a few pods that hold them.
fn small() -> Fleet {
    let node = |name: &str, gpus: usize, sharing: Sharing| Node {
        name: name.into(),
        gpus: vec![Gpu::default(); gpus],
        sharing,
        ready: true,
        vendor: Some(Vendor::Nvidia),
        ..Node::default()
    };
    let pod = |name: &str, node: u32| Pod {
        namespace: "ml".into(),
        name: name.into(),
        node: Some(NodeId(node)),
        shape: ShapeId(0),
        created: Some(Timestamp(0)),
        ..Pod::default()
    };
    let nodes =
        vec![node("gpu-1", 4, Sharing::Whole), node("gpu-2", 2, Sharing::TimeSliced { replicas: 4 }), node("gpu-3", 1, Sharing::MigMixed)];
    let shape = Shape { asks: vec![Ask { resource: "nvidia.com/gpu".into(), count: 1, dra: false }], ..Shape::default() };
    let pods = vec![pod("train-0", 0), pod("chat-7f-x", 1), pod("chat-7f-y", 1), pod("lab", 2)];
    Fleet { nodes, shapes: vec![shape], pods, ..Fleet::default() }
}

/// Stretch that samples are taken from.
const WINDOW: Window = Window { start: Timestamp(0), end: Timestamp(86_400) };

/// Bodies of an exporter, parted by lines `# round`, read a minute apart; as the exporter of a node, and as of nobody knows which.
pub fn exposition(data: &[u8]) {
    for node in [Some(NodeId(0)), None] {
        let mut fleet = small();
        let mut accumulator = Accumulator::new(&fleet);
        for (body, at) in rounds(data).zip(1..) {
            let (mut helps, mut there) = (Vec::new(), BTreeSet::new());
            let summary = exposition::read(body, |line| match line {
                Line::Help { name: names::AMBIGUOUS, text } => helps.push(text),
                Line::Help { .. } => {}
                Line::Sample { name, .. } => drop(there.insert(name)),
            });
            let lines = body.split(|byte| *byte == b'\n').count() as u64;
            assert!(summary.samples + summary.skipped <= lines, "no line is two samples");
            let (ratio, _) = names::decide_ratio(helps, there);
            let reading = Reading { node, convention: Convention::Honoured, ratio, bounds: WINDOW };
            exposition::read(body, |line| {
                if let Line::Sample { name, labels, value } = line {
                    let point = Point { at: at * 60, value };
                    accumulator.take(name, &labels, &[point], &reading);
                    accumulator.take_memory(name, &labels, point, &reading);
                }
            });
            accumulator.settle();
        }
        accumulator.finish(&mut fleet);
        sound(&fleet);
        judge(&fleet);
    }
}

fn rounds(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    const PART: &[u8] = b"# round\n";
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let all = rest?;
        let end = all.windows(PART.len()).position(|window| window == PART);
        rest = end.map(|end| &all[end + PART.len()..]);
        Some(&all[..end.unwrap_or(all.len())])
    })
}

/// An answer of Prometheus, taken as a whole batch.
pub fn answer(data: &[u8]) {
    for convention in [Convention::Honoured, Convention::Exported] {
        let mut fleet = small();
        let mut accumulator = Accumulator::new(&fleet);
        let reading = Reading { node: None, convention, ratio: names::Unit::PercentOrRatio, bounds: WINDOW };
        let read = prometheus::answer::series(data, &mut |name, labels, points| {
            accumulator.take(name, labels, points, &reading);
            if let Some(last) = points.last() {
                accumulator.take_memory(name, labels, *last, &reading);
            }
        });
        if let Err(error) = read {
            told(&error);
        }
        accumulator.settle();
        accumulator.finish(&mut fleet);
        sound(&fleet);
        judge(&fleet);
    }
}

// ---- objects and files

/// Objects of a cluster, as JSON or YAML.
pub fn manifests(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match kubernetes::objects(text) {
        Ok(objects) => {
            let fleet = kubernetes::from_objects(&objects, Timestamp(1_795_424_400), Origin::default());
            sound(&fleet);
            judge(&fleet);
        }
        Err(error) => told(&error),
    }
}

/// A quantity: the ways of reading it agree.
pub fn quantity(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = Quantity::parse(text) {
        told(&error);
        assert!(Quantity::cpu(text).is_err() && Quantity::bytes(text).is_err() && Quantity::count(text).is_err(), "{text}");
    }
    if let Ok(count) = Quantity::count(text) {
        assert_eq!(Quantity::cpu(text).map(|cpu| cpu.0), Ok(u64::from(count) * 1000), "{text}");
        assert_eq!(Quantity::bytes(text).map(|bytes| bytes.0), Ok(u64::from(count)), "{text}");
    }
}

/// A user's price file.
pub fn prices(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match PriceBook::list().with_file("prices.csv", text) {
        Ok(book) => {
            let pooled = Node { name: "gpu-1".into(), pool: Some("a100".into()), ..Node::default() };
            let typed = Node { instance_type: Some("p4d.24xlarge".into()), region: Some("us-east-1".into()), ..Node::default() };
            for price in [pooled, typed].iter().filter_map(|node| book.price(node).ok()) {
                assert!((MoneyPerHour::ZERO..=MoneyPerHour::from_units(1e6)).contains(&price.per_hour), "{price:?}");
            }
        }
        Err(error) => told(&error),
    }
}

/// An earlier audit.
pub fn baseline(data: &[u8]) {
    static AUDIT: LazyLock<Audit> = LazyLock::new(|| audit::audit(&small(), &PriceBook::list(), &Settings::default()));
    let Ok(text) = std::str::from_utf8(data) else { return };
    match json::past::baseline(text) {
        Ok(before) => {
            let comparison = compare(&AUDIT, &before);
            let _ = json::text(&json::document(&AUDIT, Some(&comparison)));
            let _ = markdown::report(&AUDIT, Some(&comparison));
        }
        Err(error) => told(&error),
    }
}

// ---- promises

/// An error says something, down to its cause.
fn told(error: &dyn Error) {
    let mut cause = Some(error);
    while let Some(error) = cause {
        assert!(!error.to_string().is_empty(), "{error:?}");
        cause = error.source();
    }
}

/// References lead somewhere, shares are shares, means lie between the least and the greatest.
fn sound(fleet: &Fleet) {
    fleet.check().expect("references lead somewhere");
    let evidence = &fleet.evidence;
    let metrics = evidence.devices.iter().map(|usage| &usage.metrics).chain(evidence.pods.iter().map(|usage| &usage.metrics));
    for (metric, sketch) in metrics.flat_map(|Metrics { by_metric, .. }| by_metric) {
        let near = sketch.max() * 1e-6 + 1e-9;
        assert!(sketch.min() - near <= sketch.mean() && sketch.mean() <= sketch.max() + near, "{metric:?}: {sketch:?}");
        assert!(!metric.is_ratio() || sketch.max() <= 1.0, "{metric:?}: {sketch:?}");
    }
    for hour in &evidence.hours {
        let parts = [Some(hour.held), Some(hour.busy), hour.useful];
        assert!(parts.into_iter().flatten().all(|part| (0.0..=hour.seen + 1e-6).contains(&part)), "{hour:?}");
        assert!(hour.seen.is_finite() && hour.waiting.is_none_or(|waiting| waiting >= 0.0 && waiting.is_finite()), "{hour:?}");
    }
}

/// It can be audited and reported, and what comes back is no more than what is paid.
fn judge(fleet: &Fleet) {
    static PRICES: LazyLock<PriceBook> = LazyLock::new(PriceBook::list);
    let audit = audit::audit(fleet, &PRICES, &Settings::default());
    let bill = audit.money.bill_month.unwrap_or(Money(i64::MAX));
    for saving in [audit.money.theoretical_saving_month, audit.money.realisable_saving_month].into_iter().flatten() {
        assert!(saving <= bill, "{:?}", audit.money);
    }
    let document = json::text(&json::document(&audit, None));
    let before = json::past::baseline(&document).expect("an audit is a baseline");
    assert!(compare(&audit, &before).new.is_empty(), "nothing is new beside itself");
    let _ = terminal::table(&audit, &terminal::TableOptions::default());
    let _ = html::page(&audit, None);
    let _ = csv::findings(&audit, None);
    let _ = markdown::report(&audit, None);
}

// ---- reviews

static STRICT: LazyLock<Arc<World>> = LazyLock::new(|| {
    let guardrail = serde_json::json!({ "apiVersion": "plimsoll.dev/v1alpha1", "kind": "Guardrail", "metadata": { "name": "all" },
        "spec": { "mode": "enforce" } });
    let world = World::default();
    let read = plimsoll_api::read(&guardrail).expect("it is right");
    world.set_policy(Policy::only(read.into_iter().collect()).expect("it is right"));
    Arc::new(world)
});

/// The body of a request to the webhook. What is answered names its request, and is refused or let in, not both.
pub fn review(data: &[u8]) {
    let Ok(answer) = futures::executor::block_on(answer_alone(STRICT.clone(), data)) else { return };
    let answer: serde_json::Value = serde_json::from_slice(&answer).expect("the answer is JSON");
    let response = &answer["response"];
    assert!(response["uid"].is_string(), "{answer}");
    assert_eq!(response["allowed"] == false, response["status"]["message"].is_string(), "{answer}");
    assert!(answer.to_string().len() < 1 << 20, "an answer is small, whatever was asked");
}
