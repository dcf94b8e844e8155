//! What a cluster holds, as whole objects: those that rules judge, and those that stand beside them.

use super::{
    error::ObserveError,
    list::{Failure, Happening, Reader},
    read::discover,
    reads::{Form, READS, Read},
};
use crate::{
    Progress, Step,
    manifest::{self, Document},
};
use futures::{StreamExt, stream};
use kube::Client;
use serde_json::value::RawValue;
use std::sync::{Mutex, PoisonError};

/// Lists read at once, as for a fleet.
const AT_ONCE: usize = 4;

/// What a cluster holds.
#[derive(Debug, Default)]
pub struct Held {
    /// Its objects that make pods, and claims, disruption budgets, autoscalers and namespaces. Pods of a controller are left out: they
    /// are told of by that.
    pub documents: Vec<Document>,
    /// What could not be read, and why.
    pub unseen: Vec<String>,
}

/// Is a kind read here? What rules judge, or look at beside that.
fn is_read(read: &&Read) -> bool {
    match read.form {
        Form::ClaimTemplate
        | Form::Claim
        | Form::Namespace
        | Form::Pod
        | Form::ReplicaSet
        | Form::Controller
        | Form::Job
        | Form::CronJob
        | Form::Scaler
        | Form::Budget
        | Form::Custom
        | Form::Judged => true,
        Form::DeviceClass | Form::ResourceSlice | Form::Node | Form::Service | Form::Event => false,
    }
}

/// Reads what a cluster holds. Only GET requests are made.
///
/// # Errors
/// The server refused the credentials.
pub async fn held(client: &Client, progress: &Progress<'_>) -> Result<Held, ObserveError> {
    held_with(&Reader::new(client), progress).await
}

pub(super) async fn held_with(reader: &Reader<'_>, progress: &Progress<'_>) -> Result<Held, ObserveError> {
    let held = Mutex::new(Held::default());
    let versions = discover(reader, |what, why| lock(&held).unseen.push(format!("discover {what}: {why}"))).await;
    let reads = READS.iter().filter(is_read).filter_map(|read| Some((read, *versions.get(&(read.group, read.resource))?)));
    let failures: Vec<(&Read, Failure)> = stream::iter(reads)
        .map(|(read, version)| {
            let held = &held;
            async move { list_one(reader, held, read, version, progress).await.err().map(|failure| (read, failure)) }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let mut held = held.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (read, failure) in failures {
        if let Failure::Status { code: 401, message, .. } = failure {
            return Err(ObserveError::Unauthorized { message });
        }
        held.unseen.push(format!("list {}: {failure}", read.name()));
    }
    // Lists come in any order; what is made of them must not depend on that.
    held.documents.sort_by_cached_key(|document| {
        document.written().map(|written| (written.namespace, written.kind, written.api_version, written.name))
    });
    held.unseen.sort();
    Ok(held)
}

fn lock(held: &Mutex<Held>) -> std::sync::MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn list_one(
    reader: &Reader<'_>,
    held: &Mutex<Held>,
    read: &'static Read,
    version: &str,
    progress: &Progress<'_>,
) -> Result<(), Failure> {
    let (path, api_version, stage) = (read.path(version), read.api_version(version), read.name());
    let (mut documents, mut malformed, mut done) = (Vec::new(), 0_u64, 0_u64);
    let listed = reader
        .list(&path, None, None, |happening| match happening {
            Happening::Page(items, total) => {
                for item in items {
                    match document(item, &api_version, read.kind) {
                        Some(document) => documents.extend(Some(document).filter(is_own)),
                        None => malformed += 1,
                    }
                }
                done += items.len() as u64;
                progress(Step { stage: &stage, done, total });
            }
            Happening::Restart => {
                documents.clear();
                (malformed, done) = (0, 0);
            }
        })
        .await
        .map(drop);
    let mut held = lock(held);
    held.documents.append(&mut documents);
    if malformed > 0 {
        held.unseen.push(format!("{malformed} of {stage} could not be read"));
    }
    listed
}

/// An item of a list, which does not say what it is; without its status, which nobody wrote: that of a DaemonSet alone tells how many
/// pods it has.
fn document(item: &RawValue, api_version: &str, kind: &str) -> Option<Document> {
    let mut node = manifest::object(item.get()).ok()?;
    node.fill(&["apiVersion"], api_version);
    node.fill(&["kind"], kind);
    if kind != "DaemonSet" {
        node.remove("status");
    }
    Some(Document { node })
}

/// What its controller made is told of by the controller.
fn is_own(document: &Document) -> bool {
    document.written().is_some_and(|written| !written.owned)
}
