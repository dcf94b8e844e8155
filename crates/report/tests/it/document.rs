use crate::sample;
use plimsoll_report::json::{self, past};
use std::path::PathBuf;

fn schema_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/audit.json")
}

/// To renew it: `PLIMSOLL_UPDATE=1 cargo test -p plimsoll-report`.
#[test]
fn the_published_schema_is_not_stale() {
    let now = serde_json::to_string_pretty(&json::schema()).unwrap() + "\n";
    if std::env::var_os("PLIMSOLL_UPDATE").is_some() {
        std::fs::create_dir_all(schema_file().parent().unwrap()).unwrap();
        std::fs::write(schema_file(), &now).unwrap();
    }
    let published = std::fs::read_to_string(schema_file()).unwrap();
    assert_eq!(published, now, "docs/schema/audit.json is stale: PLIMSOLL_UPDATE=1 cargo test -p plimsoll-report renews it");
}

#[test]
fn documents_are_valid_and_the_schema_is_not_empty_words() {
    let validator = jsonschema::validator_for(&json::schema()).unwrap();
    for audit in [sample::audit(), sample::nothing()] {
        let mut document: serde_json::Value = serde_json::from_str(&json::text(&json::document(&audit))).unwrap();
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
    insta::assert_snapshot!(json::text(&json::document(&sample::audit())));
}

#[test]
fn unknown_is_null() {
    let document = serde_json::to_value(json::document(&sample::nothing())).unwrap();
    for field in ["bill_month", "theoretical_saving_month", "realisable_saving_month"] {
        assert!(document["money"][field].is_null(), "{field}");
    }
    assert!(document["window"].is_null() && document["cluster"].is_null());
}

#[test]
fn a_document_is_read_back_as_a_baseline() {
    let audit = sample::audit();
    let past = past::past(&json::text(&json::document(&audit))).unwrap();
    assert_eq!(past.at, sample::AT);
    let open: Vec<_> = audit.findings.iter().filter(|f| f.accepted.is_none() && f.says.len() > 1).collect();
    assert_eq!(past.findings.len(), open.len() - 1, "all but the one with too little evidence");
    for (past, finding) in past.findings.iter().zip(&audit.findings) {
        assert_eq!((&past.fingerprint, &past.subject, past.cost_month), (&finding.fingerprint(), &finding.subject, finding.cost_month));
    }
}

#[test]
fn what_is_no_document_is_refused_with_a_remedy() {
    for (text, says) in [
        ("", "plimsoll audit --format json"),
        ("{}", "plimsoll audit --format json"),
        (r#"{"schema_version":"9"}"#, r#"version "9""#),
        (r#"{"schema_version":"1","at":"yesterday","money":{"currency":"USD"},"signs":[]}"#, "yesterday"),
    ] {
        let error = past::past(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
