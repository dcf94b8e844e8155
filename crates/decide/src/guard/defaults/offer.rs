//! The devices that a pool's nodes offer, and the smallest that is enough.

use super::need::Need;
use plimsoll_api::{
    Pool,
    pool::{PoolDevice, PoolSharing},
};
use plimsoll_fleet::{
    Bytes, MilliGpu, Name, catalogue,
    mig::{self, BoardProfile, Profile},
    resource::{self, Unit},
};
use std::fmt;

/// A kind of device of a pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer {
    /// The pool's name.
    pub pool: String,
    /// The resource that a pod asks for.
    pub resource: Name,
    /// Memory that can be counted on; none: not known.
    pub memory: Option<Bytes>,
    /// The part of a board's compute that can be counted on; none: not known.
    pub compute: Option<MilliGpu>,
    /// It is a share in time slices, with no isolation.
    pub is_time_sliced: bool,
}

/// `nvidia.com/mig-1g.10gb (9.8 GiB, 12.1 %)`.
impl fmt::Display for Offer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = super::super::mend::plain;
        let memory = self.memory.map_or_else(|| "memory not known".to_owned(), |memory| format!("{} GiB", number(memory.gib())));
        let compute = self.compute.map_or_else(|| "compute not known".to_owned(), |part| format!("{} %", number(part.0 as f64 / 10.0)));
        write!(out, "{} ({memory}, {compute})", self.resource)
    }
}

/// What `pool` offers. Without a word about devices: whole GPUs, unless they are shared.
#[must_use]
pub fn of(pool: &Pool) -> Vec<Offer> {
    let whole = [PoolDevice { resource: "nvidia.com/gpu".to_owned(), ..PoolDevice::default() }];
    let devices = match pool.spec.sharing {
        PoolSharing::None if pool.spec.devices.is_empty() => &whole,
        _ => pool.spec.devices.as_slice(),
    };
    devices.iter().map(|device| offer(pool, device)).collect()
}

fn offer(pool: &Pool, device: &PoolDevice) -> Offer {
    let sharing = pool.spec.sharing;
    let unit = resource::unit(&device.resource);
    let is_parted = matches!(sharing, PoolSharing::TimeSlicing | PoolSharing::Mps) && unit == Some(Unit::Gpu);
    // Over how many it is shared; none: it is, and nobody says over how many.
    let replicas = device.replicas.or_else(|| (!is_parted && unit != Some(Unit::SharedGpu)).then_some(1)).map(u64::from);
    let (memory, compute) = pool.model().map_or((None, whole_compute(unit)), |model| figures(model, unit));
    let part = |all: u64| replicas.map(|replicas| all / replicas.max(1));
    let set_memory = device.memory_gib.map(|gib| Bytes((gib * f64::from(1_u32 << 30)) as u64));
    let set_compute = device.compute.map(|percent| MilliGpu((percent * 10.0) as u64));
    Offer {
        pool: pool.metadata.name.clone(),
        resource: device.resource.as_str().into(),
        memory: set_memory.or_else(|| memory.and_then(|memory| part(memory.0).map(Bytes))),
        compute: set_compute.or_else(|| compute.and_then(|compute| part(compute.0).map(MilliGpu))),
        // As the rule no-time-slicing-online sees it.
        is_time_sliced: sharing == PoolSharing::TimeSlicing
            || sharing != PoolSharing::Mps && (unit == Some(Unit::SharedGpu) || replicas != Some(1)),
    }
}

/// A device that is no part of another has all of its compute.
fn whole_compute(unit: Option<Unit<'_>>) -> Option<MilliGpu> {
    matches!(unit, Some(Unit::Gpu | Unit::SharedGpu | Unit::Device(_))).then_some(MilliGpu::ONE)
}

