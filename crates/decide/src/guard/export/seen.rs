//! What a rule of a user's own can see, as `cel::inputs` makes it, in variables of a policy.
//!
//! Their parts have no types, so that whatever an expression compares with them passes the look at types.

use super::{object::Variable, text::list};
use plimsoll_fleet::annotation;

/// What policies call each of `cel::VARIABLES`.
pub(super) fn name(variable: &str) -> &'static str {
    match variable {
        "object" => "variables.self",
        "namespace" => "variables.space",
        "namespaceLabels" => "variables.seen_namespace_labels",
        "pods" => "variables.seen_pods",
        "containers" => "variables.seen_containers",
        "devices" => "variables.seen_devices",
        "class" => "variables.class",
        _ => "variables.seen_team",
    }
}

/// What is not the same in a policy, and why.
pub(super) const BUT: [(&str, &str); 1] = [("devices", "what an autoscaler adds is not counted, since a policy sees one object at a time")];

/// No value: what asks for it is not judged.
const UNKNOWN: &str = "dyn(optional.none().value())";

/// The variables, after those that they ask for.
pub(super) fn variables() -> Vec<Variable> {
    let variable = |name: &str, expression: String| Variable { name: name.to_owned(), expression };
    vec![
        variable(
            "seen_namespace_labels",
            format!("dyn(namespaceObject) == null ? {UNKNOWN} : dyn(dyn(namespaceObject).?metadata.?labels.orValue({{}}))"),
        ),
        variable("seen_pods", pods()),
        variable("seen_containers", "dyn(variables.seen_pods.map(p, p.containers)).flatten()".to_owned()),
        variable("seen_devices", format!("variables.devices < 0 ? {UNKNOWN} : dyn(variables.devices)")),
        variable("seen_team", "dyn(variables.owner[?0].orValue(''))".to_owned()),
    ]
}

/// A map whose values are texts, where they are anything that can be one.
fn texts(of: &str) -> String {
    format!("{of}.transformMap(k, v, v != null, string(v))")
}

fn pods() -> String {
    format!(
        "variables.pods.map(p, {{
  'path': dyn(p.path), 'labels': dyn({labels}), 'annotations': dyn({annotations}), 'nodeSelector': dyn({selector}),
  'priorityClassName': dyn(string(p.spec.?priorityClassName.orValue(''))),
  ?'count': p.pods < 0 ? optional.none() : optional.of(dyn(p.pods)),
  ?'devices': p.unknown ? optional.none() : optional.of(dyn(p.devices)),
  'containers': dyn(p.containers.map(c, {{
    'name': dyn(string(c.name)), 'image': dyn(string(c.is.?image.orValue(''))), 'role': c.role, 'devices': dyn({devices}),
    'requests': dyn({requests}), 'limits': dyn({limits})}}))
}})",
        labels = texts("p.labels"),
        annotations = annotations(),
        selector = texts("p.selector"),
        devices = super::object::devices_of_container(),
        requests = texts("c.requests"),
        limits = texts("c.limits"),
    )
}

/// Those that are read anywhere. As `plimsoll_fleet::annotation::is_read`.
fn annotations() -> String {
    let beginnings: Vec<String> =
        annotation::BEGINNINGS.iter().map(|beginning| format!("k.startsWith({})", super::text::quoted(beginning))).collect();
    format!(
        "p.annotations.transformMap(k, v, v != null && size(string(v)) <= {} && ({} || k in {} || k.matches('(?i)(^|/)({})$')), string(v))",
        annotation::LENGTH_MAX,
        beginnings.join(" || "),
        list(annotation::KEYS),
        annotation::OWNERS.join("|"),
    )
}
