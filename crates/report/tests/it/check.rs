//! What the rules say, in forms that other programs must be able to read whatever names and texts are in it.

use plimsoll_api::Mode;
use plimsoll_decide::guard::{Breach, Exempt, Fix, Subject};
use plimsoll_fleet::{Timestamp, written::Path};
use plimsoll_report::check::{At, Checked, github, json, junit, sarif, table};
use serde_json::Value;

const HOSTILE: &str = "a\"<&>%\n::error::\u{1b}[31m,b:c\u{202e}\u{ffff}";

fn checked() -> Checked {
    let breach = |mode| Breach {
        rule: "probes".into(),
        mode,
        guardrail: None,
        subject: Subject { kind: HOSTILE.into(), namespace: HOSTILE.into(), name: HOSTILE.into() },
        path: Path::of("spec"),
        says: HOSTILE.to_owned(),
        why: "why".into(),
        fix: Fix { says: HOSTILE.to_owned(), lines: Some(serde_json::json!({ HOSTILE: [HOSTILE] })), certain: None },
    };
    let at = |line, mode| At { file: HOSTILE.to_owned(), line, what: breach(mode) };
    Checked {
        objects: 2,
        subjects: vec![At { file: HOSTILE.to_owned(), line: 1, what: breach(Mode::Warn).subject }],
        breaches: vec![at(3, Mode::Enforce), at(4, Mode::Warn), at(5, Mode::Audit)],
        exempt: vec![At {
            file: "b.yaml".into(),
            line: 1,
            what: Exempt { breach: breach(Mode::Warn), reason: HOSTILE.into(), until: Timestamp(0) },
        }],
        known: 1,
        unjudged: vec![At { file: "b.yaml".into(), line: 1, what: HOSTILE.to_owned() }],
        errors: vec![At { file: "b.yaml".into(), line: 7, what: HOSTILE.to_owned() }],
    }
}

#[test]
fn no_name_breaks_a_form() {
    let checked = checked();
    let text = junit(&checked);
    let xml = roxmltree::Document::parse(&text).unwrap();
    let root = xml.root_element();
    assert_eq!((root.attribute("tests"), root.attribute("failures"), root.attribute("errors")), (Some("2"), Some("1"), Some("1")));
    let count = |name: &str| xml.descendants().filter(|node| node.has_tag_name(name)).count();
    assert_eq!((count("testcase"), count("failure"), count("error"), count("system-out")), (2, 1, 1, 1));

    let lines: Vec<String> = github(&checked).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 4, "a line each: {lines:?}");
    assert!(lines[0].starts_with("::error file=a\"<&>%25 %3A%3Aerror%3A%3A"), "{}", lines[0]);
    assert!(lines[1].starts_with("::warning ") && lines[2].starts_with("::notice ") && lines[3].starts_with("::error file=b.yaml,line=7"));

    let document: Value = serde_json::from_str(&sarif(&checked)).unwrap();
    let run = &document["runs"][0];
    let levels: Vec<&str> = run["results"].as_array().unwrap().iter().map(|result| result["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["error", "warning", "note", "warning"]);
    assert_eq!(run["results"][3]["suppressions"][0]["justification"], HOSTILE);
    let index = run["results"][0]["ruleIndex"].as_u64().unwrap() as usize;
    assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "probes");
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);

    // A rule of a user's own is a rule of the document, too.
    let mut own = checked.clone();
    own.breaches[0].what.rule = "theirs".into();
    let document: Value = serde_json::from_str(&sarif(&own)).unwrap();
    let run = &document["runs"][0];
    let index = run["results"][0]["ruleIndex"].as_u64().unwrap() as usize;
    assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "theirs");

    let list: Vec<Value> = serde_json::from_str(&json(&checked)).unwrap();
    assert_eq!((list.len(), &list[0]["subject"]["name"]), (3, &Value::from(HOSTILE)));
    let told = table(&checked, 80, false);
    assert!(!told.contains('\u{1b}') && !told.contains('\u{202e}'), "{told}");
}

#[test]
fn nothing_is_a_form_too() {
    let nothing = Checked::default();
    assert_eq!(json(&nothing), "[]\n");
    assert_eq!(github(&nothing), "");
    assert!(roxmltree::Document::parse(&junit(&nothing)).is_ok());
    assert_eq!(table(&nothing, 80, false), "0 objects, 0 ask for GPUs: nothing to mend\n");
}
