//! What a pod needs of a GPU, as its author writes it.

use super::Left;
use plimsoll_fleet::{
    Bytes, MilliGpu, Name,
    written::{Template, Written},
};
use std::{collections::BTreeMap, fmt};

/// The annotation with the GPU memory that a pod needs: `12Gi`.
pub const MEMORY: &str = "plimsoll.dev/gpu-memory";
/// The annotation with the part of a board's compute that a pod needs: `30%`.
pub const COMPUTE: &str = "plimsoll.dev/gpu-compute";
/// Annotations that say a need.
pub(in crate::guard) const KEYS: [&str; 2] = [MEMORY, COMPUTE];
/// The annotation with the name of the container that needs it; absent: the first.
pub const CONTAINER: &str = "plimsoll.dev/gpu-container";

/// What a pod needs of one GPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// Memory; none: it does not say.
    pub memory: Option<Bytes>,
    /// Compute, of the board that its pool has; none: it does not say.
    pub compute: Option<MilliGpu>,
}

/// `12 GiB and 30 % of a board`.
impl fmt::Display for Need {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gib = |memory: Bytes| super::super::mend::plain(memory.gib());
        let percent = |compute: MilliGpu| super::super::mend::plain(compute.0 as f64 / 10.0);
        match (self.memory, self.compute) {
            (Some(memory), Some(compute)) => write!(out, "{} GiB and {} % of a board", gib(memory), percent(compute)),
            (Some(memory), None) => write!(out, "{} GiB of GPU memory", gib(memory)),
            (None, Some(compute)) => write!(out, "{} % of a board", percent(compute)),
            (None, None) => write!(out, "a part of a GPU"),
        }
    }
}

/// Do these annotations say a need?
pub(in crate::guard) fn is_said(annotations: &BTreeMap<Name, Name>) -> bool {
    KEYS.iter().any(|key| annotations.contains_key(*key))
}

/// What the pods of `template` need; none: nothing is said. What the object says counts where it has one template only.
pub(in crate::guard) fn of(object: &Written, template: &Template) -> Result<Option<Need>, Left> {
    let annotations = if is_said(&template.annotations) {
        &template.annotations
    } else if !is_said(&object.annotations) {
        return Ok(None);
    } else if object.templates.len() == 1 {
        &object.annotations
    } else if object.templates.iter().any(|template| is_said(&template.annotations)) {
        return Ok(None);
    } else {
        return Err(Left::WhichTemplate { kind: object.kind.to_string() });
    };
    let wrong = |annotation, text: &Name, why| Left::Need { annotation, text: text.chars().take(40).collect(), why };
    let memory = annotations
        .get(MEMORY)
        .map(|text| bytes(text).ok_or_else(|| wrong(MEMORY, text, "is no amount of memory above zero, such as 12Gi")));
    let compute = annotations
        .get(COMPUTE)
        .map(|text| percent(text).ok_or_else(|| wrong(COMPUTE, text, "is no percentage from above 0 to 100, such as 30%")));
    Ok(Some(Need { memory: memory.transpose()?, compute: compute.transpose()? }))
}

/// The container that is named to have the device.
pub(in crate::guard) fn container<'a>(object: &'a Written, template: &'a Template) -> Option<&'a Name> {
    let of_object = || object.annotations.get(CONTAINER).filter(|_| object.templates.len() == 1);
    template.annotations.get(CONTAINER).or_else(of_object)
}

/// A quantity of memory: a number with at most one of the API's suffixes. A part of a byte counts as a whole one.
fn bytes(text: &str) -> Option<Bytes> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
    let each = match unit {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1_u64 << 40,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() > 18 || part.len() > 9 || whole.is_empty() && part.is_empty() {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u128>().ok() };
    let scale = 10_u128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let value = digits(whole)?.checked_mul(scale)?.checked_add(digits(part)?)?;
    let bytes = u64::try_from(value.checked_mul(each.into())?.div_ceil(scale)).ok()?;
    (bytes > 0).then_some(Bytes(bytes))
}

/// A percentage, in thousandths, rounded up.
fn percent(text: &str) -> Option<MilliGpu> {
    let number = text.trim().strip_suffix('%')?.trim_end();
    let plain =
        number.len() <= 12 && number.starts_with(|c: char| c.is_ascii_digit()) && number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let percent: f64 = plain.then(|| number.parse().ok()).flatten()?;
    // The least excess of a float is no thousandth more.
    (percent > 0.0 && percent <= 100.0).then(|| MilliGpu(((percent * 10.0 - 1e-9).ceil()).max(1.0) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_the_api_writes_them() {
        for (text, is) in [
            ("12Gi", Some(12 << 30)),
            ("12G", Some(12_000_000_000)),
            ("1.5Gi", Some(3 << 29)),
            ("512Mi", Some(512 << 20)),
            ("1", Some(1)),
            ("0.1", Some(1)),
            (".5Ki", Some(512)),
            ("0", None),
            ("", None),
            (".", None),
            ("12GB", None),
            ("12 Gi", None),
            ("-1Gi", None),
            ("1e9", None),
            ("1.2.3", None),
            ("99999999999999999999Gi", None),
            ("99999999999999Ti", None),
        ] {
            assert_eq!(bytes(text), is.map(Bytes), "{text}");
        }
        for (text, is) in [
            ("30%", Some(300)),
            ("12.5%", Some(125)),
            ("0.01%", Some(1)),
            ("33.33%", Some(334)),
            ("100%", Some(1000)),
            ("100.1%", None),
            ("0%", None),
            ("30", None),
            ("inf%", None),
            ("+5%", None),
            ("%", None),
        ] {
            assert_eq!(percent(text), is.map(MilliGpu), "{text}");
        }
    }
}
