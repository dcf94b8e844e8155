//! `image-tags` in CEL.

use super::{Scope, Told, Values, of_containers};

pub(super) static TOLD: Told = Told { rule: "image-tags", found, mend: "Name the version that you tested", but: "" };

/// The repository of an image `i` without a digest. A colon before the last slash is a port.
pub(super) const REPOSITORY: &str = "(i.matches(':[^:/]*$') ? i.substring(0, i.lastIndexOf(':')) : i)";

fn found(values: &Values, _: &Scope<'_>) -> Option<String> {
    let tag = "string(c.is.image).matches(':[^:/]*$')";
    let says = if values.flag("digest") {
        format!("'the image ' + c.is.image + ({tag} ? ' has no digest' : ' has no tag, which means latest')")
    } else {
        format!("'the image ' + c.is.image + ({tag} ? ' is whatever is latest' : ' has no tag, which means latest')")
    };
    let moves = if values.flag("digest") { "true".to_owned() } else { format!("!{tag} || string(c.is.image).endsWith(':latest')") };
    Some(of_containers(&format!("c.is.?image.orValue('') != '' && !string(c.is.image).contains('@') && ({moves})"), &says))
}
