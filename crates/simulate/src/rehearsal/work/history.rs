//! A fleet's own recorded history as jobs: who came when, for how long, and what it used.

use super::{Job, Pods, Use, Work};
use plimsoll_decide::pack::site::Group;
use plimsoll_fleet::{Fleet, Metrics, Name, Node, PodId, Timestamp, evidence::Attribution, history::Life, pod::Ask};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Workloads whose pods work only together.
const GANGS: [&str; 9] = ["PyTorchJob", "TFJob", "MPIJob", "XGBoostJob", "PaddleJob", "JAXJob", "TrainJob", "JobSet", "LeaderWorkerSet"];
/// Pods of a gang are made within so many seconds of each other; later ones are those of its next life.
const GANG_SECONDS: i64 = 120;

/// Why a fleet has no history to rehearse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoHistory {
    /// Nothing is recorded.
    #[error(
        "the fleet has no pod with accelerators, now or in its recorded past: there is nothing to rehearse; name work in a file (--run)"
    )]
    Empty,
    /// Nobody knows when anything was.
    #[error("none of {lives} recorded pods tells when it was made, bound or started: their past cannot be rehearsed")]
    Timeless {
        /// How many.
        lives: usize,
    },
}

/// The history of `fleet` as work on `nodes`, with the seconds from its beginning to the moment at which the fleet was seen. `instead` may
/// name another accelerator that a pod asks one of, instead of what it asked for.
///
/// # Errors
/// [`NoHistory`].
pub fn history(fleet: &Fleet, nodes: &[Node], instead: &dyn Fn(&Life) -> Option<Name>) -> Result<(Work, u64), NoHistory> {
    let lives = &fleet.history.lives;
    if lives.is_empty() {
        return Err(NoHistory::Empty);
    }
    let recorded = fleet.history.recorded.map(|window| window.start);
    let began = recorded.or_else(|| lives.iter().filter_map(Life::began).min()).filter(|began| *began <= fleet.at);
    let Some(began) = began else { return Err(NoHistory::Timeless { lives: lives.len() }) };
    let places: HashMap<&Name, u32> = (0..).zip(nodes).map(|(at, node)| (&node.name, at)).collect();
    let courses = courses(fleet);
    let mut pods = Pods::default();
    let mut left_out = Left::default();
    let mut jobs: Vec<Job> = Vec::new();
    let mut gangs: BTreeMap<(Name, Name, Name), Vec<(Timestamp, usize)>> = BTreeMap::new();
    for life in lives {
        let (Some(came), true) = (life.began(), life.goes_on || life.ended.is_some()) else {
            left_out.timeless += 1;
            continue;
        };
        if life.ended.is_some_and(|ended| ended <= began) {
            continue;
        }
        let mut shape = fleet.shape_of(life).into_owned();
        let resized = instead(life);
        let places_again = resized.is_some();
        if let Some(resource) = resized {
            shape.asks = vec![Ask { resource, count: 1, dra: false }];
        }
        let held = life.held_since().filter(|since| *since <= began);
        let works = life.started.or(life.scheduled).unwrap_or(came).max(began);
        let arrives = came.since(began).0;
        let job = Job {
            name: format!("{}/{}", life.namespace, life.name).into(),
            arrives: if held.is_some() { 0 } else { arrives },
            lasts: life.ended.map(|ended| ended.since(works).0),
            pods: Group { pods: vec![(pods.place(life.namespace.clone(), shape), 1)], ..Group::default() },
            priority: life.shape.map_or(0, |shape| fleet.shapes[shape.index()].priority),
            starting: if held.is_some() {
                0
            } else {
                life.scheduled.zip(life.started).map_or(0, |(scheduled, started)| started.since(scheduled).0)
            },
            at: held.filter(|_| !places_again).and(life.node.as_ref()).and_then(|node| places.get(node).copied()),
            used: life.pod.and_then(|pod| courses.get(&pod)).and_then(|course| course.from(works)),
            ..Job::default()
        };
        left_out.elsewhere += u64::from(held.is_some() && job.at.is_none() && !places_again);
        left_out.resized += u64::from(places_again);
        match fleet.owner_of(life) {
            Some((kind, owner)) if GANGS.contains(&&**kind) && held.is_none() => {
                let key = (life.namespace.clone(), kind.clone(), owner.clone());
                let of = gangs.entry(key).or_default();
                match of.last() {
                    Some(&(first, gang)) if came.0 - first.0 <= GANG_SECONDS => join(&mut jobs[gang], &job),
                    _ => {
                        of.push((came, jobs.len()));
                        jobs.push(job);
                    }
                }
            }
            _ => jobs.push(job),
        }
    }
    if jobs.is_empty() {
        return Err(NoHistory::Timeless { lives: lives.len() });
    }
    jobs.sort_by_key(|job| job.arrives);
    let horizon = fleet.at.since(began).0.max(1);
    let mut assumed = left_out.words();
    if fleet.history.recorded.is_none() {
        assumed.push("only pods that still exist are known: what came and went before is not in the history".to_owned());
    }
    assumed.push(
        "a pod comes when it came and works as long as it did, whatever the policy: nobody knows what would have been made sooner"
            .to_owned(),
    );
    let work =
        Work { name: format!("{} jobs of the fleet's own history", jobs.len()), pods: pods.into_list(), jobs, began: Some(began), assumed };
    Ok((work, horizon))
}

