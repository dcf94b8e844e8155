//! The exporters of the planted cluster.

use crate::planted::{ENGINES, Planted};
use k8s_openapi::api::core::v1::Pod;
use plimsoll_fleet::{Timestamp, evidence::Dialect, node::Sharing};
use plimsoll_testkit::{
    exporter::{
        Page, Served, Wave,
        dcgm::{Dcgm, devices},
        kube_state,
        vllm::Vllm,
    },
    prometheus::Target,
};

/// Exporters on the network, and how Prometheus sees them.
pub struct Exporters {
    /// For Prometheus.
    pub targets: Vec<Target>,
    _served: Vec<Served>,
}

/// Serves the DCGM exporter of each node that has one, the engines of the planted services, and kube-state-metrics,
/// which knows the pods that are `gone` too.
pub fn serve(planted: &Planted, pods: &[Pod], gone: &[Pod]) -> anyhow::Result<Exporters> {
    let (mut targets, mut served) = (Vec::new(), Vec::new());
    // A pod that the exporter's Kubernetes mapping has lost.
    let named: Vec<Pod> = pods.iter().filter(|pod| app(pod) != Some("blind-spot")).cloned().collect();
    for (node, dialect) in planted.fleet.nodes.iter().zip(&planted.dialects) {
        let Some(dialect) = *dialect else { continue };
        let devices = devices(node, &named, |pod, ordinal| planted.load(app(pod), ordinal));
        let shared = matches!(node.sharing, Sharing::TimeSliced { .. });
        let page = Dcgm { sm_active: true, virtual_gpus: shared, ..Dcgm::new(&node.name, devices, dialect) }.page();
        let exporter = Served::start(page.clone())?;
        let target = Target::dcgm(&exporter, &page, "gpu-operator", &format!("nvidia-dcgm-exporter-{}", node.name));
        // Both conventions in one store, as where two teams have each installed their exporters.
        targets.push(target.honoring(dialect == Dialect::BaseUnits));
        served.push(exporter);
    }
    for pod in pods {
        let Some(&(_, kv)) = ENGINES.iter().find(|(name, _)| app(pod) == Some(name)) else { continue };
        let page = engine(kv);
        let exporter = Served::start(page.clone())?;
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        targets.push(Target::pod(&exporter, &page, "vllm", "web", name, "main"));
        served.push(exporter);
    }
    let page = kube_state::page(pods.to_vec(), gone.to_vec());
    let exporter = Served::start(page.clone())?;
    targets.push(Target::pod(&exporter, &page, "kube-state-metrics", "monitoring", "kube-state-metrics-0", "kube-state-metrics"));
    served.push(exporter);
    Ok(Exporters { targets, _served: served })
}

/// The workload that a pod is labelled with.
pub fn app(pod: &Pod) -> Option<&str> {
    pod.metadata.labels.as_ref()?.get("app").map(String::as_str)
}

fn engine(kv_used: f64) -> Page {
    let engine = Vllm {
        model: "meta-llama/Llama-3.1-8B-Instruct".into(),
        running: Wave::Constant(12.0),
        waiting: Wave::ZERO,
        kv_used: Wave::Constant(kv_used),
        block_tokens: 16,
        blocks: 10_000,
        requests_per_s: 2.0,
        preemptions_per_s: 0.0,
        first_token_s: 0.2,
        latency_s: 4.0,
        since: Timestamp(jiff::Timestamp::now().as_second() - 14 * 86_400),
    };
    engine.page()
}
