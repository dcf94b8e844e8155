//! The CustomResourceDefinitions: what `kubectl apply -f deploy/crds` makes known to a cluster.

use crate::{
    GROUP, VERSION,
    guardrail::GuardrailSpec,
    pool::PoolSpec,
    team::{TeamSpec, TeamStatus},
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// All of them, by their full name.
#[must_use]
pub fn all() -> Vec<(String, Value)> {
    let column = |name: &str, kind: &str, path: &str| json!({ "name": name, "type": kind, "jsonPath": path });
    [
        crd::<GuardrailSpec>(
            "Guardrail",
            "guardrails",
            "Rules over GPU workloads.",
            &[column("Mode", "string", ".spec.mode"), column("Precedence", "integer", ".spec.precedence")],
        ),
        crd::<PoolSpec>(
            "Pool",
            "pools",
            "Nodes managed alike.",
            &[column("Sharing", "string", ".spec.sharing"), column("GPUs", "integer", ".spec.gpusPerNode")],
        ),
        crd::<TeamSpec>(
            "Team",
            "teams",
            "Who owns namespaces, and how much they may use.",
            &[column("GPUs", "integer", ".spec.limits.gpus"), column("Budget", "number", ".spec.budget.month")],
        )
        .with_status::<TeamStatus>(),
    ]
    .map(|definition| (definition.name, definition.crd))
    .into()
}

/// A definition in the making.
struct Definition {
    name: String,
    crd: Value,
}

impl Definition {
    /// With a status that only what runs in the cluster writes.
    fn with_status<Status: JsonSchema>(mut self) -> Self {
        let version = &mut self.crd["spec"]["versions"][0];
        version["subresources"] = json!({ "status": {} });
        version["schema"]["openAPIV3Schema"]["properties"]["status"] = structural(spec_schema::<Status>());
        self
    }
}

fn crd<Spec: JsonSchema>(kind: &str, plural: &str, says: &str, columns: &[Value]) -> Definition {
    let name = format!("{plural}.{GROUP}");
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": name },
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": { "kind": kind, "plural": plural, "singular": kind.to_lowercase(), "categories": ["plimsoll"] },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "additionalPrinterColumns": columns,
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "description": says,
                    "required": ["spec"],
                    "properties": { "spec": structural(spec_schema::<Spec>()) },
                } },
            }],
        },
    });
    Definition { name, crd }
}

fn spec_schema<Spec: JsonSchema>() -> Value {
    let mut generator = SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true).into_generator();
    let mut schema = serde_json::to_value(generator.root_schema_for::<Spec>()).unwrap_or_default();
    if let Some(root) = schema.as_object_mut() {
        root.retain(|key, _| !matches!(key.as_str(), "$schema" | "title" | "components"));
    }
    schema
}

/// What a structural schema may have: no `$ref`, one type, no bounds that only a format means, an enumeration in the place of
/// alternatives that are constants, and no `additionalProperties` beside properties.
fn structural(schema: Value) -> Value {
    let Value::Object(mut map) = schema else { return if schema == Value::Bool(true) { json!({}) } else { schema } };
    // An optional of a type with words of its own is `anyOf` of it and null.
    if let Some(inner) =
        map.get("anyOf").and_then(Value::as_array).and_then(|all| all.iter().find(|one| one.get("nullable").is_none()).cloned())
    {
        map.remove("anyOf");
        if let Value::Object(inner) = inner {
            for (key, value) in inner {
                map.entry(key).or_insert(value);
            }
        }
    }
    if let Some(constants) = map.get("oneOf").and_then(Value::as_array).and_then(|all| all.iter().map(constant).collect::<Option<Vec<_>>>())
    {
        map.remove("oneOf");
        map.insert("type".to_owned(), json!("string"));
        map.insert("enum".to_owned(), Value::Array(constants.into_iter().flatten().collect()));
    }
    if let Some(inner) = map.get("allOf").and_then(Value::as_array).filter(|all| all.len() == 1).map(|all| all[0].clone()) {
        map.remove("allOf");
        if let Value::Object(inner) = inner {
            for (key, value) in inner {
                map.entry(key).or_insert(value);
            }
        }
    }
    if map.contains_key("x-kubernetes-preserve-unknown-fields") || map.contains_key("properties") {
        map.remove("additionalProperties");
    }
    if map.get("default").is_some_and(|value| value.is_null() || value.is_object()) {
        map.remove("default");
    }
    if matches!(map.get("format").and_then(Value::as_str), Some(format) if format.starts_with("uint")) {
        map.remove("format");
    }
    let each: Map<String, Value> = map
        .into_iter()
        .map(|(key, value)| {
            let value = match (key.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    Value::Object(properties.into_iter().map(|(name, property)| (name, structural(property))).collect())
                }
                ("items" | "additionalProperties", inner) => structural(inner),
                (_, value) => value,
            };
            (key, value)
        })
        .collect();
    Value::Object(each)
}

/// The values that an alternative allows, where it is one or several constants.
fn constant(alternative: &Value) -> Option<Vec<Value>> {
    match (alternative.get("const"), alternative.get("enum").and_then(Value::as_array)) {
        (Some(one), _) => Some(vec![one.clone()]),
        (None, Some(several)) => Some(several.clone()),
        (None, None) => None,
    }
}
