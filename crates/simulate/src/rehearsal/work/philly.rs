//! Training jobs of Microsoft's Philly clusters, as the artifacts of Pollux and Sia filter them: when a job was submitted, how long it ran,
//! how many GPUs it asked for, in which virtual cluster.

use super::{Job, Pods, Work};
use crate::table::{ReadError, Table};
use plimsoll_decide::pack::site::Group;
use plimsoll_fleet::{Shape, Timestamp, pod::Ask};

/// A year and more; a job that ran longer is none.
const SECONDS_MAX: f64 = 1e9;
/// GPUs of one job at most.
const GPUS_MAX: u64 = 65_536;

/// The jobs in `text`; `file` is its name, for messages. A job of more GPUs than `gpus_a_node` is a gang of pods of whole nodes, and one of
/// the rest. `cluster`: only those of this virtual cluster.
///
/// # Errors
/// What is missing or wrong, and where.
pub fn philly(text: &str, file: &str, gpus_a_node: u32, cluster: Option<&str>) -> Result<Work, ReadError> {
    let table = Table::new(text, file, &["timestamp", "duration", "num_gpus", "cluster"])?;
    let mut pods = Pods::default();
    let mut jobs = Vec::new();
    for row in table.rows()? {
        if cluster.is_some_and(|cluster| cluster != row.text("cluster")) {
            continue;
        }
        let at: Option<jiff::civil::DateTime> = row.text("timestamp").parse().ok();
        let at = at.and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC).ok()).map(|at| at.timestamp().as_second());
        let at = at.ok_or_else(|| row.wrong("timestamp", "a day and time, such as 2017-10-09 07:01:55"))?;
        let duration: Option<f64> = row.text("duration").parse().ok();
        let duration = duration.filter(|duration| (0.0..=SECONDS_MAX).contains(duration));
        let duration = duration.ok_or_else(|| row.wrong("duration", "seconds, zero or more"))?;
        let gpus = row.number("num_gpus", 1, GPUS_MAX)? as u32;
        let mut kind = |gpus: u32| {
            let ask = Ask { resource: "nvidia.com/gpu".into(), count: gpus, dra: false };
            pods.place("philly".into(), Shape { asks: vec![ask], ..Shape::default() })
        };
        let (whole, rest) = (gpus / gpus_a_node.max(1), gpus % gpus_a_node.max(1));
        let mut group = Group::default();
        if whole > 0 {
            group.pods.push((kind(gpus_a_node), whole));
        }
        if rest > 0 {
            group.pods.push((kind(rest), 1));
        }
        jobs.push((at, Job { lasts: Some(duration.round() as u64), pods: group, line: Some(row.line), ..Job::default() }));
    }
    let Some(began) = jobs.iter().map(|(at, _)| *at).min() else {
        return Err(ReadError::Empty { file: file.to_owned(), what: "jobs" });
    };
    // Of one moment in the order of the file.
    jobs.sort_by_key(|(at, _)| *at);
    let jobs: Vec<Job> = jobs
        .into_iter()
        .map(|(at, job)| Job { name: format!("job-{}", job.line.unwrap_or_default()).into(), arrives: at.abs_diff(began), ..job })
        .collect();
    Ok(Work {
        name: format!("{} jobs of philly", jobs.len()),
        pods: pods.into_list(),
        jobs,
        began: Some(Timestamp(began)),
        ..Work::default()
    })
}
