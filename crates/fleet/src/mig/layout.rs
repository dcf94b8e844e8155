//! Layouts: which instances stand on a GPU together, where the next one goes, and what still fits.
//!
//! A layout is valid when no two instances overlap, no profile stands more often than its most, at most one instance has
//! the `me` attribute, and the media engines (where a table counts them) suffice. Source: MIG User Guide; on the grid of 8
//! the sum of compute slices is then never above 7.

use super::{
    Table,
    profile::{Attribute, Mark},
};
use std::{cmp::Reverse, collections::BTreeSet};

/// An instance on a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Placement {
    /// Its first memory slice.
    pub start: u8,
    /// Its kind, by its place in [`Table::slots`].
    pub slot: usize,
}

impl Table {
    /// Can these instances stand on a GPU together? An unknown slot or start cannot.
    #[must_use]
    pub fn is_valid(&self, layout: &[Placement]) -> bool {
        let mut taken = 0_u16;
        let mut media_extended = 0;
        let mut engines = [0_u32; 4];
        for (at, placement) in layout.iter().enumerate() {
            let Some(slot) = self.slots.get(placement.slot).filter(|slot| slot.starts.contains(&placement.start)) else { return false };
            let slices = (((1_u32 << slot.size) - 1) << placement.start) as u16;
            if taken & slices != 0 {
                return false;
            }
            taken |= slices;
            if layout[..=at].iter().filter(|other| other.slot == placement.slot).count() > usize::from(slot.max) {
                return false;
            }
            media_extended += u32::from(matches!(slot.documented.mark, Some(Mark::With(Attribute::Me | Attribute::MeAll))));
            let own = slot.engines;
            for (sum, own) in engines.iter_mut().zip([own.nvdec, own.nvenc, own.jpeg, own.ofa]) {
                *sum += u32::from(own);
            }
        }
        let enough = |most: super::Engines| {
            engines.iter().zip([most.nvdec, most.nvenc, most.jpeg, most.ofa]).all(|(sum, most)| *sum <= u32::from(most))
        };
        media_extended <= 1 && self.engines.is_none_or(enough)
    }

    /// The starts at which another instance of `slot` could stand beside `layout`, lowest first.
    #[must_use]
    pub fn free_starts(&self, layout: &[Placement], slot: usize) -> Vec<u8> {
        let starts = self.slots.get(slot).map_or(&[][..], |slot| &slot.starts);
        starts.iter().copied().filter(|start| self.is_valid(&with(layout, Placement { start: *start, slot }))).collect()
    }

    /// Where another instance of `slot` should go: the start that leaves the most places for others, the largest profiles
    /// counted first; of equals the highest. So `1g` goes to 6, then 5 and 4, `2g` and `3g` to 4: a `3g` at 0 would waste a
    /// slice. None: there is no place.
    #[must_use]
    pub fn place(&self, layout: &[Placement], slot: usize) -> Option<u8> {
        self.by_advice(layout, slot).first().copied()
    }

    /// How many more instances of `slot` alone could stand beside `layout`.
    #[must_use]
    pub fn room(&self, layout: &[Placement], slot: usize) -> u32 {
        // Instances of one slot take the slices from start to start, so taking any free start never costs a second one.
        let mut layout = layout.to_vec();
        let mut count = 0;
        while let Some(start) = self.free_starts(&layout, slot).first().copied() {
            layout.push(Placement { start, slot });
            count += 1;
        }
        count
    }

    /// Memory slices that no instance of `layout` takes.
    #[must_use]
    pub fn free_slices(&self, layout: &[Placement]) -> u8 {
        let taken = layout.iter().filter_map(|placement| self.slots.get(placement.slot)).map(|slot| slot.size);
        taken.fold(self.grid, u8::saturating_sub)
    }

    /// Places for all of `wanted` (slots, in any order, with repeats) beside `layout`, or none if there are none. An exact
    /// search; the result is in the order to create them, the largest first, as the driver needs it.
    #[must_use]
    pub fn fit(&self, layout: &[Placement], wanted: &[usize]) -> Option<Vec<Placement>> {
        if wanted.len() > usize::from(self.grid) || wanted.iter().any(|slot| *slot >= self.slots.len()) {
            return None;
        }
        let size: u32 = wanted.iter().map(|slot| u32::from(self.slots[*slot].size)).sum();
        if size > u32::from(self.free_slices(layout)) {
            return None;
        }
        let mut wanted = wanted.to_vec();
        wanted.sort_by_key(|slot| (Reverse(self.slots[*slot].size), Reverse(self.slots[*slot].compute), *slot));
        let mut all = layout.to_vec();
        self.fit_all(&mut all, &wanted).then(|| all.split_off(layout.len()))
    }

