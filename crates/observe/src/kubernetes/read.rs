//! A live cluster to a fleet.

use super::{
    collect::Collector,
    error::ObserveError,
    list::{Failure, Happening, Reader},
    reads::{Form, READS, Read},
};
use crate::{Progress, Step};
use futures::{StreamExt, stream};
use kube::Client;
use plimsoll_fleet::{Fleet, Name, Timestamp, UnseenKind, fleet::Origin};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Lists read at once. The API server shares its seats fairly among users; four pages in memory are some 100 MiB at worst.
const AT_ONCE: usize = 4;

/// Most pages of events: 20,000 events. They are kept for an hour; a cluster with more of them is told of in part.
const EVENT_PAGES_MAX: usize = 40;

/// The events that are read: how long images took to pull, and why pods wait.
const EVENTS: &[&str] = &["involvedObject.kind=Pod,reason=Pulled", "involvedObject.kind=Pod,reason=FailedScheduling"];

/// Reads a cluster. The fleet has no evidence of use yet; what could not be read is in its `unseen`.
///
/// Only GET requests are made.
///
/// # Errors
/// Neither nodes nor pods could be listed, or the server refused the credentials or fell silent.
pub async fn read(client: &Client, cluster: Option<&str>, progress: &Progress<'_>) -> Result<Fleet, ObserveError> {
    read_with(&Reader::new(client), cluster, progress).await
}

pub(super) async fn read_with(reader: &Reader<'_>, cluster: Option<&str>, progress: &Progress<'_>) -> Result<Fleet, ObserveError> {
    let (at, version) = server(reader).await;
    let collector = Mutex::new(Collector::default());
    let versions = discover(reader, |what, why| {
        lock(&collector).unseen(
            UnseenKind::Partial,
            &format!("discover {what}"),
            &format!("{why}: custom kinds and DRA objects were not read"),
            "allow the user the role system:discovery, or mend the API service",
        );
    })
    .await;
    let (claims, others): (Vec<_>, Vec<_>) = READS
        .iter()
        .filter(|read| read.form != Form::Judged)
        .filter_map(|read| Some((read, (*versions.get(&(read.group, read.resource))?).to_owned())))
        .partition(|(read, _)| matches!(read.form, Form::DeviceClass | Form::ClaimTemplate | Form::Claim | Form::ResourceSlice));
    // What pods ask for through claims is counted into their shapes, so claims come first.
    let mut failures = list_all(reader, &collector, claims, progress).await;
    failures.extend(list_all(reader, &collector, others, progress).await);

    let mut collector = collector.into_inner().unwrap_or_else(PoisonError::into_inner);
    refuse_if_blind(&mut failures)?;
    for (read, failure) in failures {
        tell(&mut collector, read, &failure);
    }
    let origin = Origin { source: "live".into(), cluster: cluster.map(Name::from), version };
    Ok(collector.finish(at, origin))
}

fn lock(collector: &Mutex<Collector>) -> MutexGuard<'_, Collector> {
    collector.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server's clock and version. Ages are measured by its clock, since it wrote the times; ours serves where it hides its own.
async fn server(reader: &Reader<'_>) -> (Timestamp, Option<Name>) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        git_version: Name,
    }
    let here = || Timestamp(jiff::Timestamp::now().as_second());
    match reader.get("/version").await {
        Ok(answer) => {
            let version = serde_json::from_slice::<Version>(&answer.body).ok().map(|version| version.git_version);
            (answer.date.unwrap_or_else(here), version)
        }
        Err(_) => (here(), None),
    }
}

