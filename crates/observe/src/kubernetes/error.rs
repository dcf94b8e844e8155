//! What ends an observation of a cluster. Everything less is an `Unseen` of the fleet.

use std::path::PathBuf;

/// A cluster could not be observed at all.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// There is no kubeconfig, and this is no pod.
    #[error(
        "no cluster to look at: neither --kubeconfig, nor $KUBECONFIG, nor ~/.kube/config leads to a kubeconfig, and this is not a pod \
         in a cluster. Give --kubeconfig FILE"
    )]
    NoCluster,
    /// A kubeconfig that cannot be read or understood.
    #[error("the kubeconfig {} cannot be used. Check it with `kubectl config view`", place(.path.as_ref()))]
    Kubeconfig {
        /// The file that the user named; none: that of $KUBECONFIG or the default.
        path: Option<PathBuf>,
        /// What is wrong.
        source: Box<kube::config::KubeconfigError>,
    },
    /// A context that the kubeconfig has not.
    #[error("the kubeconfig has no context `{context}`. It has: {}. Choose one with --context", names(.known))]
    UnknownContext {
        /// The one asked for.
        context: String,
        /// Those it has.
        known: Vec<String>,
    },
    /// No context was asked for, and none is current.
    #[error("the kubeconfig has no current context. It has: {}. Choose one with --context, or `kubectl config use-context NAME`", names(.known))]
    NoContext {
        /// Those it has.
        known: Vec<String>,
    },
    /// The service account of the pod cannot be used.
    #[error("the pod's service account cannot be used: is automountServiceAccountToken off?")]
    InCluster {
        /// What is wrong.
        source: Box<kube::config::InClusterError>,
    },
    /// Certificates, keys or a login program that cannot be used.
    #[error("no connection to {url} can be set up from these credentials. Does `kubectl get nodes` work with the same context?")]
    Credentials {
        /// The API server.
        url: String,
        /// What is wrong.
        source: Box<kube::Error>,
    },
    /// The API server does not answer.
    #[error("the API server {url} does not answer. Is the address right, and is a VPN or tunnel needed? Try `kubectl version`")]
    Unreachable {
        /// The API server.
        url: String,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The API server does not know the user.
    #[error("the API server refused the credentials (401): {message}. They have expired or are wrong: log in to the cluster again")]
    Unauthorized {
        /// The server's word.
        message: String,
    },
    /// Neither nodes nor pods can be listed.
    #[error(
        "neither nodes nor pods can be listed, so there is nothing to say: {nodes}; {pods}. Grant the least role that is needed: \
         kubectl apply -f deploy/rbac.yaml"
    )]
    NothingReadable {
        /// Why nodes cannot.
        nodes: String,
        /// Why pods cannot.
        pods: String,
    },
    /// A text that is neither JSON nor YAML of Kubernetes objects.
    #[error("these are no Kubernetes objects, as JSON or YAML: {why}")]
    Manifest {
        /// What is wrong, with its place.
        why: String,
    },
}

fn place(path: Option<&PathBuf>) -> String {
    path.map_or_else(|| "($KUBECONFIG, or ~/.kube/config)".to_owned(), |path| path.display().to_string())
}

fn names(known: &[String]) -> String {
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}
