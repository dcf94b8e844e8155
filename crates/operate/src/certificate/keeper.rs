//! Keeps the certificate: a Secret that all replicas share, or files that somebody else keeps.

use super::{CertificateError, Life, Made, Served};
use crate::lease::Leader;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::{
    ByteString,
    api::{
        admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
        core::v1::Secret,
    },
};
use kube::{
    Api, Client, Resource,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Debug, path::PathBuf, sync::Arc, time::Duration};

/// The Secret's name.
pub const SECRET: &str = "plimsoll-webhook-tls";

/// How often it is looked at; sooner where certificates hold for minutes.
const LOOK: Duration = Duration::from_secs(10);

/// Looks of the beginning, one a second: who leads is not known at the first one, and until the API server has been told whom to trust
/// it asks nobody.
const FIRST_LOOKS: u32 = 30;

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub enum Keeper {
    /// Our own, in a Secret.
    Own(Own),
    /// Files that somebody else renews, as cert-manager does.
    Files {
        /// The certificate, PEM, with what it was signed by after it.
        certificate: PathBuf,
        /// Its key, PEM.
        key: PathBuf,
    },
}

/// A certificate of our own.
#[derive(Debug, Clone)]
pub struct Own {
    /// The Secret's namespace.
    pub namespace: String,
    /// The names by which the API server reaches the webhook.
    pub hosts: Vec<String>,
    /// How long certificates hold.
    pub life: Life,
    /// The webhook configurations whose CA bundle is kept.
    pub configuration: String,
}

impl Keeper {
    /// Keeps `served` up to date, for ever.
    pub async fn run(self, client: Client, leader: Leader, served: Arc<Served>) {
        let mut failed = String::new();
        let mut looks = 0_u32;
        loop {
            looks = looks.saturating_add(1);
            let (kept, look) = match &self {
                Self::Own(own) => (own.once(&client, &leader, &served).await, LOOK.min(own.life.leaf / 10)),
                Self::Files { certificate, key } => (files(certificate, key, &served).await, LOOK),
            };
            match kept {
                Ok(()) => failed.clear(),
                Err(error) => {
                    let says =
                        format!("{error}{}", std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default());
                    // Once is enough of what stays wrong.
                    if says != failed {
                        tracing::error!(error = says, "the certificate could not be looked after; tried again in a moment");
                        failed = says;
                    }
                }
            }
            let is_well = looks > FIRST_LOOKS && failed.is_empty() && served.holds(jiff::Timestamp::now().as_second());
            tokio::time::sleep(if is_well { look } else { look.min(Duration::from_secs(1)) }).await;
        }
    }
}

async fn files(certificate: &PathBuf, key: &PathBuf, served: &Served) -> Result<(), CertificateError> {
    let read = async |path: &PathBuf| {
        tokio::fs::read_to_string(path).await.map_err(|source| CertificateError::File { file: path.display().to_string(), source })
    };
    served.set(&read(certificate).await?, &read(key).await?)
}

