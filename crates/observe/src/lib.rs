//! From the outside to a [`plimsoll_fleet::Fleet`].
//!
//! Every source gives the same thing: one consistent fleet, and a list of what it could not see. What comes from outside is
//! not trusted: it is bounded, checked, and refused with a message that names the thing and the remedy. Nothing here decides.

pub mod dcgm;
pub mod snapshot;
pub mod trace;
