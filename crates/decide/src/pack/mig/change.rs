//! From what stands on the GPUs today to what is wanted: which instances to add where, and which GPUs to drain.
//!
//! Instances that nobody has to move for come first: a GPU keeps its layout or gains instances in free slices. Only what cannot be had
//! that way is made by draining GPUs, those with the fewest instances in use, and then the fewest GPUs: an integer programme
//! over groups of GPUs in the same state. An instance that stands counts for what is wanted of its kind, in use or not.
//!
//! Why no single idle instance is deleted: mig-parted, which applies layouts, stops everything on a GPU that it changes, while adding
//! beside what runs is what the driver allows at any time.
//!
//! The steps are in an order in which each is possible when its turn comes: additions, then GPUs without anything in use, then
//! GPUs whose pods have somewhere to go by then. Where they have not, the step says that they wait for the new layout.

use super::{
    demand::{COUNT_MAX, Offer, Stock, Wanted},
    integer::Programme,
    plan::plan,
};
use plimsoll_fleet::mig::{Board, Placement, Table};
use std::collections::{BTreeMap, BTreeSet};

/// A GPU as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Today {
    /// The instances on it, and whether somebody uses them.
    pub instances: Vec<(Placement, bool)>,
}

/// Where a pod that must leave its instance goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goes {
    /// To a free instance of the same kind.
    To {
        /// The GPU.
        gpu: usize,
        /// The instance.
        instance: Placement,
    },
    /// It waits until this step's layout stands, and for what other steps make.
    Waits,
}

/// Something to do. GPUs are indices into those of today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Create instances beside those that are there.
    Add {
        /// The GPU.
        gpu: usize,
        /// The instances, in the order to create them.
        instances: Vec<Placement>,
    },
    /// Take everything off a GPU, then make a new layout on it.
    Remake {
        /// The GPU.
        gpu: usize,
        /// The instances in use, and where their pods go first.
        leave: Vec<(Placement, Goes)>,
        /// The new instances, in the order to create them.
        layout: Vec<Placement>,
    },
}

/// A change, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// Instances in use that must be left.
    pub drained: u32,
    /// GPUs that get a new layout.
    pub remade: u32,
    /// No change drains fewer instances in use, and none that drains as few remakes fewer GPUs. False: the search ended first.
    pub proven: bool,
}

/// A change that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// What is said to be on a GPU cannot be.
    #[error("GPU {gpu} cannot hold {given} on {board}: unknown, overlapping or too many instances; read the layout from the node anew")]
    InvalidToday {
        /// The GPU.
        gpu: usize,
        /// The board's model.
        board: String,
        /// What it is said to hold.
        given: String,
    },
    /// A kind of instance that the board has not.
    #[error("{board} has no kind of instance number {slot}; its table has {slots}")]
    UnknownSlot {
        /// The board's model.
        board: String,
        /// The kind.
        slot: usize,
        /// How many kinds there are.
        slots: usize,
    },
    /// More than the GPUs can hold, however they are parted.
    #[error("{gpus} {board} cannot hold {wanted} together, however they are parted; {missing} would be left out: add GPUs or ask for less")]
    TooMuch {
        /// The board's model.
        board: String,
        /// How many GPUs there are.
        gpus: usize,
        /// What is wanted.
        wanted: String,
        /// What finds no room.
        missing: String,
    },
    /// More than a change is planned for.
    #[error("{given} {what} are more than a change is planned for; at most {most} are expected")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many were given.
        given: u64,
        /// How many may be.
        most: u64,
    },
    /// The search ended before it found any way.
    #[error(
        "no way to {wanted} on {gpus} {board} was found within the work allowed; part the GPUs into groups and change one after the other"
    )]
    NotFound {
        /// The board's model.
        board: String,
        /// How many GPUs there are.
        gpus: usize,
        /// What is wanted.
        wanted: String,
    },
}

/// Linear programmes at most; they are larger than a plan's, a millisecond with many different layouts.
const NODES_MAX: usize = 600;
/// Columns at most: more would take seconds. A grid of 8 has 723 layouts, in use or not some thousands of states.
const COLUMNS_MAX: usize = 40_000;

