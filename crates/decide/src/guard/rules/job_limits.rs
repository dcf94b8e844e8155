//! `job-limits`: work that ends has an end.

use super::{About, Case, Found, Rule};
use crate::guard::{mend, parameter::number};
use plimsoll_api::Mode;
use plimsoll_fleet::Seconds;
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
The jobs of a JobSet carry their own deadlines in their templates and are not judged here, but
for its clean-up.

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

fn judge(case: &Case<'_>, found: &mut Found) {
    let object = case.object;
    let Some(run) = &object.run else { return };
    let (deadline, retries, cleanup) = has(&object.api_version, &object.kind);
    let seconds = |name: &str| (case.values.number(name) * 3_600.0) as u64;
    let path = &object.run_path;
    let mut bounded = |applies: bool, field: &str, is: Option<Seconds>, most: u64, suggested: u64, what: &str| {
        let says = match is {
            _ if !applies => return,
            None => format!("it has no {what} ({field})"),
            Some(Seconds(is)) if is > most => {
                format!("its {what} is {} h, and {} h are allowed", mend::plain(is as f64 / 3_600.0), mend::plain(most as f64 / 3_600.0))
            }
            Some(_) => return,
        };
        let at = path.key(field);
        found.breach(at.clone(), says, mend::at(&at, json!(suggested.min(most)), "Set it; a bound, not an estimate."));
    };
    let in_template = object.templates.iter().filter_map(|template| template.deadline_s).max().map(Seconds);
    bounded(deadline, "activeDeadlineSeconds", run.deadline.or(in_template), seconds("deadline-most"), 86_400, "deadline");
    if !(object.kind.as_ref() == "RayJob" && run.ttl.is_none()) {
        bounded(cleanup, "ttlSecondsAfterFinished", run.ttl, seconds("cleanup-most"), 3_600, "clean-up");
    } else {
        let lines = json!({ "shutdownAfterJobFinishes": true, "ttlSecondsAfterFinished": 600 });
        let fix = mend::at(path, lines, "Have the cluster shut down when the job has ended.");
        found.breach(path.key("shutdownAfterJobFinishes"), "its Ray cluster, and the GPUs, stay after the job has ended".to_owned(), fix);
    }
    let most = case.values.count("retries-most");
    if let (true, Some(limit)) = (retries, run.backoff_limit.filter(|&limit| u64::from(limit) > most)) {
        let at = path.key("backoffLimit");
        found.breach(
            at.clone(),
            format!("it is tried again {limit} times, and {most} are allowed"),
            mend::at(&at, json!(most), "Try less often."),
        );
    } else if retries && run.backoff_limit.is_none() && most < 6 && matches!(&*object.kind, "Job" | "CronJob") {
        let at = path.key("backoffLimit");
        found.breach(
            at.clone(),
            format!("it is tried again 6 times by default, and {most} are allowed"),
            mend::at(&at, json!(most), "Say how often."),
        );
    }
}
