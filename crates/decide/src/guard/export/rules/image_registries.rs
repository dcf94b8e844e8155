//! `image-registries` in CEL.

use super::{Scope, Told, Values, image_tags::REPOSITORY};
use crate::guard::export::text::any;

pub(super) static TOLD: Told =
    Told { rule: "image-registries", found, mend: "Take the image from an allowed registry; mirror it there if need be", but: "" };

/// Registry and repository in full, of a repository `r`.
const FULL: &str = "(!r.contains('/') ? 'docker.io/library/' + r \
     : r.split('/')[0] == 'localhost' || r.split('/')[0].matches('[.:]') ? r : 'docker.io/' + r)";

fn found(values: &Values, _: &Scope<'_>) -> Option<String> {
    let allowed = values.names("allowed");
    (!allowed.is_empty()).then(|| {
        format!(
            "variables.asking.map(p, p.containers.filter(c, c.is.?image.orValue('') != '').map(c, string(c.is.image).split('@')[0])\
             .map(i, {REPOSITORY}).map(r, {FULL}).filter(r, !({})).map(r, 'images of ' + r + ' are not allowed')).filter(l, size(l) > 0)",
            any(allowed, "r")
        )
    })
}
