//! What teams hold: devices of what a cluster has, and of what has just been let in and is not seen there yet.

use plimsoll_api::team::Booking;
use plimsoll_decide::guard::{self, Policy, Siblings};
use plimsoll_fleet::{Name, Timestamp, written::Written};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// How long what was let in counts without being seen, seconds. The API server gives an admission at most 30 s, and a watch is
/// behind by less than one.
pub const BOOKED_S: i64 = 30;

/// What an object is known by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its kind.
    pub kind: Name,
    /// Its namespace.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
}

impl Key {
    /// That of `object`.
    #[must_use]
    pub fn of(object: &Written) -> Self {
        Self { kind: object.kind.clone(), namespace: object.namespace.clone(), name: object.name.clone() }
    }

    fn is(&self, booking: &Booking) -> bool {
        *self.kind == *booking.kind && *self.namespace == *booking.namespace && *self.name == *booking.name
    }
}

#[derive(Debug)]
struct Holder {
    object: Arc<Written>,
    team: Option<Name>,
    devices: u64,
}

/// What teams hold.
#[derive(Debug, Default)]
pub struct Ledger {
    holders: HashMap<Key, Holder>,
    /// By team.
    held: BTreeMap<Name, u64>,
    /// What has gone, and when: a booking made before that has been used up.
    gone: HashMap<Key, Timestamp>,
    /// What has been let in, by team, as the Team objects say.
    bookings: BTreeMap<Name, Vec<Booking>>,
}

impl Ledger {
    /// A cluster has `object`, which nothing that is watched controls.
    pub fn has(&mut self, object: Arc<Written>, policy: &Policy, siblings: &Siblings) {
        let key = Key::of(&object);
        self.gone.remove(&key);
        self.take_out(&key);
        let demand = guard::demand(policy, &object, siblings);
        let devices = demand.devices.unwrap_or(0);
        if let Some(team) = &demand.team {
            let held = self.held.entry(team.clone()).or_default();
            *held = held.saturating_add(devices);
        }
        self.holders.insert(key, Holder { object, team: demand.team, devices });
    }

    /// A cluster has it no more, or it has ended.
    pub fn has_not(&mut self, key: &Key, now: Timestamp) {
        if self.take_out(key) {
            self.gone.retain(|_, at| now.0.saturating_sub(at.0) <= BOOKED_S);
            self.gone.insert(key.clone(), now);
        }
    }

    /// Of this kind a cluster has only `kept`.
    pub fn has_only(&mut self, kind: &str, kept: &std::collections::HashSet<Key>, now: Timestamp) {
        let gone: Vec<Key> = self.holders.keys().filter(|key| *key.kind == *kind && !kept.contains(*key)).cloned().collect();
        for key in gone {
            self.has_not(&key, now);
        }
    }

    /// Rules, or what stands beside the holders, have changed: whose they are, and how much they hold, is found anew.
    pub fn renew(&mut self, policy: &Policy, siblings: &Siblings) {
        let objects: Vec<Arc<Written>> = self.holders.values().map(|holder| holder.object.clone()).collect();
        self.holders.clear();
        self.held.clear();
        for object in objects {
            self.has(object, policy, siblings);
        }
    }

    /// What the status of a Team says has been let in.
    pub fn set_bookings(&mut self, team: Name, bookings: Vec<Booking>) {
        if bookings.is_empty() {
            self.bookings.remove(&team);
        } else {
            self.bookings.insert(team, bookings);
        }
    }

    /// What the Team's status said when it was last seen.
    #[must_use]
    pub fn bookings(&self, team: &str) -> &[Booking] {
        self.bookings.get(team).map(Vec::as_slice).unwrap_or_default()
    }

    /// Devices that `team` holds, with those of `bookings` that have not been seen; all but those of `own`, whose count is beside.
    #[must_use]
    pub fn held(&self, team: &str, bookings: &[Booking], own: &Key, now: Timestamp) -> Held {
        let own_now = self.holders.get(own).filter(|holder| holder.team.as_deref() == Some(team)).map_or(0, |holder| holder.devices);
        let seen = self.held.get(team).copied().unwrap_or(0);
        let waiting = bookings.iter().filter(|booking| !own.is(booking) && self.counts(booking, now)).map(|booking| booking.gpus);
        Held { devices: waiting.fold(seen, u64::saturating_add), own: own_now }
    }

    /// Does a booking count beside what is seen?
    #[must_use]
    pub fn counts(&self, booking: &Booking, now: Timestamp) -> bool {
        let Some(until) = until(booking, now) else { return false };
        let key = Key { kind: (&*booking.kind).into(), namespace: (&*booking.namespace).into(), name: (&*booking.name).into() };
        let made = until.0.saturating_sub(BOOKED_S);
        let held = self.holders.get(&key).map_or(0, |holder| holder.devices);
        held < booking.gpus && self.gone.get(&key).is_none_or(|gone| gone.0 < made)
    }

