//! Layouts by the names that mig-parted gives them: `all-1g.10gb`, `all-balanced`, `all-enabled`.
//!
//! Source: NVIDIA/mig-parted, `pkg/mig/builder` of the release of August 2026: `all-` and a profile (`+` written `.`) is as
//! many of it as a GPU holds; `all-balanced` is two of one slice, one of two and, on boards of seven compute slices, one of three;
//! `all-enabled` has no instances yet. Names and counts are those of the board in hand, computed from its table and memory.

use plimsoll_fleet::mig::{Board, Placement};
use std::collections::BTreeMap;

/// A name that is no layout of a board.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The board has no such layout.
    #[error("{board} has no MIG layout `{name}`; it has {}", known.join(", "))]
    Unknown {
        /// The board's model.
        board: String,
        /// The name, cut to 64 characters.
        name: String,
        /// The names that the board knows.
        known: Vec<String>,
    },
    /// The board has no such profile.
    #[error("{board} has no MIG profile `{profile}`; it has {}", known.join(", "))]
    UnknownProfile {
        /// The board's model.
        board: String,
        /// The profile, cut to 64 characters.
        profile: String,
        /// The profiles that the board has.
        known: Vec<String>,
    },
    /// Instances that cannot stand on one GPU together.
    #[error(
        "no {board} can hold {given}: they take {slices} memory slices, and one has {grid}, with starts and numbers fixed by its table"
    )]
    NoRoom {
        /// The board's model.
        board: String,
        /// The instances.
        given: String,
        /// Memory slices of all of them.
        slices: u32,
        /// Memory slices of the GPU.
        grid: u8,
    },
    /// The name switches MIG off.
    #[error("`all-disabled` is no layout: it takes a {board} out of MIG mode; leave the layout out to have whole GPUs")]
    Disabled {
        /// The board's model.
        board: String,
    },
}

/// The placements of the layout called `name` on `board`, in the order to create them; none for `all-enabled`.
///
/// # Errors
/// [`NameError`]: the board knows no such layout, or the name switches MIG off.
pub fn layout_named(board: &Board, name: &str) -> Result<Vec<Placement>, NameError> {
    let mut known = layouts(board);
    match known.remove(name) {
        Some(layout) => Ok(layout),
        None if name == "all-disabled" => Err(NameError::Disabled { board: board.model.name.clone() }),
        None => Err(NameError::Unknown {
            board: board.model.name.clone(),
            name: name.chars().take(64).collect(),
            known: known.into_keys().collect(),
        }),
    }
}

/// The placements of so many instances of each profile on one GPU of `board`, in the order to create them.
///
/// # Errors
/// [`NameError`]: a profile that the board has not, or more than one GPU can hold.
pub fn layout_of(board: &Board, instances: &[(&str, u8)]) -> Result<Vec<Placement>, NameError> {
    let profiles = board.profiles();
    let mut wanted = Vec::new();
    for &(name, count) in instances {
        let Some(profile) = profiles.iter().find(|profile| profile.name == name) else {
            return Err(NameError::UnknownProfile {
                board: board.model.name.clone(),
                profile: name.chars().take(64).collect(),
                known: profiles.iter().map(|profile| profile.name.clone()).collect(),
            });
        };
        wanted.extend(std::iter::repeat_n(profile.slot, count.into()));
    }
    board.table.fit(&[], &wanted).ok_or_else(|| NameError::NoRoom {
        board: board.model.name.clone(),
        given: instances.iter().take(16).map(|(name, count)| format!("{count} x {name}")).collect::<Vec<_>>().join(", "),
        slices: wanted.iter().map(|slot| u32::from(board.table.slots[*slot].size)).sum(),
        grid: board.table.grid,
    })
}

/// The names of the layouts that `board` knows, sorted.
#[must_use]
pub fn layout_names(board: &Board) -> Vec<String> {
    layouts(board).into_keys().collect()
}

