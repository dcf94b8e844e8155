//! The binary on a live cluster: it finds what was planted and nothing else, and touches nothing.
//!
//! One cluster serves all that can be asked of a cluster at rest, because a start costs seconds.
// Some say what they have measured.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod agreement;
mod defaults;
mod export;
mod faults;
mod history;
mod kinds;
mod metrics;
mod past;
mod planted;
mod program;
mod replica;
mod webhook;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
};
use planted::{AGE_DAYS, EXPECTED, Planted, TUTORIAL, UNPRICED};
use plimsoll_fleet::{Seconds, Timestamp, evidence::Dialect};
use plimsoll_testkit::{
    Cluster, Prometheus,
    cluster::{AuditEvent, Options},
    exporter::{
        Served,
        dcgm::{Dcgm, devices},
    },
    netns,
    plant::{
        dcgm_exporter,
        fleet::{plant, settled},
    },
    prometheus::{self, Target},
};
use program::{document, on, said, verdicts};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddrV4,
    path::Path,
};

/// The role that the documentation tells people to bind, and nothing more.
const RIGHTS: &str = include_str!("../../../../deploy/rbac.yaml");
const SCRAPE_RIGHTS: &str = include_str!("../../../../deploy/rbac-scrape.yaml");

/// The history is written in steps of a quarter of an hour, which is asked for likewise.
const STEP: Seconds = Seconds(900);

const SNAPSHOT: &str = "fleet.tar.zst";

#[tokio::test]
async fn an_audit_finds_what_was_planted_and_nothing_else() -> anyhow::Result<()> {
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    let planted = Planted::new(now());
    let pods = plant_all(&cluster, &planted).await?;
    let gone = past::gone(now());
    let exporters = metrics::serve(&planted, &pods, &gone)?;
    let week = prometheus::Options { history: Seconds(7 * 86_400), step: STEP, ..prometheus::Options::default() };
    let Some(prometheus) = Prometheus::start(week, &exporters.targets).await? else { return Ok(()) };
    let user = cluster.user("reader", RIGHTS).await?;

    let audit = audit(&user, prometheus.url())?;
    finds_what_was_planted(&audit)?;
    adds_up(&audit)?;
    sees_what_only_dra_publishes(&audit, &planted)?;
    says_the_same_by_either_convention(&user, &audit, &exporters.targets, cluster.folder()).await?;
    a_snapshot_says_the_same(&user, prometheus.url(), cluster.folder())?;
    past::tells(&cluster.folder().join(SNAPSHOT), &gone, Seconds(7 * 86_400))?;
    wrote_nothing(&cluster, "reader")?;
    goes_on_with_few_rights(&cluster, prometheus.url()).await?;
    answers_for_prometheus(&user)?;
    Ok(())
}

