//! Where a pod goes: the pool that is meant for it, its selector and the tolerations of its taints.

use super::{
    Left, Proposal, Settings, What, Work,
    change::{Change, Edit},
    offer::{self, Offer},
};
use crate::guard::{
    Case,
    case::View,
    rules::toleration_and_selector::{self as rule, effect},
};
use plimsoll_api::{
    Pool, pattern,
    pool::{PRODUCT_LABEL, PoolSharing},
};
use plimsoll_fleet::{
    Class, Name,
    node::Taint,
    pod::Toleration,
    selector::{Labels, NodeTerm},
    written::Template,
};
use serde_json::json;
use std::collections::BTreeSet;

/// The label that names a pool: of pods, and of namespaces for all pods in them.
pub(super) const POOL: &str = "plimsoll.dev/pool";

/// The pools that a pod of the template may be meant for, the most telling word first: its own, its namespace's, its guardrail's.
/// Where none of them says a pool, all of those that it may go to.
pub(super) fn candidates<'a>(
    work: &'a Work<'_>,
    view: &View<'a>,
    template: &Template,
    settings: &Settings<'_>,
    left: &mut BTreeSet<Left>,
) -> Vec<&'a Pool> {
    let asked: Vec<&Pool> = view.pools_of(template).collect();
    let of_namespace = view.siblings.labels_of(&view.object.namespace).and_then(|labels| labels.get(POOL));
    let of_guardrail = match settings.pools.as_slice() {
        [only] => Some(*only),
        // None, or two that do not agree.
        _ => None,
    };
    let named = of_namespace.map(|pool| (&**pool, "the namespace")).or_else(|| of_guardrail.map(|pool| (pool, "the guardrail")));
    let mut meant = asked;
    if let (true, Some((name, by))) = (meant.is_empty(), named) {
        match work.policy.pools.iter().find(|pool| pool.metadata.name == name) {
            Some(pool) => meant.push(pool),
            None => {
                left.insert(Left::NoSuchPool { pool: name.chars().take(63).collect(), by: by.to_owned() });
            }
        }
    }
    if meant.is_empty() {
        return work.policy.pools.iter().filter(|pool| may_go_to(template, pool) && is_allowed(view, pool)).collect();
    }
    for pool in meant.iter().filter(|pool| !may_go_to(template, pool)) {
        left.insert(Left::Elsewhere { pool: pool.metadata.name.clone() });
    }
    meant.retain(|pool| may_go_to(template, pool));
    meant
}

/// May a pod of the template go to the nodes of `pool`, as far as is known of their labels?
fn may_go_to(template: &Template, pool: &Pool) -> bool {
    let mut labels: Labels = pool.spec.node_labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect();
    if let Some(model) = pool.model() {
        labels.entry(PRODUCT_LABEL.into()).or_insert_with(|| model.into());
    }
    let is_selected = |(key, value): (&Name, &Name)| labels.get(key).is_none_or(|own| own == value);
    let of_term = |term: &NodeTerm| {
        let mut known = term.labels.iter().filter(|need| labels.contains_key(&need.key));
        !(term.labels.is_empty() && term.names.is_empty()) && known.all(|need| need.holds(&labels))
    };
    template.node_selector.iter().all(is_selected) && (template.node_terms.is_empty() || template.node_terms.iter().any(of_term))
}

/// What those pools have for a pod of the object.
pub(in crate::guard) fn offers<'a>(view: &View<'_>, pools: impl Iterator<Item = &'a Pool>) -> Vec<Offer> {
    let is_urgent = is_urgent(view);
    pools.flat_map(offer::of).filter(|offer| !(is_urgent && offer.is_time_sliced)).collect()
}

/// What must be fast shares no GPU in turns: the rule no-time-slicing-online would refuse it.
fn is_urgent(view: &View<'_>) -> bool {
    view.is(Class::Online) && !view.is_no_production()
}

/// May the team use the pool's GPUs? What is not said of either is no reason against it.
fn is_allowed(view: &View<'_>, pool: &Pool) -> bool {
    let models = view.team.map(|team| team.spec.models.as_slice()).unwrap_or_default();
    models.is_empty() || pool.model().is_none_or(|model| pattern::any(models, model))
}