fn layouts(board: &Board) -> BTreeMap<String, Vec<Placement>> {
    let table = board.table;
    let mut layouts = BTreeMap::from([("all-enabled".to_owned(), Vec::new())]);
    let mut name = |name: String, wanted: &[usize]| {
        if let Some(layout) = table.fit(&[], wanted) {
            layouts.insert(name, layout);
        }
    };
    for profile in board.profiles() {
        name(format!("all-{}", profile.name.replace('+', ".")), &vec![profile.slot; usize::from(profile.max)]);
    }
    let base = table.base_slots();
    let of = |compute: u8| base.iter().copied().find(|slot| table.slots[*slot].compute == compute);
    if let (Some(one), Some(two)) = (of(1), of(2)) {
        let three = of(3).filter(|_| table.compute_slices >= 7);
        name("all-balanced".to_owned(), &[one, one, two].into_iter().chain(three).collect::<Vec<_>>());
    }
    layouts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use plimsoll_fleet::mig::{board, tables};

    fn text(board: &Board, name: &str) -> String {
        let layout = layout_named(board, name).unwrap();
        layout.iter().filter_map(|placement| board.table.text(*placement)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn layouts_have_the_names_of_the_board() {
        let h100 = board("NVIDIA-H100-80GB-HBM3", None).unwrap();
        assert_eq!(text(&h100, "all-balanced"), "3g@4 2g@2 1g@1 1g@0");
        assert_eq!(layout_named(&h100, "all-1g.10gb").unwrap().len(), 7);
        assert_eq!(layout_named(&h100, "all-1g.10gb.me").unwrap().len(), 1);
        assert_eq!(text(&h100, "all-1g.20gb"), "1g@6 1g@4 1g@2 1g@0");
        assert_eq!(text(&h100, "all-enabled"), "");
        let a30 = board("NVIDIA-A30", None).unwrap();
        assert_eq!(text(&a30, "all-balanced"), "2g@2 1g@1 1g@0");
        assert_eq!(layout_named(&a30, "all-1g.6gb").unwrap().len(), 4);
    }

    #[test]
    fn another_boards_name_is_refused_with_those_that_there_are() {
        let h100 = board("NVIDIA-H100-80GB-HBM3", None).unwrap();
        let error = layout_named(&h100, "all-1g.5gb").unwrap_err().to_string();
        assert!(error.contains("`all-1g.5gb`") && error.contains("all-1g.10gb") && error.contains("all-balanced"), "{error}");
        assert!(layout_named(&h100, "all-disabled").unwrap_err().to_string().contains("MIG mode"));
    }

    #[test]
    fn a_layout_that_no_gpu_can_hold_is_refused() {
        let h100 = board("NVIDIA-H100-80GB-HBM3", None).unwrap();
        assert_eq!(layout_of(&h100, &[("1g.10gb", 4), ("3g.40gb", 1)]).unwrap().len(), 5);
        let error = layout_of(&h100, &[("4g.40gb", 2)]).unwrap_err().to_string();
        assert!(error.contains("2 x 4g.40gb") && error.contains("one has 8"), "{error}");
        let error = layout_of(&h100, &[("5g.50gb", 1)]).unwrap_err().to_string();
        assert!(error.contains("`5g.50gb`") && error.contains("7g.80gb"), "{error}");
        assert!(layout_of(&h100, &[("1g.10gb", 255), ("7g.80gb", 255)]).is_err());
    }

    #[test]
    fn every_named_layout_is_valid_on_every_board() {
        let boards = tables().iter().filter_map(|table| board(&table.boards[0], None));
        for board in boards {
            let names = layout_names(&board);
            assert!(names.len() == board.table.slots.len() + 2, "{}: {names:?}", board.model.name);
            for name in names {
                assert!(board.table.is_valid(&layout_named(&board, &name).unwrap()), "{} {name}", board.model.name);
            }
        }
    }
}
