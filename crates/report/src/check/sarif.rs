//! SARIF 2.1.0, for code scanning. Source: the OASIS standard, and what GitHub's upload asks for.

use super::{At, Checked, yaml};
use plimsoll_api::Mode;
use plimsoll_decide::guard::{Breach, rules};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// As SARIF. Exempted breaches are in it, as suppressed.
#[must_use]
pub fn sarif(checked: &Checked) -> String {
    let mut known: Vec<Value> = rules::ALL
        .iter()
        .map(|rule| {
            json!({
                "id": rule.name,
                "shortDescription": { "text": rule.title },
                "fullDescription": { "text": format!("{}.", rule.why) },
                "help": { "text": rule.explain },
            })
        })
        .collect();
    // Rules of a user's own come after those of the program: all that is known of one is why it matters.
    let all = checked.breaches.iter().map(|at| &at.what).chain(checked.exempt.iter().map(|at| &at.what.breach));
    let own: BTreeMap<&str, &str> =
        all.filter(|breach| rules::named(&breach.rule).is_none()).map(|breach| (&*breach.rule, &*breach.why)).collect();
    known.extend(
        own.iter().map(
            |(name, why)| json!({ "id": name, "shortDescription": { "text": name }, "fullDescription": { "text": format!("{why}.") } }),
        ),
    );
    let index = |rule: &str| known.iter().position(|known| known["id"] == *rule);
    let open = checked.breaches.iter().map(|at| result(at, &at.what, index(&at.what.rule)));
    let exempt = checked.exempt.iter().map(|at| {
        let mut result = result(at, &at.what.breach, index(&at.what.breach.rule));
        result["suppressions"] = json!([{ "kind": "external", "justification": at.what.reason }]);
        result
    });
    let errors: Vec<Value> = checked
        .errors
        .iter()
        .map(|at| json!({ "level": "error", "message": { "text": at.what }, "locations": [location(&at.file, at.line)] }))
        .collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "plimsoll",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": known,
            } },
            "invocations": [{ "executionSuccessful": errors.is_empty(), "toolExecutionNotifications": errors }],
            "results": open.chain(exempt).collect::<Vec<Value>>(),
        }],
    });
    serde_json::to_string_pretty(&document).expect("a value is JSON") + "\n"
}

fn location(file: &str, line: u32) -> Value {
    let uri = if file == "-" { "stdin".to_owned() } else { file.replace('\\', "/").replace('%', "%25").replace(' ', "%20") };
    json!({ "physicalLocation": { "artifactLocation": { "uri": uri }, "region": { "startLine": line.max(1) } } })
}

fn result<T>(at: &At<T>, breach: &Breach, index: Option<usize>) -> Value {
    let level = match breach.mode {
        Mode::Enforce => "error",
        Mode::Warn => "warning",
        Mode::Audit | Mode::Off => "note",
    };
    let lines = yaml(&breach.fix).map(|lines| format!("\n\n{lines}")).unwrap_or_default();
    let text = format!("{}: {} {}{lines}", breach.subject, breach.message(), breach.fix.says);
    json!({
        "ruleId": &*breach.rule,
        "ruleIndex": index,
        "level": level,
        "message": { "text": text },
        "locations": [location(&at.file, at.line)],
        "partialFingerprints": { "plimsoll/v1": breach.fingerprint() },
    })
}
