//! Controllers of pods that every cluster has, and what scales them.

use super::{ConvertError, dra::Claims, shape};
use crate::kubernetes::raw::{
    Meta, Text,
    pod::Template,
    workload::{JobSpec, JobStatus, MetricSpec, RawController, RawCronJob, RawJob, RawScaler, Strategy},
};
use plimsoll_fleet::{
    Name, Seconds, Shape, Workload,
    workload::{Amount, Autoscaler, Rollout, Run},
};

/// A workload whose template is still a shape, not a place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkloadDraft {
    /// The workload.
    pub workload: Workload,
    /// The shape of its template.
    pub template: Option<Shape>,
}

/// What all workloads have.
pub(super) fn named(api_version: &str, kind: &str, meta: &Meta) -> Result<Workload, ConvertError> {
    if meta.name.is_empty() {
        return Err(ConvertError::Nameless);
    }
    Ok(Workload {
        api_version: api_version.into(),
        kind: kind.into(),
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        labels: meta.labels.clone(),
        annotations: meta.annotations.clone(),
        created: meta.creation_timestamp,
        ..Workload::default()
    })
}

fn template_shape(template: Option<&Template>, namespace: &str, claims: &Claims, of_node: bool) -> Result<Option<Shape>, ConvertError> {
    template.map(|template| shape::shape(&template.metadata, &template.spec, namespace, claims, of_node)).transpose()
}

/// A Deployment, ReplicaSet, StatefulSet or DaemonSet.
///
/// # Errors
/// A quantity that makes no sense, or no name.
pub fn controller(api_version: &str, kind: &str, raw: &RawController, claims: &Claims) -> Result<WorkloadDraft, ConvertError> {
    let mut workload = named(api_version, kind, &raw.metadata)?;
    let daemon = kind == "DaemonSet";
    workload.replicas = if daemon { raw.status.desired_number_scheduled } else { Some(raw.spec.replicas.unwrap_or(1)) };
    workload.rollout = match kind {
        "Deployment" => Some(rollout(raw.spec.strategy.as_ref(), Amount::Percent(25), Amount::Percent(25))),
        // A StatefulSet and (by default) a DaemonSet take the old pod away first.
        "StatefulSet" | "DaemonSet" => Some(rollout(raw.spec.update_strategy.as_ref(), Amount::Count(0), Amount::Count(1))),
        _ => None,
    };
    let template = template_shape(raw.spec.template.as_ref(), &raw.metadata.namespace, claims, daemon)?;
    Ok(WorkloadDraft { workload, template })
}

/// How pods are replaced; `surge` and `missing` are the API's defaults for the kind.
pub(super) fn rollout(strategy: Option<&Strategy>, surge: Amount, missing: Amount) -> Rollout {
    let Some(strategy) = strategy else { return Rollout::Rolling { max_surge: surge, max_unavailable: missing } };
    if strategy.kind.as_deref() == Some("Recreate") {
        return Rollout::Recreate;
    }
    Rollout::Rolling {
        max_surge: strategy.rolling_update.max_surge.as_ref().and_then(amount).unwrap_or(surge),
        max_unavailable: strategy.rolling_update.max_unavailable.as_ref().and_then(amount).unwrap_or(missing),
    }
}

fn amount(text: &Text) -> Option<Amount> {
    match text.0.strip_suffix('%') {
        Some(percent) => percent.parse().ok().map(Amount::Percent),
        None => text.0.parse().ok().map(Amount::Count),
    }
}

pub(super) fn seconds(value: Option<i64>) -> Option<Seconds> {
    value.and_then(|value| u64::try_from(value).ok()).map(Seconds)
}

fn run(spec: &JobSpec) -> Run {
    Run {
        deadline: seconds(spec.active_deadline_seconds),
        backoff_limit: spec.backoff_limit,
        ttl: seconds(spec.ttl_seconds_after_finished),
        parallelism: spec.parallelism,
        suspended: spec.suspend.unwrap_or_default(),
        finished: None,
        schedule: None,
    }
}

/// A Job.
///
/// # Errors
/// A quantity that makes no sense, or no name.
pub fn job(api_version: &str, raw: &RawJob, claims: &Claims) -> Result<WorkloadDraft, ConvertError> {
    let mut workload = named(api_version, "Job", &raw.metadata)?;
    workload.replicas = Some(raw.spec.parallelism.unwrap_or(1));
    workload.run = Some(Run { finished: finished(&raw.status), ..run(&raw.spec) });
    let template = template_shape(raw.spec.template.as_ref(), &raw.metadata.namespace, claims, false)?;
    Ok(WorkloadDraft { workload, template })
}

fn finished(status: &JobStatus) -> Option<plimsoll_fleet::Timestamp> {
    let ended = status.conditions.iter().find(|c| matches!(&*c.kind, "Complete" | "Failed") && &*c.status == "True");
    status.completion_time.or(ended.and_then(|condition| condition.last_transition_time))
}

/// A CronJob.
///
/// # Errors
/// A quantity that makes no sense, or no name.
pub fn cron_job(api_version: &str, raw: &RawCronJob, claims: &Claims) -> Result<WorkloadDraft, ConvertError> {
    let mut workload = named(api_version, "CronJob", &raw.metadata)?;
    let spec = &raw.spec.job_template.spec;
    workload.run = Some(Run { suspended: raw.spec.suspend.unwrap_or_default(), schedule: raw.spec.schedule.clone(), ..run(spec) });
    let template = template_shape(spec.template.as_ref(), &raw.metadata.namespace, claims, false)?;
    Ok(WorkloadDraft { workload, template })
}

/// A scaler, and what it scales.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalerDraft {
    /// The namespace of both.
    pub namespace: Name,
    /// The API version of what it scales.
    pub api_version: Name,
    /// The kind of what it scales.
    pub kind: Name,
    /// The name of what it scales.
    pub name: Name,
    /// The scaler.
    pub autoscaler: Autoscaler,
}

/// A HorizontalPodAutoscaler or a ScaledObject, with the defaults of its API; none where it scales nothing.
#[must_use]
pub fn scaler(kind: &str, raw: &RawScaler) -> Option<ScalerDraft> {
    let spec = &raw.spec;
    let target = spec.scale_target_ref.as_ref()?;
    let (min, max) = if kind == "ScaledObject" {
        (spec.min_replica_count.unwrap_or(0), spec.max_replica_count.unwrap_or(100))
    } else {
        (spec.min_replicas.unwrap_or(1), spec.max_replicas?)
    };
    let hpa = spec.metrics.iter().filter_map(metric_name);
    let keda =
        spec.triggers.iter().map(|trigger| trigger.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| trigger.kind.clone()));
    Some(ScalerDraft {
        namespace: raw.metadata.namespace.clone(),
        api_version: target.api_version.clone().filter(|version| !version.is_empty()).unwrap_or_else(|| "apps/v1".into()),
        kind: target.kind.clone().filter(|kind| !kind.is_empty()).unwrap_or_else(|| "Deployment".into()),
        name: target.name.clone(),
        autoscaler: Autoscaler { kind: kind.into(), name: raw.metadata.name.clone(), min, max, metrics: hpa.chain(keda).collect() },
    })
}

fn metric_name(metric: &MetricSpec) -> Option<Name> {
    let resource = metric.resource.as_ref().or(metric.container_resource.as_ref());
    let other = || metric.pods.as_ref().or(metric.object.as_ref()).or(metric.external.as_ref()).map(|holder| &holder.metric);
    resource.or_else(other).map(|named| named.name.clone())
}
