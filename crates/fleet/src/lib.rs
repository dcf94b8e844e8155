//! The nouns and units of Plimsoll.
//!
//! A [`Fleet`] is one consistent picture of a cluster: its nodes and GPUs, the pods on them, the workloads
//! that own the pods, and the evidence of what the GPUs did. Every source (`plimsoll-observe`) gives one,
//! every decision (`plimsoll-decide`) takes one.
//!
//! Nothing in here does I/O, reads a clock, draws a random number or knows a Kubernetes type.
//!
//! Start with [`fleet::Fleet`], then [`node::Node`], [`pod::Pod`] with its [`pod::Shape`], [`workload::Workload`] and
//! [`evidence::Evidence`]. An object before a cluster has it is a [`written::Written`]. What came and went is the [`history::History`]. What a pod holds of a physical GPU is told in [`holding`].

pub mod annotation;
pub mod catalogue;
pub mod course;
pub mod evidence;
pub mod fleet;
pub mod history;
pub mod holding;
pub mod mig;
pub mod node;
mod packed;
pub mod parts;
pub mod pod;
pub mod price;
pub mod resource;
pub mod selector;
pub mod sketch;
pub mod time;
pub mod units;
pub mod workload;
pub mod written;

pub use course::{Course, CourseBuilder};
pub use evidence::{Attribution, DeviceUsage, EngineUsage, Evidence, Metric, Metrics, PodUsage};
pub use fleet::{Fleet, NodeId, PodId, ShapeId, Unseen, UnseenKind, WorkloadId};
pub use history::{History, Life};
pub use node::Node;
pub use pod::{Pod, Shape};
pub use sketch::{Sketch, SketchBuilder};
pub use time::{Seconds, Timestamp, Window};
pub use units::{Bytes, GpuHours, MilliCpu, MilliGpu, Money, MoneyPerHour, Ratio};
pub use workload::{Class, Workload};

/// A name as the cluster writes it. Shared, because a cluster repeats its few names hundreds of thousands of times.
pub type Name = std::sync::Arc<str>;
