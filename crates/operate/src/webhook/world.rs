//! What the webhook knows of its cluster: rules, what stands beside what is judged, what teams hold. Watches write it, reviews
//! read it and never wait for a watch.

use super::{
    kinds::{Tells, Watched},
    ledger::{Key, Ledger},
    seen::Seen,
};
use arc_swap::ArcSwap;
use plimsoll_api::Resource;
use plimsoll_decide::guard::{Policy, Siblings};
use plimsoll_fleet::{Bytes, Name, Timestamp, written::Written};
use plimsoll_observe::manifest::{self, Node};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Notify;

/// Most images of one node that are taken notice of. The kubelet reports 50 unless told otherwise.
const IMAGES_MAX: usize = 1_000;

/// What the webhook knows.
#[derive(Debug)]
pub struct World {
    policy: ArcSwap<Policy>,
    siblings: ArcSwap<Siblings>,
    images: ArcSwap<BTreeMap<Name, Bytes>>,
    spent: ArcSwap<BTreeMap<Name, (String, f64)>>,
    ledger: Mutex<Ledger>,
    raw: Mutex<Raw>,
    /// Something of `raw` has changed since the rest was made of it.
    stale: Stale,
    wake: Notify,
    compiled: AtomicBool,
}

/// Objects as they were seen, of which the rest is made.
#[derive(Debug, Default)]
struct Raw {
    /// Guardrails, teams and pools whose fields are right, by kind and name: the last one of each that was.
    resources: BTreeMap<(&'static str, String), Resource>,
    /// Those of them that the rules were made of.
    in_force: BTreeMap<(&'static str, String), Resource>,
    /// Those whose fields are wrong, and why.
    misshapen: BTreeMap<(&'static str, String), String>,
    /// Guardrails that no rules can be made of, and why.
    wrong: BTreeMap<String, String>,
    siblings: HashMap<Key, Arc<Written>>,
    images: HashMap<Name, Vec<(Name, Bytes)>>,
}

#[derive(Debug, Default)]
struct Stale {
    policy: AtomicBool,
    siblings: AtomicBool,
    images: AtomicBool,
}

impl Default for World {
    fn default() -> Self {
        Self {
            // Nobody has asked for a rule yet.
            policy: ArcSwap::from_pointee(Policy::only(Vec::new()).unwrap_or_default()),
            siblings: ArcSwap::from_pointee(Siblings::new(true)),
            images: ArcSwap::default(),
            spent: ArcSwap::default(),
            ledger: Mutex::default(),
            raw: Mutex::default(),
            stale: Stale::default(),
            wake: Notify::new(),
            compiled: AtomicBool::new(false),
        }
    }
}

impl World {
    /// The rules.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// What stands beside what is judged.
    #[must_use]
    pub fn siblings(&self) -> Arc<Siblings> {
        self.siblings.load_full()
    }

    /// Sizes of images.
    #[must_use]
    pub fn images(&self) -> Arc<BTreeMap<Name, Bytes>> {
        self.images.load_full()
    }

    /// What `team` has spent in `month` (2026-11); none: nobody says.
    #[must_use]
    pub fn spent(&self, team: &str, month: &str) -> Option<f64> {
        self.spent.load().get(team).filter(|(of, _)| of == month).map(|(_, amount)| *amount)
    }

    /// What teams hold.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Guardrails, teams and pools that cannot be judged by, and why: the last right one of that name counts, if there was one.
    #[must_use]
    pub fn wrong(&self) -> Vec<String> {
        let raw = lock(&self.raw);
        raw.misshapen.values().chain(raw.wrong.values()).cloned().collect()
    }

    /// Have the rules been made at least once of what the cluster has?
    #[must_use]
    pub fn is_compiled(&self) -> bool {
        self.compiled.load(Ordering::Acquire)
    }

    /// The rules as a test, or a command without a cluster, gives them.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.store(Arc::new(policy));
        self.compiled.store(true, Ordering::Release);
    }

    /// An object of a watched kind is there, or has changed.
    pub fn apply(&self, watched: &Watched, seen: &Seen, now: Timestamp) {
        let Some(name) = seen.metadata.name.as_deref() else { return };
        match watched.tells {
            Tells::Policy => self.apply_resource(watched, name, &seen.node),
            Tells::Images => {
                let images = images(&seen.node);
                let mut raw = lock(&self.raw);
                if raw.images.get(name) != Some(&images) {
                    raw.images.insert(name.into(), images);
                    drop(raw);
                    self.soil(&self.stale.images);
                }
            }
            Tells::Sibling => {
                let written = Arc::new(manifest::written(&watched.api().api_version, watched.kind, &seen.node));
                let key = Key::of(&written);
                let mut raw = lock(&self.raw);
                if raw.siblings.get(&key).is_none_or(|kept| *kept != written) {
                    raw.siblings.insert(key, written);
                    drop(raw);
                    self.soil(&self.stale.siblings);
                }
            }
            Tells::Holder => {
                let mut written = manifest::written(&watched.api().api_version, watched.kind, &seen.node);
                manifest::count_by_status(&mut written, &seen.node);
                if holds(&written, &seen.node) {
                    let (policy, siblings) = (self.policy(), self.siblings());
                    self.ledger().has(Arc::new(written), &policy, &siblings);
                } else {
                    self.ledger().has_not(&Key::of(&written), now);
                }
            }
        }
    }

    /// An object of a watched kind has gone.
    pub fn delete(&self, watched: &Watched, namespace: Option<&str>, name: &str, now: Timestamp) {
        let key = Key { kind: watched.kind.into(), namespace: namespace.unwrap_or_default().into(), name: name.into() };
        match watched.tells {
            Tells::Policy => {
                let mut raw = lock(&self.raw);
                let key = (watched.kind, name.to_owned());
                raw.misshapen.remove(&key);
                if raw.resources.remove(&key).is_some() {
                    drop(raw);
                    self.soil(&self.stale.policy);
                }
            }
            Tells::Images => {
                lock(&self.raw).images.remove(name);
                self.soil(&self.stale.images);
            }
            Tells::Sibling => {
                lock(&self.raw).siblings.remove(&key);
                self.soil(&self.stale.siblings);
            }
            Tells::Holder => self.ledger().has_not(&key, now),
        }
    }

    /// A kind has been listed whole: what is not in `kept` (namespace and name) has gone.
    pub fn keep_only(&self, watched: &Watched, kept: &HashSet<(Option<String>, String)>, now: Timestamp) {
        let has = |namespace: &str, name: &str| {
            let namespace = (!namespace.is_empty()).then(|| namespace.to_owned());
            kept.contains(&(namespace, name.to_owned()))
        };
        let raw = lock(&self.raw);
        let gone: Vec<(String, String)> = match watched.tells {
            Tells::Policy => {
                let names = raw.resources.keys().chain(raw.misshapen.keys());
                names
                    .filter(|(kind, name)| *kind == watched.kind && !has("", name))
                    .map(|(_, name)| (String::new(), name.clone()))
                    .collect()
            }
            Tells::Images => raw.images.keys().filter(|name| !has("", name)).map(|name| (String::new(), name.to_string())).collect(),
            Tells::Sibling => {
                let keys = raw.siblings.keys().filter(|key| *key.kind == *watched.kind && !has(&key.namespace, &key.name));
                keys.map(|key| (key.namespace.to_string(), key.name.to_string())).collect()
            }
            Tells::Holder => {
                drop(raw);
                let keys = kept.iter().map(|(namespace, name)| Key {
                    kind: watched.kind.into(),
                    namespace: namespace.as_deref().unwrap_or_default().into(),
                    name: name.as_str().into(),
                });
                self.ledger().has_only(watched.kind, &keys.collect(), now);
                return;
            }
        };
        drop(raw);
        for (namespace, name) in gone {
            self.delete(watched, Some(namespace.as_str()).filter(|namespace| !namespace.is_empty()), &name, now);
        }
    }

    /// Waits until something has changed.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }

    /// Makes what reviews read of what watches have written, where that has changed.
    pub fn renew(&self) {
        let policy_is_stale = self.stale.policy.swap(false, Ordering::AcqRel) || !self.is_compiled();
        let siblings_are_stale = self.stale.siblings.swap(false, Ordering::AcqRel);
        if policy_is_stale {
            self.policy.store(Arc::new(lock(&self.raw).compile()));
            self.compiled.store(true, Ordering::Release);
        }
        if siblings_are_stale {
            let mut siblings = Siblings::new(true);
            for object in lock(&self.raw).siblings.values() {
                siblings.add(object);
            }
            self.siblings.store(Arc::new(siblings));
        }
        if policy_is_stale || siblings_are_stale {
            let (policy, siblings) = (self.policy(), self.siblings());
            self.ledger().renew(&policy, &siblings);
        }
        if self.stale.images.swap(false, Ordering::AcqRel) {
            let mut images = BTreeMap::new();
            for (name, size) in lock(&self.raw).images.values().flatten() {
                let most: &mut Bytes = images.entry(name.clone()).or_insert(*size);
                *most = (*most).max(*size);
            }
            self.images.store(Arc::new(images));
        }
    }

    fn apply_resource(&self, watched: &Watched, name: &str, node: &Node) {
        let key = (watched.kind, name.to_owned());
        let mut json = node.json();
        json["apiVersion"] = watched.api().api_version.into();
        json["kind"] = watched.kind.into();
        let read = plimsoll_api::read(&json)
            .map_err(|error| error.to_string())
            .and_then(|resource| resource.ok_or_else(|| format!("{} {name} is of another group", watched.kind)));
        let mut raw = lock(&self.raw);
        match read {
            Err(why) => {
                tracing::error!(kind = watched.kind, name, why, "it cannot be judged by: the last right one of that name counts on");
                raw.misshapen.insert(key, why);
            }
            Ok(mut resource) => {
                raw.misshapen.remove(&key);
                if let Resource::Team(team) = &mut resource {
                    let status = std::mem::take(&mut team.status);
                    self.ledger().set_bookings(name.into(), status.bookings);
                    let mut spent = BTreeMap::clone(&self.spent.load());
                    match status.spent {
                        Some(said) => spent.insert(name.into(), (said.month, said.amount)),
                        None => spent.remove(name),
                    };
                    self.spent.store(Arc::new(spent));
                }
                if raw.resources.get(&key) != Some(&resource) {
                    raw.resources.insert(key, resource);
                    drop(raw);
                    self.soil(&self.stale.policy);
                }
            }
        }
    }

    fn soil(&self, what: &AtomicBool) {
        what.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

impl Raw {
    /// The rules of all that is right together: one guardrail may set the mode of another's rules. In the place of a guardrail that is
    /// wrong stands what was in force of that name before.
    fn compile(&mut self) -> Policy {
        let mut set = self.resources.clone();
        self.wrong.clear();
        loop {
            match Policy::only(set.values().cloned().collect()) {
                Ok(policy) => {
                    self.in_force = set;
                    return policy;
                }
                Err(error) => {
                    let Some(name) = error.guardrail().map(str::to_owned) else {
                        // A name that is there twice, which a cluster has not.
                        tracing::error!(%error, "no rules can be made of this");
                        return Policy::only(Vec::new()).unwrap_or_default();
                    };
                    tracing::error!(%error, "it cannot be judged by: what was in force of that name counts on");
                    let key = ("Guardrail", name.clone());
                    // Once with what was in force, and not at all if even that is wrong by now.
                    let before = self.in_force.get(&key).filter(|_| !self.wrong.contains_key(&name)).cloned();
                    match before {
                        Some(before) => drop(set.insert(key, before)),
                        None => drop(set.remove(&key)),
                    }
                    self.wrong.insert(name, error.to_string());
                }
            }
        }
    }
}

/// A panic elsewhere does not stop the door: what the lock guards is whole after each of its changes.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does it hold GPUs by itself? What another object controls does not, nor what has ended.
fn holds(object: &Written, node: &Node) -> bool {
    let asks = object.templates.iter().any(|template| template.devices() > 0 || !template.claims.is_empty());
    asks && !object.owned && !has_ended(node)
}

/// Has it done its work, well or not?
pub(super) fn has_ended(node: &Node) -> bool {
    let phase = node.at("status.phase").and_then(Node::text).map(|phase| &**phase);
    let conditions = node.at("status.conditions").map(Node::items).unwrap_or_default();
    let is_end = |condition: &Node| {
        let text = |key: &str| condition.get(key).and_then(Node::text).map(|text| &**text);
        text("status") == Some("True") && matches!(text("type"), Some("Complete" | "Failed" | "Succeeded" | "Completed"))
    };
    matches!(phase, Some("Succeeded" | "Failed")) || conditions.iter().any(is_end)
}

/// The images that a node has, with their sizes.
fn images(node: &Node) -> Vec<(Name, Bytes)> {
    let all = node.at("status.images").map(Node::items).unwrap_or_default().iter().take(IMAGES_MAX);
    all.filter_map(|image| Some((image.get("names")?, Bytes(image.get("sizeBytes")?.count()?))))
        .flat_map(|(names, size)| names.items().iter().filter_map(Node::text).map(move |name| (name.clone(), size)))
        .collect()
}