    fn fit_all(&self, layout: &mut Vec<Placement>, wanted: &[usize]) -> bool {
        let Some((slot, rest)) = wanted.split_first() else { return self.is_valid(layout) };
        for start in self.by_advice(layout, *slot) {
            layout.push(Placement { start, slot: *slot });
            if self.fit_all(layout, rest) {
                return true;
            }
            layout.pop();
        }
        false
    }

    /// The free starts of `slot`, the best first.
    fn by_advice(&self, layout: &[Placement], slot: usize) -> Vec<u8> {
        let mut others = self.plain_slots();
        others.sort_by_key(|other| (Reverse(self.slots[*other].size), Reverse(self.slots[*other].compute)));
        let mut starts = self.free_starts(layout, slot);
        starts.sort_by_cached_key(|start| {
            let then = with(layout, Placement { start: *start, slot });
            let left: Vec<usize> = others.iter().map(|other| self.free_starts(&then, *other).len()).collect();
            Reverse((left, *start))
        });
        starts
    }

    /// The oldest driver branch that makes `layout`, where that is later than MIG itself on the board
    /// ([`crate::catalogue::MigKey::min_driver`]): 510 for R510.
    #[must_use]
    pub fn min_driver(&self, layout: &[Placement]) -> Option<u16> {
        let slots = layout.iter().filter_map(|placement| self.slots.get(placement.slot)?.min_driver);
        let stands = |name: &String| layout.iter().any(|placement| self.text(*placement).as_ref() == Some(name));
        let together = self.combinations.iter().filter(|combination| combination.placements.iter().all(stands));
        slots.chain(together.map(|combination| combination.min_driver)).max()
    }

    /// `4g@0`; none: not a slot of this table.
    #[must_use]
    pub fn text(&self, placement: Placement) -> Option<String> {
        self.slots.get(placement.slot).map(|slot| format!("{}g@{}", slot.compute, placement.start))
    }

    /// Every valid layout of instances of `slots` but the empty one; each sorted by start, all sorted.
    #[must_use]
    pub fn layouts(&self, slots: &[usize]) -> Vec<Vec<Placement>> {
        let mut placements: Vec<Placement> = slots
            .iter()
            .filter_map(|slot| Some((*slot, self.slots.get(*slot)?)))
            .flat_map(|(slot, kind)| kind.starts.iter().map(move |start| Placement { start: *start, slot }))
            .collect();
        placements.sort_unstable();
        let mut found = Vec::new();
        self.extend(&mut Vec::new(), &placements, &mut found);
        found.sort_unstable();
        found
    }

    fn extend(&self, layout: &mut Vec<Placement>, placements: &[Placement], found: &mut Vec<Vec<Placement>>) {
        for (at, placement) in placements.iter().enumerate() {
            layout.push(*placement);
            if self.is_valid(layout) {
                found.push(layout.clone());
                self.extend(layout, &placements[at + 1..], found);
            }
            layout.pop();
        }
    }

    /// The layouts of `slots` beside which no further instance of `slots` fits.
    #[must_use]
    pub fn maximal_layouts(&self, slots: &[usize]) -> Vec<Vec<Placement>> {
        let full = |layout: &Vec<Placement>| slots.iter().all(|slot| self.free_starts(layout, *slot).is_empty());
        self.layouts(slots).into_iter().filter(full).collect()
    }

    /// The choices worth planning with: multisets of `slots` (sorted, with repeats) that some layout holds and that no
    /// larger one contains.
    #[must_use]
    pub fn maximal_multisets(&self, slots: &[usize]) -> Vec<Vec<usize>> {
        // Every valid multiset is part of one of a maximal layout, so only those can contain another.
        let all: BTreeSet<Vec<usize>> = self.maximal_layouts(slots).iter().map(|layout| multiset(layout)).collect();
        all.iter().filter(|one| !all.iter().any(|other| other != *one && contains(other, one))).cloned().collect()
    }
}

fn with(layout: &[Placement], placement: Placement) -> Vec<Placement> {
    layout.iter().copied().chain([placement]).collect()
}

fn multiset(layout: &[Placement]) -> Vec<usize> {
    let mut slots: Vec<usize> = layout.iter().map(|placement| placement.slot).collect();
    slots.sort_unstable();
    slots
}