/// Which version of each list the server serves, and what could not be found out. What every cluster has is not asked for: if it is missing, the list says so.
pub(super) async fn discover(reader: &Reader<'_>, unknown: impl Fn(&str, String)) -> BTreeMap<(&'static str, &'static str), &'static str> {
    #[derive(Deserialize)]
    struct Groups {
        groups: Vec<Group>,
    }
    #[derive(Deserialize)]
    struct Group {
        name: String,
        versions: Vec<Version>,
    }
    #[derive(Deserialize)]
    struct Version {
        version: String,
    }
    #[derive(Deserialize)]
    struct Resources {
        resources: Vec<Resource>,
    }
    #[derive(Deserialize)]
    struct Resource {
        name: String,
    }
    let mut versions: BTreeMap<_, _> =
        READS.iter().filter(|read| read.always).map(|read| ((read.group, read.resource), read.versions[0])).collect();
    let groups = match reader.get("/apis").await.map(|answer| serde_json::from_slice::<Groups>(&answer.body)) {
        Ok(Ok(groups)) => groups.groups,
        Ok(Err(error)) => {
            unknown("/apis", error.to_string());
            return versions;
        }
        Err(failure) => {
            unknown("/apis", failure.to_string());
            return versions;
        }
    };
    let wanted: BTreeSet<(&str, &str)> = READS
        .iter()
        .filter(|read| !read.always)
        .flat_map(|read| read.versions.iter().map(|version| (read.group, *version)))
        .filter(|(group, version)| {
            groups.iter().any(|served| served.name == *group && served.versions.iter().any(|served| served.version == *version))
        })
        .collect();
    let mut served: BTreeSet<(&str, &str, String)> = BTreeSet::new();
    for (group, version) in wanted {
        let path = format!("/apis/{group}/{version}");
        match reader.get(&path).await.map(|answer| serde_json::from_slice::<Resources>(&answer.body)) {
            Ok(Ok(resources)) => served.extend(resources.resources.into_iter().map(|resource| (group, version, resource.name))),
            Ok(Err(error)) => unknown(&path, error.to_string()),
            Err(failure) => unknown(&path, failure.to_string()),
        }
    }
    for read in READS.iter().filter(|read| !read.always) {
        let serves = |version: &&&str| served.contains(&(read.group, **version, read.resource.to_owned()));
        if let Some(version) = read.versions.iter().find(serves) {
            versions.insert((read.group, read.resource), *version);
        }
    }
    versions
}

async fn list_all(
    reader: &Reader<'_>,
    collector: &Mutex<Collector>,
    reads: Vec<(&'static Read, String)>,
    progress: &Progress<'_>,
) -> Vec<(&'static Read, Failure)> {
    stream::iter(reads)
        .map(|(read, version)| async move { list_one(reader, collector, read, &version, progress).await.err().map(|failure| (read, failure)) })
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await
}

async fn list_one(
    reader: &Reader<'_>,
    collector: &Mutex<Collector>,
    read: &'static Read,
    version: &str,
    progress: &Progress<'_>,
) -> Result<(), Failure> {
    let (path, api_version, stage) = (read.path(version), read.api_version(version), read.name());
    let (selectors, pages_max): (Vec<Option<&str>>, _) = match read.form {
        Form::Event => (EVENTS.iter().copied().map(Some).collect(), Some(EVENT_PAGES_MAX)),
        _ => (vec![None], None),
    };
    let mut done = 0;
    for selector in selectors {
        let before = done;
        let reached = reader
            .list(&path, selector, pages_max, |happening| match happening {
                Happening::Page(items, total) => {
                    let mut collector = lock(collector);
                    for item in items {
                        collector.add(read, &api_version, item);
                    }
                    done += items.len() as u64;
                    progress(Step { stage: &stage, done, total: total.map(|total| before + total) });
                }
                Happening::Restart => {
                    done = before;
                    lock(collector).restart(read);
                }
            })
            .await?;
        if !reached {
            lock(collector).unseen(
                UnseenKind::Partial,
                &format!("list {stage}"),
                &format!("there are more than {done} events; image pull times are known for a part of the pods"),
                "none is needed: it only makes held-while-starting less complete",
            );
        }
    }
    Ok(())
}

/// Without nodes and without pods there is no fleet.
fn refuse_if_blind(failures: &mut Vec<(&'static Read, Failure)>) -> Result<(), ObserveError> {
    let place = |failures: &[(&Read, Failure)], form| failures.iter().position(|(read, _)| read.form == form);
    let (Some(nodes), Some(pods)) = (place(failures, Form::Node), place(failures, Form::Pod)) else { return Ok(()) };
    let said = |index: usize| failures[index].1.to_string();
    let (nodes_said, pods_said) = (said(nodes), said(pods));
    Err(match failures.swap_remove(nodes).1 {
        Failure::Status { code: 401, message, .. } => ObserveError::Unauthorized { message },
        failure @ (Failure::Client(_) | Failure::TimedOut) => {
            ObserveError::Unreachable { url: "that answered a moment ago".to_owned(), source: Box::new(failure) }
        }
        _ => ObserveError::NothingReadable { nodes: nodes_said, pods: pods_said },
    })
}

/// A list that failed is a blind spot.
fn tell(collector: &mut Collector, read: &Read, failure: &Failure) {
    let subject = format!("list {}", read.name());
    let group = if read.group.is_empty() { "\"\"" } else { read.group };
    let grant = format!("allow the verb list on {} (API group {group}): kubectl apply -f deploy/rbac.yaml", read.resource);
    match failure {
        Failure::Status { code: 403, message, .. } => {
            collector.unseen(UnseenKind::Forbidden, &subject, &format!("{message}; {}", read.lost), &grant);
        }
        Failure::Status { code: 404, .. } => collector.unseen(
            UnseenKind::Forbidden,
            &subject,
            &format!("the API server does not serve it (404); {}", read.lost),
            "upgrade the cluster to a version that Kubernetes still supports",
        ),
        other => {
            collector.unseen(
                UnseenKind::Partial,
                &subject,
                &format!("{other}; {}", read.lost),
                "run again when the API server is less busy",
            );
        }
    }
}