/// Without a Prometheus the exporters are read through the API server, with the rights that the documentation tells people to give.
#[tokio::test]
async fn scrape_reads_the_exporters_through_the_api_server() -> anyhow::Result<()> {
    if !netns::inside("scrape_reads_the_exporters_through_the_api_server").await? {
        return Ok(());
    }
    let Some(cluster) = Cluster::start(Options::default()).await? else { return Ok(()) };
    let planted = Planted::one_node(now());
    plant(&cluster, &planted.fleet).await?;
    cluster.apply(&dcgm_exporter()).await?;
    cluster.apply_yaml(RIGHTS).await?;
    cluster.apply_yaml(SCRAPE_RIGHTS).await?;
    settled(&cluster).await?;
    cluster.age("/registry/pods/", AGE_DAYS).await?;
    let pods: Api<Pod> = Api::all(cluster.client());
    let all = pods.list(&ListParams::default()).await?.items;
    let node = &planted.fleet.nodes[0];
    let page = Dcgm::new(&node.name, devices(node, &all, |pod, ordinal| planted.load(metrics::app(pod), ordinal)), Dialect::Classic).page();
    let _served = Served::start_at(page, SocketAddrV4::new(netns::ADDRESS, 9400))?;
    let exporter = all.iter().find(|pod| pod.metadata.namespace.as_deref() == Some("gpu-operator")).context("the exporter's pod")?;
    let status = json!({"status": {"podIP": netns::ADDRESS, "podIPs": [{"ip": netns::ADDRESS}]}});
    let exporters: Api<Pod> = Api::namespaced(cluster.client(), "gpu-operator");
    exporters.patch_status(&exporter.name_any(), &PatchParams::default(), &Patch::Merge(status)).await?;

    let user = cluster.service_account("plimsoll", "plimsoll").await?;
    let audit = document(&on(&user, &["audit", "--scrape", "4s", "--format", "json"])?)?;
    let busy = row(&audit, "workload", "ml/one-of-two-idle-gpus")?;
    ensure!(busy["busy_gpus"].as_f64().is_some_and(|gpus| (0.8..1.0).contains(&gpus)), "one of two GPUs is busy: {busy}");
    let spots = audit["blind_spots"].as_array().context("a list")?;
    let short = spots.iter().find(|spot| spot["kind"] == "short-evidence").context("it says how short the evidence is")?;
    ensure!(short["says"].as_str().is_some_and(|says| says.contains("4 s")), "it says how short the evidence is: {short}");
    ensure!(!verdicts(&audit).iter().any(|(sign, _)| sign == "idle-gpu"), "four seconds are no evidence for a verdict");
    let idle = audit["signs"].as_array().into_iter().flatten().find(|sign| sign["sign"] == "idle-gpu").context("a hint")?;
    ensure!(idle["confidence"] == "too-little" && idle["cost_month"].is_null(), "a hint costs nothing: {idle}");
    wrote_nothing(&cluster, "system:serviceaccount:plimsoll:plimsoll")
}

fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_second())
}

/// Plants all of it, makes it old, and then plants a pod that is young.
async fn plant_all(cluster: &Cluster, planted: &Planted) -> anyhow::Result<Vec<Pod>> {
    plant(cluster, &planted.fleet).await?;
    cluster.apply_yaml(TUTORIAL).await?;
    cluster.apply(&dcgm_exporter()).await?;
    settled(cluster).await?;
    for kind in ["minions", "pods", "deployments", "statefulsets"] {
        cluster.age(&format!("/registry/{kind}/"), AGE_DAYS).await?;
    }
    cluster.apply_yaml(planted::YOUNG).await?;
    settled(cluster).await?;
    let pods: Api<Pod> = Api::all(cluster.client());
    Ok(pods.list(&ListParams::default()).await?.items)
}

fn arguments(prometheus: &str) -> [&str; 4] {
    ["--prometheus", prometheus, "--step", "15m"]
}

fn audit(user: &Path, prometheus: &str) -> anyhow::Result<Value> {
    document(&on(user, &[&["audit", "--format", "json"][..], &arguments(prometheus)].concat())?)
}

fn finds_what_was_planted(audit: &Value) -> anyhow::Result<()> {
    let expected: BTreeSet<(String, String)> =
        EXPECTED.iter().map(|(sign, subject, _)| ((*sign).to_owned(), (*subject).to_owned())).collect();
    let found = verdicts(audit);
    let of = |signs: Vec<&(String, String)>| -> String {
        let says = |sign: &str, of: &str| {
            let all = audit["signs"].as_array().into_iter().flatten();
            let one = all.clone().find(|finding| finding["sign"] == sign && program::subject(&finding["subject"]) == of);
            one.and_then(|finding| finding["says"].as_str()).unwrap_or_default().to_owned()
        };
        signs.iter().map(|(sign, subject)| format!("  {sign} on {subject}: {}\n", says(sign, subject))).collect()
    };
    let missed = of(expected.difference(&found).collect());
    let invented = of(found.difference(&expected).collect());
    ensure!(missed.is_empty() && invented.is_empty(), "planted and not found:\n{missed}found and not planted:\n{invented}");
    // A hint is no verdict, but on what is healthy there is nothing to hint at.
    let hints: Vec<String> = audit["signs"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|sign| sign["confidence"] == "too-little")
        .map(|sign| format!("{} on {}", sign["sign"], program::subject(&sign["subject"])))
        .collect();
    ensure!(hints.is_empty(), "hints where there is a week of evidence: {hints:?}");
    Ok(())
}