/// The steps from `today` to at least `wanted` instances of each kind (by its place in the board's table) on GPUs of one kind of board.
/// Kinds that are not named are wanted as little as can be: what stands of them may go.
///
/// # Errors
/// [`ChangeError`]: today's layouts cannot be, or what is wanted cannot.
pub fn change(board: &Board, today: &[Today], wanted: &[(usize, u32)]) -> Result<Change, ChangeError> {
    let wanted = check(board, today, wanted)?;
    let table = board.table;
    let mut groups: BTreeMap<Today, Vec<usize>> = BTreeMap::new();
    for (gpu, today) in today.iter().enumerate() {
        let mut today = today.clone();
        today.instances.sort_unstable();
        groups.entry(today).or_default().push(gpu);
    }
    let asked: Vec<usize> = wanted.keys().copied().collect();
    let fresh = table.maximal_multisets(&asked);
    let additions: Vec<Vec<Vec<usize>>> = groups.keys().map(|today| additions(table, today, &asked)).collect();
    let columns: usize = additions.iter().map(Vec::len).sum();
    if columns > COLUMNS_MAX {
        return Err(ChangeError::TooMany { what: "ways to part the GPUs", given: columns as u64, most: COLUMNS_MAX as u64 });
    }
    let Some(chosen) = choose(&groups, &additions, &fresh, &wanted, today.len()) else { return Err(impossible(board, today, &wanted)) };
    let mut layouts = fresh.iter().zip(&chosen.fresh).flat_map(|(new, count)| std::iter::repeat_n(new, *count as usize));
    let mut made: Vec<Made<'_>> = Vec::new();
    for (((state, gpus), additions), counts) in groups.iter().zip(&additions).zip(&chosen.gain) {
        let mut gpus = gpus.iter();
        for (new, count) in additions.iter().zip(counts) {
            made.extend(gpus.by_ref().take(*count as usize).map(|gpu| Made { gpu: *gpu, state, remade: false, new: new.clone() }));
        }
        made.extend(gpus.map(|gpu| Made { gpu: *gpu, state, remade: true, new: layouts.next().cloned().unwrap_or_default() }));
    }
    trim(&mut made, &wanted);
    Ok(steps(table, made, chosen.proven))
}

/// A GPU with what is to be done.
struct Made<'a> {
    gpu: usize,
    state: &'a Today,
    remade: bool,
    new: Vec<usize>,
}

impl Today {
    fn layout(&self) -> Vec<Placement> {
        self.instances.iter().map(|(placement, _)| *placement).collect()
    }

    fn in_use(&self) -> u64 {
        self.instances.iter().filter(|(_, used)| *used).count() as u64
    }
}

/// What is wanted by slot, once it and today's layouts are sound and there is room for it in principle.
fn check(board: &Board, today: &[Today], wanted: &[(usize, u32)]) -> Result<BTreeMap<usize, u32>, ChangeError> {
    let most = |what, given: u64, most: u64| if given > most { Err(ChangeError::TooMany { what, given, most }) } else { Ok(()) };
    most("GPUs", today.len() as u64, COUNT_MAX.into())?;
    most("instances", wanted.iter().map(|(_, count)| u64::from(*count)).sum(), COUNT_MAX.into())?;
    let table = board.table;
    for (gpu, today) in today.iter().enumerate() {
        if !table.is_valid(&today.layout()) {
            let text = |(placement, _): &(Placement, bool)| table.text(*placement).unwrap_or_else(|| format!("slot {}", placement.slot));
            let given = today.instances.iter().take(16).map(text).collect::<Vec<_>>().join(" ");
            return Err(ChangeError::InvalidToday { gpu, board: board.model.name.clone(), given });
        }
    }
    let mut by_slot: BTreeMap<usize, u32> = BTreeMap::new();
    for &(slot, count) in wanted {
        if slot >= table.slots.len() {
            return Err(ChangeError::UnknownSlot { board: board.model.name.clone(), slot, slots: table.slots.len() });
        }
        *by_slot.entry(slot).or_default() += count;
    }
    by_slot.retain(|_, count| *count > 0);
    Ok(by_slot)
}

/// Every largest set of instances that can be made beside those that stand; the empty one where none can.
fn additions(table: &Table, today: &Today, asked: &[usize]) -> Vec<Vec<usize>> {
    let mut beside: BTreeSet<Vec<usize>> = BTreeSet::from([Vec::new()]);
    let mut open = vec![(today.layout(), Vec::new())];
    let mut seen: BTreeSet<Vec<Placement>> = BTreeSet::new();
    while let Some((layout, new)) = open.pop() {
        for &slot in asked {
            for start in table.free_starts(&layout, slot) {
                let mut then: Vec<Placement> = layout.iter().copied().chain([Placement { start, slot }]).collect();
                then.sort_unstable();
                if seen.insert(then.clone()) {
                    let mut more: Vec<usize> = new.iter().copied().chain([slot]).collect();
                    more.sort_unstable();
                    beside.insert(more.clone());
                    open.push((then, more));
                }
            }
        }
    }
    beside.iter().filter(|one| !beside.iter().any(|other| other != *one && contains(other, one))).cloned().collect()
}