impl Own {
    /// Reads the Secret, makes it where there is none, and, where this replica leads, what is due anew.
    async fn once(&self, client: &Client, leader: &Leader, served: &Served) -> Result<(), CertificateError> {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), &self.namespace);
        let what = || format!("the Secret {}/{SECRET}", self.namespace);
        let wrong = |source| CertificateError::Api { what: what(), source: Box::new(source) };
        let now = jiff::Timestamp::now().as_second();
        let found = secrets.get_opt(SECRET).await.map_err(wrong)?;
        let Some(secret) = found else {
            let made = Made::new(&self.hosts, now, self.life)?;
            match secrets.create(&PostParams::default(), &self.secret(&made, None)).await {
                Ok(_) => served.set(&made.certificate, &made.key)?,
                // Another replica was faster: its own is read the next time.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(wrong(error)),
            }
            return Ok(());
        };
        let mut made = parts(&secret);
        let is_usable = Self::use_unless_worse(&made, served, now);
        // Where nobody can be answered, who leads does not matter: the Secret's version lets one of them write it.
        if !leader.leads() && served.holds(now) {
            return Ok(());
        }
        let next = if is_usable { made.next(&self.hosts, now, self.life)? } else { Some(Made::new(&self.hosts, now, self.life)?) };
        if let Some(next) = next {
            // First it is trusted, then it is shown.
            self.tell(client, &next.bundle).await?;
            let version = secret.metadata.resource_version.clone();
            secrets.replace(SECRET, &PostParams::default(), &self.secret(&next, version)).await.map_err(wrong)?;
            served.set(&next.certificate, &next.key)?;
            tracing::info!(ends = served.ends(), "the certificate was made anew");
            made = next;
        }
        self.tell(client, &made.bundle).await
    }

    /// Shows the Secret's certificate, but for one that does not hold where the one in use does. False: it cannot be used.
    fn use_unless_worse(made: &Made, served: &Served, now: i64) -> bool {
        if !made.holds(now) && served.holds(now) {
            return true;
        }
        served.set(&made.certificate, &made.key).is_ok()
    }

    fn secret(&self, made: &Made, version: Option<String>) -> Secret {
        let entry = |key: &str, value: &str| (key.to_owned(), ByteString(value.as_bytes().to_vec()));
        Secret {
            metadata: ObjectMeta {
                name: Some(SECRET.to_owned()),
                namespace: Some(self.namespace.clone()),
                resource_version: version,
                labels: Some(BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), "plimsoll".to_owned())])),
                ..ObjectMeta::default()
            },
            type_: Some("kubernetes.io/tls".to_owned()),
            data: Some(BTreeMap::from([
                entry("ca.crt", &made.bundle),
                entry("ca.key", &made.authority_key),
                entry("tls.crt", &made.certificate),
                entry("tls.key", &made.key),
            ])),
            ..Secret::default()
        }
    }

    /// Tells the API server whom to trust, where it does not know.
    async fn tell(&self, client: &Client, bundle: &str) -> Result<(), CertificateError> {
        let bundle = STANDARD.encode(bundle);
        tell_one::<ValidatingWebhookConfiguration>(client, &self.configuration, &bundle).await?;
        tell_one::<MutatingWebhookConfiguration>(client, &self.configuration, &bundle).await
    }
}

async fn tell_one<K>(client: &Client, name: &str, bundle: &str) -> Result<(), CertificateError>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::ClusterResourceScope> + Clone + Debug + DeserializeOwned + serde::Serialize,
{
    let api: Api<K> = Api::all(client.clone());
    let wrong = |source| CertificateError::Api { what: format!("the {} {name}", K::kind(&())), source: Box::new(source) };
    let Some(configuration) = api.get_opt(name).await.map_err(wrong)? else { return Ok(()) };
    let configuration = serde_json::to_value(&configuration).unwrap_or_default();
    let of = |webhook: &Value| webhook["clientConfig"]["caBundle"].as_str().map(str::to_owned);
    let stale: Vec<Value> = configuration["webhooks"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|webhook| of(webhook).as_deref() != Some(bundle))
        .map(|webhook| json!({ "name": webhook["name"], "clientConfig": { "caBundle": bundle } }))
        .collect();
    if !stale.is_empty() {
        let patch = Patch::Strategic(json!({ "webhooks": stale }));
        api.patch(name, &PatchParams::default(), &patch).await.map_err(wrong)?;
        tracing::info!(kind = %K::kind(&()), name, "its CA bundle was brought up to date");
    }
    Ok(())
}

/// What a Secret holds; what is missing is empty, and made anew.
fn parts(secret: &Secret) -> Made {
    let text = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        bytes.map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned()).unwrap_or_default()
    };
    Made { bundle: text("ca.crt"), authority_key: text("ca.key"), certificate: text("tls.crt"), key: text("tls.key") }
}
