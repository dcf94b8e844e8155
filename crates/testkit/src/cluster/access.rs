//! Users with few rights.

use super::{
    Cluster, manifests,
    start::{certificate_user, kubeconfig, write},
};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::path::PathBuf;

impl Cluster {
    /// A user `name` with the rights that the manifests in `rbac` give: they are applied, and every ClusterRole in them is bound
    /// to the user. Gives the path of the user's kubeconfig. In the audit log the user is called `name`.
    ///
    /// # Errors
    /// The manifests are not YAML or are refused.
    pub async fn user(&self, name: &str, rbac: &str) -> anyhow::Result<PathBuf> {
        let objects = manifests(rbac)?;
        self.apply(&objects).await?;
        let bindings: Vec<Value> = objects
            .iter()
            .filter(|object| object["kind"] == "ClusterRole")
            .map(|role| {
                let role = role["metadata"]["name"].as_str().unwrap_or_default();
                json!({
                    "apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "ClusterRoleBinding",
                    "metadata": {"name": format!("{name}:{role}")},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
                })
            })
            .collect();
        self.apply(&bindings).await?;
        let leaf = self.authority.leaf(name, None, &[])?;
        self.write_kubeconfig(name, &certificate_user(&leaf))
    }

    /// The path of a kubeconfig with a token of a ServiceAccount that exists.
    ///
    /// # Errors
    /// The API server gives no token.
    pub async fn service_account(&self, namespace: &str, name: &str) -> anyhow::Result<PathBuf> {
        let url = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}).to_string();
        let request = http::Request::post(url).header("content-type", "application/json").body(body.into_bytes())?;
        let subject = || format!("no token for service account {namespace}/{name}");
        let answer: Value = self.client.request(request).await.with_context(subject)?;
        let token = answer["status"]["token"].as_str().with_context(subject)?;
        self.write_kubeconfig(&format!("{namespace}-{name}"), &json!({ "token": token }))
    }

    fn write_kubeconfig(&self, name: &str, user: &Value) -> anyhow::Result<PathBuf> {
        let file = format!("user-{}.kubeconfig", name.replace([':', '/'], "-"));
        write(&self.path, &file, &kubeconfig(&self.server, &self.authority, user))?;
        Ok(self.path.join(file))
    }
}
