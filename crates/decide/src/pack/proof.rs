//! The packing problem as the bound takes it: classes of nodes, classes of pods, and nothing that the plan may not count on.
//!
//! Whatever is left out here (affinity, host ports, physical devices behind DRA, headroom, the order of the moves) only
//! makes packing easier, so the bound holds with it, too.

use super::model::{ClassId, Host, ItemId, KindId, Model, Room};
use crate::bound::{Demand, Nodes, Problem};
use std::collections::{BTreeMap, BTreeSet};

/// What is in front of the devices in a vector of room: CPU, memory, pods.
const BEFORE_DEVICES: usize = 3;

/// More groups of nodes than this, and CPU and memory no longer tell groups apart.
const GROUPS_MAX: usize = 40;

/// Nodes that the bound counts as alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    class: Option<ClassId>,
    stays: bool,
    devices: Vec<u64>,
    sizes: (u32, u32),
}

/// The problem of `model`, with the waiting pods that the plan has found room for.
pub(super) fn problem(model: &Model<'_>, waiting: &[ItemId]) -> Problem {
    let gpu_hosts = || (0_usize..).zip(&model.hosts).filter(|(_, host)| host.gpu);
    let mut groups: BTreeMap<Group, Vec<usize>> = BTreeMap::new();
    for by_size in [true, false] {
        groups.clear();
        for (id, host) in gpu_hosts() {
            groups.entry(group(model, host, by_size)).or_default().push(id);
        }
        if groups.len() <= GROUPS_MAX {
            break;
        }
    }
    let mut nodes = Vec::with_capacity(groups.len());
    let mut by_class: BTreeMap<ClassId, Vec<u32>> = BTreeMap::new();
    let mut present: BTreeMap<KindId, BTreeSet<u32>> = BTreeMap::new();
    let mut count = vec![0_u64; model.kinds.len()];
    for (number, (group, hosts)) in (0..).zip(&groups) {
        let mut room = vec![0_u64; BEFORE_DEVICES + model.resources];
        for &host in hosts {
            let host = &model.hosts[host];
            for (sum, own) in room.iter_mut().zip(capacity(model, host)) {
                *sum = if group.stays { sum.saturating_add(own) } else { (*sum).max(own) };
            }
            for &item in &host.items {
                let kind = model.items[item as usize].kind;
                present.entry(kind).or_default().insert(number);
                count[kind as usize] += 1;
            }
        }
        if let Some(class) = group.class {
            by_class.entry(class).or_default().push(number);
        }
        nodes.push(Nodes { count: hosts.len() as u32, stay: group.stays, room });
    }
    for &item in waiting {
        count[model.items[item as usize].kind as usize] += 1;
    }
    let demands = (0..)
        .zip(&model.kinds)
        .zip(count)
        .filter(|(_, count)| *count > 0)
        // What could live on a node without accelerators needs none of those that are counted.
        .filter(|((_, kind), _)| !(kind.need.devices.is_empty() && kind.allowed.iter().any(|class| !model.classes[*class as usize].gpu)))
        .map(|((id, kind), count)| {
            let mut need = vec![0; BEFORE_DEVICES + model.resources];
            (need[0], need[1], need[2]) = (kind.need.cpu as u64, kind.need.memory as u64, 1);
            for &(resource, count) in &kind.need.devices {
                need[BEFORE_DEVICES + usize::from(resource)] = count as u64;
            }
            let mut on: BTreeSet<u32> = kind.allowed.iter().filter_map(|class| by_class.get(class)).flatten().copied().collect();
            on.extend(present.get(&id).into_iter().flatten());
            Demand { count, need, nodes: on.into_iter().collect() }
        })
        .collect();
    Problem { nodes, demands, sizes: 2 }
}

fn group(model: &Model<'_>, host: &Host, by_size: bool) -> Group {
    let stays = host.stays(model.fleet);
    if stays {
        // They are counted anyway: their room is one.
        return Group { class: host.class, stays, devices: Vec::new(), sizes: (0, 0) };
    }
    let room = capacity(model, host);
    // Within an eighth of a power of two.
    let step = |value: u64| if by_size { (((value + 1) as f64).log2() * 8.0) as u32 } else { 0 };
    Group { class: host.class, stays, sizes: (step(room[0]), step(room[1])), devices: room[BEFORE_DEVICES..].to_vec() }
}

/// What the movable pods could take of a host: what those there take now, and what is free if it takes others at all.
fn capacity(model: &Model<'_>, host: &Host) -> Vec<u64> {
    let open = host.class.is_some();
    let sum = |used: i64, free: i64| used.unsigned_abs() + if open { free.max(0) as u64 } else { 0 };
    let (used, free): (&Room, &Room) = (&host.movable, &host.room);
    let mut room = vec![0; BEFORE_DEVICES + model.resources];
    (room[0], room[1], room[2]) = (sum(used.cpu, free.cpu), sum(used.memory, free.memory), sum(used.pods, free.pods));
    for devices in &free.devices {
        room[BEFORE_DEVICES + usize::from(devices.resource)] = sum(used.of(devices.resource).unwrap_or(0), devices.free);
    }
    room
}
