#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use serde_json::json;

const POD: &str = "\
# The search team's pod.
apiVersion: v1
kind: Pod
metadata:
  name: a   # its name
spec:
  # Nothing before this.
  containers:
  - name: main
    command: [sleep]
    args:
    - |
      several
        lines
      # no remark
    resources:
      requests:
        cpu: 4
        nvidia.com/gpu: \"2\" # two
  - name: side
    image: x:1
";

fn edit(path: Path, value: Value) -> Edit {
    Edit { document: 0, path, value }
}

fn container(index: usize) -> Path {
    Path::of("spec.containers").item(index, None)
}

fn toleration() -> Value {
    json!([{ "key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule" }])
}

/// Lines that were put in, and lines that are gone.
fn changes(before: &str, after: &str) -> (Vec<String>, Vec<String>) {
    let minus = |a: &str, b: &str| {
        let mut left: Vec<&str> = b.lines().collect();
        let keep = |line: &&str| match left.iter().position(|other| other == line) {
            Some(at) => {
                left.remove(at);
                false
            }
            None => true,
        };
        a.lines().filter(keep).map(str::to_owned).collect::<Vec<_>>()
    };
    (minus(after, before), minus(before, after))
}

#[test]
fn a_value_is_put_where_it_belongs_and_nothing_else_changes() {
    let limits = edit(container(0).key("resources").key("limits").key("nvidia.com/gpu"), json!(2));
    let after = apply(POD, &limits).unwrap();
    assert_eq!(changes(POD, &after), (vec!["      limits:".to_owned(), "        nvidia.com/gpu: 2".to_owned()], vec![]));
    let request = edit(container(0).key("resources").key("requests").key("nvidia.com/gpu"), json!(4));
    let after = apply(POD, &request).unwrap();
    assert_eq!(changes(POD, &after).0, ["        nvidia.com/gpu: \"4\" # two"]);
    let cpu = edit(container(0).key("resources").key("requests").key("cpu"), json!(8));
    assert_eq!(changes(POD, &apply(POD, &cpu).unwrap()).0, ["        cpu: 8"]);
    let after = apply(POD, &edit(Path::of("spec.tolerations"), toleration())).unwrap();
    let lines = ["  tolerations:", "  - effect: NoSchedule", "    key: nvidia.com/gpu", "    operator: Exists"];
    assert_eq!(changes(POD, &after), (lines.map(str::to_owned).to_vec(), vec![]));
    let more = edit(Path::of("spec.tolerations"), json!([{ "key": "other" }]));
    let twice = apply(&after, &more).unwrap();
    assert_eq!(changes(&after, &twice).0, ["  - key: other"]);
    // The side container has no resources: they stand beside its name.
    let beside = edit(container(1).key("resources").key("limits").key("nvidia.com/gpu"), json!(1));
    assert_eq!(changes(POD, &apply(POD, &beside).unwrap()).0, ["    resources:", "      limits:", "        nvidia.com/gpu: 1"]);
    for (edit, text) in [(limits, POD), (edit(Path::of("spec.tolerations"), toleration()), &after)] {
        let once = apply(text, &edit).unwrap();
        assert_eq!(apply(&once, &edit).unwrap(), once, "a second time changes nothing");
    }
}

#[test]
fn what_does_not_stand_on_lines_of_its_own_is_left() {
    let toleration = |text: &str| apply(text, &edit(Path::of("spec.tolerations"), toleration()));
    for text in [
        POD.replace("spec:\n", "spec: &all\n"),
        "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: []}}\n".to_owned(),
        "apiVersion: v1\nkind: Pod\nspec: {containers: []}\n".to_owned(),
        POD.replace("  containers:\n", "  tolerations: []\n  containers:\n"),
        POD.replace("spec:\n", "spec: !!map\n"),
    ] {
        assert!(matches!(toleration(&text), Err(EditError::Style { .. })), "{text}");
    }
    // An anchor further up: the change would be made twice.
    let shared = "apiVersion: v1\nkind: Pod\nx: &x\n  spec:\n    a: 1\ny: *x\n";
    let error = apply(shared, &edit(Path::of("x.spec.b"), json!(1))).unwrap_err();
    assert_eq!(error, EditError::Elsewhere);
}