/// What a template lacks to select the nodes of `pool`.
pub(super) fn selectors(at: usize, template: &Template, pool: &Pool) -> Vec<Change> {
    let is_held = |key: &str, value: &str| {
        template.held_to(key).is_some_and(|values| !values.is_empty() && values.iter().all(|held| ***held == *value))
    };
    let missing = pool.spec.node_labels.iter().filter(|(key, value)| !is_held(key, value));
    missing.map(|(key, value)| Change::Selector(at, key.as_str().into(), value.as_str().into())).collect()
}

/// What a template lacks to tolerate `taints`.
pub(super) fn tolerations(at: usize, template: &Template, taints: &[Taint]) -> Vec<Change> {
    let mut added: Vec<Toleration> = Vec::new();
    let mut changes = Vec::new();
    for taint in taints {
        if template.tolerations.iter().chain(&added).any(|toleration| toleration.covers(taint)) {
            continue;
        }
        let value = Some(taint.value.clone()).filter(|value| !value.is_empty());
        let written = match &value {
            Some(value) => json!({ "key": taint.key, "operator": "Equal", "value": value, "effect": effect(taint.effect) }),
            None => json!({ "key": taint.key, "operator": "Exists", "effect": effect(taint.effect) }),
        };
        let toleration = Toleration { key: Some(taint.key.clone()), value, effect: Some(taint.effect) };
        added.push(toleration.clone());
        changes.push(Change::Toleration(at, toleration, written));
    }
    changes
}

/// The templates whose pods ask for GPUs by resource: a claim chooses its device itself.
fn asking<'a>(work: &Work<'_>, view: &View<'a>) -> Vec<(usize, &'a Template)> {
    let by_resource: Vec<&Template> =
        view.asking().filter(|(_, asked)| asked.devices != asked.by_claims).map(|(template, _)| template).collect();
    let all = view.object.templates.iter().enumerate();
    all.filter(|(_, template)| by_resource.iter().any(|asking| std::ptr::eq(*asking, *template)) && work.may_change(template)).collect()
}

/// The selector of the one pool that is meant. A pod that selects GPU nodes by itself is left to its author.
pub(super) fn propose_selector(work: &Work<'_>, view: &View<'_>, settings: &Settings<'_>, proposal: &mut Proposal) {
    let Some(guardrail) = settings.selector else { return };
    let values = work.policy.values(&rule::RULE, view);
    let case = Case { view, values: &values };
    for (at, template) in asking(work, view) {
        // The pool that its label names is its author's word too.
        if view.pools_of(template).next().is_none() && rule::names_gpu_nodes(&case, template) {
            continue;
        }
        let pools = candidates(work, view, template, settings, &mut proposal.left);
        let is_slow = |pool: &Pool| is_urgent(view) && pool.spec.sharing == PoolSharing::TimeSlicing;
        let mut possible = pools.into_iter().filter(|pool| offers_all(pool, template) && !is_slow(pool));
        if let (Some(pool), None) = (possible.next(), possible.next()) {
            let why = format!("the pool {}", pool.metadata.name);
            proposal
                .edits
                .extend(selectors(at, template, pool).into_iter().map(|change| Edit::new(What::Selector, guardrail, change, why.clone())));
        }
    }
}

/// Does the pool offer all that the template asks for? One that does not say may do so.
fn offers_all(pool: &Pool, template: &Template) -> bool {
    let offers = offer::of(pool);
    let mut asked = template.containers.iter().flat_map(|container| container.asks().map(|(resource, _)| resource));
    offers.is_empty() || asked.all(|resource| offers.iter().any(|offer| offer.resource == *resource))
}

/// Tolerations of the taints of the pool that it asks for, else of those of GPU nodes.
pub(super) fn propose_tolerations(work: &Work<'_>, view: &View<'_>, settings: &Settings<'_>, proposal: &mut Proposal) {
    let Some(guardrail) = settings.toleration else { return };
    let values = work.policy.values(&rule::RULE, view);
    let case = Case { view, values: &values };
    for (at, template) in asking(work, view) {
        let taints = rule::taints(&case, template);
        let why = if view.pools.is_empty() { "a taint of GPU nodes" } else { "a taint of the pool that it asks for" };
        let changes = tolerations(at, template, &taints);
        proposal.edits.extend(changes.into_iter().map(|change| Edit::new(What::Toleration, guardrail, change, why)));
    }
}