/// Money adds up, and what has no price is said.
fn adds_up(audit: &Value) -> anyhow::Result<()> {
    let money = &audit["money"];
    let cents = |value: &Value| value.as_f64().map(|units| (units * 100.0).round() as i64);
    let bill = cents(&money["bill_month"]).context("a bill")?;
    let unpriced: BTreeSet<&str> = money["unpriced"].as_array().into_iter().flatten().filter_map(|one| one["node"].as_str()).collect();
    ensure!(unpriced == BTreeSet::from(UNPRICED), "without a price: {unpriced:?}");
    ensure!(money["unpriced_nodes"] == UNPRICED.len());
    for view in ["team", "namespace", "workload", "gpu_model", "pool"] {
        let rows = audit["views"][view].as_array().context("a view has rows")?;
        let sum: i64 = rows.iter().filter_map(|row| cents(&row["cost_month"])).sum();
        ensure!(sum == bill, "the view by {view} adds up to {sum} cents, the bill is {bill}");
    }
    let [theoretical, realisable] = ["theoretical_saving_month", "realisable_saving_month"].map(|name| cents(&money[name]).unwrap_or(-1));
    ensure!((1..=bill).contains(&theoretical), "theoretical {theoretical} of {bill}");
    ensure!((1..=bill).contains(&realisable), "realisable {realisable} of {bill}");
    let going: i64 = audit["packing"]["going"].as_array().into_iter().flatten().filter_map(|node| cents(&node["cost_month"])).sum();
    ensure!(going == realisable, "nodes worth {going} can go, and {realisable} is to be got back");
    let [now, needed, least] =
        ["nodes_now", "nodes_needed", "nodes_lower_bound"].map(|name| audit["packing"][name].as_u64().unwrap_or_default());
    ensure!(least <= needed && needed <= now && least > 0, "nodes: {now} now, {needed} needed, at least {least}");
    // No sign costs more than the node that it names. (A line of a view may be a cent less: the lines add up to the bill.)
    let of_pool: BTreeMap<&str, i64> = audit["views"]["pool"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| Some((row["key"].as_str()?, cents(&row["cost_month"])?)))
        .collect();
    for sign in audit["signs"].as_array().into_iter().flatten().filter(|sign| sign["subject"]["kind"] == "Node") {
        let name = sign["subject"]["name"].as_str().unwrap_or_default();
        if let (Some(cost), Some(node)) = (cents(&sign["cost_month"]), of_pool.get(name)) {
            ensure!(cost <= *node + 1, "{} costs {cost}, its node {node}", sign["says"]);
        }
    }
    Ok(())
}

/// GPUs that no allocatable shows are counted, and held by who asked for them.
fn sees_what_only_dra_publishes(audit: &Value, planted: &Planted) -> anyhow::Result<()> {
    let gpus: usize = planted.fleet.nodes.iter().map(|node| node.gpus.len()).sum();
    ensure!(audit["fleet"]["gpus"] == gpus, "{} GPUs are counted of {gpus}", audit["fleet"]["gpus"]);
    let row = row(audit, "workload", "ml/healthy-dra")?;
    ensure!(row["held_gpus"] == 1.0 && row["busy_gpus"].as_f64().is_some_and(|busy| busy > 0.8), "the DRA pod: {row}");
    Ok(())
}

