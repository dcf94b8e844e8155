//! Putting objects in.

use super::Cluster;
use anyhow::{Context as _, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
    discovery::{self, Scope},
};
use serde_json::{Value, json};

/// How many objects are created at once.
const AT_ONCE: usize = 16;

/// The objects in a text of YAML (one or more documents; a `List` is taken apart; empty documents are left out).
///
/// # Errors
/// The text is not YAML.
pub fn manifests(text: &str) -> anyhow::Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).context("the manifests are not YAML")?;
    let lists = documents.into_iter().filter(|document| !document.is_null());
    Ok(lists
        .flat_map(|document| match document["items"].as_array() {
            Some(items) if document["kind"] == "List" => items.clone(),
            _ => vec![document],
        })
        .collect())
}

impl Cluster {
    /// Creates objects, in order of their list (alike ones at once), with their status where they have one. An object that
    /// exists is changed to what is given. Gives the objects as the API server has them.
    ///
    /// # Errors
    /// The API server refuses one of them: which, and why.
    pub async fn apply(&self, objects: &[Value]) -> anyhow::Result<Vec<DynamicObject>> {
        let mut created = Vec::with_capacity(objects.len());
        for alike in objects.chunk_by(|a, b| (&a["apiVersion"], &a["kind"]) == (&b["apiVersion"], &b["kind"])) {
            let batch = stream::iter(alike.iter().map(|object| self.apply_one(object))).buffered(AT_ONCE);
            created.extend(batch.try_collect::<Vec<_>>().await?);
        }
        Ok(created)
    }

    /// Creates the objects of a text of YAML, as [`Cluster::apply`] does.
    ///
    /// # Errors
    /// The text is not YAML, or the API server refuses one of them.
    pub async fn apply_yaml(&self, text: &str) -> anyhow::Result<Vec<DynamicObject>> {
        self.apply(&manifests(text)?).await
    }

    async fn apply_one(&self, object: &Value) -> anyhow::Result<DynamicObject> {
        let subject = format!("{} {}/{}", object["kind"], object["metadata"]["namespace"], object["metadata"]["name"]).replace('"', "");
        let api = self.api_of(object).await.with_context(|| subject.clone())?;
        let mut wanted: DynamicObject = serde_json::from_value(object.clone()).with_context(|| format!("{subject} is not an object"))?;
        // Only a node keeps the status that it is created with.
        let status = (object["kind"] != "Node").then(|| wanted.data.as_object_mut()?.remove("status")).flatten();
        let created = self
            .wait_for(&format!("the API server to take {subject}"), async || match api.create(&PostParams::default(), &wanted).await {
                Ok(created) => Ok(Some(Ok(created))),
                Err(kube::Error::Api(refusal)) if refusal.code == 409 && refusal.reason == "AlreadyExists" => {
                    let name = wanted.metadata.name.as_deref().context("an object that exists has a name")?;
                    Ok(Some(api.patch(name, &PatchParams::default(), &Patch::Merge(&wanted)).await))
                }
                // A new namespace has no service account for a moment, and no new namespace is known everywhere at once.
                Err(kube::Error::Api(refusal)) if refusal.code == 403 && refusal.message.contains("serviceaccount") => Ok(None),
                Err(other) => Ok(Some(Err(other))),
            })
            .await?
            .with_context(|| format!("the API server refuses {subject}"))?;
        let Some(status) = status else { return Ok(created) };
        let name = created.metadata.name.as_deref().context("a created object has a name")?;
        let patch = Patch::Merge(json!({ "status": status }));
        api.patch_status(name, &PatchParams::default(), &patch)
            .await
            .with_context(|| format!("the API server refuses the status of {subject}"))
    }

    /// The API of an object's kind, in its namespace (`default` where it names none).
    async fn api_of(&self, object: &Value) -> anyhow::Result<Api<DynamicObject>> {
        let (Some(version), Some(kind)) = (object["apiVersion"].as_str(), object["kind"].as_str()) else {
            bail!("an object has an apiVersion and a kind")
        };
        let (resource, namespaced) = self.resource(version, kind).await?;
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        Ok(if namespaced { Api::namespaced_with(self.client(), namespace, &resource) } else { Api::all_with(self.client(), &resource) })
    }

    /// What the API server calls a kind, and whether it is namespaced. Waits for a kind that is still being installed.
    async fn resource(&self, version: &str, kind: &str) -> anyhow::Result<(ApiResource, bool)> {
        let key = format!("{version} {kind}");
        if let Some(known) = self.kinds.lock().expect("no holder of this lock panics").get(&key) {
            return Ok(known.clone());
        }
        let (group, short) = version.rsplit_once('/').unwrap_or(("", version));
        let kind = GroupVersionKind::gvk(group, short, kind);
        let found = self
            .wait_for(&format!("the kind {key}"), async || {
                let (resource, capabilities) = discovery::pinned_kind(&self.client, &kind).await?;
                Ok(Some((resource, capabilities.scope == Scope::Namespaced)))
            })
            .await?;
        self.kinds.lock().expect("no holder of this lock panics").insert(key, found.clone());
        Ok(found)
    }
}
