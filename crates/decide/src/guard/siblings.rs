//! Objects that a rule must see beside the one it judges.

use plimsoll_fleet::{
    Name,
    selector::{Labels, Selector},
    written::{DeviceRequest, Written},
};
use std::collections::BTreeMap;

/// What stands beside the objects that are judged: the rest of a manifest, or what a cluster holds.
#[derive(Debug, Clone, Default)]
pub struct Siblings {
    /// It is all that counts: what is not in here is not there. Else the absence of something is not judged.
    pub complete: bool,
    budgets: Vec<(Name, Selector)>,
    claims: BTreeMap<(Name, Name), Claim>,
    claim_templates: BTreeMap<(Name, Name), Claim>,
    namespaces: BTreeMap<Name, Labels>,
    scalers: BTreeMap<(Name, Name, Name), u32>,
}

/// What a ResourceClaim asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// Its requests.
    pub requests: Vec<DeviceRequest>,
    /// It asks for time slicing.
    pub time_slices: bool,
}

impl Siblings {
    /// With nothing in it.
    #[must_use]
    pub fn new(complete: bool) -> Self {
        Self { complete, ..Self::default() }
    }

    /// Takes notice of `object`. The order does not matter: of two of one name the same one wins.
    pub fn add(&mut self, object: &Written) {
        let key = || (object.namespace.clone(), object.name.clone());
        let claim = || Claim { requests: object.requests.clone(), time_slices: object.claims_time_slices };
        match &*object.kind {
            "ResourceClaim" => greatest(self.claims.entry(key()).or_default(), claim()),
            "ResourceClaimTemplate" => greatest(self.claim_templates.entry(key()).or_default(), claim()),
            "Namespace" => {
                let labels = self.namespaces.entry(object.name.clone()).or_default();
                *labels = std::mem::take(labels).max(object.labels.clone());
            }
            "PodDisruptionBudget" => self.budgets.extend(object.selects.clone().map(|selector| (object.namespace.clone(), selector))),
            _ => {
                if let Some(scales) = &object.scales {
                    let most = self.scalers.entry((object.namespace.clone(), scales.kind.clone(), scales.name.clone())).or_default();
                    *most = (*most).max(scales.max);
                }
            }
        }
    }

    /// Sets the labels of a namespace, as a cluster has them.
    pub fn namespace(&mut self, name: Name, labels: Labels) {
        self.namespaces.insert(name, labels);
    }

    /// The labels of a namespace; none: they are not known.
    #[must_use]
    pub fn labels_of(&self, namespace: &str) -> Option<&Labels> {
        self.namespaces.get(namespace)
    }

    /// Does a disruption budget guard pods with these labels?
    #[must_use]
    pub fn guards(&self, namespace: &Name, labels: &Labels) -> bool {
        self.budgets.iter().any(|(of, selector)| of == namespace && selector.selects(labels))
    }

    /// A claim by its own name.
    #[must_use]
    pub fn claim(&self, namespace: &Name, name: &Name) -> Option<&Claim> {
        self.claims.get(&(namespace.clone(), name.clone()))
    }

    /// A claim by its template's name.
    #[must_use]
    pub fn claim_template(&self, namespace: &Name, name: &Name) -> Option<&Claim> {
        self.claim_templates.get(&(namespace.clone(), name.clone()))
    }

    /// The most replicas that an autoscaler may give an object.
    #[must_use]
    pub fn scaled_to(&self, object: &Written) -> Option<u32> {
        self.scalers.get(&(object.namespace.clone(), object.kind.clone(), object.name.clone())).copied()
    }
}

/// Of two claims of one name, the one that asks for more.
fn greatest(kept: &mut Claim, other: Claim) {
    let order = |claim: &Claim| {
        let devices = claim.requests.iter().map(|request| request.gpus().unwrap_or(u64::MAX)).fold(0, u64::saturating_add);
        (devices, claim.time_slices, claim.requests.iter().map(|request| request.classes.clone()).collect::<Vec<_>>())
    };
    if order(&other) > order(kept) {
        *kept = other;
    }
}
