//! `image-tags`: the same manifest runs the same program tomorrow.

use super::{About, Case, Found, Rule};
use crate::guard::{mend, parameter::flag};
use plimsoll_api::Mode;
use serde_json::json;

pub(super) static RULE: Rule = Rule {
    name: "image-tags",
    title: "Images have a tag that does not move",
    why: "An image that changes under its name makes replicas differ, and pulls tens of gigabytes again at each start",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[flag("digest", false, "images must be pinned by digest (@sha256:…)")],
    check: None,
    explain: "\
Judged: every container's image, init and ephemeral ones too: it must have a tag other than
latest, or a digest. With digest set only a digest will do.

Mend: the version that you tested.",
    judge,
};

/// The repository, tag and digest of an image reference.
pub(super) fn parts(image: &str) -> (&str, Option<&str>, Option<&str>) {
    let (rest, digest) = image.split_once('@').map_or((image, None), |(rest, digest)| (rest, Some(digest)));
    // A colon before the last slash is a port.
    match rest.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag), digest),
        _ => (rest, None, digest),
    }
}

fn judge(case: &Case<'_>, found: &mut Found) {
    let pinned = case.values.flag("digest");
    for container in case.asking().flat_map(|(template, _)| &template.containers) {
        let Some(image) = &container.image else { continue };
        let (repository, tag, digest) = parts(image);
        let says = match (tag, digest) {
            (_, Some(_)) => continue,
            (None, None) => format!("the image {image} has no tag, which means latest"),
            (Some("latest"), None) => format!("the image {image} is whatever is latest"),
            (Some(_), None) if pinned => format!("the image {image} has no digest"),
            (Some(_), None) => continue,
        };
        let path = container.path.key("image");
        let end = if pinned {
            format!("{repository}@sha256:THE-DIGEST-THAT-YOU-TESTED")
        } else {
            format!("{repository}:THE-VERSION-THAT-YOU-TESTED")
        };
        found.breach(path.clone(), says, mend::at(&path, json!(end), "Name the version that you tested."));
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_port_is_no_tag() {
        assert_eq!(parts("registry:5000/a/b"), ("registry:5000/a/b", None, None));
        assert_eq!(parts("registry:5000/a/b:v1"), ("registry:5000/a/b", Some("v1"), None));
        assert_eq!(parts("a@sha256:0"), ("a", None, Some("sha256:0")));
        assert_eq!(parts("a:v1@sha256:0"), ("a", Some("v1"), Some("sha256:0")));
    }
}
