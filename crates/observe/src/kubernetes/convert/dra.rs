//! Dynamic resource allocation: what claims ask for and were given, and the devices that nodes publish.

use crate::kubernetes::{
    quantity::Quantity,
    raw::{
        dra::{ClaimSpec, Device, RawClaim, RawClaimTemplate, RawDeviceClass, RawResourceSlice},
        pod::PodClaim,
    },
};
use plimsoll_fleet::{
    Bytes, Name,
    node::{Gpu, Node, Offer, Sharing, Slice},
    pod::{Ask, Granted},
    resource::Vendor,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The drivers of accelerators, and whose devices they are. `compute-domain.nvidia.com` and network drivers are none.
const DRIVERS: &[(&str, Vendor)] = &[
    ("gpu.nvidia.com", Vendor::Nvidia),
    ("gpu.amd.com", Vendor::Amd),
    ("gpu.intel.com", Vendor::Intel),
    ("gaudi.intel.com", Vendor::Habana),
    ("tpu.google.com", Vendor::Google),
    ("neuron.aws.com", Vendor::AwsNeuron),
];

fn vendor(driver: &str) -> Option<Vendor> {
    DRIVERS.iter().find(|(name, _)| *name == driver).map(|(_, vendor)| *vendor)
}

/// Most devices of one node that are read. The API allows 128 in a slice; a node with 16 GPUs of 7 slices publishes some 300.
const DEVICES_MAX: usize = 4096;

/// Which devices a DeviceClass means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    /// Whole devices of a driver, without further choice.
    Whole(&'static str),
    /// MIG slices of `gpu.nvidia.com`.
    Slices,
    /// Accelerators, by a choice of its own (a model, a size) or through VFIO.
    Some,
    /// No accelerators.
    None,
}

#[derive(Debug, Clone)]
struct Class {
    means: Means,
    serves: Option<Name>,
}

/// All that is known of claims and devices.
#[derive(Debug, Default)]
pub struct Claims {
    classes: BTreeMap<Name, Class>,
    templates: HashMap<(Name, Name), ClaimSpec>,
    claims: HashMap<(Name, Name), RawClaim>,
    slices: BTreeMap<Name, Vec<RawResourceSlice>>,
}

/// Where a device of a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Index into the node's GPUs.
    pub gpu: u16,
    /// The MIG profile, where it is a slice.
    pub profile: Option<Name>,
}

/// The devices of a node by driver, pool and name.
pub type Places = BTreeMap<(Name, Name, Name), Place>;

impl Claims {
    /// Takes in a DeviceClass.
    pub fn add_class(&mut self, raw: RawDeviceClass) {
        let class = Class { means: means(&raw), serves: raw.spec.extended_resource_name };
        self.classes.insert(raw.metadata.name, class);
    }

    /// Takes in a ResourceClaimTemplate.
    pub fn add_template(&mut self, raw: RawClaimTemplate) {
        self.templates.insert((raw.metadata.namespace, raw.metadata.name), raw.spec.spec);
    }

    /// Takes in a ResourceClaim.
    pub fn add_claim(&mut self, raw: RawClaim) {
        self.claims.insert((raw.metadata.namespace.clone(), raw.metadata.name.clone()), raw);
    }

    /// Takes in a ResourceSlice.
    pub fn add_slice(&mut self, raw: RawResourceSlice) {
        if let Some(node) = raw.spec.node_name.clone().filter(|_| vendor(&raw.spec.driver).is_some()) {
            self.slices.entry(node).or_default().push(raw);
        }
    }

    /// What a pod's claims ask for.
    pub fn asks(&self, namespace: &str, claims: &[PodClaim]) -> Vec<Ask> {
        let key = |name: &Name| (Name::from(namespace), name.clone());
        let specs = claims.iter().filter_map(|claim| match (&claim.resource_claim_template_name, &claim.resource_claim_name) {
            (Some(template), _) => self.templates.get(&key(template)),
            (None, Some(name)) => self.claims.get(&key(name)).map(|claim| &claim.spec),
            (None, None) => None,
        });
        specs.flat_map(|spec| self.asks_of(spec)).collect()
    }

