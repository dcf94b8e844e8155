//! `plimsoll repack`: the plan as people and programs read it.

use crate::script::Script;
use serde_json::Value;

const WAITS: &str = "recsys/bert-large-whhf2";

#[test]
fn a_plan_in_80_columns() {
    let mut script = Script::new();
    script.columns(80).run("repack --example").run(&format!("repack --example --for {WAITS}"));
    insta::assert_snapshot!(script.told());
}

#[test]
fn a_plan_in_120_columns() {
    let mut script = Script::new();
    script.file("prices.csv", "instance_type,usd_per_hour\np4de.24xlarge,33.333333\ng4dn.12xlarge,3.1\n");
    script.columns(120).run("repack --example --move-training --horizon 1h --nodes-at-once 2 --prices prices.csv --headroom a100=8");
    insta::assert_snapshot!(script.told());
}

#[test]
fn a_plan_for_a_ticket() {
    let mut script = Script::new();
    script.run(&format!("repack --example --for {WAITS} --format markdown")).run("repack --example --format csv");
    insta::assert_snapshot!(script.told());
}

#[test]
fn nothing_is_wider_than_asked() {
    for (columns, line) in [
        (80, "repack --example --all"),
        (100, "repack --example --move-training"),
        (80, "repack --example --for vision/ocr-v4jrxmsm9-5dkp2"),
    ] {
        let told = Script::new().columns(columns).run(line).told();
        // Commands are not cut: people paste them.
        let wide: Vec<&str> = told
            .lines()
            .filter(|line| !line.contains("kubectl") && !line.starts_with('$'))
            .filter(|line| line.chars().count() > columns)
            .collect();
        assert_eq!(wide, Vec::<&str>::new(), "{line} in {columns} columns");
    }
}

#[test]
fn wrong_arguments_and_pods_that_need_no_room() {
    let mut script = Script::new();
    let running = script.output("repack --example --format json");
    let plan: Value = serde_json::from_slice(&running.stdout).unwrap();
    let one = &plan["waves"][0]["moves"][0];
    let bound = format!("repack --example --for {}/{}", one["namespace"].as_str().unwrap(), one["pod"].as_str().unwrap());
    for line in [
        "repack --exmaple",
        "repack --example --for bert-large",
        "repack --example --for recsys/bert-lrge",
        "repack --example --for nobody/nothing",
        &bound,
        "repack --example --for recsys/bert-large-whhf2 --horizon 2d",
        "repack --example --horizon soon",
        "repack --example --horizon 0h",
        "repack --example --nodes-at-once 0",
        "repack --example --headroom a100=some",
        "repack --example --format html",
        "repack --example --prices missing.csv",
        "repack --snapshot missing.tar.zst",
        "repack --example -o missing/plan.md",
        "schema repak",
    ] {
        script.run(line);
    }
    insta::assert_snapshot!(script.told());
}

#[test]
fn the_document_holds_what_its_schema_says_and_adds_up() {
    let script = Script::new();
    let json = |line: &str| -> Value {
        let output = script.output(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let validator = jsonschema::validator_for(&json("schema repack")).unwrap();
    for line in ["repack --example", "repack --example --move-training --horizon 1h", "repack --example --for recsys/bert-large-whhf2"] {
        let plan = json(&format!("{line} --format json"));
        let wrong: Vec<String> = validator.iter_errors(&plan).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{line}: {wrong:?}");
        let moves: Vec<&Value> = plan["waves"].as_array().unwrap().iter().flat_map(|wave| wave["moves"].as_array().unwrap()).collect();
        let hours: f64 = moves.iter().map(|one| one["gpu_hours"].as_f64().unwrap()).sum();
        assert!((hours - plan["cost"]["gpu_hours"].as_f64().unwrap()).abs() < 1e-9, "{line}: costs add up");
        if let Some(nodes) = plan["nodes"].as_object() {
            let count = |name: &str| nodes[name].as_u64().unwrap();
            assert_eq!(count("now") - nodes["going"].as_array().unwrap().len() as u64, count("after"));
            assert!(count("lower_bound") <= count("after") && count("lower_bound_at_any_cost") <= count("lower_bound"));
            let empty: usize = plan["waves"].as_array().unwrap().iter().map(|wave| wave["empty"].as_array().unwrap().len()).sum();
            assert_eq!(empty, nodes["going"].as_array().unwrap().len(), "each node that goes is empty after some wave");
        }
    }
    // The plan of a snapshot is the plan of the fleet.
    assert!(script.output("snapshot --example -o fleet.tar.zst").status.success());
    assert_eq!(json("repack --snapshot fleet.tar.zst --format json")["waves"], json("repack --example --format json")["waves"]);
}
