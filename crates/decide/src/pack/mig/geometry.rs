//! What can still come to a GPU, tabled: so that an online decision, and a policy over thousands of nodes, costs look-ups.
//!
//! Boards whose tables differ only in names and memory share a [`Grid`]. All that matters of a GPU for what may come is a [`Room`], a
//! number: of a GPU on which instances are made as they are needed, which memory slices and media engines are taken; of a GPU whose
//! layout is fixed, which of its instances are free. Rooms are computed from the board's table once for each grid.

use plimsoll_fleet::mig::{Attribute, Mark, Placement, Table, tables};
use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU8,
    sync::OnceLock,
};

/// Boards that are parted in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grid(NonZeroU8);

/// What is free on a GPU in MIG mode, as far as it matters for what may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Room(pub(crate) u16);

/// Where an instance is on its GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Start {
    /// It is made for the pod, and begins at this memory slice.
    At(u8),
    /// It is one of the GPU's fixed instances, whichever of its kind is free.
    Fixed,
}

/// A room after an instance was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// Where the instance is.
    pub start: Start,
    /// What is free then.
    pub room: Room,
}

/// The rooms of a grid.
#[derive(Debug)]
pub struct Geometry {
    /// The table of one of the boards.
    pub table: &'static Table,
    /// By room.
    rooms: Vec<Tabled>,
    /// Rooms of GPUs without a fixed layout, by what is taken of them.
    by_taken: BTreeMap<Taken, Room>,
    /// Rooms of GPUs with one, by how many of each kind of instance are free.
    by_free: BTreeMap<Vec<u8>, Room>,
}

#[derive(Debug, Default)]
struct Tabled {
    free_slices: u8,
    /// By slot, what can be taken; the best first ([`Table::place`]).
    next: Vec<Vec<Next>>,
}

/// What of a GPU is taken: all that decides what else is valid there. A test holds this to [`Table::is_valid`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Taken {
    slices: u16,
    /// Instances with media extensions.
    extended: u8,
    /// Media engines, where the table counts them.
    engines: [u8; 4],
}

impl Taken {
    fn of(table: &Table, placement: Placement) -> Self {
        let slot = &table.slots[placement.slot];
        let own = slot.engines;
        Self {
            slices: (((1_u32 << slot.size) - 1) << placement.start) as u16,
            extended: u8::from(matches!(slot.documented.mark, Some(Mark::With(Attribute::Me | Attribute::MeAll)))),
            engines: if table.engines.is_some() { [own.nvdec, own.nvenc, own.jpeg, own.ofa] } else { [0; 4] },
        }
    }

    fn with(self, other: Self) -> Self {
        let mut engines = self.engines;
        engines.iter_mut().zip(other.engines).for_each(|(sum, own)| *sum += own);
        Self { slices: self.slices | other.slices, extended: self.extended + other.extended, engines }
    }

    fn without(self, other: Self) -> Option<Self> {
        let mut engines = self.engines;
        for (sum, own) in engines.iter_mut().zip(other.engines) {
            *sum = sum.checked_sub(own)?;
        }
        let there = self.slices & other.slices == other.slices;
        Some(Self { slices: self.slices & !other.slices, extended: self.extended.checked_sub(other.extended)?, engines }).filter(|_| there)
    }
}

/// One geometry for each grid.
fn all() -> &'static [Geometry] {
    static ALL: OnceLock<Vec<Geometry>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all: Vec<Geometry> = Vec::new();
        for table in tables() {
            if !all.iter().any(|known| alike(known.table, table)) {
                all.push(Geometry::new(table));
            }
        }
        all
    })
}

fn alike(one: &Table, other: &Table) -> bool {
    one.grid == other.grid
        && one.engines == other.engines
        && one.slots.len() == other.slots.len()
        && one.slots.iter().zip(&other.slots).all(|(one, other)| {
            (one.compute, one.size, &one.starts, one.max, one.engines, one.documented.mark)
                == (other.compute, other.size, &other.starts, other.max, other.engines, other.documented.mark)
        })
}

impl Grid {
    /// The grid of the boards of `table`; none: it is not one of the bundled tables.
    #[must_use]
    pub fn of(table: &Table) -> Option<Self> {
        let at = all().iter().position(|known| alike(known.table, table))?;
        NonZeroU8::new(at as u8 + 1).map(Self)
    }

