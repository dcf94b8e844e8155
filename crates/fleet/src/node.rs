//! Nodes and the devices in them.

use crate::{Bytes, MilliCpu, Name, Timestamp, resource::Vendor, selector::Labels};
use serde::{Deserialize, Serialize};

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// New ones stay away.
    NoSchedule,
    /// New ones stay away if they can.
    PreferNoSchedule,
    /// Running ones are evicted too.
    NoExecute,
}

/// A taint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Taint {
    /// Its key.
    pub key: Name,
    /// Its value, empty where there is none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub value: Name,
    /// What it does.
    pub effect: Effect,
}

/// How a node is bought. List prices are on-demand prices; the others are told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purchase {
    /// By the hour at the list price.
    OnDemand,
    /// Spare capacity that the cloud may take back.
    Spot,
    /// Under a reservation, a capacity block or another commitment.
    Committed,
    /// The labels do not say.
    #[default]
    Unknown,
}

/// How the GPUs of a node are given out. It is the same for all GPUs of a node (device plugin).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// Whole.
    #[default]
    Whole,
    /// Time slices: each GPU is advertised `replicas` times, without any isolation.
    TimeSliced {
        /// Shares of one GPU.
        replicas: u32,
    },
    /// MPS: each GPU is advertised `replicas` times, memory and threads split evenly.
    Mps {
        /// Shares of one GPU.
        replicas: u32,
    },
    /// MIG, single strategy: `nvidia.com/gpu` is a slice of this profile.
    MigSingle {
        /// The profile of every slice, as the driver names it.
        profile: Name,
    },
    /// MIG, mixed strategy: each profile has a resource of its own.
    MigMixed,
    /// MIG, single strategy, with a layout that is empty, mixed or partly enabled: the node offers nothing.
    MigInvalid,
}

/// A MIG slice that exists on a GPU.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slice {
    /// The profile as the driver names it.
    pub profile: Name,
    /// Its first memory slice, where the source tells (DRA does, the device plugin does not).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<u8>,
    /// The driver's GPU instance id, where metrics told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<u32>,
}

/// One physical GPU (or another vendor's device).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Gpu {
    /// The driver's UUID, where metrics or DRA told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<Name>,
    /// Slices known to exist on it. Empty: whole, or not known GPU by GPU (see [`Node::offers`] for the counts).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slices: Vec<Slice>,
}

/// A count of an accelerator resource that the node offers to pods.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Offer {
    /// The resource's name, or the name of the DeviceClass for devices that only DRA claims reach.
    pub resource: Name,
    /// How many, allocatable.
    pub count: u32,
    /// How many the node has, healthy or not (capacity).
    pub capacity: u32,
    /// Published through ResourceSlices, not by a device plugin.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dra: bool,
}

/// A node. Nodes without accelerators are here too: CPU pods could live on them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: Name,
    /// Its labels.
    #[serde(default)]
    pub labels: Labels,
    /// Its taints.
    #[serde(default)]
    pub taints: Vec<Taint>,
    /// Cordoned.
    #[serde(default)]
    pub unschedulable: bool,
    /// Its kubelet says Ready.
    #[serde(default)]
    pub ready: bool,
    /// When it joined; none: not known.
    #[serde(default)]
    pub created: Option<Timestamp>,
    /// CPU for pods.
    #[serde(default)]
    pub cpu: MilliCpu,
    /// Memory for pods.
    #[serde(default)]
    pub memory: Bytes,
    /// How many pods it takes.
    #[serde(default)]
    pub max_pods: u32,
    /// The accelerators it offers.
    #[serde(default)]
    pub offers: Vec<Offer>,
    /// Its physical GPUs (devices), one entry each.
    #[serde(default)]
    pub gpus: Vec<Gpu>,
    /// Who makes them; none: it has none.
    #[serde(default)]
    pub vendor: Option<Vendor>,
    /// The product name as the node label has it, without the suffixes for MIG and sharing: `NVIDIA-A100-SXM4-80GB`.
    #[serde(default)]
    pub gpu_product: Option<Name>,
    /// Memory of one physical GPU.
    #[serde(default)]
    pub gpu_memory: Option<Bytes>,
    /// How its GPUs are given out.
    #[serde(default)]
    pub sharing: Sharing,
    /// The cloud's instance type.
    #[serde(default)]
    pub instance_type: Option<Name>,
    /// The cloud, from the provider id: `aws`, `gcp`, `azure`.
    #[serde(default)]
    pub cloud: Option<Name>,
    /// The region.
    #[serde(default)]
    pub region: Option<Name>,
    /// The zone.
    #[serde(default)]
    pub zone: Option<Name>,
    /// How it is bought.
    #[serde(default)]
    pub purchase: Purchase,
    /// The pool that it belongs to: nodes managed alike.
    #[serde(default)]
    pub pool: Option<Name>,
    /// An annotation on the node that forbids an autoscaler to remove it (`key=value`).
    #[serde(default)]
    pub keep: Option<Name>,
    /// Asked-for MIG layout (`nvidia.com/mig.config`) and the manager's word on it (`…config.state`).
    #[serde(default)]
    pub mig_config: Option<MigConfig>,
}

/// The MIG manager's labels on a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MigConfig {
    /// `nvidia.com/mig.config`.
    pub wanted: Name,
    /// `nvidia.com/mig.config.state`: `pending`, `rebooting`, `success`, `failed`.
    #[serde(default)]
    pub state: Option<Name>,
}

impl Node {
    /// How many of `resource` it offers.
    #[must_use]
    pub fn offered(&self, resource: &str) -> u32 {
        self.offers.iter().filter(|offer| &*offer.resource == resource).map(|offer| offer.count).fold(0, u32::saturating_add)
    }

    /// Has it GPUs (or other accelerators)?
    #[must_use]
    pub fn has_gpus(&self) -> bool {
        !self.gpus.is_empty()
    }

    /// Could a new pod be placed on it at all?
    #[must_use]
    pub fn takes_pods(&self) -> bool {
        self.ready && !self.unschedulable
    }
}