/// Memory and compute of one, before it is shared, by the catalogue.
fn figures(model: &str, unit: Option<Unit<'_>>) -> (Option<Bytes>, Option<MilliGpu>) {
    let slice = |profile: &str| {
        let found = profile_of(model, profile);
        (
            found.as_ref().map(|profile| profile.memory_at_least),
            found.map(|profile| MilliGpu((profile.compute_at_least.get() * 1_000.0) as u64)),
        )
    };
    let product = catalogue::normalise_product(model);
    match unit {
        Some(Unit::Mig(profile)) => slice(&resource::mig_profile(profile)),
        // Under the single strategy every GPU is a slice of this profile, or nothing.
        Some(Unit::Gpu | Unit::SharedGpu) if product.invalid => (None, None),
        Some(Unit::Gpu | Unit::SharedGpu) => match &product.profile {
            Some(profile) => slice(profile),
            None => (catalogue::find(product.base, None).and_then(catalogue::GpuModel::memory), Some(MilliGpu::ONE)),
        },
        _ => (None, whole_compute(unit)),
    }
}

/// The profile of that name on the model's board. A compute instance shares its memory with others: what it can count on is not
/// known.
fn profile_of(model: &str, name: &str) -> Option<BoardProfile> {
    let profile = Profile::parse(name).ok().filter(|profile| profile.part.is_none())?;
    let board = mig::board(catalogue::normalise_product(model).base, None)?;
    let unmarked = Profile { mark: None, ..profile };
    let slot = board.table.slot_named(&profile, board.memory).or_else(|| board.table.slot_named(&unmarked, board.memory))?;
    // A name that is far from all of this board is of another board.
    let is_near = board.table.slots[slot].name_on(board.table.grid, board.memory).gb.abs_diff(profile.gb) * 8 <= profile.gb;
    board.profiles().into_iter().find(|found| is_near && found.slot == slot)
}

impl Offer {
    /// Is it enough? What is not known is not enough.
    #[must_use]
    pub fn meets(&self, need: &Need) -> bool {
        need.memory.is_none_or(|memory| self.memory.is_some_and(|own| own >= memory))
            && need.compute.is_none_or(|compute| self.compute.is_some_and(|own| own >= compute))
    }

    /// The order of size: memory, then compute; of equals the isolated one, then by name. What is not known comes last.
    fn size(&self) -> impl Ord + '_ {
        let last = |known: Option<u64>| (known.is_none(), known);
        (
            last(self.memory.map(|memory| memory.0)),
            last(self.compute.map(|compute| compute.0)),
            self.is_time_sliced,
            &self.pool,
            &self.resource,
        )
    }
}

