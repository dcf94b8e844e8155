//! Where a cluster's metrics store is: told, or found among its Services.

use super::{Endpoint, PrometheusError, PrometheusOptions, answer};
use k8s_openapi::api::core::v1::Service;
use kube::{Api, Client, api::ListParams};
use std::time::Duration;

/// More Services that look like a store are not asked.
const CANDIDATES_MAX: usize = 8;
/// Services of one page.
const PAGE: u32 = 500;
/// A store that is there answers a tiny question within this.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// What kind of store a Service leads to; the first is preferred. The cluster's own Prometheus comes before the stores that
/// join many clusters, because those hold other clusters' nodes too; it says itself how short its memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Prometheus,
    /// The headless Service of the Prometheus operator.
    Operated,
    VictoriaSingle,
    ThanosFrontend,
    Thanos,
    VictoriaSelect,
    Mimir,
}

impl Kind {
    /// From a Service's name and its label `app.kubernetes.io/name` (or the older `app`).
    fn of(name: &str, labelled: &str, is_operated: bool) -> Option<Self> {
        let is = |wanted: &str| labelled == wanted || name == wanted;
        // Exporters, adapters, operators and webhooks carry the same family name.
        let is_helper = ["exporter", "operator", "adapter", "alertmanager", "pushgateway", "webhook", "gossip", "headless", "agent"]
            .iter()
            .any(|helper| name.contains(helper));
        if is_operated || is("prometheus-operated") {
            return Some(Self::Operated);
        }
        if is_helper {
            return None;
        }
        match () {
            () if is("thanos-query-frontend") || name.ends_with("thanos-query-frontend") => Some(Self::ThanosFrontend),
            () if is("thanos-query") || name.ends_with("thanos-query") || is("thanos-querier") => Some(Self::Thanos),
            () if is("vmsingle") || name.starts_with("vmsingle") || is("victoria-metrics-single-server") => Some(Self::VictoriaSingle),
            () if is("vmselect") || name.starts_with("vmselect") => Some(Self::VictoriaSelect),
            () if name.contains("mimir") && (name.ends_with("query-frontend") || name.ends_with("nginx") || name.ends_with("gateway")) => {
                Some(Self::Mimir)
            }
            () if is("prometheus") || is("prometheus-server") || is("prometheus-k8s") => Some(Self::Prometheus),
            () if name.ends_with("-prometheus")
                || name.ends_with("prometheus-server")
                || labelled == "kube-prometheus-stack-prometheus" =>
            {
                Some(Self::Prometheus)
            }
            () => None,
        }
    }

    /// What stands before `/api/v1`.
    fn prefix(self) -> &'static str {
        match self {
            Self::Mimir => "/prometheus",
            Self::VictoriaSelect => "/select/0/prometheus",
            _ => "",
        }
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    kind: Kind,
    namespace: String,
    service: String,
    /// The proxy path, without the API's own.
    path: String,
}

fn candidate(service: &Service) -> Option<Candidate> {
    let name = service.metadata.name.as_deref()?;
    let namespace = service.metadata.namespace.as_deref()?;
    let label = |key: &str| service.metadata.labels.as_ref().and_then(|labels| labels.get(key)).map_or("", String::as_str);
    let labelled = [label("app.kubernetes.io/name"), label("app")].into_iter().find(|label| !label.is_empty()).unwrap_or("");
    let kind = Kind::of(name, labelled, label("operated-prometheus") == "true")?;
    let ports = service.spec.as_ref()?.ports.as_ref()?;
    let known_name = |port: &str| ["web", "http-web", "http", "http-query", "query", "http-metrics"].iter().position(|name| *name == port);
    let known_number = |port: i32| [9090, 9009, 10_902, 8_428, 8_481, 80, 8_080].iter().position(|number| *number == port);
    let port = ports.iter().filter(|port| port.protocol.as_deref().unwrap_or("TCP") == "TCP").min_by_key(|port| {
        let by_name = port.name.as_deref().and_then(known_name).unwrap_or(usize::MAX);
        (by_name, known_number(port.port).unwrap_or(usize::MAX), port.port)
    })?;
    let is_tls = port.name.as_deref().is_some_and(|name| name.contains("https")) || matches!(port.port, 443 | 8_443);
    let scheme = if is_tls { "https" } else { "http" };
    let path = format!("/api/v1/namespaces/{namespace}/services/{scheme}:{name}:{}/proxy{}", port.port, kind.prefix());
    Some(Candidate { kind, namespace: namespace.to_owned(), service: name.to_owned(), path })
}