    /// Its rooms.
    #[must_use]
    pub fn geometry(self) -> &'static Geometry {
        // Only `of` makes grids, so there is one.
        &all()[usize::from(self.0.get() - 1) % all().len()]
    }

    /// The thousandths of a GPU that an instance of `slot` takes: its memory slices over the grid.
    #[must_use]
    pub fn milli(self, slot: u8) -> u16 {
        let table = self.geometry().table;
        table.slots.get(usize::from(slot)).map_or(0, |slot| u16::from(slot.size) * 1000 / u16::from(table.grid.max(1)))
    }
}

impl Geometry {
    fn new(table: &'static Table) -> Self {
        let mut geometry = Self { table, rooms: Vec::new(), by_taken: BTreeMap::new(), by_free: BTreeMap::new() };
        geometry.add_open();
        geometry.add_fixed();
        geometry
    }

    /// Every way in which a GPU without a fixed layout can be taken, from one layout that leads there.
    fn add_open(&mut self) {
        let table = self.table;
        let mut layouts: BTreeMap<Taken, Vec<Placement>> = BTreeMap::from([(Taken::default(), Vec::new())]);
        let mut open = vec![Taken::default()];
        while let Some(taken) = open.pop() {
            let layout = layouts[&taken].clone();
            for slot in 0..table.slots.len() {
                for start in table.free_starts(&layout, slot) {
                    let placement = Placement { start, slot };
                    let then = taken.with(Taken::of(table, placement));
                    layouts.entry(then).or_insert_with(|| {
                        open.push(then);
                        layout.iter().copied().chain([placement]).collect()
                    });
                }
            }
        }
        self.by_taken = layouts.keys().zip(0..).map(|(taken, room)| (*taken, Room(room))).collect();
        for (taken, layout) in &layouts {
            let mut next = Vec::new();
            for slot in 0..table.slots.len() {
                let best = table.place(layout, slot);
                let mut starts = table.free_starts(layout, slot);
                starts.sort_by_key(|start| (Some(*start) != best, std::cmp::Reverse(*start)));
                let then = |start: u8| self.by_taken[&taken.with(Taken::of(table, Placement { start, slot }))];
                next.push(starts.into_iter().map(|start| Next { start: Start::At(start), room: then(start) }).collect());
            }
            self.rooms.push(Tabled { free_slices: table.free_slices(layout), next });
        }
    }

    /// Every set of free instances of a GPU with a fixed layout.
    fn add_fixed(&mut self) {
        let table = self.table;
        let slots: Vec<usize> = (0..table.slots.len()).collect();
        let mut sets: BTreeSet<Vec<u8>> = BTreeSet::from([vec![0; slots.len()]]);
        for layout in table.layouts(&slots) {
            let mut set = vec![0; slots.len()];
            layout.iter().for_each(|placement| set[placement.slot] += 1);
            sets.insert(set);
        }
        let first = self.rooms.len() as u16;
        self.by_free = sets.iter().cloned().zip((first..).map(Room)).collect();
        for set in &sets {
            let next = |slot: &usize| {
                let mut then = set.clone();
                then[*slot] = then[*slot].checked_sub(1)?;
                Some(Next { start: Start::Fixed, room: self.by_free[&then] })
            };
            let free_slices = set.iter().zip(&table.slots).map(|(count, slot)| count * slot.size).sum();
            self.rooms.push(Tabled { free_slices, next: slots.iter().map(|slot| next(slot).into_iter().collect()).collect() });
        }
    }

    /// How many rooms there are: they are numbered from 0.
    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// A GPU with nothing on it, on which any instance may be made.
    #[must_use]
    pub fn empty(&self) -> Room {
        Room(0)
    }

    /// A GPU on which `layout` stands and more may be made; none: the layout is not valid.
    #[must_use]
    pub fn beside(&self, layout: &[Placement]) -> Option<Room> {
        let taken = || layout.iter().fold(Taken::default(), |taken, placement| taken.with(Taken::of(self.table, *placement)));
        self.table.is_valid(layout).then(|| self.by_taken.get(&taken()).copied()).flatten()
    }

    /// A GPU whose instances are fixed, those of `layout` all free; none: the layout is not valid.
    #[must_use]
    pub fn fixed(&self, layout: &[Placement]) -> Option<Room> {
        if !self.table.is_valid(layout) {
            return None;
        }
        let mut set = vec![0; self.table.slots.len()];
        layout.iter().for_each(|placement| set[placement.slot] += 1);
        self.by_free.get(&set).copied()
    }

