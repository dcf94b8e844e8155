//! The API server asked about objects: would it take them, and what do its policies say?

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, PostParams},
    client::Body,
    core::Request,
};
use plimsoll_testkit::{Cluster, corpus};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How many are asked about at once.
const AT_ONCE: usize = 16;

/// Kinds that every API server has.
const KINDS: [(&str, &str, &str); 13] = [
    ("v1", "Pod", "pods"),
    ("v1", "PodTemplate", "podtemplates"),
    ("v1", "ReplicationController", "replicationcontrollers"),
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("apps/v1", "ReplicaSet", "replicasets"),
    ("apps/v1", "DaemonSet", "daemonsets"),
    ("batch/v1", "Job", "jobs"),
    ("batch/v1", "CronJob", "cronjobs"),
    ("resource.k8s.io/v1", "ResourceClaim", "resourceclaims"),
    ("resource.k8s.io/v1", "ResourceClaimTemplate", "resourceclaimtemplates"),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
];

/// What became of an object.
#[derive(Debug)]
pub enum Answer {
    /// Policies were asked: the rules that they say are broken, and whether it was refused.
    Judged { broken: BTreeSet<String>, refused: bool },
    /// It was refused for another reason, or its kind is not known.
    Otherwise,
}

pub struct Server<'a> {
    cluster: &'a Cluster,
}

impl<'a> Server<'a> {
    pub fn new(cluster: &'a Cluster) -> Self {
        Self { cluster }
    }

    /// Puts policies in as they were exported, and binds each once more, to warn: a refusal names one rule, warnings name them all.
    /// With `example`, they are asked about objects with that label alone. Ready when they are in force.
    pub async fn bind(&self, documents: &[Value], example: Option<&str>) -> anyhow::Result<()> {
        let mut objects = Vec::new();
        for document in documents {
            let mut document = document.clone();
            if let Some(example) = example {
                let name = format!("{}-{example}", document["metadata"]["name"].as_str().unwrap_or_default());
                document["metadata"]["name"] = json!(name);
                if document["kind"] == "ValidatingAdmissionPolicyBinding" {
                    document["spec"]["policyName"] = json!(name);
                    document["spec"]["matchResources"] = json!({"objectSelector": {"matchLabels": {"example": example}}});
                }
            }
            if document["kind"] == "ValidatingAdmissionPolicyBinding" {
                let mut warning = document.clone();
                warning["metadata"]["name"] = json!(format!("{}-told", document["metadata"]["name"].as_str().unwrap_or_default()));
                warning["spec"]["validationActions"] = json!(["Warn"]);
                objects.push(warning);
            }
            objects.push(document);
        }
        objects.sort_by_key(|object| object["kind"].as_str().map(str::len));
        self.cluster.apply(&objects).await?;
        let probe = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": "default"},
            "spec": {"containers": [{"name": "a", "image": "a", "resources": {"limits": {"nvidia.com/gpu": 9}}}]},
        });
        if example.is_none() {
            self.cluster
                .wait_for("the policies to be in force", async || match self.ask(&probe).await? {
                    Answer::Judged { refused: true, .. } => Ok(Some(())),
                    _ => Ok(None),
                })
                .await?;
        }
        Ok(())
    }

    /// What the API server's own look at the types in all policies has to say, once it has looked.
    pub async fn type_warnings(&self) -> anyhow::Result<Vec<String>> {
        let policies: Api<ValidatingAdmissionPolicy> = Api::all(self.cluster.client());
        let looked = async || {
            let mut warnings = Vec::new();
            for policy in policies.list(&ListParams::default()).await? {
                let name = policy.name_any();
                let Some(checking) = policy.status.and_then(|status| status.type_checking) else { return Ok(None) };
                let told = checking.expression_warnings.unwrap_or_default().into_iter();
                warnings.extend(told.map(|told| format!("{name}: {}: {}", told.field_ref, told.warning)));
            }
            Ok(Some(warnings))
        };
        self.cluster.wait_for("the policies' types to be looked at", looked).await
    }

    pub async fn namespaces(&self) -> anyhow::Result<Vec<Value>> {
        let request = Request::new("/api/v1/namespaces").list(&kube::api::ListParams::default())?;
        let list: Value = self.cluster.client().request(request).await?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    pub async fn ask_all(&self, objects: &[Value]) -> anyhow::Result<Vec<Answer>> {
        stream::iter(objects.iter().map(|object| self.ask(object))).buffered(AT_ONCE).try_collect().await
    }

    /// What becomes of all of them, as [`Server::send`] tells it.
    pub async fn send_all(&self, objects: &[Value]) -> anyhow::Result<Vec<Option<(Vec<String>, StatusCode, Value)>>> {
        stream::iter(objects.iter().map(|object| self.send(object))).buffered(AT_ONCE).try_collect().await
    }

    /// Would the API server take it? Nothing is made. Its warnings, its status and its answer; none: the object's kind is not known.
    pub async fn send(&self, object: &Value) -> anyhow::Result<Option<(Vec<String>, StatusCode, Value)>> {
        let Some(url) = url(object) else { return Ok(None) };
        let params = PostParams { dry_run: true, field_manager: None };
        // A new namespace has no service account for a moment.
        let answered = self
            .cluster
            .wait_for("the API server's answer", async || {
                let request = Request::new(&url).create(&params, serde_json::to_vec(object)?)?;
                let response = self.cluster.client().send(request.map(Body::from)).await.context("the API server does not answer")?;
                let warnings: Vec<String> = response
                    .headers()
                    .get_all("warning")
                    .iter()
                    .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                    .collect();
                let status = response.status();
                let answer: Value = serde_json::from_slice(&response.into_body().collect_bytes().await?)?;
                let early = answer["message"].as_str().is_some_and(|message| message.contains("serviceaccount"));
                Ok((!early).then_some((warnings, status, answer)))
            })
            .await?;
        Ok(Some(answered))
    }

    /// What do policies say of it?
    pub async fn ask(&self, object: &Value) -> anyhow::Result<Answer> {
        let Some((warnings, status, answer)) = self.send(object).await? else { return Ok(Answer::Otherwise) };
        let mut broken = BTreeSet::new();
        for warning in warnings.iter().filter(|warning| warning.contains("ValidatingAdmissionPolicy")) {
            let told = warning.split_once("-told': ").map(|(_, told)| told).unwrap_or_default();
            let rule = told.split_once(": ").map(|(rule, _)| rule).unwrap_or_default();
            anyhow::ensure!(plimsoll_decide::guard::rules::named(rule).is_some(), "no rule's words: {warning} of {object}");
            broken.insert(rule.to_owned());
        }
        let message = answer["message"].as_str().unwrap_or_default();
        if status.is_success() {
            return Ok(Answer::Judged { broken, refused: false });
        }
        if message.contains("ValidatingAdmissionPolicy") {
            return Ok(Answer::Judged { broken, refused: true });
        }
        Ok(Answer::Otherwise)
    }
}

fn url(object: &Value) -> Option<String> {
    let (version, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
    let known = KINDS.iter().map(|&(version, kind, plural)| (version.to_owned(), kind, plural));
    let learned = corpus::CRDS.iter().map(|&(group, version, kind, plural)| (format!("{group}/{version}"), kind, plural));
    let (version, _, plural) = known.chain(learned).find(|(is, of, _)| is == version && *of == kind)?;
    let root = if version.contains('/') { "apis" } else { "api" };
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
    Some(format!("/{root}/{version}/namespaces/{namespace}/{plural}"))
}
