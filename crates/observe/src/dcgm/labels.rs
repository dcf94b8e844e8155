//! From the labels of a DCGM series to what it is about: which device, on which node, held by which pod.
//!
//! Labels come in two conventions. Where Prometheus does not honour the exporter's labels (the default of its chart), the
//! pod that holds the device is in `exported_pod` and `pod` is the exporter's own. Where it does, and where an exporter is
//! read directly, `pod` is the holder. Then there is the exporter's old naming mode (`pod_name`, `uuid`).

/// A series' labels: name and value.
pub type Pairs<'a> = [(std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>)];

/// How the store writes the holder of a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Convention {
    /// `pod` is the holder, if it does not look like an exporter.
    #[default]
    Honoured,
    /// `exported_pod` is the holder, and where it is missing nobody is named: an empty label is left out by Prometheus,
    /// and `pod` is then the exporter's.
    Exported,
}

/// A pod by its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodName<'a> {
    /// Its namespace; empty: not told.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// What a series says of itself. Nothing in here is trusted or looked up yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The physical GPU's UUID, also for its slices.
    pub uuid: Option<&'a str>,
    /// The GPU's index on its node.
    pub gpu: Option<u16>,
    /// The slice: the driver's instance id and the profile.
    pub slice: Option<(u32, &'a str)>,
    /// It is about a slice, but does not say which (a DRA workload without `GPU_I_ID`).
    pub slice_unknown: bool,
    /// The node, as the scrape target names it.
    pub node: Option<&'a str>,
    /// `Hostname` or `hostname`: the node, or the exporter pod.
    pub host: Option<&'a str>,
    /// The scrape target's address, without its port.
    pub instance: Option<&'a str>,
    /// The exporter's pod.
    pub exporter: Option<PodName<'a>>,
    /// The pod that holds the device.
    pub holder: Option<PodName<'a>>,
    /// The share of a device that several pods hold.
    pub vgpu: Option<&'a str>,
}

/// Reads the labels of a DCGM series.
#[must_use]
pub fn identify<'a>(labels: &'a Pairs<'a>, convention: Convention) -> Identity<'a> {
    let mut identity = Identity::default();
    let (mut pod, mut namespace, mut container) = (None, "", "");
    let (mut exported_pod, mut exported_namespace) = (None, "");
    let (mut old_pod, mut old_namespace) = (None, "");
    let (mut target_pod, mut target_namespace) = (None, "");
    let (mut device, mut instance_id, mut profile, mut dra_profile) = (None, None, None, None);
    let mut exported = false;
    for (name, value) in labels {
        let value = value.as_ref();
        exported |= matches!(name.as_ref(), "exported_pod" | "exported_namespace" | "exported_container");
        if value.is_empty() {
            continue;
        }
        match name.as_ref() {
            "UUID" | "uuid" | "gpu_uuid" => identity.uuid = Some(value),
            "gpu" => identity.gpu = value.parse().ok(),
            "device" => device = value.strip_prefix("nvidia").and_then(|index| index.parse().ok()),
            "GPU_I_ID" => instance_id = value.parse().ok(),
            "GPU_I_PROFILE" => profile = Some(value),
            "dra_mig_profile" => dra_profile = Some(value),
            "Hostname" | "hostname" => identity.host = Some(value),
            "node" | "kubernetes_node" | "node_name" | "nodename" => identity.node = Some(value),
            "instance" => identity.instance = Some(without_port(value)),
            "exported_pod" => exported_pod = Some(value),
            "exported_namespace" => exported_namespace = value,
            "pod" => pod = Some(value),
            "namespace" => namespace = value,
            "container" => container = value,
            "pod_name" => old_pod = Some(value),
            "pod_namespace" => old_namespace = value,
            "kubernetes_pod_name" => target_pod = Some(value),
            "kubernetes_namespace" => target_namespace = value,
            "vgpu" => identity.vgpu = Some(value),
            _ => {}
        }
    }
    identity.gpu = identity.gpu.or(device);
    identity.slice = instance_id.map(|id| (id, profile.or(dra_profile).unwrap_or("")));
    identity.slice_unknown = identity.slice.is_none() && (profile.is_some() || dra_profile.is_some());

    let named = |name: Option<&'a str>, namespace: &'a str| name.map(|name| PodName { namespace, name });
    let plain = named(pod, namespace);
    let of_exporter = exported || convention == Convention::Exported || looks_like_exporter(pod, container);
    identity.holder =
        named(exported_pod, exported_namespace).or_else(|| named(old_pod, old_namespace)).or_else(|| plain.filter(|_| !of_exporter));
    identity.exporter = named(target_pod, target_namespace).or_else(|| plain.filter(|_| of_exporter || old_pod.is_some()));
    identity
}