    /// What can be taken of `room` for an instance of `slot`; the best first, as [`Table::place`] advises.
    #[must_use]
    pub fn next(&self, room: Room, slot: u8) -> &[Next] {
        self.rooms.get(usize::from(room.0)).and_then(|room| room.next.get(usize::from(slot))).map_or(&[], Vec::as_slice)
    }

    /// Free memory slices; of a fixed layout those of its free instances.
    #[must_use]
    pub fn free_slices(&self, room: Room) -> u8 {
        self.rooms.get(usize::from(room.0)).map_or(0, |room| room.free_slices)
    }

    /// Is the layout of such a GPU fixed?
    #[must_use]
    pub fn is_fixed(&self, room: Room) -> bool {
        usize::from(room.0) >= self.by_taken.len()
    }

    /// What is free once an instance of `slot` is given back; none: it was not there.
    #[must_use]
    pub fn given_back(&self, room: Room, slot: u8, start: Start) -> Option<Room> {
        // The tables are small, and pods leave far less often than places are judged.
        match start {
            Start::At(start) => {
                let kind = self.table.slots.get(usize::from(slot)).filter(|slot| slot.starts.contains(&start))?;
                debug_assert!(start + kind.size <= self.table.grid);
                let (taken, _) = self.by_taken.iter().find(|(_, of)| **of == room)?;
                let own = Taken::of(self.table, Placement { start, slot: slot.into() });
                self.by_taken.get(&taken.without(own)?).copied()
            }
            Start::Fixed => {
                let (set, _) = self.by_free.iter().find(|(_, of)| **of == room)?;
                let mut set = set.clone();
                *set.get_mut(usize::from(slot))? += 1;
                self.by_free.get(&set).copied()
            }
        }
    }

    /// A figure for each room, out of those of the rooms that can come of it: rooms with more taken come first.
    pub(crate) fn tabled<T: Copy + Default>(&self, mut figure: impl FnMut(Room, &[T]) -> T) -> Vec<T> {
        let mut order: Vec<u16> = (0..self.rooms.len() as u16).collect();
        order.sort_by_key(|room| (self.rooms[usize::from(*room)].free_slices, *room));
        let mut all = vec![T::default(); self.rooms.len()];
        for room in order {
            all[usize::from(room)] = figure(Room(room), &all);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn boards_of_one_die_share_a_grid() {
        assert_eq!(all().len(), 3);
        for geometry in all() {
            assert!(geometry.len() < 0x7fff, "{} rooms", geometry.len());
        }
    }

    proptest! {
        /// Whatever comes and goes, a room knows exactly what the table allows, and giving back restores it.
        #[test]
        fn rooms_are_what_the_table_says(grid in 0_usize..3, picks in prop::collection::vec((any::<bool>(), any::<u32>()), 1..40)) {
            let geometry = &all()[grid];
            let table = geometry.table;
            let (mut layout, mut room): (Vec<Placement>, Room) = (Vec::new(), geometry.empty());
            for (leave, pick) in picks {
                let pick = pick as usize;
                if leave && !layout.is_empty() {
                    let gone = layout.swap_remove(pick % layout.len());
                    room = geometry.given_back(room, gone.slot as u8, Start::At(gone.start)).unwrap();
                } else {
                    let slot = pick % table.slots.len();
                    let next = geometry.next(room, slot as u8);
                    prop_assert_eq!(next.first().map(|next| next.start), table.place(&layout, slot).map(Start::At));
                    let mut starts: Vec<u8> = next.iter().map(|next| match next.start { Start::At(start) => start, Start::Fixed => 99 }).collect();
                    starts.sort_unstable();
                    prop_assert_eq!(starts, table.free_starts(&layout, slot));
                    if let Some(next) = next.get(pick / 16 % next.len().max(1)) {
                        let Start::At(start) = next.start else { unreachable!() };
                        layout.push(Placement { start, slot });
                        room = next.room;
                    }
                }
                prop_assert!(table.is_valid(&layout));
                prop_assert_eq!(geometry.beside(&layout), Some(room));
                prop_assert_eq!(geometry.free_slices(room), table.free_slices(&layout));
            }
            // The same layout, fixed: each instance can be taken once, and is there again when it is given back.
            let all = geometry.fixed(&layout).unwrap();
            let mut room = all;
            for placement in &layout {
                room = geometry.next(room, placement.slot as u8)[0].room;
            }
            prop_assert_eq!(geometry.free_slices(room), 0);
            for placement in &layout {
                room = geometry.given_back(room, placement.slot as u8, Start::Fixed).unwrap();
            }
            prop_assert_eq!(room, all);
        }
    }
}