    /// The accelerators of a claim. Of alternatives the first, which the scheduler prefers, is counted.
    fn asks_of(&self, spec: &ClaimSpec) -> Vec<Ask> {
        let wanted = spec.devices.requests.iter().filter_map(|request| request.alternatives().next());
        wanted
            .filter(|exact| exact.admin_access != Some(true))
            .filter_map(|exact| {
                let class = exact.device_class_name.as_ref()?;
                let resource = self.resource(class)?;
                Some(Ask { resource, count: exact.count.unwrap_or(1).max(1), dra: true })
            })
            .collect()
    }

    /// What devices of `class` are called in asks and offers: the extended resource that the class serves, where it serves one,
    /// else the class itself. None: they are no accelerators.
    fn resource(&self, class: &Name) -> Option<Name> {
        let known = self.classes.get(class);
        let accelerators =
            known.map_or_else(|| vendor(class).is_some() || &**class == "mig.nvidia.com", |class| class.means != Means::None);
        accelerators.then(|| known.and_then(|known| known.serves.clone()).unwrap_or_else(|| class.clone()))
    }

    /// What the claims named `claims` gave to `pod`. A claim that several pods use counts for the first of them by name:
    /// the devices are there once.
    pub fn granted(&self, namespace: &Name, pod: &Name, claims: &[Name], places: Option<&Places>) -> Vec<Granted> {
        let mut granted: Vec<Granted> = claims
            .iter()
            .filter_map(|name| self.claims.get(&(namespace.clone(), name.clone())))
            .flat_map(|raw| self.given(raw, pod, places))
            .collect();
        granted.sort();
        granted
    }

    fn given(&self, raw: &RawClaim, pod: &Name, places: Option<&Places>) -> Vec<Granted> {
        let users: BTreeSet<&Name> =
            raw.status.reserved_for.iter().filter(|user| &*user.resource == "pods").map(|user| &user.name).collect();
        if users.first().is_some_and(|first| *first != pod) {
            return Vec::new();
        }
        let results = raw.status.allocation.iter().flat_map(|allocation| &allocation.devices.results);
        results
            .filter(|given| given.admin_access != Some(true) && vendor(&given.driver).is_some())
            .map(|given| {
                let place = places.and_then(|places| places.get(&(given.driver.clone(), given.pool.clone(), given.device.clone())));
                Granted {
                    class: class_of(&raw.spec, &given.request).unwrap_or_else(|| given.driver.clone()),
                    device: given.device.clone(),
                    gpu: place.map(|place| place.gpu),
                    profile: place.and_then(|place| place.profile.clone()).or_else(|| mig_name(&given.device).map(|mig| mig.profile)),
                }
            })
            .collect()
    }

    /// The devices that claims hold, by driver, pool and name.
    fn held(&self) -> BTreeSet<(&Name, &Name, &Name)> {
        let allocations = self.claims.values().filter_map(|claim| claim.status.allocation.as_ref());
        allocations.flat_map(|allocation| &allocation.devices.results).map(|given| (&given.driver, &given.pool, &given.device)).collect()
    }

    /// Writes the devices that ResourceSlices publish into their nodes, and tells where each is.
    pub fn place(&self, nodes: &mut [Node]) -> HashMap<Name, Places> {
        let held = self.held();
        let mut all = HashMap::new();
        for node in nodes {
            if let Some(slices) = self.slices.get(&node.name) {
                all.insert(node.name.clone(), self.place_in(node, slices, &held));
            }
        }
        all
    }

    fn place_in(&self, node: &mut Node, slices: &[RawResourceSlice], held: &BTreeSet<(&Name, &Name, &Name)>) -> Places {
        // Only the newest generation of a pool counts: older slices are about to go.
        let mut newest: BTreeMap<(&Name, &Name), i64> = BTreeMap::new();
        for slice in slices {
            let generation = newest.entry((&slice.spec.driver, &slice.spec.pool.name)).or_insert(slice.spec.pool.generation);
            *generation = (*generation).max(slice.spec.pool.generation);
        }
        let mut places = Places::new();
        let mut published: BTreeMap<Name, Published> = BTreeMap::new();
        let current =
            slices.iter().filter(|slice| newest.get(&(&slice.spec.driver, &slice.spec.pool.name)) == Some(&slice.spec.pool.generation));
        for (slice, device) in current.flat_map(|slice| slice.spec.devices.iter().map(move |device| (slice, device))).take(DEVICES_MAX) {
            let (driver, pool) = (&slice.spec.driver, &slice.spec.pool.name);
            let exists = device.text("uuid").is_some() || held.contains(&(driver, pool, &device.name));
            published.entry(driver.clone()).or_default().add(pool, device, exists);
        }
        for (driver, devices) in published {
            devices.write(&driver, node, &mut places);
            self.offer(&driver, &devices, node);
        }
        places
    }

