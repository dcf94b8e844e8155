//! `job-limits` in CEL.

use super::{Scope, Told, Values, seconds};
use crate::guard::{defaults::deadlines::RETRIES_OF_JOBS, mend};

pub(super) static TOLD: Told = Told { rule: "job-limits", found, mend: "Set it: a bound, not an estimate", but: "" };

fn found(values: &Values, _: &Scope<'_>) -> Option<String> {
    let (deadline, cleanup, retries) =
        (seconds(values.number("deadline-most")), seconds(values.number("cleanup-most")), values.count("retries-most"));
    let hours = |seconds: u64| mend::plain(seconds as f64 / 3_600.0);
    let jobs = "variables.what in ['batch/Job', 'batch/CronJob', 'ray.io/RayJob', 'kubeflow.org/PyTorchJob', 'kubeflow.org/TFJob', \
                'kubeflow.org/MPIJob', 'kubeflow.org/XGBoostJob', 'kubeflow.org/PaddleJob', 'kubeflow.org/JAXJob']";
    let keeps = "variables.kind == 'RayJob' && (variables.self.?spec.?shutdownAfterJobFinishes.orValue(false) != true \
                 || !has(variables.run.ttlSecondsAfterFinished))";
    let bounded = |of: &str, field: &str, what: &str, most: u64| {
        format!(
            "{of}.map(l, size(l) == 0 ? ['it has no {what} ({field})'] : l[0] > {most} ? ['its {what} is ' + string(l[0]) + ' s, and {} h are allowed'] : [])",
            hours(most)
        )
    };
    // Where the job itself sets none, the longest that a template of its pods sets.
    let own = "[has(variables.run.activeDeadlineSeconds) ? [int(variables.run.activeDeadlineSeconds)] \
               : [variables.pods.filter(p, has(p.spec.activeDeadlineSeconds)).map(p, int(p.spec.activeDeadlineSeconds))].filter(l, size(l) > 0).map(l, l.max())]";
    let kept = "[has(variables.run.ttlSecondsAfterFinished) ? [int(variables.run.ttlSecondsAfterFinished)] : []]";
    let tried = "[variables.run.?backoffLimit.or(variables.self.?spec.?failurePolicy.?maxRestarts).or(variables.self.?spec.?maxRetry)]";
    // The jobs of a JobSet, in the order of its pods.
    let set = "variables.self.?spec.?replicatedJobs.orValue([]).filter(g, g.?template.?spec.?template.?spec.hasValue())";
    let of_job = "[has(j.activeDeadlineSeconds) ? [int(j.activeDeadlineSeconds)] \
                  : has(j.template.spec.activeDeadlineSeconds) ? [int(j.template.spec.activeDeadlineSeconds)] : []]";
    let too_often = |of: &str| format!("['it is tried again ' + string({of}) + ' times, and {retries} are allowed']");
    let unsaid =
        (retries < RETRIES_OF_JOBS).then(|| format!("['it is tried again {RETRIES_OF_JOBS} times by default, and {retries} are allowed']"));
    let job_tried = format!(
        "has(j.backoffLimit) ? (int(j.backoffLimit) > {retries} ? {} : []) : {}",
        too_often("j.backoffLimit"),
        unsaid.as_deref().unwrap_or("[]")
    );
    let by_default = unsaid
        .map_or_else(|| ": []".to_owned(), |unsaid| format!(": variables.kind in ['Job', 'CronJob'] && !o.hasValue() ? {unsaid} : []"));
    Some(format!(
        "!variables.ends ? [] : (\n\
         ({jobs} || variables.kind == 'TrainJob' ? {deadlines} : [])\n\
         + ({keeps} ? [['its Ray cluster, and the GPUs, stay after the job has ended (shutdownAfterJobFinishes)']] \
         : {jobs} || variables.what in ['jobset.x-k8s.io/JobSet', 'batch.volcano.sh/Job'] ? {cleanups} : [])\n\
         + ({jobs} ? {tried}.map(o, o.hasValue() && int(o.value()) > {retries} \
         ? {often} {by_default}) : [])\n\
         + (variables.what == 'jobset.x-k8s.io/JobSet' ? {set}.transformList(i, g, variables.pods[i].devices > 0 || variables.pods[i].unknown, \
         [g.template.spec].map(j, ({of_jobs}[0] + ({job_tried})).map(s, 'job ' + g.?name.orValue('') + ': ' + s))[0]) : [])\n\
         ).filter(l, size(l) > 0)",
        often = too_often("o.value()"),
        of_jobs = bounded(of_job, "activeDeadlineSeconds", "deadline", deadline),
        deadlines = bounded(own, "activeDeadlineSeconds", "deadline", deadline),
        cleanups = bounded(kept, "ttlSecondsAfterFinished", "clean-up", cleanup),
    ))
}
