//! What a watch has not brought yet, and an object names: it is asked for, once.

use super::seen::Seen;
use kube::{Api, Client, api::ApiResource};
use plimsoll_decide::guard::Siblings;
use plimsoll_fleet::{
    Name,
    written::{ClaimSource, Written},
};
use plimsoll_observe::manifest;
use std::{sync::Arc, time::Duration};

/// How long the API server may take for all of it.
const CALLS_MAX: Duration = Duration::from_secs(1);

/// Most objects that are asked for in one review.
const ASKED_MAX: usize = 8;

/// `siblings`, with the labels of the object's namespace and with the claims that it names, where those were made a moment ago.
/// What the API server does not have, or does not tell in time, stays unknown.
pub(super) async fn with_missing(siblings: Arc<Siblings>, client: Option<&Client>, object: &Written) -> Arc<Siblings> {
    let Some(client) = client else { return siblings };
    let missing = missing(&siblings, object);
    if missing.is_empty() {
        return siblings;
    }
    let ask = async {
        let mut all = Siblings::clone(&siblings);
        for (resource, name) in missing {
            let api: Api<Seen> = if resource.kind == "Namespace" {
                Api::all_with(client.clone(), &resource)
            } else {
                Api::namespaced_with(client.clone(), &object.namespace, &resource)
            };
            if let Ok(Some(seen)) = api.get_opt(&name).await {
                all.add(&manifest::written(&resource.api_version, &resource.kind, &seen.node));
            }
        }
        Arc::new(all)
    };
    tokio::time::timeout(CALLS_MAX, ask).await.unwrap_or(siblings)
}

fn missing(siblings: &Siblings, object: &Written) -> Vec<(ApiResource, Name)> {
    let namespace = &object.namespace;
    let resource = |group: &str, kind: &str, plural: &str| ApiResource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        api_version: if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") },
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    };
    let mut missing = Vec::new();
    if !namespace.is_empty() && siblings.labels_of(namespace).is_none() {
        missing.push((resource("", "Namespace", "namespaces"), namespace.clone()));
    }
    for claim in object.templates.iter().flat_map(|template| &template.claims) {
        match &claim.source {
            Some(ClaimSource::Claim(name)) if siblings.claim(namespace, name).is_none() => {
                missing.push((resource("resource.k8s.io", "ResourceClaim", "resourceclaims"), name.clone()));
            }
            Some(ClaimSource::Template(name)) if siblings.claim_template(namespace, name).is_none() => {
                missing.push((resource("resource.k8s.io", "ResourceClaimTemplate", "resourceclaimtemplates"), name.clone()));
            }
            _ => {}
        }
    }
    missing.truncate(ASKED_MAX);
    missing
}