    /// One offer for the same hardware: under the resource that a class for all of it serves, else under that class.
    fn offer(&self, driver: &Name, devices: &Published, node: &mut Node) {
        let named = |wanted: fn(Means, &str) -> bool, otherwise: &str| {
            let mut fitting: Vec<(bool, Name)> = self
                .classes
                .iter()
                .filter(|(_, class)| wanted(class.means, driver))
                .map(|(name, class)| (class.serves.is_none(), class.serves.clone().unwrap_or_else(|| name.clone())))
                .collect();
            fitting.sort();
            fitting.into_iter().next().map_or_else(|| otherwise.into(), |(_, name)| name)
        };
        let mut push = |resource: Name, count: usize| {
            if count > 0 {
                let count = count as u32;
                node.offers.push(Offer { resource, count, capacity: count, dra: true });
            }
        };
        push(named(|means, driver| matches!(means, Means::Whole(of) if of == driver), driver), devices.whole());
        push(named(|means, driver| means == Means::Slices && driver == "gpu.nvidia.com", "mig.nvidia.com"), devices.slices());
        node.offers.sort_by(|a, b| (&a.resource, a.dra).cmp(&(&b.resource, b.dra)));
    }
}

/// What a DeviceClass means, by its name and its selectors. CEL is not evaluated: a class that chooses further than by driver
/// and type is known to be of accelerators, and no more.
fn means(raw: &RawDeviceClass) -> Means {
    let name = &*raw.metadata.name;
    let text: String = raw.spec.selectors.iter().filter_map(|selector| selector.cel.as_ref()).map(|cel| &*cel.expression).collect();
    let driver = DRIVERS
        .iter()
        .map(|(driver, _)| *driver)
        .find(|driver| text.contains(&format!("'{driver}'")) || text.contains(&format!("\"{driver}\"")));
    let Some(driver) = driver.or_else(|| DRIVERS.iter().map(|(driver, _)| *driver).find(|driver| name == *driver)) else {
        return if name == "mig.nvidia.com" { Means::Slices } else { Means::None };
    };
    // Beyond `device.driver` and the attribute `type` there is a choice of its own.
    let chooses = text.contains("capacity") || text.matches(".attributes").count() > text.matches(".type").count();
    let of_type = |kind: &str| text.contains(&format!("'{kind}'")) || text.contains(&format!("\"{kind}\""));
    match () {
        () if chooses || of_type("vfio") => Means::Some,
        () if of_type("mig") => Means::Slices,
        () => Means::Whole(driver),
    }
}

/// The class behind the request named `request`, or `request/alternative`.
fn class_of(spec: &ClaimSpec, request: &str) -> Option<Name> {
    let (name, alternative) = request.split_once('/').map_or((request, None), |(name, rest)| (name, Some(rest)));
    let request = spec.devices.requests.iter().find(|candidate| &*candidate.name == name)?;
    let mut alternatives = request.alternatives();
    let exact = match alternative {
        Some(wanted) => alternatives.find(|exact| exact.alternative.as_deref() == Some(wanted)),
        None => alternatives.next(),
    };
    exact.and_then(|exact| exact.device_class_name.clone())
}

/// What the name of a MIG device tells: `gpu-1-mig-2g47gb-14-2` is profile 14, `2g.47gb`, on GPU 1 from memory slice 2.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MigName {
    minor: u32,
    profile: Name,
    start: Option<u8>,
}

