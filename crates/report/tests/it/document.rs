use crate::sample;
use plimsoll_decide::audit::baseline::compare;
use plimsoll_report::json::{self, past};
use std::path::PathBuf;

fn schema_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema").join(name)
}

/// To renew it: `PLIMSOLL_UPDATE=1 cargo test -p plimsoll-report`.
#[test]
fn the_published_schemas_are_not_stale() {
    for (name, schema) in [
        ("audit.json", json::schema()),
        ("repack.json", plimsoll_report::repack::schema()),
        ("check.json", plimsoll_report::check::schema()),
        ("history.json", plimsoll_report::check::history::schema()),
    ] {
        let now = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("PLIMSOLL_UPDATE").is_some() {
            std::fs::create_dir_all(schema_file(name).parent().unwrap()).unwrap();
            std::fs::write(schema_file(name), &now).unwrap();
        }
        let published = std::fs::read_to_string(schema_file(name)).unwrap_or_default();
        assert_eq!(published, now, "docs/schema/{name} is stale: PLIMSOLL_UPDATE=1 cargo test -p plimsoll-report renews it");
    }
}

#[test]
fn documents_are_valid_and_the_schema_is_not_empty_words() {
    let validator = jsonschema::validator_for(&json::schema()).unwrap();
    let comparison = sample::comparison();
    for (audit, comparison) in [(sample::audit(), None), (sample::audit(), Some(&comparison)), (sample::nothing(), None)] {
        let mut document: serde_json::Value = serde_json::from_str(&json::text(&json::document(&audit, comparison))).unwrap();
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        document["money"].as_object_mut().unwrap().remove("bill_month");
        assert!(!validator.is_valid(&document), "every field is required, known or not");
        document["money"]["bill_month"] = "much".into();
        assert!(!validator.is_valid(&document));
    }
}

#[test]
fn the_document() {
    insta::assert_snapshot!(json::text(&json::document(&sample::audit(), None)));
}

#[test]
fn unknown_is_null() {
    let document = serde_json::to_value(json::document(&sample::nothing(), None)).unwrap();
    for field in ["bill_month", "theoretical_saving_month", "realisable_saving_month"] {
        assert!(document["money"][field].is_null(), "{field}");
    }
    assert!(document["window"].is_null() && document["cluster"].is_null());
}

#[test]
fn a_document_is_read_back_as_a_baseline() {
    let audit = sample::audit();
    let before = past::baseline(&json::text(&json::document(&audit, None))).unwrap();
    assert_eq!(before.at, sample::AT);
    let read: Vec<_> = before.findings.iter().map(|known| (known.fingerprint.clone(), known.subject.clone(), known.cost_month)).collect();
    let open: Vec<_> = audit.open().map(|finding| (finding.fingerprint(), finding.subject.to_string(), finding.cost_month)).collect();
    assert_eq!(read, open);
    let again = compare(&audit, &before);
    assert!(again.new.is_empty() && again.mended.is_empty() && again.unchanged.len() == open.len());
}

#[test]
fn what_is_no_document_is_refused_with_a_remedy() {
    for (text, says) in [
        ("", "plimsoll audit --format json"),
        ("{}", "plimsoll audit --format json"),
        (r#"{"schema_version":"9"}"#, r#"version "9""#),
        (r#"{"schema_version":"1","at":"yesterday","signs":[]}"#, "yesterday"),
    ] {
        let error = past::baseline(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
