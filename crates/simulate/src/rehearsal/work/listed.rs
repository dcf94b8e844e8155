//! Jobs one by one, from a rehearsal's file: with gangs inside gangs, and jobs that come after others.

use super::{Job, Pods, Work};
use crate::{
    rehearsal::file::{GangEntry, JobEntry, Place},
    table::ReadError,
};
use plimsoll_decide::pack::site::Group;
use plimsoll_fleet::Name;
use std::collections::{BTreeMap, BTreeSet};

/// The jobs of a file. Jobs of one gang, and of gangs inside it, are one: they are placed all or not at all, when the last of them has come,
/// and end with the one that lasts longest.
///
/// # Errors
/// A name that is twice there or not at all, a gang inside itself, a job that comes after itself.
pub fn listed(entries: &[JobEntry], gangs: &[GangEntry], place: Place<'_>) -> Result<Work, ReadError> {
    let tops = Tops::new(gangs, place)?;
    let mut pods = Pods::default();
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut jobs: Vec<Job> = Vec::new();
    let mut of_gang: BTreeMap<&str, usize> = BTreeMap::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in entries {
        let line = entry.name.referenced.line();
        if names.contains_key(&*entry.name.value) {
            return Err(place.wrong("the name of a job", &entry.name, "a name that no other job has"));
        }
        let time = |what, value: Option<&_>| value.map(|value| place.seconds(what, value)).transpose();
        let mut group = Group::default();
        for pod in &entry.pods {
            let (shape, count) = place.pod(pod, line)?;
            group.pods.push((pods.place("jobs".into(), shape), count));
        }
        let job = Job {
            name: entry.name.value.as_str().into(),
            arrives: time("at", entry.at.as_ref())?.unwrap_or(0),
            lasts: time("lasts", entry.lasts.as_ref())?,
            pods: group,
            priority: entry.priority,
            starting: time("starting", entry.starting.as_ref())?.unwrap_or(0),
            checkpoint: time("checkpoint", entry.checkpoint.as_ref())?,
            line: Some(line),
            ..Job::default()
        };
        let at = match &entry.gang {
            None => {
                jobs.push(job);
                jobs.len() - 1
            }
            Some(gang) => {
                let path = tops.path(&gang.value).ok_or_else(|| place.wrong("a gang", gang, "the name of one of the file's gangs"))?;
                let top = *path.first().unwrap_or(&&*gang.value);
                let at = *of_gang.entry(top).or_insert_with(|| {
                    jobs.push(Job {
                        pods: Group { within: tops.within(top), ..Group::default() },
                        name: top.into(),
                        lasts: Some(0),
                        ..job.clone()
                    });
                    jobs.len() - 1
                });
                join(&mut jobs[at], job, &path[1..], &tops, &mut places);
                at
            }
        };
        names.insert(&entry.name.value, at);
    }
    for entry in entries {
        let at = names[&*entry.name.value];
        for before in &entry.after {
            let Some(&of) = names.get(&*before.value) else {
                return Err(place.wrong("after", before, "the name of one of the file's jobs"));
            };
            if !jobs[at].after.contains(&(of as u32)) {
                jobs[at].after.push(of as u32);
            }
        }
    }
    // Who comes after himself, over however many others?
    if let Some(at) = cycle(&jobs) {
        let entry = entries.iter().find(|entry| names[&*entry.name.value] == at && !entry.after.is_empty());
        let name = entry.map_or_else(|| &entries[0].name, |entry| &entry.name);
        return Err(place.wrong("a job", name, "one that does not come after itself: its `after` leads back to it"));
    }
    Ok(Work { name: format!("{} jobs", jobs.len()), pods: pods.into_list(), jobs: by_arrival(jobs), ..Work::default() })
}

/// In order of arrival, with `after` told by the new places.
pub(super) fn by_arrival(jobs: Vec<Job>) -> Vec<Job> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|at| jobs[*at].arrives);
    let mut place = vec![0_u32; jobs.len()];
    for (new, old) in (0..).zip(&order) {
        place[*old] = new;
    }
    let mut jobs: Vec<Option<Job>> = jobs.into_iter().map(Some).collect();
    let mut sorted: Vec<Job> = order.into_iter().filter_map(|old| jobs[old].take()).collect();
    sorted.iter_mut().flat_map(|job| &mut job.after).for_each(|before| *before = place[*before as usize]);
    sorted
}