/// Has `whole` everything of `part`, as often? Both are sorted.
fn contains(whole: &[usize], part: &[usize]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|slot| whole.any(|other| other == slot))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{table, tables};
    use super::*;
    use proptest::prelude::*;

    /// `4g@0 3g@4`, in order of start.
    fn text(table: &Table, layout: &[Placement]) -> String {
        layout.iter().filter_map(|placement| table.text(*placement)).collect::<Vec<_>>().join(" ")
    }

    fn slot(table: &Table, name: &str) -> usize {
        table.slots.iter().position(|slot| slot.documented.to_string() == name).unwrap()
    }

    /// The enumeration that is published for the common grid.
    #[test]
    fn the_layouts_are_as_many_as_were_counted() {
        for table in tables() {
            let count = |slots: &[usize]| {
                let maximal = table.maximal_layouts(slots);
                let multisets: BTreeSet<_> = maximal.iter().map(|layout| multiset(layout)).collect();
                (table.layouts(slots).len(), maximal.len(), multisets.len(), table.maximal_multisets(slots).len())
            };
            if table.grid == 8 {
                assert_eq!(count(&table.base_slots()), (297, 19, 14, 12), "{}", table.name);
                assert_eq!(count(&table.plain_slots()), (722, 78, 38, 28), "{}", table.name);
            } else {
                assert_eq!(count(&table.plain_slots()), (25, 5, 4, 4), "{}", table.name);
            }
        }
    }

    #[test]
    fn the_maximal_layouts_of_the_common_grid_are_the_nineteen() {
        let table = table("H100-80GB").unwrap();
        let right = ["3g@4", "2g@4 1g@6", "1g@4 1g@5 1g@6"];
        let left = ["4g@0", "3g@0", "2g@0 2g@2", "2g@0 1g@2 1g@3", "1g@0 1g@1 2g@2", "1g@0 1g@1 1g@2 1g@3"];
        let mut want: BTreeSet<String> = left.iter().flat_map(|left| right.iter().map(move |right| format!("{left} {right}"))).collect();
        want.insert("7g@0".into());
        let have: BTreeSet<String> = table.maximal_layouts(&table.base_slots()).iter().map(|layout| text(table, layout)).collect();
        assert_eq!(have, want);
    }

    /// What is left after the first instance: free starts of 1g, 2g, 3g, 4g.
    #[test]
    fn the_first_instance_leaves_what_was_counted() {
        let table = table("A100-80GB").unwrap();
        let base = table.base_slots();
        for (slot, start, left) in [
            (0, 6, [6, 3, 1, 1]),
            (0, 4, [6, 2, 1, 1]),
            (0, 5, [6, 2, 1, 1]),
            (0, 0, [6, 2, 1, 0]),
            (0, 3, [6, 2, 1, 0]),
            (1, 4, [5, 2, 1, 1]),
            (1, 0, [5, 2, 1, 0]),
            (1, 2, [5, 2, 1, 0]),
            (2, 4, [4, 2, 1, 1]),
            (2, 0, [3, 1, 1, 0]),
            (3, 0, [3, 1, 1, 0]),
        ] {
            let layout = [Placement { start, slot: base[slot] }];
            let have: Vec<usize> = base[..4].iter().map(|slot| table.free_starts(&layout, *slot).len()).collect();
            assert_eq!(have, left, "{}", text(table, &layout));
        }
    }

    #[test]
    fn instances_go_where_most_is_left() {
        let table = table("A100-80GB").unwrap();
        let mut layout = Vec::new();
        let one = slot(table, "1g.10gb");
        let starts: Vec<u8> = std::iter::from_fn(|| {
            let start = table.place(&layout, one)?;
            layout.push(Placement { start, slot: one });
            Some(start)
        })
        .collect();
        assert_eq!(starts[..3], [6, 5, 4]);
        assert_eq!(starts.len(), 7);
        for (name, start) in [("2g.20gb", 4), ("3g.40gb", 4), ("4g.40gb", 0), ("7g.80gb", 0)] {
            assert_eq!(table.place(&[], slot(table, name)), Some(start), "{name}");
        }
    }

    /// `nvidia-smi mig -cgi 19,19,14,9` fails where `9,19,14,19` works: the largest go first.
    #[test]
    fn what_fits_in_some_order_is_found() {
        let table = table("A100-40GB").unwrap();
        let [one, two, three, four] = ["1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb"].map(|name| slot(table, name));
        let found = table.fit(&[], &[one, one, two, three]).unwrap();
        assert!(table.is_valid(&found));
        assert_eq!(found[0], Placement { start: 4, slot: three });
        assert!(table.fit(&[], &[four, one, one, one, one]).is_none());
        assert!(table.fit(&[], &[three, one, one, one, one]).is_some());
        // Freed slices fragment: room, but no place for a bigger profile.
        let scattered = [0, 1, 5].map(|start| Placement { start, slot: one });
        assert_eq!((table.free_slices(&scattered), table.room(&scattered, three), table.room(&scattered, one)), (5, 0, 4));
    }

    /// On the RTX PRO 6000 the media engines must add up: beside `+me.all` only `-me` can stand.
    #[test]
    fn media_engines_add_up() {
        let table = table("RTX-PRO-6000-96GB").unwrap();
        let [plain, all, none] = ["1g.24gb", "1g.24gb+me.all", "1g.24gb-me"].map(|name| slot(table, name));
        assert!(table.fit(&[], &[all, none, none, none]).is_some());
        assert!(table.fit(&[], &[all, plain]).is_none());
        assert!(table.fit(&[], &[plain; 4]).is_some());
    }

    #[test]
    fn at_most_one_instance_has_the_media_extension() {
        let a30 = table("A30-24GB").unwrap();
        assert!(a30.fit(&[], &[slot(a30, "1g.6gb+me"), slot(a30, "2g.12gb+me")]).is_none());
        assert!(a30.fit(&[], &[slot(a30, "1g.6gb+me"), slot(a30, "2g.12gb")]).is_some());
    }

    #[test]
    fn some_layouts_need_a_later_driver() {
        let table = table("A100-40GB").unwrap();
        let [me, three, four] = ["1g.5gb+me", "3g.20gb", "4g.20gb"].map(|name| slot(table, name));
        let driver = |wanted: &[usize]| table.min_driver(&table.fit(&[], wanted).unwrap());
        assert_eq!((driver(&[three, three]), driver(&[four, three]), driver(&[four, me])), (None, Some(510), Some(470)));
    }

    proptest! {
        /// Whatever is placed one after the other, nothing overlaps and every limit holds; and what was placed is found again.
        #[test]
        fn placing_never_breaks_a_layout(table in 0..14_usize, wishes in proptest::collection::vec(0..11_usize, 0..12)) {
            let table = &tables()[table];
            let mut layout: Vec<Placement> = Vec::new();
            for slot in wishes.into_iter().filter(|slot| *slot < table.slots.len()) {
                match table.place(&layout, slot) {
                    Some(start) => layout.push(Placement { start, slot }),
                    None => prop_assert_eq!(table.room(&layout, slot), 0),
                }
                prop_assert!(table.is_valid(&layout));
            }
            let mut taken = vec![0; usize::from(table.grid)];
            for placement in &layout {
                let size = usize::from(table.slots[placement.slot].size);
                taken[usize::from(placement.start)..][..size].iter_mut().for_each(|count| *count += 1);
            }
            prop_assert!(taken.iter().all(|count| *count <= 1));
            prop_assert!(layout.iter().map(|p| u32::from(table.slots[p.slot].compute)).sum::<u32>() <= u32::from(table.compute_slices));
            prop_assert_eq!(usize::from(table.free_slices(&layout)), taken.iter().filter(|count| **count == 0).count());
            let fitted = table.fit(&[], &multiset(&layout));
            prop_assert!(fitted.is_some_and(|fitted| table.is_valid(&fitted) && multiset(&fitted) == multiset(&layout)));
        }

        /// `fit` finds a place exactly where some layout of the enumeration is that multiset.
        #[test]
        fn fitting_is_exact(wanted in proptest::collection::vec(0..6_usize, 1..8)) {
            let table = table("A100-40GB").unwrap();
            let plain = table.plain_slots();
            let mut wanted: Vec<usize> = wanted.into_iter().map(|at| plain[at]).collect();
            wanted.sort_unstable();
            let exists = table.layouts(&plain).iter().any(|layout| multiset(layout) == wanted);
            prop_assert_eq!(table.fit(&[], &wanted).is_some(), exists);
        }

        #[test]
        fn foreign_placements_are_not_valid(start in any::<u8>(), slot in any::<usize>()) {
            for table in tables() {
                let known = table.slots.get(slot).is_some_and(|slot| slot.starts.contains(&start));
                prop_assert_eq!(table.is_valid(&[Placement { start, slot }]), known);
                let _ = (table.place(&[Placement { start, slot }], slot), table.fit(&[Placement { start, slot }], &[slot]));
            }
        }
    }
}
