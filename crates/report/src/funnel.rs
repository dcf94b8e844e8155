//! The stages of the funnel as every form shows them, each either known or not.

use plimsoll_decide::audit::{
    Audit,
    funnel::{Funnel, Part},
};

/// GPUs smaller than this are a remainder of adding up, not a part.
const REMAINDER: f64 = 1e-6;

/// The stages with their names. None: nothing was seen of what the stage before it holds, so the stage is unknown, not 0.
pub(crate) fn stages(audit: &Audit) -> [(&'static str, Option<Part>); 4] {
    let funnel = &audit.funnel;
    [("Paid for", Some(funnel.paid)), ("Allocated", funnel.allocated), ("In use", in_use(funnel)), ("Usefully in use", useful(funnel))]
}

/// In use; none: the use of nothing that is allocated was seen.
pub(crate) fn in_use(funnel: &Funnel) -> Option<Part> {
    let all_dark = funnel.unseen.gpus > 0.0 && funnel.allocated.is_none_or(|held| funnel.unseen.gpus >= held.gpus - REMAINDER);
    (!all_dark).then_some(funnel.in_use)
}

/// Usefully in use; none: of nothing that is in use it was seen whether usefully.
pub(crate) fn useful(funnel: &Funnel) -> Option<Part> {
    let in_use = in_use(funnel)?;
    let none_judged = funnel.useful_unseen.gpus > 0.0 && funnel.useful_unseen.gpus >= in_use.gpus - REMAINDER;
    (!none_judged).then_some(funnel.useful)
}

/// What could not be seen, part by part, with the reason; empty parts are left out.
pub(crate) fn unseen(audit: &Audit) -> Vec<(&'static str, Part, &'static str)> {
    let funnel = &audit.funnel;
    [
        ("Not seen", funnel.unseen, "allocated, but no metrics say whether in use"),
        ("Not judged", funnel.useful_unseen, "in use, but no SM, tensor or DRAM activity says whether usefully"),
    ]
    .into_iter()
    .filter(|part| part.1.gpus > REMAINDER)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(gpus: f64) -> Part {
        Part { gpus, cost_month: None }
    }

    #[test]
    fn what_nobody_saw_is_unknown_and_what_was_seen_idle_is_zero() {
        let seen = Funnel { paid: part(8.0), allocated: Some(part(4.0)), ..Funnel::default() };
        assert_eq!((in_use(&seen), useful(&seen)), (Some(part(0.0)), Some(part(0.0))));
        let dark = Funnel { unseen: part(4.0), ..seen };
        assert_eq!((in_use(&dark), useful(&dark)), (None, None));
        let ran = Funnel { in_use: part(2.0), useful_unseen: part(2.0), ..seen };
        assert_eq!((in_use(&ran), useful(&ran)), (Some(part(2.0)), None));
        let partly = Funnel { unseen: part(1.0), in_use: part(2.0), useful: part(0.5), useful_unseen: part(1.0), ..seen };
        assert_eq!(useful(&partly), Some(part(0.5)));
    }
}
