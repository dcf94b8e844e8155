//! Names of extended resources, and what they stand for.

use crate::Name;
use serde::{Deserialize, Serialize};

/// Who makes an accelerator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vendor {
    /// NVIDIA.
    Nvidia,
    /// AMD.
    Amd,
    /// Intel GPUs.
    Intel,
    /// Google TPUs.
    Google,
    /// Intel Gaudi.
    Habana,
    /// AWS Neuron (Trainium, Inferentia).
    AwsNeuron,
}

impl Vendor {
    /// The name as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nvidia => "NVIDIA",
            Self::Amd => "AMD",
            Self::Intel => "Intel",
            Self::Google => "Google TPU",
            Self::Habana => "Intel Gaudi",
            Self::AwsNeuron => "AWS Neuron",
        }
    }
}

/// What one unit of an extended resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit<'a> {
    /// `nvidia.com/gpu`: a whole GPU, a time-sliced or MPS replica, or (MIG single strategy) a slice. The node says which.
    Gpu,
    /// `nvidia.com/gpu.shared`: a replica of a shared GPU, with `renameByDefault`.
    SharedGpu,
    /// `nvidia.com/mig-…`: a MIG slice; the profile as the driver names it (`1g.10gb`, `1g.10gb+me`).
    Mig(&'a str),
    /// [`MILLI`]: a thousandth of a GPU.
    Milli,
    /// A whole device of another vendor.
    Device(Vendor),
}

/// A thousandth of one GPU: how a trace of a cluster that shares GPUs freely says what a pod asked for. No device plugin offers it.
pub const MILLI: &str = "plimsoll.dev/gpu-milli";

/// Prefix of the resources of the MIG mixed strategy.
pub const MIG_PREFIX: &str = "nvidia.com/mig-";

/// What a unit of `resource` is, if the resource is an accelerator.
///
/// Resources that only describe a device (`gpu.intel.com/memory.max`, `nvidia.com/gpumem`) or that count the same
/// hardware again in another unit (`aws.amazon.com/neuroncore` beside `aws.amazon.com/neuron`) are not.
#[must_use]
pub fn unit(resource: &str) -> Option<Unit<'_>> {
    match resource {
        "nvidia.com/gpu" => Some(Unit::Gpu),
        "nvidia.com/gpu.shared" => Some(Unit::SharedGpu),
        MILLI => Some(Unit::Milli),
        "amd.com/gpu" => Some(Unit::Device(Vendor::Amd)),
        "google.com/tpu" => Some(Unit::Device(Vendor::Google)),
        "habana.ai/gaudi" => Some(Unit::Device(Vendor::Habana)),
        "gpu.intel.com/i915" | "gpu.intel.com/xe" => Some(Unit::Device(Vendor::Intel)),
        "aws.amazon.com/neuron" | "aws.amazon.com/neurondevice" => Some(Unit::Device(Vendor::AwsNeuron)),
        _ => resource.strip_prefix(MIG_PREFIX).filter(|profile| !profile.is_empty()).map(Unit::Mig),
    }
}

/// The profile of a MIG resource as the driver writes it: `1g.10gb.me` in a resource is `1g.10gb+me`.
///
/// Source: k8s-device-plugin `internal/rm/rm.go` (`+` becomes `.`, `-me` stays).
#[must_use]
pub fn mig_profile(resource_profile: &str) -> String {
    // The attribute begins after the memory (`gb`); a compute instance (`1c.3g.40gb`) has a word more before it.
    match resource_profile.split_once("gb.") {
        Some((slices, attribute)) => format!("{slices}gb+{attribute}"),
        None => resource_profile.to_owned(),
    }
}

/// The resource that stands for a MIG profile under the mixed strategy: `nvidia.com/mig-1g.10gb.me`.
#[must_use]
pub fn mig_resource(profile: &str) -> Name {
    format!("{MIG_PREFIX}{}", profile.replace('+', ".")).into()
}

/// The vendor whose device a unit of `resource` is.
#[must_use]
pub fn vendor(resource: &str) -> Option<Vendor> {
    Some(match unit(resource)? {
        Unit::Gpu | Unit::SharedGpu | Unit::Mig(_) | Unit::Milli => Vendor::Nvidia,
        Unit::Device(vendor) => vendor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mig_names_go_there_and_back() {
        assert_eq!(unit("nvidia.com/mig-1g.10gb.me"), Some(Unit::Mig("1g.10gb.me")));
        assert_eq!(mig_profile("1g.10gb.me"), "1g.10gb+me");
        assert_eq!(mig_profile("1g.24gb-me"), "1g.24gb-me");
        assert_eq!(&*mig_resource("1g.24gb+me.all"), "nvidia.com/mig-1g.24gb.me.all");
        assert_eq!(mig_profile("1g.24gb.me.all"), "1g.24gb+me.all");
        assert_eq!(mig_profile("1c.3g.40gb"), "1c.3g.40gb");
    }

    #[test]
    fn what_only_describes_a_device_is_none() {
        for name in ["cpu", "nvidia.com/gpumem", "gpu.intel.com/memory.max", "aws.amazon.com/neuroncore", "nvidia.com/mig-"] {
            assert_eq!(unit(name), None, "{name}");
        }
    }
}
