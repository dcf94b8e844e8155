//! `fractional-request`: a template of a custom kind asks for a part of a GPU in a way that no API has checked.

use super::{Sign, fix};
use crate::audit::{
    finding::{Confidence, Finding, Fix},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{WorkloadId, workload::RawQuantity};

pub(super) static SIGN: Sign = Sign {
    name: "fractional-request",
    title: "A template asks for a fraction of a GPU, which the API server will refuse",
    threshold: None,
    explain: "\
Extended resources such as nvidia.com/gpu come in whole numbers. The API server refuses a pod
that asks for 0.5 or 500m of one (\"must be an integer\"), but it does not look into the pod
templates of custom kinds (JobSet, RayCluster, PyTorchJob, InferenceService, ...). There the
mistake is accepted, and then no pod is ever made: the workload waits without a reason that
its owner can see.

Seen: quantities of accelerator resources in every template of a workload's spec, as written.

Not wrong: 1000m, which is the whole number 1.

Mend: ask for a whole GPU; or for a part of one in a way that exists: a MIG slice
(nvidia.com/mig-1g.10gb: 1), or a replica of a time-sliced or MPS-shared GPU
(nvidia.com/gpu.shared: 1), on a pool that offers it.",
    find,
};

fn find(view: &View<'_>) -> Vec<Finding> {
    view.fleet
        .workloads()
        .filter_map(|(id, workload)| {
            let wrong: Vec<&RawQuantity> = workload.raw.iter().filter(|raw| !is_whole(&raw.quantity)).collect();
            wrong.first().map(|first| judge(view, id, first, wrong.len()))
        })
        .collect()
}

fn judge(view: &View<'_>, id: WorkloadId, first: &RawQuantity, places: usize) -> Finding {
    let holder = Holder::Workload(id);
    let more = if places > 1 { format!(" (and {} places more)", places - 1) } else { String::new() };
    let judged = Judged {
        says: format!(
            "its template asks for {} of {}{more}: only whole numbers are accepted, so its pods are refused",
            first.quantity, first.resource
        ),
        waste: Vec::new(),
        confidence: Confidence::High,
        evidence: vec![view.read(first.path.as_ref(), format!("{}: {}", first.resource, first.quantity))],
        fix: Fix {
            says: format!("Ask for a whole {} there, or for a MIG slice or a shared replica that a pool offers.", first.resource),
            action: fix::kubectl(view, holder, "edit", ""),
        },
    };
    view.on_holder(&SIGN, holder, judged)
}

/// Is the quantity a whole number, as the API demands of extended resources?
/// Quantities that are none at all (`half`, empty) are no whole numbers either.
fn is_whole(quantity: &str) -> bool {
    let text = quantity.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let has_digits = !whole.is_empty() && whole.len() < 16 && fraction.len() < 16 && !fraction.contains('.');
    let has_fraction = fraction.bytes().any(|digit| digit != b'0');
    match suffix {
        "" | "k" | "Ki" => has_digits && !has_fraction,
        "m" => has_digits && !has_fraction && whole.parse::<u64>().is_ok_and(|milli| milli % 1000 == 0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn only_whole_numbers_are_whole() {
        for whole in ["1", "8", "1.0", "2000m", "0", " 4 "] {
            assert!(is_whole(whole), "{whole}");
        }
        for not in ["0.5", "500m", "1500m", "half", "", "-1", "1e-1", "0.25", ".5", "1.2.3"] {
            assert!(!is_whole(not), "{not}");
        }
    }
}
