//! The object as a rule sees it.

use super::{Policy, Siblings, State, parameter::Values, siblings::Claim};
use crate::{class, team};
use plimsoll_api::{Pool, Team};
use plimsoll_fleet::{
    Class, Name,
    written::{ClaimSource, Container, DeviceRequest, Role, Template, Written, is_gpu_class},
};

/// What all rules want to know of an object, found once.
#[derive(Debug)]
pub struct View<'a> {
    /// The object.
    pub object: &'a Written,
    /// What stands beside it.
    pub siblings: &'a Siblings,
    /// What the cluster knows.
    pub state: &'a State,
    /// Its class.
    pub class: class::Known,
    /// The name of the team that owns it, by a Team object or a label.
    pub owner: Option<Name>,
    /// That team, where there is an object of it.
    pub team: Option<&'a Team>,
    /// All teams.
    pub teams: &'a [Team],
    /// The pools that it asks for.
    pub pools: Vec<&'a Pool>,
    /// Its templates, with the devices of a pod of each.
    asks: Vec<Asked>,
}

/// What a pod of a template asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Devices: whole GPUs, slices and shares count as one each.
    pub devices: u64,
    /// Those of them that DRA claims give.
    pub by_claims: u64,
    /// It asks for accelerators, though how many is not known: a claim that is not at hand, or for all that there are.
    pub unknown: bool,
}

impl Asked {
    /// Any at all?
    #[must_use]
    pub fn any(self) -> bool {
        self.devices > 0 || self.unknown
    }
}

/// A rule's view, with its parameters.
#[derive(Debug)]
pub struct Case<'a> {
    /// The object and all around it.
    pub view: &'a View<'a>,
    /// The parameters.
    pub values: &'a Values,
}

impl<'a> std::ops::Deref for Case<'a> {
    type Target = View<'a>;
    fn deref(&self) -> &View<'a> {
        self.view
    }
}

impl<'a> View<'a> {
    /// Looks at `object`.
    pub(super) fn new(policy: &'a Policy, object: &'a Written, siblings: &'a Siblings, state: &'a State) -> Self {
        let owner = owner(object, siblings, &policy.teams);
        let team = owner.as_ref().and_then(|owner| policy.teams.iter().find(|team| *team.metadata.name == **owner));
        let pools = policy.pools.iter().filter(|pool| object.templates.iter().any(|template| asks_for(template, pool))).collect();
        let asks = object.templates.iter().map(|template| asked(template, &object.namespace, siblings)).collect();
        Self { object, siblings, state, class: class_of(object), owner, team, teams: &policy.teams, pools, asks }
    }

    /// Does it ask for accelerators?
    #[must_use]
    pub fn wants_gpus(&self) -> bool {
        self.asks.iter().any(|asked| asked.any()) || self.object.requests.iter().any(DeviceRequest::wants_gpus)
    }

    /// The templates whose pods ask for accelerators, with how many.
    pub fn asking(&self) -> impl Iterator<Item = (&'a Template, Asked)> {
        self.object.templates.iter().zip(self.asks.iter().copied()).filter(|(_, asked)| asked.any())
    }

    /// What a pod of a template asks for; none: the template is of another object.
    pub(super) fn asked(&self, template: &Template) -> Option<Asked> {
        self.object.templates.iter().position(|own| std::ptr::eq(own, template)).and_then(|at| self.asks.get(at)).copied()
    }

