//! To the API server, the way kubectl goes: a kubeconfig that is named, `$KUBECONFIG`, `~/.kube/config`, the pod's service account.

use super::{
    error::ObserveError,
    list::{Failure, Reader},
};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use plimsoll_fleet::Name;
use std::{io::ErrorKind, path::PathBuf, time::Duration};

/// Longest wait for a connection. A cluster behind a slow VPN answers within a second or two.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How the API server's audit log names us.
const USER_AGENT: &str = concat!("plimsoll/", env!("CARGO_PKG_VERSION"));

/// Which cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectOptions {
    /// The kubeconfig; none: `$KUBECONFIG`, `~/.kube/config`, or the pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; none: the current one.
    pub context: Option<String>,
}

/// A cluster that answers.
#[derive(Clone)]
pub struct Connection {
    /// The client.
    pub client: Client,
    /// The cluster's name as the user knows it: the context. None in a pod.
    pub cluster: Option<Name>,
}

/// Connects, and makes sure that the API server answers.
///
/// # Errors
/// No kubeconfig, an unknown context, credentials that cannot be used or are refused, a server that does not answer.
pub async fn connect(options: &ConnectOptions) -> Result<Connection, ObserveError> {
    crate::install_crypto();
    let (mut config, cluster) = config(options).await?;
    config.connect_timeout = Some(CONNECT_MAX);
    // Retries are our own: they honour Retry-After.
    config.default_retry = false;
    config.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static(USER_AGENT)));
    let url = config.cluster_url.to_string();
    let client = Client::try_from(config).map_err(|source| ObserveError::Credentials { url: url.clone(), source: Box::new(source) })?;
    match Reader::new(&client).get_once("/version").await {
        Err(Failure::Status { code: 401, message, .. }) => Err(ObserveError::Unauthorized { message }),
        Err(Failure::Client(kube::Error::Auth(source))) => {
            Err(ObserveError::Credentials { url, source: Box::new(kube::Error::Auth(source)) })
        }
        Err(failure @ (Failure::Client(_) | Failure::TimedOut)) => Err(ObserveError::Unreachable { url, source: Box::new(failure) }),
        // Any other answer is an answer.
        Ok(_) | Err(_) => Ok(Connection { client, cluster }),
    }
}

async fn config(options: &ConnectOptions) -> Result<(Config, Option<Name>), ObserveError> {
    let path = options.kubeconfig.clone();
    let wrong = |source| ObserveError::Kubeconfig { path: path.clone(), source: Box::new(source) };
    let kubeconfig = match &options.kubeconfig {
        Some(path) => Kubeconfig::read_from(path).map_err(wrong)?,
        None => match Kubeconfig::read() {
            Ok(kubeconfig) => kubeconfig,
            Err(error) if is_absent(&error) => return in_cluster(options),
            Err(error) => return Err(wrong(error)),
        },
    };
    let known: Vec<String> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    let asked = options.context.clone().or_else(|| kubeconfig.current_context.clone()).filter(|context| !context.is_empty());
    let Some(context) = asked else { return Err(ObserveError::NoContext { known }) };
    if !known.contains(&context) {
        return Err(ObserveError::UnknownContext { context, known });
    }
    let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(wrong)?;
    Ok((config, Some(context.into())))
}

fn is_absent(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(error, _) => error.kind() == ErrorKind::NotFound,
        _ => false,
    }
}

fn in_cluster(options: &ConnectOptions) -> Result<(Config, Option<Name>), ObserveError> {
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_none() {
        return Err(ObserveError::NoCluster);
    }
    if let Some(context) = &options.context {
        return Err(ObserveError::UnknownContext { context: context.clone(), known: Vec::new() });
    }
    let config = Config::incluster().map_err(|source| ObserveError::InCluster { source: Box::new(source) })?;
    Ok((config, None))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    async fn refusal(text: &str, context: Option<&str>) -> String {
        let (_folder, path) = written(text);
        let options = ConnectOptions { kubeconfig: Some(path), context: context.map(str::to_owned) };
        connect(&options).await.err().unwrap().to_string()
    }

    const GOOD: &str = "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts:\n- {name: a, context: {cluster: c, user: u}}\n\
        clusters:\n- {name: c, cluster: {server: 'http://127.0.0.1:1'}}\nusers:\n- {name: u, user: {token: t}}\n";

    #[tokio::test]
    async fn every_wrong_kubeconfig_says_what_to_do() {
        assert!(refusal("{", None).await.contains("kubectl config view"));
        let message = refusal(GOOD, Some("b")).await;
        assert!(message.contains("no context `b`") && message.contains("It has: a") && message.contains("--context"), "{message}");
        assert!(refusal("apiVersion: v1\nkind: Config\n", None).await.contains("no current context"));
        let message = refusal(GOOD, None).await;
        assert!(message.contains("http://127.0.0.1:1") && message.contains("does not answer"), "{message}");
        let gone = ConnectOptions { kubeconfig: Some("/nowhere/config".into()), context: None };
        assert!(connect(&gone).await.err().unwrap().to_string().contains("/nowhere/config"));
    }
}