/// A GPU's own pod is never one of the exporter: the labels are the scrape target's.
fn looks_like_exporter(pod: Option<&str>, container: &str) -> bool {
    pod.is_some_and(|pod| pod.contains("dcgm-exporter")) || container.contains("dcgm-exporter")
}

/// The host of `host:port`, also of `[v6]:port`.
fn without_port(address: &str) -> &str {
    match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host.trim_start_matches('[').trim_end_matches(']'),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn pairs(labels: &[(&'static str, &'static str)]) -> Vec<(Cow<'static, str>, Cow<'static, str>)> {
        labels.iter().map(|&(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn exported_labels_name_the_holder_and_plain_ones_the_exporter() {
        let labels = pairs(&[
            ("UUID", "GPU-1"),
            ("gpu", "0"),
            ("exported_pod", "train-0"),
            ("exported_namespace", "ml"),
            ("pod", "nvidia-dcgm-exporter-x"),
            ("namespace", "gpu-operator"),
            ("instance", "10.0.0.7:9400"),
        ]);
        let identity = identify(&labels, Convention::Exported);
        assert_eq!(identity.holder, Some(PodName { namespace: "ml", name: "train-0" }));
        assert_eq!(identity.exporter, Some(PodName { namespace: "gpu-operator", name: "nvidia-dcgm-exporter-x" }));
        assert_eq!((identity.uuid, identity.gpu, identity.instance), (Some("GPU-1"), Some(0), Some("10.0.0.7")));
    }

    /// Prometheus leaves out empty labels: a free GPU has no `exported_pod`, and its `pod` is the exporter.
    #[test]
    fn a_free_gpu_is_not_held_by_the_exporter() {
        let labels = pairs(&[("pod", "metrics-7x"), ("namespace", "monitoring"), ("gpu", "1")]);
        assert_eq!(identify(&labels, Convention::Exported).holder, None);
        let labels = pairs(&[("pod", "nvidia-dcgm-exporter-7x"), ("namespace", "gpu-operator")]);
        assert_eq!(identify(&labels, Convention::Honoured).holder, None);
    }

    #[test]
    fn honoured_and_old_labels_name_the_holder() {
        let labels = pairs(&[("pod", "p"), ("namespace", "ns"), ("hostname", "n"), ("vgpu", "2")]);
        let identity = identify(&labels, Convention::Honoured);
        assert_eq!(identity.holder, Some(PodName { namespace: "ns", name: "p" }));
        assert_eq!((identity.host, identity.vgpu), (Some("n"), Some("2")));
        let labels = pairs(&[("uuid", "GPU-2"), ("pod_name", "p"), ("pod_namespace", "ns"), ("device", "nvidia3")]);
        let identity = identify(&labels, Convention::Honoured);
        assert_eq!(identity.holder, Some(PodName { namespace: "ns", name: "p" }));
        assert_eq!((identity.uuid, identity.gpu), (Some("GPU-2"), Some(3)));
    }

    #[test]
    fn empty_labels_name_nobody() {
        let labels = pairs(&[("pod", ""), ("namespace", ""), ("GPU_I_ID", "7"), ("GPU_I_PROFILE", "1g.5gb")]);
        let identity = identify(&labels, Convention::Honoured);
        assert_eq!((identity.holder, identity.slice), (None, Some((7, "1g.5gb"))));
        assert!(identify(&pairs(&[("dra_mig_profile", "1g.5gb")]), Convention::Honoured).slice_unknown);
    }
}
