//! The reports as documents: the schema holds, the forms render, an earlier audit is compared with, a snapshot says the same.

use crate::script::Script;
use serde_json::Value;
use std::collections::BTreeSet;

fn json(script: &Script, line: &str) -> Value {
    let output = script.output(line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn cents(value: &Value) -> i64 {
    (value.as_f64().unwrap_or_default() * 100.0).round() as i64
}

#[test]
fn the_document_holds_what_its_schema_says() {
    let mut script = Script::new();
    let schema = json(&script, "schema audit");
    let validator = jsonschema::validator_for(&schema).unwrap();
    script.output("audit --example --without idle-gpu --format json -o before.json");
    script.file("accepted.yaml", "- {sign: no-owner, reason: known, expires: 2030-01-01}\n");
    for line in ["audit --example --format json", "audit --example --baseline before.json --accepted accepted.yaml --format json"] {
        let document = json(&script, line);
        let wrong: Vec<String> = validator.iter_errors(&document).map(|error| format!("{} at {}", error, error.instance_path())).collect();
        assert!(wrong.is_empty(), "{line}: {wrong:?}");
    }
    for needed in ["schema_version", "fleet", "money", "packing", "signs", "blind_spots", "next_steps"] {
        assert!(schema["required"].as_array().unwrap().iter().any(|name| name == needed), "{needed} is promised");
    }
}

/// Truth rule 6, to the cent, at every level.
#[test]
fn money_adds_up() {
    let mut script = Script::new();
    script.file("prices.csv", "instance_type,usd_per_hour\np5.48xlarge,33.333333\ng6.12xlarge,3.1\n");
    for line in ["audit --example --format json", "audit --example --prices prices.csv --format json"] {
        let audit = json(&script, line);
        let bill = cents(&audit["money"]["bill_month"]);
        assert!(bill > 0);
        for view in ["team", "namespace", "workload", "gpu_model", "pool"] {
            let rows = audit["views"][view].as_array().unwrap();
            assert_eq!(rows.iter().map(|row| cents(&row["cost_month"])).sum::<i64>(), bill, "{line}: by {view}");
            let wasted: i64 = rows.iter().map(|row| cents(&row["wasted_month"])).sum();
            // Each line is rounded by itself: half a cent a line.
            let theoretical = cents(&audit["money"]["theoretical_saving_month"]);
            assert!((wasted - theoretical).abs() <= rows.len() as i64, "{line}: waste by {view}: {wasted} of {theoretical}");
        }
        assert_eq!(cents(&audit["funnel"]["paid"]["cost_month"]), bill);
        let [theoretical, realisable] = ["theoretical_saving_month", "realisable_saving_month"].map(|name| cents(&audit["money"][name]));
        assert!(theoretical <= bill && realisable <= bill);
        let going: i64 = audit["packing"]["going"].as_array().unwrap().iter().map(|node| cents(&node["cost_month"])).sum();
        assert!((going - realisable).abs() <= 1 + audit["packing"]["going"].as_array().unwrap().len() as i64 / 2);
    }
}

#[test]
fn an_earlier_audit_tells_new_mended_and_unchanged() {
    let script = Script::new();
    script.output("audit --example --without idle-gpu --format json -o before.json");
    let audit = json(&script, "audit --example --without low-compute --baseline before.json --format json");
    let before: Value = serde_json::from_slice(&script.read("before.json")).unwrap();
    let prints = |audit: &Value, sign: Option<&str>| -> BTreeSet<String> {
        let all = audit["signs"].as_array().unwrap().iter();
        all.filter(|one| one["confidence"] != "too-little" && sign.is_none_or(|sign| one["sign"] == sign))
            .map(|one| one["fingerprint"].as_str().unwrap().to_owned())
            .collect()
    };
    let of = |name: &str| -> BTreeSet<String> {
        let all = audit["comparison"][name].as_array().unwrap().iter();
        all.map(|one| one["fingerprint"].as_str().or(one.as_str()).unwrap().to_owned()).collect()
    };
    assert_eq!(of("new"), prints(&audit, Some("idle-gpu")));
    assert_eq!(of("mended"), prints(&before, Some("low-compute")));
    assert_eq!(of("unchanged"), &prints(&audit, None) & &prints(&before, None));
    assert!(!of("new").is_empty() && !of("mended").is_empty());
}

#[test]
fn every_form_renders_every_finding() {
    let script = Script::new();
    let audit = json(&script, "audit --example --format json");
    let text = |line: &str| String::from_utf8(script.output(line).stdout).unwrap();
    let (csv, markdown, html) =
        (text("audit --example --format csv"), text("audit --example --format markdown"), text("audit --example --format html"));
    let signs = audit["signs"].as_array().unwrap();
    let records = csv::Reader::from_reader(csv.as_bytes()).into_records().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(records.len(), signs.len(), "a record a finding");
    assert!(html.starts_with("<!DOCTYPE html>") && html.trim_end().ends_with("</html>"));
    assert!(!html.contains("src=\"http") && !html.contains("href=\"http"), "nothing comes from elsewhere");
    assert!(markdown.lines().any(|line| line.starts_with('#')) && markdown.contains('|'));
    for sign in signs {
        let name = sign["subject"]["name"].as_str().unwrap();
        assert!(csv.contains(name) && html.contains(name), "{name}");
    }
    // Written to a file it is the same.
    script.output("audit --example --format html -o report.html");
    assert!(String::from_utf8(script.read("report.html")).unwrap().trim_end() == html.trim_end());
}

#[test]
fn a_snapshot_of_the_example_says_the_same_and_hides_names_on_request() {
    let script = Script::new();
    for line in ["snapshot --example -o plain.tar.zst", "snapshot --example --hash-names --salt salt -o hashed.tar.zst"] {
        assert!(script.output(line).status.success(), "{line}");
    }
    let example = json(&script, "audit --example --format json");
    assert_eq!(json(&script, "audit --snapshot plain.tar.zst --format json"), example);
    let hashed = json(&script, "audit --snapshot hashed.tar.zst --format json");
    assert_eq!(hashed["money"]["bill_month"], example["money"]["bill_month"]);
    assert_eq!(hashed["money"]["theoretical_saving_month"], example["money"]["theoretical_saving_month"]);
    let count = |audit: &Value| {
        let mut signs: Vec<String> = audit["signs"].as_array().unwrap().iter().map(|one| one["sign"].to_string()).collect();
        signs.sort();
        signs
    };
    assert_eq!(count(&hashed), count(&example), "the same signs as often");
    let text = hashed["signs"].to_string();
    for sign in example["signs"].as_array().unwrap() {
        let name = sign["subject"]["name"].as_str().unwrap();
        assert!(!text.contains(&format!("\"{name}\"")), "{name} is not hidden");
    }
}
