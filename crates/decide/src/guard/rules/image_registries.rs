//! `image-registries`: images come from where they are looked after.

use super::{About, Case, Found, Rule, image_tags};
use crate::guard::{mend, parameter::names};
use plimsoll_api::{Mode, pattern};

pub(super) static RULE: Rule = Rule {
    name: "image-registries",
    title: "Images come from allowed registries",
    why: "An image from anywhere is code from anybody, and one from far away is pulled slowly while the GPU waits",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[names("allowed", &[], "registry and repository, '*' for any characters, such as ghcr.io/acme/*; empty: all")],
    check: None,
    explain: "\
Judged: every container's image, init and ephemeral ones too, with the registry filled in as the
container runtime does: vllm/vllm-openai is docker.io/vllm/vllm-openai, and busybox is
docker.io/library/busybox. Unless allowed is set it has nothing to say.

Mend: the image from one of them; mirror it there if need be.",
    judge,
};

/// Registry and repository in full. Source: distribution `reference/normalize.go`.
fn full(image: &str) -> String {
    let (repository, _, _) = image_tags::parts(image);
    match repository.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => repository.to_owned(),
        Some(_) => format!("docker.io/{repository}"),
        None => format!("docker.io/library/{repository}"),
    }
}

fn judge(case: &Case<'_>, found: &mut Found) {
    let allowed = case.values.names("allowed");
    if allowed.is_empty() {
        return;
    }
    for container in case.asking().flat_map(|(template, _)| &template.containers) {
        let Some(image) = container.image.as_deref().map(full).filter(|image| !pattern::any(allowed, image)) else { continue };
        let fix = mend::says(format!("Take it from one of: {}.", allowed.join(", ")));
        found.breach(container.path.key("image"), format!("images of {image} are not allowed"), fix);
    }
}
