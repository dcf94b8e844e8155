//! `spread` in CEL.

use super::{Scope, Told, Values};

pub(super) static TOLD: Told =
    Told { rule: "spread", found, mend: "Give its pods topologySpreadConstraints over kubernetes.io/hostname", but: "" };

fn found(_: &Values, _: &Scope<'_>) -> Option<String> {
    Some(
        "!(variables.kind in ['Deployment', 'StatefulSet', 'Rollout', 'InferenceService']) || variables.class != 'online' || variables.replicas < 2 ? [] :\n\
         variables.asking.filter(p, size(p.spec.?topologySpreadConstraints.orValue([])) == 0 && size(p.spec.?affinity.?podAntiAffinity.orValue({})) == 0)\
         .map(p, ['its replicas may all be on one node'])"
            .to_owned(),
    )
}
