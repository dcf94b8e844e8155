//! `image-size`: a GPU does not wait for a huge image.

use super::{About, Case, Found, Rule};
use crate::guard::{mend, parameter::number};
use plimsoll_api::Mode;

pub(super) static RULE: Rule = Rule {
    name: "image-size",
    title: "Images of GPU pods are not huge",
    why: "Every start waits for the image with the GPU held: 50 GB take minutes at the best of times",
    about: About::Gpus,
    mode: Mode::Audit,
    parameters: &[number("most", 30.0, "GiB", "the largest image allowed, as nodes report it")],
    check: None,
    explain: "\
Judged: the images whose size is known, from what nodes report (Node.status.images). A manifest
does not tell sizes: without a cluster the rule is not judged.

Mend: a smaller base, weights outside of the image (a volume, an object store, an OCI volume).",
    judge,
};

fn judge(case: &Case<'_>, found: &mut Found) {
    let most = case.values.number("most");
    for container in case.asking().flat_map(|(template, _)| &template.containers) {
        let Some(image) = &container.image else { continue };
        let path = container.path.key("image");
        match case.state.images.get(image) {
            None => found.unjudged(path, "the sizes of images are known to a cluster only"),
            Some(size) if size.gib() > most => {
                let says = format!("the image {image} has {} GiB, and {} are allowed", mend::plain(size.gib()), mend::plain(most));
                found.breach(path, says, mend::says("Keep weights out of the image, and build on a smaller base."));
            }
            Some(_) => {}
        }
    }
}
