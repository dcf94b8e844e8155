//! From a node and the pods on it to devices with holders, as the device plugin hands them out.

use super::{Device, Holder};
use crate::exporter::Load;
use k8s_openapi::api::core::v1::Pod;
use plimsoll_fleet::{
    Bytes, Node,
    evidence::SliceId,
    node::Sharing,
    resource::{self, Unit},
};
use sha2::{Digest as _, Sha256};

/// The UUID of a GPU that exists only in tests: always the same for the same node and index.
#[must_use]
pub fn uuid(node: &str, gpu: u16) -> String {
    let hash = Sha256::digest(format!("{node}/{gpu}"));
    let hex = |range: std::ops::Range<usize>| hash[range].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("GPU-{}-{}-{}-{}-{}", hex(0..4), hex(4..6), hex(6..8), hex(8..10), hex(10..16))
}

/// The devices of `node`, given to those of `pods` that are bound to it (in order of their names; ended ones hold nothing), each
/// with the load that `load` says for the pod and its ordinal among the pod's devices.
///
/// Replicas of a shared GPU go to the GPUs in turn (the plugin's `distributed` policy).
#[must_use]
pub fn devices(node: &Node, pods: &[Pod], load: impl Fn(&Pod, usize) -> Load) -> Vec<Device> {
    let mut devices = empty(node);
    let mut next_share = 0;
    let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone());
    let mut here: Vec<&Pod> = pods
        .iter()
        .filter(|pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(&node.name))
        .filter(|pod| !matches!(phase(pod).as_deref(), Some("Succeeded" | "Failed")))
        .collect();
    here.sort_by_key(|pod| (&pod.metadata.namespace, &pod.metadata.name));
    for pod in here {
        let mut ordinal = 0;
        for (container, resource, count) in asks(pod) {
            for _ in 0..count {
                let place = match (resource::unit(&resource), &node.sharing) {
                    (Some(Unit::Gpu | Unit::SharedGpu), Sharing::TimeSliced { .. } | Sharing::Mps { .. }) => {
                        next_share += 1;
                        Some((next_share - 1) % devices.len().max(1))
                    }
                    (Some(Unit::Mig(profile)), _) => {
                        let profile = resource::mig_profile(profile);
                        devices.iter().position(|device| {
                            device.holders.is_empty() && device.slice.as_ref().is_some_and(|slice| *slice.profile == *profile)
                        })
                    }
                    _ => devices.iter().position(|device| device.holders.is_empty()),
                };
                let Some(device) = place.and_then(|place| devices.get_mut(place)) else { continue };
                device.holders.push(Holder {
                    namespace: pod.metadata.namespace.clone().unwrap_or_default(),
                    pod: pod.metadata.name.clone().unwrap_or_default(),
                    container: container.clone(),
                    load: load(pod, ordinal),
                    from: None,
                    until: None,
                });
                ordinal += 1;
            }
        }
    }
    devices
}

/// What the containers of `pod` ask of NVIDIA's device plugin: container, resource, count.
fn asks(pod: &Pod) -> Vec<(String, String, usize)> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers
        .flat_map(|container| {
            let limits = container.resources.iter().flat_map(|resources| resources.limits.iter().flatten());
            limits
                .filter(|(resource, _)| resource.starts_with("nvidia.com/"))
                .filter_map(|(resource, quantity)| Some((container.name.clone(), resource.clone(), quantity.0.parse().ok()?)))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The devices of `node`, held by nobody: whole GPUs, or the slices that [`Node::gpus`] tells, or else those of
/// [`Node::offers`], spread over the GPUs in turn.
fn empty(node: &Node) -> Vec<Device> {
    let model = node.gpu_product.as_deref().map(model_name).unwrap_or_default();
    let memory = node.gpu_memory.unwrap_or_default();
    let device = |gpu: u16, slice: Option<SliceId>| Device {
        gpu,
        uuid: node.gpus.get(usize::from(gpu)).and_then(|known| known.uuid.as_deref()).map_or_else(|| uuid(&node.name, gpu), str::to_owned),
        model: model.clone(),
        memory: slice.as_ref().map_or(memory, |slice| slice_memory(&slice.profile)),
        slice,
        holders: Vec::new(),
    };
    let gpus = node.gpus.len() as u16;
    let mut slices: Vec<(u16, String)> =
        node.gpus.iter().zip(0..).flat_map(|(gpu, index)| gpu.slices.iter().map(move |slice| (index, slice.profile.to_string()))).collect();
    if slices.is_empty() && gpus > 0 {
        for offer in &node.offers {
            let profile = match (resource::unit(&offer.resource), &node.sharing) {
                (Some(Unit::Mig(profile)), _) => resource::mig_profile(profile),
                (Some(Unit::Gpu), Sharing::MigSingle { profile }) => profile.to_string(),
                _ => continue,
            };
            slices.extend((0..offer.count).map(|turn| ((turn % u32::from(gpus)) as u16, profile.clone())));
        }
        slices.sort();
    }
    let mut devices: Vec<Device> = Vec::new();
    for gpu in 0..gpus {
        let own: Vec<&String> = slices.iter().filter(|(index, _)| *index == gpu).map(|(_, profile)| profile).collect();
        if own.is_empty() {
            devices.push(device(gpu, None));
        }
        // The driver numbers instances from 1 on; 0 is the instance of the whole GPU.
        devices.extend(
            own.iter().zip(1..).map(|(profile, instance)| device(gpu, Some(SliceId { instance, profile: profile.as_str().into() }))),
        );
    }
    devices
}

/// The driver's product name (spaces) from the node label's (dashes): only the dashes that stood for spaces are known apart by
/// the names themselves, so the vendor and the form factors are listed.
fn model_name(product: &str) -> String {
    let spaced = product.replacen("NVIDIA-", "NVIDIA ", 1).replacen("Tesla-", "Tesla ", 1);
    ["-80GB-HBM3", "-80GB-PCIe", "-PCIe", "-NVL"].iter().fold(spaced, |name, part| match name.strip_suffix(part) {
        Some(start) => format!("{start}{}", part.replace('-', " ")),
        None => name,
    })
}

/// The memory that a profile's name tells, in the driver's rounding: good enough for an exporter.
fn slice_memory(profile: &str) -> Bytes {
    let digits: String = profile.rsplit_once('.').map_or("", |(_, tail)| tail).chars().take_while(char::is_ascii_digit).collect();
    Bytes::from_mib(digits.parse::<u64>().unwrap_or_default() * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_names_have_the_drivers_spaces() {
        assert_eq!(model_name("NVIDIA-A100-SXM4-80GB"), "NVIDIA A100-SXM4-80GB");
        assert_eq!(model_name("NVIDIA-H100-80GB-HBM3"), "NVIDIA H100 80GB HBM3");
        assert_eq!(model_name("NVIDIA-A100-80GB-PCIe"), "NVIDIA A100 80GB PCIe");
        assert_eq!(model_name("Tesla-T4"), "Tesla T4");
    }
}