/// The metrics store: at the address of `options`, else the first in the cluster that answers, one with DCGM metrics before others.
///
/// # Errors
/// The address or its settings cannot be used; Services cannot be listed; none is found.
pub async fn find(options: &PrometheusOptions, cluster: Option<&Client>) -> Result<Endpoint, PrometheusError> {
    if let Some(url) = &options.url {
        return Endpoint::direct(url, options).await;
    }
    let Some(client) = cluster else { return Err(PrometheusError::NotFound { looked_at: Vec::new() }) };
    let mut candidates = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let listed = Api::<Service>::all(client.clone()).list(&page).await;
        let list = listed.map_err(|source| PrometheusError::Services { source: source.into() })?;
        candidates.extend(list.items.iter().filter_map(candidate));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    candidates.sort();
    candidates.truncate(CANDIDATES_MAX);
    let mut looked_at = Vec::new();
    let mut answers = None;
    for candidate in candidates {
        let name = format!("service {}/{}", candidate.namespace, candidate.service);
        let endpoint = Endpoint::proxied(client.clone(), &candidate.path, &name, options);
        match has_gpus(&endpoint).await {
            Ok(true) => return Ok(endpoint),
            Ok(false) => {
                answers.get_or_insert(endpoint);
            }
            Err(why) => looked_at.push(format!("{name}: {why}")),
        }
    }
    // One without GPU metrics is better than none: the report then says that the exporter is not scraped.
    answers.ok_or(PrometheusError::NotFound { looked_at })
}

/// Does the store answer, and does it hold DCGM metrics now?
async fn has_gpus(endpoint: &Endpoint) -> Result<bool, String> {
    let form = [("query", "count({__name__=~\"DCGM_FI_DEV_.+\"})")];
    let asked = endpoint.ask_once("/api/v1/query", &form);
    let body = tokio::time::timeout(PROBE_TIMEOUT, asked).await.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())?;
    let mut found = false;
    answer::series(&body, &mut |_, _, points| found |= !points.is_empty()).map_err(|error| error.to_string())?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use k8s_openapi::api::core::v1::{ServicePort, ServiceSpec};

    fn service(name: &str, label: &str, ports: &[(&str, i32)]) -> Service {
        let mut service = Service::default();
        service.metadata.name = Some(name.into());
        service.metadata.namespace = Some("monitoring".into());
        service.metadata.labels = Some([("app.kubernetes.io/name".to_owned(), label.to_owned())].into());
        let ports = ports.iter().map(|(name, port)| ServicePort { name: Some((*name).into()), port: *port, ..ServicePort::default() });
        service.spec = Some(ServiceSpec { ports: Some(ports.collect()), ..ServiceSpec::default() });
        service
    }

    #[test]
    fn the_usual_charts_are_found_and_their_helpers_are_not() {
        let path = |name, label, ports: &[_]| candidate(&service(name, label, ports)).map(|candidate| candidate.path);
        let proxy = |tail: &str| Some(format!("/api/v1/namespaces/monitoring/services/{tail}"));
        let stack = path("kube-prometheus-stack-prometheus", "", &[("reloader-web", 8080), ("http-web", 9090)]);
        assert_eq!(stack, proxy("http:kube-prometheus-stack-prometheus:9090/proxy"));
        assert_eq!(path("prometheus-server", "prometheus", &[("http", 80)]), proxy("http:prometheus-server:80/proxy"));
        assert_eq!(path("mimir-nginx", "mimir", &[("http-metric", 80)]), proxy("http:mimir-nginx:80/proxy/prometheus"));
        assert_eq!(path("vmselect-vm", "vmselect", &[("http", 8481)]), proxy("http:vmselect-vm:8481/proxy/select/0/prometheus"));
        for (name, label) in
            [("prometheus-node-exporter", "prometheus-node-exporter"), ("kube-prometheus-stack-operator", ""), ("web", "web")]
        {
            assert_eq!(path(name, label, &[("http", 80)]), None, "{name}");
        }
    }

    #[test]
    fn the_clusters_own_prometheus_comes_first() {
        let mut found: Vec<_> = [("thanos-query", "thanos-query"), ("prometheus-operated", ""), ("prometheus-k8s", "prometheus")]
            .iter()
            .filter_map(|(name, label)| candidate(&service(name, label, &[("web", 9090)])))
            .collect();
        found.sort();
        let names: Vec<_> = found.iter().map(|candidate| candidate.service.as_str()).collect();
        assert_eq!(names, ["prometheus-k8s", "prometheus-operated", "thanos-query"]);
    }
}
