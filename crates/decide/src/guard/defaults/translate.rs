//! From a need to a device.

use super::{
    Left, Proposal, Settings, What, Work,
    change::{Change, Edit},
    document, need, offer, place,
};
use crate::guard::{case::View, rules::toleration_and_selector::taint};
use plimsoll_api::Pool;
use plimsoll_fleet::{
    node::Taint,
    written::{Path, Role, Template, Written, is_accelerator},
};
use serde_json::Value;
use std::collections::BTreeSet;

/// The smallest device for each template that says its need and asks for no device; with it the selector and the tolerations of the
/// pool that has it, without which it would be another device of that name, or none.
pub(super) fn propose(work: &Work<'_>, view: &View<'_>, settings: &Settings<'_>, proposal: &mut Proposal) {
    let Some(guardrail) = settings.translate else { return };
    for (at, template) in view.object.templates.iter().enumerate() {
        match of_template(work, view, settings, at, template, &mut proposal.left) {
            Ok(Some((why, changes))) => {
                proposal.edits.extend(changes.into_iter().map(|change| Edit::new(What::Translation, guardrail, change, why.clone())));
            }
            Ok(None) => {}
            Err(left) => {
                proposal.left.insert(left);
            }
        }
    }
}

fn of_template(
    work: &Work<'_>,
    view: &View<'_>,
    settings: &Settings<'_>,
    at: usize,
    template: &Template,
    left: &mut BTreeSet<Left>,
) -> Result<Option<(String, Vec<Change>)>, Left> {
    if !work.may_change(template) {
        return Ok(None);
    }
    let Some(need) = need::of(view.object, template)? else { return Ok(None) };
    if view.asked(template).is_some_and(|asked| asked.any()) {
        return if is_outdated(work, template) { Err(Left::NeedChanged { need }) } else { Ok(None) };
    }
    let container = container(view.object, template)?;
    let pools = place::candidates(work, view, template, settings, left);
    if pools.is_empty() {
        let is_told = left.iter().any(|left| matches!(left, Left::Elsewhere { .. }));
        return if is_told { Ok(None) } else { Err(Left::NoPool { need }) };
    }
    let mut offers = place::offers(view, pools.iter().copied());
    let Some(best) = offer::smallest(&offers, &need) else {
        offers.sort();
        return Err(Left::NothingFits { need, offers });
    };
    let Some(pool) = pools.iter().find(|pool| pool.metadata.name == best.pool) else { return Ok(None) };
    let mut changes = vec![Change::Device(at, container, best.resource.clone())];
    changes.extend(to_get_there(at, template, pool));
    Ok(Some((format!("{need}: the smallest that is enough is {best} of the pool {}", best.pool), changes)))
}

/// Was the need changed, and the device not? It may be the one that the need of before has become.
fn is_outdated(work: &Work<'_>, template: &Template) -> bool {
    let said = |object| {
        let annotations = template.path.key("metadata").key("annotations");
        let of_object = Path::of("metadata.annotations");
        need::KEYS.map(|key| document::at(object, &annotations.key(key)).or_else(|| document::at(object, &of_object.key(key))))
    };
    let devices = |object| {
        let limits = template.containers.iter().filter_map(|container| document::at(object, &container.resources_path("limits")));
        let all = limits.filter_map(Value::as_object).flatten().filter(|(resource, _)| is_accelerator(resource));
        all.collect::<Vec<_>>()
    };
    let device = devices(work.json);
    work.old.is_some_and(|old| said(old) != said(work.json) && !device.is_empty() && devices(old) == device)
}

fn to_get_there(at: usize, template: &Template, pool: &Pool) -> Vec<Change> {
    let taints: Vec<Taint> = pool.spec.taints.iter().map(taint).collect();
    let mut changes = place::selectors(at, template, pool);
    changes.extend(place::tolerations(at, template, &taints));
    changes
}

/// The container that gets the device: the one that is named, else the first of those that stay.
fn container(object: &Written, template: &Template) -> Result<usize, Left> {
    let mut stay = template.containers.iter().enumerate().filter(|(_, container)| matches!(container.role, Role::Main | Role::Sidecar));
    match need::container(object, template) {
        Some(name) => stay.find(|(_, container)| container.name == *name),
        None => stay.find(|(_, container)| container.role == Role::Main),
    }
    .map(|(index, _)| index)
    .ok_or_else(|| Left::NoContainer {
        name: need::container(object, template).map_or_else(|| "of its own".to_owned(), |name| name.chars().take(63).collect()),
    })
}
