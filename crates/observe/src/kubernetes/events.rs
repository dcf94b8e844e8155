//! What events tell of pods: how long an image took to pull, and why a pod was refused by the scheduler.

use super::{collect::seconds, convert::cut, raw::workload::RawEvent};
use plimsoll_fleet::{Name, Seconds, Timestamp};
use std::collections::{BTreeMap, HashMap};

/// Longest sentence that is kept, characters.
const SENTENCE_MAX: usize = 400;

/// What events told of one pod.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// How long its images took to pull.
    pub pull: Option<Seconds>,
    /// The scheduler's last word.
    pub refused: Option<Name>,
}

#[derive(Debug, Default)]
struct Notes {
    /// The longest pull of each image: an image is pulled again when a container restarts.
    pulls: BTreeMap<Name, f64>,
    refused: Option<(Option<Timestamp>, Name)>,
}

/// Events by namespace and name of the pod.
#[derive(Debug, Default)]
pub struct Events(HashMap<(Name, Name), Notes>);

impl Events {
    /// Takes in an event.
    pub fn add(&mut self, raw: &RawEvent) {
        if &*raw.involved_object.kind != "Pod" {
            return;
        }
        let key = (raw.involved_object.namespace.clone(), raw.involved_object.name.clone());
        match &*raw.reason {
            "Pulled" => {
                if let Some((image, seconds)) = pulled(&raw.message) {
                    let longest = self.0.entry(key).or_default().pulls.entry(image.into()).or_default();
                    *longest = longest.max(seconds);
                }
            }
            "FailedScheduling" => {
                let said = (raw.last_timestamp.or(raw.event_time), cut(&raw.message, SENTENCE_MAX));
                let refused = &mut self.0.entry(key).or_default().refused;
                if refused.as_ref().is_none_or(|before| *before < said) {
                    *refused = Some(said);
                }
            }
            _ => {}
        }
    }

    /// What was told of a pod.
    #[must_use]
    pub fn of(&self, namespace: &Name, name: &Name) -> Option<Told> {
        let notes = self.0.get(&(namespace.clone(), name.clone()))?;
        let pull = (!notes.pulls.is_empty()).then(|| seconds(notes.pulls.values().sum()));
        Some(Told { pull, refused: notes.refused.as_ref().map(|(_, message)| message.clone()) })
    }
}

/// Reads `Successfully pulled image "IMAGE" in 1m2.5s (3m1s including waiting). Image size: 7 bytes.`: the pull's own time.
/// An image that was there already has no time.
fn pulled(message: &str) -> Option<(&str, f64)> {
    let (image, rest) = message.strip_prefix("Successfully pulled image \"")?.split_once('"')?;
    let duration = rest.strip_prefix(" in ")?.split_whitespace().next()?;
    Some((image, go_duration(duration.trim_end_matches('.'))?))
}

/// A duration as Go prints it, in seconds: `1h2m3.5s`, `62.5ms`.
fn go_duration(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let value: f64 = rest[..end].parse().ok()?;
        let unit_end = rest[end..].find(|character: char| character.is_ascii_digit()).map_or(rest.len(), |at| end + at);
        total += value
            * match &rest[end..unit_end] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "µs" | "us" | "μs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_pull_is_read_from_its_message() {
        let (image, seconds) =
            pulled("Successfully pulled image \"vllm/vllm-openai:v0.9\" in 1m2.5s (3m1s including waiting). Image size: 9 bytes.").unwrap();
        assert_eq!((image, seconds), ("vllm/vllm-openai:v0.9", 62.5));
        assert_eq!(pulled("Successfully pulled image \"a\" in 812.5ms").unwrap().1, 0.8125);
        assert_eq!(pulled("Container image \"a\" already present on machine"), None);
        for broken in ["", "1", "s", "1x", "1.2.3s", "in"] {
            assert_eq!(go_duration(broken), None, "{broken}");
        }
    }
}
