//! The webhook configurations: what tells the API server to ask. The chart has its own; `--register` makes these.

use super::kinds::asked;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

/// Where the API server reaches the webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// By a Service of that name, in the webhook's namespace.
    Service(String),
    /// By an address: outside of a cluster.
    Url(String),
}

/// What the API server does where no replica answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailurePolicy {
    /// It lets in.
    Ignore,
    /// It refuses.
    Fail,
}

/// How the configurations are made.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Their name.
    pub name: String,
    /// The webhook's namespace, which is never asked about.
    pub namespace: String,
    /// Where it is reached.
    pub reached: Reached,
    /// For validation. Mutation is always let in.
    pub failure_policy: FailurePolicy,
    /// Namespaces that it is not asked about besides.
    pub except: Vec<String>,
}

/// Namespaces that it is never asked about, beside its own: what the cluster needs to come up.
pub const NEVER_ASKED: [&str; 2] = ["kube-system", "kube-node-lease"];

/// How long the API server waits. Reviews take a fraction of a millisecond, and some more where GPUs are booked.
const TIMEOUT_S: u32 = 5;

impl Registration {
    /// Makes them, or brings them up to date. Their CA bundle is left to who keeps the certificate.
    ///
    /// # Errors
    /// What the API server refuses.
    pub async fn apply(&self, client: &Client) -> Result<(), kube::Error> {
        let parameters = PatchParams::apply("plimsoll-webhook-registration").force();
        let validating: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
        validating.patch(&self.name, &parameters, &Patch::Apply(self.validating())).await?;
        let mutating: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
        mutating.patch(&self.name, &parameters, &Patch::Apply(self.mutating())).await?;
        Ok(())
    }

    /// The ValidatingWebhookConfiguration.
    #[must_use]
    pub fn validating(&self) -> Value {
        let policy = match self.failure_policy {
            FailurePolicy::Ignore => "Ignore",
            FailurePolicy::Fail => "Fail",
        };
        self.configuration("ValidatingWebhookConfiguration", "validate", policy, &["CREATE", "UPDATE"])
    }

    /// The MutatingWebhookConfiguration.
    #[must_use]
    pub fn mutating(&self) -> Value {
        let mut configuration = self.configuration("MutatingWebhookConfiguration", "mutate", "Ignore", &["CREATE", "UPDATE"]);
        configuration["webhooks"][0]["reinvocationPolicy"] = "IfNeeded".into();
        configuration
    }

    fn configuration(&self, kind: &str, path: &str, failure_policy: &str, operations: &[&str]) -> Value {
        let client = match &self.reached {
            Reached::Service(name) => {
                json!({ "service": { "name": name, "namespace": self.namespace, "path": format!("/{path}"), "port": 443 } })
            }
            Reached::Url(url) => json!({ "url": format!("{}/{path}", url.trim_end_matches('/')) }),
        };
        let rules: Vec<Value> = asked()
            .into_iter()
            .map(|(group, resources)| {
                json!({ "apiGroups": [group], "apiVersions": ["*"], "operations": operations, "resources": resources, "scope": "*" })
            })
            .collect();
        let own = self.except.iter().chain([&self.namespace]).map(String::as_str);
        let never: Vec<&str> = NEVER_ASKED.into_iter().chain(own).collect();
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": { "name": self.name, "labels": { "app.kubernetes.io/managed-by": "plimsoll" } },
            "webhooks": [{
                "name": format!("{path}.plimsoll.dev"),
                "admissionReviewVersions": ["v1"],
                "sideEffects": "NoneOnDryRun",
                "matchPolicy": "Equivalent",
                "failurePolicy": failure_policy,
                "timeoutSeconds": TIMEOUT_S,
                "clientConfig": client,
                "rules": rules,
                // Neither itself nor what the cluster needs to come up is ever waited for.
                "namespaceSelector": { "matchExpressions": [
                    { "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": never },
                ] },
                // A kubelet changes its pods' metadata all day long, and never what they ask for.
                "matchConditions": [{ "name": "not-a-node", "expression": "!('system:nodes' in request.userInfo.groups)" }],
            }],
        })
    }
}