#[test]
fn json_and_other_line_breaks_keep_their_form() {
    let json = "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"Pod\",\n  \"spec\": {\n    \"containers\": [\n      {\n        \"name\": \"a\",\n        \"resources\": {\n          \"requests\": {\n            \"nvidia.com/gpu\": 2\n          }\n        }\n      }\n    ]\n  }\n}\n";
    let limits = edit(container(0).key("resources").key("limits").key("nvidia.com/gpu"), json!(2));
    let after = apply(json, &limits).unwrap();
    assert_eq!(changes(json, &after), (vec!["          \"limits\": {\"nvidia.com/gpu\":2},".to_owned()], vec![]));
    let after = apply(json, &edit(Path::of("spec.tolerations"), toleration())).unwrap();
    assert_eq!(changes(json, &after).0.len(), 1);
    let windows = POD.replace('\n', "\r\n");
    let after = apply(&windows, &limits).unwrap();
    assert_eq!(after.matches("\r\n").count(), after.matches('\n').count());
    assert_eq!(after.replace("\r\n", "\n"), apply(POD, &limits).unwrap());
    let documents = format!("{POD}---\n{POD}");
    let second = Edit { document: 1, ..limits };
    let after = apply(&documents, &second).unwrap();
    assert!(after.starts_with(POD) && after.len() > documents.len());
}

fn style() -> impl Strategy<Value = String> {
    let indent = prop_oneof![Just(1_usize), Just(2), Just(4)];
    let remark = prop_oneof![Just(""), Just("  # why"), Just("   ")];
    let request = prop_oneof![Just("2"), Just("'2'"), Just("\"2\""), Just("3 # three")];
    let more = prop_oneof![
        Just(""),
        Just("args: [a, 'b # c']"),
        Just("command: [x]"),
        Just("image: \"x:1\""),
        Just("env: [{name: A, value: 'b: c'}]")
    ];
    let tolerations = prop_oneof![Just(""), Just("block"), Just("flow")];
    (indent, any::<bool>(), remark, request, more, tolerations, any::<bool>()).prop_map(
        |(width, inner_list, remark, request, more, tolerations, limits)| {
            let pad = |depth: usize| " ".repeat(width * depth);
            let dash = if inner_list { 2 } else { 1 };
            let key = |lines: &mut Vec<String>, blanks: String, text: &str| lines.push(format!("{blanks}{text}{remark}"));
            let mut lines = vec!["# first".to_owned(), "apiVersion: v1".to_owned(), "kind: Pod".to_owned()];
            key(&mut lines, String::new(), "spec:");
            match tolerations {
                "block" => {
                    key(&mut lines, pad(1), "tolerations:");
                    lines.push(format!("{}# the others", pad(1)));
                    lines.push(format!("{}- key: other", pad(dash)));
                }
                "flow" => key(&mut lines, pad(1), "tolerations: [{key: other}]"),
                _ => {}
            }
            key(&mut lines, pad(1), "containers:");
            let inner = format!("{}  ", pad(dash));
            lines.push(format!("{}- name: a", pad(dash)));
            if !more.is_empty() {
                lines.push(format!("{inner}{more}"));
            }
            key(&mut lines, inner.clone(), "resources:");
            if limits {
                key(&mut lines, format!("{inner}{}", pad(1)), "limits:");
                lines.push(format!("{inner}{}memory: 1Gi", pad(2)));
            }
            key(&mut lines, format!("{inner}{}", pad(1)), "requests:");
            lines.push(format!("{inner}{}nvidia.com/gpu: {request}", pad(2)));
            lines.push("# last".to_owned());
            lines.join("\n") + "\n"
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn whatever_the_style_only_its_own_lines_change_and_a_second_time_none(text in style()) {
        let edits = [
            edit(container(0).key("resources").key("limits").key("nvidia.com/gpu"), json!(2)),
            edit(container(0).key("resources").key("requests").key("nvidia.com/gpu"), json!(2)),
            edit(Path::of("spec.tolerations"), toleration()),
        ];
        let mut now = text.clone();
        for edit in &edits {
            match apply(&now, edit) {
                Ok(after) => {
                    let (added, gone) = changes(&now, &after);
                    prop_assert!(gone.len() <= 1 && added.len() <= 4, "{now}\n{after}");
                    prop_assert_eq!(apply(&after, edit).unwrap(), after.clone());
                    now = after;
                }
                Err(error) => prop_assert!(text.contains("tolerations: [") && matches!(error, EditError::Style { .. }), "{error}\n{now}"),
            }
        }
        // All that was there is there, in its order.
        let mut lines = now.lines();
        for line in text.lines().filter(|line| !line.contains("nvidia.com/gpu")) {
            prop_assert!(lines.any(|other| other == line), "{line} is gone from\n{now}");
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a-c:{}\\[\\]\\-\"'#&*!| \n]{0,60}", place in prop_oneof![Just("a.b"), Just("a"), Just("")]) {
        let text = format!("apiVersion: v1\nkind: Pod\n{text}");
        let _ = apply(&text, &edit(Path::of(place), json!([{ "a": 1 }])));
        let _ = apply(&text, &edit(Path::of(place).item(0, None).key("c"), json!(1)));
    }
}