/// Has `whole` everything of `part`, as often? Both are sorted.
fn contains(whole: &[usize], part: &[usize]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|slot| whole.any(|other| other == slot))
}

/// How many GPUs of each group gain what, and how many get which new layout.
struct Chosen {
    /// By group and addition.
    gain: Vec<Vec<u64>>,
    /// By maximal layout. GPUs of a group that gain nothing of the above are those that are remade.
    fresh: Vec<u64>,
    proven: bool,
}

/// The choice with the fewest instances in use disturbed, then the fewest GPUs remade.
fn choose(
    groups: &BTreeMap<Today, Vec<usize>>,
    additions: &[Vec<Vec<usize>>],
    fresh: &[Vec<usize>],
    wanted: &BTreeMap<usize, u32>,
    gpus: usize,
) -> Option<Chosen> {
    let mut programme = Programme::default();
    let mut supply: BTreeMap<usize, Vec<(usize, i64)>> = BTreeMap::new();
    let mut supplies = |column: usize, slots: &mut dyn Iterator<Item = usize>| {
        let mut made: BTreeMap<usize, i64> = BTreeMap::new();
        slots.for_each(|slot| *made.entry(slot).or_default() += 1);
        made.into_iter().for_each(|(slot, count)| supply.entry(slot).or_default().push((column, count)));
    };
    let (mut gain, mut remade) = (Vec::new(), Vec::new());
    for ((today, of), additions) in groups.iter().zip(additions) {
        let columns: Vec<usize> = additions
            .iter()
            .map(|new| {
                let column = programme.column(0, of.len() as u64, 0);
                supplies(column, &mut today.instances.iter().map(|(placement, _)| placement.slot).chain(new.iter().copied()));
                column
            })
            .collect();
        let mut all: Vec<(usize, i64)> = columns.iter().map(|column| (*column, 1)).collect();
        if !today.instances.is_empty() {
            // One instance in use weighs more than all GPUs.
            let column = programme.column(1 + today.in_use() * (gpus as u64 + 1), of.len() as u64, 1);
            all.push((column, 1));
            remade.push(column);
        }
        // Each GPU goes one way: neither more nor fewer.
        programme.row(all.clone(), true, of.len() as i64);
        programme.row(all, false, of.len() as i64);
        gain.push(columns);
    }
    let layouts: Vec<usize> = fresh
        .iter()
        .map(|new| {
            let column = programme.column(0, gpus as u64, 0);
            supplies(column, &mut new.iter().copied());
            column
        })
        .collect();
    let room = layouts.iter().map(|column| (*column, 1)).chain(remade.iter().map(|column| (*column, -1)));
    programme.row(room.collect(), false, 0);
    for (slot, count) in wanted {
        programme.row(supply.remove(slot).unwrap_or_default(), true, i64::from(*count));
    }
    let found = programme.solve(0, NODES_MAX);
    let (cost, at) = found.best?;
    let read = |columns: &Vec<usize>| columns.iter().map(|column| at[*column]).collect();
    Some(Chosen { gain: gain.iter().map(read).collect(), fresh: read(&layouts), proven: found.exhausted || cost == 0 })
}

/// Why there is no way.
fn impossible(board: &Board, today: &[Today], wanted: &BTreeMap<usize, u32>) -> ChangeError {
    let profiles = board.profiles();
    let words = |counts: &[(usize, u32)]| {
        let word = |(slot, count): &(usize, u32)| format!("{count} x {}", profiles[*slot].name);
        counts.iter().filter(|(_, count)| *count > 0).map(word).collect::<Vec<_>>().join(", ")
    };
    let counts: Vec<(usize, u32)> = wanted.iter().map(|(slot, count)| (*slot, *count)).collect();
    let (board_name, gpus, wanted) = (board.model.name.clone(), today.len(), words(&counts));
    let demand: Vec<Wanted> = counts.iter().map(|&(slot, count)| Wanted { count, by: vec![Offer { stock: 0, slot }] }).collect();
    let stock = [Stock { board: *board, gpus: gpus as u32, price: None }];
    match plan(&stock, &demand) {
        Ok(plan) if plan.unmet_bound.0 > 0 => {
            let missing: Vec<(usize, u32)> = counts.iter().zip(plan.unmet).map(|((slot, _), unmet)| (*slot, unmet)).collect();
            ChangeError::TooMuch { board: board_name, gpus, wanted, missing: words(&missing) }
        }
        _ => ChangeError::NotFound { board: board_name, gpus, wanted },
    }
}

