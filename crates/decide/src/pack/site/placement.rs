//! What is placed so far: pods and gangs come and go, nodes close and open.

use super::{
    Site,
    rules::{Counts, NOWHERE},
};
use crate::pack::policy::{Fragmentation, Place, Placer, Policy, State};
use plimsoll_fleet::Name;
use std::collections::BTreeMap;

/// A pod that has a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// Its want, an index.
    pub want: u32,
    /// The form that it has there.
    pub(super) form: u32,
    /// The place.
    pub place: Place,
}

/// Pods that come all together or not at all, with groups inside that may ask for more.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// Wants, and how many of each.
    pub pods: Vec<(u32, u32)>,
    /// All of it, the groups inside too, must be on nodes with one value of this label; none: anywhere.
    pub within: Option<Name>,
    /// Groups inside.
    pub groups: Vec<Group>,
}

impl Group {
    /// Tells all of its pods, those of groups inside too: want and count.
    pub fn each(&self, tell: &mut impl FnMut(u32, u32)) {
        self.pods.iter().for_each(|&(want, count)| tell(want, count));
        self.groups.iter().for_each(|group| group.each(tell));
    }

    /// Its wants are numbered from `first` on.
    pub fn renumber(&mut self, first: u32) {
        self.pods.iter_mut().for_each(|(want, _)| *want += first);
        self.groups.iter_mut().for_each(|group| group.renumber(first));
    }

    /// Adds the labels that it, or a group inside, wants to be within.
    pub fn domains(&self, keys: &mut Vec<Name>) {
        keys.extend(self.within.iter().filter(|key| !keys.contains(key)).cloned().collect::<Vec<_>>());
        self.groups.iter().for_each(|group| group.domains(keys));
    }
}

/// A site with a policy and what is placed so far.
pub struct Placement<'s> {
    site: &'s Site,
    placer: Placer,
    counts: Counts,
    measure: Fragmentation,
    /// Thousandths of free GPUs that the expected pods cannot use, by node, and all of them.
    fragments: Vec<u32>,
    fragmented_milli: u64,
    closed: Vec<bool>,
}

/// Domains that are tried for a group at most: past these, the fullest that suffice have been seen.
const DOMAINS_TRIED: usize = 64;

impl<'s> Placement<'s> {
    pub(super) fn new(site: &'s Site, policy: Box<dyn Policy>) -> Self {
        let placer = Placer::new(&site.kinds, &site.spots, &site.pods, policy);
        let measure = Fragmentation::new(&site.kinds, &site.mix);
        let fragments: Vec<u32> = (0..site.nodes()).map(|node| measure.milli(placer.state(node))).collect();
        let fragmented_milli = fragments.iter().map(|milli| u64::from(*milli)).sum();
        let closed = vec![false; fragments.len()];
        Self { site, placer, counts: site.book.counts(), measure, fragments, fragmented_milli, closed }
    }

    /// Places a pod, where the policy says; none: there is no room. `draw` settles what the policy leaves to chance.
    pub fn place(&mut self, want: u32, draw: u64) -> Option<Seat> {
        self.place_where(want, draw, &|_| true)
    }

    /// Places all of a group, or nothing.
    pub fn place_group(&mut self, group: &Group, draw: u64) -> Option<Vec<Seat>> {
        let mut seats = Vec::new();
        if self.put_group(group, draw, &|_| true, &mut seats) {
            return Some(seats);
        }
        debug_assert!(seats.is_empty(), "what was placed is taken back");
        None
    }

    /// Places a pod on a certain node; none: it does not fit there. Its rules on other pods are not looked at: it is there already.
    pub fn place_on(&mut self, want: u32, node: u32) -> Option<Seat> {
        let form = *self.site.forms[want as usize].iter().find(|form| self.placer.fits(**form as usize, node))?;
        let place = self.placer.choose_where(form as usize, 0, &|at| at == node)?;
        let seat = Seat { want, form, place };
        self.take(seat);
        Some(seat)
    }

    /// Takes a pod away.
    pub fn give_back(&mut self, seat: Seat) {
        self.placer.give_back(seat.form as usize, seat.place);
        self.site.book.count(&mut self.counts, seat.want, seat.place.node, false);
        self.measure(seat.place.node);
    }

    /// The node takes no more pods, or takes them again. What is there stays until it is taken away.
    pub fn set_open(&mut self, node: u32, open: bool) {
        if self.closed[node as usize] == open {
            self.closed[node as usize] = !open;
            if open {
                self.placer.open(node)
            } else {
                self.placer.close(node)
            }
            self.measure(node);
        }
    }

    /// Does the node take pods?
    #[must_use]
    pub fn is_open(&self, node: u32) -> bool {
        !self.closed[node as usize]
    }