    /// The templates whose pods ask for none.
    pub fn not_asking(&self) -> impl Iterator<Item = &'a Template> {
        self.object.templates.iter().zip(&self.asks).filter(|(_, asked)| !asked.any()).map(|(template, _)| template)
    }

    /// The pools that the pods of a template ask for.
    pub fn pools_of(&self, template: &Template) -> impl Iterator<Item = &'a Pool> {
        self.pools.iter().copied().filter(move |pool| asks_for(template, pool))
    }

    /// Devices of all its pods at once, its autoscaler at its most; none: not known.
    #[must_use]
    pub fn devices(&self) -> Option<u64> {
        let scaled = self.siblings.scaled_to(self.object).map(u64::from);
        self.asking().try_fold(0_u64, |sum, (template, asked)| {
            let pods = template.pods?.max(scaled.unwrap_or(0));
            (!asked.unknown).then(|| sum.saturating_add(asked.devices.saturating_mul(pods)))
        })
    }

    /// Is it of this class?
    #[must_use]
    pub fn is(&self, class: Class) -> bool {
        self.class.class == class
    }

    /// An annotation or a label of the object or of its pods, whichever comes first.
    #[must_use]
    pub fn said(&self, key: &str) -> Option<&'a Name> {
        let object = self.object;
        let of_pods = || object.templates.iter().find_map(|template| template.annotations.get(key).or_else(|| template.labels.get(key)));
        object.annotations.get(key).or_else(|| object.labels.get(key)).or_else(of_pods)
    }

    /// The claims of a template that are at hand.
    pub fn claims(&self, template: &'a Template) -> impl Iterator<Item = &'a Claim> {
        let (siblings, namespace) = (self.siblings, &self.object.namespace);
        template.claims.iter().filter_map(move |claim| resolve(siblings, namespace, claim.source.as_ref()))
    }

    /// The containers that stay and hold the accelerators; all of them where claims of the pod give them and none says whose.
    #[must_use]
    pub fn servers(&self, template: &'a Template) -> Vec<&'a Container> {
        let stay = || template.containers.iter().filter(|container| matches!(container.role, Role::Main | Role::Sidecar));
        let holding: Vec<&Container> =
            stay().filter(|container| container.asks().next().is_some() || !container.claims.is_empty()).collect();
        if holding.is_empty() { stay().filter(|container| container.role == Role::Main).collect() } else { holding }
    }

    /// Is it known not to be production? By a label of it or of its namespace.
    #[must_use]
    pub fn is_no_production(&self) -> bool {
        const KEYS: [&str; 4] = ["environment", "env", "stage", "plimsoll.dev/environment"];
        const NOT: [&str; 7] = ["dev", "development", "test", "testing", "staging", "qa", "sandbox"];
        let of_namespace = self.siblings.labels_of(&self.object.namespace);
        let labels = [Some(&self.object.labels), of_namespace];
        let values = labels.into_iter().flatten().flat_map(|labels| KEYS.iter().filter_map(|key| labels.get(*key)));
        values.into_iter().any(|value| NOT.contains(&&*value.to_ascii_lowercase()))
    }
}

fn resolve<'a>(siblings: &'a Siblings, namespace: &Name, source: Option<&ClaimSource>) -> Option<&'a Claim> {
    match source? {
        ClaimSource::Claim(name) => siblings.claim(namespace, name),
        ClaimSource::Template(name) => siblings.claim_template(namespace, name),
    }
}

fn asked(template: &Template, namespace: &Name, siblings: &Siblings) -> Asked {
    let (mut by_claims, mut unknown) = (0_u64, false);
    for claim in &template.claims {
        match resolve(siblings, namespace, claim.source.as_ref()) {
            Some(found) => {
                for request in &found.requests {
                    match request.gpus() {
                        Some(count) => by_claims = by_claims.saturating_add(count),
                        None => unknown = true,
                    }
                }
            }
            // A claim that is not at hand is for accelerators if its names say so.
            None => {
                let of_source = match &claim.source {
                    Some(ClaimSource::Claim(name) | ClaimSource::Template(name)) => is_gpu_class(name),
                    None => false,
                };
                unknown |= of_source || is_gpu_class(&claim.name);
            }
        }
    }
    Asked { devices: template.devices().saturating_add(by_claims), by_claims, unknown }
}

/// Does a template ask for the nodes of `pool`: by all of the labels that its nodes have, or by its name?
fn asks_for(template: &Template, pool: &Pool) -> bool {
    let by_name = template.labels.get("plimsoll.dev/pool").is_some_and(|name| **name == *pool.metadata.name);
    let held =
        |key: &str, value: &str| template.held_to(key).is_some_and(|values| !values.is_empty() && values.iter().all(|is| ***is == *value));
    by_name || pool.spec.node_labels.iter().all(|(key, value)| held(key, value))
}

fn owner(object: &Written, siblings: &Siblings, teams: &[Team]) -> Option<Name> {
    let labels = std::iter::once(&object.labels).chain(object.templates.iter().map(|template| &template.labels));
    let of_namespace = || siblings.labels_of(&object.namespace);
    // A Team object that owns the namespace says more than a label that anybody can write.
    teams
        .iter()
        .find(|team| team.owns(&object.namespace))
        .map(|team| Name::from(team.metadata.name.as_str()))
        .or_else(|| labels.chain(of_namespace()).find_map(|labels| team::LABELS.iter().find_map(|key| labels.get(*key))).cloned())
}

/// The class as every other decision finds it: from what of an object tells it.
fn class_of(object: &Written) -> class::Known {
    let main = || object.templates.iter().flat_map(|template| &template.containers).filter(|container| container.role == Role::Main);
    let declared =
        object.labels.get(class::LABEL).or_else(|| object.templates.iter().find_map(|template| template.labels.get(class::LABEL)));
    class::Signs {
        kind: &object.kind,
        name: &object.name,
        declared: declared.map(|label| &**label),
        ends: object.run.is_some(),
        // Which Services there are is not known here.
        exposed: false,
        serves: main().any(|container| container.port.is_some() || container.readiness.is_some() || container.liveness.is_some()),
        images: main().map(|container| container.image.as_deref().unwrap_or_default()).collect(),
    }
    .class()
}
