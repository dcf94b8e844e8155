//! Which requests a policy is asked about: resources by kind, and conditions before all rules.

use super::{
    Asks,
    kinds::{KINDS, UNSEEN},
    text::list,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Is the owner reference `of` that of a controller of a kind whose pods rules see? As `observe::manifest`.
pub(super) fn is_judged_owner(of: &str) -> String {
    let mut kinds: Vec<String> = KINDS.iter().filter(|kind| kind.has_pods()).flat_map(super::kinds::Kind::names).collect();
    kinds.extend(UNSEEN.iter().map(|(group, kind)| format!("{group}/{kind}")));
    format!(
        "{of}.?controller.orValue(false) == true && ({of}.apiVersion.contains('/') ? {of}.apiVersion.split('/')[0] : '') + '/' + {of}.kind in {}",
        list(&kinds)
    )
}

/// The resources of every kind, made and changed; or of debugging alone.
pub(super) fn resource_rules(asks: Asks) -> Value {
    if asks == Asks::Debugging {
        return json!([{ "apiGroups": [""], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": ["pods/ephemeralcontainers"] }]);
    }
    let mut by_group: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in KINDS {
        for group in kind.groups {
            by_group.entry(group).or_default().extend(kind.kinds.iter().map(|(_, resource)| *resource));
        }
    }
    let rules = by_group.into_iter().map(|(group, resources)| {
        json!({ "apiGroups": [group], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": resources })
    });
    rules.collect()
}

/// Conditions on the request, by name. Policies' variables are not seen in them.
pub(super) fn conditions() -> Value {
    // Kyverno's command line knows no user.
    let user = "dyn(request).?userInfo.?username.orValue('')";
    let by_controller = format!(
        "!(dyn(object).metadata.?ownerReferences.orValue([]).exists(o, {})\n\
         && [string({user})].exists(u, u == 'system:kube-controller-manager' || u.matches('^system:serviceaccount:[^:]*:')\n\
         && u.split(':')[2] != dyn(object).metadata[?'namespace'].orValue('')))",
        is_judged_owner("o")
    );
    let changed =
        "request.operation != 'UPDATE' || dyn(object).?spec != dyn(oldObject).?spec || dyn(object).?template != dyn(oldObject).?template";
    json!([
        { "name": "is-not-being-deleted", "expression": "!has(object.metadata.deletionTimestamp)" },
        { "name": "is-new-or-its-spec-has-changed", "expression": changed },
        { "name": "is-not-from-the-controller-of-what-was-judged", "expression": by_controller },
    ])
}