fn row<'a>(audit: &'a Value, view: &str, key: &str) -> anyhow::Result<&'a Value> {
    let mut rows = audit["views"][view].as_array().into_iter().flatten();
    rows.find(|row| row["key"] == key).with_context(|| format!("no {key} in the view by {view}"))
}

/// Whether Prometheus honours all of the exporters' labels or moves all of them aside makes no difference.
async fn says_the_same_by_either_convention(user: &Path, mixed: &Value, targets: &[Target], folder: &Path) -> anyhow::Result<()> {
    // A day shows all but what takes days to show: there a forgotten notebook is an idle one.
    let notebook = "Notebook dev/forgotten-notebook";
    let lasting = |audit: &Value| verdicts(audit).into_iter().filter(|(_, subject)| subject != notebook).collect::<BTreeSet<_>>();
    for honor in [true, false] {
        let targets: Vec<Target> = targets.iter().map(|target| target.clone().honoring(honor)).collect();
        let day = prometheus::Options { history: Seconds::DAY, step: STEP, ..prometheus::Options::default() };
        let Some(prometheus) = Prometheus::start(day, &targets).await? else { return Ok(()) };
        let audit = audit(user, prometheus.url())?;
        let (of_day, of_week) = (lasting(&audit), lasting(mixed));
        let other: Vec<_> = of_day.symmetric_difference(&of_week).collect();
        ensure!(other.is_empty(), "with honor_labels {honor} there are other findings: {other:?}");
        let file = folder.join(format!("day-{honor}.tar.zst"));
        let path = file.to_str().context("a path in UTF-8")?;
        let window = ["--window", "1d"];
        let taken = on(user, &[&["snapshot", "-o", path][..], &arguments(prometheus.url()), &window].concat())?;
        ensure!(taken.status.success(), "no snapshot: {}", said(&taken));
        past::tells(&file, &past::gone(now()), Seconds::DAY)?;
    }
    Ok(())
}

/// The audit of the snapshot is that of the cluster: all but the moment at which each was seen.
fn a_snapshot_says_the_same(user: &Path, prometheus: &str, folder: &Path) -> anyhow::Result<()> {
    let file = folder.join(SNAPSHOT);
    let path = file.to_str().context("a path in UTF-8")?;
    // A cluster moves: two audits around the snapshot show that it did not meanwhile. Ages are told in whole units, and the
    // window in steps of a quarter of an hour, so that one repetition is enough.
    for _ in 0..3 {
        let before = audit(user, prometheus)?;
        let taken = on(user, &[&["snapshot", "-o", path][..], &arguments(prometheus)].concat())?;
        ensure!(taken.status.success(), "no snapshot: {}", said(&taken));
        let after = audit(user, prometheus)?;
        if timeless(&before) != timeless(&after) {
            continue;
        }
        let of_snapshot = document(&program::plimsoll(&["audit", "--snapshot", path, "--format", "json"]).output()?)?;
        ensure!(before["signs"].as_array().is_some_and(|signs| !signs.is_empty()), "an audit without findings shows nothing");
        ensure!(
            timeless(&of_snapshot) == timeless(&before),
            "the audit of the snapshot is another one:\n{}",
            difference(&before, &of_snapshot)
        );
        return Ok(());
    }
    anyhow::bail!("the cluster is never at rest")
}