/// A job joins its gang, at the end of the path of gangs inside. `places`: of each gang among those of the gang that it is in.
fn join<'e>(gang: &mut Job, job: Job, path: &[&'e str], tops: &Tops<'e>, places: &mut BTreeMap<&'e str, usize>) {
    gang.arrives = gang.arrives.max(job.arrives);
    gang.lasts = gang.lasts.zip(job.lasts).map(|(one, other)| one.max(other));
    gang.starting = gang.starting.max(job.starting);
    gang.priority = gang.priority.max(job.priority);
    gang.checkpoint = gang.checkpoint.zip(job.checkpoint).map(|(one, other)| one.max(other));
    let mut group = &mut gang.pods;
    for name in path {
        let next = group.groups.len();
        let at = *places.entry(name).or_insert(next);
        if at == next {
            group.groups.push(Group { within: tops.within(name), ..Group::default() });
        }
        group = &mut group.groups[at];
    }
    group.pods.extend(job.pods.pods);
}

/// The gangs, and what each is a part of.
struct Tops<'e> {
    gangs: BTreeMap<&'e str, (Option<&'e str>, Option<&'e str>)>,
}

impl<'e> Tops<'e> {
    fn new(entries: &'e [GangEntry], place: Place<'_>) -> Result<Self, ReadError> {
        let mut gangs = BTreeMap::new();
        for entry in entries {
            let of = (entry.part_of.as_ref().map(|of| &*of.value), entry.within.as_deref());
            if gangs.insert(&*entry.name.value, of).is_some() {
                return Err(place.wrong("the name of a gang", &entry.name, "a name that no other gang has"));
            }
        }
        let tops = Self { gangs };
        for entry in entries {
            if let Some(of) = &entry.part_of
                && !tops.gangs.contains_key(&*of.value)
            {
                return Err(place.wrong("part-of", of, "the name of one of the file's gangs"));
            }
            if tops.path(&entry.name.value).is_none() {
                return Err(place.wrong("a gang", &entry.name, "one that is not a part of itself: its `part-of` leads back to it"));
            }
        }
        Ok(tops)
    }

    /// The gangs from the outermost down to `name`; none: there is no such gang, or it is inside itself.
    fn path<'n>(&self, name: &'n str) -> Option<Vec<&'n str>>
    where
        'e: 'n,
    {
        let mut path = vec![name];
        let mut seen = BTreeSet::from([name]);
        let mut at = self.gangs.get(name)?.0;
        while let Some(of) = at {
            if !seen.insert(of) {
                return None;
            }
            path.push(of);
            at = self.gangs.get(of)?.0;
        }
        path.reverse();
        Some(path)
    }

    fn within(&self, name: &str) -> Option<Name> {
        self.gangs.get(name)?.1.map(Name::from)
    }
}

/// A job whose `after` leads back to it.
fn cycle(jobs: &[Job]) -> Option<usize> {
    let mut left: Vec<usize> = jobs.iter().map(|job| job.after.len()).collect();
    let mut followers: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, job) in jobs.iter().enumerate() {
        job.after.iter().for_each(|before| followers.entry(*before).or_default().push(at));
    }
    let mut free: Vec<usize> = (0..jobs.len()).filter(|at| left[*at] == 0).collect();
    while let Some(at) = free.pop() {
        for &next in followers.get(&(at as u32)).into_iter().flatten() {
            left[next] -= 1;
            if left[next] == 0 {
                free.push(next);
            }
        }
    }
    // Of those that are left, one that is on a circle: walk back until somebody comes twice.
    let mut at = left.iter().position(|left| *left > 0)?;
    let mut seen = BTreeSet::new();
    while seen.insert(at) {
        at = *jobs[at].after.iter().map(|before| *before as usize).find(|before| left[*before] > 0).as_ref()?;
    }
    Some(at)
}
