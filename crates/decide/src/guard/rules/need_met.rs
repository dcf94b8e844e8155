//! `need-met`: what a pod says it needs of a GPU has become a device.

use super::{About, Case, Found, Rule};
use crate::guard::{
    defaults::{
        kinds,
        need::{self, Need},
        offer, place,
    },
    mend,
};
use plimsoll_api::Mode;
use plimsoll_fleet::{
    Name,
    written::{Path, Role, Template},
};
use serde_json::json;

pub(super) static RULE: Rule = Rule {
    name: "need-met",
    title: "A pod that says what it needs of a GPU asks for a device",
    why: "A need is an annotation and no request: unless it becomes a device the pod starts without a GPU, and nobody hears of it",
    about: About::All,
    mode: Mode::Warn,
    parameters: &[],
    check: None,
    explain: "\
Judged: each pod template that says a need (plimsoll.dev/gpu-memory, plimsoll.dev/gpu-compute; on
the object it counts where that has one template only) and asks for no accelerator, whatever kept
it from one: the webhook that adds the device was down, no guardrail asks for translate, defaults
are turned off, or nothing is large enough.

Only objects as a cluster takes them in are judged, after what adds to them had its turn: by the
webhook, by exported policies, and of what was submitted before what a cluster holds, the webhook's
records, and audit logs of the level RequestResponse. A manifest is rightly without the device that
the webhook will add, so plimsoll check of files says nothing. Of what was submitted before it tells
what came in without its device, also where the defaults of the guardrails given would add one now.
A pod with a claim that is not at hand is not judged, nor are kinds whose pods get their devices one
by one (TrainJob, Knative): what their controllers make is.

Mend: the device, as is shown; or defaults that translate (docs/defaults.md), and the object made
anew; or no need, where the pod needs no GPU.",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    let object = case.object;
    let of_object = need::is_said(&object.annotations);
    if !case.state.admitted || !of_object && !object.templates.iter().any(|template| need::is_said(&template.annotations)) {
        return;
    }
    if !kinds::of(&object.api_version, &object.kind).is_some_and(|kind| kind.pods) {
        return;
    }
    for template in case.not_asking() {
        let is_said = need::is_said(&template.annotations) || of_object && object.templates.len() == 1;
        if !is_said {
            continue;
        }
        if case.claims(template).count() < template.claims.len() {
            found.unjudged(template.spec().key("resourceClaims"), "whether its claims give a GPU is not known: they are not at hand");
            continue;
        }
        let need = need::of(object, template).ok().flatten();
        let at = of_device(case, template).key(&device(case, template, need));
        let need = need.unwrap_or_default();
        let fix = mend::at(&at, json!(1), "Ask for the device, or have a guardrail's defaults translate the need.");
        found.breach(at, format!("a pod says that it needs {need}, and asks for no device"), fix);
    }
    if of_object && object.templates.len() > 1 && !object.templates.iter().any(|template| need::is_said(&template.annotations)) {
        let asks = case.asking().next().is_some() || object.templates.iter().any(|template| !template.claims.is_empty());
        if !asks {
            let fix = mend::says("Put the annotation on the template whose pods need the GPU.");
            let says = "it says a need, none of its templates does, and none of them asks for a device".to_owned();
            found.breach(Path::of("metadata.annotations"), says, fix);
        }
    }
}

/// The smallest device of its pool that is enough; where no pool is known, a whole GPU.
fn device(case: &Case<'_>, template: &Template, need: Option<Need>) -> Name {
    let offers = place::offers(case, case.pools_of(template));
    let best = need.and_then(|need| offer::smallest(&offers, &need).map(|offer| offer.resource.clone()));
    best.unwrap_or_else(|| "nvidia.com/gpu".into())
}

/// Where the limits of the container stand that would have the device.
fn of_device(case: &Case<'_>, template: &Template) -> Path {
    let named =
        need::container(case.object, template).and_then(|name| template.containers.iter().find(|container| container.name == *name));
    let first = || template.containers.iter().find(|container| container.role == Role::Main);
    named.or_else(first).map_or_else(|| template.spec(), |container| container.resources_path("limits"))
}
