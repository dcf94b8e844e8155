//! What an object takes of what its team may have.

use super::{Policy, Siblings, State, case::View, rules};
use plimsoll_api::Mode;
use plimsoll_fleet::{Name, written::Written};

/// What an object takes of what its team may have, once a cluster has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The team that owns it; none: nobody is known to.
    pub team: Option<Name>,
    /// The devices that the team may have in all; none: nothing is said.
    pub limit: Option<u64>,
    /// The devices of all its pods at once; none: not told by it. A suspended one takes none.
    pub devices: Option<u64>,
    /// The strictest mode in which the rule `team-gpus` holds for it.
    pub mode: Mode,
}

/// What `object` takes.
#[must_use]
pub fn demand(policy: &Policy, object: &Written, siblings: &Siblings) -> Demand {
    let state = State::default();
    let view = View::new(policy, object, siblings, &state);
    let index = rules::ALL.iter().position(|rule| rule.name == "team-gpus");
    let covering = policy.covering(&view);
    let modes = index.into_iter().flat_map(|index| Policy::settings(index, &covering)).map(|setting| setting.mode);
    Demand {
        limit: view.team.and_then(|team| team.spec.limits.gpus),
        devices: if is_suspended(object) { Some(0) } else { view.devices() },
        mode: modes.max().unwrap_or_default(),
        team: view.owner,
    }
}

/// Does it make no pods until somebody says so?
pub(super) fn is_suspended(object: &Written) -> bool {
    object.run.as_ref().is_some_and(|run| run.suspended)
}
