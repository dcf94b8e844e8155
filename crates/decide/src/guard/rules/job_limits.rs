//! `job-limits`: work that ends has an end.

use super::{About, Case, Found, Rule};
use crate::guard::{
    defaults::deadlines::RETRIES_OF_JOBS,
    mend,
    parameter::{Values, number},
};
use plimsoll_api::Mode;
use plimsoll_fleet::{Name, Seconds, written::Path};
use serde_json::json;

pub(in crate::guard) static RULE: Rule = Rule {
    name: "job-limits",
    title: "Jobs have a deadline, few retries and a clean-up",
    why: "A job that hangs holds its GPUs until somebody looks, and one that fails takes them again for each retry",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[
        number("deadline-most", 168.0, "hours", "the longest deadline allowed"),
        number("retries-most", 6.0, "retries", "the most retries allowed (backoffLimit)"),
        number("cleanup-most", 168.0, "hours", "the longest time that an ended job may be kept (ttlSecondsAfterFinished)"),
    ],
    check: None,
    explain: "\
Judged: Job, CronJob, RayJob, TrainJob and the Kubeflow jobs, where their fields stand (spec,
spec.jobTemplate.spec, spec.runPolicy). Each needs activeDeadlineSeconds; backoffLimit where the
kind has it (its default, 6, counts as set); ttlSecondsAfterFinished where the kind has it, which
for a RayJob needs shutdownAfterJobFinishes as well: without it the cluster and its GPUs stay.
A JobSet has a clean-up, and each of its jobs whose pods ask for GPUs (spec.replicatedJobs) the
rest: those without GPUs may take their time.

Mend: the lines that are shown. A deadline is a bound, not an estimate: take twice what the
longest run took.",
    judge,
};

/// Which of the three fields a kind has: deadline, retries, clean-up.
pub(in crate::guard) fn has(api_version: &str, kind: &str) -> (bool, bool, bool) {
    match kind {
        // Volcano has a kind Job of its own, without a deadline.
        _ if api_version.starts_with("batch.volcano.sh/") => (false, false, true),
        "Job" | "CronJob" | "RayJob" => (true, true, true),
        "PyTorchJob" | "TFJob" | "MPIJob" | "XGBoostJob" | "PaddleJob" | "JAXJob" => (true, true, true),
        "TrainJob" => (true, false, false),
        "JobSet" => (false, false, true),
        _ => (false, false, false),
    }
}

/// What is allowed.
struct Limits {
    deadline_s: u64,
    retries: u64,
    cleanup_s: u64,
}

impl Limits {
    fn of(values: &Values) -> Self {
        let seconds = |name: &str| (values.number(name) * 3_600.0) as u64;
        Self { deadline_s: seconds("deadline-most"), retries: values.count("retries-most"), cleanup_s: seconds("cleanup-most") }
    }

    fn deadline(&self, spec: &Spec<'_>, is: Option<Seconds>, found: &mut Found) {
        spec.bounded("activeDeadlineSeconds", is, self.deadline_s, 86_400, "deadline", found);
    }

    fn clean_up(&self, spec: &Spec<'_>, is: Option<Seconds>, found: &mut Found) {
        spec.bounded("ttlSecondsAfterFinished", is, self.cleanup_s, 3_600, "clean-up", found);
    }

    /// `by_default`: who says nothing is tried again so often.
    fn retries(&self, spec: &Spec<'_>, is: Option<u32>, by_default: Option<u64>, found: &mut Found) {
        let Self { retries: most, .. } = self;
        let (says, fix) = match (is, by_default) {
            (Some(limit), _) if u64::from(limit) > *most => {
                (format!("it is tried again {limit} times, and {most} are allowed"), "Try less often.")
            }
            (None, Some(limit)) if limit > *most => {
                (format!("it is tried again {limit} times by default, and {most} are allowed"), "Say how often.")
            }
            _ => return,
        };
        let at = spec.path.key("backoffLimit");
        found.breach(at.clone(), spec.says(&says), mend::at(&at, json!(most), fix));
    }
}

/// What has limits: the object, or a job in it.
struct Spec<'a> {
    path: &'a Path,
    job: Option<&'a Name>,
}

impl Spec<'_> {
    fn bounded(&self, field: &str, is: Option<Seconds>, most: u64, suggested: u64, what: &str, found: &mut Found) {
        let hours = |seconds: u64| mend::plain(seconds as f64 / 3_600.0);
        let says = match is {
            None => format!("it has no {what} ({field})"),
            Some(Seconds(is)) if is > most => format!("its {what} is {} h, and {} h are allowed", hours(is), hours(most)),
            Some(_) => return,
        };
        let at = self.path.key(field);
        found.breach(at.clone(), self.says(&says), mend::at(&at, json!(suggested.min(most)), "Set it; a bound, not an estimate."));
    }

    fn says(&self, what: &str) -> String {
        self.job.map_or_else(|| what.to_owned(), |name| format!("job {name}: {what}"))
    }
}

fn judge(case: &Case<'_>, found: &mut Found) {
    let object = case.object;
    let Some(run) = &object.run else { return };
    let (has_deadline, has_retries, has_clean_up) = has(&object.api_version, &object.kind);
    let limits = Limits::of(case.values);
    let spec = Spec { path: &object.run_path, job: None };
    if has_deadline {
        let in_template = object.templates.iter().filter_map(|template| template.deadline_s).max().map(Seconds);
        limits.deadline(&spec, run.deadline.or(in_template), found);
    }
    if object.kind.as_ref() == "RayJob" && run.ttl.is_none() {
        let lines = json!({ "shutdownAfterJobFinishes": true, "ttlSecondsAfterFinished": 600 });
        let fix = mend::at(spec.path, lines, "Have the cluster shut down when the job has ended.");
        found.breach(
            spec.path.key("shutdownAfterJobFinishes"),
            "its Ray cluster, and the GPUs, stay after the job has ended".to_owned(),
            fix,
        );
    } else if has_clean_up {
        limits.clean_up(&spec, run.ttl, found);
    }
    if has_retries {
        let by_default = matches!(&*object.kind, "Job" | "CronJob").then_some(RETRIES_OF_JOBS);
        limits.retries(&spec, run.backoff_limit, by_default, found);
    }
    for (template, _) in case.asking() {
        let Some(job) = &template.job else { continue };
        let spec = Spec { path: &job.path, job: Some(&job.name) };
        limits.deadline(&spec, job.deadline.or(template.deadline_s.map(Seconds)), found);
        limits.retries(&spec, job.backoff_limit, Some(RETRIES_OF_JOBS), found);
    }
}