/// Leaves out new instances that nobody needs; first on GPUs that are remade, so that those that run gain what is wanted.
fn trim(made: &mut [Made<'_>], wanted: &BTreeMap<usize, u32>) {
    for (slot, wanted) in wanted {
        let stays = |made: &Made<'_>| made.state.instances.iter().filter(|(placement, _)| !made.remade && placement.slot == *slot).count();
        let of = |new: &[usize]| new.iter().filter(|other| *other == slot).count();
        let all: usize = made.iter().map(|made| stays(made) + of(&made.new)).sum();
        let mut spare = all.saturating_sub(*wanted as usize);
        let mut order: Vec<usize> = (0..made.len()).collect();
        order.sort_by_key(|at| (!made[*at].remade, made[*at].gpu));
        for at in order {
            while spare > 0
                && let Some(place) = made[at].new.iter().position(|other| other == slot)
            {
                made[at].new.remove(place);
                spare -= 1;
            }
        }
    }
}

/// What is done, in an order in which it can be done.
fn steps(table: &Table, mut made: Vec<Made<'_>>, proven: bool) -> Change {
    made.sort_by_key(|made| made.gpu);
    let mut change = Change { proven, ..Change::default() };
    // Free instances by kind, the least GPU first.
    let mut free: BTreeMap<usize, BTreeSet<(usize, Placement)>> = BTreeMap::new();
    for Made { gpu, state, .. } in made.iter().filter(|made| !made.remade) {
        for (placement, _) in state.instances.iter().filter(|(_, used)| !used) {
            free.entry(placement.slot).or_default().insert((*gpu, *placement));
        }
    }
    for Made { gpu, state, new, .. } in made.iter().filter(|made| !made.remade && !made.new.is_empty()) {
        // The way was found by placing them, so there is room.
        let instances = table.fit(&state.layout(), new).unwrap_or_default();
        instances.iter().for_each(|placement| {
            free.entry(placement.slot).or_default().insert((*gpu, *placement));
        });
        change.steps.push(Step::Add { gpu: *gpu, instances });
    }
    let mut left: Vec<&Made<'_>> = made.iter().filter(|made| made.remade).collect();
    while !left.is_empty() {
        // The one that has most of its pods provided for by now; of equals the one that makes most room for others.
        let waits = |made: &Made<'_>| {
            let mut wants: BTreeMap<usize, usize> = BTreeMap::new();
            made.state.instances.iter().filter(|(_, used)| *used).for_each(|(placement, _)| *wants.entry(placement.slot).or_default() += 1);
            wants.iter().map(|(slot, count)| count.saturating_sub(free.get(slot).map_or(0, BTreeSet::len))).sum::<usize>()
        };
        let next = (0..left.len()).min_by_key(|at| (waits(left[*at]), left[*at].state.in_use(), left[*at].gpu)).unwrap_or(0);
        let Made { gpu, state, new, .. } = left.remove(next);
        let used = state.instances.iter().filter(|(_, used)| *used).map(|(placement, _)| *placement);
        let leave: Vec<(Placement, Goes)> = used
            .map(|from| match free.get_mut(&from.slot).and_then(BTreeSet::pop_first) {
                Some((gpu, instance)) => (from, Goes::To { gpu, instance }),
                None => (from, Goes::Waits),
            })
            .collect();
        let layout = table.fit(&[], new).unwrap_or_default();
        layout.iter().for_each(|placement| {
            free.entry(placement.slot).or_default().insert((*gpu, *placement));
        });
        // Whoever waits takes of what now stands first.
        for (placement, _) in leave.iter().filter(|(_, goes)| *goes == Goes::Waits) {
            if let Some(free) = free.get_mut(&placement.slot) {
                free.pop_first();
            }
        }
        change.drained += leave.len() as u32;
        change.remade += 1;
        change.steps.push(Step::Remake { gpu: *gpu, leave, layout });
    }
    change
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use plimsoll_fleet::mig::board;
    use proptest::prelude::*;

    fn slot(board: &Board, name: &str) -> usize {
        board.profiles().iter().find(|profile| profile.name == name).unwrap().slot
    }

    fn h100() -> Board {
        board("NVIDIA-H100-80GB-HBM3", None).unwrap()
    }

    /// Carries the steps out, and looks that each can be.
    fn carry_out(board: &Board, today: &[Today], change: &Change) -> Result<BTreeMap<usize, u32>, TestCaseError> {
        let mut gpus: Vec<Vec<(Placement, bool)>> = today.iter().map(|today| today.instances.clone()).collect();
        let (mut drained, mut remade) = (0, false);
        for step in &change.steps {
            let (gpu, new) = match step {
                Step::Add { gpu, instances } => {
                    prop_assert!(!remade, "what can be added comes before anything is drained");
                    (*gpu, instances)
                }
                Step::Remake { gpu, leave, layout } => {
                    remade = true;
                    let mut used: Vec<Placement> = gpus[*gpu].iter().filter(|(_, used)| *used).map(|(placement, _)| *placement).collect();
                    let mut left: Vec<Placement> = leave.iter().map(|(placement, _)| *placement).collect();
                    used.sort_unstable();
                    left.sort_unstable();
                    prop_assert_eq!(used, left, "all that is in use is provided for, and nothing else");
                    for (from, goes) in leave {
                        drained += 1;
                        if let Goes::To { gpu, instance } = goes {
                            prop_assert_eq!(instance.slot, from.slot);
                            let place = gpus[*gpu].iter_mut().find(|(placement, used)| placement == instance && !used);
                            place.expect("a pod goes to what is there and free").1 = true;
                        }
                    }
                    gpus[*gpu].clear();
                    (*gpu, layout)
                }
            };
            let sizes: Vec<u8> = new.iter().map(|placement| board.table.slots[placement.slot].size).collect();
            prop_assert!(sizes.is_sorted_by(|one, other| one >= other), "the largest is created first");
            for placement in new {
                gpus[gpu].push((*placement, false));
                let layout: Vec<Placement> = gpus[gpu].iter().map(|(placement, _)| *placement).collect();
                prop_assert!(board.table.is_valid(&layout));
            }
        }
        prop_assert_eq!(drained, change.drained);
        let mut counts = BTreeMap::new();
        gpus.iter().flatten().for_each(|(placement, _)| *counts.entry(placement.slot).or_default() += 1);
        Ok(counts)
    }

    /// The least instances in use on a set of GPUs that can be remade so that all is there.
    fn exhaustive(board: &Board, today: &[Today], wanted: &[(usize, u32)]) -> Option<(u64, u32)> {
        let table = board.table;
        let asked: Vec<usize> = wanted.iter().map(|(slot, _)| *slot).collect();
        let fresh = table.maximal_multisets(&asked);
        (0_u32..1 << today.len())
            .filter(|remade| {
                let options: Vec<Vec<Vec<usize>>> = (0..today.len())
                    .map(|gpu| {
                        if remade & 1 << gpu != 0 {
                            return fresh.clone();
                        }
                        let stays = today[gpu].instances.iter().map(|(placement, _)| placement.slot);
                        let with = |new: &Vec<usize>| stays.clone().chain(new.iter().copied()).collect();
                        additions(table, &today[gpu], &asked).iter().map(with).collect()
                    })
                    .collect();
                let mut reached: BTreeSet<Vec<u32>> = BTreeSet::from([wanted.iter().map(|(_, count)| *count).collect()]);
                for options in options {
                    let take = |left: &Vec<u32>, made: &Vec<usize>| {
                        let made = |slot: usize| made.iter().filter(|other| **other == slot).count() as u32;
                        left.iter().zip(wanted).map(|(left, (slot, _))| left.saturating_sub(made(*slot))).collect::<Vec<u32>>()
                    };
                    reached = reached.iter().flat_map(|left| options.iter().map(move |made| take(left, made))).collect();
                }
                reached.iter().any(|left| left.iter().all(|left| *left == 0))
            })
            .map(|remade| {
                let used = (0..today.len()).filter(|gpu| remade & 1 << gpu != 0).map(|gpu| today[gpu].in_use()).sum();
                // An empty GPU is not remade, it gains.
                let gpus = (0..today.len()).filter(|gpu| remade & 1 << gpu != 0 && !today[*gpu].instances.is_empty()).count();
                (used, gpus as u32)
            })
            .min()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Every step can be done when its turn comes, all that is wanted is there in the end, and nothing needs fewer drains.
        #[test]
        fn changes_are_feasible_and_least(
            a30 in any::<bool>(),
            picks in prop::collection::vec(prop::collection::vec((0_usize..6, 0_usize..7, any::<bool>()), 0..5), 1..4),
            wanted in prop::collection::vec((0_usize..6, 0_u32..5), 1..4),
        ) {
            let board = if a30 { board("NVIDIA-A30", None).unwrap() } else { h100() };
            let plain = board.table.plain_slots();
            let today: Vec<Today> = picks
                .iter()
                .map(|picks| {
                    let mut today = Today::default();
                    for &(slot, start, used) in picks {
                        let slot = plain[slot % plain.len()];
                        let starts = board.table.free_starts(&today.layout(), slot);
                        if let Some(start) = starts.get(start % starts.len().max(1)) {
                            today.instances.push((Placement { start: *start, slot }, used));
                        }
                    }
                    today
                })
                .collect();
            let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
            wanted.iter().for_each(|(slot, count)| *counts.entry(plain[*slot % plain.len()]).or_default() += count);
            let wanted: Vec<(usize, u32)> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
            let least = exhaustive(&board, &today, &wanted);
            match change(&board, &today, &wanted) {
                Ok(change) => {
                    let made = carry_out(&board, &today, &change)?;
                    prop_assert!(wanted.iter().all(|(slot, count)| made.get(slot).copied().unwrap_or(0) >= *count));
                    prop_assert!(change.proven);
                    prop_assert_eq!(least, Some((u64::from(change.drained), change.remade)));
                }
                Err(error) => {
                    prop_assert!(matches!(error, ChangeError::TooMuch { .. }), "{error}");
                    prop_assert_eq!(least, None);
                }
            }
        }
    }

    #[test]
    fn what_is_free_is_used_before_anything_is_drained() {
        let board = h100();
        let (one, three, four) = (slot(&board, "1g.10gb"), slot(&board, "3g.40gb"), slot(&board, "4g.40gb"));
        let at = |slot, start, used| (Placement { start, slot }, used);
        let today = [
            Today { instances: vec![at(one, 0, true)] },
            Today { instances: vec![at(one, 6, true)] },
            Today { instances: vec![at(three, 4, false)] },
        ];
        // A 4g has room on the second and third: nobody is drained.
        let change = change(&board, &today, &[(one, 2), (four, 2), (three, 1)]).unwrap();
        assert_eq!((change.drained, change.remade, change.proven), (0, 0, true));
        assert_eq!(change.steps.len(), 2);
    }

    #[test]
    fn a_pod_moves_to_what_was_added_before_its_gpu_is_remade() {
        let board = h100();
        let (one, seven) = (slot(&board, "1g.10gb"), slot(&board, "7g.80gb"));
        let today = [
            Today { instances: vec![(Placement { start: 3, slot: one }, true)] },
            Today { instances: vec![(Placement { start: 6, slot: one }, true), (Placement { start: 5, slot: one }, true)] },
        ];
        let change = change(&board, &today, &[(one, 3), (seven, 1)]).unwrap();
        let [Step::Add { gpu: 1, instances }, Step::Remake { gpu: 0, leave, layout }] = &change.steps[..] else { panic!("{change:?}") };
        assert_eq!(leave[0].1, Goes::To { gpu: 1, instance: instances[0] });
        assert_eq!(layout[..], [Placement { start: 0, slot: seven }]);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let board = h100();
        let (one, seven) = (slot(&board, "1g.10gb"), slot(&board, "7g.80gb"));
        let error = change(&board, &[Today::default()], &[(one, 1), (seven, 1)]).unwrap_err().to_string();
        assert!(error.contains("1 x 7g.80gb") && error.contains("H100"), "{error}");
        assert!(matches!(change(&board, &[], &[(99, 1)]), Err(ChangeError::UnknownSlot { slot: 99, .. })));
        let both = Today { instances: vec![(Placement { start: 0, slot: seven }, true), (Placement { start: 0, slot: one }, true)] };
        let error = change(&board, &[both], &[]).unwrap_err().to_string();
        assert!(error.contains("GPU 0") && error.contains("7g@0 1g@0"), "{error}");
        assert!(matches!(change(&board, &[], &[(one, u32::MAX)]), Err(ChangeError::TooMany { .. })));
    }
}