/// The smallest that is enough: least memory, then least compute. Within a pool that is the least part of a board.
#[must_use]
pub fn smallest<'a>(offers: &'a [Offer], need: &Need) -> Option<&'a Offer> {
    offers.iter().filter(|offer| offer.meets(need)).min_by(|a, b| a.size().cmp(&b.size()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn pool(spec: &Value) -> Pool {
        let object = json!({ "apiVersion": "plimsoll.dev/v1alpha1", "kind": "Pool", "metadata": { "name": "p" }, "spec": spec });
        let Some(plimsoll_api::Resource::Pool(pool)) = plimsoll_api::read(&object).unwrap() else { panic!("no pool") };
        pool
    }

    fn told(spec: &Value) -> Vec<String> {
        of(&pool(spec)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_catalogue_tells_what_the_pool_does_not() {
        let labels = json!({ "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3" });
        assert_eq!(told(&json!({ "nodeLabels": labels })), ["nvidia.com/gpu (79.6 GiB, 100 %)"]);
        let slices = json!([
            { "resource": "nvidia.com/mig-1g.10gb" },
            { "resource": "nvidia.com/mig-1g.20gb" },
            { "resource": "nvidia.com/mig-3g.39gb" },
            { "resource": "nvidia.com/mig-1g.5gb" },
            { "resource": "nvidia.com/mig-1c.3g.40gb" },
        ]);
        assert_eq!(
            told(&json!({ "nodeLabels": labels, "sharing": "mig", "devices": slices })),
            [
                "nvidia.com/mig-1g.10gb (9.8 GiB, 12.1 %)",
                "nvidia.com/mig-1g.20gb (19.6 GiB, 19.6 %)",
                "nvidia.com/mig-3g.39gb (39.5 GiB, 45.4 %)",
                "nvidia.com/mig-1g.5gb (memory not known, compute not known)",
                "nvidia.com/mig-1c.3g.40gb (memory not known, compute not known)",
            ],
            "drivers differ by a gigabyte; another board's profile and a part of an instance tell nothing"
        );
        let single = json!({ "a": "b" });
        assert_eq!(
            told(
                &json!({ "nodeLabels": single, "model": "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", "sharing": "mig", "devices": [{ "resource": "nvidia.com/gpu" }] })
            ),
            ["nvidia.com/gpu (9.6 GiB, 12.9 %)"]
        );
    }

    #[test]
    fn a_share_has_its_part_and_nothing_is_guessed() {
        let shared = |sharing: &str, device: Value| {
            let spec = json!({ "nodeLabels": { "a": "b" }, "model": "NVIDIA-L4", "sharing": sharing, "devices": [device] });
            (told(&spec).remove(0), of(&pool(&spec))[0].is_time_sliced)
        };
        let quarter = || json!({ "resource": "nvidia.com/gpu.shared", "replicas": 4 });
        assert_eq!(shared("mps", quarter()), ("nvidia.com/gpu.shared (5.6 GiB, 25 %)".to_owned(), false));
        assert_eq!(shared("time-slicing", quarter()), ("nvidia.com/gpu.shared (5.6 GiB, 25 %)".to_owned(), true));
        assert!(shared("none", json!({ "resource": "nvidia.com/gpu.shared" })).1, "as the rule takes it");
        let not_said = json!({ "resource": "nvidia.com/gpu" });
        assert_eq!(shared("time-slicing", not_said).0, "nvidia.com/gpu (memory not known, compute not known)");
        let set = json!({ "resource": "nvidia.com/gpu", "memoryGiB": 4.5, "compute": 12.5 });
        assert_eq!(shared("mps", set).0, "nvidia.com/gpu (4.5 GiB, 12.5 %)");
        assert!(told(&json!({ "nodeLabels": { "a": "b" }, "sharing": "mig" })).is_empty(), "it does not say which slices");
        assert_eq!(told(&json!({ "nodeLabels": { "a": "b" } })), ["nvidia.com/gpu (memory not known, 100 %)"]);
    }

    fn offers() -> impl Strategy<Value = Vec<Offer>> {
        let one = (0_u8..3, 0_u8..3, proptest::option::of(0_u64..8), proptest::option::of(0_u64..8), any::<bool>()).prop_map(
            |(pool, resource, memory, compute, is_time_sliced)| Offer {
                pool: pool.to_string(),
                resource: resource.to_string().into(),
                memory: memory.map(Bytes),
                compute: compute.map(MilliGpu),
                is_time_sliced,
            },
        );
        proptest::collection::vec(one, 0..8)
    }

    proptest! {
        /// Against a search of all pairs: what is chosen is enough, nothing that is enough is smaller, and the order given is no matter.
        #[test]
        fn the_smallest_is_the_smallest(mut offers in offers(), memory in proptest::option::of(0_u64..8), compute in proptest::option::of(0_u64..8)) {
            let need = Need { memory: memory.map(Bytes), compute: compute.map(MilliGpu) };
            let enough = |offer: &Offer| {
                memory.is_none_or(|need| offer.memory.is_some_and(|own| own.0 >= need)) && compute.is_none_or(|need| offer.compute.is_some_and(|own| own.0 >= need))
            };
            let less = |a: &Offer, b: &Offer| {
                let or_last = |known: Option<u64>| known.unwrap_or(u64::MAX);
                let (memory, compute) = (|one: &Offer| or_last(one.memory.map(|one| one.0)), |one: &Offer| or_last(one.compute.map(|one| one.0)));
                memory(a) < memory(b) || memory(a) == memory(b) && compute(a) < compute(b)
            };
            let best = smallest(&offers, &need).cloned();
            match &best {
                None => prop_assert!(!offers.iter().any(enough)),
                Some(best) => {
                    prop_assert!(enough(best));
                    prop_assert!(!offers.iter().any(|other| enough(other) && less(other, best)));
                }
            }
            offers.reverse();
            prop_assert_eq!(smallest(&offers, &need).cloned(), best);
        }
    }
}
