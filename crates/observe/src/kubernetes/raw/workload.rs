//! Controllers of pods, what scales and guards them, what exposes them, and events.

use super::{
    Meta, Text, moment, or_default,
    pod::{Condition, LabelSelector, Template},
};
use plimsoll_fleet::{Name, Timestamp, selector::Labels};
use serde::Deserialize;

/// A Deployment, ReplicaSet, StatefulSet or DaemonSet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawController {
    /// Its metadata.
    pub metadata: Meta,
    /// What is wanted.
    #[serde(deserialize_with = "or_default")]
    pub spec: ControllerSpec,
    /// What is.
    #[serde(deserialize_with = "or_default")]
    pub status: ControllerStatus,
}

/// What a controller should make.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ControllerSpec {
    /// Pods wanted.
    pub replicas: Option<u32>,
    /// Its template.
    pub template: Option<Template>,
    /// A Deployment's way to replace pods.
    pub strategy: Option<Strategy>,
    /// A StatefulSet's or DaemonSet's way to replace pods.
    pub update_strategy: Option<Strategy>,
}

/// What a controller has made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ControllerStatus {
    /// A DaemonSet's pods wanted.
    pub desired_number_scheduled: Option<u32>,
}

/// How pods are replaced.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Strategy {
    /// `RollingUpdate`, `Recreate`, `OnDelete`.
    #[serde(rename = "type")]
    pub kind: Option<Name>,
    /// The amounts.
    #[serde(deserialize_with = "or_default")]
    pub rolling_update: RollingUpdate,
}

/// The amounts of a rolling update, as numbers or percentages.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RollingUpdate {
    /// Pods above the replicas.
    pub max_surge: Option<Text>,
    /// Pods that may be missing.
    pub max_unavailable: Option<Text>,
}

/// A Job.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawJob {
    /// Its metadata.
    pub metadata: Meta,
    /// What is wanted.
    #[serde(deserialize_with = "or_default")]
    pub spec: JobSpec,
    /// What is.
    #[serde(deserialize_with = "or_default")]
    pub status: JobStatus,
}

/// What a Job should do.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobSpec {
    /// How long it may run, seconds.
    pub active_deadline_seconds: Option<i64>,
    /// How often it may fail.
    pub backoff_limit: Option<u32>,
    /// How long it stays when it has ended, seconds.
    pub ttl_seconds_after_finished: Option<i64>,
    /// Pods at once.
    pub parallelism: Option<u32>,
    /// Held.
    pub suspend: Option<bool>,
    /// Its template.
    pub template: Option<Template>,
}

/// What a Job has done.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobStatus {
    /// When it ended well.
    #[serde(deserialize_with = "moment")]
    pub completion_time: Option<Timestamp>,
    /// Its conditions.
    #[serde(deserialize_with = "or_default")]
    pub conditions: Vec<Condition>,
}

/// A CronJob.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawCronJob {
    /// Its metadata.
    pub metadata: Meta,
    /// What is wanted.
    #[serde(deserialize_with = "or_default")]
    pub spec: CronJobSpec,
}

/// What a CronJob should do.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CronJobSpec {
    /// When.
    pub schedule: Option<Name>,
    /// Held.
    pub suspend: Option<bool>,
    /// What it starts.
    #[serde(deserialize_with = "or_default")]
    pub job_template: JobTemplate,
}

/// What a CronJob starts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct JobTemplate {
    /// The Job.
    #[serde(deserialize_with = "or_default")]
    pub spec: JobSpec,
}

/// A HorizontalPodAutoscaler or a KEDA ScaledObject.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawScaler {
    /// Its metadata.
    pub metadata: Meta,
    /// What is wanted.
    #[serde(deserialize_with = "or_default")]
    pub spec: ScalerSpec,
}

/// What a scaler should do.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScalerSpec {
    /// What it scales.
    pub scale_target_ref: Option<Target>,
    /// Least replicas (HPA).
    pub min_replicas: Option<u32>,
    /// Most replicas (HPA).
    pub max_replicas: Option<u32>,
    /// What it looks at (HPA).
    #[serde(deserialize_with = "or_default")]
    pub metrics: Vec<MetricSpec>,
    /// Least replicas (KEDA).
    pub min_replica_count: Option<u32>,
    /// Most replicas (KEDA).
    pub max_replica_count: Option<u32>,
    /// What it looks at (KEDA).
    #[serde(deserialize_with = "or_default")]
    pub triggers: Vec<Trigger>,
}

/// What a scaler scales.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Its API version; none: `apps/v1`.
    #[serde(default)]
    pub api_version: Option<Name>,
    /// Its kind; none: `Deployment` (KEDA).
    #[serde(default)]
    pub kind: Option<Name>,
    /// Its name.
    pub name: Name,
}

/// One metric of an HPA.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricSpec {
    /// CPU or memory.
    pub resource: Option<super::pod::Named>,
    /// CPU or memory of one container.
    pub container_resource: Option<super::pod::Named>,
    /// A metric of the pods.
    pub pods: Option<MetricHolder>,
    /// A metric of another object.
    pub object: Option<MetricHolder>,
    /// A metric from elsewhere.
    pub external: Option<MetricHolder>,
}

/// Where the name of a metric stands.
#[derive(Debug, Clone, Deserialize)]
pub struct MetricHolder {
    /// The name.
    pub metric: super::pod::Named,
}

/// One trigger of a ScaledObject. Its metadata may hold addresses and credentials, and is not read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Trigger {
    /// `prometheus`, `kafka`, …
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub kind: Name,
    /// Its name.
    pub name: Option<Name>,
}

/// A PodDisruptionBudget.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawBudget {
    /// Its metadata.
    pub metadata: Meta,
    /// What is wanted.
    #[serde(deserialize_with = "or_default")]
    pub spec: BudgetSpec,
    /// What is.
    #[serde(deserialize_with = "or_default")]
    pub status: BudgetStatus,
}

/// What a budget covers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct BudgetSpec {
    /// The pods; none: no pod, empty: every pod of the namespace.
    pub selector: Option<LabelSelector>,
}

/// What a budget allows.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BudgetStatus {
    /// Evictions now.
    #[serde(deserialize_with = "or_default")]
    pub disruptions_allowed: u32,
}

/// A Service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawService {
    /// Its metadata.
    pub metadata: Meta,
    /// What is wanted.
    #[serde(deserialize_with = "or_default")]
    pub spec: ServiceSpec,
}

/// Whom a Service sends requests to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// The pods; empty: none.
    #[serde(deserialize_with = "or_default")]
    pub selector: Labels,
    /// `None` for a headless Service, as gangs use to find each other.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<Name>,
}

/// An event.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RawEvent {
    /// What it is about.
    #[serde(deserialize_with = "or_default")]
    pub involved_object: Involved,
    /// A word.
    #[serde(deserialize_with = "or_default")]
    pub reason: Name,
    /// A sentence.
    #[serde(deserialize_with = "or_default")]
    pub message: Name,
    /// When it was last seen.
    #[serde(deserialize_with = "moment")]
    pub last_timestamp: Option<Timestamp>,
    /// When it was seen, in the newer form.
    #[serde(deserialize_with = "moment")]
    pub event_time: Option<Timestamp>,
}

/// What an event is about.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Involved {
    /// Its kind.
    #[serde(deserialize_with = "or_default")]
    pub kind: Name,
    /// Its namespace.
    #[serde(deserialize_with = "or_default")]
    pub namespace: Name,
    /// Its name.
    #[serde(deserialize_with = "or_default")]
    pub name: Name,
}