    /// The object of that key, where it holds something.
    #[must_use]
    pub fn holder(&self, key: &Key) -> Option<&Arc<Written>> {
        self.holders.get(key).map(|holder| &holder.object)
    }

    /// Holders, for the metrics.
    #[must_use]
    pub fn len(&self) -> usize {
        self.holders.len()
    }

    /// Nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.holders.is_empty()
    }

    fn take_out(&mut self, key: &Key) -> bool {
        let Some(holder) = self.holders.remove(key) else { return false };
        if let Some(held) = holder.team.as_ref().and_then(|team| self.held.get_mut(team)) {
            *held = held.saturating_sub(holder.devices);
        }
        true
    }
}

/// What a team holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// All of it, in devices.
    pub devices: u64,
    /// Those of the object itself, which are in `devices` too.
    pub own: u64,
}

/// Until when a booking counts; none: it counts no more, does not say, or was made by a clock that was far ahead of this one: it
/// must not hold GPUs until that time has come.
pub fn until(booking: &Booking, now: Timestamp) -> Option<Timestamp> {
    let until: jiff::Timestamp = booking.until.parse().ok()?;
    Some(Timestamp(until.as_second())).filter(|until| now < *until && until.0 <= now.0.saturating_add(2 * BOOKED_S))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    fn policy() -> Policy {
        let team = json!({"apiVersion": "plimsoll.dev/v1alpha1", "kind": "Team", "metadata": {"name": "a"},
            "spec": {"namespaces": ["a-*"], "limits": {"gpus": 4}}});
        Policy::only(plimsoll_api::read(&team).unwrap().into_iter().collect()).unwrap()
    }

    fn pod(name: &str, gpus: u64) -> Arc<Written> {
        let text = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: a-1}}, spec: {{containers: [{{name: c, \
             resources: {{limits: {{nvidia.com/gpu: {gpus}}}}}}}]}}}}"
        );
        Arc::new(plimsoll_observe::manifest::read(&text).0[0].written().unwrap())
    }

    fn booking(name: &str, gpus: u64, for_s: i64) -> Booking {
        let until = jiff::Timestamp::from_second(NOW.0 + for_s).unwrap().to_string();
        Booking { kind: "Pod".to_owned(), namespace: "a-1".to_owned(), name: name.to_owned(), gpus, until }
    }

    fn key(name: &str) -> Key {
        Key { kind: "Pod".into(), namespace: "a-1".into(), name: name.into() }
    }

    #[test]
    fn what_is_booked_and_seen_counts_once() {
        let (policy, siblings, mut ledger) = (policy(), Siblings::new(true), Ledger::default());
        let bookings = [booking("x", 2, 30), booking("y", 1, 30)];
        let held = |ledger: &Ledger| ledger.held("a", &bookings, &key("new"), NOW).devices;
        assert_eq!(held(&ledger), 3);
        ledger.has(pod("x", 2), &policy, &siblings);
        assert_eq!(held(&ledger), 3);
        ledger.has(pod("x", 2), &policy, &siblings);
        ledger.has(pod("z", 1), &policy, &siblings);
        assert_eq!(held(&ledger), 4);
        ledger.renew(&policy, &siblings);
        assert_eq!(held(&ledger), 4);
    }

    #[test]
    fn a_booking_ends_with_its_time_and_with_its_object() {
        let (policy, siblings, mut ledger) = (policy(), Siblings::new(true), Ledger::default());
        let bookings = [booking("x", 2, 30), booking("old", 2, 0)];
        ledger.has(pod("x", 2), &policy, &siblings);
        ledger.has_not(&key("x"), NOW);
        assert_eq!(ledger.held("a", &bookings, &key("new"), NOW).devices, 0);
        // One of the same name that is let in later counts anew.
        let later = Timestamp(NOW.0 + 5);
        assert_eq!(ledger.held("a", &[booking("x", 2, 36)], &key("new"), later).devices, 2);
    }

    #[test]
    fn a_clock_that_jumps_takes_no_gpus_for_long() {
        let ledger = Ledger::default();
        let held = |for_s: i64, now: Timestamp| ledger.held("a", &[booking("x", 2, for_s)], &key("new"), now).devices;
        assert_eq!((held(30, NOW), held(3_600, NOW)), (2, 0));
        // Forward by a day: what was booked before has ended. Back by a day: it was made in the future.
        assert_eq!((held(30, Timestamp(NOW.0 + 86_400)), held(30, Timestamp(NOW.0 - 86_400))), (0, 0));
    }

    #[test]
    fn what_an_object_holds_itself_is_told_beside() {
        let (policy, siblings, mut ledger) = (policy(), Siblings::new(true), Ledger::default());
        ledger.has(pod("x", 2), &policy, &siblings);
        assert_eq!(ledger.held("a", &[booking("x", 3, 30)], &key("x"), NOW), Held { devices: 2, own: 2 });
    }
}