fn mig_name(device: &str) -> Option<MigName> {
    let (minor, rest) = device.strip_prefix("gpu-")?.split_once("-mig-")?;
    let mut parts = rest.rsplitn(3, '-');
    let (start, _id, profile) = (parts.next()?, parts.next()?, parts.next()?);
    let (slices, memory) = profile.split_once('g')?;
    Some(MigName { minor: minor.parse().ok()?, profile: format!("{slices}g.{memory}").into(), start: start.parse().ok() })
}

/// Where a physical device comes in the order of its node: its minor number, or its name where that tells none.
type Seat = (u32, Name);

/// The devices of one driver in one node.
#[derive(Debug, Default)]
struct Published {
    /// Physical devices, in order: by minor number where the name tells it, else by name.
    physical: BTreeMap<Seat, Physical>,
    /// Which physical device each name means, and which slice.
    names: BTreeMap<(Name, Name), (Seat, Option<Name>)>,
}

#[derive(Debug, Default)]
struct Physical {
    uuid: Option<Name>,
    product: Option<Name>,
    memory: Option<Bytes>,
    whole: bool,
    slices: BTreeSet<Slice>,
}

impl Published {
    fn add(&mut self, pool: &Name, device: &Device, exists: bool) {
        let kind = device.text("type").map(|kind| &**kind);
        let mig = mig_name(&device.name);
        if kind == Some("mig") || mig.is_some() {
            let Some(mig) = mig else { return };
            let profile = device.text("profile").cloned().unwrap_or_else(|| mig.profile.clone());
            let key = (mig.minor, Name::default());
            let parent = self.physical.entry(key.clone()).or_default();
            parent.uuid = parent.uuid.take().or_else(|| device.text("parentUUID").cloned());
            parent.product = parent.product.take().or_else(|| product(device));
            if exists {
                parent.slices.insert(Slice { profile: profile.clone(), start: mig.start, instance: None });
            }
            self.names.insert((pool.clone(), device.name.clone()), (key, Some(profile)));
            return;
        }
        if kind == Some("vfio") {
            return;
        }
        let minor = device.name.strip_prefix("gpu-").and_then(|minor| minor.parse().ok());
        let key = minor.map_or_else(|| (u32::MAX, device.name.clone()), |minor| (minor, Name::default()));
        let physical = self.physical.entry(key.clone()).or_default();
        physical.whole = true;
        physical.uuid = device.text("uuid").cloned().or(physical.uuid.take());
        physical.product = product(device).or(physical.product.take());
        physical.memory = device.capacity("memory").and_then(|text| Quantity::bytes(text).ok());
        self.names.insert((pool.clone(), device.name.clone()), (key, None));
    }

    /// Whole devices that can be given out: published as such, and not cut up.
    fn whole(&self) -> usize {
        self.physical.values().filter(|physical| physical.whole && physical.slices.is_empty()).count()
    }

    fn slices(&self) -> usize {
        self.physical.values().map(|physical| physical.slices.len()).sum()
    }

    fn write(&self, driver: &Name, node: &mut Node, places: &mut Places) {
        let first = self.physical.values().find(|physical| physical.product.is_some());
        let counted = node.gpus.len();
        node.gpus = self
            .physical
            .values()
            .map(|physical| Gpu { uuid: physical.uuid.clone(), slices: physical.slices.iter().cloned().collect() })
            .collect();
        // A device that only a label counts is there, though not published.
        node.gpus.resize(node.gpus.len().max(counted), Gpu::default());
        node.vendor = node.vendor.or_else(|| vendor(driver));
        node.gpu_product = node.gpu_product.take().or_else(|| first.and_then(|physical| physical.product.clone()));
        node.gpu_memory = node.gpu_memory.or_else(|| first.and_then(|physical| physical.memory));
        if self.slices() > 0 {
            node.sharing = Sharing::MigMixed;
        }
        let order: BTreeMap<&Seat, u16> = self.physical.keys().zip(0..).collect();
        for ((pool, device), (key, profile)) in &self.names {
            if let Some(&gpu) = order.get(key) {
                places.insert((driver.clone(), pool.clone(), device.clone()), Place { gpu, profile: profile.clone() });
            }
        }
    }
}

/// The product's name as the node label would have it.
fn product(device: &Device) -> Option<Name> {
    device.text("productName").map(|name| name.replace(' ', "-").into())
}
