//! What a pod takes of a node's GPUs: the same words mean a whole GPU on one node and a part of one on another.

use super::parted::slices;
use crate::pack::policy::{DEVICES_MAX, Gpus};
use plimsoll_fleet::{
    Node, Shape,
    node::Sharing,
    resource::{self, Unit},
};

/// How many GPUs of a node can be given out: those that it offers, healthy ones, at most [`DEVICES_MAX`].
pub(super) fn devices(node: &Node) -> u8 {
    let replicas = match node.sharing {
        Sharing::TimeSliced { replicas } | Sharing::Mps { replicas } => replicas.max(1),
        _ => 1,
    };
    let mut whole = 0_u32;
    let mut parts = false;
    for offer in &node.offers {
        match resource::unit(&offer.resource) {
            Some(Unit::Gpu | Unit::SharedGpu) => whole = whole.saturating_add(offer.count / replicas),
            Some(Unit::Device(_)) => whole = whole.saturating_add(offer.count),
            Some(Unit::Mig(_) | Unit::Milli) => parts = true,
            None if offer.dra => whole = whole.max(offer.count),
            None => {}
        }
    }
    let physical = node.gpus.len().min(DEVICES_MAX) as u32;
    // Parts are of GPUs that the count of whole ones may leave out.
    let there = if parts || matches!(node.sharing, Sharing::MigSingle { .. } | Sharing::MigMixed) {
        physical
    } else {
        whole.min(physical.max(whole))
    };
    there.min(DEVICES_MAX as u32) as u8
}

/// What a pod of `shape` takes of the GPUs of `node`; none: the node does not offer what it asks for, or not so that it could be told by
/// counts (MIG slices that DRA gives out, parts and whole GPUs at once). `open`: MIG instances are made where they are needed, whatever
/// stands there now.
pub(super) fn demand(shape: &Shape, node: &Node, open: bool) -> Option<Gpus> {
    let (mut whole, mut share, mut parts) = (0_u32, 0_u32, None);
    for ask in shape.asks.iter().filter(|ask| ask.count > 0) {
        let made = open && node.sharing == Sharing::MigMixed && matches!(resource::unit(&ask.resource), Some(Unit::Mig(_)));
        if node.offered(&ask.resource) == 0 && !made || ask.dra && node.sharing == Sharing::MigMixed {
            return None;
        }
        let mut part = |profile: &str| match parts.replace(slices(profile, ask.count, node)?) {
            // Instances of two kinds for one pod are not told by one count.
            Some(_) => None,
            None => Some(()),
        };
        match (resource::unit(&ask.resource), &node.sharing) {
            (Some(Unit::Gpu | Unit::SharedGpu), Sharing::TimeSliced { replicas } | Sharing::Mps { replicas }) => {
                share = share.saturating_add(ask.count.saturating_mul(1000 / (*replicas).clamp(1, 1000)));
            }
            (Some(Unit::Gpu), Sharing::MigInvalid) => return None,
            (Some(Unit::Gpu), Sharing::MigSingle { profile }) => part(profile)?,
            (Some(Unit::Mig(profile)), _) => part(&resource::mig_profile(profile))?,
            (Some(Unit::Milli), _) => share = share.saturating_add(ask.count),
            (Some(Unit::Gpu | Unit::SharedGpu | Unit::Device(_)) | None, _) => whole = whole.saturating_add(ask.count),
        }
    }
    if let Some(parts) = parts {
        return (whole == 0 && share == 0).then_some(parts);
    }
    match (whole, share) {
        (0, 0) => Some(Gpus::None),
        (0, 1..1000) => Some(Gpus::Share(share as u16)),
        // Several parts of time-sliced GPUs may come from several of them: whole ones are the most that they take.
        (0, _) => Some(Gpus::Whole(u8::try_from(share.div_ceil(1000)).ok()?)),
        (_, 0) => Some(Gpus::Whole(u8::try_from(whole).ok()?)),
        (_, _) => None,
    }
}
