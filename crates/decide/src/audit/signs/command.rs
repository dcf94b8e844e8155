//! The commands that fixes are made of: for exactly one object, ready to paste.

use crate::audit::finding::Subject;
use plimsoll_fleet::Name;

/// A word for a shell: as it is where that is safe, else in single quotes. What a cluster sends is not trusted.
pub(super) fn quoted(word: &str) -> String {
    let plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// `-n NAMESPACE`, where there is one.
fn namespace(subject: &Subject) -> String {
    subject.namespace.as_ref().map_or_else(String::new, |namespace| format!("-n {} ", quoted(namespace)))
}

/// `kubectl -n NAMESPACE VERB KIND NAME`.
pub(super) fn on(verb: &str, subject: &Subject) -> String {
    format!("kubectl {}{verb} {} {}", namespace(subject), quoted(&subject.kind.to_lowercase()), quoted(&subject.name))
}

/// A merge patch.
pub(super) fn patch(subject: &Subject, json: &str) -> String {
    format!("{} --type=merge -p {}", on("patch", subject), quoted(json))
}

/// `kubectl scale`, for the kinds that have it.
pub(super) fn scale(subject: &Subject, replicas: u32) -> String {
    format!("kubectl {}scale {}/{} --replicas={replicas}", namespace(subject), quoted(&subject.kind.to_lowercase()), quoted(&subject.name))
}

/// The first names in order, and how many more.
pub(super) fn names<'n>(names: impl IntoIterator<Item = &'n Name>) -> String {
    crate::audit::blind::some_of(names.into_iter().map(|name| &**name))
}
