//! What there is and what is wanted: boards, and instances by profile.

use plimsoll_fleet::{
    MilliGpu, MoneyPerHour,
    mig::{Board, BoardProfile, Profile},
};

/// GPUs of one kind of board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    /// The board.
    pub board: Board,
    /// How many there are.
    pub gpus: u32,
    /// What one costs; none: not known.
    pub price: Option<MoneyPerHour>,
}

/// A kind of instance on a kind of board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offer {
    /// The board, an index into the stock.
    pub stock: usize,
    /// The kind of instance, by its place in the board's table.
    pub slot: usize,
}

/// Instances that are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// How many.
    pub count: u32,
    /// What serves: any of these.
    pub by: Vec<Offer>,
}

/// A demand that cannot be planned for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DemandError {
    /// The text is no profile.
    #[error(transparent)]
    BadProfile(#[from] plimsoll_fleet::mig::BadProfile),
    /// No board has the profile.
    #[error("no board here has the MIG profile `{profile}`; there are {}", known.join(", "))]
    UnknownProfile {
        /// The profile.
        profile: String,
        /// The profiles of the boards, with the boards' names.
        known: Vec<String>,
    },
    /// A demand names a board or a kind of instance that there is not.
    #[error("demand {at} asks for slot {} of board {}; there are {boards} boards, and a slot is an index into the board's table", offer.slot, offer.stock)]
    NoSuchOffer {
        /// The demand's place in the list.
        at: usize,
        /// What it asks for.
        offer: Offer,
        /// Boards that there are.
        boards: usize,
    },
    /// A demand that nothing may serve.
    #[error("demand {at} for {count} instances names nothing that would serve it; give it at least one slot of a board")]
    NothingServes {
        /// The demand's place in the list.
        at: usize,
        /// How many it asks for.
        count: u32,
    },
    /// More than a plan is made for.
    #[error("{given} {what} are more than a plan is made for; at most {most} are expected")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many were given.
        given: u64,
        /// How many may be.
        most: u64,
    },
}

/// Kinds of boards and kinds of demand at most: a programme with more would take seconds. Catalogues have fourteen tables.
pub(super) const KINDS_MAX: usize = 64;
/// GPUs and instances at most, so that sums in whole numbers cannot overflow and floating-point ones stay exact.
pub(super) const COUNT_MAX: u32 = 10_000_000;

impl Wanted {
    /// Instances of the profile called `profile`, on whatever board of `stock` has it. Drivers name the same instance a gigabyte
    /// apart (`3g.39gb`, `3g.40gb`): such a name serves where no board has the very name.
    ///
    /// # Errors
    /// [`DemandError`]: the text is no profile, or no board has it.
    pub fn named(stock: &[Stock], profile: &str, count: u32) -> Result<Self, DemandError> {
        let read = Profile::parse(profile)?;
        let all: Vec<(Offer, BoardProfile)> = stock
            .iter()
            .enumerate()
            .flat_map(|(id, stock)| {
                stock.board.profiles().into_iter().map(move |profile| (Offer { stock: id, slot: profile.slot }, profile))
            })
            .collect();
        let exact = all.iter().filter(|(_, own)| own.name == profile);
        let mut by: Vec<Offer> = exact.map(|(offer, _)| *offer).collect();
        if by.is_empty() {
            let near = |own: &BoardProfile| {
                Profile::parse(&own.name).is_ok_and(|own| {
                    (own.compute, own.mark, own.part) == (read.compute, read.mark, read.part) && own.gb.abs_diff(read.gb) <= 1
                })
            };
            by = all.iter().filter(|(_, own)| near(own)).map(|(offer, _)| *offer).collect();
        }
        if by.is_empty() {
            let mut known: Vec<String> = Vec::new();
            for (offer, own) in &all {
                let text = format!("{} ({})", own.name, stock[offer.stock].board.model.name);
                if !known.contains(&text) {
                    known.push(text);
                }
            }
            return Err(DemandError::UnknownProfile { profile: profile.to_owned(), known });
        }
        Ok(Self { count, by })
    }

    /// The part of a GPU that one takes, of whatever serves it the least.
    #[must_use]
    pub fn share(&self, stock: &[Stock]) -> MilliGpu {
        let share = |offer: &Offer| {
            let table = stock.get(offer.stock)?.board.table;
            Some(MilliGpu(u64::from(table.slots.get(offer.slot)?.size) * 1000 / u64::from(table.grid.max(1))))
        };
        self.by.iter().filter_map(share).min().unwrap_or(MilliGpu(0))
    }
}

/// Refuses what is not there, and more than is planned for.
pub(super) fn check(stock: &[Stock], wanted: &[Wanted]) -> Result<(), DemandError> {
    let most = |what, given: u64, most: u64| if given > most { Err(DemandError::TooMany { what, given, most }) } else { Ok(()) };
    most("kinds of board", stock.len() as u64, KINDS_MAX as u64)?;
    most("kinds of demand", wanted.len() as u64, KINDS_MAX as u64)?;
    most("GPUs", stock.iter().map(|stock| u64::from(stock.gpus)).sum(), COUNT_MAX.into())?;
    most("instances", wanted.iter().map(|wanted| u64::from(wanted.count)).sum(), COUNT_MAX.into())?;
    for (at, wanted) in wanted.iter().enumerate() {
        if wanted.by.is_empty() && wanted.count > 0 {
            return Err(DemandError::NothingServes { at, count: wanted.count });
        }
        let known = |offer: &Offer| stock.get(offer.stock).is_some_and(|stock| offer.slot < stock.board.table.slots.len());
        if let Some(&offer) = wanted.by.iter().find(|offer| !known(offer)) {
            return Err(DemandError::NoSuchOffer { at, offer, boards: stock.len() });
        }
    }
    Ok(())
}