    /// Can a pod that is placed make room for this one, by affinity or spread?
    #[must_use]
    pub fn may_be_helped(&self, group: &Group) -> bool {
        group.pods.iter().any(|(want, _)| self.site.book.may_be_helped(*want)) || group.groups.iter().any(|group| self.may_be_helped(group))
    }

    /// Thousandths of GPUs that pods hold.
    #[must_use]
    pub fn allocated_milli(&self) -> u64 {
        self.placer.allocated_milli()
    }

    /// Thousandths of GPUs of the open nodes.
    #[must_use]
    pub fn total_milli(&self) -> u64 {
        self.placer.total_milli()
    }

    /// Thousandths of free GPUs of open nodes that the expected pods cannot use, in the mean over these.
    #[must_use]
    pub fn fragmented_milli(&self) -> u64 {
        self.fragmented_milli
    }

    /// The same of one node.
    #[must_use]
    pub fn fragmented_on(&self, node: u32) -> u32 {
        self.fragments[node as usize]
    }

    /// What is free on a node.
    #[must_use]
    pub fn state(&self, node: u32) -> &State {
        self.placer.state(node)
    }

    /// Does a group fit by volume? Cheap; false is sure.
    #[must_use]
    pub fn has_volume(&self, milli: u64) -> bool {
        milli == 0 || milli <= self.placer.total_milli().saturating_sub(self.placer.allocated_milli())
    }

    fn place_where(&mut self, want: u32, draw: u64, admit: &dyn Fn(u32) -> bool) -> Option<Seat> {
        let site = self.site;
        for &form in &site.forms[want as usize] {
            let place = if site.book.is_free(want) {
                self.placer.choose_where(form as usize, draw, admit)
            } else {
                let limits = site.book.limits(&self.counts, want);
                self.placer.choose_where(form as usize, draw, &|node| admit(node) && limits.admit(node))
            };
            if let Some(place) = place {
                let seat = Seat { want, form, place };
                self.take(seat);
                return Some(seat);
            }
        }
        None
    }

    /// Adds the seats of the group to `seats`, or changes nothing.
    fn put_group(&mut self, group: &Group, draw: u64, admit: &dyn Fn(u32) -> bool, seats: &mut Vec<Seat>) -> bool {
        let Some(key) = &group.within else { return self.put_all(group, draw, admit, seats) };
        let site = self.site;
        let Some(domains) = site.book.domains(key) else { return false };
        // The fullest domain that has the volume comes first: the emptier ones stay for larger gangs.
        let mut free: BTreeMap<u32, u64> = BTreeMap::new();
        for (node, &domain) in (0..).zip(domains) {
            if domain != NOWHERE && !self.closed[node as usize] && admit(node) {
                *free.entry(domain).or_default() += u64::from(self.placer.state(node).free_milli());
            }
        }
        let needed = self.milli(group);
        let mut domains_by_room: Vec<(u64, u32)> =
            free.into_iter().filter(|(_, free)| *free >= needed).map(|(domain, free)| (free, domain)).collect();
        domains_by_room.sort_unstable();
        domains_by_room.into_iter().take(DOMAINS_TRIED).any(|(_, domain)| {
            let inside = |node: u32| domains[node as usize] == domain && admit(node);
            self.put_all(group, draw, &inside, seats)
        })
    }

    fn put_all(&mut self, group: &Group, draw: u64, admit: &dyn Fn(u32) -> bool, seats: &mut Vec<Seat>) -> bool {
        let before = seats.len();
        // Groups first, they are bound to a domain; then the pods, the largest first, as the caller has put them.
        let groups = group.groups.iter().all(|inner| self.put_group(inner, draw, admit, seats));
        let all = groups
            && group.pods.iter().all(|&(want, count)| {
                (0..count).all(|at| match self.place_where(want, draw.wrapping_add(at.into()), admit) {
                    Some(seat) => {
                        seats.push(seat);
                        true
                    }
                    None => false,
                })
            });
        if !all {
            for seat in seats.split_off(before).into_iter().rev() {
                self.give_back(seat);
            }
        }
        all
    }

    /// Thousandths of GPUs that the group takes at least.
    fn milli(&self, group: &Group) -> u64 {
        let mut milli = 0_u64;
        group.each(&mut |want, count| milli = milli.saturating_add(self.site.milli(want).unwrap_or(0).saturating_mul(count.into())));
        milli
    }

    fn take(&mut self, seat: Seat) {
        self.placer.take(seat.form as usize, seat.place);
        self.site.book.count(&mut self.counts, seat.want, seat.place.node, true);
        self.measure(seat.place.node);
    }

    fn measure(&mut self, node: u32) {
        let milli = if self.closed[node as usize] { 0 } else { self.measure.milli(self.placer.state(node)) };
        let before = std::mem::replace(&mut self.fragments[node as usize], milli);
        self.fragmented_milli = self.fragmented_milli + u64::from(milli) - u64::from(before);
    }
}