/// The document as text, without the moment at which the fleet was seen.
fn timeless(document: &Value) -> String {
    let mut document = document.clone();
    document["at"] = Value::Null;
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

fn difference(a: &Value, b: &Value) -> String {
    let (a, b) = (timeless(a), timeless(b));
    a.lines().zip(b.lines()).filter(|(a, b)| a != b).take(20).map(|(a, b)| format!("- {a}\n+ {b}\n")).collect()
}

/// Everything that the user asked of the API server was a read.
fn wrote_nothing(cluster: &Cluster, user: &str) -> anyhow::Result<()> {
    let log = cluster.audit_log()?;
    let asked: Vec<&AuditEvent> = log.iter().filter(|event| event.user == user).collect();
    ensure!(asked.iter().any(|event| event.resource == "nodes" && event.verb == "list" && event.code == 200), "it listed no nodes");
    let writes: Vec<_> = asked.iter().filter(|event| !event.reads()).collect();
    ensure!(writes.is_empty(), "it wrote: {writes:?}");
    let refused: Vec<_> = asked.iter().filter(|event| event.code == 403 && !event.resource.ends_with("/proxy")).collect();
    ensure!(refused.is_empty(), "deploy/rbac.yaml does not allow what it needs: {refused:?}");
    let secrets: Vec<_> = asked.iter().filter(|event| matches!(event.resource.as_str(), "secrets" | "configmaps")).collect();
    ensure!(secrets.is_empty(), "it read secrets or config maps: {secrets:?}");
    Ok(())
}

/// What may not be read is said, with the verb and the resource, and the audit goes on; without any right there is none.
async fn goes_on_with_few_rights(cluster: &Cluster, prometheus: &str) -> anyhow::Result<()> {
    let role = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: half-reader}
rules: [{apiGroups: ['', apps], resources: [nodes, pods, namespaces, deployments, replicasets], verbs: [list]}]
";
    let half = cluster.user("half", role).await?;
    let audit = audit(&half, prometheus)?;
    let forbidden: BTreeSet<&str> = audit["blind_spots"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|spot| spot["kind"] == "forbidden")
        .filter_map(|spot| spot["subject"].as_str())
        .collect();
    for subject in ["list jobs.batch", "list services", "list horizontalpodautoscalers.autoscaling", "list poddisruptionbudgets.policy"] {
        ensure!(forbidden.contains(subject), "{subject} is refused, and told of are {forbidden:?}");
    }
    let found = verdicts(&audit);
    for (sign, subject) in [("idle-gpu", "Job ml/idle-gpu"), ("empty-gpu-node", "Node empty")] {
        ensure!(found.contains(&(sign.to_owned(), subject.to_owned())), "{sign} on {subject} can be seen without the rest");
    }
    let nobody = cluster.user("nobody", "").await?;
    let output = on(&nobody, &["audit", "--no-metrics"])?;
    let said = said(&output);
    ensure!(output.status.code() == Some(2), "without any right it ends with {:?}: {said}", output.status.code());
    ensure!(
        said.contains("cannot list resource \"nodes\"") && said.contains("rbac.yaml"),
        "it says what is missing and the remedy: {said}"
    );
    Ok(())
}

/// A Prometheus that is named must answer; where none is named and none is found, the audit goes on and says so.
fn answers_for_prometheus(user: &Path) -> anyhow::Result<()> {
    let output = on(user, &["audit", "--prometheus", "http://127.0.0.1:9"])?;
    ensure!(output.status.code() == Some(2), "Prometheus is down, and it ends with {:?}", output.status.code());
    let said_of_it = said(&output);
    ensure!(said_of_it.contains("http://127.0.0.1:9"), "it names the address: {said_of_it}");
    let output = on(user, &["audit", "--format", "json"])?;
    let audit = document(&output)?;
    ensure!(said(&output).contains("no metrics"), "it warns: {}", said(&output));
    let found = verdicts(&audit);
    let by_metrics = ["idle-gpu", "low-compute", "memory-full-compute-idle", "misleading-utilisation", "wrong-gpu-model"];
    ensure!(!found.iter().any(|(sign, _)| by_metrics.contains(&sign.as_str())), "without metrics nothing is called idle: {found:?}");
    ensure!(found.contains(&("empty-gpu-node".to_owned(), "Node empty".to_owned())), "what the API server tells is found: {found:?}");
    ensure!(audit["blind_spots"].as_array().is_some_and(|spots| spots.iter().any(|spot| spot["kind"] == "no-metrics")));
    Ok(())
}
