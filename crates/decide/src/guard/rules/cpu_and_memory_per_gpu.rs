//! `cpu-and-memory-per-gpu`: a pod takes of a node's CPU and memory as it takes of its GPUs.

use super::{About, Case, Found, Rule};
use crate::guard::{mend, parameter::number};
use plimsoll_api::Mode;
use plimsoll_fleet::{
    resource::{self, Unit},
    written::{Role, Template},
};
use serde_json::json;

pub(super) static RULE: Rule = Rule {
    name: "cpu-and-memory-per-gpu",
    title: "CPU and memory are in proportion to the GPUs asked for",
    why: "Who takes one GPU and half of a node's memory leaves GPUs behind that nobody else can use",
    about: About::Gpus,
    mode: Mode::Warn,
    parameters: &[
        number("cpu-most", 24.0, "CPUs", "CPUs that a pod may request for each GPU; a Pool's own proportion counts instead"),
        number("cpu-least", 1.0, "CPUs", "CPUs that it must request for each GPU"),
        number("memory-most", 256.0, "GiB", "memory that it may request for each GPU; a Pool's own proportion counts instead"),
        number("memory-least", 4.0, "GiB", "memory that it must request for each GPU"),
    ],
    check: None,
    explain: "\
Judged: what the main containers and sidecars of a pod request, for each whole GPU that it asks
for. Pods with slices, shares or DRA claims are left out: their proportion is another one. The
defaults are the proportion of the largest common machines (p5.48xlarge: 192 CPUs and 2 TiB for
8 GPUs); where the pod asks for a Pool whose nodes are described, that pool's proportion counts.
Too little is wrong as well: a GPU that waits for its data loader is an expensive heater. What
is not requested at all is told by resource-bounds.

Mend: CPU and memory within the proportion; or all GPUs of a node, if all its memory is needed.",
    judge,
};

/// Bytes in a GiB.
const GIB: f64 = 1_073_741_824.0;

fn judge(case: &Case<'_>, found: &mut Found) {
    let pool = case.pools.first().and_then(|pool| Some((f64::from(pool.spec.gpus_per_node?), &pool.spec)));
    let of_pool = |whole: fn(&plimsoll_api::pool::PoolSpec) -> Option<f64>| pool.and_then(|(gpus, spec)| Some(whole(spec)? / gpus));
    let cpu_most = of_pool(|spec| spec.cpus_per_node).unwrap_or(case.values.number("cpu-most"));
    let memory_most = of_pool(|spec| spec.memory_gib_per_node).unwrap_or(case.values.number("memory-most"));
    for (template, asked) in case.asking() {
        if asked.by_claims > 0 || asked.unknown || !only_whole(template) || asked.devices == 0 {
            continue;
        }
        let gpus = asked.devices as f64;
        let sides = [
            ("cpu", "CPUs", 1.0, case.values.number("cpu-least"), cpu_most),
            ("memory", "GiB of memory", GIB, case.values.number("memory-least"), memory_most),
        ];
        for (resource, unit, scale, least, most) in sides {
            let Some(requested) = requested(template, resource).map(|sum| sum / scale) else { continue };
            let each = requested / gpus;
            let (bound, word) = if each > most {
                (most, "at most")
            } else if each < least {
                (least, "at least")
            } else {
                continue;
            };
            let (each, bound_text) = (mend::plain(each), mend::plain(bound));
            let says =
                format!("a pod requests {each} {unit} for each of its {} GPUs, and {word} {bound_text} is in proportion", asked.devices);
            let total = bound * gpus;
            let lines = if resource == "cpu" { json!(mend::plain(total)) } else { json!(format!("{}Gi", total.floor() as u64)) };
            let server = case.servers(template).first().copied();
            let path = server.map_or_else(|| template.spec(), |container| container.resources_path("requests").key(resource));
            let fix = mend::at(&path, lines, format!("Request {word} {} {unit} in all.", mend::plain(total)));
            found.breach(path, says, fix);
        }
    }
}

fn only_whole(template: &Template) -> bool {
    let resources = template.containers.iter().flat_map(|container| container.asks().map(|(name, _)| name));
    resources.into_iter().all(|name| matches!(resource::unit(name), Some(Unit::Gpu | Unit::Device(_))))
}

/// The sum of what stays; none: nothing of it is requested, or what is requested is no quantity.
fn requested(template: &Template, resource: &str) -> Option<f64> {
    let stay = template.containers.iter().filter(|container| matches!(container.role, Role::Main | Role::Sidecar));
    let quantities = stay.filter_map(|container| container.requests.get(resource).or_else(|| container.limits.get(resource)));
    let numbers: Vec<f64> = quantities.map(|quantity| quantity.number()).collect::<Option<_>>()?;
    (!numbers.is_empty()).then(|| numbers.into_iter().sum())
}