/// A pod joins a gang: it comes with the first and ends with the last.
fn join(gang: &mut Job, job: &Job) {
    for &(want, count) in &job.pods.pods {
        match gang.pods.pods.iter_mut().find(|(other, _)| *other == want) {
            Some((_, sum)) => *sum += count,
            None => gang.pods.pods.push((want, count)),
        }
    }
    gang.lasts = gang.lasts.zip(job.lasts).map(|(one, other)| one.max(other));
    gang.starting = gang.starting.max(job.starting);
}

/// What could not be taken over.
#[derive(Default)]
struct Left {
    timeless: u64,
    elsewhere: u64,
    resized: u64,
}

impl Left {
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.timeless > 0 {
            words.push(format!("{} pods were left out: nobody recorded when they came or ended", self.timeless));
        }
        if self.elsewhere > 0 {
            words.push(format!("{} pods ran at the beginning on nodes that are gone: the policy places them anew", self.elsewhere));
        }
        if self.resized > 0 {
            words.push(format!(
                "{} pods that were shown to need only a part of a GPU (as whole-gpu-for-a-slice tells) ask for a MIG instance; all others ask for what they asked for",
                self.resized
            ));
        }
        words
    }
}

/// The recorded use of a pod's GPUs, over the window's bins.
struct Recorded {
    start: Timestamp,
    width: u64,
    bins: Vec<Option<u16>>,
}

impl Recorded {
    /// What was used from `at` on; none: nothing was seen.
    fn from(&self, at: Timestamp) -> Option<Arc<Use>> {
        let skipped = (at.since(self.start).0 / self.width) as usize;
        let bins: Vec<Option<u16>> = self.bins.get(skipped..)?.to_vec();
        bins.iter().any(Option::is_some).then(|| Arc::new(Use { width: self.width, bins }))
    }
}

/// By pod, the mean course of its devices. Figures that are copies of a shared device's are nobody's.
fn courses(fleet: &Fleet) -> HashMap<PodId, Recorded> {
    let Some(grid) = fleet.evidence.courses else { return HashMap::new() };
    let mut by_pod: HashMap<PodId, Vec<&Metrics>> = HashMap::new();
    for usage in fleet.evidence.pods.iter().filter(|usage| usage.attribution != Attribution::DeviceCopy) {
        by_pod.entry(usage.pod).or_default().push(&usage.metrics);
    }
    let mean = |metrics: Vec<&Metrics>| {
        let courses: Vec<_> = metrics.into_iter().filter_map(|metrics| metrics.course.as_ref()).collect();
        let bin = |bin: u16| {
            let seen: Vec<f64> = courses.iter().filter_map(|course| Some(course.at(bin)?.get())).collect();
            (!seen.is_empty()).then(|| (seen.iter().sum::<f64>() / seen.len() as f64 * 1000.0).round() as u16)
        };
        Recorded { start: grid.start, width: grid.bin.0.max(1), bins: (0..grid.bins).map(bin).collect() }
    };
    by_pod.into_iter().map(|(pod, metrics)| (pod, mean(metrics))).collect()
}
