//! Deadline, retries and clean-up of work that ends.

use super::{
    Proposal, Settings, What, Work,
    change::{Change, Edit, RunField},
};
use crate::guard::{case::View, rules::job_limits};
use serde_json::Value;

/// Seconds that the API's 32 bits hold, well below their end.
const SECONDS_MAX: u64 = 315_360_000;

/// The retries of a Job that says none.
pub(in crate::guard) const RETRIES_OF_JOBS: u64 = 6;

/// Hours as the API has them.
pub(in crate::guard) fn seconds(hours: f64) -> u64 {
    ((hours * 3_600.0) as u64).clamp(1, SECONDS_MAX)
}

/// So many retries as the API's 32 bits hold.
pub(in crate::guard) fn retries(count: u64) -> u64 {
    count.min(u64::from(u32::MAX >> 1))
}

pub(super) fn propose(work: &Work<'_>, view: &View<'_>, settings: &Settings<'_>, proposal: &mut Proposal) {
    let object = view.object;
    let (Some((guardrail, set)), Some(run)) = (settings.deadlines, &object.run) else { return };
    if !view.wants_gpus() || !work.may_change_object() {
        return;
    }
    let (has_deadline, has_retries, has_clean_up) = job_limits::has(&object.api_version, &object.kind);
    let allowed = work.policy.values(&job_limits::RULE, view);
    let why = |is_set: bool| if is_set { "as the guardrail sets it" } else { "the most that the rule job-limits allows" };
    let seconds = |set: Option<f64>, most: &str| seconds(set.unwrap_or_else(|| allowed.number(most)));
    let mut add = |change, why: &str| proposal.edits.push(Edit::new(What::Deadlines, guardrail, change, why));
    let in_template = object.templates.iter().any(|template| template.deadline_s.is_some());
    if has_deadline && run.deadline.is_none() && !in_template {
        add(Change::Run(RunField::Deadline, seconds(set.deadline_hours, "deadline-most")), why(set.deadline_hours.is_some()));
    }
    // A Job that says nothing is tried again six times; a RayJob not once, and there a default would only add retries.
    let retries = retries(set.retries.map_or_else(|| allowed.count("retries-most"), u64::from));
    let is_fewer = match &*object.kind {
        "Job" | "CronJob" => retries < RETRIES_OF_JOBS,
        kind => kind != "RayJob",
    };
    if has_retries && run.backoff_limit.is_none() && is_fewer {
        add(Change::Run(RunField::Retries, retries), why(set.retries.is_some()));
    }
    for (at, template) in object.templates.iter().enumerate() {
        let Some(job) = template.job.as_ref().filter(|_| work.may_change(template)) else { continue };
        if !view.asked(template).is_some_and(|asked| asked.any()) {
            continue;
        }
        if job.deadline.is_none() && template.deadline_s.is_none() {
            let change = Change::Job(at, RunField::Deadline, seconds(set.deadline_hours, "deadline-most"));
            add(change, why(set.deadline_hours.is_some()));
        }
        if job.backoff_limit.is_none() && retries < RETRIES_OF_JOBS {
            add(Change::Job(at, RunField::Retries, retries), why(set.retries.is_some()));
        }
    }
    if has_clean_up && run.ttl.is_none() {
        let change = Change::Run(RunField::CleanUp, seconds(set.cleanup_hours, "cleanup-most"));
        if &*object.kind != "RayJob" {
            add(change, why(set.cleanup_hours.is_some()));
        } else if !matches!(work.json.pointer("/spec/shutdownAfterJobFinishes"), Some(Value::Bool(false))) {
            // KubeRay refuses a clean-up of a cluster that stays.
            add(Change::ShutDown, "its cluster, and the GPUs, would stay after the job has ended");
            add(change, why(set.cleanup_hours.is_some()));
        }
    }
}
